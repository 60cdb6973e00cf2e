/*
 * command.c
 *		Records the commands that no row trigger sees.
 *
 * Two hooks work together.  The utility hook takes the facts of a command from
 * its parse tree before it runs, and records them when it has run, one event a
 * command, in the same transaction.  Meanwhile the object access hook notes
 * what the command touches, however it came to it: columns dropped with a
 * type, triggers dropped with a function, tables dropped with their schema.
 * Both are C and in every session, so that no event trigger has to be enabled
 * and no function of a database has to be what it was.
 *
 * A command within a function is a command of its own.  Parts into which
 * PostgreSQL breaks a command are not, where the whole is recorded.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/objectaccess.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_policy.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_rewrite.h"
#include "catalog/pg_trigger.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "audit/command.h"
#include "audit/internal.h"
#include "audit/json.h"
#include "audit/ring.h"
#include "keyring/keyring.h"

#define MAX_OBJECTS_TOLD 200 /* of one command; more are counted */

/* Something that a command has touched. */
typedef struct Touched
{
	const char *change;
	char *object; /* by name; NULL while it is not to be seen in the catalog yet */
	ObjectAddress address;
} Touched;

/* A command that runs. */
typedef struct Frame
{
	CimsCommand command;
	MemoryContext context; /* lives as long as the command, also where it commits midway */
	bool makes_schema;     /* the commands within it are its user's, not parts into which it was broken */
	List *touched;         /* of Touched */
	List *relations;       /* of CimsTouchedRelation: the audited tables among them */
} Frame;

static ProcessUtility_hook_type next_process_utility;
static object_access_hook_type next_object_access;

static Frame *running; /* the innermost command that is looked at; set and restored by process_utility */
static bool resting;   /* what runs is the record's own work; set and restored by cims_command_rest, and when an error ends it */
static uint64 commands_seen;

static void run_command(PlannedStmt *statement, const char *query_string, bool read_only_tree,
						ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *environment,
						DestReceiver *destination, QueryCompletion *completion);
static void process_utility(PlannedStmt *statement, const char *query_string, bool read_only_tree,
							ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *environment,
							DestReceiver *destination, QueryCompletion *completion);
static bool concerns_record(Node *statement, ProcessUtilityContext context);
static bool record_is_at_work(void);
static bool record_is_here(void);
static bool installs_record(void);
static void begin_command(Frame *frame);
static void end_command(Frame *frame);
static void record_command(Frame *frame);
static bool is_to_be_recorded(const Frame *frame);
static void append_touched(Frame *frame, StringInfo detail);
static void record_operation(const char *operation);
static void end_transaction(XactEvent event, void *arg);
static void end_subtransaction(SubXactEvent event, SubTransactionId subid, SubTransactionId parent, void *arg);
static void object_accessed(ObjectAccessType access, Oid class_id, Oid object, int sub, void *arg);
static bool access_is_internal(ObjectAccessType access, void *arg);
static bool is_of_record(ObjectAccessType access, Oid class_id, Oid object, Oid relation);
static Oid relation_of(Oid class_id, Oid object);
static Oid read_relation(Oid catalog, Oid index, AttrNumber key_column, AttrNumber column, Oid object);
static void touch_relation(Frame *frame, Oid relation);

/* Install the hooks. */
void
cims_command_init(void)
{
	next_process_utility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
	next_object_access = object_access_hook;
	object_access_hook = object_accessed;
	cims_operation_hook = record_operation;
	RegisterXactCallback(end_transaction, NULL);
	RegisterSubXactCallback(end_subtransaction, NULL);
	cims_command_aftercare_init();
	cims_ring_init();
}

/* Leave commands that the record gives itself out of the record; returns the former value. */
bool
cims_command_rest(bool on)
{
	bool former = resting;

	resting = on;
	return former;
}

/* SQL: cims.commands_seen() returns bigint: how many commands have passed the hook in this session. */
PG_FUNCTION_INFO_V1(cims_commands_seen);
Datum
cims_commands_seen(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64((int64) commands_seen);
}

/* Let a command run. */
static void
run_command(PlannedStmt *statement, const char *query_string, bool read_only_tree, ProcessUtilityContext context,
			ParamListInfo params, QueryEnvironment *environment, DestReceiver *destination, QueryCompletion *completion)
{
	if (next_process_utility)
		next_process_utility(statement, query_string, read_only_tree, context, params, environment, destination, completion);
	else
		standard_ProcessUtility(statement, query_string, read_only_tree, context, params, environment, destination, completion);
}

