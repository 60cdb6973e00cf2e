/*
 * oids.c
 *		Object ids of the record's own tables in the current database.
 *
 * Looked up once and kept until a relation of these is changed or dropped, or
 * the schema is.
 */
#include "postgres.h"

#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "audit/internal.h"

/* Filled by cims_audit_oids, emptied by the callbacks. */
static CimsAuditOids oids;
static bool oids_valid;
static uint64 changes; /* how often a relation or schema was said to have changed */

static void relation_changed(Datum arg, Oid relation);
static void schema_changed(Datum arg, int cache, uint32 hash);

/* Return the ids of the tables. */
const CimsAuditOids *
cims_audit_oids(void)
{
	if (!oids_valid)
	{
		uint64 heard = changes;

		oids.event = cims_table_oid("event");
		oids.event_seq = cims_table_oid("event_seq");
		oids.overflow = cims_table_oid("event_overflow");
		oids.descriptor = cims_table_oid("descriptor");
		oids.descriptor_index = OidIsValid(oids.descriptor) ? get_relname_relid("descriptor_relation", get_rel_namespace(oids.descriptor)) : InvalidOid;
		oids.audited_table = cims_table_oid("audited_table");
		/* looking up may hear of a change: then look again next time */
		oids_valid = heard == changes;
	}
	return &oids;
}

/* Raise where there is nothing to record to. */
void
cims_audit_require(void)
{
	if (!OidIsValid(cims_audit_oids()->event))
		ereport(ERROR,
				errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				errmsg("extension cims is not created in this database"),
				errhint("Run \"CREATE EXTENSION cims\"."));
}

/* Register for what PostgreSQL tells. */
void
cims_audit_oids_init(void)
{
	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, schema_changed, (Datum) 0);
}

/*
 * Note that a relation is not what it was; while there are no tables, any may
 * become one.  One callback serves all files: PostgreSQL has room for ten.
 */
static void
relation_changed(Datum arg, Oid relation)
{
	changes++;
	cims_audit_table_changed(relation);
	cims_audit_guard_changed(relation);
	cims_audit_write_changed(relation);
	if (!OidIsValid(relation) || !OidIsValid(oids.event) || relation == oids.event || relation == oids.event_seq ||
		relation == oids.overflow || relation == oids.descriptor || relation == oids.audited_table)
		oids_valid = false;
}

/* Note that a schema is not what it was. */
static void
schema_changed(Datum arg, int cache, uint32 hash)
{
	changes++;
	oids_valid = false;
}
