/*
 * separation.sql
 *		Separation of duties: rules about roles that nobody may have together.
 */

CREATE TABLE cims.conflict_rule (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	role_a cims.role_ref,
	role_b cims.role_ref,
	scope_role_a text COLLATE "C",
	scope_role_b text COLLATE "C",
	reason text,
	maker name NOT NULL DEFAULT cims.authenticated_role(),
	made timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CHECK (pg_catalog.num_nonnulls(role_a, role_b) IN (0, 2)),
	CHECK (pg_catalog.num_nonnulls(scope_role_a, scope_role_b) IN (0, 2)),
	CHECK (pg_catalog.num_nonnulls(role_a, scope_role_a) = 1)
);
COMMENT ON TABLE cims.conflict_rule IS 'roles that nobody may have together; changed by cims.conflict, cims.conflict_memberships and cims.drop_conflict';
COMMENT ON COLUMN cims.conflict_rule.id IS 'number of the rule';
COMMENT ON COLUMN cims.conflict_rule.role_a IS 'a role of the database';
COMMENT ON COLUMN cims.conflict_rule.role_b IS 'and another';
COMMENT ON COLUMN cims.conflict_rule.scope_role_a IS 'or a role of the application';
COMMENT ON COLUMN cims.conflict_rule.scope_role_b IS 'and another';
COMMENT ON COLUMN cims.conflict_rule.reason IS 'why, as told';
COMMENT ON COLUMN cims.conflict_rule.maker IS 'the authenticated role that made the rule';
COMMENT ON COLUMN cims.conflict_rule.made IS 'when';
REVOKE ALL ON cims.conflict_rule FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('cims.conflict_rule', '');
SELECT pg_catalog.pg_extension_config_dump('cims.conflict_rule_id_seq', '');

CREATE FUNCTION cims.conflicts() RETURNS TABLE (rule bigint, kind text, who text, role_a text, role_b text, detail text)
LANGUAGE sql STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
	SELECT c.id, 'role', pg_get_userbyid(a.member)::text, pg_get_userbyid(c.role_a)::text, pg_get_userbyid(c.role_b)::text,
		format('%s; %s', cims.describe_chain(a.chain), cims.describe_chain(b.chain))
	FROM cims.conflict_rule c
	JOIN cims.role_reach() a ON a.role = c.role_a::oid
	JOIN cims.role_reach() b ON b.role = c.role_b::oid AND b.member = a.member
	UNION ALL
	SELECT c.id, 'actor', a.actor, c.scope_role_a, c.scope_role_b, format('memberships %s and %s', a.id, b.id)
	FROM cims.conflict_rule c
	JOIN cims.membership a ON a.role = c.scope_role_a
	JOIN cims.membership b ON b.role = c.scope_role_b AND b.actor = a.actor
	WHERE NOT isempty(a.valid * b.valid * tstzrange(statement_timestamp(), NULL))
	ORDER BY 1, 3, 6
$$;
COMMENT ON FUNCTION cims.conflicts() IS
	'who has two roles that a rule sets against each other: roles of the database, through whatever chain of memberships, and actors whose memberships overlap from now on; open to pg_monitor';
REVOKE ALL ON FUNCTION cims.conflicts() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION cims.conflicts() TO pg_monitor;

CREATE FUNCTION cims.describe_chain(chain oid[]) RETURNS text
LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE cardinality(chain) WHEN 1 THEN format('is %I', pg_get_userbyid(chain[1]))
		ELSE 'member of ' || (SELECT string_agg(quote_ident(pg_get_userbyid(c.role)), ', and so of ' ORDER BY c.n)
			FROM unnest(chain) WITH ORDINALITY c (role, n) WHERE c.n > 1) END
$$;
COMMENT ON FUNCTION cims.describe_chain(oid[]) IS 'a chain of memberships in words';

CREATE FUNCTION cims.conflict_keys() RETURNS text[]
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN EXISTS (SELECT FROM cims.conflict_rule)
		THEN coalesce((SELECT array_agg(format('%s %s', c.rule, c.who)) FROM cims.conflicts() c), '{}') ELSE '{}' END
$$;
COMMENT ON FUNCTION cims.conflict_keys() IS 'the conflicts there are, to compare with those after a command';
REVOKE ALL ON FUNCTION cims.conflict_keys() FROM PUBLIC;

CREATE FUNCTION cims.refuse_conflicts(before text[]) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	list text := (SELECT string_agg(format('%s "%s" would have both "%s" and "%s" (rule %s): %s.', c.kind, c.who, c.role_a, c.role_b, c.rule, c.detail), E'\n' ORDER BY c.rule, c.who)
		FROM cims.conflicts() c WHERE EXISTS (SELECT FROM cims.conflict_rule) AND format('%s %s', c.rule, c.who) <> ALL (before));
BEGIN
	IF list IS NOT NULL THEN
		PERFORM cims.disclose('X', 0, jsonb_build_object('event', 'conflict of roles', 'conflicts',
			(SELECT jsonb_agg(k) FROM unnest(cims.conflict_keys()) k WHERE k <> ALL (before))));
		RAISE EXCEPTION 'separation of duties forbids it'
			USING ERRCODE = 'invalid_grant_operation', DETAIL = list,
				  HINT = 'Take one of the two away first, or drop the rule by cims.drop_conflict().';
	END IF;
