/*
 * report.sql
 *		Who can see what.
 *
 * A source is what gives access: a grant, ownership, an attribute of a role.  The
 * report is the sources, for every role that reaches the holder of one.
 */
CREATE FUNCTION cims.describe_conditions(c cims.class) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT nullif(concat_ws(', ', CASE WHEN c.requires_actor THEN 'requires_actor' END, CASE WHEN c.requires_mfa THEN 'requires_mfa' END,
		'max_auth_age ' || extract(epoch FROM c.max_auth_age)::bigint || ' s', 'requires_purpose ' || array_to_string(c.requires_purpose, ' or ')), '')
$$;
COMMENT ON FUNCTION cims.describe_conditions(cims.class) IS 'what a class demands of the actor, in words';
REVOKE ALL ON FUNCTION cims.describe_conditions(cims.class) FROM PUBLIC;

CREATE FUNCTION cims.is_users_relation(relation oid) RETURNS boolean
LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT c.relpersistence <> 't' AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace, 'pg_toast'::regnamespace)
		AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
	FROM pg_class c WHERE c.oid = relation
$$;
COMMENT ON FUNCTION cims.is_users_relation(oid) IS 'whether a relation is of neither PostgreSQL nor an extension';

-- who may read a relation by its owner and its grants; columns: null for all
CREATE FUNCTION cims.relation_readers() RETURNS TABLE (relation oid, holder oid, owner boolean, columns text)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT c.oid, c.relowner, true, NULL
	FROM pg_class c WHERE c.relkind IN ('r', 'p', 'm', 'f', 'v') AND cims.is_users_relation(c.oid)
	UNION ALL
	SELECT DISTINCT c.oid, a.grantee, false, NULL
	FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a
	WHERE c.relkind IN ('r', 'p', 'm', 'f', 'v') AND cims.is_users_relation(c.oid) AND a.privilege_type = 'SELECT' AND a.grantee <> c.relowner
	UNION ALL
	SELECT c.oid, a.grantee, false, string_agg(DISTINCT t.attname, ', ' ORDER BY t.attname)
	FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid CROSS JOIN LATERAL aclexplode(t.attacl) a
	WHERE c.relkind IN ('r', 'p', 'm', 'f', 'v') AND cims.is_users_relation(c.oid) AND a.privilege_type = 'SELECT' AND a.grantee <> c.relowner
	GROUP BY c.oid, a.grantee
$$;
COMMENT ON FUNCTION cims.relation_readers() IS 'owners of tables and views, and whom SELECT on them or on some of their columns was granted';
REVOKE ALL ON FUNCTION cims.relation_readers() FROM PUBLIC;

-- views that show a table with their owner's rights, through other views, too
CREATE FUNCTION cims.views_of_tables() RETURNS TABLE (view oid, tbl oid, owner oid)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE uses AS (
		SELECT DISTINCT r.ev_class AS view, d.refobjid AS relation, t.relkind, v.relowner AS owner
		FROM pg_rewrite r JOIN pg_class v ON v.oid = r.ev_class AND v.relkind = 'v'
		JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> r.ev_class
		JOIN pg_class t ON t.oid = d.refobjid AND t.relkind IN ('r', 'p', 'm', 'f', 'v')
		WHERE NOT EXISTS (SELECT FROM pg_options_to_table(v.reloptions) o WHERE o.option_name = 'security_invoker' AND o.option_value::boolean)
	), shows (view, relation, relkind, owner) AS (
		SELECT u.view, u.relation, u.relkind, u.owner FROM uses u
		UNION
		SELECT s.view, u.relation, u.relkind, u.owner FROM shows s JOIN uses u ON u.view = s.relation WHERE s.relkind = 'v'
	)
	SELECT DISTINCT s.view, s.relation, s.owner FROM shows s WHERE s.relkind <> 'v'
$$;
COMMENT ON FUNCTION cims.views_of_tables() IS 'views with the tables that they show by their owner''s rights, through other views, too, and the owner of the view that names the table';
REVOKE ALL ON FUNCTION cims.views_of_tables() FROM PUBLIC;

