/*
 * facts_table.c
 *		What the record says of commands on tables: each sub-command with the
 *		names that it holds, and no expression, default or constraint.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "parser/parse_type.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "cims_compat.h"
#include "audit/command.h"
#include "audit/internal.h"
#include "audit/json.h"

/* Sub-commands of ALTER TABLE by name; those that only optimise are not of the record and stand here without one. */
static const char *const actions[] = {
	[AT_AddColumn] = "add column",
	[AT_ColumnDefault] = "alter column default",
	[AT_DropNotNull] = "drop not null",
	[AT_SetNotNull] = "set not null",
	[AT_DropExpression] = "drop expression",
	[AT_DropColumn] = "drop column",
	[AT_AddConstraint] = "add constraint",
	[AT_AddIndexConstraint] = "add constraint",
	[AT_AlterConstraint] = "alter constraint",
	[AT_ValidateConstraint] = "validate constraint",
	[AT_DropConstraint] = "drop constraint",
	[AT_AlterColumnType] = "alter column type",
	[AT_AlterColumnGenericOptions] = "alter column options",
	[AT_ChangeOwner] = "change owner",
	[AT_SetLogged] = "set logged",
	[AT_SetUnLogged] = "set unlogged",
	[AT_SetAccessMethod] = "set access method",
	[AT_SetTableSpace] = "set tablespace",
	[AT_EnableTrig] = "enable trigger",
	[AT_EnableAlwaysTrig] = "enable always trigger",
	[AT_EnableReplicaTrig] = "enable replica trigger",
	[AT_DisableTrig] = "disable trigger",
	[AT_EnableTrigAll] = "enable trigger all",
	[AT_DisableTrigAll] = "disable trigger all",
	[AT_EnableTrigUser] = "enable trigger user",
	[AT_DisableTrigUser] = "disable trigger user",
	[AT_EnableRule] = "enable rule",
	[AT_EnableAlwaysRule] = "enable always rule",
	[AT_EnableReplicaRule] = "enable replica rule",
	[AT_DisableRule] = "disable rule",
	[AT_AddInherit] = "inherit",
	[AT_DropInherit] = "no inherit",
	[AT_AddOf] = "of type",
	[AT_DropOf] = "not of type",
	[AT_ReplicaIdentity] = "replica identity",
	[AT_EnableRowSecurity] = "enable row security",
	[AT_DisableRowSecurity] = "disable row security",
	[AT_ForceRowSecurity] = "force row security",
	[AT_NoForceRowSecurity] = "no force row security",
	[AT_GenericOptions] = "options",
	[AT_AttachPartition] = "attach partition",
	[AT_DetachPartition] = "detach partition",
	[AT_DetachPartitionFinalize] = "detach partition finalize",
	[AT_AddIdentity] = "add identity",
	[AT_SetIdentity] = "set identity",
	[AT_DropIdentity] = "drop identity",
};

static void describe_action(CimsCommand *command, RangeVar *table, const AlterTableCmd *action);
static void describe_definition(CimsCommand *command, const AlterTableCmd *action);
static void note_consequences(CimsCommand *command, RangeVar *table, const AlterTableCmd *action);
static void note_leaving(CimsCommand *command, RangeVar *table);
static bool type_reads_the_same(const CimsCommand *command, const AlterTableCmd *action);
static List *relations_with_type(Oid type);

/* Describe ALTER TABLE, also of a composite type. */
void
cims_command_alter_table(AlterTableStmt *statement, CimsCommand *command)
{
	ListCell *cell;

	cims_json_text(&command->json, "table", cims_command_relation(statement->relation, &command->relation));
	cims_json_open(&command->json, "actions", '[');
	foreach (cell, statement->cmds)
		describe_action(command, statement->relation, lfirst_node(AlterTableCmd, cell));
	cims_json_close(&command->json, ']');

	if (statement->objtype != OBJECT_TYPE || !OidIsValid(command->relation))
		return;
	command->content = true;
	command->users = relations_with_type(get_rel_type_id(command->relation));
}

/* Describe CREATE TABLE where it makes a child of another table; any other is nothing to the record. */
void
cims_command_create_table(CreateStmt *statement, CimsCommand *command)
{
	ListCell *cell;

	cims_json_text(&command->json, "table", cims_command_name((Node *) statement->relation));
	cims_json_open(&command->json, statement->partbound != NULL ? "partition_of" : "inherits", '[');
	foreach (cell, statement->inhRelations)
	{
		Oid parent;

		cims_json_text(&command->json, NULL, cims_command_relation(lfirst_node(RangeVar, cell), &parent));
		if (OidIsValid(parent) && cims_command_is_audited(parent))
			command->relation = parent;
	}
	cims_json_close(&command->json, ']');
	command->joining = list_make1(statement->relation);
	command->tells = true;
}

/* Describe ALTER TYPE of an enumeration: a label that gets another name changes what stored values read as. */
void
cims_command_alter_enum(AlterEnumStmt *statement, CimsCommand *command)
{
	Type type = LookupTypeName(NULL, makeTypeNameFromNameList(statement->typeName), NULL, true);

	cims_json_text(&command->json, "type", cims_command_name((Node *) statement->typeName));
	if (type == NULL)
		return;
	if (statement->oldVal != NULL)
	{
		cims_json_bool(&command->json, "rename_value", true);
		command->content = true;
		command->users = relations_with_type(typeTypeId(type));
	}
	ReleaseSysCache(type);
}

