/*
 * internal.h
 *		What the files of the audit record share among themselves.
 */
#ifndef CIMS_AUDIT_INTERNAL_H
#define CIMS_AUDIT_INTERNAL_H

#include "access/xact.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "nodes/execnodes.h"
#include "storage/buf.h"
#include "storage/itemptr.h"

#include "audit/audit.h"
#include "base/base.h"

/* oids.c: the extension's own objects in this database; event is InvalidOid where there is none */
typedef struct CimsAuditOids
{
	Oid event;
	Oid event_seq;
	Oid overflow;
	Oid descriptor;
	Oid descriptor_index;
	Oid audited_table;
} CimsAuditOids;
extern const CimsAuditOids *cims_audit_oids(void);
extern void cims_audit_oids_init(void);
extern void cims_audit_require(void); /* raises where the extension is not created in this database */

/*
 * An event on its way: made whole but for what is known only when it is
 * written.  Its payload stands in the buffer's bytes as a varlena, with room
 * for the salt.
 */
typedef struct CimsPendingEvent
{
	char operation;
	bool has_hash;          /* row_hash is one */
	SubTransactionId subid; /* that will write it */
	CommandId command;      /* by which the row was changed: orders events of one row within a transaction */
	Oid relation;
	int64 row_hash;
	int64 descriptor;
	int64 seq;   /* 0: not drawn yet */
	int order;   /* among those recorded by one command */
	Size offset; /* of the payload, within the buffer's bytes */
} CimsPendingEvent;

/* buffer.c: begins an event; its fields are appended to the StringInfo that is returned, until cims_audit_end_event */
extern StringInfo cims_audit_begin_event(void);
extern void cims_audit_end_event(const CimsPendingEvent *event); /* its last four fields and subid are set here */
extern void cims_audit_append_field(StringInfo out, CimsField field, CimsBytes value);
extern CommandId cims_audit_statement_command(void);
extern void cims_audit_buffer_init(void);

/* number.c: gives numbers to events that have none; the sequence gives the first of so many */
#define CIMS_EVENT_BLOCK 1024 /* the increment of cims.event_seq */
extern void cims_audit_number(CimsPendingEvent *events, int n);
extern void cims_audit_number_init(void);

/* write.c: writes events into the partition that takes them now; all have their seq */
extern void cims_audit_write(CimsPendingEvent *const *events, int n, char *payloads);

extern void cims_audit_write_changed(Oid relation); /* InvalidOid: any */

/* A page of an index, and the buffer that it was in when it was read last; InvalidBuffer: none. */
typedef struct CimsBrinPage
{
	BlockNumber number;
	Buffer buffer;
} CimsBrinPage;

/* What a backend knows of the map of a BRIN index, begin with zeros; good until the index is built anew. */
typedef struct CimsBrinMap
{
	BlockNumber pages;   /* in a range; 0: nothing is known */
	BlockNumber last;    /* page of the map that there is for certain, 0: none */
	CimsBrinPage first;  /* page of the index, which tells both */
	CimsBrinPage recent; /* page of the map */
} CimsBrinMap;

/* What is known of a range of pages while rows are written; begin with zeros. */
typedef struct CimsBrinRange
{
	bool asked;
	bool summarized;
	BlockNumber number;
} CimsBrinRange;

/* brin.c: tells whether a row needs an entry in a BRIN index; the rows that follow, of the same range, are in the table as well */
extern bool cims_audit_brin_needs(Relation index, CimsBrinMap *map, ItemPointer row, CimsBrinRange *range);
extern void cims_audit_brin_insert(Relation index, CimsBrinMap *map, Relation table, ItemPointer row, Datum *values, bool *nulls, IndexInfo *info);

/* session.c: the fields of the payload that tell who and from where, SUAVCPQ, ready to be copied */
extern CimsBytes cims_audit_session(void);
extern const char *cims_audit_client(void); /* the client's address, "local" over a Unix socket, NULL where there is no client */
extern void cims_audit_session_init(void);

