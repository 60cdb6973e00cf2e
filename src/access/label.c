/*
 * label.c
 *		The type cims.label over the pure part of labels.
 *
 * A datum is a varlena with the stored form, which has one spelling for each
 * label: equality and hashing are those of its bytes, the b-tree's order is by
 * level first.  Binary input and output are the text form.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "access/label_type.h"
#include "base/base.h"

/* The columns of cims.label_name. */
enum
{
	NAME_KIND,
	NAME_CODE,
	NAME_NAME
};

/* A name that is looked up, and what it stands for. */
typedef struct NameSearch
{
	const char *kind;
	char *code; /* of CIMS_LABEL_CODE_MAX bytes */
	size_t len; /* 0: not found */
} NameSearch;

PG_FUNCTION_INFO_V1(cims_label_in);
PG_FUNCTION_INFO_V1(cims_label_out);
PG_FUNCTION_INFO_V1(cims_label_recv);
PG_FUNCTION_INFO_V1(cims_label_send);
PG_FUNCTION_INFO_V1(cims_label_make);
PG_FUNCTION_INFO_V1(cims_label_get_level);
PG_FUNCTION_INFO_V1(cims_label_get_compartments);
PG_FUNCTION_INFO_V1(cims_label_get_groups);
PG_FUNCTION_INFO_V1(cims_label_eq);
PG_FUNCTION_INFO_V1(cims_label_ne);
PG_FUNCTION_INFO_V1(cims_label_lt);
PG_FUNCTION_INFO_V1(cims_label_le);
PG_FUNCTION_INFO_V1(cims_label_gt);
PG_FUNCTION_INFO_V1(cims_label_ge);
PG_FUNCTION_INFO_V1(cims_label_cmp);
PG_FUNCTION_INFO_V1(cims_label_hash);
PG_FUNCTION_INFO_V1(cims_label_hash_extended);
PG_FUNCTION_INFO_V1(cims_label_dominates_sql);
PG_FUNCTION_INFO_V1(cims_label_dominated_sql);

/* Make a datum of a stored form. */
struct varlena *
cims_label_datum(const uint8_t *label, size_t size)
{
	struct varlena *datum = palloc(VARHDRSZ + size);

	SET_VARSIZE(datum, VARHDRSZ + size);
	memcpy(VARDATA(datum), label, size);
	return datum;
}

/* Take over a row of cims.label_name that is of the kind sought. */
static void
take_name(HeapTuple tuple, const Datum *values, const bool *nulls, void *arg)
{
	NameSearch *search = arg;
	char kind[16];
	char code[CIMS_LABEL_CODE_MAX + 1];

	cims_text_copy(values[NAME_KIND], kind, sizeof(kind));
	if (strcmp(kind, search->kind) != 0)
		return;
	cims_text_copy(values[NAME_CODE], code, sizeof(code));
	search->len = strlen(code);
	memcpy(search->code, code, search->len);
}

/* Find the code of a site's name: a CimsLabelNames. */
static size_t
find_name(CimsLabelKind kind, const char *name, size_t len, char *code, void *state)
{
	static const char *const kinds[] = {"level", "compartment", "group"};
	NameSearch search = {kinds[kind], code, 0};
	Oid table = cims_table_oid("label_name");

	if (OidIsValid(table))
		cims_table_find(table, "label_name_name", NAME_NAME + 1, pnstrdup(name, len), NULL, take_name, &search);
	return search.len;
}

/* Raise what is wrong with the text of a label. */
pg_noreturn static void
refuse_text(const char *text, CimsLabelStatus status, size_t where)
{
	int place = pg_mbstrlen_with_len(text, where) + 1;
	const char *reason = NULL;

	switch (status)
	{
		case CIMS_LABEL_BAD_LEVEL:
			reason = "The level must be a number from 0 to 9999, or a name that stands for one";
			break;
		case CIMS_LABEL_BAD_CODE:
			reason = "A code has 1 to 63 bytes of letters, digits, \"_\", \"-\" and \".\"; a site's name is put in double quotes";
			break;
		case CIMS_LABEL_BAD_NAME:
			reason = "A name in double quotes has 1 to 255 bytes and ends with a double quote";
			break;
		case CIMS_LABEL_TOO_MANY:
			reason = "A label has at most 255 compartments and 255 groups";
			break;
		case CIMS_LABEL_UNKNOWN_NAME:
			reason = "There is no such name in cims.label_name";
			break;
		case CIMS_LABEL_BAD_FORM:
		case CIMS_LABEL_OK:
			reason = "Nothing may follow here";
			break;
	}
	ereport(ERROR,
			errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			errmsg("invalid input syntax for type cims.label: \"%s\"", text),
			errdetail("%s (character %d).", reason, place),
			errhint("A label is written LEVEL:COMPARTMENT,.../GROUP,... as in 3:FIN,HR/cn,eu."));
}

