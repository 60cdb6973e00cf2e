/*
 * definition.c
 *		Reads a masking view's columns from its own definition, which is the one
 *		place where they stand: it survives dumps, renames and rebuilding by others.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/transam.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "nodes/nodeFuncs.h"
#include "rewrite/prs2lock.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "base/base.h"
#include "views/internal.h"

PG_FUNCTION_INFO_V1(cims_masking_view_columns);

/*
 * Returns an expression without PostgreSQL's own coercions around it.  A cast
 * by someone's function could compare what it is given, while cims.find runs.
 */
static Node *
strip_coercions(Node *node)
{
	for (;;)
	{
		if (IsA(node, RelabelType))
			node = (Node *) ((RelabelType *) node)->arg;
		else if (IsA(node, FuncExpr) && ((FuncExpr *) node)->funcformat != COERCE_EXPLICIT_CALL &&
				 ((FuncExpr *) node)->funcid < FirstNormalObjectId)
			node = linitial(((FuncExpr *) node)->args);
		else
			return node;
	}
}

/* Tells whether a function is cims.display or cims.display_encrypted. */
static bool
is_display(Oid function)
{
	char *name = get_func_name(function);

	return name != NULL && (strcmp(name, "display") == 0 || strcmp(name, "display_encrypted") == 0) &&
		   cims_object_is_ours(ProcedureRelationId, function);
}

/* Returns the text of a constant argument, NULL where it is none. */
static char *
constant_text(List *args, int n)
{
	Node *node = n < list_length(args) ? strip_coercions(list_nth(args, n)) : NULL;

	if (node == NULL || !IsA(node, Const) || ((Const *) node)->constisnull || ((Const *) node)->consttype != TEXTOID)
		return NULL;
	return TextDatumGetCString(((Const *) node)->constvalue);
}

/* Reads by what class and mask a column is displayed; false where these are not written as constants. */
static bool
read_display(CimsViewColumn *column, FuncExpr *call)
{
	const char *error;

	column->displayed = true;
	column->class = constant_text(call->args, 1);
	if (column->class == NULL || !cims_class_name_valid(column->class, strlen(column->class)))
		return false;
	cims_crypto_check(cims_class_id_of_name(column->class, strlen(column->class), &column->class_id), "compute the id of a class");
	if (list_length(call->args) < 3)
		return true;
	column->mask_text = constant_text(call->args, 2);
	return column->mask_text != NULL && cims_mask_parse(column->mask_text, strlen(column->mask_text), &column->mask, &error);
}

/* Reads what an expression of a view shows; NULL where that is no column. */
static CimsViewColumn *
read_column(Relation view, const TargetEntry *entry)
{
	CimsViewColumn *column = palloc0(sizeof(CimsViewColumn));
	Node *node = strip_coercions((Node *) entry->expr);
	Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(view), entry->resno - 1);

	column->number = entry->resno;
	column->name = pstrdup(NameStr(attribute->attname));
	column->type = attribute->atttypid;
	if (IsA(node, FuncExpr) && is_display(((FuncExpr *) node)->funcid))
	{
		if (!read_display(column, (FuncExpr *) node))
			return NULL;
		node = strip_coercions(linitial(((FuncExpr *) node)->args));
	}
	if (!IsA(node, Var) || ((Var *) node)->varattno <= 0)
		return NULL;
	column->base = ((Var *) node)->varattno;
	return column;
}

/* Returns the query of a view that does nothing but choose and show columns of one table, else NULL. */
static Query *
simple_query(Relation view, Oid *table)
{
	Query *query;
	RangeTblEntry *source;
	Node *from;

	if (view->rd_rel->relkind != RELKIND_VIEW || view->rd_rules == NULL || view->rd_rules->numLocks < 1)
		return NULL;
	query = NULL;
	for (int i = 0; i < view->rd_rules->numLocks; i++)
		if (view->rd_rules->rules[i]->event == CMD_SELECT)
			query = linitial_node(Query, view->rd_rules->rules[i]->actions);
	if (query == NULL || query->hasAggs || query->hasWindowFuncs || query->hasTargetSRFs || query->hasDistinctOn ||
		query->cteList != NIL || query->groupClause != NIL || query->havingQual != NULL ||
		query->distinctClause != NIL || query->setOperations != NULL || query->limitCount != NULL ||
		query->limitOffset != NULL || query->jointree->quals != NULL || list_length(query->jointree->fromlist) != 1)
		return NULL;
	from = linitial(query->jointree->fromlist);
	if (!IsA(from, RangeTblRef))
		return NULL;
	source = list_nth_node(RangeTblEntry, query->rtable, ((RangeTblRef *) from)->rtindex - 1);
	if (source->rtekind != RTE_RELATION)
		return NULL;
	*table = source->relid;
	return query;
}

/* Reads the columns of a masking view: one that shows columns of one table, at least one of them by cims.display. */
List *
cims_views_columns(Relation view, Oid *table)
{
	Query *query = simple_query(view, table);
	List *columns = NIL;
	bool displays = false;
	ListCell *cell;

	if (query == NULL)
		return NIL;
	foreach (cell, query->targetList)
	{
		CimsViewColumn *column = read_column(view, lfirst_node(TargetEntry, cell));

		if (column == NULL)
			return NIL;
		displays |= column->displayed;
		columns = lappend(columns, column);
	}
	return displays ? columns : NIL;
}

/*
 * SQL: cims.masking_view_columns(view oid) returns setof record (number int2,
 * name name, relation oid, attnum int2, displayed boolean, class text, mask text)
 *
 * Returns one row for each column of a masking view, none for any other relation.
 */
Datum
cims_masking_view_columns(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Relation view;
	Oid table = InvalidOid;
	ListCell *cell;

	InitMaterializedSRF(fcinfo, 0);
	view = try_relation_open(PG_GETARG_OID(0), AccessShareLock);
	if (view == NULL)
		return (Datum) 0;
	foreach (cell, cims_views_columns(view, &table))
	{
		CimsViewColumn *column = lfirst(cell);
		NameData name;
		Datum values[7];
		bool nulls[7] = {false};

		namestrcpy(&name, column->name);
		values[0] = Int16GetDatum(column->number);
		values[1] = NameGetDatum(&name);
		values[2] = ObjectIdGetDatum(table);
		values[3] = Int16GetDatum(column->base);
		values[4] = BoolGetDatum(column->displayed);
		nulls[5] = column->class == NULL;
		values[5] = nulls[5] ? (Datum) 0 : CStringGetTextDatum(column->class);
		nulls[6] = column->mask_text == NULL;
		values[6] = nulls[6] ? (Datum) 0 : CStringGetTextDatum(column->mask_text);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	relation_close(view, AccessShareLock);
	return (Datum) 0;
}
