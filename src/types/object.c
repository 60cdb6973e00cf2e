/*
 * object.c
 *		Watches what is made of encrypted types.
 *
 * A stored column without a class takes values of class "default", which
 * every role with any grant reveals: a warning says so.  A column of enc_text
 * cannot have a nondeterministic collation, as equality is by token.  The
 * display class orders by what a role sees, which no index can hold.  A
 * generated column of a plain type would store plaintext: PostgreSQL refuses
 * one from mutable functions, but looks before it adds the cast.  Statistics
 * over an expression would store plaintext, too: it does not look there at all.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/nbtree.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/index.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/partition.h"
#include "catalog/pg_am.h"
#include "catalog/pg_attrdef.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_opclass.h"
#include "catalog/pg_rewrite.h"
#include "catalog/pg_statistic_ext.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "miscadmin.h"
#include "postmaster/autovacuum.h"
#include "tcop/utility.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_type.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/partcache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "types/types.h"

static object_access_hook_type next_object_access = NULL;
static ProcessUtility_hook_type next_process_utility = NULL;

/* Above 0 while ALTER TABLE runs; set and restored by process_utility. */
static int alter_depth = 0;

/* Set while the innermost command is VACUUM or ANALYZE; set and restored by process_utility. */
static bool vacuuming = false;

/* Whether the innermost command stores what it parses; its text where it is REFRESH; set and restored by process_utility. */
static bool defining = false;
static const char *refreshed_by = NULL;

/* How many executors ran when that command began; set and restored by process_utility. */
static int outer_executors = 0;

/* Who runs the innermost command, which may go on as the owner of a table; set and restored by process_utility. */
static Oid command_user = InvalidOid;

/* Checks one stored column. */
static void
check_column(Form_pg_attribute column)
{
	int32 typmod = column->atttypmod;
	Oid type = column->attisdropped ? InvalidOid : getBaseTypeAndTypmod(column->atttypid, &typmod);
	CimsSealedType encrypted;

	if (!OidIsValid(type))
		return;
	encrypted = cims_type_of_oid(type) != 0 ? cims_type_of_oid(type) : cims_type_of_array_oid(type);
	if (encrypted == 0)
		return;
	if (typmod <= 0)
		ereport(WARNING,
				(errcode(ERRCODE_WARNING),
				 errmsg("column \"%s\" of an encrypted type has no class", NameStr(column->attname)),
				 errdetail("Its values are sealed under class \"%s\", which roles with a grant on any class see.",
						   CIMS_DEFAULT_CLASS),
				 errhint("Name a class as the type modifier, as in cims.enc_text(phone).")));
	if (OidIsValid(column->attcollation) && !get_collation_isdeterministic(column->attcollation))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("column \"%s\" of an encrypted type cannot have a nondeterministic collation",
						NameStr(column->attname)),
				 errdetail("Equality of encrypted values is by token."),
				 errhint("Use a deterministic collation, or a class with normal form \"lower\".")));
}

/* Copies the first row of a catalog that a scan finds, as this command left it; NULL where there is none. */
static HeapTuple
copy_new_row(Oid catalog, Oid index, int n_keys, ScanKeyData *keys)
{
	Relation relation = table_open(catalog, AccessShareLock);
	SysScanDesc scan = systable_beginscan(relation, index, true, SnapshotSelf, n_keys, keys);
	HeapTuple row = systable_getnext(scan);

	if (HeapTupleIsValid(row))
		row = heap_copytuple(row);
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return row;
}

/* Copies the row of a catalog with an oid. */
static HeapTuple
copy_new_object(Oid catalog, Oid index, AttrNumber key, Oid oid)
{
	ScanKeyData scan_key;

	ScanKeyInit(&scan_key, key, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(oid));
	return copy_new_row(catalog, index, 1, &scan_key);
}

