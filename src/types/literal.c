/*
 * literal.c
 *		What the literals of this transaction hold.
 *
 * A driver's untyped parameter is sealed as a literal when it comes in, and
 * opened to be sealed again when it is assigned to a column.  A literal's GCM key
 * is its own, so that opening it costs more than all the rest of the way: the
 * literals sealed last are remembered instead, until the transaction ends.
 *
 * Only the very bytes that this backend sealed are recalled, so nothing is
 * taken for authentic that is not.  Callers look the key up first: a locked
 * keyring reveals no remembered literal either.
 */
#include "postgres.h"

#include "access/xact.h"
#include "port/pg_bitutils.h"

#include "types/types.h"

#define N_LITERALS 64 /* parameters of one statement, and to spare; one for each bit of places_taken */
#define MAX_PLAIN 256 /* bytes; opening a longer one costs little against the rest */
#define MAX_SEALED (CIMS_MAX_SEALED_HEADER + CIMS_MAX_NONCE_LEN + MAX_PLAIN + CIMS_TAG_LEN)

typedef struct Literal
{
	size_t len; /* of sealed; 0 where the place is free */
	size_t plain_len;
	unsigned char sealed[MAX_SEALED];
	unsigned char plain[MAX_PLAIN];
} Literal;

static Literal literals[N_LITERALS];
static uint64 places_taken = 0; /* a bit for each of them that is not free */

/* Forgets every literal when a transaction ends. */
static void
forget_literals(XactEvent event, void *arg)
{
	if (places_taken == 0 || event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PARALLEL_PRE_COMMIT ||
		event == XACT_EVENT_PRE_PREPARE)
		return;
	while (places_taken != 0)
	{
		Literal *literal = &literals[pg_rightmost_one_pos64(places_taken)];

		cims_crypto_wipe(literal->plain, literal->plain_len);
		literal->len = 0;
		places_taken &= places_taken - 1;
	}
}

/* Returns the place of a literal, which its nonce tells: that is a keyed hash of what it holds. */
static Literal *
place_of(const unsigned char *nonce)
{
	return &literals[nonce[0] % N_LITERALS];
}

/* Remembers what a literal holds, given its sealed bytes and where the nonce stands in them. */
void
cims_literal_remember(CimsBytes sealed, const unsigned char *nonce, CimsBytes plain)
{
	static bool registered = false;
	Literal *literal = place_of(nonce);

	if (plain.len > MAX_PLAIN || sealed.len > MAX_SEALED)
		return;
	if (!registered)
	{
		RegisterXactCallback(forget_literals, NULL);
		registered = true;
	}
	if (literal->len != 0)
		cims_crypto_wipe(literal->plain, literal->plain_len);
	places_taken |= UINT64CONST(1) << (literal - literals);
	literal->len = sealed.len;
	literal->plain_len = plain.len;
	memcpy(literal->sealed, sealed.data, sealed.len);
	memcpy(literal->plain, plain.data, plain.len);
}

/* Writes what a literal holds to out, which has room for it, if that is remembered. */
bool
cims_literal_recall(const CimsSealed *sealed, unsigned char *out)
{
	const Literal *literal = place_of(sealed->nonce);
	size_t len = sealed->body.data + sealed->body.len - sealed->header.data;

	if (literal->len != len || memcmp(literal->sealed, sealed->header.data, len) != 0)
		return false;
	memcpy(out, literal->plain, literal->plain_len);
	return true;
}
