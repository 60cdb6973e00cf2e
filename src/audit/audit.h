/*
 * audit.h
 *		The audit record: what happened to audited tables, in table cims.event,
 *		written in the transaction that did it.
 */
#ifndef CIMS_AUDIT_H
#define CIMS_AUDIT_H

#include "utils/relcache.h"

#include "cims_compat.h"
#include "record/record.h"

extern void cims_audit_init(void); /* from _PG_init, after access and views */

/*
 * buffer.c: records an event that is of no row, in the current transaction,
 * and returns its number (seq).  relation may be InvalidOid; detail is a JSON
 * document in the server's encoding, or NULL.  The row of cims.event is there
 * when the outermost statement ends.  Raises where the transaction is read-only.
 */
extern int64 cims_audit_record(char operation, Oid relation, const char *detail);

/* buffer.c: writes now what this transaction has recorded at its current level, so that the next command sees it */
extern void cims_audit_flush(void);

/*
 * guard.c: cims.event, its partitions, cims.descriptor and the tables that were
 * given to cims_audit_guard are changed by nobody, superusers included, but by
 * code within cims_audit_writing(true); it returns the former value, which the
 * caller puts back; an error puts it back to false.
 */
extern bool cims_audit_writing(bool on);
extern void cims_audit_guard(const char *table); /* from _PG_init: the name of a table in schema cims, kept as given */

#endif
