/*
 * value.c
 *		Sealing and opening of values.
 *
 * A value of class "default" is a literal in flight: its nonce is derived from
 * the plaintext, so that equal literals are equal nodes to the planner and to
 * GROUP BY.  Every other value has a random nonce.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "types/types.h"

/* Bytes of the longest armor: a row of a dump holds it, and the other columns beside it. */
#define MAX_ARMOR (MaxAllocSize - 65536)

/* Takes a detoasted value apart. */
void
cims_value_parse(struct varlena *value, CimsSealed *sealed)
{
	CimsBytes bytes = {(const unsigned char *) VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)};

	if (unlikely(!cims_sealed_parse(bytes, sealed)))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("encrypted value is damaged"),
				 errdetail("Its header is not that of a sealed value."),
				 errhint("cims.check_table lists the damaged values of a table.")));
}

/* Raises for a value of another type than that of its column: it was moved there past PostgreSQL. */
void
cims_value_check_type(const CimsSealed *sealed, CimsSealedType type)
{
	if (unlikely(sealed->type != type))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("encrypted value is of another type than its column"),
				 errhint("cims.check_table lists the damaged values of a table.")));
}

/* Raises for a value that does not authenticate, naming class and key version, never bytes. */
static void
damaged_value_error(const CimsSealed *sealed)
{
	const CimsClass *class = cims_class_find(sealed->class_id);
	char number[12];

	snprintf(number, sizeof(number), "%d", sealed->class_id);
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("could not reveal encrypted value"),
			 errdetail("Authentication failed for class \"%s\", key version %u.",
					   class != NULL ? class->name : number, sealed->key_version),
			 errhint("cims.check_table lists the damaged values of a table.")));
}

/* Opens a parsed value into a varlena of its sealed form of plaintext; NULL where authentication fails. */
static struct varlena *
open_bytes(const CimsSealed *sealed, CimsDataKey *key)
{
	size_t len = sealed->body.len - CIMS_TAG_LEN;
	struct varlena *buffer;

	if (key->suite != sealed->suite)
		return NULL;
	buffer = palloc(VARHDRSZ + len + 1);
	SET_VARSIZE(buffer, VARHDRSZ + len);
	if (((sealed->flags & CIMS_FLAG_LITERAL) && cims_literal_recall(sealed, (unsigned char *) VARDATA(buffer))) ||
		cims_sealer_unseal(key->sealer, sealed->header, sealed->nonce, sealed->body,
						   (unsigned char *) VARDATA(buffer)) == CIMS_CRYPTO_OK)
		return buffer;
	pfree(buffer);
	return NULL;
}

/* Opens a parsed value with its key; false where authentication fails. */
bool
cims_value_open(const CimsSealed *sealed, CimsDataKey *key, Datum *plain)
{
	struct varlena *buffer = open_bytes(sealed, key);
	CimsBytes bytes;

	if (buffer == NULL)
		return false;
	if (cims_plain_is_as_sealed(sealed->type, buffer))
	{
		*plain = PointerGetDatum(buffer);
		return true;
	}
	bytes.data = (unsigned char *) VARDATA(buffer);
	bytes.len = VARSIZE(buffer) - VARHDRSZ;
	*plain = cims_plain_from_bytes(sealed->type, bytes);
	cims_crypto_wipe(VARDATA(buffer), bytes.len);
	pfree(buffer);
	return true;
}

/* Returns the key of a parsed value, or raises why there is none. */
static CimsDataKey *
key_of_value(const CimsSealed *sealed)
{
	CimsDataKey *key;
	CimsKeyStatus status = cims_data_key_find(sealed->class_id, sealed->key_version, &key);

	if (unlikely(status != CIMS_KEYS_OK))
		cims_keyring_error(status, sealed->class_id, sealed->key_version);
	return key;
}

