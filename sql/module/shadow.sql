/*
 * shadow.sql
 *		The encrypted shadow of a plain column while cims.protect_online works:
 *		its names, what keeps it in step, the proof that it was kept so, and
 *		copies over it of what DROP COLUMN would take along.
 *
 * A trigger seals what is written, a check constraint ties the two columns
 * together.  Their identities are noted when they are made: a trigger that was
 * disabled for a while, or a column whose type was altered, has made the
 * shadow stale without leaving another trace, and PostgreSQL makes the check
 * constraint anew where it alters the type of a column.
 */
CREATE FUNCTION cims.fitted_name(prefix text, base text, suffix text) RETURNS name
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
	-- 63 bytes, of which a long name leaves nine to what tells it from others
	SELECT CASE WHEN octet_length(prefix || base || suffix) <= 63 THEN prefix || base || suffix
		ELSE prefix || left(base, (SELECT max(n) FROM generate_series(0, length(base)) n
			WHERE octet_length(prefix || left(base, n) || suffix) <= 54)) || '_' || left(md5(base), 8) || suffix
		END::name
$$;
COMMENT ON FUNCTION cims.fitted_name(text, text, text) IS 'a name made of another, cut where it would be too long, yet its own';

CREATE FUNCTION cims.shadow_name(col name) RETURNS name
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$ SELECT cims.fitted_name('', col, '_cims_shadow') $$;
COMMENT ON FUNCTION cims.shadow_name(name) IS 'the name of the shadow of a column while cims.protect_online works';

-- BEFORE triggers fire in the order of their names; this one comes last
CREATE FUNCTION cims.shadow_trigger(col name) RETURNS name
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$ SELECT cims.fitted_name('~cims_shadow_', col, '') $$;
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

-- the ordinary and partitioned tables on which the trigger is made; PostgreSQL makes it on partitions
CREATE FUNCTION cims.trigger_tables(tbl oid) RETURNS SETOF oid
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT c.oid FROM cims.column_tables(tbl) t JOIN pg_class c ON c.oid = t WHERE NOT c.relispartition ORDER BY c.oid
$$;
COMMENT ON FUNCTION cims.trigger_tables(oid) IS 'a table and the tables that inherit from it, without partitions';

CREATE FUNCTION cims.make_shadow(tbl oid, col name, new_type text, source text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	shadow name := cims.shadow_name(col);
	part oid;
BEGIN
	EXECUTE format('ALTER TABLE %s ADD COLUMN %I %s', cims.relation_name(tbl), shadow, new_type);
	FOR part IN SELECT cims.trigger_tables(tbl) LOOP
		EXECUTE format('CREATE TRIGGER %I BEFORE INSERT OR UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION cims.keep_shadow(%L, %L%s)',
			cims.shadow_trigger(col), cims.relation_name(part), col, shadow, CASE source WHEN 'plain' THEN '' ELSE ', ''empty''' END);
		EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', cims.relation_name(part), cims.shadow_trigger(col));
	END LOOP;
	-- of a plain source it proves at the end that no row was missed, and saves the scan of SET NOT NULL
	EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I CHECK (%s) NOT VALID', cims.relation_name(tbl), cims.shadow_trigger(col),
		format(CASE WHEN source <> 'plain' THEN '%1$I IS NOT NULL OR %2$I IS NULL'
			WHEN (SELECT attnotnull FROM pg_attribute WHERE attrelid = tbl AND attname = col) THEN '%1$I IS NOT NULL AND %2$I IS NOT NULL'
			ELSE '(%1$I IS NULL) = (%2$I IS NULL)' END, col, shadow));
END
$$;
COMMENT ON FUNCTION cims.make_shadow(oid, name, text, text) IS
	'adds a shadow column, the trigger that keeps it in step and the check constraint that ties it to its source';

CREATE FUNCTION cims.drop_keeper(tbl oid, col name) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET client_min_messages = warning
AS $$
DECLARE
	part oid;
BEGIN
	FOR part IN SELECT cims.trigger_tables(tbl) LOOP
		EXECUTE format('DROP TRIGGER IF EXISTS %I ON %s', cims.shadow_trigger(col), cims.relation_name(part));
	END LOOP;
	EXECUTE format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS %I', cims.relation_name(tbl), cims.shadow_trigger(col));
