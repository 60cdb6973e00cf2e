/*
 * restore.c
 *		Puts a version of a row back: an ordinary UPDATE, or INSERT where the row
 *		is gone, by the current role, recorded as any other.
 *
 * Nothing is made up: where a column of the version is not in the record, or
 * cannot go into the table as it is now, nothing is put back.  Sealed values go
 * back as the bytes that they were.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_operator.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "audit/internal.h"
#include "audit/row_key.h"
#include "audit/row_value.h"

/* A version on its way back. */
typedef struct Restoration
{
	Relation rel;
	const CimsRowKey *key;
	CimsDescriptorCache *descriptors;
	const CimsDescriptor *descriptor;
	CimsRowState *state;
	bool *chosen;  /* by column: it is of the version and may be written */
	Datum *values; /* by column */
	bool *nulls;
} Restoration;

/* A statement with its parameters. */
typedef struct Statement
{
	StringInfoData text;
	int n;
	Oid *types;
	Datum *values;
	char *nulls;
} Statement;

PG_FUNCTION_INFO_V1(cims_restore_row);

/* Raises that a version cannot be put back because of one of its columns. */
static void
column_error(const Restoration *restoration, int column, const char *reason)
{
	ereport(ERROR,
			errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			errmsg("column \"%s\" of table \"%s\" cannot be restored",
				   NameStr(TupleDescAttr(RelationGetDescr(restoration->rel), column)->attname),
				   RelationGetRelationName(restoration->rel)),
			errdetail("%s", reason));
}

/* Builds the row as it stood after an event, or before, where that deleted it. */
static void
read_version(Restoration *restoration, Snapshot snapshot, int64 seq)
{
	Oid relation = RelationGetRelid(restoration->rel);
	CimsDescriptorCache *descriptors = cims_descriptor_cache(CurrentMemoryContext, snapshot);
	const CimsEvent *wanted = NULL;
	ListCell *cell;

	restoration->state = cims_row_state_create(CurrentMemoryContext);
	foreach (cell, cims_row_events(restoration->key, relation, descriptors, snapshot))
	{
		const CimsEvent *event = lfirst(cell);

		if (event->seq > seq)
			break;
		cims_row_events_apply(restoration->state, event);
		wanted = event;
	}
	if (wanted == NULL || wanted->seq != seq)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("event %lld is not of this row", (long long) seq),
				errhint("cims.history lists the events of a row."));
	if (wanted->erased)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("what event %lld told was erased", (long long) seq));
	restoration->descriptors = descriptors;
	restoration->descriptor = cims_descriptor_find(descriptors, wanted->relation, wanted->entry.descriptor);
	if (restoration->descriptor == NULL)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("the description of the table at event %lld is gone", (long long) seq));
}

/* Chooses the columns that are written, with their values. */
static void
choose_columns(Restoration *restoration)
{
	TupleDesc desc = RelationGetDescr(restoration->rel);
	CimsRowTarget *target = cims_row_target(desc);
	int nesting = NewGUCNestLevel();

	restoration->chosen = palloc0(sizeof(bool) * desc->natts);
	restoration->values = palloc0(sizeof(Datum) * desc->natts);
	restoration->nulls = palloc0(sizeof(bool) * desc->natts);
	/* sealed values within arrays come from the record as armor */
	(void) set_config_option("cims.input", "sealed", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (attribute->attisdropped || attribute->attgenerated != '\0')
			continue; /* a generated column is computed anew */
		switch (cims_row_value(target, i, restoration->state, restoration->descriptors, restoration->descriptor, &restoration->values[i]))
		{
			case CIMS_VALUE_THERE:
				restoration->chosen[i] = true;
				break;
			case CIMS_VALUE_NULL:
				restoration->chosen[i] = restoration->nulls[i] = true;
				break;
			case CIMS_VALUE_YOUNGER:
				break; /* the version has no value for it */
			case CIMS_VALUE_UNRECORDED:
				column_error(restoration, i, "The record does not hold its values: they were left out, or recorded as a hash.");
				break;
			case CIMS_VALUE_SEALED:
				column_error(restoration, i, "The value is sealed, and the column is not encrypted any more.");
				break;
		}
	}
	AtEOXact_GUC(false, nesting);
}

/* Adds a parameter to a statement. */
static void
add_parameter(Statement *statement, Oid type, Datum value, bool isnull)
{
	statement->types[statement->n] = type;
	statement->values[statement->n] = value;
	statement->nulls[statement->n] = isnull ? 'n' : ' ';
	statement->n++;
	appendStringInfo(&statement->text, "$%d", statement->n);
}

/* Begins a statement. */
static void
begin_statement(Statement *statement, const Restoration *restoration, const char *verb)
{
	int room = 2 * RelationGetDescr(restoration->rel)->natts + 1;

	initStringInfo(&statement->text);
	statement->n = 0;
	statement->types = palloc(sizeof(Oid) * room);
	statement->values = palloc(sizeof(Datum) * room);
	statement->nulls = palloc(sizeof(char) * room);
	appendStringInfo(&statement->text, "%s %s", verb,
					 quote_qualified_identifier(get_namespace_name(RelationGetNamespace(restoration->rel)),
												RelationGetRelationName(restoration->rel)));
}

/* Runs a statement; returns how many rows it wrote. */
static uint64
run_statement(Statement *statement)
{
	if (SPI_execute_with_args(statement->text.data, statement->n, statement->types, statement->values,
							  statement->nulls, false, 0) < 0)
		elog(ERROR, "could not restore a row");
	return SPI_processed;
}

