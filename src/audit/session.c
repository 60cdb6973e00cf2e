/*
 * session.c
 *		Who does what is recorded, and from where: the fields of a payload that
 *		are the same for many events, built once and copied into each.
 *
 * What they are made of is compared before each use; the names of roles are
 * looked up again when a role has changed.
 */
#include "postgres.h"

#include <netdb.h>
#include <sys/socket.h>

#include "common/ip.h"
#include "libpq/pqcomm.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "utils/backend_status.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "access/access.h"
#include "audit/internal.h"

#define ACTOR_MAX 1024 /* bytes of an actor's name that are compared; a longer one is built each time */

/* What the fields were built from. */
static struct
{
	bool valid;
	Oid session_user;
	Oid current_user;
	uint64 query_id;
	bool has_actor;
	char actor[ACTOR_MAX];
	char application[NAMEDATALEN];
} built;

static StringInfoData fields;
static uint64 role_changes; /* how often a role was said to have changed */

static void build_fields(const char *actor, uint64 query_id);
static void append_text(CimsField field, const char *text);
static void role_changed(Datum arg, int cache, uint32 hash);

/* Register for changes of roles. */
void
cims_audit_session_init(void)
{
	CacheRegisterSyscacheCallback(AUTHOID, role_changed, (Datum) 0);
}

/* Return the fields as they are now; good until the next call. */
CimsBytes
cims_audit_session(void)
{
	const CimsActor *actor = cims_access_actor();
	const char *actor_name = actor != NULL ? actor->name : NULL;
	uint64 query_id = pgstat_get_my_query_id();

	if (!built.valid || built.session_user != GetSessionUserId() || built.current_user != GetUserId() ||
		built.query_id != query_id || built.has_actor != (actor_name != NULL) ||
		(actor_name != NULL && strcmp(built.actor, actor_name) != 0) ||
		strcmp(built.application, application_name) != 0)
		build_fields(actor_name, query_id);
	return (CimsBytes){(unsigned char *) fields.data, fields.len};
}

/* Build the fields anew. */
static void
build_fields(const char *actor, uint64 query_id)
{
	uint64 query = pg_hton64(query_id);
	CimsBytes verified = {(const unsigned char *) "\1", 1};
	CimsBytes query_bytes = {(unsigned char *) &query, sizeof(query)};
	uint64 heard = role_changes;

	if (fields.data == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);

		initStringInfo(&fields);
		MemoryContextSwitchTo(caller);
	}
	resetStringInfo(&fields);
	built.valid = false;
	built.session_user = GetSessionUserId();
	built.current_user = GetUserId();
	built.query_id = query_id;
	built.has_actor = actor != NULL;
	strlcpy(built.actor, actor != NULL ? actor : "", ACTOR_MAX);
	strlcpy(built.application, application_name, NAMEDATALEN);

	append_text(CIMS_FIELD_SESSION_USER, GetUserNameFromId(built.session_user, true));
	append_text(CIMS_FIELD_CURRENT_USER, GetUserNameFromId(built.current_user, true));
	append_text(CIMS_FIELD_ACTOR, actor);
	if (actor != NULL)
		cims_audit_append_field(&fields, CIMS_FIELD_VERIFIED, verified);
	append_text(CIMS_FIELD_CLIENT, cims_audit_client());
	append_text(CIMS_FIELD_APPLICATION, application_name[0] != '\0' ? application_name : NULL);
	if (query_id != 0)
		cims_audit_append_field(&fields, CIMS_FIELD_QUERY, query_bytes);
	/* looking up a name may hear of a change: then build again next time */
	built.valid = heard == role_changes && (actor == NULL || strlen(actor) < ACTOR_MAX);
}

/* Append a field of text, in UTF-8; NULL leaves it out. */
static void
append_text(CimsField field, const char *text)
{
	char *converted;
	int len;

	if (text == NULL)
		return;
	converted = cims_audit_to_utf8(text, strlen(text), &len);
	cims_audit_append_field(&fields, field, (CimsBytes){(unsigned char *) converted, len});
	if (converted != text)
		pfree(converted);
}

/* Return the client's address, "local" over a Unix socket, NULL where there is no client. */
const char *
cims_audit_client(void)
{
	static char address[NI_MAXHOST];
	const SockAddr *client = MyBEEntry != NULL ? (const SockAddr *) &MyBEEntry->st_clientaddr : NULL;

	if (MyBackendType != B_BACKEND || client == NULL)
		return NULL;
	if (client->addr.ss_family == AF_UNIX)
		return "local";
	if (address[0] == '\0' &&
		pg_getnameinfo_all(&client->addr, client->salen, address, sizeof(address), NULL, 0, NI_NUMERICHOST) != 0)
		return NULL;
	return address;
}

/* Note that a role is not what it was. */
static void
role_changed(Datum arg, int cache, uint32 hash)
{
	role_changes++;
	built.valid = false;
}