/* Reveals a parsed value whatever the role's level; callers check it. */
static Datum
reveal_parsed(const CimsSealed *sealed)
{
	Datum plain;

	if (unlikely(!cims_value_open(sealed, key_of_value(sealed), &plain)))
		damaged_value_error(sealed);
	return plain;
}

/* Reveals a value whatever the role's level; callers check it. */
Datum
cims_value_reveal(struct varlena *value)
{
	CimsSealed sealed;

	cims_value_parse(value, &sealed);
	return reveal_parsed(&sealed);
}

/* Raises unless a parsed value holds text. */
static void
check_text(const CimsSealed *sealed)
{
	if (unlikely(sealed->type != CIMS_TYPE_TEXT))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("encrypted value does not hold text")));
}

/* Reveals a parsed value of enc_text. */
text *
cims_value_reveal_text(const CimsSealed *sealed)
{
	check_text(sealed);
	return DatumGetTextPP(reveal_parsed(sealed));
}

/* Reveals a parsed value of enc_text as it was sealed: UTF-8, neither converted nor checked. */
struct varlena *
cims_value_reveal_utf8(const CimsSealed *sealed)
{
	struct varlena *utf8;

	check_text(sealed);
	utf8 = open_bytes(sealed, key_of_value(sealed));
	if (unlikely(utf8 == NULL))
		damaged_value_error(sealed);
	return utf8;
}

/* Returns the normal form under which values of a class are equal and ordered. */
CimsNormalForm
cims_class_normal_form(int32 class_id)
{
	const CimsClass *class = cims_class_find(class_id);

	return class != NULL ? class->normal_form : CIMS_NORMAL_NONE;
}

/* Derives the nonce of a literal from its type, its key and its plaintext. */
static void
derive_nonce(const CimsSealed *sealed, CimsBytes plain, unsigned char *nonce)
{
	unsigned char digest[CIMS_MAC_LEN];
	CimsBytes parts[2] = {sealed->header, plain};
	CimsMac *mac;
	CimsTokenScheme scheme;
	CimsKeyStatus status = cims_search_mac(CIMS_SEARCH_LITERAL, &mac, &scheme);

	if (status != CIMS_KEYS_OK)
		cims_keyring_error(status, 0, 0);
	if (cims_mac_sign(mac, parts, 2, digest) != CIMS_CRYPTO_OK)
		elog(ERROR, "could not derive the nonce of a literal");
	memcpy(nonce, digest, cims_suite_nonce_len(sealed->suite));
}

/* Fills the header of a new value, with the token of a normal form; token is room for it, bytes are what is sealed. */
static void
prepare_header(CimsSealed *sealed, CimsSealedType type, Datum plain, CimsBytes bytes, const CimsClass *class,
			   CimsNormalForm form, unsigned char token[CIMS_TOKEN_LEN])
{
	memset(sealed, 0, sizeof(*sealed));
	sealed->type = type;
	sealed->class_id = class->id;
	if (class->id == cims_class_default_id())
		sealed->flags |= CIMS_FLAG_LITERAL;
	if (class->equality)
	{
		if (!cims_plain_is_normal(type, form))
			bytes = cims_plain_normal_form(type, plain, form);
		sealed->token_scheme = cims_token_of_normal_form(type, bytes, token);
		sealed->token = token;
	}
}

/* Raises for a value so long that its armor would fit no text: it could be stored, but no dump could hold it. */
static void
check_length(size_t len)
{
	if (unlikely(cims_armor_encoded_len(CIMS_MAX_SEALED_HEADER + CIMS_MAX_NONCE_LEN + len + CIMS_TAG_LEN) > MAX_ARMOR))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("value of %zu bytes is too long to be sealed", len),
				 errdetail("Its sealed form in text, as dumps hold it, would exceed %zu bytes.", (size_t) MAX_ARMOR)));
}

