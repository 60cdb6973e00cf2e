/*
 * internal.h
 *		What the files of the ledger share among themselves.
 */
#ifndef CIMS_LEDGER_INTERNAL_H
#define CIMS_LEDGER_INTERNAL_H

#include "fmgr.h"
#include "utils/guc.h"

#include "audit/audit.h"
#include "base/base.h"
#include "keyring/keyring.h"
#include "ledger/ledger.h"

/* module.c: settings */
extern int cims_seal_batch;       /* most events in a block */
extern char *cims_ledger_origin;  /* "" where made of system identifier and database */
extern char *cims_ledger_witness; /* pattern of the witness file's path, "" for none */

/* tree.c: how many hashes a tile has, -1 where it is not there; hashes and first may be NULL */
extern int cims_tile_fetch(int32 incarnation, int level, uint64 index, CimsMerkleHash *hashes, CimsLeafKey *first);

/* store.c: the table of the ledger by name, or an error */
extern Oid cims_ledger_table(const char *name);

/* write.c: stores rows; within cims_ledger_write_begin and _end, which connect to SPI and open the guard */
typedef struct CimsWriter
{
	bool guard;
	Oid user;
	int security;
	int n_plans;
	void *plans[5]; /* SPI plans by statement */
} CimsWriter;
extern void cims_ledger_write_begin(CimsWriter *writer);
extern void cims_ledger_write_end(CimsWriter *writer);
extern void cims_ledger_write_key(CimsWriter *writer, int32 id, const unsigned char *public_key, const bytea *wrapped);
extern void cims_ledger_write_incarnation(CimsWriter *writer, const CimsIncarnation *incarnation);
extern void cims_ledger_write_tile(CimsWriter *writer, int32 incarnation, int level, uint64 index,
								   const CimsLeafKey *first, const CimsMerkleHash *hashes, int n);
extern void cims_ledger_write_block(CimsWriter *writer, const CimsBlock *block);

extern void cims_ledger_note_export(const char *directory, int32 incarnation, uint64 size); /* in the current transaction */

/* grow.c: appends leaves to a tree and keeps its tiles; state in the memory context it was opened in */
typedef struct CimsGrowth CimsGrowth;
extern CimsGrowth *cims_growth_open(int32 incarnation, uint64 size, CimsWriter *writer);
extern void cims_growth_append(CimsGrowth *growth, const CimsLeafKey *key, CimsBytes entry);
extern uint64 cims_growth_size(const CimsGrowth *growth);
extern void cims_growth_finish(CimsGrowth *growth, CimsMerkleHash *root); /* stores the partial tiles */

/* key.c */
extern void cims_ledger_key_init(void);
extern int32 cims_ledger_key_ensure(CimsWriter *writer); /* the id of the last key, made where there is none */
extern int32 cims_ledger_key_newest(void);               /* its id, 0 where there is none */
extern void cims_ledger_key_require(void);               /* raises where the master key is not at hand */
extern char *cims_ledger_sign(const CimsIncarnation *incarnation, uint64 size, const CimsMerkleHash *root);
extern bool cims_ledger_verify_note(CimsBytes note, CimsTreeHead *head); /* signed by any key of this ledger; head is palloc'd */

/* witness.c: the checkpoint that was signed last, outside the data directory */
extern bool cims_witness_set(void);                /* a file is set */
extern bool cims_witness_read(CimsTreeHead *head); /* false where there is no file yet */
extern void cims_witness_write(const char *note);
/* tells whether what the file said is in this ledger, or was named when an incarnation began */
extern bool cims_witness_agrees(const CimsTreeHead *witness, const CimsIncarnation *current);
extern bool cims_witness_check_path(char **value, void **extra, GucSource source);

/* begin.c: begins an incarnation, in the current transaction; former and last are NULL for the first */
extern void cims_ledger_begin(const char *reason, const CimsIncarnation *former, const CimsBlock *last,
							  const CimsTreeHead *witness);
/* what is not as it was when a block was sealed: a reason to begin an incarnation, or NULL */
extern const char *cims_ledger_moved(const CimsBlock *block);
extern bool cims_ledger_check_origin(char **value, void **extra, GucSource source);

/* prune.c */
extern void cims_ledger_prune_init(void);

/* durable.c: commits of this transaction, or GUC nest level, wait for the disk and the standbys */
extern void cims_ledger_synchronous(void);

/* seal.c: for procedures: raises where they may not commit; seals */
extern void cims_ledger_require_call(FunctionCallInfo fcinfo);
extern void cims_ledger_seal_in_call(void);

/* seal.c: the range of what is not sealed yet; last is the last block, NULL for none; fresh: past what was cut */
extern void cims_ledger_open_range(const CimsBlock *last, bool fresh, CimsDeltaRange *range);

#endif
