-- Verification of the ledger from within: what it says of an honest ledger, and
-- of checkpoints that are not of it.  If this fails, "verified" is said of what
-- was not, or an honest ledger is called altered.
CREATE DATABASE ledger_verification TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c ledger_verification
SET client_min_messages = warning;
CREATE EXTENSION cims;
SELECT cims.init();

-- nothing sealed: nothing is verified
SELECT check_name, ok FROM cims.verify_ledger() WHERE NOT ok ORDER BY 1;

SELECT cims.record_event('M', 0, '{"number": 1}') > 0 AS recorded;
CALL cims.seal_ledger();
SELECT cims.checkpoint() AS first \gset
-- without a checkpoint from outside it is never all well
SELECT check_name, ok, detail FROM cims.verify_ledger() WHERE NOT ok;
SELECT check_name, ok FROM cims.verify_ledger(:'first');

-- more than a tile of events, in several blocks
SELECT count(cims.record_event('M', 0, jsonb_build_object('number', i))) FROM generate_series(1, 300) AS i;
CALL cims.seal_ledger();
SELECT count(cims.record_event('M', 0, jsonb_build_object('number', i))) FROM generate_series(1, 700) AS i;
SET cims.seal_batch = 400;
CALL cims.seal_ledger();
RESET cims.seal_batch;
SELECT cims.checkpoint() AS last \gset
SELECT bool_and(ok) FROM cims.verify_ledger(:'first');
SELECT bool_and(ok) FROM cims.verify_ledger(:'last');
-- as it comes out of a file that psql wrote
SELECT bool_and(ok) FROM cims.verify_ledger(:'last' || E'\n');
-- as psql reads it by \set and backquotes, which leave its last newline out
SELECT bool_and(ok) FROM cims.verify_ledger(rtrim(:'last', E'\n'));
-- from a checkpoint on that was verified before: only what came after it is read
SELECT regexp_replace(detail, '(\d+) events .*', '\1') AS events FROM cims.verify_ledger(:'last', :'first') WHERE check_name = 'events';
SELECT bool_and(ok) FROM cims.verify_ledger(:'last', :'first');
SELECT bool_and(ok) FROM cims.verify_ledger(:'first', :'last');

-- checkpoints that are none, not of this ledger, not signed, or altered
SELECT ok, detail FROM cims.verify_ledger('') WHERE check_name = 'anchored';
SELECT ok, detail FROM cims.verify_ledger('example.com/log' || E'\n' || 'x') WHERE check_name = 'anchored';
SELECT ok, detail FROM cims.verify_ledger(split_part(:'first', E'\n', 1) || E'\nnot a checkpoint') WHERE check_name = 'anchored';
SELECT ok, detail FROM cims.verify_ledger(regexp_replace(:'first', E'\n\\d+\n', E'\n1000000\n')) WHERE check_name = 'anchored';
SELECT ok, detail FROM cims.verify_ledger(split_part(:'first', E'\n\n', 1) || E'\n\n— example.com/other ' || encode('\x0000000000'::bytea, 'base64') || E'\n')
	WHERE check_name = 'anchored';
-- the other checks are made all the same
SELECT count(*) FILTER (WHERE ok) > 5 AS others_are_ok FROM cims.verify_ledger('');
SELECT cims.verify_ledger(:'last', 'example.com/log' || E'\n');

-- who may
CREATE ROLE ledger_reader;
SET ROLE ledger_reader;
SELECT * FROM cims.verify_ledger();
SELECT * FROM cims.export_ledger('/tmp/nowhere');
SELECT * FROM cims.verification_progress;
RESET ROLE;
SELECT * FROM cims.verification_progress;

-- what is written is changed by nobody
DELETE FROM cims.ledger_export;
INSERT INTO cims.ledger_export VALUES (1, '/', 0);
UPDATE cims.block SET size = size;
TRUNCATE cims.tile;
DROP TABLE cims.ledger_key;
ALTER TABLE cims.ledger_incarnation DROP COLUMN former_size;

\c postgres
DROP DATABASE ledger_verification;
DROP ROLE ledger_reader;
