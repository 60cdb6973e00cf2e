/*
 * condition.c
 *		What classes demand of the actor: read here, judged by a later part.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "keyring/internal.h"

/* The columns of cims.class that hold conditions, in order. */
enum
{
	CONDITION_ACTOR,
	CONDITION_MFA,
	CONDITION_MAX_AUTH_AGE,
	CONDITION_PURPOSE
};

CimsConditionHook cims_condition_hook;

static int32 seconds_of(const Interval *interval);
static char *load_purposes(Datum array, MemoryContext context);
static bool are_demanding(const CimsConditions *conditions);
static bool are_met(const CimsConditions *conditions);

/* Tell whether a class demands an actor. */
bool
cims_class_is_conditional(const CimsClass *class)
{
	return are_demanding(&class->conditions) || are_demanding(&class->former);
}

/* Tell whether the class with an id demands an actor. */
bool
cims_conditions_demanded(int32 class_id)
{
	const CimsClass *class = cims_class_find(class_id);

	return class != NULL && cims_class_is_conditional(class);
}

/* Tell whether the actor meets what a class demands; a class that is gone demands what nobody meets. */
bool
cims_conditions_met(int32 class_id)
{
	const CimsClass *class = cims_class_find(class_id);

	return class != NULL && are_met(&class->conditions) && are_met(&class->former);
}

/* Take over the conditions of a row of cims.class. */
void
cims_conditions_load(const Datum *values, const bool *nulls, MemoryContext context, CimsConditions *conditions)
{
	conditions->actor = DatumGetBool(values[CONDITION_ACTOR]);
	conditions->mfa = DatumGetBool(values[CONDITION_MFA]);
	conditions->max_auth_age = nulls[CONDITION_MAX_AUTH_AGE] ? 0 : seconds_of(DatumGetIntervalP(values[CONDITION_MAX_AUTH_AGE]));
	conditions->purposes = nulls[CONDITION_PURPOSE] ? NULL : load_purposes(values[CONDITION_PURPOSE], context);
}

/* Return the seconds of an interval, at least one; a month is 30 days. */
static int32
seconds_of(const Interval *interval)
{
	double seconds = interval->time / (double) USECS_PER_SEC +
					 (interval->day + interval->month * (double) DAYS_PER_MONTH) * SECS_PER_DAY;

	return (int32) Min(Max(seconds, 1.0), (double) PG_INT32_MAX);
}

/* Write an array of purposes one after the other, each with a newline behind it. */
static char *
load_purposes(Datum array, MemoryContext context)
{
	StringInfoData list;
	Datum *elements;
	bool *nulls;
	int n;
	char *purposes;

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &n);
	initStringInfo(&list);
	for (int i = 0; i < n; i++)
	{
		if (!nulls[i])
			appendStringInfo(&list, "%s\n", TextDatumGetCString(elements[i]));
	}
	purposes = MemoryContextStrdup(context, list.data);
	pfree(list.data);
	return purposes;
}

/* Tell whether there is any condition. */
static bool
are_demanding(const CimsConditions *conditions)
{
	return conditions->actor || conditions->mfa || conditions->max_auth_age > 0 || conditions->purposes != NULL;
}

/* Tell whether conditions are met. */
static bool
are_met(const CimsConditions *conditions)
{
	return !are_demanding(conditions) || (cims_condition_hook != NULL && cims_condition_hook(conditions));
}
