/*
 * verify_rows.c
 *		Goes through what the events and the table tell of each row, in the order
 *		of the events, the row of the table last, and reports what does not fit.
 *
 * Each event is held against what was known before it, not the last one alone:
 * a change behind the record's back that an honest update followed shows in the
 * old image of that update.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "audit/compare.h"
#include "audit/verify.h"

/* Where the walk stands. */
typedef struct Walk
{
	CimsVerification *verification;
	const CimsVerifiedTable *table;
	int32 part;
	int64 row_hash;
	int64 doubt_since; /* the oldest event that told one of the columns that differ */
	int64 erased;      /* the last event with this hash whose payload is gone; 0 for none */
	StringInfo key;    /* of the row */
	bool row_begun;    /* something was told of it */
	bool row_found;    /* in the table */
	CimsRowState *state;
	int64 balance;      /* rows of this identity that there should be, less those that were found */
	int64 sample_event; /* that told last of one */
} Walk;

/* Tells whether an event that was erased may have changed what is known of a row since seq. */
static bool
erased_since(const Walk *walk, int64 seq)
{
	return walk->erased > seq || walk->table->unattributed > seq;
}

/* Reports one finding of the row at hand. */
static void
report(Walk *walk, const char *problem, const CimsTold *told, CimsBytes found, const Bitmapset *columns)
{
	int64 since = columns != NULL ? walk->doubt_since : walk->state->seq;

	CimsFinding finding = {
		.table = walk->table,
		.problem = problem,
		.event = told != NULL && told->operation != CIMS_TOLD_ROW ? told->seq : walk->state->seq,
		.row = found,
		.columns = columns,
		.recorded = walk->state->exists ? walk->state : NULL,
		.doubtful = walk->table->last_hidden > since,
		.found = found};

	cims_audit_report_finding(walk->verification, &finding);
}

/* Compares one column; false where it is another value than it should be. */
static bool
column_fits(Walk *walk, const CimsImageItem *found)
{
	const CimsRowItem *known = cims_row_state_item(walk->state, found->attnum);
	CimsImageKind kind;
	CimsBytes value;

	if (found->attnum > walk->table->identity.n_columns || !OidIsValid(walk->table->identity.types[found->attnum - 1]))
		return true; /* dropped since */
	if (erased_since(walk, known != NULL ? known->seq : 0))
		return true;
	if (known != NULL)
	{
		kind = known->kind;
		value = known->value;
	}
	else if (!walk->state->whole ||
			 !cims_descriptor_missing(walk->verification->descriptors, walk->table->relation, walk->state->whole_descriptor,
									  found->attnum, &kind, &value))
	{
		walk->verification->unknown_values += found->kind != CIMS_IMAGE_NULL;
		return true;
	}
	switch (cims_compare_items(walk->table->identity.types[found->attnum - 1], kind, value, found->kind, found->value))
	{
		case CIMS_COMPARE_SAME:
			return true;
		case CIMS_COMPARE_UNKNOWN:
			walk->verification->unknown_values++;
			return true;
		case CIMS_COMPARE_OTHER:
			break;
	}
	walk->doubt_since = Min(walk->doubt_since, known != NULL ? known->seq : 0);
	return false;
}

/* Compares what is known of the row with an image that should be of the same; reports the columns that differ. */
static void
compare_image(Walk *walk, const CimsTold *told, CimsBytes image, const char *problem)
{
	CimsImageReader reader = {image, 0};
	Bitmapset *columns = NULL;
	CimsImageItem item;

	walk->doubt_since = PG_INT64_MAX;
	while (cims_image_step(&reader, &item))
		if (!column_fits(walk, &item))
			columns = bms_add_member(columns, item.attnum);
	if (columns != NULL)
		report(walk, problem, told, image, columns);
}

/* Takes in that a row was there before an event, with the old image of that. */
static void
expect_row(Walk *walk, const CimsTold *told)
{
	CimsRowState *state = walk->state;

	if (state->exists)
		compare_image(walk, told, told->old, "was changed");
	else if ((state->seq != 0 || walk->table->known.whole) && !erased_since(walk, state->seq))
		report(walk, "was extra", told, told->old, NULL);
}

/* Takes in that no row was there before an event. */
static void
expect_no_row(Walk *walk, const CimsTold *told)
{
	if (walk->state->exists && !erased_since(walk, walk->state->seq))
		report(walk, "was missing", told, (CimsBytes){NULL, 0}, NULL);
}

/* Takes in a fresh image of a row that was there. */
static void
expect_baseline(Walk *walk, const CimsTold *told)
{
	if (walk->state->exists)
		compare_image(walk, told, told->new, "was changed");
	else if (walk->state->seq != 0 && !erased_since(walk, walk->state->seq))
		report(walk, "was extra", told, told->new, NULL);
}

/* Takes in the row that the table holds. */
static void
check_row(Walk *walk, const CimsTold *told)
{
	CimsRowState *state = walk->state;

	if (walk->row_found)
		report(walk, "extra", told, told->new, NULL); /* a second one of the same key */
	else if (state->exists)
		compare_image(walk, told, told->new, "changed");
	else if (!erased_since(walk, state->seq) && (state->seq != 0 || walk->table->known.whole))
		report(walk, "extra", told, told->new, NULL);
	else
		walk->verification->unknown_rows++;
	walk->row_found = true;
}

