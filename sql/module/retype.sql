/*
 * retype.sql
 *		Changes the type of columns together with all that hangs on them: what
 *		PostgreSQL refuses to carry over (views, rules, policies, triggers) or
 *		would carry over wrongly (defaults, foreign keys, pattern indexes) is
 *		taken down and put back.  Everything here runs with the caller's rights.
 *
 *		A change is planned in full, as text, before the first command runs.
 *		What cannot be kept is found first and listed as a whole.
 */

-- one column whose type changes; root: not inherited, so that ALTER TABLE is issued there
CREATE TYPE cims.column_change AS (
	relation oid,
	attnum int2,
	name name,
	root boolean,
	old_type oid,
	old_typmod int4,
	new_type text
);
COMMENT ON TYPE cims.column_change IS 'a column whose type is to change';

-- dropped in ascending order of rank, put back in descending order
CREATE TYPE cims.restore_step AS (
	rank int,
	object text,
	drop_command text,
	restore_commands text[]
);
COMMENT ON TYPE cims.restore_step IS 'an object to take down before a type changes, and the commands that put it back';

CREATE FUNCTION cims.relation_name(relation oid) RETURNS text
LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('%I.%I', n.nspname, c.relname)
	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = relation
$$;
COMMENT ON FUNCTION cims.relation_name(oid) IS 'the quoted, schema-qualified name of a relation';