/* Copies the row of a catalog for a column. */
static HeapTuple
copy_new_column(Oid catalog, Oid index, AttrNumber relation_key, AttrNumber number_key, Oid oid, AttrNumber attnum)
{
	ScanKeyData scan_keys[2];

	ScanKeyInit(&scan_keys[0], relation_key, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(oid));
	ScanKeyInit(&scan_keys[1], number_key, BTEqualStrategyNumber, F_INT2EQ, Int16GetDatum(attnum));
	return copy_new_row(catalog, index, 2, scan_keys);
}

/* Checks the columns of a relation that a command made or changed: one, or all for attnum 0. */
static void
check_columns_of(Oid relation, AttrNumber attnum)
{
	Relation attributes = table_open(AttributeRelationId, AccessShareLock);
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple tuple;

	ScanKeyInit(&keys[0], Anum_pg_attribute_attrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relation));
	ScanKeyInit(&keys[1], Anum_pg_attribute_attnum, attnum > 0 ? BTEqualStrategyNumber : BTGreaterStrategyNumber,
				attnum > 0 ? F_INT2EQ : F_INT2GT, Int16GetDatum(attnum));
	scan = systable_beginscan(attributes, AttributeRelidNumIndexId, true, SnapshotSelf, 2, keys);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		check_column((Form_pg_attribute) GETSTRUCT(tuple));
	systable_endscan(scan);
	table_close(attributes, AccessShareLock);
}

/*
 * Refuses the byte order of records: it would be that of the tokens within.
 * Byte equality (REFRESH MATERIALIZED VIEW CONCURRENTLY) tells nothing.
 */
void
cims_check_record_order(Oid function)
{
	switch (function)
	{
		case F_RECORD_IMAGE_LT:
		case F_RECORD_IMAGE_GT:
		case F_RECORD_IMAGE_LE:
		case F_RECORD_IMAGE_GE:
		case F_BTRECORDIMAGECMP:
			break;
		default:
			return;
	}
	if (cims_type_oids()->installed && !has_bypassrls_privilege(GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to compare records by their bytes"),
				 errdetail("The bytes of encrypted values within would tell which are equal."),
				 errhint("Use <, which compares by value.")));
}

/* Refuses an operator class that no index can keep; returns the family of one of an encrypted type, else InvalidOid. */
static Oid
check_operator_class(Oid opclass)
{
	HeapTuple tuple = SearchSysCache1(CLAOID, ObjectIdGetDatum(opclass));
	Form_pg_opclass form;

	Oid family;

	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	form = (Form_pg_opclass) GETSTRUCT(tuple);
	if (form->opcintype == RECORDOID && form->opcmethod == BTREE_AM_OID)
		cims_check_record_order(get_opfamily_proc(form->opcfamily, RECORDOID, RECORDOID, BTORDER_PROC));
	family = cims_type_of_oid(form->opcintype) != 0 ? form->opcfamily : InvalidOid;
	if (OidIsValid(family) && strstr(NameStr(form->opcname), "_display_ops") != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("operator class \"%s\" cannot be used for an index", NameStr(form->opcname)),
				 errdetail("It orders values by what each role sees."),
				 errhint("Use the default class for equality, or the \"order\" class for ranges.")));
	ReleaseSysCache(tuple);
	return family;
}

/* Checks the operator classes of an index that a command made. */
void
cims_object_check_index(Oid index)
{
	HeapTuple row = copy_new_object(IndexRelationId, IndexRelidIndexId, Anum_pg_index_indexrelid, index);
	Form_pg_index form;
	oidvector *classes;
	bool isnull;
	Oid owner;
	int context;

	if (!HeapTupleIsValid(row))
		return;
	/* CREATE INDEX goes on as the table's owner; what counts is who asks for it */
	GetUserIdAndSecContext(&owner, &context);
	if (OidIsValid(command_user))
		SetUserIdAndSecContext(command_user, context);
	form = (Form_pg_index) GETSTRUCT(row);
	classes = (oidvector *) DatumGetPointer(SysCacheGetAttr(INDEXRELID, row, Anum_pg_index_indclass, &isnull));
	for (int i = 0; !isnull && i < classes->dim1; i++)
	{
		Oid family = check_operator_class(classes->values[i]);

		if (OidIsValid(family))
			cims_index_require_level(form->indrelid, form->indkey.values[i], family);
	}
	SetUserIdAndSecContext(owner, context);
}

