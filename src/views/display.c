/*
 * display.c
 *		cims.display: a value as the current role may see it, decided each time
 *		that it is called.
 *
 * Plaintext at level "reveal", the mask at "mask" and "search", NULL at "none",
 * where the mask has no form in the value's type, and while output is sealed
 * (dumps set row_security off).  A sealed value also counts by its own class:
 * the lower of the two levels holds, and the mask is that of its own class.
 *
 * Whoever reads sealed values calls these functions with a mask of his own
 * choice, which could keep every character.  So of a sealed value another mask
 * than that of its class is shown only where cims.governed_column has it noted
 * for a column of the class, or where it keeps nothing of the value.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "base/base.h"
#include "views/internal.h"

/* What one call site gave as class and mask, so that a scan parses them once. */
typedef struct DisplaySite
{
	Oid type;          /* base type of the value */
	bool is_plain;     /* no encrypted type, nor an array of one */
	int32 class_id;    /* of the class, whether there is one or not */
	text *class_name;  /* as given */
	text *mask;        /* as given; NULL where the class's own holds */
	CimsMaskRule rule; /* what that means */
	bool fixed;        /* the call site gives no other class and mask */
	bool knows_noted;  /* whether noted was found out */
	bool noted;        /* whether a column of the class is noted to have this mask */
} DisplaySite;

/* The columns of cims.governed_column that are read. */
enum
{
	GOVERNED_CLASS = 3,
	GOVERNED_MASK
};

PG_FUNCTION_INFO_V1(cims_display);
PG_FUNCTION_INFO_V1(cims_display_encrypted);

/* Tells whether an argument is the text that was given before. */
static bool
is_same_text(const text *known, const text *given)
{
	return known != NULL && VARSIZE_ANY_EXHDR(known) == VARSIZE_ANY_EXHDR(given) &&
		   memcmp(VARDATA_ANY(known), VARDATA_ANY(given), VARSIZE_ANY_EXHDR(given)) == 0;
}

/* Copies a text into the memory of a call site. */
static text *
keep_text(FmgrInfo *flinfo, const text *given)
{
	text *copy = MemoryContextAlloc(flinfo->fn_mcxt, VARHDRSZ + VARSIZE_ANY_EXHDR(given));

	SET_VARSIZE(copy, VARHDRSZ + VARSIZE_ANY_EXHDR(given));
	memcpy(VARDATA(copy), VARDATA_ANY(given), VARSIZE_ANY_EXHDR(given));
	return copy;
}

/* Returns the id of a class by its name, from those that were asked for before where it is there: a hash costs more than a row. */
static int32
id_of_class(const char *name, size_t len)
{
	static struct
	{
		char name[CIMS_CLASS_NAME_MAX + 1];
		int32 id;
	} known[64];
	int i = hash_bytes((const unsigned char *) name, len) % lengthof(known);

	if (known[i].id == 0 || strlen(known[i].name) != len || memcmp(known[i].name, name, len) != 0)
	{
		known[i].id = 0;
		memcpy(known[i].name, name, len);
		known[i].name[len] = '\0';
		cims_crypto_check(cims_class_id_of_name(name, len, &known[i].id), "compute the id of a class");
	}
	return known[i].id;
}

/* Takes over the name of a class; no message repeats it, as who swaps arguments would find the value in the log. */
static void
set_class(FmgrInfo *flinfo, DisplaySite *site, const text *name)
{
	site->class_name = NULL;
	site->knows_noted = false;
	if (!cims_class_name_valid(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("invalid name of a class"),
				 errdetail("The second argument of cims.display names the class of the value.")));
	site->class_id = id_of_class(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
	site->class_name = keep_text(flinfo, name);
}

/* Takes over a mask that stands in for that of the class. */
static void
set_mask(FmgrInfo *flinfo, DisplaySite *site, const text *mask)
{
	const char *error = NULL;

	site->mask = NULL;
	site->knows_noted = false;
	if (!cims_mask_parse(VARDATA_ANY(mask), VARSIZE_ANY_EXHDR(mask), &site->rule, &error))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid mask specification"),
				 errdetail("%s", error)));
	site->mask = keep_text(flinfo, mask);
}

/* Makes what is kept of a call site. */
static DisplaySite *
make_site(FmgrInfo *flinfo)
{
	Oid type = get_fn_expr_argtype(flinfo, 0);
	DisplaySite *site;

	if (!OidIsValid(type))
		elog(ERROR, "could not determine the type of a value to display");
	site = MemoryContextAllocZero(flinfo->fn_mcxt, sizeof(DisplaySite));
	site->type = getBaseType(type);
	site->is_plain = cims_type_of_oid(site->type) == 0 && cims_type_of_array_oid(site->type) == 0;
	flinfo->fn_extra = site;
	return site;
}

