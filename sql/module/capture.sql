-- What no row trigger sees: commands of the whole cluster, and the watch over the record

CREATE TABLE cims.cluster_change (
	xid xid,
	names text[] NOT NULL,
	at timestamptz NOT NULL,
	looks int NOT NULL
);
-- its rows go, and a publication of all tables must not stand in the way
ALTER TABLE cims.cluster_change REPLICA IDENTITY FULL;
COMMENT ON TABLE cims.cluster_change IS 'changes of catalogs since the last look of cims.audit_watch that were recorded';
COMMENT ON COLUMN cims.cluster_change.xid IS 'the transaction, or subtransaction, that wrote the rows';
COMMENT ON COLUMN cims.cluster_change.names IS 'objects of the cluster that the command named';
COMMENT ON COLUMN cims.cluster_change.at IS 'when it was recorded';
COMMENT ON COLUMN cims.cluster_change.looks IS 'how many looks there were since; what was seen twice goes';

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
	writer xid,
	PRIMARY KEY (kind, id)
);
COMMENT ON TABLE cims.watched_object IS 'what the last look of cims.audit_watch saw';
COMMENT ON COLUMN cims.watched_object.kind IS 'role, membership, role settings, database, tablespace, parameter, setting, function, policy or table';
COMMENT ON COLUMN cims.watched_object.id IS 'the object, within its kind';
COMMENT ON COLUMN cims.watched_object.names IS 'objects of the cluster that it is, or belongs to';
COMMENT ON COLUMN cims.watched_object.state IS 'what it was';
COMMENT ON COLUMN cims.watched_object.writer IS 'the transaction that wrote its row in the catalog';

CREATE TABLE cims.audit_finding (
	finding text NOT NULL,
	object text NOT NULL,
	detail jsonb NOT NULL,
	remedy text NOT NULL,
	found timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	lasting boolean NOT NULL,
	PRIMARY KEY (finding, object)
);
COMMENT ON TABLE cims.audit_finding IS 'what cims.audit_watch has found and is not over';
COMMENT ON COLUMN cims.audit_finding.finding IS 'what is wrong';
COMMENT ON COLUMN cims.audit_finding.object IS 'with which table, role, setting or function';
COMMENT ON COLUMN cims.audit_finding.detail IS 'what is known of it';
COMMENT ON COLUMN cims.audit_finding.remedy IS 'what to do';
COMMENT ON COLUMN cims.audit_finding.found IS 'when it was found first';
COMMENT ON COLUMN cims.audit_finding.lasting IS 'it stays until cims.dismiss_finding; others are over once they are mended';

CREATE TABLE cims.audit_look (
	id boolean PRIMARY KEY DEFAULT true CHECK (id),
	at timestamptz NOT NULL
);
COMMENT ON TABLE cims.audit_look IS 'the last look of cims.audit_watch: one row';
COMMENT ON COLUMN cims.audit_look.id IS 'true: there is one row';
COMMENT ON COLUMN cims.audit_look.at IS 'when it was';

REVOKE ALL ON cims.cluster_change, cims.cluster_position, cims.watched_object, cims.audit_finding, cims.audit_look FROM PUBLIC;

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
				PERFORM cims.record_event('M', 0, jsonb_build_object('event', 'commands lost', 'count', first_number - position.number));
			END IF;
		END IF;
		-- what was before the first look is of no record
		IF position.began IS NOT NULL AND entry.detail IS NOT NULL THEN
			PERFORM cims.record_event('G', 0, entry.detail::jsonb);
			INSERT INTO cims.cluster_change VALUES (
				(entry.detail::jsonb->>'transaction')::xid,
				ARRAY(SELECT jsonb_array_elements_text(entry.detail::jsonb->'names')), clock_timestamp(), 0);
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
-- from here on
SELECT cims.record_cluster_events();

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
		WHERE t.tgrelid = enable_triggers.relation AND t.tgfoid IN ('cims.audit_row'::regproc, 'cims.audit_statement'::regproc)
			AND t.tgenabled NOT IN ('D', CASE t.tgname WHEN '!cims_audit_apply' THEN 'R' ELSE 'A' END)
		ORDER BY t.tgname
	LOOP
		EXECUTE format('ALTER TABLE %s ENABLE %s TRIGGER %I', enable_triggers.relation::regclass,
			CASE trigger_name WHEN '!cims_audit_apply' THEN 'REPLICA' ELSE 'ALWAYS' END, trigger_name);
		enabled := enabled + 1;
	END LOOP;
	IF enabled > 0 THEN
		PERFORM cims.record_event('M', enable_triggers.relation, jsonb_build_object('event', 'triggers enabled',
			'table', enable_triggers.relation::regclass::text, 'count', enabled));
	END IF;
	RETURN enabled;
