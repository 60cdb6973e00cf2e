/*
 * result.c
 *		Gives clients columns of plain types.
 *
 * Drivers choose how to read a column by the type that the server names: a
 * numeric of an encrypted type would reach an application as a string.  So a
 * statement that a client sends directly has the columns of its result cast:
 * encrypted text to text at every level (the cast prints mask and armor, too),
 * the other types to their plain types where the role holds "reveal" on the
 * class when the statement is analysed.  A mask is no date, so below "reveal"
 * these stay what they are.  Nothing else is touched: functions, views, CREATE
 * TABLE AS and COPY see the encrypted types.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_func.h"
#include "tcop/pquery.h"
#include "tcop/tcopprot.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

#include "types/types.h"

/* Setting cims.plain_results. */
static bool plain_results = true;

static int32 class_of_result(Node *expr);

/* Returns the encrypted type that a result column has, or is an array of. */
static CimsSealedType
type_in_result(Oid type)
{
	return cims_type_of_oid(type) != 0 ? cims_type_of_oid(type) : cims_type_of_array_oid(type);
}

/* Returns the class among those of expressions of which the role sees least, 0 where none is known. */
static int32
class_seen_least(List *expressions)
{
	ListCell *cell;
	int32 least = 0;

	foreach (cell, expressions)
	{
		int32 class_id = type_in_result(exprType(lfirst(cell))) != 0 ? class_of_result(lfirst(cell)) : 0;

		if (class_id > 0 && (least == 0 || cims_display_level(class_id) < cims_display_level(least)))
			least = class_id;
	}
	return least;
}

/* Returns the class of a result column, looking through what keeps it. */
static int32
class_of_result(Node *expr)
{
	int32 typmod = exprTypmod(expr);

	if (typmod > 0)
		return typmod;
	if (IsA(expr, Aggref) && ((Aggref *) expr)->args != NIL)
		return class_of_result((Node *) linitial_node(TargetEntry, ((Aggref *) expr)->args)->expr);
	if (IsA(expr, WindowFunc))
		return class_seen_least(((WindowFunc *) expr)->args);
	if (IsA(expr, CoalesceExpr))
		return class_seen_least(((CoalesceExpr *) expr)->args);
	if (IsA(expr, MinMaxExpr))
		return class_seen_least(((MinMaxExpr *) expr)->args);
	if (IsA(expr, NullIfExpr))
		return class_seen_least(((NullIfExpr *) expr)->args);
	if (IsA(expr, CaseExpr))
	{
		List *results = list_make1(((CaseExpr *) expr)->defresult);
		ListCell *cell;

		foreach (cell, ((CaseExpr *) expr)->args)
			results = lappend(results, lfirst_node(CaseWhen, cell)->result);
		return class_seen_least(results);
	}
	return 0;
}

/* Tells whether a result column is to be cast. */
static bool
casts_column(Node *expr)
{
	CimsSealedType type = type_in_result(exprType(expr));
	int32 class_id;

	if (type == 0)
		return false;
	if (type == CIMS_TYPE_TEXT)
		return true;
	class_id = class_of_result(expr);
	return class_id > 0 && cims_display_level(class_id) == CIMS_LEVEL_REVEAL;
}

/* Casts an expression to its plain type, or an array of it. */
static Expr *
cast_column(Expr *expr)
{
	Oid type = exprType((Node *) expr);
	Oid plain = cims_plain_oid(type_in_result(type));
	List *name = list_make2(makeString("cims"), makeString("shown"));

	return (Expr *) makeFuncExpr(LookupFuncName(name, 1, &type, false),
								 cims_type_of_oid(type) != 0 ? plain : get_array_type(plain),
								 list_make1(expr), exprCollation((Node *) expr), exprCollation((Node *) expr),
								 COERCE_EXPLICIT_CALL);
}

/*
 * Casts the columns of a target list.  A column that the query sorts or groups
 * by stays as it is, unseen, and its cast takes its place.
 */
static List *
cast_target_list(List *targetlist)
{
	List *shown = NIL, *junk = NIL;
	ListCell *cell;
	AttrNumber resno = 0;

	foreach (cell, targetlist)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, cell);

		if (entry->resjunk)
			junk = lappend(junk, entry);
		else if (!casts_column((Node *) entry->expr))
			shown = lappend(shown, entry);
		else
		{
			TargetEntry *replaced = flatCopyTargetEntry(entry);

			replaced->expr = cast_column(copyObject(entry->expr));
			replaced->ressortgroupref = 0;
			shown = lappend(shown, replaced);
			if (entry->ressortgroupref != 0)
			{
				entry = flatCopyTargetEntry(entry);
				entry->resjunk = true;
				junk = lappend(junk, entry);
			}
		}
	}
	shown = list_concat(shown, junk);
	foreach (cell, shown)
		lfirst_node(TargetEntry, cell)->resno = ++resno;
	return shown;
}

