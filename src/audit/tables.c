/*
 * tables.c
 *		What the readers of the record share: which tables, at which moment, and
 *		since when a table is recorded.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

#include "audit/history.h"
#include "audit/internal.h"

/* Makes the events of this transaction visible to what follows, and takes a snapshot that sees them. */
Snapshot
cims_history_snapshot(void)
{
	if (!RecoveryInProgress() && !XactReadOnly)
	{
		cims_audit_flush();
		CommandCounterIncrement();
	}
	return RegisterSnapshot(GetTransactionSnapshot());
}

/* Lists the ordinary tables of a table: itself, its partitions, what inherits from it. */
List *
cims_history_tables(Oid relation)
{
	List *all = find_all_inheritors(relation, AccessShareLock, NULL);
	List *tables = NIL;
	ListCell *cell;

	foreach (cell, all)
		if (get_rel_relkind(lfirst_oid(cell)) == RELKIND_RELATION)
			tables = lappend_oid(tables, lfirst_oid(cell));
	return tables;
}

/* Finds a table among others in ascending order; -1 where it is not there. */
int
cims_history_index(const Oid *relations, int n, Oid relation)
{
	int low = 0;
	int high = n - 1;

	while (low <= high)
	{
		int middle = (low + high) / 2;

		if (relations[middle] == relation)
			return middle;
		if (relations[middle] < relation)
			low = middle + 1;
		else
			high = middle - 1;
	}
	return -1;
}

/* Lists the ordinary tables that hold rows of a table, or once did: former partitions too. */
List *
cims_history_all_tables(CimsDescriptorCache *descriptors, Oid relation)
{
	List *tables = cims_history_tables(relation);
	ListCell *cell, *other;

	foreach (cell, cims_descriptor_relations())
	{
		if (list_member_oid(tables, lfirst_oid(cell)))
			continue;
		foreach (other, cims_descriptor_list(descriptors, lfirst_oid(cell)))
			if (((const CimsDescriptor *) lfirst(other))->root == relation)
			{
				tables = lappend_oid(tables, lfirst_oid(cell));
				break;
			}
	}
	return tables;
}

/* Raises unless a relation is a table, with rows of its own or in partitions. */
void
cims_history_require_table(Oid relation)
{
	char kind = get_rel_relkind(relation);

	if (kind == '\0')
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_TABLE),
				errmsg("relation with OID %u does not exist", relation));
	if (kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				errcode(ERRCODE_WRONG_OBJECT_TYPE),
				errmsg("\"%s\" is not a table", get_rel_name(relation)));
}

/* Finds a member of the detail of an event of the record's own matters; NULL where there is none. */
static JsonbValue *
detail_member(const CimsEvent *event, const char *name)
{
	const CimsBytes *detail = &event->payload.fields[CIMS_FIELD_DETAIL];
	Jsonb *json;
	char *text;

	if (event->entry.operation != CIMS_OP_RECORD || detail->data == NULL)
		return NULL;
	text = pnstrdup((const char *) detail->data, detail->len);
	json = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(pg_any_to_server(text, detail->len, PG_UTF8))));
	if (!JB_ROOT_IS_OBJECT(json))
		return NULL;
	return getKeyJsonValueFromContainer(&json->root, name, strlen(name), NULL);
}

/* Tells whether a text of a detail is the one given. */
static bool
is_text(const JsonbValue *value, const char *text)
{
	return value != NULL && value->type == jbvString && value->val.string.len == (int) strlen(text) &&
		   memcmp(value->val.string.val, text, strlen(text)) == 0;
}

/*
 * Takes an event that is a turn in what is known of a table's rows into a list,
 * in the current memory context; false where it is none.
 */
bool
cims_history_turn(const CimsEvent *event, MemoryContext context, List **turns)
{
	CimsTurn turn = {.seq = event->seq};
	JsonbValue *baseline;
	MemoryContext caller;
	CimsTurn *copy;

	if (event->entry.operation == CIMS_OP_TRUNCATE)
		turn.kind = CIMS_TURN_EMPTIED;
	else if ((baseline = detail_member(event, "baseline")) != NULL && baseline->type == jbvBool)
	{
		turn.kind = is_text(detail_member(event, "event"), "baseline begun") ? CIMS_TURN_REWRITTEN : CIMS_TURN_BEGUN;
		turn.rows = baseline->val.boolean;
	}
	else if (is_text(detail_member(event, "event"), "audit ended"))
		turn.kind = CIMS_TURN_ENDED;
	else if (is_text(detail_member(event, "event"), "events dropped"))
	{
		JsonbValue *images = detail_member(event, "images");

		turn.kind = CIMS_TURN_PRUNED;
		if (images != NULL && images->type == jbvNumeric)
			turn.images = DatumGetInt64(DirectFunctionCall1(numeric_int8, NumericGetDatum(images->val.numeric)));
	}
	else
		return false;
	caller = MemoryContextSwitchTo(context);
	copy = palloc(sizeof(CimsTurn));
	*copy = turn;
	*turns = lappend(*turns, copy);
	MemoryContextSwitchTo(caller);
	return true;
}

/* Takes an event into a list of turns where it tells that old events were dropped. */
bool
cims_history_pruning(const CimsEvent *event, MemoryContext context, List **turns)
{
	return is_text(detail_member(event, "event"), "events dropped") && cims_history_turn(event, context, turns);
}

/* Compares turns by number. */
static int
compare_turns(const ListCell *a, const ListCell *b)
{
	int64 x = ((CimsTurn *) lfirst(a))->seq;
	int64 y = ((CimsTurn *) lfirst(b))->seq;

	return x < y ? -1 : x > y;
}

/* Takes in that old events were dropped: rows are known from their images on, or not all of them. */
static void
settle_pruned(List *turns, const CimsTurn *pruned, CimsKnowledge *knowledge)
{
	ListCell *cell;

	if (knowledge->since > pruned->images)
		return;
	knowledge->whole = false;
	foreach (cell, turns)
		if (((CimsTurn *) lfirst(cell))->seq == pruned->images)
		{
			knowledge->since = pruned->images;
			knowledge->whole = ((CimsTurn *) lfirst(cell))->rows;
		}
}

/*
 * Settles since which event the rows of a table are known.  Where a record
 * that runs is begun again, the rows that are then recorded must be those that
 * were known: that is no turn, or it would hide what was done before.  It is one
 * for rows without a key, which would be counted twice, and once old events
 * were dropped, of which nothing is known any more.
 */
void
cims_history_settle(List *turns, bool keyless, CimsKnowledge *knowledge)
{
	ListCell *cell;

	memset(knowledge, 0, sizeof(*knowledge));
	list_sort(turns, compare_turns);
	foreach (cell, turns)
	{
		const CimsTurn *turn = lfirst(cell);
		bool runs = knowledge->recorded && turn->rows;

		if (turn->kind == CIMS_TURN_BEGUN && runs && !keyless)
			continue;
		if (turn->kind == CIMS_TURN_PRUNED)
		{
			settle_pruned(turns, turn, knowledge);
			continue;
		}
		knowledge->since = turn->seq;
		knowledge->recorded = turn->kind != CIMS_TURN_ENDED;
		knowledge->whole = turn->kind == CIMS_TURN_EMPTIED || turn->rows;
	}
}
