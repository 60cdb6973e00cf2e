/*
 * column_list.c
 *		Refuses classes in the column definition list of a function that returns records.
 *
 * PostgreSQL holds the types of a record against such a list, not their
 * modifiers: "unnest(ARRAY[ROW(phone)]) AS t (v cims.enc_text(address))" would
 * be taken for a value of class address, be stored in a column of that class as
 * it is, and be compared by an index that the role may have over that one.  The
 * functions that read JSON make each value of the class that is named.  The rows
 * that a rule gives are held against its relation no better.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/acl.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

#include "types/types.h"

/* Tells whether a function takes the modifiers of the list into account. */
static bool
heeds_modifiers(Node *call)
{
	if (!IsA(call, FuncExpr))
		return false;
	switch (((FuncExpr *) call)->funcid)
	{
		case F_JSON_TO_RECORD:
		case F_JSON_TO_RECORDSET:
		case F_JSONB_TO_RECORD:
		case F_JSONB_TO_RECORDSET:
			return true;
		default:
			return false;
	}
}

/* Checks the list of one function; it is empty where the function does not return records. */
static void
check_function(const RangeTblFunction *function)
{
	ListCell *type, *typmod;

	forboth (type, function->funccoltypes, typmod, function->funccoltypmods)
		if (lfirst_int(typmod) > 0 &&
			(cims_type_of_oid(lfirst_oid(type)) != 0 || cims_type_of_array_oid(lfirst_oid(type)) != 0) &&
			!heeds_modifiers(function->funcexpr))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("a column definition list cannot name the class of an encrypted column"),
					 errdetail("The records of a function may hold values of another class."),
					 errhint("Leave the class out of the list, and cast the column where it is used.")));
}

/* Checks the functions of a query level. */
void
cims_column_list_check(const Query *query)
{
	ListCell *entry, *function;

	foreach (entry, query->rtable)
		foreach (function, lfirst_node(RangeTblEntry, entry)->functions)
			check_function(lfirst_node(RangeTblFunction, function));
}

/* Tells whether an action of a rule returns rows. */
static bool
returns_rows(Node *action)
{
	switch (nodeTag(action))
	{
		case T_InsertStmt:
			return ((InsertStmt *) action)->returningList != NIL;
		case T_UpdateStmt:
			return ((UpdateStmt *) action)->returningList != NIL;
		case T_DeleteStmt:
			return ((DeleteStmt *) action)->returningList != NIL;
		default:
			return false;
	}
}

/* Refuses a rule of an ordinary role that gives rows as those of a relation with encrypted columns: types alone are held against it. */
void
cims_column_list_check_rule(const RuleStmt *rule)
{
	bool gives = rule->event == CMD_SELECT;
	Oid relation;
	ListCell *action;

	foreach (action, rule->actions)
		gives = gives || returns_rows(lfirst(action));
	if (!gives || has_bypassrls_privilege(GetUserId()))
		return;
	relation = RangeVarGetRelid(rule->relation, AccessShareLock, true);
	if (OidIsValid(relation) && cims_type_holds_encrypted(get_rel_type_id(relation)))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to give rows with encrypted columns by a rule"),
				 errdetail("PostgreSQL does not compare their classes with those of the relation."),
				 errhint("Make a view, with INSTEAD OF triggers where it is written to.")));
}
