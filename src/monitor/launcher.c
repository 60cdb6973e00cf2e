/*
 * launcher.c
 *		The launcher: one process in the cluster, connected to no database.
 *
 * Every cims.seal_period it takes the marks of the databases that have events
 * to seal, and starts a worker in each; every cims.watch_period, and when it
 * starts, in each database there is.  Workers leave when they have done their
 * work: one that stayed would keep its database from being dropped or copied.
 * One that is at work while somebody waits to do so is sent away.
 *
 * It runs only where recovery is over, so on a standby from its promotion on.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "monitor/internal.h"

#define MAX_WORKERS 4
#define MAX_MARKS 1024
#define RESTART_SECONDS 5

/* A database that is to be visited, or is being. */
typedef struct Target
{
	Oid database;
	bool wanted;
	bool full; /* with all jobs */
	BackgroundWorkerHandle *worker;
} Target;

static Target *targets;
static int n_targets;
static int n_room;
static bool said_full; /* that no worker could be started was logged */

static void look_around(bool full);
static Target *find_target(Oid database);
static void want_every(void);
static int running(void);
static void start_workers(void);
static bool start_worker(Target *target);
static void send_away(void);
static void forget_done(void);
static long next_wait(TimestampTz last_look);

/* Register the launcher with the postmaster, unless that serves pg_upgrade. */
void
cims_monitor_launcher_register(void)
{
	BackgroundWorker worker = {.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
							   .bgw_start_time = BgWorkerStart_RecoveryFinished,
							   .bgw_restart_time = RESTART_SECONDS};

	if (IsBinaryUpgrade)
		return;
	snprintf(worker.bgw_name, BGW_MAXLEN, "cims launcher");
	snprintf(worker.bgw_type, BGW_MAXLEN, "cims launcher");
	snprintf(worker.bgw_library_name, BGW_MAXLEN, "cims");
	snprintf(worker.bgw_function_name, BGW_MAXLEN, "cims_monitor_launcher_main");
	RegisterBackgroundWorker(&worker);
}

