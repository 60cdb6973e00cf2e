/*
 * module.c
 *		Start the masking views.
 */
#include "postgres.h"

#include "views/internal.h"

/* Install hooks. */
void
cims_views_init(void)
{
	cims_views_follow_init();
}
