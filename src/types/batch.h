/*
 * batch.h
 *		Rewriting of rows in place, a batch at a time.
 */
#ifndef CIMS_BATCH_H
#define CIMS_BATCH_H

#include "executor/tuptable.h"
#include "nodes/execnodes.h"
#include "nodes/lockoptions.h"
#include "utils/rel.h"

/* What a row is to become. */
typedef enum CimsRowVerdict
{
	CIMS_ROW_KEEP = 0,   /* it is as it should be */
	CIMS_ROW_UNREADABLE, /* a value of it cannot be opened */
	CIMS_ROW_CHANGE      /* the values were changed */
} CimsRowVerdict;

/*
 * Looks at a row (row, all attributes fetched) and changes values and isnull, which begin as copies.  Runs in the
 * executor's per-tuple memory context.
 */
typedef CimsRowVerdict (*CimsRowEditor)(void *arg, EState *estate, TupleTableSlot *row, Datum *values, bool *isnull);

/* A batch: where it begins, how many rows it may change, and how it went. */
typedef struct CimsBatch
{
	Relation relation;
	Bitmapset *columns; /* that the editor may change, offset by FirstLowInvalidHeapAttributeNumber */
	CimsRowEditor edit;
	void *arg;
	ItemPointerData position; /* the first row not looked at yet */
	bool finished;            /* the relation has no more rows */
	int limit;
	LockTupleMode lock; /* on each row; set by cims_batch_run */
	int64 changed;
	int64 skipped; /* held by other transactions, or changed by them meanwhile */
	int64 unreadable;
} CimsBatch;

/* batch.c: opens an ordinary table of the current role's; runs a batch; gives its result as a row and closes the table */
extern Relation cims_batch_open(Oid relation);
extern void cims_batch_run(CimsBatch *batch);
extern Datum cims_batch_result(FunctionCallInfo fcinfo, const CimsBatch *batch);

#endif