END
$$;
COMMENT ON FUNCTION cims.enable_triggers(oid) IS
	'lets the triggers of the record on a table, unless they are disabled, fire in every session; part of what follows ALTER TABLE ... ENABLE TRIGGER';
REVOKE ALL ON FUNCTION cims.enable_triggers(oid) FROM PUBLIC;

-- What follows commands on audited tables
CREATE FUNCTION cims.audit_rename_column(relation oid, old_name name, new_name name) RETURNS void
	LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
	UPDATE cims.audited_table a
	SET omit = array_replace(a.omit, old_name, new_name), hash = array_replace(a.hash, old_name, new_name)
	WHERE a.relation = audit_rename_column.relation AND old_name = ANY (a.omit || a.hash);
	UPDATE cims.hidden_column h SET column_name = new_name
	WHERE audit_rename_column.relation IN (h.relation, h.audited) AND h.column_name = old_name
$$;
COMMENT ON FUNCTION cims.audit_rename_column(oid, name, name) IS
	'follows a column to its new name in the options of auditing, so that what is not to be recorded is not';
REVOKE ALL ON FUNCTION cims.audit_rename_column(oid, name, name) FROM PUBLIC;

CREATE FUNCTION cims.audit_forget_columns(relation oid) RETURNS void
	LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
	WITH there AS (
		SELECT array_agg(c.attname) AS names FROM pg_attribute c
		WHERE c.attrelid = audit_forget_columns.relation AND c.attnum > 0 AND NOT c.attisdropped)
	UPDATE cims.audited_table a
	SET omit = ARRAY(SELECT o FROM unnest(a.omit) o WHERE o = ANY (names)), hash = ARRAY(SELECT h FROM unnest(a.hash) h WHERE h = ANY (names))
	FROM there
	WHERE a.relation = audit_forget_columns.relation AND NOT a.omit || a.hash <@ names;
	DELETE FROM cims.hidden_column h
	WHERE audit_forget_columns.relation IN (h.relation, h.audited) AND NOT EXISTS (
		SELECT FROM pg_attribute c WHERE c.attrelid = h.audited AND c.attname = h.column_name AND NOT c.attisdropped)
$$;
COMMENT ON FUNCTION cims.audit_forget_columns(oid) IS 'takes columns that were dropped out of the options of auditing';
REVOKE ALL ON FUNCTION cims.audit_forget_columns(oid) FROM PUBLIC;

CREATE FUNCTION cims.audit_join(relation oid) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM cims.drop_audit_triggers(t.relation) FROM cims.table_tree(audit_join.relation) t;
	DELETE FROM cims.audited_table a USING cims.table_tree(audit_join.relation) t WHERE a.relation = t.relation;
END
$$;
COMMENT ON FUNCTION cims.audit_join(oid) IS 'readies a table that is audited by itself to be attached to another that is, with which it is audited from then on';
REVOKE ALL ON FUNCTION cims.audit_join(oid) FROM PUBLIC;

CREATE FUNCTION cims.audit_stay(relation oid, root oid) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	INSERT INTO cims.audited_table (relation, images, mode, omit, hash)
	SELECT audit_stay.relation, a.images, a.mode, a.omit, a.hash FROM cims.audited_table a WHERE a.relation = audit_stay.root;
	PERFORM cims.audit_sync(audit_stay.relation);
END
$$;
COMMENT ON FUNCTION cims.audit_stay(oid, oid) IS 'lets a table that has left the one with which it was audited be audited by itself';
REVOKE ALL ON FUNCTION cims.audit_stay(oid, oid) FROM PUBLIC;

-- While a column becomes encrypted online, the record takes the encrypted one
CREATE TABLE cims.hidden_column (
	relation oid,
	column_name name,
	audited oid,
	PRIMARY KEY (relation, column_name, audited)
);
COMMENT ON TABLE cims.hidden_column IS 'columns that are not recorded while cims.protect_online works on them';
COMMENT ON COLUMN cims.hidden_column.relation IS 'the table';
COMMENT ON COLUMN cims.hidden_column.column_name IS 'the column';
COMMENT ON COLUMN cims.hidden_column.audited IS 'the audited table whose options it was added to: the table itself, or a partition or child';
REVOKE ALL ON cims.hidden_column FROM PUBLIC;

CREATE FUNCTION cims.audit_hide_column(relation oid, col name, shadow name) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
DECLARE
	follows boolean;
