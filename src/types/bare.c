/*
 * bare.c
 *		Warns where ALTER TABLE takes the encryption off a column.
 *
 * Tools that bring tables into the form of an application's models do so without
 * anybody having asked for it, wherever the application's role owns the table and
 * reveals the class.  cims.unprotect runs its ALTER TABLE inside of a function
 * and is not warned of: it says what it does.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "utils/lsyscache.h"

#include "types/types.h"

/* Tells whether a column has an encrypted type, or an array of one. */
bool
cims_column_is_encrypted(Oid relation, const char *column)
{
	AttrNumber attnum = get_attnum(relation, column);
	Oid type = attnum == InvalidAttrNumber ? InvalidOid : getBaseType(get_atttype(relation, attnum));

	return OidIsValid(type) && (cims_type_of_oid(type) != 0 || cims_type_of_array_oid(type) != 0);
}

/* Returns the names of the encrypted columns whose type a command is about to change, and their table. */
List *
cims_bare_columns(const AlterTableStmt *statement, Oid *relation)
{
	List *columns = NIL;
	ListCell *cell;

	if (!cims_type_oids()->installed)
		return NIL;
	*relation = RangeVarGetRelid(statement->relation, NoLock, true);
	foreach (cell, statement->cmds)
	{
		const AlterTableCmd *command = lfirst(cell);

		if (command->subtype == AT_AlterColumnType && OidIsValid(*relation) && cims_column_is_encrypted(*relation, command->name))
			columns = lappend(columns, pstrdup(command->name));
	}
	return columns;
}

/* Warns of those that are plain now. */
void
cims_bare_warn(Oid relation, List *columns)
{
	ListCell *cell;

	foreach (cell, columns)
	{
		const char *column = lfirst(cell);

		if (!cims_column_is_encrypted(relation, column))
			ereport(WARNING,
					(errcode(ERRCODE_WARNING),
					 errmsg("column \"%s\" of table \"%s\" is no longer encrypted", column, get_rel_name(relation)),
					 errhint("Where that was not meant, protect it again by cims.protect.")));
	}
}
