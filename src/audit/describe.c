/*
 * describe.c
 *		Events that describe audited tables, so that images can be read without
 *		the catalog, which changes.
 *
 * A description is recorded when auditing begins, at the end of commands that
 * change the table, and else by the first event after a change.  cims.descriptor
 * remembers which event it was.  Two transactions that change rows of a table
 * whose description nobody has recorded yet do not wait for each other: each
 * records it, and rows are only ever added to cims.descriptor.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/xid8.h"

#include "audit/internal.h"
#include "keyring/keyring.h"
#include "types/types.h"

/* The columns of cims.descriptor. */
enum
{
	DESCRIPTOR_SEQ,
	DESCRIPTOR_XID,
	DESCRIPTOR_RELATION,
	DESCRIPTOR_DIGEST,
	DESCRIPTOR_COLUMNS
};

static bool own_descriptors; /* this transaction has written some, or seen its own */

static char *describe_table(Relation rel, CimsAuditTable *table);
static void describe_relation(StringInfo out, Oid relation);
static void describe_column(StringInfo out, Relation rel, const CimsAuditColumn *column);
static void describe_missing(StringInfo out, Relation rel, const CimsAuditColumn *column);
static bool find_descriptor(Oid relation, const unsigned char *digest, CimsAuditTable *table);
static void add_descriptor(Oid relation, int64 seq, const unsigned char *digest);
static void end_transaction(XactEvent event, void *arg);
static void end_subtransaction(SubXactEvent event, SubTransactionId subid, SubTransactionId parent, void *arg);

/* Register for the ends of transactions. */
void
cims_audit_describe_init(void)
{
	RegisterXactCallback(end_transaction, NULL);
	RegisterSubXactCallback(end_subtransaction, NULL);
}

/* Find the event that describes a table as it is, or record one. */
void
cims_audit_describe(Relation rel, CimsAuditTable *table, bool anew)
{
	char *description = describe_table(rel, table);
	unsigned char digest[CIMS_MAC_LEN];

	cims_crypto_check(cims_digest(CIMS_HASH_SHA256, description, strlen(description), digest), "hash a description");
	if (anew || !find_descriptor(table->relation, digest, table))
	{
		table->descriptor = cims_audit_record(CIMS_OP_DESCRIPTOR, table->relation, description);
		table->descriptor_own = true;
		add_descriptor(table->relation, table->descriptor, digest);
		/* others may hold an older one */
		if (anew)
			CacheInvalidateRelcache(rel);
	}
	own_descriptors |= table->descriptor_own;
	pfree(description);
}

/* Describe a table, as JSON. */
static char *
describe_table(Relation rel, CimsAuditTable *table)
{
	StringInfoData out;
	const char *separator = "";

	initStringInfo(&out);
	appendStringInfoChar(&out, '{');
	describe_relation(&out, table->relation);
	if (OidIsValid(table->root) && table->root != table->relation)
	{
		appendStringInfoString(&out, ",\"root\":{");
		describe_relation(&out, table->root);
		appendStringInfoChar(&out, '}');
	}
	appendStringInfoString(&out, ",\"columns\":[");
	for (int i = 0; i < table->n_columns; i++)
	{
		appendStringInfoString(&out, separator);
		describe_column(&out, rel, &table->columns[i]);
		separator = ",";
	}
	appendStringInfoString(&out, "],\"key\":[");
	separator = "";
	for (int i = 0; i < table->n_columns; i++)
		if (table->columns[i].key)
		{
			appendStringInfo(&out, "%s%d", separator, table->columns[i].attnum);
			separator = ",";
		}
	appendStringInfo(&out, "],\"images\":\"%s\",\"mode\":\"%s\"}",
					 table->full ? "full" : "changes", table->statement ? "statement" : "row");
	return out.data;
}

/* Append schema, name and number of a table. */
static void
describe_relation(StringInfo out, Oid relation)
{
	char *schema = get_namespace_name(get_rel_namespace(relation));
	char *name = get_rel_name(relation);

	appendStringInfoString(out, "\"schema\":");
	escape_json(out, schema != NULL ? schema : "");
	appendStringInfoString(out, ",\"table\":");
	escape_json(out, name != NULL ? name : "");
	appendStringInfo(out, ",\"oid\":%u", relation);
}

/* Append a column. */
static void
describe_column(StringInfo out, Relation rel, const CimsAuditColumn *column)
{
	static const char *const modes[] = {"value", "sealed", "hash", "omitted"};
	Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(rel), column->attnum - 1);
	char *type = format_type_extended(attribute->atttypid, attribute->atttypmod,
									  FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY);

	if (strncmp(type, "pg_catalog.", 11) == 0)
		type += 11;
	appendStringInfo(out, "{\"n\":%d,\"name\":", column->attnum);
	escape_json(out, NameStr(attribute->attname));
	appendStringInfoString(out, ",\"type\":");
	escape_json(out, type);
	appendStringInfo(out, ",\"mode\":\"%s\"", modes[column->mode]);
	if (cims_type_of_oid(getBaseType(attribute->atttypid)) != 0)
	{
		int32 typmod = attribute->atttypmod;
		const CimsClass *class;

		(void) getBaseTypeAndTypmod(attribute->atttypid, &typmod);
		class = cims_class_find(typmod);
		if (class != NULL)
		{
			appendStringInfoString(out, ",\"class\":");
			escape_json(out, class->name);
		}
	}
	describe_missing(out, rel, column);
	appendStringInfoChar(out, '}');
}

