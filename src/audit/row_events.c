/*
 * row_events.c
 *		Finds the events of one row.
 *
 * A partition may have its columns in another order than the table, and a
 * former one other names: the key is held by column name and turned into the
 * image that the events of each partition carry.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/lsyscache.h"

#include "audit/identity.h"
#include "audit/row_key.h"

/* A search for events: a key, and up to which number events of it count. */
typedef struct Search
{
	const CimsRowKey *key;
	int64 upto;
} Search;

/* What collect_event fills. */
typedef struct EventCollection
{
	MemoryContext context;
	CimsBytes image; /* of the key */
	int64 upto;
	List *events; /* CimsEvent */
	CimsDescriptorCache *descriptors;
	Oid whole;    /* the table whose row it is */
	List *tables; /* that hold rows of it today */
	List *former; /* Search: keys that the row had before */
} EventCollection;

/* Copies an event with its bytes. */
static CimsEvent *
copy_event(const CimsEvent *event)
{
	CimsEvent *copy = palloc(sizeof(CimsEvent));
	bytea *payload = NULL;

	*copy = *event;
	if (event->payload_value != NULL)
	{
		payload = palloc(VARSIZE_ANY(event->payload_value));
		memcpy(payload, event->payload_value, VARSIZE_ANY(event->payload_value));
		if (!cims_payload_parse((CimsBytes){(const unsigned char *) VARDATA_ANY(payload), VARSIZE_ANY_EXHDR(payload)}, &copy->payload))
			elog(ERROR, "copy of an event cannot be read");
	}
	copy->payload_value = payload;
	return copy;
}

/* Notes the key that the row had before an update that changed it. */
static void
note_former_key(EventCollection *collection, const CimsEvent *event)
{
	const CimsDescriptor *descriptor =
		cims_descriptor_find(collection->descriptors, event->relation, event->entry.descriptor);
	CimsIdentity identity = {.descriptors = collection->descriptors, .relation = event->relation};
	CimsBytes key = event->payload.fields[CIMS_FIELD_KEY];
	StringInfo image = makeStringInfo();
	CimsRowKey *former;
	Search *search;
	CimsImageReader reader;
	CimsImageItem item;

	if (descriptor == NULL)
		return;
	identity.n_keys = descriptor->n_keys;
	identity.keys = descriptor->keys;
	if (!cims_identity_key(&identity, event->payload.fields[CIMS_FIELD_OLD], (CimsBytes){NULL, 0}, image) ||
		(image->len == (int) key.len && memcmp(image->data, key.data, key.len) == 0))
		return;
	former = palloc0(sizeof(CimsRowKey));
	former->values = palloc0(sizeof(CimsKeyValue) * descriptor->n_keys);
	reader = (CimsImageReader){{(unsigned char *) image->data, image->len}, 0};
	while (cims_image_step(&reader, &item))
	{
		CimsKeyValue *value = &former->values[former->n++];
		char *name = get_attname(event->relation, item.attnum, true);

		value->name = name != NULL ? name : cims_descriptor_column(descriptor, item.attnum)->name;
		value->kind = item.kind;
		value->value = item.value;
	}
	search = palloc0(sizeof(Search));
	search->key = former;
	search->upto = event->seq;
	collection->former = lappend(collection->former, search);
}

/* Tells whether an event happened to a row of the table, and not before or after its partition was part of it. */
static bool
is_of_table(const EventCollection *collection, const CimsEvent *event)
{
	const CimsDescriptor *descriptor =
		cims_descriptor_find(collection->descriptors, event->relation, event->entry.descriptor);

	return list_member_oid(collection->tables, event->relation) ||
		   (descriptor != NULL && descriptor->root == collection->whole);
}

/* Takes in an event of the wanted hash, if it is of the row. */
static bool
collect_event(const CimsEvent *event, void *arg)
{
	EventCollection *collection = (EventCollection *) arg;
	CimsBytes key = event->payload.fields[CIMS_FIELD_KEY];
	MemoryContext caller;

	if (event->seq >= collection->upto || !is_of_table(collection, event))
		return true;
	if (!event->erased && (key.len != collection->image.len || memcmp(key.data, collection->image.data, key.len) != 0))
		return true;
	caller = MemoryContextSwitchTo(collection->context);
	collection->events = lappend(collection->events, copy_event(event));
	if (event->entry.operation == CIMS_OP_UPDATE && !event->erased)
		note_former_key(collection, llast(collection->events));
	MemoryContextSwitchTo(caller);
	return true;
}

