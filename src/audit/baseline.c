/*
 * baseline.c
 *		SQL functions by which auditing begins: descriptions of tables, and
 *		images of the rows that are there.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "audit/history.h"
#include "audit/internal.h"

static Relation open_audited(Oid relation, LOCKMODE lock);
static CimsAuditTable *refresh_table(Relation rel);
static bool lacks_rows(Relation rel, const CimsAuditTable *table, const CimsDescriptor *descriptor);
static bool has_key(const CimsAuditTable *table, const CimsDescriptor *descriptor);
static char *describe_begin(Relation rel, const CimsAuditTable *table, const char *event, bool rows);
static void describe_columns(StringInfo out, Relation rel, const CimsAuditTable *table, CimsAuditMode mode, const char *name);
static int64 record_rows(Relation rel, CimsAuditTable *table);

/* SQL: cims.audit_root(relation oid) returns oid: the table whose options a table is audited with, or NULL. */
PG_FUNCTION_INFO_V1(cims_audit_root_of);
Datum
cims_audit_root_of(PG_FUNCTION_ARGS)
{
	Oid root = cims_audit_root(PG_GETARG_OID(0), NULL);

	if (!OidIsValid(root))
		PG_RETURN_NULL();
	PG_RETURN_OID(root);
}

/*
 * SQL: cims.describe_table(relation oid, anew boolean) returns bigint: the
 * number of the event that describes an audited table as it is.
 */
PG_FUNCTION_INFO_V1(cims_describe_table);
Datum
cims_describe_table(PG_FUNCTION_ARGS)
{
	Relation rel = open_audited(PG_GETARG_OID(0), AccessShareLock);
	CimsAuditTable *table = refresh_table(rel);
	int64 seq;

	cims_audit_describe(rel, table, PG_GETARG_BOOL(1));
	seq = table->descriptor;
	table_close(rel, NoLock);
	PG_RETURN_INT64(seq);
}

/*
 * SQL: cims.audit_needs_baseline(relation oid) returns boolean: whether nothing
 * describes an audited table, or what does leaves rows untold.
 */
PG_FUNCTION_INFO_V1(cims_audit_needs_baseline);
Datum
cims_audit_needs_baseline(PG_FUNCTION_ARGS)
{
	Relation rel = open_audited(PG_GETARG_OID(0), AccessShareLock);
	CimsAuditTable *table = refresh_table(rel);
	Snapshot snapshot = cims_history_snapshot();
	List *descriptors = cims_descriptor_list(cims_descriptor_cache(CurrentMemoryContext, snapshot), table->relation);
	bool needs = descriptors == NIL || lacks_rows(rel, table, llast(descriptors));

	UnregisterSnapshot(snapshot);
	table_close(rel, NoLock);
	PG_RETURN_BOOL(needs);
}

/*
 * SQL: cims.record_baseline(relation oid, event text, rows boolean) returns
 * bigint: records that auditing begins, or begins anew, then the rows that are
 * there, in an audited table that holds rows itself; writers wait until the transaction
 * is over.
 */
PG_FUNCTION_INFO_V1(cims_record_baseline);
Datum
cims_record_baseline(PG_FUNCTION_ARGS)
{
	Relation rel = open_audited(PG_GETARG_OID(0), ShareRowExclusiveLock);
	char *event = text_to_cstring(PG_GETARG_TEXT_PP(1));
	bool rows = PG_GETARG_BOOL(2);
	CimsAuditTable *table;
	int64 n = 0;

	table = refresh_table(rel);
	(void) cims_audit_record(CIMS_OP_RECORD, table->relation, describe_begin(rel, table, event, rows));
	cims_audit_describe(rel, table, true);
	if (rows)
		n = record_rows(rel, table);
	table_close(rel, NoLock);
	PG_RETURN_INT64(n);
}

/* SQL: cims.audit_key_columns(relation oid) returns setof name: the columns by which rows are told apart. */
PG_FUNCTION_INFO_V1(cims_audit_key_columns);
Datum
cims_audit_key_columns(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Relation rel = table_open(PG_GETARG_OID(0), AccessShareLock);
	CimsAuditTable *table = cims_audit_options(rel);

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	for (int i = 0; i < table->n_columns; i++)
	{
		bool null = false;
		Datum name;

		if (!table->columns[i].key)
			continue;
		name = NameGetDatum(&TupleDescAttr(RelationGetDescr(rel), table->columns[i].attnum - 1)->attname);
		tuplestore_putvalues(result->setResult, result->setDesc, &name, &null);
	}
	table_close(rel, NoLock);
	return (Datum) 0;
}

/*
 * Tell whether rows of a table are not told any more by events under its newest
 * description: the key is another one, and images of changes cannot be told to a
 * row by the new key; or a column has come with values for the rows that there
 * are which no description holds.
 */
