/*
 * span.c
 *		Ranges of time as two bounds.
 */
#include "postgres.h"

#include "utils/rangetypes.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "base/base.h"

/* Turn a tstzrange into from <= t < until; false where it is empty. */
bool
cims_span_parse(Datum range, CimsSpan *span)
{
	RangeType *valid = DatumGetRangeTypeP(range);
	TypeCacheEntry *type = lookup_type_cache(RangeTypeGetOid(valid), TYPECACHE_RANGE_INFO);
	RangeBound lower;
	RangeBound upper;
	bool empty;

	range_deserialize(type, valid, &lower, &upper, &empty);
	span->from = lower.infinite ? DT_NOBEGIN : DatumGetTimestampTz(lower.val);
	span->until = upper.infinite ? DT_NOEND : DatumGetTimestampTz(upper.val);
	if (!lower.infinite && !lower.inclusive && span->from < DT_NOEND)
		span->from++;
	if (!upper.infinite && upper.inclusive && span->until < DT_NOEND)
		span->until++;
	return !empty;
}
