/*
 * row_state.c
 *		A row as its events tell it.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "audit/history.h"

#define FIRST_ROOM 32

/* Makes an empty state. */
CimsRowState *
cims_row_state_create(MemoryContext parent)
{
	MemoryContext context = AllocSetContextCreate(parent, "cims row", ALLOCSET_DEFAULT_SIZES);
	CimsRowState *state = MemoryContextAllocZero(parent, sizeof(CimsRowState));

	state->context = context;
	return state;
}

/* Forgets everything. */
void
cims_row_state_clear(CimsRowState *state)
{
	MemoryContext context = state->context;

	MemoryContextReset(context);
	memset(state, 0, sizeof(*state));
	state->context = context;
}

/* Makes room for an attribute. */
static void
make_room(CimsRowState *state, int attnum)
{
	int room = Max(state->room, FIRST_ROOM);
	CimsRowItem *items;

	if (attnum <= state->room)
		return;
	while (room < attnum)
		room *= 2;
	items = MemoryContextAllocZero(state->context, sizeof(CimsRowItem) * room);
	if (state->room > 0)
	{
		memcpy(items, state->items, sizeof(CimsRowItem) * state->room);
		pfree(state->items);
	}
	state->items = items;
	state->room = room;
}

/* Takes in what an image tells. */
static void
overlay(CimsRowState *state, CimsBytes image, int64 seq)
{
	CimsImageReader reader = {image, 0};
	CimsImageItem item;

	while (cims_image_step(&reader, &item))
	{
		CimsRowItem *known;
		unsigned char *copy;

		make_room(state, item.attnum);
		known = &state->items[item.attnum - 1];
		copy = MemoryContextAlloc(state->context, item.value.len + 1);
		if (item.value.len > 0)
			memcpy(copy, item.value.data, item.value.len);
		if (known->known)
			pfree((void *) known->value.data);
		known->known = true;
		known->kind = item.kind;
		known->value.data = copy;
		known->value.len = item.value.len;
		known->seq = seq;
	}
}

/* Takes in one event.  After a deletion the state holds the row as it was last. */
void
cims_row_state_apply(CimsRowState *state, CimsOperation operation, int64 seq, int64 descriptor,
					 CimsBytes old, CimsBytes new)
{
	if (operation == CIMS_OP_INSERT || operation == CIMS_OP_BASELINE)
	{
		cims_row_state_clear(state);
		state->whole = true;
		state->whole_descriptor = descriptor;
	}
	overlay(state, old, seq);
	overlay(state, new, seq);
	state->exists = operation != CIMS_OP_DELETE;
	state->seq = seq;
	state->descriptor = descriptor;
}

/* Finds what is known of a column; NULL where nothing is. */
const CimsRowItem *
cims_row_state_item(const CimsRowState *state, AttrNumber attnum)
{
	return attnum <= state->room && state->items[attnum - 1].known ? &state->items[attnum - 1] : NULL;
}