/* Tells whether a target list has a column to cast. */
static bool
has_column_to_cast(List *targetlist)
{
	ListCell *cell;

	foreach (cell, targetlist)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, cell);

		if (!entry->resjunk && casts_column((Node *) entry->expr))
			return true;
	}
	return false;
}

/* Makes a query the only source of a new one, whose columns can be cast: for DISTINCT and set operations. */
static void
wrap_query(Query *query)
{
	Query *inner = makeNode(Query);
	RangeTblEntry *source = makeNode(RangeTblEntry);
	RangeTblRef *reference = makeNode(RangeTblRef);
	ListCell *cell;

	*inner = *query;
	source->rtekind = RTE_SUBQUERY;
	source->subquery = inner;
	source->eref = makeAlias("result", NIL);
	source->inFromCl = true;
	reference->rtindex = 1;

	memset(query, 0, sizeof(*query));
	query->type = T_Query;
	query->commandType = CMD_SELECT;
	query->querySource = inner->querySource;
	query->queryId = inner->queryId;
	query->canSetTag = inner->canSetTag;
	query->stmt_location = inner->stmt_location;
	query->stmt_len = inner->stmt_len;
	query->rtable = list_make1(source);
	query->jointree = makeFromExpr(list_make1(reference), NULL);
	foreach (cell, inner->targetList)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, cell);
		TargetEntry *shown;

		if (entry->resjunk)
			continue;
		source->eref->colnames = lappend(source->eref->colnames,
										 makeString(pstrdup(entry->resname != NULL ? entry->resname : "?column?")));
		shown = makeTargetEntry((Expr *) makeVarFromTargetEntry(1, entry), entry->resno, entry->resname, false);
		shown->resorigtbl = entry->resorigtbl;
		shown->resorigcol = entry->resorigcol;
		query->targetList = lappend(query->targetList, shown);
	}
}

/* Casts the columns of a client's query. */
static void
cast_query(Query *query)
{
	if (query->commandType != CMD_SELECT)
	{
		if (query->commandType != CMD_UTILITY && has_column_to_cast(query->returningList))
			query->returningList = cast_target_list(query->returningList);
		return;
	}
	if (!has_column_to_cast(query->targetList))
		return;
	if (query->setOperations != NULL || (query->distinctClause != NIL && !query->hasDistinctOn))
	{
		if (query->hasModifyingCTE)
			return;
		wrap_query(query);
	}
	query->targetList = cast_target_list(query->targetList);
}

/*
 * Tells whether a statement comes from a client: then it is analysed outside
 * any portal, from the very text that the backend received, or again when a
 * client asks for its description, with no text at all.  A deferred trigger's
 * query meets the first condition alone: it is analysed within a function.
 */
static bool
client_sent(const char *source_text)
{
	if (ActivePortal != NULL || MyBackendType != B_BACKEND)
		return false;
	return debug_query_string != NULL ? source_text == debug_query_string : error_context_stack == NULL;
}

/* Casts the result columns of a statement, if a client sent it. */
void
cims_result_rewrite(const char *source_text, Query *query)
{
	if (!plain_results || !client_sent(source_text) || cims_output_is_sealed() || !cims_type_oids()->installed)
		return;
	if (query->commandType == CMD_UTILITY && query->utilityStmt != NULL &&
		IsA(query->utilityStmt, DeclareCursorStmt))
		query = castNode(Query, ((DeclareCursorStmt *) query->utilityStmt)->query);
	cast_query(query);
}

PG_FUNCTION_INFO_V1(cims_enc_array_shown);

/* cims.shown(array): each element in its plain type. */
Datum
cims_enc_array_shown(PG_FUNCTION_ARGS)
{
	ArrayType *array = PG_GETARG_ARRAYTYPE_P(0);
	CimsSealedType type = cims_type_of_oid(ARR_ELEMTYPE(array));
	Oid plain = cims_plain_oid(type);
	Datum *elements;
	bool *nulls, byval;
	int n_elements;
	int16 length;
	char align;

	deconstruct_array(array, ARR_ELEMTYPE(array), -1, false, TYPALIGN_INT, &elements, &nulls, &n_elements);
	for (int i = 0; i < n_elements; i++)
		if (!nulls[i])
			elements[i] = cims_value_shown(PG_DETOAST_DATUM_PACKED(elements[i]), type);
	get_typlenbyvalalign(plain, &length, &byval, &align);
	PG_RETURN_ARRAYTYPE_P(construct_md_array(elements, nulls, ARR_NDIM(array), ARR_DIMS(array), ARR_LBOUND(array),
											 plain, length, byval, align));
}

/* Defines the setting. */
void
cims_result_init(void)
{
	DefineCustomBoolVariable("cims.plain_results",
							 "Gives clients the columns of a result in plain types where the role may see them.",
							 NULL, &plain_results, true, PGC_USERSET, 0, NULL, NULL, NULL);
}