CREATE FUNCTION cims.lock_table(relation oid, mode text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	name text := cims.relation_name(relation);
BEGIN
	EXECUTE format('LOCK TABLE %s IN %s MODE', name, mode);
	-- until the lock was there its owner may have given the name to something else
	IF cims.relation_name(relation) IS DISTINCT FROM name OR to_regclass(name) IS DISTINCT FROM relation::regclass THEN
		RAISE EXCEPTION USING ERRCODE = 'lock_not_available', MESSAGE = format('table %s was renamed or dropped meanwhile', name),
			HINT = 'Try again.';
	END IF;
END
$$;
COMMENT ON FUNCTION cims.lock_table(oid, text) IS 'locks a table, after which its name does not go to another';

CREATE FUNCTION cims.column_family(tbl oid, att int2) RETURNS TABLE (relation oid, attnum int2)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE family (relation, attnum) AS (
		SELECT tbl, att
		UNION
		SELECT l.relation, l.attnum
		FROM family f CROSS JOIN LATERAL (
			SELECT c.confrelid, k.referenced
			FROM pg_constraint c CROSS JOIN unnest(c.conkey, c.confkey) k (referencing, referenced)
			WHERE c.contype = 'f' AND c.conrelid = f.relation AND k.referencing = f.attnum
			UNION ALL
			SELECT c.conrelid, k.referencing
			FROM pg_constraint c CROSS JOIN unnest(c.conkey, c.confkey) k (referencing, referenced)
			WHERE c.contype = 'f' AND c.confrelid = f.relation AND k.referenced = f.attnum
			UNION ALL
			SELECT other.attrelid, other.attnum
			FROM pg_inherits i
			JOIN pg_attribute own ON own.attrelid = f.relation AND own.attnum = f.attnum
			JOIN pg_attribute other ON other.attname = own.attname AND NOT other.attisdropped
				AND other.attrelid = CASE f.relation WHEN i.inhparent THEN i.inhrelid ELSE i.inhparent END
			WHERE f.relation IN (i.inhparent, i.inhrelid)
		) l (relation, attnum)
	)
	SELECT relation, attnum FROM family
$$;
COMMENT ON FUNCTION cims.column_family(oid, int2) IS
	'the columns whose type must change together: along inheritance, partitions and foreign keys';

CREATE FUNCTION cims.only_null_tests(tree text, att int2) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT tree IS NULL OR (
		regexp_count(tree, format(':varattno %s ', att))
			= regexp_count(tree, format('\{NULLTEST :arg \{VAR :varno 1 :varattno %s ', att))
		AND tree !~ ':varattno 0 ')
$$;
COMMENT ON FUNCTION cims.only_null_tests(text, int2) IS
	'whether a stored expression looks at a column only by IS NULL and IS NOT NULL';

/*
 * A literal of an array, row or range over a domain is checked when it is
 * parsed, so that even CREATE VIEW runs what the domain's owner wrote.
 */
CREATE FUNCTION cims.literal_functions(type_ids oid[]) RETURNS SETOF oid
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE part (id) AS (
		SELECT unnest(type_ids)
		UNION
		SELECT l.id FROM part p JOIN pg_type t ON t.oid = p.id
		CROSS JOIN LATERAL (
			SELECT t.typbasetype WHERE t.typtype = 'd'
			UNION ALL SELECT t.typelem WHERE t.typelem <> 0
			UNION ALL SELECT a.atttypid FROM pg_attribute a WHERE t.typrelid <> 0 AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
			UNION ALL SELECT r.rngsubtype FROM pg_range r WHERE t.oid IN (r.rngtypid, r.rngmultitypid)
			UNION ALL SELECT m[1]::oid FROM pg_constraint k CROSS JOIN regexp_matches(k.conbin::text, ':resulttype (\d+)', 'g') m WHERE k.contypid = t.oid
		) l (id)
	)
	SELECT m[1]::oid FROM part p JOIN pg_constraint k ON k.contypid = p.id
	CROSS JOIN regexp_matches(k.conbin::text, ':(?:funcid|opfuncid) (\d+)', 'g') m
	UNION
	SELECT r.rngcanonical FROM part p JOIN pg_range r ON r.rngtypid = p.id
$$;
COMMENT ON FUNCTION cims.literal_functions(oid[]) IS 'the functions that may run when a literal of a type is read';

CREATE FUNCTION cims.expression_functions(tree text, executed boolean) RETURNS SETOF oid
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT cims.literal_functions(ARRAY(
		SELECT m[1]::oid FROM regexp_matches(tree, CASE WHEN executed THEN ':(?:consttype|resulttype) (\d+)' ELSE ':consttype (\d+)' END, 'g') m))
	UNION
	SELECT m[1]::oid FROM regexp_matches(tree, ':(?:funcid|opfuncid) (\d+)', 'g') m WHERE executed
$$;
COMMENT ON FUNCTION cims.expression_functions(text, boolean) IS
	'the functions that may run when a stored expression is made again, or also executed';

CREATE FUNCTION cims.is_constant(tree text) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT tree !~ '\{(SQLVALUEFUNCTION|NEXTVALUEEXPR|SUBLINK) '
		AND NOT EXISTS (
			SELECT FROM cims.expression_functions(tree, true) f JOIN pg_proc p ON p.oid = f
			-- a class is a type modifier, whose functions look it up; what others declare immutable is not run on their word
			WHERE p.provolatile <> 'i' AND p.pronamespace <> 'cims'::regnamespace
				OR p.pronamespace NOT IN ('pg_catalog'::regnamespace, 'cims'::regnamespace))
$$;
COMMENT ON FUNCTION cims.is_constant(text) IS 'whether a stored column default gives the same value each time';

/*
 * varchar has no operators of its own, so the text of a stored expression has
 * each column of it as (col)::text.  Put back as it stands, that would be a
 * decryption of every row: without the cast the encrypted type's operators and
 * its indexes are found, and where text is needed it casts by itself.
 */
CREATE FUNCTION cims.adapt_definition(definition text, columns text[]) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	col text;
BEGIN
	FOREACH col IN ARRAY columns LOOP
		definition := regexp_replace(definition,
			$re$('(?:[^']|'')*'|"(?:[^"]|"")*")|\(((?:(?:[a-z_][a-z0-9_$]*|"(?:[^"]|"")+")\.)?$re$
				|| regexp_replace(quote_ident(col), '([^[:alnum:]_" ])', '\\\1', 'g') || $re$)\)::text$re$,
			'\1\2', 'g');
	END LOOP;
	RETURN definition;
END
$$;
COMMENT ON FUNCTION cims.adapt_definition(text, text[]) IS
	'the text of a definition without the casts to text that varchar columns needed';

CREATE FUNCTION cims.index_treatment(index_id oid, att int2) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE
		WHEN x.indexprs::text ~ format(':varattno (%s|0) ', att) THEN 'expression'
		WHEN NOT cims.only_null_tests(x.indpred::text, att) THEN 'predicate'
		WHEN x.indisexclusion THEN 'exclusion'
		WHEN count(o.oid) = 0 THEN 'keep'
		WHEN a.amname IN ('btree', 'hash') AND bool_and(o.opcdefault) THEN 'keep'
		WHEN x.indnatts > 1 THEN 'other'
		WHEN a.amname IN ('btree', 'hash')
			AND min(o.opcname) ~ '^(varchar_ops|enc_.*_order_ops)$' THEN 'plain'
		WHEN NOT x.indisunique
			AND (min(o.opcname) ~ '^((text|varchar|bpchar)_pattern_ops|(gin|gist)_trgm_ops|enc_text_ngram_ops)$'
				OR a.amname = 'spgist') THEN 'pattern'
		ELSE 'other'
	END
	FROM pg_index x
	JOIN pg_class i ON i.oid = x.indexrelid
	JOIN pg_am a ON a.oid = i.relam
	LEFT JOIN generate_series(0, x.indnkeyatts - 1) k ON x.indkey[k] = att
	LEFT JOIN pg_opclass o ON o.oid = x.indclass[k]
	WHERE x.indexrelid = index_id
	GROUP BY x.indexprs::text, x.indpred::text, x.indisexclusion, x.indnatts, x.indisunique, a.amname
