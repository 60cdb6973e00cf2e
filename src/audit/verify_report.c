/*
 * verify_report.c
 *		The findings of cims.verify_table, as the reader may see them.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "audit/verify.h"

/* The columns of the result. */
enum
{
	FINDING_RELATION,
	FINDING_PROBLEM,
	FINDING_ROW_KEY,
	FINDING_COLUMNS,
	FINDING_RECORDED,
	FINDING_FOUND,
	FINDING_EVENT,
	FINDING_COUNT
};

/* Turns JSON text into a value. */
static Datum
json_datum(const char *text)
{
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(text));
}

/* Shows those columns of an image that are wanted; all where wanted is NULL. */
static Datum
show_image(CimsVerification *verification, const CimsFinding *finding, CimsBytes image, const Bitmapset *wanted)
{
	CimsImageReader reader = {image, 0};
	CimsImageItem item;
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	while (cims_image_step(&reader, &item))
		if (wanted == NULL || bms_is_member(item.attnum, wanted))
			cims_show_member(&json, verification->reader, finding->table->descriptor, &item);
	appendStringInfoChar(&json, '}');
	return json_datum(json.data);
}

/* Shows those columns of a state that are wanted. */
static Datum
show_state(CimsVerification *verification, const CimsFinding *finding, const CimsRowState *state, const Bitmapset *wanted)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	for (AttrNumber attnum = 1; attnum <= Max(state->room, finding->table->identity.n_columns); attnum++)
	{
		const CimsRowItem *known = cims_row_state_item(state, attnum);
		CimsImageItem item = {.attnum = attnum};

		if (wanted != NULL ? !bms_is_member(attnum, wanted) : known == NULL)
			continue;
		if (known != NULL)
		{
			item.kind = known->kind;
			item.value = known->value;
		}
		else if (!cims_descriptor_missing(verification->descriptors, finding->table->relation, state->whole_descriptor,
										  attnum, &item.kind, &item.value))
			continue;
		cims_show_member(&json, verification->reader, finding->table->descriptor, &item);
	}
	appendStringInfoChar(&json, '}');
	return json_datum(json.data);
}

/* Gives the names of columns. */
static Datum
show_names(const CimsDescriptor *descriptor, const Bitmapset *attnums)
{
	Datum *names = palloc(sizeof(Datum) * (bms_num_members(attnums) + 1));
	int attnum = -1;
	int n = 0;

	while ((attnum = bms_next_member(attnums, attnum)) >= 0)
	{
		const CimsDescribedColumn *column = cims_descriptor_column(descriptor, attnum);

		names[n++] = CStringGetTextDatum(column != NULL ? column->name : psprintf("column %d", attnum));
	}
	return PointerGetDatum(construct_array(names, n, TEXTOID, -1, false, TYPALIGN_INT));
}

/* Shows the row's key; false where the table has none. */
static bool
show_key(CimsVerification *verification, const CimsFinding *finding, Datum *shown)
{
	const CimsDescriptor *descriptor = finding->table->descriptor;
	Bitmapset *keys = NULL;

	for (int i = 0; i < descriptor->n_keys; i++)
		keys = bms_add_member(keys, descriptor->keys[i]);
	if (keys == NULL)
		return false;
	if (finding->row.data != NULL)
		*shown = show_image(verification, finding, finding->row, keys);
	else if (finding->recorded != NULL)
		*shown = show_state(verification, finding, finding->recorded, keys);
	else
		return false;
	return true;
}

/* Adds a finding to the result. */
void
cims_audit_report_finding(CimsVerification *verification, const CimsFinding *finding)
{
	Datum values[FINDING_COUNT] = {0};
	bool nulls[FINDING_COUNT];

	memset(nulls, true, sizeof(nulls));
	values[FINDING_RELATION] = ObjectIdGetDatum(finding->table->relation);
	nulls[FINDING_RELATION] = false;
	values[FINDING_PROBLEM] = CStringGetTextDatum(finding->problem);
	nulls[FINDING_PROBLEM] = false;
	nulls[FINDING_ROW_KEY] = !show_key(verification, finding, &values[FINDING_ROW_KEY]);
	if (finding->columns != NULL)
	{
		values[FINDING_COLUMNS] = show_names(finding->table->descriptor, finding->columns);
		nulls[FINDING_COLUMNS] = false;
	}
	if (finding->recorded != NULL)
	{
		values[FINDING_RECORDED] = show_state(verification, finding, finding->recorded, finding->columns);
		nulls[FINDING_RECORDED] = false;
	}
	if (finding->found.data != NULL || finding->found_state != NULL)
	{
		values[FINDING_FOUND] = finding->found_state != NULL ? show_state(verification, finding, finding->found_state, finding->columns) : show_image(verification, finding, finding->found, finding->columns);
		nulls[FINDING_FOUND] = false;
	}
	if (finding->event != 0)
	{
		values[FINDING_EVENT] = Int64GetDatum(finding->event);
		nulls[FINDING_EVENT] = false;
	}
	tuplestore_putvalues(finding->doubtful ? verification->doubtful : verification->results, verification->desc, values, nulls);
	verification->n_doubtful += finding->doubtful;
}

/*
 * Ends with a table.  An event that is hidden explains a finding or two: one
 * row that goes, one that comes.  Where there are more findings than that, some
 * have no such excuse, and all are reported.
 */
void
cims_audit_end_findings(CimsVerification *verification, const CimsVerifiedTable *table)
{
	if (verification->n_doubtful > 2 * (int64) table->n_hidden)
	{
		TupleTableSlot *slot = MakeSingleTupleTableSlot(verification->desc, &TTSOpsMinimalTuple);

		while (tuplestore_gettupleslot(verification->doubtful, true, false, slot))
			tuplestore_puttupleslot(verification->results, slot);
		ExecDropSingleTupleTableSlot(slot);
	}
	else
		verification->unknown_rows += verification->n_doubtful;
	tuplestore_clear(verification->doubtful);
	verification->n_doubtful = 0;
}
