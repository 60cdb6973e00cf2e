/*
 * write.c
 *		cims.write_masking_view(): writes whole rows through a masking view, as
 *		applications do that read a row, change a field and save them all.
 *
 * A governed column that comes back as it was shown is no change.  Another
 * value is taken from a role that reveals the class alone; of a new row, also
 * from others, but for what is a mask.  What is returned is read again through
 * the view, so that RETURNING shows what the caller may see.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/typcache.h"

#include "views/internal.h"

/* What the trigger knows of a row that is written. */
typedef struct Write
{
	Relation view;
	Relation table;
	List *columns; /* of the view: CimsViewColumn */
	List *key;     /* those that are the table's primary key */
	StringInfoData text;
	List *types; /* of the parameters so far: Oid */
	Datum *values;
	bool *nulls;
} Write;

PG_FUNCTION_INFO_V1(cims_write_masking_view);

/* Raises that a view is not one whose rows can be written whole. */
static void
no_key_error(Relation view)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("rows of view \"%s\" cannot be written whole", RelationGetRelationName(view)),
			 errdetail("It does not show the primary key of its table as it is."),
			 errhint("Give the table a primary key of columns that have no class.")));
}

/* Finds the columns of the view that are the table's primary key. */
static List *
find_key(Write *write)
{
	Oid index_id = CIMS_PRIMARY_KEY_INDEX(write->table);
	Relation index;
	List *key = NIL;
	ListCell *cell;

	if (!OidIsValid(index_id))
		return NIL;
	index = index_open(index_id, AccessShareLock);
	for (int i = 0; i < IndexRelationGetNumberOfKeyAttributes(index); i++)
	{
		CimsViewColumn *found = NULL;

		foreach (cell, write->columns)
		{
			CimsViewColumn *column = lfirst(cell);

			if (column->base == index->rd_index->indkey.values[i] && !column->displayed)
				found = column;
		}
		if (found == NULL)
		{
			index_close(index, AccessShareLock);
			return NIL;
		}
		key = lappend(key, found);
	}
	index_close(index, AccessShareLock);
	return key;
}

