/*
 * detail.c
 *		One event in a person's terms: what the view cims.audit_log shows.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"

#include "audit/detail.h"

/* What one call site keeps for the length of a query. */
typedef struct DetailState
{
	TupleDesc desc;
	Oid role; /* whose sight the reader holds */
	CimsReader *reader;
	CimsDescriptorCache *descriptors;
} DetailState;

/* An event on its way to a row. */
typedef struct DetailRow
{
	CimsReader *reader;
	const CimsEvent *event;
	const CimsDescriptor *descriptor; /* NULL where there is none */
	Bitmapset *hidden;                /* attribute numbers that the reader may not see */
	Datum *values;
	bool *nulls;
} DetailRow;

PG_FUNCTION_INFO_V1(cims_event_detail);

/* Names an operation. */
const char *
cims_operation_name(CimsOperation operation)
{
	switch (operation)
	{
		case CIMS_OP_INSERT:
			return "insert";
		case CIMS_OP_UPDATE:
			return "update";
		case CIMS_OP_DELETE:
			return "delete";
		case CIMS_OP_TRUNCATE:
			return "truncate";
		case CIMS_OP_BASELINE:
			return "baseline";
		case CIMS_OP_DESCRIPTOR:
			return "descriptor";
		case CIMS_OP_COMMAND:
			return "command";
		case CIMS_OP_GRANT:
			return "grant";
		case CIMS_OP_RECORD:
			return "record";
		case CIMS_OP_DISCLOSURE:
			return "disclosure";
		case CIMS_OP_DENIAL:
			return "denial";
	}
	return "unknown";
}

/* Reads the next item of an image that has been found valid; false at its end. */
bool
cims_image_step(CimsImageReader *reader, CimsImageItem *item)
{
	return reader->rest.data != NULL && cims_image_next(reader, item) == CIMS_IMAGE_ITEM;
}

/* Finds a column's item in an image; false where it holds none. */
bool
cims_image_find(CimsBytes image, AttrNumber attnum, CimsImageItem *item)
{
	CimsImageReader reader = {image, 0};

	while (cims_image_step(&reader, item))
		if (item->attnum == attnum)
			return true;
	return false;
}

/* Puts a value into the row. */
static void
set_value(DetailRow *row, int column, Datum value)
{
	row->values[column] = value;
	row->nulls[column] = false;
}

/* Puts JSON text into the row. */
static void
set_json(DetailRow *row, int column, const char *json)
{
	set_value(row, column, DirectFunctionCall1(jsonb_in, CStringGetDatum(json)));
}

/* Puts a text field of the payload into the row. */
static void
set_field(DetailRow *row, int column, CimsField field)
{
	if (row->event->payload.fields[field].data != NULL)
		set_value(row, column, CStringGetTextDatum(cims_show_text(row->event->payload.fields[field])));
}

/* Puts an image into the row, of an update the changed columns alone. */
static void
set_image(DetailRow *row, int column, CimsBytes image, bool update, const Bitmapset *changed)
{
	CimsImageReader reader = {image, 0};
	CimsImageItem item;
	StringInfoData json;

	if (image.data == NULL || row->descriptor == NULL)
		return;
	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	while (cims_image_step(&reader, &item))
	{
		if (update && !bms_is_member(item.attnum, changed))
			continue;
		if (!cims_show_member(&json, row->reader, row->descriptor, &item))
			row->hidden = bms_add_member(row->hidden, item.attnum);
	}
	appendStringInfoChar(&json, '}');
	set_json(row, column, json.data);
}

/* Puts the row's key into the row: an encrypted column as the images hold it, as its token is for comparing alone. */
static void
set_key(DetailRow *row)
{
	CimsImageReader reader = {row->event->payload.fields[CIMS_FIELD_KEY], 0};
	StringInfoData json;
	CimsImageItem item;

	if (reader.rest.data == NULL || row->descriptor == NULL)
		return;
	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	while (cims_image_step(&reader, &item))
	{
		const CimsDescribedColumn *column = cims_descriptor_column(row->descriptor, item.attnum);
		AttrNumber attnum = item.attnum;

		if (column != NULL && strcmp(column->mode, "sealed") == 0 &&
			!cims_image_find(row->event->payload.fields[CIMS_FIELD_OLD], attnum, &item) &&
			!cims_image_find(row->event->payload.fields[CIMS_FIELD_NEW], attnum, &item))
			continue;
		if (!cims_show_member(&json, row->reader, row->descriptor, &item))
			row->hidden = bms_add_member(row->hidden, item.attnum);
	}
	appendStringInfoChar(&json, '}');
	set_json(row, CIMS_DETAIL_ROW_KEY, json.data);
}

