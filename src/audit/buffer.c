/*
 * buffer.c
 *		Events that are recorded and not written yet.
 *
 * Triggers append events to a buffer of the backend; many are written at once:
 * when the outermost executor or command has done its work, before the
 * transaction commits or is prepared, and when there are many.
 *
 * Each event belongs to the subtransaction that it was recorded in, as an
 * abort of that one must take it along, and the row that is written for it
 * carries that one's transaction id: so a flush writes the events of the
 * current subtransaction alone, those of its parents wait until control is
 * back at their level.  A subtransaction that commits leaves its events to its
 * parent.
 *
 * The number of an event (seq) is drawn at the first flush after it, for every
 * event in the buffer, be it written or not; as each row changed by this
 * transaction stays locked until the transaction (or the subtransaction, whose
 * events go with it) is over, numbers order the life of a row.  Within the
 * transaction they follow the commands that changed the rows, not the triggers:
 * a statement that runs within another, in a trigger or a function, fires its
 * own triggers first, though it may have changed a row that the outer one had
 * changed before.  For that to hold, a buffer with events of inner statements is
 * flushed in their midst, or in that of the outer one, only once it is large.
 */
#include "postgres.h"

#include "executor/executor.h"
#include "fmgr.h"
#include "nodes/parsenodes.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

#include "audit/internal.h"

#define PAYLOAD_ROOM (VARHDRSZ + CIMS_PAYLOAD_HEAD_LEN) /* before the fields of a payload */
#define FLUSH_EVENTS 1000
#define FLUSH_BYTES (1024 * 1024)
#define FLUSH_BYTES_WITHIN (64 * 1024 * 1024) /* within a statement within a statement */
#define KEEP_BYTES (4 * FLUSH_BYTES)          /* of memory, while the buffer is empty */
#define KEEP_EVENTS (4 * FLUSH_EVENTS)

/* The events, and the bytes of their payloads. */
static CimsPendingEvent *events;
static int n_events;
static int n_room;
static int n_numbered; /* the first ones, which have their seq */
static int next_order;
static bool holds_inner; /* events of statements within another one */
static StringInfoData payloads;
static Size payloads_used; /* what is beyond is an event that was not ended */
static bool committing;    /* the last flush of the transaction was: what comes now is written at once */

/* How many executors, and COPY, run within each other; the command id of the innermost statement that finishes. */
static int depth;
static CommandId statement_command = InvalidCommandId;

static ExecutorRun_hook_type next_executor_run;
static ExecutorFinish_hook_type next_executor_finish;
static ProcessUtility_hook_type next_process_utility;

static void add_event(const CimsPendingEvent *event);
static bool is_full(void);
static void number_events(void);
static int compare_commands(const void *a, const void *b);
static void write_events(SubTransactionId subid);
static void compact_payloads(void);
static void forget_events(SubTransactionId subid);
static void empty_buffer(void);
static void end_transaction(XactEvent event, void *arg);
static void end_subtransaction(SubXactEvent event, SubTransactionId subid, SubTransactionId parent, void *arg);
static void CIMS_EXECUTOR_RUN_FUNCTION(run_executor);
static void finish_executor(QueryDesc *query);
static void process_utility(PlannedStmt *statement, const char *query_string, bool read_only_tree,
							ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *environment,
							DestReceiver *destination, QueryCompletion *completion);

/* Install the hooks and callbacks by which the buffer is written. */
void
cims_audit_buffer_init(void)
{
	next_executor_run = ExecutorRun_hook;
	ExecutorRun_hook = run_executor;
	next_executor_finish = ExecutorFinish_hook;
	ExecutorFinish_hook = finish_executor;
	next_process_utility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
	RegisterXactCallback(end_transaction, NULL);
	RegisterSubXactCallback(end_subtransaction, NULL);
}

/* Begin an event: give the buffer, with room for the salt and the fields that tell who. */
StringInfo
cims_audit_begin_event(void)
{
	CimsBytes session = cims_audit_session();

	if (payloads.data == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);

		initStringInfo(&payloads);
		MemoryContextSwitchTo(caller);
	}
	payloads.len = payloads_used;
	enlargeStringInfo(&payloads, MAXIMUM_ALIGNOF + PAYLOAD_ROOM + session.len);
	payloads.len = MAXALIGN(payloads_used) + PAYLOAD_ROOM;
	appendBinaryStringInfo(&payloads, (const char *) session.data, session.len);
	return &payloads;
}

/* End the event that was begun: from here on it is recorded. */
void
cims_audit_end_event(const CimsPendingEvent *event)
{
	add_event(event);
	if (is_full())
		cims_audit_flush();
}

/* Append a field to the event that was begun. */
void
cims_audit_append_field(StringInfo out, CimsField field, CimsBytes value)
{
	enlargeStringInfo(out, cims_payload_field_len(value.len));
	out->len += cims_payload_write_field(field, value, (unsigned char *) out->data + out->len);
}

