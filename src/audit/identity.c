/*
 * identity.c
 *		What tells rows apart, and what stands in columns that are younger than
 *		they are.
 *
 * The key of a table may change while it is recorded.  Events name a row by the
 * key of their time; what is asked for is the key of one moment, which then
 * comes from the images.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"

#include "audit/compare.h"
#include "audit/identity.h"
#include "audit/internal.h"

/* Appends an item to an image. */
static void
append_item(StringInfo out, const CimsImageItem *item)
{
	enlargeStringInfo(out, cims_image_item_len(item->attnum, item->kind, item->value.len));
	out->len += cims_image_write_item(item, (unsigned char *) out->data + out->len);
}

/* Makes the image of a row's key, from one image laid over another; false where they lack a column of it. */
bool
cims_identity_key(const CimsIdentity *identity, CimsBytes old, CimsBytes new, StringInfo out)
{
	for (int i = 0; i < identity->n_keys; i++)
	{
		CimsImageItem item;

		if (!cims_image_find(new, identity->keys[i], &item) && !cims_image_find(old, identity->keys[i], &item))
			return false;
		if (item.kind == CIMS_IMAGE_SEALED)
			cims_audit_append_token(item.attnum, cims_value_of_bytes(item.value), out);
		else
			append_item(out, &item);
	}
	return identity->n_keys > 0;
}

/* Appends what identifies a sealed value: its token, or the bytes where it has none. */
static void
append_sealed_identity(StringInfo out, CimsBytes bytes)
{
	CimsSealed sealed;

	if (cims_sealed_parse(bytes, &sealed) && sealed.token != NULL)
		appendBinaryStringInfo(out, (const char *) sealed.token, CIMS_TOKEN_LEN);
	else
		appendBinaryStringInfo(out, (const char *) bytes.data, bytes.len);
}

/* Appends what identifies an array of sealed values, printed as armor. */
static void
append_array_identity(StringInfo out, CimsBytes bytes)
{
	char *printed = pnstrdup((const char *) bytes.data, bytes.len);
	Datum array = OidInputFunctionCall(F_ARRAY_IN, printed, TEXTOID, -1);
	Datum *elements;
	bool *nulls;
	int n;

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		appendStringInfoChar(out, nulls[i] ? 'n' : 's');
		if (!nulls[i])
		{
			char *armor = TextDatumGetCString(elements[i]);
			CimsSealed sealed;
			struct varlena *value = cims_value_of_armor(armor, strlen(armor), &sealed);

			append_sealed_identity(out, (CimsBytes){(const unsigned char *) VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)});
		}
	}
}

/*
 * Appends what identifies a row of a table without a key, from one image laid
 * over another: the columns that there are now, in their order.
 */
void
cims_identity_row(const CimsIdentity *identity, int64 descriptor, CimsBytes old, CimsBytes new, StringInfo out)
{
	StringInfoData value;

	initStringInfo(&value);
	for (AttrNumber attnum = 1; attnum <= identity->n_columns; attnum++)
	{
		CimsImageItem item = {.attnum = attnum};

		if (!OidIsValid(identity->types[attnum - 1]))
			continue;
		if (!cims_image_find(new, attnum, &item) && !cims_image_find(old, attnum, &item))
		{
			item.attnum = attnum;
			if (!cims_descriptor_missing(identity->descriptors, identity->relation, descriptor, attnum, &item.kind, &item.value))
				continue;
		}
		resetStringInfo(&value);
		if (item.kind == CIMS_IMAGE_SEALED)
			append_sealed_identity(&value, item.value);
		else if (item.kind == CIMS_IMAGE_TEXT && cims_type_of_array_oid(identity->types[attnum - 1]) != 0)
			append_array_identity(&value, item.value);
		if (value.len > 0)
			item.value = (CimsBytes){(const unsigned char *) value.data, value.len};
		append_item(out, &item);
	}
	pfree(value.data);
}