/* Checks an index by which a table may be put in order: who does so learns that order, as who makes the index does. */
static void
check_clustered_index(Oid index)
{
	HeapTuple row = copy_new_object(IndexRelationId, IndexRelidIndexId, Anum_pg_index_indexrelid, index);

	if (HeapTupleIsValid(row) && ((Form_pg_index) GETSTRUCT(row))->indisclustered)
		cims_object_check_index(index);
}

/* Tells whether an expression takes an encrypted column. */
static bool
takes_encrypted(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var) &&
		(cims_type_of_oid(((Var *) node)->vartype) != 0 || cims_type_of_array_oid(((Var *) node)->vartype) != 0))
		return true;
	return expression_tree_walker(node, takes_encrypted, context);
}

/* Tells whether a column is generated. */
static bool
column_is_generated(Oid relation, AttrNumber attnum)
{
	HeapTuple row = copy_new_column(AttributeRelationId, AttributeRelidNumIndexId, Anum_pg_attribute_attrelid,
									Anum_pg_attribute_attnum, relation, attnum);

	return HeapTupleIsValid(row) && ((Form_pg_attribute) GETSTRUCT(row))->attgenerated != '\0';
}

/* Refuses a generated column that would store what an encrypted one protects. */
static void
check_default(Oid relation, AttrNumber attnum)
{
	HeapTuple row = copy_new_column(AttrDefaultRelationId, AttrDefaultIndexId, Anum_pg_attrdef_adrelid,
									Anum_pg_attrdef_adnum, relation, attnum);
	Relation defaults;
	Datum stored;
	Node *expression;
	bool isnull;

	if (!HeapTupleIsValid(row))
		return;
	defaults = table_open(AttrDefaultRelationId, AccessShareLock);
	stored = heap_getattr(row, Anum_pg_attrdef_adbin, RelationGetDescr(defaults), &isnull);
	expression = isnull ? NULL : stringToNode(TextDatumGetCString(stored));
	table_close(defaults, AccessShareLock);
	if (takes_encrypted(expression, NULL) && contain_mutable_functions(expression) &&
		column_is_generated(relation, attnum))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("generated column cannot be computed from an encrypted column"),
				 errdetail("It would be computed, and stored, as one role sees it."),
				 errhint("Compute it in a view.")));
}

/* Requires of who makes statistics over encrypted columns what they tell: which values are equal. */
static void
check_statistics_columns(Form_pg_statistic_ext form)
{
	for (int i = 0; i < form->stxkeys.dim1; i++)
	{
		AttrNumber attnum = form->stxkeys.values[i];

		if (cims_type_of_oid(getBaseType(get_atttype(form->stxrelid, attnum))) != 0)
			cims_index_require_level(form->stxrelid, attnum, InvalidOid);
	}
}

/* Refuses statistics that would store samples of what an encrypted column protects. */
static void
check_statistics(Oid statistics)
{
	HeapTuple row =
		copy_new_object(StatisticExtRelationId, StatisticExtOidIndexId, Anum_pg_statistic_ext_oid, statistics);
	Relation catalog;
	Datum stored;
	Node *expressions;
	bool isnull;

	if (!HeapTupleIsValid(row))
		return;
	catalog = table_open(StatisticExtRelationId, AccessShareLock);
	stored = heap_getattr(row, Anum_pg_statistic_ext_stxexprs, RelationGetDescr(catalog), &isnull);
	expressions = isnull ? NULL : stringToNode(TextDatumGetCString(stored));
	table_close(catalog, AccessShareLock);
	if (takes_encrypted(expressions, NULL) && contain_mutable_functions(expressions))
		ereport(ERROR, (errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
						errmsg("statistics cannot be gathered over an expression of an encrypted column"),
						errdetail("Samples of the expression would be stored as plaintext."),
						errhint("Name the column itself: its statistics hold no plaintext.")));
	check_statistics_columns((Form_pg_statistic_ext) GETSTRUCT(row));
}

