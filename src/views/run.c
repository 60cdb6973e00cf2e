/*
 * run.c
 *		Runs a statement over a masking view or its table as the view itself does:
 *		the relation is read and written by the privileges and row policies of the
 *		view's owner, and everything else is the caller's.
 *
 * So no code runs as another role, as it would in a SECURITY DEFINER function,
 * and messages show of a row no more than the caller may read: PostgreSQL asks
 * for the privileges of the current role before it writes a value into a DETAIL.
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/executor.h"
#include "executor/tstoreReceiver.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "parser/analyze.h"
#include "tcop/dest.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "views/internal.h"

/* Lets a relation be read and written by the privileges of another role, wherever a query names it. */
static bool
set_reader(Node *node, void *context)
{
	const CimsViewStatement *statement = context;
	ListCell *cell;

	if (node == NULL)
		return false;
	if (!IsA(node, Query))
		return expression_tree_walker(node, set_reader, context);
	foreach (cell, CIMS_QUERY_PERMISSIONS((Query *) node))
	{
		CimsPermissionInfo *info = lfirst_node(CimsPermissionInfo, cell);

		if (info->relid == statement->relation)
			info->checkAsUser = statement->owner;
	}
	return query_tree_walker((Query *) node, set_reader, context, 0);
}

/* Analyses a statement, with nothing of the caller's in its search path. */
static Query *
analyze(const CimsViewStatement *statement)
{
	int level = NewGUCNestLevel();
	List *parsed;
	Query *query;

	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	parsed = pg_parse_query(statement->text);
	query = parse_analyze_fixedparams(linitial_node(RawStmt, parsed), statement->text, statement->types, statement->n_params, NULL);
	AtEOXact_GUC(true, level);
	set_reader((Node *) query, (void *) statement);
	return query;
}

/* Packs the parameters of a statement for the executor. */
static ParamListInfo
pack_params(const CimsViewStatement *statement)
{
	ParamListInfo params = makeParamList(statement->n_params);

	for (int i = 0; i < statement->n_params; i++)
	{
		params->params[i].value = statement->values[i];
		params->params[i].isnull = statement->nulls[i];
		params->params[i].ptype = statement->types[i];
		params->params[i].pflags = PARAM_FLAG_CONST;
	}
	return params;
}

/* Starts the executor; marked as a foreign key's check is, where equality is to need no grant. */
static void
start(QueryDesc *query, bool may_match)
{
	Oid user;
	int context;

	if (!may_match)
	{
		ExecutorStart(query, 0);
		return;
	}
	GetUserIdAndSecContext(&user, &context);
	PG_TRY();
	{
		SetUserIdAndSecContext(user, context | SECURITY_NOFORCE_RLS);
		ExecutorStart(query, 0);
	}
	PG_FINALLY();
	{
		SetUserIdAndSecContext(user, context);
	}
	PG_END_TRY();
}

/* Runs one planned statement. */
static void
run_plan(const CimsViewStatement *statement, PlannedStmt *plan, ParamListInfo params, DestReceiver *receiver, TupleDesc *desc)
{
	QueryDesc *query;

	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	query = CreateQueryDesc(plan, statement->text, GetActiveSnapshot(), InvalidSnapshot, receiver, params, NULL, 0);
	start(query, statement->may_match);
	if (desc != NULL)
		*desc = CreateTupleDescCopy(query->tupDesc);
	CIMS_EXECUTOR_RUN_ALL(query);
	ExecutorFinish(query);
	ExecutorEnd(query);
	FreeQueryDesc(query);
	PopActiveSnapshot();
	CommandCounterIncrement();
}

/* Runs a statement; its rows go to result. */
void
cims_views_run(const CimsViewStatement *statement, Tuplestorestate *result, TupleDesc *desc)
{
	ParamListInfo params = pack_params(statement);
	List *queries = pg_rewrite_query(analyze(statement));
	ListCell *cell;

	foreach (cell, queries)
	{
		Query *query = lfirst_node(Query, cell);
		bool main = query->canSetTag && result != NULL;
		DestReceiver *receiver = main ? CreateDestReceiver(DestTuplestore) : None_Receiver;

		if (query->commandType == CMD_UTILITY)
			continue;
		if (main)
			SetTuplestoreDestReceiverParams(receiver, result, CurrentMemoryContext, true, NULL, NULL);
		run_plan(statement, pg_plan_query(query, statement->text, 0, params), params, receiver, main ? desc : NULL);
		if (main)
			receiver->rDestroy(receiver);
	}
}
