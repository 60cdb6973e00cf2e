/*
 * internal.h
 *		What the files of src/views share among themselves.
 */
#ifndef CIMS_VIEWS_INTERNAL_H
#define CIMS_VIEWS_INTERNAL_H

#include "executor/tuptable.h"
#include "nodes/params.h"
#include "utils/relcache.h"
#include "utils/tuplestore.h"

#include "keyring/keyring.h"
#include "types/types.h"
#include "views/views.h"

/* A column of a masking view. */
typedef struct CimsViewColumn
{
	AttrNumber number;     /* in the view */
	AttrNumber base;       /* in the table */
	const char *name;      /* in the view */
	Oid type;              /* in the view */
	bool displayed;        /* by the caller's grant on a class, else as it is */
	int32 class_id;        /* the class, where it is displayed */
	const char *class;     /* its name; else NULL */
	const char *mask_text; /* the view's own mask for it, NULL where that of the class holds */
	CimsMaskRule mask;     /* what this means */
} CimsViewColumn;

/* definition.c: the columns (CimsViewColumn) of a masking view and its table; NIL for any other relation */
extern List *cims_views_columns(Relation view, Oid *table);

/* A statement over a masking view or its table; names in it are found in pg_catalog alone. */
typedef struct CimsViewStatement
{
	const char *text;
	int n_params;
	Oid *types;
	Datum *values;
	bool *nulls;
	Oid relation;   /* is read and written by the privileges and row policies of ... */
	Oid owner;      /* ... this role; everything else is the caller's */
	bool may_match; /* equality of encrypted values needs no grant: the caller's use of it is counted and recorded */
} CimsViewStatement;

/* run.c: runs a statement now, with the changes of this transaction so far; rows go to result, which may be NULL */
extern void cims_views_run(const CimsViewStatement *statement, Tuplestorestate *result, TupleDesc *desc);

/* limit.c: at most so many look-ups a minute */
extern void cims_views_limit_init(void);
extern bool cims_views_limit_take(void); /* one more of the actor, or of the session's role: false where there have been too many */
extern int cims_views_limit(void);

/* plain.c: the masked form of a value of a plain type, in that type; false where there is none, or NULL is it */
extern bool cims_views_mask_plain(Oid type, Datum value, const CimsMaskRule *rule, Datum *masked);

/* plain.c: tells whether values of a type are text to a mask */
extern bool cims_views_is_text(Oid type);

/* follow.c: installs the hook that keeps cims.governed_column in step with its tables */
extern void cims_views_follow_init(void);

#endif
