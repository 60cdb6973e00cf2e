/*
 * find.c
 *		cims.find: rows by the whole value of a governed column, for roles that see
 *		masks: a customer tells a clerk a number, and the clerk finds the customer.
 *
 * It answers whether a guess is right, so each use is counted (limit.c) and
 * recorded before it is answered, be it in vain or rolled back.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_func.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "access/access.h"
#include "base/base.h"
#include "views/internal.h"

#define ROWS_MAX 1000

PG_FUNCTION_INFO_V1(cims_find_in_view);

/* Finds a column of a view by its name. */
static const CimsViewColumn *
find_column(Relation view, List *columns, const char *name)
{
	ListCell *cell;

	if (columns == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a masking view", RelationGetRelationName(view))));
	foreach (cell, columns)
	{
		CimsViewColumn *column = lfirst(cell);

		if (strcmp(column->name, name) != 0)
			continue;
		if (!column->displayed)
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("column \"%s\" of view \"%s\" is not governed", name, RelationGetRelationName(view)),
					 errhint("Look for its values by a WHERE clause.")));
		return column;
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("column \"%s\" of view \"%s\" does not exist", name, RelationGetRelationName(view))));
}

/* Describes a look-up: who, where, how it went; not what was looked for. */
static char *
describe(Relation view, const CimsViewColumn *column, const char *outcome, int64 rows)
{
	const CimsActor *actor = cims_access_actor();
	StringInfoData detail;

	initStringInfo(&detail);
	appendStringInfoString(&detail, "{\"action\": \"find\", \"view\": ");
	escape_json(&detail, quote_qualified_identifier(get_namespace_name(RelationGetNamespace(view)), RelationGetRelationName(view)));
	appendStringInfoString(&detail, ", \"column\": ");
	escape_json(&detail, column->name);
	appendStringInfoString(&detail, ", \"class\": ");
	escape_json(&detail, column->class);
	if (actor != NULL)
	{
		appendStringInfoString(&detail, ", \"actor\": ");
		escape_json(&detail, actor->name);
	}
	if (outcome != NULL)
		appendStringInfo(&detail, ", \"refused\": \"%s\"}", outcome);
	else
		appendStringInfo(&detail, ", \"rows\": " INT64_FORMAT "}", rows);
	return detail.data;
}

/* Adds the event to the audit record, where there is one and this transaction may write. */
static void
record_event(char kind, Oid relation, const char *detail)
{
	Oid types[] = {CHAROID, OIDOID, JSONBOID};
	Oid function;

	if (XactReadOnly)
		return;
	function = LookupFuncName(list_make2(makeString("cims"), makeString("record_event")), 3, types, true);
	if (OidIsValid(function))
		OidFunctionCall3(function, CharGetDatum(kind), ObjectIdGetDatum(relation),
						 DirectFunctionCall1(jsonb_in, CStringGetDatum(detail)));
}

/* Checks that an encrypted column is shown by its own class: the caller may have written the view, and hold a grant on another. */
static void
check_class(Relation view, const CimsViewColumn *column, Oid table)
{
	Oid type;
	int32 typmod;
	Oid collation;

	get_atttypetypmodcoll(table, column->base, &type, &typmod, &collation);
	type = getBaseTypeAndTypmod(type, &typmod);
	if (cims_type_of_oid(type) != 0 && typmod != column->class_id)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("column \"%s\" of view \"%s\" is not shown by its own class", column->name, RelationGetRelationName(view)),
				 typmod < 0 ? errhint("The column has no class: name one as the type modifier, as in cims.enc_text(phone).") :
							  errhint("Make the view by cims.create_masking_view().")));
}

/* Checks that the caller may look up values: the view, the class, and how often. */
static void
check_caller(Relation view, const CimsViewColumn *column, Oid table)
{
	AclResult result = pg_class_aclcheck(RelationGetRelid(view), GetUserId(), ACL_SELECT);

	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_VIEW, RelationGetRelationName(view));
	check_class(view, column, table);
	if (cims_class_level(column->class_id) < CIMS_LEVEL_MASK)
	{
		cims_disclosure_record(CIMS_DENIAL, table, describe(view, column, "no grant", 0));
		cims_require_level(column->class_id, CIMS_LEVEL_MASK);
	}
	if (!cims_views_limit_take())
	{
		cims_disclosure_record(CIMS_DENIAL, table, describe(view, column, "too many", 0));
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("too many look-ups"),
				 errdetail("At most %d a minute are allowed.", cims_views_limit()),
				 errhint("The limit is the setting cims.find_limit.")));
	}
}

/* Returns the definition of a view, with every name in it qualified, without the semicolon at its end. */
static char *
view_definition(Oid view)
{
	int level = NewGUCNestLevel();
	char *definition;

	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	definition = TextDatumGetCString(DirectFunctionCall1(pg_get_viewdef, ObjectIdGetDatum(view)));
	AtEOXact_GUC(true, level);
	definition[strlen(definition) - 1] = '\0';
	return definition;
}

/* Writes the statement: the view's own query, with a condition on the column behind it. */
static char *
find_statement(Relation view, Oid table, const CimsViewColumn *column, int32 rows, bool *encrypted)
{
	Oid type;
	int32 typmod;
	Oid collation;
	StringInfoData text;

	get_atttypetypmodcoll(table, column->base, &type, &typmod, &collation);
	type = getBaseType(type);
	*encrypted = cims_type_of_oid(type) != 0;
	if (*encrypted)
		type = cims_plain_oid(cims_type_of_oid(type));
	initStringInfo(&text);
	appendStringInfo(&text, "SELECT pg_catalog.to_jsonb(x) FROM (%s WHERE %s = $1::%s LIMIT %d) x",
					 view_definition(RelationGetRelid(view)),
					 quote_identifier(get_attname(table, column->base, false)),
					 format_type_extended(type, -1, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY), rows);
	return text.data;
}

/*
 * SQL: cims.find_in_view(view oid, "column" name, value text, max_rows int)
 * returns setof jsonb
 *
 * Returns the rows of a masking view, as the caller sees them, whose governed
 * column holds the value.  Raises 42501 without a grant on the class, 53400
 * where the caller has made too many look-ups.
 */
Datum
cims_find_in_view(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Relation view = relation_open(PG_GETARG_OID(0), AccessShareLock);
	Oid table = InvalidOid;
	const CimsViewColumn *column = find_column(view, cims_views_columns(view, &table), NameStr(*PG_GETARG_NAME(1)));
	Oid types[] = {TEXTOID};
	Datum values[] = {PG_GETARG_DATUM(2)};
	bool nulls[] = {false};
	CimsViewStatement statement = {.n_params = 1, .types = types, .values = values, .nulls = nulls};
	TupleDesc desc;
	char *detail;

	if (PG_GETARG_INT32(3) < 1 || PG_GETARG_INT32(3) > ROWS_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("number of rows to find is out of range"),
				 errdetail("It must be from 1 to %d.", ROWS_MAX)));
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	check_caller(view, column, table);
	statement.text = find_statement(view, table, column, PG_GETARG_INT32(3), &statement.may_match);
	statement.relation = table;
	statement.owner = view->rd_rel->relowner;
	cims_views_run(&statement, result->setResult, &desc);
	detail = describe(view, column, NULL, tuplestore_tuple_count(result->setResult));
	cims_disclosure_record(CIMS_DISCLOSURE, table, detail);
	record_event(CIMS_DISCLOSURE, table, detail);
	relation_close(view, AccessShareLock);
	return (Datum) 0;
}
