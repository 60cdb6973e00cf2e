-- cims: begin of the install script

\echo Use "CREATE EXTENSION cims" to load this file. \quit

-- Objects that someone else could put into the schema would be found by the functions below.
DO $$
DECLARE
	owner name := (SELECT pg_catalog.pg_get_userbyid(nspowner) FROM pg_catalog.pg_namespace WHERE nspname = 'cims');
BEGIN
	IF owner <> current_user THEN
		RAISE EXCEPTION 'schema cims belongs to role "%"', owner
			USING ERRCODE = 'object_not_in_prerequisite_state',
				  HINT = 'Drop the schema, or make the role that runs CREATE EXTENSION its owner.';
	END IF;
END
$$;

GRANT USAGE ON SCHEMA cims TO PUBLIC;
COMMENT ON SCHEMA cims IS 'customer data: encrypted columns, masks, grants, row policies, a tamper-evident record';

CREATE FUNCTION cims.recent_disclosures(after bigint DEFAULT 0, OUT number bigint, OUT at timestamptz, OUT kind text,
		OUT session_role regrole, OUT role regrole, OUT relation regclass, OUT detail text)
	RETURNS SETOF record
	LANGUAGE c VOLATILE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_recent_disclosures';
COMMENT ON FUNCTION cims.recent_disclosures(bigint) IS
	'the last disclosures and denials in this database since the server started, those that were rolled back included; open to pg_monitor';
REVOKE ALL ON FUNCTION cims.recent_disclosures(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION cims.recent_disclosures(bigint) TO pg_monitor;

-- what is done for somebody to a table of another's runs the owner's code with no more rights than the owner's
CREATE FUNCTION cims.run_as_owner(relation oid, command text, argument text DEFAULT NULL, OUT rows bigint, OUT first_row text[])
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cims_run_as_owner';
COMMENT ON FUNCTION cims.run_as_owner(oid, text, text) IS
	'runs a command, whose $1 is the argument, as the owner of a relation, whose row policies are not asked, in a security-restricted operation; returns how many rows it gave or changed, and the first that it gave';
REVOKE ALL ON FUNCTION cims.run_as_owner(oid, text, text) FROM PUBLIC;
