/*
 * xids.c
 *		Snapshots as the ledger stores them: pg_snapshot, whose 64-bit transaction
 *		ids are compared as they are, without regard to wraparound.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/fmgrprotos.h"

#include "ledger/internal.h"

static uint64 read_number(char **at, char end);
static int compare_xids(const void *a, const void *b);

/* Order two events as leaves stand within a block. */
int
cims_leaf_key_compare(const CimsLeafKey *a, const CimsLeafKey *b)
{
	if (a->xid != b->xid)
		return a->xid < b->xid ? -1 : 1;
	if (a->seq != b->seq)
		return a->seq < b->seq ? -1 : 1;
	return 0;
}

/* Take a pg_snapshot apart, by its text "xmin:xmax:xip,xip". */
CimsXids *
cims_xids_of_datum(Datum pg_snapshot)
{
	char *text = DatumGetCString(DirectFunctionCall1(pg_snapshot_out, pg_snapshot));
	char *at = text;
	CimsXids *xids = palloc0(sizeof(CimsXids));
	int room = 1;

	for (char *c = text; *c != '\0'; c++)
		room += *c == ',';
	xids->xip = palloc(room * sizeof(uint64));
	xids->xmin = read_number(&at, ':');
	xids->xmax = read_number(&at, ':');
	while (*at != '\0')
		xids->xip[xids->n++] = read_number(&at, ',');
	qsort(xids->xip, xids->n, sizeof(uint64), compare_xids);
	pfree(text);
	return xids;
}

/* Return the active snapshot as a pg_snapshot. */
Datum
cims_xids_current(void)
{
	return DirectFunctionCall1(pg_current_snapshot, (Datum) 0);
}

/* Tell whether a snapshot sees a transaction, provided that it has committed. */
bool
cims_xids_see(const CimsXids *xids, uint64 xid)
{
	if (xid < xids->xmin)
		return true;
	if (xid >= xids->xmax)
		return false;
	return xids->n == 0 || bsearch(&xid, xids->xip, xids->n, sizeof(uint64), compare_xids) == NULL;
}

/* Read a number and what ends it. */
static uint64
read_number(char **at, char end)
{
	char *stop;
	uint64 number = strtou64(*at, &stop, 10);

	if (stop == *at || (*stop != end && *stop != '\0'))
		elog(ERROR, "unexpected text of a snapshot");
	*at = *stop == '\0' ? stop : stop + 1;
	return number;
}

/* Order transaction ids. */
static int
compare_xids(const void *a, const void *b)
{
	uint64 left = *(const uint64 *) a;
	uint64 right = *(const uint64 *) b;

	return left < right ? -1 : left > right;
}
