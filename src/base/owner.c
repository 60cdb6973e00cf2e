/*
 * owner.c
 *		Runs a command as the owner of a relation.
 *
 * Whoever reads or changes the table of another may run code of its owner's:
 * triggers, checks, domains, and immutable functions in index expressions,
 * which the planner evaluates.  What the extension does with the rights of a
 * superuser for somebody who has less must not run it so.  As in REINDEX and
 * REFRESH MATERIALIZED VIEW the command is the owner's, within an operation
 * that can leave nothing behind for later: no temporary object, no deferred
 * trigger, no cursor, no setting.
 *
 * The owner's own row policies are not asked, be they forced or not.  That is
 * decided when the command is rewritten, and the mark for it is taken off
 * before it is planned and run: what else is run within asks the policies.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/syscache.h"

#include "base/base.h"

#define N_RESULTS 2 /* rows, first_row */

static Oid find_owner(Oid relation);
static void run_command(const char *command, Datum argument, bool null, Oid owner, int context);
static Datum first_row(MemoryContext result);

/*
 * SQL: cims.run_as_owner(relation oid, command text, argument text) returns
 * (rows bigint, first_row text[]): runs one command, whose $1 is the argument,
 * and returns how many rows it gave or changed, and the first it gave.
 */
PG_FUNCTION_INFO_V1(cims_run_as_owner);
Datum
cims_run_as_owner(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	Datum values[N_RESULTS] = {0};
	bool nulls[N_RESULTS] = {false, false};
	TupleDesc desc;
	Oid user;
	int context;
	int settings;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		elog(ERROR, "relation and command must not be null");
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	settings = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	(void) set_config_option("row_security", "on", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	GetUserIdAndSecContext(&user, &context);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	run_command(text_to_cstring(PG_GETARG_TEXT_PP(1)), PG_ARGISNULL(2) ? (Datum) 0 : PG_GETARG_DATUM(2), PG_ARGISNULL(2),
				find_owner(PG_GETARG_OID(0)), context);
	SetUserIdAndSecContext(user, context);
	values[0] = Int64GetDatum((int64) SPI_processed);
	nulls[1] = SPI_tuptable == NULL || SPI_processed == 0;
	if (!nulls[1])
		values[1] = first_row(caller);
	SPI_finish();
	AtEOXact_GUC(false, settings);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* Return the owner of a relation. */
static Oid
find_owner(Oid relation)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
	Oid owner;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR, errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation with OID %u does not exist", relation));
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

/* Run a command as a role; an error leaves what was set to the end of the transaction or subtransaction. */
static void
run_command(const char *command, Datum argument, bool null, Oid owner, int context)
{
	Oid type = TEXTOID;
	char is_null = null ? 'n' : ' ';
	SPIPlanPtr plan;

	SetUserIdAndSecContext(owner, context | SECURITY_RESTRICTED_OPERATION | SECURITY_NOFORCE_RLS);
	plan = SPI_prepare(command, 1, &type);
	if (plan == NULL)
		elog(ERROR, "could not prepare a command of a relation's owner");
	SetUserIdAndSecContext(owner, context | SECURITY_RESTRICTED_OPERATION);
	if (SPI_execute_plan(plan, &argument, &is_null, false, 0) < 0)
		elog(ERROR, "could not run a command of a relation's owner");
}

/* Return the first row of what SPI has given, as text. */
static Datum
first_row(MemoryContext result)
{
	TupleDesc desc = SPI_tuptable->tupdesc;
	Datum *values = palloc0(sizeof(Datum) * desc->natts);
	bool *nulls = palloc0(sizeof(bool) * desc->natts);
	int lower = 1;
	MemoryContext spi;
	Datum row;

	for (int i = 0; i < desc->natts; i++)
	{
		char *value = SPI_getvalue(SPI_tuptable->vals[0], desc, i + 1);

		nulls[i] = value == NULL;
		if (value != NULL)
			values[i] = CStringGetTextDatum(value);
	}
	spi = MemoryContextSwitchTo(result);
	row = PointerGetDatum(construct_md_array(values, nulls, 1, &desc->natts, &lower, TEXTOID, -1, false, TYPALIGN_INT));
	MemoryContextSwitchTo(spi);
	return row;
}