/* Seals a plaintext under the active key of a class, with the token of a normal form. */
static struct varlena *
seal_value(CimsSealedType type, Datum plain, const CimsClass *class, CimsNormalForm form)
{
	CimsSealed sealed;
	CimsDataKey *key;
	CimsKeyStatus status;
	CimsBytes bytes;
	struct varlena *value;
	unsigned char *out;
	unsigned char token[CIMS_TOKEN_LEN];
	size_t header_len, nonce_len;

	bytes = cims_plain_to_bytes(type, plain);
	check_length(bytes.len);
	prepare_header(&sealed, type, plain, bytes, class, form, token);
	/* the key last: nothing between here and its use may drop it */
	status = cims_data_key_active(class->id, &key);
	if (unlikely(status != CIMS_KEYS_OK))
		cims_keyring_error(status, class->id, 0);
	sealed.suite = key->suite;
	sealed.key_version = key->version;
	nonce_len = cims_suite_nonce_len(key->suite);

	value = palloc(VARHDRSZ + CIMS_MAX_SEALED_HEADER + nonce_len + bytes.len + CIMS_TAG_LEN);
	out = (unsigned char *) VARDATA(value);
	header_len = cims_sealed_write_header(&sealed, out);
	sealed.header.data = out;
	sealed.header.len = header_len;
	SET_VARSIZE(value, VARHDRSZ + header_len + nonce_len + bytes.len + CIMS_TAG_LEN);
	if (sealed.flags & CIMS_FLAG_LITERAL)
	{
		derive_nonce(&sealed, bytes, out + header_len);
		status = cims_data_key_find(class->id, sealed.key_version, &key);
		if (status != CIMS_KEYS_OK)
			cims_keyring_error(status, class->id, sealed.key_version);
	}
	else if (cims_sealer_nonce(key->sealer, out + header_len) != CIMS_CRYPTO_OK)
		elog(ERROR, "could not draw a nonce");
	if (cims_sealer_seal(key->sealer, sealed.header, out + header_len, bytes,
						 out + header_len + nonce_len) != CIMS_CRYPTO_OK)
		ereport(ERROR,
				(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
				 errmsg("could not seal a value of class \"%s\"", class->name)));
	if (sealed.flags & CIMS_FLAG_LITERAL)
	{
		CimsBytes all = {out, VARSIZE(value) - VARHDRSZ};

		cims_literal_remember(all, out + header_len, bytes);
	}
	cims_data_key_count_sealed(key);
	return value;
}

/* Copies a class that values are to be sealed under, "default" for an id below 1, or raises why there is none. */
void
cims_class_to_seal(int32 class_id, CimsClass *class)
{
	const CimsClass *found = cims_class_find(class_id < 1 ? cims_class_default_id() : class_id);

	if (unlikely(found == NULL && !cims_keyring_initialised()))
		cims_keyring_error(CIMS_KEYS_NOT_INITIALISED, class_id, 0);
	if (unlikely(found == NULL))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("class %d does not exist", class_id),
				 errdetail("It stands as the type modifier of the column; the number is that of a name which no class has."),
				 errhint("Make the class by cims.create_class, or give the column another one by ALTER TABLE.")));
	*class = *found;
}

/* Seals a plaintext under the active key of the class with an id. */
struct varlena *
cims_value_seal(CimsSealedType type, Datum plain, int32 class_id)
{
	CimsClass class;

	cims_class_to_seal(class_id, &class);
	return cims_value_seal_under(type, plain, &class);
}

/* Seals a plaintext under a class's active key. */
struct varlena *
cims_value_seal_under(CimsSealedType type, Datum plain, const CimsClass *class)
{
	return seal_value(type, plain, class, class->normal_form);
}

/* Seals a literal in flight whose token is that of another class's normal form. */
struct varlena *
cims_value_seal_literal(CimsSealedType type, Datum plain, CimsNormalForm form)
{
	CimsClass class;

	cims_class_to_seal(0, &class);
	return seal_value(type, plain, &class, form);
}
