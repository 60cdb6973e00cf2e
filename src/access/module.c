/*
 * module.c
 *		Start the part that knows who the end user is.
 */
#include "postgres.h"

#include "access/internal.h"
#include "access/scope.h"

/* Define the settings and install the hooks. */
void
cims_access_init(void)
{
	cims_access_keys_init();
	cims_access_token_init();
	cims_access_condition_init();
	cims_access_redact_init();
	cims_access_attempt_init();
	cims_scope_init();
	cims_access_leaver_init();
	cims_access_emergency_init();
	cims_access_separation_init();
}
