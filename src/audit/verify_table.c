/*
 * verify_table.c
 *		Compares the rows of a table with the record.
 *
 * One snapshot serves events and rows: a change and its event are visible
 * together or not at all, so that writers need not stop.  The tables are locked
 * before it is taken; no command can alter them in between.
 *
 * Everything goes through one sort by table and row, which spills to disk, so
 * that memory is bounded by maintenance_work_mem whatever the table's size.
 * Nothing is written: it runs on a standby too.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "common/hashfn.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "audit/internal.h"
#include "audit/verify.h"

PG_FUNCTION_INFO_V1(cims_verify_table);

/* Prepares one table. */
static void
open_table(CimsVerification *verification, CimsVerifiedTable *table, Oid relation)
{
	CimsAuditTable *options;
	List *descriptors;
	AttrNumber *keys;
	TupleDesc desc;

	table->relation = relation;
	table->rel = table_open(relation, AccessShareLock);
	options = cims_audit_options(table->rel);
	if (!options->audited)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("table \"%s\" is not audited", get_rel_name(relation)),
				errhint("cims.audit begins the record of a table."));
	descriptors = cims_descriptor_list(verification->descriptors, relation);
	if (descriptors == NIL)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("there is no record of table \"%s\"", get_rel_name(relation)),
				errdetail("Its record was not begun in this database, or was left behind by a dump."),
				errhint("cims.audit begins it anew."));
	table->descriptor = llast(descriptors);

	desc = RelationGetDescr(table->rel);
	keys = palloc0(sizeof(AttrNumber) * Max(desc->natts, 1));
	table->identity.descriptors = verification->descriptors;
	table->identity.relation = relation;
	table->identity.keys = keys;
	for (int i = 0; i < options->n_columns; i++)
		if (options->columns[i].key)
			keys[table->identity.n_keys++] = options->columns[i].attnum;
	table->identity.n_columns = desc->natts;
	table->identity.types = palloc0(sizeof(Oid) * Max(desc->natts, 1));
	for (int i = 0; i < desc->natts; i++)
		if (!TupleDescAttr(desc, i)->attisdropped)
			table->identity.types[i] = getBaseType(TupleDescAttr(desc, i)->atttypid);
}

/* Notes an event of which nothing is left, not even of which row it was. */
static void
hide_event(CimsVerification *verification, CimsVerifiedTable *table, int64 seq)
{
	int room = Max(table->hidden_room, 16);

	if (table->n_hidden == table->hidden_room)
	{
		if (table->hidden == NULL)
			table->hidden = MemoryContextAllocHuge(verification->context, sizeof(int64) * room);
		else
			table->hidden = repalloc_huge(table->hidden, sizeof(int64) * (room *= 2));
		table->hidden_room = room;
	}
	table->hidden[table->n_hidden++] = seq;
}

/* Settles since when the rows of a table are known, and which hidden events count. */
static void
settle_table(CimsVerifiedTable *table)
{
	int n = 0;

	cims_history_settle(table->turns, table->identity.n_keys == 0, &table->known);
	for (int i = 0; i < table->n_hidden; i++)
		if (table->hidden[i] > table->known.since)
		{
			n++;
			table->last_hidden = Max(table->last_hidden, table->hidden[i]);
		}
	table->n_hidden = n;
}

/* Takes in an event. */
static bool
put_event(const CimsEvent *event, void *arg)
{
	CimsVerification *verification = (CimsVerification *) arg;
	int part = cims_history_index(verification->relations, verification->n_tables, event->relation);
	CimsVerifiedTable *table = &verification->tables[part];

	switch (event->entry.operation)
	{
		case CIMS_OP_TRUNCATE:
		case CIMS_OP_RECORD:
			(void) cims_history_turn(event, verification->context, &table->turns);
			return true;
		case CIMS_OP_INSERT:
		case CIMS_OP_UPDATE:
		case CIMS_OP_DELETE:
		case CIMS_OP_BASELINE:
			break;
		default:
			return true;
	}
	if (event->erased && (!event->has_hash || table->identity.n_keys == 0))
		hide_event(verification, table, event->seq);
	else if (!cims_identity_put(&table->identity, part, event, verification->sort))
		table->unattributed = Max(table->unattributed, event->seq);
	return true;
}

