/*
 * guard.c
 *		Checks, before a plan runs, that the role may compare what it compares.
 *
 * The operators check the level when they are called, but an index scan that
 * finds nothing, or a hash table without a match, never calls them: a role
 * without grant would learn from silence that a guess is wrong.  So each
 * operator over a column of known class is checked when the plan starts, by
 * the role that runs it, and so are grouping and DISTINCT.  Plans in which there
 * is nothing of the kind were marked when they were made (unchecked.c).
 *
 * Foreign-key checks run as the table's owner and are exempt (foreign_key.c).  The validation
 * of a new foreign key would join the two tables as the user who adds it: the
 * permission hook sends it to the row-by-row check instead, unless that user
 * may search.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "parser/parsetree.h"
#include "replication/logicalworker.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "cims_compat.h"
#include "types/types.h"

static ExecutorStart_hook_type next_executor_start = NULL;
static ExecutorCheckPerms_hook_type next_check_perms = NULL;

/* Operators by name, with the level that they need; the rest need none here. */
static const struct
{
	const char *name;
	CimsLevel level;
} operator_levels[] = {
	{"=", CIMS_LEVEL_SEARCH},
	{"<>", CIMS_LEVEL_SEARCH},
	{"#<#", CIMS_LEVEL_SEARCH},
	{"#<=#", CIMS_LEVEL_SEARCH},
	{"#>=#", CIMS_LEVEL_SEARCH},
	{"#>#", CIMS_LEVEL_SEARCH},
	{"<", CIMS_LEVEL_REVEAL},
	{"<=", CIMS_LEVEL_REVEAL},
	{">=", CIMS_LEVEL_REVEAL},
	{">", CIMS_LEVEL_REVEAL},
	{"~~", CIMS_LEVEL_REVEAL},
	{"!~~", CIMS_LEVEL_REVEAL},
	{"~~*", CIMS_LEVEL_REVEAL},
	{"!~~*", CIMS_LEVEL_REVEAL},
	{"^@", CIMS_LEVEL_REVEAL},
	{"~", CIMS_LEVEL_REVEAL},
	{"!~", CIMS_LEVEL_REVEAL},
	{"~*", CIMS_LEVEL_REVEAL},
	{"!~*", CIMS_LEVEL_REVEAL},
};

/* Tells whether a type is encrypted, or an array of one. */
static bool
is_encrypted(Oid type)
{
	return cims_type_of_oid(type) != 0 || cims_type_of_array_oid(type) != 0;
}

/*
 * Returns the class of an expression of an encrypted type, or 0 where it is not
 * known.  The class of a domain is its own; an operator takes the domain as its
 * base type, by a relabelling that has none.
 */
static int32
class_of_expression(Node *node)
{
	int32 typmod;

	while (IsA(node, RelabelType) && ((RelabelType *) node)->resulttypmod < 0)
		node = (Node *) ((RelabelType *) node)->arg;
	typmod = exprTypmod(node);
	if (!is_encrypted(getBaseTypeAndTypmod(exprType(node), &typmod)))
		return 0;
	return typmod == cims_class_default_id() ? 0 : Max(typmod, 0);
}

/* Returns the level that an operator needs of the classes on its sides. */
static CimsLevel
level_of_operator(Oid opno)
{
	char *name = get_opname(opno);

	for (int i = 0; name != NULL && i < lengthof(operator_levels); i++)
		if (strcmp(name, operator_levels[i].name) == 0)
			return operator_levels[i].level;
	return CIMS_LEVEL_NONE;
}

/* Tells whether all expressions are of built-in types: most are, and this is quickly seen. */
static bool
all_built_in(List *expressions)
{
	ListCell *cell;

	foreach (cell, expressions)
		if (exprType(lfirst(cell)) >= FirstNormalObjectId)
			return false;
	return true;
}

/*
 * Checks the arguments of an operator.  Where no class is known, what reveals
 * takes a role that may reveal something: others would get an error from the
 * first value that an index finds, and silence where it finds none.
 */
