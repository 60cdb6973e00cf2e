/*
 * audit_setup.sql
 *		Tables of the audit benchmark: the same accounts without audit, with cims
 *		by row and by statement, and with the plpgsql trigger that everybody writes.
 *		Run as a superuser after cims.init(); variable rows.
 */
\set ON_ERROR_STOP on
CREATE TABLE sample (work text, variant text, value float8);

-- Processor time of this backend in milliseconds, as Linux counts it; what else runs on the machine is not in it.
CREATE FUNCTION processor_time() RETURNS float8
LANGUAGE sql VOLATILE
RETURN pg_catalog.split_part(pg_catalog.pg_read_file('/proc/self/schedstat'), ' ', 1)::float8 / 1e6;

-- Run a statement to its end and return the processor time that it took, in milliseconds.
CREATE FUNCTION elapsed(statement text) RETURNS float8
LANGUAGE plpgsql AS $$
DECLARE
	began float8 := processor_time();
BEGIN
	EXECUTE statement;
	RETURN processor_time() - began;
END $$;

CREATE TABLE account_none (
	id bigint PRIMARY KEY,
	name text NOT NULL,
	phone text NOT NULL,
	balance numeric NOT NULL,
	visits int NOT NULL,
	changed timestamptz NOT NULL
);
INSERT INTO account_none
	SELECT i, 'customer ' || i, 13000000000 + i * 7919, i % 10000 / 100.0, 0, timestamptz '2026-01-01 UTC' + i * interval '1 minute'
	FROM generate_series(1, :rows) AS i;
CREATE TABLE account_row (LIKE account_none INCLUDING ALL);
CREATE TABLE account_statement (LIKE account_none INCLUDING ALL);
CREATE TABLE account_plpgsql (LIKE account_none INCLUDING ALL);
INSERT INTO account_row TABLE account_none;
INSERT INTO account_statement TABLE account_none;
INSERT INTO account_plpgsql TABLE account_none;

SELECT cims.audit('account_row');
SELECT cims.audit('account_statement', mode => 'statement');

CREATE TABLE plpgsql_event (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at timestamptz NOT NULL DEFAULT clock_timestamp(),
	xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
	relation regclass NOT NULL,
	operation text NOT NULL,
	role name NOT NULL DEFAULT current_user,
	client inet DEFAULT inet_client_addr(),
	old_row jsonb,
	new_row jsonb
);
CREATE FUNCTION plpgsql_audit() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO plpgsql_event (relation, operation, old_row, new_row)
		VALUES (TG_RELID, TG_OP, CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END, CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END);
	RETURN NULL;
END $$;
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON account_plpgsql
	FOR EACH ROW EXECUTE FUNCTION plpgsql_audit();
VACUUM ANALYZE;
