-- The record is in UTF-8, whatever the database is in: names and values come back
-- as they were.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE DATABASE cims_history_encoding TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_history_encoding
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET client_encoding = 'UTF8';
CREATE EXTENSION cims;
SELECT cims.init();
SELECT cims.grant_class('name', current_user, 'reveal');
CREATE TABLE "é" (id int PRIMARY KEY, "nämé" text, p cims.enc_text(name), a cims.enc_text(name)[]);
INSERT INTO "é" VALUES (1,'café','Zoë',ARRAY['Ö']);
SELECT cims.audit('é');
UPDATE "é" SET "nämé" = 'naïve', p='Äö';
ALTER TABLE "é" ADD COLUMN "ü" text DEFAULT 'ß';
SELECT * FROM cims.verify_table('é');
SELECT * FROM cims.rows_as_of(NULL::"é", pg_current_snapshot());
SELECT cims.as_of('é', pg_current_snapshot());
SELECT operation, role IS NOT NULL AS role, version, changed FROM cims.history('é', 1);
ALTER TABLE "é" DISABLE TRIGGER ALL;
UPDATE "é" SET "ü" = 'x', p = 'Ää', "nämé" = 'naive';
ALTER TABLE "é" ENABLE TRIGGER ALL;
-- what was there before a column came is shown too
SELECT columns, recorded, found FROM cims.verify_table('é');
SELECT cims.restore_row('é', 1, (SELECT min(seq) FROM cims.history('é', 1)));
SELECT * FROM "é";

\c postgres
DROP DATABASE cims_history_encoding;