END
$$;
COMMENT ON FUNCTION cims.drop_keeper(oid, name) IS 'drops the triggers and the check constraint of a shadow';

-- the check constraint counts where it is the one that make_shadow made: nothing else is to be validated
CREATE FUNCTION cims.shadow_state(tbl oid, col name) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT jsonb_object_agg(t, concat_ws(' ', a.attnum, s.attnum, g.tgenabled, g.oid, g.xmin, k.oid))
	FROM cims.column_tables(tbl) t
	LEFT JOIN pg_attribute a ON a.attrelid = t AND a.attname = col
	LEFT JOIN pg_attribute s ON s.attrelid = t AND s.attname = cims.shadow_name(col)
	LEFT JOIN pg_trigger g ON g.tgrelid = t AND g.tgname = cims.shadow_trigger(col) AND g.tgfoid = 'cims.keep_shadow'::regproc
	LEFT JOIN pg_constraint k ON k.conrelid = t AND k.conname = cims.shadow_trigger(col)
		AND regexp_replace(pg_get_constraintdef(k.oid), ' NOT VALID$', '') IN (
			format('CHECK (((%1$I IS NOT NULL) AND (%2$I IS NOT NULL)))', col, cims.shadow_name(col)),
			format('CHECK (((%1$I IS NULL) = (%2$I IS NULL)))', col, cims.shadow_name(col)),
			format('CHECK (((%1$I IS NOT NULL) OR (%2$I IS NULL)))', col, cims.shadow_name(col)))
$$;
COMMENT ON FUNCTION cims.shadow_state(oid, name) IS 'for each table, what keeps a shadow in step, as it stands in the catalogs';

CREATE FUNCTION cims.require_shadow(job cims.maintenance_job) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	-- a partition that was made meanwhile has what its parent has
	broken text := (SELECT string_agg(cims.relation_name(n.key::oid), ', ' ORDER BY n.key::oid)
		FROM jsonb_each_text(cims.shadow_state(job.relation, job.column_name)) n
		WHERE n.value !~ '^\d+ \d+ A \d+ \d+ \d+$' OR n.value <> coalesce(job.options->'state'->>n.key, n.value));
BEGIN
	IF broken IS NOT NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
			MESSAGE = format('the shadow of column "%s" may have missed changes to table "%s"', job.column_name, job.relation::regclass),
			DETAIL = format('Since the work began, the column, or the trigger or check constraint "%s", was altered, disabled or dropped in: %s.',
				cims.shadow_trigger(job.column_name), broken),
			HINT = 'Nothing is lost. Give up with cims.cancel_protect_online, and begin again.';
	END IF;
END
$$;
COMMENT ON FUNCTION cims.require_shadow(cims.maintenance_job) IS 'raises where something that keeps a shadow in step is not as it was made';

/*
 * Where an expression asks whether a column is NULL, lets it ask another.
 * Nothing else than such tests are in what may be copied, and they are printed
 * as "(column IS NULL)"; what looks like one within a constant or a quoted
 * name is none.
 */
CREATE FUNCTION cims.ask_shadow(definition text, col name) RETURNS text
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp
AS $$
	SELECT string_agg(coalesce(m[1], '(' || quote_ident(cims.shadow_name(col)) || m[2], m[3]), '' ORDER BY n)
	FROM regexp_matches(definition, format($re$('(?:[^']|'')*'|"(?:[^"]|"")*")|\(%s( IS (?:NOT )?NULL\))|(.)$re$,
		regexp_replace(quote_ident(col), '([^[:alnum:]_" ])', '\\\1', 'g')), 'g') WITH ORDINALITY x (m, n)
$$;
COMMENT ON FUNCTION cims.ask_shadow(text, name) IS 'a definition whose tests of a column for NULL go to its shadow';

CREATE FUNCTION cims.copy_name(base name, id oid) RETURNS name
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp
AS $$ SELECT cims.fitted_name('', base, '_cims_' || id) $$;
COMMENT ON FUNCTION cims.copy_name(name, oid) IS 'the name of the copy over the shadow of an index or constraint';

