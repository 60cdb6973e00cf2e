/*
 * scope_sql.c
 *		The conditions that row policies are made of, and the values that index
 *		conditions compare with.
 *
 * The conditions take a column of any type that names an owner or an
 * organisation.  They are true or false, never NULL, and false without an
 * actor.  Text is compared by its bytes, whatever the collation.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/uuid.h"

#include "access/label_type.h"
#include "access/scope.h"

PG_FUNCTION_INFO_V1(cims_is_own);
PG_FUNCTION_INFO_V1(cims_org_is_listed);
PG_FUNCTION_INFO_V1(cims_org_is_any);
PG_FUNCTION_INFO_V1(cims_org_in_scope);
PG_FUNCTION_INFO_V1(cims_in_scope);
PG_FUNCTION_INFO_V1(cims_can_read);
PG_FUNCTION_INFO_V1(cims_scope_owner);
PG_FUNCTION_INFO_V1(cims_scope_owner_bigint);
PG_FUNCTION_INFO_V1(cims_scope_owner_uuid);
PG_FUNCTION_INFO_V1(cims_scope_orgs);
PG_FUNCTION_INFO_V1(cims_scope_orgs_bigint);
PG_FUNCTION_INFO_V1(cims_scope_orgs_uuid);
PG_FUNCTION_INFO_V1(cims_scope_lo);
PG_FUNCTION_INFO_V1(cims_scope_lo_bigint);
PG_FUNCTION_INFO_V1(cims_scope_lo_uuid);
PG_FUNCTION_INFO_V1(cims_clearance_ceiling);

/* Tell which kind of name a type holds. */
CimsKeyKind
cims_scope_kind(Oid type)
{
	switch (getBaseType(type))
	{
		case TEXTOID:
		case VARCHAROID:
		case UNKNOWNOID:
			return CIMS_KEY_TEXT;
		case INT2OID:
		case INT4OID:
		case INT8OID:
			return CIMS_KEY_INTEGER;
		case UUIDOID:
			return CIMS_KEY_UUID;
		default:
			return CIMS_KEY_NONE;
	}
}

/* Return the base type of an argument, remembered for the calls to come; raises for a type that names nobody. */
static Oid
argument_type(FunctionCallInfo fcinfo, int argument)
{
	Oid *types = fcinfo->flinfo->fn_extra;

	if (types == NULL)
	{
		types = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(Oid) * 2);
		fcinfo->flinfo->fn_extra = types;
	}
	if (!OidIsValid(types[argument]))
	{
		Oid type = get_fn_expr_argtype(fcinfo->flinfo, argument);

		if (!OidIsValid(type))
			elog(ERROR, "could not determine the type of an argument");
		if (cims_scope_kind(type) == CIMS_KEY_NONE)
			ereport(ERROR,
					errcode(ERRCODE_DATATYPE_MISMATCH),
					errmsg("type %s cannot name an owner or an organisation", format_type_be(type)),
					errhint("Use text, varchar, smallint, integer, bigint or uuid, or cast to one of them."));
		types[argument] = getBaseType(type);
	}
	return types[argument];
}

/* Return an argument of an integer type. */
static int64
integer_argument(FunctionCallInfo fcinfo, int argument, Oid type)
{
	switch (type)
	{
		case INT2OID:
			return PG_GETARG_INT16(argument);
		case INT4OID:
			return PG_GETARG_INT32(argument);
		default:
			return PG_GETARG_INT64(argument);
	}
}

/* Return the bytes of an argument of a text type; copy is to be freed where it is not NULL. */
static const char *
text_argument(FunctionCallInfo fcinfo, int argument, Oid type, size_t *len, struct varlena **copy)
{
	struct varlena *text;

	*copy = NULL;
	if (type == UNKNOWNOID)
	{
		*len = strlen(PG_GETARG_CSTRING(argument));
		return PG_GETARG_CSTRING(argument);
	}
	text = PG_GETARG_VARLENA_PP(argument);
	if ((Pointer) text != PG_GETARG_POINTER(argument))
		*copy = text;
	*len = VARSIZE_ANY_EXHDR(text);
	return VARDATA_ANY(text);
}

/* Tell whether an argument names the actor. */
static bool
names_actor(FunctionCallInfo fcinfo, int argument, const CimsScope *scope)
{
	Oid type = argument_type(fcinfo, argument);
	const CimsName *owner = &scope->owner;
	struct varlena *copy;
	const char *text;
	size_t len;
	bool same;

	switch (cims_scope_kind(type))
	{
		case CIMS_KEY_INTEGER:
			return owner->is_integer && integer_argument(fcinfo, argument, type) == owner->integer;
		case CIMS_KEY_UUID:
			return owner->is_uuid && memcmp(PG_GETARG_UUID_P(argument), &owner->uuid, sizeof(pg_uuid_t)) == 0;
		default:
			text = text_argument(fcinfo, argument, type, &len, &copy);
			same = len == owner->len && memcmp(text, owner->text, len) == 0;
			if (copy != NULL)
				pfree(copy);
			return same;
	}
}

