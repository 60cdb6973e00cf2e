/*
 * verify.h
 *		What the files share that compare a table with its record.
 */
#ifndef CIMS_AUDIT_VERIFY_H
#define CIMS_AUDIT_VERIFY_H

#include "utils/tuplestore.h"

#include "audit/identity.h"

#define CIMS_TOLD_ROW '=' /* the row as the table holds it */

/* An ordinary table that is compared. */
typedef struct CimsVerifiedTable
{
	Oid relation;
	Relation rel;
	CimsIdentity identity;
	List *turns; /* CimsTurn */
	CimsKnowledge known;
	int64 *hidden; /* events whose payload is gone, and by which row they are found */
	int n_hidden;
	int hidden_room;
	int64 last_hidden;                /* of those since the rows are known; 0 for none */
	int64 unattributed;               /* the last event of which it cannot be told which row it is of, as the key has changed since */
	const CimsDescriptor *descriptor; /* the newest */
} CimsVerifiedTable;

/* One comparison. */
typedef struct CimsVerification
{
	int n_tables;
	CimsVerifiedTable *tables;
	Oid *relations; /* of the tables, ascending */
	Snapshot snapshot;
	CimsDescriptorCache *descriptors;
	CimsReader *reader;
	CimsEventSort *sort;
	MemoryContext context; /* for as long as it takes */
	MemoryContext scratch; /* reset after each event */
	Tuplestorestate *results;
	Tuplestorestate *doubtful; /* findings in one table that a hidden event may explain */
	int64 n_doubtful;
	TupleDesc desc;
	int64 unknown_values; /* that could not be compared */
	int64 unknown_rows;   /* whose events were erased */
} CimsVerification;

/* verify_rows.c: goes through what was sorted and reports what does not fit */
extern void cims_audit_verify_rows(CimsVerification *verification);

/* verify_report.c: one row of the result; the images are of the columns alone that differ, data NULL for none */
typedef struct CimsFinding
{
	const CimsVerifiedTable *table;
	const char *problem;
	int64 event;
	CimsBytes row;                /* an image that holds the row's key columns, if any */
	const Bitmapset *columns;     /* that differ; NULL: all */
	const CimsRowState *recorded; /* or NULL */
	bool doubtful;
	CimsBytes found;                 /* an image, or */
	const CimsRowState *found_state; /* a state */
} CimsFinding;
extern void cims_audit_report_finding(CimsVerification *verification, const CimsFinding *finding);
extern void cims_audit_end_findings(CimsVerification *verification, const CimsVerifiedTable *table);

#endif