$$;
COMMENT ON FUNCTION cims.index_treatment(oid, int2) IS
	'what an index needs when a column of it changes type: keep, plain, pattern, or why it cannot be kept';

CREATE FUNCTION cims.column_dependents(changes cims.column_change[])
RETURNS TABLE (classid oid, objid oid, depth int)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE needed (classid, objid, depth) AS (
		(SELECT d.classid, d.objid, 1
		FROM unnest(changes) c
		JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = c.relation
			AND d.refobjsubid = c.attnum
		WHERE d.classid NOT IN ('pg_class'::regclass, 'pg_constraint'::regclass, 'pg_attrdef'::regclass,
			'pg_statistic_ext'::regclass)
		UNION
		-- a view that groups by a key depends on the key's constraint
		SELECT d.classid, d.objid, 1
		FROM unnest(changes) c
		JOIN pg_constraint k ON k.conrelid = c.relation AND k.contype IN ('p', 'u') AND c.attnum = ANY (k.conkey)
		JOIN pg_depend d ON d.refclassid = 'pg_constraint'::regclass AND d.refobjid = k.oid
		WHERE d.classid NOT IN ('pg_class'::regclass, 'pg_constraint'::regclass))
		UNION
		SELECT d.classid, d.objid, n.depth + 1
		FROM needed n
		JOIN pg_rewrite r ON n.classid = 'pg_rewrite'::regclass AND r.oid = n.objid AND r.ev_type = '1'
		JOIN pg_class v ON v.oid = r.ev_class
		LEFT JOIN pg_type t ON t.oid = v.reltype
		JOIN pg_depend d ON (d.refclassid = 'pg_class'::regclass AND d.refobjid = v.oid)
			OR (d.refclassid = 'pg_type'::regclass AND d.refobjid IN (t.oid, t.typarray))
		WHERE d.deptype = 'n' AND NOT (d.classid = n.classid AND d.objid = n.objid)
	)
	SELECT n.classid, n.objid, max(n.depth)
	FROM needed n
	LEFT JOIN pg_rewrite r ON n.classid = 'pg_rewrite'::regclass AND r.oid = n.objid
	LEFT JOIN pg_trigger t ON n.classid = 'pg_trigger'::regclass AND t.oid = n.objid
	WHERE t.tgisinternal IS NOT TRUE AND coalesce(t.tgparentid, 0) = 0
		-- what belongs to a view is put back with the view
		AND NOT EXISTS (
			SELECT FROM needed m JOIN pg_rewrite w ON m.classid = 'pg_rewrite'::regclass AND w.oid = m.objid
			WHERE w.ev_type = '1' AND w.oid <> n.objid AND w.ev_class IN (r.ev_class, t.tgrelid))
	GROUP BY n.classid, n.objid
$$;
COMMENT ON FUNCTION cims.column_dependents(cims.column_change[]) IS
	'what PostgreSQL refuses to carry over a change of type: views of any depth, rules, policies, triggers, others';

