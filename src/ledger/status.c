/*
 * status.c
 *		What is not sealed yet.
 */
#include "postgres.h"

#include "funcapi.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "ledger/internal.h"

/* SQL: cims.unsealed_events(OUT events bigint, OUT oldest timestamptz): counts them, and tells when the first was written. */
PG_FUNCTION_INFO_V1(cims_unsealed_events);
Datum
cims_unsealed_events(PG_FUNCTION_ARGS)
{
	CimsBlock *last = cims_ledger_block(0);
	TupleDesc desc;
	int64 events = 0;
	TimestampTz oldest = PG_INT64_MAX;
	Datum values[2];
	bool nulls[2] = {false, false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	/* of a delta that was cut, the rest; then what came after it */
	for (bool fresh = last == NULL || last->upto.xid == 0;; fresh = true)
	{
		CimsDeltaRange range;
		CimsDelta *delta;
		CimsDeltaEvent event;

		cims_ledger_open_range(last, fresh, &range);
		delta = cims_delta_begin(&range, GetActiveSnapshot());
		while (cims_delta_next(delta, &event))
		{
			events++;
			oldest = Min(oldest, cims_delta_time(&event));
		}
		cims_delta_end(delta);
		if (fresh)
			break;
	}
	values[0] = Int64GetDatum(events);
	values[1] = TimestampTzGetDatum(oldest);
	nulls[1] = events == 0;
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
