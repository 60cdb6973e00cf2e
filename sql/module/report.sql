/*
 * report.sql
 *		Grants that end: requests and approvals, breaking the glass, conflicting
 *		roles, the report of who can see what, reviews of access, leaving.
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

-- Breaking the glass: who may
CREATE TABLE cims.break_glass_permission (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	role cims.role_ref NOT NULL,
	class text,
	relation regclass,
	level text NOT NULL CHECK (level IN ('mask', 'search', 'reveal')),
	max_duration interval CHECK (max_duration > '0'),
	valid tstzrange NOT NULL DEFAULT '(,)',
	reason text,
	grantor name NOT NULL DEFAULT cims.authenticated_role(),
	granted timestamptz NOT NULL DEFAULT pg_catalog.now(),
	transaction xid8 NOT NULL DEFAULT pg_catalog.pg_current_xact_id(),
	CHECK (pg_catalog.num_nonnulls(class, relation) = 1)
);
COMMENT ON TABLE cims.break_glass_permission IS 'who may break the glass before what; changed by cims.allow_break_glass and cims.disallow_break_glass';
COMMENT ON COLUMN cims.break_glass_permission.id IS 'number of the permission';
COMMENT ON COLUMN cims.break_glass_permission.role IS 'the role that may, and whoever has its privileges';
COMMENT ON COLUMN cims.break_glass_permission.class IS 'before a class';
COMMENT ON COLUMN cims.break_glass_permission.relation IS 'or before the row policies of a table';
COMMENT ON COLUMN cims.break_glass_permission.level IS 'the level that it gives on the class';
COMMENT ON COLUMN cims.break_glass_permission.max_duration IS 'for at most so long, where that is less than cims.break_glass_max';
COMMENT ON COLUMN cims.break_glass_permission.valid IS 'when the permission holds';
COMMENT ON COLUMN cims.break_glass_permission.reason IS 'why it was given, as told';
COMMENT ON COLUMN cims.break_glass_permission.grantor IS 'the authenticated role that gave it';
COMMENT ON COLUMN cims.break_glass_permission.granted IS 'when it was given';
COMMENT ON COLUMN cims.break_glass_permission.transaction IS 'the transaction that gave it, for which it does not count';

-- and who did
CREATE TABLE cims.break_glass_entry (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	class text,
	relation regclass,
	role cims.role_ref NOT NULL,
	session_role cims.role_ref NOT NULL,
	actor text,
	level text NOT NULL CHECK (level IN ('mask', 'search', 'reveal')),
	valid tstzrange NOT NULL,
	reason text NOT NULL,
	authenticated name NOT NULL DEFAULT cims.authenticated_role(),
	broken timestamptz NOT NULL DEFAULT pg_catalog.statement_timestamp(),
	CHECK (pg_catalog.num_nonnulls(class, relation) = 1)
);
COMMENT ON TABLE cims.break_glass_entry IS 'who broke the glass before what; changed by cims.break_glass, cims.end_break_glass and cims.stop_break_glass';
COMMENT ON COLUMN cims.break_glass_entry.id IS 'number of the entry';
COMMENT ON COLUMN cims.break_glass_entry.class IS 'the class';
COMMENT ON COLUMN cims.break_glass_entry.relation IS 'or the table';
COMMENT ON COLUMN cims.break_glass_entry.role IS 'the role that did, for which alone it counts';
COMMENT ON COLUMN cims.break_glass_entry.session_role IS 'the session''s role';
COMMENT ON COLUMN cims.break_glass_entry.actor IS 'the actor';
COMMENT ON COLUMN cims.break_glass_entry.level IS 'the level that it gives on the class';
COMMENT ON COLUMN cims.break_glass_entry.valid IS 'when it holds';
COMMENT ON COLUMN cims.break_glass_entry.reason IS 'why';
COMMENT ON COLUMN cims.break_glass_entry.authenticated IS 'the role that the client had authenticated as';
COMMENT ON COLUMN cims.break_glass_entry.broken IS 'when it was done';

CREATE TABLE cims.break_glass_verdict (
	entry bigint PRIMARY KEY REFERENCES cims.break_glass_entry,
	verdict text NOT NULL CHECK (verdict IN ('justified', 'unjustified')),
	note text,
	reviewer name NOT NULL DEFAULT cims.authenticated_role(),
	reviewer_actor text DEFAULT cims.actor(),
	reviewed timestamptz NOT NULL DEFAULT pg_catalog.now()
);
COMMENT ON TABLE cims.break_glass_verdict IS 'what became of the reviews; written by cims.review_break_glass';
COMMENT ON COLUMN cims.break_glass_verdict.entry IS 'number of the entry of cims.break_glass_entry';
COMMENT ON COLUMN cims.break_glass_verdict.verdict IS 'justified or unjustified';
COMMENT ON COLUMN cims.break_glass_verdict.note IS 'what was said about it';
COMMENT ON COLUMN cims.break_glass_verdict.reviewer IS 'the authenticated role that reviewed it';
COMMENT ON COLUMN cims.break_glass_verdict.reviewer_actor IS 'and the actor';
COMMENT ON COLUMN cims.break_glass_verdict.reviewed IS 'when';

REVOKE ALL ON cims.break_glass_permission, cims.break_glass_entry, cims.break_glass_verdict FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('cims.break_glass_permission', '');
SELECT pg_catalog.pg_extension_config_dump('cims.break_glass_permission_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('cims.break_glass_entry', '');
SELECT pg_catalog.pg_extension_config_dump('cims.break_glass_entry_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('cims.break_glass_verdict', '');

CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON cims.break_glass_entry
	FOR EACH STATEMENT EXECUTE FUNCTION cims.keyring_changed();
ALTER TABLE cims.break_glass_entry ENABLE ALWAYS TRIGGER changed;
COMMENT ON TRIGGER changed ON cims.break_glass_entry IS 'tells every backend';

CREATE FUNCTION cims.glass_broken_support(internal) RETURNS internal
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_glass_broken_support';
COMMENT ON FUNCTION cims.glass_broken_support(internal) IS 'planner support of cims.glass_broken';
CREATE FUNCTION cims.glass_broken(relation regclass) RETURNS boolean
	LANGUAGE c STABLE STRICT PARALLEL SAFE SUPPORT cims.glass_broken_support AS 'MODULE_PATHNAME', 'cims_glass_broken';
COMMENT ON FUNCTION cims.glass_broken(regclass) IS 'whether whoever asks has broken the glass before a table; the condition of its policy cims_break_glass';

CREATE FUNCTION cims.put_break_glass_permission(role name, class text, relation regclass, level text, max_duration interval, valid tstzrange, reason text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	the_role oid := cims.require_role(role);
BEGIN
	IF the_role = 0 THEN
		RAISE EXCEPTION 'public cannot be allowed to break the glass'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Name a role.';
	END IF;
	PERFORM cims.require_valid(valid);
	IF max_duration IS NOT NULL THEN
		PERFORM cims.valid_for(max_duration);
	END IF;
	DELETE FROM cims.break_glass_permission p
		WHERE p.role::oid = the_role AND (p.class, p.relation) IS NOT DISTINCT FROM (class, relation);
	INSERT INTO cims.break_glass_permission (role, class, relation, level, max_duration, valid, reason)
		VALUES (the_role::cims.role_ref, class, relation, level, max_duration, valid, reason);
END
$$;
COMMENT ON FUNCTION cims.put_break_glass_permission(name, text, regclass, text, interval, tstzrange, text) IS 'writes a permission; part of cims.allow_break_glass()';
REVOKE ALL ON FUNCTION cims.put_break_glass_permission(name, text, regclass, text, interval, tstzrange, text) FROM PUBLIC;

CREATE FUNCTION cims.allow_break_glass(role name, class text, level text DEFAULT 'reveal', max_duration interval DEFAULT NULL,
	valid tstzrange DEFAULT '(,)', reason text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM cims.check_grant(class, role, level, valid);
	PERFORM cims.put_break_glass_permission(role, class, NULL, level, max_duration, valid, reason);
END
$$;
COMMENT ON FUNCTION cims.allow_break_glass(name, text, text, interval, tstzrange, text) IS
	'lets a role, and whoever has its privileges, break the glass before a class: take a level on it for some time; takes the place of an earlier permission';
REVOKE ALL ON FUNCTION cims.allow_break_glass(name, text, text, interval, tstzrange, text) FROM PUBLIC;

CREATE FUNCTION cims.allow_break_glass(role name, tbl regclass, max_duration interval DEFAULT NULL, valid tstzrange DEFAULT '(,)', reason text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	part regclass;
BEGIN
	IF NOT EXISTS (SELECT FROM cims.secured_table s WHERE s.relation = tbl) THEN
		RAISE EXCEPTION 'table % is not secured', tbl USING ERRCODE = 'object_not_in_prerequisite_state',
			HINT = 'View cims.secured_table lists the tables that are; cims.secure_table secures one.';
	END IF;
	FOR part IN SELECT t FROM cims.policy_tables(tbl) t
		WHERE NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = t AND p.polname = 'cims_break_glass')
	LOOP
		EXECUTE format('CREATE POLICY cims_break_glass ON %s FOR SELECT TO PUBLIC USING (cims.glass_broken(%L::regclass))',
			cims.relation_name(part), cims.relation_name(tbl));
	END LOOP;
	PERFORM cims.put_break_glass_permission(role, NULL, tbl, 'reveal', max_duration, valid, reason);
END
$$;
COMMENT ON FUNCTION cims.allow_break_glass(name, regclass, interval, tstzrange, text) IS
	'lets a role, and whoever has its privileges, break the glass before the row policies of a secured table, and so read every row for some time; the table and its partitions get a policy for it';
REVOKE ALL ON FUNCTION cims.allow_break_glass(name, regclass, interval, tstzrange, text) FROM PUBLIC;

CREATE FUNCTION cims.remove_break_glass_permission(role name, class text, relation regclass) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
	DELETE FROM cims.break_glass_permission p
		WHERE p.role::oid = cims.require_role(role) AND (p.class, p.relation) IS NOT DISTINCT FROM (class, relation);
	IF NOT FOUND THEN
		RAISE NOTICE 'role "%" had no such permission', role;
	END IF;
END
$$;
COMMENT ON FUNCTION cims.remove_break_glass_permission(name, text, regclass) IS 'removes a permission; part of cims.disallow_break_glass()';
REVOKE ALL ON FUNCTION cims.remove_break_glass_permission(name, text, regclass) FROM PUBLIC;

CREATE FUNCTION cims.disallow_break_glass(role name, class text) RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$ SELECT cims.remove_break_glass_permission(role, class, NULL) $$;
COMMENT ON FUNCTION cims.disallow_break_glass(name, text) IS 'lets a role break the glass before a class no more; what is in force ends by itself, or by cims.stop_break_glass()';
REVOKE ALL ON FUNCTION cims.disallow_break_glass(name, text) FROM PUBLIC;

CREATE FUNCTION cims.disallow_break_glass(role name, tbl regclass) RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$ SELECT cims.remove_break_glass_permission(role, NULL, tbl) $$;
COMMENT ON FUNCTION cims.disallow_break_glass(name, regclass) IS 'lets a role break the glass before a table no more; what is in force ends by itself, or by cims.stop_break_glass()';
REVOKE ALL ON FUNCTION cims.disallow_break_glass(name, regclass) FROM PUBLIC;

CREATE FUNCTION cims.take_glass(class text, relation regclass, reason text, duration interval) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	what jsonb := CASE WHEN class IS NULL THEN jsonb_build_object('table', cims.relation_name(relation)) ELSE jsonb_build_object('class', class) END;
	detail jsonb := jsonb_strip_nulls(jsonb_build_object('event', 'break glass', 'actor', cims.actor(), 'reason', left(reason, 200)) || what);
	permission cims.break_glass_permission;
	longest interval;
	made bigint;
BEGIN
	PERFORM cims.require_reason(reason);
	SELECT p.* INTO permission FROM cims.break_glass_permission p
		JOIN cims.role_reach() r ON r.member = cims.caller_role() AND r.role = p.role::oid AND r.inherited
		WHERE (p.class, p.relation) IS NOT DISTINCT FROM (class, relation) AND p.valid @> statement_timestamp()
			AND p.transaction <> pg_current_xact_id()
		ORDER BY p.level <> 'reveal', p.level <> 'search', p.max_duration DESC NULLS FIRST LIMIT 1;
	IF permission.id IS NULL THEN
		PERFORM cims.disclose('X', coalesce(relation, 0), detail);
		RAISE EXCEPTION 'role "%" may not break the glass before %', pg_get_userbyid(cims.caller_role()),
				CASE WHEN class IS NULL THEN format('table %s', relation) ELSE format('class "%s"', class) END
			USING ERRCODE = 'insufficient_privilege', HINT = 'A security officer allows it by cims.allow_break_glass().';
	END IF;
	longest := least(permission.max_duration, current_setting('cims.break_glass_max')::interval);
	duration := coalesce(duration, longest);
	PERFORM cims.valid_for(duration);
	IF duration > longest THEN
		RAISE EXCEPTION 'the glass can be broken for at most %', longest
			USING ERRCODE = 'invalid_parameter_value', HINT = 'When the time is over it can be broken again.';
	END IF;
	detail := detail || jsonb_build_object('level', permission.level, 'seconds', extract(epoch FROM duration)::bigint);
	PERFORM cims.disclose('V', coalesce(relation, 0), detail);
	INSERT INTO cims.break_glass_entry (class, relation, role, session_role, actor, level, valid, reason)
		VALUES (class, relation, cims.caller_role()::cims.role_ref,
			(SELECT r.oid FROM pg_roles r WHERE r.rolname = session_user)::cims.role_ref, cims.actor(), permission.level,
			cims.valid_for(duration), reason) RETURNING id INTO made;
	PERFORM cims.record_event('V', coalesce(relation, 0), detail || jsonb_build_object('entry', made));
	RETURN made;
END
$$;
COMMENT ON FUNCTION cims.take_glass(text, regclass, text, interval) IS 'writes down that the glass is broken, or refuses; part of cims.break_glass()';
REVOKE ALL ON FUNCTION cims.take_glass(text, regclass, text, interval) FROM PUBLIC;

CREATE FUNCTION cims.break_glass(class text, reason text, duration interval DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM cims.require_class(class);
	RETURN cims.take_glass(class, NULL, reason, duration);
END
$$;
COMMENT ON FUNCTION cims.break_glass(text, text, interval) IS
	'emergency: takes the level on a class that the caller''s role is allowed to take, for a reason, for a time or for as long as it is allowed; in force for this role, session role and actor once committed; logged even where it is rolled back, and reviewed; returns its number';

CREATE FUNCTION cims.break_glass(tbl regclass, reason text, duration interval DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	made bigint;
BEGIN
	made := cims.take_glass(NULL, tbl, reason, duration);
	PERFORM cims.replan(t) FROM cims.policy_tables(tbl) t;
	RETURN made;
END
$$;
COMMENT ON FUNCTION cims.break_glass(regclass, text, interval) IS
	'emergency: reads every row of a secured table, as the caller''s role is allowed to, for a reason, for a time or for as long as it is allowed; in force for this role, session role and actor once committed; logged even where it is rolled back, and reviewed; returns its number';

CREATE FUNCTION cims.close_glass(entry bigint, mine boolean, reason text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	UPDATE cims.break_glass_entry e SET valid = cims.end_valid(e.valid)
		WHERE e.id = entry AND (NOT mine OR cims.is_same_person(cims.authenticated_role(), cims.actor(), e.authenticated, e.actor));
	IF NOT FOUND THEN
		RAISE EXCEPTION 'there is no break-glass entry %', entry
			USING ERRCODE = 'undefined_object', HINT = CASE WHEN mine THEN 'It must be one''s own.' ELSE 'View cims.break_glass_review lists them.' END;
	END IF;
	PERFORM cims.record_event('G', 0, jsonb_strip_nulls(jsonb_build_object('event', 'break glass ended', 'entry', entry, 'reason', reason)));
END
$$;
COMMENT ON FUNCTION cims.close_glass(bigint, boolean, text) IS 'ends what was taken by breaking the glass; part of cims.end_break_glass() and cims.stop_break_glass()';
REVOKE ALL ON FUNCTION cims.close_glass(bigint, boolean, text) FROM PUBLIC;

CREATE FUNCTION cims.end_break_glass(entry bigint) RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$ SELECT cims.close_glass(entry, true, NULL) $$;
COMMENT ON FUNCTION cims.end_break_glass(bigint) IS 'ends, before its time, what one has taken oneself by cims.break_glass()';

CREATE FUNCTION cims.stop_break_glass(entry bigint, reason text DEFAULT NULL) RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$ SELECT cims.close_glass(entry, false, reason) $$;
COMMENT ON FUNCTION cims.stop_break_glass(bigint, text) IS 'ends what anybody has taken by cims.break_glass()';
REVOKE ALL ON FUNCTION cims.stop_break_glass(bigint, text) FROM PUBLIC;

CREATE VIEW cims.break_glass_review AS
	SELECT e.id, e.class, e.relation, e.role, e.session_role, e.actor, e.level, e.valid,
		e.valid OPERATOR(pg_catalog.@>) pg_catalog.statement_timestamp() AS in_force, e.reason, e.authenticated, e.broken,
		v.verdict, v.note, v.reviewer, v.reviewer_actor, v.reviewed
	FROM cims.break_glass_entry e LEFT JOIN cims.break_glass_verdict v ON v.entry OPERATOR(pg_catalog.=) e.id;
COMMENT ON VIEW cims.break_glass_review IS 'who broke the glass before what, when and why, and what the review said; without a verdict: to be reviewed; open to pg_monitor';
REVOKE ALL ON cims.break_glass_review FROM PUBLIC;
GRANT SELECT ON cims.break_glass_review TO pg_monitor;

CREATE FUNCTION cims.review_break_glass(entry bigint, verdict text, note text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	the_entry cims.break_glass_entry;
BEGIN
	SELECT * INTO the_entry FROM cims.break_glass_entry e WHERE e.id = entry FOR NO KEY UPDATE;
	IF the_entry.id IS NULL THEN
		RAISE EXCEPTION 'there is no break-glass entry %', entry
			USING ERRCODE = 'undefined_object', HINT = 'View cims.break_glass_review lists them.';
	END IF;
	IF verdict IS NULL OR verdict NOT IN ('justified', 'unjustified') THEN
		RAISE EXCEPTION 'unknown verdict "%"', verdict
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Verdicts are justified and unjustified.';
	END IF;
	IF cims.is_same_person(cims.authenticated_role(), cims.actor(), the_entry.authenticated, the_entry.actor) THEN
		RAISE EXCEPTION 'whoever broke the glass cannot review it'
			USING ERRCODE = 'insufficient_privilege', HINT = 'Somebody else must log in and review it.';
	END IF;
	IF EXISTS (SELECT FROM cims.break_glass_verdict v WHERE v.entry = entry) THEN
		RAISE EXCEPTION 'break-glass entry % was reviewed already', entry USING ERRCODE = 'object_not_in_prerequisite_state';
	END IF;
	INSERT INTO cims.break_glass_verdict (entry, verdict, note) VALUES (entry, verdict, note);
	PERFORM cims.record_event('G', 0, jsonb_strip_nulls(jsonb_build_object('event', 'break glass reviewed', 'entry', entry, 'verdict', verdict, 'note', note)));
END
$$;
COMMENT ON FUNCTION cims.review_break_glass(bigint, text, text) IS 'writes down, once, whether breaking the glass was justified or unjustified; by another person than whoever did it';
REVOKE ALL ON FUNCTION cims.review_break_glass(bigint, text, text) FROM PUBLIC;

-- Separation of duties
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
		ELSE 'member of ' || (SELECT string_agg(quote_ident(pg_get_userbyid(c.role)), ', which is one of ' ORDER BY c.n)
			FROM unnest(chain) WITH ORDINALITY c (role, n) WHERE c.n > 1) END
$$;
COMMENT ON FUNCTION cims.describe_chain(oid[]) IS 'a chain of memberships in words';

CREATE FUNCTION cims.conflict_keys() RETURNS text[]
LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$ SELECT coalesce(array_agg(format('%s %s', c.rule, c.who)), '{}') FROM cims.conflicts() c $$;
COMMENT ON FUNCTION cims.conflict_keys() IS 'the conflicts there are, to compare with those after a command';
REVOKE ALL ON FUNCTION cims.conflict_keys() FROM PUBLIC;

CREATE FUNCTION cims.refuse_conflicts(before text[]) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	list text := (SELECT string_agg(format('%s "%s" would have both "%s" and "%s" (rule %s): %s.', c.kind, c.who, c.role_a, c.role_b, c.rule, c.detail), E'\n')
		FROM cims.conflicts() c WHERE format('%s %s', c.rule, c.who) <> ALL (before));
BEGIN
	IF list IS NOT NULL THEN
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
	list text := (SELECT string_agg(format('It has both "%s" and "%s" (rule %s): %s.', c.role_a, c.role_b, c.rule, c.detail), E'\n')
		FROM cims.conflicts() c WHERE c.kind = 'role' AND c.who = role);
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
		RAISE NOTICE '% there already violate the rule', n USING HINT = 'Function cims.conflicts() lists them.';
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
REVOKE ALL ON cims.conflicting_roles FROM PUBLIC;
GRANT SELECT ON cims.conflicting_roles TO pg_monitor;

-- Actors who have left
CREATE TABLE cims.denied_actor (
	actor text COLLATE "C" PRIMARY KEY,
	reason text,
	officer name NOT NULL DEFAULT cims.authenticated_role(),
	since timestamptz NOT NULL DEFAULT pg_catalog.now()
);
COMMENT ON TABLE cims.denied_actor IS 'actors whose tokens are refused; changed by cims.offboard and cims.readmit';
COMMENT ON COLUMN cims.denied_actor.actor IS 'the actor';
COMMENT ON COLUMN cims.denied_actor.reason IS 'why, as told';
COMMENT ON COLUMN cims.denied_actor.officer IS 'the authenticated role that said so';
COMMENT ON COLUMN cims.denied_actor.since IS 'since when';
REVOKE ALL ON cims.denied_actor FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('cims.denied_actor', '');
