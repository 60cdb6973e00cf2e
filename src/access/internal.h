/*
 * internal.h
 *		What the files of this part share among themselves.
 */
#ifndef CIMS_ACCESS_INTERNAL_H
#define CIMS_ACCESS_INTERNAL_H

#include "fmgr.h"
#include "utils/palloc.h"

#include "access/access.h"
#include "jose/jose.h"

/* What is known of an actor; begins with what other parts see of it. */
typedef struct CimsActorState
{
	CimsActor actor;
	CimsClaims claims;
	const char *payload; /* the claims as they were signed: UTF-8 */
	size_t payload_len;
	text *name; /* the strings of the actor as SQL returns them; NULL where there is none */
	text *role;
	text *org;
	text *purpose;
	text *acr;
} CimsActorState;

/* Why a token was refused: constant texts, as nothing of a token may stand in a message. */
typedef struct CimsTokenError
{
	int sqlstate;
	const char *message;
	const char *hint;
} CimsTokenError;

/* keys.c: settings of tokens, and the keys that may sign them */
extern void cims_access_keys_init(void);
extern const CimsKeySet *cims_access_keys(void); /* raises where there are none */
extern void cims_access_limits(CimsClaimLimits *limits);
extern bool cims_access_means_mfa(const CimsClaims *claims);

/* actor.c */
extern CimsActorState *cims_actor_make(const char *payload, size_t len, MemoryContext context); /* NULL: malformed */
extern const CimsTokenError *cims_actor_verify(const char *token, size_t len, CimsActorState **state);

/* token.c: the setting cims.token */
extern void cims_access_token_init(void);
extern const CimsActorState *cims_access_state(bool of_statement);
extern void cims_access_put(const CimsActorState *state);
extern void cims_access_forget(void);

/* attempt.c: an attempt at a second factor; what it presents is used up where it is good */
#define CIMS_RECOVERY_CODES 16 /* of a factor, at most */
typedef struct CimsAttempt
{
	Oid sequence; /* keeps what has been used: time step << CIMS_RECOVERY_CODES | a bit for each recovery code */
	int64 factor;
	int32 generation;
	int64 step; /* the time step whose code is presented, 0: none */
	int code;   /* the number of the recovery code that is, -1: none */
} CimsAttempt;
extern void cims_access_attempt_init(void);
extern bool cims_attempt_judge(const CimsAttempt *attempt);

/* condition.c */
extern void cims_access_condition_init(void);

/* leaver.c: whether an actor was sent off by cims.offboard() */
extern void cims_access_leaver_init(void);
extern bool cims_access_has_left(const char *actor);

/* emergency.c: what was taken by breaking the glass */
extern void cims_access_emergency_init(void);

/* separation.c: rules about roles that nobody may hold together */
extern void cims_access_separation_init(void);

/* redact.c */
extern void cims_access_redact_init(void);
extern void cims_access_hide_statement(void);

#endif
