/*
 * scope.h
 *		What the actor of a statement may see: organisations and labels.
 */
#ifndef CIMS_ACCESS_SCOPE_H
#define CIMS_ACCESS_SCOPE_H

#include "nodes/pg_list.h"
#include "utils/uuid.h"

#include "access/access.h"

/* The kinds of columns that name an owner or an organisation. */
typedef enum CimsKeyKind
{
	CIMS_KEY_NONE = 0, /* a type that names nobody */
	CIMS_KEY_TEXT,     /* text, varchar, and literals of no type yet */
	CIMS_KEY_INTEGER,  /* smallint, integer, bigint */
	CIMS_KEY_UUID
} CimsKeyKind;

/* One name in every form in which a column may hold it. */
typedef struct CimsName
{
	const char *text;
	size_t len;
	bool is_integer; /* text is an integer in its one spelling */
	int64 integer;
	bool is_uuid; /* text is a UUID, in letters of either case */
	pg_uuid_t uuid;
} CimsName;

/* What an actor may see.  The lists ascend; each organisation stands in every list whose form it has. */
typedef struct CimsScope
{
	CimsName owner; /* the actor, who sees what is theirs */
	bool all;       /* every organisation, known or not */
	int n_texts;
	CimsName *texts;
	int n_integers;
	int64 *integers;
	int n_uuids;
	pg_uuid_t *uuids;
	int n_clearances;
	struct varlena **clearances; /* of type cims.label; any of them suffices */
	int level;                   /* the highest of a clearance; -1: there is none */
} CimsScope;

/*
 * scope.c: what the actor of this statement may see; NULL where there is no
 * actor.  Good until the next call.  Raises where the token has expired since
 * the statement began.
 */
extern const CimsScope *cims_scope_current(void);
extern void cims_scope_init(void);

/* scope_name.c */
extern CimsName cims_scope_name(const char *text);
extern void cims_scope_list(CimsScope *scope, List *organisations);
extern bool cims_scope_has_text(const CimsScope *scope, const char *text, size_t len);
extern bool cims_scope_has_integer(const CimsScope *scope, int64 integer);
extern bool cims_scope_has_uuid(const CimsScope *scope, const pg_uuid_t *uuid);

/* scope_sql.c: the kind of a column's type, domains and what is under them alike */
extern CimsKeyKind cims_scope_kind(Oid type);

#endif