/* Takes in the rows of a table. */
static void
put_rows(CimsVerification *verification, int part)
{
	CimsVerifiedTable *table = &verification->tables[part];
	CimsAuditTable *options = cims_audit_options(table->rel);
	TupleTableSlot *slot = table_slot_create(table->rel, NULL);
	TableScanDesc scan = table_beginscan(table->rel, verification->snapshot, 0, NULL);
	CimsTold told = {.part = part, .seq = PG_INT64_MAX, .operation = CIMS_TOLD_ROW, .descriptor = table->descriptor->seq};
	StringInfo key = makeStringInfo();
	StringInfo image = makeStringInfo();
	MemoryContext caller = MemoryContextSwitchTo(verification->scratch);

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CimsAuditRow row = {slot->tts_values, slot->tts_isnull};

		CHECK_FOR_INTERRUPTS();
		slot_getallattrs(slot);
		resetStringInfo(key);
		resetStringInfo(image);
		cims_audit_image(options, row, image);
		told.new = (CimsBytes){(const unsigned char *) image->data, image->len};
		if (table->identity.n_keys == 0)
			cims_identity_row(&table->identity, table->descriptor->seq, (CimsBytes){NULL, 0}, told.new, key);
		else
			(void) cims_audit_key(options, row, key);
		told.row_hash = (int64) hash_bytes_extended((const unsigned char *) key->data, key->len, 0);
		told.key = (CimsBytes){(const unsigned char *) key->data, key->len};
		cims_event_sort_put(verification->sort, &told);
		MemoryContextReset(verification->scratch);
	}
	MemoryContextSwitchTo(caller);
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
}

/* Says what could not be compared. */
static void
tell_unknown(const CimsVerification *verification)
{
	if (verification->unknown_rows > 0)
		ereport(NOTICE,
				errmsg_plural("%lld row could not be compared", "%lld rows could not be compared",
							  (unsigned long) verification->unknown_rows, (long long) verification->unknown_rows),
				errdetail("Events of theirs were erased, or the record does not go back to their beginning."),
				errhint("cims.audit takes the rows that there are into the record."));
	if (verification->unknown_values > 0)
		ereport(NOTICE,
				errmsg_plural("%lld value could not be compared", "%lld values could not be compared",
							  (unsigned long) verification->unknown_values, (long long) verification->unknown_values),
				errdetail("Their keys are not at hand, or their type does not take any more what was recorded."));
}

/*
 * cims.verify_table(tbl regclass) returns table (relation, problem, row_key,
 * columns, recorded, found, event)
 *
 * Compares the rows of a table, and of all that are part of it, with the
 * record; returns one row for each difference, values as the current role may
 * see them.  Raises insufficient_privilege for who may not read the record and
 * every row, object_not_in_prerequisite_state for a table without a record.
 */
Datum
cims_verify_table(PG_FUNCTION_ARGS)
{
	Oid relation = PG_GETARG_OID(0);
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	CimsVerification verification = {0};
	List *tables;

	cims_audit_require();
	cims_history_require_table(relation);
	cims_reader_require(relation);
	cims_reader_require_rows(relation);
	InitMaterializedSRF(fcinfo, 0);
	verification.results = result->setResult;
	verification.desc = result->setDesc;
	verification.doubtful = tuplestore_begin_heap(false, false, work_mem);
	LockRelationOid(relation, AccessShareLock);
	tables = cims_history_tables(relation);
	verification.snapshot = cims_history_snapshot();
	verification.descriptors = cims_descriptor_cache(CurrentMemoryContext, verification.snapshot);
	verification.reader = cims_reader_begin(CurrentMemoryContext);
	verification.context = CurrentMemoryContext;
	verification.scratch = AllocSetContextCreate(CurrentMemoryContext, "cims verify", ALLOCSET_DEFAULT_SIZES);
	verification.sort = cims_event_sort_begin(maintenance_work_mem);
	verification.tables = palloc0(sizeof(CimsVerifiedTable) * Max(list_length(tables), 1));
	list_sort(tables, list_oid_cmp);
	verification.relations = palloc(sizeof(Oid) * Max(list_length(tables), 1));
	for (int i = 0; i < list_length(tables); i++)
	{
		verification.relations[i] = list_nth_oid(tables, i);
		open_table(&verification, &verification.tables[i], verification.relations[i]);
		verification.n_tables++;
	}

	cims_event_scan(&(CimsEventFilter){.snapshot = verification.snapshot, .relations = verification.relations, .n_relations = verification.n_tables},
					put_event, &verification);
	for (int i = 0; i < verification.n_tables; i++)
	{
		settle_table(&verification.tables[i]);
		put_rows(&verification, i);
	}
	cims_event_sort_perform(verification.sort);
	cims_audit_verify_rows(&verification);
	tell_unknown(&verification);

	cims_event_sort_end(verification.sort);
	for (int i = 0; i < verification.n_tables; i++)
		table_close(verification.tables[i].rel, NoLock);
	UnregisterSnapshot(verification.snapshot);
	return (Datum) 0;
}
