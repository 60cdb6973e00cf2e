/*
 * separation.c
 *		Separation of duties: refuses a command that gives somebody two roles of the
 *		database which a rule sets against each other.
 *
 * What the rules find is compared before and after the command, so that a
 * violation which was there already, or is being mended step by step, is in no
 * command's way.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_func.h"
#include "tcop/utility.h"

#include "access/internal.h"
#include "base/base.h"

static ProcessUtility_hook_type next_process_utility;

static void process_utility(PlannedStmt *statement, const char *query_string, bool read_only_tree,
							ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *environment,
							DestReceiver *destination, QueryCompletion *completion);
static bool gives_roles(Node *statement);
static bool has_rules(void);
static void note_row(HeapTuple tuple, const Datum *values, const bool *nulls, void *arg);
static Oid find_function(const char *name, int n_args, Oid *types);

/* Install the hook. */
void
cims_access_separation_init(void)
{
	next_process_utility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}

/* Utility hook. */
static void
process_utility(PlannedStmt *statement, const char *query_string, bool read_only_tree, ProcessUtilityContext context,
				ParamListInfo params, QueryEnvironment *environment, DestReceiver *destination,
				QueryCompletion *completion)
{
	ProcessUtility_hook_type next = next_process_utility ? next_process_utility : standard_ProcessUtility;
	Oid type = TEXTARRAYOID;
	Datum before = (Datum) 0;
	bool checks = gives_roles(statement->utilityStmt) && !IsBinaryUpgrade && IsTransactionState() && has_rules();

	/* by oid, so that no privilege of whoever gives the command is asked for */
	if (checks)
		before = OidFunctionCall0(find_function("conflict_keys", 0, NULL));
	next(statement, query_string, read_only_tree, context, params, environment, destination, completion);
	if (checks)
	{
		CommandCounterIncrement();
		(void) OidFunctionCall1(find_function("refuse_conflicts", 1, &type), before);
	}
}

/* Tell whether a command may make a role a member of another. */
static bool
gives_roles(Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_GrantRoleStmt:
			return ((GrantRoleStmt *) statement)->is_grant;
		case T_AlterRoleStmt:
			return ((AlterRoleStmt *) statement)->action > 0;
		case T_CreateRoleStmt:
			return true;
		default:
			return false;
	}
}

/* Tell whether there are rules in this database. */
static bool
has_rules(void)
{
	Oid table = cims_table_oid("conflict_rule");
	bool found = false;

	if (OidIsValid(table))
		cims_table_scan(table, note_row, &found);
	return found;
}

/* Note that there is a row. */
static void
note_row(HeapTuple tuple, const Datum *values, const bool *nulls, void *arg)
{
	*(bool *) arg = true;
}

/* Find a function of the extension. */
static Oid
find_function(const char *name, int n_args, Oid *types)
{
	return LookupFuncName(list_make2(makeString("cims"), makeString(pstrdup(name))), n_args, types, false);
}
