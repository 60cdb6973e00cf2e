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
 * Locks: prepare and swap take ACCESS EXCLUSIVE for an instant, and give up
 * and try again where they would wait; index takes SHARE for one scan of the
 * table per index (writers wait); fill takes row locks that it never waits for.
 */
CREATE FUNCTION cims.shadow_name(col name) RETURNS name
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$ SELECT (left(col, 40) || '_cims_shadow')::name $$;
COMMENT ON FUNCTION cims.shadow_name(name) IS 'the name of the shadow of a column while cims.protect_online works';

-- BEFORE triggers fire in the order of their names; this one comes last
CREATE FUNCTION cims.shadow_trigger(col name) RETURNS name
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$ SELECT ('~cims_shadow_' || left(col, 40))::name $$;
COMMENT ON FUNCTION cims.shadow_trigger(name) IS 'the name of the trigger and the check constraint of a shadow';

CREATE FUNCTION cims.fill_shadow(relation regclass, first tid, batch_size int, source name, target name, expression text,
	OUT next tid, OUT changed bigint, OUT skipped bigint, OUT unreadable bigint)
AS 'MODULE_PATHNAME', 'cims_fill_shadow' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION cims.fill_shadow(regclass, tid, int, name, name, text) IS
	'fills the shadow column of a batch of rows of one''s own table; part of cims.protect_online';

CREATE FUNCTION cims.keep_shadow() RETURNS trigger
AS 'MODULE_PATHNAME', 'cims_keep_shadow' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION cims.keep_shadow() IS 'trigger that keeps a shadow column in step; part of cims.protect_online';

CREATE FUNCTION cims.source_expression(source text, col name, cipher text, iv name, target regtype) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	pgcrypto text := (SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
		WHERE e.extname = 'pgcrypto');
	secret text := 'pg_catalog.current_setting(''cims_migration.passphrase'')';
	opened text;
BEGIN
	IF source = 'plain' THEN
		RETURN NULL;
	ELSIF source NOT IN ('pgp_sym_decrypt', 'decrypt', 'decrypt_iv') THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('unknown source "%s"', source),
			HINT = 'Sources are plain, pgp_sym_decrypt, decrypt and decrypt_iv.';
	ELSIF pgcrypto IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'undefined_function', MESSAGE = format('source "%s" needs the extension pgcrypto', source);
	ELSIF coalesce(current_setting('cims_migration.passphrase', true), '') = '' THEN
		RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state', MESSAGE = 'cims_migration.passphrase is not set',
			HINT = 'Set it in this session with a bind parameter: SELECT set_config(''cims_migration.passphrase'', $1, false).';
	ELSIF (source = 'decrypt_iv') <> (iv IS NOT NULL) THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
			MESSAGE = 'source_iv names the column of initialization vectors for source "decrypt_iv", and only for it';
	END IF;
	IF source = 'pgp_sym_decrypt' THEN
		RETURN format('%s.pgp_sym_decrypt%s(%I, %s)', pgcrypto,
			CASE WHEN target = 'cims.enc_bytea'::regtype THEN '_bytea' ELSE '' END, col, secret);
	END IF;
	opened := format('%s.%s(%I, %s::pg_catalog.bytea, %s%L)', pgcrypto, source, col, secret,
		CASE WHEN iv IS NULL THEN '' ELSE quote_ident(iv) || ', ' END, cipher);
	RETURN CASE WHEN target = 'cims.enc_bytea'::regtype THEN opened
		ELSE format('pg_catalog.convert_from(%s, ''UTF8'')', opened) END;
END
$$;
COMMENT ON FUNCTION cims.source_expression(text, name, text, name, regtype) IS
	'the expression that opens a column encrypted with pgcrypto, with the key from a setting; NULL for plaintext';

CREATE FUNCTION cims.copy_name(index_id oid) RETURNS name
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp
AS $$ SELECT format('%s_cims_%s', left(relname, 40), oid)::name FROM pg_class WHERE oid = index_id $$;
COMMENT ON FUNCTION cims.copy_name(oid) IS 'the name of an index''s copy over the shadow';

