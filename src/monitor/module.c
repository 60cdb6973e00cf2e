/*
 * module.c
 *		Start the monitor.
 */
#include "postgres.h"

#include "utils/guc.h"

#include "monitor/internal.h"

int cims_seal_period = 1000;
int cims_watch_period = 60;

/* Define the settings, ask for shared memory, register the launcher. */
void
cims_monitor_init(void)
{
	DefineCustomIntVariable("cims.seal_period",
							"Sets how often events that have committed are sealed into the ledger.",
							"0 turns the worker off.",
							&cims_seal_period, 1000, 0, 3600 * 1000, PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("cims.watch_period",
							"Sets how often each database is visited, whether there is something to seal or not.",
							"Then partitions of the audit record are made ahead, and the record is watched.",
							&cims_watch_period, 60, 1, 24 * 3600, PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	cims_monitor_state_init();
	cims_monitor_prepared_init();
	cims_monitor_launcher_register();
}
