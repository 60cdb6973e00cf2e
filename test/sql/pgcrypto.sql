-- Columns that were encrypted with pgcrypto move over, in one statement and in
-- batches, with no plaintext column in between.  If this fails, the values are
-- lost on the way, or the passphrase stands where others read it.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE DATABASE cims_pgcrypto;
\c cims_pgcrypto
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE EXTENSION cims;
CREATE SCHEMA crypto_tools;
CREATE EXTENSION pgcrypto SCHEMA crypto_tools;
SELECT cims.init();
SELECT cims.grant_class(c, current_user, 'reveal') FROM unnest(ARRAY['phone', 'name', 'birth_date']) c;
CREATE TABLE expected AS SELECT g AS id, '138' || lpad(g::text, 8, '0') AS phone, '王 ' || g AS name, '1990-01-01'::date + g AS born FROM generate_series(1, 20) g;
INSERT INTO expected VALUES (21, NULL, '', NULL);
SET search_path = public, crypto_tools;
CREATE TABLE customer AS
	SELECT id, pgp_sym_encrypt(phone, 'correct horse') AS phone, gen_random_bytes(16) AS iv, name, born,
		encrypt(convert_to(name, 'UTF8'), 'sixteen byte key', 'aes') AS raw_name
	FROM expected;
ALTER TABLE customer ADD name_iv bytea, ADD born_pgp bytea, ADD raw_iv bytea;
UPDATE customer SET name_iv = encrypt_iv(convert_to(name, 'UTF8'), 'sixteen byte key', iv, 'aes-cbc/pad:pkcs'),
	born_pgp = pgp_sym_encrypt(born::text, 'correct horse'), raw_iv = encrypt_iv('\x00ff', 'sixteen byte key', iv, 'aes');
ALTER TABLE customer DROP name, DROP born;
CREATE TABLE same AS SELECT * FROM customer;
RESET search_path;

-- one statement
ALTER TABLE customer ALTER phone TYPE cims.enc_text(phone) USING crypto_tools.pgp_sym_decrypt(phone, 'correct horse');
ALTER TABLE customer ALTER raw_name TYPE cims.enc_text(name)
	USING convert_from(crypto_tools.decrypt(raw_name, 'sixteen byte key', 'aes'), 'UTF8');
ALTER TABLE customer ALTER name_iv TYPE cims.enc_text(name)
	USING convert_from(crypto_tools.decrypt_iv(name_iv, 'sixteen byte key', iv, 'aes-cbc/pad:pkcs'), 'UTF8');
ALTER TABLE customer ALTER born_pgp TYPE cims.enc_date(birth_date)
	USING crypto_tools.pgp_sym_decrypt(born_pgp, 'correct horse')::date;
SELECT count(*) FROM customer c JOIN expected e USING (id)
WHERE c.phone IS NOT DISTINCT FROM e.phone AND c.raw_name = e.name AND c.name_iv = e.name AND c.born_pgp IS NOT DISTINCT FROM e.born;
SELECT DISTINCT cims.value_class(phone), cims.value_class(raw_name), cims.value_class(born_pgp) FROM customer WHERE id < 20;

-- in batches: the passphrase comes from a setting of the session, and is in no catalog
CREATE INDEX same_phone ON same USING hash (phone);
\set VERBOSITY terse
CALL cims.protect_online('same', 'phone', 'phone', source => 'pgp_sym_decrypt');
\set VERBOSITY default
SELECT set_config('cims_migration.passphrase', 'wrong horse', false);
CALL cims.protect_online('same', 'phone', 'phone', source => 'pgp_sym_decrypt');
SELECT phase, rows_done FROM cims.protect_progress;
SELECT set_config('cims_migration.passphrase', 'correct horse', false);
SELECT cims.online_step('same', 'phone', 7, '1 second') FROM generate_series(1, 2);
SELECT phase, rows_done FROM cims.protect_progress;
-- the application still writes the old form, and knows nothing of the passphrase here
SELECT set_config('cims_migration.passphrase', '', false);
INSERT INTO same (id, phone) VALUES (30, crypto_tools.pgp_sym_encrypt('new', 'correct horse'));
UPDATE same SET phone = crypto_tools.pgp_sym_encrypt('changed', 'correct horse') WHERE id = 1;
UPDATE same SET phone = NULL WHERE id = 2;
UPDATE same SET id = 103 WHERE id = 3;
SELECT id, phone_cims_shadow IS NULL AS empty FROM same WHERE id IN (1, 2, 4, 30, 103) ORDER BY id;
SELECT set_config('cims_migration.passphrase', 'correct horse', false);
CALL cims.protect_online('same', 'phone', 'phone', source => 'pgp_sym_decrypt', batch_size => 7);
SELECT id, phone FROM same WHERE id IN (1, 2, 4, 30, 103) ORDER BY id;
CALL cims.protect_online('same', 'born_pgp', 'birth_date', source => 'pgp_sym_decrypt', target_type => 'cims.enc_date');
SELECT set_config('cims_migration.passphrase', 'sixteen byte key', false);
CALL cims.protect_online('same', 'raw_name', 'name', source => 'decrypt');
CALL cims.protect_online('same', 'name_iv', 'name', source => 'decrypt_iv', source_iv => 'iv', source_cipher => 'aes-cbc/pad:pkcs');
CALL cims.protect_online('same', 'raw_iv', 'name', source => 'decrypt_iv', source_iv => 'iv', target_type => 'cims.enc_bytea');
SELECT count(*) FROM same s JOIN expected e USING (id) WHERE s.raw_name = e.name AND s.name_iv = e.name AND s.raw_iv = '\x00ff'::bytea;
SELECT count(*) FROM same s JOIN expected e USING (id) WHERE s.born_pgp = e.born AND s.phone = e.phone;
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM same WHERE phone = '13800000007';
SELECT column_name, type, indexes FROM cims.protected_column WHERE table_name = 'same' ORDER BY 1;
SELECT count(*) FROM cims.check_table('same');
SELECT count(*) FROM pg_proc WHERE prosrc LIKE '%horse%' OR prosrc LIKE '%sixteen byte%';
SELECT count(*) FROM cims.maintenance_job;

\c postgres
SET client_min_messages = warning;
DROP DATABASE cims_pgcrypto;
