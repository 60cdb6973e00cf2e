/*
 * reader.c
 *		Who may read what of the record.
 *
 * The record holds the values of every audited table, of rows and tables that
 * are long gone too.  Reading it takes a right of its own: SELECT on
 * cims.audit_log, or ownership of the table.  A plain value is then shown to
 * who may read its column today, through the table or a partitioned table
 * above it, and is subject to no row policy there: a policy cannot be asked
 * about a row of the past.  A column that a class governs is shown by the
 * role's level on the class, a sealed value by the level on its own.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/partition.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/rls.h"
#include "utils/syscache.h"

#include "audit/history.h"
#include "base/base.h"
#include "types/types.h"

/* What is known of one column; the key stands first. */
typedef struct SeenColumn
{
	struct SeenKey
	{
		Oid relation;
		int32 attnum;
	} key;
	CimsSight sight;
	CimsClass class; /* that masks it, where the sight is CIMS_SIGHT_MASK */
} SeenColumn;

/* A row of cims.governed_column: a plain column that masking views show by class. */
typedef struct GovernedColumn
{
	Oid relation;
	NameData name;
	CimsClass class; /* with the mask that the views show */
} GovernedColumn;

struct CimsReader
{
	MemoryContext context;
	HTAB *columns;
	bool governed_read;
	List *governed; /* GovernedColumn */
};

/* The columns of cims.governed_column that matter here. */
enum
{
	GOVERNED_RELATION,
	GOVERNED_ATTNUM,
	GOVERNED_NAME,
	GOVERNED_CLASS,
	GOVERNED_MASK
};

/* Begins to read, with an empty cache in the given context. */
CimsReader *
cims_reader_begin(MemoryContext context)
{
	CimsReader *reader = MemoryContextAllocZero(context, sizeof(CimsReader));
	HASHCTL control = {.keysize = sizeof(struct SeenKey), .entrysize = sizeof(SeenColumn), .hcxt = context};

	reader->context = context;
	reader->columns = hash_create("cims reader", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	return reader;
}

/* Tells whether a table is there. */
static bool
table_exists(Oid relation)
{
	return SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relation));
}

/* Tells whether the current role may read a column of one relation; attnum 0: every column. */
static bool
reads_column_of(Oid relation, AttrNumber attnum)
{
	if (check_enable_rls(relation, InvalidOid, true) == RLS_ENABLED)
		return false;
	if (pg_class_aclcheck(relation, GetUserId(), ACL_SELECT) == ACLCHECK_OK)
		return true;
	return attnum > 0 && pg_attribute_aclcheck(relation, attnum, GetUserId(), ACL_SELECT) == ACLCHECK_OK;
}

/* Tells whether the current role may read a column today, through its table or a partitioned table above. */
static bool
reads_column(Oid relation, AttrNumber attnum)
{
	char *name = get_attname(relation, attnum, true); /* NULL where it was dropped */
	List *ancestors;
	ListCell *cell;

	if (reads_column_of(relation, name != NULL ? attnum : 0))
		return true;
	if (!get_rel_relispartition(relation))
		return false;
	ancestors = get_partition_ancestors(relation);
	foreach (cell, ancestors)
		if (reads_column_of(lfirst_oid(cell), name != NULL ? get_attnum(lfirst_oid(cell), name) : 0))
			return true;
	return false;
}

/* Tells the same of a column of a table that is gone: through the table that it was part of, if that is there. */
static bool
reads_lost_column(const CimsDescriptor *descriptor, AttrNumber attnum)
{
	const CimsDescribedColumn *column = cims_descriptor_column(descriptor, attnum);

	if (has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_DATA))
		return true;
	return descriptor->root != descriptor->relation && table_exists(descriptor->root) &&
		   reads_column(descriptor->root, column != NULL ? get_attnum(descriptor->root, column->name) : 0);
}

/* Takes one row of cims.governed_column into the reader. */
static void
collect_governed(HeapTuple tuple, const Datum *values, const bool *nulls, void *arg)
{
	CimsReader *reader = (CimsReader *) arg;
	char *name = TextDatumGetCString(values[GOVERNED_CLASS]);
	GovernedColumn *governed = MemoryContextAllocZero(reader->context, sizeof(GovernedColumn));
	CimsSealed of_class = {0};
	MemoryContext caller;
	const char *error;
	char *mask;

	if (cims_class_id_of_name(name, strlen(name), &of_class.class_id) != CIMS_CRYPTO_OK)
		elog(ERROR, "could not compute the number of a class");
	governed->relation = DatumGetObjectId(values[GOVERNED_RELATION]);
	namestrcpy(&governed->name, NameStr(*DatumGetName(values[GOVERNED_NAME])));
	cims_class_of_value(&of_class, &governed->class);
	if (!nulls[GOVERNED_MASK])
	{
		mask = TextDatumGetCString(values[GOVERNED_MASK]);
		mask = pg_server_to_any(mask, strlen(mask), PG_UTF8);
		if (!cims_mask_parse(mask, strlen(mask), &governed->class.mask, &error))
			elog(ERROR, "mask of a governed column cannot be parsed");
	}
	caller = MemoryContextSwitchTo(reader->context);
	reader->governed = lappend(reader->governed, governed);
	MemoryContextSwitchTo(caller);
}

