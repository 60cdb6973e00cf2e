/*
 * checkpoint.c
 *		The text of a checkpoint (C2SP tlog-checkpoint): origin, size, root, and
 *		lines of extensions.
 */
#include "merkle/private.h"

/* Tells whether every line of a text that ends in a newline has something in it. */
static bool
lines_filled(CimsBytes text)
{
	CimsBytes line;

	while (cims_merkle_take_until(&text, '\n', &line))
	{
		if (line.len == 0)
			return false;
	}
	return text.len == 0;
}

/* Tells whether origin and extensions are of the kind that a checkpoint may have. */
static bool
parts_allowed(const CimsCheckpoint *checkpoint)
{
	CimsBytes rest = checkpoint->origin;

	if (rest.len == 0)
		return false;
	while (rest.len > 0)
	{
		uint32_t c;

		if (!cims_merkle_next_char(&rest, &c) || c < 0x20)
			return false;
	}
	return checkpoint->extensions.len == 0 ||
		   (cims_note_text_valid(checkpoint->extensions) && lines_filled(checkpoint->extensions));
}

/* Returns an upper bound of what writing takes. */
size_t
cims_checkpoint_room(const CimsCheckpoint *checkpoint)
{
	return checkpoint->origin.len + DECIMAL_MAX + CIMS_MERKLE_BASE64_LEN + 3 + checkpoint->extensions.len;
}

/* Writes a checkpoint; returns its length, or 0 where a part is not allowed. */
size_t
cims_checkpoint_write(const CimsCheckpoint *checkpoint, char *out)
{
	TextWriter writer = {out, out};

	if (!parts_allowed(checkpoint))
		return 0;
	cims_merkle_put_bytes(&writer, checkpoint->origin.data, checkpoint->origin.len);
	cims_merkle_put_text(&writer, "\n");
	cims_merkle_put_decimal(&writer, checkpoint->size);
	cims_merkle_put_text(&writer, "\n");
	cims_merkle_put_base64(&writer, checkpoint->root.bytes, CIMS_MERKLE_HASH_LEN);
	cims_merkle_put_text(&writer, "\n");
	cims_merkle_put_bytes(&writer, checkpoint->extensions.data, checkpoint->extensions.len);
	return (size_t) (writer.next - writer.start);
}

/* Takes a checkpoint apart; false leaves *checkpoint undefined. */
bool
cims_checkpoint_parse(CimsBytes text, CimsCheckpoint *checkpoint)
{
	CimsBytes size, root;

	if (!cims_merkle_take_until(&text, '\n', &checkpoint->origin) || !cims_merkle_take_until(&text, '\n', &size) ||
		!cims_merkle_take_until(&text, '\n', &root))
		return false;
	checkpoint->extensions = text;
	return cims_merkle_read_decimal(size, &checkpoint->size) && cims_merkle_read_hash(root, &checkpoint->root) &&
		   parts_allowed(checkpoint);
}
