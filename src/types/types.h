/*
 * types.h
 *		The encrypted types: one datum, one core, thin input and output.
 *
 * A value is a varlena whose bytes are the sealed format of crypto/crypto.h.
 * Plaintext is sealed in a form that outlives servers: text in UTF-8, numeric,
 * date, timestamptz in the binary form of their send functions, jsonb as UTF-8 text,
 * bytea as it is.
 */
#ifndef CIMS_TYPES_H
#define CIMS_TYPES_H

#include "fmgr.h"
#include "cims_compat.h"
#include "crypto/crypto.h"
#include "keyring/keyring.h"

/* value.c: a detoasted value taken apart; raises data_corrupted where it is no sealed value */
extern void cims_value_parse(struct varlena *value, CimsSealed *sealed);

/*
 * value.c: the plaintext of a value as a Datum of its plain type, palloc'd in
 * the current memory context.  No level is checked here.  Raises where keys
 * are missing or the value is damaged, naming class and key version.
 */
extern Datum cims_value_reveal(struct varlena *value);

/* value.c: as cims_value_reveal, but for values of enc_text alone */
extern text *cims_value_reveal_text(struct varlena *value);

/* level.c: raises insufficient_privilege where the current role holds less than level on the class */
extern void cims_require_level(int32 class_id, CimsLevel level);

#endif
