/*
 * durable.c
 *		Wait until what is visible cannot be lost any more.
 *
 * A committed block may be visible before it is safe: its commit waited for a
 * synchronous standby, and the wait was cancelled.  So before a checkpoint is
 * handed out, everything written so far is flushed, and waited for as a commit
 * waits; that the wait was not cancelled is looked up, as it returns alike.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "replication/syncrep.h"
#include "replication/walsender.h"
#include "replication/walsender_private.h"
#include "storage/lwlock.h"
#include "utils/guc.h"

#include "ledger/internal.h"

static XLogRecPtr written_end(void);
static bool is_acknowledged(XLogRecPtr lsn);

/* Wait until all that is visible now is on disk here and on the synchronous standbys. */
void
cims_ledger_wait_durable(void)
{
	XLogRecPtr end = written_end();
	int level = NewGUCNestLevel();

	XLogFlush(end);
	cims_ledger_synchronous();
	if (SyncRepRequested())
	{
		HOLD_INTERRUPTS();
		SyncRepWaitForLSN(end, false);
		RESUME_INTERRUPTS();
	}
	AtEOXact_GUC(true, level);
	CHECK_FOR_INTERRUPTS();
	if (!is_acknowledged(end))
		ereport(ERROR,
				errcode(ERRCODE_QUERY_CANCELED),
				errmsg("the checkpoint is not on the synchronous standbys yet"),
				errhint("Ask again when they are back."));
}

/* Make commits of this transaction, or of this nest level, wait for the disk and the standbys whatever the settings. */
void
cims_ledger_synchronous(void)
{
	if (synchronous_commit < SYNCHRONOUS_COMMIT_REMOTE_FLUSH)
		(void) set_config_option("synchronous_commit", "on", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

/* Return where the log that was written so far ends. */
static XLogRecPtr
written_end(void)
{
	XLogRecPtr next = GetXLogInsertRecPtr();

	/* at the beginning of a page this is where the next record will stand, behind the page's header */
	if (XLogSegmentOffset(next, wal_segment_size) == SizeOfXLogLongPHD)
		next -= SizeOfXLogLongPHD;
	else if (next % XLOG_BLCKSZ == SizeOfXLogShortPHD)
		next -= SizeOfXLogShortPHD;
	return next;
}

/* Tell whether the synchronous standbys, where there are to be some, have flushed up to a point. */
static bool
is_acknowledged(XLogRecPtr lsn)
{
	bool acknowledged;

	if (max_wal_senders == 0 || SyncRepStandbyNames == NULL || SyncRepStandbyNames[0] == '\0')
		return true;
	LWLockAcquire(SyncRepLock, LW_SHARED);
	acknowledged = WalSndCtl->lsn[SYNC_REP_WAIT_FLUSH] >= lsn;
	LWLockRelease(SyncRepLock);
	return acknowledged;
}