/* Append the value that rows have which are older than the column, as far as it may be recorded. */
static void
describe_missing(StringInfo out, Relation rel, const CimsAuditColumn *column)
{
	TupleDesc desc = RelationGetDescr(rel);
	CimsAuditColumn *columns = unconstify(CimsAuditColumn *, column);
	CimsAuditTable one = {.n_columns = 1, .columns = columns};
	CimsImageReader reader;
	CimsImageItem item;
	StringInfoData image;
	Datum *values;
	bool *nulls;

	if (column->mode != CIMS_MODE_VALUE || !TupleDescAttr(desc, column->attnum - 1)->atthasmissing)
		return;
	values = palloc0(desc->natts * sizeof(Datum));
	nulls = palloc0(desc->natts * sizeof(bool));
	values[column->attnum - 1] = getmissingattr(desc, column->attnum, &nulls[column->attnum - 1]);
	initStringInfo(&image);
	cims_audit_image(&one, (CimsAuditRow){values, nulls}, &image);
	reader = (CimsImageReader){{(unsigned char *) image.data, image.len}, 0};
	if (cims_image_next(&reader, &item) == CIMS_IMAGE_ITEM && item.kind == CIMS_IMAGE_TEXT)
	{
		appendStringInfoString(out, ",\"missing\":");
		escape_json(out, cims_audit_from_utf8((const char *) item.value.data, item.value.len));
	}
	pfree(image.data);
	pfree(values);
	pfree(nulls);
}

/* Find the newest event that describes a table, if it describes it in the very same way: the newest is what holds. */
static bool
find_descriptor(Oid relation, const unsigned char *digest, CimsAuditTable *table)
{
	Relation descriptors = table_open(cims_audit_oids()->descriptor, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;
	int64 newest = 0;
	bool same = false;

	ScanKeyInit(&key, DESCRIPTOR_RELATION + 1, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relation));
	/* what has committed, and what this transaction has added by this very command */
	scan = systable_beginscan(descriptors, cims_audit_oids()->descriptor_index, true, SnapshotSelf, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Datum values[DESCRIPTOR_COLUMNS];
		bool nulls[DESCRIPTOR_COLUMNS];
		struct varlena *stored;

		heap_deform_tuple(tuple, RelationGetDescr(descriptors), values, nulls);
		if (DatumGetInt64(values[DESCRIPTOR_SEQ]) < newest)
			continue;
		newest = DatumGetInt64(values[DESCRIPTOR_SEQ]);
		stored = PG_DETOAST_DATUM_PACKED(values[DESCRIPTOR_DIGEST]);
		same = VARSIZE_ANY_EXHDR(stored) == CIMS_MAC_LEN && memcmp(VARDATA_ANY(stored), digest, CIMS_MAC_LEN) == 0;
		table->descriptor_own = same && TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data));
	}
	systable_endscan(scan);
	table_close(descriptors, AccessShareLock);
	table->descriptor = same ? newest : 0;
	return same;
}

/* Remember which event describes a table. */
static void
add_descriptor(Oid relation, int64 seq, const unsigned char *digest)
{
	Relation descriptors = table_open(cims_audit_oids()->descriptor, RowExclusiveLock);
	bytea *bytes = palloc(VARHDRSZ + CIMS_MAC_LEN);
	Datum values[DESCRIPTOR_COLUMNS];
	bool nulls[DESCRIPTOR_COLUMNS] = {false};
	HeapTuple tuple;

	SET_VARSIZE(bytes, VARHDRSZ + CIMS_MAC_LEN);
	memcpy(VARDATA(bytes), digest, CIMS_MAC_LEN);
	values[DESCRIPTOR_SEQ] = Int64GetDatum(seq);
	values[DESCRIPTOR_XID] = FullTransactionIdGetDatum(GetTopFullTransactionId());
	values[DESCRIPTOR_RELATION] = ObjectIdGetDatum(relation);
	values[DESCRIPTOR_DIGEST] = PointerGetDatum(bytes);
	tuple = heap_form_tuple(RelationGetDescr(descriptors), values, nulls);
	CatalogTupleInsert(descriptors, tuple);
	heap_freetuple(tuple);
	table_close(descriptors, RowExclusiveLock);
}

/* Forget what the transaction has described, unless it has committed. */
static void
end_transaction(XactEvent event, void *arg)
{
	if (!own_descriptors || (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE))
		return;
	cims_audit_forget_own_descriptors(event == XACT_EVENT_COMMIT);
	own_descriptors = false;
}

/* Forget what the transaction has described, as some of it may be gone. */
static void
end_subtransaction(SubXactEvent event, SubTransactionId subid, SubTransactionId parent, void *arg)
{
	if (own_descriptors && event == SUBXACT_EVENT_ABORT_SUB)
		cims_audit_forget_own_descriptors(false);
}