static void
check_operator(Oid opno, List *args)
{
	CimsLevel level;
	bool encrypted = false;
	bool known = false;
	ListCell *cell;

	if (all_built_in(args))
		return;
	level = level_of_operator(opno);
	if (level == CIMS_LEVEL_NONE)
		return;
	foreach (cell, args)
	{
		Node *argument = lfirst(cell);
		int32 class_id = class_of_expression(argument);

		encrypted |= is_encrypted(exprType(argument));
		if (class_id == 0)
			continue;
		known = true;
		cims_require_level(class_id, level);
	}
	if (encrypted && !known && level == CIMS_LEVEL_REVEAL)
		cims_require_level(cims_class_default_id(), level);
}

/* Checks the operators of an expression. */
static bool
check_expression(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, OpExpr) || IsA(node, DistinctExpr) || IsA(node, NullIfExpr))
		check_operator(((OpExpr *) node)->opno, ((OpExpr *) node)->args);
	else if (IsA(node, ScalarArrayOpExpr))
		check_operator(((ScalarArrayOpExpr *) node)->opno, ((ScalarArrayOpExpr *) node)->args);
	else if (IsA(node, Aggref) && ((Aggref *) node)->aggdistinct != NIL)
	{
		ListCell *cell;

		foreach (cell, ((Aggref *) node)->args)
		{
			int32 class_id = class_of_expression((Node *) lfirst_node(TargetEntry, cell)->expr);

			if (class_id != 0)
				cims_require_level(class_id, CIMS_LEVEL_SEARCH);
		}
	}
	return expression_tree_walker(node, check_expression, context);
}

/* Checks columns that a node groups or makes distinct. */
static void
check_columns(List *targetlist, int n_columns, const AttrNumber *columns)
{
	for (int i = 0; i < n_columns; i++)
	{
		TargetEntry *entry = get_tle_by_resno(targetlist, columns[i]);
		int32 class_id = entry != NULL ? class_of_expression((Node *) entry->expr) : 0;

		if (class_id != 0)
			cims_require_level(class_id, CIMS_LEVEL_SEARCH);
	}
}

/* Checks the expressions of a join. */
static void
check_join(Plan *plan)
{
	check_expression((Node *) ((Join *) plan)->joinqual, NULL);
	if (IsA(plan, HashJoin))
		check_expression((Node *) ((HashJoin *) plan)->hashclauses, NULL);
	else if (IsA(plan, MergeJoin))
		check_expression((Node *) ((MergeJoin *) plan)->mergeclauses, NULL);
}

/* Checks the order that a node brings rows in: a merge join of records by their bytes is planned without naming it. */
static void
check_sort(PlanState *state, const Sort *sort)
{
	for (int i = 0; i < sort->numCols && !cims_refreshing(state->state->es_sourceText); i++)
		cims_rewrite_check_record_operator(sort->sortOperators[i]);
}

/* Checks what one node compares beside its target list and filter. */
static void
check_node(PlanState *state)
{
	Plan *plan = state->plan;

	switch (nodeTag(plan))
	{
		case T_IndexScan:
			check_expression((Node *) ((IndexScan *) plan)->indexqualorig, NULL);
			break;
		case T_IndexOnlyScan:
			check_expression((Node *) ((IndexOnlyScan *) plan)->recheckqual, NULL);
			break;
		case T_BitmapIndexScan:
			check_expression((Node *) ((BitmapIndexScan *) plan)->indexqualorig, NULL);
			break;
		case T_BitmapHeapScan:
			check_expression((Node *) ((BitmapHeapScan *) plan)->bitmapqualorig, NULL);
			break;
		case T_NestLoop:
		case T_MergeJoin:
		case T_HashJoin:
			check_join(plan);
			break;
		case T_Sort:
			check_sort(state, (Sort *) plan);
			break;
		case T_IncrementalSort:
			check_sort(state, &((IncrementalSort *) plan)->sort);
			break;
		case T_Result:
			check_expression(((Result *) plan)->resconstantqual, NULL);
			break;
		case T_ModifyTable:
			check_expression(((ModifyTable *) plan)->onConflictWhere, NULL);
			if (((ModifyTable *) plan)->onConflictAction != ONCONFLICT_NONE)
				cims_index_check_conflicts(castNode(ModifyTableState, state)->resultRelInfo->ri_RelationDesc,
										   ((ModifyTable *) plan)->arbiterIndexes);
			break;
		case T_Agg:
			check_columns(outerPlan(plan)->targetlist, ((Agg *) plan)->numCols, ((Agg *) plan)->grpColIdx);
			break;
		case T_Group:
			check_columns(outerPlan(plan)->targetlist, ((Group *) plan)->numCols, ((Group *) plan)->grpColIdx);
			break;
		case T_Unique:
			check_columns(plan->targetlist, ((Unique *) plan)->numCols, ((Unique *) plan)->uniqColIdx);
			break;
		case T_SetOp:
			check_columns(plan->targetlist, ((SetOp *) plan)->numCols, CIMS_SETOP_COLUMNS((SetOp *) plan));
			break;
		case T_RecursiveUnion:
			check_columns(plan->targetlist, ((RecursiveUnion *) plan)->numCols, ((RecursiveUnion *) plan)->dupColIdx);
			break;
		case T_WindowAgg:
			check_columns(outerPlan(plan)->targetlist, ((WindowAgg *) plan)->partNumCols,
						  ((WindowAgg *) plan)->partColIdx);
			break;
		default:
			break;
	}
}

