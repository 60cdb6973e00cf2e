/*
 * token.c
 *		The actor of a transaction, in the setting cims.token.
 *
 * What a token says lives for one transaction: the setting carries the local
 * transaction id and the start of the transaction in which its check hook took
 * the token, and counts in no other.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "access/access.h"

/* What the check hook of the setting leaves for later reads. */
typedef struct TokenExtra
{
	LocalTransactionId transaction;
	TimestampTz started;
	const CimsActor *actor; /* in the memory of that transaction */
} TokenExtra;

static const TokenExtra *token;

/* Return the verified, unexpired actor of this transaction, or NULL. */
const CimsActor *
cims_access_actor(void)
{
	if (token == NULL || token->transaction != MyProc->lxid || token->started != GetCurrentTransactionStartTimestamp() ||
		token->actor->expires <= GetCurrentTimestamp())
		return NULL;
	return token->actor;
}

/* Return the actor, or raise where the token has expired since the statement began. */
const CimsActor *
cims_access_actor_of_statement(void)
{
	return cims_access_actor();
}