BEGIN
	IF cims.audit_root(audit_hide_column.relation) IS NULL AND NOT EXISTS (
		SELECT FROM cims.audited_table a JOIN cims.table_tree(audit_hide_column.relation) t ON a.relation = t.relation)
	THEN
		RETURN;
	END IF;
	-- its owner can begin the work, and write into the table of jobs: what counts is that the shadow takes every value
	IF NOT EXISTS (SELECT FROM cims.maintenance_job j WHERE (j.relation, j.column_name, j.work, j.phase) = (audit_hide_column.relation, col, 'protect_online', 'prepare'))
		OR shadow IS DISTINCT FROM cims.shadow_name(col)
		OR NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = audit_hide_column.relation AND a.attname = shadow
			AND NOT a.attisdropped AND a.atttypid IN (SELECT cims.sealed_types()))
	THEN
		follows := NULL;
	ELSE
		follows := (SELECT t.tgnargs = 2 OR a.atttypid IN (SELECT cims.sealed_types())
			FROM pg_trigger t JOIN pg_attribute a ON a.attrelid = t.tgrelid AND a.attname = col
			WHERE t.tgrelid = audit_hide_column.relation AND t.tgname = cims.shadow_trigger(col) AND t.tgfoid = 'cims.keep_shadow'::regproc
				AND t.tgenabled = 'A' AND t.tgtype = 23 AND t.tgqual IS NULL AND t.tgattr::text = ''
				AND substr(t.tgargs, 1, octet_length(col::text) + octet_length(shadow::text) + 2)
					= convert_to(col, getdatabaseencoding()) || '\x00' || convert_to(shadow, getdatabaseencoding()) || '\x00');
	END IF;
	IF follows IS NULL THEN
		RAISE EXCEPTION 'column "%" is not being protected', col USING ERRCODE = 'object_not_in_prerequisite_state';
	END IF;
	-- a shadow of ciphertext of another kind is filled later: until then that ciphertext is what can be recorded
	IF NOT follows THEN
		RETURN;
	END IF;
	-- what is hidden already is recorded by its shadow
	UPDATE cims.audited_table a SET omit = a.omit || shadow
	FROM cims.table_tree(audit_hide_column.relation) t
	WHERE a.relation = t.relation AND col = ANY (a.omit) AND NOT shadow = ANY (a.omit)
		AND NOT EXISTS (SELECT FROM cims.hidden_column h WHERE h.column_name = col AND h.audited = a.relation);
	WITH hidden AS (
		UPDATE cims.audited_table a SET omit = a.omit || col
		FROM cims.table_tree(audit_hide_column.relation) t
		WHERE a.relation = t.relation AND NOT col = ANY (a.omit) AND col NOT IN (SELECT cims.audit_key_columns(a.relation))
		RETURNING a.relation)
	INSERT INTO cims.hidden_column SELECT audit_hide_column.relation, col, h.relation FROM hidden h ON CONFLICT DO NOTHING;
END
$$;
COMMENT ON FUNCTION cims.audit_hide_column(oid, name, name) IS
	'part of cims.protect_online: records the plain column no more, unless rows are told apart by it, as its encrypted shadow is recorded';

CREATE FUNCTION cims.audit_show_column(relation oid, col name) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
BEGIN
	-- not while the work goes on
	IF EXISTS (SELECT FROM pg_attribute a
		WHERE a.attrelid = audit_show_column.relation AND a.attname = cims.shadow_name(col) AND NOT a.attisdropped) THEN
		RETURN false;
	END IF;
	-- but for tables whose options leave the column out anyway
	WITH shown AS (
		DELETE FROM cims.hidden_column h WHERE (h.relation, h.column_name) = (audit_show_column.relation, col) RETURNING h.audited)
	UPDATE cims.audited_table a SET omit = array_remove(a.omit, col) FROM shown s WHERE a.relation = s.audited;
	IF FOUND THEN
		PERFORM cims.record_baseline(t.relation) FROM cims.table_tree(audit_show_column.relation) t
		WHERE t.kind = 'r' AND cims.audit_root(t.relation) IS NOT NULL;
		RETURN true;
	END IF;
	RETURN false;
END
$$;
COMMENT ON FUNCTION cims.audit_show_column(oid, name) IS 'part of cims.cancel_protect_online: records the plain column again; false where it was not hidden';