/* Names a column of the described table. */
static Datum
column_name(const CimsDescriptor *descriptor, AttrNumber attnum)
{
	const CimsDescribedColumn *column = cims_descriptor_column(descriptor, attnum);

	return CStringGetTextDatum(column != NULL ? column->name : psprintf("column %d", attnum));
}

/* Puts the names of columns into the row. */
static void
set_names(DetailRow *row, int column, const Bitmapset *attnums)
{
	Datum *names = palloc(sizeof(Datum) * (bms_num_members(attnums) + 1));
	int n = 0;
	int attnum = -1;

	while ((attnum = bms_next_member(attnums, attnum)) >= 0)
		names[n++] = column_name(row->descriptor, attnum);
	set_value(row, column, PointerGetDatum(construct_array(names, n, TEXTOID, -1, false, TYPALIGN_INT)));
}

/* Collects the columns that an update changed: of one that changed the key, both images hold all columns. */
static Bitmapset *
changed_columns(CimsBytes old, CimsBytes new)
{
	CimsImageReader reader = {new, 0};
	Bitmapset *attnums = NULL;
	CimsImageItem item, former;

	while (cims_image_step(&reader, &item))
		if (!cims_image_find(old, item.attnum, &former) || former.kind != item.kind || former.value.len != item.value.len ||
			(item.value.len > 0 && memcmp(former.value.data, item.value.data, item.value.len) != 0))
			attnums = bms_add_member(attnums, item.attnum);
	return attnums;
}

/* Puts what an event of a row tells into the row. */
static void
set_images(DetailRow *row)
{
	const CimsBytes *fields = row->event->payload.fields;
	bool update = row->event->entry.operation == CIMS_OP_UPDATE && !row->event->erased;
	Bitmapset *changed = NULL;

	set_key(row);
	if (update && row->descriptor != NULL)
	{
		changed = changed_columns(fields[CIMS_FIELD_OLD], fields[CIMS_FIELD_NEW]);
		set_names(row, CIMS_DETAIL_CHANGED, changed);
	}
	set_image(row, CIMS_DETAIL_OLD, fields[CIMS_FIELD_OLD], update, changed);
	set_image(row, CIMS_DETAIL_NEW, fields[CIMS_FIELD_NEW], update, changed);
	if (row->hidden != NULL)
		set_names(row, CIMS_DETAIL_HIDDEN, row->hidden);
}

/* Puts the description of a table into the row: columns and key by name. */
static void
set_description(DetailRow *row, const CimsDescriptor *described)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoString(&json, "{\"columns\": [");
	for (int i = 0; i < described->n_columns; i++)
	{
		appendStringInfoString(&json, i > 0 ? ", {\"name\": " : "{\"name\": ");
		escape_json(&json, described->columns[i].name);
		appendStringInfoString(&json, ", \"type\": ");
		escape_json(&json, described->columns[i].type);
		appendStringInfoString(&json, ", \"mode\": ");
		escape_json(&json, described->columns[i].mode);
		appendStringInfoChar(&json, '}');
	}
	appendStringInfoString(&json, "], \"key\": [");
	for (int i = 0; i < described->n_keys; i++)
	{
		if (i > 0)
			appendStringInfoString(&json, ", ");
		escape_json(&json, TextDatumGetCString(column_name(described, described->keys[i])));
	}
	appendStringInfoString(&json, "]}");
	set_json(row, CIMS_DETAIL_DETAIL, json.data);
}

/* Puts who and from where into the row. */
static void
set_circumstances(DetailRow *row)
{
	const CimsPayload *payload = &row->event->payload;
	uint64 query = cims_payload_query(payload);

	set_field(row, CIMS_DETAIL_SESSION_ROLE, CIMS_FIELD_SESSION_USER);
	set_field(row, CIMS_DETAIL_ROLE, CIMS_FIELD_CURRENT_USER);
	set_field(row, CIMS_DETAIL_ACTOR, CIMS_FIELD_ACTOR);
	if (payload->fields[CIMS_FIELD_ACTOR].data != NULL)
		set_value(row, CIMS_DETAIL_ACTOR_VERIFIED, BoolGetDatum(payload->fields[CIMS_FIELD_VERIFIED].data != NULL));
	set_field(row, CIMS_DETAIL_CLIENT, CIMS_FIELD_CLIENT);
	set_field(row, CIMS_DETAIL_APPLICATION, CIMS_FIELD_APPLICATION);
	if (query != 0)
		set_value(row, CIMS_DETAIL_QUERY, Int64GetDatum((int64) query));
}

