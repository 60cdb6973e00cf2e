/*
 * module.c
 *		Start the masking views.
 */
#include "postgres.h"

#include "views/internal.h"

/* Install hooks, define settings, ask for shared memory. */
void
cims_views_init(void)
{
	cims_views_follow_init();
	cims_views_limit_init();
}