/* Describe one sub-command. */
static void
describe_action(CimsCommand *command, RangeVar *table, const AlterTableCmd *action)
{
	const char *name = (int) action->subtype < lengthof(actions) ? actions[action->subtype] : NULL;

	note_consequences(command, table, action);
	if (name == NULL)
		return;
	command->tells = true;
	cims_json_open(&command->json, NULL, '{');
	cims_json_text(&command->json, "action", name);
	cims_json_text(&command->json, "name", action->name);
	if (action->newowner != NULL)
		cims_command_roles(command, "owner", list_make1(action->newowner));
	if (action->def != NULL)
		describe_definition(command, action);
	if (action->behavior == DROP_CASCADE)
		cims_json_bool(&command->json, "cascade", true);
	cims_json_close(&command->json, '}');
}

/* Describe what a sub-command defines. */
static void
describe_definition(CimsCommand *command, const AlterTableCmd *action)
{
	Oid relation;

	switch (nodeTag(action->def))
	{
		case T_ColumnDef:
			cims_json_text(&command->json, "column", ((ColumnDef *) action->def)->colname);
			if (((ColumnDef *) action->def)->typeName != NULL)
				cims_json_text(&command->json, "type", cims_command_name((Node *) ((ColumnDef *) action->def)->typeName));
			break;
		case T_Constraint:
			cims_json_text(&command->json, "constraint", ((Constraint *) action->def)->conname);
			break;
		case T_RangeVar:
			cims_json_text(&command->json, "parent", cims_command_relation((RangeVar *) action->def, &relation));
			break;
		case T_PartitionCmd:
			cims_json_text(&command->json, "partition",
						   cims_command_relation(((PartitionCmd *) action->def)->name, &relation));
			break;
		default:
			break;
	}
}

/* Note what has to be looked after once a sub-command has run. */
static void
note_consequences(CimsCommand *command, RangeVar *table, const AlterTableCmd *action)
{
	switch (action->subtype)
	{
		case AT_AlterColumnType:
			command->content |= !type_reads_the_same(command, action);
			command->rewrites = true;
			break;
		case AT_AddColumn:
#ifdef CIMS_HAVE_SET_EXPRESSION
		case AT_SetExpression:
#endif
			command->rewrites = true;
			break;
		case AT_AddConstraint:
		case AT_AddIndexConstraint:
		case AT_DropConstraint:
		case AT_ReplicaIdentity:
		case AT_SetNotNull:
		case AT_DropNotNull:
			command->keys = true;
			break;
		case AT_EnableTrig:
		case AT_EnableReplicaTrig:
		case AT_EnableTrigAll:
		case AT_EnableTrigUser:
			command->triggers = true;
			break;
		case AT_EnableRowSecurity:
		case AT_DisableRowSecurity:
		case AT_ForceRowSecurity:
		case AT_NoForceRowSecurity:
			command->listed = true;
			break;
		case AT_AttachPartition:
			command->joining = lappend(command->joining, ((PartitionCmd *) action->def)->name);
			command->attaches = true;
			break;
		case AT_DetachPartition:
			command->early |= ((PartitionCmd *) action->def)->concurrent;
			note_leaving(command, ((PartitionCmd *) action->def)->name);
			break;
		case AT_DetachPartitionFinalize:
			note_leaving(command, ((PartitionCmd *) action->def)->name);
			break;
		case AT_AddInherit:
			command->joining = lappend(command->joining, table);
			break;
		case AT_DropInherit:
			note_leaving(command, table);
			break;
		default:
			break;
	}
}

/* Note an audited table that may leave its parent. */
static void
note_leaving(CimsCommand *command, RangeVar *table)
{
	CimsLeavingTable *leaving = palloc(sizeof(CimsLeavingTable));

	cims_command_relation(table, &leaving->relation);
	leaving->root = OidIsValid(leaving->relation) ? cims_audit_root(leaving->relation, NULL) : InvalidOid;
	if (OidIsValid(leaving->root))
		command->leaving = lappend(command->leaving, leaving);
}

/*
 * Tell whether values that are not written anew read the same under a column's
 * new type: that they do not is rare (timestamp and timestamptz where the time
 * zone is UTC), that they do is most often so for text.
 */
static bool
type_reads_the_same(const CimsCommand *command, const AlterTableCmd *action)
{
	AttrNumber attnum = OidIsValid(command->relation) ? get_attnum(command->relation, action->name) : InvalidAttrNumber;
	Type tuple = LookupTypeName(NULL, ((ColumnDef *) action->def)->typeName, NULL, true);
	Oid type;

	if (attnum == InvalidAttrNumber || tuple == NULL)
		return false;
	type = typeTypeId(tuple);
	ReleaseSysCache(tuple);
	return type == TEXTOID || type == VARCHAROID || type == get_atttype(command->relation, attnum);
}

/* List the relations with a column of a type, in whichever way it is part of the column's. */
static List *
relations_with_type(Oid type)
{
	Relation attributes = table_open(AttributeRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(attributes, InvalidOid, false, NULL, 0, NULL);
	List *relations = NIL;
	HeapTuple tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_attribute column = (Form_pg_attribute) GETSTRUCT(tuple);
		Oid base = OidIsValid(column->atttypid) ? getBaseType(column->atttypid) : InvalidOid;
		Oid element = OidIsValid(base) ? get_element_type(base) : InvalidOid;

		if (base == type || (OidIsValid(element) && getBaseType(element) == type))
			relations = list_append_unique_oid(relations, column->attrelid);
	}
	systable_endscan(scan);
	table_close(attributes, AccessShareLock);
	return relations;
}
