/*
 * io.c
 *		Text and binary input and output, type modifiers, casts.
 *
 * Out: plaintext, mask or armor by the current role's level on the value's
 * class.  In: armor where it may be taken, else plaintext that is sealed.  The
 * binary form is that of the plain type, or the ASCII of the armor.
 */
#include "postgres.h"

#include <ctype.h>

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "libpq/pqformat.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "replication/logicalworker.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"

#include "types/types.h"

/* Names a class for a message: its name, or its number where it is unknown. */
static const char *
class_label(int32 class_id)
{
	const CimsClass *class = cims_class_find(class_id);

	return class != NULL ? pstrdup(class->name) : psprintf("%d", class_id);
}

/* Raises for armor from a role that sees more than armor: it would be a decryption oracle. */
static void
check_armor_is_welcome(int32 class_id)
{
	if (cims_input_is_sealed() || cims_class_level(class_id) == CIMS_LEVEL_NONE)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("sealed value of class \"%s\" is not accepted", class_label(class_id)),
			 errdetail("The role holds a grant on the class and never sees sealed values, so it has none to give back."),
			 errhint("Restores set row_security or cims.input.")));
}

/*
 * Verifies a sealed value where its key is at hand.  One of a key version that
 * there is not is taken from a restore alone, which may bring the keys later:
 * from anyone else it would be a value that nobody can read.
 */
static void
verify_sealed(const CimsSealed *sealed)
{
	CimsDataKey *key;
	unsigned char *scratch;
	size_t len = sealed->body.len - CIMS_TAG_LEN;
	CimsKeyStatus status;
	bool valid;

	status = cims_data_key_find(sealed->class_id, sealed->key_version, &key);
	if (status == CIMS_KEYS_NO_VERSION && !has_bypassrls_privilege(GetUserId()) && !IsLogicalWorker())
		cims_keyring_error(status, sealed->class_id, sealed->key_version);
	if (status != CIMS_KEYS_OK)
		return;
	scratch = palloc_extended(len + 1, MCXT_ALLOC_HUGE);
	valid = key->suite == sealed->suite &&
			cims_sealer_unseal(key->sealer, sealed->header, sealed->nonce, sealed->body, scratch) == CIMS_CRYPTO_OK;
	cims_crypto_wipe(scratch, len);
	pfree(scratch);
	if (!valid)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("invalid sealed value"),
				 errdetail("Authentication failed for class \"%s\", key version %u.",
						   class_label(sealed->class_id), sealed->key_version)));
}

/* Turns armor into a value, if it may come in and fits the type and its modifier. */
struct varlena *
cims_value_accept(CimsSealedType type, const char *armor, size_t len, int32 typmod)
{
	CimsSealed sealed;
	struct varlena *value = cims_value_of_armor(armor, len, &sealed);

	if (sealed.type != type)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("sealed value is of another encrypted type")));
	if (typmod > 0 && sealed.class_id != typmod)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("sealed value of class \"%s\" does not belong in class \"%s\"",
						class_label(sealed.class_id), class_label(typmod))));
	check_armor_is_welcome(sealed.class_id);
	verify_sealed(&sealed);
	return value;
}

/* Seals a plaintext under the class that the type modifier names, by the rules for what comes in. */
struct varlena *
cims_value_from_plain(CimsSealedType type, Datum plain, int32 typmod)
{
	CimsClass class;

	cims_class_to_seal(typmod, &class);
	if (class.id != cims_class_default_id())
	{
		cims_refuse_stored_mask(type, plain, &class);
		plain = cims_plain_limit(type, plain, &class);
	}
	return cims_value_seal_under(type, plain, &class);
}

/* Tells whether a text is the armor of some version; one that this server does not know is an error, no plaintext. */
static bool
text_is_armor(const char *text, size_t len)
{
	size_t digits;

	if (len < CIMS_ARMOR_PREFIX_LEN || memcmp(text, CIMS_ARMOR_PREFIX, 5) != 0)
		return false;
	for (digits = 5; digits < len && isdigit((unsigned char) text[digits]); digits++)
		continue;
	return digits > 5 && digits < len && text[digits] == ':';
}