CREATE FUNCTION cims.access_sources()
RETURNS TABLE (kind text, object text, relation oid, holder oid, level text, path text, valid tstzrange, conditions text, reads_as oid, source jsonb)
LANGUAGE sql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'class', c.name, 0::oid, e.grantee::oid, e.level, CASE WHEN e.temporary THEN 'temporary grant' ELSE 'grant' END, e.valid,
		cims.describe_conditions(c), NULL::oid, jsonb_build_object('kind', 'class grant', 'id', e.id)
	FROM cims.class_grant_entry e JOIN cims.class c ON c.id = e.class_id WHERE e.grantee::oid <> 1
	UNION ALL
	SELECT 'class', c.name, 0, p.role::oid, p.level, 'break glass', p.valid,
		concat_ws(', ', cims.describe_conditions(c), format('at most %s s', extract(epoch FROM least(p.max_duration, current_setting('cims.break_glass_max')::interval))::bigint)),
		NULL, jsonb_build_object('kind', 'break glass', 'id', p.id)
	FROM cims.break_glass_permission p JOIN cims.class c ON c.name = p.class WHERE p.role::oid <> 1
	UNION ALL
	SELECT 'class', c.name, 0, r.oid, 'reveal', 'superuser', '(,)', 'by a grant to itself', NULL, jsonb_build_object('kind', 'superuser')
	FROM cims.class c, pg_roles r WHERE r.rolsuper
	UNION ALL
	SELECT 'table', cims.relation_name(a.relation), a.relation, a.holder, 'select', CASE WHEN a.owner THEN 'owner' ELSE 'grant' END, '(,)',
		'columns ' || a.columns, NULL, jsonb_strip_nulls(jsonb_build_object('kind', CASE WHEN a.owner THEN 'table owner' ELSE 'table grant' END,
			'table', cims.relation_name(a.relation), 'columns', a.columns))
	FROM cims.relation_readers() a JOIN pg_class c ON c.oid = a.relation WHERE c.relkind <> 'v'
	UNION ALL
	SELECT 'table', cims.relation_name(v.tbl), v.tbl, a.holder, 'select', format('%s of view %s', CASE WHEN a.owner THEN 'owner' ELSE 'grant' END, cims.relation_name(v.view)), '(,)',
		concat_ws(', ', 'as the view shows it', 'columns ' || a.columns),
		v.owner, jsonb_strip_nulls(jsonb_build_object('kind', CASE WHEN a.owner THEN 'table owner' ELSE 'table grant' END, 'table', cims.relation_name(v.view), 'columns', a.columns))
	FROM cims.relation_readers() a JOIN cims.views_of_tables() v ON v.view = a.relation
	WHERE cims.is_users_relation(v.tbl)
	UNION ALL
	SELECT 'table', cims.relation_name(p.relation), p.relation, p.role::oid, 'select', 'break glass', p.valid,
		format('beside SELECT, at most %s s', extract(epoch FROM least(p.max_duration, current_setting('cims.break_glass_max')::interval))::bigint),
		NULL, jsonb_build_object('kind', 'break glass', 'id', p.id)
	FROM cims.break_glass_permission p WHERE p.relation IS NOT NULL AND p.role::oid <> 1
		AND EXISTS (SELECT FROM pg_class c WHERE c.oid = p.relation)
	UNION ALL
	SELECT 'table', cims.relation_name(c.oid), c.oid, r.oid, 'select', CASE WHEN r.rolsuper THEN 'superuser' ELSE 'pg_read_all_data' END, '(,)', NULL,
		NULL, jsonb_build_object('kind', CASE WHEN r.rolsuper THEN 'superuser' ELSE 'pg_read_all_data' END)
	FROM pg_class c, pg_roles r
	WHERE c.relkind IN ('r', 'p', 'm', 'f') AND cims.is_users_relation(c.oid) AND (r.rolsuper OR r.rolname = 'pg_read_all_data')
$$;
COMMENT ON FUNCTION cims.access_sources() IS 'what gives access to classes and tables: grants, owners, views, permissions, attributes of roles; holder 0 is public; reads_as: the owner of a view whose rights count';
REVOKE ALL ON FUNCTION cims.access_sources() FROM PUBLIC;

