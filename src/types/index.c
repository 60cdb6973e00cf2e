/*
 * index.c
 *		Which indexes over encrypted columns a role may make, and use.
 *
 * An index compares for whoever writes to its table, without a level.  So who
 * makes one needs "search" on the class, else a UNIQUE constraint of a
 * temporary table would tell whether a guess equals a value; and "reveal" for
 * one in plaintext order.  Superusers and
 * roles with BYPASSRLS get tokens anyway, and need nothing.
 *
 * A b-tree gives its order away without calling any function.  The planner is
 * not shown those in plaintext order where the role lacks "reveal", and reads
 * those in token order by bitmap alone where it lacks "search".  Such a plan is
 * made for one role, and ends when a grant, a class or a membership changes.
 *
 * CLUSTER makes the order that of the table, for everyone who reads it: it takes
 * the level that the index would, and says what it does.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_am.h"
#include "catalog/pg_index.h"
#include "catalog/pg_opfamily.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/plancat.h"
#include "utils/acl.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/plancache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "types/types.h"

static get_relation_info_hook_type next_relation_info = NULL;

/* How a plan may use an index. */
typedef enum IndexUse
{
	CIMS_INDEX_IN_ORDER,
	CIMS_INDEX_BY_BITMAP,
	CIMS_INDEX_NOT
} IndexUse;

/* Set while a query is planned where its plan depends on the role; taken over by cims_index_take_notice. */
static bool plan_depends_on_role = false;

/* Set once this backend has made such a plan. */
static bool any_plan_depends = false;

/* Returns the class of a column as the index of another type would have it, 0 where it is not known. */
static int32
class_of_column(Oid relation, AttrNumber attnum)
{
	Oid type, collation;
	int32 typmod;

	get_atttypetypmodcoll(relation, attnum, &type, &typmod, &collation);
	getBaseTypeAndTypmod(type, &typmod);
	return Max(typmod, 0);
}

/* Tells whether an operator family is of plaintext order. */
static bool
is_order_family(Oid family)
{
	HeapTuple tuple = SearchSysCache1(OPFAMILYOID, ObjectIdGetDatum(family));
	bool order;

	if (!HeapTupleIsValid(tuple))
		return false;
	order = strstr(NameStr(((Form_pg_opfamily) GETSTRUCT(tuple))->opfname), "_order_ops") != NULL;
	ReleaseSysCache(tuple);
	return order;
}

/* Returns the type of a key of an index, of an expression too. */
static Oid
type_of_key(Oid relation, const IndexOptInfo *index, int key)
{
	int expression = 0;

	if (index->indexkeys[key] != 0)
		return get_atttype(relation, index->indexkeys[key]);
	for (int i = 0; i < key; i++)
		expression += index->indexkeys[i] == 0;
	return exprType(list_nth(index->indexprs, expression));
}

/* Tells whether a key of an index is encrypted, or an array or row with encrypted values within, which are compared one by one. */
static bool
key_holds_encrypted(Oid relation, const IndexOptInfo *index, int key)
{
	Oid type = index->opcintype[key];

	if (cims_type_of_oid(type) != 0)
		return true;
	return (type == ANYARRAYOID || type == RECORDOID) && cims_type_holds_encrypted(type_of_key(relation, index, key));
}

/*
 * Tells how the role may use an index.  A plan outlives levels that time or
 * the next actor takes away: it reads by bitmap, which comes in no order.
 */
static IndexUse
permitted_use(Oid relation, const IndexOptInfo *index)
{
	IndexUse use = CIMS_INDEX_IN_ORDER;

	for (int i = 0; i < index->nkeycolumns; i++)
	{
		int32 class_id;
		bool order;
		CimsLevel needed;

		if (!key_holds_encrypted(relation, index, i))
			continue;
		plan_depends_on_role = true;
		order = is_order_family(index->opfamily[i]);
		if (!order && cims_foreign_key_plans())
			continue;
		needed = order ? CIMS_LEVEL_REVEAL : CIMS_LEVEL_SEARCH;
		class_id = index->indexkeys[i] != 0 ? class_of_column(relation, index->indexkeys[i]) : 0;
		/* where no class is known there may be values of every class */
		if (class_id != 0 && cims_class_lasting_level(class_id) >= needed)
			continue;
		if (order && cims_class_level(class_id != 0 ? class_id : cims_class_default_id()) < needed)
			return CIMS_INDEX_NOT;
		use = CIMS_INDEX_BY_BITMAP;
	}
	return use;
}