/* Takes a value in from text. */
static Datum
value_in(FunctionCallInfo fcinfo, CimsSealedType type)
{
	char *text = PG_GETARG_CSTRING(0);
	int32 typmod = PG_GETARG_INT32(2);
	size_t len = strlen(text);

	if (text_is_armor(text, len))
	{
		struct varlena *value = cims_value_accept(type, text, len, typmod);
		CimsSealed sealed;

		/* a literal that is parsed; a cast at run time has its expression */
		if (cims_object_is_defined() && fcinfo->flinfo->fn_expr == NULL)
		{
			cims_value_parse(value, &sealed);
			cims_definition_check_value(&sealed);
		}
		return PointerGetDatum(value);
	}
	cims_refuse_masked_text(type, text, typmod);
	return PointerGetDatum(cims_value_from_plain(type, cims_plain_input(type, text), typmod));
}

/*
 * Tells whether binary input is armor.  A bytea may begin as armor does: from
 * a role that is never shown armor it is a plaintext.
 */
static bool
binary_is_armor(CimsSealedType type, const char *data, size_t len, int32 typmod)
{
	if (!cims_armor_begins(data, len))
		return false;
	return type != CIMS_TYPE_BYTEA || cims_input_is_sealed() ||
		   cims_class_level(typmod > 0 ? typmod : cims_class_default_id()) == CIMS_LEVEL_NONE;
}

/*
 * Tells whether bytes are printable, as a mask is that came out in binary form:
 * no number is so, nor a date within a million years.
 */
static bool
is_printable(const char *data, size_t len)
{
	size_t n = 0;

	while (n < len && data[n] >= ' ' && data[n] <= '~')
		n++;
	return len > 0 && n == len;
}

/* Takes a value in from its binary form. */
static Datum
value_recv(FunctionCallInfo fcinfo, CimsSealedType type)
{
	StringInfo buf = (StringInfo) PG_GETARG_POINTER(0);
	int32 typmod = PG_GETARG_INT32(2);
	const char *data = buf->data + buf->cursor;
	size_t len = buf->len - buf->cursor;

	if (binary_is_armor(type, data, len, typmod))
	{
		buf->cursor = buf->len;
		return PointerGetDatum(cims_value_accept(type, data, len, typmod));
	}
	if (is_printable(data, len))
		cims_refuse_masked_text(type, pnstrdup(data, len), typmod);
	return PointerGetDatum(cims_value_from_plain(type, cims_plain_receive(type, buf), typmod));
}

/* Casts a plain value, or the armor that a driver sends as text. */
static Datum
value_from_plain(FunctionCallInfo fcinfo, CimsSealedType type)
{
	int32 typmod = PG_GETARG_INT32(1);

	if (type == CIMS_TYPE_TEXT)
	{
		text *value = PG_GETARG_TEXT_PP(0);

		if (text_is_armor(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)))
			return PointerGetDatum(cims_value_accept(type, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), typmod));
	}
	return PointerGetDatum(cims_value_from_plain(type, PG_GETARG_DATUM(0), typmod));
}

/* Raises for a cast of a value that the role may not see in its plain type. */
static void
cast_denied(const CimsClass *class, CimsLevel level)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for class \"%s\"", class->name),
			 level == CIMS_LEVEL_NONE ? errdetail("The role holds no grant on the class, so the value has no plain form for it.") : errdetail("The mask of the class is no value of the plain type."),
			 errhint("Levels are granted by cims.grant_class.")));
}