/* Reads what the view is made of. */
static void
begin_write(Write *write, Relation view)
{
	Oid table;

	memset(write, 0, sizeof(*write));
	write->view = view;
	write->columns = cims_views_columns(view, &table);
	if (write->columns == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a masking view", RelationGetRelationName(view))));
	write->table = table_open(table, RowExclusiveLock);
	write->key = find_key(write);
	if (write->key == NIL)
		no_key_error(view);
	write->values = palloc(sizeof(Datum) * (list_length(write->columns) + list_length(write->key)));
	write->nulls = palloc(sizeof(bool) * (list_length(write->columns) + list_length(write->key)));
}

/* Begins a statement: "UPDATE schema.table". */
static void
begin_statement(Write *write, const char *command, Relation relation)
{
	initStringInfo(&write->text);
	appendStringInfo(&write->text, "%s %s", command,
					 quote_qualified_identifier(get_namespace_name(RelationGetNamespace(relation)), RelationGetRelationName(relation)));
	write->types = NIL;
}

/* Adds a parameter, and returns its number. */
static int
add_param(Write *write, Oid type, Datum value, bool isnull)
{
	int n = list_length(write->types);

	write->types = lappend_oid(write->types, type);
	write->values[n] = value;
	write->nulls[n] = isnull;
	return n + 1;
}

/* Returns the quoted name that a column has in the table, or in the view. */
static const char *
column_name(const Write *write, const CimsViewColumn *column, bool in_view)
{
	return quote_identifier(in_view ? column->name : NameStr(TupleDescAttr(RelationGetDescr(write->table), column->base - 1)->attname));
}

/* Appends the condition that a row is that of a key. */
static void
append_key_condition(Write *write, HeapTuple row, TupleDesc desc, bool in_view, bool from_key)
{
	const char *word = " WHERE ";
	ListCell *cell;

	foreach (cell, write->key)
	{
		CimsViewColumn *column = lfirst(cell);
		bool isnull;
		Datum value = heap_getattr(row, from_key ? foreach_current_index(cell) + 1 : column->number, desc, &isnull);

		appendStringInfo(&write->text, "%s%s = $%d", word, column_name(write, column, in_view),
						 add_param(write, column->type, value, isnull));
		word = " AND ";
	}
}

/* Appends the names of the key's columns. */
static void
append_key(Write *write)
{
	ListCell *cell;

	foreach (cell, write->key)
		appendStringInfo(&write->text, "%s%s", foreach_current_index(cell) > 0 ? ", " : "", column_name(write, lfirst(cell), false));
}

/* Runs the statement, and returns the first row that it gives, NULL where there is none. */
static HeapTuple
run_statement(Write *write, Relation relation, TupleDesc *desc)
{
	CimsViewStatement statement = {.text = write->text.data, .n_params = list_length(write->types)};
	Tuplestorestate *result = tuplestore_begin_heap(false, false, work_mem);
	HeapTuple row = NULL;
	ListCell *cell;

	statement.types = palloc(sizeof(Oid) * (statement.n_params + 1));
	foreach (cell, write->types)
		statement.types[foreach_current_index(cell)] = lfirst_oid(cell);
	statement.values = write->values;
	statement.nulls = write->nulls;
	statement.relation = RelationGetRelid(relation);
	statement.owner = write->view->rd_rel->relowner;
	*desc = NULL;
	cims_views_run(&statement, result, desc);
	/* a rule of the table may leave nothing of the statement */
	if (*desc != NULL)
	{
		TupleTableSlot *slot = MakeSingleTupleTableSlot(*desc, &TTSOpsMinimalTuple);

		if (tuplestore_gettupleslot(result, true, false, slot))
			row = ExecCopySlotHeapTuple(slot);
		ExecDropSingleTupleTableSlot(slot);
	}
	tuplestore_end(result);
	return row;
}

/* Tells whether two values of a type are the same to an application. */
static bool
is_same(const CimsViewColumn *column, Oid collation, Datum a, bool a_null, Datum b, bool b_null)
{
	TypeCacheEntry *type;

	if (a_null || b_null)
		return a_null && b_null;
	type = lookup_type_cache(column->type, TYPECACHE_EQ_OPR_FINFO);
	if (datum_image_eq(a, b, type->typbyval, type->typlen))
		return true;
	return OidIsValid(type->eq_opr) && column->type < FirstNormalObjectId &&
		   DatumGetBool(FunctionCall2Coll(&type->eq_opr_finfo, OidIsValid(collation) ? collation : C_COLLATION_OID, a, b));
}

/* Tells whether a value is the mask of what the row holds: from a role that reveals, but was shown the mask before. */
static bool
is_mask_of(const CimsViewColumn *column, Oid collation, Datum old, bool old_null, Datum new, bool new_null)
{
	const CimsClass *class = cims_class_find(column->class_id);
	CimsMaskRule rule;
	Datum masked;

	if (old_null || new_null || (class == NULL && column->mask_text == NULL))
		return false;
	rule = column->mask_text != NULL ? column->mask : class->mask;
	return cims_views_mask_plain(column->type, old, &rule, &masked) && is_same(column, collation, masked, false, new, false);
}

/* Raises that the role may not write a governed column; the message holds no value. */
static void
governed_error(const Write *write, const CimsViewColumn *column)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for column \"%s\" of view \"%s\"", column->name, RelationGetRelationName(write->view)),
			 column->class != NULL ? errdetail("It is governed by class \"%s\", on which role \"%s\" holds the level \"%s\".", column->class,
											   GetUserNameFromId(GetUserId(), true), cims_level_name(cims_display_level(column->class_id))) :
									 0,
			 errhint("Save the column as it was read, or leave it out of the statement.")));
}

/* Tells whether an update changes a column; raises where the role may not. */
static bool
changes_column(const Write *write, const CimsViewColumn *column, HeapTuple old_row, HeapTuple new_row)
{
	TupleDesc desc = RelationGetDescr(write->view);
	Oid collation = TupleDescAttr(desc, column->number - 1)->attcollation;
	bool old_null, new_null;
	Datum old = heap_getattr(old_row, column->number, desc, &old_null);
	Datum new = heap_getattr(new_row, column->number, desc, &new_null);

	if (is_same(column, collation, old, old_null, new, new_null))
		return false;
	if (!column->displayed)
		return true;
	if (cims_display_level(column->class_id) != CIMS_LEVEL_REVEAL)
		governed_error(write, column);
	return !is_mask_of(column, collation, old, old_null, new, new_null);
}

/* Refuses a mask as the value of a new row, from a role that does not reveal the class. */
static void
refuse_mask(const CimsViewColumn *column, Datum value)
{
	text *plain;
	char *utf8;

	if (!cims_views_is_text(column->type) || cims_display_level(column->class_id) == CIMS_LEVEL_REVEAL)
		return;
	plain = DatumGetTextPP(value);
	utf8 = pg_server_to_any(VARDATA_ANY(plain), VARSIZE_ANY_EXHDR(plain), PG_UTF8);
	if (cims_mask_has_mark(utf8, utf8 == VARDATA_ANY(plain) ? VARSIZE_ANY_EXHDR(plain) : strlen(utf8)))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("masked value cannot be stored in column \"%s\"", column->name),
				 errdetail("The role does not see whole values."),
				 errhint("Leave the column out of the statement, or write a whole value.")));
}

