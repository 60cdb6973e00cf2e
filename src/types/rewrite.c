/*
 * rewrite.c
 *		Brings queries to what users mean by ORDER BY, GREATEST, LEAST and
 *		equality under a normal form.
 *
 * The default b-tree class of an encrypted type orders by token, so that
 * indexes leak no order.  A planner hook, which sees every query after views
 * and policies are expanded (SELECT, DML, cursors, CREATE TABLE AS, EXPLAIN,
 * functions in SQL and PL/pgSQL), replaces the token operators in each
 * SortGroupClause by those of the display class.  Stored queries keep the
 * token operators, so that view definitions print and dump as they were typed.
 *
 * A query function that the planner inlines is parsed while it plans: a
 * post-parse hook, at work only then, rewrites that one.  What it cannot see is
 * not inlined, and so planned, and rewritten, by itself: parsed bodies (BEGIN
 * ATOMIC, RETURN) that need it, views in query functions, GREATEST and LEAST.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/planner.h"
#include "parser/analyze.h"
#include "parser/parse_func.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "types/types.h"

/* The operators *=, *<>, *<, *>, *<= and *>= of records, by their numbers in pg_operator.dat. */
#define RECORD_IMAGE_EQUAL 3188
#define RECORD_IMAGE_LAST 3193

/* What a walk over a query found. */
typedef struct RewriteContext
{
	bool needs_mutation; /* an expression, too, has to change */
} RewriteContext;

/* A token operator and the display operator in its place. */
typedef struct OperatorPair
{
	Oid token;
	Oid display;
} OperatorPair;

static planner_hook_type next_planner = NULL;
static post_parse_analyze_hook_type next_post_parse_analyze = NULL;

/* Above 0 while a query is planned; set and restored by plan_query. */
static int planner_depth = 0;

/* Whether the plan in the making rests on the normal form of a class: a cached one ends when a class is changed. */
static bool asked_class = false;

/* Two pairs a type; valid until the operator cache is invalidated. */
static OperatorPair pairs[2 * CIMS_TYPE_COUNT];
static bool pairs_valid = false;

static bool rewrite_walker(Node *node, RewriteContext *context);

/* Forgets the operator pairs. */
static void
forget_pairs(Datum arg, int cache_id, uint32 hash_value)
{
	pairs_valid = false;
}

/* Finds an operator in pg_catalog. */
Oid
cims_rewrite_find_operator(const char *name, Oid left, Oid right)
{
	return GetSysCacheOid4(OPERNAMENSP, Anum_pg_operator_oid, CStringGetDatum(name),
						   ObjectIdGetDatum(left), ObjectIdGetDatum(right),
						   ObjectIdGetDatum(PG_CATALOG_NAMESPACE));
}

/* Finds an operator of (type, type) in pg_catalog. */
static Oid
find_operator(const char *name, Oid type)
{
	return cims_rewrite_find_operator(name, type, type);
}

/* Looks the operator pairs up. */
static void
look_up_pairs(const CimsTypeOids *oids)
{
	static bool registered = false;

	if (!registered)
	{
		CacheRegisterSyscacheCallback(OPEROID, forget_pairs, (Datum) 0);
		CacheRegisterSyscacheCallback(TYPEOID, forget_pairs, (Datum) 0);
		registered = true;
	}
	pairs_valid = true;
	for (int type = 1; type <= CIMS_TYPE_COUNT; type++)
	{
		OperatorPair *pair = &pairs[2 * (type - 1)];

		pair[0].token = find_operator("#<#", oids->enc[type]);
		pair[0].display = find_operator("@<#", oids->enc[type]);
		pair[1].token = find_operator("#>#", oids->enc[type]);
		pair[1].display = find_operator("@>#", oids->enc[type]);
	}
}

/* Tells whether an operator sorts by token, and the planner hook would replace it. */
bool
cims_rewrite_sorts_by_token(Oid sortop)
{
	for (int i = 0; OidIsValid(sortop) && i < lengthof(pairs); i++)
		if (pairs[i].token == sortop)
			return true;
	return false;
}

/* Tells whether a query is being planned. */
bool
cims_rewrite_is_planning(void)
{
	return planner_depth > 0;
}

