-- The ledger: blocks, trees, checkpoints, proofs, receipts, and what is refused.
-- If this fails, what an auditor holds does not prove what it is taken to prove.
CREATE DATABASE cims_ledger TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_ledger
SET client_min_messages = warning;
CREATE EXTENSION cims;
SET client_min_messages = notice;
\set SHOW_CONTEXT never
-- what a statement fails with
CREATE FUNCTION failure(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
	hint text;
BEGIN
	EXECUTE statement;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(E'\n', SQLSTATE || ' ' || SQLERRM, nullif(detail, ''), nullif(hint, ''));
END $$;

-- before the beginning
SELECT failure('SELECT cims.checkpoint()');
SELECT failure('SELECT cims.verifier_key()');
CALL cims.seal_ledger();
SELECT cims.init();
SELECT incarnation, size, unsealed_events > 0 AS unsealed, lag > interval '0' AS lag, worker FROM cims.ledger_status;

-- what the definition of blocks says, in SQL of its own: leaves, and the root of the tree (RFC 6962, 2.1)
CREATE FUNCTION merkle_root(hashes bytea[]) RETURNS bytea LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
	n int := cardinality(hashes);
	k int := 1;
BEGIN
	IF n = 1 THEN
		RETURN hashes[1];
	END IF;
	WHILE k * 2 < n LOOP
		k := k * 2;
	END LOOP;
	RETURN sha256('\x01' || merkle_root(hashes[:k]) || merkle_root(hashes[k + 1:]));
END $$;
CREATE VIEW leaf AS
	SELECT b.incarnation, b.number, e.xid, e.seq, sha256('\x00' || e.entry) AS hash,
		row_number() OVER (PARTITION BY b.incarnation ORDER BY b.number, e.xid, e.seq) - 1 AS index
	FROM cims.block b JOIN cims.event e ON CASE WHEN b.own_xid IS NOT NULL THEN e.xid = b.own_xid
		ELSE pg_visible_in_snapshot(e.xid, b.snapshot) AND NOT pg_visible_in_snapshot(e.xid, b.since)
			AND e.xid NOT IN (SELECT i.xid FROM cims.ledger_incarnation i)
			AND (b.after_xid IS NULL OR (e.xid, e.seq) > (b.after_xid, b.after_seq))
			AND (b.upto_xid IS NULL OR (e.xid, e.seq) <= (b.upto_xid, b.upto_seq)) END;
CREATE VIEW block_check AS
	SELECT b.number, b.size = (SELECT count(*) FROM leaf l WHERE l.incarnation = b.incarnation AND l.number <= b.number) AS size,
		b.root = merkle_root((SELECT array_agg(l.hash ORDER BY l.index) FROM leaf l
			WHERE l.incarnation = b.incarnation AND l.number <= b.number)) AS root,
		split_part(convert_from(b.note, 'UTF8'), E'\n', 2)::bigint = b.size
			AND decode(split_part(convert_from(b.note, 'UTF8'), E'\n', 3), 'base64') = b.root AS note
	FROM cims.block b;

-- the first seal begins the ledger
CALL cims.seal_ledger();
SELECT number, incarnation, own_xid IS NOT NULL AS begins, first_leaf, size > first_leaf AS leaves FROM cims.block ORDER BY number;
SELECT id, reason, former_origin, witness_origin, regexp_replace(origin, '^cims/\d+/\d+/1-[0-9a-f]{8}$', 'as it should be') AS origin FROM cims.ledger_incarnation;
SELECT * FROM block_check ORDER BY number;
SELECT incarnation, unsealed_events, oldest_unsealed, lag FROM cims.ledger_status;
-- nothing new, no block
CALL cims.seal_ledger();
SELECT count(*) FROM cims.block;

-- a checkpoint is a signed note of three lines
SELECT cims.checkpoint() ~ E'^cims/\\d+/\\d+/1-[0-9a-f]{8}\n\\d+\n[A-Za-z0-9+/]{43}=\n\n\u2014 cims/\\d+/\\d+/1-[0-9a-f]{8} [A-Za-z0-9+/]{91}=\n$' AS shape,
	cims.checkpoint() = (SELECT convert_from(note, 'UTF8') FROM cims.block ORDER BY number DESC LIMIT 1) AS newest,
	split_part(cims.checkpoint(), E'\n', 1) = split_part(cims.verifier_key(), '+', 1) AS named,
	cims.checkpoint((SELECT size FROM cims.block WHERE number = 1)) = (SELECT convert_from(note, 'UTF8') FROM cims.block WHERE number = 1) AS older;
SELECT failure('SELECT cims.checkpoint(1000000)') ~ '^42704 no checkpoint of ".*" was signed for 1000000 leaves$' AS none;

-- two hundred and more leaves: several tiles, one at a time and many at once
SELECT count(cims.record_event('M', 0, jsonb_build_object('test', g))) FROM generate_series(1, 700) g;
CALL cims.seal_ledger();
SELECT cims.record_event('M', 0, '{"test": "one"}') > 0 AS recorded;
CALL cims.seal_ledger();
SELECT number, size, root, note FROM block_check ORDER BY number;
SELECT level, count(*) = ceil(floor(max(s.size) / 256 ^ level) / 256) AS all_there,
	bool_and(octet_length(hashes) / 32 = least(256, floor(s.size / 256 ^ level) - 256 * index)) AS full_or_last
FROM cims.tile, (SELECT max(size) FROM cims.block) s (size) GROUP BY level ORDER BY level;

-- a delta of more events than a block takes is cut, and goes on where it was cut
SET cims.seal_batch = 100;
SELECT count(cims.record_event('M', 0, jsonb_build_object('test', g))) FROM generate_series(1, 250) g;
BEGIN;
SELECT cims.record_event('M', 0, '{"test": "next"}') > 0 AS recorded;
COMMIT;
CALL cims.seal_ledger();
SELECT number, size - first_leaf AS leaves, after_xid IS NOT NULL AS goes_on, upto_xid IS NOT NULL AS cut FROM cims.block WHERE number > 4 ORDER BY number;
SELECT number, size, root, note FROM block_check WHERE number > 4 ORDER BY number;
-- exactly as many
SELECT count(cims.record_event('M', 0, jsonb_build_object('test', g))) FROM generate_series(1, 100) g;
CALL cims.seal_ledger();
SELECT number, size - first_leaf AS leaves, after_xid IS NOT NULL AS goes_on, upto_xid IS NOT NULL AS cut FROM cims.block WHERE number > 7 ORDER BY number;
RESET cims.seal_batch;

-- every event is found, and proven, at the place that the definition gives it
SELECT count(*) > 1000 AS events,
	count(*) FILTER (WHERE (regexp_match(cims.inclusion_proof(l.xid, l.seq), E'^c2sp\\.org/tlog-proof@v1\nindex (\\d+)\n'))[1]::bigint = l.index) = count(*) AS found
FROM leaf l;
SELECT cims.inclusion_proof(seq) = cims.inclusion_proof(xid, seq) AS by_number FROM leaf WHERE index = 300;

-- proofs of consistency between all sizes that were signed hold (RFC 9162, 2.1.4.2)
CREATE FUNCTION is_consistent(size1 bigint, root1 bytea, size2 bigint, root2 bytea, proof text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	path bytea[] := ARRAY(SELECT decode(line, 'base64') FROM regexp_split_to_table(proof, E'\n') line WHERE line <> '');
	fn bigint := size1 - 1;
	sn bigint := size2 - 1;
	fr bytea;
	sr bytea;
	c bytea;
BEGIN
	IF size1 = size2 THEN
		RETURN path = '{}' AND root1 = root2;
	END IF;
	IF size1 & (size1 - 1) = 0 THEN
		path := root1 || path;
	END IF;
	WHILE fn & 1 = 1 LOOP
		fn := fn >> 1;
		sn := sn >> 1;
	END LOOP;
	fr := path[1];
	sr := path[1];
	FOREACH c IN ARRAY path[2:] LOOP
		IF sn = 0 THEN
			RETURN false;
		END IF;
		IF fn & 1 = 1 OR fn = sn THEN
			fr := sha256('\x01' || c || fr);
			sr := sha256('\x01' || c || sr);
			WHILE fn & 1 = 0 AND fn <> 0 LOOP
				fn := fn >> 1;
				sn := sn >> 1;
			END LOOP;
		ELSE
			sr := sha256('\x01' || sr || c);
		END IF;
		fn := fn >> 1;
		sn := sn >> 1;
	END LOOP;
	RETURN sn = 0 AND fr = root1 AND sr = root2;
END $$;
SELECT count(*), bool_and(is_consistent(a.size, a.root, b.size, b.root, cims.consistency_proof(a.size, b.size))) AS consistent
FROM cims.block a JOIN cims.block b ON a.size <= b.size;
SELECT regexp_replace(failure('SELECT cims.consistency_proof(0, 5)'), '".*" has \d+', '"..." has N');
SELECT failure('SELECT cims.consistency_proof(5, 4)') ~ 'between 5 and 4' AS backwards,
	failure('SELECT cims.consistency_proof(5, 1000000)') ~ 'between 5 and 1000000' AS beyond,
	cims.consistency_proof(NULL, 4) IS NULL AS nothing;

-- what is not sealed has no proof
SELECT cims.record_event('M', 0, '{"test": "unsealed"}') AS seq \gset
SELECT replace(failure(format('SELECT cims.receipt(%s)', :seq)), :'seq', 'N');
SELECT failure('SELECT cims.receipt(1000000)');
SELECT failure($$SELECT cims.inclusion_proof('5', 1000000)$$);
CALL cims.seal_ledger();

-- a receipt carries the entry, and the payload for whom may read it
CREATE ROLE cims_ledger_teller;
GRANT EXECUTE ON FUNCTION cims.receipt(bigint) TO cims_ledger_teller;
CREATE FUNCTION extra(receipt text) RETURNS bytea LANGUAGE sql AS $$ SELECT decode(substr(split_part(receipt, E'\n', 2), 7), 'base64') $$;
SELECT extra(cims.receipt(e.seq)) = e.entry || e.payload AS whole FROM cims.event e WHERE seq = :seq;
CREATE TABLE teller_receipt (receipt text);
GRANT INSERT ON teller_receipt TO cims_ledger_teller;
SET ROLE cims_ledger_teller;
INSERT INTO teller_receipt SELECT cims.receipt(:seq);
-- who may do nothing reads checkpoints and keys, and nothing else
SELECT cims.checkpoint() IS NOT NULL AS checkpoint, cims.verifier_key() IS NOT NULL AS verifier_key, cims.consistency_proof(1, 2) IS NOT NULL AS proof;
CALL cims.seal_ledger();
SELECT failure(statement) FROM (VALUES
	('SELECT cims.inclusion_proof(1)'), ('SELECT cims.unsealed_events()'), ('SELECT cims.worker_state()'), ('SELECT FROM cims.ledger_status'),
	('SELECT FROM cims.block'), ('SELECT FROM cims.tile'), ('SELECT FROM cims.ledger_key'), ('SELECT FROM cims.ledger_incarnation')) s (statement);
RESET ROLE;
SELECT extra(receipt) = e.entry AS entry_alone FROM teller_receipt, cims.event e WHERE seq = :seq;
-- who may call it needs no privilege on the tables
GRANT EXECUTE ON PROCEDURE cims.seal_ledger() TO cims_ledger_teller;
SELECT cims.record_event('M', 0, '{"test": "teller"}') > 0 AS recorded;
SET ROLE cims_ledger_teller;
CALL cims.seal_ledger();
RESET ROLE;
SELECT unsealed_events FROM cims.ledger_status;

-- never within a transaction
BEGIN;
CALL cims.seal_ledger();
ROLLBACK;
SELECT failure('CALL cims.seal_ledger()');
CREATE PROCEDURE seals() LANGUAGE plpgsql AS $$ BEGIN CALL cims.seal_ledger(); END $$;
CALL seals();

-- nobody writes the ledger's tables
SELECT failure(statement) FROM (VALUES
	('UPDATE cims.block SET size = size + 1'), ('DELETE FROM cims.tile'), ('TRUNCATE cims.ledger_key'),
	('INSERT INTO cims.ledger_incarnation SELECT * FROM cims.ledger_incarnation'), ('ALTER TABLE cims.block DISABLE TRIGGER ALL'),
	('DROP TABLE cims.tile'), ('CREATE RULE away AS ON INSERT TO cims.block DO INSTEAD NOTHING')) s (statement);

-- the signing key goes along with the master key
SELECT cims.verifier_key() AS before \gset
SELECT cims.rotate_master_key(2);
SELECT id, master_key_id FROM cims.ledger_key;
SELECT cims.record_event('M', 0, '{"test": "rotated"}') > 0 AS recorded;
CALL cims.seal_ledger();
SELECT cims.verifier_key() = :'before' AS same_key, unsealed_events FROM cims.ledger_status;
-- a new key: the old tree names it, a new one is signed by it
BEGIN;
CALL cims.rotate_ledger_key();
ROLLBACK;
SET client_min_messages = error;
CALL cims.rotate_ledger_key('a "test" of it');
RESET client_min_messages;
SELECT i.id, i.key_id, i.reason, i.former_size = b.size AND i.former_root = b.root AS goes_on FROM cims.ledger_incarnation i
	LEFT JOIN cims.block b ON b.incarnation = i.id - 1 AND b.size = i.former_size ORDER BY i.id;
SELECT decode(regexp_replace(cims.verifier_key(), '^[^+]*\+[0-9a-f]{8}\+', ''), 'base64') = '\x01' || public_key AS new_key
FROM cims.ledger_key WHERE id = 2;
SELECT l.incarnation, convert_from(substr(payload, position('{"event"'::bytea IN payload)), 'UTF8')::jsonb - 'public_key' AS detail,
	decode(convert_from(substr(payload, position('{"event"'::bytea IN payload)), 'UTF8')::jsonb ->> 'public_key', 'base64') = k.public_key AS names_it
FROM cims.event e JOIN leaf l USING (xid, seq), cims.ledger_key k WHERE k.id = 2 AND position('{"event": "ledger key"'::bytea IN payload) > 0;
SELECT count(*) FILTER (WHERE NOT (size AND root AND note)) AS wrong FROM block_check;
-- the master key takes both along
SELECT cims.rotate_master_key(3);
SELECT id, master_key_id FROM cims.ledger_key ORDER BY id;
SELECT cims.record_event('M', 0, '{"test": "rotated again"}') > 0 AS recorded;
CALL cims.seal_ledger();
-- a locked keyring signs nothing, loses nothing, and goes on
SELECT cims.lock();
SELECT cims.record_event('M', 0, '{"test": "locked"}') > 0 AS recorded;
CALL cims.seal_ledger();
SELECT cims.unlock();
CALL cims.seal_ledger();
SELECT unsealed_events FROM cims.ledger_status;

-- a copy of the database is told from it, and goes on in a tree of its own that names the former
\c postgres
CREATE DATABASE cims_ledger_copy TEMPLATE cims_ledger;
\c cims_ledger_copy
SELECT cims.record_event('M', 0, '{"test": "in the copy"}') > 0 AS recorded;
SET client_min_messages = error;
CALL cims.seal_ledger();
RESET client_min_messages;
SELECT i.id, i.reason, i.former_origin = f.origin AS former, i.former_size = b.size AND i.former_root = b.root AS as_it_ended, i.database <> f.database AS elsewhere,
	i.origin <> f.origin AS another
FROM cims.ledger_incarnation i, cims.ledger_incarnation f, cims.block b
WHERE i.id = 3 AND f.id = 2 AND b.number = (SELECT max(number) FROM cims.block WHERE incarnation = 2);
SELECT number - first AS number, incarnation, own_xid IS NOT NULL AS begins, first_leaf, size FROM cims.block, (SELECT max(number) FROM cims.block WHERE incarnation = 2) f (first)
WHERE incarnation = 3 ORDER BY number;
SELECT count(*) FILTER (WHERE NOT (size AND root AND note)) AS wrong FROM block_check;
-- its first leaf says so
SELECT convert_from(substr(payload, position('{"event"'::bytea IN payload)), 'UTF8')::jsonb - ARRAY['origin', 'system_identifier', 'database', 'timeline'] #- '{former,origin}' #- '{former,root}' #- '{former,size}' AS first_leaf
FROM cims.event e JOIN leaf l USING (seq) WHERE l.incarnation = 3 AND l.index = 0;
-- leaves of the former tree are proven by its last checkpoint
SELECT split_part(split_part(cims.inclusion_proof(xid, seq), E'\n\n', 2), E'\n', 1) = (SELECT origin FROM cims.ledger_incarnation WHERE id = l.incarnation) AS by_its_own_tree, count(*) > 0 AS some
FROM leaf l GROUP BY 1;
SELECT cims.consistency_proof(1, 2, (SELECT origin FROM cims.ledger_incarnation WHERE id = 1)) IS NOT NULL AS former_proof,
	cims.verifier_key((SELECT origin FROM cims.ledger_incarnation WHERE id = 1)) = :'before' AS former_key;
SELECT failure($$SELECT cims.verifier_key('nobody')$$);

-- the origin is the site's own where it is told
\c postgres
CREATE DATABASE cims_ledger_named TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
ALTER DATABASE cims_ledger_named SET cims.ledger_origin = 'ledger.example.com/crm';
\c cims_ledger_named
SET client_min_messages = warning;
CREATE EXTENSION cims;
SELECT cims.init();
CALL cims.seal_ledger();
SELECT regexp_replace(origin, '-[0-9a-f]{8}$', '-...') FROM cims.ledger_incarnation;
SET cims.ledger_origin = 'two words';
SET cims.ledger_origin = 'a+b';
SET cims.ledger_origin = '账本';

-- a database of another encoding lacks a character of signed notes: it seals, exports, and does not show them
\c postgres
CREATE DATABASE cims_ledger_latin TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_ledger_latin
SET client_min_messages = warning;
CREATE EXTENSION cims;
SELECT cims.init();
CALL cims.seal_ledger();
SELECT count(*), bool_and(convert_from(substr(note, 1, position('\x0a0a' IN note)), 'LATIN1') ~ '^cims/') AS signed FROM cims.block;
SELECT cims.checkpoint();
SELECT cims.verifier_key() ~ '^cims/.*\+[0-9a-f]{8}\+' AS key;

\c postgres
DROP DATABASE cims_ledger_latin;
DROP DATABASE cims_ledger_named;
DROP DATABASE cims_ledger_copy;
DROP DATABASE cims_ledger;
DROP ROLE cims_ledger_teller;
