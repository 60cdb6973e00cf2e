/*
 * factor.c
 *		A second factor: one-time passwords by time (TOTP, RFC 6238) and recovery
 *		codes, for actors whose tokens bring none.
 *
 * What has been used up of a factor is the matter of attempt.c.  A factor, and a
 * set of recovery codes, counts once the transaction that made it has committed.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/formatting.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "access/internal.h"
#include "base/base.h"
#include "types/types.h"

#define RECOVERY_LEN 16 /* letters of a recovery code: 80 bits */

/* The columns of cims.factor. */
enum
{
	FACTOR_ID,
	FACTOR_ACTOR,
	FACTOR_GENERATION,
	FACTOR_HASH,
	FACTOR_DIGITS,
	FACTOR_PERIOD,
	FACTOR_SECRET
};
#define FACTOR_ACTOR_ATTRIBUTE 2

/* The columns of cims.recovery_code. */
enum
{
	RECOVERY_FACTOR,
	RECOVERY_NUMBER,
	RECOVERY_HASH
};

/* A row of cims.factor. */
typedef struct Factor
{
	bool found;
	int64 id;
	int32 generation;
	CimsOtpHash hash;
	int digits;
	int period;
	struct varlena *secret;
} Factor;

typedef struct RecoveryScan
{
	int64 factor;
	const unsigned char *hash; /* of the code that was presented */
	int number;                /* of the code that it is, -1: none */
} RecoveryScan;

static const CimsActorState *require_factor(Factor *factor);
static void load_factor(HeapTuple tuple, const Datum *values, const bool *nulls, void *arg);
static CimsOtpHash parse_hash(const char *name);
static Oid state_sequence(const Factor *factor);
static int64 matching_step(const Factor *factor, const char *code, size_t len);
static void load_recovery(HeapTuple tuple, const Datum *values, const bool *nulls, void *arg);
static void hash_recovery(int64 factor, const char *letters, unsigned char hash[CIMS_MAC_LEN]);
static bool read_recovery(text *code, char letters[RECOVERY_LEN]);
static void count_factor(const CimsActorState *state);
static void append_escaped(StringInfo uri, const char *string);

/*
 * SQL: cims.verify_totp(code text) returns boolean.  Where the code is that of
 * this time step, the one before or the one after, and later than the last one
 * that was taken, the actor counts as verified by more than one factor until the
 * transaction ends.  Raises 28I12 while attempts are locked.
 */
PG_FUNCTION_INFO_V1(cims_verify_totp);
Datum
cims_verify_totp(PG_FUNCTION_ARGS)
{
	text *code = PG_GETARG_TEXT_PP(0);
	Factor factor;
	const CimsActorState *state = require_factor(&factor);
	CimsAttempt attempt = {state_sequence(&factor), factor.id, factor.generation, 0, -1};

	attempt.step = matching_step(&factor, VARDATA_ANY(code), VARSIZE_ANY_EXHDR(code));
	if (!cims_attempt_judge(&attempt))
		PG_RETURN_BOOL(false);
	count_factor(state);
	PG_RETURN_BOOL(true);
}

/* SQL: cims.use_recovery_code(code text) returns boolean: as cims.verify_totp, by a code that works once. */
PG_FUNCTION_INFO_V1(cims_use_recovery_code);
Datum
cims_use_recovery_code(PG_FUNCTION_ARGS)
{
	char letters[RECOVERY_LEN];
	unsigned char hash[CIMS_MAC_LEN];
	Factor factor;
	const CimsActorState *state = require_factor(&factor);
	CimsAttempt attempt = {state_sequence(&factor), factor.id, factor.generation, 0, -1};
	RecoveryScan scan = {.factor = factor.id, .hash = hash, .number = -1};

	if (read_recovery(PG_GETARG_TEXT_PP(0), letters))
	{
		hash_recovery(factor.id, letters, hash);
		cims_table_scan(cims_table_oid("recovery_code"), load_recovery, &scan);
	}
	attempt.code = scan.number;
	if (!cims_attempt_judge(&attempt))
		PG_RETURN_BOOL(false);
	count_factor(state);
	PG_RETURN_BOOL(true);
}

/*
 * SQL: cims.make_totp(actor text, issuer text, hash text, digits int, period int,
 * OUT secret cims.enc_bytea, OUT uri text): a new secret, sealed and for the
 * actor's device (the key URI format of authenticator applications).
 */