/* Record an event that is of no row. */
int64
cims_audit_record(char operation, Oid relation, const char *detail)
{
	CimsPendingEvent event = {.operation = operation, .relation = relation, .command = GetCurrentCommandId(false)};
	StringInfo out;
	int64 seq;

	if (!cims_operation_known(operation))
		elog(ERROR, "unknown operation of an audit event");
	cims_audit_require();
	out = cims_audit_begin_event();
	if (detail != NULL)
	{
		int len;
		char *converted = cims_audit_to_utf8(detail, strlen(detail), &len);

		cims_audit_append_field(out, CIMS_FIELD_DETAIL, (CimsBytes){(unsigned char *) converted, len});
	}
	add_event(&event);
	number_events();
	seq = events[n_events - 1].seq;
	if (is_full() || committing)
		cims_audit_flush();
	return seq;
}

/*
 * SQL: cims.record_event(operation "char", relation oid, detail jsonb) returns
 * bigint: records an event that is of no row, and returns its number.
 */
PG_FUNCTION_INFO_V1(cims_record_event);
Datum
cims_record_event(PG_FUNCTION_ARGS)
{
	char operation = PG_GETARG_CHAR(0);
	Oid relation = PG_ARGISNULL(1) ? InvalidOid : PG_GETARG_OID(1);
	char *detail = NULL;

	if (PG_ARGISNULL(0) || operation == '\0' || strchr("CGMVX", operation) == NULL)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("unknown operation of an event that is of no row"),
				errhint("Operations are C, G, M, V and X."));
	if (!PG_ARGISNULL(2))
	{
		Jsonb *jsonb = PG_GETARG_JSONB_P(2);

		detail = JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));
	}
	PG_RETURN_INT64(cims_audit_record(operation, relation, detail));
}

/* Return the command that the innermost statement changes rows by; to be asked in its triggers. */
CommandId
cims_audit_statement_command(void)
{
	return statement_command != InvalidCommandId ? statement_command : GetCurrentCommandId(false);
}

/* Write what was recorded at the current level. */
void
cims_audit_flush(void)
{
	if (n_events == 0)
		return;
	number_events();
	write_events(GetCurrentSubTransactionId());
}

/* Add the event whose payload was begun. */
static void
add_event(const CimsPendingEvent *event)
{
	CimsPendingEvent *added;

	if (n_events == n_room)
	{
		int room = Max(64, n_room * 2);

		events = events == NULL ? MemoryContextAlloc(TopMemoryContext, room * sizeof(CimsPendingEvent)) :
								  repalloc_huge(events, (Size) room * sizeof(CimsPendingEvent));
		n_room = room;
	}
	added = &events[n_events];
	*added = *event;
	added->subid = GetCurrentSubTransactionId();
	added->seq = 0;
	added->order = next_order++;
	added->offset = MAXALIGN(payloads_used);
	SET_VARSIZE(payloads.data + added->offset, payloads.len - added->offset);
	payloads_used = payloads.len;
	n_events++;
	holds_inner |= depth > 1;
}

/*
 * Tell whether the buffer holds much; very much, where it holds events of inner
 * statements, for whose rows the outer one may yet fire its triggers.
 */
static bool
is_full(void)
{
	if (holds_inner)
		return payloads_used >= FLUSH_BYTES_WITHIN;
	return n_events >= FLUSH_EVENTS || payloads_used >= FLUSH_BYTES;
}

/* Draw the numbers of the events that have none, in the order of the commands. */
static void
number_events(void)
{
	for (int i = n_numbered + 1; i < n_events; i++)
		if (events[i].command < events[i - 1].command)
		{
			qsort(events + n_numbered, n_events - n_numbered, sizeof(CimsPendingEvent), compare_commands);
			break;
		}
	cims_audit_number(events + n_numbered, n_events - n_numbered);
	n_numbered = n_events;
}