/* Checks a plan from a node downwards, init plans and subplans included. */
static bool
check_plan(PlanState *state, void *context)
{
	check_expression((Node *) state->plan->targetlist, NULL);
	check_expression((Node *) state->plan->qual, NULL);
	check_node(state);
	return planstate_tree_walker(state, check_plan, context);
}

/* Starts an executor as the next hook does. */
static void
start_next(QueryDesc *query, int eflags)
{
	if (next_executor_start != NULL)
		next_executor_start(query, eflags);
	else
		standard_ExecutorStart(query, eflags);
}

/* The same within a foreign key, of which it is told. */
static pg_noinline void
start_next_marked(QueryDesc *query, int eflags)
{
	int outer = cims_foreign_key_enter();

	PG_TRY();
	{
		start_next(query, eflags);
	}
	PG_FINALLY();
	{
		cims_foreign_key_leave(outer);
	}
	PG_END_TRY();
}

/* Executor hook. */
static void
start_executor(QueryDesc *query, int eflags)
{
	if (InNoForceRLSOperation())
		start_next_marked(query, eflags);
	else
		start_next(query, eflags);
	if ((eflags & EXEC_FLAG_EXPLAIN_ONLY) || IsParallelWorker() || query->planstate == NULL ||
		!cims_type_oids()->installed || cims_foreign_key_starts(query) || IsLogicalWorker() ||
		cims_unchecked_is_marked(query->plannedstmt))
		return;
	check_plan(query->planstate, NULL);
}

/* Tells whether the role may not search a column that a range table entry reads. */
static bool
reads_unsearchable_column(Oid relation, Bitmapset *columns)
{
	int column = -1;

	while ((column = bms_next_member(columns, column)) >= 0)
	{
		Oid type;
		int32 typmod;
		Oid collation;
		AttrNumber attnum = column + FirstLowInvalidHeapAttributeNumber;

		if (attnum <= 0)
			continue;
		get_atttypetypmodcoll(relation, attnum, &type, &typmod, &collation);
		if (cims_type_of_oid(getBaseType(type)) != 0 &&
			(typmod <= 0 || cims_class_level(typmod) < CIMS_LEVEL_SEARCH))
			return true;
	}
	return false;
}

/* Permission hook: only the validation of a new foreign key asks without raising. */
static bool
CIMS_CHECK_PERMS_FUNCTION(check_permissions)
{
	ListCell *cell;

	if (next_check_perms != NULL && !CIMS_CHECK_PERMS_NEXT(next_check_perms))
		return false;
	if (ereport_on_violation || !cims_type_oids()->installed)
		return true;
	foreach (cell, CIMS_CHECK_PERMS_LIST)
	{
		CimsPermissionInfo *info = (CimsPermissionInfo *) lfirst(cell);

		if (OidIsValid(info->relid) && reads_unsearchable_column(info->relid, info->selectedCols))
			return false;
	}
	return true;
}

/* Installs the hooks. */
void
cims_guard_init(void)
{
	next_executor_start = ExecutorStart_hook;
	ExecutorStart_hook = start_executor;
	next_check_perms = ExecutorCheckPerms_hook;
	ExecutorCheckPerms_hook = check_permissions;
}
