/*
 * event_sort.c
 *		Sorts what events tell, so that the events of each row stand together in
 *		their order.
 */
#include "postgres.h"

#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "utils/tuplesort.h"
#include "utils/typcache.h"

#include "audit/history.h"

/* The columns that are sorted; the first SORT_KEYS decide. */
enum
{
	SORT_PART,
	SORT_HASH,
	SORT_KEY,
	SORT_SEQ,
	SORT_OPERATION,
	SORT_DESCRIPTOR,
	SORT_OLD,
	SORT_NEW,
	SORT_COLUMNS
};
#define SORT_KEYS 4

struct CimsEventSort
{
	Tuplesortstate *state;
	TupleTableSlot *in;
	TupleTableSlot *out;
};

/* Begins to collect. */
CimsEventSort *
cims_event_sort_begin(int kilobytes)
{
	static const Oid types[SORT_COLUMNS] = {INT4OID, INT8OID, BYTEAOID, INT8OID, CHAROID, INT8OID, BYTEAOID, BYTEAOID};
	CimsEventSort *sort = palloc0(sizeof(CimsEventSort));
	TupleDesc desc = CreateTemplateTupleDesc(SORT_COLUMNS);
	AttrNumber keys[SORT_KEYS];
	Oid operators[SORT_KEYS];
	Oid collations[SORT_KEYS] = {InvalidOid};
	bool nulls_first[SORT_KEYS] = {false};

	for (int i = 0; i < SORT_COLUMNS; i++)
		TupleDescInitEntry(desc, i + 1, NULL, types[i], -1, 0);
	for (int i = 0; i < SORT_KEYS; i++)
	{
		keys[i] = i + 1;
		operators[i] = lookup_type_cache(types[i], TYPECACHE_LT_OPR)->lt_opr;
	}
	sort->state = tuplesort_begin_heap(desc, SORT_KEYS, keys, operators, collations, nulls_first, kilobytes, NULL, TUPLESORT_NONE);
	sort->in = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
	sort->out = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);
	return sort;
}

/* Copies bytes into a bytea. */
static Datum
bytes_datum(CimsBytes bytes)
{
	bytea *value = palloc(VARHDRSZ + bytes.len);

	SET_VARSIZE(value, VARHDRSZ + bytes.len);
	if (bytes.len > 0)
		memcpy(VARDATA(value), bytes.data, bytes.len);
	return PointerGetDatum(value);
}

/* Takes one in. */
void
cims_event_sort_put(CimsEventSort *sort, const CimsTold *told)
{
	Datum *values = sort->in->tts_values;
	bool *nulls = sort->in->tts_isnull;

	ExecClearTuple(sort->in);
	memset(nulls, false, sizeof(bool) * SORT_COLUMNS);
	values[SORT_PART] = Int32GetDatum(told->part);
	values[SORT_HASH] = Int64GetDatum(told->row_hash);
	values[SORT_KEY] = bytes_datum(told->key);
	values[SORT_SEQ] = Int64GetDatum(told->seq);
	values[SORT_OPERATION] = CharGetDatum(told->operation);
	values[SORT_DESCRIPTOR] = Int64GetDatum(told->descriptor);
	nulls[SORT_OLD] = told->old.data == NULL;
	values[SORT_OLD] = nulls[SORT_OLD] ? (Datum) 0 : bytes_datum(told->old);
	nulls[SORT_NEW] = told->new.data == NULL;
	values[SORT_NEW] = nulls[SORT_NEW] ? (Datum) 0 : bytes_datum(told->new);
	ExecStoreVirtualTuple(sort->in);
	tuplesort_puttupleslot(sort->state, sort->in);
	pfree(DatumGetPointer(values[SORT_KEY]));
	if (!nulls[SORT_OLD])
		pfree(DatumGetPointer(values[SORT_OLD]));
	if (!nulls[SORT_NEW])
		pfree(DatumGetPointer(values[SORT_NEW]));
}

/* Sorts what was taken in. */
void
cims_event_sort_perform(CimsEventSort *sort)
{
	tuplesort_performsort(sort->state);
}

/* Gives the bytes of a column. */
static CimsBytes
column_bytes(TupleTableSlot *slot, int column)
{
	CimsBytes bytes = {NULL, 0};

	if (!slot->tts_isnull[column])
	{
		bytea *value = (bytea *) DatumGetPointer(slot->tts_values[column]);

		bytes.data = (const unsigned char *) VARDATA_ANY(value);
		bytes.len = VARSIZE_ANY_EXHDR(value);
	}
	return bytes;
}

/* Gives the next one; false after the last. */
bool
cims_event_sort_next(CimsEventSort *sort, CimsTold *told)
{
	TupleTableSlot *slot = sort->out;

	if (!tuplesort_gettupleslot(sort->state, true, false, slot, NULL))
		return false;
	slot_getallattrs(slot);
	told->part = DatumGetInt32(slot->tts_values[SORT_PART]);
	told->row_hash = DatumGetInt64(slot->tts_values[SORT_HASH]);
	told->key = column_bytes(slot, SORT_KEY);
	told->seq = DatumGetInt64(slot->tts_values[SORT_SEQ]);
	told->operation = DatumGetChar(slot->tts_values[SORT_OPERATION]);
	told->descriptor = DatumGetInt64(slot->tts_values[SORT_DESCRIPTOR]);
	told->old = column_bytes(slot, SORT_OLD);
	told->new = column_bytes(slot, SORT_NEW);
	return true;
}

/* Gives memory and files back. */
void
cims_event_sort_end(CimsEventSort *sort)
{
	tuplesort_end(sort->state);
	ExecDropSingleTupleTableSlot(sort->in);
	ExecDropSingleTupleTableSlot(sort->out);
	pfree(sort);
}
