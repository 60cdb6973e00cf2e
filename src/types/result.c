/*
 * result.c
 *		Gives clients columns of plain types.
 *
 * Drivers choose how to read a column by the type that the server names: a
 * numeric of an encrypted type would reach an application as a string.  So a
 * statement that a client sends directly has the columns of its result cast:
 * encrypted text to text at every level (the cast prints mask and armor, too),
 * the other types to their plain types where the role holds "reveal" on the
 * class when the statement is analysed.  A mask is no date, so below "reveal"
 * these stay what they are.  Nothing else is touched: functions, views, CREATE
 * TABLE AS and COPY see the encrypted types.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_func.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteManip.h"
#include "tcop/pquery.h"
#include "tcop/tcopprot.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

#include "types/types.h"

/* Setting cims.plain_results. */
static bool plain_results = true;

static int32 class_of_result(Query *query, Node *expr);
static int32 class_of_column(Query *query, AttrNumber column);

/* Returns the encrypted type that a result column has, or is an array of. */
static CimsSealedType
type_in_result(Oid type)
{
	return cims_type_of_oid(type) != 0 ? cims_type_of_oid(type) : cims_type_of_array_oid(type);
}

/* Returns that of two classes of which the role sees less; 0 is no class. */
static int32
seen_less(int32 a, int32 b)
{
	if (a == 0 || b == 0)
		return a + b;
	return cims_display_level(b) < cims_display_level(a) ? b : a;
}

/* Returns the class among those of expressions of which the role sees least, 0 where none is known. */
static int32
class_seen_least(Query *query, List *expressions)
{
	ListCell *cell;
	int32 least = 0;

	foreach (cell, expressions)
		if (type_in_result(exprType(lfirst(cell))) != 0)
			least = seen_less(least, class_of_result(query, lfirst(cell)));
	return least;
}

/* Returns the class of a column of VALUES lists. */
static int32
class_in_values(Query *query, List *lists, AttrNumber column)
{
	ListCell *cell;
	int32 least = 0;

	foreach (cell, lists)
		least = seen_less(least, class_seen_least(query, list_make1(list_nth(lfirst_node(List, cell), column - 1))));
	return least;
}

/* Returns the class of a column of a CTE of this very query. */
static int32
class_in_cte(Query *query, const RangeTblEntry *source, AttrNumber column)
{
	ListCell *cell;

	foreach (cell, source->ctelevelsup == 0 && !source->self_reference ? query->cteList : NIL)
	{
		CommonTableExpr *cte = lfirst_node(CommonTableExpr, cell);

		if (strcmp(cte->ctename, source->ctename) == 0 && IsA(cte->ctequery, Query))
			return class_of_column(castNode(Query, cte->ctequery), column);
	}
	return 0;
}

/* Returns the class of a column that says none itself, by what its source computes. */
static int32
class_of_var(Query *query, const Var *var)
{
	RangeTblEntry *source;

	if (var->varlevelsup > 0 || var->varattno <= 0 || var->varno > list_length(query->rtable))
		return 0;
	source = rt_fetch(var->varno, query->rtable);
	switch (source->rtekind)
	{
		case RTE_SUBQUERY:
			return class_of_column(source->subquery, var->varattno);
		case RTE_JOIN:
			return class_of_result(query, list_nth(source->joinaliasvars, var->varattno - 1));
		case RTE_VALUES:
			return class_in_values(query, source->values_lists, var->varattno);
		case RTE_CTE:
			return class_in_cte(query, source, var->varattno);
		default:
			return 0;
	}
}

/* Returns the class of a column of a set operation: that of its parts of which the role sees least. */
static int32
class_in_set_operation(Query *query, Node *node, AttrNumber column)
{
	if (IsA(node, RangeTblRef))
		return class_of_column(rt_fetch(((RangeTblRef *) node)->rtindex, query->rtable)->subquery, column);
	return seen_less(class_in_set_operation(query, castNode(SetOperationStmt, node)->larg, column),
					 class_in_set_operation(query, castNode(SetOperationStmt, node)->rarg, column));
}

/* Returns the class of a column of a query's result. */
static int32
class_of_column(Query *query, AttrNumber column)
{
	TargetEntry *entry;

	if (query->setOperations != NULL)
		return class_in_set_operation(query, query->setOperations, column);
	entry = get_tle_by_resno(query->commandType == CMD_SELECT ? query->targetList : query->returningList, column);
	if (entry == NULL || type_in_result(exprType((Node *) entry->expr)) == 0)
		return 0;
	return class_of_result(query, (Node *) entry->expr);
}

