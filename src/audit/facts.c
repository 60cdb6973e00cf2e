/*
 * facts.c
 *		What a command is for the record.
 *
 * Recorded always: commands on roles, grants, settings, policies, event
 * triggers, extensions, loaded libraries and ways by which data leaves the
 * database.  Recorded where they touch a table that is audited, or something
 * of the extension: whatever else changes, moves or drops it.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "nodes/value.h"
#include "parser/parse_type.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "cims_compat.h"
#include "audit/audit.h"
#include "audit/command.h"
#include "audit/json.h"

static void describe_statement(Node *statement, CimsCommand *command);
static void describe_policy(Node *statement, CimsCommand *command);
static void describe_database(Node *statement, CimsCommand *command);
static void describe_flow(Node *statement, CimsCommand *command);
static void describe_extension(Node *statement, CimsCommand *command);
static void describe_function(CreateFunctionStmt *statement, CimsCommand *command);
static void describe_trigger(CreateTrigStmt *statement, CimsCommand *command);
static void describe_object(Node *statement, CimsCommand *command);
static void list_object(CimsCommand *command, ObjectType type);
static void append_name(StringInfo out, Node *name);

/* Describe a statement before it runs. */
void
cims_command_describe(Node *statement, CimsCommand *command)
{
	memset(command, 0, sizeof(CimsCommand));
	command->operation = CIMS_OP_COMMAND;
	initStringInfo(&command->json);
	cims_json_open(&command->json, NULL, '{');
	cims_json_text(&command->json, "command", GetCommandTagName(CreateCommandTag(statement)));

	if (cims_command_role(statement, command))
	{
		command->operation = CIMS_OP_GRANT;
		command->listed = true;
	}
	else
		describe_statement(statement, command);
}

/* Describe a statement that is not of roles, grants and settings. */
static void
describe_statement(Node *statement, CimsCommand *command)
{
	switch (nodeTag(statement))
	{
		case T_AlterTableStmt:
			cims_command_alter_table((AlterTableStmt *) statement, command);
			break;
		case T_CreateStmt:
			if (((CreateStmt *) statement)->inhRelations != NIL)
				cims_command_create_table((CreateStmt *) statement, command);
			break;
		case T_AlterEnumStmt:
			cims_command_alter_enum((AlterEnumStmt *) statement, command);
			break;
		case T_CreateTrigStmt:
			describe_trigger((CreateTrigStmt *) statement, command);
			break;
		case T_CreatePolicyStmt:
		case T_AlterPolicyStmt:
			describe_policy(statement, command);
			break;
		case T_CreatedbStmt:
		case T_DropdbStmt:
		case T_AlterDatabaseStmt:
		case T_CreateTableSpaceStmt:
		case T_DropTableSpaceStmt:
			describe_database(statement, command);
			break;
		case T_CreateEventTrigStmt:
		case T_AlterEventTrigStmt:
		case T_LoadStmt:
		case T_CreateExtensionStmt:
		case T_AlterExtensionStmt:
		case T_AlterExtensionContentsStmt:
		case T_SecLabelStmt:
			describe_extension(statement, command);
			break;
		case T_CreatePublicationStmt:
		case T_AlterPublicationStmt:
		case T_CreateSubscriptionStmt:
		case T_AlterSubscriptionStmt:
		case T_DropSubscriptionStmt:
		case T_CreateForeignServerStmt:
		case T_AlterForeignServerStmt:
		case T_CreateUserMappingStmt:
		case T_AlterUserMappingStmt:
		case T_DropUserMappingStmt:
			describe_flow(statement, command);
			break;
		default:
			describe_object(statement, command);
			break;
	}
}

