/*
 * entry.c
 *		The entry of an event: the bytes that a leaf hashes.
 */
#include <string.h>

#include "record/private.h"

/* Tells whether a letter is an operation that this version knows. */
bool
cims_operation_known(int operation)
{
	return operation > 0 && operation <= 0x7f && strchr("IUDTBRCGMVX", operation) != NULL;
}

/* Tells whether each field has a value that an entry may have. */
static bool
fields_allowed(const CimsEntry *entry)
{
	return cims_operation_known((int) entry->operation) && (entry->flags & ~CIMS_ENTRY_FLAGS) == 0 &&
		   entry->descriptor >= 0 && entry->xid != 0 && entry->seq > 0;
}

/* Writes an entry; false, and nothing written, where a field has a value that no entry may have. */
bool
cims_entry_write(const CimsEntry *entry, unsigned char out[CIMS_ENTRY_LEN])
{
	if (!fields_allowed(entry))
		return false;
	out[0] = CIMS_ENTRY_VERSION;
	out[1] = (unsigned char) entry->operation;
	put_be(out + 2, entry->flags, 2);
	put_be(out + 4, (uint64_t) entry->descriptor, 8);
	put_be(out + 12, entry->xid, 8);
	put_be(out + 20, (uint64_t) entry->seq, 8);
	put_be(out + 28, (uint64_t) entry->at, 8);
	memcpy(out + 36, entry->digest, CIMS_DIGEST_LEN);
	return true;
}

/* Takes an entry apart; false leaves *entry undefined. */
bool
cims_entry_parse(CimsBytes bytes, CimsEntry *entry)
{
	if (bytes.len != CIMS_ENTRY_LEN || bytes.data[0] != CIMS_ENTRY_VERSION)
		return false;
	entry->operation = (CimsOperation) bytes.data[1];
	entry->flags = (uint16_t) get_be(bytes.data + 2, 2);
	entry->descriptor = (int64_t) get_be(bytes.data + 4, 8);
	entry->xid = get_be(bytes.data + 12, 8);
	entry->seq = (int64_t) get_be(bytes.data + 20, 8);
	entry->at = (int64_t) get_be(bytes.data + 28, 8);
	memcpy(entry->digest, bytes.data + 36, CIMS_DIGEST_LEN);
	return fields_allowed(entry);
}