/* Returns the class of an expression in a query, looking through what keeps it. */
static int32
class_of_result(Query *query, Node *expr)
{
	int32 typmod = exprTypmod(expr);
	List *results;
	ListCell *cell;

	if (typmod > 0)
		return typmod;
	switch (nodeTag(expr))
	{
		case T_Var:
			return class_of_var(query, (Var *) expr);
		case T_Aggref:
			if (((Aggref *) expr)->args == NIL)
				return 0;
			return class_of_result(query, (Node *) linitial_node(TargetEntry, ((Aggref *) expr)->args)->expr);
		case T_WindowFunc:
			return class_seen_least(query, ((WindowFunc *) expr)->args);
		case T_CoalesceExpr:
			return class_seen_least(query, ((CoalesceExpr *) expr)->args);
		case T_MinMaxExpr:
			return class_seen_least(query, ((MinMaxExpr *) expr)->args);
		case T_NullIfExpr:
			return class_seen_least(query, ((NullIfExpr *) expr)->args);
		case T_ArrayExpr:
			return class_seen_least(query, ((ArrayExpr *) expr)->elements);
		case T_SubscriptingRef:
			return class_of_result(query, (Node *) ((SubscriptingRef *) expr)->refexpr);
		case T_SubLink:
			if (!IsA(((SubLink *) expr)->subselect, Query))
				return 0;
			return class_of_column((Query *) ((SubLink *) expr)->subselect, 1);
		case T_CaseExpr:
			results = list_make1(((CaseExpr *) expr)->defresult);
			foreach (cell, ((CaseExpr *) expr)->args)
				results = lappend(results, lfirst_node(CaseWhen, cell)->result);
			return class_seen_least(query, results);
		default:
			return 0;
	}
}

/* Tells whether a result column is to be cast. */
static bool
casts_column(Query *query, const TargetEntry *entry)
{
	CimsSealedType type = type_in_result(exprType((Node *) entry->expr));
	int32 class_id;

	if (type == 0)
		return false;
	if (type == CIMS_TYPE_TEXT)
		return true;
	class_id = class_of_column(query, entry->resno);
	return class_id > 0 && cims_display_level(class_id) == CIMS_LEVEL_REVEAL;
}

/* Casts an expression to its plain type, or an array of it. */
static Expr *
cast_column(Expr *expr)
{
	Oid type = exprType((Node *) expr);
	Oid plain = cims_plain_oid(type_in_result(type));
	List *name = list_make2(makeString("cims"), makeString("shown"));

	return (Expr *) makeFuncExpr(LookupFuncName(name, 1, &type, false),
								 cims_type_of_oid(type) != 0 ? plain : get_array_type(plain),
								 list_make1(expr), exprCollation((Node *) expr), exprCollation((Node *) expr),
								 COERCE_EXPLICIT_CALL);
}

/*
 * Casts the columns of a target list.  A column that the query sorts or groups
 * by stays as it is, unseen, and its cast takes its place.
 */
static List *
cast_target_list(Query *query, List *targetlist)
{
	List *shown = NIL, *junk = NIL;
	ListCell *cell;
	AttrNumber resno = 0;

	foreach (cell, targetlist)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, cell);

		if (entry->resjunk)
			junk = lappend(junk, entry);
		else if (!casts_column(query, entry))
			shown = lappend(shown, entry);
		else
		{
			TargetEntry *replaced = flatCopyTargetEntry(entry);

			replaced->expr = cast_column(copyObject(entry->expr));
			replaced->ressortgroupref = 0;
			shown = lappend(shown, replaced);
			if (entry->ressortgroupref != 0)
			{
				entry = flatCopyTargetEntry(entry);
				entry->resjunk = true;
				junk = lappend(junk, entry);
			}
		}
	}
	shown = list_concat(shown, junk);
	foreach (cell, shown)
		lfirst_node(TargetEntry, cell)->resno = ++resno;
	return shown;
}

/* Tells whether a target list has a column to cast. */
static bool
has_column_to_cast(Query *query, List *targetlist)
{
	ListCell *cell;

	foreach (cell, targetlist)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, cell);

		if (!entry->resjunk && casts_column(query, entry))
			return true;
	}
	return false;
}

