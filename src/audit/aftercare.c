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
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "audit/command.h"
#include "audit/internal.h"

#define CHANGE_COLUMNS 3 /* of cims.cluster_change */

static bool is_record_function(Oid function);
static void call(const char *query, Oid relation);

/* Tell whether a table carries a trigger of the record, enabled or not. */
bool
cims_command_is_audited(Oid relation)
{
	Relation triggers;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;
	bool found = false;

	triggers = table_open(TriggerRelationId, AccessShareLock);
	ScanKeyInit(&key, Anum_pg_trigger_tgrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relation));
	scan = systable_beginscan(triggers, TriggerRelidNameIndexId, true, NULL, 1, &key);
	while (!found && HeapTupleIsValid(tuple = systable_getnext(scan)))
		found = is_record_function(((Form_pg_trigger) GETSTRUCT(tuple))->tgfoid);
	systable_endscan(scan);
	table_close(triggers, AccessShareLock);
	return found;
}

/* Look after what a command has changed. */
void
cims_command_look_after(const CimsCommand *command, List *relations)
{
	Oid user;
	int context;
	bool former;
	ListCell *cell;

	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID, context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_NOFORCE_RLS);
	former = cims_command_rest(true);
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	PG_TRY();
	{
		foreach (cell, relations)
		{
			CimsTouchedRelation *touched = lfirst(cell);

			if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(touched->relation)))
				continue;
			if (command->triggers)
				call("SELECT cims.enable_triggers($1)", touched->relation);
		}
	}
	PG_FINALLY();
	{
		(void) cims_command_rest(former);
		SetUserIdAndSecContext(user, context);
	}
	PG_END_TRY();
	SPI_finish();
	PopActiveSnapshot();
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
	return name != NULL && strncmp(name, "audit_", 6) == 0;
}

/* Call a function of the extension for a relation. */
static void
call(const char *query, Oid relation)
{
	Oid type = OIDOID;
	Datum argument = ObjectIdGetDatum(relation);

	if (SPI_execute_with_args(query, 1, &type, &argument, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not look after an audited table");
}