/* Casts a value to its plain type by the role's level: plaintext, mask, or an error. */
static Datum
value_to_plain(FunctionCallInfo fcinfo, CimsSealedType type)
{
	struct varlena *value = PG_GETARG_VARLENA_PP(0);
	CimsSealed sealed;
	CimsClass class;
	CimsLevel level;
	Datum plain, masked;

	cims_value_parse(value, &sealed);
	cims_value_check_type(&sealed, type);
	level = cims_class_level(sealed.class_id);
	if (level == CIMS_LEVEL_NONE)
		cast_denied(cims_class_of_value(&sealed, &class), level);
	if (level != CIMS_LEVEL_REVEAL && cims_altering_table())
		cims_require_level(sealed.class_id, CIMS_LEVEL_REVEAL); /* masks would take the place of the values */
	plain = cims_value_reveal(value);
	if (level == CIMS_LEVEL_REVEAL)
		return plain;
	cims_class_of_value(&sealed, &class);
	if (!cims_masked_plain(type, plain, &class, &masked))
		cast_denied(&class, level);
	return masked;
}

/*
 * Opens a value for output.  Returns the level at which it is shown: none,
 * too, where its key was destroyed, since nothing else is left of it.
 */
static CimsLevel
open_for_output(struct varlena *value, CimsSealed *sealed, Datum *plain)
{
	CimsLevel level;
	CimsDataKey *key;
	CimsKeyStatus status;

	cims_value_parse(value, sealed);
	level = cims_display_level(sealed->class_id);
	if (level == CIMS_LEVEL_NONE)
		return level;
	status = cims_data_key_find(sealed->class_id, sealed->key_version, &key);
	if (status == CIMS_KEYS_DESTROYED)
		return CIMS_LEVEL_NONE;
	*plain = cims_value_reveal(value);
	return level;
}

/* Shows a value in its plain type, for a client's result. */
Datum
cims_value_shown(struct varlena *value, CimsSealedType type)
{
	CimsSealed sealed;
	CimsClass class;
	Datum plain = (Datum) 0;
	CimsLevel level = open_for_output(value, &sealed, &plain);

	cims_value_check_type(&sealed, type);
	if (level == CIMS_LEVEL_REVEAL)
		return plain;
	if (type != CIMS_TYPE_TEXT)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("value of class \"%s\" cannot be shown in its plain type",
						cims_class_of_value(&sealed, &class)->name),
				 errdetail("The statement was prepared by a role that may reveal it, or its key was destroyed."),
				 errhint("Prepare the statement again as the role that runs it, or set cims.plain_results to off.")));
	if (level == CIMS_LEVEL_NONE)
		return CStringGetTextDatum(cims_value_armor(value));
	return CStringGetTextDatum(cims_masked_text(type, plain, cims_class_of_value(&sealed, &class)));
}

