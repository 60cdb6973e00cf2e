/*
 * reference.c
 *		Find what still refers to a data key, and wait for who may still seal
 *		with it, before the key is destroyed.
 *
 * Sealing takes no lock.  That a version is out of use for good is known so:
 * it stands as decrypt_only or disabled in a row that has committed; then the
 * shared generation is raised, so that whoever asks for the active key from
 * now on reads the tables anew and is given another version; then every
 * transaction of this database that was running at that moment is waited for,
 * prepared ones included, as CREATE INDEX CONCURRENTLY does.  What is found
 * afterwards by a new snapshot is all that was ever sealed with the version.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/itup.h"
#include "access/nbtree.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "cims_compat.h"
#include "keyring/internal.h"

#define SEALED_CLASS_OFFSET 4 /* see the format of a sealed value in crypto.h */
#define SEALED_VERSION_OFFSET 8

/* The key that is looked for; version 0 stands for all of the class. */
typedef struct Wanted
{
	int32 class_id;
	uint32 version;
} Wanted;

static bool value_refers(Datum value, Oid type, const Wanted *wanted);
static bool is_sealed_type(Oid type);
static bool sealed_refers(Datum value, const Wanted *wanted);
static bool array_refers(Datum value, Oid element, const Wanted *wanted);
static bool row_refers(Datum value, const Wanted *wanted);
static bool page_refers(Relation index, Page page, const Wanted *wanted);

/*
 * SQL: cims.wait_for_sealers(changed xid): waits for every transaction that
 * may still seal with a key whose row was last changed by the one given.
 */
PG_FUNCTION_INFO_V1(cims_wait_for_sealers);
Datum
cims_wait_for_sealers(PG_FUNCTION_ARGS)
{
	VirtualTransactionId *running;
	int n;

	if (TransactionIdIsCurrentTransactionId(PG_GETARG_TRANSACTIONID(0)))
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("the state of the data key was changed by this very transaction"),
				errhint("Commit first, so that other sessions stop to seal with it."));
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				errmsg("a data key can only be destroyed at isolation level READ COMMITTED"),
				errdetail("Values that were sealed since the transaction began would not be found."));

	cims_keyring_bump();
	running = GetCurrentVirtualXIDs(InvalidTransactionId, false, false, PROC_IS_AUTOVACUUM | PROC_IN_VACUUM, &n);
	for (int i = 0; i < n; i++)
		VirtualXactLock(running[i], true);
	PG_RETURN_VOID();
}

/*
 * SQL: cims.references_key(value "any", class_id int, version int) returns
 * boolean: whether a sealed value, or one within an array, a domain or a row,
 * was sealed with a key; version 0 stands for all of the class.
 */
PG_FUNCTION_INFO_V1(cims_references_key);
Datum
cims_references_key(PG_FUNCTION_ARGS)
{
	Wanted wanted = {PG_GETARG_INT32(1), (uint32) PG_GETARG_INT32(2)};

	PG_RETURN_BOOL(value_refers(PG_GETARG_DATUM(0), get_fn_expr_argtype(fcinfo->flinfo, 0), &wanted));
}

/*
 * SQL: cims.column_references_key(relation regclass, attnum int2, class_id int,
 * version int) returns boolean: whether a row that is visible now holds a value
 * that was sealed with a key, in a column of the relation itself.
 */
PG_FUNCTION_INFO_V1(cims_column_references_key);
Datum
cims_column_references_key(PG_FUNCTION_ARGS)
{
	Wanted wanted = {PG_GETARG_INT32(2), (uint32) PG_GETARG_INT32(3)};
	Relation rel = table_open(PG_GETARG_OID(0), AccessShareLock);
	AttrNumber attnum = PG_GETARG_INT16(1);
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan = table_beginscan(rel, snapshot, 0, NULL);
	MemoryContext row_context = AllocSetContextCreate(CurrentMemoryContext, "cims looked-at row", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(row_context);
	bool found = false;

	while (!found && table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		bool null;
		Datum value = slot_getattr(slot, attnum, &null);

		CHECK_FOR_INTERRUPTS();
		found = !null && value_refers(value, TupleDescAttr(RelationGetDescr(rel), attnum - 1)->atttypid, &wanted);
		MemoryContextReset(row_context);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(row_context);
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);
	table_close(rel, AccessShareLock);
	PG_RETURN_BOOL(found);
}

/*
 * SQL: cims.index_references_key(index regclass, class_id int, version int)
 * returns boolean: whether a b-tree holds a value that was sealed with a key.
 * Deleted rows and separators of inner pages count: a search compares with them.
 */
PG_FUNCTION_INFO_V1(cims_index_references_key);
Datum
cims_index_references_key(PG_FUNCTION_ARGS)
{
	Wanted wanted = {PG_GETARG_INT32(1), (uint32) PG_GETARG_INT32(2)};
	Relation index = index_open(PG_GETARG_OID(0), AccessShareLock);
	BufferAccessStrategy strategy = GetAccessStrategy(BAS_BULKREAD);
	bool found = false;

	if (index->rd_rel->relam != BTREE_AM_OID)
		ereport(ERROR,
				errcode(ERRCODE_WRONG_OBJECT_TYPE),
				errmsg("\"%s\" is not a b-tree", RelationGetRelationName(index)));

	for (BlockNumber block = BTREE_METAPAGE + 1; block < RelationGetNumberOfBlocks(index) && !found; block++)
	{
		Buffer buffer = ReadBufferExtended(index, MAIN_FORKNUM, block, RBM_NORMAL, strategy);

		CHECK_FOR_INTERRUPTS();
		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		found = page_refers(index, BufferGetPage(buffer), &wanted);
		UnlockReleaseBuffer(buffer);
	}
	FreeAccessStrategy(strategy);
	index_close(index, AccessShareLock);
	PG_RETURN_BOOL(found);
}

/* Tell whether a value of some type holds one that was sealed with a key. */
static bool
value_refers(Datum value, Oid type, const Wanted *wanted)
{
	Oid base = getBaseType(type);
	Oid element;

	check_stack_depth();
	if (is_sealed_type(base))
		return sealed_refers(value, wanted);
	element = get_base_element_type(base);
	if (OidIsValid(element))
		return array_refers(value, element, wanted);
	if (type_is_rowtype(base))
		return row_refers(value, wanted);
	return false;
}

/* Tell whether a type is one of the encrypted types. */
static bool
is_sealed_type(Oid type)
{
	HeapTuple tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	Form_pg_type form;
	bool sealed;

	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_type) GETSTRUCT(tuple);
	sealed = form->typtype == TYPTYPE_BASE && strncmp(NameStr(form->typname), "enc_", 4) == 0 &&
			 form->typnamespace == get_namespace_oid("cims", true);
	ReleaseSysCache(tuple);
	return sealed;
}

