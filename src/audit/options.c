/*
 * options.c
 *		Keep the options of audited tables true when a column gets another name:
 *		one that is left out of the record must not come into it.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "audit/internal.h"

#define FOLLOW \
	"UPDATE cims.audited_table SET omit = pg_catalog.array_replace(omit, $2, $3), " \
	"hash = pg_catalog.array_replace(hash, $2, $3) " \
	"WHERE relation OPERATOR(pg_catalog.=) $1 AND ($2 OPERATOR(pg_catalog.=) ANY (omit) OR $2 OPERATOR(pg_catalog.=) ANY (hash))"

/* Follow a column that was renamed; the options are those of the table, or of its ancestor. */
void
cims_audit_follow_rename(RenameStmt *statement)
{
	Oid types[] = {OIDOID, NAMEOID, NAMEOID};
	NameData old;
	NameData new;
	Datum args[] = {0, NameGetDatum(&old), NameGetDatum(&new)};
	Oid relation;
	Oid root;
	Oid user;
	int context;

	if (statement->renameType != OBJECT_COLUMN || statement->relation == NULL)
		return;
	relation = RangeVarGetRelid(statement->relation, NoLock, true);
	root = OidIsValid(relation) ? cims_audit_root(relation, NULL) : InvalidOid;
	if (!OidIsValid(root))
		return;
	args[0] = ObjectIdGetDatum(root);
	namestrcpy(&old, statement->subname);
	namestrcpy(&new, statement->newname);

	/* whoever owns the table may rename its column, but not change how it is audited */
	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID, context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_NOFORCE_RLS);
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	if (SPI_execute_with_args(FOLLOW, lengthof(types), types, args, NULL, false, 0) != SPI_OK_UPDATE)
		elog(ERROR, "could not follow a renamed column");
	SPI_finish();
	PopActiveSnapshot();
	SetUserIdAndSecContext(user, context);
}
