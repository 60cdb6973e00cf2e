/*
 * scope_plan.c
 *		What the planner is told of the conditions of row policies.
 *
 * cims.in_scope(owner, org) is true for what the actor owns, for what is of an
 * organisation that is listed, and for what is of any organisation where the
 * actor sees all.  No index condition can be an OR, so the call is replaced by
 * an OR of three calls, of which each has an index condition of its own; the
 * planner then combines them in a BitmapOr.  None of the three is known when a
 * plan is made: a prepared statement serves every actor.
 *
 *		cims.org_is_listed(org)	org = ANY (cims.scope_orgs())
 *		cims.org_is_any(org)	org >= cims.scope_lo()
 *		cims.is_own(owner)		owner = cims.scope_owner()
 *		cims.can_read(label)	label < cims.clearance_ceiling(), which is weaker
 *
 * How many rows a condition lets through is estimated from the same operators,
 * for the actor of the moment.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "catalog/pg_am.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_opfamily.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "nodes/supportnodes.h"
#include "optimizer/clauses.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/selfuncs.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "access/scope.h"

/* A family of operators that an index, or an estimate, uses. */
typedef struct Family
{
	Oid id;
	bool hash;     /* it has equality alone */
	bool arrays;   /* the index takes a list of values at once */
	Oid collation; /* of the index or the column; InvalidOid for types without */
	bool exact;    /* set: the condition is the call's equal */
} Family;

/* Makes the condition that stands for a call over a column; NULL where the family has no operator for it. */
typedef Expr *(*MakeCondition)(Node *column, Oid schema, Family *family);

PG_FUNCTION_INFO_V1(cims_in_scope_support);
PG_FUNCTION_INFO_V1(cims_is_own_support);
PG_FUNCTION_INFO_V1(cims_org_is_listed_support);
PG_FUNCTION_INFO_V1(cims_org_is_any_support);
PG_FUNCTION_INFO_V1(cims_can_read_support);

#define COMPUTE_COST 100.0 /* of a scope, in evaluations of an operator */

/* Find a function without arguments, or of one "any", in the schema of the extension. */
static Oid
find_function(Oid schema, const char *name, int n_args)
{
	Oid any = ANYOID;
	Oid function = GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum(name),
								   PointerGetDatum(buildoidvector(&any, n_args)), ObjectIdGetDatum(schema));

	if (!OidIsValid(function))
		elog(ERROR, "function \"%s\" is not there", name);
	return function;
}

/* Make a call of a function without arguments that gives the other side of a condition. */
static Expr *
make_value(Oid schema, const char *name, Oid type)
{
	return (Expr *) makeFuncExpr(find_function(schema, name, 0), type, NIL,
								 get_typcollation(type), InvalidOid, COERCE_EXPLICIT_CALL);
}

/* Make a call of a condition over one column. */
static Expr *
make_call(Oid schema, const char *name, Node *column)
{
	return (Expr *) makeFuncExpr(find_function(schema, name, 1), BOOLOID, list_make1(column),
								 InvalidOid, exprCollation(column), COERCE_EXPLICIT_CALL);
}

/* Names and types of the values, by CimsKeyKind. */
static const struct
{
	Oid type;
	Oid array;
	const char *owner;
	const char *orgs;
	const char *lo;
} values[] = {
	[CIMS_KEY_TEXT] = {TEXTOID, TEXTARRAYOID, "scope_owner", "scope_orgs", "scope_lo"},
	[CIMS_KEY_INTEGER] = {INT8OID, INT8ARRAYOID, "scope_owner_bigint", "scope_orgs_bigint", "scope_lo_bigint"},
	[CIMS_KEY_UUID] = {UUIDOID, UUIDARRAYOID, "scope_owner_uuid", "scope_orgs_uuid", "scope_lo_uuid"},
};

/* Return a column as an operator of its base type takes it. */
static Node *
operand(Node *column, Oid *type)
{
	*type = getBaseType(exprType(column));
	if (*type == VARCHAROID)
		*type = TEXTOID;
	if (exprType(column) == *type)
		return column;
	return (Node *) makeRelabelType((Expr *) column, *type, -1, exprCollation(column), COERCE_IMPLICIT_CAST);
}