/* Parses what a call site gives, where it is not what it gave before. */
static void
parse_given(FunctionCallInfo fcinfo, DisplaySite *site)
{
	FmgrInfo *flinfo = fcinfo->flinfo;
	const text *name = PG_GETARG_TEXT_PP(1);

	if (!is_same_text(site->class_name, name))
		set_class(flinfo, site, name);
	if (PG_NARGS() > 2 && !is_same_text(site->mask, PG_GETARG_TEXT_PP(2)))
		set_mask(flinfo, site, PG_GETARG_TEXT_PP(2));
	site->fixed = cims_argument_is_constant(flinfo, 1) && (PG_NARGS() < 3 || cims_argument_is_constant(flinfo, 2));
}

/* Returns what the call site gave, parsed anew where it is not what it gave before. */
static inline DisplaySite *
display_site(FunctionCallInfo fcinfo)
{
	DisplaySite *site = fcinfo->flinfo->fn_extra;

	if (unlikely(site == NULL))
		site = make_site(fcinfo->flinfo);
	if (!site->fixed)
		parse_given(fcinfo, site);
	return site;
}

/* Returns the mask that holds at a call site: its own, or that of the class today. */
static const CimsMaskRule *
rule_of_site(DisplaySite *site)
{
	const CimsClass *class;

	if (site->mask != NULL)
		return &site->rule;
	class = cims_class_find(site->class_id);
	if (class == NULL)
		return NULL;
	return &class->mask;
}

/* Notes whether a governed column has the class and the mask of a call site. */
static void
compare_note(HeapTuple tuple, const Datum *values, const bool *nulls, void *arg)
{
	DisplaySite *site = arg;

	if (!nulls[GOVERNED_MASK] && is_same_text(site->class_name, DatumGetTextPP(values[GOVERNED_CLASS])) &&
		is_same_text(site->mask, DatumGetTextPP(values[GOVERNED_MASK])))
		site->noted = true;
}

/* Tells whether the mask of a call site was chosen for a column of the class by those who may, not by the caller. */
static bool
is_noted(DisplaySite *site)
{
	if (!site->knows_noted)
	{
		Oid table = cims_table_oid("governed_column");

		site->noted = false;
		if (OidIsValid(table))
			cims_table_scan(table, compare_note, site);
		site->knows_noted = true;
	}
	return site->noted;
}

/* Returns the mask that holds for a sealed value at a call site; NULL where nothing of the value may be shown. */
static const CimsMaskRule *
rule_of_sealed(DisplaySite *site, const CimsSealed *sealed)
{
	const CimsClass *class;

	if (site->mask != NULL)
	{
		bool keeps_nothing = site->rule.kind == CIMS_MASK_CONSTANT || site->rule.kind == CIMS_MASK_NULL;

		return keeps_nothing || (sealed->class_id == site->class_id && is_noted(site)) ? &site->rule : NULL;
	}
	class = cims_class_find(sealed->class_id);
	return class == NULL ? NULL : &class->mask;
}

/*
 * cims.display(value anyelement, class text [, mask text]) returns anyelement:
 * a value of a plain type.  One of an encrypted type is left to its own output,
 * which shows it by the same level.
 */
Datum
cims_display(PG_FUNCTION_ARGS)
{
	DisplaySite *site = display_site(fcinfo);
	CimsLevel level = cims_display_level(site->class_id);
	const CimsMaskRule *rule;
	Datum masked;

	if (level == CIMS_LEVEL_REVEAL)
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	if (level == CIMS_LEVEL_NONE)
		PG_RETURN_NULL();
	if (!site->is_plain)
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	rule = rule_of_site(site);
	if (rule == NULL || !cims_views_mask_plain(site->type, PG_GETARG_DATUM(0), rule, &masked))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(masked);
}

/* cims.display_encrypted(value cims.enc_…, class text [, mask text]) returns the plain type: NULL, too, where the key was destroyed. */
Datum
cims_display_encrypted(PG_FUNCTION_ARGS)
{
	struct varlena *value = PG_GETARG_VARLENA_PP(0);
	DisplaySite *site = display_site(fcinfo);
	CimsLevel level = cims_display_level(site->class_id);
	CimsSealed sealed;
	CimsDataKey *key;
	CimsMaskRule rule;
	const CimsMaskRule *found;
	Datum plain, masked;

	cims_value_parse(value, &sealed);
	if (sealed.class_id != site->class_id)
		level = Min(level, cims_display_level(sealed.class_id));
	if (level == CIMS_LEVEL_NONE || sealed.type != cims_type_of_oid(site->type))
		PG_RETURN_NULL();
	found = level == CIMS_LEVEL_REVEAL ? NULL : rule_of_sealed(site, &sealed);
	if (level != CIMS_LEVEL_REVEAL && found == NULL)
		PG_RETURN_NULL();
	if (found != NULL)
		rule = *found;
	if (cims_data_key_find(sealed.class_id, sealed.key_version, &key) == CIMS_KEYS_DESTROYED)
		PG_RETURN_NULL();
	plain = cims_value_reveal(value);
	if (level == CIMS_LEVEL_REVEAL)
		PG_RETURN_DATUM(plain);
	if (!cims_views_mask_plain(cims_plain_oid(sealed.type), plain, &rule, &masked))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(masked);
}