/* Replaces a token operator by its display operator. */
static void
rewrite_sort_operator(Oid *sortop)
{
	for (int i = 0; i < lengthof(pairs); i++)
		if (OidIsValid(*sortop) && pairs[i].token == *sortop && OidIsValid(pairs[i].display))
		{
			*sortop = pairs[i].display;
			return;
		}
}

/* Raises for the byte order of records where no function is called by its name: in sorts, and over rows of records. */
void
cims_rewrite_check_record_operator(Oid opno)
{
	if (opno >= RECORD_IMAGE_EQUAL && opno <= RECORD_IMAGE_LAST)
		cims_check_record_order(get_opcode(opno));
}

/* Replaces the operators of a list of SortGroupClauses. */
static void
rewrite_clauses(List *clauses)
{
	ListCell *cell;

	foreach (cell, clauses)
	{
		SortGroupClause *clause = lfirst(cell);

		if (!IsA(clause, SortGroupClause))
			continue;
		cims_rewrite_check_record_operator(clause->sortop);
		rewrite_sort_operator(&clause->sortop);
	}
}

/*
 * Tells whether an equality needs its argument under the class of the other
 * one: a column whose class has a normal form, against anything of no class.
 * Returns the class, or 0.
 */
static int32
class_for_literal(Node *column, Node *literal)
{
	int32 typmod = exprTypmod(column);
	Oid literal_type = exprType(literal);

	if (typmod <= 0 || cims_type_of_oid(exprType(column)) != CIMS_TYPE_TEXT)
		return 0;
	asked_class = true;
	if (cims_class_normal_form(typmod) == CIMS_NORMAL_NONE || exprTypmod(literal) == typmod)
		return 0;
	if (cims_type_of_oid(literal_type) == CIMS_TYPE_TEXT || cims_type_of_array_oid(literal_type) == CIMS_TYPE_TEXT)
		return exprTypmod(literal) > 0 ? 0 : typmod;
	return literal_type == TEXTOID || literal_type == TEXTARRAYOID || literal_type == VARCHAROID ? typmod : 0;
}

/* Tells whether an operator is an equality of the encrypted text type. */
bool
cims_rewrite_is_equality(Oid opno)
{
	char *name;
	bool equality;
	Oid left, right;

	op_input_types(opno, &left, &right);
	if (cims_type_of_oid(left) != CIMS_TYPE_TEXT && cims_type_of_oid(right) != CIMS_TYPE_TEXT)
		return false;
	name = get_opname(opno);
	if (name == NULL)
		return false;
	equality = strcmp(name, "=") == 0 || strcmp(name, "<>") == 0;
	pfree(name);
	return equality;
}

/* Finds which argument of an equality is a literal to bring under a class: 0, 1, or -1. */
static int
literal_argument(Oid opno, List *args, int32 *class_id)
{
	if (list_length(args) != 2)
		return -1;
	if ((*class_id = class_for_literal(linitial(args), lsecond(args))) != 0)
		return cims_rewrite_is_equality(opno) ? 1 : -1;
	if ((*class_id = class_for_literal(lsecond(args), linitial(args))) != 0)
		return cims_rewrite_is_equality(opno) ? 0 : -1;
	return -1;
}

/* Tells whether the planner hook would change an expression, looking at it alone. */
bool
cims_rewrite_changes(Node *node)
{
	int32 class_id;

	if (IsA(node, MinMaxExpr))
		return cims_type_of_oid(((MinMaxExpr *) node)->minmaxtype) != 0;
	if (IsA(node, OpExpr))
		return literal_argument(((OpExpr *) node)->opno, ((OpExpr *) node)->args, &class_id) >= 0;
	if (IsA(node, ScalarArrayOpExpr))
		return literal_argument(((ScalarArrayOpExpr *) node)->opno, ((ScalarArrayOpExpr *) node)->args,
								&class_id) == 1;
	return false;
}

/* Rewrites the clauses of one query level. */
static void
rewrite_query_level(Query *query)
{
	ListCell *cell;

	rewrite_clauses(query->sortClause);
	rewrite_clauses(query->groupClause);
	rewrite_clauses(query->distinctClause);
	foreach (cell, query->windowClause)
	{
		WindowClause *window = lfirst_node(WindowClause, cell);

		rewrite_clauses(window->partitionClause);
		rewrite_clauses(window->orderClause);
	}
}

