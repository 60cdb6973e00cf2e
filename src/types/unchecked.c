/*
 * unchecked.c
 *		Marks the plans in which the guard has nothing to check.
 *
 * The guard walks through every plan that starts (guard.c), and most plans
 * compare nothing encrypted.  So each query is looked at once, when it is planned,
 * and its plan is marked where nothing in it could become an operator, a
 * grouping or a look into an index over values of other types than PostgreSQL's own.
 * That depends on types alone, which do not change while a plan lasts: no role,
 * class or grant has a part in it.  The query is looked at, not the plan, as
 * an execution may leave parts of its plan out.  In doubt a plan is not
 * marked: a function in SQL may be inlined, one with a support function may be
 * replaced by anything, and default arguments are put in by the planner.
 *
 * The mark is an item of the plan's list of what would invalidate it, for a cache
 * that there is not, so that it is copied with the plan and means nothing to PostgreSQL.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "nodes/plannodes.h"
#include "utils/syscache.h"

#include "types/types.h"

#define NO_CACHE (-1)
#define MARK 0x63696d73

/* Tells whether a type is not built in, or of rows, of which it does not say what they hold. */
static bool
is_foreign(Oid type)
{
	return type >= FirstNormalObjectId || type == RECORDOID || type == RECORDARRAYOID;
}

/* Tells whether one of a list of expressions is of a type that is not built in. */
static bool
any_foreign(List *expressions)
{
	ListCell *cell;

	foreach (cell, expressions)
	{
		Node *node = lfirst(cell);

		if (IsA(node, TargetEntry))
			node = (Node *) ((TargetEntry *) node)->expr;
		if (node != NULL && is_foreign(exprType(node)))
			return true;
	}
	return false;
}

/* Tells whether one of a list of types is not built in. */
static bool
any_foreign_type(List *types)
{
	ListCell *cell;

	foreach (cell, types)
		if (is_foreign(lfirst_oid(cell)))
			return true;
	return false;
}

/* Tells whether the planner may put something else in place of a function's call. */
static bool
may_be_replaced(Oid function, void *context)
{
	HeapTuple tuple;
	bool replaced;

	if (function < FirstNormalObjectId)
		return false;
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	replaced = !HeapTupleIsValid(tuple) || ((Form_pg_proc) GETSTRUCT(tuple))->prolang == SQLlanguageId ||
			   OidIsValid(((Form_pg_proc) GETSTRUCT(tuple))->prosupport) ||
			   ((Form_pg_proc) GETSTRUCT(tuple))->pronargdefaults > 0;
	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return replaced;
}

/* Tells whether a query level groups by, or looks for conflicts of, what is not built in. */
static bool
level_needs_checks(const Query *query)
{
	bool groups = query->groupClause != NIL || query->distinctClause != NIL || query->windowClause != NIL;

	return query->commandType == CMD_UTILITY || query->onConflict != NULL || (groups && any_foreign(query->targetList));
}

/* Tells whether the guard has, or may have, something to check in a query. */
static bool
needs_checks(Node *node, void *context)
{
	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_Query:
			return level_needs_checks((Query *) node) || query_tree_walker((Query *) node, needs_checks, context, 0);
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
			if (any_foreign(((OpExpr *) node)->args))
				return true;
			break;
		case T_ScalarArrayOpExpr:
			if (any_foreign(((ScalarArrayOpExpr *) node)->args))
				return true;
			break;
		case T_RowCompareExpr:
			if (any_foreign(((RowCompareExpr *) node)->largs) || any_foreign(((RowCompareExpr *) node)->rargs))
				return true;
			break;
		case T_MinMaxExpr:
			if (any_foreign(((MinMaxExpr *) node)->args))
				return true;
			break;
		case T_Aggref:
			if (any_foreign(((Aggref *) node)->args) || any_foreign(((Aggref *) node)->aggdirectargs))
				return true;
			break;
		case T_SetOperationStmt:
			if (any_foreign_type(((SetOperationStmt *) node)->colTypes))
				return true;
			break;
		default:
			break;
	}
	return check_functions_in_node(node, may_be_replaced, NULL) || expression_tree_walker(node, needs_checks, context);
}

/* Tells whether the guard need not look at the plan of a query, as it is given to the planner. */
bool
cims_unchecked_query(Query *query)
{
	return !needs_checks((Node *) query, NULL);
}

/* Marks a plan. */
void
cims_unchecked_mark(PlannedStmt *plan)
{
	PlanInvalItem *mark = makeNode(PlanInvalItem);

	mark->cacheId = NO_CACHE;
	mark->hashValue = MARK;
	plan->invalItems = lcons(mark, plan->invalItems);
}

/* Tells whether a plan bears the mark. */
bool
cims_unchecked_is_marked(const PlannedStmt *plan)
{
	const PlanInvalItem *first = plan->invalItems != NIL ? linitial_node(PlanInvalItem, plan->invalItems) : NULL;

	return first != NULL && first->cacheId == NO_CACHE && first->hashValue == MARK;
}
