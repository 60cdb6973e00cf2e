/*
 * guard.c
 *		Nobody changes the record.
 */
#include "postgres.h"

#include "access/xact.h"

#include "audit/internal.h"

static bool writing;

static void end_transaction(XactEvent event, void *arg);
static void end_subtransaction(SubXactEvent event, SubTransactionId subid, SubTransactionId parent, void *arg);

/* Install the hooks. */
void
cims_audit_guard_init(void)
{
	RegisterXactCallback(end_transaction, NULL);
	RegisterSubXactCallback(end_subtransaction, NULL);
}

/* Open or close the scope in which the record's own code changes its tables; returns what it was. */
bool
cims_audit_writing(bool on)
{
	bool former = writing;

	writing = on;
	return former;
}

/* Close the scope when an error has left it open. */
static void
end_transaction(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE)
		writing = false;
}

/* Close the scope when an error has left it open. */
static void
end_subtransaction(SubXactEvent event, SubTransactionId subid, SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		writing = false;
}
