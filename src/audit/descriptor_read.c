/*
 * descriptor_read.c
 *		A table as the record describes it: names and types of columns that may
 *		long be gone.
 */
#include "postgres.h"

#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "audit/history.h"

/* Raises that a descriptor is not what it was written as. */
static void
damaged_descriptor_error(int64 seq)
{
	ereport(ERROR,
			errcode(ERRCODE_DATA_CORRUPTED),
			errmsg("event %lld does not describe a table as it should", (long long) seq),
			errhint("cims.verify_ledger tells what of the record is not as it was."));
}

/* Gives a member of an object, NULL where there is none or it is null. */
static JsonbValue *
member(JsonbContainer *object, const char *name)
{
	JsonbValue *value = getKeyJsonValueFromContainer(object, name, strlen(name), NULL);

	return value != NULL && value->type != jbvNull ? value : NULL;
}

/* Gives a text of an object, NULL where there is none. */
static const char *
member_text(JsonbContainer *object, const char *name)
{
	JsonbValue *value = member(object, name);

	return value != NULL && value->type == jbvString ? pnstrdup(value->val.string.val, value->val.string.len) : NULL;
}

/* Gives a number of an object, 0 where there is none. */
static int64
number_of(const JsonbValue *value)
{
	if (value == NULL || value->type != jbvNumeric)
		return 0;
	return DatumGetInt64(DirectFunctionCall1(numeric_int8, NumericGetDatum(value->val.numeric)));
}

/* Gives an array of an object, NULL where there is none. */
static JsonbContainer *
member_array(JsonbContainer *object, const char *name)
{
	JsonbValue *value = member(object, name);

	return value != NULL && value->type == jbvBinary && JsonContainerIsArray(value->val.binary.data) ? value->val.binary.data : NULL;
}

/* Reads the columns. */
static void
read_columns(CimsDescriptor *descriptor, JsonbContainer *columns)
{
	int n = JsonContainerSize(columns);

	descriptor->columns = palloc0(sizeof(CimsDescribedColumn) * (n + 1));
	for (int i = 0; i < n; i++)
	{
		JsonbValue *element = getIthJsonbValueFromContainer(columns, i);
		CimsDescribedColumn *column = &descriptor->columns[descriptor->n_columns++];
		JsonbContainer *object;

		if (element->type != jbvBinary || !JsonContainerIsObject(element->val.binary.data))
			damaged_descriptor_error(descriptor->seq);
		object = element->val.binary.data;
		column->attnum = (AttrNumber) number_of(member(object, "n"));
		column->name = member_text(object, "name");
		column->type = member_text(object, "type");
		column->mode = member_text(object, "mode");
		column->missing = member_text(object, "missing");
		if (column->attnum <= 0 || column->name == NULL || column->type == NULL || column->mode == NULL ||
			(i > 0 && column[-1].attnum >= column->attnum))
			damaged_descriptor_error(descriptor->seq);
	}
}

/* Reads the attribute numbers of the key. */
static void
read_keys(CimsDescriptor *descriptor, JsonbContainer *keys)
{
	int n = keys != NULL ? JsonContainerSize(keys) : 0;

	descriptor->keys = palloc0(sizeof(AttrNumber) * (n + 1));
	for (int i = 0; i < n; i++)
		descriptor->keys[descriptor->n_keys++] = (AttrNumber) number_of(getIthJsonbValueFromContainer(keys, i));
}

/* Reads an event that describes a table into the current memory context; NULL where its payload was erased. */
CimsDescriptor *
cims_descriptor_parse(const CimsEvent *event)
{
	const CimsBytes *detail = &event->payload.fields[CIMS_FIELD_DETAIL];
	CimsDescriptor *descriptor;
	JsonbContainer *root, *columns;
	JsonbValue *above;
	const char *images;
	char *text;

	if (event->erased)
		return NULL;
	if (event->entry.operation != CIMS_OP_DESCRIPTOR || detail->data == NULL)
		damaged_descriptor_error(event->seq);
	text = pnstrdup((const char *) detail->data, detail->len);
	text = pg_any_to_server(text, detail->len, PG_UTF8);
	root = &DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text)))->root;
	if (!JsonContainerIsObject(root) || (columns = member_array(root, "columns")) == NULL)
		damaged_descriptor_error(event->seq);

	descriptor = palloc0(sizeof(CimsDescriptor));
	descriptor->seq = event->seq;
	descriptor->relation = event->relation;
	above = member(root, "root");
	descriptor->root = event->relation;
	if (above != NULL && above->type == jbvBinary && JsonContainerIsObject(above->val.binary.data))
		descriptor->root = (Oid) number_of(member(above->val.binary.data, "oid"));
	descriptor->schema = member_text(root, "schema");
	descriptor->table = member_text(root, "table");
	images = member_text(root, "images");
	descriptor->changes_only = images != NULL && strcmp(images, "changes") == 0;
	if (descriptor->schema == NULL || descriptor->table == NULL)
		damaged_descriptor_error(event->seq);
	read_columns(descriptor, columns);
	read_keys(descriptor, member_array(root, "key"));
	return descriptor;
}

/* Finds a column; NULL where the descriptor knows none of that number. */
const CimsDescribedColumn *
cims_descriptor_column(const CimsDescriptor *descriptor, AttrNumber attnum)
{
	int low = 0;
	int high = descriptor->n_columns - 1;

	while (low <= high)
	{
		int middle = (low + high) / 2;

		if (descriptor->columns[middle].attnum == attnum)
			return &descriptor->columns[middle];
		if (descriptor->columns[middle].attnum < attnum)
			low = middle + 1;
		else
			high = middle - 1;
	}
	return NULL;
}
