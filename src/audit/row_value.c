/*
 * row_value.c
 *		Rows built again from what was recorded of them.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "audit/compare.h"
#include "audit/row_value.h"

/* Prepares to fill the columns of a row type. */
CimsRowTarget *
cims_row_target(TupleDesc desc)
{
	CimsRowTarget *target = palloc0(sizeof(CimsRowTarget));

	target->desc = desc;
	target->input = palloc0(sizeof(FmgrInfo) * Max(desc->natts, 1));
	target->io_param = palloc0(sizeof(Oid) * Max(desc->natts, 1));
	target->typmod = palloc0(sizeof(int32) * Max(desc->natts, 1));
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);
		Oid function, base;

		if (attribute->attisdropped)
			continue;
		/* what was recorded had passed the checks of its domain */
		target->typmod[i] = attribute->atttypmod;
		base = getBaseTypeAndTypmod(attribute->atttypid, &target->typmod[i]);
		target->runs_checks |= !cims_input_is_harmless(base);
		getTypeInputInfo(base, &function, &target->io_param[i]);
		fmgr_info(function, &target->input[i]);
	}
	return target;
}

/* Finds the number that a column of today has in a recorded table. */
AttrNumber
cims_row_source(const CimsRowTarget *target, int column, const CimsDescriptor *descriptor)
{
	const char *name = NameStr(TupleDescAttr(target->desc, column)->attname);
	AttrNumber attnum = get_attnum(descriptor->relation, name);

	if (attnum > 0)
		return attnum;
	if (get_rel_name(descriptor->relation) != NULL)
		return 0; /* the table is there and the column is not */
	for (int i = 0; i < descriptor->n_columns; i++)
		if (strcmp(descriptor->columns[i].name, name) == 0)
			return descriptor->columns[i].attnum;
	return 0;
}

/* Reads a text into a column's type. */
static Datum
read_text(const CimsRowTarget *target, int column, char *text)
{
	return InputFunctionCall(&target->input[column], text, target->io_param[column], target->typmod[column]);
}

/*
 * Finds what the record tells of a column: by an event, or, where the row is
 * older than the column, by its description.  False where it tells nothing.
 */
static bool
find_item(const CimsRowState *state, CimsDescriptorCache *descriptors, const CimsDescriptor *descriptor, AttrNumber attnum,
		  CimsImageItem *item)
{
	const CimsRowItem *known = cims_row_state_item(state, attnum);

	*item = (CimsImageItem){.attnum = attnum, .kind = CIMS_IMAGE_NULL};
	if (known != NULL)
	{
		item->kind = known->kind;
		item->value = known->value;
		return true;
	}
	return state->whole && cims_descriptor_missing(descriptors, descriptor->relation, state->whole_descriptor, attnum,
												   &item->kind, &item->value);
}

/* Gives the value of a column of today. */
CimsValueFate
cims_row_value(const CimsRowTarget *target, int column, const CimsRowState *state, CimsDescriptorCache *descriptors,
			   const CimsDescriptor *descriptor, Datum *value)
{
	Form_pg_attribute attribute = TupleDescAttr(target->desc, column);
	AttrNumber attnum = cims_row_source(target, column, descriptor);
	const CimsDescribedColumn *described = attnum > 0 ? cims_descriptor_column(descriptor, attnum) : NULL;
	CimsImageItem item;

	if (described == NULL)
		return CIMS_VALUE_YOUNGER;
	if (strcmp(described->mode, "omitted") == 0 || !find_item(state, descriptors, descriptor, attnum, &item))
		return CIMS_VALUE_UNRECORDED;
	switch (item.kind)
	{
		case CIMS_IMAGE_NULL:
			return CIMS_VALUE_NULL;
		case CIMS_IMAGE_HASH:
			return CIMS_VALUE_UNRECORDED;
		case CIMS_IMAGE_SEALED:
			if (cims_type_of_oid(getBaseType(attribute->atttypid)) == 0)
				return CIMS_VALUE_SEALED;
			*value = PointerGetDatum(cims_value_of_bytes(item.value));
			return CIMS_VALUE_THERE;
		case CIMS_IMAGE_TEXT:
			*value = read_text(target, column, cims_show_text(item.value));
			return CIMS_VALUE_THERE;
	}
	return CIMS_VALUE_UNRECORDED;
}

/* Prints a row as JSON. */
char *
cims_row_json(const CimsRowState *state, CimsReader *reader, CimsDescriptorCache *descriptors, const CimsDescriptor *descriptor)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	for (int i = 0; i < descriptor->n_columns; i++)
	{
		CimsImageItem item;

		if (strcmp(descriptor->columns[i].mode, "omitted") != 0 &&
			find_item(state, descriptors, descriptor, descriptor->columns[i].attnum, &item))
			cims_show_member(&json, reader, descriptor, &item);
	}
	appendStringInfoChar(&json, '}');
	return json.data;
}
