-- A role that sees masks finds a row by the whole value that a customer tells, so many
-- times a minute and never unrecorded.  If this fails, masked values can be guessed
-- one by one, and nobody sees it.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE DATABASE cims_find TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_find
SET client_min_messages = warning;
CREATE EXTENSION cims;
SELECT cims.init();
CREATE ROLE find_guest;
CREATE ROLE find_clerk;
CREATE ROLE find_stranger;
DO $$
BEGIN
	PERFORM cims.grant_class(c, 'find_clerk', 'mask'), cims.grant_class(c, 'find_stranger', 'mask')
	FROM unnest('{phone,id_card,birth_date,email}'::text[]) c;
END
$$;
CREATE DOMAIN mobile AS varchar(20);
CREATE DOMAIN passport AS char(12);
CREATE TABLE customer (id int PRIMARY KEY, phone varchar(20), spare mobile, born date, id_card cims.enc_text(id_card), e_born cims.enc_date(birth_date), city text, code char(12), pass passport);
INSERT INTO customer SELECT i, (13800000000 + i)::text, (13900000000 + i)::text, date '1990-01-01' + i, 'card ' || i, date '1980-01-01' + i % 3, 'Beijing', 'c' || i, 'p' || i FROM generate_series(1, 2000) i;
CREATE INDEX ON customer USING hash (id_card);
CREATE INDEX ON customer (phone);
ANALYZE customer;
SELECT cims.create_masking_view('customer', columns => '{"id": true, "phone": "phone", "spare": "phone", "born": "birth_date", "city": true, "code": "phone", "pass": {"class": "phone", "mask": "partial(1,1)"}}');
GRANT SELECT ON customer_masked TO find_clerk, find_guest;
SET ROLE find_clerk;
SELECT cims.find('customer', 'phone', '13800000007');
SELECT cims.find('customer_masked', 'phone', '13800000007');
SELECT cims.find('customer', 'spare', '13900000007') ->> 'id' AS id;
SELECT cims.find('customer', 'code', 'c7') ->> 'id' AS id;
SELECT cims.find('customer', 'pass', 'p77') ->> 'pass' AS pass;
SELECT cims.find('customer', 'born', '1990-01-08') ->> 'id' AS id;
SELECT cims.find('customer', 'id_card', 'card 7');
SELECT count(*) FROM cims.find('customer', 'e_born', '1980-01-02');
SELECT count(*) FROM cims.find('customer', 'e_born', '1980-01-02', max_rows => 1000);
SELECT cims.find('customer', 'phone', '13700000000');
SELECT cims.find('customer', 'id_card', 'card 0');
SELECT cims.find('customer', 'phone', NULL);
-- the level itself stays what it is
SELECT count(*) FROM customer_masked WHERE phone = '13800000007';
-- refusals
SELECT cims.find('customer', 'city', 'Beijing');
SELECT cims.find('customer', 'nothing', '1');
SELECT cims.find('pg_class', 'relname', 'customer');
SELECT cims.find('customer', 'born', 'no date');
SELECT cims.find('customer', 'phone', '1', max_rows => 0);
SELECT cims.find('customer', 'phone', '1', max_rows => 1001);
SELECT cims.find_in_view('customer'::regclass, 'phone', '1', 1);
SELECT cims.find_in_view('customer_masked'::regclass, 'city', '1', 1);
-- without a grant on the class, without the privilege on the view
SET ROLE find_guest;
SELECT cims.find('customer', 'phone', '13800000007');
SET ROLE find_stranger;
SELECT cims.find('customer', 'phone', '13800000007');
SELECT cims.find_in_view('customer_masked'::regclass, 'phone', '13800000007', 1);
RESET ROLE;
-- each is recorded, what was rolled back and what was refused, too; no value is
CREATE TEMP TABLE seen AS SELECT coalesce(max(number), 0) AS number FROM cims.recent_disclosures();
BEGIN;
SET LOCAL ROLE find_clerk;
SELECT count(*) FROM cims.find('customer', 'phone', '13800000008');
ROLLBACK;
BEGIN;
SET LOCAL ROLE find_guest;
SELECT count(*) FROM cims.find('customer', 'id_card', 'card 8');
ROLLBACK;
SELECT kind, role, relation, detail FROM cims.recent_disclosures((SELECT number FROM seen)) ORDER BY number;
SET ROLE find_clerk;
SELECT * FROM cims.recent_disclosures();
RESET ROLE;
-- row policies let through what the view shows
ALTER TABLE customer ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON customer USING (id > 1000);
GRANT SELECT ON customer_masked TO find_stranger;
SET ROLE find_stranger;
SELECT cims.find('customer', 'phone', '13800000007');
SELECT cims.find('customer', 'phone', '13800001007') ->> 'id' AS id;
SELECT cims.find('customer', 'id_card', 'card 7');
SELECT cims.find('customer', 'id_card', 'card 1007') ->> 'id' AS id;
SET ROLE find_clerk;
-- at most so many a minute, whatever role is taken, whatever is rolled back
DO $$
DECLARE
	n int := 0;
	r name;
BEGIN
	FOR i IN 1 .. 100 LOOP
		r := (ARRAY['find_clerk', 'find_stranger'])[1 + i % 2];
		BEGIN
			EXECUTE format('SET LOCAL ROLE %I', r);
			PERFORM cims.find('customer', 'phone', i::text);
			n := n + 1;
			RAISE EXCEPTION USING ERRCODE = 'raise_exception';
		EXCEPTION WHEN raise_exception THEN NULL;
		END;
	END LOOP;
EXCEPTION WHEN configuration_limit_exceeded THEN
	-- those above count as well; a second fills up half of one
	RAISE INFO '%: %', SQLERRM, n BETWEEN 1 AND 30;
END
$$;
SELECT cims.find('customer', 'phone', '13800000007');
RESET ROLE;
SELECT kind, role::regrole, detail FROM cims.recent_disclosures() ORDER BY number DESC LIMIT 1;
SELECT count(*) FROM cims.recent_disclosures() WHERE detail ~ '13[0-9]{9}|card [0-9]';
-- what was committed is an event of the audit record, too
SELECT DISTINCT operation, relation, detail ->> 'column' AS "column", detail ->> 'rows' AS rows FROM cims.audit_log
WHERE detail ->> 'action' = 'find' AND detail ->> 'column' IN ('phone', 'id_card') ORDER BY 3, 4;
SELECT count(*) FROM cims.audit_log WHERE detail ->> 'action' = 'find' AND detail::text ~ '13[0-9]{9}|card [0-9]';
\c postgres
DROP DATABASE cims_find;
DROP ROLE find_guest, find_clerk, find_stranger, cims_view_owner;
