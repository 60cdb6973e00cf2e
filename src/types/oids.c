/*
 * oids.c
 *		Object ids of the encrypted types in the current database.
 *
 * Looked up once and kept until the type or the namespace cache is
 * invalidated, as CREATE and DROP EXTENSION do.  Types of these names that are
 * not the extension's count for nothing.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "base/base.h"
#include "types/types.h"

/* Names and plain types, by CimsSealedType. */
static const struct
{
	const char *name;
	Oid plain;
} type_table[CIMS_TYPE_COUNT + 1] = {
	{NULL, InvalidOid},
	{"enc_text", TEXTOID},
	{"enc_numeric", NUMERICOID},
	{"enc_date", DATEOID},
	{"enc_timestamptz", TIMESTAMPTZOID},
	{"enc_jsonb", JSONBOID},
	{"enc_bytea", BYTEAOID},
};

/* Filled by cims_type_oids, emptied by forget_oids. */
static CimsTypeOids oids;
static bool oids_valid = false;

/* Forgets the cached ids. */
static void
forget_oids(Datum arg, int cache_id, uint32 hash_value)
{
	oids_valid = false;
}

/* Looks the types up in schema cims. */
static void
look_up_oids(void)
{
	static bool registered = false;
	Oid namespace;

	if (!registered)
	{
		CacheRegisterSyscacheCallback(TYPEOID, forget_oids, (Datum) 0);
		CacheRegisterSyscacheCallback(NAMESPACEOID, forget_oids, (Datum) 0);
		registered = true;
	}
	memset(&oids, 0, sizeof(oids));
	oids_valid = true;
	namespace = get_namespace_oid("cims", true);
	if (!OidIsValid(namespace))
		return;
	for (int type = 1; type <= CIMS_TYPE_COUNT; type++)
	{
		oids.enc[type] = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid,
										 CStringGetDatum(type_table[type].name),
										 ObjectIdGetDatum(namespace));
		if (!OidIsValid(oids.enc[type]))
			return;
		oids.enc_array[type] = get_array_type(oids.enc[type]);
	}
	/* the hooks call functions of this schema: whoever may make a schema could put their own there */
	oids.installed = cims_object_is_ours(TypeRelationId, oids.enc[CIMS_TYPE_TEXT]);
}

/* Returns the ids of the types; "installed" is false where the extension is not in this database. */
const CimsTypeOids *
cims_type_oids(void)
{
	/* a lookup may itself receive an invalidation: then look again next time */
	if (!oids_valid && OidIsValid(MyDatabaseId) && IsTransactionState())
		look_up_oids();
	return &oids;
}

/* Tells which encrypted type an oid is. */
CimsSealedType
cims_type_of_oid(Oid type)
{
	const CimsTypeOids *known;

	if (type < FirstNormalObjectId)
		return 0;
	known = cims_type_oids();
	for (int i = 1; known->installed && i <= CIMS_TYPE_COUNT; i++)
		if (known->enc[i] == type)
			return (CimsSealedType) i;
	return 0;
}

/* Tells of which encrypted type an oid is the array. */
CimsSealedType
cims_type_of_array_oid(Oid type)
{
	const CimsTypeOids *known;

	if (type < FirstNormalObjectId)
		return 0;
	known = cims_type_oids();
	for (int i = 1; known->installed && i <= CIMS_TYPE_COUNT; i++)
		if (known->enc_array[i] == type)
			return (CimsSealedType) i;
	return 0;
}

/* Returns the plain type of an encrypted one. */
Oid
cims_plain_oid(CimsSealedType type)
{
	return type_table[type].plain;
}

/* Tells whether values of a composite type hold encrypted ones. */
static bool
row_holds_encrypted(Oid relation)
{
	Relation rel = relation_open(relation, AccessShareLock);
	bool holds = false;

	for (int i = 0; i < RelationGetNumberOfAttributes(rel) && !holds; i++)
		holds = cims_type_holds_encrypted(TupleDescAttr(RelationGetDescr(rel), i)->atttypid);
	relation_close(rel, AccessShareLock);
	return holds;
}

/* Tells whether values of a type are encrypted, or arrays, rows or ranges with encrypted ones within. */
bool
cims_type_holds_encrypted(Oid type)
{
	Oid base = OidIsValid(type) ? getBaseType(type) : InvalidOid;
	Oid element;
	Oid relation;

	if (base < FirstNormalObjectId)
		return false;
	check_stack_depth();
	if (cims_type_of_oid(base) != 0)
		return true;
	if (OidIsValid(element = get_element_type(base)) || OidIsValid(element = get_range_subtype(base)))
		return cims_type_holds_encrypted(element);
	relation = get_typ_typrelid(base);
	return OidIsValid(relation) && row_holds_encrypted(relation);
}
