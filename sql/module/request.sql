/*
 * request.sql
 *		Who calls, who is a member of what; grants on classes that are asked for by
 *		one and given by another.
 *
 * Who asks, approves, breaks or reviews is told by the role that the client has
 * authenticated as and, where there is one, by the actor; never by a role that
 * the session has taken since.
 */

CREATE FUNCTION cims.authenticated_role() RETURNS name
	LANGUAGE c STABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'cims_authenticated_role';
COMMENT ON FUNCTION cims.authenticated_role() IS 'the role that the client has authenticated as, whatever role the session has taken since';

CREATE FUNCTION cims.caller_role() RETURNS oid
	LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_caller_role';
COMMENT ON FUNCTION cims.caller_role() IS 'the role of the caller, within functions that run with their owner''s rights';

CREATE FUNCTION cims.disclose(kind "char", relation oid, detail jsonb) RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cims_disclose';
COMMENT ON FUNCTION cims.disclose("char", oid, jsonb) IS 'a line in the server log and an entry of cims.recent_disclosures(), which no rollback undoes; V a disclosure, X a denial';
REVOKE ALL ON FUNCTION cims.disclose("char", oid, jsonb) FROM PUBLIC;

CREATE FUNCTION cims.replan(relation regclass) RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cims_replan';
COMMENT ON FUNCTION cims.replan(regclass) IS 'has plans over a table made anew';
REVOKE ALL ON FUNCTION cims.replan(regclass) FROM PUBLIC;

