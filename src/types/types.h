/*
 * types.h
 *		The encrypted types: one datum, one core, thin input and output.
 *
 * A value is a varlena whose bytes are the sealed format of crypto/crypto.h.
 * Plaintext is sealed in a form that outlives servers: text in UTF-8, numeric
 * in the binary form of numeric_send, date and timestamptz as big-endian
 * integers (days, microseconds since 2000-01-01), jsonb as UTF-8 text, bytea
 * as it is.
 */
#ifndef CIMS_TYPES_H
#define CIMS_TYPES_H

#include "executor/execdesc.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "nodes/parsenodes.h"
#include "parser/parse_node.h"
#include "utils/relcache.h"
#include "cims_compat.h"
#include "crypto/crypto.h"
#include "keyring/keyring.h"

#define CIMS_TYPE_COUNT 6

/* level.c: installs the hooks and settings of this part; from _PG_init */
extern void cims_types_init(void);

/* oids.c: the objects of the extension in this database */
typedef struct CimsTypeOids
{
	bool installed;
	Oid enc[CIMS_TYPE_COUNT + 1];       /* by CimsSealedType */
	Oid enc_array[CIMS_TYPE_COUNT + 1]; /* their array types */
} CimsTypeOids;
extern const CimsTypeOids *cims_type_oids(void);
extern CimsSealedType cims_type_of_oid(Oid type);       /* 0 where it is no encrypted type */
extern CimsSealedType cims_type_of_array_oid(Oid type); /* 0 where it is no array of one */
extern Oid cims_plain_oid(CimsSealedType type);
extern bool cims_type_holds_encrypted(Oid type); /* itself, or in its elements or columns */

/* plain.c: plaintext as a Datum of the plain type, as sealed bytes, as text */
extern Datum cims_plain_input(CimsSealedType type, char *text);
extern Datum cims_plain_receive(CimsSealedType type, StringInfo buf);
extern char *cims_plain_output(CimsSealedType type, Datum plain);
extern bytea *cims_plain_send(CimsSealedType type, Datum plain);
extern CimsBytes cims_plain_to_bytes(CimsSealedType type, Datum plain);
extern Datum cims_plain_from_bytes(CimsSealedType type, CimsBytes bytes);
extern bool cims_plain_is_normal(CimsSealedType type, CimsNormalForm form);      /* its sealed bytes are the normal form */
extern bool cims_plain_is_as_sealed(CimsSealedType type, struct varlena *bytes); /* the sealed bytes are the Datum */
extern CimsBytes cims_plain_normal_form(CimsSealedType type, Datum plain, CimsNormalForm form);
extern Datum cims_plain_fold(CimsSealedType type, Datum plain, CimsNormalForm form);
extern int cims_plain_compare(CimsSealedType type, Datum a, Datum b, Oid collation);
extern Datum cims_plain_limit(CimsSealedType type, Datum plain, const CimsClass *class);

/* value.c: a detoasted value taken apart; raises data_corrupted where it is no sealed value */
extern void cims_value_parse(struct varlena *value, CimsSealed *sealed);
extern void cims_value_check_type(const CimsSealed *sealed, CimsSealedType type);

/*
 * value.c: the plaintext of a value as a Datum of its plain type, palloc'd in
 * the current memory context.  No level is checked here.  Raises where keys
 * are missing or the value is damaged, naming class and key version.
 */
extern Datum cims_value_reveal(struct varlena *value);

/* value.c: the same of a parsed value; false where authentication fails */
extern bool cims_value_open(const CimsSealed *sealed, CimsDataKey *key, Datum *plain);

/* value.c: as cims_value_reveal, but of a parsed value of enc_text alone; as sealed, in UTF-8 that is not checked */
extern text *cims_value_reveal_text(const CimsSealed *sealed);
extern struct varlena *cims_value_reveal_utf8(const CimsSealed *sealed);

