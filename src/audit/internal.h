/*
 * internal.h
 *		What the files of the audit record share among themselves.
 */
#ifndef CIMS_AUDIT_INTERNAL_H
#define CIMS_AUDIT_INTERNAL_H

#include "access/xact.h"
#include "lib/stringinfo.h"

#include "audit/audit.h"
#include "base/base.h"

/* oids.c: the extension's own objects in this database; event is InvalidOid where there is none */
typedef struct CimsAuditOids
{
	Oid event;
	Oid event_seq;
	Oid overflow;
	Oid descriptor;
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

/* write.c: writes events into the partition that takes them now; all have their seq */
extern void cims_audit_write(CimsPendingEvent *const *events, int n, char *payloads);

/* session.c: the fields of the payload that tell who and from where, SUAVCPQ, ready to be copied */
extern CimsBytes cims_audit_session(void);
extern const char *cims_audit_client(void); /* the client's address, "local" over a Unix socket, NULL where there is no client */
extern void cims_audit_session_init(void);

/* partition.c */
extern void cims_audit_partition_init(void);

/* guard.c */
extern void cims_audit_guard_init(void);

#endif
