/*
 * shadow.c
 *		The encrypted shadow of a plain column, while cims.protect_online works.
 *
 * A trigger keeps the shadow in step with what is written; batches fill it for
 * the rows that were there before.  A source that is plaintext is sealed by
 * the trigger.  A source that only a passphrase opens (a column encrypted with
 * pgcrypto) is not: the trigger empties the shadow of a changed row, and the
 * batches, which know the passphrase, come back for it.
 *
 * Values are taken as they stand in the table, as by ALTER TABLE: one that
 * looks like a mask is no reason to stop a running application.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "parser/parse_relation.h"
#include "parser/parser.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "types/batch.h"
#include "types/types.h"

/* A shadow column and where its values come from. */
typedef struct Shadow
{
	AttrNumber source;
	AttrNumber target;
	Oid source_type;
	CimsSealedType type;
	int32 class_id;
	char *expression;      /* computes the plaintext; NULL: it is the source itself */
	ExprState *expr_state; /* of expression, made for the executor state below */
	Relation relation;
} Shadow;

PG_FUNCTION_INFO_V1(cims_fill_shadow);
PG_FUNCTION_INFO_V1(cims_keep_shadow);
PG_FUNCTION_INFO_V1(cims_require_level_of_class);

/* Finds a column of a relation by name. */
static AttrNumber
find_column(Relation rel, const char *name)
{
	AttrNumber attnum = attnameAttNum(rel, name, false);

	if (attnum == InvalidAttrNumber)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of relation \"%s\" does not exist", name, RelationGetRelationName(rel))));
	return attnum;
}

/* Describes a shadow by the names of its columns. */
static Shadow
make_shadow(Relation rel, const char *source, const char *target)
{
	Shadow shadow = {.relation = rel};
	Form_pg_attribute att;

	shadow.source = find_column(rel, source);
	shadow.target = find_column(rel, target);
	shadow.source_type = TupleDescAttr(RelationGetDescr(rel), shadow.source - 1)->atttypid;
	att = TupleDescAttr(RelationGetDescr(rel), shadow.target - 1);
	shadow.type = cims_type_of_oid(att->atttypid);
	shadow.class_id = att->atttypmod;
	if (shadow.type == 0 || shadow.class_id <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("column \"%s\" of relation \"%s\" is of no class", target, RelationGetRelationName(rel))));
	return shadow;
}

/*
 * Refuses a source whose values are not those that the target seals: whoever
 * owns a table can name any two columns, and its bytes would be read as what
 * they are not.
 */
static void
require_plain_source(const Shadow *shadow)
{
	if (shadow->source_type == cims_plain_oid(shadow->type) ||
		(shadow->type == CIMS_TYPE_TEXT && (shadow->source_type == VARCHAROID || shadow->source_type == BPCHAROID)))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("column \"%s\" of relation \"%s\" does not hold the plaintext of column \"%s\"",
					get_attname(RelationGetRelid(shadow->relation), shadow->source, false),
					RelationGetRelationName(shadow->relation),
					get_attname(RelationGetRelid(shadow->relation), shadow->target, false)),
			 errdetail("It is of type %s, and not of type %s.", format_type_be(shadow->source_type),
					   format_type_be(cims_plain_oid(shadow->type)))));
}

/* Seals a stored plain value, within the limits of the class. */
static Datum
seal_stored(const Shadow *shadow, Oid plain_type, Datum plain)
{
	const CimsClass *found = cims_class_find(shadow->class_id);
	CimsClass class;

	if (found == NULL)
		elog(ERROR, "class %d is unknown", shadow->class_id);
	class = *found;
	if (get_typlen(plain_type) == -1)
		plain = PointerGetDatum(PG_DETOAST_DATUM(plain));
	if (plain_type == BPCHAROID)
		plain = DirectFunctionCall1(rtrim1, plain);
	plain = cims_plain_limit(shadow->type, plain, &class);
	return PointerGetDatum(cims_value_seal(shadow->type, plain, shadow->class_id));
}

/* Parses the text of one expression. */
static Node *
parse_expression(const char *text)
{
	SelectStmt *select = castNode(SelectStmt, linitial_node(RawStmt, raw_parser(text, RAW_PARSE_PLPGSQL_EXPR))->stmt);
	SelectStmt *alone = makeNode(SelectStmt);
	Node *node = NULL;

	alone->targetList = select->targetList;
	alone->limitOption = select->limitOption;
	if (list_length(select->targetList) == 1)
		node = linitial_node(ResTarget, select->targetList)->val;
	/* what stands beside it makes it a query; a star is a list */
	if (node == NULL || !equal(select, alone) ||
		(IsA(node, ColumnRef) && IsA(llast(castNode(ColumnRef, node)->fields), A_Star)))
		ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR), errmsg("the source of a shadow must be one expression")));
	return node;
}

