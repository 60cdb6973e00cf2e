-- What no row trigger sees: commands of the whole cluster, and the watch over the record

CREATE TABLE cims.cluster_change (
	xid xid,
	names text[] NOT NULL,
	at timestamptz NOT NULL
);
-- its rows go, and a publication of all tables must not stand in the way
ALTER TABLE cims.cluster_change REPLICA IDENTITY FULL;
COMMENT ON TABLE cims.cluster_change IS 'changes of catalogs since the last look of cims.audit_watch that were recorded';
COMMENT ON COLUMN cims.cluster_change.xid IS 'the transaction, or subtransaction, that wrote the rows';
COMMENT ON COLUMN cims.cluster_change.names IS 'objects of the cluster that the command named';
COMMENT ON COLUMN cims.cluster_change.at IS 'when it was recorded';

CREATE TABLE cims.cluster_position (
	id boolean PRIMARY KEY DEFAULT true CHECK (id),
	began timestamptz NOT NULL,
	number bigint NOT NULL
);
COMMENT ON TABLE cims.cluster_position IS 'up to where this database has recorded what other databases told: one row';
COMMENT ON COLUMN cims.cluster_position.id IS 'true: there is one row';
COMMENT ON COLUMN cims.cluster_position.began IS 'when the server started, as counting begins anew';
COMMENT ON COLUMN cims.cluster_position.number IS 'the last command that was read';

CREATE TABLE cims.watched_object (
	kind text NOT NULL,
	id text NOT NULL,
	names text[] NOT NULL,
	state jsonb NOT NULL,
	mark text NOT NULL,
	PRIMARY KEY (kind, id)
);
COMMENT ON TABLE cims.watched_object IS 'what the last look of cims.audit_watch saw';
COMMENT ON COLUMN cims.watched_object.kind IS 'role, membership, settings, database, tablespace, parameter, setting, function, policy or table';
COMMENT ON COLUMN cims.watched_object.id IS 'the object, within its kind';
COMMENT ON COLUMN cims.watched_object.names IS 'objects of the cluster that it is, or belongs to';
COMMENT ON COLUMN cims.watched_object.state IS 'what it was';
COMMENT ON COLUMN cims.watched_object.mark IS 'what tells other changes: the version of its row, or a hash';

REVOKE ALL ON cims.cluster_change, cims.cluster_position, cims.watched_object FROM PUBLIC;

CREATE FUNCTION cims.cluster_events(INOUT began timestamptz, INOUT number bigint, OUT detail text) RETURNS SETOF record
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cims_cluster_events';
COMMENT ON FUNCTION cims.cluster_events(timestamptz, bigint) IS
	'commands of the whole cluster that this database is to record, after one of a number; the first row has none and says where reading begins';
REVOKE ALL ON FUNCTION cims.cluster_events(timestamptz, bigint) FROM PUBLIC;

CREATE FUNCTION cims.commands_seen() RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cims_commands_seen';
COMMENT ON FUNCTION cims.commands_seen() IS 'how many commands of this session have passed the record''s hook';
REVOKE ALL ON FUNCTION cims.commands_seen() FROM PUBLIC;

-- Writes into this record what other databases have told
CREATE FUNCTION cims.record_cluster_events() RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	position cims.cluster_position;
	entry record;
	recorded bigint := 0;
	first_number bigint;
BEGIN
	PERFORM pg_advisory_xact_lock('cims.cluster_position'::regclass::oid::int, 0);
	SELECT * INTO position FROM cims.cluster_position;
	FOR entry IN SELECT * FROM cims.cluster_events(position.began, position.number) LOOP
		IF first_number IS NULL THEN
			first_number := entry.number;
			IF entry.began = position.began AND first_number > position.number THEN
				PERFORM cims.record_event('M', 0, jsonb_build_object('action', 'cluster commands lost', 'count', first_number - position.number));
			END IF;
		END IF;
		-- what was before the first look is of no record
		IF position.began IS NOT NULL AND entry.detail IS NOT NULL THEN
			PERFORM cims.record_event('G', 0, entry.detail::jsonb);
			INSERT INTO cims.cluster_change VALUES (
				(entry.detail::jsonb->>'transaction')::xid,
				ARRAY(SELECT jsonb_array_elements_text(entry.detail::jsonb->'names')), clock_timestamp());
			recorded := recorded + 1;
		END IF;
	END LOOP;
	IF (entry.began, entry.number) IS DISTINCT FROM (position.began, position.number) THEN
		INSERT INTO cims.cluster_position VALUES (true, entry.began, entry.number)
		ON CONFLICT (id) DO UPDATE SET began = excluded.began, number = excluded.number;
	END IF;
	RETURN recorded;
END
$$;
COMMENT ON FUNCTION cims.record_cluster_events() IS
	'records commands of the whole cluster that were given in other databases, and returns how many; the worker calls it';
REVOKE ALL ON FUNCTION cims.record_cluster_events() FROM PUBLIC;

-- ENABLE TRIGGER leaves a trigger asleep in a session of replication
CREATE FUNCTION cims.enable_triggers(relation oid) RETURNS int
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	trigger_name name;
	enabled int := 0;
BEGIN
	FOR trigger_name IN
		SELECT t.tgname FROM pg_trigger t
		JOIN pg_proc p ON p.oid = t.tgfoid AND p.proname LIKE 'audit\_%'
		JOIN pg_depend d ON (d.classid, d.objid) = ('pg_proc'::regclass, p.oid) AND d.deptype = 'e'
		JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'cims'
		WHERE t.tgrelid = enable_triggers.relation AND t.tgenabled IN ('O', 'R')
		ORDER BY t.tgname
	LOOP
		EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', enable_triggers.relation::regclass, trigger_name);
		enabled := enabled + 1;
	END LOOP;
	IF enabled > 0 THEN
		PERFORM cims.record_event('M', enable_triggers.relation, jsonb_build_object('action', 'triggers enabled always',
			'table', enable_triggers.relation::regclass::text, 'count', enabled));
	END IF;
	RETURN enabled;
END
$$;
COMMENT ON FUNCTION cims.enable_triggers(oid) IS
	'lets the triggers of the record on a table, unless they are disabled, fire in every session; part of what follows ALTER TABLE ... ENABLE TRIGGER';
REVOKE ALL ON FUNCTION cims.enable_triggers(oid) FROM PUBLIC;
