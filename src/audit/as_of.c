/*
 * as_of.c
 *		A table as it was: its rows built again from the record.
 *
 * A point is a snapshot, as checkpoints keep one, or a time.  Of a snapshot
 * the record knows exactly which transactions had committed.  Of a time it
 * knows when each event was written, not when its transaction committed: rows
 * that were being changed then may stand as they were a moment later.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "audit/identity.h"
#include "audit/internal.h"
#include "audit/row_value.h"

/* Which events had happened. */
typedef struct Point
{
	bool by_time;
	TimestampTz time;
	Datum since;    /* pg_snapshot: what it sees has happened */
	Datum snapshot; /* pg_snapshot: what it sees has happened, up to ... */
	bool cut;       /* ... this transaction and number, where it is cut */
	uint64 upto_xid;
	int64 upto_seq;
} Point;

/* A table whose rows are built again. */
typedef struct PastTable
{
	Oid relation;
	List *turns; /* CimsTurn */
	CimsKnowledge known;
	int64 described; /* number of the newest event that had happened and names a descriptor */
	const CimsDescriptor *descriptor;
	CimsIdentity identity;
} PastTable;

/* One reading. */
typedef struct Past
{
	Point point;
	int n_tables;
	PastTable *tables;
	Oid *relations; /* of the tables, ascending */
	Snapshot snapshot;
	CimsDescriptorCache *descriptors;
	CimsReader *reader;
	CimsEventSort *sort;
	CimsRowTarget *target; /* NULL: rows as JSON */
	Oid owner;             /* of the table */
	MemoryContext context; /* for as long as it takes */
	MemoryContext scratch; /* reset after each event */
	Tuplestorestate *results;
	TupleDesc desc;
	int64 lost;   /* events that cannot be taken into account */
	bool partial; /* the record began without the rows that were there */
} Past;

PG_FUNCTION_INFO_V1(cims_read_json_as_of);
PG_FUNCTION_INFO_V1(cims_read_rows_as_of);

/* Tells whether an event had happened at the point. */
static bool
had_happened(const Point *point, const CimsEvent *event)
{
	Datum xid = UInt64GetDatum(event->entry.xid);

	if (point->by_time)
		return event->at <= point->time;
	if (DatumGetBool(DirectFunctionCall2(pg_visible_in_snapshot, xid, point->since)))
		return true;
	if (!DatumGetBool(DirectFunctionCall2(pg_visible_in_snapshot, xid, point->snapshot)))
		return false;
	return !point->cut || event->entry.xid < point->upto_xid ||
		   (event->entry.xid == point->upto_xid && event->seq <= point->upto_seq);
}

/* Finds a table. */
static PastTable *
find_table(Past *past, Oid relation)
{
	int at = cims_history_index(past->relations, past->n_tables, relation);

	return at < 0 ? NULL : &past->tables[at];
}

/* Takes in which descriptor held at the point. */
static void
take_descriptor(Past *past, PastTable *table, const CimsEvent *event, int64 descriptor)
{
	const CimsDescriptor *found;

	if (descriptor == 0 || event->seq < table->described)
		return;
	found = cims_descriptor_find(past->descriptors, event->relation, descriptor);
	if (found == NULL)
		return;
	table->described = event->seq;
	table->descriptor = found;
}

/* First reading: what had begun and ended, and what the tables were. */
static bool
take_frame(const CimsEvent *event, void *arg)
{
	Past *past = (Past *) arg;
	PastTable *table = find_table(past, event->relation);

	if (!had_happened(&past->point, event))
	{
		/* what was dropped since is missing from every moment before */
		if (event->entry.operation == CIMS_OP_RECORD)
			(void) cims_history_pruning(event, past->context, &table->turns);
		return true;
	}
	switch (event->entry.operation)
	{
		case CIMS_OP_DESCRIPTOR:
			take_descriptor(past, table, event, event->seq);
			break;
		case CIMS_OP_RECORD:
		case CIMS_OP_TRUNCATE:
			(void) cims_history_turn(event, past->context, &table->turns);
			break;
		default:
			take_descriptor(past, table, event, event->entry.descriptor);
			break;
	}
	return true;
}