/* Planner hook: takes away what would tell the role an order that it may not know. */
static void
hide_indexes(PlannerInfo *root, Oid relation, bool inherits, RelOptInfo *rel)
{
	ListCell *cell;

	if (next_relation_info != NULL)
		next_relation_info(root, relation, inherits, rel);
	if (!cims_type_oids()->installed)
		return;
	foreach (cell, rel->indexlist)
	{
		IndexOptInfo *index = lfirst_node(IndexOptInfo, cell);

		if (index->relam != BTREE_AM_OID)
			continue;
		switch (permitted_use(relation, index))
		{
			case CIMS_INDEX_IN_ORDER:
				break;
			case CIMS_INDEX_BY_BITMAP:
				index->amhasgettuple = false;
				break;
			case CIMS_INDEX_NOT:
				rel->indexlist = foreach_delete_current(rel->indexlist, cell);
				break;
		}
	}
}

/* Tells whether the plan that was just made depends on the role, and begins anew with a value. */
bool
cims_index_take_notice(bool begin)
{
	bool depends = plan_depends_on_role;

	plan_depends_on_role = begin;
	any_plan_depends |= depends;
	return depends;
}

/* Requires of who makes an index, or statistics, what its comparisons would tell. */
void
cims_index_require_level(Oid relation, AttrNumber attnum, Oid family)
{
	int32 class_id = attnum != 0 ? class_of_column(relation, attnum) : 0;

	if (has_bypassrls_privilege(GetUserId()))
		return;
	if (class_id == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to compare values of a column of an encrypted type that has no class"),
				 errdetail("It may hold values of every class, which an index or statistics over it would compare."),
				 errhint("Name a class as the column's type modifier, as in cims.enc_text(phone).")));
	cims_require_level(class_id, is_order_family(family) ? CIMS_LEVEL_REVEAL : CIMS_LEVEL_SEARCH);
}

/* Tells whether an index is among those that ON CONFLICT looks into: those that it names, or all that may conflict. */
static bool
is_arbiter(Oid index, Form_pg_index form, List *arbiters)
{
	return arbiters != NIL ? list_member_oid(arbiters, index) : form->indisunique || form->indisexclusion;
}

/*
 * Requires "search" on what ON CONFLICT looks for: a look into the index may
 * compare with neighbours of the new value, and would raise by chance.
 */
void
cims_index_check_conflicts(Relation relation, List *arbiters)
{
	ListCell *cell;

	foreach (cell, RelationGetIndexList(relation))
	{
		HeapTuple tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(cell)));
		Form_pg_index form;

		if (!HeapTupleIsValid(tuple))
			continue;
		form = (Form_pg_index) GETSTRUCT(tuple);
		for (int i = 0; is_arbiter(lfirst_oid(cell), form, arbiters) && i < form->indnkeyatts; i++)
		{
			AttrNumber attnum = form->indkey.values[i];
			bool encrypted = attnum > 0 && cims_type_of_oid(getBaseType(get_atttype(RelationGetRelid(relation), attnum))) != 0;
			int32 class_id = encrypted ? class_of_column(RelationGetRelid(relation), attnum) : 0;

			if (class_id != 0)
				cims_require_search(class_id);
		}
		ReleaseSysCache(tuple);
	}
}

/* Ends cached plans that were made for a role, as roles or memberships have changed. */
static void
forget_plans(Datum arg, int cache_id, uint32 hash_value)
{
	if (any_plan_depends)
		ResetPlanCache();
}

/* Installs the hooks. */
void
cims_index_init(void)
{
	CacheRegisterSyscacheCallback(AUTHOID, forget_plans, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, forget_plans, (Datum) 0);
	next_relation_info = get_relation_info_hook;
	get_relation_info_hook = hide_indexes;
}
