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
COMMENT ON SCHEMA cims IS 'encrypted customer columns: types, keys, classes of customer data and grants on them';