/* SQL: cims.label_in(cstring) returns cims.label. */
Datum
cims_label_in(PG_FUNCTION_ARGS)
{
	char *text = PG_GETARG_CSTRING(0);
	uint8_t *label = palloc(CIMS_LABEL_SIZE_MAX);
	size_t size;
	size_t where;
	CimsLabelStatus status = cims_label_parse(text, strlen(text), find_name, NULL, label, &size, &where);

	if (status != CIMS_LABEL_OK)
		refuse_text(text, status, where);
	PG_RETURN_POINTER(cims_label_datum(label, size));
}

/* SQL: cims.label_out(cims.label) returns cstring; numbers and codes alone. */
Datum
cims_label_out(PG_FUNCTION_ARGS)
{
	char *text = palloc(CIMS_LABEL_TEXT_MAX + 2);

	text[cims_label_print(CIMS_LABEL_BYTES(PG_GETARG_VARLENA_PP(0)), text)] = 0;
	PG_RETURN_CSTRING(text);
}

/* SQL: cims.label_recv(internal) returns cims.label; the text form. */
Datum
cims_label_recv(PG_FUNCTION_ARGS)
{
	StringInfo message = (StringInfo) PG_GETARG_POINTER(0);
	int len;
	char *text = pq_getmsgtext(message, message->len - message->cursor, &len);

	return DirectFunctionCall1(cims_label_in, CStringGetDatum(text));
}

/* SQL: cims.label_send(cims.label) returns bytea; the text form. */
Datum
cims_label_send(PG_FUNCTION_ARGS)
{
	char *text = DatumGetCString(DirectFunctionCall1(cims_label_out, PG_GETARG_DATUM(0)));
	StringInfoData message;

	pq_begintypsend(&message);
	pq_sendtext(&message, text, strlen(text));
	PG_RETURN_BYTEA_P(pq_endtypsend(&message));
}

/* Take strings from an array. */
static const char **
strings_of_array(ArrayType *array, int *n)
{
	Datum *elements;
	bool *nulls;
	const char **strings;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, n);
	strings = palloc(sizeof(char *) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					errmsg("codes of a label must not be null"));
		strings[i] = TextDatumGetCString(elements[i]);
	}
	return strings;
}

/* Raise what is wrong with the parts of a label. */
pg_noreturn static void
refuse_parts(CimsLabelStatus status, int level)
{
	if (status == CIMS_LABEL_BAD_LEVEL)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				errmsg("level %d of a label is out of range", level),
				errhint("Levels of labels are 0 to 9999."));
	if (status == CIMS_LABEL_TOO_MANY)
		ereport(ERROR,
				errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				errmsg("a label has at most 255 compartments and 255 groups"));
	ereport(ERROR,
			errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			errmsg("invalid code of a label"),
			errdetail("A code has 1 to 63 bytes of letters, digits, \"_\", \"-\" and \".\"."));
}

/* SQL: cims.make_label(level integer, compartments text[], groups text[]) returns cims.label; codes, no names. */
Datum
cims_label_make(PG_FUNCTION_ARGS)
{
	int level = PG_GETARG_INT32(0);
	int n_compartments;
	int n_groups;
	const char **compartments = strings_of_array(PG_GETARG_ARRAYTYPE_P(1), &n_compartments);
	const char **groups = strings_of_array(PG_GETARG_ARRAYTYPE_P(2), &n_groups);
	uint8_t *label = palloc(CIMS_LABEL_SIZE_MAX);
	size_t size;
	CimsLabelStatus status = cims_label_build(level, compartments, n_compartments, groups, n_groups, label, &size);

	if (status != CIMS_LABEL_OK)
		refuse_parts(status, level);
	PG_RETURN_POINTER(cims_label_datum(label, size));
}

