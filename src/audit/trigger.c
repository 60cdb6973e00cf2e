/*
 * trigger.c
 *		The triggers of audited tables.
 *
 * Row triggers serve every table, its partitions (PostgreSQL clones them) and
 * its inheritance children (which have their own).  Statement triggers read the
 * transition tables, which is cheaper for many rows; they do not fire where
 * logical replication applies changes, so a table that is recorded by statement
 * has a row trigger for its workers as well.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/tableam.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "replication/logicalworker.h"
#include "utils/rel.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#include "audit/internal.h"

static const CimsAuditRow no_row = {NULL, NULL};

static TriggerData *trigger_data(FunctionCallInfo fcinfo);
static void require_name(const TriggerData *trigger, const CimsAuditTable *table, const char *name);
static const char *statement_trigger_name(const TriggerData *trigger, const CimsAuditTable *table);
static CimsAuditRow slot_row(TupleTableSlot *slot);
static CommandId row_command(const TriggerData *trigger);
static void record_statement(const TriggerData *trigger, CimsAuditTable *table);
static void record_truncate(CimsAuditTable *table);
static TupleTableSlot *open_rows(Tuplestorestate *rows, TupleDesc desc);
static void close_rows(Tuplestorestate *rows, TupleTableSlot *slot);

/* SQL: cims.audit_row() returns trigger, after each row that is inserted, updated or deleted. */
PG_FUNCTION_INFO_V1(cims_audit_row);
Datum
cims_audit_row(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = trigger_data(fcinfo);
	CimsAuditTable *table;

	if (!TRIGGER_FIRED_FOR_ROW(trigger->tg_event) || !TRIGGER_FIRED_AFTER(trigger->tg_event))
		ereport(ERROR,
				errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				errmsg("cims.audit_row() must be called after each row"));

	table = cims_audit_options(trigger->tg_relation);
	require_name(trigger, table, table->statement ? "!cims_audit_apply" : "!cims_audit");
	if (table->statement && !IsLogicalWorker())
		return PointerGetDatum(NULL);
	table = cims_audit_table(trigger->tg_relation);
	if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		cims_audit_record_row(table, CIMS_OP_INSERT, row_command(trigger), no_row, slot_row(trigger->tg_trigslot));
	else if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
		cims_audit_record_row(table, CIMS_OP_UPDATE, row_command(trigger), slot_row(trigger->tg_trigslot), slot_row(trigger->tg_newslot));
	else
		cims_audit_record_row(table, CIMS_OP_DELETE, row_command(trigger), slot_row(trigger->tg_trigslot), no_row);
	return PointerGetDatum(NULL);
}

/* SQL: cims.audit_statement() returns trigger, after each statement, with transition tables; also after TRUNCATE. */
PG_FUNCTION_INFO_V1(cims_audit_statement);
Datum
cims_audit_statement(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = trigger_data(fcinfo);
	CimsAuditTable *table;

	if (!TRIGGER_FIRED_FOR_STATEMENT(trigger->tg_event) || !TRIGGER_FIRED_AFTER(trigger->tg_event))
		ereport(ERROR,
				errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				errmsg("cims.audit_statement() must be called after each statement"));

	table = cims_audit_options(trigger->tg_relation);
	require_name(trigger, table, statement_trigger_name(trigger, table));
	table = cims_audit_table(trigger->tg_relation);
	if (TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event))
		record_truncate(table);
	else if (!IsLogicalWorker())
		record_statement(trigger, table);
	return PointerGetDatum(NULL);
}

/* Check that a function is called as a trigger. */
static TriggerData *
trigger_data(FunctionCallInfo fcinfo)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				errmsg("function can only be called as a trigger"));
	cims_audit_require();
	return trigger;
}

/*
 * Check that a trigger has the name that cims.audit() gives it: whoever owns a
 * table may make triggers of these functions, and a second one would record
 * everything twice; on a table that is not audited, one would fill the record
 * with what nobody asked for.  A table has one trigger of a name.
 */
