/*
 * compare.c
 *		Whether two recorded values of a column are one and the same value.
 *
 * The same value may stand in other bytes: sealed again under a newer key, or
 * printed anew after its type or a label of it was altered.  What cannot be
 * told, because a key is gone or the type no longer takes the old text, is
 * told as such, never as a difference.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "audit/compare.h"
#include "base/base.h"

/* Copies bytes into a value of an encrypted type. */
struct varlena *
cims_value_of_bytes(CimsBytes bytes)
{
	struct varlena *value = palloc(VARHDRSZ + bytes.len);

	SET_VARSIZE(value, VARHDRSZ + bytes.len);
	if (bytes.len > 0)
		memcpy(VARDATA(value), bytes.data, bytes.len);
	return value;
}

/* Tells whether two runs of bytes are the same. */
static bool
same_bytes(CimsBytes a, CimsBytes b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Compares by token, which tells equal values from others unless the class folds case. */
static CimsComparison
compare_tokens(const CimsSealed *a, const CimsSealed *b)
{
	if (a->token == NULL || b->token == NULL || a->token_scheme != b->token_scheme)
		return CIMS_COMPARE_UNKNOWN;
	return cims_crypto_equal(a->token, b->token, CIMS_TOKEN_LEN) ? CIMS_COMPARE_SAME : CIMS_COMPARE_OTHER;
}

/* Compares two sealed values: by what they hold where keys are at hand, else by token. */
static CimsComparison
compare_sealed(CimsBytes recorded, CimsBytes found)
{
	CimsSealed a, b;
	CimsDataKey *key;
	Datum plain_a, plain_b;

	if (!cims_sealed_parse(recorded, &a) || !cims_sealed_parse(found, &b) || a.class_id != b.class_id || a.type != b.type)
		return CIMS_COMPARE_OTHER;
	if (cims_data_key_find(b.class_id, b.key_version, &key) != CIMS_KEYS_OK)
		return compare_tokens(&a, &b);
	if (!cims_value_open(&b, key, &plain_b))
		return CIMS_COMPARE_OTHER;
	if (cims_data_key_find(a.class_id, a.key_version, &key) != CIMS_KEYS_OK || !cims_value_open(&a, key, &plain_a))
		return compare_tokens(&a, &b);
	return same_bytes(cims_plain_to_bytes(a.type, plain_a), cims_plain_to_bytes(b.type, plain_b)) ? CIMS_COMPARE_SAME : CIMS_COMPARE_OTHER;
}

/* Compares a plain text with a sealed value, of a column that was protected or unprotected in between. */
static CimsComparison
compare_plain_with_sealed(CimsBytes plain, CimsBytes bytes)
{
	CimsSealed sealed;
	CimsDataKey *key;
	Datum value;
	char *text;

	if (!cims_sealed_parse(bytes, &sealed))
		return CIMS_COMPARE_OTHER;
	if (cims_data_key_find(sealed.class_id, sealed.key_version, &key) != CIMS_KEYS_OK)
		return CIMS_COMPARE_UNKNOWN;
	if (!cims_value_open(&sealed, key, &value))
		return CIMS_COMPARE_OTHER;
	text = pnstrdup((const char *) plain.data, plain.len);
	text = pg_any_to_server(text, plain.len, PG_UTF8);
	return strcmp(text, cims_plain_output(sealed.type, value)) == 0 ? CIMS_COMPARE_SAME : CIMS_COMPARE_OTHER;
}

/*
 * Tells whether input of a type runs nothing but code of the server and of
 * superusers: domains run checks that anyone may write.
 */
bool
cims_input_is_harmless(Oid type)
{
	TupleDesc desc;
	bool harmless = true;
	Oid element;

	switch (get_typtype(type))
	{
		case TYPTYPE_DOMAIN:
			return false;
		case TYPTYPE_RANGE:
		case TYPTYPE_MULTIRANGE:
			return cims_input_is_harmless(get_typtype(type) == TYPTYPE_RANGE ? get_range_subtype(type) : get_range_subtype(get_multirange_range(type)));
		case TYPTYPE_COMPOSITE:
			desc = lookup_rowtype_tupdesc_copy(type, -1);
			for (int i = 0; i < desc->natts && harmless; i++)
				harmless = TupleDescAttr(desc, i)->attisdropped || cims_input_is_harmless(TupleDescAttr(desc, i)->atttypid);
			return harmless;
	}
	element = get_element_type(type);
	return !OidIsValid(element) || cims_input_is_harmless(element);
}

/* Prints a recorded text as its type prints it now; NULL where the type does not take it any more. */
static char *
print_again(Oid type, CimsBytes recorded)
{
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	char *volatile printed = NULL;
	char *text = pnstrdup((const char *) recorded.data, recorded.len);

	text = pg_any_to_server(text, recorded.len, PG_UTF8);
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(caller);
	PG_TRY();
	{
		Oid input, output, element;
		bool varlena;

		getTypeInputInfo(type, &input, &element);
		getTypeOutputInfo(type, &output, &varlena);
		printed = OidOutputFunctionCall(output, OidInputFunctionCall(input, text, element, -1));
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller);
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	CurrentResourceOwner = owner;
	return printed;
}

/* Compares arrays of encrypted values, printed as arrays of armor. */
static CimsComparison
compare_sealed_arrays(CimsBytes recorded, CimsBytes found)
{
	CimsBytes sides[2] = {recorded, found};
	Datum *elements[2];
	bool *nulls[2];
	int n[2];
	CimsComparison result = CIMS_COMPARE_SAME;

	for (int i = 0; i < 2; i++)
	{
		char *text = pnstrdup((const char *) sides[i].data, sides[i].len);
		Datum array = OidInputFunctionCall(F_ARRAY_IN, text, TEXTOID, -1);

		deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT, &elements[i], &nulls[i], &n[i]);
	}
	if (n[0] != n[1])
		return CIMS_COMPARE_OTHER;
	for (int i = 0; i < n[0]; i++)
	{
		CimsBytes bytes[2];
		CimsComparison one;

		if (nulls[0][i] || nulls[1][i])
		{
			if (nulls[0][i] != nulls[1][i])
				return CIMS_COMPARE_OTHER;
			continue;
		}
		for (int side = 0; side < 2; side++)
		{
			text *armor = DatumGetTextPP(elements[side][i]);
			CimsSealed sealed;
			struct varlena *value;

			if (!cims_armor_begins(VARDATA_ANY(armor), VARSIZE_ANY_EXHDR(armor)))
				return CIMS_COMPARE_UNKNOWN;
			value = cims_value_of_armor(VARDATA_ANY(armor), VARSIZE_ANY_EXHDR(armor), &sealed);
			bytes[side].data = (const unsigned char *) VARDATA_ANY(value);
			bytes[side].len = VARSIZE_ANY_EXHDR(value);
		}
		one = same_bytes(bytes[0], bytes[1]) ? CIMS_COMPARE_SAME : compare_sealed(bytes[0], bytes[1]);
		if (one == CIMS_COMPARE_OTHER)
			return one;
		if (one == CIMS_COMPARE_UNKNOWN)
			result = one;
	}
	return result;
}

