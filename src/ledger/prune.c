/*
 * prune.c
 *		Drop a partition of the record after its retention, and erase payloads.
 *
 * A partition goes whole, and only when each of its events is sealed, was
 * exported and is what its leaf was made of.  The hashes stay, so that every
 * root, proof and checkpoint is what it was; cims.pruned says which leaves have
 * no event any more, and an event tells of it, by which verification knows that
 * they were not simply taken away.  Events that tell of the record itself
 * (descriptions of tables, what began and ended, erasures and prunings) are
 * kept, in the partition for what has no other: what is left is read and
 * verified by them.
 *
 * The SQL functions have search_path set.
 *
 * Locking: the partition is kept from changing while its leaves are looked for;
 * only then the record is locked, for as long as it takes to drop one table.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "audit/audit.h"
#include "ledger/internal.h"

#define LOCK_TIMEOUT "2s"
#define MIN_RETENTION (183 * 24 * 60)      /* minutes: six months */
#define DEFAULT_RETENTION (1096 * 24 * 60) /* three years */

/* A run of leaves. */
typedef struct Run
{
	int32 incarnation;
	uint64 first;
	uint64 end;
} Run;

/* What a walk through the blocks looks for and finds. */
typedef struct Search
{
	Oid partition;
	MemoryContext context;
	List *pruned; /* of Run: leaves without events from before, by incarnation and first leaf */
	List *runs;   /* of Run: leaves of the partition's events that go */
	int64 found;  /* events of the partition */
	int64 kept;   /* those of them that stay */
} Search;

/* Setting cims.event_retention, in minutes. */
static int retention = DEFAULT_RETENTION;

static void check_partition(Oid partition);
static void check_age(Oid partition);
static void check_export(const Search *search);
static List *read_pruned(void);
static int64 count_events(Oid partition);
static void search_blocks(Search *search, bool all);
static void search_block(Search *search, const CimsBlock *block);
static bool is_kept(CimsOperation operation);
static uint64 skip_pruned(const Search *search, int32 incarnation, uint64 leaf);
static void check_leaf(const CimsBlock *block, uint64 leaf, CimsBytes entry);
static void add_leaf(Search *search, int32 incarnation, uint64 leaf);
static void note_pruned(const Search *search);
static void note_tables(Oid partition);
static void drop_partition(Oid partition);
static void run(const char *statement, int expected);
static void run_with(const char *statement, int n_args, Oid *types, Datum *args, int expected);
pg_noreturn static void raise_damage(const CimsBlock *block);

/* Define the setting. */
void
cims_ledger_prune_init(void)
{
	DefineCustomIntVariable("cims.event_retention",
							"How long events are kept at least before cims.prune_ledger() may drop them.",
							NULL, &retention, DEFAULT_RETENTION, MIN_RETENTION, INT_MAX, PGC_SIGHUP, GUC_UNIT_MIN, NULL, NULL, NULL);
	cims_audit_guard("pruned");
}

/* SQL: cims.event_retention() returns interval: how long events are kept at least. */
PG_FUNCTION_INFO_V1(cims_event_retention);
Datum
cims_event_retention(PG_FUNCTION_ARGS)
{
	Interval *interval = palloc0(sizeof(Interval));

	interval->day = retention / (24 * 60);
	interval->time = (TimeOffset) (retention % (24 * 60)) * USECS_PER_MINUTE;
	PG_RETURN_INTERVAL_P(interval);
}

/*
 * SQL: cims.prune_partition(partition oid) returns bigint: drops a partition of
 * cims.event, and returns how many events went.  Raises where it is younger
 * than the retention, or one of its events is not sealed, not exported, or not
 * what was sealed; lock_not_available where the record is in use for longer
 * than a moment.
 */
PG_FUNCTION_INFO_V1(cims_prune_partition);
Datum
cims_prune_partition(PG_FUNCTION_ARGS)
{
	Search search = {.partition = PG_GETARG_OID(0), .context = CurrentMemoryContext};
	CimsWriter writer;
	int64 n_events;

	check_partition(search.partition);
	LockRelationOid(search.partition, ShareUpdateExclusiveLock);
	cims_ledger_write_begin(&writer);
	check_age(search.partition);
	search.pruned = read_pruned();
	n_events = count_events(search.partition);
	search_blocks(&search, false);
	if (search.found != n_events)
		search_blocks(&search, true);
	if (search.found != n_events)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg_plural("%lld event of \"%s\" is not sealed", "%lld events of \"%s\" are not sealed", n_events - search.found,
							  (long long) (n_events - search.found), get_rel_name(search.partition)),
				errhint("Call cims.seal_ledger(), then cims.export_ledger()."));
	check_export(&search);
	note_pruned(&search);
	note_tables(search.partition);
	drop_partition(search.partition);
	cims_ledger_write_end(&writer);
	PG_RETURN_INT64(search.found - search.kept);
}

