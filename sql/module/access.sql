-- Actors: the end user behind a connection, by a signed token

CREATE FUNCTION cims.login(token text) RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cims_login';
COMMENT ON FUNCTION cims.login(text) IS
	'makes the subject of a signed token the actor of this transaction, and takes the role that the token names, as SET LOCAL ROLE would; give the token as a parameter';

CREATE FUNCTION cims.logout() RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cims_logout';
COMMENT ON FUNCTION cims.logout() IS 'ends the actor of this transaction, and gives back the role that the token gave';

CREATE FUNCTION cims.actor() RETURNS text
	LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_actor';
COMMENT ON FUNCTION cims.actor() IS 'the actor of this transaction: claim sub of its token; NULL where there is none, or none any more';

CREATE FUNCTION cims.actor_role() RETURNS text
	LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_actor_role';
COMMENT ON FUNCTION cims.actor_role() IS 'the database role that the token names: claim role';

CREATE FUNCTION cims.actor_org() RETURNS text
	LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_actor_org';
COMMENT ON FUNCTION cims.actor_org() IS 'the organisation that the actor acts for: claim org';

CREATE FUNCTION cims.purpose() RETURNS text
	LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_purpose';
COMMENT ON FUNCTION cims.purpose() IS 'what the actor says that the data are for: claim purpose';

CREATE FUNCTION cims.actor_attr(name text) RETURNS text
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_actor_attr';
COMMENT ON FUNCTION cims.actor_attr(text) IS 'any claim of the token by its name: a string as it is, everything else as JSON';

CREATE FUNCTION cims.actor_amr() RETURNS text[]
	LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_actor_amr';
COMMENT ON FUNCTION cims.actor_amr() IS 'how the actor was authenticated, by RFC 8176: claim amr';

CREATE FUNCTION cims.actor_acr() RETURNS text
	LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_actor_acr';
COMMENT ON FUNCTION cims.actor_acr() IS 'the class of the actor''s authentication: claim acr';

CREATE FUNCTION cims.actor_mfa() RETURNS boolean
	LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_actor_mfa';
COMMENT ON FUNCTION cims.actor_mfa() IS
	'whether more than one factor of the actor was verified, by the issuer of the token or in this transaction; false where there is no actor';

CREATE FUNCTION cims.actor_auth_age() RETURNS interval
	LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_actor_auth_age';
COMMENT ON FUNCTION cims.actor_auth_age() IS 'how long ago the actor was authenticated: since claim auth_time, or since a second factor was verified in this transaction';

CREATE FUNCTION cims.token_keys(OUT key_id text, OUT algorithm text) RETURNS SETOF record
	LANGUAGE c VOLATILE PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_token_keys';
COMMENT ON FUNCTION cims.token_keys() IS 'the keys that may sign tokens, as this session has read them from the file of cims.jwks_file; open to pg_monitor';
REVOKE ALL ON FUNCTION cims.token_keys() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION cims.token_keys() TO pg_monitor;

-- Roles of connection pools: what an injected statement could reach through them
CREATE FUNCTION cims.posture_roles(OUT role name, OUT finding text, OUT detail text) RETURNS SETOF record
	LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE login AS (
		SELECT r.oid, r.rolname, r.rolinherit, r.rolbypassrls, r.rolcreaterole
		FROM pg_roles r
		WHERE r.rolcanlogin AND NOT r.rolsuper
	), membership AS (
		-- from version 16 each membership says itself whether it inherits and whether it allows SET ROLE
		SELECT m.member, m.roleid,
			(to_jsonb(m) ->> 'inherit_option')::boolean AS inherits,
			coalesce((to_jsonb(m) ->> 'set_option')::boolean, true) AS allows_set
		FROM pg_auth_members m
	), reach (login, role) AS (
		SELECT l.oid, l.oid FROM login l
		UNION
		SELECT p.login, m.roleid FROM reach p JOIN membership m ON m.member = p.role AND m.allows_set
	)
	SELECT l.rolname, 'inherits',
		format('has the privileges of %s without any SET ROLE, and without an actor',
			   string_agg(quote_ident(g.rolname), ', ' ORDER BY g.rolname))
	FROM login l JOIN membership m ON m.member = l.oid JOIN pg_roles g ON g.oid = m.roleid
	WHERE coalesce(m.inherits, l.rolinherit)
	GROUP BY l.oid, l.rolname
	UNION ALL
	SELECT l.rolname, 'reaches superuser', format('may SET ROLE %I', g.rolname)
	FROM reach p JOIN login l ON l.oid = p.login JOIN pg_roles g ON g.oid = p.role
	WHERE g.rolsuper
	UNION ALL
	SELECT l.rolname, 'reaches bypassrls',
		CASE WHEN g.oid = l.oid THEN 'row policies do not hold for it' ELSE format('may SET ROLE %I, for which row policies do not hold', g.rolname) END
	FROM reach p JOIN login l ON l.oid = p.login JOIN pg_roles g ON g.oid = p.role
	WHERE g.rolbypassrls AND NOT g.rolsuper
	UNION ALL
	SELECT l.rolname, 'may make roles', 'and so may give itself others'
	FROM login l
	WHERE l.rolcreaterole
	ORDER BY 1, 2, 3
$$;
COMMENT ON FUNCTION cims.posture_roles() IS
	'login roles that would be weak roles of a connection pool: those that inherit, that may take a superuser''s role or one that row policies do not hold for, that may make roles';