/* Reads a row again through the view, by the key in a row of the view or in one that holds the key alone. */
static HeapTuple
read_again(Write *write, HeapTuple row, TupleDesc desc, bool from_key)
{
	TupleDesc result;

	begin_statement(write, "SELECT * FROM", write->view);
	append_key_condition(write, row, desc, true, from_key);
	return run_statement(write, write->view, &result);
}

/* Returns a row of the view without the values of its governed columns. */
static HeapTuple
without_governed(const Write *write, HeapTuple row)
{
	TupleDesc desc = RelationGetDescr(write->view);
	Datum *values = palloc0(sizeof(Datum) * desc->natts);
	bool *nulls = palloc0(sizeof(bool) * desc->natts);
	bool *replaces = palloc0(sizeof(bool) * desc->natts);
	ListCell *cell;

	foreach (cell, write->columns)
	{
		CimsViewColumn *column = lfirst(cell);

		nulls[column->number - 1] = replaces[column->number - 1] = column->displayed;
	}
	return heap_modify_tuple(row, desc, values, nulls, replaces);
}

/* Updates a row; returns it as the view shows it then, NULL where it is gone. */
static HeapTuple
update_row(Write *write, HeapTuple old_row, HeapTuple new_row)
{
	TupleDesc desc = RelationGetDescr(write->view);
	TupleDesc returned;
	const char *word = " SET ";
	HeapTuple key;
	HeapTuple again;
	ListCell *cell;

	begin_statement(write, "UPDATE", write->table);
	foreach (cell, write->columns)
	{
		CimsViewColumn *column = lfirst(cell);
		bool isnull;
		Datum value = heap_getattr(new_row, column->number, desc, &isnull);

		if (!changes_column(write, column, old_row, new_row))
			continue;
		appendStringInfo(&write->text, "%s%s = $%d", word, column_name(write, column, false),
						 add_param(write, column->type, value, isnull));
		word = ", ";
	}
	if (write->types == NIL)
		return old_row;
	append_key_condition(write, old_row, desc, false, false);
	appendStringInfoString(&write->text, " RETURNING ");
	append_key(write);
	key = run_statement(write, write->table, &returned);
	if (key == NULL)
		return NULL;
	again = read_again(write, key, returned, true);
	return again != NULL ? again : without_governed(write, new_row);
}

/* Inserts a row; what is NULL takes its default.  Returns the row as the view shows it. */
static HeapTuple
insert_row(Write *write, HeapTuple new_row)
{
	TupleDesc desc = RelationGetDescr(write->view);
	TupleDesc returned;
	StringInfoData places;
	HeapTuple key;
	HeapTuple again;
	ListCell *cell;

	initStringInfo(&places);
	begin_statement(write, "INSERT INTO", write->table);
	foreach (cell, write->columns)
	{
		CimsViewColumn *column = lfirst(cell);
		bool isnull;
		Datum value = heap_getattr(new_row, column->number, desc, &isnull);
		int n;

		if (isnull)
			continue;
		if (column->displayed)
			refuse_mask(column, value);
		n = add_param(write, column->type, value, false);
		appendStringInfo(&write->text, "%s%s", n == 1 ? " (" : ", ", column_name(write, column, false));
		appendStringInfo(&places, "%s$%d", n == 1 ? "" : ", ", n);
	}
	if (write->types == NIL)
		appendStringInfoString(&write->text, " DEFAULT VALUES RETURNING ");
	else
		appendStringInfo(&write->text, ") VALUES (%s) RETURNING ", places.data);
	append_key(write);
	key = run_statement(write, write->table, &returned);
	if (key == NULL)
		return NULL;
	again = read_again(write, key, returned, true);
	return again != NULL ? again : without_governed(write, new_row);
}

/* Deletes a row; returns it as it was shown, NULL where it is gone. */
static HeapTuple
delete_row(Write *write, HeapTuple old_row)
{
	TupleDesc returned;

	begin_statement(write, "DELETE FROM", write->table);
	append_key_condition(write, old_row, RelationGetDescr(write->view), false, false);
	appendStringInfoString(&write->text, " RETURNING true");
	return run_statement(write, write->table, &returned) != NULL ? old_row : NULL;
}

/* SQL: cims.write_masking_view() returns trigger, INSTEAD OF INSERT OR UPDATE OR DELETE ON a masking view FOR EACH ROW. */
Datum
cims_write_masking_view(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	HeapTuple result;
	Write write;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_INSTEAD(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("cims.write_masking_view() can only be called as an INSTEAD OF trigger")));
	begin_write(&write, trigger->tg_relation);
	if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		result = insert_row(&write, trigger->tg_trigtuple);
	else if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
		result = update_row(&write, trigger->tg_trigtuple, trigger->tg_newtuple);
	else
		result = delete_row(&write, trigger->tg_trigtuple);
	table_close(write.table, NoLock);
	return PointerGetDatum(result);
}