/* Second reading: what happened to the rows. */
static bool
take_row(const CimsEvent *event, void *arg)
{
	Past *past = (Past *) arg;
	PastTable *table = find_table(past, event->relation);

	switch (event->entry.operation)
	{
		case CIMS_OP_INSERT:
		case CIMS_OP_UPDATE:
		case CIMS_OP_DELETE:
		case CIMS_OP_BASELINE:
			break;
		default:
			return true;
	}
	if (!table->known.recorded || table->descriptor == NULL || event->seq < table->known.since || !had_happened(&past->point, event))
		return true;
	if ((event->erased && table->identity.n_keys == 0) ||
		!cims_identity_put(&table->identity, table - past->tables, event, past->sort))
		past->lost++;
	return true;
}

/* Settles how rows are told apart: by the key of that time. */
static void
settle_identity(Past *past, PastTable *table)
{
	const CimsDescriptor *descriptor = table->descriptor;
	CimsIdentity *identity = &table->identity;

	identity->descriptors = past->descriptors;
	identity->relation = table->relation;
	identity->n_keys = descriptor->n_keys;
	identity->keys = descriptor->keys;
	identity->n_columns = descriptor->n_columns > 0 ? descriptor->columns[descriptor->n_columns - 1].attnum : 0;
	identity->types = palloc0(sizeof(Oid) * Max(identity->n_columns, 1));
	for (int i = 0; i < descriptor->n_columns; i++)
	{
		AttrNumber attnum = descriptor->columns[i].attnum;
		Oid type = get_atttype(table->relation, attnum);

		identity->types[attnum - 1] = OidIsValid(type) ? getBaseType(type) : TEXTOID;
	}
}

/* Adds a row to the result. */
static void
emit_row(Past *past, const PastTable *table, const CimsRowState *state)
{
	Datum *values = palloc0(sizeof(Datum) * past->desc->natts);
	bool *nulls = palloc0(sizeof(bool) * past->desc->natts);
	Oid user;
	int context;

	/* checks of domains are not the caller's to run */
	GetUserIdAndSecContext(&user, &context);
	if (past->target != NULL && past->target->runs_checks)
		SetUserIdAndSecContext(past->owner, context | SECURITY_RESTRICTED_OPERATION);
	if (past->target == NULL)
		values[0] = DirectFunctionCall1(jsonb_in, CStringGetDatum(cims_row_json(state, past->reader, past->descriptors, table->descriptor)));
	else
		for (int i = 0; i < past->desc->natts; i++)
			nulls[i] = TupleDescAttr(past->desc, i)->attisdropped ||
					   cims_row_value(past->target, i, state, past->descriptors, table->descriptor, &values[i]) != CIMS_VALUE_THERE;
	SetUserIdAndSecContext(user, context);
	tuplestore_putvalues(past->results, past->desc, values, nulls);
}

/* Takes in one thing that is told of the row at hand; balance counts rows that are their own key. */
static void
apply(CimsRowState *state, const CimsTold *told, int64 *balance)
{
	CimsBytes none = {NULL, 0};
	CimsOperation operation = told->operation;

	switch (told->operation)
	{
		case CIMS_TOLD_ERASED:
			return;
		case CIMS_TOLD_COMES:
			(*balance)++;
			operation = CIMS_OP_INSERT;
			break;
		case CIMS_TOLD_GOES:
			(*balance)--;
			return;
		case CIMS_TOLD_KEY_COMES:
			operation = CIMS_OP_INSERT;
			break;
		case CIMS_TOLD_KEY_GOES:
			operation = CIMS_OP_DELETE;
			break;
	}
	cims_row_state_apply(state, operation, told->seq, told->descriptor, told->old,
						 operation == CIMS_OP_DELETE ? none : told->new);
}

