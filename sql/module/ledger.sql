-- The ledger: events sealed into a Merkle tree, signed checkpoints, proofs

-- Keys that sign
CREATE TABLE cims.ledger_key (
	id int PRIMARY KEY CHECK (id > 0),
	public_key bytea NOT NULL CHECK (octet_length(public_key) = 32),
	wrapped bytea NOT NULL,
	master_key_id int NOT NULL,
	created timestamptz NOT NULL DEFAULT pg_catalog.now()
);
COMMENT ON TABLE cims.ledger_key IS 'Ed25519 keys that sign checkpoints';
COMMENT ON COLUMN cims.ledger_key.id IS 'counts from 1';
COMMENT ON COLUMN cims.ledger_key.public_key IS 'the public key, 32 bytes';
COMMENT ON COLUMN cims.ledger_key.wrapped IS 'the private key, wrapped by the master key';
COMMENT ON COLUMN cims.ledger_key.master_key_id IS 'number of the master key that wraps it';
COMMENT ON COLUMN cims.ledger_key.created IS 'when the key was made';

-- Trees: one after the other, each naming the one before it
CREATE TABLE cims.ledger_incarnation (
	id int PRIMARY KEY CHECK (id > 0),
	origin text NOT NULL UNIQUE,
	key_id int NOT NULL,
	system_identifier bigint NOT NULL,
	database oid NOT NULL,
	timeline int NOT NULL,
	xid xid8 NOT NULL,
	seq bigint NOT NULL,
	reason text NOT NULL CHECK (reason IN ('first', 'cluster', 'database', 'timeline', 'witness', 'key')),
	former_origin text,
	former_size bigint,
	former_root bytea,
	witness_origin text,
	witness_size bigint,
	witness_root bytea,
	began timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CHECK ((former_origin IS NULL) = (id = 1))
);
COMMENT ON TABLE cims.ledger_incarnation IS 'the trees of the ledger: a new one begins where the database is not, or may not be, what the last checkpoint was signed for';
COMMENT ON COLUMN cims.ledger_incarnation.id IS 'counts from 1';
COMMENT ON COLUMN cims.ledger_incarnation.origin IS 'first line of the checkpoints, and name of their key';
COMMENT ON COLUMN cims.ledger_incarnation.key_id IS 'the key that signs: cims.ledger_key.id';
COMMENT ON COLUMN cims.ledger_incarnation.system_identifier IS 'the cluster that it was begun in';
COMMENT ON COLUMN cims.ledger_incarnation.database IS 'the database that it was begun in';
COMMENT ON COLUMN cims.ledger_incarnation.timeline IS 'the timeline that it was begun on';
COMMENT ON COLUMN cims.ledger_incarnation.xid IS 'the transaction that began it: its events are the first leaves';
COMMENT ON COLUMN cims.ledger_incarnation.seq IS 'the event that tells of the beginning: the first leaf';
COMMENT ON COLUMN cims.ledger_incarnation.reason IS 'first; or what was not as it was: cluster, database, timeline; witness: the witness file had more, or something else; or key: cims.rotate_ledger_key';
COMMENT ON COLUMN cims.ledger_incarnation.former_origin IS 'origin of the incarnation before it';
COMMENT ON COLUMN cims.ledger_incarnation.former_size IS 'leaves of the incarnation before it, as far as this database knows them';
COMMENT ON COLUMN cims.ledger_incarnation.former_root IS 'root hash of the incarnation before it';
COMMENT ON COLUMN cims.ledger_incarnation.witness_origin IS 'origin of the checkpoint in the witness file, where that did not agree';
COMMENT ON COLUMN cims.ledger_incarnation.witness_size IS 'size of the checkpoint in the witness file, where that did not agree';
COMMENT ON COLUMN cims.ledger_incarnation.witness_root IS 'root hash of the checkpoint in the witness file, where that did not agree';
COMMENT ON COLUMN cims.ledger_incarnation.began IS 'when it began';