/* Run the launcher. */
void
cims_monitor_launcher_main(Datum argument)
{
	TimestampTz last_look = 0;
	TimestampTz last_full = 0;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	MemoryContextSwitchTo(TopMemoryContext);

	for (;;)
	{
		TimestampTz now;

		CHECK_FOR_INTERRUPTS();
		/* not 0, which would keep it from being started again where it alone was stopped */
		if (ShutdownRequestPending)
			proc_exit(1);
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		forget_done();
		now = GetCurrentTimestamp();
		if (cims_seal_period > 0 && TimestampDifferenceExceeds(last_look, now, cims_seal_period))
		{
			bool full = last_full == 0 || TimestampDifferenceExceeds(last_full, now, cims_watch_period * 1000);

			look_around(full);
			last_look = now;
			if (full)
				last_full = now;
		}
		start_workers();
		send_away();
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, next_wait(last_look), PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
}

/* See which databases are to be visited. */
static void
look_around(bool full)
{
	Oid marked[MAX_MARKS];
	bool every;
	int n = cims_pending_take(marked, MAX_MARKS, &every);

	for (int i = 0; i < n; i++)
		find_target(marked[i])->wanted = true;
	if (full || every)
		want_every();
}

/* Find a database among those to be visited, or add it. */
static Target *
find_target(Oid database)
{
	for (int i = 0; i < n_targets; i++)
	{
		if (targets[i].database == database)
			return &targets[i];
	}
	if (n_targets == n_room)
	{
		n_room = Max(16, n_room * 2);
		targets = targets == NULL ? palloc(n_room * sizeof(Target)) : repalloc(targets, n_room * sizeof(Target));
	}
	targets[n_targets] = (Target){.database = database};
	return &targets[n_targets++];
}

/* Have every database visited that lets itself be connected to, with all jobs. */
static void
want_every(void)
{
	MemoryContext context = CurrentMemoryContext;
	Relation rel;
	TableScanDesc scan;
	HeapTuple tuple;

	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	rel = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(rel, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database database = (Form_pg_database) GETSTRUCT(tuple);
		MemoryContext inner = MemoryContextSwitchTo(context);

		/* a negative limit other than -1 marks a database whose removal was interrupted */
		if (database->datallowconn && database->datconnlimit >= -1)
		{
			Target *target = find_target(database->oid);

			target->wanted = target->full = true;
		}
		MemoryContextSwitchTo(inner);
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
}

/* Count the workers at work. */
static int
running(void)
{
	int n = 0;

	for (int i = 0; i < n_targets; i++)
		n += targets[i].worker != NULL;
	return n;
}

/* Start workers where they are wanted, as many as may run at once. */
static void
start_workers(void)
{
	TimestampTz now = GetCurrentTimestamp();
	int n = running();

	for (int i = 0; i < n_targets && n < MAX_WORKERS && cims_seal_period > 0; i++)
	{
		Target *target = &targets[i];
		CimsVisits visits;

		if (!target->wanted || target->worker != NULL)
			continue;
		cims_visits_read(target->database, &visits);
		if (visits.retry > now)
			continue;
		if (!start_worker(target))
			break;
		n += target->worker != NULL;
	}
}

/* Start a worker in a database, unless that is gone; false where no more can be started. */
static bool
start_worker(Target *target)
{
	BackgroundWorker worker = {.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
							   .bgw_start_time = BgWorkerStart_RecoveryFinished,
							   .bgw_restart_time = BGW_NEVER_RESTART,
							   .bgw_notify_pid = MyProcPid};
	MemoryContext context = CurrentMemoryContext;
	bool exists;
	bool started = true;

	StartTransactionCommand();
	exists = get_database_name(target->database) != NULL;
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
	if (exists)
	{
		snprintf(worker.bgw_name, BGW_MAXLEN, "cims worker for database %u", target->database);
		snprintf(worker.bgw_type, BGW_MAXLEN, "cims worker");
		snprintf(worker.bgw_library_name, BGW_MAXLEN, "cims");
		snprintf(worker.bgw_function_name, BGW_MAXLEN, "cims_monitor_worker_main");
		worker.bgw_main_arg = UInt64GetDatum((uint64) target->database | (target->full ? CIMS_FULL_VISIT : 0));
		started = RegisterDynamicBackgroundWorker(&worker, &target->worker);
		if (!started && !said_full)
			ereport(LOG,
					errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
					errmsg("no background worker is free to seal the ledger"),
					errhint("Increase max_worker_processes."));
		said_full = !started;
	}
	if (started)
		target->wanted = target->full = false;
	else
		target->worker = NULL;
	return started;
}

/* Send a worker away from a database that somebody waits to drop or to copy. */
static void
send_away(void)
{
	MemoryContext context = CurrentMemoryContext;

	for (int i = 0; i < n_targets; i++)
	{
		Target *target = &targets[i];
		LOCKTAG tag;

		if (target->worker == NULL)
			continue;
		SET_LOCKTAG_OBJECT(tag, InvalidOid, DatabaseRelationId, target->database, 0);
		StartTransactionCommand();
		if (LockAcquire(&tag, RowExclusiveLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
		{
			TerminateBackgroundWorker(target->worker);
			target->wanted = true;
		}
		CommitTransactionCommand();
		MemoryContextSwitchTo(context);
	}
}

/* Forget the workers that have left, and the databases that nothing is to be done in. */
static void
forget_done(void)
{
	for (int i = 0; i < n_targets;)
	{
		Target *target = &targets[i];
		pid_t pid;

		if (target->worker != NULL && GetBackgroundWorkerPid(target->worker, &pid) == BGWH_STOPPED)
		{
			pfree(target->worker);
			target->worker = NULL;
		}
		if (target->worker == NULL && !target->wanted)
			*target = targets[--n_targets];
		else
			i++;
	}
}

/* Tell how long to wait: until the next look, but not long while workers are at work or wait. */
static long
next_wait(TimestampTz last_look)
{
	long wait = cims_seal_period == 0 ? 3600 * 1000 :
										TimestampDifferenceMilliseconds(GetCurrentTimestamp(),
																		TimestampTzPlusMilliseconds(last_look, cims_seal_period));

	return n_targets > 0 ? Min(wait, 200) : Max(wait, 10);
}
