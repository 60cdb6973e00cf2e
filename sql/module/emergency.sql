/*
 * emergency.sql
 *		Breaking the glass: a level on a class, or the rows of a secured table, that
 *		somebody takes for a short time and answers for afterwards.
 */

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
-- a permission for a table that is gone would stand for another
SELECT pg_catalog.pg_extension_config_dump('cims.break_glass_permission',
	'WHERE relation IS NULL OR EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.=) relation::pg_catalog.oid)');
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
	detail jsonb := jsonb_strip_nulls(jsonb_build_object('event', 'break glass', 'actor', cims.actor(),
		-- so that it has room among the recent disclosures
		'reason', left(reason, greatest(20, (330 - octet_length(coalesce(cims.actor(), ''))) * length(reason) / greatest(octet_length(reason), 1)))) || what);
	permission cims.break_glass_permission;
	longest interval;
	made bigint;
BEGIN
	PERFORM cims.require_reason(reason);
	SELECT p.* INTO permission FROM cims.break_glass_permission p
		JOIN cims.role_reach() r ON r.member = cims.caller_role() AND r.role = p.role::oid AND r.inherited
		WHERE (p.class, p.relation) IS NOT DISTINCT FROM (class, relation) AND p.valid @> statement_timestamp()
			AND p.transaction <> pg_current_xact_id()
			-- as it is now: the snapshot of a long transaction may be of before a membership ended
			AND pg_has_role(cims.caller_role(), p.role::oid, 'USAGE')
		ORDER BY p.level <> 'reveal', p.level <> 'search', p.max_duration DESC NULLS FIRST LIMIT 1
		-- or a permission was taken away
		FOR KEY SHARE OF p;
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
	PERFORM cims.record_event('V', coalesce(relation, 0), detail || jsonb_build_object('entry', made, 'reason', reason));
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
COMMENT ON COLUMN cims.break_glass_review.id IS 'number of the entry';
COMMENT ON COLUMN cims.break_glass_review.class IS 'the class';
COMMENT ON COLUMN cims.break_glass_review.relation IS 'or the table';
COMMENT ON COLUMN cims.break_glass_review.role IS 'the role that broke the glass';
COMMENT ON COLUMN cims.break_glass_review.session_role IS 'the session''s role';
COMMENT ON COLUMN cims.break_glass_review.actor IS 'the actor';
COMMENT ON COLUMN cims.break_glass_review.level IS 'the level that it gives on the class';
COMMENT ON COLUMN cims.break_glass_review.valid IS 'when it holds';
COMMENT ON COLUMN cims.break_glass_review.in_force IS 'whether it holds now';
COMMENT ON COLUMN cims.break_glass_review.reason IS 'why, as told';
COMMENT ON COLUMN cims.break_glass_review.authenticated IS 'the role that the client had authenticated as';
COMMENT ON COLUMN cims.break_glass_review.broken IS 'when it was done';
COMMENT ON COLUMN cims.break_glass_review.verdict IS 'justified or unjustified; NULL: to be reviewed';
COMMENT ON COLUMN cims.break_glass_review.note IS 'what the review said';
COMMENT ON COLUMN cims.break_glass_review.reviewer IS 'the authenticated role that reviewed it';
COMMENT ON COLUMN cims.break_glass_review.reviewer_actor IS 'and the actor';
COMMENT ON COLUMN cims.break_glass_review.reviewed IS 'when';
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


SELECT cims.audit('cims.break_glass_permission');
SELECT cims.audit('cims.break_glass_entry');
SELECT cims.audit('cims.break_glass_verdict');
