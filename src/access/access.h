/*
 * access.h
 *		Who the end user behind a connection is, by proof: the actor of a
 *		transaction, as a signed token names it.
 */
#ifndef CIMS_ACCESS_H
#define CIMS_ACCESS_H

#include "datatype/timestamp.h"

#include "cims_compat.h"

/*
 * The actor of a transaction.  Every pointer is good until the transaction
 * ends; a claim that the token does not make is NULL.
 */
typedef struct CimsActor
{
	const char *name;          /* claim "sub", never NULL */
	const char *role;          /* claim "role": the database role that login took */
	const char *org;           /* claim "org": the organisation that the actor acts for */
	const char *purpose;       /* claim "purpose" */
	const char *acr;           /* claim "acr": the class of the authentication */
	bool mfa;                  /* more than one factor was verified, by the issuer or by cims.verify_totp() */
	Oid role_oid;              /* the role that the actor acts in; the session user where there is no claim */
	TimestampTz authenticated; /* claim "auth_time", or when cims.verify_totp() took a code; 0: not known */
	TimestampTz expires;
} CimsActor;

/* module.c: from _PG_init, after the keyring */
extern void cims_access_init(void);

/* token.c: the verified, unexpired actor of this transaction, or NULL; no error, no SPI, no allocation */
extern const CimsActor *cims_access_actor(void);

/*
 * token.c: the same for use inside a query: raises where the token has expired
 * since the statement began, so that no statement sees some rows with its actor
 * and the rest without.
 */
extern const CimsActor *cims_access_actor_of_statement(void);

#endif