-- one key of an index, as CREATE INDEX takes it
CREATE FUNCTION cims.index_key(index_id oid, k int, col name) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN a.attname = col THEN quote_ident(cims.shadow_name(col))
			ELSE format(CASE x.indkey[k] WHEN 0 THEN '(%s)' ELSE '%s' END, pg_get_indexdef(index_id, k + 1, true))
				|| CASE WHEN x.indcollation[k] IN (0, coalesce(a.attcollation, 0)) THEN ''
					ELSE (SELECT format(' COLLATE %s.%I', collnamespace::regnamespace, collname) FROM pg_collation WHERE oid = x.indcollation[k]) END
				|| CASE WHEN o.opcdefault THEN '' ELSE format(' %I.%I', n.nspname, o.opcname) END END
		|| CASE WHEN m.amname <> 'btree' THEN ''
			WHEN x.indoption[k] = 1 THEN ' DESC NULLS LAST' WHEN x.indoption[k] = 2 THEN ' NULLS FIRST'
			WHEN x.indoption[k] = 3 THEN ' DESC' ELSE '' END
	FROM pg_index x
	JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_am m ON m.oid = i.relam
	JOIN pg_opclass o ON o.oid = x.indclass[k] JOIN pg_namespace n ON n.oid = o.opcnamespace
	LEFT JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[k]
	WHERE x.indexrelid = index_id
$$;
COMMENT ON FUNCTION cims.index_key(oid, int, name) IS 'a key of an index over the shadow, with its collation, operator class and order';