-- What cannot change without a command that is recorded
CREATE FUNCTION cims.watched_objects() RETURNS SETOF cims.watched_object
	LANGUAGE sql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'role', a.oid::text, ARRAY['role ' || a.rolname],
		to_jsonb(a) - '{oid,rolpassword}'::text[] || jsonb_build_object('password', a.rolpassword IS NOT NULL), a.xmin
	FROM pg_authid a
	UNION ALL
	SELECT 'membership', m.roleid || ' ' || m.member || ' ' || m.grantor,
		ARRAY['role ' || pg_get_userbyid(m.roleid), 'role ' || pg_get_userbyid(m.member)],
		to_jsonb(m) - '{oid,roleid,member,grantor}'::text[] || jsonb_build_object('role', pg_get_userbyid(m.roleid),
			'member', pg_get_userbyid(m.member), 'grantor', pg_get_userbyid(m.grantor)), m.xmin
	FROM pg_auth_members m
	UNION ALL
	SELECT 'role settings', s.setdatabase || ' ' || s.setrole,
		array_remove(ARRAY['role ' || r.rolname, 'database ' || d.datname], NULL),
		jsonb_build_object('role', r.rolname, 'database', d.datname,
			'settings', (SELECT jsonb_agg(split_part(c, '=', 1)) FROM unnest(s.setconfig) c)), s.xmin
	FROM pg_db_role_setting s LEFT JOIN pg_authid r ON r.oid = s.setrole LEFT JOIN pg_database d ON d.oid = s.setdatabase
	UNION ALL
	SELECT 'database', d.oid::text, ARRAY['database ' || d.datname],
		jsonb_build_object('name', d.datname, 'owner', pg_get_userbyid(d.datdba), 'allows_connections', d.datallowconn,
			'is_template', d.datistemplate, 'privileges', d.datacl::text), NULL
	FROM pg_database d
	UNION ALL
	SELECT 'tablespace', t.oid::text, ARRAY['tablespace ' || t.spcname],
		jsonb_build_object('name', t.spcname, 'owner', pg_get_userbyid(t.spcowner), 'privileges', t.spcacl::text), NULL
	FROM pg_tablespace t
	UNION ALL
	SELECT 'parameter', p.oid::text, ARRAY['parameter ' || p.parname],
		jsonb_build_object('name', p.parname, 'privileges', p.paracl::text), NULL
	FROM pg_parameter_acl p
	UNION ALL
	(SELECT DISTINCT ON (f.name) 'setting', f.name, ARRAY['setting ' || lower(f.name), 'setting all'],
		jsonb_build_object('file', regexp_replace(f.sourcefile, '^.*/', ''), 'hash', hashtextextended(f.setting, 0)), NULL::xid
	FROM pg_file_settings f WHERE f.name IS NOT NULL ORDER BY f.name, f.seqno DESC)
	UNION ALL
	SELECT 'function', p.oid::regprocedure::text, ARRAY['function ' || p.oid::regprocedure], jsonb_build_object('owner', pg_get_userbyid(p.proowner),
		'code', hashtextextended(concat_ws(' ', p.prolang, p.probin, p.prosrc, p.prosecdef, p.proconfig, p.proleakproof), 0)), p.xmin
	FROM pg_proc p JOIN pg_depend d ON (d.classid, d.objid, d.deptype) = ('pg_proc'::regclass, p.oid, 'e')
	JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND e.oid = d.refobjid AND e.extname = 'cims'
	UNION ALL
	SELECT 'policy', p.oid::text, ARRAY[format('policy %I on %s', p.polname, cims.relation_name(p.polrelid))], jsonb_build_object('table', cims.relation_name(p.polrelid), 'policy', p.polname), p.xmin
	FROM pg_policy p
	UNION ALL
	SELECT 'table', c.oid::text, ARRAY['table ' || cims.relation_name(c.oid)], jsonb_build_object('table', cims.relation_name(c.oid), 'owner', pg_get_userbyid(c.relowner),
		'row_security', c.relrowsecurity, 'force_row_security', c.relforcerowsecurity, 'rules', c.relhasrules), c.xmin
	FROM pg_class c
	WHERE c.relkind IN ('r', 'p') AND (c.relrowsecurity OR EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid)
		OR c.oid IN (SELECT t.relation FROM cims.audited_table a, cims.table_tree(a.relation) t))
$$;
COMMENT ON FUNCTION cims.watched_objects() IS 'what cims.audit_watch compares with its last look: nothing of it changes without a command that is recorded';
REVOKE ALL ON FUNCTION cims.watched_objects() FROM PUBLIC;

-- The triggers that an audited table must have
CREATE FUNCTION cims.expected_triggers() RETURNS TABLE (relation oid, name name, function regproc, type int2, enabled "char")
	LANGUAGE sql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT t.relation, w.name, w.function, w.type, w.enabled
	FROM cims.audited_table a
	CROSS JOIN cims.table_tree(a.relation) t
	CROSS JOIN (VALUES
		('!cims_audit'::name, 'row', 'cims.audit_row'::regproc, 29::int2, 'A'::"char"),
		('!cims_audit_truncate', 'row', 'cims.audit_statement', 32, 'A'),
		('!cims_audit_insert', 'statement', 'cims.audit_statement', 4, 'A'),
		('!cims_audit_update', 'statement', 'cims.audit_statement', 16, 'A'),
		('!cims_audit_delete', 'statement', 'cims.audit_statement', 8, 'A'),
		('!cims_audit_apply', 'statement', 'cims.audit_row', 29, 'R'),
		('!cims_audit_truncate', 'statement', 'cims.audit_statement', 32, 'A')
	) w (name, mode, function, type, enabled)
	WHERE t.kind IN ('r', 'p') AND w.mode = a.mode AND NOT (t.kind = 'p' AND w.type = 32)
		AND cims.audit_root(t.relation) = a.relation
