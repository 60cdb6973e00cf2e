/*
 * internal.h
 *		What the files of the monitor share among themselves.
 */
#ifndef CIMS_MONITOR_INTERNAL_H
#define CIMS_MONITOR_INTERNAL_H

#include "datatype/timestamp.h"

#include "base/base.h"
#include "monitor/monitor.h"

/* module.c: settings */
extern int cims_seal_period;  /* milliseconds; 0: no worker */
extern int cims_watch_period; /* seconds */

/* What a worker does, in this order. */
typedef enum CimsJob
{
	CIMS_JOB_SEAL = 0,
	CIMS_JOB_PARTITIONS,
	CIMS_JOB_WATCH
} CimsJob;
#define CIMS_JOBS 3
#define CIMS_ERROR_LEN 256

/* state.c: how the workers of a database fared; a copy of what is in shared memory */
typedef struct CimsVisits
{
	Oid database;
	TimestampTz visited;                    /* when the last one ended; 0: none yet */
	int failures;                           /* visits in a row that failed in some job */
	TimestampTz retry;                      /* not before then */
	char errors[CIMS_JOBS][CIMS_ERROR_LEN]; /* what each job failed with last time, "" where it went well */
} CimsVisits;
extern void cims_monitor_state_init(void);
extern void cims_visits_read(Oid database, CimsVisits *visits); /* zeroes where nothing is known */
/* stores what a job failed with, NULL where it went well; tells whether that is news */
extern bool cims_visits_note(Oid database, CimsJob job, const char *error);
extern void cims_visits_end(Oid database); /* of a visit: counts failures, and says when to try again */

/* launcher.c and worker.c: the entry points of the processes */
extern void cims_monitor_launcher_register(void);
extern PGDLLEXPORT void cims_monitor_launcher_main(Datum argument);
#define CIMS_FULL_VISIT (UINT64CONST(1) << 32) /* beside the database's OID in a worker's argument: all jobs */
extern PGDLLEXPORT void cims_monitor_worker_main(Datum argument);

/* prepared.c: marks the database when a prepared transaction is committed */
extern void cims_monitor_prepared_init(void);

#endif
