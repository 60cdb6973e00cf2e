/*
 * condition.c
 *		Whether the actor meets what a class demands.
 *
 * The actor must be there for the role in use: a statement that takes another
 * role, or gives the actor's back, has no class of it.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "access/internal.h"
#include "keyring/keyring.h"

static bool meets_conditions(const CimsConditions *conditions);
static bool is_for_purpose(const char *purpose, const char *purposes);

/* Let the keyring ask. */
void
cims_access_condition_init(void)
{
	cims_condition_hook = meets_conditions;
}

/* Tell whether the actor of this transaction meets conditions, for the current role. */
static bool
meets_conditions(const CimsConditions *conditions)
{
	const CimsActor *actor = cims_access_actor();

	if (actor == NULL || actor->role_oid != GetUserId())
		return false;
	if (conditions->mfa && !actor->mfa)
		return false;
	if (conditions->max_auth_age > 0 &&
		(actor->authenticated == 0 ||
		 TimestampDifferenceExceeds(actor->authenticated, GetCurrentStatementStartTimestamp(), conditions->max_auth_age * 1000L)))
		return false;
	return conditions->purposes == NULL || is_for_purpose(actor->purpose, conditions->purposes);
}

/* Tell whether a purpose is in a list, each with a newline behind it; "*" stands for any. */
static bool
is_for_purpose(const char *purpose, const char *purposes)
{
	size_t len;

	if (purpose == NULL)
		return false;
	len = strlen(purpose);
	while (*purposes != '\0')
	{
		const char *end = strchr(purposes, '\n');
		size_t one = end - purposes;

		if ((one == 1 && *purposes == '*') || (one == len && memcmp(purposes, purpose, len) == 0))
			return true;
		purposes = end + 1;
	}
	return false;
}
