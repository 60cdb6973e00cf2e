/*
 * aftercare.c
 *		Gives audited tables what a command has left them without.
 *
 * A table that a command has changed gets a new description; one whose stored
 * values read otherwise than its events say, as after ALTER TABLE ... TYPE,
 * gets images of its rows as they are now; a partition or a child that came to
 * an audited table gets its triggers; and triggers of the record that were
 * enabled for ordinary sessions only are enabled for all.
 *
 * All of it is done as the superuser to whom the extension belongs: the one who
 * gave the command may lack the right, and cannot be asked to have it.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "catalog/namespace.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/acl.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "audit/command.h"
#include "audit/internal.h"
#include "types/types.h"

#define CHANGE_COLUMNS 4 /* of cims.cluster_change */

/* Work of the record's own, begun when there is some; and what is put back after it. */
typedef struct Own
{
	bool begun;
	Oid user;
	int context;
	int nesting;
	bool resting;
} Own;

static void record_changed_row(Relation relation, TupleTableSlot *old, TupleTableSlot *new);
static void look_after_table(Own *own, const CimsCommand *command, const CimsTouchedRelation *touched);
static void begin_own(Own *own);
static void end_own(const Own *own);
static bool is_record_function(Oid function);
static bool content_changed(const CimsCommand *command, const CimsTouchedRelation *touched);
static void call(Own *own, const char *query, Oid relation);

/* Install the hook of maintenance. */
void
cims_command_aftercare_init(void)
{
	cims_batch_hook = record_changed_row;
}

/* Record a row that maintenance has changed, for which no trigger fires. */
static void
record_changed_row(Relation relation, TupleTableSlot *old, TupleTableSlot *new)
{
	CimsAuditTable *table = cims_audit_options(relation);

	if (!table->audited)
		return;
	table = cims_audit_table(relation);
	cims_audit_record_row(table, CIMS_OP_UPDATE, GetCurrentCommandId(true), (CimsAuditRow){old->tts_values, old->tts_isnull},
						  (CimsAuditRow){new->tts_values, new->tts_isnull});
}

/* Tell whether a table is audited: it has options, or an ancestor, or it carries a trigger of the record. */
bool
cims_command_is_audited(Oid relation)
{
	Relation triggers;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;
	bool found = false;

	if (OidIsValid(cims_audit_root(relation, NULL)))
		return true;
	triggers = table_open(TriggerRelationId, AccessShareLock);
	ScanKeyInit(&key, Anum_pg_trigger_tgrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relation));
	scan = systable_beginscan(triggers, TriggerRelidNameIndexId, true, NULL, 1, &key);
	while (!found && HeapTupleIsValid(tuple = systable_getnext(scan)))
		found = is_record_function(((Form_pg_trigger) GETSTRUCT(tuple))->tgfoid);
	systable_endscan(scan);
	table_close(triggers, AccessShareLock);
	return found;
}

/*
 * Clear the way for a command that runs next: an audited table that is attached
 * to another gets its row triggers from there, and must not have its own.
 */
void
cims_command_prepare(const CimsCommand *command)
{
	ListCell *cell;
	Own own = {false};

	if (!command->attaches || !OidIsValid(command->relation) || !OidIsValid(cims_audit_root(command->relation, NULL)))
		return;
	foreach (cell, command->joining)
	{
		Oid relation = RangeVarGetRelid(lfirst_node(RangeVar, cell), NoLock, true);

		if (!OidIsValid(relation) || !CIMS_OWNS_RELATION(relation, GetUserId()) || !cims_command_is_audited(relation))
			continue;
		call(&own, "SELECT cims.audit_join($1)", relation);
	}
	end_own(&own);
}

/* Look after what a command has changed. */
void
cims_command_look_after(const CimsCommand *command, List *relations)
{
	ListCell *cell;
	Own own = {false};

	if (command->keys && OidIsValid(command->relation) && OidIsValid(cims_audit_root(command->relation, NULL)))
		call(&own, "SELECT cims.audit_refresh($1)", command->relation);
	/* first: what is new gets images of its rows, unless it is described */
	foreach (cell, command->joining)
	{
		Oid relation = RangeVarGetRelid(lfirst_node(RangeVar, cell), NoLock, true);

		if (OidIsValid(relation) && OidIsValid(cims_audit_root(relation, NULL)))
			call(&own, "SELECT cims.audit_sync($1)", relation);
	}
	foreach (cell, relations)
		look_after_table(&own, command, lfirst(cell));
	foreach (cell, command->leaving)
	{
		CimsLeavingTable *leaving = lfirst(cell);

		if (!OidIsValid(cims_audit_root(leaving->relation, NULL)))
			call(&own, psprintf("SELECT cims.audit_stay($1, %u)", leaving->root), leaving->relation);
	}
	foreach (cell, command->users)
		if (command->content && OidIsValid(cims_audit_root(lfirst_oid(cell), NULL)))
			call(&own, "SELECT cims.audit_sync($1, true)", lfirst_oid(cell));
	end_own(&own);
}

