/*
 * setup.sql
 *		Tables of the benchmarks: the same values as text, sealed by cims, and
 *		encrypted by pgcrypto.  Run as a superuser after CREATE EXTENSION cims;
 *		variables rows, sample.
 *
 * Variants: text; cims; aes is pgcrypto's encrypt_iv with AES-256 and a random
 * initialisation vector stored before the ciphertext (a fixed one where it must
 * be found by equality); pgp is pgp_sym_encrypt, on :sample rows, as a value
 * costs it hundreds of microseconds.
 */
\set ON_ERROR_STOP on
CREATE EXTENSION pgcrypto;
CREATE EXTENSION pg_trgm;
SELECT cims.init();
CREATE ROLE app LOGIN;
SELECT cims.grant_class(class, 'app', 'reveal') FROM unnest(ARRAY['name', 'phone', 'id_card', 'address', 'email']) AS class;
-- Processor time of this backend in milliseconds, as Linux counts it; what else runs on the machine is not in it.
CREATE FUNCTION public.processor_time() RETURNS float8
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN pg_catalog.split_part(pg_catalog.pg_read_file('/proc/self/schedstat'), ' ', 1)::float8 / 1e6;

CREATE SCHEMA bench AUTHORIZATION app;
ALTER ROLE app SET search_path = bench, public;
SET ROLE app;
SET search_path = bench, public;

CREATE TABLE sample (work text, variant text, round integer, value float8);

-- Run a statement to its end and return the processor time that it took, in milliseconds.
CREATE FUNCTION elapsed(statement text) RETURNS float8
LANGUAGE plpgsql AS $$
DECLARE
	began float8 := processor_time();
BEGIN
	EXECUTE statement;
	RETURN processor_time() - began;
END $$;

-- Processor time of a statement in milliseconds, as the mean of as many runs as fit in about 0.2 s: Linux counts in ticks.
CREATE FUNCTION elapsed_short(statement text) RETURNS float8
LANGUAGE plpgsql AS $$
DECLARE
	began timestamptz := clock_timestamp();
	used float8 := processor_time();
	runs integer := 0;
BEGIN
	LOOP
		EXECUTE statement;
		runs := runs + 1;
		EXIT WHEN clock_timestamp() - began > '0.2 s';
	END LOOP;
	RETURN greatest(processor_time() - used, 0.001) / runs;
END $$;

-- What pgcrypto is called with.
CREATE FUNCTION aes_key() RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN '\x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f'::bytea;
CREATE FUNCTION aes_seal(v text, iv bytea) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN iv || encrypt_iv(convert_to(v, 'UTF8'), aes_key(), iv, 'aes');
CREATE FUNCTION aes_reveal(v bytea) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN convert_from(decrypt_iv(substr(v, 17), aes_key(), substr(v, 1, 16), 'aes'), 'UTF8');
CREATE FUNCTION aes_search(v text) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN encrypt_iv(convert_to(v, 'UTF8'), aes_key(), '\x00112233445566778899aabbccddeeff'::bytea, 'aes');