CREATE FUNCTION cims.comment_commands(catalog regclass, object oid, object_text text) RETURNS text[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(array_agg(format('COMMENT ON %s IS %L', object_text, description)), '{}')
	FROM pg_description WHERE classoid = catalog AND objoid = object AND objsubid = 0
$$;
COMMENT ON FUNCTION cims.comment_commands(regclass, oid, text) IS 'the command that puts an object''s comment back, if it has one';

CREATE FUNCTION cims.clear_privileges(relation regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	holder text;
BEGIN
	FOR holder IN
		SELECT DISTINCT CASE e.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(e.grantee)) END
		FROM pg_class c CROSS JOIN aclexplode(c.relacl) e WHERE c.oid = relation
	LOOP
		EXECUTE format('REVOKE ALL ON %s FROM %s CASCADE', cims.relation_name(relation), holder);
	END LOOP;
END
$$;
COMMENT ON FUNCTION cims.clear_privileges(regclass) IS 'takes from a new relation what default privileges gave';

CREATE FUNCTION cims.grant_commands(acl aclitem[], target text, column_list text, owner oid) RETURNS text[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(array_agg(command ORDER BY e.ordinality, part), '{}')
	FROM aclexplode(acl) WITH ORDINALITY e
	CROSS JOIN LATERAL (VALUES
		(1, CASE WHEN e.grantor <> owner AND pg_has_role(e.grantor, 'MEMBER')
			THEN format('SELECT pg_catalog.set_config(''role'', %L, true)', pg_get_userbyid(e.grantor)) END),
		(2, format('GRANT %s%s ON %s TO %s%s', e.privilege_type, column_list, target,
			CASE e.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(e.grantee)) END,
			CASE WHEN e.is_grantable AND e.grantee <> owner THEN ' WITH GRANT OPTION' ELSE '' END)),
		(3, CASE WHEN e.grantor <> owner AND pg_has_role(e.grantor, 'MEMBER')
			THEN format('SELECT pg_catalog.set_config(''role'', %L, true)', current_setting('role')) END)
	) c (part, command)
	WHERE command IS NOT NULL
$$;
COMMENT ON FUNCTION cims.grant_commands(aclitem[], text, text, oid) IS 'the commands that give the privileges of an ACL again';

CREATE FUNCTION cims.trigger_commands(trigger_id oid, adapt text[]) RETURNS text[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE clone AS (
		SELECT t.oid, t.tgrelid, t.tgname, t.tgenabled, t.tgenabled = 'O' AS same, 0 AS depth
		FROM pg_trigger t WHERE t.oid = trigger_id
		UNION ALL
		SELECT t.oid, t.tgrelid, t.tgname, t.tgenabled, t.tgenabled = c.tgenabled, c.depth + 1
		FROM clone c JOIN pg_trigger t ON t.tgparentid = c.oid
	)
	SELECT ARRAY[cims.adapt_definition(pg_get_triggerdef(trigger_id), adapt)]
		|| coalesce((
			SELECT array_agg(format('ALTER TABLE ONLY %s %s TRIGGER %I', cims.relation_name(tgrelid),
				CASE tgenabled WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA'
					WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE' END, tgname) ORDER BY depth)
			FROM clone WHERE tgenabled <> 'O'), '{}')
		|| cims.comment_commands('pg_trigger', trigger_id,
			(SELECT format('TRIGGER %I ON %s', tgname, cims.relation_name(tgrelid)) FROM clone WHERE depth = 0))
$$;
COMMENT ON FUNCTION cims.trigger_commands(oid, text[]) IS 'the commands that put a trigger back, on partitions too';

CREATE FUNCTION cims.rule_commands(rule_id oid, adapt text[]) RETURNS text[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT ARRAY[cims.adapt_definition(pg_get_ruledef(r.oid), adapt)]
		|| CASE WHEN r.ev_enabled <> 'O' THEN ARRAY[format('ALTER TABLE %s %s RULE %I', cims.relation_name(r.ev_class),
			CASE r.ev_enabled WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE ALWAYS' END, r.rulename)]
			ELSE '{}' END
		|| cims.comment_commands('pg_rewrite', r.oid, format('RULE %I ON %s', r.rulename, cims.relation_name(r.ev_class)))
	FROM pg_rewrite r WHERE r.oid = rule_id
$$;
COMMENT ON FUNCTION cims.rule_commands(oid, text[]) IS 'the commands that put a rule back';

CREATE FUNCTION cims.policy_commands(policy_id oid, adapt text[]) RETURNS text[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT ARRAY[format('CREATE POLICY %I ON %s AS %s FOR %s TO %s%s%s', p.polname, cims.relation_name(p.polrelid),
			CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
			CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE'
				WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
			(SELECT string_agg(CASE r WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(r)) END, ', ')
				FROM unnest(p.polroles) r),
			' USING (' || cims.adapt_definition(pg_get_expr(p.polqual, p.polrelid), adapt) || ')',
			' WITH CHECK (' || cims.adapt_definition(pg_get_expr(p.polwithcheck, p.polrelid), adapt) || ')')]
		|| cims.comment_commands('pg_policy', p.oid, format('POLICY %I ON %s', p.polname, cims.relation_name(p.polrelid)))
	FROM pg_policy p WHERE p.oid = policy_id
$$;
COMMENT ON FUNCTION cims.policy_commands(oid, text[]) IS 'the commands that put a row policy back';

CREATE FUNCTION cims.view_commands(view_id oid, adapt text[]) RETURNS text[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT ARRAY[format('CREATE %sVIEW %s%s AS %s',
			CASE v.relpersistence WHEN 't' THEN 'TEMPORARY ' ELSE '' END, w.name,
			' WITH (' || array_to_string(v.reloptions, ', ') || ')',
			cims.adapt_definition(pg_get_viewdef(v.oid), adapt))]
		|| ARRAY(
			SELECT format('ALTER VIEW %s ALTER COLUMN %I SET DEFAULT %s', w.name, a.attname, pg_get_expr(d.adbin, d.adrelid))
			FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
			WHERE d.adrelid = v.oid)
		|| ARRAY(
			SELECT c FROM pg_rewrite r CROSS JOIN unnest(cims.rule_commands(r.oid, adapt)) WITH ORDINALITY u (c, n)
			WHERE r.ev_class = v.oid AND r.ev_type <> '1' ORDER BY r.rulename, n)
		|| ARRAY(
			SELECT c FROM pg_trigger t CROSS JOIN unnest(cims.trigger_commands(t.oid, adapt)) WITH ORDINALITY u (c, n)
			WHERE t.tgrelid = v.oid AND NOT t.tgisinternal ORDER BY t.tgname, n)
		|| cims.comment_commands('pg_class', v.oid, 'VIEW ' || w.name)
		|| ARRAY(
			SELECT format('COMMENT ON COLUMN %s.%I IS %L', w.name, a.attname, d.description)
			FROM pg_description d JOIN pg_attribute a ON a.attrelid = v.oid AND a.attnum = d.objsubid
			WHERE d.classoid = 'pg_class'::regclass AND d.objoid = v.oid AND d.objsubid > 0)
		|| ARRAY(
			SELECT format('SECURITY LABEL FOR %I ON %s IS %L', l.provider,
				CASE WHEN a.attname IS NULL THEN 'VIEW ' || w.name ELSE format('COLUMN %s.%I', w.name, a.attname) END, l.label)
			FROM pg_seclabel l LEFT JOIN pg_attribute a ON a.attrelid = v.oid AND a.attnum = l.objsubid AND l.objsubid > 0
			WHERE l.classoid = 'pg_class'::regclass AND l.objoid = v.oid)
		|| CASE WHEN v.relowner <> current_user::regrole
			THEN ARRAY[format('ALTER VIEW %s OWNER TO %I', w.name, pg_get_userbyid(v.relowner))] ELSE '{}' END
		|| CASE WHEN v.relacl IS NOT NULL OR EXISTS (SELECT FROM pg_default_acl)
			THEN format('SELECT cims.clear_privileges(%L)', w.name)
				|| cims.grant_commands(coalesce(v.relacl, acldefault('r', v.relowner)), w.name, '', v.relowner)
			ELSE '{}' END
		|| ARRAY(
			SELECT c FROM pg_attribute a
			CROSS JOIN unnest(cims.grant_commands(a.attacl, w.name, format(' (%I)', a.attname), v.relowner)) WITH ORDINALITY u (c, n)
			WHERE a.attrelid = v.oid AND a.attnum > 0 ORDER BY a.attnum, n)
	FROM pg_class v
	CROSS JOIN LATERAL (SELECT CASE v.relpersistence WHEN 't' THEN quote_ident(v.relname)
		ELSE cims.relation_name(v.oid) END) w (name)
	WHERE v.oid = view_id
$$;
COMMENT ON FUNCTION cims.view_commands(oid, text[]) IS
	'the commands that put a view back: options, defaults, rules, triggers, comments, owner, privileges';

/*
 * Whether a stored query may cast a column of this name to text that stems from
 * a subquery or the like and is no string: a varchar's cast is a relabelling.
 */
CREATE FUNCTION cims.casts_derived_column(tree text, col name) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT tree ~ '\{COERCEVIAIO :arg \{VAR [^{}]*\} :resulttype 25 |\{FUNCEXPR :funcid \d+ :funcresulttype 25 [^{}]*:funcformat [12] [^{}]*:args \(\{VAR '
		AND EXISTS (
			SELECT FROM regexp_matches(tree, ':colnames (\([^()]*\))\} :rtekind [^02] ', 'g') m
			WHERE strpos(m[1], '"' || col || '"') > 0)
$$;
COMMENT ON FUNCTION cims.casts_derived_column(text, name) IS
	'whether a stored query may cast a column of this name to text that is no string and no table''s';

/*
 * Names whose cast to text may be left out of definitions: the varchar columns
 * that change, and the varchar columns of views over them, unless something in
 * sight has a column of that name that is no string.
 */
CREATE FUNCTION cims.adaptable_columns(changes cims.column_change[]) RETURNS text[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	WITH dependents AS MATERIALIZED (
		SELECT * FROM cims.column_dependents(changes)
	), relations AS (
		SELECT c.relation AS oid FROM unnest(changes) c
		UNION
		SELECT p.refobjid FROM dependents d
		JOIN pg_depend p ON p.classid = d.classid AND p.objid = d.objid AND p.refclassid = 'pg_class'::regclass
	), names AS (
		SELECT c.name FROM unnest(changes) c WHERE c.old_type = 'varchar'::regtype
		UNION
		SELECT a.attname FROM dependents d
		JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid AND r.ev_type = '1'
		JOIN pg_attribute a ON a.attrelid = r.ev_class AND a.atttypid = 'varchar'::regtype
		WHERE EXISTS (SELECT FROM unnest(changes) c WHERE c.old_type = 'varchar'::regtype)
	)
	SELECT coalesce(array_agg(n.name::text), '{}') FROM names n
	WHERE NOT EXISTS (
		SELECT FROM pg_attribute a JOIN relations r ON r.oid = a.attrelid
		WHERE a.attname = n.name AND a.atttypid NOT IN ('varchar'::regtype, 'text'::regtype, 'bpchar'::regtype))
		AND NOT EXISTS (
			SELECT FROM dependents d JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
			WHERE cims.casts_derived_column(r.ev_action::text, n.name) OR cims.casts_derived_column(r.ev_qual::text, n.name))
		AND NOT EXISTS (
			SELECT FROM dependents d JOIN pg_policy p ON d.classid = 'pg_policy'::regclass AND p.oid = d.objid
			WHERE cims.casts_derived_column(p.polqual::text, n.name) OR cims.casts_derived_column(p.polwithcheck::text, n.name))
$$;
COMMENT ON FUNCTION cims.adaptable_columns(cims.column_change[]) IS
	'the columns whose casts to text adapt_definition may leave out';

CREATE FUNCTION cims.dependent_steps(changes cims.column_change[]) RETURNS SETOF cims.restore_step
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	adapt text[] := cims.adaptable_columns(changes);
BEGIN
	RETURN QUERY
	SELECT CASE WHEN r.ev_type = '1' THEN 500 - d.depth ELSE 20 END,
		pg_describe_object('pg_class'::regclass, r.ev_class, 0),
		CASE WHEN r.ev_type = '1' THEN 'DROP VIEW ' || cims.relation_name(r.ev_class)
			ELSE format('DROP RULE %I ON %s', r.rulename, cims.relation_name(r.ev_class)) END,
		CASE WHEN r.ev_type = '1' THEN cims.adapt_masking_view(r.ev_class, cims.view_commands(r.ev_class, adapt)) ELSE cims.rule_commands(r.oid, adapt) END
	FROM cims.column_dependents(changes) d
	JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
	UNION ALL
	SELECT 10, pg_describe_object(d.classid, d.objid, 0),
		format('DROP POLICY %I ON %s', p.polname, cims.relation_name(p.polrelid)), cims.policy_commands(p.oid, adapt)
	FROM cims.column_dependents(changes) d
	JOIN pg_policy p ON d.classid = 'pg_policy'::regclass AND p.oid = d.objid
	UNION ALL
	SELECT 30, pg_describe_object(d.classid, d.objid, 0),
		format('DROP TRIGGER %I ON %s', t.tgname, cims.relation_name(t.tgrelid)), cims.trigger_commands(t.oid, adapt)
	FROM cims.column_dependents(changes) d
	JOIN pg_trigger t ON d.classid = 'pg_trigger'::regclass AND t.oid = d.objid;
END
$$;
COMMENT ON FUNCTION cims.dependent_steps(cims.column_change[]) IS 'the steps for views, rules, policies and triggers';

CREATE FUNCTION cims.foreign_key_steps(changes cims.column_change[]) RETURNS SETOF cims.restore_step
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT DISTINCT ON (k.oid) 600, pg_describe_object('pg_constraint'::regclass, k.oid, 0),
		format('ALTER TABLE %s DROP CONSTRAINT %I', cims.relation_name(k.conrelid), k.conname),
		ARRAY[format('ALTER TABLE %s ADD CONSTRAINT %I %s', cims.relation_name(k.conrelid), k.conname, pg_get_constraintdef(k.oid))]
			|| cims.comment_commands('pg_constraint', k.oid,
				format('CONSTRAINT %I ON %s', k.conname, cims.relation_name(k.conrelid)))
	FROM unnest(changes) c
	JOIN pg_constraint k ON k.contype = 'f' AND k.conparentid = 0
		AND ((k.conrelid = c.relation AND c.attnum = ANY (k.conkey)) OR (k.confrelid = c.relation AND c.attnum = ANY (k.confkey)))
$$;
COMMENT ON FUNCTION cims.foreign_key_steps(cims.column_change[]) IS 'the steps for foreign keys on either side';

CREATE FUNCTION cims.index_command(index_id oid, col name, index_name name, treatment text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('CREATE %sINDEX %I ON %s USING %s (%I%s%s)%s%s%s%s',
		CASE WHEN x.indisunique THEN 'UNIQUE ' ELSE '' END, index_name, cims.relation_name(x.indrelid),
		CASE treatment WHEN 'plain' THEN a.amname ELSE 'gin' END, col,
		CASE treatment WHEN 'ngram' THEN ' cims.enc_text_ngram_ops'
			WHEN 'trigram' THEN (SELECT format(' %I.gin_trgm_ops', n.nspname) FROM pg_extension e
				JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_trgm') ELSE '' END,
		CASE WHEN treatment <> 'plain' OR a.amname <> 'btree' THEN ''
			WHEN x.indoption[0] = 1 THEN ' DESC NULLS LAST' WHEN x.indoption[0] = 2 THEN ' NULLS FIRST'
			WHEN x.indoption[0] = 3 THEN ' DESC' ELSE '' END,
		CASE WHEN x.indnullsnotdistinct THEN ' NULLS NOT DISTINCT' ELSE '' END,
		CASE treatment WHEN 'plain' THEN ' WITH (' || array_to_string(i.reloptions, ', ') || ')' END,
		(SELECT format(' TABLESPACE %I', t.spcname) FROM pg_tablespace t WHERE t.oid = i.reltablespace),
		' WHERE ' || pg_get_expr(x.indpred, x.indrelid))
	FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_am a ON a.oid = i.relam
	WHERE x.indexrelid = index_id
$$;
COMMENT ON FUNCTION cims.index_command(oid, name, name, text) IS
	'the command that makes an index again over one column of another type';

CREATE FUNCTION cims.index_steps(changes cims.column_change[], pattern text) RETURNS SETOF cims.restore_step
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 700, pg_describe_object('pg_class'::regclass, i.oid, 0), 'DROP INDEX ' || cims.relation_name(i.oid),
		ARRAY[cims.index_command(i.oid, c.name, i.relname, CASE t.treatment WHEN 'pattern' THEN pattern ELSE 'plain' END)]
			|| cims.comment_commands('pg_class', i.oid, 'INDEX ' || cims.relation_name(i.oid))
			|| CASE WHEN x.indisreplident THEN ARRAY[format('ALTER TABLE %s REPLICA IDENTITY USING INDEX %I', cims.relation_name(x.indrelid), i.relname)] ELSE '{}' END
			|| CASE WHEN x.indisclustered AND t.treatment = 'plain' THEN ARRAY[format('ALTER TABLE %s CLUSTER ON %I', cims.relation_name(x.indrelid), i.relname)] ELSE '{}' END
	FROM unnest(changes) c
	JOIN pg_index x ON x.indrelid = c.relation
	JOIN pg_class i ON i.oid = x.indexrelid AND NOT i.relispartition
	CROSS JOIN LATERAL cims.index_treatment(x.indexrelid, c.attnum) t (treatment)
	WHERE t.treatment IN ('plain', 'pattern')
$$;
COMMENT ON FUNCTION cims.index_steps(cims.column_change[], text) IS
	'the steps for indexes whose operator class the new type does not have';

CREATE FUNCTION cims.constant_text(expression text, new_type text) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = on
AS $$
DECLARE
	value text;
BEGIN
	-- a literal, of class "default": sealed under its class, its token would stand in a catalog, and its bytes in every row
	IF new_type LIKE 'cims.enc\_%' THEN
		new_type := regexp_replace(new_type, '\([^)]*\)', '');
		-- format() gives the output form: while row_security is off the sealed one
		PERFORM set_config('row_security', 'off', true);
	END IF;
	EXECUTE format('SELECT pg_catalog.format(''%%s'', v) FROM (SELECT (%s)::%s) s (v) WHERE v IS NOT NULL', expression, new_type) INTO value;
	RETURN CASE WHEN value IS NULL THEN 'NULL' ELSE format('%L::%s', value, new_type) END;
END
$$;
COMMENT ON FUNCTION cims.constant_text(text, text) IS 'an expression''s value as a constant of a type, sealed where the type seals';

CREATE FUNCTION cims.set_column_default(relation oid, col name, expression text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
BEGIN
	EXECUTE format('ALTER TABLE ONLY %s ALTER COLUMN %I SET DEFAULT %s', cims.relation_name(relation), col, expression);
END
$$;
COMMENT ON FUNCTION cims.set_column_default(oid, name, text) IS 'sets a column default, where a constant may be given in sealed form';

CREATE FUNCTION cims.default_steps(changes cims.column_change[]) RETURNS SETOF cims.restore_step
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 800, format('default of column "%s" of table %s', c.name, cims.relation_name(c.relation)),
		format('ALTER TABLE ONLY %s ALTER COLUMN %I DROP DEFAULT', cims.relation_name(c.relation), c.name),
		ARRAY[format('SELECT cims.set_column_default(%s, %L, %L)', c.relation, c.name,
			CASE WHEN cims.is_constant(d.adbin::text)
				THEN cims.constant_text(pg_get_expr(d.adbin, d.adrelid), c.new_type)
				ELSE pg_get_expr(d.adbin, d.adrelid) END)]
	FROM unnest(changes) c JOIN pg_attrdef d ON d.adrelid = c.relation AND d.adnum = c.attnum
$$;
COMMENT ON FUNCTION cims.default_steps(cims.column_change[]) IS
	'the steps for column defaults; a constant is put back as a constant of the new type';

CREATE FUNCTION cims.take_down(steps cims.restore_step[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	command text;
BEGIN
	FOR command IN SELECT drop_command FROM unnest(steps) ORDER BY rank, object LOOP
		EXECUTE command;
	END LOOP;
END
$$;
COMMENT ON FUNCTION cims.take_down(cims.restore_step[]) IS 'drops what a change of type is in the way of';

CREATE FUNCTION cims.put_back(steps cims.restore_step[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	step cims.restore_step;
	command text;
	failed text[] := '{}';
BEGIN
	FOR step IN SELECT * FROM unnest(steps) ORDER BY rank DESC, object LOOP
		BEGIN
			FOREACH command IN ARRAY step.restore_commands LOOP
				EXECUTE command;
			END LOOP;
		EXCEPTION WHEN OTHERS THEN
			failed := failed || format('%s: %s', step.object, SQLERRM);
		END;
	END LOOP;
	IF failed <> '{}' THEN
		RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
			MESSAGE = 'what depends on the column cannot be kept',
			DETAIL = array_to_string(failed, E'\n'),
			HINT = 'Nothing was changed. Drop or rewrite what is listed, then try again.';
	END IF;
END
$$;
COMMENT ON FUNCTION cims.put_back(cims.restore_step[]) IS
	'puts back what take_down dropped; raises one error that lists all that could not be put back';

CREATE FUNCTION cims.change_columns(changes cims.column_change[], pattern text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	steps cims.restore_step[];
	command text;
BEGIN
	steps := ARRAY(
		SELECT s FROM (
			SELECT * FROM cims.dependent_steps(changes)
			UNION ALL SELECT * FROM cims.foreign_key_steps(changes)
			UNION ALL SELECT * FROM cims.index_steps(changes, pattern)
			UNION ALL SELECT * FROM cims.default_steps(changes)) s);
	PERFORM cims.take_down(steps);
	FOR command IN
		SELECT format('ALTER TABLE %s %s', cims.relation_name(relation),
			string_agg(format('ALTER COLUMN %I TYPE %s', name, new_type), ', ' ORDER BY attnum))
		FROM unnest(changes) WHERE root GROUP BY relation ORDER BY relation
	LOOP
		EXECUTE command;
	END LOOP;
	PERFORM cims.put_back(steps);
END
$$;
COMMENT ON FUNCTION cims.change_columns(cims.column_change[], text) IS
	'changes the type of columns, one rewrite a table, with all that hangs on them; pattern names what replaces pattern indexes';
