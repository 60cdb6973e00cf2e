/*
 * facts_role.c
 *		What the record says of commands on roles, grants and settings.
 *
 * A password is never said, in any form: only that it was set or removed.  The
 * value of a setting is said where the setting is known and not one that may
 * hold a secret or that not everyone may read.
 */
#include "postgres.h"

#include "commands/defrem.h"
#include "miscadmin.h"
#include "nodes/value.h"
#include "utils/acl.h"
#include "utils/formatting.h"
#include "utils/guc.h"
#include "utils/guc_tables.h"

#include "cims_compat.h"
#include "audit/command.h"
#include "audit/json.h"

/* Settings that only some roles may read, and that hold no secret. */
static const char *const telling_settings[] = {
	"dynamic_library_path",
	"local_preload_libraries",
	"session_preload_libraries",
	"shared_preload_libraries",
};

static void describe_setting(CimsCommand *command, VariableSetStmt *setting);
static bool setting_is_telling(const char *name);
static void describe_grant(GrantStmt *grant, CimsCommand *command);
static void describe_privileges(CimsCommand *command, const char *key, List *privileges);
static const char *object_kind(ObjectType type);
static void describe_default_privileges(AlterDefaultPrivilegesStmt *statement, CimsCommand *command);
static char *role_name(RoleSpec *role);

/* Describe a command on roles, grants or settings; false for others. */
bool
cims_command_role(Node *statement, CimsCommand *command)
{
	List *one_role = NIL;
	const char *name;

	switch (nodeTag(statement))
	{
		case T_CreateRoleStmt:
			cims_json_text(&command->json, "role", ((CreateRoleStmt *) statement)->role);
			cims_command_add_name(command, "role", ((CreateRoleStmt *) statement)->role);
			cims_command_options(command, ((CreateRoleStmt *) statement)->options);
			break;
		case T_AlterRoleStmt:
			one_role = list_make1(((AlterRoleStmt *) statement)->role);
			cims_command_roles(command, "roles", one_role);
			if (((AlterRoleStmt *) statement)->action < 0)
				cims_json_bool(&command->json, "remove", true);
			cims_command_options(command, ((AlterRoleStmt *) statement)->options);
			break;
		case T_AlterRoleSetStmt:
			if (((AlterRoleSetStmt *) statement)->role != NULL)
				one_role = list_make1(((AlterRoleSetStmt *) statement)->role);
			cims_command_roles(command, "roles", one_role);
			cims_json_text(&command->json, "database", ((AlterRoleSetStmt *) statement)->database);
			cims_command_add_name(command, "database", ((AlterRoleSetStmt *) statement)->database);
			describe_setting(command, ((AlterRoleSetStmt *) statement)->setstmt);
			break;
		case T_DropRoleStmt:
			cims_command_roles(command, "roles", ((DropRoleStmt *) statement)->roles);
			break;
		case T_GrantRoleStmt:
			describe_privileges(command, "granted", ((GrantRoleStmt *) statement)->granted_roles);
			cims_command_roles(command, "grantees", ((GrantRoleStmt *) statement)->grantee_roles);
			if (CIMS_GRANT_ROLE_OPTIONS((GrantRoleStmt *) statement))
				cims_json_bool(&command->json, "options", true);
			break;
		case T_GrantStmt:
			describe_grant((GrantStmt *) statement, command);
			break;
		case T_AlterDefaultPrivilegesStmt:
			describe_default_privileges((AlterDefaultPrivilegesStmt *) statement, command);
			break;
		case T_ReassignOwnedStmt:
			cims_command_roles(command, "roles", ((ReassignOwnedStmt *) statement)->roles);
			one_role = list_make1(((ReassignOwnedStmt *) statement)->newrole);
			cims_command_roles(command, "owner", one_role);
			break;
		case T_DropOwnedStmt:
			cims_command_roles(command, "roles", ((DropOwnedStmt *) statement)->roles);
			break;
		case T_AlterSystemStmt:
			describe_setting(command, ((AlterSystemStmt *) statement)->setstmt);
			name = ((AlterSystemStmt *) statement)->setstmt->name;
			cims_command_add_name(command, "setting", name != NULL ? asc_tolower(name, strlen(name)) : "all");
			command->early = true;
			break;
		case T_AlterDatabaseSetStmt:
			cims_json_text(&command->json, "database", ((AlterDatabaseSetStmt *) statement)->dbname);
			cims_command_add_name(command, "database", ((AlterDatabaseSetStmt *) statement)->dbname);
			describe_setting(command, ((AlterDatabaseSetStmt *) statement)->setstmt);
			break;
		default:
			return false;
	}
	/* grants on what is in a database concern no other */
	command->cluster = !IsA(statement, GrantStmt) || command->names != NIL;
	return true;
}