/* Finds what governs a column of one relation; NULL where nothing does. */
static const GovernedColumn *
find_governed_of(CimsReader *reader, Oid relation, const char *name)
{
	ListCell *cell;

	if (!reader->governed_read)
	{
		Oid table = cims_table_oid("governed_column");

		reader->governed_read = true;
		if (OidIsValid(table))
			cims_table_scan(table, collect_governed, reader);
	}
	foreach (cell, reader->governed)
	{
		const GovernedColumn *governed = lfirst(cell);

		if (governed->relation == relation && strcmp(NameStr(governed->name), name) == 0)
			return governed;
	}
	return NULL;
}

/* Finds what governs a column, of its table or of a partitioned table above. */
static const GovernedColumn *
find_governed(CimsReader *reader, Oid relation, AttrNumber attnum)
{
	char *name = get_attname(relation, attnum, true);
	const GovernedColumn *found;
	ListCell *cell;

	if (name == NULL)
		return NULL;
	found = find_governed_of(reader, relation, name);
	if (found != NULL || !get_rel_relispartition(relation))
		return found;
	foreach (cell, get_partition_ancestors(relation))
		if ((found = find_governed_of(reader, lfirst_oid(cell), name)) != NULL)
			return found;
	return NULL;
}

/* Decides how the current role sees a column. */
static void
look_at(CimsReader *reader, SeenColumn *column, const CimsDescriptor *descriptor)
{
	bool lost = !table_exists(descriptor->relation);
	const CimsDescribedColumn *described = cims_descriptor_column(descriptor, column->key.attnum);
	const GovernedColumn *governed = NULL;
	CimsLevel level = CIMS_LEVEL_REVEAL;

	if (!lost)
		governed = find_governed(reader, descriptor->relation, column->key.attnum);
	else if (described != NULL)
		governed = find_governed_of(reader, descriptor->root, described->name);
	if (governed != NULL)
		level = cims_display_level(governed->class.id);
	if (level == CIMS_LEVEL_REVEAL)
	{
		bool reads = lost ? reads_lost_column(descriptor, column->key.attnum) : reads_column(descriptor->relation, column->key.attnum);

		column->sight = reads ? CIMS_SIGHT_WHOLE : CIMS_SIGHT_NONE;
	}
	else if (level != CIMS_LEVEL_NONE)
	{
		column->sight = CIMS_SIGHT_MASK;
		column->class = governed->class;
	}
}

/* Tells how the current role sees a column; *class is the one that masks it, if any. */
CimsSight
cims_reader_sight(CimsReader *reader, const CimsDescriptor *descriptor, AttrNumber attnum, const CimsClass **class)
{
	struct SeenKey key = {descriptor->relation, attnum};
	SeenColumn *column = hash_search(reader->columns, &key, HASH_FIND, NULL);
	SeenColumn fresh = {.key = key};

	if (column == NULL)
	{
		look_at(reader, &fresh, descriptor);
		column = hash_search(reader->columns, &key, HASH_ENTER, NULL);
		*column = fresh;
	}
	*class = &column->class;
	return column->sight;
}

/* Tells whether the current role was given the whole record to read. */
static bool
reads_log(void)
{
	Oid view = cims_table_oid("audit_log");

	return OidIsValid(view) && pg_class_aclcheck(view, GetUserId(), ACL_SELECT) == ACLCHECK_OK;
}

/* Raises unless the current role may read the record of a table. */
void
cims_reader_require(Oid relation)
{
	if (CIMS_OWNS_RELATION(relation, GetUserId()) || reads_log())
		return;
	ereport(ERROR,
			errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			errmsg("permission denied for the record of table \"%s\"", get_rel_name(relation)),
			errhint("The owner of the table may read it, and roles that are granted SELECT on cims.audit_log."));
}

/* Raises unless the current role may read all rows and columns of a table. */
void
cims_reader_require_rows(Oid relation)
{
	if (check_enable_rls(relation, InvalidOid, true) == RLS_ENABLED)
		ereport(ERROR,
				errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				errmsg("rows of table \"%s\" would be hidden by row-level security", get_rel_name(relation)),
				errdetail("Rows of the past cannot be held to policies, and hidden rows would be taken for lost ones."),
				errhint("Call the function as a role to which the policies do not apply: one with BYPASSRLS, or the owner unless row security is forced."));
	if (pg_class_aclcheck(relation, GetUserId(), ACL_SELECT) != ACLCHECK_OK &&
		pg_attribute_aclcheck_all(relation, GetUserId(), ACL_SELECT, ACLMASK_ALL) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, get_relkind_objtype(get_rel_relkind(relation)), get_rel_name(relation));
}