/* Returns the kind of a relation that a command may have made, and whether it outlives the session. */
static char
relation_kind(Oid relation, bool *permanent)
{
	HeapTuple row = copy_new_object(RelationRelationId, ClassOidIndexId, Anum_pg_class_oid, relation);
	Form_pg_class form;

	if (!HeapTupleIsValid(row))
		return '\0';
	form = (Form_pg_class) GETSTRUCT(row);
	*permanent = form->relpersistence != RELPERSISTENCE_TEMP;
	return form->relkind;
}

/* Object access hook. */
static void
watch_objects(ObjectAccessType access, Oid class_id, Oid object_id, int sub_id, void *arg)
{
	bool permanent = false;
	bool internal;
	char kind;

	if (next_object_access != NULL)
		next_object_access(access, class_id, object_id, sub_id, arg);
	if (access == OAT_FUNCTION_EXECUTE)
	{
		cims_check_record_order(object_id);
		return;
	}
	internal = access == OAT_POST_CREATE && arg != NULL && ((ObjectAccessPostCreate *) arg)->is_internal;
	/* ALTER TABLE … TYPE makes indexes anew, of another type than they were */
	if (internal && !(class_id == RelationRelationId && cims_altering_table()))
		return;
	if (class_id == AttrDefaultRelationId && access == OAT_POST_CREATE && cims_type_oids()->installed)
		check_default(object_id, sub_id);
	if (class_id == StatisticExtRelationId && access == OAT_POST_CREATE && cims_type_oids()->installed)
		check_statistics(object_id);
	if (class_id == RewriteRelationId && access == OAT_POST_CREATE && cims_type_oids()->installed)
		cims_definition_check_view(object_id);
	if (class_id == IndexRelationId && access == OAT_POST_ALTER && cims_type_oids()->installed)
		check_clustered_index(object_id);
	if (class_id != RelationRelationId || !cims_type_oids()->installed ||
		!(access == OAT_POST_CREATE || (access == OAT_POST_ALTER && sub_id > 0)))
		return;
	kind = relation_kind(object_id, &permanent);
	if (kind == RELKIND_INDEX || kind == RELKIND_PARTITIONED_INDEX)
		cims_object_check_index(object_id);
	else if (permanent && !internal && (kind == RELKIND_RELATION || kind == RELKIND_PARTITIONED_TABLE || kind == RELKIND_MATVIEW))
		check_columns_of(object_id, sub_id);
}

/* Tells whether ALTER TABLE runs. */
bool
cims_altering_table(void)
{
	return alter_depth > 0;
}

/* Tells whether statistics are gathered: not while a query runs within, of a function in an index. */
bool
cims_analyzing(void)
{
	return cims_executor_depth() == outer_executors && (vacuuming || AmAutoVacuumWorkerProcess());
}

/* Tells whether a command runs that stores what it parses: not while a query runs within. */
bool
cims_object_is_defined(void)
{
	return defining && cims_executor_depth() == outer_executors;
}

/* Tells whether a query is REFRESH MATERIALIZED VIEW CONCURRENTLY's own; that of the view has the text of the command. */
bool
cims_refreshing(const char *source_text)
{
	return refreshed_by != NULL && strcmp(source_text, refreshed_by) != 0 && cims_executor_depth() == outer_executors;
}

