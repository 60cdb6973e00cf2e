/*
 * receipt.c
 *		A proof that stands alone (C2SP tlog-proof): where a leaf is in the tree
 *		of a checkpoint, and that checkpoint.
 */
#include "merkle/private.h"

#define FIRST_LINE "c2sp.org/tlog-proof@v1\n"
#define EXTRA "extra "
#define INDEX "index "

/* Returns an upper bound of what writing takes. */
size_t
cims_receipt_room(const CimsReceipt *receipt)
{
	return sizeof(FIRST_LINE) + sizeof(EXTRA) + cims_base64_encoded_len(CIMS_BASE64_STANDARD, receipt->extra.len) +
		   sizeof(INDEX) + DECIMAL_MAX + (size_t) receipt->proof.count * (CIMS_MERKLE_BASE64_LEN + 1) + 3 + receipt->note.len;
}

/* Writes a receipt; returns its length. */
size_t
cims_receipt_write(const CimsReceipt *receipt, char *out)
{
	TextWriter writer = {out, out};

	cims_merkle_put_text(&writer, FIRST_LINE);
	if (receipt->has_extra)
	{
		cims_merkle_put_text(&writer, EXTRA);
		cims_merkle_put_base64(&writer, receipt->extra.data, receipt->extra.len);
		cims_merkle_put_text(&writer, "\n");
	}
	cims_merkle_put_text(&writer, INDEX);
	cims_merkle_put_decimal(&writer, receipt->index);
	for (int i = 0; i < receipt->proof.count; i++)
	{
		cims_merkle_put_text(&writer, "\n");
		cims_merkle_put_base64(&writer, receipt->proof.hashes[i].bytes, CIMS_MERKLE_HASH_LEN);
	}
	cims_merkle_put_text(&writer, "\n\n");
	cims_merkle_put_bytes(&writer, receipt->note.data, receipt->note.len);
	return (size_t) (writer.next - writer.start);
}

/* Reads the hashes up to the empty line. */
static bool
take_proof(CimsBytes *rest, CimsMerkleProof *proof)
{
	CimsBytes line;

	proof->count = 0;
	while (cims_merkle_take_until(rest, '\n', &line))
	{
		if (line.len == 0)
			return true;
		if (proof->count == CIMS_MERKLE_PROOF_MAX || !cims_merkle_read_hash(line, &proof->hashes[proof->count++]))
			return false;
	}
	return false;
}

/* Takes a receipt apart; false leaves *receipt undefined. */
bool
cims_receipt_parse(CimsBytes text, CimsReceipt *receipt)
{
	CimsBytes line;
	size_t len;

	if (!cims_merkle_take_text(&text, FIRST_LINE) || !cims_merkle_take_until(&text, '\n', &line))
		return false;
	receipt->extra = (CimsBytes){NULL, 0};
	receipt->has_extra = cims_merkle_take_text(&line, EXTRA);
	if (receipt->has_extra)
	{
		receipt->extra = line;
		if (!cims_merkle_read_base64(line, NULL, 0, &len) || !cims_merkle_take_until(&text, '\n', &line))
			return false;
	}
	if (!cims_merkle_take_text(&line, INDEX) || !cims_merkle_read_decimal(line, &receipt->index) ||
		!take_proof(&text, &receipt->proof))
		return false;
	receipt->note = text;
	return true;
}
