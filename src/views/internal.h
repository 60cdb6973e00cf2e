/*
 * internal.h
 *		What the files of src/views share among themselves.
 */
#ifndef CIMS_VIEWS_INTERNAL_H
#define CIMS_VIEWS_INTERNAL_H

#include "keyring/keyring.h"
#include "types/types.h"
#include "views/views.h"

/* plain.c: the masked form of a value of a plain type, in that type; false where there is none, or NULL is it */
extern bool cims_views_mask_plain(Oid type, Datum value, const CimsMaskRule *rule, Datum *masked);

/* plain.c: tells whether values of a type are text to a mask */
extern bool cims_views_is_text(Oid type);

/* follow.c: installs the hook that keeps cims.governed_column in step with its tables */
extern void cims_views_follow_init(void);

#endif
