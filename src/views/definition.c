/*
 * definition.c
 *		Reads a masking view's columns from its own definition, which is the one
 *		place where they stand: it survives dumps, renames and rebuilding by others.
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "funcapi.h"
#include "nodes/nodeFuncs.h"
#include "rewrite/prs2lock.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "base/base.h"
#include "views/internal.h"

PG_FUNCTION_INFO_V1(cims_masking_view_columns);

/* Returns an expression without the coercions around it. */
static Node *
strip_coercions(Node *node)
{
	for (;;)
	{
		if (IsA(node, RelabelType))
			node = (Node *) ((RelabelType *) node)->arg;
		else if (IsA(node, CoerceViaIO))
			node = (Node *) ((CoerceViaIO *) node)->arg;
		else if (IsA(node, FuncExpr) && ((FuncExpr *) node)->funcformat != COERCE_EXPLICIT_CALL)
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

/* Returns the number of the column that an expression shows, 0 where it is something else; displayed tells how. */
static AttrNumber
column_shown(Node *node, bool *displayed)
{
	*displayed = false;
	node = strip_coercions(node);
	if (IsA(node, FuncExpr) && is_display(((FuncExpr *) node)->funcid))
	{
		*displayed = true;
		node = strip_coercions(linitial(((FuncExpr *) node)->args));
	}
	return IsA(node, Var) && ((Var *) node)->varattno > 0 ? ((Var *) node)->varattno : 0;
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

/*
 * SQL: cims.masking_view_columns(view oid) returns setof record (number int2,
 * name name, relation oid, attnum int2, displayed boolean)
 *
 * Returns one row for each column of a view that shows columns of one table,
 * at least one of them by cims.display; none for any other relation.
 */
Datum
cims_masking_view_columns(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Relation view;
	Query *query;
	Oid table = InvalidOid;
	bool masks = false;
	ListCell *cell;

	InitMaterializedSRF(fcinfo, 0);
	view = try_relation_open(PG_GETARG_OID(0), AccessShareLock);
	if (view == NULL)
		return (Datum) 0;
	query = simple_query(view, &table);
	if (query != NULL)
	{
		foreach (cell, query->targetList)
		{
			bool displayed;

			if (column_shown((Node *) lfirst_node(TargetEntry, cell)->expr, &displayed) == 0)
				query = NULL;
			if (query == NULL)
				break;
			masks |= displayed;
		}
	}
	if (query != NULL && masks)
	{
		foreach (cell, query->targetList)
		{
			TargetEntry *entry = lfirst_node(TargetEntry, cell);
			bool displayed;
			AttrNumber attnum = column_shown((Node *) entry->expr, &displayed);
			NameData name;
			Datum values[5];
			bool nulls[5] = {false};

			namestrcpy(&name, NameStr(TupleDescAttr(RelationGetDescr(view), entry->resno - 1)->attname));
			values[0] = Int16GetDatum(entry->resno);
			values[1] = NameGetDatum(&name);
			values[2] = ObjectIdGetDatum(table);
			values[3] = Int16GetDatum(attnum);
			values[4] = BoolGetDatum(displayed);
			tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		}
	}
	relation_close(view, AccessShareLock);
	return (Datum) 0;
}
