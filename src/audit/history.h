/*
 * history.h
 *		The reading side of the record: events taken apart, rows built again
 *		from them, and what of it a role may see.
 *
 * Private to this part.  Everything here reads the tables of events directly,
 * under one snapshot, and not by SPI: it works on standbys, inside views, and
 * for roles that have no privilege on those tables.  Who may read what is
 * decided in reader.c alone.
 */
#ifndef CIMS_AUDIT_HISTORY_H
#define CIMS_AUDIT_HISTORY_H

#include "access/attnum.h"
#include "datatype/timestamp.h"
#include "lib/stringinfo.h"
#include "nodes/bitmapset.h"
#include "nodes/pg_list.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

#include "cims_compat.h"
#include "keyring/keyring.h"
#include "record/record.h"

/* event_read.c: one event; the bytes are good for as long as its memory context says */
typedef struct CimsEvent
{
	int64 seq;
	TimestampTz at;
	Oid relation;   /* the ordinary table that held the row; InvalidOid where none */
	bool has_hash;  /* the event is of a row */
	int64 row_hash; /* hash of the row's key */
	CimsEntry entry;
	bool erased; /* the payload is gone: the fields are all absent */
	CimsPayload payload;
	bytea *payload_value; /* what the fields point into; NULL where erased */
} CimsEvent;

/* event_read.c: which events are wanted; what is zero does not matter */
typedef struct CimsEventFilter
{
	Snapshot snapshot;
	const Oid *relations; /* in ascending order; NULL: of all and of none */
	int n_relations;
	bool by_hash; /* of rows with this hash alone, by index */
	int64 row_hash;
	uint64 xid; /* not 0: of this transaction alone, by index */
	int64 seq;  /* not 0: of this number alone */
} CimsEventFilter;

/* event_read.c: called for each event in no particular order, in a context that is reset after it; false ends the scan */
typedef bool (*CimsEventFunction)(const CimsEvent *event, void *arg);
extern void cims_event_scan(const CimsEventFilter *filter, CimsEventFunction each, void *arg);

/* event_read.c: takes the columns of an event apart; where they are damaged returns false, or raises data_corrupted */
extern bool cims_event_read(CimsEvent *event, bytea *entry, bytea *payload);
extern void cims_event_parse(CimsEvent *event, bytea *entry, bytea *payload);

/* detail.c: small helpers over events and images */
extern const char *cims_operation_name(CimsOperation operation);
extern bool cims_image_step(CimsImageReader *reader, CimsImageItem *item); /* false at the end, and where there is no image */
extern bool cims_image_find(CimsBytes image, AttrNumber attnum, CimsImageItem *item);

/* descriptor_read.c: one column of a table as an event describes it */
typedef struct CimsDescribedColumn
{
	AttrNumber attnum;
	const char *name;    /* in the database's encoding, as are all texts here */
	const char *type;    /* as format_type names it */
	const char *mode;    /* value, sealed, hash or omitted */
	const char *missing; /* the value of rows that are older than the column; NULL: null */
} CimsDescribedColumn;

/* descriptor_read.c: a table as an event describes it; the texts live as long as the descriptor's context */
typedef struct CimsDescriptor
{
	int64 seq;
	Oid relation;
	Oid root; /* the table whose options it had: an ancestor, or the table itself */
	const char *schema;
	const char *table;
	int n_columns;
	CimsDescribedColumn *columns; /* in ascending order of attnum */
	int n_keys;
	AttrNumber *keys;
	bool changes_only; /* images hold the columns that changed */
} CimsDescriptor;

extern CimsDescriptor *cims_descriptor_parse(const CimsEvent *event);
extern const CimsDescribedColumn *cims_descriptor_column(const CimsDescriptor *descriptor, AttrNumber attnum);


/*
 * descriptor_cache.c: the descriptors of tables, read when first asked for;
 * good for one statement.  The one that an event names, NULL where it is gone;
 * all of a table, in the order of their numbers.
 */
typedef struct CimsDescriptorCache CimsDescriptorCache;
extern CimsDescriptorCache *cims_descriptor_cache(MemoryContext context, Snapshot snapshot);
extern const CimsDescriptor *cims_descriptor_find(CimsDescriptorCache *cache, Oid relation, int64 seq);
extern List *cims_descriptor_list(CimsDescriptorCache *cache, Oid relation);
extern bool cims_descriptor_missing(CimsDescriptorCache *cache, Oid relation, int64 after, AttrNumber attnum,
									CimsImageKind *kind, CimsBytes *value);
extern List *cims_descriptor_relations(void); /* the tables that were ever described */

/* reader.c: how a role sees the values of one column */
typedef enum CimsSight
{
	CIMS_SIGHT_NONE = 0, /* not at all */
	CIMS_SIGHT_MASK,     /* masked by the class that governs the column */
	CIMS_SIGHT_WHOLE     /* as they are; sealed ones by their class, as ever */
} CimsSight;

