/*
 * identity.h
 *		What tells the rows of a table apart, and events sorted by it.
 */
#ifndef CIMS_AUDIT_IDENTITY_H
#define CIMS_AUDIT_IDENTITY_H

#include "audit/history.h"

/* What events tell of a row, beside the operations that they have. */
#define CIMS_TOLD_COMES '+'     /* a row of a table without a key comes to be, with image new */
#define CIMS_TOLD_GOES '-'      /* ... is no more, with image old */
#define CIMS_TOLD_KEY_COMES 'i' /* a row takes this key, with image new laid over old */
#define CIMS_TOLD_KEY_GOES 'd'  /* a row gives up this key, with image old */
#define CIMS_TOLD_ERASED '?'    /* nothing is known but that there was something */

/* How the rows of one table are told apart at one moment. */
typedef struct CimsIdentity
{
	CimsDescriptorCache *descriptors;
	Oid relation;
	int n_keys;             /* 0: the row is its own key */
	const AttrNumber *keys; /* ascending */
	int n_columns;
	Oid *types; /* of the columns by number, domains resolved; InvalidOid for those that there are not */
} CimsIdentity;

/* the key, from one image laid over another; false where they lack a column of it */
extern bool cims_identity_key(const CimsIdentity *identity, CimsBytes old, CimsBytes new, StringInfo out);

/* what stands for a row without a key: equal for equal rows, also when they are sealed again */
extern void cims_identity_row(const CimsIdentity *identity, int64 descriptor, CimsBytes old, CimsBytes new, StringInfo out);

/* puts what an event of a row tells into a sort; false where it cannot be told of which row it is */
extern bool cims_identity_put(const CimsIdentity *identity, int32 part, const CimsEvent *event, CimsEventSort *sort);

#endif