/* Rewrites sort operators in place, and notes what else has to change. */
static bool
rewrite_walker(Node *node, RewriteContext *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		cims_column_list_check((Query *) node);
		rewrite_query_level((Query *) node);
		return query_tree_walker((Query *) node, rewrite_walker, context, 0);
	}
	if (IsA(node, Aggref))
	{
		rewrite_clauses(((Aggref *) node)->aggorder);
		rewrite_clauses(((Aggref *) node)->aggdistinct);
	}
	else if (IsA(node, SetOperationStmt))
		rewrite_clauses(((SetOperationStmt *) node)->groupClauses);
	if (IsA(node, RowCompareExpr))
	{
		ListCell *cell;

		foreach (cell, ((RowCompareExpr *) node)->opnos)
			cims_rewrite_check_record_operator(lfirst_oid(cell));
	}
	if (!context->needs_mutation && cims_rewrite_changes(node))
		context->needs_mutation = true;
	return expression_tree_walker(node, rewrite_walker, context);
}

/* Finds a function of schema cims. */
static Oid
find_function(const char *name, int n_args, const Oid *arg_types)
{
	List *qualified = list_make2(makeString("cims"), makeString(pstrdup(name)));

	return LookupFuncName(qualified, n_args, arg_types, false);
}

/* Makes GREATEST and LEAST compare plaintext, not tokens. */
static Node *
mutate_min_max(MinMaxExpr *expr, List *args)
{
	CimsSealedType type = cims_type_of_oid(expr->minmaxtype);
	Oid array_type = cims_type_oids()->enc_array[type];
	ArrayExpr *array = makeNode(ArrayExpr);

	array->array_typeid = array_type;
	array->array_collid = expr->minmaxcollid;
	array->element_typeid = expr->minmaxtype;
	array->elements = args;
	array->multidims = false;
	array->location = expr->location;
	return (Node *) makeFuncExpr(find_function(expr->op == IS_GREATEST ? "greatest" : "least", 1, &array_type),
								 expr->minmaxtype, list_make1(array), expr->minmaxcollid,
								 expr->inputcollid, COERCE_EXPLICIT_CALL);
}

/* Wraps a literal so that it is compared under a class. */
static Node *
wrap_literal(Node *literal, int32 class_id, Oid *result_type)
{
	Oid arg_types[2] = {exprType(literal), INT4OID};
	bool is_array = OidIsValid(get_element_type(arg_types[0]));
	const CimsTypeOids *oids = cims_type_oids();

	if (arg_types[0] == VARCHAROID)
		arg_types[0] = TEXTOID;
	*result_type = is_array ? oids->enc_array[CIMS_TYPE_TEXT] : oids->enc[CIMS_TYPE_TEXT];
	return (Node *) makeFuncExpr(find_function("as_class", 2, arg_types), *result_type,
								 list_make2(literal,
											makeConst(INT4OID, -1, InvalidOid, sizeof(int32),
													  Int32GetDatum(class_id), false, true)),
								 exprCollation(literal), InvalidOid, COERCE_EXPLICIT_CALL);
}

/* Points an equality whose literal was wrapped to the operator of (enc_text, enc_text). */
static void
mutate_equality(Oid *opno, Oid *opfuncid, List *args)
{
	int32 class_id;
	int position = literal_argument(*opno, args, &class_id);
	char *name;
	Oid result_type;

	if (position < 0)
		return;
	lfirst(list_nth_cell(args, position)) = wrap_literal(list_nth(args, position), class_id, &result_type);
	name = get_opname(*opno);
	*opno = find_operator(name, cims_type_oids()->enc[CIMS_TYPE_TEXT]);
	*opfuncid = get_opcode(*opno);
}