/* Compare two events by command, else by when they were recorded. */
static int
compare_commands(const void *a, const void *b)
{
	const CimsPendingEvent *x = a;
	const CimsPendingEvent *y = b;

	if (x->command != y->command)
		return x->command < y->command ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

/* Write the events of a subtransaction, which is the current one, and forget them. */
static void
write_events(SubTransactionId subid)
{
	static bool writing; /* what is done to write must not record */
	int n = 0;
	CimsPendingEvent **chosen;

	if (writing)
		elog(ERROR, "audit events are already being written");
	chosen = palloc_extended(n_events * sizeof(CimsPendingEvent *), MCXT_ALLOC_HUGE);
	for (int i = 0; i < n_events; i++)
		if (events[i].subid == subid)
			chosen[n++] = &events[i];
	if (n > 0)
	{
		writing = true;
		PG_TRY();
		{
			cims_audit_write(chosen, n, payloads.data);
		}
		PG_FINALLY();
		{
			writing = false;
		}
		PG_END_TRY();
		forget_events(subid);
		compact_payloads();
	}
	pfree(chosen);
}

/* Let go of the payloads that were written, where those of a parent are left among them. */
static void
compact_payloads(void)
{
	StringInfoData kept;
	MemoryContext caller;
	Size size = 0;

	for (int i = 0; i < n_events; i++)
		size += MAXALIGN(VARSIZE(payloads.data + events[i].offset));
	if (n_events == 0 || payloads_used < 2 * size + FLUSH_BYTES)
		return;

	caller = MemoryContextSwitchTo(TopMemoryContext);
	initStringInfo(&kept);
	MemoryContextSwitchTo(caller);
	enlargeStringInfo(&kept, size);
	for (int i = 0; i < n_events; i++)
	{
		char *payload = payloads.data + events[i].offset;

		events[i].offset = kept.len;
		memcpy(kept.data + kept.len, payload, VARSIZE(payload));
		kept.len += MAXALIGN(VARSIZE(payload));
	}
	pfree(payloads.data);
	payloads = kept;
	payloads_used = kept.len;
}

/* Take the events of a subtransaction out of the buffer. */
static void
forget_events(SubTransactionId subid)
{
	int kept = 0;
	int numbered = 0;

	for (int i = 0; i < n_events; i++)
	{
		if (events[i].subid == subid)
			continue;
		if (i < n_numbered)
			numbered++;
		events[kept++] = events[i];
	}
	n_events = kept;
	n_numbered = numbered;
	if (n_events == 0)
		empty_buffer();
}

/* Bring the buffer back to its beginning. */
static void
empty_buffer(void)
{
	n_events = 0;
	n_numbered = 0;
	next_order = 0;
	holds_inner = false;
	payloads_used = 0;
	if (payloads.data != NULL && payloads.maxlen > KEEP_BYTES)
	{
		pfree(payloads.data);
		payloads.data = NULL;
	}
	if (n_room > KEEP_EVENTS)
	{
		pfree(events);
		events = NULL;
		n_room = 0;
	}
}

/* Write what a transaction has recorded before it ends; afterwards nothing is left. */
static void
end_transaction(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			cims_audit_flush();
			committing = true;
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PREPARE:
		case XACT_EVENT_ABORT:
			empty_buffer();
			committing = false;
			break;
		default:
			break;
	}
}

/*
 * Leave a subtransaction's events to its parent, or forget them.  A function
 * whose loop catches errors ends one subtransaction after the other before
 * control comes back to the level of its caller: their events are written
 * before they end, once there are many.
 */
static void
end_subtransaction(SubXactEvent event, SubTransactionId subid, SubTransactionId parent, void *arg)
{
	switch (event)
	{
		case SUBXACT_EVENT_PRE_COMMIT_SUB:
			if (is_full())
				cims_audit_flush();
			break;
		case SUBXACT_EVENT_COMMIT_SUB:
			for (int i = n_events - 1; i >= 0; i--)
				if (events[i].subid == subid)
					events[i].subid = parent;
			break;
		case SUBXACT_EVENT_ABORT_SUB:
			if (n_events > 0)
				forget_events(subid);
			break;
		default:
			break;
	}
}

/* Executor hook: counts. */
static void
CIMS_EXECUTOR_RUN_FUNCTION(run_executor)
{
	int outer = depth;

	depth++;
	PG_TRY();
	{
		if (next_executor_run != NULL)
			CIMS_EXECUTOR_RUN_CALL(next_executor_run);
		else
			CIMS_EXECUTOR_RUN_CALL(standard_ExecutorRun);
	}
	PG_FINALLY();
	{
		depth = outer;
	}
	PG_END_TRY();
}

/* Executor hook: once the triggers of the outermost statement have fired, write what they have recorded. */
static void
finish_executor(QueryDesc *query)
{
	int outer = depth;
	CommandId outer_command = statement_command;

	depth++;
	statement_command = query->estate->es_output_cid;
	PG_TRY();
	{
		if (next_executor_finish != NULL)
			next_executor_finish(query);
		else
			standard_ExecutorFinish(query);
	}
	PG_FINALLY();
	{
		depth = outer;
		statement_command = outer_command;
	}
	PG_END_TRY();
	if (depth == 0)
		cims_audit_flush();
}

/* Utility hook: COPY and TRUNCATE fire triggers of their own. */
static void
process_utility(PlannedStmt *statement, const char *query_string, bool read_only_tree,
				ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *environment,
				DestReceiver *destination, QueryCompletion *completion)
{
	int outer = depth;

	if (IsA(statement->utilityStmt, CopyStmt))
		depth++;
	PG_TRY();
	{
		if (next_process_utility != NULL)
			next_process_utility(statement, query_string, read_only_tree, context, params, environment, destination, completion);
		else
			standard_ProcessUtility(statement, query_string, read_only_tree, context, params, environment, destination, completion);
	}
	PG_FINALLY();
	{
		depth = outer;
	}
	PG_END_TRY();
	/* not after COMMIT or ROLLBACK: no transaction runs, and nothing is left */
	if (depth == 0 && n_events > 0)
		cims_audit_flush();
}