/* How a column's value is made text. */
typedef enum CimsAuditOutput
{
	CIMS_OUTPUT_FUNCTION = 0, /* of the type, under pinned settings */
	CIMS_OUTPUT_TEXT,         /* the bytes of a text */
	CIMS_OUTPUT_INT2,
	CIMS_OUTPUT_INT4,
	CIMS_OUTPUT_INT8,
	CIMS_OUTPUT_OID, /* a number, also of the reg* types, whose names change */
	CIMS_OUTPUT_TIMESTAMPTZ
} CimsAuditOutput;

/* How a column stands in images. */
typedef enum CimsAuditMode
{
	CIMS_MODE_VALUE = 0,
	CIMS_MODE_SEALED,
	CIMS_MODE_HASH,
	CIMS_MODE_OMITTED
} CimsAuditMode;

/* A column of an audited table. */
typedef struct CimsAuditColumn
{
	AttrNumber attnum;
	bool key;
	CimsAuditMode mode;
	CimsAuditOutput output;
	int16 len;
	bool by_value;
	FmgrInfo function; /* of CIMS_OUTPUT_FUNCTION */
} CimsAuditColumn;

/*
 * table.c: what a backend knows of an audited table (or of a partition or an
 * inheritance child of one): made from the catalog at first use and when it
 * has changed; good until the next call.
 */
typedef struct CimsAuditTable
{
	Oid relation; /* key of the hash table */
	bool valid;
	bool audited;        /* there are options for it, or for an ancestor */
	bool full;           /* images hold all columns */
	bool statement;      /* recorded by statement */
	bool whole_row_key;  /* there is no key: the row is its own */
	bool pinned;         /* a column's output depends on settings */
	int64 descriptor;    /* seq of the event that describes it; 0: not known */
	bool descriptor_own; /* ... which this transaction has written */
	Oid root;            /* whose options these are */
	MemoryContext context;
	int n_columns;
	CimsAuditColumn *columns;
} CimsAuditTable;
extern CimsAuditTable *cims_audit_table(Relation rel);    /* with its descriptor */
extern CimsAuditTable *cims_audit_options(Relation rel);  /* without */
extern Oid cims_audit_root(Oid relation, HeapTuple *row); /* the table, or its ancestor, that has options; row may be NULL */
extern void cims_audit_forget_own_descriptors(bool committed);
extern void cims_audit_table_changed(Oid relation); /* InvalidOid: any */

/* describe.c: writes the event that describes a table as it is, unless there is one; or in any case */
extern void cims_audit_describe(Relation rel, CimsAuditTable *table, bool anew);
extern void cims_audit_describe_init(void);

/* image.c: images of rows, under pinned settings; each appends to out */
typedef struct CimsAuditRow
{
	const Datum *values;
	const bool *nulls;
} CimsAuditRow;
extern void cims_audit_append_token(AttrNumber attnum, struct varlena *value, StringInfo out); /* of a sealed value, as it stands in keys */
extern void cims_audit_image(CimsAuditTable *table, CimsAuditRow row, StringInfo out);
extern int64 cims_audit_key(CimsAuditTable *table, CimsAuditRow row, StringInfo out); /* returns row_hash; out stays empty where the row is its own key */

/* image.c: records an event of a row; a row that is not there has values NULL */
extern void cims_audit_record_row(CimsAuditTable *table, char operation, CommandId command, CimsAuditRow old, CimsAuditRow new);
extern char *cims_audit_to_utf8(const char *text, int len, int *converted_len);
extern char *cims_audit_from_utf8(const char *text, int len);

/* trigger.c: the names of the triggers; they sort before those of others, as PostgreSQL fires them by name */
#define CIMS_TRIGGER_ROW "!cims_audit"
#define CIMS_TRIGGER_TRUNCATE "!cims_audit_truncate"
#define CIMS_TRIGGER_APPLY "!cims_audit_apply"
#define CIMS_TRIGGER_INSERT "!cims_audit_insert"
#define CIMS_TRIGGER_UPDATE "!cims_audit_update"
#define CIMS_TRIGGER_DELETE "!cims_audit_delete"

/* partition.c */
extern void cims_audit_partition_init(void);

/* guard.c */
extern void cims_audit_guard_changed(Oid relation); /* InvalidOid: any */
extern void cims_audit_guard_init(void);

#endif