/*
 * SQL: cims.erase_events(seqs bigint[], keep_hash boolean) returns bigint[]:
 * erases the payloads of those of the events that are of rows (not of the
 * extension's own tables), disclosures or denials and have one, with the hash by which the row is found unless that is
 * to stay; returns the numbers of those that it erased.
 */
PG_FUNCTION_INFO_V1(cims_erase_events);
Datum
cims_erase_events(PG_FUNCTION_ARGS)
{
	Oid types[] = {INT8ARRAYOID, BOOLOID};
	Datum args[] = {PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)};
	CimsWriter writer;
	Datum result;
	bool isnull;

	/* what this transaction has recorded itself is to be found, too */
	cims_audit_flush();
	cims_ledger_write_begin(&writer);
	run_with("WITH erased AS ("
			 "UPDATE cims.event e SET payload = NULL, row_hash = CASE WHEN $2 THEN e.row_hash END "
			 "WHERE e.seq = ANY ($1) AND e.payload IS NOT NULL "
			 "AND chr(get_byte(e.entry, 1)) = ANY ('{I,U,D,B,V,X}') "
			 "AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = e.relation "
			 "AND c.relnamespace = 'cims'::regnamespace) RETURNING e.seq) "
			 "SELECT COALESCE(array_agg(seq ORDER BY seq), '{}') FROM erased",
			 2, types, args, SPI_OK_SELECT);
	result = SPI_datumTransfer(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull), false, -1);
	cims_ledger_write_end(&writer);
	PG_RETURN_DATUM(result);
}

/* Refuse what is not a partition of cims.event, or is the one for what has no other. */
static void
check_partition(Oid partition)
{
	List *partitions = find_inheritance_children(cims_ledger_table("event"), AccessShareLock);

	if (!list_member_oid(partitions, partition) || partition == cims_ledger_table("event_overflow"))
		ereport(ERROR,
				errcode(ERRCODE_WRONG_OBJECT_TYPE),
				errmsg("\"%s\" is not a partition of the record that can be dropped",
					   get_rel_name(partition) ? get_rel_name(partition) : "???"));
	list_free(partitions);
}

/* Refuse a partition that is too young. */
static void
check_age(Oid partition)
{
	Oid types[] = {OIDOID, INT4OID};
	Datum args[] = {ObjectIdGetDatum(partition), Int32GetDatum(retention)};
	bool isnull;
	Datum old;

	run_with("SELECT p.upper + make_interval(mins => $2) <= clock_timestamp() "
			 "FROM cims.event_partitions() p WHERE p.partition = $1",
			 2, types, args, SPI_OK_SELECT);
	old = SPI_processed == 1 ? SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull) : BoolGetDatum(false);
	if (!DatumGetBool(old))
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("\"%s\" holds events that are younger than the retention", get_rel_name(partition)),
				errdetail("Events are kept for %d days.", retention / (24 * 60)));
}

/* Refuse leaves that were not exported. */
static void
check_export(const Search *search)
{
	ListCell *cell;

	foreach (cell, search->runs)
	{
		Run *leaves = lfirst(cell);
		Oid types[] = {INT4OID, INT8OID};
		Datum args[] = {Int32GetDatum(leaves->incarnation), Int64GetDatum((int64) leaves->end)};

		/* a bundle of entries that is not full yet would be written again, from events */
		run_with("SELECT FROM cims.ledger_export e WHERE e.incarnation = $1 AND e.size - e.size % 256 >= $2",
				 2, types, args, SPI_OK_SELECT);
		if (SPI_processed == 0)
			ereport(ERROR,
					errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					errmsg("events of \"%s\" were not exported", get_rel_name(search->partition)),
					errdetail("Leaves up to " UINT64_FORMAT " of incarnation %d are to be in full bundles of 256 entries.", leaves->end - 1, leaves->incarnation),
					errhint("Call cims.export_ledger(), and keep what it writes."));
	}
}

/* Read which leaves have no events any more. */
static List *
read_pruned(void)
{
	List *pruned = NIL;

	run("SELECT incarnation, first_leaf, size FROM cims.pruned ORDER BY incarnation, first_leaf", SPI_OK_SELECT);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		Run *leaves = palloc(sizeof(Run));
		bool isnull;

		leaves->incarnation = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull));
		leaves->first = (uint64) DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2, &isnull));
		leaves->end = (uint64) DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 3, &isnull));
		pruned = lappend(pruned, leaves);
	}
	return pruned;
}

