/*
 * maintain.sql
 *		Work on the values of a table: sealing them again, looking for damage,
 *		and how far such work has come.
 *
 * A procedure that commits cannot carry settings of its own, so that its body
 * names everything in full and uses no operator; the work is in functions,
 * which set their search_path.  One step is one transaction.
 */
CREATE TABLE cims.maintenance_job (
	relation oid NOT NULL,
	column_name name NOT NULL,         -- '' where the whole table is worked on
	work text NOT NULL CHECK (work IN ('reseal', 'protect_online')),
	phase text NOT NULL,
	part oid,                          -- the ordinary table at work: a partition, or the table itself
	position tid NOT NULL DEFAULT '(0,1)',
	rows_done bigint NOT NULL DEFAULT 0,
	rows_skipped bigint NOT NULL DEFAULT 0,    -- in this pass
	rows_unreadable bigint NOT NULL DEFAULT 0, -- in this pass
	pages_done bigint NOT NULL DEFAULT 0,
	pages_total bigint NOT NULL DEFAULT 0,
	retry_since timestamptz,           -- since when only rows held by others are left
	options jsonb NOT NULL DEFAULT '{}',
	started timestamptz NOT NULL DEFAULT clock_timestamp(),
	updated timestamptz NOT NULL DEFAULT clock_timestamp(),
	PRIMARY KEY (relation, column_name, work)
);
COMMENT ON TABLE cims.maintenance_job IS 'work in batches that is under way or was interrupted; read the view cims.protect_progress';
COMMENT ON COLUMN cims.maintenance_job.relation IS 'the table at work';
COMMENT ON COLUMN cims.maintenance_job.column_name IS 'the column; empty where the whole table is worked on';
COMMENT ON COLUMN cims.maintenance_job.work IS 'reseal or protect_online';
COMMENT ON COLUMN cims.maintenance_job.phase IS 'what is done now';
COMMENT ON COLUMN cims.maintenance_job.part IS 'the ordinary table at work: a partition, or the table itself';
COMMENT ON COLUMN cims.maintenance_job.position IS 'the row that the next batch begins at';
COMMENT ON COLUMN cims.maintenance_job.rows_done IS 'rows that were changed';
COMMENT ON COLUMN cims.maintenance_job.rows_skipped IS 'rows that others held, in this pass';
COMMENT ON COLUMN cims.maintenance_job.rows_unreadable IS 'rows that could not be opened, in this pass';
COMMENT ON COLUMN cims.maintenance_job.pages_done IS 'pages that were read of this part';
COMMENT ON COLUMN cims.maintenance_job.pages_total IS 'pages of this part';
COMMENT ON COLUMN cims.maintenance_job.retry_since IS 'since when only rows or locks held by others are left';
COMMENT ON COLUMN cims.maintenance_job.options IS 'what the caller asked for';
COMMENT ON COLUMN cims.maintenance_job.started IS 'when it began';
COMMENT ON COLUMN cims.maintenance_job.updated IS 'when its last batch was committed';
ALTER TABLE cims.maintenance_job ENABLE ROW LEVEL SECURITY;
CREATE POLICY anyone_reads ON cims.maintenance_job FOR SELECT USING (true);
CREATE POLICY owner_works ON cims.maintenance_job USING (
	(SELECT pg_has_role(relowner, 'USAGE') FROM pg_catalog.pg_class WHERE oid = relation));
GRANT SELECT, INSERT, UPDATE, DELETE ON cims.maintenance_job TO PUBLIC;

CREATE FUNCTION cims.column_tables(tbl oid) RETURNS SETOF oid
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE part (oid) AS (
		SELECT tbl
		UNION
		SELECT i.inhrelid FROM part p JOIN pg_inherits i ON i.inhparent = p.oid
	)
	SELECT oid FROM part
$$;
COMMENT ON FUNCTION cims.column_tables(oid) IS 'a table and all that inherits from it, partitioned or not';

CREATE FUNCTION cims.table_parts(tbl oid) RETURNS SETOF oid
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT c.oid FROM cims.column_tables(tbl) t JOIN pg_class c ON c.oid = t WHERE c.relkind = 'r' ORDER BY c.oid
$$;
COMMENT ON FUNCTION cims.table_parts(oid) IS 'the ordinary tables of a table: itself, its partitions, what inherits from it';