/* Tells whether a type is the extension's reference to a role, which prints the role's name of the day. */
static bool
is_role_reference(Oid type)
{
	HeapTuple tuple;
	bool found;

	if (type < FirstNormalObjectId || !cims_object_is_ours(TypeRelationId, type))
		return false;
	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	if (!HeapTupleIsValid(tuple))
		return false;
	found = strcmp(NameStr(((Form_pg_type) GETSTRUCT(tuple))->typname), "role_ref") == 0;
	ReleaseSysCache(tuple);
	return found;
}

/* Compares references to roles: of a name that is no role's any more it cannot be told whose it was. */
static CimsComparison
compare_roles(CimsBytes recorded)
{
	char *name = pnstrdup((const char *) recorded.data, recorded.len);

	if (strcmp(name, "public") == 0 || strcmp(name, "-") == 0)
		return CIMS_COMPARE_OTHER;
	name = pg_any_to_server(name, recorded.len, PG_UTF8);
	return OidIsValid(get_role_oid(name, true)) ? CIMS_COMPARE_OTHER : CIMS_COMPARE_UNKNOWN;
}

/* Compares two texts, of which the second may be an older one too. */
static CimsComparison
compare_texts(Oid type, CimsBytes recorded, CimsBytes found)
{
	char *a, *b;

	if (cims_type_of_array_oid(type) != 0)
		return compare_sealed_arrays(recorded, found);
	if (is_role_reference(type))
		return compare_roles(recorded);
	if (!cims_input_is_harmless(type))
		return CIMS_COMPARE_OTHER;
	a = print_again(type, recorded);
	b = a != NULL ? print_again(type, found) : NULL;
	if (a == NULL || b == NULL)
		return CIMS_COMPARE_UNKNOWN;
	return strcmp(a, b) == 0 ? CIMS_COMPARE_SAME : CIMS_COMPARE_OTHER;
}

/* Compares a recorded value with a later one of the same column; type is the base type of the column as it is now. */
CimsComparison
cims_compare_items(Oid type, CimsImageKind recorded_kind, CimsBytes recorded, CimsImageKind found_kind, CimsBytes found)
{
	if (recorded_kind == found_kind && same_bytes(recorded, found))
		return CIMS_COMPARE_SAME;
	if (recorded_kind == CIMS_IMAGE_NULL || found_kind == CIMS_IMAGE_NULL)
		return CIMS_COMPARE_OTHER;
	if (recorded_kind == CIMS_IMAGE_HASH || found_kind == CIMS_IMAGE_HASH)
		return recorded_kind == found_kind ? CIMS_COMPARE_OTHER : CIMS_COMPARE_UNKNOWN;
	if (recorded_kind == CIMS_IMAGE_SEALED && found_kind == CIMS_IMAGE_SEALED)
		return compare_sealed(recorded, found);
	if (recorded_kind == CIMS_IMAGE_SEALED)
		return compare_plain_with_sealed(found, recorded);
	if (found_kind == CIMS_IMAGE_SEALED)
		return compare_plain_with_sealed(recorded, found);
	return compare_texts(type, recorded, found);
}