/* Count the events of a partition. */
static int64
count_events(Oid partition)
{
	bool isnull;

	run(psprintf("SELECT count(*) FROM ONLY cims.%s", quote_identifier(get_rel_name(partition))), SPI_OK_SELECT);
	return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}

/*
 * Look for the leaves of the partition's events: in the blocks that were sealed
 * since the partition begins, less what clocks are apart; or in all of them.
 */
static void
search_blocks(Search *search, bool all)
{
	Oid type = OIDOID;
	Datum partition = ObjectIdGetDatum(search->partition);
	int64 first = 1;
	bool isnull = true;
	Datum number = (Datum) 0;
	CimsBlock *last = cims_ledger_block(0);

	search->runs = NIL;
	search->found = search->kept = 0;
	if (!all)
	{
		run_with("SELECT min(b.number) FROM cims.block b, cims.event_partitions() p WHERE p.partition = $1 "
				 "AND b.sealed >= p.lower - '1 day'::interval",
				 1, &type, &partition, SPI_OK_SELECT);
		number = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	}
	if (!isnull)
		first = DatumGetInt64(number);
	for (int64 n = first; last != NULL && n <= last->number; n++)
	{
		CimsBlock *block = cims_ledger_block(n);

		if (block == NULL)
			ereport(ERROR, errcode(ERRCODE_DATA_CORRUPTED), errmsg("block %lld of the ledger is missing", (long long) n));
		search_block(search, block);
	}
}

