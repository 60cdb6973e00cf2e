/*
 * online.sql
 *		cims.protect_online: protects a column without a long lock.
 *
 * Phases, each committed before the next, so that a call after a crash goes on
 * where the last one stood:
 *	prepare		adds an encrypted shadow column and a trigger that keeps it in step
 *	index		builds the column's indexes over the shadow
 *	fill		fills the shadow for the rows that were there before, in batches
 *	validate	proves with a check constraint that no row was missed
 *	wait		for indexes that the caller builds with CONCURRENTLY
 *	swap		drops the plain column and gives its name to the shadow
 *
 * Locks: prepare and swap take ACCESS EXCLUSIVE for an instant; index takes
 * SHARE for one scan of the table per index (writers wait), or ACCESS EXCLUSIVE
 * where a deferrable constraint goes with it.  All of them give up and try
 * again where they would wait for long.  fill takes row locks that it never
 * waits for.
 */
CREATE FUNCTION cims.online_obstacles(changes cims.column_change[], class cims.data_class, options jsonb) RETURNS text[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(array_agg(o), '{}') FROM (
		SELECT unnest(cims.protection_obstacles(changes, class, (options->>'pattern_index')::boolean))
		UNION ALL
		SELECT format('column "%s" of table %s: an array cannot change online; use cims.protect', c.name, cims.relation_name(c.relation))
		FROM unnest(changes) c WHERE c.root AND c.new_type LIKE '%[]'
		UNION ALL
		SELECT s.object || ': a column in a foreign key cannot change online; use cims.protect' FROM cims.foreign_key_steps(changes) s
		UNION ALL
		SELECT format('constraint "%s" of table %s: a unique constraint of a partitioned table cannot move to another index',
			k.conname, cims.relation_name(k.conrelid))
		FROM unnest(changes) c JOIN pg_class t ON t.oid = c.relation AND t.relkind = 'p'
		JOIN pg_constraint k ON k.conrelid = t.oid AND k.contype IN ('p', 'u') AND c.attnum = ANY (k.conkey)
		UNION ALL
		SELECT format('constraint "%s" of table %s: a deferrable primary key cannot move to another index', k.conname, cims.relation_name(k.conrelid))
		FROM unnest(changes) c JOIN pg_constraint k ON k.conrelid = c.relation AND k.contype = 'p' AND k.condeferrable AND c.attnum = ANY (k.conkey)
		UNION ALL
		SELECT format('trigger "%s" of table %s: its name would let it fire after the trigger "%s"; rename it',
			g.tgname, cims.relation_name(g.tgrelid), cims.shadow_trigger(c.name))
		-- that of another column at work looks at neither
		FROM unnest(changes) c JOIN pg_trigger g ON g.tgrelid = c.relation AND NOT g.tgisinternal AND g.tgfoid <> 'cims.keep_shadow'::regproc
			AND g.tgtype::int & 3 = 3 AND g.tgname::text COLLATE "C" > cims.shadow_trigger(c.name)::text COLLATE "C"
		UNION ALL
		SELECT format('sequence %s: it is owned by the column', cims.relation_name(d.objid))
		FROM unnest(changes) c JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = c.relation
			AND d.refobjsubid = c.attnum AND d.classid = 'pg_class'::regclass AND d.deptype = 'a'
		JOIN pg_class q ON q.oid = d.objid AND q.relkind = 'S'
		UNION ALL
		SELECT format('default of column "%s" of table %s: it gives the encrypted form of another tool', c.name, cims.relation_name(c.relation))
		FROM unnest(changes) c JOIN pg_attrdef d ON d.adrelid = c.relation AND d.adnum = c.attnum
		WHERE options->>'source' <> 'plain'
		UNION ALL
		SELECT format('table %s is partitioned, whose indexes CREATE INDEX CONCURRENTLY cannot build', cims.relation_name(c.relation))
		FROM unnest(changes) c JOIN pg_class t ON t.oid = c.relation AND t.relkind = 'p'
		WHERE NOT (options->>'build_indexes')::boolean
	) list (o)
$$;
COMMENT ON FUNCTION cims.online_obstacles(cims.column_change[], cims.data_class, jsonb) IS 'all that stands against protecting a column online';

CREATE FUNCTION cims.online_changes(tbl regclass, col name, options jsonb) RETURNS cims.column_change[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT cims.planned_changes(tbl, col, CASE options->>'source' WHEN 'plain' THEN cims.protection_types(options->>'class')
		ELSE jsonb_build_object('bytea'::regtype::oid, format('%s(%I)', (options->>'target')::regtype, options->>'class')) END)
$$;
COMMENT ON FUNCTION cims.online_changes(regclass, name, jsonb) IS 'the change that an online job works towards';

CREATE FUNCTION cims.begin_online(tbl regclass, col name, batch_size int, asked jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off SET row_security = on
AS $$
DECLARE
	job cims.maintenance_job;
	target cims.data_class := cims.find_class(asked->>'class');
	changes cims.column_change[];
BEGIN
	PERFORM cims.require_owner(tbl);
	PERFORM cims.require_batch_size(batch_size);
	PERFORM cims.source_expression(asked->>'source', col, asked->>'cipher', asked->>'iv', (asked->>'target')::regtype);
	job := cims.take_job(tbl, col, 'protect_online');
	IF job.relation IS NOT NULL THEN
		IF job.options->>'class' <> asked->>'class' OR job.options->>'source' <> asked->>'source' THEN
			RAISE EXCEPTION USING ERRCODE = 'object_in_use',
				MESSAGE = format('column "%s" of table "%s" is already on its way to class "%s"', col, tbl, job.options->>'class'),
				HINT = 'Call with the same arguments to go on, or give up with cims.cancel_protect_online.';
		END IF;
		UPDATE cims.maintenance_job j SET retry_since = NULL, options = j.options || jsonb_build_object('build_indexes', asked->'build_indexes')
		WHERE (j.relation, j.column_name, j.work) = (tbl, col, 'protect_online');
		RAISE NOTICE 'going on with phase "%"', job.phase;
		RETURN;
	END IF;
	IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = tbl AND attname = cims.shadow_name(col) AND NOT attisdropped) THEN
		RAISE EXCEPTION USING ERRCODE = 'duplicate_column',
			MESSAGE = format('column "%s" of table "%s" exists already', cims.shadow_name(col), tbl),
			HINT = 'If a restored dump holds what a call left unfinished, cims.cancel_protect_online clears it away.';
	END IF;
	changes := cims.online_changes(tbl, col, asked);
	PERFORM cims.require_own_column(tbl, col);
	PERFORM cims.refuse('protect', tbl, col, ARRAY(SELECT cims.column_obstacles(changes)));
	PERFORM cims.refuse('protect', tbl, col, cims.online_obstacles(changes, target, asked));
	PERFORM cims.require_index_level(changes, asked->>'class', (asked->>'pattern_index')::boolean);
	IF asked->>'source' = 'plain' THEN
		PERFORM cims.adopt_limits(changes, target);
	END IF;
	BEGIN
		INSERT INTO cims.maintenance_job (relation, column_name, work, phase, options)
		VALUES (tbl, col, 'protect_online', 'prepare', asked);
	EXCEPTION WHEN unique_violation THEN
		RAISE EXCEPTION USING ERRCODE = 'lock_not_available', MESSAGE = format('another session is at work on table "%s"', tbl);
	END;
END
$$;
COMMENT ON FUNCTION cims.begin_online(regclass, name, int, jsonb) IS 'begins cims.protect_online, or lets it go on';

CREATE FUNCTION cims.enter_phase(job cims.maintenance_job, phase text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = on
AS $$
BEGIN
	UPDATE cims.maintenance_job j SET phase = enter_phase.phase, retry_since = NULL, updated = clock_timestamp()
	WHERE (j.relation, j.column_name, j.work) = (job.relation, job.column_name, job.work);
END
$$;
COMMENT ON FUNCTION cims.enter_phase(cims.maintenance_job, text) IS 'lets a job go on to a phase';

CREATE FUNCTION cims.wait_for_lock(job cims.maintenance_job, patience interval, why text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = on
AS $$
BEGIN
	IF clock_timestamp() > job.retry_since + patience THEN
		RAISE EXCEPTION USING ERRCODE = 'lock_not_available',
			MESSAGE = format('could not get the locks on table "%s" for phase "%s"', job.relation::regclass, job.phase),
			DETAIL = format('The last attempt ended with: %s.', why),
			HINT = 'Other transactions held them all the time. Call cims.protect_online again to go on.';
	END IF;
	UPDATE cims.maintenance_job j SET retry_since = coalesce(j.retry_since, clock_timestamp()), updated = clock_timestamp()
	WHERE (j.relation, j.column_name, j.work) = (job.relation, job.column_name, job.work);
END
$$;
COMMENT ON FUNCTION cims.wait_for_lock(cims.maintenance_job, interval, text) IS 'notes that a job waits for a lock; raises once patience is over';

CREATE FUNCTION cims.online_prepare(job cims.maintenance_job) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = on
AS $$
DECLARE
	changes cims.column_change[];
BEGIN
	PERFORM cims.lock_table(job.relation, 'ACCESS EXCLUSIVE');
	changes := cims.online_changes(job.relation, job.column_name, job.options);
	PERFORM cims.refuse('protect', job.relation, job.column_name,
		cims.online_obstacles(changes, cims.find_class(job.options->>'class'), job.options));
	PERFORM cims.make_shadow(job.relation, job.column_name,
		(SELECT new_type FROM unnest(changes) WHERE relation = job.relation AND name = job.column_name), job.options->>'source');
	PERFORM cims.audit_hide_column(job.relation, job.column_name, cims.shadow_name(job.column_name));
	PERFORM cims.copy_checks(job.relation, job.column_name) WHERE job.options->>'source' = 'plain';
	UPDATE cims.maintenance_job j SET options = j.options || jsonb_build_object('state', cims.shadow_state(job.relation, job.column_name))
	WHERE (j.relation, j.column_name, j.work) = (job.relation, job.column_name, job.work);
	PERFORM cims.enter_phase(job, 'index'), cims.begin_pass(job, true);
END
$$;
COMMENT ON FUNCTION cims.online_prepare(cims.maintenance_job) IS 'phase prepare of cims.protect_online';

CREATE FUNCTION cims.missing_indexes(job cims.maintenance_job) RETURNS TABLE (drop_command text, command text, constraint_command text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	-- CREATE INDEX CONCURRENTLY leaves an invalid index where it fails
	SELECT (SELECT 'DROP INDEX ' || cims.relation_name(v.indexrelid) FROM pg_index v JOIN pg_class d ON d.oid = v.indexrelid
			WHERE v.indrelid = i.relation AND d.relname = n.name),
		cims.copy_command(i.index_id, job.column_name, i.treatment),
		(SELECT cims.shadow_constraint_command(k.oid, n.name, n.name) FROM pg_constraint k WHERE k.oid = i.constraint_id AND k.condeferrable)
	FROM cims.column_indexes(job.relation, job.column_name) i
	JOIN pg_class c ON c.oid = i.index_id CROSS JOIN LATERAL cims.copy_name(c.relname, c.oid) n (name)
	WHERE i.copy IS NULL ORDER BY i.index_id
$$;
COMMENT ON FUNCTION cims.missing_indexes(cims.maintenance_job) IS
	'the commands for indexes that the shadow does not have yet, and for constraints that come with them at once';

CREATE FUNCTION cims.online_index(job cims.maintenance_job) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	missing record;
BEGIN
	SELECT * INTO missing FROM cims.missing_indexes(job) LIMIT 1;
	IF missing.command IS NULL THEN
		RETURN false;
	END IF;
	PERFORM cims.lock_table(job.relation, CASE WHEN missing.constraint_command IS NULL THEN 'SHARE' ELSE 'ACCESS EXCLUSIVE' END);
	PERFORM cims.require_shadow(job);
	IF missing.drop_command IS NOT NULL THEN
		EXECUTE missing.drop_command;
	END IF;
	EXECUTE missing.command;
	IF missing.constraint_command IS NOT NULL THEN
		EXECUTE missing.constraint_command;
	END IF;
	RETURN true;
END
$$;
COMMENT ON FUNCTION cims.online_index(cims.maintenance_job) IS 'phase index of cims.protect_online: builds one index; false where none is missing';

-- true where rows are left to fill
CREATE FUNCTION cims.online_fill(job cims.maintenance_job, batch_size int, patience interval) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	batch record;
	o jsonb := job.options;
BEGIN
	PERFORM cims.require_shadow(job);
	SELECT b.* INTO batch FROM cims.fill_shadow(job.part, job.position, batch_size, job.column_name, cims.shadow_name(job.column_name),
		cims.source_expression(o->>'source', job.column_name, o->>'cipher', o->>'iv', (o->>'target')::regtype)) b;
	job := cims.advance_job(job, batch.next, batch.changed, batch.skipped, batch.unreadable);
	IF job.part IS NOT NULL THEN
		RETURN true;
	ELSIF job.rows_unreadable > 0 THEN
		RAISE EXCEPTION USING ERRCODE = 'data_exception',
			MESSAGE = format('%s values of column "%s" cannot be opened', job.rows_unreadable, job.column_name);
	ELSIF job.rows_skipped > 0 THEN
		IF clock_timestamp() > job.retry_since + patience THEN
			RAISE EXCEPTION USING ERRCODE = 'lock_not_available',
				MESSAGE = format('%s rows of table "%s" were held by other transactions all the time', job.rows_skipped, job.relation::regclass),
				HINT = 'Call cims.protect_online again to go on.';
		END IF;
		PERFORM cims.begin_pass(job, false);
		RETURN true;
	END IF;
	RETURN false;
END
$$;
COMMENT ON FUNCTION cims.online_fill(cims.maintenance_job, int, interval) IS 'phase fill of cims.protect_online: one batch';

CREATE FUNCTION cims.fill_rest(job cims.maintenance_job) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	part oid;
	batch record;
	first tid;
	o jsonb := job.options;
BEGIN
	FOR part IN SELECT cims.table_parts(job.relation) LOOP
		first := '(0,1)';
		WHILE first IS NOT NULL LOOP
			SELECT b.* INTO batch FROM cims.fill_shadow(part, first, 100000, job.column_name, cims.shadow_name(job.column_name),
				cims.source_expression(o->>'source', job.column_name, o->>'cipher', o->>'iv', (o->>'target')::regtype)) b;
			IF batch.skipped + batch.unreadable > 0 THEN
				RAISE EXCEPTION USING ERRCODE = 'data_exception', MESSAGE = format('column "%s" could not be filled', job.column_name);
			END IF;
			first := batch.next;
		END LOOP;
	END LOOP;
END
$$;
COMMENT ON FUNCTION cims.fill_rest(cims.maintenance_job) IS 'fills what was written since the last pass, while the table is locked';

-- what the plain column has and its shadow has not; to run once the shadow has the name
CREATE FUNCTION cims.column_commands(change cims.column_change) RETURNS text[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT cims.grant_commands(a.attacl, t.name, format(' (%I)', a.attname), c.relowner)
		|| ARRAY(
			SELECT format('COMMENT ON COLUMN %s.%I IS %L', t.name, a.attname, d.description)
			FROM pg_description d WHERE d.classoid = 'pg_class'::regclass AND d.objoid = a.attrelid AND d.objsubid = a.attnum)
		|| ARRAY(
			SELECT format('SECURITY LABEL FOR %I ON COLUMN %s.%I IS %L', l.provider, t.name, a.attname, l.label)
			FROM pg_seclabel l WHERE l.classoid = 'pg_class'::regclass AND l.objoid = a.attrelid AND l.objsubid = a.attnum)
		|| ARRAY(SELECT format('ALTER TABLE ONLY %s ALTER COLUMN %I SET STATISTICS %s', t.name, a.attname, a.attstattarget) WHERE a.attstattarget >= 0)
		|| ARRAY(SELECT format('ALTER TABLE ONLY %s ALTER COLUMN %I SET (%s)', t.name, a.attname, o)
			FROM unnest(a.attoptions) o WHERE o LIKE 'n\_distinct%')
		|| ARRAY(
			SELECT u FROM (SELECT *, format('%s.%I', stxnamespace::regnamespace, stxname) AS name FROM pg_statistic_ext) s CROSS JOIN LATERAL unnest(ARRAY[pg_get_statisticsobjdef(s.oid)]
				|| CASE WHEN s.stxstattarget >= 0 THEN ARRAY[format('ALTER STATISTICS %s SET STATISTICS %s', s.name, s.stxstattarget)] ELSE '{}' END
				|| CASE WHEN s.stxowner <> current_user::regrole THEN ARRAY[format('ALTER STATISTICS %s OWNER TO %I', s.name, pg_get_userbyid(s.stxowner))] ELSE '{}' END
				|| cims.comment_commands('pg_statistic_ext', s.oid, 'STATISTICS ' || s.name)) WITH ORDINALITY x (u, n)
			WHERE s.stxrelid = a.attrelid AND a.attnum = ANY (s.stxkeys) ORDER BY s.oid, n)
	FROM pg_attribute a
	JOIN pg_class c ON c.oid = a.attrelid
	CROSS JOIN LATERAL (SELECT cims.relation_name(a.attrelid)) t (name)
	WHERE a.attrelid = change.relation AND a.attnum = change.attnum
$$;
COMMENT ON FUNCTION cims.column_commands(cims.column_change) IS 'the commands that give a column''s grants, comments and statistics to the one that takes its name';

CREATE FUNCTION cims.index_handover(tbl oid, col name) RETURNS text[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(array_agg(u ORDER BY i.index_id, n), '{}')
	FROM cims.column_indexes(tbl, col) i
	JOIN pg_index x ON x.indexrelid = i.index_id
	JOIN pg_class r ON r.oid = i.index_id AND i.copy IS NOT NULL
	CROSS JOIN LATERAL (SELECT cims.relation_name(x.indrelid), cims.relation_name(i.index_id)) s (table_name, index_name)
	LEFT JOIN pg_constraint k ON k.oid = i.constraint_id
	CROSS JOIN LATERAL unnest(
		ARRAY(
			SELECT format('ALTER INDEX %s RENAME TO %I', cims.relation_name(c.oid), o.relname)
			FROM pg_partition_tree(i.copy) n JOIN pg_class c ON c.oid = n.relid JOIN pg_index cx ON cx.indexrelid = c.oid
			JOIN pg_partition_tree(i.index_id) t ON true JOIN pg_class o ON o.oid = t.relid
			JOIN pg_index ox ON ox.indexrelid = o.oid AND ox.indrelid = cx.indrelid)
		-- a constraint that the copy has already takes the name along with it
		|| CASE WHEN r.relkind = 'i' THEN ARRAY[format('ALTER INDEX %s RENAME TO %I', cims.relation_name(i.copy), r.relname)] ELSE '{}' END
		|| CASE WHEN k.oid IS NOT NULL AND NOT EXISTS (SELECT FROM pg_constraint o WHERE o.conindid = i.copy AND o.contype IN ('p', 'u'))
			THEN ARRAY[cims.shadow_constraint_command(k.oid, k.conname, r.relname)] ELSE '{}' END
		|| ARRAY(
			SELECT format('ALTER INDEX %s ALTER COLUMN %s SET STATISTICS %s', s.index_name, a.attnum, a.attstattarget)
			FROM pg_attribute a WHERE a.attrelid = i.index_id AND a.attstattarget >= 0)
		|| cims.comment_commands('pg_class', i.index_id, 'INDEX ' || s.index_name)
		|| cims.comment_commands('pg_constraint', k.oid, 'CONSTRAINT ' || quote_ident(k.conname) || ' ON ' || s.table_name)
		|| CASE WHEN x.indisreplident THEN ARRAY[format('ALTER TABLE %s REPLICA IDENTITY USING INDEX %I', s.table_name, r.relname)] ELSE '{}' END
		|| CASE WHEN x.indisclustered THEN ARRAY[format('ALTER TABLE %s CLUSTER ON %I', s.table_name, r.relname)] ELSE '{}' END
	) WITH ORDINALITY c (u, n)
$$;
COMMENT ON FUNCTION cims.index_handover(oid, name) IS 'the commands that give the names and roles of a column''s indexes to their copies';

CREATE FUNCTION cims.check_handover(tbl oid, col name) RETURNS text[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(array_agg(u ORDER BY k.check_id, n), '{}')
	FROM cims.column_checks(tbl, col) k
	JOIN pg_constraint o ON o.oid = k.check_id
	CROSS JOIN LATERAL (SELECT cims.relation_name(k.relation)) r (name)
	CROSS JOIN LATERAL unnest(
		ARRAY[format('ALTER TABLE %s RENAME CONSTRAINT %I TO %I', r.name, k.copy_name, o.conname)]
		|| cims.comment_commands('pg_constraint', k.check_id, format('CONSTRAINT %I ON %s', o.conname, r.name))) WITH ORDINALITY c (u, n)
$$;
COMMENT ON FUNCTION cims.check_handover(oid, name) IS 'the commands that give the names of a column''s check constraints to their copies';

CREATE FUNCTION cims.not_null_handover(changes cims.column_change[], shadow name) RETURNS text[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT ARRAY(
		SELECT u.command
		FROM unnest(changes) c
		JOIN pg_constraint o ON o.conrelid = c.relation AND o.contype = 'n' AND o.conkey = ARRAY[c.attnum]
		JOIN pg_constraint n ON n.conrelid = c.relation AND n.contype = 'n' AND n.conkey = ARRAY[cims.find_column(c.relation, shadow)] AND n.coninhcount = 0
		CROSS JOIN LATERAL (VALUES
			(1, CASE WHEN n.conname <> o.conname THEN
				format('ALTER TABLE %s RENAME CONSTRAINT %I TO %I', cims.relation_name(c.relation), n.conname, o.conname) END),
			(2, format('COMMENT ON CONSTRAINT %I ON %s IS %L', o.conname, cims.relation_name(c.relation), obj_description(o.oid, 'pg_constraint')))
		) AS u (n, command)
		WHERE u.command IS NOT NULL AND (u.n = 1 OR obj_description(o.oid, 'pg_constraint') IS NOT NULL)
		ORDER BY NOT c.root, c.relation, u.n)
$$;
COMMENT ON FUNCTION cims.not_null_handover(cims.column_change[], name) IS
	'the commands that give the NOT NULL constraints of a shadow the names and comments of the column''s, where the server names them (from PostgreSQL 18 on)';

CREATE FUNCTION cims.online_swap(job cims.maintenance_job) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	tbl text := cims.relation_name(job.relation);
	col name := job.column_name;
	shadow name := cims.shadow_name(col);
	shadow_attnum int2 := cims.find_column(job.relation, shadow);
	changes cims.column_change[] := cims.online_changes(job.relation, col, job.options);
	change cims.column_change;
	steps cims.restore_step[];
	commands text[] := '{}';
	command text;
BEGIN
	PERFORM cims.refuse('protect', job.relation, col,
		cims.online_obstacles(changes, cims.find_class(job.options->>'class'), job.options));
	IF job.options->>'source' = 'plain' THEN
		PERFORM cims.note_statistics_residue(changes);
	END IF;
	-- constraints that came meanwhile, and those of a source that is filled only now
	PERFORM cims.copy_checks(job.relation, col), cims.validate_checks(job.relation, col);
	FOREACH change IN ARRAY changes LOOP
		commands := commands || cims.column_commands(change);
	END LOOP;
	commands := commands || cims.index_handover(job.relation, col) || cims.check_handover(job.relation, col);
	steps := ARRAY(SELECT s FROM (SELECT * FROM cims.dependent_steps(changes) UNION ALL SELECT * FROM cims.default_steps(changes)) s);
	PERFORM cims.take_down(steps);
	-- a child may take no NULL where its parent does; the parent comes first, as then there is nothing left to do for most
	FOR command IN
		SELECT format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL', cims.relation_name(c.relation), shadow)
		FROM unnest(changes) c JOIN pg_attribute a ON a.attrelid = c.relation AND a.attnum = c.attnum AND a.attnotnull
		ORDER BY NOT c.root, c.relation
	LOOP
		EXECUTE command;
	END LOOP;
	commands := commands || cims.not_null_handover(changes, shadow);
	PERFORM cims.drop_keeper(job.relation, col);
	PERFORM cims.move_governed(job.relation, col, shadow);
	EXECUTE format('ALTER TABLE %s DROP COLUMN %I', tbl, col);
	EXECUTE format('ALTER TABLE %s RENAME COLUMN %I TO %I', tbl, shadow, col);
	FOREACH command IN ARRAY commands LOOP
		EXECUTE command;
	END LOOP;
	PERFORM cims.put_back(steps);
	IF cims.find_column(job.relation, col) <> shadow_attnum THEN
		RAISE EXCEPTION USING ERRCODE = 'lock_not_available', MESSAGE = format('table %s was renamed', tbl);
	END IF;
	PERFORM cims.note_residue(p, job.relation, col, 'rows from before protection stay in its pages')
	FROM cims.table_parts(job.relation) p WHERE job.options->>'source' = 'plain';
	PERFORM cims.note_audit_residue(job.relation, col) WHERE job.options->>'source' = 'plain';
END
$$;
COMMENT ON FUNCTION cims.online_swap(cims.maintenance_job) IS 'phase swap of cims.protect_online';

CREATE FUNCTION cims.online_end(job cims.maintenance_job) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = on
AS $$
BEGIN
	DELETE FROM cims.maintenance_job j WHERE (j.relation, j.column_name, j.work) = (job.relation, job.column_name, job.work);
	RAISE NOTICE 'column "%" of table % is protected; it is now the last column of the table', job.column_name, job.relation::regclass;
END
$$;
COMMENT ON FUNCTION cims.online_end(cims.maintenance_job) IS 'ends cims.protect_online';

CREATE FUNCTION cims.concurrent_indexes(job cims.maintenance_job) RETURNS text[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT ARRAY(
		SELECT regexp_replace(c, '^(DROP|CREATE|CREATE UNIQUE) INDEX', '\1 INDEX CONCURRENTLY')
		FROM cims.missing_indexes(job) m CROSS JOIN unnest(ARRAY[m.drop_command, m.command]) WITH ORDINALITY u (c, n)
		WHERE c IS NOT NULL ORDER BY m.command, n)
$$;
COMMENT ON FUNCTION cims.concurrent_indexes(cims.maintenance_job) IS 'the commands that build the missing indexes without a lock';

CREATE FUNCTION cims.online_wait(job cims.maintenance_job) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = on
AS $$
DECLARE
	commands text[] := cims.concurrent_indexes(job);
BEGIN
	IF commands <> '{}' THEN
		RAISE NOTICE USING MESSAGE = format('build these indexes, then call cims.protect_online again:%s',
			(SELECT string_agg(E'\n' || c || ';', '') FROM unnest(commands) c));
	END IF;
	RETURN commands <> '{}';
END
$$;
COMMENT ON FUNCTION cims.online_wait(cims.maintenance_job) IS 'phase wait of cims.protect_online: true where the caller has indexes to build';

-- false where a row was missed and is looked for in another pass
CREATE FUNCTION cims.online_validate(job cims.maintenance_job) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = on
AS $$
BEGIN
	PERFORM cims.lock_table(job.relation, 'SHARE UPDATE EXCLUSIVE');
	PERFORM cims.require_shadow(job);
	EXECUTE format('ALTER TABLE %s VALIDATE CONSTRAINT %I', cims.relation_name(job.relation), cims.shadow_trigger(job.column_name));
	PERFORM cims.validate_checks(job.relation, job.column_name);
	RETURN true;
EXCEPTION WHEN check_violation THEN
	-- as when the pass was overtaken by what moves rows; not for ever
	IF (job.options->>'missed_at')::bigint IS NOT DISTINCT FROM job.rows_done THEN
		RAISE EXCEPTION USING ERRCODE = 'check_violation',
			MESSAGE = format('column "%s" and its shadow differ in rows of table "%s"', job.column_name, job.relation::regclass),
			DETAIL = format('%s%s.', upper(left(SQLERRM, 1)), substr(SQLERRM, 2)),
			HINT = 'Nothing is lost. Give up with cims.cancel_protect_online, and begin again.';
	END IF;
	UPDATE cims.maintenance_job j SET options = j.options || jsonb_build_object('missed_at', job.rows_done)
	WHERE (j.relation, j.column_name, j.work) = (job.relation, job.column_name, job.work);
	PERFORM cims.begin_pass(job, true), cims.enter_phase(job, 'fill');
	RETURN false;
END
$$;
COMMENT ON FUNCTION cims.online_validate(cims.maintenance_job) IS 'phase validate of cims.protect_online';

-- false where there is nothing to do until the caller has built indexes
CREATE FUNCTION cims.online_locked_step(job cims.maintenance_job) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	build boolean := (job.options->>'build_indexes')::boolean;
BEGIN
	CASE job.phase
	WHEN 'prepare' THEN
		PERFORM cims.online_prepare(job);
	WHEN 'index' THEN
		IF NOT (build AND cims.online_index(job)) THEN
			PERFORM cims.enter_phase(job, 'fill');
		END IF;
	WHEN 'validate' THEN
		IF cims.online_validate(job) THEN
			PERFORM cims.enter_phase(job, 'wait');
		END IF;
	WHEN 'wait' THEN
		IF build AND cims.online_index(job) THEN
			RETURN true;
		ELSIF cims.online_wait(job) THEN
			RETURN false;
		END IF;
		PERFORM cims.enter_phase(job, 'swap');
	WHEN 'swap' THEN
		PERFORM cims.lock_table(job.relation, 'ACCESS EXCLUSIVE');
		PERFORM cims.require_shadow(job);
		PERFORM cims.fill_rest(job) WHERE job.options->>'source' <> 'plain';
		PERFORM cims.online_swap(job), cims.online_end(job);
		RETURN false;
	END CASE;
	RETURN true;
END
$$;
COMMENT ON FUNCTION cims.online_locked_step(cims.maintenance_job) IS 'a step of cims.protect_online that takes locks on the table';

-- how long to wait before the next step, in seconds; NULL: there is none
CREATE FUNCTION cims.online_step(tbl regclass, col name, batch_size int, patience interval) RETURNS float8
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
	job cims.maintenance_job;
BEGIN
	PERFORM cims.require_owner(tbl);
	job := cims.take_job(tbl, col, 'protect_online');
	IF job.relation IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
			MESSAGE = format('nothing is under way on column "%s" of table "%s"', col, tbl),
			HINT = 'It was given up meanwhile, or another session has brought it to its end.';
	END IF;
	IF job.phase = 'fill' THEN
		IF NOT cims.online_fill(job, batch_size, patience) THEN
			PERFORM cims.enter_phase(job, CASE job.options->>'source' WHEN 'plain' THEN 'validate' ELSE 'wait' END);
		END IF;
		RETURN 0;
	END IF;
	BEGIN
		-- longer than deadlock_timeout, after which autovacuum gives way
		PERFORM set_config('lock_timeout', '2s', true);
		RETURN CASE WHEN cims.online_locked_step(job) THEN 0 END;
	EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
		PERFORM cims.wait_for_lock(job, patience, SQLERRM);
	END;
	RETURN 0.5;
END
$$;
COMMENT ON FUNCTION cims.online_step(regclass, name, int, interval) IS 'one transaction of cims.protect_online';

CREATE PROCEDURE cims.protect_online(tbl regclass, col name, class text, batch_size int DEFAULT 1000,
	pattern_index boolean DEFAULT false, build_indexes boolean DEFAULT true, patience interval DEFAULT '1 minute',
	source text DEFAULT 'plain', source_cipher text DEFAULT 'aes', source_iv name DEFAULT NULL,
	target_type regtype DEFAULT 'cims.enc_text')
LANGUAGE plpgsql
AS $$
DECLARE
	nap pg_catalog.float8;
BEGIN
	PERFORM cims.begin_online(tbl, col, batch_size, pg_catalog.jsonb_build_object('class', class, 'pattern_index', pattern_index,
		'build_indexes', build_indexes, 'source', source, 'cipher', source_cipher, 'iv', source_iv, 'target', target_type));
	LOOP
		COMMIT;
		PERFORM pg_catalog.pg_sleep(nap);
		nap := cims.online_step(tbl, col, batch_size, patience);
		EXIT WHEN nap IS NULL;
	END LOOP;
END
$$;
COMMENT ON PROCEDURE cims.protect_online(regclass, name, text, int, boolean, boolean, interval, text, text, name, regtype) IS
	'protects a column without a long lock, in batches with COMMIT; called again after an interruption it goes on; source: plain, or a column encrypted with pgcrypto (pgp_sym_decrypt, decrypt, decrypt_iv), with the key in the setting cims_migration.passphrase';

CREATE FUNCTION cims.cancel_protect_online(tbl regclass, col name) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off SET row_security = on SET client_min_messages = warning
AS $$
DECLARE
	under_way boolean;
BEGIN
	PERFORM cims.require_owner(tbl);
	under_way := (cims.take_job(tbl, col, 'protect_online')).relation IS NOT NULL OR EXISTS (
		SELECT FROM pg_attribute WHERE attrelid = tbl AND attname = cims.shadow_name(col) AND NOT attisdropped);
	PERFORM cims.drop_keeper(tbl, col);
	EXECUTE format('ALTER TABLE %s DROP COLUMN IF EXISTS %I', cims.relation_name(tbl), cims.shadow_name(col));
	IF NOT cims.audit_show_column(tbl, col) AND NOT under_way THEN
		PERFORM cims.find_column(tbl, col);
		RAISE EXCEPTION USING ERRCODE = 'undefined_object',
			MESSAGE = format('there is nothing to cancel for column "%s" of table "%s"', col, tbl),
			HINT = 'The view cims.protect_progress shows what cims.protect_online has begun.';
	END IF;
	DELETE FROM cims.maintenance_job j WHERE (j.relation, j.column_name, j.work) = (tbl, col, 'protect_online');
END
$$;
COMMENT ON FUNCTION cims.cancel_protect_online(regclass, name) IS
	'gives up what cims.protect_online began on a column, which stays as it was';

CREATE VIEW cims.protect_progress AS
	SELECT j.relation::pg_catalog.regclass AS table_name, NULLIF(j.column_name, '') AS column_name, j.work, j.phase,
		j.part::pg_catalog.regclass AS part, j.rows_done, j.rows_skipped, j.pages_done, j.pages_total,
		j.started, j.updated,
		CASE j.phase WHEN 'wait' THEN pg_catalog.to_jsonb(cims.concurrent_indexes(j)) END AS commands
	FROM cims.maintenance_job j
	WHERE EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = j.relation);
COMMENT ON VIEW cims.protect_progress IS
	'how far cims.protect_online and cims.reseal have come, committed batch by batch; rows stay where work was interrupted';
GRANT SELECT ON cims.protect_progress TO PUBLIC;
COMMENT ON COLUMN cims.protect_progress.table_name IS 'the table at work';
COMMENT ON COLUMN cims.protect_progress.column_name IS 'the column, of cims.protect_online';
COMMENT ON COLUMN cims.protect_progress.work IS 'protect_online or reseal';
COMMENT ON COLUMN cims.protect_progress.phase IS 'what it does now';
COMMENT ON COLUMN cims.protect_progress.part IS 'the partition or child that it works on';
COMMENT ON COLUMN cims.protect_progress.rows_done IS 'rows that were sealed';
COMMENT ON COLUMN cims.protect_progress.rows_skipped IS 'rows that others held, which it comes back for';
COMMENT ON COLUMN cims.protect_progress.pages_done IS 'pages that were read in this part';
COMMENT ON COLUMN cims.protect_progress.pages_total IS 'pages of this part';
COMMENT ON COLUMN cims.protect_progress.started IS 'when it began';
COMMENT ON COLUMN cims.protect_progress.updated IS 'when its last batch was committed';
COMMENT ON COLUMN cims.protect_progress.commands IS 'the indexes that the caller builds before it goes on';
