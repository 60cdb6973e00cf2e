/*
 * partition.c
 *		Make the partitions of cims.event, ahead of time.
 *
 * A partition is made by CREATE TABLE (LIKE ...) and ATTACH, which no writer
 * waits for: CREATE TABLE ... PARTITION OF would lock the parent against all.
 * ATTACH locks the default partition against everybody, though: who reads the
 * record for long would be waited for, and others would wait behind.  So it
 * waits no longer than a moment, and is tried again by the next call.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "audit/internal.h"

#define LOCK_TIMEOUT "2s"

/* What is done to the record: how settings stood before. */
typedef struct Work
{
	int nesting;
	bool writing;
} Work;

/* The span of time that a partition holds. */
typedef enum Period
{
	PERIOD_DAY,
	PERIOD_WEEK,
	PERIOD_MONTH
} Period;

static const struct config_enum_entry period_options[] = {
	{"day", PERIOD_DAY, false},
	{"week", PERIOD_WEEK, false},
	{"month", PERIOD_MONTH, false},
	{NULL, 0, false},
};

/* Settings cims.event_partition and cims.event_partitions_ahead. */
static int period = PERIOD_MONTH;
static int ahead = 3;

static void begin_work(Work *work);
static void end_work(const Work *work);
static TimestampTz last_bound(void);
static TimestampTz first_start(TimestampTz top);
static TimestampTz next_start(TimestampTz start, int periods);
static int64 make_partition(TimestampTz from, TimestampTz to, bool sweep);
static bool find_gap(TimestampTz *from, TimestampTz *to);
static int64 move_overflow(const char *partition, const char *from, const char *to);
static TimestampTz ask_time(const char *query, int n_args, Oid *types, Datum *args);
static void run(const char *command);