/* Refuses a range type over an encrypted one: its bounds would be ordered by token, and mean nothing. */
static void
check_range_type(const CreateRangeStmt *statement)
{
	ListCell *cell;

	foreach (cell, statement->params)
	{
		DefElem *param = lfirst_node(DefElem, cell);

		if (strcmp(param->defname, "subtype") == 0 && cims_type_of_oid(getBaseType(typenameTypeId(NULL, defGetTypeName(param)))) != 0)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("there are no ranges of encrypted values"),
					 errdetail("Who writes a range would have to know the order of plaintexts."),
					 errhint("Use two columns.")));
		if (strcmp(param->defname, "subtype_opclass") == 0)
			check_operator_class(get_opclass_oid(BTREE_AM_OID, defGetQualifiedName(param), true));
	}
}

/* Runs a command, and looks after columns that it encrypted or took the encryption off. */
static void
run_command(PlannedStmt *statement, const char *query_string, bool read_only_tree,
			ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *environment,
			DestReceiver *destination, QueryCompletion *completion)
{
	Oid relation = InvalidOid;
	List *bare = NIL;
	List *plain = NIL;
	bool analyzed = false;

	if (IsA(statement->utilityStmt, AlterTableStmt) && context == PROCESS_UTILITY_TOPLEVEL)
	{
		bare = cims_bare_columns((AlterTableStmt *) statement->utilityStmt, &relation);
		plain = cims_residue_columns((AlterTableStmt *) statement->utilityStmt, &relation, &analyzed);
	}
	if (next_process_utility != NULL)
		next_process_utility(statement, query_string, read_only_tree, context, params, environment, destination, completion);
	else
		standard_ProcessUtility(statement, query_string, read_only_tree, context, params, environment, destination, completion);
	cims_bare_warn(relation, bare);
	cims_residue_note(relation, plain, analyzed);
}

/* Utility hook: notes that ALTER TABLE, VACUUM or ANALYZE runs. */
static void
process_utility(PlannedStmt *statement, const char *query_string, bool read_only_tree,
				ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *environment,
				DestReceiver *destination, QueryCompletion *completion)
{
	int depth = alter_depth;
	bool outer_vacuuming = vacuuming;
	bool outer_defining = defining;
	const char *outer_refreshed_by = refreshed_by;
	Oid outer_user = command_user;
	int executors = outer_executors;

	alter_depth = depth + (IsA(statement->utilityStmt, AlterTableStmt) ? 1 : 0);
	vacuuming = IsA(statement->utilityStmt, VacuumStmt);
	refreshed_by = IsA(statement->utilityStmt, RefreshMatViewStmt) ? query_string : NULL;
	defining = GetCommandLogLevel(statement->utilityStmt) == LOGSTMT_DDL && !IsA(statement->utilityStmt, CreateTableAsStmt);
	command_user = GetUserId();
	outer_executors = cims_executor_depth();
	PG_TRY();
	{
		if (IsA(statement->utilityStmt, CreateRangeStmt))
			check_range_type((CreateRangeStmt *) statement->utilityStmt);
		else if (IsA(statement->utilityStmt, ClusterStmt))
			cims_cluster_check((ClusterStmt *) statement->utilityStmt, false);
		else if (IsA(statement->utilityStmt, RuleStmt) && cims_type_oids()->installed)
			cims_column_list_check_rule((RuleStmt *) statement->utilityStmt);
		run_command(statement, query_string, read_only_tree, context, params, environment, destination, completion);
		if (IsA(statement->utilityStmt, ClusterStmt))
			cims_cluster_check((ClusterStmt *) statement->utilityStmt, true);
		cims_definition_check_partition_bounds(statement->utilityStmt);
	}
	PG_FINALLY();
	{
		alter_depth = depth;
		vacuuming = outer_vacuuming;
		defining = outer_defining;
		refreshed_by = outer_refreshed_by;
		command_user = outer_user;
		outer_executors = executors;
	}
	PG_END_TRY();
}

/* Installs the hooks. */
void
cims_object_init(void)
{
	next_process_utility = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
	next_object_access = object_access_hook;
	object_access_hook = watch_objects;
}