CREATE FUNCTION cims.copy_command(index_id oid, col name, shadow name, treatment text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN treatment <> 'keep' THEN
			cims.index_command(index_id, shadow, cims.copy_name(index_id), CASE treatment WHEN 'pattern' THEN 'ngram' ELSE 'plain' END)
		ELSE format('CREATE %sINDEX %I ON %s USING %I (%s)%s%s%s%s%s',
			CASE WHEN x.indisunique THEN 'UNIQUE ' ELSE '' END, cims.copy_name(index_id), cims.relation_name(x.indrelid), a.amname,
			(SELECT string_agg(
				CASE WHEN x.indkey[k] = c.attnum THEN quote_ident(shadow)
					ELSE format(CASE x.indkey[k] WHEN 0 THEN '(%s)' ELSE '%s' END, pg_get_indexdef(index_id, k + 1, true))
						|| CASE WHEN o.opcdefault THEN '' ELSE format(' %I.%I', n.nspname, o.opcname) END END
				|| CASE WHEN a.amname <> 'btree' THEN ''
					WHEN x.indoption[k] = 1 THEN ' DESC NULLS LAST' WHEN x.indoption[k] = 2 THEN ' NULLS FIRST'
					WHEN x.indoption[k] = 3 THEN ' DESC' ELSE '' END, ', ' ORDER BY k)
				FROM generate_series(0, x.indnkeyatts - 1) k
				JOIN pg_opclass o ON o.oid = x.indclass[k] JOIN pg_namespace n ON n.oid = o.opcnamespace),
			(SELECT format(' INCLUDE (%s)', string_agg(CASE WHEN x.indkey[k] = c.attnum THEN quote_ident(shadow)
				ELSE pg_get_indexdef(index_id, k + 1, true) END, ', ' ORDER BY k))
				FROM generate_series(x.indnkeyatts, x.indnatts - 1) k HAVING count(*) > 0),
			CASE WHEN x.indnullsnotdistinct THEN ' NULLS NOT DISTINCT' ELSE '' END,
			' WITH (' || array_to_string(i.reloptions, ', ') || ')',
			(SELECT format(' TABLESPACE %I', t.spcname) FROM pg_tablespace t WHERE t.oid = i.reltablespace),
			' WHERE ' || CASE WHEN x.indpred::text ~ format(':varattno %s ', c.attnum)
				THEN replace(pg_get_expr(x.indpred, x.indrelid), quote_ident(col) || ' IS ', quote_ident(shadow) || ' IS ')
				ELSE pg_get_expr(x.indpred, x.indrelid) END)
		END
	FROM pg_index x
	JOIN pg_class i ON i.oid = x.indexrelid
	JOIN pg_am a ON a.oid = i.relam
	JOIN pg_attribute c ON c.attrelid = x.indrelid AND c.attname = col
	WHERE x.indexrelid = index_id
$$;
COMMENT ON FUNCTION cims.copy_command(oid, name, name, text) IS 'the command that builds an index''s copy over the shadow';

CREATE FUNCTION cims.column_indexes(tbl oid, col name) RETURNS TABLE (index_id oid, treatment text, copy oid)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT x.indexrelid, cims.index_treatment(x.indexrelid, a.attnum),
		(SELECT c.oid FROM pg_class c JOIN pg_index v ON v.indexrelid = c.oid
			WHERE c.relnamespace = i.relnamespace AND c.relname = cims.copy_name(i.oid) AND v.indisvalid)
	FROM pg_attribute a
	JOIN pg_index x ON x.indrelid = a.attrelid AND a.attnum = ANY (x.indkey)
	JOIN pg_class i ON i.oid = x.indexrelid AND NOT i.relispartition
	WHERE a.attrelid = tbl AND a.attname = col ORDER BY x.indexrelid
$$;
COMMENT ON FUNCTION cims.column_indexes(oid, name) IS 'the indexes over a column, with their valid copies over its shadow';

CREATE FUNCTION cims.online_obstacles(changes cims.column_change[], class cims.data_class, options jsonb) RETURNS text[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(array_agg(o), '{}') FROM (
		SELECT unnest(cims.protection_obstacles(changes, class, (options->>'pattern_index')::boolean))
		UNION ALL
		SELECT s.object || ': a column in a foreign key cannot change online; use cims.protect' FROM cims.foreign_key_steps(changes) s
		UNION ALL
		SELECT format('constraint "%s" of table %s: a unique constraint of a partitioned table cannot move to another index',
			k.conname, cims.relation_name(k.conrelid))
		FROM unnest(changes) c JOIN pg_class t ON t.oid = c.relation AND t.relkind = 'p'
		JOIN pg_constraint k ON k.conrelid = t.oid AND k.contype IN ('p', 'u') AND c.attnum = ANY (k.conkey)
		UNION ALL
		SELECT format('trigger "%s" of table %s: its name would let it fire after the trigger "%s"; rename it',
			g.tgname, cims.relation_name(g.tgrelid), cims.shadow_trigger(c.name))
		FROM unnest(changes) c JOIN pg_trigger g ON g.tgrelid = c.relation AND NOT g.tgisinternal
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
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = on
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
	IF asked->>'source' = 'plain' THEN
		PERFORM cims.adopt_limits(changes, target);
	END IF;
	INSERT INTO cims.maintenance_job (relation, column_name, work, phase, options)
	VALUES (tbl, col, 'protect_online', 'prepare', asked);
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

-- false where the lock was not to be had at once; raises once patience is over
CREATE FUNCTION cims.lock_for_job(job cims.maintenance_job, patience interval) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = on
AS $$
BEGIN
	BEGIN
		-- longer than deadlock_timeout, after which autovacuum gives way
		PERFORM set_config('lock_timeout', '2s', true);
		EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', cims.relation_name(job.relation));
		RETURN true;
	EXCEPTION WHEN lock_not_available THEN
		NULL;
	END;
	IF clock_timestamp() > job.retry_since + patience THEN
		RAISE EXCEPTION USING ERRCODE = 'lock_not_available',
			MESSAGE = format('could not lock table "%s" for phase "%s"', job.relation::regclass, job.phase),
			HINT = 'Other transactions held it all the time. Call cims.protect_online again to go on.';
	END IF;
	UPDATE cims.maintenance_job j SET retry_since = coalesce(j.retry_since, clock_timestamp()), updated = clock_timestamp()
	WHERE (j.relation, j.column_name, j.work) = (job.relation, job.column_name, job.work);
	RETURN false;
END
$$;
COMMENT ON FUNCTION cims.lock_for_job(cims.maintenance_job, interval) IS 'takes a lock for an instant without letting others queue behind it for long';

CREATE FUNCTION cims.online_prepare(job cims.maintenance_job) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	tbl text := cims.relation_name(job.relation);
	col name := job.column_name;
	changes cims.column_change[] := cims.online_changes(job.relation, col, job.options);
	shadow name := cims.shadow_name(col);
	is_plain boolean := job.options->>'source' = 'plain';
BEGIN
	PERFORM cims.refuse('protect', job.relation, col,
		cims.online_obstacles(changes, cims.find_class(job.options->>'class'), job.options));
	EXECUTE format('ALTER TABLE %s ADD COLUMN %I %s', tbl, shadow,
		(SELECT new_type FROM unnest(changes) WHERE relation = job.relation AND name = col));
	EXECUTE format('CREATE TRIGGER %I BEFORE INSERT OR UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION cims.keep_shadow(%L, %L%s)',
		cims.shadow_trigger(col), tbl, col, shadow, CASE WHEN is_plain THEN '' ELSE ', ''empty''' END);
	EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', tbl, cims.shadow_trigger(col));
	PERFORM cims.audit_hide_column(job.relation, col, shadow);
	IF is_plain THEN
		-- proves at the end that no row was missed, and saves the scan of SET NOT NULL
		EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I CHECK (%s) NOT VALID', tbl, cims.shadow_trigger(col),
			CASE WHEN (SELECT attnotnull FROM pg_attribute WHERE attrelid = job.relation AND attname = col)
				THEN format('%I IS NOT NULL', shadow) ELSE format('(%I IS NULL) = (%I IS NULL)', col, shadow) END);
	END IF;
END
$$;
COMMENT ON FUNCTION cims.online_prepare(cims.maintenance_job) IS 'phase prepare of cims.protect_online';

CREATE FUNCTION cims.missing_indexes(job cims.maintenance_job) RETURNS SETOF text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT cims.copy_command(i.index_id, job.column_name, cims.shadow_name(job.column_name), i.treatment)
	FROM cims.column_indexes(job.relation, job.column_name) i WHERE i.copy IS NULL
$$;
COMMENT ON FUNCTION cims.missing_indexes(cims.maintenance_job) IS 'the commands for indexes that the shadow does not have yet';

CREATE FUNCTION cims.online_index(job cims.maintenance_job) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	command text := (SELECT c FROM cims.missing_indexes(job) c LIMIT 1);
BEGIN
	IF command IS NULL THEN
		RETURN false;
	END IF;
	EXECUTE command;
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
			SELECT u FROM pg_statistic_ext s CROSS JOIN LATERAL unnest(ARRAY[pg_get_statisticsobjdef(s.oid)]
				|| cims.comment_commands('pg_statistic_ext', s.oid, format('STATISTICS %I.%I', s.stxnamespace::regnamespace, s.stxname))) WITH ORDINALITY x (u, n)
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
	CROSS JOIN LATERAL (SELECT cims.relation_name(tbl), cims.relation_name(i.index_id)) s (table_name, index_name)
	LEFT JOIN pg_constraint k ON k.conindid = i.index_id AND k.conrelid = tbl AND k.contype IN ('p', 'u')
	CROSS JOIN LATERAL unnest(
		ARRAY(
			SELECT format('ALTER INDEX %s RENAME TO %I', cims.relation_name(c.oid), o.relname)
			FROM pg_partition_tree(i.copy) n JOIN pg_class c ON c.oid = n.relid JOIN pg_index cx ON cx.indexrelid = c.oid
			JOIN pg_partition_tree(i.index_id) t ON true JOIN pg_class o ON o.oid = t.relid
			JOIN pg_index ox ON ox.indexrelid = o.oid AND ox.indrelid = cx.indrelid)
		|| CASE WHEN r.relkind = 'i' THEN ARRAY[format('ALTER INDEX %s RENAME TO %I', cims.relation_name(i.copy), r.relname)] ELSE '{}' END
		|| CASE WHEN k.oid IS NOT NULL THEN ARRAY[format('ALTER TABLE %s ADD CONSTRAINT %I %s USING INDEX %I%s', s.table_name, k.conname,
				CASE k.contype WHEN 'p' THEN 'PRIMARY KEY' ELSE 'UNIQUE' END, r.relname,
				CASE WHEN k.condeferred THEN ' DEFERRABLE INITIALLY DEFERRED' WHEN k.condeferrable THEN ' DEFERRABLE' ELSE '' END)] ELSE '{}' END
		|| cims.comment_commands('pg_class', i.index_id, 'INDEX ' || s.index_name)
		|| cims.comment_commands('pg_constraint', k.oid, 'CONSTRAINT ' || quote_ident(k.conname) || ' ON ' || s.table_name)
		|| CASE WHEN x.indisreplident THEN ARRAY[format('ALTER TABLE %s REPLICA IDENTITY USING INDEX %I', s.table_name, r.relname)] ELSE '{}' END
		|| CASE WHEN x.indisclustered THEN ARRAY[format('ALTER TABLE %s CLUSTER ON %I', s.table_name, r.relname)] ELSE '{}' END
	) WITH ORDINALITY c (u, n)
$$;
COMMENT ON FUNCTION cims.index_handover(oid, name) IS 'the commands that give the names and roles of a column''s indexes to their copies';

CREATE FUNCTION cims.online_swap(job cims.maintenance_job) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	tbl text := cims.relation_name(job.relation);
	col name := job.column_name;
	shadow name := cims.shadow_name(col);
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
	FOREACH change IN ARRAY changes LOOP
		commands := commands || cims.column_commands(change);
	END LOOP;
	commands := commands || cims.index_handover(job.relation, col);
	steps := ARRAY(SELECT s FROM (SELECT * FROM cims.dependent_steps(changes) UNION ALL SELECT * FROM cims.default_steps(changes)) s);
	PERFORM cims.take_down(steps);
	IF (SELECT attnotnull FROM pg_attribute WHERE attrelid = job.relation AND attname = col) THEN
		EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL', tbl, shadow);
	END IF;
	EXECUTE format('DROP TRIGGER %I ON %s', cims.shadow_trigger(col), tbl);
	IF job.options->>'source' = 'plain' THEN
		EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', tbl, cims.shadow_trigger(col));
	END IF;
	PERFORM cims.move_governed(job.relation, col, shadow);
	EXECUTE format('ALTER TABLE %s DROP COLUMN %I', tbl, col);
	EXECUTE format('ALTER TABLE %s RENAME COLUMN %I TO %I', tbl, shadow, col);
	FOREACH command IN ARRAY commands LOOP
		EXECUTE command;
	END LOOP;
	PERFORM cims.put_back(steps);
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
	SELECT ARRAY(SELECT regexp_replace(c, '^CREATE (UNIQUE )?INDEX', 'CREATE \1INDEX CONCURRENTLY') FROM cims.missing_indexes(job) c)
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

-- how long to wait before the next step, in seconds; NULL: there is none
CREATE FUNCTION cims.online_step(tbl regclass, col name, batch_size int, patience interval) RETURNS float8
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	job cims.maintenance_job := cims.take_job(tbl, col, 'protect_online');
	is_plain boolean := job.options->>'source' = 'plain';
	build boolean := (job.options->>'build_indexes')::boolean;
BEGIN
	CASE job.phase
	WHEN 'prepare', 'swap' THEN
		IF NOT cims.lock_for_job(job, patience) THEN
			RETURN 0.5;
		ELSIF job.phase = 'prepare' THEN
			PERFORM cims.online_prepare(job), cims.enter_phase(job, 'index'), cims.begin_pass(job, true);
			RETURN 0;
		END IF;
		IF NOT is_plain THEN
			PERFORM cims.fill_rest(job);
		END IF;
		PERFORM cims.online_swap(job);
		PERFORM cims.online_end(job);
		RETURN NULL;
	WHEN 'index' THEN
		IF NOT (build AND cims.online_index(job)) THEN
			PERFORM cims.enter_phase(job, 'fill');
		END IF;
	WHEN 'fill' THEN
		IF NOT cims.online_fill(job, batch_size, patience) THEN
			PERFORM cims.enter_phase(job, CASE WHEN is_plain THEN 'validate' ELSE 'wait' END);
		END IF;
	WHEN 'validate' THEN
		EXECUTE format('ALTER TABLE %s VALIDATE CONSTRAINT %I', cims.relation_name(tbl), cims.shadow_trigger(col));
		PERFORM cims.enter_phase(job, 'wait');
	WHEN 'wait' THEN
		IF build AND cims.online_index(job) THEN
			RETURN 0;
		ELSIF cims.online_wait(job) THEN
			RETURN NULL;
		END IF;
		PERFORM cims.enter_phase(job, 'swap');
	END CASE;
	RETURN 0;
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
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = on SET client_min_messages = warning
AS $$
BEGIN
	PERFORM cims.require_owner(tbl);
	IF (cims.take_job(tbl, col, 'protect_online')).relation IS NULL AND NOT EXISTS (
		SELECT FROM pg_attribute WHERE attrelid = tbl AND attname = cims.shadow_name(col) AND NOT attisdropped) THEN
		PERFORM cims.find_column(tbl, col);
		RAISE EXCEPTION USING ERRCODE = 'undefined_object',
			MESSAGE = format('there is nothing to cancel for column "%s" of table "%s"', col, tbl),
			HINT = 'The view cims.protect_progress shows what cims.protect_online has begun.';
	END IF;
	EXECUTE format('DROP TRIGGER IF EXISTS %I ON %s', cims.shadow_trigger(col), cims.relation_name(tbl));
	EXECUTE format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS %I', cims.relation_name(tbl), cims.shadow_trigger(col));
	EXECUTE format('ALTER TABLE %s DROP COLUMN IF EXISTS %I', cims.relation_name(tbl), cims.shadow_name(col));
	PERFORM cims.audit_show_column(tbl, col);
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
