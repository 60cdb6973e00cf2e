/*
 * verify.h
 *		What the files of verification share.
 */
#ifndef CIMS_LEDGER_VERIFY_H
#define CIMS_LEDGER_VERIFY_H

#include "lib/stringinfo.h"
#include "utils/hsearch.h"

#include "ledger/internal.h"

#define CIMS_FINDING_EXAMPLES 5 /* faults that are named in a check's detail */

/* One check: whether all is well, and what was found. */
typedef struct CimsFinding
{
	bool ok;
	uint64 faults;
	StringInfoData detail;
} CimsFinding;

/* A checkpoint that was held outside. */
typedef struct CimsAnchor
{
	CimsTreeHead head;
	int32 incarnation; /* whose tree it is of; 0: none was given, or it does not verify */
	bool reached;      /* the walk has come to its size ... */
	bool agrees;       /* ... and found its root */
} CimsAnchor;

/* A run of leaves whose events were pruned. */
typedef struct CimsPrunedRange
{
	int32 incarnation;
	uint64 first;
	uint64 end;
	int64 seq; /* of the event that tells of it */
	bool used; /* the walk has passed over it */
	bool told; /* that event was verified, and tells of it */
} CimsPrunedRange;

/* A verification under way. */
typedef struct CimsVerification
{
	CimsFinding blocks;
	CimsFinding tree;
	CimsFinding events;
	CimsFinding columns;
	CimsFinding payloads;
	CimsAnchor anchor;
	uint64 n_blocks;
	uint64 n_events;
	uint64 n_pruned;
	uint64 n_erased;
	HTAB *erased;                /* numbers of events without payload */
	HTAB *erasures;              /* numbers of events whose erasure is on the record */
	HTAB *relations;             /* by number of the descriptor: the relation that it is of */
	HTAB *numbers;               /* which numbers events bore */
	void *last_numbers;          /* the run of them that was looked at last */
	MemoryContext event_context; /* reset after each event */
	CimsPrunedRange *pruned;     /* by incarnation and first leaf */
	int n_pruned_ranges;
	int next_pruned;      /* those before it are behind the walk */
	TupleDesc columns_of; /* whose the next three are */
	int at;
	int relation;
	int row_hash;
} CimsVerification;

/* verify.c */
extern void cims_finding_add(CimsFinding *finding, const char *format, ...) pg_attribute_printf(2, 3);
extern void cims_verify_incarnation(CimsVerification *verification, const CimsIncarnation *incarnation, uint64 from, uint64 size);

/* verify_links.c: what ties events to rows, to each other and to what was taken away */
extern void cims_verify_links_begin(CimsVerification *verification);
extern void cims_verify_links_end(CimsVerification *verification);
extern void cims_verify_links(CimsVerification *verification, const CimsDeltaEvent *event, const CimsEntry *entry,
							  const CimsPayload *payload);
extern void cims_verify_number(CimsVerification *verification, const CimsLeafKey *key);
extern void cims_verify_erased(CimsVerification *verification, int64 seq);
extern uint64 cims_pruned_until(CimsVerification *verification, int32 incarnation, uint64 leaf); /* the end of the run, or leaf itself */

/* progress.c: what cims.verification_progress shows */
extern void cims_ledger_progress_init(void); /* from cims_ledger_init */
extern void cims_verify_progress_begin(uint64 total);
extern void cims_verify_progress(uint64 leaves);

#endif
