/*
 * policy.sql
 *		Row security of a table from a few choices: cims.secure_table and
 *		cims.unsecure_table; and why an actor sees a row: cims.explain_access.
 *
 * The policies themselves, and the comment on the first of them, are the record
 * of what was chosen.  They are made and dropped with the rights of whoever
 * calls: the owner of the table.  They are TO PUBLIC over functions of the
 * actor, so that they hold through views and for every database role.
 */

CREATE FUNCTION cims.policy_columns(policy oid, OUT owner int2, OUT org int2, OUT label int2)
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_policy_columns';
COMMENT ON FUNCTION cims.policy_columns(oid) IS 'the columns that conditions of this extension look at in a row policy';

CREATE FUNCTION cims.policy_options(policy oid) RETURNS jsonb
LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT substr(d.description, length('cims.secure_table ') + 1)::jsonb
	FROM pg_description d
	WHERE d.classoid = 'pg_policy'::regclass AND d.objoid = policy AND d.objsubid = 0
		AND d.description ~ '^cims\.secure_table \{.*\}$'
$$;
COMMENT ON FUNCTION cims.policy_options(oid) IS 'what cims.secure_table wrote into the comment of a policy';

CREATE FUNCTION cims.policy_tables(tbl regclass) RETURNS SETOF regclass
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp
AS $$
	SELECT c.oid::regclass FROM cims.column_tables(tbl) t JOIN pg_class c ON c.oid = t
	WHERE c.relkind IN ('r', 'p') ORDER BY c.oid <> tbl, c.oid::regclass::text
$$;
COMMENT ON FUNCTION cims.policy_tables(regclass) IS 'a table, its partitions and what inherits from it: each needs policies of its own, as each can be named in a query';

CREATE FUNCTION cims.truncating_roles(tbl regclass) RETURNS name[]
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp
AS $$
	SELECT nullif(ARRAY(
		SELECT DISTINCT (CASE a.grantee WHEN 0 THEN 'public' ELSE pg_get_userbyid(a.grantee) END)::name
		FROM cims.policy_tables(tbl) t JOIN pg_class c ON c.oid = t CROSS JOIN LATERAL aclexplode(c.relacl) a
		WHERE a.privilege_type = 'TRUNCATE' AND a.grantee <> c.relowner ORDER BY 1), '{}')
$$;
COMMENT ON FUNCTION cims.truncating_roles(regclass) IS 'roles other than the owners that may TRUNCATE a table, a partition or child of it; null: none';

CREATE VIEW cims.secured_table AS
	SELECT p.polrelid::pg_catalog.regclass AS relation,
		(SELECT a.attname FROM pg_catalog.pg_attribute a WHERE a.attrelid = p.polrelid AND a.attnum = c.owner) AS owner_column,
		(SELECT a.attname FROM pg_catalog.pg_attribute a WHERE a.attrelid = p.polrelid AND a.attnum = c.org) AS org_column,
		(SELECT a.attname FROM pg_catalog.pg_attribute a WHERE a.attrelid = p.polrelid AND a.attnum = c.label) AS label_column,
		o.options->'purposes' AS purposes,
		o.options->'rules' AS rules,
		(SELECT pg_catalog.array_agg(pg_catalog.pg_get_userbyid(r) ORDER BY pg_catalog.pg_get_userbyid(r))
			FROM pg_catalog.pg_policy e, pg_catalog.unnest(e.polroles) r
			WHERE e.polrelid OPERATOR(pg_catalog.=) p.polrelid AND e.polname OPERATOR(pg_catalog.=) 'cims_exempt') AS exempt_roles,
		t.relrowsecurity AND t.relforcerowsecurity AS in_force,
		(SELECT pg_catalog.array_agg(x.polname ORDER BY x.polname) FROM pg_catalog.pg_policy x
			WHERE x.polrelid OPERATOR(pg_catalog.=) p.polrelid AND x.polpermissive AND x.polname !~ '^cims_(select|insert|update|delete|exempt|break_glass)$') AS other_policies,
		(SELECT pg_catalog.array_agg(s ORDER BY s::pg_catalog.text) FROM cims.policy_tables(p.polrelid) s
			WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_policy x WHERE x.polrelid OPERATOR(pg_catalog.=) s AND x.polname OPERATOR(pg_catalog.=) 'cims_select')) AS open_partitions,
		cims.truncating_roles(p.polrelid) AS truncating_roles
	FROM pg_catalog.pg_policy p
	JOIN pg_catalog.pg_class t ON t.oid OPERATOR(pg_catalog.=) p.polrelid
	CROSS JOIN LATERAL (SELECT cims.policy_options(p.oid)) o (options)
	-- the conditions stand in cims_select, but for a rule "any" or "none", where another policy may have more
	CROSS JOIN LATERAL (SELECT pg_catalog.max((k.c).owner) AS owner, pg_catalog.max((k.c).org) AS org, pg_catalog.max((k.c).label) AS label
		FROM (SELECT cims.policy_columns(x.oid) AS c FROM pg_catalog.pg_policy x
			WHERE x.polrelid OPERATOR(pg_catalog.=) p.polrelid AND x.polname ~ '^cims_(select|insert|update|delete)$') k) c
	WHERE p.polname OPERATOR(pg_catalog.=) 'cims_select' AND o.options IS NOT NULL;
