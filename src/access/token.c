/*
 * token.c
 *		The actor of a transaction, in the setting cims.token.
 *
 * A setting is what PostgreSQL takes back at a savepoint, at the end of a
 * function with a SET clause and at the end of a transaction, and what it hands
 * to parallel workers.  But each of these puts an old value back, perhaps one of
 * another transaction.  So the check hook, which runs once when a value comes in
 * and not when it comes back, stamps it with the local transaction id and the
 * start of its transaction, and a read in any other transaction finds no actor.
 *
 * What the setting holds is the stamp and the claims, not the token, which would
 * work elsewhere.  Such a value is accepted only where it comes from this file,
 * and in a parallel worker that starts, where it is compared with the leader's
 * transaction; the leader has verified the signature.
 *
 * The actor itself lies in the transaction's memory, so that SQL functions can
 * return its strings without a copy.
 */
#include "postgres.h"

#include <time.h>

#include "access/parallel.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "access/internal.h"

#define STAMP_FORMAT "%u " INT64_FORMAT " " INT64_FORMAT " " INT64_FORMAT " %u %d "

/* What the check hook leaves for later reads. */
typedef struct TokenExtra
{
	LocalTransactionId transaction;
	TimestampTz started;
	const CimsActorState *state; /* in the memory of that transaction */
} TokenExtra;

static char *token_value;
static bool allow_set_token;
static const TokenExtra *token;

/* What cims_access_put is about to set, as the check hook must see it. */
static const char *pending_value;
static const CimsActorState *pending_state;

static bool check_token(char **newval, void **extra, GucSource source);
static void assign_token(const char *newval, void *extra);
static const char *show_token(void);
static const CimsActorState *take_plain(char **newval, GucSource source);
static const CimsActorState *take_leaders(const char *value);
static char *make_stamp(const CimsActorState *state);
static const CimsActorState *current_state(void);
static TimestampTz coarse_time(void);