-- What one seal took
CREATE TABLE cims.block (
	number bigint PRIMARY KEY CHECK (number > 0),
	incarnation int NOT NULL,
	system_identifier bigint NOT NULL,
	database oid NOT NULL,
	timeline int NOT NULL,
	own_xid xid8,
	since pg_snapshot NOT NULL,
	snapshot pg_snapshot NOT NULL,
	after_xid xid8,
	after_seq bigint,
	upto_xid xid8,
	upto_seq bigint,
	first_leaf bigint NOT NULL,
	size bigint NOT NULL,
	root bytea NOT NULL,
	note bytea NOT NULL,
	sealed timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	milliseconds float8 NOT NULL,
	CHECK (size > first_leaf)
);
CREATE UNIQUE INDEX block_incarnation_size ON cims.block (incarnation, size);
COMMENT ON TABLE cims.block IS 'the blocks of the ledger: leaves in the order of transaction and number, those of the events that one seal took';
COMMENT ON COLUMN cims.block.number IS 'counts from 1 through all incarnations';
COMMENT ON COLUMN cims.block.incarnation IS 'the tree that it belongs to: cims.ledger_incarnation.id';
COMMENT ON COLUMN cims.block.system_identifier IS 'the cluster that it was sealed in';
COMMENT ON COLUMN cims.block.database IS 'the database that it was sealed in';
COMMENT ON COLUMN cims.block.timeline IS 'the timeline that it was sealed on';
COMMENT ON COLUMN cims.block.own_xid IS 'in the block that begins an incarnation: the transaction whose events it holds; the next four columns are then those of the block before';
COMMENT ON COLUMN cims.block.since IS 'events that this snapshot sees are in blocks before';
COMMENT ON COLUMN cims.block.snapshot IS 'events that this snapshot sees are in this block, unless they are in one before';
COMMENT ON COLUMN cims.block.after_xid IS 'where a large delta was cut: this block begins after this transaction and number';
COMMENT ON COLUMN cims.block.after_seq IS 'see after_xid';
COMMENT ON COLUMN cims.block.upto_xid IS 'where a large delta was cut: this block ends with this transaction and number; NULL where it was taken to its end';
COMMENT ON COLUMN cims.block.upto_seq IS 'see upto_xid';
COMMENT ON COLUMN cims.block.first_leaf IS 'index of its first leaf in the tree of its incarnation';
COMMENT ON COLUMN cims.block.size IS 'leaves in the tree of its incarnation with this block';
COMMENT ON COLUMN cims.block.root IS 'root hash of that tree';
COMMENT ON COLUMN cims.block.note IS 'the signed checkpoint: a C2SP signed note, in UTF-8';
COMMENT ON COLUMN cims.block.sealed IS 'when it was sealed';
COMMENT ON COLUMN cims.block.milliseconds IS 'how long that took, without the commit';

-- The tree's hashes
CREATE TABLE cims.tile (
	incarnation int NOT NULL,
	level int NOT NULL CHECK (level BETWEEN 0 AND 7),
	index bigint NOT NULL CHECK (index >= 0),
	first_xid xid8,
	first_seq bigint,
	hashes bytea NOT NULL CHECK (octet_length(hashes) BETWEEN 32 AND 8192),
	PRIMARY KEY (incarnation, level, index),
	CHECK ((level = 0) = (first_xid IS NOT NULL))
);
-- hashes do not compress
ALTER TABLE cims.tile ALTER hashes SET STORAGE external;
COMMENT ON TABLE cims.tile IS 'the hashes of the trees, 256 in a row, as in C2SP tlog-tiles; the last row of a level is kept up to date';
COMMENT ON COLUMN cims.tile.incarnation IS 'the tree: cims.ledger_incarnation.id';
COMMENT ON COLUMN cims.tile.level IS '0: hashes of leaves; above: of full tiles of the level below';
COMMENT ON COLUMN cims.tile.index IS 'place in the level, from 0';
COMMENT ON COLUMN cims.tile.first_xid IS 'of level 0: transaction of the event behind the first hash';
COMMENT ON COLUMN cims.tile.first_seq IS 'of level 0: number of the event behind the first hash';
COMMENT ON COLUMN cims.tile.hashes IS 'up to 256 hashes of 32 bytes';

REVOKE ALL ON cims.ledger_key, cims.ledger_incarnation, cims.block, cims.tile FROM PUBLIC;

-- What no hook of a statement sees: logical replication that applies to the ledger
CREATE TRIGGER refuse_change BEFORE INSERT OR UPDATE OR DELETE ON cims.ledger_key
	FOR EACH ROW EXECUTE FUNCTION cims.refuse_change();
ALTER TABLE cims.ledger_key ENABLE ALWAYS TRIGGER refuse_change;
COMMENT ON TRIGGER refuse_change ON cims.ledger_key IS 'refuses what replication would apply';
CREATE TRIGGER refuse_change BEFORE INSERT OR UPDATE OR DELETE ON cims.ledger_incarnation
	FOR EACH ROW EXECUTE FUNCTION cims.refuse_change();
ALTER TABLE cims.ledger_incarnation ENABLE ALWAYS TRIGGER refuse_change;
COMMENT ON TRIGGER refuse_change ON cims.ledger_incarnation IS 'refuses what replication would apply';
CREATE TRIGGER refuse_change BEFORE INSERT OR UPDATE OR DELETE ON cims.block
	FOR EACH ROW EXECUTE FUNCTION cims.refuse_change();
