/*
 * ring.h
 *		Commands that concern the whole cluster, on their way into the record of
 *		every database.
 */
#ifndef CIMS_AUDIT_RING_H
#define CIMS_AUDIT_RING_H

#include "nodes/pg_list.h"

extern void cims_ring_init(void);

/*
 * Takes what every database is to record: a JSON object in ASCII that is not
 * closed yet, and the objects that the watchdog is to know of.  It is told once the transaction commits; or at once, where no
 * rollback undoes what it tells.
 */
extern void cims_ring_add(const char *detail, List *names, bool at_once);

#endif