END
$$;
COMMENT ON FUNCTION cims.refuse_conflicts(text[]) IS 'raises where there are conflicts that were not there before';
REVOKE ALL ON FUNCTION cims.refuse_conflicts(text[]) FROM PUBLIC;

CREATE FUNCTION cims.refuse_conflicts_of(role name) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	list text := (SELECT string_agg(format('It has both "%s" and "%s" (rule %s): %s.', c.role_a, c.role_b, c.rule, c.detail), E'\n' ORDER BY c.rule, c.who)
		FROM cims.conflicts() c WHERE EXISTS (SELECT FROM cims.conflict_rule) AND c.kind = 'role' AND c.who = role);
BEGIN
	IF list IS NOT NULL THEN
		RAISE EXCEPTION 'role "%" violates the separation of duties, and is granted nothing', role
			USING ERRCODE = 'invalid_grant_operation', DETAIL = list,
				  HINT = 'Take one of the two roles away first.';
	END IF;
END
$$;
COMMENT ON FUNCTION cims.refuse_conflicts_of(name) IS 'raises for a role that has two which a rule sets against each other';
REVOKE ALL ON FUNCTION cims.refuse_conflicts_of(name) FROM PUBLIC;

CREATE FUNCTION cims.tell_conflicts(rule bigint) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	n bigint := (SELECT count(*) FROM cims.conflicts() c WHERE c.rule = tell_conflicts.rule);
BEGIN
	IF n > 0 THEN
		RAISE NOTICE 'the rule is violated already, % times', n USING HINT = 'Function cims.conflicts() lists them.';
	END IF;
END
$$;
COMMENT ON FUNCTION cims.tell_conflicts(bigint) IS 'tells of violations that are there when a rule is made';
REVOKE ALL ON FUNCTION cims.tell_conflicts(bigint) FROM PUBLIC;

CREATE FUNCTION cims.conflict(a name, b name, reason text DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	made bigint;
BEGIN
	IF a = b OR 'public' IN (a, b) THEN
		RAISE EXCEPTION 'a conflict is between two roles' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	INSERT INTO cims.conflict_rule (role_a, role_b, reason)
		VALUES (cims.require_role(a)::cims.role_ref, cims.require_role(b)::cims.role_ref, reason) RETURNING id INTO made;
	PERFORM cims.tell_conflicts(made);
	RETURN made;
END
$$;
COMMENT ON FUNCTION cims.conflict(name, name, text) IS
	'lets no role of the database be a member of both from now on, through whatever chain: GRANT and CREATE ROLE in this database are refused, and so are grants on classes to who has both; returns the number of the rule';
REVOKE ALL ON FUNCTION cims.conflict(name, name, text) FROM PUBLIC;

CREATE FUNCTION cims.conflict_memberships(a text, b text, reason text DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	made bigint;
BEGIN
	PERFORM cims.require_scope_role(a), cims.require_scope_role(b);
	IF a = b THEN
		RAISE EXCEPTION 'a conflict is between two roles' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	INSERT INTO cims.conflict_rule (scope_role_a, scope_role_b, reason) VALUES (a, b, reason) RETURNING id INTO made;
	PERFORM cims.tell_conflicts(made);
	RETURN made;
END
$$;
COMMENT ON FUNCTION cims.conflict_memberships(text, text, text) IS
	'lets no actor have memberships of both roles of the application at one time; returns the number of the rule';
REVOKE ALL ON FUNCTION cims.conflict_memberships(text, text, text) FROM PUBLIC;

CREATE FUNCTION cims.drop_conflict(rule bigint) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	DELETE FROM cims.conflict_rule c WHERE c.id = rule;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'there is no rule %', rule
			USING ERRCODE = 'undefined_object', HINT = 'View cims.conflicting_roles lists them.';
	END IF;
END
$$;
COMMENT ON FUNCTION cims.drop_conflict(bigint) IS 'takes a rule about conflicting roles back';
REVOKE ALL ON FUNCTION cims.drop_conflict(bigint) FROM PUBLIC;

CREATE VIEW cims.conflicting_roles AS
	SELECT c.id, CASE WHEN c.role_a IS NOT NULL THEN 'database' ELSE 'application' END AS kind,
		coalesce(c.role_a::pg_catalog.text, c.scope_role_a) AS role_a, coalesce(c.role_b::pg_catalog.text, c.scope_role_b) AS role_b,
		c.reason, c.maker, c.made
	FROM cims.conflict_rule c;
COMMENT ON VIEW cims.conflicting_roles IS 'the rules about roles that nobody may have together; open to pg_monitor';
COMMENT ON COLUMN cims.conflicting_roles.id IS 'number of the rule';
COMMENT ON COLUMN cims.conflicting_roles.kind IS 'database or application';
COMMENT ON COLUMN cims.conflicting_roles.role_a IS 'a role';
COMMENT ON COLUMN cims.conflicting_roles.role_b IS 'and another';
COMMENT ON COLUMN cims.conflicting_roles.reason IS 'why, as told';
COMMENT ON COLUMN cims.conflicting_roles.maker IS 'the authenticated role that made the rule';
COMMENT ON COLUMN cims.conflicting_roles.made IS 'when';
REVOKE ALL ON cims.conflicting_roles FROM PUBLIC;
GRANT SELECT ON cims.conflicting_roles TO pg_monitor;


SELECT cims.audit('cims.conflict_rule');
