/*
 * fuzz_entry.c
 *		Entries and bundles of them: what reads is written the same, and what is
 *		written reads.
 */
#include "fuzz.h"
#include "merkle/merkle.h"
#include "record/record.h"

/* The input as an entry. */
static void
read_first(CimsBytes input)
{
	unsigned char again[CIMS_ENTRY_LEN];
	CimsEntry entry;

	if (!cims_entry_parse(input, &entry))
		return;
	FUZZ_CHECK(input.len == CIMS_ENTRY_LEN && cims_operation_known((int) entry.operation));
	FUZZ_CHECK(entry.seq > 0 && entry.descriptor >= 0 && entry.xid != 0);
	FUZZ_CHECK(cims_entry_write(&entry, again));
	FUZZ_CHECK(memcmp(again, input.data, CIMS_ENTRY_LEN) == 0);
}

/* The input as the fields of an entry: where it is written, it is read. */
static void
write_first(CimsBytes input)
{
	unsigned char out[CIMS_ENTRY_LEN];
	CimsEntry entry, back;

	if (input.len < sizeof(entry))
		return;
	memcpy(&entry, input.data, sizeof(entry));
	if (!cims_entry_write(&entry, out))
		return;
	FUZZ_CHECK(cims_entry_parse((CimsBytes){out, sizeof(out)}, &back));
	FUZZ_CHECK(back.operation == entry.operation && back.flags == entry.flags && back.descriptor == entry.descriptor);
	FUZZ_CHECK(back.xid == entry.xid && back.seq == entry.seq && back.at == entry.at);
	FUZZ_CHECK(memcmp(back.digest, entry.digest, CIMS_DIGEST_LEN) == 0);
}

/* The input as a bundle: the entries that it has, written again, are what was read of it. */
static void
read_bundle(CimsBytes input)
{
	unsigned char *again = malloc(input.len + 1);
	CimsBytes rest = input;
	CimsBytes entry;
	CimsBundleRead read;
	size_t len = 0;

	while ((read = cims_bundle_next(&rest, &entry)) == CIMS_BUNDLE_ENTRY)
	{
		FUZZ_CHECK(entry.data >= input.data && entry.data + entry.len == rest.data);
		len += cims_bundle_write(entry, again + len);
		FUZZ_CHECK(len + rest.len == input.len);
		read_first(entry);
	}
	FUZZ_CHECK(read == CIMS_BUNDLE_END ? len == input.len : len < input.len);
	FUZZ_CHECK(memcmp(again, input.data, len) == 0);
	free(again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = fuzz_copy(data, size);
	CimsBytes input = {(unsigned char *) copy, size};

	read_first(input);
	write_first(input);
	read_bundle(input);
	free(copy);
	return 0;
}
