/*
 * column_list.c
 *		Refuses classes in the column definition list of a function that returns records.
 *
 * PostgreSQL holds the types of a record against such a list, not their
 * modifiers: "unnest(ARRAY[ROW(phone)]) AS t (v cims.enc_text(address))" would
 * be taken for a value of class address, be stored in a column of that class as
 * it is, and be compared by an index that the role may have over that one.  The
 * functions that read JSON make each value of the class that is named.
 */
#include "postgres.h"

#include "nodes/nodeFuncs.h"
#include "utils/fmgroids.h"

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