$$;
COMMENT ON FUNCTION cims.expected_triggers() IS 'the triggers that audited tables must have, and how they are to be enabled';
REVOKE ALL ON FUNCTION cims.expected_triggers() FROM PUBLIC;

CREATE FUNCTION cims.event_partitions(OUT partition oid, OUT lower timestamptz, OUT upper timestamptz) RETURNS SETOF record
	LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO' SET timezone = 'UTC'
AS $$
	SELECT c.oid, b[1]::timestamptz, b[2]::timestamptz
	FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid,
		regexp_match(pg_get_expr(c.relpartbound, c.oid), $re$FROM \('([^']*)'\) TO \('([^']*)'\)$re$) b
	WHERE i.inhparent = 'cims.event'::regclass AND b IS NOT NULL ORDER BY 2
$$;
COMMENT ON FUNCTION cims.event_partitions() IS 'the partitions of the record, with the times that they hold';
REVOKE ALL ON FUNCTION cims.event_partitions() FROM PUBLIC;

-- What is wrong now
CREATE FUNCTION cims.audit_problems() RETURNS TABLE (finding text, object text, detail jsonb, remedy text)
	LANGUAGE sql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'trigger is missing', cims.relation_name(e.relation), jsonb_build_object('triggers', jsonb_agg(e.name ORDER BY e.name)),
		format('SELECT cims.audit_sync(%L)', cims.relation_name(e.relation))
	FROM cims.expected_triggers() e
	WHERE NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = e.relation AND t.tgname = e.name)
	GROUP BY e.relation
	UNION ALL
	SELECT CASE t.tgenabled WHEN 'D' THEN 'trigger is disabled' ELSE 'trigger does not fire in every session' END,
		cims.relation_name(e.relation), jsonb_build_object('triggers', jsonb_agg(e.name ORDER BY e.name)),
		string_agg(format('ALTER TABLE %s ENABLE %s TRIGGER %I', cims.relation_name(e.relation),
			CASE e.enabled WHEN 'R' THEN 'REPLICA' ELSE 'ALWAYS' END, e.name), '; ' ORDER BY e.name)
	FROM cims.expected_triggers() e
	JOIN pg_trigger t ON t.tgrelid = e.relation AND t.tgname = e.name AND t.tgenabled <> e.enabled
	GROUP BY e.relation, t.tgenabled = 'D', 1
	UNION ALL
	SELECT 'trigger is not what it was', cims.relation_name(e.relation), jsonb_build_object('triggers', jsonb_agg(e.name ORDER BY e.name)),
		format('Drop the trigger, then SELECT cims.audit_sync(%L)', cims.relation_name(e.relation))
	FROM cims.expected_triggers() e JOIN pg_trigger t ON t.tgrelid = e.relation AND t.tgname = e.name
	WHERE t.tgfoid <> e.function OR t.tgtype <> e.type OR t.tgqual IS NOT NULL OR t.tgattr <> '' OR t.tgnargs <> 0 OR t.tgdeferrable
	GROUP BY e.relation
	UNION ALL
	SELECT 'triggers are hidden', cims.relation_name(c.oid), '{}', 'Find out who changed pg_class; create any trigger on the table and drop it.'
	FROM pg_class c WHERE NOT c.relhastriggers AND c.oid IN (SELECT e.relation FROM cims.expected_triggers() e)
		AND EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid)
	UNION ALL
	SELECT 'column is not recorded', cims.relation_name(h.relation), jsonb_build_object('column', h.column_name),
		format('SELECT cims.cancel_protect_online(%L, %L)', cims.relation_name(h.relation), h.column_name)
	FROM (SELECT DISTINCT h.relation, h.column_name FROM cims.hidden_column h) h JOIN pg_attribute a ON a.attrelid = h.relation AND a.attname = h.column_name AND NOT a.attisdropped
	WHERE NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = h.relation AND t.tgname = cims.shadow_trigger(h.column_name)
		AND t.tgfoid = 'cims.keep_shadow'::regproc AND t.tgenabled = 'A')
	UNION ALL
	SELECT 'table is gone', a.relation::oid::text, '{}', format('SELECT cims.audit_forget(%s)', a.relation::oid)
	FROM cims.audited_table a WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = a.relation)
	UNION ALL
	SELECT 'record is tampered with', cims.relation_name(c.oid), jsonb_build_object(
			'triggers', (SELECT jsonb_agg(t.tgname) FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgfoid <> 'cims.refuse_change'::regproc),
			'rules', (SELECT jsonb_agg(r.rulename) FROM pg_rewrite r WHERE r.ev_class = c.oid), 'row_security', c.relrowsecurity),
		'Take triggers, rules and row security off the table, and find out who made them.'
	FROM pg_class c
	WHERE c.relnamespace = 'cims'::regnamespace AND c.relkind IN ('r', 'p') AND cims.is_record_table(c.oid)
		AND (c.relrowsecurity OR EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgfoid <> 'cims.refuse_change'::regproc)
			OR EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid))
	UNION ALL
	SELECT 'guard is off', cims.relation_name(c.oid), '{}', 'Enable the trigger refuse_change always, and find out who switched it off.'
	FROM pg_class c
	WHERE c.relnamespace = 'cims'::regnamespace AND c.relkind IN ('r', 'p') AND cims.is_record_table(c.oid)
		AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgfoid = 'cims.refuse_change'::regproc
			AND t.tgenabled = 'A' AND t.tgtype = 31 AND t.tgqual IS NULL)
	UNION ALL
	SELECT 'partition is detached', cims.relation_name(c.oid), '{}', 'Attach the partition to cims.event again.'
	FROM pg_class c
	JOIN pg_depend d ON (d.classid, d.objid, d.deptype) = ('pg_class'::regclass, c.oid, 'e')
	JOIN pg_extension x ON d.refclassid = 'pg_extension'::regclass AND x.oid = d.refobjid AND x.extname = 'cims'
	WHERE c.relname LIKE 'event\_%' AND c.relkind = 'r' AND cims.is_record_table(c.oid)
		AND NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid AND i.inhparent = 'cims.event'::regclass)
	UNION ALL
	SELECT 'no partition for the time ahead', 'cims.event', '{}', 'SELECT cims.make_event_partitions()'
	WHERE NOT EXISTS (SELECT FROM cims.event_partitions() p WHERE p.upper > now() + '1 day')
	UNION ALL
	SELECT 'overflow partition is in use', 'cims.event_overflow', '{}', 'SELECT cims.make_event_partitions(), see that the worker runs; then SELECT cims.sweep_overflow().'
	-- older ones were kept beyond their partition
	WHERE EXISTS (SELECT FROM ONLY cims.event_overflow o WHERE o.at >= (SELECT min(p.lower) FROM cims.event_partitions() p))
	UNION ALL
	SELECT 'system tables may be changed', 'allow_system_table_mods', '{}', 'ALTER SYSTEM RESET allow_system_table_mods'
	WHERE current_setting('allow_system_table_mods')::boolean
