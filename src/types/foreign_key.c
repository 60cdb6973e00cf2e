/*
 * foreign_key.c
 *		Tells the queries of foreign keys from code that runs inside them.
 *
 * A foreign key compares for its table's owner, who may hold no grant: its
 * queries are exempt from the level "search".  PostgreSQL marks them by a
 * security context, but the mark reaches further than the query: a trigger
 * under ON DELETE CASCADE, a CHECK, a default or a cast of the owner's own
 * run within it, and would compare at will.  So the exemption is that of one
 * running executor, and of such a query alone as can call nothing of a user's:
 * a plain SELECT.  What a foreign key changes (CASCADE, SET NULL, SET DEFAULT)
 * is exempt for owners who get tokens anyway.
 *
 * Keys of arrays, rows and ranges are compared at the owner's level: ALTER TYPE
 * adds an encrypted attribute to a row that is a key already, of one's own making.
 *
 * Immutable functions in index expressions, predicates, statistics and checks
 * run while the query is planned, or its indexes are opened: what starts within
 * the planner or the start of an executor is no query of the foreign key either.
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/namespace.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "replication/logicalworker.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"

#include "cims_compat.h"
#include "types/types.h"

static ExecutorRun_hook_type next_executor_run = NULL;

/* The exempt query that was started last; compared, never followed. */
static const QueryDesc *exempt_query = NULL;

/* Of the innermost running executor: whether it is exempt; kept by run_executor. */
static bool running_exempt = false;

/* How many planners, starts and runs of executors are within each other in a foreign key: 1 is the foreign key's own. */
static int marked_depth = 0;

/* How many executors run within each other; kept by run_executor. */
static int running_depth = 0;

/* Tells whether a function is neither PostgreSQL's nor of schema cims. */
static bool
is_user_function(Oid function, void *context)
{
	return function >= FirstNormalObjectId && get_func_namespace(function) != *(Oid *) context;
}

/* Tells whether an expression calls a function of a user's. */
static bool
calls_user_function(Node *node, Oid *namespace)
{
	if (node == NULL)
		return false;
	if (IsA(node, CoerceToDomain) || check_functions_in_node(node, is_user_function, namespace))
		return true;
	return expression_tree_walker(node, calls_user_function, namespace);
}

/* Tells whether an expression has an array, row or range with encrypted values within. */
static bool
holds_encrypted_within(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var) || IsA(node, Param))
	{
		Oid type = getBaseType(exprType(node));

		return cims_type_of_oid(type) == 0 && cims_type_holds_encrypted(type);
	}
	return expression_tree_walker(node, holds_encrypted_within, context);
}

/* Tells whether a plan calls a function of a user's, or compares encrypted values within others, from a node downwards. */
static bool
plan_does_more(PlanState *state, Oid *namespace)
{
	Plan *plan = state->plan;
	List *qual = NIL;

	if (IsA(plan, IndexScan))
		qual = ((IndexScan *) plan)->indexqualorig;
	else if (IsA(plan, IndexOnlyScan))
		qual = ((IndexOnlyScan *) plan)->recheckqual;
	else if (IsA(plan, BitmapIndexScan))
		qual = ((BitmapIndexScan *) plan)->indexqualorig;
	return calls_user_function((Node *) plan->targetlist, namespace) ||
		   calls_user_function((Node *) plan->qual, namespace) || calls_user_function((Node *) qual, namespace) ||
		   holds_encrypted_within((Node *) plan->qual, NULL) || holds_encrypted_within((Node *) qual, NULL) ||
		   planstate_tree_walker(state, plan_does_more, namespace);
}

/* Tells whether a query that starts is exempt, and remembers it if so. */
bool
cims_foreign_key_starts(QueryDesc *query)
{
	bool exempt = InNoForceRLSOperation();

	if (exempt && !has_bypassrls_privilege(GetUserId()))
	{
		Oid namespace = get_namespace_oid("cims", true);

		exempt = marked_depth == 0 && query->operation == CMD_SELECT && !plan_does_more(query->planstate, &namespace);
	}
	if (exempt)
		exempt_query = query;
	else if (exempt_query == query)
		exempt_query = NULL;
	return exempt;
}

/* Enters the planner, or the start or run of an executor; returns what cims_foreign_key_leave puts back, by PG_FINALLY. */
int
cims_foreign_key_enter(void)
{
	int outer = marked_depth;

	marked_depth = InNoForceRLSOperation() ? outer + 1 : 0;
	return outer;
}

/* Leaves it. */
void
cims_foreign_key_leave(int outer)
{
	marked_depth = outer;
}

/* Tells whether it is a query of a foreign key itself that is being planned. */
bool
cims_foreign_key_plans(void)
{
	return marked_depth == 1;
}

/* Tells whether equality needs no grant here: foreign-key checks and replication apply. */
bool
cims_equality_is_exempt(void)
{
	return running_exempt || IsLogicalWorker();
}

/* Tells how many executors run within each other. */
int
cims_executor_depth(void)
{
	return running_depth;
}

/* Executor hook: keeps what is known of the innermost running executor. */
static void
CIMS_EXECUTOR_RUN_FUNCTION(run_executor)
{
	bool outer_exempt = running_exempt;
	int outer = cims_foreign_key_enter();

	running_exempt = query == exempt_query;
	running_depth++;
	PG_TRY();
	{
		if (next_executor_run != NULL)
			CIMS_EXECUTOR_RUN_CALL(next_executor_run);
		else
			CIMS_EXECUTOR_RUN_CALL(standard_ExecutorRun);
	}
	PG_FINALLY();
	{
		running_exempt = outer_exempt;
		cims_foreign_key_leave(outer);
		running_depth--;
	}
	PG_END_TRY();
}

/* Installs the hook. */
void
cims_foreign_key_init(void)
{
	next_executor_run = ExecutorRun_hook;
	ExecutorRun_hook = run_executor;
}
