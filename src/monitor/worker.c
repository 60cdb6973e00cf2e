/*
 * worker.c
 *		The worker: connects to one database, does what is to be done, and leaves.
 *
 * Each job stands by itself: what one fails with is stored, logged where it is
 * news, and does not keep the next one from being done.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "keyring/keyring.h"
#include "ledger/ledger.h"
#include "monitor/internal.h"

/* How a job is done, and what completes "could not ..." where it is not. */
typedef struct Job
{
	void (*run)(void);
	const char *what;
} Job;

static void handle_sigterm(SIGNAL_ARGS);
static bool has_ledger(void);
static void run_job(CimsJob which);
static void seal(void);
static void make_partitions(void);
static void watch(void);
static void call_function(const char *name);

static const Job jobs[CIMS_JOBS] = {
	[CIMS_JOB_SEAL] = {seal, "seal the ledger"},
	[CIMS_JOB_PARTITIONS] = {make_partitions, "make partitions of the audit record"},
	[CIMS_JOB_WATCH] = {watch, "watch the audit record"},
};

/* What the owner of a database, who need not be a superuser, or of a role may have set otherwise. */
static const struct
{
	const char *name;
	const char *value;
} settings[] = {
	/* compiling the queries of the watch would take a hundred times as long as they do */
	{"jit", "off"},
	{"default_transaction_read_only", "off"},
	{"default_transaction_isolation", "read committed"},
	{"standard_conforming_strings", "on"},
	{"lock_timeout", "0"},
	{"search_path", "pg_catalog, pg_temp"},
};

/* Run a worker. */
void
cims_monitor_worker_main(Datum argument)
{
	uint64 what = DatumGetUInt64(argument);

	pqsignal(SIGTERM, handle_sigterm);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid((Oid) what, InvalidOid, 0);
	for (int i = 0; i < lengthof(settings); i++)
		SetConfigOption(settings[i].name, settings[i].value, PGC_USERSET, PGC_S_SESSION);
	if (!has_ledger())
		return;
	run_job(CIMS_JOB_SEAL);
	if ((what & CIMS_FULL_VISIT) != 0)
	{
		run_job(CIMS_JOB_PARTITIONS);
		run_job(CIMS_JOB_WATCH);
	}
	cims_visits_end(MyDatabaseId);
}

/* Be asked to leave: what is being done is cancelled, and nothing is logged. */
static void
handle_sigterm(SIGNAL_ARGS)
{
	int saved = errno;

	ShutdownRequestPending = true;
	QueryCancelPending = true;
	InterruptPending = true;
	SetLatch(MyLatch);
	errno = saved;
}

/* Tell whether this database has the extension, with a ledger. */
static bool
has_ledger(void)
{
	bool has;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	has = OidIsValid(cims_table_oid("block"));
	PopActiveSnapshot();
	CommitTransactionCommand();
	return has;
}

/* Do a job, and note how it went. */
static void
run_job(CimsJob which)
{
	const Job *job = &jobs[which];
	MemoryContext context = CurrentMemoryContext;
	ErrorData *volatile error = NULL;

	pgstat_report_activity(STATE_RUNNING, job->what);
	PG_TRY();
	{
		SetCurrentStatementStartTimestamp();
		StartTransactionCommand();
		job->run();
		CommitTransactionCommand();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(TopMemoryContext);
		HOLD_INTERRUPTS();
		error = CopyErrorData();
		FlushErrorState();
		AbortCurrentTransaction();
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	pgstat_report_stat(true);
	pgstat_report_activity(STATE_IDLE, NULL);
	if (error != NULL)
		cims_pending_mark_now();
	if (ShutdownRequestPending)
		proc_exit(0);

	if (cims_visits_note(MyDatabaseId, which, error == NULL ? NULL : error->message) && error != NULL)
		ereport(LOG,
				errcode(error->sqlerrcode),
				errmsg("the cims worker for database %u could not %s: %s", MyDatabaseId, job->what, error->message),
				error->detail == NULL ? 0 : errdetail_internal("%s", error->detail),
				error->hint == NULL ? 0 : errhint("%s", error->hint));
}

/* Seal; leave it to another sealer where there is one, and look again after it. */
static void
seal(void)
{
	CimsSealResult result;

	if (!cims_keyring_initialised())
		return;
	if (!cims_ledger_seal(false, false, &result))
		cims_pending_mark_now();
	if (result.refused)
		ereport(LOG,
				errcode(ERRCODE_DATA_CORRUPTED),
				errmsg("the ledger of database %u did not agree with its witness file", MyDatabaseId),
				errdetail("A checkpoint was signed that this database does not know: it is an older copy, or another one. The ledger goes on in a new incarnation that names that checkpoint."),
				errhint("See cims.ledger_incarnation, and find out what was put back or promoted."));
}

/* Make the partitions of the audit record that will be needed. */
static void
make_partitions(void)
{
	call_function("make_event_partitions");
}

/* Compare what is audited with what is to be. */
static void
watch(void)
{
	call_function("audit_watch");
}

/* Call a function of the extension that takes nothing, where there is one. */
static void
call_function(const char *name)
{
	Oid schema = get_namespace_oid("cims", true);
	FuncCandidateList found;
	char statement[NAMEDATALEN + 32];

	if (!OidIsValid(schema))
		return;
	found = FuncnameGetCandidates(list_make2(makeString("cims"), makeString(pstrdup(name))), 0, NIL, false, false, false, true);
	if (found == NULL)
		return;
	snprintf(statement, sizeof(statement), "SELECT cims.%s()", name);
	PushActiveSnapshot(GetTransactionSnapshot());
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	if (SPI_execute(statement, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not call function cims.%s", name);
	SPI_finish();
	PopActiveSnapshot();
}
