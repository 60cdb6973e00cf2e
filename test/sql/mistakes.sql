-- What a tired person mistypes: each mistake gets an error that names it, with a
-- hint where the way out is not plain.  If this fails, somebody is left with a
-- message about another thing, or with none.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE DATABASE cims_mistakes TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_mistakes
\set SHOW_CONTEXT never
CREATE EXTENSION cims;
CREATE TABLE customer (id int PRIMARY KEY, name text NOT NULL, phone varchar(20) UNIQUE, age int, score float8, vip boolean, notes json, met timestamp, "Fax No" text);
CREATE VIEW customer_view AS SELECT id, phone FROM customer;
CREATE MATERIALIZED VIEW customer_copy AS SELECT id, phone FROM customer;
CREATE ROLE mistakes_app;
CREATE ROLE "Mistakes App";

-- before cims.init()
SELECT cims.protect('customer', 'phone', 'phone');
SELECT cims.grant_class('phone', 'mistakes_app', 'mask');
CREATE TABLE early (phone cims.enc_text(phone));
INSERT INTO early VALUES ('13812341999');
SELECT cims.init();
SELECT cims.init();

-- tables, columns, classes
SELECT cims.protect('custmer', 'phone', 'phone');
SELECT cims.protect('customer', 'phnoe', 'phone');
SELECT cims.protect('customer', 'Phone', 'phone');
SELECT cims.protect('customer', '"Fax No"', 'phone');
SELECT cims.protect('customer', NULL, 'phone');
SELECT cims.protect('customer', 'ctid', 'phone');
SELECT cims.protect('customer', 'phone', 'phnoe');
SELECT cims.protect('customer', 'phone', NULL);
SELECT cims.protect('customer', ARRAY['name', 'phone'], ARRAY['name']);
SELECT cims.protect('customer', ARRAY['name', 'name'], ARRAY['name', 'email']);
SELECT cims.protect('customer_view', 'phone', 'phone');
SELECT cims.protect('customer_copy', 'phone', 'phone');
SELECT cims.protect('customer_pkey', 'id', 'phone');
SELECT cims.protect('pg_class', 'relname', 'name');
SELECT cims.protect('customer', 'age', 'number');
SELECT cims.protect('customer', 'score', 'number');
SELECT cims.protect('customer', 'vip', 'note');
SELECT cims.protect('customer', 'notes', 'document');
SELECT cims.protect('customer', 'met', 'note');
SELECT cims.protect('customer', 'name', 'name');
SELECT cims.protect('customer', 'name', 'name');
SELECT cims.unprotect('customer', 'phone');
SELECT cims.unprotect('customer', 'Name');
SELECT cims.unprotect('customer_view', 'phone');
CALL cims.protect_online('customer_view', 'phone', 'phone');
CALL cims.protect_online('customer', 'phnoe', 'phone');
CALL cims.reseal('customer_view');
CREATE TABLE plain (id int);
CALL cims.reseal('plain');
SELECT cims.cancel_protect_online('customer', 'phone');
SELECT cims.cancel_protect_online('customer', 'phnoe');
SELECT * FROM cims.check_table('customer_view');

-- type modifiers: one warning a statement
CREATE TABLE wrong (phone cims.enc_text(phnoe));
INSERT INTO wrong VALUES ('13812341999');
ALTER TABLE wrong ALTER phone TYPE cims.enc_text(phone, 20);
ALTER TABLE wrong ALTER phone TYPE cims.enc_text(Phone);
ALTER TABLE wrong ALTER phone TYPE cims.enc_text("Phone");
ALTER TABLE wrong ALTER phone TYPE cims.enc_text(0);

-- protection that a tool takes off beside other changes: a warning, which the server logs, too
CREATE TABLE shown (name cims.enc_text(name), email cims.enc_text(email), tags cims.enc_text(note)[], city cims.enc_text(note));
ALTER TABLE shown ALTER name TYPE varchar(80), ALTER email SET NOT NULL, ALTER tags TYPE text[], ALTER city TYPE cims.enc_text(address);
SELECT cims.grant_class('address', current_user, 'reveal');
SELECT cims.unprotect('shown', 'city');

-- grants
SELECT cims.grant_class('phnoe', 'mistakes_app', 'mask');
SELECT cims.grant_class('phone', 'mistakes_ap', 'mask');
SELECT cims.grant_class('phone', '"Mistakes App"', 'mask');
SELECT cims.grant_class('phone', 'Mistakes App', 'MASK');
SELECT cims.grant_class('phone', 'mistakes_app', 'none');
SELECT cims.grant_class('phone', 'mistakes_app', NULL);
SELECT cims.grant_class('phone', 'mistakes_app', 'mask', 'empty');
SELECT cims.grant_class('phone', 'mistakes_app', 'mask', '[2020-01-01,2021-01-01)');
SELECT class, role, level, in_force FROM cims.class_grant WHERE class = 'phone';
SELECT cims.grant_class_for('phone', 'mistakes_app', 'mask', '-1 hour', 'a ticket');
SELECT cims.grant_class_for('phone', 'mistakes_app', 'mask', '1 hour', ' ');
SELECT cims.revoke_class('email', 'mistakes_app');

-- classes and keys
SELECT cims.create_class('phone');
SELECT cims.create_class('Member No');
SELECT cims.create_class('member_no', level => 9);
SELECT cims.create_class('member_no', mask => 'partial(3');
SELECT cims.create_class('member_no', scale => 2);
SELECT cims.alter_class('phone', '{"lvel": 2}');
SELECT cims.alter_class('phone', '[]');
SELECT cims.drop_class('name');
SELECT cims.rotate_key('phnoe');
SELECT cims.rotate_master_key(1);
SELECT cims.disable_key('phone', 1);
SELECT cims.disable_key('phone', 9);
SELECT cims.destroy_key('phone', 1, 'old');

-- the record
SELECT cims.audit('customer_view');
SELECT cims.audit('customer', images => 'ful');
SELECT cims.audit('customer', omit => '{nme}');
SELECT cims.unaudit('customer');
SELECT * FROM cims.history('customer', 1);
SELECT * FROM cims.history('customer_view', 1);
SELECT * FROM cims.verify_table('customer');
SELECT * FROM cims.as_of('customer', '2020-01-01 00:00+00');
SELECT cims.create_masking_view('customer', columns => '{"nme": "name"}');
SELECT cims.create_masking_view('customer', columns => '{"phone": "phnoe"}');
SELECT cims.find('customer', 'phone', '13812341999');
SELECT cims.secure_table('customer', 'owner');
SELECT cims.secure_table('customer');

\c postgres
DROP DATABASE cims_mistakes;
DROP ROLE mistakes_app, "Mistakes App";