/* Name roles in the detail, and for the watchdog. */
void
cims_command_roles(CimsCommand *command, const char *key, List *roles)
{
	ListCell *cell;

	if (roles == NIL)
		return;
	cims_json_open(&command->json, key, '[');
	foreach (cell, roles)
	{
		char *name = role_name(lfirst_node(RoleSpec, cell));

		cims_json_text(&command->json, NULL, name);
		cims_command_add_name(command, "role", name);
	}
	cims_json_close(&command->json, ']');
}

/* Return the name by which a role is spoken of. */
static char *
role_name(RoleSpec *role)
{
	switch (role->roletype)
	{
		case ROLESPEC_CSTRING:
			return role->rolename;
		case ROLESPEC_CURRENT_ROLE:
		case ROLESPEC_CURRENT_USER:
			return GetUserNameFromId(GetUserId(), true);
		case ROLESPEC_SESSION_USER:
			return GetUserNameFromId(GetSessionUserId(), true);
		default:
			return "public";
	}
}

/* Describe what a role or a database is made or changed to. */
void
cims_command_options(CimsCommand *command, List *options)
{
	ListCell *cell;

	cims_json_open(&command->json, "options_set", '{');
	foreach (cell, options)
	{
		DefElem *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, "password") == 0)
			cims_json_text(&command->json, "password", option->arg != NULL ? "set" : "removed");
		else if (option->arg == NULL)
			cims_json_bool(&command->json, option->defname, true);
		else if (IsA(option->arg, Boolean))
			cims_json_bool(&command->json, option->defname, boolVal(option->arg));
		else if (IsA(option->arg, Integer))
			cims_json_int(&command->json, option->defname, intVal(option->arg));
		else if (IsA(option->arg, String))
			cims_json_text(&command->json, option->defname, strVal(option->arg));
		else if (IsA(option->arg, List))
			cims_command_roles(command, option->defname, (List *) option->arg);
	}
	cims_json_close(&command->json, '}');
}

/* Describe what is set. */
static void
describe_setting(CimsCommand *command, VariableSetStmt *setting)
{
	const char *name = setting->name;

	cims_json_text(&command->json, "setting", name != NULL ? name : "all");
	if (setting->kind == VAR_SET_VALUE && setting_is_telling(name))
		cims_json_text(&command->json, "value", ExtractSetVariableArgs(setting));
	else if (setting->kind != VAR_SET_VALUE)
		cims_json_bool(&command->json, "reset", true);
}

/* Tell whether the value of a setting may stand in the record. */
static bool
setting_is_telling(const char *name)
{
	int flags;

	name = asc_tolower(name, strlen(name));
	for (int i = 0; i < lengthof(telling_settings); i++)
		if (strcmp(name, telling_settings[i]) == 0)
			return true;
	if (strchr(name, '.') != NULL && strncmp(name, "cims.", 5) != 0)
		return false;
	if (strstr(name, "command") != NULL || strstr(name, "conninfo") != NULL)
		return false;
	flags = GetConfigOptionFlags(name, true);
	return flags != 0 ? (flags & (GUC_SUPERUSER_ONLY | GUC_NO_SHOW_ALL | GUC_CUSTOM_PLACEHOLDER)) == 0 : GetConfigOption(name, true, false) != NULL;
}

