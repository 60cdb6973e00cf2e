/*
 * policy.c
 *		Which columns the conditions of a row policy look at.
 *
 * The policies that cims.secure_table makes are the one record of what it did:
 * they follow their table through renames, dumps and restores.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_policy.h"
#include "fmgr.h"
#include "funcapi.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(cims_policy_columns);

/* The columns, as numbers; 0 where there is none. */
typedef struct PolicyColumns
{
	Oid schema; /* of the extension */
	AttrNumber owner;
	AttrNumber org;
	AttrNumber label;
} PolicyColumns;

/* Return the column that an argument is, through casts between binary types; 0 where it is none. */
static AttrNumber
column_of(List *args, int argument)
{
	Node *node = list_nth(args, argument);

	while (IsA(node, RelabelType))
		node = (Node *) ((RelabelType *) node)->arg;
	return IsA(node, Var) ? ((Var *) node)->varattno : 0;
}

/* Note the columns of a call, where it is of a condition of ours. */
static void
note_call(const FuncExpr *call, PolicyColumns *columns)
{
	char *name;

	if (get_func_namespace(call->funcid) != columns->schema)
		return;
	name = get_func_name(call->funcid);
	if (strcmp(name, "in_scope") == 0)
	{
		columns->owner = column_of(call->args, 0);
		columns->org = column_of(call->args, 1);
	}
	else if (strcmp(name, "is_own") == 0)
		columns->owner = column_of(call->args, 0);
	else if (strcmp(name, "org_in_scope") == 0)
		columns->org = column_of(call->args, 0);
	else if (strcmp(name, "can_read") == 0)
		columns->label = column_of(call->args, 0);
}

/* Look for calls of the conditions. */
static bool
find_calls(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, FuncExpr))
		note_call((FuncExpr *) node, context);
	return expression_tree_walker(node, find_calls, context);
}

/* Read the expression of a policy: USING, or WITH CHECK where there is no other; NULL where the policy is gone. */
static Node *
read_expression(Oid policy)
{
	Relation rel = table_open(PolicyRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;
	Node *expression = NULL;

	ScanKeyInit(&key, Anum_pg_policy_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(policy));
	scan = systable_beginscan(rel, PolicyOidIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool isnull;
		Datum stored = heap_getattr(tuple, Anum_pg_policy_polqual, RelationGetDescr(rel), &isnull);

		if (isnull)
			stored = heap_getattr(tuple, Anum_pg_policy_polwithcheck, RelationGetDescr(rel), &isnull);
		if (!isnull)
			expression = stringToNode(TextDatumGetCString(stored));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return expression;
}

/* Put a column's number into a result, NULL for none. */
static void
put_column(AttrNumber column, Datum *value, bool *isnull)
{
	*value = Int16GetDatum(column);
	*isnull = column == 0;
}

/* SQL: cims.policy_columns(policy oid, OUT owner int2, OUT org int2, OUT label int2). */
Datum
cims_policy_columns(PG_FUNCTION_ARGS)
{
	PolicyColumns columns = {.schema = get_func_namespace(fcinfo->flinfo->fn_oid)};
	TupleDesc desc;
	Datum values[3];
	bool nulls[3];

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	find_calls(read_expression(PG_GETARG_OID(0)), &columns);
	put_column(columns.owner, &values[0], &nulls[0]);
	put_column(columns.org, &values[1], &nulls[1]);
	put_column(columns.label, &values[2], &nulls[2]);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
