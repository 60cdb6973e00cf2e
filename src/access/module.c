/*
 * module.c
 *		Start the part that knows who the end user is.
 */
#include "postgres.h"

#include "access/access.h"
#include "access/scope.h"

/* Define the settings and install the hooks. */
void
cims_access_init(void)
{
	cims_scope_init();
}