CREATE FUNCTION cims.reseal_rows(relation regclass, first tid, batch_size int, check_tokens boolean,
	OUT next tid, OUT changed bigint, OUT skipped bigint, OUT unreadable bigint)
AS 'MODULE_PATHNAME', 'cims_reseal_rows' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION cims.reseal_rows(regclass, tid, int, boolean) IS
	'seals the values of a batch of rows of one''s own table again; part of cims.reseal';

-- moves a job on by what a batch did; false where the pass is over and nothing is left to come back for
CREATE FUNCTION cims.advance_job(job cims.maintenance_job, next tid, changed bigint, skipped bigint, unreadable bigint)
RETURNS cims.maintenance_job
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = on
AS $$
DECLARE
	page_size bigint := current_setting('block_size')::bigint;
	filenode oid := pg_relation_filenode(job.part);
BEGIN
	-- VACUUM FULL and CLUSTER move rows, also to before the position
	IF filenode <> (job.options->>'filenode')::oid THEN
		next := '(0,1)';
	END IF;
	job.rows_done := job.rows_done + changed;
	job.rows_skipped := job.rows_skipped + skipped;
	job.rows_unreadable := job.rows_unreadable + unreadable;
	job.pages_total := pg_relation_size(job.part) / page_size;
	job.position := coalesce(next, '(0,1)');
	job.pages_done := CASE WHEN next IS NULL THEN job.pages_total
		ELSE least(job.pages_total, split_part(trim(next::text, '()'), ',', 1)::bigint) END;
	job.updated := clock_timestamp();
	IF next IS NULL THEN
		SELECT min(p) INTO job.part FROM cims.table_parts(job.relation) p WHERE p > job.part;
	END IF;
	job.options := job.options || jsonb_build_object('filenode', pg_relation_filenode(job.part));
	UPDATE cims.maintenance_job j SET phase = job.phase, part = job.part, position = job.position, rows_done = job.rows_done,
		rows_skipped = job.rows_skipped, rows_unreadable = job.rows_unreadable, pages_done = job.pages_done,
		pages_total = job.pages_total, retry_since = job.retry_since, updated = job.updated, options = job.options
	WHERE (j.relation, j.column_name, j.work) = (job.relation, job.column_name, job.work);
	RETURN job;
END
$$;
COMMENT ON FUNCTION cims.advance_job(cims.maintenance_job, tid, bigint, bigint, bigint) IS 'records what a batch did';

CREATE FUNCTION cims.begin_pass(job cims.maintenance_job, first_pass boolean) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = on
AS $$
BEGIN
	UPDATE cims.maintenance_job j SET part = (SELECT min(p) FROM cims.table_parts(job.relation) p), position = '(0,1)',
		options = j.options - 'filenode', rows_skipped = 0, rows_unreadable = 0, updated = clock_timestamp(),
		retry_since = CASE WHEN NOT first_pass THEN coalesce(job.retry_since, clock_timestamp()) END
	WHERE (j.relation, j.column_name, j.work) = (job.relation, job.column_name, job.work);
END
$$;
COMMENT ON FUNCTION cims.begin_pass(cims.maintenance_job, boolean) IS 'lets a job begin at the first row of the table';

CREATE FUNCTION cims.take_job(tbl oid, col name, work text) RETURNS cims.maintenance_job
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = on
AS $$
DECLARE
	job cims.maintenance_job;
BEGIN
	SELECT j.* INTO job FROM cims.maintenance_job j
	WHERE j.relation = tbl AND j.column_name = col AND j.work = take_job.work FOR UPDATE NOWAIT;
	RETURN job;
EXCEPTION WHEN lock_not_available THEN
	RAISE EXCEPTION USING ERRCODE = 'lock_not_available',
		MESSAGE = format('another session is at work on table "%s"', tbl::regclass);
END
$$;
COMMENT ON FUNCTION cims.take_job(oid, name, text) IS 'a job, locked for this transaction; raises where another session has it';

CREATE FUNCTION cims.require_owner(tbl regclass) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT (SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = tbl) THEN
		RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege', MESSAGE = format('must be owner of table %s', tbl);
	END IF;
	PERFORM cims.require_table(tbl);
