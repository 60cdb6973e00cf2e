/*
 * guard.c
 *		Nobody changes the record: not its tables' rows, not the tables, not
 *		their triggers; superusers included.
 *
 * Statements are refused by the executor's permission hook, which COPY asks as
 * well; commands by the object access hook, which sees everything that a
 * command touches, however it was reached; what logical replication applies by
 * a trigger on the tables.  Code of the extension opens the scope of
 * cims_audit_writing.  DROP EXTENSION, CREATE and ALTER EXTENSION UPDATE run
 * freely, and so do REASSIGN OWNED and pg_upgrade.
 *
 * Whoever edits the catalog or the files is beyond this: verification finds it.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/index.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_policy.h"
#include "catalog/pg_rewrite.h"
#include "catalog/pg_trigger.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "replication/logicalworker.h"
#include "tcop/utility.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "audit/internal.h"

#define MAX_GUARDED 32
#define WRITES (ACL_INSERT | ACL_UPDATE | ACL_DELETE | ACL_TRUNCATE)

/* The names of the tables that are guarded: filled from _PG_init. */
static const char *names[MAX_GUARDED] = {"event", "event_seq", "descriptor"};
static int n_names = 3;

/* Their ids in this database, and those of the partitions of cims.event, in ascending order. */
static List *guarded;
static bool guarded_valid;
static uint64 guarded_changes; /* how often one of them was said to have changed */

static bool writing;
static bool dropping; /* DROP EXTENSION cims, or of its schema, or REASSIGN OWNED runs */

static ExecutorCheckPerms_hook_type next_check_perms;
static object_access_hook_type next_object_access;
static ProcessUtility_hook_type next_process_utility;

static bool is_guarded(Oid relation);
static void load_guarded(void);
static bool CIMS_CHECK_PERMS_FUNCTION(check_permissions);
static void watch_objects(ObjectAccessType access, Oid catalog, Oid object, int sub_id, void *arg);
static bool access_is_internal(ObjectAccessType access, void *arg);
static Oid relation_of(Oid catalog, Oid object);
static Oid read_oid(Oid catalog, Oid index, AttrNumber oid_column, Oid object, AttrNumber column);
static Oid table_of_index(Oid relation);
pg_noreturn static void refuse(Oid relation);
static void process_utility(PlannedStmt *statement, const char *query_string, bool read_only_tree,
							ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *environment,
							DestReceiver *destination, QueryCompletion *completion);
static void check_command(Node *statement);
static bool drops_extension(Node *statement);
static void end_transaction(XactEvent event, void *arg);
static void end_subtransaction(SubXactEvent event, SubTransactionId subid, SubTransactionId parent, void *arg);

/* Install the hooks. */
void
cims_audit_guard_init(void)
{
	next_check_perms = ExecutorCheckPerms_hook;
	ExecutorCheckPerms_hook = check_permissions;
	next_object_access = object_access_hook;
	object_access_hook = watch_objects;
	next_process_utility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
	RegisterXactCallback(end_transaction, NULL);
	RegisterSubXactCallback(end_subtransaction, NULL);
}

/* Guard one more table of the extension. */
void
cims_audit_guard(const char *table)
{
	if (n_names == MAX_GUARDED)
		elog(ERROR, "too many tables of the audit record");
	names[n_names++] = table;
}

/* Open or close the scope in which the record's own code changes its tables; returns what it was. */
bool
cims_audit_writing(bool on)
{
	bool former = writing;

	writing = on;
	return former;
}

/* SQL: cims.is_record_table(relation oid) returns boolean: whether a table is part of the record. */
PG_FUNCTION_INFO_V1(cims_is_record_table);
Datum
cims_is_record_table(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(is_guarded(PG_GETARG_OID(0)));
}

/*
 * SQL: cims.refuse_change() returns trigger, before each row: stops what no hook
 * sees.  A publication of all tables publishes the record as well: what its
 * subscriber is sent is left out, as an error would end replication.
 */
PG_FUNCTION_INFO_V1(cims_refuse_change);
Datum
cims_refuse_change(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				errmsg("cims.refuse_change() can only be called as a trigger"));
	if (!writing && IsLogicalWorker())
		return PointerGetDatum(NULL);
	if (!writing)
		refuse(RelationGetRelid(trigger->tg_relation));
	return PointerGetDatum(TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? trigger->tg_newtuple : trigger->tg_trigtuple);
}

