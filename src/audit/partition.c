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

static TimestampTz last_bound(void);
static TimestampTz first_start(TimestampTz top);
static TimestampTz next_start(TimestampTz start, int periods);
static void make_partition(TimestampTz from, TimestampTz to);
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
	bool former;
	int nesting;
	TimestampTz start;
	TimestampTz end;

	cims_audit_require();
	SPI_connect();
	nesting = NewGUCNestLevel();
	(void) set_config_option("lock_timeout", LOCK_TIMEOUT, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	(void) set_config_option("TimeZone", "UTC", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	/* one at a time */
	LockRelationOid(cims_audit_oids()->event, ShareUpdateExclusiveLock);
	former = cims_audit_writing(true);

	end = next_start(GetCurrentTimestamp(), ahead + 1);
	start = last_bound();
	if (start < end)
		start = first_start(start);
	while (start < end)
	{
		TimestampTz next = next_start(start, 1);

		make_partition(start, next);
		start = next;
		made++;
	}

	(void) cims_audit_writing(former);
	AtEOXact_GUC(true, nesting);
	SPI_finish();
	PG_RETURN_INT32(made);
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

/* Make one partition and attach it. */
static void
make_partition(TimestampTz from, TimestampTz to)
{
	Oid schema = get_namespace_oid("cims", false);
	char *from_text = pstrdup(timestamptz_to_str(from));
	char *to_text = pstrdup(timestamptz_to_str(to));
	char *name = psprintf("event_%.4s%.2s%.2s", from_text, from_text + 5, from_text + 8);
	ObjectAddress table;
	ObjectAddress extension;

	/* where the span was changed meanwhile, two may begin on one day */
	if (OidIsValid(get_relname_relid(name, schema)))
		name = psprintf("%s_%.2s%.2s", name, from_text + 11, from_text + 14);
	run(psprintf("CREATE TABLE cims.%s (LIKE cims.event INCLUDING ALL)", quote_identifier(name)));
	run(psprintf("REVOKE ALL ON cims.%s FROM PUBLIC", quote_identifier(name)));
	/* ANALYZE would keep samples of what may be erased */
	run(psprintf("ALTER TABLE cims.%s ALTER payload SET STATISTICS 0", quote_identifier(name)));
	run(psprintf("COMMENT ON TABLE cims.%s IS 'part of the audit record, from %s'", quote_identifier(name), from_text));
	run(psprintf("ALTER TABLE cims.event ATTACH PARTITION cims.%s FOR VALUES FROM ('%s') TO ('%s')",
				 quote_identifier(name), from_text, to_text));

	/* a member of the extension: else pg_dump would dump it, and what it holds */
	if (creating_extension)
		return;
	ObjectAddressSet(table, RelationRelationId, get_relname_relid(name, schema));
	ObjectAddressSet(extension, ExtensionRelationId, get_extension_oid("cims", false));
	recordDependencyOn(&table, &extension, DEPENDENCY_EXTENSION);
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
