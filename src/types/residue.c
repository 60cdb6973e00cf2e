/*
 * residue.c
 *		Does what is left to do where ALTER TABLE has encrypted a column: a
 *		constant default is sealed, and what plaintext may remain on disk is noted,
 *		as by cims.protect.  That runs its ALTER TABLE inside of a function and has
 *		done so already.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "types/types.h"

/* Tells whether ANALYZE may have sampled a table; afterwards that is no longer to be seen. */
static bool
is_analyzed(Oid relation)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
	bool analyzed = false;

	if (HeapTupleIsValid(tuple))
	{
		Form_pg_class form = (Form_pg_class) GETSTRUCT(tuple);

		analyzed = form->reltuples >= 0 || form->relhassubclass;
		ReleaseSysCache(tuple);
	}
	return analyzed;
}

/* Returns the names of the plain columns whose type a command is about to change, and their table. */
List *
cims_residue_columns(const AlterTableStmt *statement, Oid *relation, bool *analyzed)
{
	List *columns = NIL;
	ListCell *cell;

	if (!cims_type_oids()->installed)
		return NIL;
	*relation = RangeVarGetRelid(statement->relation, NoLock, true);
	*analyzed = OidIsValid(*relation) && is_analyzed(*relation);
	foreach (cell, statement->cmds)
	{
		const AlterTableCmd *command = lfirst(cell);

		if (command->subtype == AT_AlterColumnType && OidIsValid(*relation) && !cims_column_is_encrypted(*relation, command->name))
			columns = lappend(columns, pstrdup(command->name));
	}
	return columns;
}

/* Looks after those that are encrypted now, with the rights of who altered the table. */
void
cims_residue_note(Oid relation, List *columns, bool analyzed)
{
	Oid types[] = {OIDOID, NAMEOID, BOOLOID};
	ListCell *cell;

	foreach (cell, columns)
	{
		NameData column;
		Datum values[] = {ObjectIdGetDatum(relation), NameGetDatum(&column), BoolGetDatum(analyzed)};

		if (!cims_column_is_encrypted(relation, lfirst(cell)))
			continue;
		namestrcpy(&column, lfirst(cell));
		CommandCounterIncrement();
		if (SPI_connect() != SPI_OK_CONNECT)
			elog(ERROR, "could not connect to SPI");
		if (SPI_execute_with_args("SELECT cims.note_altered($1, $2, $3)", 3, types, values, NULL, false, 0) != SPI_OK_SELECT)
			elog(ERROR, "could not look after an altered column");
		SPI_finish();
	}
}