/* Describe the dropping, renaming, moving or giving away of some object, and what else may touch what is audited. */
static void
describe_object(Node *statement, CimsCommand *command)
{
	switch (nodeTag(statement))
	{
		case T_DropStmt:
			list_object(command, ((DropStmt *) statement)->removeType);
			cims_json_open(&command->json, "names", '[');
			for (int i = 0; i < list_length(((DropStmt *) statement)->objects); i++)
				cims_json_text(&command->json, NULL, cims_command_name(list_nth(((DropStmt *) statement)->objects, i)));
			cims_json_close(&command->json, ']');
			if (((DropStmt *) statement)->behavior == DROP_CASCADE)
				cims_json_bool(&command->json, "cascade", true);
			/* where this extension goes, so does the record of it */
			command->cluster |= ((DropStmt *) statement)->removeType == OBJECT_EXTENSION &&
								list_member(((DropStmt *) statement)->objects, makeString("cims"));
			break;
		case T_RenameStmt:
		{
			RenameStmt *rename = (RenameStmt *) statement;

			list_object(command, rename->renameType);
			if (rename->relation != NULL)
				cims_json_text(&command->json, "name", cims_command_relation(rename->relation, &command->relation));
			else
				cims_json_text(&command->json, "name", cims_command_name(rename->object));
			cims_json_text(&command->json, "part", rename->subname);
			cims_json_text(&command->json, "new_name", rename->newname);
			if (rename->renameType == OBJECT_COLUMN)
			{
				command->column = rename->subname;
				command->new_column = rename->newname;
			}
			if (rename->renameType == OBJECT_ROLE)
				cims_command_add_name(command, "role", rename->subname);
			else if (rename->renameType == OBJECT_DATABASE)
				cims_command_add_name(command, "database", rename->subname);
			break;
		}
		case T_AlterObjectSchemaStmt:
			if (((AlterObjectSchemaStmt *) statement)->relation != NULL)
				cims_json_text(&command->json, "name",
							   cims_command_relation(((AlterObjectSchemaStmt *) statement)->relation, &command->relation));
			else
				cims_json_text(&command->json, "name", cims_command_name(((AlterObjectSchemaStmt *) statement)->object));
			cims_json_text(&command->json, "new_schema", ((AlterObjectSchemaStmt *) statement)->newschema);
			break;
		case T_AlterOwnerStmt:
			list_object(command, ((AlterOwnerStmt *) statement)->objectType);
			cims_json_text(&command->json, "name", cims_command_name(((AlterOwnerStmt *) statement)->object));
			if (((AlterOwnerStmt *) statement)->objectType == OBJECT_DATABASE)
				cims_command_add_name(command, "database", strVal(((AlterOwnerStmt *) statement)->object));
			cims_command_roles(command, "owner", list_make1(((AlterOwnerStmt *) statement)->newowner));
			break;
		case T_RuleStmt:
			command->tells = true;
			cims_json_text(&command->json, "table", cims_command_relation(((RuleStmt *) statement)->relation, &command->relation));
			cims_json_text(&command->json, "rule", ((RuleStmt *) statement)->rulename);
			cims_json_bool(&command->json, "instead", ((RuleStmt *) statement)->instead);
			break;
		case T_CreateFunctionStmt:
			describe_function((CreateFunctionStmt *) statement, command);
			break;
		case T_AlterFunctionStmt:
			cims_json_text(&command->json, "name", cims_command_name((Node *) ((AlterFunctionStmt *) statement)->func));
			break;
		default:
			break;
	}
}

/* Set what the kind of an object that a command names says of the command. */
static void
list_object(CimsCommand *command, ObjectType type)
{
	switch (type)
	{
		case OBJECT_ROLE:
		case OBJECT_DATABASE:
		case OBJECT_TABLESPACE:
			command->operation = CIMS_OP_GRANT;
			command->listed = true;
			command->cluster = true;
			break;
		case OBJECT_EVENT_TRIGGER:
		case OBJECT_EXTENSION:
		case OBJECT_POLICY:
		case OBJECT_PUBLICATION:
		case OBJECT_SUBSCRIPTION:
		case OBJECT_FOREIGN_SERVER:
			command->listed = true;
			break;
		default:
			break;
	}
}

/* Describe CREATE FUNCTION; what brings machine code is always recorded, but for the script of an extension, which is. */
static void
describe_function(CreateFunctionStmt *statement, CimsCommand *command)
{
	ListCell *cell;

	cims_json_text(&command->json, "name", cims_command_name((Node *) statement->funcname));
	foreach (cell, statement->options)
	{
		DefElem *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, "language") != 0)
			continue;
		cims_json_text(&command->json, "language", defGetString(option));
		command->listed = !creating_extension && (pg_strcasecmp(defGetString(option), "c") == 0 || pg_strcasecmp(defGetString(option), "internal") == 0);
	}
}

/* Describe CREATE TRIGGER. */
static void
describe_trigger(CreateTrigStmt *statement, CimsCommand *command)
{
	cims_json_text(&command->json, "table", cims_command_relation(statement->relation, &command->relation));
	command->tells = true;
	cims_json_text(&command->json, "trigger", statement->trigname);
	cims_json_text(&command->json, "function", cims_command_name((Node *) statement->funcname));
	cims_json_bool(&command->json, "replace", statement->replace);
}

