/*
 * detail.h
 *		One event in a person's terms, column by column.
 */
#ifndef CIMS_AUDIT_DETAIL_H
#define CIMS_AUDIT_DETAIL_H

#include "audit/history.h"

/* The columns of what cims.event_detail returns. */
enum
{
	CIMS_DETAIL_OPERATION,
	CIMS_DETAIL_SCHEMA,
	CIMS_DETAIL_TABLE,
	CIMS_DETAIL_SESSION_ROLE,
	CIMS_DETAIL_ROLE,
	CIMS_DETAIL_ACTOR,
	CIMS_DETAIL_ACTOR_VERIFIED,
	CIMS_DETAIL_CLIENT,
	CIMS_DETAIL_APPLICATION,
	CIMS_DETAIL_QUERY,
	CIMS_DETAIL_ROW_KEY,
	CIMS_DETAIL_CHANGED,
	CIMS_DETAIL_OLD,
	CIMS_DETAIL_NEW,
	CIMS_DETAIL_HIDDEN,
	CIMS_DETAIL_DETAIL,
	CIMS_DETAIL_ERASED,
	CIMS_DETAIL_COLUMNS
};

extern void cims_detail_fill(const CimsEvent *event, CimsReader *reader, CimsDescriptorCache *descriptors,
							 Datum *values, bool *nulls);

#endif