/* Goes through what was sorted, row by row. */
static void
build_rows(Past *past)
{
	CimsRowState *state = cims_row_state_create(CurrentMemoryContext);
	StringInfo key = makeStringInfo();
	MemoryContext caller = CurrentMemoryContext;
	const PastTable *table = NULL;
	int64 balance = 0;
	bool more;

	do
	{
		CimsTold told;

		CHECK_FOR_INTERRUPTS();
		more = cims_event_sort_next(past->sort, &told);
		MemoryContextSwitchTo(past->scratch);
		if (table != NULL && (!more || table != &past->tables[told.part] || key->len != (int) told.key.len ||
							  memcmp(key->data, told.key.data, told.key.len) != 0))
		{
			int64 n = table->identity.n_keys > 0 ? state->exists : Max(balance, 0);

			for (int64 i = 0; i < n; i++)
				emit_row(past, table, state);
			table = NULL;
		}
		if (more)
		{
			if (table == NULL)
			{
				cims_row_state_clear(state);
				balance = 0;
				resetStringInfo(key);
				appendBinaryStringInfo(key, (const char *) told.key.data, told.key.len);
			}
			table = &past->tables[told.part];
			past->lost += told.operation == CIMS_TOLD_ERASED;
			apply(state, &told, &balance);
		}
		MemoryContextSwitchTo(caller);
		MemoryContextReset(past->scratch);
	} while (more);
}

/*
 * Tells whether a table held rows of the whole then.  The record tells of the
 * table that is audited, which may be above the whole: then what holds its rows
 * today is taken to have held them.
 */
static bool
was_part(const PastTable *table, Oid whole, Oid audited, List *now)
{
	if (table->relation == whole || table->descriptor->root == whole)
		return true;
	return audited != whole && list_member_oid(now, table->relation);
}

/* Settles which tables were part of the whole at the point, and raises where the record does not reach back to it. */
static void
settle_tables(Past *past, Oid whole, List *now)
{
	Oid audited = cims_audit_root(whole, NULL);
	bool reached = false;

	for (int i = 0; i < past->n_tables; i++)
	{
		PastTable *table = &past->tables[i];

		cims_history_settle(table->turns, table->descriptor != NULL && table->descriptor->n_keys == 0, &table->known);
		if (table->descriptor != NULL && !was_part(table, whole, audited, now))
			table->known.recorded = false;
		if (!table->known.recorded || table->descriptor == NULL)
		{
			table->known.recorded = false;
			continue;
		}
		reached = true;
		past->partial |= !table->known.whole;
		settle_identity(past, table);
	}
	if (!reached)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("the record of table \"%s\" does not reach back to that moment", get_rel_name(whole)),
				errdetail("The table was not audited then, or that part of the record is gone."));
}

/* Says what is not as exact as it should be. */
static void
tell_limits(const Past *past)
{
	if (past->point.by_time)
		ereport(NOTICE,
				errmsg("rows are as of a time, which is approximate"),
				errdetail("Changes are taken in by when they were recorded, not by when their transactions committed."),
				errhint("A checkpoint or a snapshot is exact."));
	if (past->partial)
		ereport(NOTICE,
				errmsg("rows may be missing"),
				errdetail("The record was begun without the rows that were there, or what told of them was dropped after its retention."));
	if (past->lost > 0)
		ereport(NOTICE,
				errmsg_plural("%lld event cannot be taken into account", "%lld events cannot be taken into account",
							  (unsigned long) past->lost, (long long) past->lost),
				errdetail("They were erased, or the key of the table has changed."));
}

