/*
 * class.c
 *		Classes of customer data, as cims.class defines them.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "keyring/internal.h"

/* The columns of cims.class. */
enum
{
	CLASS_ID,
	CLASS_NAME,
	CLASS_LEVEL,
	CLASS_SUITE,
	CLASS_EQUALITY,
	CLASS_MASK,
	CLASS_NORMAL_FORM,
	CLASS_MAX_LENGTH,
	CLASS_PRECISION,
	CLASS_SCALE,
	CLASS_CREATED,
	CLASS_CONDITIONS
};

static void load_class(HeapTuple tuple, const Datum *values, const bool *nulls, void *arg);
static void load_mask(Datum spec, CimsMaskRule *rule);
static void load_former(HeapTuple tuple, const Datum *values, const bool *nulls, void *arg);

/* Read every class. */
void
cims_class_load(CimsKeyring *keyring, Oid table)
{
	HASHCTL info = {.keysize = sizeof(int32), .entrysize = sizeof(CimsClassEntry), .hcxt = keyring->context};

	keyring->classes = hash_create("cims classes", 64, &info, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	cims_table_scan(table, load_class, keyring);
	if (keyring->own_classes)
		cims_table_scan_former(table, load_former, keyring);
}

/* Find a class in a copy of the keyring. */
CimsClassEntry *
cims_class_entry(CimsKeyring *keyring, int32 id)
{
	CimsClassEntry **last = &keyring->last_classes[cims_last_class(id)];
	CimsClassEntry *entry = *last;

	if (entry != NULL && entry->class.id == id)
		return entry;
	entry = hash_search(keyring->classes, &id, HASH_FIND, NULL);
	if (entry != NULL)
		*last = entry;
	return entry;
}

/* Find a class by its id. */
const CimsClass *
cims_class_find(int32 id)
{
	CimsKeyring *keyring = cims_keyring_current();
	CimsClassEntry *entry;

	if (keyring == NULL)
		return NULL;
	entry = cims_class_entry(keyring, id);
	return entry == NULL ? NULL : &entry->class;
}

/* Return the id of the class of values that are given no class. */
int32
cims_class_default_id(void)
{
	static int32 id;

	if (id == 0)
		cims_crypto_check(cims_class_id_of_name(CIMS_DEFAULT_CLASS, strlen(CIMS_DEFAULT_CLASS), &id),
						  "compute the id of a class");
	return id;
}

/* Look up a suite by its name. */
bool
cims_suite_parse(const char *name, CimsSuite *suite)
{
	if (strcmp(name, "xaes-256-gcm") == 0)
		*suite = CIMS_SUITE_XAES_256_GCM;
	else if (strcmp(name, "sm4-ctr-hmac-sm3") == 0)
		*suite = CIMS_SUITE_SM4_CTR_HMAC_SM3;
	else
		return false;
	return true;
}

/* Take over a row of cims.class. */
static void
load_class(HeapTuple tuple, const Datum *values, const bool *nulls, void *arg)
{
	CimsKeyring *keyring = arg;
	int32 id = DatumGetInt32(values[CLASS_ID]);
	CimsClassEntry *entry = hash_search(keyring->classes, &id, HASH_ENTER, NULL);
	CimsClass *class = &entry->class;
	char suite[32];

	memset(entry, 0, sizeof(*entry));
	class->id = id;
	cims_text_copy(values[CLASS_NAME], class->name, sizeof(class->name));
	class->level = DatumGetInt32(values[CLASS_LEVEL]);
	cims_text_copy(values[CLASS_SUITE], suite, sizeof(suite));
	if (!cims_suite_parse(suite, &class->suite))
		elog(ERROR, "unknown suite \"%s\" of class \"%s\"", suite, class->name);
	class->equality = DatumGetBool(values[CLASS_EQUALITY]);
	load_mask(values[CLASS_MASK], &class->mask);
	class->normal_form = nulls[CLASS_NORMAL_FORM] ? CIMS_NORMAL_NONE : CIMS_NORMAL_LOWER;
	class->max_length = nulls[CLASS_MAX_LENGTH] ? -1 : DatumGetInt32(values[CLASS_MAX_LENGTH]);
	class->precision = nulls[CLASS_PRECISION] ? -1 : DatumGetInt32(values[CLASS_PRECISION]);
	class->scale = nulls[CLASS_SCALE] ? 0 : DatumGetInt32(values[CLASS_SCALE]);
	cims_conditions_load(values + CLASS_CONDITIONS, nulls + CLASS_CONDITIONS, keyring->context, &class->conditions);
	if (TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data)))
		keyring->own_classes = true;
}

/* Take over the conditions of a row as it was before this transaction. */
static void
load_former(HeapTuple tuple, const Datum *values, const bool *nulls, void *arg)
{
	CimsKeyring *keyring = arg;
	int32 id = DatumGetInt32(values[CLASS_ID]);
	CimsClassEntry *entry = hash_search(keyring->classes, &id, HASH_FIND, NULL);

	if (entry != NULL)
		cims_conditions_load(values + CLASS_CONDITIONS, nulls + CLASS_CONDITIONS, keyring->context, &entry->class.former);
}

/* Parse a mask; one that is no mask shows nothing. */
static void
load_mask(Datum spec, CimsMaskRule *rule)
{
	char *string = TextDatumGetCString(spec);
	const char *error;

	if (!cims_mask_parse(string, strlen(string), rule, &error))
	{
		memset(rule, 0, sizeof(*rule));
		rule->kind = CIMS_MASK_CONSTANT;
		strlcpy(rule->constant, "***", sizeof(rule->constant));
	}
	pfree(string);
}
