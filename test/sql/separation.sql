-- Separation of duties.  If this fails, one person holds both keys.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE DATABASE cims_separation TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_separation
\set SHOW_CONTEXT never
SET client_min_messages = notice;
CREATE EXTENSION cims;
SELECT cims.init();
CREATE ROLE sod_teller;
CREATE ROLE sod_auditor;
CREATE ROLE sod_staff;
CREATE ROLE sod_wang IN ROLE sod_teller;
CREATE ROLE sod_qian IN ROLE sod_teller, sod_auditor;
CREATE ROLE sod_maker;
GRANT sod_auditor TO sod_maker WITH ADMIN OPTION;

-- what is there already is told
SELECT cims.conflict('sod_teller', 'sod_auditor', 'who pays out does not audit');
SELECT * FROM cims.conflicts();
SELECT id, kind, role_a, role_b, reason FROM cims.conflicting_roles;
SELECT cims.conflict('sod_teller', 'sod_teller');
SELECT cims.conflict('sod_teller', 'public');
SELECT cims.conflict('sod_teller', 'sod_nobody');
-- and is granted nothing more
SELECT cims.grant_class('phone', 'sod_qian', 'mask');
SELECT cims.grant_class_for('phone', 'sod_qian', 'mask', '1 hour', 'ticket');
SELECT cims.request_grant('phone', 'sod_qian', 'mask', 'ticket');
SELECT cims.allow_break_glass('sod_qian', 'phone');
-- nor is it in anybody else's way
CREATE ROLE sod_other IN ROLE sod_teller;
SELECT cims.grant_class('phone', 'sod_teller', 'mask');

-- directly, through a chain, to a group with members, by every command; whoever gives it
GRANT sod_auditor TO sod_wang;
GRANT sod_staff TO sod_wang;
GRANT sod_auditor TO sod_staff;
CREATE ROLE sod_new IN ROLE sod_teller, sod_auditor;
CREATE ROLE sod_new ROLE sod_wang IN ROLE sod_auditor;
ALTER GROUP sod_auditor ADD USER sod_wang;
GRANT sod_teller TO sod_auditor;
SET ROLE sod_maker;
GRANT sod_auditor TO sod_wang;
RESET ROLE;
DO $$ BEGIN EXECUTE 'GRANT sod_auditor TO sod_wang'; END $$;
-- one thing instead of the other
BEGIN;
REVOKE sod_teller FROM sod_wang;
GRANT sod_auditor TO sod_wang;
ROLLBACK;
REVOKE sod_auditor FROM sod_qian;
SELECT * FROM cims.conflicts();
GRANT sod_auditor TO sod_qian;
SELECT cims.grant_class('phone', 'sod_qian', 'mask');
SELECT rolname FROM pg_roles WHERE rolname = 'sod_new';

-- what was refused is not forgotten
SELECT DISTINCT kind, detail FROM cims.recent_disclosures() ORDER BY detail;
-- actors
SELECT cims.set_scope_role('teller', 'self');
SELECT cims.set_scope_role('auditor', 'all');
SELECT cims.grant_membership('sun', 'teller') AS sun \gset
SELECT cims.grant_membership('zhou', 'teller', valid => '(,2020-01-01)');
SELECT cims.conflict_memberships('teller', 'auditor');
SELECT cims.conflict_memberships('teller', 'nobody');
SELECT cims.conflict_memberships('teller', 'teller');
SELECT cims.grant_membership('sun', 'auditor');
SELECT cims.grant_membership('zhou', 'auditor') > 0;
SELECT cims.grant_membership('wu', 'teller', valid => '(,2100-01-01)') > 0;
SELECT cims.grant_membership('wu', 'auditor', valid => '[2100-01-01,)') > 0;
SELECT cims.grant_membership('wu', 'auditor', valid => '[2099-01-01,)') > 0;
SELECT cims.end_membership(:sun);
SELECT cims.grant_membership('sun', 'auditor') > 0;
SELECT who, role_a, role_b FROM cims.conflicts();

-- the rules and their end are on record
SELECT cims.drop_conflict(1);
SELECT cims.drop_conflict(1);
GRANT sod_auditor TO sod_qian;
SELECT operation, table_name FROM cims.audit_log WHERE table_name = 'conflict_rule' AND operation <> 'descriptor' ORDER BY seq;
-- only officers make and drop them
SET ROLE sod_maker;
SELECT cims.conflict('sod_teller', 'sod_auditor');
SELECT cims.drop_conflict(2);
SELECT cims.conflict_keys();
SELECT * FROM cims.conflicts();
RESET ROLE;
-- without the extension there are no rules
\c postgres
SET client_min_messages = warning;
DROP DATABASE cims_separation;
DROP ROLE sod_teller, sod_auditor, sod_staff, sod_wang, sod_qian, sod_other, sod_maker;
