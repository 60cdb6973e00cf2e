/*
 * brin.c
 *		Tell which rows of cims.event need an entry in a BRIN index, and make it.
 *
 * A row needs none while the pages around it are not summarized: whoever
 * summarizes them later reads the rows.  That has to be asked after the row is
 * in the table, and for each row, or for all rows of a range of pages at once
 * where they are in the table already.  New rows stand at the end of the table,
 * so the answer is nearly always the same, and comes from one page of the index:
 * of its map, which holds for each range where its summary is.  The page is
 * read as access/brin/brin_revmap.c reads it, less what does not change: how
 * many pages a range has, and that the map has grown so far, it never shrinks.
 *
 * By the first row of a range the index asks for the range before it to be
 * summarized: so that row is always given to it.
 *
 * The index's own insertion follows the map to the summary, and where it finds
 * none there takes the range for one that is not summarized.  But the summary
 * may have been moved in that moment, as it is once all rows of the range were
 * read and it no longer fits its page: maybe before the new row was there, which
 * then no search would find.  So an entry is inserted again until the summary
 * has stayed in its place.  It is no matter how often.
 */
#include "postgres.h"

#include "access/brin_page.h"
#include "access/genam.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

#include "audit/internal.h"

static void learn_map(Relation index, CimsBrinMap *map);
static ItemPointerData find_summary(Relation index, CimsBrinMap *map, BlockNumber block);
static Buffer read_page(Relation index, CimsBrinPage *page, BlockNumber number);

/* Tell whether a row that is in the table needs an entry. */
bool
cims_audit_brin_needs(Relation index, CimsBrinMap *map, ItemPointer row, CimsBrinRange *range)
{
	BlockNumber block = ItemPointerGetBlockNumber(row);

	if (map->pages == 0)
		learn_map(index, map);
	if (!range->asked || block / map->pages != range->number)
	{
		ItemPointerData summary = find_summary(index, map, block);

		range->asked = true;
		range->number = block / map->pages;
		range->summarized = ItemPointerIsValid(&summary);
	}
	return range->summarized || (ItemPointerGetOffsetNumber(row) == FirstOffsetNumber && block % map->pages == 0);
}

/* Insert the entry of a row that needs one. */
void
cims_audit_brin_insert(Relation index, CimsBrinMap *map, Relation table, ItemPointer row, Datum *values, bool *nulls, IndexInfo *info)
{
	BlockNumber block = ItemPointerGetBlockNumber(row);
	ItemPointerData before, after;

	do
	{
		CHECK_FOR_INTERRUPTS();
		before = find_summary(index, map, block);
		index_insert(index, values, nulls, row, table, UNIQUE_CHECK_NO, false, info);
		after = find_summary(index, map, block);
	} while (ItemPointerIsValid(&after) && ItemPointerCompare(&before, &after) != 0);
}

/* Read from the first page of the index what does not change. */
static void
learn_map(Relation index, CimsBrinMap *map)
{
	Buffer buffer = read_page(index, &map->first, BRIN_METAPAGE_BLKNO);
	BrinMetaPageData *meta;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	meta = (BrinMetaPageData *) PageGetContents(BufferGetPage(buffer));
	map->pages = meta->pagesPerRange;
	map->last = meta->lastRevmapPage;
	UnlockReleaseBuffer(buffer);
	if (map->pages == 0)
		elog(ERROR, "index \"%s\" of the audit record has no pages in a range", RelationGetRelationName(index));
}

/* Find where the summary of the range of pages around a page is; an invalid pointer: it has none. */
static ItemPointerData
find_summary(Relation index, CimsBrinMap *map, BlockNumber block)
{
	BlockNumber range = block / map->pages;
	BlockNumber number = BRIN_METAPAGE_BLKNO + 1 + range / REVMAP_PAGE_MAXITEMS;
	ItemPointerData summary;
	Buffer buffer;
	bool is_map;

	ItemPointerSetInvalid(&summary);
	/* the map may have grown meanwhile */
	if (number > map->last)
		learn_map(index, map);
	if (number > map->last)
		return summary;
	buffer = read_page(index, &map->recent, number);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	is_map = BRIN_IS_REVMAP_PAGE(BufferGetPage(buffer));
	if (is_map)
		summary = ((RevmapContents *) PageGetContents(BufferGetPage(buffer)))->rm_tids[range % REVMAP_PAGE_MAXITEMS];
	UnlockReleaseBuffer(buffer);
	if (!is_map)
		ereport(ERROR,
				(errcode(ERRCODE_INDEX_CORRUPTED),
				 errmsg("page %u of index \"%s\" is not of the map of its ranges", number, RelationGetRelationName(index)),
				 errhint("REINDEX the index.")));
	return summary;
}

/* Read a page; it is mostly in the buffer where it was last time. */
static Buffer
read_page(Relation index, CimsBrinPage *page, BlockNumber number)
{
	if (page->buffer == InvalidBuffer || page->number != number || !CIMS_READ_RECENT(index, number, page->buffer))
	{
		page->number = number;
		page->buffer = ReadBuffer(index, number);
	}
	return page->buffer;
}
