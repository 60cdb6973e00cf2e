/*
 * command.h
 *		What the record says of a command, in facts taken from its parse tree:
 *		never the statement's text, which may hold a customer's value or a
 *		password.
 */
#ifndef CIMS_AUDIT_COMMAND_H
#define CIMS_AUDIT_COMMAND_H

#include "lib/stringinfo.h"
#include "nodes/parsenodes.h"

/* A command as it is about to run. */
typedef struct CimsCommand
{
	char operation;     /* of its event: C or G */
	bool listed;        /* recorded whatever it touches, others where they touch what is audited */
	bool tells;         /* recorded where the table that it names is audited */
	bool cluster;       /* other databases are told */
	bool early;         /* no rollback undoes what it does: recorded before it runs */
	bool content;       /* stored values read otherwise afterwards, and no row trigger fires */
	bool rewrites;      /* they do where the table is written anew */
	bool triggers;      /* switches triggers */
	bool keys;          /* may change by which columns rows are told apart */
	Oid relation;       /* the table that it names, 0 for none */
	List *joining;      /* of RangeVar: tables that become children of others */
	bool attaches;      /* ... as partitions: PostgreSQL gives them the parent's row triggers */
	List *leaving;      /* of CimsLeavingTable */
	const char *column; /* that gets another name, with ... */
	const char *new_column;
	List *users;         /* oids of relations that hold values of a type that it changes */
	List *names;         /* of the objects of the cluster that it names, for the watchdog: "role x" */
	StringInfoData json; /* the detail: an object that is not closed yet */
} CimsCommand;

/* An audited table that a command has touched, with the file that it had before. */
typedef struct CimsTouchedRelation
{
	Oid relation;
	Oid file;
} CimsTouchedRelation;

/* An audited table that may leave the one with whose options it is audited. */
typedef struct CimsLeavingTable
{
	Oid relation;
	Oid root;
} CimsLeavingTable;

/* command.c */
extern void cims_command_init(void);
extern bool cims_command_rest(bool on); /* while on, commands of the record itself are not recorded; the former value */

/* aftercare.c: gives audited tables what a command has left them without; relations: of CimsTouchedRelation */
extern bool cims_command_is_audited(Oid relation);
extern void cims_command_aftercare_init(void);
extern void cims_command_prepare(const CimsCommand *command);
extern void cims_command_look_after(const CimsCommand *command, List *relations);
extern void cims_command_explain(List *names); /* notes for the watchdog that this transaction's changes are recorded */

/* facts.c: what a statement is for the record, before it runs */
extern void cims_command_describe(Node *statement, CimsCommand *command);
extern char *cims_command_name(Node *name);                    /* a name as it stands in a parse tree, quoted; NULL for what holds none */
extern char *cims_command_relation(RangeVar *range, Oid *oid); /* the qualified name of a relation; its oid, 0 where there is none */
extern void cims_command_add_name(CimsCommand *command, const char *kind, const char *name);

/* facts_table.c */
extern void cims_command_alter_table(AlterTableStmt *statement, CimsCommand *command);
extern void cims_command_create_table(CreateStmt *statement, CimsCommand *command);
extern void cims_command_alter_enum(AlterEnumStmt *statement, CimsCommand *command);

/* facts_role.c */
extern bool cims_command_role(Node *statement, CimsCommand *command); /* false: not of roles, settings and grants */
extern void cims_command_options(CimsCommand *command, List *options);
extern void cims_command_roles(CimsCommand *command, const char *key, List *roles);

#endif
