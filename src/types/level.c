/*
 * level.c
 *		What the current role may see and search, and when values stay sealed.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "replication/logicalworker.h"
#include "replication/walsender.h"
#include "utils/guc.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

#include "types/types.h"

/* How values go in and out: by the role's level, or always sealed. */
typedef enum CimsForm
{
	CIMS_FORM_AUTO,
	CIMS_FORM_SEALED
} CimsForm;

static const struct config_enum_entry form_options[] = {
	{"auto", CIMS_FORM_AUTO, false},
	{"sealed", CIMS_FORM_SEALED, false},
	{NULL, 0, false},
};

/* Settings cims.output and cims.input, set by anyone: neither reveals what the level does not. */
static int output_form = CIMS_FORM_AUTO;
static int input_form = CIMS_FORM_AUTO;

/* Set by cims_output_seal, by who writes values where no role's level may matter. */
static bool output_sealed = false;

/* Defines the settings and installs the hooks of the encrypted types. */
void
cims_types_init(void)
{
	DefineCustomEnumVariable("cims.output",
							 "Shows encrypted values by the role's level, or always in their sealed form.",
							 NULL, &output_form, CIMS_FORM_AUTO, form_options,
							 PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable("cims.input",
							 "Takes sealed values only from roles without a grant, or from every role.",
							 NULL, &input_form, CIMS_FORM_AUTO, form_options,
							 PGC_USERSET, 0, NULL, NULL, NULL);
	cims_result_init();
	cims_rewrite_init();
	cims_inline_init();
	cims_guard_init();
	cims_foreign_key_init();
	cims_index_init();
	cims_object_init();
}

/*
 * Tells whether output is sealed for everyone: replication, dumps (pg_dump
 * always turns row_security off), or on request.  Logical decoding is replication
 * by whatever means; grants and keys as they once were must not decide there.
 */
bool
cims_output_is_sealed(void)
{
	return output_form == CIMS_FORM_SEALED || output_sealed || !row_security || am_walsender || HistoricSnapshotActive();
}

/* Seals output, or ends it; returns what it was, which the caller puts back, also after an error. */
bool
cims_output_seal(bool on)
{
	bool former = output_sealed;

	output_sealed = on;
	return former;
}

/* Tells whether sealed input is taken from every role: restores, replication apply, or on request. */
bool
cims_input_is_sealed(void)
{
	return input_form == CIMS_FORM_SEALED || !row_security || IsLogicalWorker();
}

/* Returns the level at which values of a class are shown to the current role now. */
CimsLevel
cims_display_level(int32 class_id)
{
	return cims_output_is_sealed() ? CIMS_LEVEL_NONE : cims_class_level(class_id);
}

/* Raises insufficient_privilege unless the current role holds level on the class. */
void
cims_require_level(int32 class_id, CimsLevel level)
{
	const CimsClass *class;

	if (likely(cims_class_level(class_id) >= level))
		return;
	class = cims_class_find(class_id);
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 class != NULL ? errmsg("permission denied for class \"%s\"", class->name) : errmsg("permission denied for class %d", class_id),
			 errdetail("This needs the level \"%s\" on the class; role \"%s\" holds \"%s\".",
					   cims_level_name(level), GetUserNameFromId(GetUserId(), true),
					   cims_level_name(cims_class_level(class_id))),
			 errhint("Levels are granted by cims.grant_class.")));
}

/* Requires the level "search" on the class of a value; literals need none. */
void
cims_require_search(int32 class_id)
{
	if (class_id != cims_class_default_id() && !cims_equality_is_exempt())
		cims_require_level(class_id, CIMS_LEVEL_SEARCH);
}