/* Find an operator of a family; the families of hash indexes have equality alone. */
static Oid
find_operator(const Family *family, Oid left, Oid right, StrategyNumber strategy)
{
	if (family->hash)
		return strategy == BTEqualStrategyNumber ? get_opfamily_member(family->id, left, right, HTEqualStrategyNumber) : InvalidOid;
	return get_opfamily_member(family->id, left, right, strategy);
}

/* Note whether texts that are equal under the collation have the same bytes, as the calls ask for. */
static void
judge_collation(Family *family, CimsKeyKind kind)
{
	family->exact = kind != CIMS_KEY_TEXT || get_collation_isdeterministic(family->collation);
}

/* column OPERATOR value */
static Expr *
make_comparison(Node *column, Oid schema, Family *family, StrategyNumber strategy, const char *value, Oid value_type)
{
	Oid type;
	Node *left = operand(column, &type);
	Oid op = find_operator(family, type, value_type, strategy);

	if (!OidIsValid(op))
		return NULL;
	return make_opclause(op, BOOLOID, false, (Expr *) left, make_value(schema, value, value_type), InvalidOid, family->collation);
}

/* owner = cims.scope_owner() */
static Expr *
condition_of_own(Node *column, Oid schema, Family *family)
{
	CimsKeyKind kind = cims_scope_kind(exprType(column));

	judge_collation(family, kind);
	return make_comparison(column, schema, family, BTEqualStrategyNumber, values[kind].owner, values[kind].type);
}

/* org = ANY (cims.scope_orgs()) */
static Expr *
condition_of_listed(Node *column, Oid schema, Family *family)
{
	CimsKeyKind kind = cims_scope_kind(exprType(column));
	ScalarArrayOpExpr *condition;
	Oid type;
	Node *left = operand(column, &type);
	Oid op = find_operator(family, type, values[kind].type, BTEqualStrategyNumber);

	if (!OidIsValid(op) || !family->arrays)
		return NULL;
	judge_collation(family, kind);
	condition = makeNode(ScalarArrayOpExpr);
	condition->opno = op;
	condition->opfuncid = get_opcode(op);
	condition->useOr = true;
	condition->inputcollid = family->collation;
	condition->args = list_make2(left, make_value(schema, values[kind].orgs, values[kind].array));
	condition->location = -1;
	return (Expr *) condition;
}

/* org >= cims.scope_lo() */
static Expr *
condition_of_any(Node *column, Oid schema, Family *family)
{
	CimsKeyKind kind = cims_scope_kind(exprType(column));

	family->exact = true;
	return make_comparison(column, schema, family, BTGreaterEqualStrategyNumber, values[kind].lo, values[kind].type);
}

/* label < cims.clearance_ceiling() */
static Expr *
condition_of_label(Node *column, Oid schema, Family *family)
{
	Oid type;

	(void) operand(column, &type);
	family->exact = false;
	return make_comparison(column, schema, family, BTLessStrategyNumber, "clearance_ceiling", type);
}

/* Tell whether conditions can be made over an expression. */
static bool
is_usable(Node *column, MakeCondition make)
{
	return make == condition_of_label || (cims_scope_kind(exprType(column)) != CIMS_KEY_NONE && exprType(column) != UNKNOWNOID);
}

/* Answer by a condition for an index. */
static Node *
answer_index(SupportRequestIndexCondition *request, MakeCondition make)
{
	Family family = {.id = request->opfamily, .collation = request->indexcollation};
	Node *column;
	Expr *condition;

	if (!is_funcclause(request->node) || request->indexarg != 0)
		return NULL;
	if (request->index->relam != BTREE_AM_OID && request->index->relam != HASH_AM_OID)
		return NULL;
	family.hash = request->index->relam == HASH_AM_OID;
	/* a list over a later column breaks the index's order, which the planner cannot know of one that it has not seen */
	family.arrays = request->index->amsearcharray && request->indexcol == 0;
	column = linitial(((FuncExpr *) request->node)->args);
	if (!is_usable(column, make))
		return NULL;
	condition = make(column, get_func_namespace(request->funcid), &family);
	if (condition == NULL)
		return NULL;
	request->lossy = !family.exact;
	return (Node *) list_make1(condition);
}