static void
require_name(const TriggerData *trigger, const CimsAuditTable *table, const char *name)
{
	if (!table->audited || name == NULL || strcmp(trigger->tg_trigger->tgname, name) != 0)
		ereport(ERROR,
				errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				errmsg("trigger \"%s\" of table \"%s\" is none of the audit record", trigger->tg_trigger->tgname,
					   RelationGetRelationName(trigger->tg_relation)),
				errhint("Drop it; tables are audited by cims.audit()."));
}

/* Return the name of the trigger that records a statement; NULL where the table is recorded by row. */
static const char *
statement_trigger_name(const TriggerData *trigger, const CimsAuditTable *table)
{
	if (TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event))
		return "!cims_audit_truncate";
	if (!table->statement)
		return NULL;
	if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		return "!cims_audit_insert";
	return TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? "!cims_audit_update" : "!cims_audit_delete";
}

/* Take a row apart. */
static CimsAuditRow
slot_row(TupleTableSlot *slot)
{
	slot_getallattrs(slot);
	return (CimsAuditRow){slot->tts_values, slot->tts_isnull};
}

/* Return the command that changed a row: it stands in the row itself. */
static CommandId
row_command(const TriggerData *trigger)
{
	if (trigger->tg_relation->rd_tableam != GetHeapamTableAmRoutine())
		return cims_audit_statement_command();
	if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
		return HeapTupleHeaderGetCmin(trigger->tg_newtuple->t_data);
	if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		return HeapTupleHeaderGetCmin(trigger->tg_trigtuple->t_data);
	return HeapTupleHeaderGetCmax(trigger->tg_trigtuple->t_data);
}

/* Record the rows of a statement; old and new ones stand in the same order. */
static void
record_statement(const TriggerData *trigger, CimsAuditTable *table)
{
	static const char operations[] = {CIMS_OP_INSERT, CIMS_OP_DELETE, CIMS_OP_UPDATE};
	TupleDesc desc = RelationGetDescr(trigger->tg_relation);
	char operation = operations[trigger->tg_event & TRIGGER_EVENT_OPMASK];
	CommandId command = cims_audit_statement_command();
	TupleTableSlot *old = NULL;
	TupleTableSlot *new = NULL;
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext row_context = AllocSetContextCreate(CurrentMemoryContext, "cims audited row", ALLOCSET_DEFAULT_SIZES);

	if (operation != CIMS_OP_INSERT)
		old = open_rows(trigger->tg_oldtable, desc);
	if (operation != CIMS_OP_DELETE)
		new = open_rows(trigger->tg_newtable, desc);
	for (;;)
	{
		bool more_old = old != NULL && tuplestore_gettupleslot(trigger->tg_oldtable, true, false, old);
		bool more_new = new != NULL &&tuplestore_gettupleslot(trigger->tg_newtable, true, false, new);

		if (operation == CIMS_OP_UPDATE && more_old != more_new)
			elog(ERROR, "transition tables of an update are not of one length");
		if (!more_old && !more_new)
			break;
		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(row_context);
		cims_audit_record_row(table, operation, command,
							  more_old ? slot_row(old) : no_row, more_new ? slot_row(new) : no_row);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(row_context);
	}
	if (old != NULL)
		close_rows(trigger->tg_oldtable, old);
	if (new != NULL)
		close_rows(trigger->tg_newtable, new);
	MemoryContextDelete(row_context);
}

/* Record that a table was truncated. */
static void
record_truncate(CimsAuditTable *table)
{
	CimsPendingEvent event = {.operation = CIMS_OP_TRUNCATE, .relation = table->relation, .command = GetCurrentCommandId(false), .descriptor = table->descriptor};

	(void) cims_audit_begin_event();
	cims_audit_end_event(&event);
}

/* Begin to read a transition table, which other triggers read as well, by a read pointer of our own. */
static TupleTableSlot *
open_rows(Tuplestorestate *rows, TupleDesc desc)
{
	int pointer = tuplestore_alloc_read_pointer(rows, EXEC_FLAG_REWIND);

	tuplestore_select_read_pointer(rows, pointer);
	tuplestore_rescan(rows);
	return MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
}

/* End reading. */
static void
close_rows(Tuplestorestate *rows, TupleTableSlot *slot)
{
	ExecDropSingleTupleTableSlot(slot);
	tuplestore_select_read_pointer(rows, 0);
}
