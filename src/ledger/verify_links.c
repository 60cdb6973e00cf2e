/*
 * verify_links.c
 *		Verification of what the tree itself does not hash: the columns by which
 *		an event is found, and what was taken away on purpose.
 *
 * A superuser who alters a relation or row_hash beside an event hides it from
 * the history of its row, though every hash still agrees; who erases a payload
 * without cims.erase_payload() takes away what happened.  Both are compared with
 * what other leaves say: the descriptor of the relation, the key in the payload,
 * the event that tells of the erasure.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"

#include "ledger/verify.h"

/* What a descriptor is of. */
typedef struct Described
{
	int64 seq; /* of the descriptor's event; the key */
	Oid relation;
} Described;

#define NUMBERS_BITS 65536

/* Which of a run of numbers events have been seen with. */
typedef struct Numbers
{
	int64 run; /* their numbers divided by NUMBERS_BITS; the key */
	uint8 seen[NUMBERS_BITS / 8];
} Numbers;

static void read_pruned(CimsVerification *verification);

/* Make a hash table of numbers of events. */
static HTAB *
make_table(const char *name, Size entry)
{
	HASHCTL control = {.keysize = sizeof(int64), .entrysize = entry, .hcxt = CurrentMemoryContext};

	return hash_create(name, 1024, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* Make ready: read what was pruned. */
void
cims_verify_links_begin(CimsVerification *verification)
{
	verification->relations = make_table("cims descriptors", sizeof(Described));
	verification->erased = make_table("cims erased events", sizeof(int64));
	verification->numbers = make_table("cims numbers of events", sizeof(Numbers));
	verification->erasures = make_table("cims erasures", sizeof(int64));
	read_pruned(verification);
}

/* Read which leaves have no events any more. */
static void
read_pruned(CimsVerification *verification)
{
	MemoryContext caller = CurrentMemoryContext;

	if (SPI_connect() != SPI_OK_CONNECT ||
		SPI_execute("SELECT incarnation, first_leaf, size, seq FROM cims.pruned ORDER BY incarnation, first_leaf", true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read what was pruned");
	verification->n_pruned_ranges = (int) SPI_processed;
	verification->pruned = MemoryContextAllocZero(caller, Max(SPI_processed, 1) * sizeof(CimsPrunedRange));
	for (int i = 0; i < verification->n_pruned_ranges; i++)
	{
		CimsPrunedRange *range = &verification->pruned[i];
		HeapTuple row = SPI_tuptable->vals[i];
		TupleDesc desc = SPI_tuptable->tupdesc;
		bool null;

		range->incarnation = DatumGetInt32(SPI_getbinval(row, desc, 1, &null));
		range->first = (uint64) DatumGetInt64(SPI_getbinval(row, desc, 2, &null));
		range->end = (uint64) DatumGetInt64(SPI_getbinval(row, desc, 3, &null));
		range->seq = DatumGetInt64(SPI_getbinval(row, desc, 4, &null));
	}
	SPI_finish();
}

/* Read a member of a JSON object; NULL where it has none. */
static JsonbValue *
member_of(CimsBytes json, const char *name)
{
	Jsonb *document = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(pnstrdup((const char *) json.data, json.len))));

	if (!JB_ROOT_IS_OBJECT(document))
		return NULL;
	return getKeyJsonValueFromContainer(&document->root, name, strlen(name), NULL);
}

/* Remember which relation a descriptor is of. */
static void
remember_descriptor(CimsVerification *verification, const CimsEntry *entry, const CimsPayload *payload)
{
	JsonbValue *oid = member_of(payload->fields[CIMS_FIELD_DETAIL], "oid");
	Described *described;

	if (oid == NULL || oid->type != jbvNumeric)
		return;
	described = hash_search(verification->relations, &entry->seq, HASH_ENTER, NULL);
	described->relation = (Oid) DatumGetInt64(DirectFunctionCall1(numeric_int8, NumericGetDatum(oid->val.numeric)));
}

/* Return a number of a JSON array; -1 where there is none. */
static int64
number_at(JsonbValue *array, int place)
{
	JsonbValue *value;

	if (array == NULL || array->type != jbvBinary || !JsonContainerIsArray(array->val.binary.data))
		return -1;
	value = getIthJsonbValueFromContainer(array->val.binary.data, place);
	if (value == NULL || value->type != jbvNumeric)
		return -1;
	return DatumGetInt64(DirectFunctionCall1(numeric_int8, NumericGetDatum(value->val.numeric)));
}

/* Take in that an event tells of pruned leaves. */
static void
take_pruning(CimsVerification *verification, int64 seq, JsonbValue *leaves)
{
	if (leaves == NULL || leaves->type != jbvBinary || !JsonContainerIsArray(leaves->val.binary.data))
		return;
	for (int i = 0; i < (int) JsonContainerSize(leaves->val.binary.data); i++)
	{
		JsonbValue *told = getIthJsonbValueFromContainer(leaves->val.binary.data, i);

		for (int j = 0; j < verification->n_pruned_ranges; j++)
		{
			CimsPrunedRange *range = &verification->pruned[j];

			range->told |= range->seq == seq && range->incarnation == number_at(told, 0) &&
						   range->first == (uint64) number_at(told, 1) && range->end == (uint64) number_at(told, 2);
		}
	}
}

/* Take in what an event tells of the record itself: erasures and prunings. */
static void
take_record(CimsVerification *verification, const CimsEntry *entry, const CimsPayload *payload)
{
	CimsBytes detail = payload->fields[CIMS_FIELD_DETAIL];
	JsonbValue *event = detail.data == NULL ? NULL : member_of(detail, "event");
	char *name;

	if (event == NULL || event->type != jbvString)
		return;
	name = pnstrdup(event->val.string.val, event->val.string.len);
	if (strcmp(name, "pruned") == 0)
		take_pruning(verification, entry->seq, member_of(detail, "leaves"));
	else if (strcmp(name, "payload erased") == 0)
	{
		JsonbValue *events = member_of(detail, "events");
		int64 seq;

		for (int i = 0; (seq = number_at(events, i)) >= 0; i++)
			hash_search(verification->erasures, &seq, HASH_ENTER, NULL);
	}
}

/* Tell whether events of a kind are of one row each. */
static bool
is_of_row(CimsOperation operation)
{
	return operation == CIMS_OP_INSERT || operation == CIMS_OP_UPDATE || operation == CIMS_OP_DELETE || operation == CIMS_OP_BASELINE;
}

/* Compare the columns by which an event of a row is found with its descriptor and its key. */
void
cims_verify_links(CimsVerification *verification, const CimsDeltaEvent *event, const CimsEntry *entry, const CimsPayload *payload)
{
	CimsBytes key = payload->fields[CIMS_FIELD_KEY];
	bool null;
	Datum relation = slot_getattr(event->slot, verification->relation, &null);
	Datum hash;

	if (entry->operation == CIMS_OP_RECORD)
		take_record(verification, entry, payload);
	if (entry->operation == CIMS_OP_DESCRIPTOR)
		remember_descriptor(verification, entry, payload);
	else if (entry->descriptor != 0)
	{
		Described *described = hash_search(verification->relations, &entry->descriptor, HASH_FIND, NULL);

		if (described != NULL && (null || described->relation != DatumGetObjectId(relation)))
			cims_finding_add(&verification->columns, "event (" UINT64_FORMAT ", " INT64_FORMAT ") stands under another relation than its own",
							 event->key.xid, event->key.seq);
	}
	/* of a row that is its own key there is a hash, but no key to compare it with */
	hash = slot_getattr(event->slot, verification->row_hash, &null);
	if (key.data == NULL ? !null && !is_of_row(entry->operation) : null || DatumGetInt64(hash) != (int64) hash_bytes_extended(key.data, key.len, 0))
		cims_finding_add(&verification->columns, "event (" UINT64_FORMAT ", " INT64_FORMAT ") stands under the hash of another row's key",
						 event->key.xid, event->key.seq);
}

/* See that no two events bear one number, as those of a sequence that was set back do: they order the life of a row. */
void
cims_verify_number(CimsVerification *verification, const CimsLeafKey *key)
{
	int64 run = key->seq / NUMBERS_BITS;
	int place = key->seq % NUMBERS_BITS;
	Numbers *numbers = verification->last_numbers;

	if (numbers == NULL || numbers->run != run)
	{
		bool found;

		numbers = hash_search(verification->numbers, &run, HASH_ENTER, &found);
		if (!found)
			memset(numbers->seen, 0, sizeof(numbers->seen));
		verification->last_numbers = numbers;
	}
	if (numbers->seen[place / 8] & (1 << place % 8))
		cims_finding_add(&verification->columns, "event (" UINT64_FORMAT ", " INT64_FORMAT ") bears the number of another one", key->xid,
						 key->seq);
	numbers->seen[place / 8] |= 1 << place % 8;
}

/* Remember an event without payload. */
void
cims_verify_erased(CimsVerification *verification, int64 seq)
{
	hash_search(verification->erased, &seq, HASH_ENTER, NULL);
	verification->n_erased++;
}

/* See that no payload and no event has gone without a word. */
void
cims_verify_links_end(CimsVerification *verification)
{
	HASH_SEQ_STATUS scan;
	int64 *seq;

	hash_seq_init(&scan, verification->erased);
	while ((seq = hash_seq_search(&scan)) != NULL)
		if (hash_search(verification->erasures, seq, HASH_FIND, NULL) == NULL)
			cims_finding_add(&verification->payloads, "the payload of event " INT64_FORMAT " is gone, and no event tells of its erasure", *seq);
	for (int i = 0; i < verification->n_pruned_ranges; i++)
	{
		CimsPrunedRange *range = &verification->pruned[i];

		if (range->used && !range->told)
			cims_finding_add(&verification->events, "leaves " UINT64_FORMAT " to " UINT64_FORMAT " of incarnation %d have no event, and no sealed event tells that they were pruned",
							 range->first, range->end - 1, range->incarnation);
	}
}

/* Where a run of pruned leaves that begins at or before a leaf ends; the leaf itself where there is none. */
uint64
cims_pruned_until(CimsVerification *verification, int32 incarnation, uint64 leaf)
{
	while (verification->next_pruned < verification->n_pruned_ranges)
	{
		CimsPrunedRange *range = &verification->pruned[verification->next_pruned];

		if (range->incarnation > incarnation || (range->incarnation == incarnation && range->first > leaf))
			return leaf;
		if (range->incarnation == incarnation && leaf < range->end)
		{
			range->used = true;
			return range->end;
		}
		verification->next_pruned++;
	}
	return leaf;
}