/* Define the settings. */
void
cims_audit_partition_init(void)
{
	DefineCustomEnumVariable("cims.event_partition",
							 "The span of time that each partition of the audit record holds.",
							 NULL, &period, PERIOD_MONTH, period_options,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("cims.event_partitions_ahead",
							"How many partitions of the audit record are made ahead of time.",
							NULL, &ahead, 3, 1, 100,
							PGC_SUSET, 0, NULL, NULL, NULL);
}

/*
 * SQL: cims.make_event_partitions() returns int: makes the partitions of
 * cims.event for now and for the time ahead that are not there yet; returns
 * how many.  Raises lock_not_available where the record is in use for longer
 * than a moment.
 */
PG_FUNCTION_INFO_V1(cims_make_event_partitions);
Datum
cims_make_event_partitions(PG_FUNCTION_ARGS)
{
	int made = 0;
	Work work;
	TimestampTz start;
	TimestampTz end;

	begin_work(&work);
	end = next_start(GetCurrentTimestamp(), ahead + 1);
	start = last_bound();
	if (start < end)
		start = first_start(start);
	while (start < end)
	{
		TimestampTz next = next_start(start, 1);

		(void) make_partition(start, next, false);
		start = next;
		made++;
	}
	end_work(&work);
	PG_RETURN_INT32(made);
}

/*
 * SQL: cims.sweep_overflow() returns bigint: gives the events in
 * cims.event_overflow, for whose time no partition was made, partitions of
 * their own, and returns how many events that were.  They are moved as they
 * are, as are the events that retention keeps.  Those before the first
 * partition were kept so, and stay; those behind the last wait until
 * cims.make_event_partitions has made the present one.
 */
PG_FUNCTION_INFO_V1(cims_sweep_overflow);
Datum
cims_sweep_overflow(PG_FUNCTION_ARGS)
{
	int64 moved = 0;
	Work work;
	TimestampTz from;
	TimestampTz to;

	begin_work(&work);
	LockRelationOid(cims_audit_oids()->overflow, AccessExclusiveLock);
	while (find_gap(&from, &to))
		moved += make_partition(from, to, true);
	end_work(&work);
	PG_RETURN_INT64(moved);
}

/* Begin to work on the partitions: one at a time does. */
static void
begin_work(Work *work)
{
	cims_audit_require();
	SPI_connect();
	work->nesting = NewGUCNestLevel();
	(void) set_config_option("lock_timeout", LOCK_TIMEOUT, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	(void) set_config_option("TimeZone", "UTC", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	LockRelationOid(cims_audit_oids()->event, ShareUpdateExclusiveLock);
	work->writing = cims_audit_writing(true);
}

/* End it. */
static void
end_work(const Work *work)
{
	(void) cims_audit_writing(work->writing);
	AtEOXact_GUC(true, work->nesting);
	SPI_finish();
}

/* Return the upper bound of the last partition, DT_NOBEGIN where there is none. */
static TimestampTz
last_bound(void)
{
	Relation parent = table_open(cims_audit_oids()->event, NoLock);
	PartitionBoundInfo bounds = RelationGetPartitionDesc(parent, true)->boundinfo;
	TimestampTz top = DT_NOBEGIN;

	if (bounds != NULL && bounds->ndatums > 0)
		top = DatumGetTimestampTz(bounds->datums[bounds->ndatums - 1][0]);
	table_close(parent, NoLock);
	return top;
}

/*
 * Return where the first new partition begins: where the last one ends, or with
 * the present period; but behind what is in the default partition, which would
 * else contradict it.
 */
static TimestampTz
first_start(TimestampTz top)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz present = next_start(now, 0);
	TimestampTz overflow;

	if (top > now)
		return top;
	/* from here on nobody writes there */
	LockRelationOid(cims_audit_oids()->overflow, AccessExclusiveLock);
	overflow = ask_time("SELECT pg_catalog.date_trunc('minute', pg_catalog.max(at)) + '1 minute'::pg_catalog.interval FROM ONLY cims.event_overflow",
						0, NULL, NULL);
	return Max(Max(top, present), overflow);
}

/* Return when the period begins that is a number of periods after the one of a time. */
static TimestampTz
next_start(TimestampTz start, int periods)
{
	static const char *const names[] = {"day", "week", "month"};
	Oid types[] = {TEXTOID, TIMESTAMPTZOID, INT4OID};
	Datum args[] = {CStringGetTextDatum(names[period]), TimestampTzGetDatum(start), Int32GetDatum(periods)};

	return ask_time("SELECT pg_catalog.date_trunc($1, $2) + ('1 ' || $1)::pg_catalog.interval * $3", 3, types, args);
}

/* Make one partition and attach it, where told with what the default partition holds for it; return how many events that is. */
static int64
make_partition(TimestampTz from, TimestampTz to, bool sweep)
{
	Oid schema = get_namespace_oid("cims", false);
	char *from_text = pstrdup(timestamptz_to_str(from));
	char *to_text = pstrdup(timestamptz_to_str(to));
	char *name = psprintf("event_%.4s%.2s%.2s", from_text, from_text + 5, from_text + 8);
	ObjectAddress table;
	ObjectAddress extension;
	int64 moved = 0;

	/* where the span was changed meanwhile, two may begin on one day */
	if (OidIsValid(get_relname_relid(name, schema)))
		name = psprintf("%s_%.2s%.2s", name, from_text + 11, from_text + 14);
	run(psprintf("CREATE TABLE cims.%s (LIKE cims.event INCLUDING ALL)", quote_identifier(name)));
	run(psprintf("REVOKE ALL ON cims.%s FROM PUBLIC", quote_identifier(name)));
	/* ANALYZE would keep samples of what may be erased */
	run(psprintf("ALTER TABLE cims.%s ALTER payload SET STATISTICS 0", quote_identifier(name)));
	run(psprintf("COMMENT ON TABLE cims.%s IS 'part of the audit record, from %s'", quote_identifier(name), from_text));
	if (sweep)
		moved = move_overflow(name, from_text, to_text);
	run(psprintf("ALTER TABLE cims.event ATTACH PARTITION cims.%s FOR VALUES FROM ('%s') TO ('%s')",
				 quote_identifier(name), from_text, to_text));

	/* a member of the extension: else pg_dump would dump it, and what it holds */
	if (creating_extension)
		return moved;
	ObjectAddressSet(table, RelationRelationId, get_relname_relid(name, schema));
	ObjectAddressSet(extension, ExtensionRelationId, get_extension_oid("cims", false));
	recordDependencyOn(&table, &extension, DEPENDENCY_EXTENSION);
	return moved;
}

/* Find the time between two partitions of the oldest event in the default partition that lies between any; false where none does. */
static bool
find_gap(TimestampTz *from, TimestampTz *to)
{
	Oid type = TIMESTAMPTZOID;
	TimestampTz oldest = ask_time("SELECT pg_catalog.min(o.at) FROM ONLY cims.event_overflow o WHERE o.at >= "
								  "(SELECT pg_catalog.min(p.lower) FROM cims.event_partitions() p)",
								  0, NULL, NULL);
	Datum moment = TimestampTzGetDatum(oldest);

	if (TIMESTAMP_IS_NOBEGIN(oldest))
		return false;
	*from = ask_time("SELECT pg_catalog.max(p.upper) FROM cims.event_partitions() p WHERE p.upper <= $1", 1, &type, &moment);
	*to = ask_time("SELECT pg_catalog.min(p.lower) FROM cims.event_partitions() p WHERE p.lower > $1", 1, &type, &moment);
	return !TIMESTAMP_IS_NOBEGIN(*from) && !TIMESTAMP_IS_NOBEGIN(*to);
}

/* Move the events of a span of time from the default partition into a table, as they are. */
static int64
move_overflow(const char *partition, const char *from, const char *to)
{
	char *command = psprintf("WITH moved AS (DELETE FROM ONLY cims.event_overflow o WHERE o.at >= '%s' AND o.at < '%s' RETURNING o.*) "
							 "INSERT INTO cims.%s SELECT m.* FROM moved m",
							 from, to, quote_identifier(partition));
	int64 moved;

	if (SPI_execute(command, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not move events to a partition of the audit record");
	moved = SPI_processed;
	(void) cims_audit_record(CIMS_OP_RECORD, InvalidOid,
							 psprintf("{\"event\": \"overflow swept\", \"from\": \"%s\", \"to\": \"%s\", \"events\": %lld}", from, to, (long long) moved));
	return moved;
}

/* Return the time that a query gives, DT_NOBEGIN for NULL. */
static TimestampTz
ask_time(const char *query, int n_args, Oid *types, Datum *args)
{
	bool isnull;
	Datum value;

	if (SPI_execute_with_args(query, n_args, types, args, NULL, false, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not compute the bounds of a partition");
	value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	return isnull ? DT_NOBEGIN : DatumGetTimestampTz(value);
}

/* Run a command. */
static void
run(const char *command)
{
	if (SPI_execute(command, false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "could not make a partition of the audit record");
}