/* reader.c: what the current role may see of one table, by attribute number; good for one statement */
typedef struct CimsReader CimsReader;
extern CimsReader *cims_reader_begin(MemoryContext context);
extern CimsSight cims_reader_sight(CimsReader *reader, const CimsDescriptor *descriptor, AttrNumber attnum, const CimsClass **class);

/* reader.c: raise insufficient_privilege */
extern void cims_reader_require(Oid relation);      /* the record of a table: its owner, or who may read cims.audit_log */
extern void cims_reader_require_rows(Oid relation); /* all of its rows and columns: SELECT, and no row policy in the way */

/* show.c: appends a value as JSON, as the reader may have it; false, and nothing appended, where that is not at all */
extern bool cims_show_item(StringInfo out, CimsReader *reader, const CimsDescriptor *descriptor, const CimsImageItem *item);
extern bool cims_show_member(StringInfo out, CimsReader *reader, const CimsDescriptor *descriptor, const CimsImageItem *item);
extern char *cims_show_text(CimsBytes utf8); /* in the database's encoding */

/*
 * row_state.c: a row as events tell it, one after the other in the order of
 * their numbers.  A column of which no event told anything since the row came
 * to be has no item: the row is older than the column, or it is not recorded.
 */
typedef struct CimsRowItem
{
	bool known;
	CimsImageKind kind;
	CimsBytes value; /* the state's own copy */
	int64 seq;       /* of the event that told it */
} CimsRowItem;

typedef struct CimsRowState
{
	MemoryContext context;
	int room;
	CimsRowItem *items; /* by attribute number less one */
	bool exists;
	bool whole;             /* some event told all columns of the row */
	int64 seq;              /* of the last event; 0 before the first */
	int64 descriptor;       /* that the last event named */
	int64 whole_descriptor; /* that the last event named which told all columns */
} CimsRowState;

extern CimsRowState *cims_row_state_create(MemoryContext parent);
extern void cims_row_state_clear(CimsRowState *state);
extern void cims_row_state_apply(CimsRowState *state, CimsOperation operation, int64 seq, int64 descriptor,
								 CimsBytes old, CimsBytes new);
extern const CimsRowItem *cims_row_state_item(const CimsRowState *state, AttrNumber attnum); /* NULL where there is none */

/*
 * event_sort.c: what is told of rows, sorted by part, hash, key and number;
 * goes to disk beyond the memory that is allowed.
 */
typedef struct CimsTold
{
	int32 part; /* which table, as the caller counts them */
	int64 row_hash;
	CimsBytes key;  /* empty where it is not known */
	int64 seq;      /* PG_INT64_MAX: the row as it is in the table */
	char operation; /* CimsOperation, or what the caller calls it */
	int64 descriptor;
	CimsBytes old, new; /* images; data is NULL where there is none */
} CimsTold;

typedef struct CimsEventSort CimsEventSort;
extern CimsEventSort *cims_event_sort_begin(int kilobytes);
extern void cims_event_sort_put(CimsEventSort *sort, const CimsTold *told);
extern void cims_event_sort_perform(CimsEventSort *sort);
extern bool cims_event_sort_next(CimsEventSort *sort, CimsTold *told); /* good until the next call */
extern void cims_event_sort_end(CimsEventSort *sort);

/* tables.c */
extern Snapshot cims_history_snapshot(void);                                          /* registered; sees what this transaction has recorded */
extern List *cims_history_tables(Oid relation);                                       /* that hold rows of it */
extern int cims_history_index(const Oid *relations, int n, Oid relation);             /* in ascending order; -1 */
extern List *cims_history_all_tables(CimsDescriptorCache *descriptors, Oid relation); /* or once did */
extern void cims_history_require_table(Oid relation);

/* tables.c: what changes what is known of the rows of a table */
typedef enum CimsTurnKind
{
	CIMS_TURN_BEGUN,     /* the record begins; images of the rows follow, or not */
	CIMS_TURN_REWRITTEN, /* the rows read otherwise from now on; so do images of them that follow */
	CIMS_TURN_EMPTIED,
	CIMS_TURN_ENDED,
	CIMS_TURN_PRUNED /* old events were dropped, after images of the rows; it tells of all moments before it */
} CimsTurnKind;

typedef struct CimsTurn
{
	int64 seq;
	CimsTurnKind kind;
	bool rows;    /* images of all rows follow */
	int64 images; /* of PRUNED: the turn after which the images came; 0: there were none */
} CimsTurn;

/* Since when the rows of a table are known, at one moment. */
typedef struct CimsKnowledge
{
	int64 since;   /* events before this number tell nothing of the rows; 0: none told anything */
	bool recorded; /* the table is recorded */
	bool whole;    /* and all of its rows are known */
} CimsKnowledge;

extern bool cims_history_turn(const CimsEvent *event, MemoryContext context, List **turns);
extern bool cims_history_pruning(const CimsEvent *event, MemoryContext context, List **turns); /* only a turn of kind PRUNED */
extern void cims_history_settle(List *turns, bool keyless, CimsKnowledge *knowledge);

#endif
