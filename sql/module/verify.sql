-- Verification of the ledger from within

CREATE FUNCTION cims.verify_ledger(checkpoint text DEFAULT NULL, since text DEFAULT NULL,
	OUT check_name text, OUT ok boolean, OUT detail text) RETURNS SETOF record
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cims_verify_ledger';
COMMENT ON FUNCTION cims.verify_ledger(text, text) IS
	'verifies the ledger, one row a check, against a checkpoint that was held outside, without which the row "anchored" is not ok; since: a checkpoint up to which everything was verified before, whose events are not read again';
REVOKE ALL ON FUNCTION cims.verify_ledger(text, text) FROM PUBLIC;

CREATE FUNCTION cims.list_verifications(OUT pid int, OUT database oid, OUT started timestamptz, OUT leaves_done bigint, OUT leaves_total bigint)
	RETURNS SETOF record
	LANGUAGE c VOLATILE PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_verification_progress';
COMMENT ON FUNCTION cims.list_verifications() IS 'the verifications that run now; what cims.verification_progress shows';
REVOKE ALL ON FUNCTION cims.list_verifications() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION cims.list_verifications() TO pg_monitor;

CREATE VIEW cims.verification_progress AS
	SELECT v.pid, d.datname AS database, v.started, v.leaves_done, v.leaves_total
	FROM cims.list_verifications() v LEFT JOIN pg_catalog.pg_database d ON d.oid = v.database;
COMMENT ON VIEW cims.verification_progress IS 'the verifications of ledgers that run now; open to pg_monitor';
COMMENT ON COLUMN cims.verification_progress.pid IS 'process id of the backend';
COMMENT ON COLUMN cims.verification_progress.database IS 'its database';
COMMENT ON COLUMN cims.verification_progress.started IS 'when it began';
COMMENT ON COLUMN cims.verification_progress.leaves_done IS 'leaves that are verified';
COMMENT ON COLUMN cims.verification_progress.leaves_total IS 'leaves that are to be verified';
REVOKE ALL ON cims.verification_progress FROM PUBLIC;
GRANT SELECT ON cims.verification_progress TO pg_monitor;
