/*
 * history.c
 *		The life of one row.
 */
#include "postgres.h"

#include "access/table.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "audit/detail.h"
#include "audit/internal.h"
#include "audit/row_key.h"
#include "audit/row_value.h"

/* The columns of what cims.history returns: those of the event, then what cims.event_detail tells of it. */
enum
{
	HISTORY_SEQ,
	HISTORY_AT,
	HISTORY_RELATION,
	HISTORY_VERSION,
	HISTORY_DETAILS /* the first of those that follow */
};

/* Which columns of the detail follow, in this order. */
static const int details[] = {
	CIMS_DETAIL_OPERATION,
	CIMS_DETAIL_SESSION_ROLE,
	CIMS_DETAIL_ROLE,
	CIMS_DETAIL_ACTOR,
	CIMS_DETAIL_ACTOR_VERIFIED,
	CIMS_DETAIL_CLIENT,
	CIMS_DETAIL_APPLICATION,
	CIMS_DETAIL_CHANGED,
	CIMS_DETAIL_OLD,
	CIMS_DETAIL_NEW,
	CIMS_DETAIL_HIDDEN,
	CIMS_DETAIL_ERASED,
};

PG_FUNCTION_INFO_V1(cims_history);

/* Raises for a table without a record: that no event is found would look as if the row had never changed. */
static void
require_record(Oid relation, CimsDescriptorCache *descriptors)
{
	Relation rel = table_open(relation, AccessShareLock);
	bool audited = cims_audit_options(rel)->audited;

	table_close(rel, NoLock);
	if (!audited && cims_descriptor_list(descriptors, relation) == NIL)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("there is no record of table \"%s\"", get_rel_name(relation)),
				errhint("cims.audit begins the record of a table."));
}

/*
 * cims.history(tbl regclass, variadic key "any") returns table
 *
 * The life of a row, event by event, each with the row as it stood after it.
 * Raises insufficient_privilege for who may not read the record of the table,
 * invalid_parameter_value where what is given is no key of it.
 */
Datum
cims_history(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Oid relation = PG_ARGISNULL(0) ? InvalidOid : PG_GETARG_OID(0);
	CimsDescriptorCache *descriptors;
	CimsReader *reader;
	CimsRowState *state;
	MemoryContext scratch, caller;
	Snapshot snapshot;
	List *events;
	ListCell *cell;

	cims_audit_require();
	cims_history_require_table(relation);
	cims_reader_require(relation);
	InitMaterializedSRF(fcinfo, 0);
	snapshot = cims_history_snapshot();
	descriptors = cims_descriptor_cache(CurrentMemoryContext, snapshot);
	reader = cims_reader_begin(CurrentMemoryContext);
	events = cims_row_events(cims_row_key(fcinfo, relation, 1, PG_NARGS() - 1), relation, descriptors, snapshot);
	if (events == NIL)
		require_record(relation, descriptors);
	state = cims_row_state_create(CurrentMemoryContext);
	scratch = AllocSetContextCreate(CurrentMemoryContext, "cims history", ALLOCSET_DEFAULT_SIZES);
	caller = MemoryContextSwitchTo(scratch);
	foreach (cell, events)
	{
		const CimsEvent *event = lfirst(cell);
		Datum values[HISTORY_DETAILS + lengthof(details)] = {0};
		bool nulls[HISTORY_DETAILS + lengthof(details)] = {false};
		Datum detail_values[CIMS_DETAIL_COLUMNS];
		bool detail_nulls[CIMS_DETAIL_COLUMNS];
		const CimsDescriptor *descriptor;

		CHECK_FOR_INTERRUPTS();
		cims_row_events_apply(state, event);
		descriptor = cims_descriptor_find(descriptors, event->relation, event->entry.descriptor);
		values[HISTORY_SEQ] = Int64GetDatum(event->seq);
		values[HISTORY_AT] = TimestampTzGetDatum(event->at);
		values[HISTORY_RELATION] = ObjectIdGetDatum(event->relation);
		nulls[HISTORY_VERSION] = event->erased || descriptor == NULL || !state->exists;
		if (!nulls[HISTORY_VERSION])
			values[HISTORY_VERSION] =
				DirectFunctionCall1(jsonb_in, CStringGetDatum(cims_row_json(state, reader, descriptors, descriptor)));
		cims_detail_fill(event, reader, descriptors, detail_values, detail_nulls);
		for (int i = 0; i < lengthof(details); i++)
		{
			values[HISTORY_DETAILS + i] = detail_values[details[i]];
			nulls[HISTORY_DETAILS + i] = detail_nulls[details[i]];
		}
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		MemoryContextReset(scratch);
	}
	MemoryContextSwitchTo(caller);
	UnregisterSnapshot(snapshot);
	return (Datum) 0;
}