static bool
lacks_rows(Relation rel, const CimsAuditTable *table, const CimsDescriptor *descriptor)
{
	if (descriptor->changes_only && !has_key(table, descriptor))
		return true;
	for (int i = 0; i < table->n_columns; i++)
	{
		const CimsAuditColumn *column = &table->columns[i];

		if ((column->mode == CIMS_MODE_SEALED || column->mode == CIMS_MODE_HASH) &&
			TupleDescAttr(RelationGetDescr(rel), column->attnum - 1)->atthasmissing &&
			cims_descriptor_column(descriptor, column->attnum) == NULL)
			return true;
	}
	return false;
}

/* Tell whether the key of a table is still the one that it was described with. */
static bool
has_key(const CimsAuditTable *table, const CimsDescriptor *descriptor)
{
	int n = 0;

	for (int i = 0; i < table->n_columns; i++)
		if (table->columns[i].key)
		{
			if (n == descriptor->n_keys || descriptor->keys[n] != table->columns[i].attnum)
				return false;
			n++;
		}
	return n == descriptor->n_keys;
}

/* Open an audited table that holds rows itself. */
static Relation
open_audited(Oid relation, LOCKMODE lock)
{
	char *name = get_rel_name(relation);

	if (name == NULL)
		ereport(ERROR, errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation with OID %u does not exist", relation));
	if (get_rel_relkind(relation) != RELKIND_RELATION)
		ereport(ERROR,
				errcode(ERRCODE_WRONG_OBJECT_TYPE),
				errmsg("\"%s\" is not a table that holds rows itself", name),
				errdetail_relkind_not_supported(get_rel_relkind(relation)));
	cims_audit_require();
	if (!OidIsValid(cims_audit_root(relation, NULL)))
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("table \"%s\" is not audited", name),
				errhint("Ordinary tables that outlive their session can be: by cims.audit()."));
	return table_open(relation, lock);
}

/* Return what is known of a table, read anew here and, once this commits, by others. */
static CimsAuditTable *
refresh_table(Relation rel)
{
	cims_audit_require();
	CacheInvalidateRelcache(rel);
	CommandCounterIncrement();
	return cims_audit_options(rel);
}

/* Say that auditing begins, and how, as JSON. */
static char *
describe_begin(Relation rel, const CimsAuditTable *table, const char *event, bool rows)
{
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfoString(&out, "{\"event\":");
	escape_json(&out, event);
	appendStringInfoString(&out, ",\"schema\":");
	escape_json(&out, get_namespace_name(RelationGetNamespace(rel)));
	appendStringInfoString(&out, ",\"table\":");
	escape_json(&out, RelationGetRelationName(rel));
	appendStringInfo(&out, ",\"images\":\"%s\",\"mode\":\"%s\"", table->full ? "full" : "changes", table->statement ? "statement" : "row");
	describe_columns(&out, rel, table, CIMS_MODE_OMITTED, "omit");
	describe_columns(&out, rel, table, CIMS_MODE_HASH, "hash");
	appendStringInfo(&out, ",\"baseline\":%s}", rows ? "true" : "false");
	return out.data;
}

/* Append the names of the columns that are recorded in some way. */
static void
describe_columns(StringInfo out, Relation rel, const CimsAuditTable *table, CimsAuditMode mode, const char *name)
{
	const char *separator = "";

	appendStringInfo(out, ",\"%s\":[", name);
	for (int i = 0; i < table->n_columns; i++)
	{
		if (table->columns[i].mode != mode)
			continue;
		appendStringInfoString(out, separator);
		escape_json(out, NameStr(TupleDescAttr(RelationGetDescr(rel), table->columns[i].attnum - 1)->attname));
		separator = ",";
	}
	appendStringInfoChar(out, ']');
}

/* Record the rows that are in a table, and return how many. */
static int64
record_rows(Relation rel, CimsAuditTable *table)
{
	static const CimsAuditRow no_row = {NULL, NULL};
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan = table_beginscan(rel, snapshot, 0, NULL);
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext row_context = AllocSetContextCreate(CurrentMemoryContext, "cims audited row", ALLOCSET_DEFAULT_SIZES);
	CommandId command = GetCurrentCommandId(false);
	int64 n = 0;

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		slot_getallattrs(slot);
		MemoryContextSwitchTo(row_context);
		cims_audit_record_row(table, CIMS_OP_BASELINE, command, no_row, (CimsAuditRow){slot->tts_values, slot->tts_isnull});
		MemoryContextSwitchTo(caller);
		MemoryContextReset(row_context);
		n++;
	}
	MemoryContextDelete(row_context);
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);
	return n;
}
