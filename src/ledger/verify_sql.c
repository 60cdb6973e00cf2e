/*
 * verify_sql.c
 *		cims.verify_ledger: one row a check.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "ledger/verify.h"

PG_FUNCTION_INFO_V1(cims_verify_ledger);

/*
 * Return a note as text that ends in one newline, as notes do: the file that
 * "psql -c" writes has one more, and what psql reads by \set and backquotes has
 * none.
 */
static char *
note_of_text(text *value)
{
	char *note = text_to_cstring(value);
	size_t len = strlen(note);

	if (len >= 2 && note[len - 1] == '\n' && note[len - 2] == '\n')
		note[len - 1] = '\0';
	else if (len > 0 && note[len - 1] != '\n')
		note = psprintf("%s\n", note);
	return note;
}

/* Make an empty check. */
static void
begin_finding(CimsFinding *finding)
{
	finding->ok = true;
	finding->faults = 0;
	initStringInfo(&finding->detail);
}

/* Return one check as a row; what is well is described by the text, what is not by its faults. */
static void
put_row(ReturnSetInfo *result, const char *name, CimsFinding *finding, const char *well)
{
	Datum values[3];
	bool nulls[3] = {false};

	if (finding->ok)
		appendStringInfoString(&finding->detail, well);
	else if (finding->faults > CIMS_FINDING_EXAMPLES)
		appendStringInfo(&finding->detail, "; " UINT64_FORMAT " faults in all", finding->faults);
	values[0] = CStringGetTextDatum(name);
	values[1] = BoolGetDatum(finding->ok);
	values[2] = CStringGetTextDatum(finding->detail.data);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* The last block of an incarnation; NULL where it has none. */
static CimsBlock *
last_block_of(int32 incarnation)
{
	CimsBlock *first_of_next = cims_ledger_incarnation(incarnation + 1) == NULL ? NULL : cims_ledger_block_at(incarnation + 1, 0);
	CimsBlock *block = first_of_next == NULL ? cims_ledger_block(0) : cims_ledger_block(first_of_next->number - 1);

	return block != NULL && block->incarnation == incarnation ? block : NULL;
}

/*
 * Verify a note and take it apart as a checkpoint; NULL where all is well, else
 * what is wrong with it.  The origin is copied.
 */
static const char *
read_note(const char *note, const CimsNoteKey *key, CimsTreeHead *head)
{
	CimsNote parts;
	CimsCheckpoint checkpoint;

	switch (cims_note_verify((CimsBytes){(const unsigned char *) note, strlen(note)}, key, 1, &parts, NULL))
	{
		case CIMS_MERKLE_OK:
			break;
		case CIMS_MERKLE_UNSIGNED:
			return "is not signed by the key of its incarnation";
		case CIMS_MERKLE_BAD_SIGNATURE:
			return "has a false signature";
		case CIMS_MERKLE_FAILED:
			ereport(ERROR, errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not verify a signature"));
			break;
		default:
			return "is not a signed note";
	}
	if (!cims_checkpoint_parse(parts.text, &checkpoint))
		return "is a signed note, but no checkpoint";
	head->origin = pnstrdup((const char *) checkpoint.origin.data, checkpoint.origin.len);
	head->size = checkpoint.size;
	head->root = checkpoint.root;
	return NULL;
}

/* The same of a checkpoint from outside, whose first line says which incarnation it is of. */
static const char *
read_outside(const char *note, CimsAnchor *anchor)
{
	const char *end = strchr(note, '\n');
	CimsIncarnation *incarnation = end == NULL ? NULL : cims_ledger_find_origin(pnstrdup(note, end - note));
	CimsNoteKey key;
	const char *fault;

	if (incarnation == NULL)
		return "is of no tree of this ledger";
	cims_ledger_note_key(incarnation, &key);
	fault = read_note(note, &key, &anchor->head);
	if (fault == NULL)
		anchor->incarnation = incarnation->id;
	return fault;
}

/* Check that the newest checkpoint of an incarnation is signed and says what its block says. */
static void
check_signature(CimsFinding *finding, const CimsIncarnation *incarnation, const CimsBlock *block)
{
	CimsNoteKey key;
	CimsTreeHead head;
	const char *fault;

	cims_ledger_note_key(incarnation, &key);
	fault = read_note(block->note, &key, &head);
	if (fault == NULL && (strcmp(head.origin, incarnation->origin) != 0 || head.size != block->size ||
						  !cims_merkle_equal(&head.root, &block->root)))
		fault = "is of another tree than its block";
	if (fault != NULL)
		cims_finding_add(finding, "the newest checkpoint of incarnation %d %s", incarnation->id, fault);
}

/* Check that an incarnation names the end of the one before it. */
static void
check_succession(CimsFinding *finding, const CimsIncarnation *incarnation, const CimsIncarnation *former, const CimsBlock *former_last)
{
	uint64 size = former_last == NULL ? 0 : former_last->size;

	if (former == NULL)
		return;
	if (incarnation->former.origin == NULL || strcmp(incarnation->former.origin, former->origin) != 0 ||
		incarnation->former.size != size ||
		(former_last != NULL && !cims_merkle_equal(&incarnation->former.root, &former_last->root)))
		cims_finding_add(finding, "incarnation %d does not name the end of incarnation %d", incarnation->id, former->id);
}

/* Judge the checkpoint that was held outside. */
static void
check_anchor(CimsFinding *finding, const CimsAnchor *anchor, const char *checkpoint, const char *fault)
{
	CimsBlock *last;
	CimsMerkleHash root;

	if (checkpoint == NULL)
	{
		cims_finding_add(finding, "no checkpoint from outside was given: that whoever holds the signing key did not write the whole ledger anew cannot be told");
		return;
	}
	if (fault != NULL)
	{
		cims_finding_add(finding, "the checkpoint %s", fault);
		return;
	}
	last = last_block_of(anchor->incarnation);
	if (last == NULL || last->size < anchor->head.size)
	{
		cims_finding_add(finding, "the checkpoint has " UINT64_FORMAT " leaves, this ledger only " UINT64_FORMAT " of them: its end was cut off, or it was restored from an older state",
						 anchor->head.size, last == NULL ? (uint64) 0 : last->size);
		return;
	}
	if (anchor->reached ? anchor->agrees : (cims_tree_root(cims_tree_open(anchor->incarnation, last->size), anchor->head.size, &root), cims_merkle_equal(&root, &anchor->head.root)))
		return;
	cims_finding_add(finding, "the ledger does not continue the checkpoint of " UINT64_FORMAT " leaves: it was written anew", anchor->head.size);
}

/* Make ready for a verification. */
static CimsVerification *
begin_verification(void)
{
	CimsVerification *verification = palloc0(sizeof(CimsVerification));

	begin_finding(&verification->blocks);
	begin_finding(&verification->tree);
	begin_finding(&verification->events);
	begin_finding(&verification->columns);
	begin_finding(&verification->payloads);
	cims_verify_links_begin(verification);
	verification->event_context =
		AllocSetContextCreate(CurrentMemoryContext, "cims verification of an event", ALLOCSET_DEFAULT_SIZES);
	return verification;
}

/*
 * Find where to begin: after the leaves of a checkpoint that was verified
 * before, if the tree still continues it, else at the beginning.
 */
static uint64
begin_after(CimsVerification *verification, const char *since, int32 *incarnation)
{
	CimsAnchor anchor = {0};
	CimsBlock *last;
	CimsMerkleHash root;
	const char *fault;

	*incarnation = 1;
	if (since == NULL)
		return 0;
	fault = read_outside(since, &anchor);
	if (fault != NULL)
		ereport(ERROR, errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("the checkpoint to begin after %s", fault),
				errhint("Give a checkpoint of this ledger that was verified before, or none to verify everything."));
	last = last_block_of(anchor.incarnation);
	if (last != NULL && last->size >= anchor.head.size)
	{
		cims_tree_root(cims_tree_open(anchor.incarnation, last->size), anchor.head.size, &root);
		if (cims_merkle_equal(&root, &anchor.head.root))
		{
			*incarnation = anchor.incarnation;
			return anchor.head.size;
		}
	}
	cims_finding_add(&verification->tree, "the ledger does not continue the checkpoint of " UINT64_FORMAT " leaves to begin after",
					 anchor.head.size);
	return 0;
}

/* Count the leaves that are to be walked. */
static uint64
leaves_to_walk(int32 first, uint64 from)
{
	uint64 total = 0;

	for (int32 id = first; cims_ledger_incarnation(id) != NULL; id++)
	{
		CimsBlock *last = last_block_of(id);

		total += last == NULL ? 0 : last->size;
	}
	return total - Min(total, from);
}

/* Return the checks of what was walked. */
static void
put_walked(ReturnSetInfo *result, CimsVerification *verification)
{
	put_row(result, "blocks", &verification->blocks,
			psprintf(UINT64_FORMAT " blocks follow each other without a gap", verification->n_blocks));
	put_row(result, "tree", &verification->tree, "every hash is that of the hashes below it, up to the root of each block");
	put_row(result, "events", &verification->events,
			psprintf(UINT64_FORMAT " events are what their leaves were made of, and each leaf has its event", verification->n_events));
	put_row(result, "columns", &verification->columns, "every event stands under its own numbers, time, relation and row");
	put_row(result, "payloads", &verification->payloads,
			psprintf("every payload is what its entry says; " UINT64_FORMAT " were erased, each on the record", verification->n_erased));
}

/*
 * Verify the ledger: cims.verify_ledger(checkpoint text, since text) returns
 * (check_name text, ok boolean, detail text), one row a check.  checkpoint was
 * held outside; without one the row "anchored" is not ok.  since is a
 * checkpoint up to which everything was verified before: events before it are
 * not read again.
 */
Datum
cims_verify_ledger(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	char *checkpoint = PG_ARGISNULL(0) ? NULL : note_of_text(PG_GETARG_TEXT_PP(0));
	char *since = PG_ARGISNULL(1) ? NULL : note_of_text(PG_GETARG_TEXT_PP(1));
	CimsVerification *verification;
	CimsFinding signature,
		anchored,
		incarnations;
	const char *fault = NULL;
	int32 first;
	uint64 from;
	CimsIncarnation *former = NULL,
					*incarnation;
	CimsBlock *former_last = NULL;

	InitMaterializedSRF(fcinfo, 0);
	begin_finding(&signature);
	begin_finding(&anchored);
	begin_finding(&incarnations);
	verification = begin_verification();
	if (cims_ledger_block(0) == NULL)
		cims_finding_add(&incarnations, "nothing has been sealed yet");
	if (checkpoint != NULL)
		fault = read_outside(checkpoint, &verification->anchor);
	from = begin_after(verification, since, &first);
	cims_verify_progress_begin(leaves_to_walk(first, from));
	for (int32 id = 1; (incarnation = cims_ledger_incarnation(id)) != NULL; id++)
	{
		CimsBlock *last = last_block_of(id);

		check_succession(&incarnations, incarnation, former, former_last);
		if (last == NULL)
			cims_finding_add(&incarnations, "incarnation %d has no block", id);
		else
		{
			check_signature(&signature, incarnation, last);
			if (id >= first)
				cims_verify_incarnation(verification, incarnation, id == first ? from : 0, last->size);
		}
		former = incarnation;
		former_last = last;
	}
	cims_verify_links_end(verification);
	check_anchor(&anchored, &verification->anchor, checkpoint, fault);

	put_row(result, "signature", &signature, "the newest checkpoint of each incarnation is signed by its key");
	put_row(result, "anchored", &anchored,
			psprintf("the ledger continues the checkpoint of " UINT64_FORMAT " leaves that was given", verification->anchor.head.size));
	put_row(result, "incarnations", &incarnations, "each names the end of the one before it");
	put_walked(result, verification);
	if (verification->n_pruned > 0)
	{
		CimsFinding pruned;

		begin_finding(&pruned);
		put_row(result, "pruned", &pruned, psprintf("of " UINT64_FORMAT " leaves the events were dropped after their retention; their hashes remain", verification->n_pruned));
	}
	return (Datum) 0;
}