PG_FUNCTION_INFO_V1(cims_make_totp);
Datum
cims_make_totp(PG_FUNCTION_ARGS)
{
	static const int secret_lens[] = {[CIMS_OTP_SHA1] = 20, [CIMS_OTP_SHA256] = 32, [CIMS_OTP_SHA512] = 64};
	char *name = text_to_cstring(PG_GETARG_TEXT_PP(2));
	int len = secret_lens[parse_hash(name)];
	bytea *secret = palloc(VARHDRSZ + CIMS_OTP_MAX_SECRET);
	char encoded[CIMS_OTP_MAX_SECRET * 2];
	CimsBytes bytes = {(unsigned char *) VARDATA(secret), len};
	int32 class_id;
	StringInfoData uri;
	TupleDesc desc;
	Datum values[2];
	bool nulls[2] = {false, false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	SET_VARSIZE(secret, VARHDRSZ + len);
	cims_crypto_check(cims_crypto_random(VARDATA(secret), len), "make a secret");
	cims_crypto_check(cims_class_id_of_name("second_factor", strlen("second_factor"), &class_id), "compute the id of a class");
	values[0] = PointerGetDatum(cims_value_seal(CIMS_TYPE_BYTEA, PointerGetDatum(secret), class_id));

	initStringInfo(&uri);
	appendStringInfoString(&uri, "otpauth://totp/");
	append_escaped(&uri, text_to_cstring(PG_GETARG_TEXT_PP(1)));
	appendStringInfoString(&uri, ":");
	append_escaped(&uri, text_to_cstring(PG_GETARG_TEXT_PP(0)));
	appendStringInfoString(&uri, "?secret=");
	appendBinaryStringInfo(&uri, encoded, cims_base32_encode(bytes, encoded));
	appendStringInfoString(&uri, "&issuer=");
	append_escaped(&uri, text_to_cstring(PG_GETARG_TEXT_PP(1)));
	appendStringInfo(&uri, "&algorithm=%s&digits=%d&period=%d", asc_toupper(name, strlen(name)), PG_GETARG_INT32(3),
					 PG_GETARG_INT32(4));
	values[1] = PointerGetDatum(cstring_to_text_with_len(uri.data, uri.len));
	cims_crypto_wipe(uri.data, uri.len);
	cims_crypto_wipe(encoded, sizeof(encoded));
	cims_crypto_wipe(VARDATA(secret), len);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* SQL: cims.make_recovery_code(factor bigint, OUT code text, OUT hash bytea): a new code, and what is kept of it. */
PG_FUNCTION_INFO_V1(cims_make_recovery_code);
Datum
cims_make_recovery_code(PG_FUNCTION_ARGS)
{
	unsigned char random[RECOVERY_LEN * 5 / 8];
	char letters[RECOVERY_LEN];
	bytea *hash = palloc(VARHDRSZ + CIMS_MAC_LEN);
	TupleDesc desc;
	Datum values[2];
	bool nulls[2] = {false, false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	cims_crypto_check(cims_crypto_random(random, sizeof(random)), "make a recovery code");
	(void) cims_base32_encode((CimsBytes){random, sizeof(random)}, letters);
	SET_VARSIZE(hash, VARHDRSZ + CIMS_MAC_LEN);
	hash_recovery(PG_GETARG_INT64(0), letters, (unsigned char *) VARDATA(hash));
	values[0] = CStringGetTextDatum(psprintf("%.4s-%.4s-%.4s-%.4s", letters, letters + 4, letters + 8, letters + 12));
	values[1] = PointerGetDatum(hash);
	cims_crypto_wipe(random, sizeof(random));
	cims_crypto_wipe(letters, sizeof(letters));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* Find the factor of the actor of this transaction, or raise. */
static const CimsActorState *
require_factor(Factor *factor)
{
	const CimsActorState *state = cims_access_state(true);

	if (state == NULL)
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("this transaction has no actor"),
				errhint("Log in by cims.login() first."));
	memset(factor, 0, sizeof(*factor));
	cims_table_find(cims_table_oid("factor"), "factor_actor_key", FACTOR_ACTOR_ATTRIBUTE, state->actor.name, NULL,
					load_factor, factor);
	if (!factor->found)
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_OBJECT),
				errmsg("the actor has no second factor"),
				errhint("One is enrolled by cims.enroll_totp(), and counts once that has committed."));
	return state;
}

/* Take over a row of cims.factor, unless this very transaction has made it. */
static void
load_factor(HeapTuple tuple, const Datum *values, const bool *nulls, void *arg)
{
	Factor *factor = arg;
	char *hash;

	if (TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data)))
		return;
	hash = TextDatumGetCString(values[FACTOR_HASH]);
	factor->found = true;
	factor->id = DatumGetInt64(values[FACTOR_ID]);
	factor->generation = DatumGetInt32(values[FACTOR_GENERATION]);
	factor->hash = parse_hash(hash);
	factor->digits = DatumGetInt32(values[FACTOR_DIGITS]);
	factor->period = DatumGetInt32(values[FACTOR_PERIOD]);
	factor->secret = (struct varlena *) PG_DETOAST_DATUM_COPY(values[FACTOR_SECRET]);
	pfree(hash);
}

