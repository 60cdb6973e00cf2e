/*
 * error.c
 *		Errors of the cryptographic core, and secrets that wipe themselves.
 */
#include "postgres.h"

#include <openssl/err.h>

#include "utils/memutils.h"

#include "base/base.h"

typedef struct SecretHolder
{
	CimsSecret secret;
	MemoryContextCallback callback;
} SecretHolder;

static void wipe_secret(void *arg);

/* Raise unless an operation of the cryptographic core went well. */
void
cims_crypto_check(CimsCryptoStatus status, const char *what)
{
	char reason[128] = "";
	unsigned long code;

	if (status == CIMS_CRYPTO_OK)
		return;

	code = ERR_peek_last_error();
	if (code != 0)
		ERR_error_string_n(code, reason, sizeof(reason));
	ERR_clear_error();

	if (status == CIMS_CRYPTO_SELF_TEST)
		ereport(ERROR,
				errcode(ERRCODE_SYSTEM_ERROR),
				errmsg("could not %s: a self-test of the cryptographic library failed", what),
				errhint("Check the installation of OpenSSL; no key is used until the test passes."));
	if (status == CIMS_CRYPTO_FAILED)
		ereport(ERROR,
				errcode(ERRCODE_SYSTEM_ERROR),
				errmsg("could not %s", what),
				reason[0] ? errdetail("OpenSSL reports: %s.", reason) : 0);
	ereport(ERROR,
			errcode(ERRCODE_DATA_CORRUPTED),
			errmsg("could not %s", what));
}

/* Make a secret in the current memory context that is wiped with it. */
CimsSecret *
cims_secret_alloc(void)
{
	SecretHolder *holder = palloc0(sizeof(SecretHolder));

	holder->callback.func = wipe_secret;
	holder->callback.arg = holder;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &holder->callback);
	return &holder->secret;
}

/* Wipe a secret whose memory is about to go. */
static void
wipe_secret(void *arg)
{
	SecretHolder *holder = arg;

	cims_crypto_wipe(&holder->secret, sizeof(holder->secret));
}