/* Tell whether a sealed value's header names a key. */
static bool
sealed_refers(Datum value, const Wanted *wanted)
{
	struct varlena *header = PG_DETOAST_DATUM_SLICE(value, 0, CIMS_SEALED_FIXED_LEN);
	const char *bytes = VARDATA_ANY(header);
	uint32 class_id;
	uint32 version;
	bool refers;

	if (VARSIZE_ANY_EXHDR(header) < CIMS_SEALED_FIXED_LEN)
		return false;
	memcpy(&class_id, bytes + SEALED_CLASS_OFFSET, sizeof(class_id));
	memcpy(&version, bytes + SEALED_VERSION_OFFSET, sizeof(version));
	refers = pg_ntoh32(class_id) == (uint32) wanted->class_id &&
			 (wanted->version == 0 || pg_ntoh32(version) == wanted->version);
	if (header != (struct varlena *) DatumGetPointer(value))
		pfree(header);
	return refers;
}

/* Tell whether an element of an array refers to a key. */
static bool
array_refers(Datum value, Oid element, const Wanted *wanted)
{
	ArrayType *array = DatumGetArrayTypeP(value);
	Datum *values;
	bool *nulls;
	int n;
	int16 len;
	bool by_value;
	char align;
	bool refers = false;

	get_typlenbyvalalign(element, &len, &by_value, &align);
	deconstruct_array(array, element, len, by_value, align, &values, &nulls, &n);
	for (int i = 0; i < n && !refers; i++)
		refers = !nulls[i] && value_refers(values[i], element, wanted);
	return refers;
}

/* Tell whether a field of a row refers to a key. */
static bool
row_refers(Datum value, const Wanted *wanted)
{
	HeapTupleHeader row = DatumGetHeapTupleHeader(value);
	TupleDesc desc = lookup_rowtype_tupdesc_copy(HeapTupleHeaderGetTypeId(row), HeapTupleHeaderGetTypMod(row));
	HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(row), .t_data = row};
	Datum *values = palloc(sizeof(Datum) * desc->natts);
	bool *nulls = palloc(sizeof(bool) * desc->natts);
	bool refers = false;

	ItemPointerSetInvalid(&tuple.t_self);
	heap_deform_tuple(&tuple, desc, values, nulls);
	for (int i = 0; i < desc->natts && !refers; i++)
		refers = !nulls[i] && value_refers(values[i], TupleDescAttr(desc, i)->atttypid, wanted);
	return refers;
}

/* Tell whether an entry of a b-tree's page refers to a key; the caller holds the page. */
static bool
page_refers(Relation index, Page page, const Wanted *wanted)
{
	TupleDesc desc = RelationGetDescr(index);

	if (PageIsNew(page) || P_ISDELETED((BTPageOpaque) PageGetSpecialPointer(page)))
		return false;

	for (OffsetNumber offset = FirstOffsetNumber; offset <= PageGetMaxOffsetNumber(page); offset++)
	{
		IndexTuple tuple = (IndexTuple) PageGetItem(page, PageGetItemId(page, offset));
		int natts = BTreeTupleGetNAtts(tuple, index);

		for (int i = 1; i <= natts; i++)
		{
			bool null;
			Datum value = index_getattr(tuple, i, desc, &null);

			if (!null && value_refers(value, TupleDescAttr(desc, i - 1)->atttypid, wanted))
				return true;
		}
	}
	return false;
}
