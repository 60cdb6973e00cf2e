/*
 * equal.c
 *		Equality by token: operators, hashing, and the b-tree order of tokens.
 *
 * Everything here checks the level "search", but for what an index calls to
 * maintain itself, since whoever writes a row does that.  Such a call is known
 * by the options of its operator class: an index passes them on, and nothing
 * else does (arrays, records and hash joins call the same functions).
 */
#include "postgres.h"

#include "access/reloptions.h"
#include "common/hashfn.h"
#include "nodes/nodes.h"
#include "nodes/primnodes.h"
#include "port/pg_bswap.h"
#include "utils/memutils.h"
#include "utils/sortsupport.h"

#include "types/types.h"

/*
 * Gives the token of a value under another class's normal form.  Only a
 * literal is brought to it: two columns with different normal forms have no
 * common equality.
 */
static void
token_under(struct varlena *value, const CimsSealed *sealed, CimsNormalForm form,
			unsigned char token[CIMS_TOKEN_LEN])
{
	if (cims_class_normal_form(sealed->class_id) == form)
		cims_token_of_value(value, token);
	else if (sealed->class_id == cims_class_default_id())
		cims_token_of_plain(sealed->type, cims_value_reveal(value), form, token);
	else
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("values of these two classes cannot be compared"),
				 errdetail("One of the classes compares by a normal form, the other does not.")));
}

/*
 * Tells whether a foreign key asks if an UPDATE of the referencing row changed
 * it: it alone calls by a function looked up into TopMemoryContext, outside any
 * expression.
 */
static bool
foreign_key_calls(FunctionCallInfo fcinfo)
{
	return fcinfo->flinfo != NULL && fcinfo->flinfo->fn_expr == NULL && fcinfo->flinfo->fn_mcxt == TopMemoryContext;
}

/* Compares two values for equality, with the checks of an operator. */
static bool
values_equal(FunctionCallInfo fcinfo)
{
	struct varlena *a = PG_GETARG_VARLENA_PP(0);
	struct varlena *b = PG_GETARG_VARLENA_PP(1);
	CimsSealed left, right;
	CimsNormalForm form;
	unsigned char left_token[CIMS_TOKEN_LEN], right_token[CIMS_TOKEN_LEN];

	/* the same bytes are the same value: no secret, and what a foreign key asks of an unchanged one */
	if (VARSIZE_ANY_EXHDR(a) == VARSIZE_ANY_EXHDR(b) &&
		memcmp(VARDATA_ANY(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(a)) == 0)
		return true;
	cims_value_parse(a, &left);
	cims_value_parse(b, &right);
	/* "changed" only has the key checked; "unchanged" would confirm a guess where the key refers to nothing, NOT VALID */
	if (foreign_key_calls(fcinfo) && (cims_class_level(left.class_id) < CIMS_LEVEL_SEARCH ||
									  cims_class_level(right.class_id) < CIMS_LEVEL_SEARCH))
		return false;
	cims_require_search(left.class_id);
	cims_require_search(right.class_id);
	if (left.class_id == right.class_id)
	{
		if (likely(left.token != NULL && right.token != NULL && left.token_scheme == right.token_scheme))
			return memcmp(left.token, right.token, CIMS_TOKEN_LEN) == 0;
		cims_token_of_value(a, left_token);
		cims_token_of_value(b, right_token);
	}
	else
	{
		form = cims_class_normal_form(left.class_id == cims_class_default_id() ? right.class_id : left.class_id);
		token_under(a, &left, form, left_token);
		token_under(b, &right, form, right_token);
	}
	return memcmp(left_token, right_token, CIMS_TOKEN_LEN) == 0;
}

/* Tells whether an index calls a support function, for itself. */
static bool
index_calls(FunctionCallInfo fcinfo)
{
	return fcinfo->flinfo != NULL && has_fn_opclass_options(fcinfo->flinfo);
}

/*
 * Gives the token of a value to a support function.  ANALYZE calls them for
 * arrays and rows with encrypted elements, as the table's owner: without the
 * level it gets the nonce, under which no two values are equal.
 */
static void
token_for_support(FunctionCallInfo fcinfo, struct varlena *value, unsigned char token[CIMS_TOKEN_LEN])
{
	CimsSealed sealed;

	if (!index_calls(fcinfo))
	{
		cims_value_parse(value, &sealed);
		if (cims_analyzing() && cims_class_level(sealed.class_id) < CIMS_LEVEL_SEARCH)
		{
			memcpy(token, sealed.nonce, CIMS_TOKEN_LEN);
			return;
		}
		cims_require_search(sealed.class_id);
	}
	cims_token_of_value(value, token);
}

/* Refuses a direct call: the hash of a chosen plaintext is an oracle for tokens. */
static void
refuse_direct_call(FunctionCallInfo fcinfo)
{
	if (fcinfo->flinfo != NULL && fcinfo->flinfo->fn_expr != NULL && (IsA(fcinfo->flinfo->fn_expr, FuncExpr) || IsA(fcinfo->flinfo->fn_expr, OpExpr)))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("this function serves indexes and joins, and cannot be called by itself")));
}