-- A phone number that pgbench can compute from id as well.
CREATE FUNCTION phone_of(id bigint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (13000000000 + id * 7919 % 1000000000)::text;

CREATE TABLE source AS
SELECT id, name, phone_of(id) AS phone, id_card, coalesce(address, name) AS address, coalesce(email, name) AS email, gen_random_bytes(16) AS iv
FROM public.customer ORDER BY id;
ALTER TABLE source ADD PRIMARY KEY (id);

-- Bulk sealing and revealing of one column.
CREATE TABLE seal_text (id bigint, phone text);
CREATE TABLE seal_cims (id bigint, phone cims.enc_text(phone));
CREATE TABLE seal_aes (id bigint, phone bytea);
CREATE TABLE seal_pgp (id bigint, phone bytea);

CREATE TABLE batch_text (id bigint, phone text);
CREATE TABLE batch_cims (id bigint, phone cims.enc_text(phone));
CREATE TABLE batch_aes (id bigint, phone bytea);
CREATE TABLE batch_pgp (id bigint, phone bytea);
CREATE TABLE sessions_cims (id bigint, phone cims.enc_text(phone));
CREATE TABLE mixed_cims (id bigint, phone cims.enc_text(phone));
INSERT INTO batch_text SELECT id, phone FROM source;
INSERT INTO batch_cims SELECT id, phone FROM source;
INSERT INTO batch_aes SELECT id, aes_seal(phone, iv) FROM source;
INSERT INTO batch_pgp SELECT id, pgp_sym_encrypt(phone, 'correct horse battery staple') FROM source ORDER BY id LIMIT :sample;
CREATE SEQUENCE chunk MINVALUE 0;

-- Equality.
CREATE TABLE find_text AS TABLE batch_text;
CREATE TABLE find_cims (LIKE batch_cims);
INSERT INTO find_cims TABLE batch_cims;
CREATE TABLE find_aes AS SELECT id, aes_search(phone) AS phone FROM source;
CREATE INDEX ON find_text USING hash (phone);
CREATE INDEX ON find_cims USING hash (phone);
CREATE INDEX ON find_aes USING hash (phone);

-- Single rows.
CREATE SEQUENCE row_id CACHE 100;
CREATE TABLE insert_text (id bigint PRIMARY KEY, name text, phone text, id_card text, address text);
CREATE TABLE insert_cims (id bigint PRIMARY KEY, name cims.enc_text(name), phone cims.enc_text(phone), id_card cims.enc_text(id_card), address cims.enc_text(address));
CREATE TABLE insert_aes (id bigint PRIMARY KEY, name bytea, phone bytea, id_card bytea, address bytea);
CREATE TABLE insert_pgp (LIKE insert_aes INCLUDING ALL);

CREATE TABLE update_text (LIKE insert_text INCLUDING ALL, visits integer NOT NULL DEFAULT 0) WITH (fillfactor = 90);
CREATE TABLE update_cims (LIKE insert_cims INCLUDING ALL, visits integer NOT NULL DEFAULT 0) WITH (fillfactor = 90);
CREATE TABLE update_aes (LIKE insert_aes INCLUDING ALL, visits integer NOT NULL DEFAULT 0) WITH (fillfactor = 90);
INSERT INTO update_text SELECT id, name, phone, id_card, address FROM source;
INSERT INTO update_cims SELECT id, name, phone, id_card, address FROM source;
INSERT INTO update_aes SELECT id, aes_search(name), aes_search(phone), aes_search(id_card), aes_search(address) FROM source;
CREATE INDEX ON update_text USING hash (name); CREATE INDEX ON update_text USING hash (phone);
CREATE INDEX ON update_text USING hash (id_card); CREATE INDEX ON update_text USING hash (address);
CREATE INDEX ON update_cims USING hash (name); CREATE INDEX ON update_cims USING hash (phone);
CREATE INDEX ON update_cims USING hash (id_card); CREATE INDEX ON update_cims USING hash (address);
CREATE INDEX ON update_aes USING hash (name); CREATE INDEX ON update_aes USING hash (phone);
CREATE INDEX ON update_aes USING hash (id_card); CREATE INDEX ON update_aes USING hash (address);

-- Patterns.
CREATE TABLE like_text (id bigint, name text, email text, address text);
CREATE TABLE like_cims (id bigint, name cims.enc_text(name), email cims.enc_text(email), address cims.enc_text(address));
CREATE TABLE like_aes (id bigint, name bytea, email bytea, address bytea);
INSERT INTO like_text SELECT id, name, email, address FROM source;
INSERT INTO like_cims SELECT id, name, email, address FROM source;
INSERT INTO like_aes SELECT id, aes_seal(name, iv), aes_seal(email, iv), aes_seal(address, iv) FROM source ORDER BY id LIMIT :sample;
SET maintenance_work_mem = '512MB';
CREATE INDEX ON like_text USING gin (name gin_trgm_ops);
CREATE INDEX ON like_text USING gin (email gin_trgm_ops);
CREATE INDEX ON like_text USING gin (address gin_trgm_ops);
CREATE INDEX ON like_cims USING gin (name cims.enc_text_ngram_ops);
CREATE INDEX ON like_cims USING gin (email cims.enc_text_ngram_ops);
CREATE INDEX ON like_cims USING gin (address cims.enc_text_ngram_ops);
RESET ROLE;
VACUUM (ANALYZE);