/* Utility hook. */
static void
process_utility(PlannedStmt *statement, const char *query_string, bool read_only_tree, ProcessUtilityContext context,
				ParamListInfo params, QueryEnvironment *environment, DestReceiver *destination,
				QueryCompletion *completion)
{
	Frame *outer = running;
	Frame *frame;

	commands_seen++;
	if (!concerns_record(statement->utilityStmt, context))
	{
		run_command(statement, query_string, read_only_tree, context, params, environment, destination, completion);
		return;
	}

	frame = palloc0(sizeof(Frame));
	frame->context = CurrentMemoryContext;
	frame->makes_schema = IsA(statement->utilityStmt, CreateSchemaStmt);
	cims_command_describe(statement->utilityStmt, &frame->command);
	PG_TRY();
	{
		running = frame;
		begin_command(frame);
		run_command(statement, query_string, read_only_tree, context, params, environment, destination, completion);
		end_command(frame);
	}
	PG_FINALLY();
	{
		running = outer;
	}
	PG_END_TRY();
}

/* Tell whether a command is one to look at. */
static bool
concerns_record(Node *statement, ProcessUtilityContext context)
{
	if (GetCommandLogLevel(statement) != LOGSTMT_DDL && !IsA(statement, LoadStmt))
		return false;
	if (context == PROCESS_UTILITY_SUBCOMMAND && running != NULL && !running->makes_schema)
		return false;
	return !record_is_at_work() && !IsBinaryUpgrade && !RecoveryInProgress() && IsTransactionState() && !installs_record();
}

/* Tell whether what runs is the record's own work. */
static bool
record_is_at_work(void)
{
	bool writing = cims_audit_writing(true);

	(void) cims_audit_writing(writing);
	return resting || writing;
}

/* Tell whether this database keeps a record. */
static bool
record_is_here(void)
{
	return OidIsValid(cims_audit_oids()->event);
}

/* Tell whether the script of the extension itself runs. */
static bool
installs_record(void)
{
	return creating_extension && CurrentExtensionObject == get_extension_oid("cims", true);
}

/* Record a command that no rollback undoes before it runs, and clear the way for one that would not run. */
static void
begin_command(Frame *frame)
{
	if (!record_is_here())
		return;
	if (frame->command.early)
		record_command(frame);
	cims_command_prepare(&frame->command);
}

/* Record a command that has run, and look after what it has changed. */
static void
end_command(Frame *frame)
{
	CimsCommand *command = &frame->command;
	MemoryContext old = MemoryContextSwitchTo(frame->context);

	CommandCounterIncrement();
	if (record_is_here() && !command->early)
		record_command(frame);
	if (command->cluster && !(XactReadOnly && record_is_here()))
		cims_ring_add(command->json.data, command->names, command->early);
	if (record_is_here())
		cims_command_look_after(command, frame->relations);
	MemoryContextSwitchTo(old);
}

/* Record a command where it is to be recorded. */
static void
record_command(Frame *frame)
{
	CimsCommand *command = &frame->command;
	StringInfoData detail;
	Oid relation;

	if (!is_to_be_recorded(frame))
		return;
	/* ALTER SYSTEM and LOAD are allowed where nothing can be written */
	if (XactReadOnly)
	{
		cims_ring_add(command->json.data, command->names, true);
		return;
	}
	initStringInfo(&detail);
	appendStringInfoString(&detail, command->json.data);
	append_touched(frame, &detail);
	cims_json_close(&detail, '}');
	relation = command->relation;
	if (!OidIsValid(relation) && list_length(frame->relations) == 1)
		relation = ((CimsTouchedRelation *) linitial(frame->relations))->relation;
	cims_audit_record(command->operation, relation, detail.data);
	cims_command_explain(command->names);
	pfree(detail.data);
}

/* Tell whether a command is to be recorded: for what it is, for the table that it names, or for what it has touched. */
static bool
is_to_be_recorded(const Frame *frame)
{
	const CimsCommand *command = &frame->command;
	ListCell *cell;

	if (command->listed || frame->touched != NIL)
		return true;
	if (command->tells && OidIsValid(command->relation) &&
		(cims_command_is_audited(command->relation) || cims_object_is_ours(RelationRelationId, command->relation)))
		return true;
	foreach (cell, command->users)
		if (command->content && cims_command_is_audited(lfirst_oid(cell)))
			return true;
	return false;
}

/* List what a command has touched. */
static void
append_touched(Frame *frame, StringInfo detail)
{
	ListCell *cell;

	if (frame->touched == NIL)
		return;
	cims_json_open(detail, "touched", '[');
	foreach (cell, frame->touched)
	{
		Touched *touched = lfirst(cell);

		if (foreach_current_index(cell) == MAX_OBJECTS_TOLD)
			break;
		cims_json_open(detail, NULL, '{');
		cims_json_text(detail, "change", touched->change);
		cims_json_text(detail, "object", touched->object ? touched->object : getObjectDescription(&touched->address, true));
		cims_json_close(detail, '}');
	}
	cims_json_close(detail, ']');
	if (list_length(frame->touched) > MAX_OBJECTS_TOLD)
		cims_json_int(detail, "touched_more", list_length(frame->touched) - MAX_OBJECTS_TOLD);
}

/*
 * Record that the keyring was locked or unlocked, which no rollback undoes, and
 * which must work where nothing can be written.
 */