END
$$;
COMMENT ON FUNCTION cims.require_owner(regclass) IS 'raises where the current role does not own a table';

CREATE FUNCTION cims.require_batch_size(batch_size int) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF batch_size IS NULL OR batch_size < 1 THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'batch_size must be at least 1';
	END IF;
END
$$;
COMMENT ON FUNCTION cims.require_batch_size(int) IS 'raises where a batch would be of no row';

CREATE FUNCTION cims.begin_reseal(tbl regclass, batch_size int) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = on
AS $$
DECLARE
	job cims.maintenance_job;
BEGIN
	PERFORM cims.require_owner(tbl);
	PERFORM cims.require_batch_size(batch_size);
	job := cims.take_job(tbl, '', 'reseal');
	IF job.relation IS NULL THEN
		INSERT INTO cims.maintenance_job (relation, column_name, work, phase) VALUES (tbl, '', 'reseal', 'reseal')
		RETURNING * INTO job;
	END IF;
	PERFORM cims.begin_pass(job, true);
END
$$;
COMMENT ON FUNCTION cims.begin_reseal(regclass, int) IS 'begins cims.reseal';

-- how long to wait before the next batch, in seconds; NULL: the work is done
CREATE FUNCTION cims.reseal_step(tbl regclass, batch_size int, check_tokens boolean, patience interval) RETURNS float8
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
	job cims.maintenance_job := cims.take_job(tbl, '', 'reseal');
	batch record;
BEGIN
	IF job.part IS NOT NULL THEN
		SELECT b.* INTO batch FROM cims.reseal_rows(job.part, job.position, batch_size, check_tokens) b;
		job := cims.advance_job(job, batch.next, batch.changed, batch.skipped, batch.unreadable);
	END IF;
	IF job.part IS NOT NULL THEN
		RETURN 0;
	ELSIF job.rows_skipped > 0 AND clock_timestamp() < coalesce(job.retry_since, clock_timestamp()) + patience THEN
		PERFORM cims.begin_pass(job, false);
		RETURN 0.2;
	END IF;
	PERFORM cims.end_reseal(job);
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION cims.reseal_step(regclass, int, boolean, interval) IS 'one batch of cims.reseal';

