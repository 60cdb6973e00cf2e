/*
 * inline.c
 *		Keeps the planner from inlining functions in SQL that would escape the
 *		rewriting of rewrite.c.
 *
 * The planner inlines after its hook has run.  The post-parse hook then sees
 * the text of a query function, but neither the views in it nor the text of
 * other functions, and no hook sees a parsed body (BEGIN ATOMIC, RETURN).
 * Where such a body sorts by token, compares under a normal form, or uses
 * GREATEST or LEAST, the function is planned, and rewritten, by itself.  So is
 * one that compares its arguments, whose class shows in the caller's query alone.
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "types/types.h"

static needs_fmgr_hook_type next_needs_fmgr_hook = NULL;

/* Tells whether one of a list of SortGroupClauses sorts by token. */
static bool
clauses_sort_by_token(List *clauses)
{
	ListCell *cell;

	foreach (cell, clauses)
		if (IsA(lfirst(cell), SortGroupClause) &&
			cims_rewrite_sorts_by_token(lfirst_node(SortGroupClause, cell)->sortop))
			return true;
	return false;
}

/* Tells whether a query level sorts by token, or reads a view, which may. */
static bool
query_level_needs_rewriting(const Query *query)
{
	ListCell *cell;

	if (clauses_sort_by_token(query->sortClause) || clauses_sort_by_token(query->groupClause) ||
		clauses_sort_by_token(query->distinctClause))
		return true;
	foreach (cell, query->windowClause)
	{
		WindowClause *window = lfirst_node(WindowClause, cell);

		if (clauses_sort_by_token(window->partitionClause) || clauses_sort_by_token(window->orderClause))
			return true;
	}
	foreach (cell, query->rtable)
		if (lfirst_node(RangeTblEntry, cell)->relkind == RELKIND_VIEW)
			return true;
	return false;
}

/* Tells whether the parsed body of a function would not be planned as it stands. */
static bool
needs_rewriting(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return query_level_needs_rewriting((Query *) node) ||
			   query_tree_walker((Query *) node, needs_rewriting, context, 0);
	if (IsA(node, Aggref) &&
		(clauses_sort_by_token(((Aggref *) node)->aggorder) || clauses_sort_by_token(((Aggref *) node)->aggdistinct)))
		return true;
	if (IsA(node, SetOperationStmt) && clauses_sort_by_token(((SetOperationStmt *) node)->groupClauses))
		return true;
	return cims_rewrite_changes(node) || expression_tree_walker(node, needs_rewriting, context);
}

/* Tells whether the text of a query function names a view. */
static bool
names_view(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, RangeVar))
	{
		Oid relation = RangeVarGetRelid((RangeVar *) node, NoLock, true);

		return OidIsValid(relation) && get_rel_relkind(relation) == RELKIND_VIEW;
	}
	return raw_expression_tree_walker(node, names_view, context);
}

/* Tells whether a name in the text of a function is that of an equality. */
static bool
is_equality_name(List *name)
{
	const char *last = name != NIL ? strVal(llast(name)) : "";

	return strcmp(last, "=") == 0 || strcmp(last, "<>") == 0;
}

/* Tells whether the text of a function uses GREATEST, LEAST or an equality, whose class only the caller knows. */
static bool
names_comparison(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, MinMaxExpr) || (IsA(node, A_Expr) && is_equality_name(((A_Expr *) node)->name)))
		return true;
	return raw_expression_tree_walker(node, names_comparison, context);
}

/* Tells whether the parsed body of a function has an equality of encrypted text. */
static bool
has_equality(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, has_equality, context, 0);
	if ((IsA(node, OpExpr) && cims_rewrite_is_equality(((OpExpr *) node)->opno)) ||
		(IsA(node, ScalarArrayOpExpr) && cims_rewrite_is_equality(((ScalarArrayOpExpr *) node)->opno)))
		return true;
	return expression_tree_walker(node, has_equality, context);
}

/* Tells whether a function may be given or give encrypted values: its types are not all PostgreSQL's own plain ones. */
static bool
may_take_encrypted(Form_pg_proc function)
{
	for (int i = 0; i < function->proargtypes.dim1; i++)
	{
		Oid type = function->proargtypes.values[i];

		if (type >= FirstNormalObjectId || get_typtype(type) != TYPTYPE_BASE)
			return true;
	}
	return function->prorettype >= FirstNormalObjectId;
}

/* Tells whether the text of a function must be parsed and planned by itself. */
static bool
text_needs_own_plan(Form_pg_proc function, const char *text)
{
	List *statements;
	Node *statement;

	if (!function->proretset && !may_take_encrypted(function))
		return false;
	statements = pg_parse_query(text);
	if (list_length(statements) != 1)
		return false;
	statement = linitial_node(RawStmt, statements)->stmt;
	if (!IsA(statement, SelectStmt))
		return false;
	return function->proretset ? names_view(statement, NULL) : names_comparison(statement, NULL);
}

/* Function manager hook: keeps the planner from inlining what the rewriting would miss. */
static bool
needs_own_plan(Oid function)
{
	HeapTuple tuple;
	Form_pg_proc form;
	Datum body;
	bool isnull, needs = false;

	if (next_needs_fmgr_hook != NULL && next_needs_fmgr_hook(function))
		return true;
	if (!cims_rewrite_is_planning() || function < FirstNormalObjectId || !cims_type_oids()->installed)
		return false;
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_proc) GETSTRUCT(tuple);
	if (form->prolang == SQLlanguageId)
	{
		body = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosqlbody, &isnull);
		if (!isnull)
		{
			Node *parsed = stringToNode(TextDatumGetCString(body));

			needs = needs_rewriting(parsed, NULL) || (!form->proretset && may_take_encrypted(form) && has_equality(parsed, NULL));
		}
		else
		{
			body = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosrc, &isnull);
			needs = !isnull && text_needs_own_plan(form, TextDatumGetCString(body));
		}
	}
	ReleaseSysCache(tuple);
	return needs;
}

/* Installs the hook. */
void
cims_inline_init(void)
{
	next_needs_fmgr_hook = needs_fmgr_hook;
	needs_fmgr_hook = needs_own_plan;
}