/* value.c: seals a plaintext under a class's active key; class_id < 1 stands for "default", a literal in flight */
extern struct varlena *cims_value_seal(CimsSealedType type, Datum plain, int32 class_id);
extern void cims_class_to_seal(int32 class_id, CimsClass *class); /* a copy of that class */
extern struct varlena *cims_value_seal_under(CimsSealedType type, Datum plain, const CimsClass *class);

/* value.c: a literal in flight whose token is that of another class's normal form */
extern struct varlena *cims_value_seal_literal(CimsSealedType type, Datum plain, CimsNormalForm form);

/* literal.c */
extern void cims_literal_remember(CimsBytes sealed, const unsigned char *nonce, CimsBytes plain);
extern bool cims_literal_recall(const CimsSealed *sealed, unsigned char *out);

/* sealed_text.c: the armored text of a value, NUL-terminated, as the current role may have it */
extern char *cims_value_armor(struct varlena *value);

/* definition.c: what comes to stand in catalogs, where every role reads the bytes */
extern void cims_definition_check_value(const CimsSealed *sealed);
extern void cims_definition_check_view(Oid rule);
extern void cims_definition_check_partition_key(Relation rel);
extern void cims_definition_check_partition_bounds(Node *statement);
extern void cims_definition_check_printing(void); /* raises where trees and plans are printed to an ordinary role */

/* sealed_text.c: the value of an armored text; raises where it is none */
extern struct varlena *cims_value_of_armor(const char *armor, size_t len, CimsSealed *sealed);

/* token.c: the equality token of a normal form, of a plaintext, and of a value (by decryption where it carries none) */
extern CimsTokenScheme cims_token_of_normal_form(CimsSealedType type, CimsBytes normal_form,
												 unsigned char token[CIMS_TOKEN_LEN]);
extern void cims_token_of_plain(CimsSealedType type, Datum plain, CimsNormalForm form,
								unsigned char token[CIMS_TOKEN_LEN]);
extern MemoryContext cims_scratch_enter(void); /* a context for what a comparison opens */
extern void cims_scratch_leave(MemoryContext caller);
extern void cims_token_of_value(struct varlena *value, unsigned char token[CIMS_TOKEN_LEN]);

/* value.c: the normal form under which values of a class are equal and ordered */
extern CimsNormalForm cims_class_normal_form(int32 class_id);

/* level.c: raises insufficient_privilege where the current role holds less than level on the class */
extern void cims_require_level(int32 class_id, CimsLevel level);

/* level.c: the level at which the current role sees values of a class now: none where output is sealed */
extern CimsLevel cims_display_level(int32 class_id);
extern bool cims_output_is_sealed(void);
extern bool cims_output_seal(bool on); /* seals output within this backend's own work; returns what it was, which the caller puts back */
extern bool cims_input_is_sealed(void);
extern void cims_require_search(int32 class_id); /* "search", unless exempt; literals need none */

/* column_list.c */
extern void cims_column_list_check(const Query *query); /* refuses classes in column definition lists */
extern void cims_column_list_check_rule(const RuleStmt *rule);

/* foreign_key.c */
extern void cims_foreign_key_init(void);
extern int cims_executor_depth(void);                  /* how many executors run within each other */
extern bool cims_equality_is_exempt(void);             /* a foreign-key check runs, or logical apply */
extern int cims_foreign_key_enter(void);               /* the planner, or the start or run of an executor, begins */
extern void cims_foreign_key_leave(int outer);         /* and ends; outer: what cims_foreign_key_enter returned */
extern bool cims_foreign_key_plans(void);              /* what is being planned is a query of a foreign key itself */
extern bool cims_foreign_key_starts(QueryDesc *query); /* a query that starts is that of a foreign-key check */

/* index.c: installs the hook that hides indexes whose order a role may not see */
extern void cims_index_init(void);
extern bool cims_index_take_notice(bool begin);                                    /* the plan just made depends on the role */
extern void cims_index_check_conflicts(Relation relation, List *arbiters);         /* of who inserts with ON CONFLICT */
extern void cims_index_require_level(Oid relation, AttrNumber attnum, Oid family); /* of who makes an index on a column */