CREATE FUNCTION cims.reseal_default(relation oid, col name, expression text, type_name text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
DECLARE
	value text;
BEGIN
	EXECUTE format('SELECT pg_catalog.format(''%%s'', cims.reseal_value(v)) FROM (SELECT %s) d (v)
		WHERE cims.key_version(v) <> cims.key_version(cims.reseal_value(v))', expression) INTO value;
	IF value IS NOT NULL THEN
		PERFORM cims.set_column_default(relation, col, format('%L::%s', value, type_name));
	END IF;
END
$$;
COMMENT ON FUNCTION cims.reseal_default(oid, name, text, text) IS 'seals a column default that is a constant again';

CREATE FUNCTION cims.end_reseal(job cims.maintenance_job) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = on
AS $$
DECLARE
	col record;
BEGIN
	FOR col IN
		SELECT a.attrelid, a.attname, format_type(a.atttypid, a.atttypmod) AS type_name, pg_get_expr(d.adbin, d.adrelid) AS expression
		FROM cims.column_tables(job.relation) t
		JOIN pg_attribute a ON a.attrelid = t AND cims.plain_type(a.atttypid)::text NOT LIKE '%[]' AND a.attgenerated = ''
		JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
		WHERE cims.is_constant(d.adbin::text)
	LOOP
		BEGIN
			SET LOCAL lock_timeout = '5s';
			PERFORM cims.reseal_default(col.attrelid, col.attname, col.expression, col.type_name);
		EXCEPTION WHEN insufficient_privilege OR lock_not_available THEN
			RAISE WARNING USING MESSAGE = format('the default of column "%s" of table %s is not resealed: %s',
				col.attname, col.attrelid::regclass, SQLERRM);
		END;
	END LOOP;
	DELETE FROM cims.maintenance_job j WHERE (j.relation, j.column_name, j.work) = (job.relation, job.column_name, job.work);
	IF EXISTS (SELECT FROM cims.column_tables(job.relation) t JOIN pg_attribute a ON a.attrelid = t AND NOT a.attisdropped,
		cims.encrypted_base(a.atttypid, a.atttypmod)) THEN
		RAISE NOTICE '% rows of table % resealed', job.rows_done, job.relation::regclass;
	ELSE
		RAISE NOTICE 'table % has no encrypted column', job.relation::regclass;
	END IF;
	IF job.rows_skipped > 0 THEN
		RAISE WARNING USING MESSAGE = format('%s rows were held by other transactions all the time', job.rows_skipped),
			HINT = 'Call cims.reseal again once they have ended.';
	END IF;
	IF job.rows_unreadable > 0 THEN
		RAISE WARNING USING MESSAGE = format('values of %s rows cannot be opened and stay as they are', job.rows_unreadable),
			HINT = 'cims.check_table lists them.';
	END IF;
END
$$;
COMMENT ON FUNCTION cims.end_reseal(cims.maintenance_job) IS 'ends cims.reseal: column defaults, and what there is to say';

CREATE PROCEDURE cims.reseal(tbl regclass, batch_size int DEFAULT 1000, check_tokens boolean DEFAULT false,
	patience interval DEFAULT '1 minute')
LANGUAGE plpgsql
AS $$
DECLARE
	nap pg_catalog.float8;
BEGIN
	PERFORM cims.begin_reseal(tbl, batch_size);
	LOOP
		COMMIT;
		PERFORM pg_catalog.pg_sleep(nap);
		nap := cims.reseal_step(tbl, batch_size, check_tokens, patience);
		EXIT WHEN nap IS NULL;
	END LOOP;
END
$$;
COMMENT ON PROCEDURE cims.reseal(regclass, int, boolean, interval) IS
	'seals values of old key versions under the active one, in batches with COMMIT; check_tokens: also where the token is not that of the class''s present normal form; patience: how long to come back for rows that others hold';

CREATE FUNCTION cims.column_problems(relation regclass, attnum int2, class_id int4)
RETURNS TABLE (row_id tid, class text, version int, problem text)
AS 'MODULE_PATHNAME', 'cims_column_problems' LANGUAGE C STABLE STRICT;
COMMENT ON FUNCTION cims.column_problems(regclass, int2, int4) IS
	'the values of an encrypted column, of a class, that cannot be opened, and why; part of cims.check_table';

CREATE FUNCTION cims.check_table(tbl regclass)
RETURNS TABLE (relation regclass, column_name name, row_id tid, class text, key_version int, problem text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET jit = off SET row_security = off
AS $$
DECLARE
	col record;
BEGIN
	IF (SELECT relkind NOT IN ('r', 'p', 'm') FROM pg_class WHERE oid = tbl) THEN
		RAISE EXCEPTION USING ERRCODE = 'wrong_object_type',
			MESSAGE = format('"%s" is not a table or materialized view', tbl);
	END IF;
	-- a name is looked up when its turn comes: the owner must not have made a view of that name by then, which would run what he likes
	PERFORM cims.lock_table(t, 'ACCESS SHARE') FROM cims.column_tables(tbl) t JOIN pg_class c ON c.oid = t AND c.relkind IN ('r', 'p');
	FOR col IN
		SELECT a.attrelid, a.attnum, a.attname, e.class_id
		FROM cims.column_tables(tbl) p
		JOIN pg_class c ON c.oid = p AND c.relkind IN ('r', 'm')
		JOIN pg_attribute a ON a.attrelid = p AND a.attnum > 0 AND NOT a.attisdropped
		CROSS JOIN LATERAL cims.encrypted_base(a.atttypid, a.atttypmod) e
		ORDER BY a.attrelid, a.attnum
	LOOP
		-- no query: one would run code of the table's owner
		RETURN QUERY SELECT col.attrelid::regclass, col.attname, p.row_id, p.class, p.version, p.problem
			FROM cims.column_problems(col.attrelid, col.attnum, col.class_id) p;
	END LOOP;
END
$$;
COMMENT ON FUNCTION cims.check_table(regclass) IS
	'lists the values of a table that cannot be opened, and why; reveals nothing and needs no grant on the class';