/* Tell whether a table is part of the record. */
static bool
is_guarded(Oid relation)
{
	if (!OidIsValid(relation) || !OidIsValid(cims_audit_oids()->event))
		return false;
	if (!guarded_valid)
		load_guarded();
	return list_member_oid(guarded, relation);
}

/* Look up the tables of the record. */
static void
load_guarded(void)
{
	List *found;
	MemoryContext caller;
	uint64 heard = guarded_changes;

	found = find_inheritance_children(cims_audit_oids()->event, NoLock);
	for (int i = 0; i < n_names; i++)
	{
		Oid table = cims_table_oid(names[i]);

		if (OidIsValid(table))
			found = lappend_oid(found, table);
	}
	list_free(guarded);
	guarded = NIL;
	caller = MemoryContextSwitchTo(TopMemoryContext);
	guarded = list_copy(found);
	MemoryContextSwitchTo(caller);
	/* looking up may hear of a change: then look again next time */
	guarded_valid = heard == guarded_changes;
}

/* Permission hook: refuses statements, and COPY, that write. */
static bool
CIMS_CHECK_PERMS_FUNCTION(check_permissions)
{
	ListCell *cell;

	foreach (cell, CIMS_CHECK_PERMS_LIST)
	{
		CimsPermissionInfo *info = (CimsPermissionInfo *) lfirst(cell);

		if ((info->requiredPerms & WRITES) != 0 && !writing && is_guarded(info->relid))
			refuse(info->relid);
	}
	return next_check_perms == NULL || CIMS_CHECK_PERMS_NEXT(next_check_perms);
}

/* Object access hook: refuses commands that change the tables, or what belongs to them. */
static void
watch_objects(ObjectAccessType access, Oid catalog, Oid object, int sub_id, void *arg)
{
	Oid relation;

	if (next_object_access != NULL)
		next_object_access(access, catalog, object, sub_id, arg);
	/* most calls, one for each function of each plan that starts, are of the other kinds */
	if (!(access == OAT_POST_CREATE || access == OAT_POST_ALTER || access == OAT_DROP || access == OAT_TRUNCATE) ||
		writing || dropping || creating_extension || IsBinaryUpgrade || !IsTransactionState() ||
		access_is_internal(access, arg) || !OidIsValid(cims_audit_oids()->event))
		return;

	relation = relation_of(catalog, object);
	if (is_guarded(relation))
		refuse(relation);
	/* ATTACH and DETACH, INHERIT and NO INHERIT: of the child; the parent is the other object */
	if (catalog == InheritsRelationId && access == OAT_POST_ALTER && arg != NULL &&
		is_guarded(((ObjectAccessPostAlter *) arg)->auxiliary_id))
		refuse(((ObjectAccessPostAlter *) arg)->auxiliary_id);
}

/* Tell whether PostgreSQL does something for a reason of its own: VACUUM FULL, REINDEX. */
static bool
access_is_internal(ObjectAccessType access, void *arg)
{
	if (arg == NULL)
		return false;
	switch (access)
	{
		case OAT_POST_CREATE:
			return ((ObjectAccessPostCreate *) arg)->is_internal;
		case OAT_POST_ALTER:
			return ((ObjectAccessPostAlter *) arg)->is_internal;
		case OAT_DROP:
			return (((ObjectAccessDrop *) arg)->dropflags & PERFORM_DELETION_INTERNAL) != 0;
		default:
			return false;
	}
}

/* Return the table that an object is, or belongs to; InvalidOid where there is none. */
static Oid
relation_of(Oid catalog, Oid object)
{
	switch (catalog)
	{
		case RelationRelationId:
			return table_of_index(object);
		case InheritsRelationId:
			return object;
		case TriggerRelationId:
			return read_oid(catalog, TriggerOidIndexId, Anum_pg_trigger_oid, object, Anum_pg_trigger_tgrelid);
		case RewriteRelationId:
			return read_oid(catalog, RewriteOidIndexId, Anum_pg_rewrite_oid, object, Anum_pg_rewrite_ev_class);
		case PolicyRelationId:
			return read_oid(catalog, PolicyOidIndexId, Anum_pg_policy_oid, object, Anum_pg_policy_polrelid);
		case ConstraintRelationId:
			return read_oid(catalog, ConstraintOidIndexId, Anum_pg_constraint_oid, object, Anum_pg_constraint_conrelid);
		default:
			return InvalidOid;
	}
}