/* Tell whether an argument names an organisation that was listed. */
static bool
names_listed(FunctionCallInfo fcinfo, int argument, const CimsScope *scope)
{
	Oid type = argument_type(fcinfo, argument);
	struct varlena *copy;
	const char *text;
	size_t len;
	bool listed;

	switch (cims_scope_kind(type))
	{
		case CIMS_KEY_INTEGER:
			return cims_scope_has_integer(scope, integer_argument(fcinfo, argument, type));
		case CIMS_KEY_UUID:
			return cims_scope_has_uuid(scope, PG_GETARG_UUID_P(argument));
		default:
			text = text_argument(fcinfo, argument, type, &len, &copy);
			listed = cims_scope_has_text(scope, text, len);
			if (copy != NULL)
				pfree(copy);
			return listed;
	}
}

/* Return what the actor may see, once the arguments are known to be of types that name somebody. */
static const CimsScope *
scope_of_call(FunctionCallInfo fcinfo)
{
	for (int i = 0; i < PG_NARGS(); i++)
		(void) argument_type(fcinfo, i);
	return cims_scope_current();
}

/* SQL: cims.is_own(owner "any") returns boolean; the column names the actor. */
Datum
cims_is_own(PG_FUNCTION_ARGS)
{
	const CimsScope *scope = scope_of_call(fcinfo);

	PG_RETURN_BOOL(scope != NULL && !PG_ARGISNULL(0) && names_actor(fcinfo, 0, scope));
}

/* SQL: cims.org_is_listed(org "any") returns boolean; the actor's scope lists the organisation. */
Datum
cims_org_is_listed(PG_FUNCTION_ARGS)
{
	const CimsScope *scope = scope_of_call(fcinfo);

	PG_RETURN_BOOL(scope != NULL && !PG_ARGISNULL(0) && names_listed(fcinfo, 0, scope));
}

/* SQL: cims.org_is_any(org "any") returns boolean; there is an organisation, and the actor's scope is all of them. */
Datum
cims_org_is_any(PG_FUNCTION_ARGS)
{
	const CimsScope *scope = scope_of_call(fcinfo);

	PG_RETURN_BOOL(scope != NULL && scope->all && !PG_ARGISNULL(0));
}

/* Tell whether an argument names an organisation in the actor's scope. */
static bool
names_organisation(FunctionCallInfo fcinfo, int argument, const CimsScope *scope)
{
	return !PG_ARGISNULL(argument) && (scope->all || names_listed(fcinfo, argument, scope));
}

/* SQL: cims.org_in_scope(org "any") returns boolean. */
Datum
cims_org_in_scope(PG_FUNCTION_ARGS)
{
	const CimsScope *scope = scope_of_call(fcinfo);

	PG_RETURN_BOOL(scope != NULL && names_organisation(fcinfo, 0, scope));
}

/* SQL: cims.in_scope(owner "any", org "any") returns boolean. */
Datum
cims_in_scope(PG_FUNCTION_ARGS)
{
	const CimsScope *scope = scope_of_call(fcinfo);

	PG_RETURN_BOOL(scope != NULL && ((!PG_ARGISNULL(0) && names_actor(fcinfo, 0, scope)) || names_organisation(fcinfo, 1, scope)));
}

/* SQL: cims.can_read(label cims.label) returns boolean; a clearance of the actor dominates the label. */
Datum
cims_can_read(PG_FUNCTION_ARGS)
{
	const CimsScope *scope = cims_scope_current();
	struct varlena *label;
	bool dominated = false;

	if (scope == NULL || PG_ARGISNULL(0))
		PG_RETURN_BOOL(false);
	label = PG_GETARG_VARLENA_PP(0);
	for (int i = 0; i < scope->n_clearances && !dominated; i++)
		dominated = cims_label_dominates(CIMS_LABEL_BYTES(scope->clearances[i]), CIMS_LABEL_BYTES(label));
	PG_FREE_IF_COPY(label, 0);
	PG_RETURN_BOOL(dominated);
}

/* SQL: cims.scope_owner() returns text; the actor, NULL where there is none. */
Datum
cims_scope_owner(PG_FUNCTION_ARGS)
{
	const CimsScope *scope = cims_scope_current();

	if (scope == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text_with_len(scope->owner.text, scope->owner.len));
}

