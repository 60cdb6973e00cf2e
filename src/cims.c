/*
 * cims.c
 *		Entry point of the extension: a table of contents.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/guc.h"

#include "access/access.h"
#include "audit/audit.h"
#include "base/base.h"
#include "keyring/keyring.h"
#include "ledger/ledger.h"
#include "monitor/monitor.h"
#include "types/types.h"
#include "views/views.h"

PG_MODULE_MAGIC;

void _PG_init(void);

/* Start every part, in the order in which they build on each other. */
void
_PG_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("cims must be loaded by \"shared_preload_libraries\""),
				errdetail("The library keeps keys and counters in shared memory, which is set up when the server starts."),
				errhint("Add \"cims\" to \"shared_preload_libraries\" in postgresql.conf and restart the server."));

	cims_base_init();
	cims_keyring_init();
	cims_types_init();
	cims_access_init();
	cims_views_init();
	cims_audit_init();
	cims_ledger_init();
	cims_monitor_init();

	MarkGUCPrefixReserved("cims");
}