CREATE FUNCTION cims.copy_command(index_id oid, col name, treatment text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN treatment <> 'keep' THEN
			cims.index_command(index_id, cims.shadow_name(col), cims.copy_name(i.relname, i.oid), CASE treatment WHEN 'pattern' THEN 'ngram' ELSE 'plain' END)
		ELSE format('CREATE %sINDEX %I ON %s USING %s%s%s', CASE WHEN x.indisunique THEN 'UNIQUE ' ELSE '' END,
			cims.copy_name(i.relname, i.oid), cims.relation_name(x.indrelid),
			CASE WHEN NOT c.attnum = ANY (x.indkey) THEN
				-- as it stands, without its predicate
				regexp_replace(left(pg_get_indexdef(index_id), -length(' WHERE ' || p.predicate)), '^.*? USING ', '')
			ELSE format('%I (%s)%s%s%s', a.amname,
				(SELECT string_agg(cims.index_key(index_id, k, col), ', ' ORDER BY k) FROM generate_series(0, x.indnkeyatts - 1) k),
				(SELECT format(' INCLUDE (%s)', string_agg(CASE WHEN x.indkey[k] = c.attnum THEN quote_ident(cims.shadow_name(col))
					ELSE pg_get_indexdef(index_id, k + 1, true) END, ', ' ORDER BY k))
					FROM generate_series(x.indnkeyatts, x.indnatts - 1) k HAVING count(*) > 0),
				CASE WHEN x.indnullsnotdistinct THEN ' NULLS NOT DISTINCT' ELSE '' END,
				' WITH (' || array_to_string(i.reloptions, ', ') || ')') END,
			(SELECT format(' TABLESPACE %I', t.spcname) FROM pg_tablespace t WHERE t.oid = i.reltablespace),
			' WHERE ' || cims.ask_shadow(p.predicate, col))
		END
	FROM pg_index x
	JOIN pg_class i ON i.oid = x.indexrelid
	JOIN pg_am a ON a.oid = i.relam
	JOIN pg_attribute c ON c.attrelid = x.indrelid AND c.attname = col
	CROSS JOIN LATERAL (SELECT pg_get_expr(x.indpred, x.indrelid)) p (predicate)
	WHERE x.indexrelid = index_id
$$;
COMMENT ON FUNCTION cims.copy_command(oid, name, text) IS 'the command that builds an index''s copy over the shadow';

CREATE FUNCTION cims.column_indexes(tbl oid, col name) RETURNS TABLE (index_id oid, relation oid, treatment text, copy oid, constraint_id oid)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT x.indexrelid, x.indrelid, t.treatment, (
			SELECT v.indexrelid FROM pg_index v JOIN pg_class c ON c.oid = v.indexrelid
			WHERE v.indrelid = x.indrelid AND c.relname = cims.copy_name(i.relname, i.oid) AND v.indisvalid
				AND v.indisunique = x.indisunique AND (t.treatment <> 'keep' OR v.indkey::text = (
					SELECT string_agg((CASE u.k WHEN a.attnum THEN s.attnum ELSE u.k END)::text, ' ' ORDER BY n)
					FROM unnest(x.indkey::int2[]) WITH ORDINALITY u (k, n)))),
		(SELECT k.oid FROM pg_constraint k WHERE k.conindid = x.indexrelid AND k.conrelid = x.indrelid AND k.contype IN ('p', 'u'))
	FROM cims.column_tables(tbl) f
	JOIN pg_attribute a ON a.attrelid = f AND a.attname = col
	LEFT JOIN pg_attribute s ON s.attrelid = f AND s.attname = cims.shadow_name(col)
	JOIN pg_index x ON x.indrelid = f AND (a.attnum = ANY (x.indkey) OR x.indpred::text ~ format(':varattno %s ', a.attnum))
	JOIN pg_class i ON i.oid = x.indexrelid AND NOT i.relispartition
	CROSS JOIN LATERAL cims.index_treatment(x.indexrelid, a.attnum) t (treatment)
	ORDER BY x.indexrelid
$$;
COMMENT ON FUNCTION cims.column_indexes(oid, name) IS
	'the indexes that look at a column of a table, its partitions and children, with their valid copies over its shadow and their constraints';

-- a constraint that is checked at commit would else be checked at once while the work goes on
CREATE FUNCTION cims.shadow_constraint_command(constraint_id oid, name name, index_name name) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('ALTER TABLE %s ADD CONSTRAINT %I %s USING INDEX %I%s', cims.relation_name(k.conrelid), shadow_constraint_command.name,
		CASE k.contype WHEN 'p' THEN 'PRIMARY KEY' ELSE 'UNIQUE' END, index_name,
		CASE WHEN k.condeferred THEN ' DEFERRABLE INITIALLY DEFERRED' WHEN k.condeferrable THEN ' DEFERRABLE' ELSE '' END)
	FROM pg_constraint k WHERE k.oid = constraint_id
$$;
COMMENT ON FUNCTION cims.shadow_constraint_command(oid, name, name) IS 'the command that makes a constraint like another of an index';

CREATE FUNCTION cims.column_checks(tbl oid, col name) RETURNS TABLE (check_id oid, relation oid, copy_name name, definition text, copy oid)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT k.oid, k.conrelid, cims.copy_name(k.conname, k.oid),
		cims.ask_shadow(regexp_replace(pg_get_constraintdef(k.oid), ' NOT VALID$', ''), col),
		(SELECT c.oid FROM pg_constraint c WHERE c.conrelid = k.conrelid AND c.conname = cims.copy_name(k.conname, k.oid)
			AND regexp_replace(pg_get_constraintdef(c.oid), ' NOT VALID$', '')
				= cims.ask_shadow(regexp_replace(pg_get_constraintdef(k.oid), ' NOT VALID$', ''), col))
	FROM cims.column_tables(tbl) t
	JOIN pg_attribute a ON a.attrelid = t AND a.attname = col
	JOIN pg_constraint k ON k.conrelid = t AND k.contype = 'c' AND k.coninhcount = 0 AND a.attnum = ANY (k.conkey)
		AND k.conname <> cims.shadow_trigger(col)
	ORDER BY k.oid
$$;
COMMENT ON FUNCTION cims.column_checks(oid, name) IS 'the check constraints that look at a column, and their copies over its shadow';

CREATE FUNCTION cims.copy_checks(tbl oid, col name) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	command text;
BEGIN
	FOR command IN
		SELECT format('ALTER TABLE %s ADD CONSTRAINT %I %s NOT VALID', cims.relation_name(k.relation), k.copy_name, k.definition)
		FROM cims.column_checks(tbl, col) k WHERE k.copy IS NULL
	LOOP
		EXECUTE command;
	END LOOP;
END
$$;
COMMENT ON FUNCTION cims.copy_checks(oid, name) IS 'copies check constraints over the shadow, not validated yet';

CREATE FUNCTION cims.validate_checks(tbl oid, col name) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	command text;
BEGIN
	FOR command IN
		SELECT format('ALTER TABLE %s VALIDATE CONSTRAINT %I', cims.relation_name(k.relation), k.copy_name)
		FROM cims.column_checks(tbl, col) k
		JOIN pg_constraint o ON o.oid = k.check_id AND o.convalidated
		JOIN pg_constraint c ON c.oid = k.copy AND NOT c.convalidated
	LOOP
		EXECUTE command;
	END LOOP;
END
$$;
COMMENT ON FUNCTION cims.validate_checks(oid, name) IS 'validates the copies of check constraints that are valid';