/* Names an operator with its schema. */
static char *
operator_name(Oid operator)
{
	HeapTuple tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(operator));
	Form_pg_operator form;
	char *name;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator %u", operator);
	form = (Form_pg_operator) GETSTRUCT(tuple);
	name = psprintf("OPERATOR(%s.%s)", quote_identifier(get_namespace_name(form->oprnamespace)), NameStr(form->oprname));
	ReleaseSysCache(tuple);
	return name;
}

/* Appends the condition that the row has the key that was given, by the equality of its types. */
static void
append_condition(Statement *statement, const Restoration *restoration)
{
	for (int i = 0; i < restoration->key->n; i++)
	{
		const CimsKeyValue *value = &restoration->key->values[i];
		Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(restoration->rel), value->attnum - 1);
		Oid equal = lookup_type_cache(attribute->atttypid, TYPECACHE_EQ_OPR)->eq_opr;

		if (!OidIsValid(equal))
			elog(ERROR, "type of a key column has no equality");
		appendStringInfo(&statement->text, "%s %s %s ", i == 0 ? " WHERE" : " AND",
						 quote_identifier(NameStr(attribute->attname)), operator_name(equal));
		add_parameter(statement, attribute->atttypid, value->datum, false);
	}
}

/* Writes the version over the row; false where that is not there. */
static bool
update_row(const Restoration *restoration)
{
	TupleDesc desc = RelationGetDescr(restoration->rel);
	const char *separator = " SET ";
	Statement statement;

	begin_statement(&statement, restoration, "UPDATE");
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (!restoration->chosen[i] || attribute->attidentity == ATTRIBUTE_IDENTITY_ALWAYS)
			continue;
		appendStringInfo(&statement.text, "%s%s = ", separator, quote_identifier(NameStr(attribute->attname)));
		add_parameter(&statement, attribute->atttypid, restoration->values[i], restoration->nulls[i]);
		separator = ", ";
	}
	append_condition(&statement, restoration);
	return run_statement(&statement) > 0;
}

/* Writes the version as a row. */
static void
insert_row(const Restoration *restoration)
{
	TupleDesc desc = RelationGetDescr(restoration->rel);
	const char *separator = " (";
	StringInfoData columns;
	Statement statement;

	begin_statement(&statement, restoration, "INSERT INTO");
	initStringInfo(&columns);
	for (int i = 0; i < desc->natts; i++)
		if (restoration->chosen[i])
		{
			appendStringInfo(&columns, "%s%s", separator, quote_identifier(NameStr(TupleDescAttr(desc, i)->attname)));
			separator = ", ";
		}
	appendStringInfo(&statement.text, "%s) OVERRIDING SYSTEM VALUE VALUES", columns.data);
	separator = " (";
	for (int i = 0; i < desc->natts; i++)
		if (restoration->chosen[i])
		{
			appendStringInfoString(&statement.text, separator);
			add_parameter(&statement, TupleDescAttr(desc, i)->atttypid, restoration->values[i], restoration->nulls[i]);
			separator = ", ";
		}
	appendStringInfoChar(&statement.text, ')');
	(void) run_statement(&statement);
}

/* Says which columns of the version have no place in the table any more. */
static void
tell_lost_columns(const Restoration *restoration)
{
	TupleDesc desc = RelationGetDescr(restoration->rel);
	CimsRowTarget *target = cims_row_target(desc);

	for (int i = 0; i < restoration->descriptor->n_columns; i++)
	{
		const CimsDescribedColumn *column = &restoration->descriptor->columns[i];
		bool found = false;

		for (int j = 0; j < desc->natts && !found; j++)
			found = !TupleDescAttr(desc, j)->attisdropped && cims_row_source(target, j, restoration->descriptor) == column->attnum;
		if (!found)
			ereport(NOTICE,
					errmsg("column \"%s\" of the version is not restored", column->name),
					errdetail("The table has no such column any more."));
	}
}

/*
 * cims.restore_row(tbl regclass, key "any", event bigint) returns text
 *
 * Puts the row with the key back to what it was after the event, or before it
 * where that deleted the row; returns "updated" or "inserted".  Raises
 * insufficient_privilege for who may not read the record of the table or write
 * to it, invalid_parameter_value for what is no key or no event of the row,
 * object_not_in_prerequisite_state where the record does not hold all of it.
 */
Datum
cims_restore_row(PG_FUNCTION_ARGS)
{
	Oid relation = PG_ARGISNULL(0) ? InvalidOid : PG_GETARG_OID(0);
	Restoration restoration = {0};
	Snapshot snapshot;
	bool updated;

	cims_audit_require();
	cims_history_require_table(relation);
	cims_reader_require(relation);
	if (PG_ARGISNULL(2))
		ereport(ERROR,
				errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				errmsg("the number of the event must not be null"));
	restoration.rel = table_open(relation, RowExclusiveLock);
	restoration.key = cims_row_key(fcinfo, relation, 1, 1);
	snapshot = cims_history_snapshot();
	read_version(&restoration, snapshot, PG_GETARG_INT64(2));
	choose_columns(&restoration);
	UnregisterSnapshot(snapshot);
	SPI_connect();
	updated = update_row(&restoration);
	if (!updated)
		insert_row(&restoration);
	SPI_finish();
	tell_lost_columns(&restoration);
	table_close(restoration.rel, NoLock);
	PG_RETURN_TEXT_P(cstring_to_text(updated ? "updated" : "inserted"));
}