static void
record_operation(const char *operation)
{
	StringInfoData detail;

	if (RecoveryInProgress())
		return;
	initStringInfo(&detail);
	cims_json_open(&detail, NULL, '{');
	cims_json_text(&detail, "operation", operation);
	if (!XactReadOnly && record_is_here())
	{
		/* by which the ring tells whether this came to nothing */
		(void) GetTopTransactionId();
		cims_audit_record(CIMS_OP_GRANT, InvalidOid, psprintf("%s}", detail.data));
	}
	cims_ring_add(detail.data, NIL, true);
}

/* Object access hook: notes what belongs to an audited table or to the extension. */
static void
object_accessed(ObjectAccessType access, Oid class_id, Oid object, int sub, void *arg)
{
	Frame *frame = running;
	MemoryContext old;
	Oid relation;
	bool audited;
	ObjectAddress address = {class_id, object, sub};
	Touched *touched;

	if (next_object_access)
		next_object_access(access, class_id, object, sub, arg);
	if (frame == NULL || (access != OAT_POST_CREATE && access != OAT_POST_ALTER && access != OAT_DROP) ||
		access_is_internal(access, arg) || record_is_at_work() || installs_record() || !record_is_here())
		return;

	relation = relation_of(class_id, object);
	audited = OidIsValid(relation) && cims_command_is_audited(relation);
	if (!audited && !is_of_record(access, class_id, object, relation))
		return;

	old = MemoryContextSwitchTo(frame->context);
	if (audited)
		touch_relation(frame, relation);
	touched = palloc(sizeof(Touched));
	touched->change = access == OAT_DROP ? "drop" : access == OAT_POST_ALTER ? "alter" :
																			   "create";
	touched->object = access == OAT_DROP ? getObjectDescription(&address, true) : NULL;
	touched->address = address;
	frame->touched = lappend(frame->touched, touched);
	MemoryContextSwitchTo(old);
}

/* Tell whether PostgreSQL touches an object as a consequence of touching another. */
static bool
access_is_internal(ObjectAccessType access, void *arg)
{
	if (arg == NULL)
		return false;
	return (access == OAT_POST_CREATE && ((ObjectAccessPostCreate *) arg)->is_internal) ||
		   (access == OAT_POST_ALTER && ((ObjectAccessPostAlter *) arg)->is_internal);
}

/* Tell whether an object, or the relation that it belongs to, is of the extension; new functions may replace those that are. */
static bool
is_of_record(ObjectAccessType access, Oid class_id, Oid object, Oid relation)
{
	if (OidIsValid(relation))
		return cims_object_is_ours(RelationRelationId, relation);
	return (access != OAT_POST_CREATE || class_id == ProcedureRelationId) && cims_object_is_ours(class_id, object);
}

/* Return the relation that an object is or belongs to, InvalidOid for an object of another kind. */
static Oid
relation_of(Oid class_id, Oid object)
{
	switch (class_id)
	{
		case RelationRelationId:
			return object;
		case TriggerRelationId:
			return read_relation(class_id, TriggerOidIndexId, Anum_pg_trigger_oid, Anum_pg_trigger_tgrelid, object);
		case PolicyRelationId:
			return read_relation(class_id, PolicyOidIndexId, Anum_pg_policy_oid, Anum_pg_policy_polrelid, object);
		case RewriteRelationId:
			return read_relation(class_id, RewriteOidIndexId, Anum_pg_rewrite_oid, Anum_pg_rewrite_ev_class, object);
		default:
			return InvalidOid;
	}
}

/* Read which relation a row of a catalog belongs to, as the command has left it. */
static Oid
read_relation(Oid catalog, Oid index, AttrNumber key_column, AttrNumber column, Oid object)
{
	Relation rel = table_open(catalog, AccessShareLock);
	Oid relation = InvalidOid;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;

	ScanKeyInit(&key, key_column, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(object));
	scan = systable_beginscan(rel, index, true, SnapshotSelf, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool isnull;

		relation = DatumGetObjectId(heap_getattr(tuple, column, RelationGetDescr(rel), &isnull));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return relation;
}

/* Note an audited table that is touched, with the file that it had. */
static void
touch_relation(Frame *frame, Oid relation)
{
	HeapTuple tuple;
	CimsTouchedRelation *touched;
	ListCell *cell;

	foreach (cell, frame->relations)
		if (((CimsTouchedRelation *) lfirst(cell))->relation == relation)
			return;
	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
	if (!HeapTupleIsValid(tuple))
		return;
	touched = palloc(sizeof(CimsTouchedRelation));
	touched->relation = relation;
	touched->file = ((Form_pg_class) GETSTRUCT(tuple))->relfilenode;
	frame->relations = lappend(frame->relations, touched);
	ReleaseSysCache(tuple);
}

/* Note that an error has ended what was the record's own work. */
static void
end_transaction(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_ABORT)
		resting = false;
}

/* Note that an error has ended what was the record's own work. */
static void
end_subtransaction(SubXactEvent event, SubTransactionId subid, SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		resting = false;
}
