/*
 * module.c
 *		Start the ledger.
 */
#include "postgres.h"

#include "ledger/verify.h"

int cims_seal_batch = 1000000;
char *cims_ledger_origin = NULL;
char *cims_ledger_witness = NULL;

/* Define the settings, guard the tables, take part in key rotation. */
void
cims_ledger_init(void)
{
	DefineCustomIntVariable("cims.seal_batch",
							"Sets the most events that one block of the ledger takes.",
							"Where more wait, they are sealed in several blocks, each committed by itself.",
							&cims_seal_batch, 1000000, 1, INT_MAX, PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("cims.ledger_origin",
							   "Sets how the origin of the ledger's checkpoints begins.",
							   "Read when an incarnation begins; its number and random digits are appended. Empty: made of system identifier and database.",
							   &cims_ledger_origin, "", PGC_SUSET, 0, cims_ledger_check_origin, NULL, NULL);
	DefineCustomStringVariable("cims.ledger_witness_file",
							   "Sets the file that keeps the last signed checkpoint outside the data directory.",
							   "%d stands for the OID of the database. Empty: none.",
							   &cims_ledger_witness, "", PGC_SIGHUP, GUC_SUPERUSER_ONLY, cims_witness_check_path, NULL, NULL);

	cims_audit_guard("ledger_key");
	cims_audit_guard("ledger_incarnation");
	cims_audit_guard("block");
	cims_audit_guard("tile");
	cims_audit_guard("ledger_export");
	cims_ledger_key_init();
	cims_ledger_progress_init();
	cims_ledger_prune_init();
}