/* Answer by the part of the rows that meet the condition, as the operators' own estimates have it. */
static Node *
answer_selectivity(SupportRequestSelectivity *request, MakeCondition make)
{
	Node *column = linitial(request->args);
	TypeCacheEntry *type;
	Family family = {.arrays = true};
	Expr *condition;
	Oid base;

	if (!is_usable(column, make))
		return NULL;
	(void) operand(column, &base);
	type = lookup_type_cache(base, TYPECACHE_BTREE_OPFAMILY);
	family.id = type->btree_opf;
	family.collation = exprCollation(column);
	if (get_typcollation(base) != InvalidOid && !OidIsValid(family.collation))
		family.collation = DEFAULT_COLLATION_OID;
	condition = make(column, get_func_namespace(request->funcid), &family);
	if (condition == NULL)
		return NULL;
	request->selectivity = clause_selectivity(request->root, (Node *) condition, request->varRelid, request->jointype, request->sjinfo);
	CLAMP_PROBABILITY(request->selectivity);
	return (Node *) request;
}

/* Answer by what a call costs: the scope is computed once, then looked up. */
static Node *
answer_cost(SupportRequestCost *request)
{
	request->startup = COMPUTE_COST * cpu_operator_cost;
	request->per_tuple = cpu_operator_cost;
	return (Node *) request;
}

/* Answer what the planner asks of a condition over one column. */
static Node *
answer(Node *request, MakeCondition make)
{
	if (IsA(request, SupportRequestIndexCondition))
		return answer_index((SupportRequestIndexCondition *) request, make);
	if (IsA(request, SupportRequestSelectivity))
		return answer_selectivity((SupportRequestSelectivity *) request, make);
	if (IsA(request, SupportRequestCost))
		return answer_cost((SupportRequestCost *) request);
	return NULL;
}

/*
 * SQL: cims.in_scope_support(internal) returns internal; of cims.in_scope(owner, org)
 * and cims.org_in_scope(org): the calls that stand for them.
 */
Datum
cims_in_scope_support(PG_FUNCTION_ARGS)
{
	Node *request = (Node *) PG_GETARG_POINTER(0);
	List *arms = NIL;
	FuncExpr *call;
	Oid schema;
	Node *org;

	if (IsA(request, SupportRequestCost))
		PG_RETURN_POINTER(answer_cost((SupportRequestCost *) request));
	if (!IsA(request, SupportRequestSimplify))
		PG_RETURN_POINTER(NULL);

	call = ((SupportRequestSimplify *) request)->fcall;
	schema = get_func_namespace(call->funcid);
	org = llast(call->args);
	/* the organisation stands in two calls: what is computed anew for each must give the same */
	if (contain_volatile_functions(org) || contain_subplans(org))
		PG_RETURN_POINTER(NULL);
	/* first what most rows of a large result are let through by */
	arms = lappend(arms, make_call(schema, "org_is_listed", org));
	arms = lappend(arms, make_call(schema, "org_is_any", copyObject(org)));
	if (list_length(call->args) == 2)
		arms = lappend(arms, make_call(schema, "is_own", linitial(call->args)));
	PG_RETURN_POINTER(make_orclause(arms));
}

/* SQL: cims.is_own_support(internal) returns internal. */
Datum
cims_is_own_support(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(answer((Node *) PG_GETARG_POINTER(0), condition_of_own));
}

/* SQL: cims.org_is_listed_support(internal) returns internal. */
Datum
cims_org_is_listed_support(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(answer((Node *) PG_GETARG_POINTER(0), condition_of_listed));
}

/* SQL: cims.org_is_any_support(internal) returns internal. */
Datum
cims_org_is_any_support(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(answer((Node *) PG_GETARG_POINTER(0), condition_of_any));
}

/* SQL: cims.can_read_support(internal) returns internal. */
Datum
cims_can_read_support(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(answer((Node *) PG_GETARG_POINTER(0), condition_of_label));
}