/* Look after an audited table that a command has touched. */
static void
look_after_table(Own *own, const CimsCommand *command, const CimsTouchedRelation *touched)
{
	Oid relation = touched->relation;

	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relation)))
	{
		call(own, "SELECT cims.audit_forget($1)", relation);
		return;
	}
	if (command->column != NULL)
		call(own, psprintf("SELECT cims.audit_rename_column($1, %s, %s)", quote_literal_cstr(command->column), quote_literal_cstr(command->new_column)),
			 relation);
	if (command->triggers)
		call(own, "SELECT cims.enable_triggers($1)", relation);
	if (!OidIsValid(cims_audit_root(relation, NULL)))
		return;
	call(own, "SELECT cims.audit_forget_columns($1)", relation);
	/* a partitioned table has no rows, and no events */
	if (get_rel_relkind(relation) != RELKIND_RELATION)
		return;
	call(own, content_changed(command, touched) ? "SELECT cims.record_baseline($1)" : "SELECT cims.audit_refresh($1)", relation);
}

/* Begin work of the record's own, in the midst of somebody's command. */
static void
begin_own(Own *own)
{
	own->begun = true;
	GetUserIdAndSecContext(&own->user, &own->context);
	SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID, own->context | SECURITY_LOCAL_USERID_CHANGE);
	own->nesting = NewGUCNestLevel();
	(void) set_config_option("row_security", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	/* event triggers are not to run as somebody else than who gave the command */
	(void) set_config_option("session_replication_role", "replica", PGC_SUSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	own->resting = cims_command_rest(true);
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
}

/* End it; an error ends it by ending the transaction, or the subtransaction. */
static void
end_own(const Own *own)
{
	if (!own->begun)
		return;
	SPI_finish();
	PopActiveSnapshot();
	(void) cims_command_rest(own->resting);
	AtEOXact_GUC(true, own->nesting);
	SetUserIdAndSecContext(own->user, own->context);
}

/*
 * Note for the watchdog which rows of shared catalogs are changed by a command
 * that is recorded: those that this transaction writes, and those that vanish
 * with an object that it names.
 */
void
cims_command_explain(List *names)
{
	Oid table = cims_table_oid("cluster_change");
	TransactionId writer = GetCurrentTransactionIdIfAny();
	Datum values[CHANGE_COLUMNS];
	bool nulls[CHANGE_COLUMNS] = {false};
	Datum *texts = palloc(sizeof(Datum) * Max(list_length(names), 1));
	ListCell *cell;
	Relation rel;

	if (!OidIsValid(table))
		return;
	foreach (cell, names)
		texts[foreach_current_index(cell)] = CStringGetTextDatum(lfirst(cell));
	values[0] = TransactionIdGetDatum(writer);
	nulls[0] = !TransactionIdIsValid(writer);
	values[1] = PointerGetDatum(construct_array(texts, list_length(names), TEXTOID, -1, false, TYPALIGN_INT));
	values[2] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[3] = Int32GetDatum(0);

	rel = table_open(table, RowExclusiveLock);
	CatalogTupleInsert(rel, heap_form_tuple(RelationGetDescr(rel), values, nulls));
	table_close(rel, RowExclusiveLock);
	CommandCounterIncrement();
}

/* Tell whether a function is a trigger of the record. */
static bool
is_record_function(Oid function)
{
	char *name;

	if (function < FirstNormalObjectId || !cims_object_is_ours(ProcedureRelationId, function))
		return false;
	name = get_func_name(function);
	return name != NULL && (strcmp(name, "audit_row") == 0 || strcmp(name, "audit_statement") == 0);
}

/* Tell whether the rows of a table read otherwise than before a command. */
static bool
content_changed(const CimsCommand *command, const CimsTouchedRelation *touched)
{
	HeapTuple tuple;
	bool rewritten;

	if (command->content)
		return true;
	if (!command->rewrites)
		return false;
	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(touched->relation));
	rewritten = HeapTupleIsValid(tuple) && ((Form_pg_class) GETSTRUCT(tuple))->relfilenode != touched->file;
	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return rewritten;
}

/* Call a function of the extension for a relation. */
static void
call(Own *own, const char *query, Oid relation)
{
	Oid type = OIDOID;
	Datum argument = ObjectIdGetDatum(relation);

	if (!own->begun)
		begin_own(own);
	if (SPI_execute_with_args(query, 1, &type, &argument, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not look after an audited table");
}