/* Describe a policy, without its expressions. */
static void
describe_policy(Node *statement, CimsCommand *command)
{
	bool create = IsA(statement, CreatePolicyStmt);
	CreatePolicyStmt *made = (CreatePolicyStmt *) statement;
	AlterPolicyStmt *changed = (AlterPolicyStmt *) statement;

	command->listed = true;
	cims_json_text(&command->json, "table", cims_command_relation(create ? made->table : changed->table, &command->relation));
	cims_json_text(&command->json, "policy", create ? made->policy_name : changed->policy_name);
	if (create)
	{
		cims_json_text(&command->json, "for", made->cmd_name);
		cims_json_bool(&command->json, "permissive", made->permissive);
	}
	cims_command_roles(command, "to", create ? made->roles : changed->roles);
	command->names = NIL; /* the roles stay what they are */
	cims_json_bool(&command->json, "using", (create ? made->qual : changed->qual) != NULL);
	cims_json_bool(&command->json, "with_check", (create ? made->with_check : changed->with_check) != NULL);
}

/* Describe a command on databases or tablespaces. */
static void
describe_database(Node *statement, CimsCommand *command)
{
	const char *database = NULL;

	command->operation = CIMS_OP_GRANT;
	command->listed = command->cluster = true;
	command->early = !IsA(statement, AlterDatabaseStmt);
	switch (nodeTag(statement))
	{
		case T_CreatedbStmt:
			database = ((CreatedbStmt *) statement)->dbname;
			for (int i = 0; i < list_length(((CreatedbStmt *) statement)->options); i++)
			{
				DefElem *option = list_nth_node(DefElem, ((CreatedbStmt *) statement)->options, i);

				if (strcmp(option->defname, "template") == 0 && option->arg != NULL)
					cims_json_text(&command->json, "template", defGetString(option));
			}
			break;
		case T_DropdbStmt:
			database = ((DropdbStmt *) statement)->dbname;
			break;
		case T_AlterDatabaseStmt:
			database = ((AlterDatabaseStmt *) statement)->dbname;
			cims_command_options(command, ((AlterDatabaseStmt *) statement)->options);
			break;
		case T_CreateTableSpaceStmt:
			cims_json_text(&command->json, "tablespace", ((CreateTableSpaceStmt *) statement)->tablespacename);
			break;
		default:
			cims_json_text(&command->json, "tablespace", ((DropTableSpaceStmt *) statement)->tablespacename);
			break;
	}
	cims_json_text(&command->json, "database", database);
	cims_command_add_name(command, "database", database);
}

/* Describe a command on extensions, libraries, event triggers and security labels. */
static void
describe_extension(Node *statement, CimsCommand *command)
{
	command->listed = true;
	switch (nodeTag(statement))
	{
		case T_CreateEventTrigStmt:
			cims_json_text(&command->json, "event_trigger", ((CreateEventTrigStmt *) statement)->trigname);
			cims_json_text(&command->json, "event", ((CreateEventTrigStmt *) statement)->eventname);
			cims_json_text(&command->json, "function", cims_command_name((Node *) ((CreateEventTrigStmt *) statement)->funcname));
			break;
		case T_AlterEventTrigStmt:
			cims_json_text(&command->json, "event_trigger", ((AlterEventTrigStmt *) statement)->trigname);
			cims_json_text(&command->json, "enabled", psprintf("%c", ((AlterEventTrigStmt *) statement)->tgenabled));
			break;
		case T_LoadStmt:
			cims_json_text(&command->json, "library", ((LoadStmt *) statement)->filename);
			break;
		case T_CreateExtensionStmt:
			cims_json_text(&command->json, "extension", ((CreateExtensionStmt *) statement)->extname);
			break;
		case T_AlterExtensionStmt:
			cims_json_text(&command->json, "extension", ((AlterExtensionStmt *) statement)->extname);
			break;
		case T_AlterExtensionContentsStmt:
			cims_json_text(&command->json, "extension", ((AlterExtensionContentsStmt *) statement)->extname);
			cims_json_text(&command->json, "action", ((AlterExtensionContentsStmt *) statement)->action > 0 ? "add" : "drop");
			cims_json_text(&command->json, "object", cims_command_name(((AlterExtensionContentsStmt *) statement)->object));
			break;
		default:
			cims_json_text(&command->json, "provider", ((SecLabelStmt *) statement)->provider);
			cims_json_text(&command->json, "object", cims_command_name(((SecLabelStmt *) statement)->object));
			cims_json_bool(&command->json, "removed", ((SecLabelStmt *) statement)->label == NULL);
			break;
	}
}