/* SQL: cims.label_level(cims.label) returns integer. */
Datum
cims_label_get_level(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(cims_label_level(CIMS_LABEL_BYTES(PG_GETARG_VARLENA_PP(0))));
}

/* Make an array of codes. */
static ArrayType *
array_of_codes(CimsLabelCodes codes)
{
	Datum *elements = palloc(sizeof(Datum) * Max(codes.left, 1));
	const char *code;
	size_t len;
	int n = 0;

	while ((code = cims_label_next(&codes, &len)) != NULL)
		elements[n++] = PointerGetDatum(cstring_to_text_with_len(code, len));
	return construct_array(elements, n, TEXTOID, -1, false, TYPALIGN_INT);
}

/* SQL: cims.label_compartments(cims.label) returns text[]. */
Datum
cims_label_get_compartments(PG_FUNCTION_ARGS)
{
	PG_RETURN_ARRAYTYPE_P(array_of_codes(cims_label_compartments(CIMS_LABEL_BYTES(PG_GETARG_VARLENA_PP(0)))));
}

/* SQL: cims.label_groups(cims.label) returns text[]. */
Datum
cims_label_get_groups(PG_FUNCTION_ARGS)
{
	PG_RETURN_ARRAYTYPE_P(array_of_codes(cims_label_groups(CIMS_LABEL_BYTES(PG_GETARG_VARLENA_PP(0)))));
}

/* Compare the two arguments. */
static int
compare_arguments(FunctionCallInfo fcinfo)
{
	struct varlena *a = PG_GETARG_VARLENA_PP(0);
	struct varlena *b = PG_GETARG_VARLENA_PP(1);
	int order = cims_label_compare(CIMS_LABEL_BYTES(a), VARSIZE_ANY_EXHDR(a), CIMS_LABEL_BYTES(b), VARSIZE_ANY_EXHDR(b));

	PG_FREE_IF_COPY(a, 0);
	PG_FREE_IF_COPY(b, 1);
	return order;
}

/* label = label */
Datum
cims_label_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) == 0);
}

/* label <> label */
Datum
cims_label_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) != 0);
}

/* label < label */
Datum
cims_label_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) < 0);
}

/* label <= label */
Datum
cims_label_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) <= 0);
}

/* label > label */
Datum
cims_label_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) > 0);
}

/* label >= label */
Datum
cims_label_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) >= 0);
}

/* Order two labels: b-tree support function 1. */
Datum
cims_label_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare_arguments(fcinfo));
}

/* Hash a label: hash support function 1. */
Datum
cims_label_hash(PG_FUNCTION_ARGS)
{
	struct varlena *label = PG_GETARG_VARLENA_PP(0);
	Datum hash = hash_any(CIMS_LABEL_BYTES(label), VARSIZE_ANY_EXHDR(label));

	PG_FREE_IF_COPY(label, 0);
	return hash;
}

/* Hash a label with a seed: hash support function 2. */
Datum
cims_label_hash_extended(PG_FUNCTION_ARGS)
{
	struct varlena *label = PG_GETARG_VARLENA_PP(0);
	Datum hash = hash_any_extended(CIMS_LABEL_BYTES(label), VARSIZE_ANY_EXHDR(label), PG_GETARG_INT64(1));

	PG_FREE_IF_COPY(label, 0);
	return hash;
}

/* label @> label: the left one, a clearance, dominates the right one. */
Datum
cims_label_dominates_sql(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(cims_label_dominates(CIMS_LABEL_BYTES(PG_GETARG_VARLENA_PP(0)), CIMS_LABEL_BYTES(PG_GETARG_VARLENA_PP(1))));
}

/* label <@ label: the left one is dominated by the right one, a clearance. */
Datum
cims_label_dominated_sql(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(cims_label_dominates(CIMS_LABEL_BYTES(PG_GETARG_VARLENA_PP(1)), CIMS_LABEL_BYTES(PG_GETARG_VARLENA_PP(0))));
}