/* Makes the executable form of a shadow's expression over the columns of its relation. */
static ExprState *
prepare_expression(const Shadow *shadow, EState *estate)
{
	MemoryContext old = MemoryContextSwitchTo(estate->es_query_cxt);
	ParseState *pstate = make_parsestate(NULL);
	Oid plain_type = cims_plain_oid(shadow->type);
	ParseNamespaceItem *item;
	ExprState *state;
	Node *node;

	item = addRangeTableEntryForRelation(pstate, shadow->relation, AccessShareLock, NULL, false, true);
	addNSItemToQuery(pstate, item, false, true, true);
	node = transformExpr(pstate, parse_expression(shadow->expression), EXPR_KIND_INDEX_EXPRESSION);
	node = coerce_to_target_type(pstate, node, exprType(node), plain_type, -1, COERCION_EXPLICIT,
								 COERCE_IMPLICIT_CAST, -1);
	if (node == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("expression does not give type %s", format_type_be(plain_type))));
	assign_expr_collations(pstate, node);
	free_parsestate(pstate);
	state = ExecPrepareExpr((Expr *) node, estate);
	MemoryContextSwitchTo(old);
	return state;
}

/* The row editor: fills an empty shadow. */
static CimsRowVerdict
fill_row(void *arg, EState *estate, TupleTableSlot *row, Datum *values, bool *isnull)
{
	Shadow *shadow = (Shadow *) arg;
	Oid plain_type = shadow->source_type;
	Datum plain = values[shadow->source - 1];

	if (isnull[shadow->source - 1] || !isnull[shadow->target - 1])
		return CIMS_ROW_KEEP;
	if (shadow->expression != NULL)
	{
		ExprContext *context = GetPerTupleExprContext(estate);
		bool plain_isnull;

		if (shadow->expr_state == NULL)
			shadow->expr_state = prepare_expression(shadow, estate);
		context->ecxt_scantuple = row;
		plain = ExecEvalExpr(shadow->expr_state, context, &plain_isnull);
		plain_type = cims_plain_oid(shadow->type);
		if (plain_isnull)
			return CIMS_ROW_UNREADABLE;
	}
	values[shadow->target - 1] = seal_stored(shadow, plain_type, plain);
	isnull[shadow->target - 1] = false;
	return CIMS_ROW_CHANGE;
}

/*
 * cims.fill_shadow(relation, first tid, limit, source, target, expression):
 * fills the shadow of a batch of rows, from the source itself or, where not
 * NULL, from an expression over the row.  Raises insufficient_privilege for
 * who does not own the table.
 */
Datum
cims_fill_shadow(PG_FUNCTION_ARGS)
{
	Shadow shadow;
	CimsBatch batch = {.edit = fill_row, .arg = &shadow};

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2) || PG_ARGISNULL(3) || PG_ARGISNULL(4))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("relation, position, limit and columns must not be null")));
	batch.relation = cims_batch_open(PG_GETARG_OID(0));
	batch.position = *(ItemPointer) PG_GETARG_POINTER(1);
	batch.limit = PG_GETARG_INT32(2);
	shadow = make_shadow(batch.relation, NameStr(*PG_GETARG_NAME(3)), NameStr(*PG_GETARG_NAME(4)));
	if (PG_ARGISNULL(5))
		require_plain_source(&shadow);
	else
		shadow.expression = text_to_cstring(PG_GETARG_TEXT_PP(5));
	batch.columns = bms_make_singleton(shadow.target - FirstLowInvalidHeapAttributeNumber);
	cims_batch_run(&batch);
	return cims_batch_result(fcinfo, &batch);
}

/* Tells whether the source of a shadow is the same in two rows. */
static bool
source_is_same(const Shadow *shadow, HeapTuple a, HeapTuple b)
{
	TupleDesc desc = RelationGetDescr(shadow->relation);
	Form_pg_attribute att = TupleDescAttr(desc, shadow->source - 1);
	bool a_null;
	bool b_null;
	Datum a_value = heap_getattr(a, shadow->source, desc, &a_null);
	Datum b_value = heap_getattr(b, shadow->source, desc, &b_null);

	if (a_null || b_null)
		return a_null && b_null;
	return datum_image_eq(a_value, b_value, att->attbyval, att->attlen);
}