COMMENT ON VIEW cims.secured_table IS 'tables that cims.secure_table has secured, as their policies are now';
COMMENT ON COLUMN cims.secured_table.relation IS 'the table';
COMMENT ON COLUMN cims.secured_table.owner_column IS 'names the actor who owns the row';
COMMENT ON COLUMN cims.secured_table.org_column IS 'names the organisation of the row';
COMMENT ON COLUMN cims.secured_table.label_column IS 'the label of the row';
COMMENT ON COLUMN cims.secured_table.purposes IS 'purposes of access, one of which the token must claim; null: none is asked for';
COMMENT ON COLUMN cims.secured_table.rules IS 'what each command asks for: scope, own, any or none';
COMMENT ON COLUMN cims.secured_table.exempt_roles IS 'database roles that see and write every row, and whoever has their privileges';
COMMENT ON COLUMN cims.secured_table.in_force IS 'whether row security is enabled and forced';
COMMENT ON COLUMN cims.secured_table.other_policies IS 'further permissive policies, which let through what these do not';
COMMENT ON COLUMN cims.secured_table.open_partitions IS 'partitions and children without such policies';
COMMENT ON COLUMN cims.secured_table.truncating_roles IS 'roles other than the owners that may empty the table, a partition or child by TRUNCATE, which asks no policy';
GRANT SELECT ON cims.secured_table TO PUBLIC;

-- The condition of a command
CREATE FUNCTION cims.policy_condition(rule text, owner_column name, org_column name, label_column name, purposes text[]) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT concat_ws(' AND ',
		CASE rule
			WHEN 'own' THEN format('cims.is_own(%I)', owner_column)
			WHEN 'any' THEN '(cims.scope_owner() IS NOT NULL)'
			ELSE CASE
				WHEN owner_column IS NOT NULL AND org_column IS NOT NULL THEN format('cims.in_scope(%I, %I)', owner_column, org_column)
				WHEN owner_column IS NOT NULL THEN format('cims.is_own(%I)', owner_column)
				WHEN org_column IS NOT NULL THEN format('cims.org_in_scope(%I)', org_column)
				ELSE '(cims.scope_owner() IS NOT NULL)' END END,
		CASE WHEN label_column IS NOT NULL THEN format('cims.can_read(%I)', label_column) END,
		CASE WHEN purposes IS NOT NULL THEN format('(cims.purpose() = ANY (%L::text[]))', purposes) END)
$$;
COMMENT ON FUNCTION cims.policy_condition(text, name, name, name, text[]) IS 'the expression of a policy, from structured choices';

CREATE FUNCTION cims.require_key_column(tbl regclass, col name) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	column_type oid := (SELECT coalesce(nullif(t.typbasetype, 0), t.oid) FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
		WHERE a.attrelid = tbl AND a.attnum = cims.find_column(tbl, col));
