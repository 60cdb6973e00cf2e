/*
 * permute.c
 *		A permutation of the numbers below a bound, chosen by a key: a balanced
 *		Feistel network of ten rounds of HMAC over the next even number of bits,
 *		walked until it comes back below the bound (J. Black and P. Rogaway,
 *		"Ciphers with Arbitrary Finite Domains", 2002).
 *
 * Over few numbers it is no secret: who knows enough pairs has them all.
 */
#include "mask/mask_internal.h"

#define ROUNDS 10

/* Writes a number in big-endian bytes. */
static void
put_number(unsigned char *out, CimsWide value)
{
	for (int i = 15; i >= 0; i--)
	{
		out[i] = (unsigned char) value;
		value >>= 8;
	}
}

/* Computes the bits that a round mixes into one half from the other. */
static CimsCryptoStatus
mix(const CimsPseudonymKey *key, const CimsTweak *tweak, CimsWide bound, int round, uint64_t half, uint64_t *mixed)
{
	unsigned char fixed[3 + 16 + 16] = {tweak->kind, tweak->pass, (unsigned char) round};
	unsigned char digest[CIMS_MAC_LEN];
	unsigned char lengths[8];
	CimsBytes parts[4] = {{fixed, sizeof(fixed)}, {lengths, sizeof(lengths)}, key->salt, tweak->bytes};
	CimsCryptoStatus status;

	put_number(fixed + 3, bound);
	put_number(fixed + 19, half);
	for (int i = 0; i < 8; i++)
		lengths[i] = (unsigned char) (key->salt.len >> (8 * i));
	status = cims_mac_sign(key->mac, parts, 4, digest);
	*mixed = 0;
	for (int i = 0; i < 8; i++)
		*mixed = *mixed << 8 | digest[i];
	return status;
}

/* Replaces a number below the bound by another one. */
CimsCryptoStatus
cims_mask_permute(const CimsPseudonymKey *key, const CimsTweak *tweak, CimsWide bound, CimsWide *value)
{
	int bits = 1;
	uint64_t mask;
	CimsWide now = *value;

	while (bits < 63 && (CimsWide) 1 << (2 * bits) < bound)
		bits++;
	mask = ((uint64_t) 1 << bits) - 1;
	if (bound < 2 || bound > (CimsWide) 1 << 126)
		return bound < 2 ? CIMS_CRYPTO_OK : CIMS_CRYPTO_BAD_INPUT;
	do
	{
		uint64_t left = (uint64_t) (now >> bits) & mask;
		uint64_t right = (uint64_t) now & mask;

		for (int round = 0; round < ROUNDS; round++)
		{
			uint64_t mixed;
			uint64_t next;
			CimsCryptoStatus status = mix(key, tweak, bound, round, right, &mixed);

			if (status != CIMS_CRYPTO_OK)
				return status;
			next = (left ^ mixed) & mask;
			left = right;
			right = next;
		}
		now = (CimsWide) left << bits | right;
	} while (now >= bound);
	*value = now;
	return CIMS_CRYPTO_OK;
}