$$;
COMMENT ON FUNCTION cims.audit_problems() IS 'what cims.audit_watch finds wrong with audited tables and the record, at this moment';
REVOKE ALL ON FUNCTION cims.audit_problems() FROM PUBLIC;

-- Whether commands pass the record's hook: another library may have been put before it and not call it
CREATE FUNCTION cims.hooks_work() RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	before bigint := cims.commands_seen();
BEGIN
	EXECUTE 'SHOW search_path';
	RETURN cims.commands_seen() = before + 1;
END
$$;
COMMENT ON FUNCTION cims.hooks_work() IS 'whether the commands of this session pass the record''s hook';
REVOKE ALL ON FUNCTION cims.hooks_work() FROM PUBLIC;

-- Notes a finding, and records it where it is new
CREATE FUNCTION cims.note_finding(finding text, object text, detail jsonb, remedy text, lasting boolean) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
	INSERT INTO cims.audit_finding (finding, object, detail, remedy, lasting) VALUES (finding, object, detail, remedy, lasting)
	ON CONFLICT DO NOTHING;
	-- what stays until it is dismissed may happen again
	IF FOUND OR lasting THEN
		PERFORM cims.record_event('M', 0, jsonb_build_object('event', 'finding', 'finding', finding, 'object', object, 'detail', detail));
	END IF;
END
$$;
COMMENT ON FUNCTION cims.note_finding(text, text, jsonb, text, boolean) IS 'part of cims.audit_watch: notes what was found, and records it';
REVOKE ALL ON FUNCTION cims.note_finding(text, text, jsonb, text, boolean) FROM PUBLIC;

CREATE FUNCTION cims.changed_state(state jsonb, other jsonb) RETURNS jsonb
	LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT jsonb_object_agg(e.key, e.value) FROM jsonb_each(state) e WHERE e.key <> 'hash' AND e.value IS DISTINCT FROM other->e.key
$$;
COMMENT ON FUNCTION cims.changed_state(jsonb, jsonb) IS 'what of a state differs from another';
REVOKE ALL ON FUNCTION cims.changed_state(jsonb, jsonb) FROM PUBLIC;

-- Compares catalogs with the last look
CREATE FUNCTION cims.watch_changes() RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	first_look boolean := NOT EXISTS (SELECT FROM cims.watched_object);
	changes jsonb[];
	change record;
	restarted timestamptz;