-- what a function that runs with its owner's rights may hand on: what its owner may see of classes, and of tables that something protects
CREATE FUNCTION cims.function_sources()
RETURNS TABLE (kind text, object text, relation oid, holder oid, level text, path text, valid tstzrange, conditions text, reads_as oid, source jsonb)
LANGUAGE sql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
	WITH callable AS (
		SELECT p.oid, p.proowner, a.grantee
		FROM pg_proc p CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
		WHERE p.prosecdef AND a.privilege_type = 'EXECUTE' AND a.grantee <> p.proowner
			AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
			AND p.pronamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
			AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
	), protected AS (
		SELECT g.relation::oid AS relation FROM cims.governed_column g
		UNION SELECT a.attrelid FROM pg_attribute a WHERE a.attnum > 0 AND NOT a.attisdropped AND a.atttypid IN (SELECT cims.sealed_types())
		UNION SELECT c.oid FROM pg_class c WHERE c.relrowsecurity
	)
	SELECT DISTINCT s.kind, s.object, s.relation, f.grantee, s.level,
		format('possible through function %s, which runs as %s', f.oid::regprocedure, quote_ident(pg_get_userbyid(f.proowner))),
		s.valid, s.conditions, coalesce(s.reads_as, f.proowner), jsonb_build_object('kind', 'function', 'function', f.oid::regprocedure::text)
	FROM callable f
	JOIN cims.role_reach() r ON r.member = f.proowner
	JOIN cims.access_sources() s ON s.holder = r.role AND (r.inherited AND s.path <> 'superuser' OR cardinality(r.chain) = 1)
	WHERE s.path <> 'break glass' AND (s.kind = 'class' OR s.relation IN (SELECT p.relation FROM protected p))
$$;
COMMENT ON FUNCTION cims.function_sources() IS
	'what SECURITY DEFINER functions of neither PostgreSQL nor an extension could show those who may call them: the classes, and the tables with encrypted or governed columns or row security, that their owners see; what a function does is not looked at';
REVOKE ALL ON FUNCTION cims.function_sources() FROM PUBLIC;

-- which rows of a table a role gets to see
CREATE FUNCTION cims.describe_rows(relation oid, role oid) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN r.rolsuper THEN 'all, as superuser'
		WHEN NOT c.relrowsecurity THEN 'all'
		WHEN r.rolbypassrls THEN 'all, by BYPASSRLS'
		WHEN NOT c.relforcerowsecurity AND pg_has_role(r.oid, c.relowner, 'USAGE') THEN 'all, as owner without FORCE'
		WHEN EXISTS (SELECT FROM pg_policy p, unnest(p.polroles) e WHERE p.polrelid = c.oid AND p.polname = 'cims_exempt' AND (e = 0 OR pg_has_role(r.oid, e, 'USAGE'))) THEN 'all, as exempt role'
		ELSE 'by policies' END
	FROM pg_class c LEFT JOIN pg_roles r ON r.oid = role WHERE c.oid = relation
$$;
COMMENT ON FUNCTION cims.describe_rows(oid, oid) IS 'which rows of a table a role gets to see; role 0 is public';
REVOKE ALL ON FUNCTION cims.describe_rows(oid, oid) FROM PUBLIC;