/* Read a column of an object's row, which a command may just have made. */
static Oid
read_oid(Oid catalog, Oid index, AttrNumber oid_column, Oid object, AttrNumber column)
{
	Relation rel = table_open(catalog, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;
	Oid result = InvalidOid;

	ScanKeyInit(&key, oid_column, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(object));
	scan = systable_beginscan(rel, index, true, SnapshotSelf, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool isnull;

		result = DatumGetObjectId(heap_getattr(tuple, column, RelationGetDescr(rel), &isnull));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return result;
}

/* Return the table of an index, else the relation itself. */
static Oid
table_of_index(Oid relation)
{
	Oid table = read_oid(IndexRelationId, IndexRelidIndexId, Anum_pg_index_indexrelid, relation, Anum_pg_index_indrelid);

	return OidIsValid(table) ? table : relation;
}

/* Refuse. */
static void
refuse(Oid relation)
{
	ereport(ERROR,
			errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			errmsg("\"%s\" is part of the audit record", get_rel_name(relation)),
			errdetail("The record is written by the extension alone and changed by nobody, superusers included."));
}

/* Utility hook: lets the extension be dropped, and no table be taken out of it. */
static void
process_utility(PlannedStmt *statement, const char *query_string, bool read_only_tree,
				ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *environment,
				DestReceiver *destination, QueryCompletion *completion)
{
	bool outer = dropping;
	Node *parse_tree = statement->utilityStmt;

	if (!writing && !creating_extension && !IsBinaryUpgrade)
		check_command(parse_tree);
	dropping = outer || IsA(parse_tree, ReassignOwnedStmt) || drops_extension(parse_tree);
	PG_TRY();
	{
		if (next_process_utility != NULL)
			next_process_utility(statement, query_string, read_only_tree, context, params, environment, destination, completion);
		else
			standard_ProcessUtility(statement, query_string, read_only_tree, context, params, environment, destination, completion);
	}
	PG_FINALLY();
	{
		dropping = outer;
	}
	PG_END_TRY();
}

/*
 * Refuse what no other hook sees: some of the forms of ALTER TABLE, and to take
 * a table out of the extension, as the record would not be found any more.
 */
static void
check_command(Node *statement)
{
	RangeVar *range = NULL;
	Oid relation;

	if (IsA(statement, AlterTableStmt))
		range = ((AlterTableStmt *) statement)->relation;
	else if (IsA(statement, AlterExtensionContentsStmt))
	{
		AlterExtensionContentsStmt *contents = (AlterExtensionContentsStmt *) statement;

		if (contents->action < 0 && strcmp(contents->extname, "cims") == 0 &&
			(contents->objtype == OBJECT_TABLE || contents->objtype == OBJECT_SEQUENCE))
			range = makeRangeVarFromNameList(castNode(List, contents->object));
	}
	relation = range != NULL ? RangeVarGetRelid(range, NoLock, true) : InvalidOid;
	if (is_guarded(relation))
		refuse(relation);
}

/* Tell whether a command drops the extension, or its schema. */
static bool
drops_extension(Node *statement)
{
	DropStmt *drop = (DropStmt *) statement;
	ListCell *cell;

	if (!IsA(statement, DropStmt) || (drop->removeType != OBJECT_EXTENSION && drop->removeType != OBJECT_SCHEMA))
		return false;
	foreach (cell, drop->objects)
		if (strcmp(strVal(lfirst(cell)), "cims") == 0)
			return true;
	return false;
}

/* Note that a table of the record is not what it was; while there are none, any may become one. */
void
cims_audit_guard_changed(Oid relation)
{
	if (!OidIsValid(relation) || list_member_oid(guarded, relation) || guarded == NIL)
	{
		guarded_changes++;
		guarded_valid = false;
	}
}

/* Close the scope when an error has left it open. */
static void
end_transaction(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE)
		writing = false;
}

/* Close the scope when an error has left it open. */
static void
end_subtransaction(SubXactEvent event, SubTransactionId subid, SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		writing = false;
}
