/*
 * selectivity.c
 *		How many values of an encrypted column match a pattern.
 *
 * There are no most common values and no histogram of such a column, so the
 * estimate rests on the pattern alone: the more characters a match must have,
 * the fewer values match.  The factors for letters and gaps are those of
 * PostgreSQL's own estimate for text.  No value is read.
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_statistic.h"
#include "fmgr.h"
#include "nodes/primnodes.h"
#include "utils/lsyscache.h"
#include "utils/selfuncs.h"

#include "types/ngram.h"

#define FIXED_SELECTIVITY 0.20 /* a value has a given letter at a given place */
#define FIXED_CJK_SELECTIVITY 0.02
#define GAP_FACTOR 5.0 /* a piece may stand at any place */
#define LEAST_SELECTIVITY 0.0001

PG_FUNCTION_INFO_V1(cims_pattern_sel);

/* Give the strategy whose meaning an operator has; negated tells whether it has the opposite one. */
static int
strategy_of_operator(Oid opno, bool *negated)
{
	static const char *const names[] = {"~~", "~~*", "^@", "~", "~*"};
	char *name = get_opname(opno);

	if (name == NULL)
		elog(ERROR, "cache lookup failed for operator %u", opno);
	*negated = name[0] == '!';
	for (int i = 0; i < lengthof(names); i++)
		if (strcmp(name + *negated, names[i]) == 0)
			return i + 1;
	elog(ERROR, "operator \"%s\" matches no pattern", name);
}

/* Estimate the part of the values that match a pattern of this shape. */
static double
selectivity_of_shape(const CimsGramShape *shape, VariableStatData *variable)
{
	double selectivity;

	if (!shape->understood)
		return DEFAULT_MATCH_SEL;
	if (shape->exact)
	{
		bool is_default;

		return 1.0 / Max(get_variable_numdistinct(variable, &is_default), 1.0);
	}
	selectivity = pow(FIXED_SELECTIVITY, shape->fixed) * pow(FIXED_CJK_SELECTIVITY, shape->fixed_cjk) *
				  pow(GAP_FACTOR, shape->gaps);
	return Min(Max(selectivity, LEAST_SELECTIVITY), 1.0);
}

/* Give the part of a column's rows that are NULL; 0 where the table was not analyzed. */
static double
null_fraction(const VariableStatData *variable)
{
	if (!HeapTupleIsValid(variable->statsTuple))
		return 0.0;
	return ((Form_pg_statistic) GETSTRUCT(variable->statsTuple))->stanullfrac;
}

/* Estimate the part of the rows whose value matches, or does not match, a constant pattern. */
static double
selectivity_of_pattern(Oid opno, const Const *pattern, VariableStatData *variable)
{
	bool negated;
	int strategy = strategy_of_operator(opno, &negated);
	CimsNgramText plain = cims_ngram_text(DatumGetTextPP(pattern->constvalue));
	CimsGramShape shape;
	double selectivity;

	cims_gram_of_pattern(plain.data, plain.len, plain.kind, cims_ngram_language(strategy),
						 cims_ngram_ignores_case(strategy), NULL, NULL, &shape);
	selectivity = selectivity_of_shape(&shape, variable);
	if (negated)
		selectivity = 1.0 - selectivity;
	return selectivity * (1.0 - null_fraction(variable));
}

/*
 * cims.pattern_sel(internal, oid, internal, integer): the restriction estimator
 * of the pattern operators and of their negators.  Returns a part of 1.
 */
Datum
cims_pattern_sel(PG_FUNCTION_ARGS)
{
	PlannerInfo *root = (PlannerInfo *) PG_GETARG_POINTER(0);
	Oid opno = PG_GETARG_OID(1);
	List *args = (List *) PG_GETARG_POINTER(2);
	VariableStatData variable;
	Node *other;
	bool on_left;
	double selectivity;

	if (!get_restriction_variable(root, args, PG_GETARG_INT32(3), &variable, &other, &on_left))
		PG_RETURN_FLOAT8(DEFAULT_MATCH_SEL);
	if (!on_left || !IsA(other, Const))
		selectivity = DEFAULT_MATCH_SEL;
	else if (((Const *) other)->constisnull)
		selectivity = 0.0;
	else
		selectivity = selectivity_of_pattern(opno, (Const *) other, &variable);
	ReleaseVariableStats(variable);
	CLAMP_PROBABILITY(selectivity);
	PG_RETURN_FLOAT8(selectivity);
}