BEGIN
	-- one statement, one snapshot: a change and the note that it is recorded are seen together or not at all
	changes := ARRAY(
		SELECT jsonb_build_object('was', to_jsonb(w), 'is', to_jsonb(n), 'explained',
			CASE WHEN n.id IS NULL OR n.writer IS NULL
				THEN EXISTS (SELECT FROM cims.cluster_change c WHERE c.names && (coalesce(n.names, '{}') || coalesce(w.names, '{}')))
					OR (w.kind IN ('function', 'policy', 'table') AND EXISTS (SELECT FROM cims.cluster_change))
				ELSE EXISTS (SELECT FROM cims.cluster_change c WHERE c.xid = n.writer)
			END)
		FROM cims.watched_objects() n FULL JOIN cims.watched_object w ON (w.kind, w.id) = (n.kind, n.id)
		WHERE n.state IS DISTINCT FROM w.state OR (n.writer IS DISTINCT FROM w.writer AND n.kind <> 'table'));
	UPDATE cims.cluster_change SET looks = looks + 1;
	DELETE FROM cims.cluster_change WHERE looks > 1;
	PERFORM cims.record_cluster_events();
	-- what other databases had told, and was not read yet, went with the server's memory
	SELECT p.began INTO restarted FROM cims.cluster_position p WHERE p.began > (SELECT l.at FROM cims.audit_look l);

	FOR change IN
		SELECT (c->'was')::jsonb AS was, (c->'is')::jsonb AS "is", (c->>'explained')::boolean AS explained,
			coalesce(c->'is'->>'kind', c->'was'->>'kind') AS kind, coalesce(c->'is'->>'id', c->'was'->>'id') AS id,
			jsonb_typeof(c->'is') = 'null' AS gone
		FROM unnest(changes) c
	LOOP
		CONTINUE WHEN first_look;
		-- a table is looked at from when its audit begins until that ends, which are on the record themselves
		CONTINUE WHEN change.kind = 'table' AND CASE
			WHEN change.gone THEN EXISTS (SELECT FROM pg_class r WHERE r.oid = change.id::oid)
			ELSE jsonb_typeof(change.was) = 'null'
				AND EXISTS (SELECT FROM cims.audited_table a, cims.table_tree(a.relation) t WHERE t.relation = change.id::oid)
			END;
		-- what another database has told meanwhile
		IF NOT (change.explained OR EXISTS (
			SELECT FROM cims.cluster_change c
			WHERE c.xid::text = change."is"->>'writer'
				OR (change.gone OR change."is"->>'writer' IS NULL)
					AND c.names && ARRAY(SELECT jsonb_array_elements_text(coalesce(nullif(change."is", 'null')->'names', change.was->'names')))))
		THEN
			PERFORM cims.note_finding(
				format('%s was %s by no command that is recorded', change.kind,
					CASE WHEN change.gone THEN 'dropped' WHEN jsonb_typeof(change.was) = 'null' THEN 'made' ELSE 'changed' END),
				(SELECT string_agg(n, ', ') FROM jsonb_array_elements_text(coalesce(nullif(change."is", 'null'), change.was)->'names') n WHERE n <> 'setting all'),
				jsonb_build_object('was', cims.changed_state(change.was->'state', change."is"->'state'),
					'is', cims.changed_state(change."is"->'state', change.was->'state'))
					|| CASE WHEN restarted IS NULL THEN '{}' ELSE jsonb_build_object('server_restarted', restarted) END,
				CASE WHEN restarted IS NULL THEN '' ELSE 'The server was restarted since the last look: a command of another database may be lost with its memory. ' END
					|| 'Find out who did it; then SELECT cims.dismiss_finding(...).', true);
		END IF;
	END LOOP;

	DELETE FROM cims.watched_object w USING unnest(changes) c
	WHERE (w.kind, w.id) = (c->'was'->>'kind', c->'was'->>'id');
	INSERT INTO cims.watched_object
	SELECT o.* FROM unnest(changes) c, jsonb_populate_record(NULL::cims.watched_object, c->'is') o WHERE jsonb_typeof(c->'is') <> 'null';
	IF first_look THEN
		PERFORM cims.record_event('M', 0, jsonb_build_object('event', 'watch begun', 'objects', cardinality(changes)));
	END IF;
END
$$;
COMMENT ON FUNCTION cims.watch_changes() IS 'part of cims.audit_watch: finds what has changed in catalogs and settings by no command that is recorded';
REVOKE ALL ON FUNCTION cims.watch_changes() FROM PUBLIC;