/* Changes the expressions that a walk found, on a copy of the query. */
static Node *
rewrite_mutator(Node *node, void *context)
{
	Node *copy;

	if (node == NULL)
		return NULL;
	if (IsA(node, Query))
		return (Node *) query_tree_mutator((Query *) node, rewrite_mutator, context, 0);
	copy = expression_tree_mutator(node, rewrite_mutator, context);
	if (IsA(copy, MinMaxExpr) && cims_type_of_oid(((MinMaxExpr *) copy)->minmaxtype) != 0)
		return mutate_min_max((MinMaxExpr *) copy, ((MinMaxExpr *) copy)->args);
	if (IsA(copy, OpExpr))
		mutate_equality(&((OpExpr *) copy)->opno, &((OpExpr *) copy)->opfuncid, ((OpExpr *) copy)->args);
	else if (IsA(copy, ScalarArrayOpExpr))
	{
		ScalarArrayOpExpr *expr = (ScalarArrayOpExpr *) copy;
		int32 class_id;

		if (literal_argument(expr->opno, expr->args, &class_id) == 1)
			mutate_equality(&expr->opno, &expr->opfuncid, expr->args);
	}
	return copy;
}

/* Rewrites a query in place, or into a copy where expressions change; tells, if asked, whether the guard need not look at its plan. */
static Query *
rewrite_query(Query *query, bool *unchecked)
{
	const CimsTypeOids *oids = cims_type_oids();
	RewriteContext context = {false};

	if (!oids->installed || query->commandType == CMD_UTILITY)
		return query;
	if (!pairs_valid)
		look_up_pairs(oids);
	rewrite_walker((Node *) query, &context);
	if (context.needs_mutation)
		query = (Query *) rewrite_mutator((Node *) query, NULL);
	if (unchecked != NULL)
		*unchecked = cims_unchecked_query(query);
	return query;
}

/* Planner hook. */
static PlannedStmt *
plan_query(Query *query, const char *query_string, int cursor_options, ParamListInfo params)
{
	PlannedStmt *volatile plan;
	bool outer_notice = cims_index_take_notice(false);
	bool outer_asked = asked_class;
	bool depends_on_role;
	bool unchecked = false;
	int outer_marked;

	cims_definition_check_printing();
	asked_class = false;
	query = rewrite_query(query, &unchecked);
	outer_marked = cims_foreign_key_enter();
	planner_depth++;
	PG_TRY();
	{
		if (next_planner != NULL)
			plan = next_planner(query, query_string, cursor_options, params);
		else
			plan = standard_planner(query, query_string, cursor_options, params);
		depends_on_role = cims_index_take_notice(outer_notice);
		plan->dependsOnRole |= depends_on_role;
		if (depends_on_role && OidIsValid(cims_grant_table()))
			plan->relationOids = list_append_unique_oid(plan->relationOids, cims_grant_table());
		if ((depends_on_role || asked_class) && OidIsValid(cims_class_table()))
			plan->relationOids = list_append_unique_oid(plan->relationOids, cims_class_table());
		if (unchecked)
			cims_unchecked_mark(plan);
		asked_class = outer_asked;
	}
	PG_FINALLY();
	{
		planner_depth--;
		cims_foreign_key_leave(outer_marked);
	}
	PG_END_TRY();
	return plan;
}

/* Tells whether a command is of settings or transactions, and so holds no value. */
static bool
is_of_session(Node *command)
{
	return IsA(command, VariableSetStmt) || IsA(command, VariableShowStmt) || IsA(command, TransactionStmt) ||
		   IsA(command, DiscardStmt);
}

/* Post-parse hook: rewrites the body of a function that is being inlined, and a client's result. */
static void
analyze_query(ParseState *pstate, Query *query, JumbleState *jumble)
{
	if (next_post_parse_analyze != NULL)
		next_post_parse_analyze(pstate, query, jumble);
	if (query->commandType != CMD_UTILITY || !is_of_session(query->utilityStmt))
		cims_definition_check_printing();
	if (planner_depth == 0)
		cims_result_rewrite(pstate, query);
	else if (query->commandType == CMD_SELECT)
	{
		Query *rewritten = rewrite_query(query, NULL);

		if (rewritten != query)
			*query = *rewritten;
	}
}

/* Installs the hooks. */
void
cims_rewrite_init(void)
{
	next_planner = planner_hook;
	planner_hook = plan_query;
	next_post_parse_analyze = post_parse_analyze_hook;
	post_parse_analyze_hook = analyze_query;
}