/* Puts one thing that an event tells of a row with the given name for it. */
static void
put(CimsEventSort *sort, const CimsTold *pattern, char operation, StringInfo name, CimsBytes old, CimsBytes new)
{
	CimsTold told = *pattern;

	told.operation = operation;
	told.key = (CimsBytes){(const unsigned char *) name->data, name->len};
	if (told.row_hash == 0)
		told.row_hash = (int64) hash_bytes_extended((const unsigned char *) name->data, name->len, 0);
	told.old = old;
	told.new = new;
	cims_event_sort_put(sort, &told);
}

/* Puts an event of a row that is its own key: it goes, it comes, or both. */
static void
put_row(const CimsIdentity *identity, const CimsEvent *event, CimsTold *told, CimsEventSort *sort)
{
	CimsBytes old = event->payload.fields[CIMS_FIELD_OLD];
	CimsBytes new = event->payload.fields[CIMS_FIELD_NEW];
	CimsBytes none = {NULL, 0};
	StringInfoData name;

	initStringInfo(&name);
	if (old.data != NULL)
	{
		cims_identity_row(identity, event->entry.descriptor, old, none, &name);
		put(sort, told, CIMS_TOLD_GOES, &name, old, none);
	}
	if (new.data != NULL)
	{
		resetStringInfo(&name);
		cims_identity_row(identity, event->entry.descriptor, old, new, &name);
		put(sort, told, CIMS_TOLD_COMES, &name, old, new);
	}
}

/* Tells whether an event names its row by the key that is asked for. */
static bool
has_same_key(const CimsIdentity *identity, const CimsEvent *event)
{
	const CimsDescriptor *descriptor =
		cims_descriptor_find(identity->descriptors, event->relation, event->entry.descriptor);

	return event->payload.fields[CIMS_FIELD_KEY].data != NULL &&
		   (descriptor == NULL || (descriptor->n_keys == identity->n_keys &&
								   memcmp(descriptor->keys, identity->keys, sizeof(AttrNumber) * identity->n_keys) == 0));
}

/* Puts an event of a row with a key: one that changes the key is of two rows. */
static bool
put_keyed(const CimsIdentity *identity, const CimsEvent *event, CimsTold *told, CimsEventSort *sort)
{
	CimsBytes old = event->payload.fields[CIMS_FIELD_OLD];
	CimsBytes new = event->payload.fields[CIMS_FIELD_NEW];
	CimsBytes key = event->payload.fields[CIMS_FIELD_KEY];
	CimsBytes none = {NULL, 0};
	StringInfoData name, former;

	initStringInfo(&name);
	initStringInfo(&former);
	if (has_same_key(identity, event))
		appendBinaryStringInfo(&name, (const char *) key.data, key.len);
	else if (!cims_identity_key(identity, old, new, &name))
		return false;
	if (event->entry.operation == CIMS_OP_UPDATE && cims_identity_key(identity, old, none, &former) &&
		(former.len != name.len || memcmp(former.data, name.data, name.len) != 0))
	{
		put(sort, told, CIMS_TOLD_KEY_GOES, &former, old, none);
		put(sort, told, CIMS_TOLD_KEY_COMES, &name, old, new);
	}
	else
		put(sort, told, event->entry.operation, &name, old, new);
	return true;
}

/* Puts what an event of a row tells into a sort; false where it cannot be told of which row it is. */
bool
cims_identity_put(const CimsIdentity *identity, int32 part, const CimsEvent *event, CimsEventSort *sort)
{
	CimsTold told = {.part = part, .seq = event->seq, .operation = CIMS_TOLD_ERASED, .descriptor = event->entry.descriptor};

	if (event->erased)
	{
		told.row_hash = event->row_hash;
		cims_event_sort_put(sort, &told);
		return true;
	}
	if (identity->n_keys > 0)
		return put_keyed(identity, event, &told, sort);
	if (event->entry.operation == CIMS_OP_UPDATE)
	{
		const CimsDescriptor *descriptor =
			cims_descriptor_find(identity->descriptors, event->relation, event->entry.descriptor);

		if (descriptor != NULL && descriptor->changes_only)
			return false;
	}
	put_row(identity, event, &told, sort);
	return true;
}