-- with an actor on both sides the actors tell; else the roles, and an actor who is called as a role is the same person
CREATE FUNCTION cims.is_same_person(role1 name, actor1 text, role2 name, actor2 text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN actor1 IS NOT NULL AND actor2 IS NOT NULL THEN actor1 = actor2
		ELSE role1 = role2 OR coalesce(actor1 = role2::text, false) OR coalesce(actor2 = role1::text, false) END
$$;
COMMENT ON FUNCTION cims.is_same_person(name, text, name, text) IS 'whether two authenticated roles, with their actors, are taken for one person';

-- The roles that each role is a member of, itself among them
CREATE FUNCTION cims.role_reach() RETURNS TABLE (member oid, role oid, inherited boolean, chain oid[])
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE membership AS (
		-- from version 16 each membership says itself whether it inherits and whether it allows SET ROLE
		SELECT m.member, m.roleid, coalesce((to_jsonb(m) ->> 'inherit_option')::boolean, r.rolinherit) AS inherits,
			coalesce((to_jsonb(m) ->> 'set_option')::boolean, true) AS allows_set
		FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member
	), reach (member, role, inherited, chain) AS (
		SELECT r.oid, r.oid, true, ARRAY[r.oid] FROM pg_roles r
		UNION ALL
		SELECT p.member, m.roleid, p.inherited AND m.inherits, p.chain || m.roleid
		FROM reach p JOIN membership m ON m.member = p.role
		WHERE (m.inherits OR m.allows_set) AND m.roleid <> ALL (p.chain)
	)
	SELECT DISTINCT ON (p.member, p.role) p.member, p.role, p.inherited, p.chain
	FROM reach p ORDER BY p.member, p.role, p.inherited DESC, cardinality(p.chain), p.chain
$$;
COMMENT ON FUNCTION cims.role_reach() IS
	'every role with the roles that it is a member of, itself first: whether it has their privileges without SET ROLE, and the shortest chain of memberships; a superuser by its memberships only';

-- Grants that are asked for by one and given by another
CREATE TABLE cims.grant_request_entry (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	class text NOT NULL,
	role cims.role_ref NOT NULL,
	level text NOT NULL CHECK (level IN ('mask', 'search', 'reveal')),
	valid tstzrange NOT NULL,
	duration interval,
	reason text NOT NULL,
	requester name NOT NULL,
	requester_actor text,
	requested timestamptz NOT NULL DEFAULT pg_catalog.now(),
	transaction xid8 NOT NULL DEFAULT pg_catalog.pg_current_xact_id(),
	decision text CHECK (decision IN ('approved', 'rejected')),
	decider name,
	decider_actor text,
	decided timestamptz,
	note text
);
COMMENT ON TABLE cims.grant_request_entry IS 'grants that were asked for; changed by cims.request_grant, cims.approve_grant and cims.reject_grant';
COMMENT ON COLUMN cims.grant_request_entry.id IS 'number of the request';
COMMENT ON COLUMN cims.grant_request_entry.class IS 'name of the class';
COMMENT ON COLUMN cims.grant_request_entry.role IS 'the role that is to hold the grant';
COMMENT ON COLUMN cims.grant_request_entry.level IS 'mask, search or reveal';
COMMENT ON COLUMN cims.grant_request_entry.valid IS 'when the grant is to hold';
COMMENT ON COLUMN cims.grant_request_entry.duration IS 'or for how long, from its approval on';
COMMENT ON COLUMN cims.grant_request_entry.reason IS 'what it is needed for';
COMMENT ON COLUMN cims.grant_request_entry.requester IS 'the authenticated role that asks';
COMMENT ON COLUMN cims.grant_request_entry.requester_actor IS 'and the actor';
COMMENT ON COLUMN cims.grant_request_entry.requested IS 'when it was asked for';
COMMENT ON COLUMN cims.grant_request_entry.transaction IS 'the transaction that asked';
COMMENT ON COLUMN cims.grant_request_entry.decision IS 'approved or rejected; NULL while it is open';
COMMENT ON COLUMN cims.grant_request_entry.decider IS 'the authenticated role that decided';
COMMENT ON COLUMN cims.grant_request_entry.decider_actor IS 'and the actor';
COMMENT ON COLUMN cims.grant_request_entry.decided IS 'when';
COMMENT ON COLUMN cims.grant_request_entry.note IS 'what was said about it';
REVOKE ALL ON cims.grant_request_entry FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('cims.grant_request_entry', '');
SELECT pg_catalog.pg_extension_config_dump('cims.grant_request_entry_id_seq', '');

CREATE VIEW cims.grant_request AS
	SELECT e.id, e.class, e.role, e.level, e.valid, e.duration, e.reason, e.requester, e.requester_actor, e.requested,
		coalesce(e.decision, 'open') AS state, e.decider, e.decider_actor, e.decided, e.note
	FROM cims.grant_request_entry e;
COMMENT ON VIEW cims.grant_request IS 'grants on classes that were asked for, and what became of them; open to pg_monitor';
COMMENT ON COLUMN cims.grant_request.id IS 'number of the request';
COMMENT ON COLUMN cims.grant_request.class IS 'name of the class';
COMMENT ON COLUMN cims.grant_request.role IS 'the role that is to hold the grant';
COMMENT ON COLUMN cims.grant_request.level IS 'mask, search or reveal';
COMMENT ON COLUMN cims.grant_request.valid IS 'when the grant is to hold';
COMMENT ON COLUMN cims.grant_request.duration IS 'or for how long, from its approval on';
COMMENT ON COLUMN cims.grant_request.reason IS 'what it is needed for';
COMMENT ON COLUMN cims.grant_request.requester IS 'the authenticated role that asks';
COMMENT ON COLUMN cims.grant_request.requester_actor IS 'and the actor';
COMMENT ON COLUMN cims.grant_request.requested IS 'when it was asked for';
COMMENT ON COLUMN cims.grant_request.state IS 'open, approved or rejected';
COMMENT ON COLUMN cims.grant_request.decider IS 'the authenticated role that decided';
COMMENT ON COLUMN cims.grant_request.decider_actor IS 'and the actor';
COMMENT ON COLUMN cims.grant_request.decided IS 'when';
COMMENT ON COLUMN cims.grant_request.note IS 'what was said about it';
REVOKE ALL ON cims.grant_request FROM PUBLIC;
GRANT SELECT ON cims.grant_request TO pg_monitor;

CREATE FUNCTION cims.request_grant(class text, role name, level text, reason text, duration interval DEFAULT NULL, valid tstzrange DEFAULT '(,)')
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	made bigint;
BEGIN
	PERFORM cims.check_grant(class, role, level, valid);
	PERFORM cims.require_reason(reason);
	IF duration IS NOT NULL THEN
		PERFORM cims.valid_for(duration);
	END IF;
	INSERT INTO cims.grant_request_entry (class, role, level, valid, duration, reason, requester, requester_actor)
		VALUES (class, cims.require_role(role)::cims.role_ref, level, valid, duration, reason, cims.authenticated_role(), cims.actor())
		RETURNING id INTO made;
	PERFORM cims.record_event('G', 0, jsonb_strip_nulls(jsonb_build_object('event', 'grant requested', 'request', made, 'class', class,
		'role', role, 'level', level, 'seconds', extract(epoch FROM duration)::bigint, 'reason', reason)));
	RETURN made;
END
$$;
COMMENT ON FUNCTION cims.request_grant(text, name, text, text, interval, tstzrange) IS
	'asks for a grant on a class, for a reason, within a range of time or for a duration from its approval on; returns the number of the request';
REVOKE ALL ON FUNCTION cims.request_grant(text, name, text, text, interval, tstzrange) FROM PUBLIC;

CREATE FUNCTION cims.open_request(request bigint) RETURNS cims.grant_request_entry
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	entry cims.grant_request_entry;
BEGIN
	SELECT * INTO entry FROM cims.grant_request_entry e WHERE e.id = request FOR UPDATE;
	IF entry.id IS NULL THEN
		RAISE EXCEPTION 'there is no request %', request
			USING ERRCODE = 'undefined_object', HINT = 'View cims.grant_request lists them.';
	END IF;
	IF entry.decision IS NOT NULL THEN
		RAISE EXCEPTION 'request % is % already', request, entry.decision USING ERRCODE = 'object_not_in_prerequisite_state';
	END IF;
	RETURN entry;
END
$$;
COMMENT ON FUNCTION cims.open_request(bigint) IS 'locks and returns a request that nobody has decided, or raises';
REVOKE ALL ON FUNCTION cims.open_request(bigint) FROM PUBLIC;

CREATE FUNCTION cims.close_request(request bigint, decision text, note text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
	UPDATE cims.grant_request_entry e SET decision = decision, decider = cims.authenticated_role(), decider_actor = cims.actor(),
		decided = now(), note = note WHERE e.id = request;
	PERFORM cims.record_event('G', 0, jsonb_strip_nulls(jsonb_build_object('event', 'grant ' || decision, 'request', request, 'note', note)));
END
$$;
COMMENT ON FUNCTION cims.close_request(bigint, text, text) IS 'notes and records what was decided about a request';
REVOKE ALL ON FUNCTION cims.close_request(bigint, text, text) FROM PUBLIC;

CREATE FUNCTION cims.approve_grant(request bigint, note text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	entry cims.grant_request_entry := cims.open_request(request);
	role name := CASE WHEN entry.role::oid = 0 THEN 'public' ELSE (SELECT r.rolname FROM pg_roles r WHERE r.oid = entry.role::oid) END;
	valid tstzrange := CASE WHEN entry.duration IS NULL THEN entry.valid ELSE cims.valid_for(entry.duration) END;
BEGIN
	IF entry.transaction = pg_current_xact_id()
		OR cims.is_same_person(cims.authenticated_role(), cims.actor(), entry.requester, entry.requester_actor) THEN
		RAISE EXCEPTION 'request % cannot be approved by whoever made it', request
			USING ERRCODE = 'insufficient_privilege',
				  DETAIL = format('It was made by role "%s"%s.', entry.requester, coalesce(', actor ' || quote_literal(entry.requester_actor), '')),
				  HINT = 'Somebody else must log in and approve it.';
	END IF;
	IF role IS NULL THEN
		RAISE EXCEPTION 'the role of request % is gone', request USING ERRCODE = 'undefined_object';
	END IF;
	PERFORM cims.check_grant(entry.class, role, entry.level, valid);
	PERFORM cims.put_grant(entry.class, role, entry.level, valid, entry.reason, entry.duration IS NOT NULL);
	PERFORM cims.close_request(request, 'approved', note);
END
$$;
COMMENT ON FUNCTION cims.approve_grant(bigint, text) IS
	'gives the grant that a request asks for; by another person than whoever asked; counts once it has committed';
REVOKE ALL ON FUNCTION cims.approve_grant(bigint, text) FROM PUBLIC;

CREATE FUNCTION cims.reject_grant(request bigint, note text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM cims.open_request(request);
	PERFORM cims.close_request(request, 'rejected', note);
END
$$;
COMMENT ON FUNCTION cims.reject_grant(bigint, text) IS 'rejects a request; whoever made it may do so, too';
REVOKE ALL ON FUNCTION cims.reject_grant(bigint, text) FROM PUBLIC;


SELECT cims.audit('cims.grant_request_entry');