/* Reads the arguments that tell the point: since, snapshot, upto_xid, upto_seq, moment. */
static void
read_point(FunctionCallInfo fcinfo, Point *point)
{
	point->by_time = !PG_ARGISNULL(5);
	if (point->by_time)
	{
		point->time = PG_GETARG_TIMESTAMPTZ(5);
		return;
	}
	if (PG_ARGISNULL(2))
		ereport(ERROR,
				errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				errmsg("the moment must not be null"));
	point->snapshot = PG_GETARG_DATUM(2);
	point->since = PG_ARGISNULL(1) ? point->snapshot : PG_GETARG_DATUM(1);
	point->cut = !PG_ARGISNULL(3);
	if (point->cut)
	{
		point->upto_xid = DatumGetUInt64(PG_GETARG_DATUM(3));
		point->upto_seq = PG_GETARG_INT64(4);
	}
}

/* Finds the owner of a table. */
static Oid
owner_of(Oid relation)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
	Oid owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relation);
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

/* Builds the rows of a table again. */
static void
read_past(FunctionCallInfo fcinfo, Oid relation, bool records)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Past past = {0};
	CimsEventFilter filter = {0};
	List *tables, *now;
	int nesting;

	cims_audit_require();
	cims_history_require_table(relation);
	cims_reader_require(relation);
	cims_reader_require_rows(relation);
	read_point(fcinfo, &past.point);
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	past.results = result->setResult;
	past.desc = result->setDesc;
	past.target = records ? cims_row_target(past.desc) : NULL;
	/* sealed values within arrays come from the record as armor */
	nesting = NewGUCNestLevel();
	(void) set_config_option("cims.input", "sealed", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	LockRelationOid(relation, AccessShareLock);
	past.owner = owner_of(relation);
	past.snapshot = cims_history_snapshot();
	past.descriptors = cims_descriptor_cache(CurrentMemoryContext, past.snapshot);
	past.reader = cims_reader_begin(CurrentMemoryContext);
	past.context = CurrentMemoryContext;
	past.scratch = AllocSetContextCreate(CurrentMemoryContext, "cims as of", ALLOCSET_DEFAULT_SIZES);
	past.sort = cims_event_sort_begin(work_mem);
	now = cims_history_tables(relation);
	tables = cims_history_all_tables(past.descriptors, relation);
	past.tables = palloc0(sizeof(PastTable) * Max(list_length(tables), 1));
	list_sort(tables, list_oid_cmp);
	past.relations = palloc(sizeof(Oid) * Max(list_length(tables), 1));
	for (; past.n_tables < list_length(tables); past.n_tables++)
		past.tables[past.n_tables].relation = past.relations[past.n_tables] = list_nth_oid(tables, past.n_tables);

	filter.snapshot = past.snapshot;
	filter.relations = past.relations;
	filter.n_relations = past.n_tables;
	cims_event_scan(&filter, take_frame, &past);
	settle_tables(&past, relation, now);
	cims_event_scan(&filter, take_row, &past);
	cims_event_sort_perform(past.sort);
	build_rows(&past);
	tell_limits(&past);
	AtEOXact_GUC(false, nesting);
	cims_event_sort_end(past.sort);
	UnregisterSnapshot(past.snapshot);
}

/*
 * cims.read_json_as_of(tbl regclass, since pg_snapshot, snapshot pg_snapshot,
 * upto_xid xid8, upto_seq bigint, moment timestamptz) returns setof jsonb: the
 * rows of a table at a point, with the columns of that time.
 */
Datum
cims_read_json_as_of(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				errmsg("the table must not be null"));
	read_past(fcinfo, PG_GETARG_OID(0), false);
	return (Datum) 0;
}

/* cims.read_rows_as_of(row anyelement, ...) returns setof anyelement: the same, as rows of the table's type of today. */
Datum
cims_read_rows_as_of(PG_FUNCTION_ARGS)
{
	Oid type = get_fn_expr_argtype(fcinfo->flinfo, 0);
	Oid relation = OidIsValid(type) ? get_typ_typrelid(type) : InvalidOid;

	if (!OidIsValid(relation))
		ereport(ERROR,
				errcode(ERRCODE_DATATYPE_MISMATCH),
				errmsg("the first argument must be of the row type of a table"),
				errhint("Write NULL::customer for the rows of table customer."));
	read_past(fcinfo, relation, true);
	return (Datum) 0;
}