/* Returns what the call site keeps, made at its first call. */
static DetailState *
detail_state(FunctionCallInfo fcinfo)
{
	DetailState *state = fcinfo->flinfo->fn_extra;
	MemoryContext context = fcinfo->flinfo->fn_mcxt;
	MemoryContext caller;

	if (state == NULL)
	{
		state = MemoryContextAllocZero(context, sizeof(DetailState));
		caller = MemoryContextSwitchTo(context);
		if (get_call_result_type(fcinfo, NULL, &state->desc) != TYPEFUNC_COMPOSITE || state->desc->natts != CIMS_DETAIL_COLUMNS)
			elog(ERROR, "return type of cims.event_detail is not what it should be");
		state->desc = BlessTupleDesc(CreateTupleDescCopy(state->desc));
		MemoryContextSwitchTo(caller);
		state->descriptors = cims_descriptor_cache(context, NULL);
		fcinfo->flinfo->fn_extra = state;
	}
	if (state->reader == NULL || state->role != GetUserId())
	{
		state->reader = cims_reader_begin(context);
		state->role = GetUserId();
	}
	return state;
}

/* Fills values and nulls, CIMS_DETAIL_COLUMNS of each, with what an event tells the reader. */
void
cims_detail_fill(const CimsEvent *event, CimsReader *reader, CimsDescriptorCache *descriptors, Datum *values, bool *nulls)
{
	DetailRow row = {.reader = reader, .event = event, .values = values, .nulls = nulls};

	memset(nulls, true, sizeof(bool) * CIMS_DETAIL_COLUMNS);
	memset(values, 0, sizeof(Datum) * CIMS_DETAIL_COLUMNS);
	set_value(&row, CIMS_DETAIL_OPERATION, CStringGetTextDatum(cims_operation_name(event->entry.operation)));
	set_value(&row, CIMS_DETAIL_ERASED, BoolGetDatum(event->erased));
	if (event->entry.operation == CIMS_OP_DESCRIPTOR)
		row.descriptor = cims_descriptor_parse(event);
	else if (event->entry.descriptor != 0)
		row.descriptor = cims_descriptor_find(descriptors, event->relation, event->entry.descriptor);
	if (row.descriptor != NULL)
	{
		set_value(&row, CIMS_DETAIL_SCHEMA, CStringGetTextDatum(row.descriptor->schema));
		set_value(&row, CIMS_DETAIL_TABLE, CStringGetTextDatum(row.descriptor->table));
	}
	set_circumstances(&row);
	set_images(&row);
	if (event->entry.operation == CIMS_OP_DESCRIPTOR && row.descriptor != NULL)
		set_description(&row, row.descriptor);
	else if (event->payload.fields[CIMS_FIELD_DETAIL].data != NULL)
		set_json(&row, CIMS_DETAIL_DETAIL, cims_show_text(event->payload.fields[CIMS_FIELD_DETAIL]));
}

/* Fills values and nulls for an event that is not what was written. */
static void
fill_damaged(Datum *values, bool *nulls)
{
	memset(nulls, true, sizeof(bool) * CIMS_DETAIL_COLUMNS);
	values[CIMS_DETAIL_OPERATION] = CStringGetTextDatum("damaged");
	nulls[CIMS_DETAIL_OPERATION] = false;
	values[CIMS_DETAIL_ERASED] = BoolGetDatum(false);
	nulls[CIMS_DETAIL_ERASED] = false;
}

/*
 * cims.event_detail(seq bigint, relation oid, entry bytea, payload bytea, out ...)
 *
 * Takes the columns of cims.event.  Returns what happened as text and JSON, by
 * column name, each value as the current role may see it; where the payload was
 * erased, what the entry tells; null where another argument is.  An event that is not what was written is shown
 * as that and no more, so that it does not hide the others.
 */
Datum
cims_event_detail(PG_FUNCTION_ARGS)
{
	DetailState *state;
	CimsEvent event = {0};
	Datum values[CIMS_DETAIL_COLUMNS];
	bool nulls[CIMS_DETAIL_COLUMNS];

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_NULL();
	state = detail_state(fcinfo);
	event.seq = PG_GETARG_INT64(0);
	event.relation = PG_GETARG_OID(1);
	if (cims_event_read(&event, PG_GETARG_BYTEA_PP(2), PG_ARGISNULL(3) ? NULL : PG_GETARG_BYTEA_PP(3)))
		cims_detail_fill(&event, state->reader, state->descriptors, values, nulls);
	else
		fill_damaged(values, nulls);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(state->desc, values, nulls)));
}
