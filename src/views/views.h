/*
 * views.h
 *		Masking views: each governed column shown as the caller's grant allows,
 *		whole rows written through them, equality look-ups, masked copies.
 */
#ifndef CIMS_VIEWS_H
#define CIMS_VIEWS_H

#include "mask/mask.h"

extern void cims_views_init(void); /* from _PG_init: hooks, settings, shared memory */

#endif
