/*
 * review.sql
 *		Reviews of access: what there is, written down when a review is opened, and
 *		decided by somebody else than who has it.
 */

CREATE TABLE cims.access_review_entry (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	scope jsonb NOT NULL,
	due timestamptz NOT NULL,
	opened timestamptz NOT NULL DEFAULT pg_catalog.now(),
	opener name NOT NULL DEFAULT cims.authenticated_role()
);
COMMENT ON TABLE cims.access_review_entry IS 'reviews of access; written by cims.open_review';
COMMENT ON COLUMN cims.access_review_entry.id IS 'number of the review';
COMMENT ON COLUMN cims.access_review_entry.scope IS 'what is reviewed: {} everything, or only a kind, class, table or role';
COMMENT ON COLUMN cims.access_review_entry.due IS 'when it is to be done';
COMMENT ON COLUMN cims.access_review_entry.opened IS 'when it was opened';
COMMENT ON COLUMN cims.access_review_entry.opener IS 'the authenticated role that did';

CREATE TABLE cims.access_review_item (
	review bigint NOT NULL REFERENCES cims.access_review_entry,
	item int NOT NULL,
	kind text NOT NULL,
	object text NOT NULL,
	holder cims.role_ref,
	actor text,
	level text,
	valid tstzrange NOT NULL,
	conditions text,
	reaches text[] NOT NULL,
	source jsonb NOT NULL,
	decision text CHECK (decision IN ('keep', 'revoke')),
	note text,
	decider name,
	decider_actor text,
	decided timestamptz,
	PRIMARY KEY (review, item)
);
COMMENT ON TABLE cims.access_review_item IS 'what there was to review when a review was opened, and what was decided; written by cims.open_review and cims.attest';
COMMENT ON COLUMN cims.access_review_item.review IS 'the review';
COMMENT ON COLUMN cims.access_review_item.item IS 'number within the review';
COMMENT ON COLUMN cims.access_review_item.kind IS 'class grant, break glass, table grant, table owner, role membership, superuser, bypassrls, membership or clearance';
COMMENT ON COLUMN cims.access_review_item.object IS 'class, table, role or label';
COMMENT ON COLUMN cims.access_review_item.holder IS 'the role that holds it';
COMMENT ON COLUMN cims.access_review_item.actor IS 'or the actor';
COMMENT ON COLUMN cims.access_review_item.level IS 'the level';
COMMENT ON COLUMN cims.access_review_item.valid IS 'when it holds';
COMMENT ON COLUMN cims.access_review_item.conditions IS 'on what conditions';
COMMENT ON COLUMN cims.access_review_item.reaches IS 'roles that had it by membership when the review was opened';
COMMENT ON COLUMN cims.access_review_item.source IS 'by which it is found to be taken back';
COMMENT ON COLUMN cims.access_review_item.decision IS 'keep or revoke; NULL while it is open';
COMMENT ON COLUMN cims.access_review_item.note IS 'what was said about it';
COMMENT ON COLUMN cims.access_review_item.decider IS 'the authenticated role that decided';
COMMENT ON COLUMN cims.access_review_item.decider_actor IS 'and the actor';
COMMENT ON COLUMN cims.access_review_item.decided IS 'when';
REVOKE ALL ON cims.access_review_entry, cims.access_review_item FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('cims.access_review_entry', '');
SELECT pg_catalog.pg_extension_config_dump('cims.access_review_entry_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('cims.access_review_item', '');

CREATE FUNCTION cims.review_sources()
RETURNS TABLE (kind text, object text, holder oid, actor text, level text, valid tstzrange, conditions text, source jsonb)
LANGUAGE sql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT DISTINCT s.source->>'kind', coalesce(s.source->>'table', s.object), s.holder, NULL, s.level, s.valid,
		CASE WHEN s.source ? 'table' THEN 'columns ' || (s.source->>'columns') ELSE s.conditions END, s.source
	FROM cims.access_sources() s WHERE s.source->>'kind' NOT IN ('superuser', 'pg_read_all_data')
	UNION ALL
	SELECT 'role membership', g.rolname, m.member, NULL, NULL, '(,)', CASE WHEN bool_or(m.admin_option) THEN 'with admin option' END,
		jsonb_build_object('kind', 'role membership', 'role', g.rolname)
	FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid JOIN pg_roles r ON r.oid = m.member
	WHERE r.rolname !~ '^pg_' GROUP BY g.rolname, m.member
	UNION ALL
	SELECT a.kind, 'all', r.oid, NULL, NULL, '(,)', NULL, jsonb_build_object('kind', a.kind)
	FROM pg_roles r CROSS JOIN LATERAL (VALUES ('superuser', r.rolsuper), ('bypassrls', r.rolbypassrls AND NOT r.rolsuper)) a (kind, has) WHERE a.has
	UNION ALL
	SELECT 'membership', concat_ws(' at ', m.role, m.organisation), NULL, m.actor, NULL, m.valid, NULL, jsonb_build_object('kind', 'membership', 'id', m.id)
	FROM cims.membership m WHERE NOT isempty(m.valid * tstzrange(statement_timestamp(), NULL))
	UNION ALL
	SELECT 'clearance', c.label::text, NULL, coalesce(c.actor, 'role ' || c.role), NULL, c.valid, NULL, jsonb_build_object('kind', 'clearance', 'id', c.id)
	FROM cims.clearance c WHERE NOT isempty(c.valid * tstzrange(statement_timestamp(), NULL))
$$;
COMMENT ON FUNCTION cims.review_sources() IS 'all that a review looks at';
REVOKE ALL ON FUNCTION cims.review_sources() FROM PUBLIC;

CREATE FUNCTION cims.open_review(due timestamptz, scope jsonb DEFAULT '{}') RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	made bigint;
	wrong text;
	items bigint;
BEGIN
	IF due IS NULL OR jsonb_typeof(scope) IS DISTINCT FROM 'object' THEN
		RAISE EXCEPTION 'a review needs a time when it is due, and a scope that is a JSON object'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'For example now() + ''14 days'', {"class": "phone"}.';
	END IF;
	SELECT string_agg(format('"%s"', k), ', ') INTO wrong FROM jsonb_object_keys(scope) k WHERE k NOT IN ('kind', 'class', 'table', 'role');
	IF wrong IS NOT NULL THEN
		RAISE EXCEPTION 'unknown scope % of a review', wrong
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Scopes are kind, class, table and role.';
	END IF;
	INSERT INTO cims.access_review_entry (scope, due) VALUES (scope, due) RETURNING id INTO made;
	INSERT INTO cims.access_review_item (review, item, kind, object, holder, actor, level, valid, conditions, reaches, source)
	SELECT made, row_number() OVER (ORDER BY s.kind, s.object, pg_get_userbyid(s.holder), s.actor, s.level, s.valid), s.kind, s.object, s.holder::cims.role_ref, s.actor,
		s.level, s.valid, s.conditions,
		ARRAY(SELECT pg_get_userbyid(r.member)::text FROM cims.role_reach() r WHERE r.role = s.holder AND s.holder <> 0 AND r.member <> s.holder ORDER BY 1), s.source
	FROM cims.review_sources() s
	WHERE (NOT scope ? 'kind' OR s.kind = scope->>'kind')
		AND (NOT scope ? 'class' OR s.kind IN ('class grant', 'break glass') AND s.object = scope->>'class')
		AND (NOT scope ? 'table' OR s.kind IN ('table grant', 'table owner', 'break glass') AND s.object = scope->>'table')
		AND (NOT scope ? 'role' OR CASE s.holder WHEN 0 THEN 'public' ELSE pg_get_userbyid(s.holder) END = scope->>'role');
	GET DIAGNOSTICS items = ROW_COUNT;
	IF items = 0 THEN
		RAISE EXCEPTION 'there is nothing to review' USING ERRCODE = 'no_data_found', DETAIL = format('Nothing is in the scope %s.', scope),
				  HINT = 'Tables are named with their schema, as cims.access_report() names them.';
	END IF;
	PERFORM cims.record_event('G', 0, jsonb_build_object('event', 'review opened', 'review', made, 'scope', scope, 'items', items));
	RETURN made;
END
$$;
COMMENT ON FUNCTION cims.open_review(timestamptz, jsonb) IS
	'opens a review, due at a time, of what gives access now: everything, or only a kind, class, table or role; what is reviewed is written down as it is; returns the number of the review';
REVOKE ALL ON FUNCTION cims.open_review(timestamptz, jsonb) FROM PUBLIC;

CREATE VIEW cims.access_review AS
	SELECT i.review, i.item, i.kind, i.object, i.holder, i.actor, i.level, i.valid, i.conditions, i.reaches, i.decision, i.note,
		i.decider, i.decider_actor, i.decided
	FROM cims.access_review_item i;
COMMENT ON VIEW cims.access_review IS 'what is and was to be reviewed, and what was decided; open to pg_monitor';
COMMENT ON COLUMN cims.access_review.review IS 'number of the review';
COMMENT ON COLUMN cims.access_review.item IS 'number within the review';
COMMENT ON COLUMN cims.access_review.kind IS 'class grant, break glass, table grant, table owner, role membership, superuser, bypassrls, membership or clearance';
COMMENT ON COLUMN cims.access_review.object IS 'class, table, role or label';
COMMENT ON COLUMN cims.access_review.holder IS 'the role that holds it, or public';
COMMENT ON COLUMN cims.access_review.actor IS 'or the actor';
COMMENT ON COLUMN cims.access_review.level IS 'the level';
COMMENT ON COLUMN cims.access_review.valid IS 'when it holds';
COMMENT ON COLUMN cims.access_review.conditions IS 'on what conditions';
COMMENT ON COLUMN cims.access_review.reaches IS 'roles that had it by membership when the review was opened';
COMMENT ON COLUMN cims.access_review.decision IS 'keep or revoke; NULL while it is open';
COMMENT ON COLUMN cims.access_review.note IS 'what was said about it';
COMMENT ON COLUMN cims.access_review.decider IS 'the authenticated role that decided';
COMMENT ON COLUMN cims.access_review.decider_actor IS 'and the actor';
COMMENT ON COLUMN cims.access_review.decided IS 'when';
CREATE VIEW cims.access_review_status AS
	SELECT e.id, e.scope, e.due, e.opened, e.opener, pg_catalog.count(i.item) AS items,
		pg_catalog.count(i.item) FILTER (WHERE i.decision IS NULL) AS undecided,
		e.due OPERATOR(pg_catalog.<) pg_catalog.statement_timestamp() AND pg_catalog.count(i.item) FILTER (WHERE i.decision IS NULL) OPERATOR(pg_catalog.>) 0 AS overdue,
		CASE WHEN pg_catalog.count(i.item) FILTER (WHERE i.decision IS NULL) OPERATOR(pg_catalog.=) 0 THEN pg_catalog.max(i.decided) END AS done
	FROM cims.access_review_entry e LEFT JOIN cims.access_review_item i ON i.review OPERATOR(pg_catalog.=) e.id
	GROUP BY e.id;
COMMENT ON VIEW cims.access_review_status IS 'reviews of access, with how much is undecided and which are overdue; open to pg_monitor';
COMMENT ON COLUMN cims.access_review_status.id IS 'number of the review';
COMMENT ON COLUMN cims.access_review_status.scope IS 'what is reviewed';
COMMENT ON COLUMN cims.access_review_status.due IS 'when it is to be done';
COMMENT ON COLUMN cims.access_review_status.opened IS 'when it was opened';
COMMENT ON COLUMN cims.access_review_status.opener IS 'the authenticated role that did';
COMMENT ON COLUMN cims.access_review_status.items IS 'how much there was to review';
COMMENT ON COLUMN cims.access_review_status.undecided IS 'how much is open';
COMMENT ON COLUMN cims.access_review_status.overdue IS 'whether something is open after it was due';
COMMENT ON COLUMN cims.access_review_status.done IS 'when the last item was decided; NULL before';
CREATE VIEW cims.overdue_review AS
	SELECT s.id AS review, s.due, s.opener, i.item, i.kind, i.object, i.holder, i.actor, i.level
	FROM cims.access_review_status s JOIN cims.access_review_item i ON i.review OPERATOR(pg_catalog.=) s.id AND i.decision IS NULL
	WHERE s.overdue;
COMMENT ON VIEW cims.overdue_review IS 'what should have been reviewed by now; open to pg_monitor';
COMMENT ON COLUMN cims.overdue_review.review IS 'number of the review';
COMMENT ON COLUMN cims.overdue_review.due IS 'when it was due';
COMMENT ON COLUMN cims.overdue_review.opener IS 'the authenticated role that opened it';
COMMENT ON COLUMN cims.overdue_review.item IS 'number within the review';
COMMENT ON COLUMN cims.overdue_review.kind IS 'what kind of access';
COMMENT ON COLUMN cims.overdue_review.object IS 'class, table, role or label';
COMMENT ON COLUMN cims.overdue_review.holder IS 'the role that holds it, or public';
COMMENT ON COLUMN cims.overdue_review.actor IS 'or the actor';
COMMENT ON COLUMN cims.overdue_review.level IS 'the level';
REVOKE ALL ON cims.access_review, cims.access_review_status, cims.overdue_review FROM PUBLIC;
GRANT SELECT ON cims.access_review, cims.access_review_status, cims.overdue_review TO pg_monitor;

-- takes back what an item stands for; false where it is gone already
CREATE FUNCTION cims.revoke_item(i cims.access_review_item) RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	source_id bigint := (i.source->>'id')::bigint;
	holder name := CASE WHEN i.holder::oid = 0 THEN 'public' ELSE (SELECT quote_ident(r.rolname) FROM pg_roles r WHERE r.oid = i.holder::oid) END;
	tbl regclass := to_regclass(i.source->>'table');
	command text;
BEGIN
	CASE i.kind
		WHEN 'class grant' THEN
			DELETE FROM cims.class_grant_entry e WHERE e.id = source_id;
			RETURN FOUND;
		WHEN 'break glass' THEN
			DELETE FROM cims.break_glass_permission p WHERE p.id = source_id;
			RETURN FOUND;
		WHEN 'membership' THEN
			UPDATE cims.membership m SET valid = cims.end_valid(m.valid) WHERE m.id = source_id;
			RETURN FOUND;
		WHEN 'clearance' THEN
			UPDATE cims.clearance c SET valid = cims.end_valid(c.valid) WHERE c.id = source_id;
			RETURN FOUND;
		WHEN 'table grant' THEN
			IF tbl IS NULL OR holder IS NULL THEN
				RETURN false;
			END IF;
			EXECUTE format('REVOKE SELECT ON %s FROM %s', i.source->>'table', holder);
			IF EXISTS (SELECT FROM cims.relation_readers() r WHERE r.relation = tbl AND r.holder = i.holder::oid AND NOT r.owner) THEN
				command := format('REVOKE SELECT ON %s FROM %s', i.source->>'table', holder);
			END IF;
		WHEN 'role membership' THEN
			IF holder IS NULL OR NOT EXISTS (SELECT FROM pg_auth_members m WHERE m.member = i.holder::oid
					AND m.roleid = (SELECT r.oid FROM pg_roles r WHERE r.rolname = i.source->>'role')) THEN
				RETURN false;
			END IF;
			EXECUTE format('REVOKE %I FROM %s', i.source->>'role', holder);
			IF EXISTS (SELECT FROM pg_auth_members m WHERE m.member = i.holder::oid
					AND m.roleid = (SELECT r.oid FROM pg_roles r WHERE r.rolname = i.source->>'role')) THEN
				command := format('REVOKE %I FROM %s', i.source->>'role', holder);
			END IF;
		WHEN 'table owner' THEN
			command := format('ALTER TABLE %s OWNER TO ...', i.source->>'table');
		ELSE
			command := format('ALTER ROLE %s NO%s', holder, upper(i.kind));
	END CASE;
	IF command IS NOT NULL THEN
		RAISE EXCEPTION 'this cannot be taken back from here'
			USING ERRCODE = 'object_not_in_prerequisite_state',
				  HINT = format('Whoever gave it says %s; then attest again.', command);
	END IF;
	RETURN true;
END
$$;
COMMENT ON FUNCTION cims.revoke_item(cims.access_review_item) IS 'takes back what an item of a review stands for; part of cims.attest()';
REVOKE ALL ON FUNCTION cims.revoke_item(cims.access_review_item) FROM PUBLIC;

-- whether an item is still there
CREATE FUNCTION cims.item_stands(i cims.access_review_item) RETURNS boolean
LANGUAGE sql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT EXISTS (SELECT FROM cims.review_sources() s
		WHERE s.source = i.source AND s.holder IS NOT DISTINCT FROM i.holder::oid AND s.actor IS NOT DISTINCT FROM i.actor)
$$;
COMMENT ON FUNCTION cims.item_stands(cims.access_review_item) IS 'whether what an item of a review stands for is still there';
REVOKE ALL ON FUNCTION cims.item_stands(cims.access_review_item) FROM PUBLIC;

CREATE FUNCTION cims.attest(review bigint, item int, decision text, note text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	i cims.access_review_item;
BEGIN
	SELECT * INTO i FROM cims.access_review_item x WHERE x.review = review AND x.item = item FOR UPDATE;
	IF i.item IS NULL THEN
		RAISE EXCEPTION 'review % has no item %', review, item
			USING ERRCODE = 'undefined_object', HINT = 'View cims.access_review lists them.';
	END IF;
	IF decision IS NULL OR decision NOT IN ('keep', 'revoke') THEN
		RAISE EXCEPTION 'unknown decision "%"', decision
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Decisions are keep and revoke.';
	END IF;
	IF i.decision IS NOT NULL THEN
		RAISE EXCEPTION 'item % of review % was decided already', item, review USING ERRCODE = 'object_not_in_prerequisite_state';
	END IF;
	IF i.actor = cims.actor() OR i.actor = cims.authenticated_role()::text OR EXISTS (SELECT FROM cims.role_reach() r
			WHERE r.role = i.holder::oid AND i.holder::oid <> 0
				AND pg_get_userbyid(r.member) IN (cims.authenticated_role(), session_user, cims.actor_role(), pg_get_userbyid(cims.caller_role()))) THEN
		RAISE EXCEPTION 'nobody attests what is their own'
			USING ERRCODE = 'insufficient_privilege', HINT = 'Somebody else must log in and decide it.';
	END IF;
	IF decision = 'revoke' AND NOT (cims.item_stands(i) AND cims.revoke_item(i)) THEN
		RAISE NOTICE 'what was to be reviewed is there no more';
	END IF;
	UPDATE cims.access_review_item x SET decision = decision, note = note, decider = cims.authenticated_role(), decider_actor = cims.actor(), decided = now()
		WHERE x.review = review AND x.item = item;
	PERFORM cims.record_event('G', 0, jsonb_strip_nulls(jsonb_build_object('event', 'access attested', 'review', review, 'item', item,
		'kind', i.kind, 'object', i.object, 'holder', nullif(i.holder::text, '-'), 'actor', i.actor, 'decision', decision, 'note', note)));
END
$$;
COMMENT ON FUNCTION cims.attest(bigint, int, text, text) IS
	'decides about an item of a review, once: keep, or revoke, which takes back what it stands for; not about what is one''s own';
REVOKE ALL ON FUNCTION cims.attest(bigint, int, text, text) FROM PUBLIC;


SELECT cims.audit('cims.access_review_entry');
SELECT cims.audit('cims.access_review_item');
