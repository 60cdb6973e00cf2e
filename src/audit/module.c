/*
 * module.c
 *		What the audit record does when the library is loaded.
 */
#include "postgres.h"

#include "cims_compat.h"

#include "audit/command.h"
#include "audit/internal.h"

/* Install the hooks and settings of this part. */
void
cims_audit_init(void)
{
	/* events carry the fingerprint of the statement */
	EnableQueryId();
	cims_audit_oids_init();
	cims_audit_number_init();
	cims_audit_session_init();
	cims_audit_describe_init();
	cims_audit_partition_init();
	cims_command_init(); /* before the buffer, which is to write what it records */
	cims_audit_buffer_init();
	cims_audit_guard_init();
}
