/*
 * sealed_text.c
 *		The armored text of values, as a role may have it.
 *
 * A value carries its equality token.  A role that reads sealed values and can
 * seal guesses would compare tokens, so in the armor that it gets the token is
 * blinded: combined with a keyed hash of the value's nonce, which coming back
 * in undoes.  Dumps and replication need the token as it is, to restore
 * without keys: superusers, roles with BYPASSRLS and walsenders get it so.
 * Where keys are not at hand nothing can be blinded: then the token is left
 * out, and such armor is not taken back.
 * Literals stay as they are: a guess's token tells nothing without another.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "replication/walsender.h"
#include "utils/acl.h"
#include "utils/snapmgr.h"

#include "types/types.h"

/* Bits of the flags byte that stand in armor alone. */
#define FLAGS_OFFSET 2
#define FLAG_BLINDED 0x80
#define FLAG_WITHHELD 0x40

/* Tells whether the current role gets tokens as they are. */
static bool
role_gets_tokens(void)
{
	return am_walsender || HistoricSnapshotActive() || has_bypassrls_privilege(GetUserId());
}

/*
 * Blinds the token of a parsed value in place, or undoes it; false where keys
 * are not at hand.  Class and flags are bound in, or the token would be laid
 * open under another class, whose values compare without a level.
 */
static bool
blind_token(const CimsSealed *sealed)
{
	static const unsigned char label[] = "cims blind";
	CimsBytes parts[3] = {{label, sizeof(label)},
						  {sealed->header.data, CIMS_SEALED_FIXED_LEN},
						  {sealed->nonce, cims_suite_nonce_len(sealed->suite)}};
	unsigned char digest[CIMS_MAC_LEN];
	unsigned char *token = (unsigned char *) sealed->token;
	CimsMac *mac;
	CimsTokenScheme scheme;

	if (token == NULL)
		return true;
	if (cims_search_mac(CIMS_SEARCH_LITERAL, &mac, &scheme) != CIMS_KEYS_OK ||
		cims_mac_sign(mac, parts, 3, digest) != CIMS_CRYPTO_OK)
		return false;
	for (int i = 0; i < CIMS_TOKEN_LEN; i++)
		token[i] ^= digest[i];
	return true;
}

/* Prints a value in its armored form. */
char *
cims_value_armor(struct varlena *value)
{
	CimsBytes bytes = {(const unsigned char *) VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)};
	size_t len = cims_armor_encoded_len(bytes.len);
	char *armor = palloc_extended(len + 1, MCXT_ALLOC_HUGE);
	CimsSealed sealed;

	if (!role_gets_tokens())
	{
		unsigned char *copy = palloc(bytes.len);

		bytes.data = memcpy(copy, bytes.data, bytes.len);
		if (cims_sealed_parse(bytes, &sealed) && sealed.token != NULL && !(sealed.flags & CIMS_FLAG_LITERAL))
		{
			bool blinded = blind_token(&sealed);

			if (!blinded)
				memset(copy + (sealed.token - bytes.data), 0, CIMS_TOKEN_LEN);
			copy[FLAGS_OFFSET] |= blinded ? FLAG_BLINDED : FLAG_WITHHELD;
		}
	}
	if (cims_armor_encode(bytes, armor) != CIMS_CRYPTO_OK)
		elog(ERROR, "could not armor a sealed value");
	armor[len] = '\0';
	return armor;
}

/* Takes the value out of an armored text. */
struct varlena *
cims_value_of_armor(const char *armor, size_t len, CimsSealed *sealed)
{
	struct varlena *value = palloc_extended(VARHDRSZ + len, MCXT_ALLOC_HUGE);
	unsigned char *data = (unsigned char *) VARDATA(value);
	unsigned char marks = 0;
	CimsBytes bytes = {data, 0};
	bool valid = cims_armor_decode(armor, len, data, &bytes.len) == CIMS_CRYPTO_OK;

	if (valid && bytes.len > FLAGS_OFFSET)
	{
		marks = data[FLAGS_OFFSET] & (FLAG_BLINDED | FLAG_WITHHELD);
		data[FLAGS_OFFSET] &= ~marks;
	}
	if (!valid || !cims_sealed_parse(bytes, sealed))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid sealed value"),
				 errdetail("The text begins as a sealed value does, but is cut, mistyped or of an unknown format.")));
	if (marks & FLAG_WITHHELD)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("sealed value cannot be taken in"),
				 errdetail("It was read by an ordinary role while no keys were at hand, so that its token is left out."),
				 errhint("Read it again with the keys available.")));
	if ((marks & FLAG_BLINDED) && !blind_token(sealed))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("sealed value cannot be taken in without keys"),
				 errdetail("It was read by an ordinary role, so that its token is blinded."),
				 errhint("Make the keys available, or dump as a role with BYPASSRLS.")));
	SET_VARSIZE(value, VARHDRSZ + bytes.len);
	return value;
}