/* Finds a column of a recorded table by the name that it has today, or had last. */
static AttrNumber
column_number(const CimsDescriptor *descriptor, const char *name)
{
	AttrNumber attnum = get_attnum(descriptor->relation, name);

	for (int i = 0; attnum <= 0 && i < descriptor->n_columns; i++)
		if (strcmp(descriptor->columns[i].name, name) == 0)
			attnum = descriptor->columns[i].attnum;
	return attnum;
}

/* Makes the image that events of a table carry for a key; false where its key is of other columns. */
static bool
make_image(const CimsDescriptor *descriptor, const CimsRowKey *key, StringInfo out)
{
	if (descriptor->n_keys != key->n)
		return false;
	for (int i = 0; i < descriptor->n_keys; i++)
	{
		CimsImageItem item = {.attnum = descriptor->keys[i]};
		int n = 0;

		while (n < key->n && column_number(descriptor, key->values[n].name) != item.attnum)
			n++;
		if (n == key->n)
			return false;
		item.kind = key->values[n].kind;
		item.value = key->values[n].value;
		enlargeStringInfo(out, cims_image_item_len(item.attnum, item.kind, item.value.len));
		out->len += cims_image_write_item(&item, (unsigned char *) out->data + out->len);
	}
	return true;
}

/* Compares events by number. */
static int
compare_events(const ListCell *a, const ListCell *b)
{
	int64 x = ((CimsEvent *) lfirst(a))->seq;
	int64 y = ((CimsEvent *) lfirst(b))->seq;

	return x < y ? -1 : x > y;
}

/* Collects the events that one table has of a key. */
static void
search_table(EventCollection *collection, const Search *search, Oid relation, Snapshot snapshot)
{
	CimsEventFilter filter = {.snapshot = snapshot, .relations = &relation, .n_relations = 1, .by_hash = true};
	List *images = NIL; /* those that were searched for */
	ListCell *cell, *other;

	collection->upto = search->upto;
	foreach (cell, cims_descriptor_list(collection->descriptors, relation))
	{
		StringInfo image = makeStringInfo();
		bool known = false;

		if (!make_image(lfirst(cell), search->key, image))
			continue;
		foreach (other, images)
			known |= ((StringInfo) lfirst(other))->len == image->len &&
					 memcmp(((StringInfo) lfirst(other))->data, image->data, image->len) == 0;
		if (known)
			continue;
		images = lappend(images, image);
		collection->image = (CimsBytes){(const unsigned char *) image->data, image->len};
		filter.row_hash = (int64) hash_bytes_extended((const unsigned char *) image->data, image->len, 0);
		cims_event_scan(&filter, collect_event, collection);
	}
}

/* Finds the events of a row, under its key and those that it had before. */
List *
cims_row_events(const CimsRowKey *key, Oid relation, CimsDescriptorCache *descriptors, Snapshot snapshot)
{
	EventCollection collection = {.context = CurrentMemoryContext, .descriptors = descriptors, .whole = relation};
	List *tables = cims_history_all_tables(descriptors, relation);
	Search *search = palloc0(sizeof(Search));
	ListCell *cell;

	collection.tables = cims_history_tables(relation);
	search->key = key;
	search->upto = PG_INT64_MAX;
	collection.former = list_make1(search);
	/* the list grows by the keys that the row had before */
	for (int i = 0; i < list_length(collection.former); i++)
		foreach (cell, tables)
			search_table(&collection, list_nth(collection.former, i), lfirst_oid(cell), snapshot);
	list_sort(collection.events, compare_events);
	return collection.events;
}

/* Takes an event of a row into its state. */
void
cims_row_events_apply(CimsRowState *state, const CimsEvent *event)
{
	CimsBytes none = {NULL, 0};

	if (event->erased)
		return;
	cims_row_state_apply(state, event->entry.operation, event->seq, event->entry.descriptor,
						 event->payload.fields[CIMS_FIELD_OLD],
						 event->entry.operation == CIMS_OP_DELETE ? none : event->payload.fields[CIMS_FIELD_NEW]);
}
