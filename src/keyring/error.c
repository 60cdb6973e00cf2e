/*
 * error.c
 *		Say why a key is not at hand.
 */
#include "postgres.h"

#include "keyring/internal.h"

static const char *key_name(int32 class_id, uint32 version);
static uint32 master_key_id(void);
pg_noreturn static void raise_master_error(CimsKeyStatus status);

/* Raise the error of a status other than CIMS_KEYS_OK; class_id 0 stands for the search key. */
void
cims_keyring_error(CimsKeyStatus status, int32 class_id, uint32 version)
{
	switch (status)
	{
		case CIMS_KEYS_OK:
			break;
		case CIMS_KEYS_NOT_INITIALISED:
			ereport(ERROR,
					errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					errmsg("the keyring of this database is not initialised"),
					errhint("A superuser sets it up once by \"SELECT cims.init()\"."));
			break;
		case CIMS_KEYS_LOCKED:
			ereport(ERROR,
					errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					errmsg("the keyring is locked"),
					errdetail("No key is used in this cluster until it is unlocked."),
					errhint("A superuser unlocks it by \"SELECT cims.unlock()\"."));
			break;
		case CIMS_KEYS_NO_MASTER:
		case CIMS_KEYS_WRONG_MASTER:
			raise_master_error(status);
			break;
		case CIMS_KEYS_NO_VERSION:
			ereport(ERROR,
					errcode(ERRCODE_UNDEFINED_OBJECT),
					version == 0 ? errmsg("%s does not exist", key_name(class_id, version)) : errmsg("there is no %s", key_name(class_id, version)),
					errhint("View cims.key_status lists the data keys of this database."));
			break;
		case CIMS_KEYS_DISABLED:
			ereport(ERROR,
					errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					errmsg("%s is disabled", key_name(class_id, version)),
					errhint("View cims.key_status says why; cims.enable_key() allows its use again."));
			break;
		case CIMS_KEYS_DESTROYED:
			ereport(ERROR,
					errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					errmsg("%s is destroyed", key_name(class_id, version)),
					errdetail("Values that were sealed with it cannot be revealed any more."));
			break;
		case CIMS_KEYS_DAMAGED:
			ereport(ERROR,
					errcode(ERRCODE_DATA_CORRUPTED),
					errmsg("%s is damaged", key_name(class_id, version)),
					errdetail("What the keyring's tables hold of it does not unwrap under master key %u.",
							  master_key_id()),
					errhint("Restore the tables of schema cims from a backup."));
			break;
	}
	elog(ERROR, "unexpected key status %d", (int) status);
}

/* Raise the error of a master key that is missing or wrong. */
static void
raise_master_error(CimsKeyStatus status)
{
	if (status == CIMS_KEYS_WRONG_MASTER)
		ereport(ERROR,
				errcode(ERRCODE_CONFIG_FILE_ERROR),
				errmsg("master key %u is not the one of this database's keyring", master_key_id()),
				errdetail("What \"cims.master_key_file\" or \"cims.master_key_command\" gives does not match the check value of the keyring."),
				errhint("Set the key that was in use when the keyring was made, or to which it was last rotated."));
	ereport(ERROR,
			errcode(ERRCODE_CONFIG_FILE_ERROR),
			errmsg("master key %u is not available", cims_source_asked()),
			errdetail_internal("%s", cims_source_failure()),
			errhint("%s", cims_source_advice()));
}

/* Name a data key by its class, or by the number of the class where that is not known. */
static const char *
key_name(int32 class_id, uint32 version)
{
	const CimsClass *class;

	if (class_id == 0)
		return "the search key";
	class = cims_class_find(class_id);
	if (class == NULL)
		return psprintf("version %u of the data key of class %d", version, class_id);
	if (version == 0)
		return psprintf("the active data key of class \"%s\"", class->name);
	return psprintf("version %u of the data key of class \"%s\"", version, class->name);
}

/* Return the number of the master key that this database uses, 0 where there is none. */
static uint32
master_key_id(void)
{
	CimsKeyring *keyring = cims_keyring_current();

	return keyring == NULL ? 0 : keyring->row.master_key_id;
}