ALTER TABLE cims.block ENABLE ALWAYS TRIGGER refuse_change;
COMMENT ON TRIGGER refuse_change ON cims.block IS 'refuses what replication would apply';
CREATE TRIGGER refuse_change BEFORE INSERT OR UPDATE OR DELETE ON cims.tile
	FOR EACH ROW EXECUTE FUNCTION cims.refuse_change();
ALTER TABLE cims.tile ENABLE ALWAYS TRIGGER refuse_change;
COMMENT ON TRIGGER refuse_change ON cims.tile IS 'refuses what replication would apply';

-- Seal
CREATE PROCEDURE cims.seal_ledger()
	LANGUAGE c AS 'MODULE_PATHNAME', 'cims_seal_ledger';
COMMENT ON PROCEDURE cims.seal_ledger() IS
	'seals the events that have committed into the ledger and signs a checkpoint; commits, so it cannot be called within a transaction';
REVOKE ALL ON PROCEDURE cims.seal_ledger() FROM PUBLIC;

CREATE PROCEDURE cims.rotate_ledger_key(reason text DEFAULT NULL)
	LANGUAGE c AS 'MODULE_PATHNAME', 'cims_rotate_ledger_key';
COMMENT ON PROCEDURE cims.rotate_ledger_key(text) IS
	'makes a new key that signs, says so in the tree of the old one, and begins an incarnation; commits, so it cannot be called within a transaction';
REVOKE ALL ON PROCEDURE cims.rotate_ledger_key(text) FROM PUBLIC;

-- What is handed out
CREATE FUNCTION cims.checkpoint() RETURNS text
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cims_ledger_checkpoint_sql';
COMMENT ON FUNCTION cims.checkpoint() IS
	'the newest checkpoint, a C2SP signed note; it is on disk, and on the synchronous standbys, and in the witness file, where there are such';

CREATE FUNCTION cims.checkpoint(size bigint, origin text DEFAULT NULL) RETURNS text
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cims_ledger_checkpoint_of_size';
COMMENT ON FUNCTION cims.checkpoint(bigint, text) IS
	'the checkpoint that was signed for a size of the tree, of the present incarnation or of the one told; an error where none was';

CREATE FUNCTION cims.verifier_key(origin text DEFAULT NULL) RETURNS text
	LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_ledger_verifier_key';
COMMENT ON FUNCTION cims.verifier_key(text) IS
	'the key by which checkpoints are verified, of the present incarnation or of the one told; hand it out by another way than the checkpoints';

CREATE FUNCTION cims.consistency_proof(size1 bigint, size2 bigint, origin text DEFAULT NULL) RETURNS text
	LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_ledger_consistency_proof';
COMMENT ON FUNCTION cims.consistency_proof(bigint, bigint, text) IS
	'proof that the tree of size2 leaves continues that of size1 (RFC 9162, 2.1.4): hashes in base64, one a line';

CREATE FUNCTION cims.inclusion_proof(xid xid8, seq bigint) RETURNS text
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cims_ledger_inclusion_proof';
COMMENT ON FUNCTION cims.inclusion_proof(xid8, bigint) IS
	'proof that an event is a leaf of the tree of the newest checkpoint, with that checkpoint: a C2SP tlog-proof';

CREATE FUNCTION cims.inclusion_proof(seq bigint) RETURNS text
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cims_ledger_inclusion_proof_of_seq';
COMMENT ON FUNCTION cims.inclusion_proof(bigint) IS
	'the same by the number of the event alone, which is looked for in the whole index';

CREATE FUNCTION cims.receipt(xid xid8, seq bigint) RETURNS text
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cims_ledger_receipt';
COMMENT ON FUNCTION cims.receipt(xid8, bigint) IS
	'an event with the proof that it is on the record: a C2SP tlog-proof whose extra data are the entry and, for roles that may select from cims.event, the payload';

CREATE FUNCTION cims.receipt(seq bigint) RETURNS text
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cims_ledger_receipt_of_seq';
COMMENT ON FUNCTION cims.receipt(bigint) IS
	'the same by the number of the event alone, which is looked for in the whole index';

REVOKE ALL ON FUNCTION cims.inclusion_proof(xid8, bigint), cims.inclusion_proof(bigint),
	cims.receipt(xid8, bigint), cims.receipt(bigint) FROM PUBLIC;

CREATE FUNCTION cims.unsealed_events(OUT events bigint, OUT oldest timestamptz)
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cims_unsealed_events';
COMMENT ON FUNCTION cims.unsealed_events() IS 'how many events have committed and are not sealed, and when the oldest of them was written';
REVOKE ALL ON FUNCTION cims.unsealed_events() FROM PUBLIC;