/* Orders two tokens. */
static int
compare_tokens(const unsigned char *a, const unsigned char *b)
{
	return memcmp(a, b, CIMS_TOKEN_LEN);
}

/* Orders two values by token, with the checks of a support function. */
static int
compare_values(FunctionCallInfo fcinfo)
{
	struct varlena *a = PG_GETARG_VARLENA_PP(0);
	struct varlena *b = PG_GETARG_VARLENA_PP(1);
	unsigned char left[CIMS_TOKEN_LEN], right[CIMS_TOKEN_LEN];

	token_for_support(fcinfo, a, left);
	token_for_support(fcinfo, b, right);
	return compare_tokens(left, right);
}

/* Orders a value and a plaintext by token, with the checks of an operator. */
static int
compare_with_plain(struct varlena *value, CimsSealedType type, Datum plain)
{
	CimsSealed sealed;
	unsigned char left[CIMS_TOKEN_LEN], right[CIMS_TOKEN_LEN];

	cims_value_parse(value, &sealed);
	cims_require_search(sealed.class_id);
	cims_token_of_value(value, left);
	cims_token_of_plain(type, plain, cims_class_normal_form(sealed.class_id), right);
	return compare_tokens(left, right);
}

/* Hashes a token: its bytes are those of a keyed hash already. */
static uint32
hash_token(const unsigned char *token)
{
	uint32 hash;

	memcpy(&hash, token, sizeof(hash));
	return hash;
}

PG_FUNCTION_INFO_V1(cims_enc_index_options);
PG_FUNCTION_INFO_V1(cims_enc_token_sortsupport);
PG_FUNCTION_INFO_V1(cims_enc_eq);
PG_FUNCTION_INFO_V1(cims_enc_ne);
PG_FUNCTION_INFO_V1(cims_enc_hash);
PG_FUNCTION_INFO_V1(cims_enc_hash_extended);
PG_FUNCTION_INFO_V1(cims_enc_token_cmp);
PG_FUNCTION_INFO_V1(cims_enc_token_lt);
PG_FUNCTION_INFO_V1(cims_enc_token_le);
PG_FUNCTION_INFO_V1(cims_enc_token_ge);
PG_FUNCTION_INFO_V1(cims_enc_token_gt);

/* Options of the operator classes: none; that there are options tells an index's calls apart. */
Datum
cims_enc_index_options(PG_FUNCTION_ARGS)
{
	local_relopts *options = (local_relopts *) PG_GETARG_POINTER(0);

	init_local_reloptions(options, sizeof(struct varlena));
	PG_RETURN_VOID();
}

/* Compares two values in a sort by token. */
static int
sort_by_token(Datum a, Datum b, SortSupport ssup)
{
	unsigned char left[CIMS_TOKEN_LEN], right[CIMS_TOKEN_LEN];

	cims_token_of_value(PG_DETOAST_DATUM_PACKED(a), left);
	cims_token_of_value(PG_DETOAST_DATUM_PACKED(b), right);
	return compare_tokens(left, right);
}

/* Abbreviates a value to the first bytes of its token. */
static Datum
abbreviate_token(Datum original, SortSupport ssup)
{
	unsigned char token[CIMS_TOKEN_LEN];
	Datum key;

	cims_token_of_value(PG_DETOAST_DATUM_PACKED(original), token);
	memcpy(&key, token, sizeof(key));
	return DatumBigEndianToNative(key);
}

