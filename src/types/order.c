/*
 * order.c
 *		Plaintext order: <, BETWEEN, min, max, and the b-tree class "order".
 *
 * Everything here needs the level "reveal", but for what an index compares to
 * keep itself: an update of another column, a VACUUM or a reseal must not fail
 * by where a page happens to split.  Who may not reveal is not shown the order
 * that results (index.c); the operators, which a scan calls on each entry that
 * it finds, check the level themselves.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"

#include "types/types.h"

/* Tells whether an index calls, for itself: only it passes the options of its operator class. */
static bool
is_maintained(FunctionCallInfo fcinfo)
{
	return fcinfo->flinfo != NULL && has_fn_opclass_options(fcinfo->flinfo);
}

/* Reveals a value for comparison, in its normal form, if the role may. */
static Datum
reveal_for_order(struct varlena *value, CimsSealed *sealed, CimsNormalForm *form, bool maintained)
{
	cims_value_parse(value, sealed);
	if (!maintained)
		cims_require_level(sealed->class_id, CIMS_LEVEL_REVEAL);
	*form = cims_class_normal_form(sealed->class_id);
	return cims_plain_fold(sealed->type, cims_value_reveal(value), *form);
}

/* Compares two values. */
static int
order_values(struct varlena *a, struct varlena *b, Oid collation, bool maintained)
{
	MemoryContext caller = cims_scratch_enter();
	CimsSealed left, right;
	CimsNormalForm form;
	Datum left_plain, right_plain;
	int order;

	cims_value_parse(b, &right);
	/* a column's class says more to a reader of the message than that of a literal */
	if (!maintained && right.class_id != cims_class_default_id())
		cims_require_level(right.class_id, CIMS_LEVEL_REVEAL);
	left_plain = reveal_for_order(a, &left, &form, maintained);
	right_plain = reveal_for_order(b, &right, &form, maintained);
	cims_value_check_type(&left, right.type);
	/* a literal is compared under the normal form of the other side */
	if (left.class_id == cims_class_default_id())
		left_plain = cims_plain_fold(left.type, left_plain, cims_class_normal_form(right.class_id));
	else if (right.class_id == cims_class_default_id())
		right_plain = cims_plain_fold(right.type, right_plain, cims_class_normal_form(left.class_id));
	order = cims_plain_compare(left.type, left_plain, right_plain, collation);
	cims_scratch_leave(caller);
	return order;
}

/* Compares a value with a plaintext, brought to the value's normal form. */
static int
order_with_plain(struct varlena *value, CimsSealedType type, Datum plain, Oid collation)
{
	MemoryContext caller = cims_scratch_enter();
	CimsSealed sealed;
	CimsNormalForm form;
	Datum revealed = reveal_for_order(value, &sealed, &form, false);
	int order;

	cims_value_check_type(&sealed, type);
	order = cims_plain_compare(type, revealed, cims_plain_fold(type, plain, form), collation);
	cims_scratch_leave(caller);
	return order;
}

