/*
 * role.c
 *		cims.role_ref: a reference to a role that is printed as the role's name.
 *
 * Live rows hold OIDs, so that a role that is dropped and made anew holds
 * nothing; dumps hold names, as OIDs mean nothing elsewhere.  PUBLIC is 0.  A
 * name that is no role's gives a reference that matches nobody, with a
 * warning, so that a dump restores where a role is missing.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/catalog.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_authid.h"
#include "fmgr.h"
#include "libpq/pqformat.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/varlena.h"

#include "keyring/internal.h"

#define GRANTEE_ATTRIBUTE 3 /* of cims.class_grant_entry */

static object_access_hook_type next_object_access_hook;

static void object_accessed(ObjectAccessType access, Oid class, Oid object, int sub, void *arg);
static void delete_grants(Oid role);

/* Install the hook that follows DROP ROLE. */
void
cims_role_init(void)
{
	next_object_access_hook = object_access_hook;
	object_access_hook = object_accessed;
}

/* SQL: cims.role_ref_in(cstring) returns cims.role_ref; "public", "-", or the name of a role as an identifier. */
PG_FUNCTION_INFO_V1(cims_role_ref_in);
Datum
cims_role_ref_in(PG_FUNCTION_ARGS)
{
	char *text = PG_GETARG_CSTRING(0);
	List *names;
	char *name;
	Oid role;

	if (strcmp(text, "-") == 0)
		PG_RETURN_OID(CIMS_ROLE_NOBODY);
	if (strcmp(text, "public") == 0)
		PG_RETURN_OID(CIMS_ROLE_PUBLIC);

	if (!SplitIdentifierString(pstrdup(text), '.', &names) || list_length(names) != 1)
		ereport(ERROR,
				errcode(ERRCODE_INVALID_NAME),
				errmsg("invalid name of a role: \"%s\"", text),
				errhint("Write it as an identifier; quote it where it holds more than lower-case letters, digits and underscores."));

	name = linitial(names);
	role = get_role_oid(name, true);
	if (!OidIsValid(role))
	{
		ereport(WARNING,
				errcode(ERRCODE_UNDEFINED_OBJECT),
				errmsg("role \"%s\" does not exist", name),
				errdetail("The reference is to nobody."));
		role = CIMS_ROLE_NOBODY;
	}
	PG_RETURN_OID(role);
}

/* SQL: cims.role_ref_out(cims.role_ref) returns cstring; "-" for a role that is gone. */
PG_FUNCTION_INFO_V1(cims_role_ref_out);
Datum
cims_role_ref_out(PG_FUNCTION_ARGS)
{
	Oid role = PG_GETARG_OID(0);
	char *name;

	if (role == CIMS_ROLE_PUBLIC)
		PG_RETURN_CSTRING(pstrdup("public"));
	name = GetUserNameFromId(role, true);
	PG_RETURN_CSTRING(name == NULL ? pstrdup("-") : pstrdup(quote_identifier(name)));
}

/* SQL: cims.role_ref_recv(internal) returns cims.role_ref; the text form. */
PG_FUNCTION_INFO_V1(cims_role_ref_recv);
Datum
cims_role_ref_recv(PG_FUNCTION_ARGS)
{
	StringInfo message = (StringInfo) PG_GETARG_POINTER(0);
	int len;
	char *text = pq_getmsgtext(message, message->len - message->cursor, &len);

	return DirectFunctionCall1(cims_role_ref_in, CStringGetDatum(text));
}

/* SQL: cims.role_ref_send(cims.role_ref) returns bytea; the text form. */
PG_FUNCTION_INFO_V1(cims_role_ref_send);
Datum
cims_role_ref_send(PG_FUNCTION_ARGS)
{
	char *text = DatumGetCString(DirectFunctionCall1(cims_role_ref_out, PG_GETARG_DATUM(0)));
	StringInfoData message;

	pq_begintypsend(&message);
	pq_sendtext(&message, text, strlen(text));
	PG_RETURN_BYTEA_P(pq_endtypsend(&message));
}

/* Delete the grants of a role that is dropped. */
static void
object_accessed(ObjectAccessType access, Oid class, Oid object, int sub, void *arg)
{
	if (next_object_access_hook)
		next_object_access_hook(access, class, object, sub, arg);
	if (access == OAT_DROP && class == AuthIdRelationId)
		delete_grants(object);
}

/*
 * Delete the rows of this database that name a role.  Rows in other databases
 * stay behind; they match nobody, print as "-" and are not dumped.
 */
static void
delete_grants(Oid role)
{
	Oid table = cims_table_oid("class_grant_entry");
	Relation rel;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;
	bool found = false;

	if (!OidIsValid(table))
		return;

	rel = table_open(table, RowExclusiveLock);
	ScanKeyInit(&key, GRANTEE_ATTRIBUTE, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(role));
	scan = systable_beginscan(rel, InvalidOid, false, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		simple_heap_delete(rel, &tuple->t_self);
		found = true;
	}
	systable_endscan(scan);
	table_close(rel, RowExclusiveLock);
	if (found)
		cims_change_announce(table);
}