/* Keeps abbreviated keys: those of a keyed hash are as good as can be. */
static bool
keep_abbreviation(int n_tuples, SortSupport ssup)
{
	return false;
}

/*
 * Sort support of the token class: builds indexes, which needs no level.
 * Queries reach it through UNION and its kin alone, and guard.c checks those.
 */
Datum
cims_enc_token_sortsupport(PG_FUNCTION_ARGS)
{
	SortSupport ssup = (SortSupport) PG_GETARG_POINTER(0);

	ssup->comparator = sort_by_token;
	if (ssup->abbreviate)
	{
		ssup->comparator = ssup_datum_unsigned_cmp;
		ssup->abbrev_converter = abbreviate_token;
		ssup->abbrev_abort = keep_abbreviation;
		ssup->abbrev_full_comparator = sort_by_token;
	}
	PG_RETURN_VOID();
}

/* enc = enc, by token. */
Datum
cims_enc_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(values_equal(fcinfo));
}

/* enc <> enc, by token. */
Datum
cims_enc_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!values_equal(fcinfo));
}

/* Hash support: 4 bytes of the token. */
Datum
cims_enc_hash(PG_FUNCTION_ARGS)
{
	struct varlena *value = PG_GETARG_VARLENA_PP(0);
	unsigned char token[CIMS_TOKEN_LEN];

	token_for_support(fcinfo, value, token);
	PG_RETURN_UINT32(hash_token(token));
}

/* Hash support with a seed, for partitions. */
Datum
cims_enc_hash_extended(PG_FUNCTION_ARGS)
{
	struct varlena *value = PG_GETARG_VARLENA_PP(0);
	unsigned char token[CIMS_TOKEN_LEN];

	token_for_support(fcinfo, value, token);
	PG_RETURN_UINT64(hash_bytes_extended(token, CIMS_TOKEN_LEN, PG_GETARG_INT64(1)));
}

/* B-tree support: order of tokens, which reveals equality alone. */
Datum
cims_enc_token_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare_values(fcinfo));
}

/* enc #<# enc. */
Datum
cims_enc_token_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_values(fcinfo) < 0);
}

/* enc #<=# enc. */
Datum
cims_enc_token_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_values(fcinfo) <= 0);
}

/* enc #>=# enc. */
Datum
cims_enc_token_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_values(fcinfo) >= 0);
}

/* enc #># enc. */
Datum
cims_enc_token_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_values(fcinfo) > 0);
}