BEGIN
	IF column_type NOT IN ('text'::regtype, 'varchar'::regtype, 'int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'uuid'::regtype) THEN
		RAISE EXCEPTION 'column "%" of table % cannot name an owner or an organisation', col, tbl
			USING ERRCODE = 'datatype_mismatch',
				  DETAIL = format('It is of type %s.', format_type(column_type, NULL)),
				  HINT = 'Types that can are text, varchar, smallint, integer, bigint and uuid.';
	END IF;
END
$$;
COMMENT ON FUNCTION cims.require_key_column(regclass, name) IS 'raises for a column of a type that names nobody';

CREATE FUNCTION cims.check_policy_choices(tbl regclass, owner_column name, org_column name, label_column name, purposes text[], rules jsonb) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	wrong text;
BEGIN
	IF owner_column IS NULL AND org_column IS NULL AND label_column IS NULL THEN
		RAISE EXCEPTION 'no column was named' USING ERRCODE = 'invalid_parameter_value',
			HINT = 'Name the column of the owner, of the organisation or of the label, or several of them.';
	END IF;
	IF owner_column IS NOT NULL THEN
		PERFORM cims.require_key_column(tbl, owner_column);
	END IF;
	IF org_column IS NOT NULL THEN
		PERFORM cims.require_key_column(tbl, org_column);
	END IF;
	IF label_column IS NOT NULL AND 'cims.label'::regtype <> (SELECT coalesce(nullif(t.typbasetype, 0), t.oid)
			FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid WHERE a.attrelid = tbl AND a.attnum = cims.find_column(tbl, label_column)) THEN
		RAISE EXCEPTION 'column "%" of table % is no label', label_column, tbl
			USING ERRCODE = 'datatype_mismatch', HINT = 'It must be of type cims.label.';
	END IF;
	IF purposes IS NOT NULL AND (cardinality(purposes) = 0 OR array_position(purposes, NULL) IS NOT NULL) THEN
		RAISE EXCEPTION 'purposes must be names' USING ERRCODE = 'invalid_parameter_value', HINT = 'Leave them out where none is asked for.';
	END IF;
	IF jsonb_typeof(rules) IS DISTINCT FROM 'object' THEN
		RAISE EXCEPTION 'rules must be a JSON object' USING ERRCODE = 'invalid_parameter_value',
			HINT = 'For example {"select": "scope", "update": "own", "delete": "none"}.';
	END IF;
	SELECT string_agg(format('"%s": %s', r.key, r.value), ', ') INTO wrong FROM jsonb_each(rules) r
	WHERE r.key NOT IN ('select', 'insert', 'update', 'delete') OR r.value NOT IN ('"scope"', '"own"', '"any"', '"none"');
	IF wrong IS NOT NULL THEN
		RAISE EXCEPTION 'unknown rule %', wrong USING ERRCODE = 'invalid_parameter_value',
			HINT = 'Commands are select, insert, update and delete; each is given scope, own, any or none.';
	END IF;
	IF owner_column IS NULL AND EXISTS (SELECT FROM jsonb_each(rules) r WHERE r.value = '"own"') THEN
		RAISE EXCEPTION 'rule "own" needs the column of the owner' USING ERRCODE = 'invalid_parameter_value';
	END IF;
END
$$;
COMMENT ON FUNCTION cims.check_policy_choices(regclass, name, name, name, text[], jsonb) IS 'refuses choices of cims.secure_table that mean nothing';

-- Commands that take the policies of one table away
CREATE FUNCTION cims.policy_drops(tbl regclass) RETURNS SETOF text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('DROP POLICY %I ON %s', p.polname, cims.relation_name(tbl)) FROM pg_policy p
	WHERE p.polrelid = tbl AND p.polname ~ '^cims_(select|insert|update|delete|exempt)$' ORDER BY p.polname
$$;
COMMENT ON FUNCTION cims.policy_drops(regclass) IS 'the commands that drop the policies of cims.secure_table';

-- Commands that put them on
CREATE FUNCTION cims.policy_commands(tbl regclass, owner_column name, org_column name, label_column name,
	purposes text[], rules jsonb, exempt regrole[]) RETURNS SETOF text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	relation text := cims.relation_name(tbl);
	before jsonb := coalesce(
		(SELECT cims.policy_options(p.oid)->'before' FROM pg_policy p WHERE p.polrelid = tbl AND p.polname = 'cims_select'),
		(SELECT jsonb_build_object('enabled', c.relrowsecurity, 'forced', c.relforcerowsecurity) FROM pg_class c WHERE c.oid = tbl));
	command text;
	rule text;
	condition text;
BEGIN
	RETURN QUERY SELECT cims.policy_drops(tbl);
	FOREACH command IN ARRAY ARRAY['select', 'insert', 'update', 'delete'] LOOP
		rule := coalesce(rules->>command, 'scope');
		condition := CASE rule WHEN 'none' THEN 'false' ELSE cims.policy_condition(rule, owner_column, org_column, label_column, purposes) END;
		-- a command without a policy is refused anyway; that of SELECT carries the comment
		IF rule <> 'none' OR command = 'select' THEN
			RETURN NEXT format('CREATE POLICY cims_%s ON %s FOR %s TO PUBLIC %s', command, relation, upper(command), CASE command
				WHEN 'insert' THEN format('WITH CHECK (%s)', condition)
				WHEN 'update' THEN format('USING (%s) WITH CHECK (%s)', condition, condition)
				ELSE format('USING (%s)', condition) END);
		END IF;
	END LOOP;
	IF cardinality(exempt) > 0 THEN
		RETURN NEXT format('CREATE POLICY cims_exempt ON %s TO %s USING (true) WITH CHECK (true)', relation, (SELECT string_agg(r::text, ', ') FROM unnest(exempt) r));
	END IF;
	RETURN NEXT format('COMMENT ON POLICY cims_select ON %s IS %L', relation, format('cims.secure_table %s', jsonb_build_object('before', before,
		'purposes', purposes, 'rules', '{"select": "scope", "insert": "scope", "update": "scope", "delete": "scope"}' || rules)));
	RETURN NEXT format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', relation);
	RETURN NEXT format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', relation);
END
$$;
COMMENT ON FUNCTION cims.policy_commands(regclass, name, name, name, text[], jsonb, regrole[]) IS
	'the commands that secure one table: policies, the comment that records the choices, row security enabled and forced';

CREATE FUNCTION cims.missing_indexes(tbl regclass, columns name[]) RETURNS SETOF text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('CREATE INDEX ON %s (%I)', cims.relation_name(tbl), c.name)
	FROM unnest(columns) WITH ORDINALITY c (name, n)
	WHERE c.name IS NOT NULL AND NOT EXISTS (SELECT FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am a ON a.oid = x.relam
		WHERE i.indrelid = tbl AND i.indisvalid AND i.indpred IS NULL AND a.amname = 'btree' AND i.indkey[0] = cims.find_column(tbl, c.name))
	ORDER BY c.n
$$;
COMMENT ON FUNCTION cims.missing_indexes(regclass, name[]) IS 'the commands that make the indexes by which row policies find rows, where there are none';

CREATE FUNCTION cims.secure_table(tbl regclass, owner_column name DEFAULT NULL, org_column name DEFAULT NULL, label_column name DEFAULT NULL,
	purposes text[] DEFAULT NULL, rules jsonb DEFAULT '{}', exempt regrole[] DEFAULT '{}', create_indexes boolean DEFAULT true,
	keep_policies boolean DEFAULT false, dry_run boolean DEFAULT false) RETURNS SETOF text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	part regclass;
	command text;
	commands text[] := '{}';
	others text;
	nulls boolean;
	truncating name[] := cims.truncating_roles(tbl);
BEGIN
	PERFORM cims.require_owner(tbl);
	PERFORM cims.check_policy_choices(tbl, owner_column, org_column, label_column, purposes, rules);
	IF NOT dry_run THEN
		EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', cims.relation_name(tbl));
	END IF;
	SELECT string_agg(format('"%s" on %s', p.polname, p.polrelid::regclass), ', ' ORDER BY p.polrelid::regclass::text, p.polname) INTO others
	FROM cims.policy_tables(tbl) t JOIN pg_policy p ON p.polrelid = t
	WHERE p.polpermissive AND p.polname !~ '^cims_(select|insert|update|delete|exempt|break_glass)$';
	IF others IS NOT NULL AND NOT keep_policies THEN
		RAISE EXCEPTION 'table % has policies of its own', tbl USING ERRCODE = 'object_not_in_prerequisite_state',
			DETAIL = format('They let rows through beside those that an actor may see: %s.', others),
			HINT = 'Drop them, make them restrictive, or repeat with keep_policies => true.';
	END IF;

	FOR part IN SELECT cims.policy_tables(tbl) LOOP
		commands := commands || ARRAY(SELECT cims.policy_commands(part, owner_column, org_column, label_column, purposes, rules, exempt));
	END LOOP;
	IF create_indexes THEN
		commands := commands || ARRAY(SELECT cims.missing_indexes(tbl, ARRAY[owner_column, org_column, label_column]));
	END IF;
	SELECT NOT a.attnotnull INTO nulls FROM pg_attribute a WHERE a.attrelid = tbl AND a.attname = org_column;
	IF nulls THEN
		RAISE NOTICE 'column "%" of table % may be null: rows without organisation are seen by % alone', org_column, tbl,
			CASE WHEN owner_column IS NULL THEN 'exempt roles' ELSE 'their owners' END;
	END IF;
	IF truncating IS NOT NULL THEN
		RAISE WARNING 'roles that may TRUNCATE table % can empty it: %', tbl, array_to_string(truncating, ', ')
			USING DETAIL = 'No row policy is asked.', HINT = 'Take the privilege away: REVOKE TRUNCATE ON ... FROM ....';
	END IF;

	FOREACH command IN ARRAY commands LOOP
		IF NOT dry_run THEN
			EXECUTE command;
		END IF;
		RETURN NEXT command;
	END LOOP;
END
$$;
COMMENT ON FUNCTION cims.secure_table(regclass, name, name, name, text[], jsonb, regrole[], boolean, boolean, boolean) IS
	'puts row policies on one''s own table, its partitions included, and forces them: from the columns of owner, organisation and label, the purposes of which one must be claimed, a rule for each command (scope, own, any, none) and roles that are exempt; returns the commands, with dry_run without running them';

CREATE FUNCTION cims.unsecure_table(tbl regclass, dry_run boolean DEFAULT false) RETURNS SETOF text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	part regclass;
	before jsonb;
	command text;
	commands text[] := '{}';
BEGIN
	PERFORM cims.require_owner(tbl);
	FOR part, before IN SELECT t, cims.policy_options(p.oid)->'before' FROM cims.policy_tables(tbl) t
		JOIN pg_policy p ON p.polrelid = t AND p.polname = 'cims_select' WHERE cims.policy_options(p.oid) IS NOT NULL
	LOOP
		commands := commands || ARRAY(SELECT cims.policy_drops(part));
		commands := commands || ARRAY(SELECT format('DROP POLICY %I ON %s', p.polname, cims.relation_name(part))
			FROM pg_policy p WHERE p.polrelid = part AND p.polname = 'cims_break_glass');
		IF NOT (before->>'forced')::boolean THEN
			commands := commands || format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY', cims.relation_name(part));
		END IF;
		IF NOT (before->>'enabled')::boolean THEN
			commands := commands || format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', cims.relation_name(part));
		END IF;
	END LOOP;
	IF commands = '{}' THEN
		RAISE EXCEPTION 'table % is not secured', tbl USING ERRCODE = 'object_not_in_prerequisite_state',
			HINT = 'View cims.secured_table lists the tables that are.';
	END IF;
	FOREACH command IN ARRAY commands LOOP
		IF NOT dry_run THEN
			EXECUTE command;
		END IF;
		RETURN NEXT command;
	END LOOP;
END
$$;
COMMENT ON FUNCTION cims.unsecure_table(regclass, boolean) IS
	'takes the policies of cims.secure_table off one''s own table and puts row security back to what it was; returns the commands, with dry_run without running them; indexes stay';

-- Why an actor sees a row
CREATE FUNCTION cims.describe_valid(valid tstzrange) RETURNS text
LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN isempty(valid) THEN 'was ended before it began'
		WHEN valid @> statement_timestamp() THEN NULL
		WHEN upper(valid) <= statement_timestamp() THEN format('ended at %s', upper(valid))
		ELSE format('begins at %s', lower(valid)) END
$$;
COMMENT ON FUNCTION cims.describe_valid(tstzrange) IS 'why a range of time does not hold now; null where it does';

-- whether a scope reaches an organisation, and how; at: where the membership is
CREATE FUNCTION cims.explain_scope(role text, scope text, at text, org text, OUT allows boolean, OUT detail text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(r.allows, false), r.detail FROM (
		SELECT false, 'the row names no organisation' WHERE org IS NULL
		UNION ALL
		SELECT true, 'every organisation' WHERE org IS NOT NULL AND scope = 'all'
		UNION ALL
		SELECT org = at, CASE WHEN org = at THEN format('organisation %s', org) ELSE format('organisation %s is not %s', org, at) END
		WHERE org IS NOT NULL AND scope = 'department'
		UNION ALL
		SELECT p.ancestor IS NOT NULL, format(CASE WHEN p.ancestor IS NULL THEN 'organisation %s is neither %s nor below it'
			WHEN p.depth = 0 THEN 'organisation %s' ELSE 'organisation %s lies below %s' END, org, at)
		FROM (SELECT) x LEFT JOIN cims.organisation_path p ON p.ancestor = at AND p.descendant = org
		WHERE org IS NOT NULL AND scope = 'department_and_below'
		UNION ALL
		SELECT c.via IS NOT NULL, CASE WHEN c.via IS NULL THEN format('organisation %s is not among those of the role', org)
			WHEN c.via = org THEN format('organisation %s is one of the role''s', org)
			ELSE format('organisation %s lies below %s, one of the role''s', org, c.via) END
		FROM (SELECT (SELECT o.organisation FROM cims.scope_role_organisation o
			LEFT JOIN cims.organisation_path p ON o.below AND p.ancestor = o.organisation AND p.descendant = explain_scope.org
			WHERE o.role = explain_scope.role AND (o.organisation = explain_scope.org OR p.ancestor IS NOT NULL)
			ORDER BY p.depth NULLS FIRST, o.organisation LIMIT 1) AS via) c
		WHERE org IS NOT NULL AND scope = 'custom'
		UNION ALL
		SELECT false, 'the scope adds nothing to what the actor owns' WHERE org IS NOT NULL AND scope = 'self'
	) r (allows, detail)
$$;
COMMENT ON FUNCTION cims.explain_scope(text, text, text, text) IS 'whether the scope of a role reaches an organisation, and how; part of cims.explain_access()';
REVOKE ALL ON FUNCTION cims.explain_scope(text, text, text, text) FROM PUBLIC;

-- every rule about one actor and one row; part: scope, label or purpose
CREATE FUNCTION cims.explain_rules(actor text, owner_column name, org_column name, label_column name, owner text, org text, label cims.label, rule_of_select text)
RETURNS TABLE (part text, rule text, allows boolean, detail text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'scope', 'owner', coalesce(owner = actor, false),
		CASE WHEN owner IS NULL THEN 'the row names no owner' WHEN owner = actor THEN 'the actor owns the row' ELSE format('the owner is %s', owner) END
	WHERE owner_column IS NOT NULL AND rule_of_select IN ('scope', 'own')
	UNION ALL
	SELECT 'scope', 'any actor', true, 'every verified actor may' WHERE rule_of_select = 'any' OR (rule_of_select = 'scope' AND owner_column IS NULL AND org_column IS NULL)
	UNION ALL
	SELECT 'scope', 'nobody', false, 'rows are shown to no actor' WHERE rule_of_select = 'none'
	UNION ALL
	(SELECT 'scope', format('membership %s: role %s, scope %s%s', m.id, m.role, r.scope, ', at ' || m.organisation),
		s.allows AND m.valid @> statement_timestamp(), concat_ws('; ', cims.describe_valid(m.valid), s.detail)
	FROM cims.membership m JOIN cims.scope_role r ON r.name = m.role
	CROSS JOIN LATERAL cims.explain_scope(m.role, r.scope, m.organisation, explain_rules.org) s
	WHERE m.actor = explain_rules.actor AND org_column IS NOT NULL AND rule_of_select = 'scope'
	ORDER BY m.id)
	UNION ALL
	(SELECT 'scope', format('role %s, scope %s, where the token claims it', r.name, r.scope), NULL,
		CASE r.scope WHEN 'department' THEN format('with the claim org %s', explain_rules.org)
			WHEN 'department_and_below' THEN format('with the claim org %s or one above it', explain_rules.org)
			ELSE (cims.explain_scope(r.name, r.scope, NULL, explain_rules.org)).detail END
	FROM cims.scope_role r WHERE r.by_token AND org_column IS NOT NULL AND explain_rules.org IS NOT NULL AND rule_of_select = 'scope'
	ORDER BY r.name)
	UNION ALL
	(SELECT 'label', format('clearance %s: %s%s', c.id, c.label, ', of role ' || c.role || CASE WHEN h.by_claim THEN ', where the token claims it' ELSE '' END),
		CASE WHEN NOT (h.dominates AND c.valid @> statement_timestamp()) THEN false WHEN NOT h.by_claim THEN coalesce(m.holds, true) END,
		concat_ws('; ', cims.describe_valid(c.valid), CASE WHEN NOT m.holds THEN 'the membership does not hold now' END,
			CASE WHEN explain_rules.label IS NULL THEN 'the row has no label'
				WHEN h.dominates THEN format('dominates %s', explain_rules.label)
				ELSE format('does not dominate %s', explain_rules.label) END)
	FROM cims.clearance c
	LEFT JOIN LATERAL (SELECT bool_or(m.valid @> statement_timestamp()) AS holds FROM cims.membership m
		WHERE m.actor = explain_rules.actor AND m.role = c.role) m ON c.role IS NOT NULL
	LEFT JOIN cims.scope_role r ON r.name = c.role
	CROSS JOIN LATERAL (SELECT coalesce(c.label @> explain_rules.label, false) AS dominates,
		c.role IS NOT NULL AND m.holds IS NOT TRUE AND r.by_token AS by_claim) h
	WHERE label_column IS NOT NULL AND (c.actor = explain_rules.actor OR m.holds IS NOT NULL OR h.by_claim)
	ORDER BY c.id)
	UNION ALL
	SELECT 'label', 'clearance', false, 'the actor has none'
	WHERE label_column IS NOT NULL AND NOT EXISTS (SELECT FROM cims.clearance c WHERE c.actor = explain_rules.actor
		OR c.role IN (SELECT m.role FROM cims.membership m WHERE m.actor = explain_rules.actor))
$$;
COMMENT ON FUNCTION cims.explain_rules(text, name, name, name, text, text, cims.label, text) IS
	'every rule about one actor and one row; part of cims.explain_access()';
REVOKE ALL ON FUNCTION cims.explain_rules(text, name, name, name, text, text, cims.label, text) FROM PUBLIC;

-- the condition by which a row is found: a key of one column as it is, of several as a JSON object
CREATE FUNCTION cims.key_condition(tbl regclass, key text) RETURNS text
LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	columns name[] := (SELECT array_agg(a.attname ORDER BY k.n) FROM pg_index i
		CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY k (attnum, n)
		JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
		WHERE i.indrelid = tbl AND i.indisprimary);
	given jsonb;
BEGIN
	IF columns IS NULL THEN
		RAISE EXCEPTION 'table % has no primary key', tbl USING ERRCODE = 'object_not_in_prerequisite_state';
	END IF;
	IF cardinality(columns) = 1 THEN
		given := jsonb_build_object(columns[1], key);
	ELSE
		given := key::jsonb;
		IF jsonb_typeof(given) <> 'object' OR NOT given ?& columns::text[] THEN
			RAISE EXCEPTION 'the key must name every column of the primary key' USING ERRCODE = 'invalid_parameter_value',
				HINT = format('Write it as a JSON object of %s.', array_to_string(columns, ', '));
		END IF;
	END IF;
	RETURN (SELECT string_agg(format('%I = %L::%s', a.attname, given->>a.attname::text, format_type(a.atttypid, a.atttypmod)), ' AND ')
		FROM pg_attribute a WHERE a.attrelid = tbl AND a.attname = ANY (columns) AND a.attnum > 0);
END
$$;
COMMENT ON FUNCTION cims.key_condition(regclass, text) IS 'the condition that finds the row with a primary key';
REVOKE ALL ON FUNCTION cims.key_condition(regclass, text) FROM PUBLIC;

CREATE FUNCTION cims.explain_access(tbl regclass, key text, actor text DEFAULT NULL)
RETURNS TABLE (who text, rule text, allows boolean, detail text)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
#variable_conflict use_variable
DECLARE
	t cims.secured_table;
	found_row text[];
	owner text;
	org text;
	label cims.label;
	one text;
	allowed boolean;
BEGIN
	SELECT * INTO t FROM cims.secured_table s WHERE s.relation = tbl;
	IF t.relation IS NULL THEN
		RAISE EXCEPTION 'table % is not secured', tbl USING ERRCODE = 'object_not_in_prerequisite_state',
			HINT = 'View cims.secured_table lists the tables that are; cims.secure_table secures one.';
	END IF;
	-- as its owner: any table can be made to look secured, and be full of its owner's code
	found_row := (cims.run_as_owner(tbl, format('SELECT %s::text, %s::text, %s::cims.label FROM %s WHERE %s',
		coalesce(quote_ident(t.owner_column), 'NULL'), coalesce(quote_ident(t.org_column), 'NULL'), coalesce(quote_ident(t.label_column), 'NULL'),
		cims.relation_name(tbl), cims.key_condition(tbl, key)))).first_row;
	IF found_row IS NULL THEN
		RAISE EXCEPTION 'table % has no such row', tbl USING ERRCODE = 'no_data_found';
	END IF;
	owner := found_row[1];
	org := found_row[2];
	label := found_row[3]::cims.label;

	FOR one IN SELECT a FROM unnest(ARRAY[actor]) a WHERE actor IS NOT NULL
		UNION SELECT m.actor FROM cims.membership m WHERE actor IS NULL
		UNION SELECT c.actor FROM cims.clearance c WHERE actor IS NULL AND c.actor IS NOT NULL
		UNION SELECT owner WHERE actor IS NULL AND owner IS NOT NULL
		ORDER BY 1
	LOOP
		SELECT coalesce(bool_or(r.allows) FILTER (WHERE r.part = 'scope'), false)
			AND (t.label_column IS NULL OR coalesce(bool_or(r.allows) FILTER (WHERE r.part = 'label'), false)) INTO allowed
		FROM cims.explain_rules(one, t.owner_column, t.org_column, t.label_column, owner, org, label, t.rules->>'select') r;
		IF actor IS NOT NULL OR allowed THEN
			RETURN QUERY SELECT one, r.rule, r.allows, r.detail
				FROM cims.explain_rules(one, t.owner_column, t.org_column, t.label_column, owner, org, label, t.rules->>'select') r
				WHERE actor IS NOT NULL OR r.allows;
			IF t.purposes <> 'null' THEN
				RETURN QUERY SELECT one, 'purpose', NULL::boolean,
					format('the token must claim one of: %s', (SELECT string_agg(p, ', ') FROM jsonb_array_elements_text(t.purposes) p));
			END IF;
			RETURN QUERY SELECT one, 'result', allowed, CASE WHEN t.purposes <> 'null' AND allowed THEN 'for the purposes named' END;
		END IF;
	END LOOP;

	IF NOT t.in_force THEN
		RETURN QUERY SELECT NULL, 'row security', true, CASE WHEN c.relrowsecurity THEN 'is not forced: the table''s owner sees every row'
				ELSE 'is not enabled: every role with the privilege sees every row' END FROM pg_class c WHERE c.oid = tbl;
	END IF;
	IF t.other_policies IS NOT NULL THEN
		RETURN QUERY SELECT NULL, 'other policies', NULL::boolean, format('may let the row through, too: %s', array_to_string(t.other_policies, ', '));
	END IF;
	IF actor IS NULL THEN
		RETURN QUERY SELECT r.rolname::text, 'database role', true, concat_ws(', ', CASE WHEN r.rolsuper THEN 'superuser' END,
				CASE WHEN r.rolbypassrls THEN 'BYPASSRLS' END, CASE WHEN r.rolname = ANY (t.exempt_roles) THEN 'exempt, with whoever has its privileges' END)
			FROM pg_roles r WHERE r.rolsuper OR r.rolbypassrls OR r.rolname = ANY (t.exempt_roles) ORDER BY 1;
	END IF;
END
$$;
COMMENT ON FUNCTION cims.explain_access(regclass, text, text) IS
	'which rule lets an actor see a row, or does not, each in a line, the last one the result; without an actor: all who see it, by which rule; key: the primary key, as a JSON object where it has several columns';
REVOKE ALL ON FUNCTION cims.explain_access(regclass, text, text) FROM PUBLIC;
