/*
 * call.c
 *		What is to be known of the place that a function is called from.
 */
#include "postgres.h"

#include "fmgr.h"
#include "nodes/primnodes.h"

#include "base/base.h"

/*
 * Tell whether an argument is a constant, so that every call from this place
 * gives the same.  (get_fn_expr_arg_stable() takes parameters for stable as
 * well: they are, for one run of a statement, but what is kept of the place may
 * outlive that, in PL/pgSQL.)
 */
bool
cims_argument_is_constant(const FmgrInfo *function, int number)
{
	const FuncExpr *call = (const FuncExpr *) function->fn_expr;

	return call != NULL && IsA(call, FuncExpr) && number < list_length(call->args) && IsA(list_nth(call->args, number), Const);
}