/* A function of two plaintexts. */
#define CIMS_PLAIN_FUNCTION(name, type, suffix, result, test) \
	PG_FUNCTION_INFO_V1(cims_##name##_plains_##suffix); \
	Datum cims_##name##_plains_##suffix(PG_FUNCTION_ARGS) \
	{ \
		result(compare_plains(fcinfo, type) test); \
	}

/* A function of a value and a plaintext, and the one with its arguments exchanged. */
#define CIMS_CROSS_FUNCTION(name, type, suffix, result, value_first, plain_first) \
	PG_FUNCTION_INFO_V1(cims_##name##_plain_##suffix); \
	Datum cims_##name##_plain_##suffix(PG_FUNCTION_ARGS) \
	{ \
		struct varlena *value = PG_GETARG_VARLENA_PP(0); \
		Datum plain = PG_GETARG_DATUM(1); \
		result(value_first(value, type, plain)); \
	} \
	PG_FUNCTION_INFO_V1(cims_plain_##name##_##suffix); \
	Datum cims_plain_##name##_##suffix(PG_FUNCTION_ARGS) \
	{ \
		struct varlena *value = PG_GETARG_VARLENA_PP(1); \
		Datum plain = PG_GETARG_DATUM(0); \
		result(plain_first(value, type, plain)); \
	}

/* Orders two plaintexts by token. */
static int
compare_plains(FunctionCallInfo fcinfo, CimsSealedType type)
{
	unsigned char left[CIMS_TOKEN_LEN], right[CIMS_TOKEN_LEN];

	refuse_direct_call(fcinfo);
	cims_token_of_plain(type, PG_GETARG_DATUM(0), CIMS_NORMAL_NONE, left);
	cims_token_of_plain(type, PG_GETARG_DATUM(1), CIMS_NORMAL_NONE, right);
	return compare_tokens(left, right);
}

#define EQUAL(v, t, p) (compare_with_plain(v, t, p) == 0)
#define UNEQUAL(v, t, p) (compare_with_plain(v, t, p) != 0)
#define FORWARD(v, t, p) (compare_with_plain(v, t, p))
#define BACKWARD(v, t, p) (-compare_with_plain(v, t, p))
#define BELOW(v, t, p) (compare_with_plain(v, t, p) < 0)
#define AT_MOST(v, t, p) (compare_with_plain(v, t, p) <= 0)
#define AT_LEAST(v, t, p) (compare_with_plain(v, t, p) >= 0)
#define ABOVE(v, t, p) (compare_with_plain(v, t, p) > 0)

/* Everything by token between one encrypted type and its plain type. */
#define CIMS_CROSS_FUNCTIONS(name, type) \
	CIMS_CROSS_FUNCTION(name, type, eq, PG_RETURN_BOOL, EQUAL, EQUAL) \
	CIMS_CROSS_FUNCTION(name, type, ne, PG_RETURN_BOOL, UNEQUAL, UNEQUAL) \
	CIMS_CROSS_FUNCTION(name, type, token_cmp, PG_RETURN_INT32, FORWARD, BACKWARD) \
	CIMS_CROSS_FUNCTION(name, type, token_lt, PG_RETURN_BOOL, BELOW, ABOVE) \
	CIMS_CROSS_FUNCTION(name, type, token_le, PG_RETURN_BOOL, AT_MOST, AT_LEAST) \
	CIMS_CROSS_FUNCTION(name, type, token_ge, PG_RETURN_BOOL, AT_LEAST, AT_MOST) \
	CIMS_CROSS_FUNCTION(name, type, token_gt, PG_RETURN_BOOL, ABOVE, BELOW) \
	CIMS_PLAIN_FUNCTION(name, type, token_cmp, PG_RETURN_INT32, +0) \
	CIMS_PLAIN_FUNCTION(name, type, token_lt, PG_RETURN_BOOL, < 0) \
	CIMS_PLAIN_FUNCTION(name, type, token_le, PG_RETURN_BOOL, <= 0) \
	CIMS_PLAIN_FUNCTION(name, type, token_ge, PG_RETURN_BOOL, >= 0) \
	CIMS_PLAIN_FUNCTION(name, type, token_gt, PG_RETURN_BOOL, > 0) \
	PG_FUNCTION_INFO_V1(cims_##name##_plain_hash); \
	Datum cims_##name##_plain_hash(PG_FUNCTION_ARGS) \
	{ \
		unsigned char token[CIMS_TOKEN_LEN]; \
		refuse_direct_call(fcinfo); \
		cims_token_of_plain(type, PG_GETARG_DATUM(0), CIMS_NORMAL_NONE, token); \
		PG_RETURN_UINT32(hash_token(token)); \
	} \
	PG_FUNCTION_INFO_V1(cims_##name##_plain_hash_extended); \
	Datum cims_##name##_plain_hash_extended(PG_FUNCTION_ARGS) \
	{ \
		unsigned char token[CIMS_TOKEN_LEN]; \
		refuse_direct_call(fcinfo); \
		cims_token_of_plain(type, PG_GETARG_DATUM(0), CIMS_NORMAL_NONE, token); \
		PG_RETURN_UINT64(hash_bytes_extended(token, CIMS_TOKEN_LEN, PG_GETARG_INT64(1))); \
	}

CIMS_CROSS_FUNCTIONS(enc_text, CIMS_TYPE_TEXT)
CIMS_CROSS_FUNCTIONS(enc_date, CIMS_TYPE_DATE)
CIMS_CROSS_FUNCTIONS(enc_timestamptz, CIMS_TYPE_TIMESTAMPTZ)
CIMS_CROSS_FUNCTIONS(enc_jsonb, CIMS_TYPE_JSONB)
CIMS_CROSS_FUNCTIONS(enc_bytea, CIMS_TYPE_BYTEA)
