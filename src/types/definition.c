/*
 * definition.c
 *		Keeps equality tokens out of what every role may read.
 *
 * Catalogs store expressions as trees, and every role reads the bytes of the
 * constants in them: a value of a table that came to stand in a default, a
 * view or the bound of a partition would show its token there, to compare with
 * those of guesses.  Literals have tokens of guesses alone.  Superusers and
 * roles with BYPASSRLS, which restore dumps, get tokens anyway.  Printed trees and plans show the same bytes.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_rewrite.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "tcop/tcopprot.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/partcache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "types/types.h"

/* Refuses a value that is to stand in a definition, whatever its level: others read it. */
void
cims_definition_check_value(const CimsSealed *sealed)
{
	const CimsClass *class;

	if (sealed->token == NULL || sealed->class_id == cims_class_default_id() || has_bypassrls_privilege(GetUserId()))
		return;
	class = cims_class_find(sealed->class_id);
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 class != NULL ? errmsg("sealed value of class \"%s\" cannot stand in a definition", class->name) : errmsg("sealed value cannot stand in a definition"),
			 errdetail("Every role reads definitions, and would find by the bytes of the value which others are equal."),
			 errhint("Keep the value in a table.")));
}

/* Checks a constant value of an encrypted type. */
static void
check_datum(Datum value)
{
	CimsSealed sealed;

	cims_value_parse(PG_DETOAST_DATUM(value), &sealed);
	cims_definition_check_value(&sealed);
}

/* Checks a constant array of an encrypted type. */
static void
check_array(Datum value)
{
	ArrayType *array = DatumGetArrayTypeP(value);
	Datum *elements;
	bool *nulls;
	int n_elements;

	deconstruct_array(array, ARR_ELEMTYPE(array), -1, false, TYPALIGN_INT, &elements, &nulls, &n_elements);
	for (int i = 0; i < n_elements; i++)
		if (!nulls[i])
			check_datum(elements[i]);
}

/* Checks the constants of a tree. */
static bool
check_constants(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, check_constants, context, 0);
	if (IsA(node, Const) && !((Const *) node)->constisnull)
	{
		Const *constant = (Const *) node;
		Oid type = getBaseType(constant->consttype);

		if (cims_type_of_oid(type) != 0)
			check_datum(constant->constvalue);
		else if (cims_type_of_array_oid(type) != 0)
			check_array(constant->constvalue);
		else if (cims_type_holds_encrypted(type))
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("row of encrypted values cannot stand in a definition"),
					 errhint("Write it as ROW(…).")));
		return false;
	}
	return expression_tree_walker(node, check_constants, context);
}

/*
 * Checks the query of a materialized view, which was parsed before its command
 * ran; those of views and rules are as they are parsed.
 */
void
cims_definition_check_view(Oid rule)
{
	Relation rules;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple row;

	if (has_bypassrls_privilege(GetUserId()))
		return;
	rules = table_open(RewriteRelationId, AccessShareLock);
	ScanKeyInit(&key, Anum_pg_rewrite_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(rule));
	scan = systable_beginscan(rules, RewriteOidIndexId, true, SnapshotSelf, 1, &key);
	while (HeapTupleIsValid(row = systable_getnext(scan)))
	{
		bool isnull;
		Datum action = heap_getattr(row, Anum_pg_rewrite_ev_action, RelationGetDescr(rules), &isnull);

		if (!isnull && get_rel_relkind(((Form_pg_rewrite) GETSTRUCT(row))->ev_class) == RELKIND_MATVIEW)
			check_constants(stringToNode(TextDatumGetCString(action)), NULL);
	}
	systable_endscan(scan);
	table_close(rules, AccessShareLock);
}

/*
 * Refuses a table that is partitioned by ranges of tokens: that is what the
 * default class orders by, and no bound would mean what it says.  Nor are
 * records that hold encrypted values ordered by their bytes.
 */
void
cims_definition_check_partition_key(Relation rel)
{
	PartitionKey key = RelationGetPartitionKey(rel);

	for (int i = 0; key != NULL && i < key->partnatts; i++)
	{
		cims_check_record_order(key->partsupfunc[i].fn_oid);
		if (key->strategy == PARTITION_STRATEGY_RANGE && cims_type_of_oid(key->partopcintype[i]) != 0)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("table cannot be partitioned by ranges of an encrypted column"),
					 errdetail("Who writes a row would have to know the order of plaintexts."),
					 errhint("Partition by another column, or by LIST or HASH.")));
	}
}

/* Requires of who gives a partition its bounds, which are computed, what they would tell. */
static void
check_bounds(Relation partition)
{
	Relation parent = relation_open(get_partition_parent(RelationGetRelid(partition), true), AccessShareLock);
	PartitionKey key = RelationGetPartitionKey(parent);

	for (int i = 0; key != NULL && key->strategy != PARTITION_STRATEGY_HASH && i < key->partnatts; i++)
		if (cims_type_holds_encrypted(key->parttypid[i]))
			cims_index_require_level(RelationGetRelid(parent), key->partattrs[i], InvalidOid);
	relation_close(parent, AccessShareLock);
}

/* Checks one table that a command has made or attached. */
static void
check_partition(const RangeVar *name)
{
	Relation rel = relation_openrv_extended(name, NoLock, true);

	if (rel == NULL)
		return;
	cims_definition_check_partition_key(rel);
	if (rel->rd_rel->relispartition)
		check_bounds(rel);
	relation_close(rel, NoLock);
}

/* Checks partition keys and bounds that a command has made. */
void
cims_definition_check_partition_bounds(Node *statement)
{
	ListCell *cell;

	if (!(IsA(statement, CreateStmt) || IsA(statement, AlterTableStmt)) || !cims_type_oids()->installed)
		return;
	if (IsA(statement, CreateStmt))
	{
		CreateStmt *create = (CreateStmt *) statement;

		if (create->partspec != NULL || create->partbound != NULL)
			check_partition(create->relation);
		return;
	}
	foreach (cell, ((AlterTableStmt *) statement)->cmds)
	{
		AlterTableCmd *command = lfirst_node(AlterTableCmd, cell);

		if (command->subtype == AT_AttachPartition)
			check_partition(((PartitionCmd *) command->def)->name);
	}
}

/*
 * Refuses to print parse trees and plans to an ordinary role, be it that of the
 * session or the present one.  What goes to the server's log alone it does not see.
 */
void
cims_definition_check_printing(void)
{
	if (likely(!Debug_print_parse && !Debug_print_rewritten && !Debug_print_plan))
		return;
	if (client_min_messages > LOG || !IsTransactionState() || !cims_type_oids()->installed ||
		(has_bypassrls_privilege(GetUserId()) && has_bypassrls_privilege(GetSessionUserId())))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied to print parse trees and plans"),
			 errdetail("The bytes of encrypted values in them would tell which are equal."),
			 errhint("Set debug_print_parse, debug_print_rewritten and debug_print_plan to off, or client_min_messages to notice; EXPLAIN shows plans.")));
}