/* SQL: cims.scope_owner_bigint() returns bigint. */
Datum
cims_scope_owner_bigint(PG_FUNCTION_ARGS)
{
	const CimsScope *scope = cims_scope_current();

	if (scope == NULL || !scope->owner.is_integer)
		PG_RETURN_NULL();
	PG_RETURN_INT64(scope->owner.integer);
}

/* Copy a UUID. */
static Datum
copy_uuid(const pg_uuid_t *uuid)
{
	pg_uuid_t *copy = palloc(sizeof(pg_uuid_t));

	*copy = *uuid;
	return UUIDPGetDatum(copy);
}

/* SQL: cims.scope_owner_uuid() returns uuid. */
Datum
cims_scope_owner_uuid(PG_FUNCTION_ARGS)
{
	const CimsScope *scope = cims_scope_current();

	if (scope == NULL || !scope->owner.is_uuid)
		PG_RETURN_NULL();
	return copy_uuid(&scope->owner.uuid);
}

/* SQL: cims.scope_orgs() returns text[]; the organisations that the actor's scope lists, in the order of their bytes. */
Datum
cims_scope_orgs(PG_FUNCTION_ARGS)
{
	const CimsScope *scope = cims_scope_current();
	Datum *elements;

	if (scope == NULL)
		PG_RETURN_NULL();
	elements = palloc(sizeof(Datum) * Max(scope->n_texts, 1));
	for (int i = 0; i < scope->n_texts; i++)
		elements[i] = PointerGetDatum(cstring_to_text_with_len(scope->texts[i].text, scope->texts[i].len));
	PG_RETURN_ARRAYTYPE_P(construct_array(elements, scope->n_texts, TEXTOID, -1, false, TYPALIGN_INT));
}

/* SQL: cims.scope_orgs_bigint() returns bigint[]; those that are integers. */
Datum
cims_scope_orgs_bigint(PG_FUNCTION_ARGS)
{
	const CimsScope *scope = cims_scope_current();
	Datum *elements;

	if (scope == NULL)
		PG_RETURN_NULL();
	elements = palloc(sizeof(Datum) * Max(scope->n_integers, 1));
	for (int i = 0; i < scope->n_integers; i++)
		elements[i] = Int64GetDatum(scope->integers[i]);
	PG_RETURN_ARRAYTYPE_P(construct_array(elements, scope->n_integers, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/* SQL: cims.scope_orgs_uuid() returns uuid[]; those that are UUIDs. */
Datum
cims_scope_orgs_uuid(PG_FUNCTION_ARGS)
{
	const CimsScope *scope = cims_scope_current();
	Datum *elements;

	if (scope == NULL)
		PG_RETURN_NULL();
	elements = palloc(sizeof(Datum) * Max(scope->n_uuids, 1));
	for (int i = 0; i < scope->n_uuids; i++)
		elements[i] = copy_uuid(&scope->uuids[i]);
	PG_RETURN_ARRAYTYPE_P(construct_array(elements, scope->n_uuids, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
}

/* Tell whether the actor's scope is every organisation. */
static bool
sees_all(void)
{
	const CimsScope *scope = cims_scope_current();

	return scope != NULL && scope->all;
}

/* SQL: cims.scope_lo() returns text; the least text where the actor's scope is every organisation, else NULL. */
Datum
cims_scope_lo(PG_FUNCTION_ARGS)
{
	if (!sees_all())
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(""));
}

/* SQL: cims.scope_lo_bigint() returns bigint. */
Datum
cims_scope_lo_bigint(PG_FUNCTION_ARGS)
{
	if (!sees_all())
		PG_RETURN_NULL();
	PG_RETURN_INT64(PG_INT64_MIN);
}

/* SQL: cims.scope_lo_uuid() returns uuid. */
Datum
cims_scope_lo_uuid(PG_FUNCTION_ARGS)
{
	static const pg_uuid_t least;

	if (!sees_all())
		PG_RETURN_NULL();
	return copy_uuid(&least);
}

/* SQL: cims.clearance_ceiling() returns cims.label; comes after every label that the actor can read; NULL where there is none. */
Datum
cims_clearance_ceiling(PG_FUNCTION_ARGS)
{
	const CimsScope *scope = cims_scope_current();
	uint8_t label[4];
	size_t size;

	if (scope == NULL || scope->level < 0)
		PG_RETURN_NULL();
	/* the first of the next level, be it none that a label can have */
	size = cims_label_write(scope->level + 1, NULL, 0, NULL, 0, label);
	PG_RETURN_POINTER(cims_label_datum(label, size));
}