/* The entry points of one encrypted type. */
#define CIMS_TYPE_FUNCTIONS(name, type) \
	PG_FUNCTION_INFO_V1(cims_##name##_in); \
	Datum cims_##name##_in(PG_FUNCTION_ARGS) \
	{ \
		return value_in(fcinfo, type); \
	} \
	PG_FUNCTION_INFO_V1(cims_##name##_recv); \
	Datum cims_##name##_recv(PG_FUNCTION_ARGS) \
	{ \
		return value_recv(fcinfo, type); \
	} \
	PG_FUNCTION_INFO_V1(cims_##name##_seal); \
	Datum cims_##name##_seal(PG_FUNCTION_ARGS) \
	{ \
		return value_from_plain(fcinfo, type); \
	} \
	PG_FUNCTION_INFO_V1(cims_##name##_plain); \
	Datum cims_##name##_plain(PG_FUNCTION_ARGS) \
	{ \
		return value_to_plain(fcinfo, type); \
	} \
	PG_FUNCTION_INFO_V1(cims_##name##_shown); \
	Datum cims_##name##_shown(PG_FUNCTION_ARGS) \
	{ \
		return cims_value_shown(PG_GETARG_VARLENA_PP(0), type); \
	}

CIMS_TYPE_FUNCTIONS(enc_text, CIMS_TYPE_TEXT)
CIMS_TYPE_FUNCTIONS(enc_numeric, CIMS_TYPE_NUMERIC)
CIMS_TYPE_FUNCTIONS(enc_date, CIMS_TYPE_DATE)
CIMS_TYPE_FUNCTIONS(enc_timestamptz, CIMS_TYPE_TIMESTAMPTZ)
CIMS_TYPE_FUNCTIONS(enc_jsonb, CIMS_TYPE_JSONB)
CIMS_TYPE_FUNCTIONS(enc_bytea, CIMS_TYPE_BYTEA)

PG_FUNCTION_INFO_V1(cims_enc_bpchar_seal);
PG_FUNCTION_INFO_V1(cims_enc_out);
PG_FUNCTION_INFO_V1(cims_enc_send);
PG_FUNCTION_INFO_V1(cims_enc_json);
PG_FUNCTION_INFO_V1(cims_enc_coerce);
PG_FUNCTION_INFO_V1(cims_enc_typmodin);
PG_FUNCTION_INFO_V1(cims_enc_typmodout);

/* cims.enc_text(character, integer, boolean): seals blank-padded text without its padding. */
Datum
cims_enc_bpchar_seal(PG_FUNCTION_ARGS)
{
	Datum trimmed = DirectFunctionCall1(rtrim1, PG_GETARG_DATUM(0));

	PG_RETURN_POINTER(cims_value_from_plain(CIMS_TYPE_TEXT, trimmed, PG_GETARG_INT32(1)));
}

/* Output function of every encrypted type. */
Datum
cims_enc_out(PG_FUNCTION_ARGS)
{
	struct varlena *value = PG_GETARG_VARLENA_PP(0);
	CimsSealed sealed;
	CimsClass class;
	Datum plain = (Datum) 0;

	switch (open_for_output(value, &sealed, &plain))
	{
		case CIMS_LEVEL_REVEAL:
			PG_RETURN_CSTRING(cims_plain_output(sealed.type, plain));
		case CIMS_LEVEL_SEARCH:
		case CIMS_LEVEL_MASK:
			PG_RETURN_CSTRING(cims_masked_text(sealed.type, plain, cims_class_of_value(&sealed, &class)));
		case CIMS_LEVEL_NONE:
			break;
	}
	PG_RETURN_CSTRING(cims_value_armor(value));
}

/* Binary output function of every encrypted type. */
Datum
cims_enc_send(PG_FUNCTION_ARGS)
{
	struct varlena *value = PG_GETARG_VARLENA_PP(0);
	CimsSealed sealed;
	CimsClass class;
	Datum plain = (Datum) 0, masked;

	switch (open_for_output(value, &sealed, &plain))
	{
		case CIMS_LEVEL_REVEAL:
			PG_RETURN_BYTEA_P(cims_plain_send(sealed.type, plain));
		case CIMS_LEVEL_SEARCH:
		case CIMS_LEVEL_MASK:
			cims_class_of_value(&sealed, &class);
			if (cims_masked_plain(sealed.type, plain, &class, &masked))
				PG_RETURN_BYTEA_P(cims_plain_send(sealed.type, masked));
			PG_RETURN_BYTEA_P(cims_plain_send(CIMS_TYPE_TEXT,
											  CStringGetTextDatum(cims_masked_text(sealed.type, plain, &class))));
		case CIMS_LEVEL_NONE:
			break;
	}
	PG_RETURN_BYTEA_P(cstring_to_text(cims_value_armor(value)));
}

/* Cast to json, for to_json and row_to_json: plaintext as its type does, else a string. */
Datum
cims_enc_json(PG_FUNCTION_ARGS)
{
	struct varlena *value = PG_GETARG_VARLENA_PP(0);
	CimsSealed sealed;
	Datum plain = (Datum) 0;
	CimsLevel level = open_for_output(value, &sealed, &plain);
	char *shown;
	StringInfoData buf;

	if (level == CIMS_LEVEL_REVEAL)
	{
		FmgrInfo to_json_function;

		fmgr_info(F_TO_JSON, &to_json_function);
		to_json_function.fn_expr = (Node *) makeFuncExpr(F_TO_JSON, JSONOID,
														 list_make1(makeNullConst(cims_plain_oid(sealed.type), -1, InvalidOid)),
														 InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
		PG_RETURN_DATUM(FunctionCall1(&to_json_function, plain));
	}
	shown = DatumGetCString(DirectFunctionCall1(cims_enc_out, PointerGetDatum(value)));
	/* the mask of a document is one */
	if (level != CIMS_LEVEL_NONE && sealed.type == CIMS_TYPE_JSONB)
		PG_RETURN_TEXT_P(cstring_to_text(shown));
	initStringInfo(&buf);
	escape_json(&buf, shown);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(buf.data, buf.len));
}

/*
 * Length coercion: brings a value into the class of the type modifier.  From
 * "default", a literal, anyone may; from another class it takes "reveal" on
 * that class, or a grant on any class would read every class.
 */
Datum
cims_enc_coerce(PG_FUNCTION_ARGS)
{
	struct varlena *value = PG_GETARG_VARLENA_PP(0);
	int32 typmod = PG_GETARG_INT32(1);
	CimsSealed sealed;

	cims_value_parse(value, &sealed);
	if (typmod <= 0 || sealed.class_id == typmod)
		PG_RETURN_POINTER(value);
	if (sealed.class_id != cims_class_default_id())
		cims_require_level(sealed.class_id, CIMS_LEVEL_REVEAL);
	PG_RETURN_POINTER(cims_value_from_plain(sealed.type, cims_value_reveal(value), typmod));
}

/* Warns of a class that does not exist, once a statement: PostgreSQL reads a type's modifier several times. */
static void
warn_of_class(const char *name, int32 class_id)
{
	static TimestampTz warned_at;
	static int32 warned_of;
	TimestampTz now = GetCurrentStatementStartTimestamp();

	if (warned_at == now && warned_of == class_id)
		return;
	warned_at = now;
	warned_of = class_id;
	ereport(WARNING,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("class \"%s\" does not exist", name),
			 errhint("Make it with cims.create_class before values are stored.")));
}

/* Type modifier input: the name of a class, or its number. */
Datum
cims_enc_typmodin(PG_FUNCTION_ARGS)
{
	ArrayType *modifiers = PG_GETARG_ARRAYTYPE_P(0);
	Datum *elements;
	int n_elements;
	char *name;
	int32 class_id;

	deconstruct_array(modifiers, CSTRINGOID, -2, false, TYPALIGN_CHAR, &elements, NULL, &n_elements);
	if (n_elements != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("an encrypted type takes one modifier, the name of a class"),
				 errhint("Limits of length, precision and scale belong to the class, see cims.create_class.")));
	name = DatumGetCString(elements[0]);
	if (name[0] >= '0' && name[0] <= '9')
	{
		class_id = pg_strtoint32(name);
		if (class_id <= 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("invalid number of a class: %s", name)));
		PG_RETURN_INT32(class_id);
	}
	if (!cims_class_name_valid(name, strlen(name)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("invalid name of a class: \"%s\"", name),
				 errdetail("A name is of lower-case letters, digits and underscores, at most %d, and begins with a letter or an underscore.",
						   CIMS_CLASS_NAME_MAX)));
	if (cims_class_id_of_name(name, strlen(name), &class_id) != CIMS_CRYPTO_OK)
		elog(ERROR, "could not compute the id of a class");
	if (cims_keyring_initialised() && cims_class_find(class_id) == NULL)
		warn_of_class(name, class_id);
	PG_RETURN_INT32(class_id);
}

/* Type modifier output: the class's name, or its number where it is unknown. */
Datum
cims_enc_typmodout(PG_FUNCTION_ARGS)
{
	int32 class_id = PG_GETARG_INT32(0);
	const CimsClass *class = cims_class_find(class_id);

	if (class != NULL)
		PG_RETURN_CSTRING(psprintf("(%s)", quote_identifier(class->name)));
	PG_RETURN_CSTRING(psprintf("(%d)", class_id));
}
