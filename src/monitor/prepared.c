/*
 * prepared.c
 *		Events of a prepared transaction wait to be sealed once it is committed.
 */
#include "postgres.h"

#include "nodes/parsenodes.h"
#include "tcop/utility.h"

#include "monitor/internal.h"

static ProcessUtility_hook_type next_process_utility;

static void process_utility(PlannedStmt *statement, const char *query_string, bool read_only_tree,
							ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *environment,
							DestReceiver *destination, QueryCompletion *completion);

/* Install the hook. */
void
cims_monitor_prepared_init(void)
{
	next_process_utility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}

/* Run a command; after COMMIT PREPARED mark the database. */
static void
process_utility(PlannedStmt *statement, const char *query_string, bool read_only_tree, ProcessUtilityContext context,
				ParamListInfo params, QueryEnvironment *environment, DestReceiver *destination,
				QueryCompletion *completion)
{
	bool finishes = IsA(statement->utilityStmt, TransactionStmt) &&
					castNode(TransactionStmt, statement->utilityStmt)->kind == TRANS_STMT_COMMIT_PREPARED;

	if (next_process_utility)
		next_process_utility(statement, query_string, read_only_tree, context, params, environment, destination, completion);
	else
		standard_ProcessUtility(statement, query_string, read_only_tree, context, params, environment, destination, completion);
	if (finishes)
		cims_pending_mark_now();
}