/* Takes in what an event, or the table, tells of a row with a key. */
static void
take_keyed(Walk *walk, const CimsTold *told)
{
	CimsBytes none = {NULL, 0};
	CimsOperation operation = told->operation;

	switch (told->operation)
	{
		case CIMS_TOLD_ROW:
			check_row(walk, told);
			return;
		case CIMS_OP_BASELINE:
			expect_baseline(walk, told);
			break;
		case CIMS_OP_INSERT:
		case CIMS_TOLD_KEY_COMES:
			expect_no_row(walk, told);
			operation = CIMS_OP_INSERT;
			break;
		case CIMS_OP_DELETE:
		case CIMS_TOLD_KEY_GOES:
			expect_row(walk, told);
			operation = CIMS_OP_DELETE;
			break;
		case CIMS_OP_UPDATE:
			expect_row(walk, told);
			break;
	}
	cims_row_state_apply(walk->state, operation, told->seq, told->descriptor, told->old,
						 operation == CIMS_OP_DELETE ? none : told->new);
}

/* Takes in what an event, or the table, tells of a row that is its own key; the state serves as a sample of it. */
static void
take_keyless(Walk *walk, const CimsTold *told)
{
	walk->balance += told->operation == CIMS_TOLD_COMES ? 1 : -1;
	if (told->operation != CIMS_TOLD_ROW)
		walk->sample_event = told->seq;
	cims_row_state_apply(walk->state, CIMS_OP_INSERT, told->seq, told->descriptor, told->old, told->new);
}

/* Ends with a row: reports it where the table should hold it and does not. */
static void
end_row(Walk *walk)
{
	CimsFinding finding = {.table = walk->table, .event = walk->sample_event};
	CimsBytes none = {NULL, 0};

	if (!walk->row_begun)
		return;
	if (walk->table->identity.n_keys > 0)
	{
		if (walk->state->exists && !walk->row_found)
		{
			if (erased_since(walk, walk->state->seq))
				walk->verification->unknown_rows++;
			else
				report(walk, "missing", NULL, none, NULL);
		}
		return;
	}
	if (walk->table->unattributed > walk->table->known.since)
	{
		walk->verification->unknown_rows += walk->balance != 0;
		return;
	}
	finding.doubtful = walk->table->last_hidden > 0;
	if (walk->balance < 0 && !walk->table->known.whole)
	{
		walk->verification->unknown_rows += -walk->balance;
		return;
	}
	finding.problem = walk->balance > 0 ? "missing" : "extra";
	if (walk->balance > 0)
		finding.recorded = walk->state;
	else
		finding.found_state = walk->state;
	for (int64 i = walk->balance > 0 ? walk->balance : -walk->balance; i > 0; i--)
		cims_audit_report_finding(walk->verification, &finding);
}

/* Begins with a row. */
static void
begin_row(Walk *walk, const CimsTold *told)
{
	if (!walk->row_begun || told->part != walk->part || told->row_hash != walk->row_hash)
		walk->erased = 0;
	walk->part = told->part;
	walk->row_hash = told->row_hash;
	walk->table = &walk->verification->tables[told->part];
	resetStringInfo(walk->key);
	appendBinaryStringInfo(walk->key, (const char *) told->key.data, told->key.len);
	walk->row_begun = true;
	walk->row_found = false;
	walk->balance = 0;
	walk->sample_event = 0;
	cims_row_state_clear(walk->state);
}

/* Tells whether what is told is of the row at hand. */
static bool
is_same_row(const Walk *walk, const CimsTold *told)
{
	return walk->row_begun && told->part == walk->part && told->row_hash == walk->row_hash &&
		   told->key.len == walk->key->len && memcmp(told->key.data, walk->key->data, told->key.len) == 0;
}

/* Goes through everything that was told. */
void
cims_audit_verify_rows(CimsVerification *verification)
{
	Walk walk = {.verification = verification};
	MemoryContext caller = CurrentMemoryContext;
	CimsTold told;

	walk.key = makeStringInfo();
	walk.state = cims_row_state_create(caller);
	while (cims_event_sort_next(verification->sort, &told))
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(verification->scratch);
		if (!is_same_row(&walk, &told))
		{
			end_row(&walk);
			if (walk.row_begun && walk.part != told.part)
				cims_audit_end_findings(verification, walk.table);
			MemoryContextSwitchTo(caller);
			begin_row(&walk, &told);
			MemoryContextSwitchTo(verification->scratch);
		}
		if (told.seq < walk.table->known.since)
			;
		else if (told.operation == CIMS_TOLD_ERASED)
			walk.erased = Max(walk.erased, told.seq);
		else if (walk.table->identity.n_keys == 0)
			take_keyless(&walk, &told);
		else
			take_keyed(&walk, &told);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(verification->scratch);
	}
	MemoryContextSwitchTo(verification->scratch);
	end_row(&walk);
	if (walk.row_begun)
		cims_audit_end_findings(verification, walk.table);
	MemoryContextSwitchTo(caller);
}