CREATE FUNCTION cims.audit_watch() RETURNS TABLE (finding text, object text, detail jsonb, found timestamptz, remedy text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = off SET jit = off
AS $$
#variable_conflict use_column
DECLARE
	over record;
BEGIN
	PERFORM pg_advisory_xact_lock('cims.audit_look'::regclass::oid::int, 0);
	PERFORM cims.watch_changes();
	FOR over IN
		DELETE FROM cims.audit_finding f
		WHERE NOT f.lasting AND NOT EXISTS (SELECT FROM cims.audit_problems() p WHERE (p.finding, p.object) = (f.finding, f.object))
		RETURNING f.finding, f.object
	LOOP
		PERFORM cims.record_event('M', 0, jsonb_build_object('event', 'finding over', 'finding', over.finding, 'object', over.object));
	END LOOP;
	PERFORM cims.note_finding(p.finding, p.object, p.detail, p.remedy, false) FROM cims.audit_problems() p;
	IF NOT cims.hooks_work() THEN
		PERFORM cims.note_finding('commands are not recorded', 'cims', '{}',
			'See which libraries are loaded, and in which order; then SELECT cims.dismiss_finding(...).', true);
	END IF;
	INSERT INTO cims.audit_look VALUES (true, clock_timestamp()) ON CONFLICT (id) DO UPDATE SET at = excluded.at;
	RETURN QUERY SELECT f.finding, f.object, f.detail, f.found, f.remedy FROM cims.audit_finding f ORDER BY f.found, f.finding, f.object;
END
$$;
COMMENT ON FUNCTION cims.audit_watch() IS
	'looks whether every audited table is recorded, the record is as it was made, and catalogs and settings changed by recorded commands alone; records what is new and returns what is not over; the worker calls it';
REVOKE ALL ON FUNCTION cims.audit_watch() FROM PUBLIC;

CREATE FUNCTION cims.dismiss_finding(finding text, object text, reason text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
#variable_conflict use_variable
BEGIN
	IF coalesce(btrim(reason), '') = '' THEN
		RAISE EXCEPTION 'a reason must be given' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	DELETE FROM cims.audit_finding f WHERE f.finding = finding AND f.object = object;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'there is no such finding' USING ERRCODE = 'no_data_found', HINT = 'SELECT finding, object FROM cims.audit_watch() lists them.';
	END IF;
	PERFORM cims.record_event('M', 0, jsonb_build_object('event', 'finding dismissed', 'finding', finding, 'object', object, 'reason', reason));
END
$$;
COMMENT ON FUNCTION cims.dismiss_finding(text, text, text) IS 'takes a finding of cims.audit_watch off the list, and records why; one that is not over is found again';
REVOKE ALL ON FUNCTION cims.dismiss_finding(text, text, text) FROM PUBLIC;

CREATE FUNCTION cims.read_audit_state() RETURNS TABLE ("table" regclass, since timestamptz, mode text, images text, tables bigint,
	ok boolean, findings text[], looked timestamptz)
	LANGUAGE sql STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
	SELECT a.relation, a.since, a.mode, a.images, t.tables, f.findings = '{}', f.findings, (SELECT l.at FROM cims.audit_look l)
	FROM cims.audited_table a
	CROSS JOIN LATERAL (
		SELECT count(*) AS tables, array_agg(cims.relation_name(t.relation)) AS names
		FROM cims.table_tree(a.relation) t) t
	CROSS JOIN LATERAL (
		SELECT ARRAY(SELECT f.finding || CASE WHEN f.object <> cims.relation_name(a.relation) THEN ': ' || f.object ELSE '' END
			FROM cims.audit_finding f WHERE f.object = ANY (t.names) ORDER BY 1) AS findings) f
	UNION ALL
	SELECT NULL, NULL, NULL, NULL, NULL, f.findings = '{}', f.findings, (SELECT l.at FROM cims.audit_look l)
	FROM (SELECT ARRAY(SELECT f.finding || ': ' || f.object FROM cims.audit_finding f
		WHERE f.object NOT IN (SELECT cims.relation_name(t.relation) FROM cims.audited_table a, cims.table_tree(a.relation) t)
		ORDER BY 1) AS findings) f
$$;
COMMENT ON FUNCTION cims.read_audit_state() IS 'what the view cims.audit_state shows';
REVOKE ALL ON FUNCTION cims.read_audit_state() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION cims.read_audit_state() TO pg_monitor;

CREATE VIEW cims.audit_state AS SELECT * FROM cims.read_audit_state();
COMMENT ON VIEW cims.audit_state IS 'for each audited table, and without one for the rest, what the last look of cims.audit_watch found';
COMMENT ON COLUMN cims.audit_state."table" IS 'the audited table; NULL for what concerns none';
COMMENT ON COLUMN cims.audit_state.tables IS 'how many tables it is, partitions and children included';
COMMENT ON COLUMN cims.audit_state.images IS 'what is recorded of a changed row: full or changes';
COMMENT ON COLUMN cims.audit_state.mode IS 'row or statement';
COMMENT ON COLUMN cims.audit_state.since IS 'when its record began';
COMMENT ON COLUMN cims.audit_state.ok IS 'whether nothing was found';
COMMENT ON COLUMN cims.audit_state.findings IS 'what was found and is not over';
COMMENT ON COLUMN cims.audit_state.looked IS 'when cims.audit_watch last looked';
REVOKE ALL ON cims.audit_state FROM PUBLIC;
GRANT SELECT ON cims.audit_state TO pg_monitor;
