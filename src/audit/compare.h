/*
 * compare.h
 *		Comparison of recorded values; private to this part.
 */
#ifndef CIMS_AUDIT_COMPARE_H
#define CIMS_AUDIT_COMPARE_H

#include "record/record.h"
#include "types/types.h"

/* How two values of a column compare. */
typedef enum CimsComparison
{
	CIMS_COMPARE_SAME = 0,
	CIMS_COMPARE_OTHER,
	CIMS_COMPARE_UNKNOWN /* it cannot be told */
} CimsComparison;

extern CimsComparison cims_compare_items(Oid type, CimsImageKind recorded_kind, CimsBytes recorded,
										 CimsImageKind found_kind, CimsBytes found);
extern bool cims_input_is_harmless(Oid type); /* input of a type runs no code but that of the server and of superusers */
extern struct varlena *cims_value_of_bytes(CimsBytes bytes);

#endif