/* masking.c: the masked form of a plaintext: as text; as a Datum of the plain type, false where there is none */
extern char *cims_masked_text(CimsSealedType type, Datum plain, const CimsClass *class);
extern bool cims_masked_plain(CimsSealedType type, Datum plain, const CimsClass *class, Datum *masked);
extern void cims_refuse_stored_mask(CimsSealedType type, Datum plain, const CimsClass *class);
extern void cims_refuse_masked_text(CimsSealedType type, const char *text, int32 typmod);
extern const CimsClass *cims_class_of_value(const CimsSealed *sealed, CimsClass *copy);

/* io.c */
extern Datum cims_value_shown(struct varlena *value, CimsSealedType type);
extern struct varlena *cims_value_accept(CimsSealedType type, const char *armor, size_t len, int32 typmod);
extern struct varlena *cims_value_from_plain(CimsSealedType type, Datum plain, int32 typmod);

/* display.c: the order of what the current role sees; rewriting of queries to it */
extern int cims_display_compare(struct varlena *a, struct varlena *b, Oid collation);

/* rewrite.c, for inline.c and parameter.c: what the planner hook changes */
extern bool cims_rewrite_is_planning(void);
extern void cims_rewrite_check_record_operator(Oid opno); /* raises for the byte order of records, from ordinary roles */
extern bool cims_rewrite_sorts_by_token(Oid sortop);
extern bool cims_rewrite_changes(Node *node);
extern bool cims_rewrite_is_equality(Oid opno); /* of encrypted text */
extern Oid cims_rewrite_find_operator(const char *name, Oid left, Oid right);

/* result.c: plain types for the clients' results */
extern void cims_result_init(void);
extern void cims_result_rewrite(ParseState *pstate, Query *query);

/* parameter.c: plain types for the clients' parameters */
extern void cims_parameter_rewrite(ParseState *pstate, Query *query);

/* unchecked.c: plans that the guard need not look at */
extern bool cims_unchecked_query(Query *query);
extern void cims_unchecked_mark(PlannedStmt *plan);
extern bool cims_unchecked_is_marked(const PlannedStmt *plan);

/* rewrite.c, inline.c, guard.c, object.c: hooks; cluster.c and bare.c: what object.c asks of commands */
extern void cims_rewrite_init(void);
extern void cims_inline_init(void);
extern void cims_guard_init(void);
extern void cims_object_init(void);
extern void cims_object_check_index(Oid index);       /* raises where the innermost command's role may not know the order of an index */
extern bool cims_object_is_defined(void);             /* a command runs that stores what it parses */
extern bool cims_refreshing(const char *source_text); /* a query of REFRESH MATERIALIZED VIEW CONCURRENTLY itself, which compares rows by their bytes */
extern void cims_cluster_check(const ClusterStmt *statement, bool done);
extern bool cims_column_is_encrypted(Oid relation, const char *column);
extern List *cims_residue_columns(const AlterTableStmt *statement, Oid *relation, bool *analyzed); /* residue.c: the plain ones that change their type */
extern void cims_residue_note(Oid relation, List *columns, bool analyzed);                         /* of those that are encrypted now */
extern List *cims_bare_columns(const AlterTableStmt *statement, Oid *relation);                    /* the encrypted ones that change their type */
extern void cims_bare_warn(Oid relation, List *columns);                                           /* of those that are plain now */
extern void cims_check_record_order(Oid function);                                                 /* raises for the byte order of records, from ordinary roles */
extern bool cims_analyzing(void);                                                                  /* ANALYZE or VACUUM runs */
extern bool cims_altering_table(void);                                                             /* ALTER TABLE runs: its values come from the table, not from an application */

/* batch.c: called for each row that was changed, with all values of both; set by the part that records changes */
typedef void (*CimsBatchHook)(Relation relation, TupleTableSlot *old, TupleTableSlot *new);
extern CimsBatchHook cims_batch_hook;

#endif