/* Describe GRANT or REVOKE on objects. */
static void
describe_grant(GrantStmt *grant, CimsCommand *command)
{
	const char *kind = object_kind(grant->objtype);
	bool shared = grant->objtype == OBJECT_DATABASE || grant->objtype == OBJECT_TABLESPACE ||
				  grant->objtype == OBJECT_PARAMETER_ACL;
	ListCell *cell;

	describe_privileges(command, "privileges", grant->privileges);
	cims_json_text(&command->json, "on", kind);
	if (grant->targtype == ACL_TARGET_ALL_IN_SCHEMA)
		cims_json_bool(&command->json, "all_in_schema", true);
	cims_json_open(&command->json, "objects", '[');
	foreach (cell, grant->objects)
	{
		Node *object = lfirst(cell);

		if (IsA(object, RangeVar))
		{
			Oid relation;

			cims_json_text(&command->json, NULL, cims_command_relation((RangeVar *) object, &relation));
			if (list_length(grant->objects) == 1)
				command->relation = relation;
		}
		else
			cims_json_text(&command->json, NULL, cims_command_name(object));
	}
	cims_json_close(&command->json, ']');
	cims_command_roles(command, "grantees", grant->grantees);
	if (grant->grant_option)
		cims_json_bool(&command->json, "grant_option", true);

	/* the roles are not changed by it, as the watchdog sees them */
	command->names = NIL;
	if (!shared)
		return;
	foreach (cell, grant->objects)
		if (IsA(lfirst(cell), String))
			cims_command_add_name(command, kind, strVal(lfirst(cell)));
}

/* Name the kind of object that a grant is on; NULL for kinds that are not known. */
static const char *
object_kind(ObjectType type)
{
	switch (type)
	{
		case OBJECT_DATABASE:
			return "database";
		case OBJECT_DOMAIN:
			return "domain";
		case OBJECT_FDW:
			return "foreign-data wrapper";
		case OBJECT_FOREIGN_SERVER:
			return "foreign server";
		case OBJECT_FUNCTION:
			return "function";
		case OBJECT_LANGUAGE:
			return "language";
		case OBJECT_LARGEOBJECT:
			return "large object";
		case OBJECT_PARAMETER_ACL:
			return "parameter";
		case OBJECT_PROCEDURE:
			return "procedure";
		case OBJECT_ROUTINE:
			return "routine";
		case OBJECT_SCHEMA:
			return "schema";
		case OBJECT_SEQUENCE:
			return "sequence";
		case OBJECT_TABLE:
			return "table";
		case OBJECT_TABLESPACE:
			return "tablespace";
		case OBJECT_TYPE:
			return "type";
		default:
			return NULL;
	}
}

/* Name privileges, with their columns, or the roles that are granted. */
static void
describe_privileges(CimsCommand *command, const char *key, List *privileges)
{
	ListCell *cell;

	cims_json_open(&command->json, key, '[');
	if (privileges == NIL)
		cims_json_text(&command->json, NULL, "all");
	foreach (cell, privileges)
	{
		AccessPriv *privilege = lfirst_node(AccessPriv, cell);
		StringInfoData text;
		ListCell *column;

		initStringInfo(&text);
		appendStringInfoString(&text, privilege->priv_name != NULL ? privilege->priv_name : "all");
		foreach (column, privilege->cols)
			appendStringInfo(&text, "%s%s", column == list_head(privilege->cols) ? " (" : ", ", strVal(lfirst(column)));
		if (privilege->cols != NIL)
			appendStringInfoChar(&text, ')');
		cims_json_text(&command->json, NULL, text.data);
		cims_command_add_name(command, "role", privilege->priv_name);
	}
	cims_json_close(&command->json, ']');
}

/* Describe ALTER DEFAULT PRIVILEGES. */
static void
describe_default_privileges(AlterDefaultPrivilegesStmt *statement, CimsCommand *command)
{
	ListCell *cell;

	foreach (cell, statement->options)
	{
		DefElem *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, "roles") == 0)
			cims_command_roles(command, "roles", (List *) option->arg);
		else if (strcmp(option->defname, "schemas") == 0)
			cims_json_text(&command->json, "schemas", cims_command_name((Node *) option->arg));
	}
	cims_json_text(&command->json, "action", statement->action->is_grant ? "grant" : "revoke");
	describe_grant(statement->action, command);
}