/* The comparison functions of (enc, enc). */
#define CIMS_ORDER_FUNCTION(suffix, result, test) \
	PG_FUNCTION_INFO_V1(cims_enc_##suffix); \
	Datum cims_enc_##suffix(PG_FUNCTION_ARGS) \
	{ \
		int order = order_values(PG_GETARG_VARLENA_PP(0), PG_GETARG_VARLENA_PP(1), \
								 PG_GET_COLLATION(), is_maintained(fcinfo)); \
		result(order test); \
	}

CIMS_ORDER_FUNCTION(cmp, PG_RETURN_INT32, +0)
CIMS_ORDER_FUNCTION(lt, PG_RETURN_BOOL, < 0)
CIMS_ORDER_FUNCTION(le, PG_RETURN_BOOL, <= 0)
CIMS_ORDER_FUNCTION(ge, PG_RETURN_BOOL, >= 0)
CIMS_ORDER_FUNCTION(gt, PG_RETURN_BOOL, > 0)

/* The comparison functions of (enc, plain) and (plain, enc). */
#define CIMS_ORDER_CROSS(name, type, suffix, result, test) \
	PG_FUNCTION_INFO_V1(cims_##name##_plain_##suffix); \
	Datum cims_##name##_plain_##suffix(PG_FUNCTION_ARGS) \
	{ \
		int order = order_with_plain(PG_GETARG_VARLENA_PP(0), type, PG_GETARG_DATUM(1), \
									 PG_GET_COLLATION()); \
		result(order test); \
	} \
	PG_FUNCTION_INFO_V1(cims_plain_##name##_##suffix); \
	Datum cims_plain_##name##_##suffix(PG_FUNCTION_ARGS) \
	{ \
		int order = -order_with_plain(PG_GETARG_VARLENA_PP(1), type, PG_GETARG_DATUM(0), \
									  PG_GET_COLLATION()); \
		result(order test); \
	}

#define CIMS_ORDER_CROSSES(name, type) \
	CIMS_ORDER_CROSS(name, type, cmp, PG_RETURN_INT32, +0) \
	CIMS_ORDER_CROSS(name, type, lt, PG_RETURN_BOOL, < 0) \
	CIMS_ORDER_CROSS(name, type, le, PG_RETURN_BOOL, <= 0) \
	CIMS_ORDER_CROSS(name, type, ge, PG_RETURN_BOOL, >= 0) \
	CIMS_ORDER_CROSS(name, type, gt, PG_RETURN_BOOL, > 0)

CIMS_ORDER_CROSSES(enc_text, CIMS_TYPE_TEXT)
CIMS_ORDER_CROSSES(enc_date, CIMS_TYPE_DATE)
CIMS_ORDER_CROSSES(enc_timestamptz, CIMS_TYPE_TIMESTAMPTZ)
CIMS_ORDER_CROSSES(enc_jsonb, CIMS_TYPE_JSONB)
CIMS_ORDER_CROSSES(enc_bytea, CIMS_TYPE_BYTEA)

PG_FUNCTION_INFO_V1(cims_enc_larger);
PG_FUNCTION_INFO_V1(cims_enc_smaller);
PG_FUNCTION_INFO_V1(cims_enc_greatest);
PG_FUNCTION_INFO_V1(cims_enc_least);

/* Transition function of max; of equals the second, as the plain types do. */
Datum
cims_enc_larger(PG_FUNCTION_ARGS)
{
	struct varlena *a = PG_GETARG_VARLENA_PP(0);
	struct varlena *b = PG_GETARG_VARLENA_PP(1);

	PG_RETURN_POINTER(order_values(a, b, PG_GET_COLLATION(), false) > 0 ? a : b);
}

/* Transition function of min; of equals the second, as the plain types do. */
Datum
cims_enc_smaller(PG_FUNCTION_ARGS)
{
	struct varlena *a = PG_GETARG_VARLENA_PP(0);
	struct varlena *b = PG_GETARG_VARLENA_PP(1);

	PG_RETURN_POINTER(order_values(a, b, PG_GET_COLLATION(), false) < 0 ? a : b);
}

/* Picks the last (direction 1) or the first (-1) in plaintext order from an array; NULLs do not count. */
static Datum
pick_extreme(FunctionCallInfo fcinfo, int direction)
{
	ArrayType *array = PG_GETARG_ARRAYTYPE_P(0);
	struct varlena *best = NULL;
	Datum *elements;
	bool *nulls;
	int n_elements;

	deconstruct_array(array, ARR_ELEMTYPE(array), -1, false, TYPALIGN_INT, &elements, &nulls, &n_elements);
	for (int i = 0; i < n_elements; i++)
	{
		struct varlena *element;

		if (nulls[i])
			continue;
		element = PG_DETOAST_DATUM_PACKED(elements[i]);
		if (best == NULL || direction * order_values(element, best, PG_GET_COLLATION(), false) > 0)
			best = element;
	}
	if (best == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(best);
}

/* What GREATEST becomes over an encrypted type. */
Datum
cims_enc_greatest(PG_FUNCTION_ARGS)
{
	return pick_extreme(fcinfo, 1);
}

/* What LEAST becomes over an encrypted type. */
Datum
cims_enc_least(PG_FUNCTION_ARGS)
{
	return pick_extreme(fcinfo, -1);
}
