/*
 * brin.c
 *		Tell which rows of cims.event need an entry in a BRIN index.
 *
 * A row needs none while the pages around it are not summarized: whoever
 * summarizes them later reads the rows.  That has to be asked after the row is
 * in the table, and for each row, or for all rows of a range of pages at once
 * where they are in the table already.  New rows stand at the end of the table,
 * so the answer is nearly always the same, and comes from one page of the index:
 * of its map, which holds for each range where its summary is.  The page is
 * read as access/brin/brin_revmap.c reads it, less what does not change: how
 * many pages a range has, and that the map has grown so far, it never shrinks.
 * Anything but a range that is not summarized is left to that file.
 *
 * By the first row of a range the index asks for the range before it to be
 * summarized: so that row is always given to it.
 */
#include "postgres.h"

#include "access/brin_page.h"
#include "access/brin_revmap.h"
#include "storage/bufmgr.h"
#include "utils/rel.h"

#include "audit/internal.h"

static void learn_map(Relation index, CimsBrinMap *map);
static bool is_summarized(Relation index, CimsBrinMap *map, BlockNumber block);
static Buffer read_page(Relation index, CimsBrinPage *page, BlockNumber number);
static bool ask_index(Relation index, BlockNumber block);

/* Tell whether a row that is in the table needs an entry. */
bool
cims_audit_brin_needs(Relation index, CimsBrinMap *map, ItemPointer row, CimsBrinRange *range)
{
	BlockNumber block = ItemPointerGetBlockNumber(row);

	if (map->pages == 0)
		learn_map(index, map);
	if (!range->asked || block / map->pages != range->number)
	{
		range->asked = true;
		range->number = block / map->pages;
		range->summarized = is_summarized(index, map, block);
	}
	return range->summarized || (ItemPointerGetOffsetNumber(row) == FirstOffsetNumber && block % map->pages == 0);
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

/* Tell whether the range of pages around a page is summarized. */
static bool
is_summarized(Relation index, CimsBrinMap *map, BlockNumber block)
{
	BlockNumber range = block / map->pages;
	BlockNumber number = BRIN_METAPAGE_BLKNO + 1 + range / REVMAP_PAGE_MAXITEMS;
	Buffer buffer;
	RevmapContents *contents;
	bool is_map;
	bool is_valid;

	/* the map may have grown meanwhile */
	if (number > map->last)
		learn_map(index, map);
	if (number > map->last)
		return false;
	buffer = read_page(index, &map->recent, number);
	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	contents = (RevmapContents *) PageGetContents(BufferGetPage(buffer));
	is_map = BRIN_IS_REVMAP_PAGE(BufferGetPage(buffer));
	is_valid = ItemPointerIsValid(&contents->rm_tids[range % REVMAP_PAGE_MAXITEMS]);
	UnlockReleaseBuffer(buffer);
	return (is_valid || !is_map) && ask_index(index, block);
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

/* Ask the index itself whether the range of pages around a page is summarized. */
static bool
ask_index(Relation index, BlockNumber block)
{
	BlockNumber pages;
	BrinRevmap *map = CIMS_BRIN_REVMAP_INITIALIZE(index, &pages);
	Buffer buffer = InvalidBuffer;
	OffsetNumber offset;
	BrinTuple *summary = CIMS_BRIN_SUMMARY(map, block, &buffer, &offset);

	if (summary != NULL)
		LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
	if (BufferIsValid(buffer))
		ReleaseBuffer(buffer);
	brinRevmapTerminate(map);
	return summary != NULL;
}
