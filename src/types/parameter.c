/*
 * parameter.c
 *		Takes a client's untyped parameters for text where an encrypted column
 *		is compared with them or assigned from them.
 *
 * The parser gives $1 in "phone = $1" the type of the column, so that its value
 * would be sealed as a literal when it comes in, only to have its token taken,
 * or to be opened and sealed again under the column's class.  A parameter of
 * type text, which many drivers send anyway, does neither.  So where a statement
 * that a client has sent uses a parameter in these two ways alone, its type
 * becomes text, as if the client had said so; any other use leaves it as it is.
 *
 * Armor is an exception to what text means: = takes it for plaintext.  Where
 * sealed input is taken from everyone, nothing is changed.
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_coerce.h"
#include "parser/parse_node.h"
#include "parser/parse_param.h"
#include "utils/lsyscache.h"

#include "types/types.h"

/* What parse_param.c keeps of parameters whose types the parser finds out; it has no header for it. */
typedef struct VariableParameters
{
	Oid **types;
	int *count;
} VariableParameters;

/* Where a statement uses its parameters of encrypted text, by their numbers. */
typedef struct ParameterUse
{
	Bitmapset *as_text; /* where text would do */
	Bitmapset *sealed;  /* where it would not */
	bool change;        /* the second walk: make those of as_text text */
} ParameterUse;

/* Returns the parameters of a statement whose types the parser has found out, NULL where it was told them all. */
static VariableParameters *
variable_parameters(ParseState *pstate)
{
	ParseState *probe = make_parsestate(NULL);
	VariableParameters *parameters = NULL;
	Oid *types = NULL;
	int count = 0;

	setup_parse_variable_parameters(probe, &types, &count);
	if (pstate->p_coerce_param_hook == probe->p_coerce_param_hook && pstate->p_ref_hook_state != NULL)
	{
		VariableParameters *known = probe->p_ref_hook_state;

		if (known->types == &types && known->count == &count)
			parameters = pstate->p_ref_hook_state;
	}
	free_parsestate(probe);
	return parameters;
}

/* Tells whether a node is a client's parameter of encrypted text. */
static bool
is_parameter(Node *node)
{
	return IsA(node, Param) && ((Param *) node)->paramkind == PARAM_EXTERN && ((Param *) node)->paramtypmod < 0 &&
		   cims_type_of_oid(((Param *) node)->paramtype) == CIMS_TYPE_TEXT;
}

/* Finds the argument of an equality of encrypted text that is a parameter, when the other is none; -1 where there is none. */
static int
parameter_of_equality(OpExpr *equality)
{
	bool left, right;

	if (list_length(equality->args) != 2)
		return -1;
	left = is_parameter(linitial(equality->args));
	right = is_parameter(lsecond(equality->args));
	if (left == right || !cims_rewrite_is_equality(equality->opno))
		return -1;
	return right ? 1 : 0;
}

/* Tells whether a call brings a parameter into the class of a column. */
static bool
assigns_parameter(FuncExpr *call)
{
	Oid coercion;

	return list_length(call->args) == 3 && is_parameter(linitial(call->args)) &&
		   find_typmod_coercion_function(exprType(linitial(call->args)), &coercion) == COERCION_PATH_FUNC &&
		   call->funcid == coercion;
}

/* Makes a parameter text. */
static void
make_text(Param *parameter)
{
	parameter->paramtype = TEXTOID;
	parameter->paramcollid = DEFAULT_COLLATION_OID;
}

/* Points an equality to the operator of encrypted and plain text. */
static void
compare_text(OpExpr *equality)
{
	char *name = get_opname(equality->opno);

	make_text(list_nth_node(Param, equality->args, parameter_of_equality(equality)));
	equality->opno = cims_rewrite_find_operator(name, exprType(linitial(equality->args)), exprType(lsecond(equality->args)));
	equality->opfuncid = get_opcode(equality->opno);
}

/* Points an assignment to the cast from text. */
static void
assign_text(FuncExpr *call)
{
	make_text(linitial_node(Param, call->args));
	if (find_coercion_pathway(call->funcresulttype, TEXTOID, COERCION_ASSIGNMENT, &call->funcid) != COERCION_PATH_FUNC)
		elog(ERROR, "no cast from text to encrypted text");
}

/* Notes how a statement uses its parameters, or changes those that were found fit. */
static bool
walk_uses(Node *node, ParameterUse *use)
{
	Param *parameter = NULL;
	Node *other = NULL;
	int position;

	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, walk_uses, use, 0);
	if (IsA(node, OpExpr) && (position = parameter_of_equality((OpExpr *) node)) >= 0)
	{
		parameter = list_nth_node(Param, ((OpExpr *) node)->args, position);
		other = list_nth(((OpExpr *) node)->args, 1 - position);
	}
	else if (IsA(node, FuncExpr) && assigns_parameter((FuncExpr *) node))
		parameter = linitial_node(Param, ((FuncExpr *) node)->args);
	if (parameter == NULL)
	{
		if (is_parameter(node))
			use->sealed = bms_add_member(use->sealed, ((Param *) node)->paramid);
		return expression_tree_walker(node, walk_uses, use);
	}
	if (!use->change)
		use->as_text = bms_add_member(use->as_text, parameter->paramid);
	else if (bms_is_member(parameter->paramid, use->as_text) && IsA(node, OpExpr))
		compare_text((OpExpr *) node);
	else if (bms_is_member(parameter->paramid, use->as_text))
		assign_text((FuncExpr *) node);
	return walk_uses(other, use);
}

/* Makes text of the parameters of a client's statement that need not be sealed. */
void
cims_parameter_rewrite(ParseState *pstate, Query *query)
{
	VariableParameters *parameters;
	ParameterUse use = {NULL, NULL, false};
	int number = -1;

	if (pstate->p_coerce_param_hook == NULL || query->commandType == CMD_UTILITY || cims_input_is_sealed())
		return;
	walk_uses((Node *) query, &use);
	use.as_text = bms_del_members(use.as_text, use.sealed);
	if (bms_is_empty(use.as_text) || (parameters = variable_parameters(pstate)) == NULL)
		return;
	while ((number = bms_next_member(use.as_text, number)) >= 0)
		if (number > *parameters->count || cims_type_of_oid((*parameters->types)[number - 1]) != CIMS_TYPE_TEXT)
			return;
	use.change = true;
	walk_uses((Node *) query, &use);
	number = -1;
	while ((number = bms_next_member(use.as_text, number)) >= 0)
		(*parameters->types)[number - 1] = TEXTOID;
}