-- when roles were last known to use what they may; by: how that is known
CREATE FUNCTION cims.last_uses(since timestamptz) RETURNS TABLE (kind text, object text, role name, at timestamptz, by text)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
BEGIN
	RETURN QUERY SELECT DISTINCT ON (u.kind, u.object, u.role) u.kind, u.object, u.role, u.at, u.by FROM (
		SELECT 'class' AS kind, e.class AS object, pg_get_userbyid(e.role::oid) AS role, e.broken AS at, 'break glass' AS by
		FROM cims.break_glass_entry e WHERE e.class IS NOT NULL
		UNION ALL
		SELECT 'table', cims.relation_name(e.relation), pg_get_userbyid(e.role::oid), e.broken, 'break glass'
		FROM cims.break_glass_entry e WHERE e.relation IS NOT NULL
		UNION ALL
		SELECT 'table', cims.relation_name(d.relation), pg_get_userbyid(d.role), d.at, 'disclosure since the server''s start'
		FROM cims.recent_disclosures() d WHERE d.kind = 'disclosure' AND d.relation <> 0 AND d.detail::jsonb->>'event' IS DISTINCT FROM 'break glass'
		UNION ALL
		SELECT 'class', d.detail::jsonb->>'class', pg_get_userbyid(d.role), d.at, 'disclosure since the server''s start'
		FROM cims.recent_disclosures() d WHERE d.kind = 'disclosure' AND d.detail::jsonb ? 'class' AND d.detail::jsonb->>'event' IS DISTINCT FROM 'break glass'
		UNION ALL
		SELECT 'table', quote_ident(l.schema_name) || '.' || quote_ident(l.table_name), l.role, l.at, 'change on record'
		FROM cims.audit_log l WHERE last_uses.since IS NOT NULL AND l.at >= last_uses.since AND l.operation IN ('insert', 'update', 'delete', 'truncate')
	) u (kind, object, role, at, by)
	WHERE u.object IS NOT NULL AND u.role IS NOT NULL
	ORDER BY u.kind, u.object, u.role, u.at DESC;
END
$$;
COMMENT ON FUNCTION cims.last_uses(timestamptz) IS
	'when roles were last known to see a class or a table: the glass broken, a disclosure that the server remembers, and where a time is given a change of an audited table on record since then';
REVOKE ALL ON FUNCTION cims.last_uses(timestamptz) FROM PUBLIC;

CREATE FUNCTION cims.access_report(since timestamptz DEFAULT NULL)
RETURNS TABLE (role name, kind text, object text, level text, path text, rows text, valid tstzrange, in_force boolean, conditions text,
	last_use timestamptz, last_use_by text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
	WITH report AS (
		SELECT coalesce(m.rolname, 'public') AS role, s.kind, s.object, s.level,
			CASE WHEN s.holder = 0 OR cardinality(r.chain) = 1 THEN s.path
				WHEN r.inherited AND s.path <> 'superuser' THEN format('%s: %s', cims.describe_chain(r.chain), s.path)
				ELSE format('%s, by SET ROLE: %s', cims.describe_chain(r.chain), s.path) END AS path,
			CASE WHEN s.kind = 'table' THEN CASE WHEN s.path = 'break glass' THEN 'all'
				ELSE cims.describe_rows(s.relation, CASE WHEN s.reads_as IS NOT NULL THEN s.reads_as
					WHEN s.holder = 0 OR r.inherited AND s.path <> 'superuser' THEN coalesce(m.oid, 0) ELSE s.holder END) END END AS rows,
			s.valid, s.valid @> statement_timestamp() AS in_force, s.conditions
		FROM (SELECT * FROM cims.access_sources() UNION ALL SELECT * FROM cims.function_sources()) s
		LEFT JOIN cims.role_reach() r ON r.role = s.holder AND s.holder <> 0
		LEFT JOIN pg_roles m ON m.oid = r.member
		WHERE s.holder = 0 OR m.rolname !~ '^pg_'
	)
	SELECT p.role, p.kind, p.object, p.level, p.path, p.rows, p.valid, p.in_force, p.conditions, u.at, u.by
	FROM report p LEFT JOIN cims.last_uses(since) u ON u.kind = p.kind AND u.object = p.object AND u.role = p.role
	ORDER BY p.kind, p.object, p.role, p.path, p.level
$$;
COMMENT ON FUNCTION cims.access_report(timestamptz) IS
	'who can see which class and which table, one row for each role, object and path (grant, membership, public, owner, view, function that runs with its owner''s rights, break glass, superuser, pg_read_all_data): level, rows that row security leaves, validity, conditions, and the last use where it is known, from the record since a time, too, where one is given; open to pg_monitor';
REVOKE ALL ON FUNCTION cims.access_report(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION cims.access_report(timestamptz) TO pg_monitor;