/* Tells whether a trigger is that of another shadow, which leaves both columns of this one as they are. */
static bool
keeps_other_shadow(const Trigger *trigger, Oid keep_shadow, char **args)
{
	return trigger->tgfoid == keep_shadow && trigger->tgnargs >= 2 && strcmp(trigger->tgargs[1], args[0]) != 0 &&
		   strcmp(trigger->tgargs[1], args[1]) != 0;
}

/*
 * Refuses a trigger that fires after the shadow's own, before the row is
 * written: it could change either column, and nobody would notice.
 */
static void
require_last(const TriggerData *data)
{
	const TriggerDesc *all = data->tg_relation->trigdesc;
	const Trigger *own = data->tg_trigger;
	int event = TRIGGER_FIRED_BY_UPDATE(data->tg_event) ? TRIGGER_TYPE_UPDATE : TRIGGER_TYPE_INSERT;
	bool later = false;

	/* the array is in the order of names, in which they fire */
	for (int i = 0; all != NULL && i < all->numtriggers; i++)
	{
		const Trigger *trigger = &all->triggers[i];

		if (later && trigger->tgenabled != TRIGGER_DISABLED &&
			TRIGGER_TYPE_MATCHES(trigger->tgtype, TRIGGER_TYPE_ROW, TRIGGER_TYPE_BEFORE, event) &&
			!keeps_other_shadow(trigger, own->tgfoid, own->tgargs))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("trigger \"%s\" of table \"%s\" fires after the trigger \"%s\"", trigger->tgname,
							RelationGetRelationName(data->tg_relation), own->tgname),
					 errdetail("While a column is being protected, nothing may change the row after its value was sealed."),
					 errhint("Rename the trigger \"%s\", so that it fires before.", trigger->tgname)));
		later = later || trigger->tgoid == own->tgoid;
	}
}

/*
 * Trigger function cims.keep_shadow(source, target [, 'empty']), before insert
 * or update of a row: seals what was written into the source, or with 'empty'
 * leaves the shadow empty for a batch to fill.
 */
Datum
cims_keep_shadow(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	Shadow shadow;
	HeapTuple row;
	TupleDesc desc;
	int target;
	Datum value;
	bool isnull;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BEFORE(trigger->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigger->tg_event) || trigger->tg_trigger->tgnargs < 2)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("cims.keep_shadow must be a row trigger before insert or update, with the names of two columns")));
	require_last(trigger);
	shadow = make_shadow(trigger->tg_relation, trigger->tg_trigger->tgargs[0], trigger->tg_trigger->tgargs[1]);
	if (trigger->tg_trigger->tgnargs == 2)
		require_plain_source(&shadow);
	desc = RelationGetDescr(shadow.relation);
	row = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? trigger->tg_newtuple : trigger->tg_trigtuple;
	target = shadow.target;

	/* an update that leaves the source alone leaves the shadow alone */
	if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) && source_is_same(&shadow, trigger->tg_trigtuple, row))
		value = heap_getattr(trigger->tg_trigtuple, target, desc, &isnull);
	else
		isnull = true;
	if (isnull && trigger->tg_trigger->tgnargs == 2)
	{
		Datum plain = heap_getattr(row, shadow.source, desc, &isnull);

		value = isnull ? (Datum) 0 : seal_stored(&shadow, shadow.source_type, plain);
	}
	else if (isnull)
		value = (Datum) 0;
	return PointerGetDatum(heap_modify_tuple_by_cols(row, desc, 1, &target, &value, &isnull));
}

/* cims.require_level(class id, level): raises where the current role holds less. */
Datum
cims_require_level_of_class(PG_FUNCTION_ARGS)
{
	char *name = text_to_cstring(PG_GETARG_TEXT_PP(1));

	for (CimsLevel level = CIMS_LEVEL_MASK; level <= CIMS_LEVEL_REVEAL; level++)
		if (strcmp(name, cims_level_name(level)) == 0)
		{
			cims_require_level(PG_GETARG_INT32(0), level);
			PG_RETURN_VOID();
		}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown level \"%s\"", name),
			 errhint("Levels are mask, search and reveal.")));
}
