/*
 * token.c
 *		Equality tokens: a keyed hash of type and normal form.
 *
 * Tokens do not depend on the class, so that equality works between columns,
 * and not on data keys, so that rotation touches no index.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "types/types.h"

/* Makes the token of a normal form under the search key, and returns with what. */
CimsTokenScheme
cims_token_of_normal_form(CimsSealedType type, CimsBytes normal_form, unsigned char token[CIMS_TOKEN_LEN])
{
	unsigned char type_byte = (unsigned char) type;
	unsigned char digest[CIMS_MAC_LEN];
	CimsBytes parts[2] = {{&type_byte, 1}, normal_form};
	CimsMac *mac;
	CimsTokenScheme scheme;
	CimsKeyStatus status = cims_search_mac(CIMS_SEARCH_TOKEN, &mac, &scheme);

	if (status != CIMS_KEYS_OK)
		cims_keyring_error(status, 0, 0);
	if (cims_mac_sign(mac, parts, 2, digest) != CIMS_CRYPTO_OK)
		elog(ERROR, "could not compute an equality token");
	memcpy(token, digest, CIMS_TOKEN_LEN);
	return scheme;
}

/* Makes the token of a plaintext under the search key. */
void
cims_token_of_plain(CimsSealedType type, Datum plain, CimsNormalForm form,
					unsigned char token[CIMS_TOKEN_LEN])
{
	(void) cims_token_of_normal_form(type, cims_plain_normal_form(type, plain, form), token);
}

/* What comparisons open; made at the first use, emptied after each. */
static MemoryContext scratch = NULL;

/*
 * Switches to an empty context and returns the caller's.  Sorts and index
 * builds call comparisons without end in a context that lives as long as they
 * do.  Uses may nest; the outermost empties it.
 */
MemoryContext
cims_scratch_enter(void)
{
	if (scratch == NULL)
		scratch = AllocSetContextCreate(TopMemoryContext, "cims scratch", ALLOCSET_DEFAULT_SIZES);
	else if (CurrentMemoryContext != scratch)
		MemoryContextReset(scratch);
	return MemoryContextSwitchTo(scratch);
}

/* Switches back. */
void
cims_scratch_leave(MemoryContext caller)
{
	MemoryContextSwitchTo(caller);
	if (caller != scratch)
		MemoryContextReset(scratch);
}

/* Gives the token of a value: the one that it carries, else that of its plaintext. */
void
cims_token_of_value(struct varlena *value, unsigned char token[CIMS_TOKEN_LEN])
{
	CimsSealed sealed;
	MemoryContext caller;

	cims_value_parse(value, &sealed);
	if (likely(sealed.token != NULL))
	{
		memcpy(token, sealed.token, CIMS_TOKEN_LEN);
		return;
	}
	caller = cims_scratch_enter();
	cims_token_of_plain(sealed.type, cims_value_reveal(value), cims_class_normal_form(sealed.class_id), token);
	cims_scratch_leave(caller);
}
