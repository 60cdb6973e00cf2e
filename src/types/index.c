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
 * not shown those in plaintext order where the role lacks "reveal", nor those
 * in token order where it lacks "search"; such a plan is made for one role.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_am.h"
#include "catalog/pg_index.h"
#include "catalog/pg_opfamily.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/plancat.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "types/types.h"

static get_relation_info_hook_type next_relation_info = NULL;

/* Set while a query is planned where its plan depends on the role; taken over by cims_index_take_notice. */
static bool plan_depends_on_role = false;

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

/* Tells whether the order of an index is more than the role may know. */
static bool
is_hidden(Oid relation, const IndexOptInfo *index)
{
	for (int i = 0; i < index->nkeycolumns; i++)
	{
		int32 class_id;
		bool order;

		if (cims_type_of_oid(index->opcintype[i]) == 0)
			continue;
		plan_depends_on_role = true;
		order = is_order_family(index->opfamily[i]);
		if (!order && (i > 0 || cims_foreign_key_plans()))
			continue;
		class_id = index->indexkeys[i] != 0 ? class_of_column(relation, index->indexkeys[i]) : 0;
		if (class_id == 0)
			class_id = cims_class_default_id();
		if (cims_class_lasting_level(class_id) < (order ? CIMS_LEVEL_REVEAL : CIMS_LEVEL_SEARCH))
			return true;
	}
	return false;
}

/* Planner hook: takes away the indexes whose order the role may not know. */
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

		if (index->relam == BTREE_AM_OID && is_hidden(relation, index))
			rel->indexlist = foreach_delete_current(rel->indexlist, cell);
	}
}

/* Tells whether the plan that was just made depends on the role, and begins anew with a value. */
bool
cims_index_take_notice(bool begin)
{
	bool depends = plan_depends_on_role;

	plan_depends_on_role = begin;
	return depends;
}

/* Requires of who makes an index what its comparisons would tell. */
void
cims_index_require_level(Oid relation, AttrNumber attnum, Oid family)
{
	int32 class_id = attnum != 0 ? class_of_column(relation, attnum) : 0;

	if (has_bypassrls_privilege(GetUserId()))
		return;
	if (class_id == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to index a column of an encrypted type that has no class"),
				 errdetail("It may hold values of every class, and an index compares them."),
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

/* Installs the hook. */
void
cims_index_init(void)
{
	next_relation_info = get_relation_info_hook;
	get_relation_info_hook = hide_indexes;
}