/* Makes a query the only source of a new one, whose columns can be cast: for DISTINCT and set operations. */
static void
wrap_query(Query *query)
{
	Query *inner = makeNode(Query);
	RangeTblEntry *source = makeNode(RangeTblEntry);
	RangeTblRef *reference = makeNode(RangeTblRef);
	ListCell *cell;

	*inner = *query;
	source->rtekind = RTE_SUBQUERY;
	source->subquery = inner;
	source->eref = makeAlias("result", NIL);
	source->inFromCl = true;
	reference->rtindex = 1;

	memset(query, 0, sizeof(*query));
	query->type = T_Query;
	query->commandType = CMD_SELECT;
	query->querySource = inner->querySource;
	query->queryId = inner->queryId;
	query->canSetTag = inner->canSetTag;
	query->stmt_location = inner->stmt_location;
	query->stmt_len = inner->stmt_len;
	query->rtable = list_make1(source);
	query->jointree = makeFromExpr(list_make1(reference), NULL);
	foreach (cell, inner->targetList)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, cell);
		TargetEntry *shown;

		if (entry->resjunk)
			continue;
		source->eref->colnames = lappend(source->eref->colnames,
										 makeString(pstrdup(entry->resname != NULL ? entry->resname : "?column?")));
		shown = makeTargetEntry((Expr *) makeVarFromTargetEntry(1, entry), entry->resno, entry->resname, false);
		shown->resorigtbl = entry->resorigtbl;
		shown->resorigcol = entry->resorigcol;
		query->targetList = lappend(query->targetList, shown);
	}
}

/*
 * Tells whether a column to cast sorts or groups by a subquery.  The planner
 * does not know the copy within the cast for the same: it would be run again,
 * and be no NULL in the totals of grouping sets.
 */
static bool
has_subquery_to_cast(Query *query)
{
	ListCell *cell;

	foreach (cell, query->hasSubLinks ? query->targetList : NIL)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, cell);

		if (entry->ressortgroupref != 0 && !entry->resjunk && checkExprHasSubLink((Node *) entry->expr) &&
			casts_column(query, entry))
			return true;
	}
	return false;
}

/* Casts the columns of a client's query. */
static void
cast_query(Query *query)
{
	if (query->commandType != CMD_SELECT)
	{
		if (query->commandType != CMD_UTILITY && has_column_to_cast(query, query->returningList))
			query->returningList = cast_target_list(query, query->returningList);
		return;
	}
	if (!has_column_to_cast(query, query->targetList))
		return;
	if (query->setOperations != NULL || (query->distinctClause != NIL && !query->hasDistinctOn) ||
		has_subquery_to_cast(query))
	{
		if (query->hasModifyingCTE)
			return;
		wrap_query(query);
	}
	query->targetList = cast_target_list(query, query->targetList);
}

/*
 * Tells whether a statement comes from a client: then it is analysed outside
 * any portal, from the very text that the backend received, or again when a
 * client asks for its description, with no text at all.  A deferred trigger's
 * query meets the first condition alone: it is analysed within a function.
 */
static bool
client_sent(const char *source_text)
{
	if (ActivePortal != NULL || MyBackendType != B_BACKEND)
		return false;
	return debug_query_string != NULL ? source_text == debug_query_string : error_context_stack == NULL;
}

/* Brings the parameters and the result columns of a statement to plain types, if a client sent it. */
void
cims_result_rewrite(ParseState *pstate, Query *query)
{
	if (!client_sent(pstate->p_sourcetext) || !cims_type_oids()->installed)
		return;
	cims_parameter_rewrite(pstate, query);
	if (!plain_results || cims_output_is_sealed())
		return;
	if (query->commandType == CMD_UTILITY && query->utilityStmt != NULL &&
		IsA(query->utilityStmt, DeclareCursorStmt))
		query = castNode(Query, ((DeclareCursorStmt *) query->utilityStmt)->query);
	cast_query(query);
}

PG_FUNCTION_INFO_V1(cims_enc_array_shown);

/* cims.shown(array): each element in its plain type. */
Datum
cims_enc_array_shown(PG_FUNCTION_ARGS)
{
	ArrayType *array = PG_GETARG_ARRAYTYPE_P(0);
	CimsSealedType type = cims_type_of_oid(ARR_ELEMTYPE(array));
	Oid plain = cims_plain_oid(type);
	Datum *elements;
	bool *nulls, byval;
	int n_elements;
	int16 length;
	char align;

	deconstruct_array(array, ARR_ELEMTYPE(array), -1, false, TYPALIGN_INT, &elements, &nulls, &n_elements);
	for (int i = 0; i < n_elements; i++)
		if (!nulls[i])
			elements[i] = cims_value_shown(PG_DETOAST_DATUM_PACKED(elements[i]), type);
	get_typlenbyvalalign(plain, &length, &byval, &align);
	PG_RETURN_ARRAYTYPE_P(construct_md_array(elements, nulls, ARR_NDIM(array), ARR_DIMS(array), ARR_LBOUND(array),
											 plain, length, byval, align));
}

/* Defines the setting. */
void
cims_result_init(void)
{
	DefineCustomBoolVariable("cims.plain_results",
							 "Gives clients the columns of a result in plain types where the role may see them.",
							 NULL, &plain_results, true, PGC_USERSET, 0, NULL, NULL, NULL);
}
