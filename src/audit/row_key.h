/*
 * row_key.h
 *		The key of a row as a person gives it, and the events of that row.
 */
#ifndef CIMS_AUDIT_ROW_KEY_H
#define CIMS_AUDIT_ROW_KEY_H

#include "fmgr.h"

#include "audit/history.h"

/* One column of a key. */
typedef struct CimsKeyValue
{
	const char *name;   /* of the column today */
	CimsImageKind kind; /* as it stands in key images */
	CimsBytes value;
	AttrNumber attnum; /* of the column today; 0 for a former key */
	Datum datum;       /* as it was given, in the column's type */
} CimsKeyValue;

typedef struct CimsRowKey
{
	int n;
	CimsKeyValue *values;
} CimsRowKey;

/*
 * The key that arguments first .. last of a call give: the value of each key
 * column in the order of the key; or all by name, as JSON or as a row.  Raises
 * where that is no key of the table, or is null.
 */
extern CimsRowKey *cims_row_key(FunctionCallInfo fcinfo, Oid relation, int first, int last);

/* The events of a row, under this and former keys, copied, in the order of their numbers: a list of CimsEvent */
extern List *cims_row_events(const CimsRowKey *key, Oid relation, CimsDescriptorCache *descriptors, Snapshot snapshot);

/* Takes one of them into a state; after an update of the key the state is that of the row under its new one. */
extern void cims_row_events_apply(CimsRowState *state, const CimsEvent *event);

#endif