/* Describe a command on ways by which data flows in and out: by name only, as their options hold passwords. */
static void
describe_flow(Node *statement, CimsCommand *command)
{
	command->listed = true;
	switch (nodeTag(statement))
	{
		case T_CreatePublicationStmt:
			cims_json_text(&command->json, "publication", ((CreatePublicationStmt *) statement)->pubname);
			cims_json_bool(&command->json, "all_tables", ((CreatePublicationStmt *) statement)->for_all_tables);
			break;
		case T_AlterPublicationStmt:
			cims_json_text(&command->json, "publication", ((AlterPublicationStmt *) statement)->pubname);
			break;
		case T_CreateSubscriptionStmt:
			cims_json_text(&command->json, "subscription", ((CreateSubscriptionStmt *) statement)->subname);
			break;
		case T_AlterSubscriptionStmt:
			cims_json_text(&command->json, "subscription", ((AlterSubscriptionStmt *) statement)->subname);
			break;
		case T_DropSubscriptionStmt:
			cims_json_text(&command->json, "subscription", ((DropSubscriptionStmt *) statement)->subname);
			break;
		case T_CreateForeignServerStmt:
			cims_json_text(&command->json, "server", ((CreateForeignServerStmt *) statement)->servername);
			cims_json_text(&command->json, "wrapper", ((CreateForeignServerStmt *) statement)->fdwname);
			break;
		case T_AlterForeignServerStmt:
			cims_json_text(&command->json, "server", ((AlterForeignServerStmt *) statement)->servername);
			break;
		case T_CreateUserMappingStmt:
			cims_json_text(&command->json, "server", ((CreateUserMappingStmt *) statement)->servername);
			break;
		case T_AlterUserMappingStmt:
			cims_json_text(&command->json, "server", ((AlterUserMappingStmt *) statement)->servername);
			break;
		default:
			cims_json_text(&command->json, "server", ((DropUserMappingStmt *) statement)->servername);
			break;
	}
}

/* Note an object of the cluster that a command names. */
void
cims_command_add_name(CimsCommand *command, const char *kind, const char *name)
{
	if (name != NULL)
		command->names = lappend(command->names, psprintf("%s %s", kind, name));
}

/* Name a relation in full, and find it; as it is written where there is none. */
char *
cims_command_relation(RangeVar *range, Oid *oid)
{
	*oid = RangeVarGetRelid(range, NoLock, true);
	return OidIsValid(*oid) ? quote_qualified_identifier(get_namespace_name(get_rel_namespace(*oid)), get_rel_name(*oid)) : cims_command_name((Node *) range);
}

/* Return a name as it stands in a parse tree, quoted; NULL for what holds none. */
char *
cims_command_name(Node *name)
{
	StringInfoData out;

	initStringInfo(&out);
	append_name(&out, name);
	return out.len > 0 ? out.data : NULL;
}

/* Append a name. */
static void
append_name(StringInfo out, Node *name)
{
	ListCell *cell;

	if (name == NULL)
		return;
	switch (nodeTag(name))
	{
		case T_String:
			appendStringInfoString(out, quote_identifier(strVal(name)));
			break;
		case T_Integer:
			appendStringInfo(out, "%d", intVal(name));
			break;
		case T_Float:
			appendStringInfoString(out, castNode(Float, name)->fval);
			break;
		case T_List:
			foreach (cell, (List *) name)
			{
				if (cell != list_head((List *) name))
					appendStringInfoChar(out, '.');
				append_name(out, lfirst(cell));
			}
			break;
		case T_RangeVar:
			if (((RangeVar *) name)->schemaname != NULL)
				appendStringInfo(out, "%s.", quote_identifier(((RangeVar *) name)->schemaname));
			appendStringInfoString(out, quote_identifier(((RangeVar *) name)->relname));
			break;
		case T_ObjectWithArgs:
			append_name(out, (Node *) ((ObjectWithArgs *) name)->objname);
			break;
		case T_TypeName:
			appendStringInfoString(out, TypeNameToString((TypeName *) name));
			break;
		default:
			break;
	}
}