/* Look up a hash by its name; the table lets no other in. */
static CimsOtpHash
parse_hash(const char *name)
{
	if (strcmp(name, "sha256") == 0)
		return CIMS_OTP_SHA256;
	if (strcmp(name, "sha512") == 0)
		return CIMS_OTP_SHA512;
	return CIMS_OTP_SHA1;
}

/* Find the sequence that keeps what has been used of a factor. */
static Oid
state_sequence(const Factor *factor)
{
	char *name = psprintf("factor_state_" INT64_FORMAT "_%d", factor->id, factor->generation);
	Oid sequence = get_relname_relid(name, get_namespace_oid("cims", false));

	if (!OidIsValid(sequence))
		ereport(ERROR,
				errcode(ERRCODE_UNDEFINED_TABLE),
				errmsg("sequence \"cims.%s\" is missing", name),
				errdetail("It keeps which codes of a second factor have been used."),
				errhint("Remove the factor by cims.remove_factor() and enroll it anew."));
	return sequence;
}

/* Find the time step whose code was presented, among this one and its two neighbours, in time that tells nothing; 0: none. */
static int64
matching_step(const Factor *factor, const char *code, size_t len)
{
	bytea *secret = DatumGetByteaPP(cims_value_reveal(factor->secret));
	CimsBytes bytes = {(unsigned char *) VARDATA_ANY(secret), VARSIZE_ANY_EXHDR(secret)};
	int64 now = (int64) time(NULL) / factor->period;
	int64 found = 0;
	CimsCryptoStatus status = CIMS_CRYPTO_OK;

	for (int64 step = now - 1; step <= now + 1 && status == CIMS_CRYPTO_OK; step++)
	{
		char right[8];

		status = cims_otp_code(factor->hash, bytes, (uint64) step, factor->digits, right);
		if (status == CIMS_CRYPTO_OK && len == (size_t) factor->digits && cims_crypto_equal(right, code, len))
			found = step;
		cims_crypto_wipe(right, sizeof(right));
	}
	cims_crypto_wipe(VARDATA_ANY(secret), bytes.len);
	cims_crypto_check(status, "compute a one-time password");
	return found;
}

/* Compare a row of cims.recovery_code, whatever the ones before it said. */
static void
load_recovery(HeapTuple tuple, const Datum *values, const bool *nulls, void *arg)
{
	RecoveryScan *scan = arg;
	bytea *hash;
	int number;

	if (DatumGetInt64(values[RECOVERY_FACTOR]) != scan->factor ||
		TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data)))
		return;
	hash = DatumGetByteaPP(values[RECOVERY_HASH]);
	number = DatumGetInt32(values[RECOVERY_NUMBER]);
	if (VARSIZE_ANY_EXHDR(hash) == CIMS_MAC_LEN && number >= 0 && number < CIMS_RECOVERY_CODES &&
		cims_crypto_equal(VARDATA_ANY(hash), scan->hash, CIMS_MAC_LEN))
		scan->number = number;
}

/* Hash a recovery code.  With its 80 random bits nothing is gained by a slow hash, or by salt beyond the factor's number. */
static void
hash_recovery(int64 factor, const char *letters, unsigned char hash[CIMS_MAC_LEN])
{
	char *input = psprintf("cims recovery code " INT64_FORMAT " %.*s", factor, RECOVERY_LEN, letters);

	cims_crypto_check(cims_digest(CIMS_HASH_SHA256, input, strlen(input), hash), "hash a recovery code");
	cims_crypto_wipe(input, strlen(input));
	pfree(input);
}

/* Take a recovery code as people type it: in either case, with or without hyphens and spaces. */
static bool
read_recovery(text *code, char letters[RECOVERY_LEN])
{
	int n = 0;

	for (int i = 0; i < VARSIZE_ANY_EXHDR(code); i++)
	{
		char c = VARDATA_ANY(code)[i];

		if (c == '-' || c == ' ')
			continue;
		if (n == RECOVERY_LEN)
			return false;
		letters[n++] = c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c;
	}
	return n == RECOVERY_LEN;
}

/* Let the actor count as verified by more than one factor, now, until the transaction ends. */
static void
count_factor(const CimsActorState *state)
{
	CimsActorState *verified = MemoryContextAlloc(TopTransactionContext, sizeof(CimsActorState));

	*verified = *state;
	verified->actor.mfa = true;
	verified->actor.authenticated = GetCurrentTimestamp();
	cims_access_put(verified);
}

/* Append a string to a URI: all but unreserved characters escaped (RFC 3986 section 2.3), in UTF-8. */
static void
append_escaped(StringInfo uri, const char *string)
{
	static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

	for (const char *c = pg_server_to_any(string, strlen(string), PG_UTF8); *c != '\0'; c++)
	{
		if (strchr(unreserved, *c) != NULL)
			appendStringInfoChar(uri, *c);
		else
			appendStringInfo(uri, "%%%02X", (unsigned char) *c);
	}
}