/* Define the settings. */
void
cims_access_token_init(void)
{
	DefineCustomBoolVariable("cims.allow_set_token",
							 "Allows SET LOCAL cims.token = ..., which shows the token in the statement's text.",
							 "cims.login() takes a token as a parameter, which stands in no statement.",
							 &allow_set_token, false, PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("cims.token",
							   "The token of the actor of this transaction.",
							   "Set by cims.login().",
							   &token_value, "", PGC_USERSET,
							   GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE | GUC_DISALLOW_IN_AUTO_FILE |
								   GUC_NOT_WHILE_SEC_REST,
							   check_token, assign_token, show_token);
}

/* Return the verified, unexpired actor of this transaction, or NULL. */
const CimsActor *
cims_access_actor(void)
{
	return (const CimsActor *) cims_access_state(false);
}

/* Return the actor, or raise where the token has expired since the statement began. */
const CimsActor *
cims_access_actor_of_statement(void)
{
	return (const CimsActor *) cims_access_state(true);
}

/*
 * Return what is known of the actor, or NULL; of_statement: raise where the token
 * was good when the statement began.  A worker sees what its leader saw when it
 * began, and leaves the time to it.
 */
const CimsActorState *
cims_access_state(bool of_statement)
{
	const CimsActorState *state = current_state();

	if (state == NULL || IsParallelWorker() || state->actor.expires > coarse_time())
		return state;
	if (of_statement && state->actor.expires > GetCurrentStatementStartTimestamp())
		ereport(ERROR,
				errcode(MAKE_SQLSTATE('2', '8', 'I', '0', '6')),
				errmsg("the actor token has expired"),
				errdetail("It was valid when the statement began."),
				errhint("Log in with a new one."));
	return NULL;
}

/* Make a state that of the transaction, as SET LOCAL would. */
void
cims_access_put(const CimsActorState *state)
{
	pending_value = make_stamp(state);
	pending_state = state;
	PG_TRY();
	{
		(void) set_config_option("cims.token", pending_value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
	}
	PG_FINALLY();
	{
		pending_value = NULL;
		pending_state = NULL;
	}
	PG_END_TRY();
}

/* Let the transaction have no actor, as SET LOCAL would. */
void
cims_access_forget(void)
{
	(void) set_config_option("cims.token", "", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
}

/* Take a value in, and stamp it. */
static bool
check_token(char **newval, void **extra, GucSource source)
{
	const CimsActorState *state;
	TokenExtra *stamped;

	if ((*newval)[0] == '\0')
		return true;
	if (InitializingParallelWorker && source == PGC_S_SESSION)
	{
		state = take_leaders(*newval);
		if (state == NULL)
			return true; /* of another transaction: the leader has no actor either */
	}
	else if (pending_value != NULL && strcmp(*newval, pending_value) == 0)
		state = pending_state;
	else
	{
		state = take_plain(newval, source);
		if (state == NULL)
			return false;
	}

	stamped = cims_guc_malloc(sizeof(TokenExtra));
	if (stamped == NULL)
		return false;
	stamped->transaction = CIMS_LOCAL_TRANSACTION;
	stamped->started = GetCurrentTransactionStartTimestamp();
	stamped->state = state;
	*extra = stamped;
	return true;
}

/* Take over what the check hook left. */
static void
assign_token(const char *newval, void *extra)
{
	token = extra;
}

/* Show that there is a token, never what it is. */
static const char *
show_token(void)
{
	return current_state() == NULL ? "" : "(set)";
}

/* Take a token by SET, where that is allowed; the value becomes the stamp. */
static const CimsActorState *
take_plain(char **newval, GucSource source)
{
	CimsActorState *state;
	const CimsTokenError *error;
	char *stamp;
	char *value;

	if (!allow_set_token || source != PGC_S_SESSION || !IsTransactionState())
	{
		GUC_check_errcode(ERRCODE_INSUFFICIENT_PRIVILEGE);
		GUC_check_errmsg("cannot set \"cims.token\"");
		GUC_check_errhint("Give the token to cims.login() as a parameter, in each transaction.");
		return NULL;
	}
	cims_access_hide_statement();
	error = cims_actor_verify(*newval, strlen(*newval), &state);
	if (error != NULL)
	{
		GUC_check_errcode(error->sqlstate);
		GUC_check_errmsg("%s", error->message);
		GUC_check_errhint("%s", error->hint);
		return NULL;
	}
	stamp = make_stamp(state);
	value = cims_guc_strdup(stamp);
	if (value == NULL)
		return NULL;
	cims_crypto_wipe(*newval, strlen(*newval));
	cims_guc_free(*newval);
	*newval = value;
	return state;
}

/* Take the leader's value over, in a worker that starts; NULL where it is not of the leader's transaction. */
static const CimsActorState *
take_leaders(const char *value)
{
	LocalTransactionId transaction;
	int64 started, authenticated, expires;
	Oid role;
	int mfa;
	int begin = 0;
	size_t len;
	char *payload;
	CimsActorState *state;

	if (sscanf(value, STAMP_FORMAT "%n", &transaction, &started, &authenticated, &expires, &role, &mfa, &begin) != 6 ||
		begin == 0 || MyProc->lockGroupLeader == NULL ||
		transaction != CIMS_TRANSACTION_OF(MyProc->lockGroupLeader) ||
		started != GetCurrentTransactionStartTimestamp())
		return NULL;
	/* the transaction of the moment is not the one in which the worker will work */
	payload = MemoryContextAlloc(TopMemoryContext, strlen(value));
	if (!cims_base64_decode(CIMS_BASE64_URL, value + begin, strlen(value + begin), (unsigned char *) payload, &len))
		return NULL;
	state = cims_actor_make(payload, len, TopMemoryContext);
	if (state == NULL)
		return NULL;
	state->actor.authenticated = authenticated;
	state->actor.expires = expires;
	state->actor.role_oid = role;
	state->actor.mfa = mfa != 0;
	return state;
}

/* Write a state as the setting's value. */
static char *
make_stamp(const CimsActorState *state)
{
	char *stamp = palloc(128 + cims_base64_encoded_len(CIMS_BASE64_URL, state->payload_len));
	int n = snprintf(stamp, 128, STAMP_FORMAT, CIMS_LOCAL_TRANSACTION, GetCurrentTransactionStartTimestamp(),
					 state->actor.authenticated, state->actor.expires, state->actor.role_oid, (int) state->actor.mfa);
	CimsBytes payload = {(const unsigned char *) state->payload, state->payload_len};

	stamp[n + cims_base64_encode(CIMS_BASE64_URL, payload, stamp + n)] = '\0';
	return stamp;
}

/* Return what this transaction has set, whether it has expired or not; what another one has left is nothing. */
static const CimsActorState *
current_state(void)
{
	if (token == NULL)
		return NULL;
	if (!IsParallelWorker() && (token->transaction != CIMS_LOCAL_TRANSACTION || token->started != GetCurrentTransactionStartTimestamp()))
		return NULL;
	return token->state;
}

/*
 * Return the time to within the kernel's tick, a few milliseconds: a policy asks
 * for every row, and reading the clock to the nanosecond would cost most of that.
 */
static TimestampTz
coarse_time(void)
{
#ifdef CLOCK_REALTIME_COARSE
	struct timespec now;

	if (clock_gettime(CLOCK_REALTIME_COARSE, &now) == 0)
		return (now.tv_sec - (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * (int64) SECS_PER_DAY) * USECS_PER_SEC + now.tv_nsec / 1000;
#endif
	return GetCurrentTimestamp();
}
