/*
 * row_value.h
 *		Recorded values as JSON of whole rows, and as Datums of today's columns.
 */
#ifndef CIMS_AUDIT_ROW_VALUE_H
#define CIMS_AUDIT_ROW_VALUE_H

#include "access/tupdesc.h"
#include "fmgr.h"

#include "audit/history.h"

/* How columns of today are filled from rows that were recorded of another table, most often a partition. */
typedef struct CimsRowTarget
{
	TupleDesc desc;
	FmgrInfo *input; /* by column, of its type, that of a domain under it */
	Oid *io_param;
	int32 *typmod;
	bool runs_checks; /* input runs checks of domains, which are code of whoever made them */
} CimsRowTarget;

extern CimsRowTarget *cims_row_target(TupleDesc desc); /* in the current memory context */

/* The number that a column of today has in a recorded table: by its present name there, else by the name of that time; 0 for none */
extern AttrNumber cims_row_source(const CimsRowTarget *target, int column, const CimsDescriptor *descriptor);

/* What became of a value; only CIMS_VALUE_THERE fills *value. */
typedef enum CimsValueFate
{
	CIMS_VALUE_THERE = 0,
	CIMS_VALUE_NULL,
	CIMS_VALUE_YOUNGER,    /* the row is older than the column */
	CIMS_VALUE_UNRECORDED, /* the column was left out, or recorded as a hash */
	CIMS_VALUE_SEALED      /* it is sealed, and the column of today holds plain values */
} CimsValueFate;

/* the value of a column of today, as of a descriptor; raises where the type does not take what was recorded */
extern CimsValueFate cims_row_value(const CimsRowTarget *target, int column, const CimsRowState *state,
									CimsDescriptorCache *descriptors, const CimsDescriptor *descriptor, Datum *value);

/* the whole row as JSON, with the columns of the descriptor; values that the reader may not see are left out */
extern char *cims_row_json(const CimsRowState *state, CimsReader *reader, CimsDescriptorCache *descriptors,
						   const CimsDescriptor *descriptor);

#endif