/* Look for leaves in a block, and see that each of its events is what its leaf was made of. */
static void
search_block(Search *search, const CimsBlock *block)
{
	MemoryContext context = AllocSetContextCreate(search->context, "cims pruned block", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	uint64 leaf = block->first_leaf;
	CimsDeltaRange range;
	CimsDelta *delta;
	CimsDeltaEvent event;

	cims_delta_of_block(block, &range);
	delta = cims_delta_begin(&range, GetActiveSnapshot());
	while (cims_delta_next(delta, &event))
	{
		CimsEntry entry;

		leaf = skip_pruned(search, block->incarnation, leaf);
		if (leaf >= block->size || !cims_entry_parse(event.entry, &entry))
			raise_damage(block);
		check_leaf(block, leaf, event.entry);
		if (event.slot->tts_tableOid == search->partition)
		{
			search->found++;
			if (is_kept(entry.operation))
				search->kept++;
			else
				add_leaf(search, block->incarnation, leaf);
		}
		leaf++;
	}
	cims_delta_end(delta);
	if (skip_pruned(search, block->incarnation, leaf) < block->size)
		raise_damage(block);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
}

/* Tell whether an event is kept beyond its retention. */
static bool
is_kept(CimsOperation operation)
{
	return operation == CIMS_OP_DESCRIPTOR || operation == CIMS_OP_RECORD;
}

/* Pass over leaves that have no events any more. */
static uint64
skip_pruned(const Search *search, int32 incarnation, uint64 leaf)
{
	ListCell *cell;

	foreach (cell, search->pruned)
	{
		Run *pruned = lfirst(cell);

		if (pruned->incarnation == incarnation && pruned->first <= leaf && leaf < pruned->end)
			leaf = pruned->end;
	}
	return leaf;
}

/* See that an entry is what a leaf was made of. */
static void
check_leaf(const CimsBlock *block, uint64 leaf, CimsBytes entry)
{
	static CimsMerkleHash hashes[CIMS_TILE_WIDTH];
	CimsMerkleHash hash;
	int n = cims_tile_fetch(block->incarnation, 0, leaf / CIMS_TILE_WIDTH, hashes, NULL);

	cims_merkle_check(cims_merkle_hash_leaf(entry, &hash), "hash a leaf");
	if ((int) (leaf % CIMS_TILE_WIDTH) >= n || !cims_merkle_equal(&hashes[leaf % CIMS_TILE_WIDTH], &hash))
		raise_damage(block);
}

/* Add a leaf to those that lose their events. */
static void
add_leaf(Search *search, int32 incarnation, uint64 leaf)
{
	MemoryContext caller = MemoryContextSwitchTo(search->context);
	Run *last = search->runs == NIL ? NULL : llast(search->runs);

	if (last != NULL && last->incarnation == incarnation && last->end == leaf)
		last->end++;
	else
	{
		Run *leaves = palloc(sizeof(Run));

		*leaves = (Run){incarnation, leaf, leaf + 1};
		search->runs = lappend(search->runs, leaves);
	}
	MemoryContextSwitchTo(caller);
}

/* Record which leaves lose their events, and note them. */
static void
note_pruned(const Search *search)
{
	Oid types[] = {INT4OID, INT8OID, INT8OID, INT8OID};
	StringInfoData json;
	ListCell *cell;
	int64 seq;

	initStringInfo(&json);
	appendStringInfo(&json, "{\"event\": \"pruned\", \"partition\": \"%s\", \"events\": %lld, \"kept\": %lld, \"leaves\": [",
					 get_rel_name(search->partition), (long long) (search->found - search->kept), (long long) search->kept);
	foreach (cell, search->runs)
	{
		Run *leaves = lfirst(cell);

		appendStringInfo(&json, "%s[%d, " UINT64_FORMAT ", " UINT64_FORMAT "]", foreach_current_index(cell) > 0 ? ", " : "", leaves->incarnation,
						 leaves->first, leaves->end);
	}
	appendStringInfoString(&json, "]}");
	seq = cims_audit_record(CIMS_OP_RECORD, InvalidOid, json.data);
	foreach (cell, search->runs)
	{
		Run *leaves = lfirst(cell);
		Datum args[] = {Int32GetDatum(leaves->incarnation), Int64GetDatum((int64) leaves->first),
						Int64GetDatum((int64) leaves->end), Int64GetDatum(seq)};

		run_with("INSERT INTO cims.pruned (incarnation, first_leaf, size, seq) VALUES ($1, $2, $3, $4)", 4, types, args, SPI_OK_INSERT);
	}
}

/* Record for each table whose events go since when its rows are known: since their last images. */
static void
note_tables(Oid partition)
{
	SPITupleTable *found;
	uint64 n;

	run(psprintf("SELECT r.relation, (SELECT max(e.seq) FROM cims.event e, cims.event_detail(e.seq, e.relation, e.entry, e.payload) d "
				 "WHERE e.relation = r.relation AND chr(get_byte(e.entry, 1)) = 'M' AND (d.detail->>'baseline')::boolean) "
				 "FROM (SELECT DISTINCT p.relation FROM cims.%s p WHERE chr(get_byte(p.entry, 1)) = ANY ('{I,U,D,T,B}')) r",
				 quote_identifier(get_rel_name(partition))),
		SPI_OK_SELECT);
	found = SPI_tuptable;
	n = SPI_processed;
	for (uint64 i = 0; i < n; i++)
	{
		bool isnull;
		Oid relation = DatumGetObjectId(SPI_getbinval(found->vals[i], found->tupdesc, 1, &isnull));
		Datum images = SPI_getbinval(found->vals[i], found->tupdesc, 2, &isnull);

		cims_audit_record(CIMS_OP_RECORD, relation,
						  isnull ? "{\"event\": \"events dropped\"}" : psprintf("{\"event\": \"events dropped\", \"images\": %lld}", (long long) DatumGetInt64(images)));
	}
}

/* Drop a partition, but for the events that are kept. */
static void
drop_partition(Oid partition)
{
	const char *name = quote_identifier(get_rel_name(partition));
	Oid type = get_rel_type_id(partition);

	run("SET LOCAL lock_timeout = '" LOCK_TIMEOUT "'", SPI_OK_UTILITY);
	run(psprintf("ALTER TABLE cims.event DETACH PARTITION cims.%s", name), SPI_OK_UTILITY);
	run(psprintf("INSERT INTO cims.event_overflow SELECT * FROM cims.%s e "
				 "WHERE chr(get_byte(e.entry, 1)) = ANY ('{R,M}')",
				 name),
		SPI_OK_INSERT);
	/* a member of an extension can only be dropped with it; from PostgreSQL 17 on the types of its rows may be members too */
	deleteDependencyRecordsForClass(RelationRelationId, partition, ExtensionRelationId, DEPENDENCY_EXTENSION);
	deleteDependencyRecordsForClass(TypeRelationId, type, ExtensionRelationId, DEPENDENCY_EXTENSION);
	deleteDependencyRecordsForClass(TypeRelationId, get_array_type(type), ExtensionRelationId, DEPENDENCY_EXTENSION);
	CommandCounterIncrement();
	run(psprintf("DROP TABLE cims.%s", name), SPI_OK_UTILITY);
}

/* Run a statement. */
static void
run(const char *statement, int expected)
{
	run_with(statement, 0, NULL, NULL, expected);
}

/* Run a statement with arguments. */
static void
run_with(const char *statement, int n_args, Oid *types, Datum *args, int expected)
{
	if (SPI_execute_with_args(statement, n_args, types, args, NULL, false, 0) != expected)
		elog(ERROR, "could not prune the record");
}

/* Refuse to take away what would prove that something is wrong. */
static void
raise_damage(const CimsBlock *block)
{
	ereport(ERROR,
			errcode(ERRCODE_DATA_CORRUPTED),
			errmsg("the events of block %lld of the ledger are not those that were sealed", (long long) block->number),
			errhint("Call cims.verify_ledger()."));
}
