/*
 * offboard.sql
 *		Actors who leave.
 */

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
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON cims.denied_actor
	FOR EACH STATEMENT EXECUTE FUNCTION cims.keyring_changed();
ALTER TABLE cims.denied_actor ENABLE ALWAYS TRIGGER changed;
COMMENT ON TRIGGER changed ON cims.denied_actor IS 'tells every backend';
SELECT pg_catalog.pg_extension_config_dump('cims.denied_actor', '');

-- as the owner of the table: its triggers are not to run with the rights of whoever offboards
CREATE FUNCTION cims.move_rows(tbl regclass, owner_column name, actor text, successor text) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF successor IS NULL THEN
		RETURN (cims.run_as_owner(tbl, format('SELECT count(*) FROM %s t WHERE t.%I::text = $1', cims.relation_name(tbl), owner_column),
			actor)).first_row[1]::bigint;
	END IF;
	RETURN (cims.run_as_owner(tbl, format('UPDATE %s t SET %I = %L WHERE t.%2$I::text = $1', cims.relation_name(tbl), owner_column, successor),
		actor)).rows;
EXCEPTION WHEN invalid_text_representation OR numeric_value_out_of_range THEN
	RAISE EXCEPTION 'rows of table % cannot belong to "%"', tbl, successor
		USING ERRCODE = 'invalid_parameter_value', DETAIL = format('Column "%s" is of another type.', owner_column),
			  HINT = 'Name the tables whose rows the successor is to have.';
END
$$;
COMMENT ON FUNCTION cims.move_rows(regclass, name, text, text) IS 'gives an actor''s rows of a table to another, or counts them where there is none';
REVOKE ALL ON FUNCTION cims.move_rows(regclass, name, text, text) FROM PUBLIC;

CREATE FUNCTION cims.offboard(actor text, successor text DEFAULT NULL, reason text DEFAULT NULL, tables regclass[] DEFAULT NULL)
RETURNS TABLE (what text, object text, count bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
#variable_conflict use_variable
DECLARE
	done jsonb := '[]';
	n bigint;
	t record;
BEGIN
	IF coalesce(actor, '') = '' THEN
		RAISE EXCEPTION 'the actor must be named' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	IF successor = actor OR EXISTS (SELECT FROM cims.denied_actor d WHERE d.actor = successor) THEN
		RAISE EXCEPTION 'actor "%" cannot be the successor', successor
			USING ERRCODE = 'invalid_parameter_value', DETAIL = CASE WHEN successor = actor THEN 'It is the one who leaves.' ELSE 'It has left itself.' END;
	END IF;

	INSERT INTO cims.denied_actor (actor, reason) VALUES (actor, reason) ON CONFLICT ON CONSTRAINT denied_actor_pkey DO NOTHING;
	GET DIAGNOSTICS n = ROW_COUNT;
	done := done || jsonb_build_object('what', 'tokens refused', 'object', actor, 'count', n);
	UPDATE cims.membership m SET valid = cims.end_valid(m.valid)
		WHERE m.actor = actor AND NOT isempty(m.valid * tstzrange(statement_timestamp(), NULL));
	GET DIAGNOSTICS n = ROW_COUNT;
	done := done || jsonb_build_object('what', 'memberships ended', 'object', 'cims.membership', 'count', n);
	UPDATE cims.clearance c SET valid = cims.end_valid(c.valid)
		WHERE c.actor = actor AND NOT isempty(c.valid * tstzrange(statement_timestamp(), NULL));
	GET DIAGNOSTICS n = ROW_COUNT;
	done := done || jsonb_build_object('what', 'clearances ended', 'object', 'cims.clearance', 'count', n);
	SELECT pg_catalog.count(*) INTO n FROM cims.factor f WHERE f.actor = actor;
	IF n > 0 THEN
		PERFORM cims.remove_factor(actor);
	END IF;
	done := done || jsonb_build_object('what', 'second factors removed', 'object', 'cims.second_factor', 'count', n);
	UPDATE cims.break_glass_entry e SET valid = cims.end_valid(e.valid) WHERE e.actor = actor AND upper(e.valid) > statement_timestamp();
	GET DIAGNOSTICS n = ROW_COUNT;
	done := done || jsonb_build_object('what', 'broken glass ended', 'object', 'cims.break_glass_review', 'count', n);
	SELECT pg_catalog.count(cims.close_request(e.id, 'rejected', 'the requester has left')::text) INTO n
		FROM cims.grant_request_entry e WHERE e.requester_actor = actor AND e.decision IS NULL;
	done := done || jsonb_build_object('what', 'requests rejected', 'object', 'cims.grant_request', 'count', n);
	FOR t IN SELECT s.relation, s.owner_column FROM cims.secured_table s
		WHERE s.owner_column IS NOT NULL AND (tables IS NULL OR s.relation = ANY (tables))
			-- the rows of a partition or child are reached by its parent
			AND NOT EXISTS (SELECT FROM pg_inherits h JOIN cims.secured_table p ON p.relation = h.inhparent WHERE h.inhrelid = s.relation)
		ORDER BY s.relation::text
	LOOP
		done := done || jsonb_build_object('what', CASE WHEN successor IS NULL THEN 'rows left' ELSE 'rows moved' END,
			'object', cims.relation_name(t.relation), 'count', cims.move_rows(t.relation, t.owner_column, actor, successor));
	END LOOP;
	PERFORM cims.record_event('G', 0, jsonb_strip_nulls(jsonb_build_object('event', 'offboarded', 'actor', actor, 'successor', successor,
		'reason', reason, 'done', done)));
	RETURN QUERY SELECT d->>'what', d->>'object', (d->>'count')::bigint FROM jsonb_array_elements(done) d;
END
$$;
COMMENT ON FUNCTION cims.offboard(text, text, text, regclass[]) IS
	'an actor leaves: tokens are refused from now on, memberships, clearances and what was taken by breaking the glass end, the second factor goes, open requests are rejected, and where a successor is named the rows owned in secured tables (or in those named) become the successor''s; returns and records what was done';
REVOKE ALL ON FUNCTION cims.offboard(text, text, text, regclass[]) FROM PUBLIC;

CREATE FUNCTION cims.readmit(actor text, reason text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
	DELETE FROM cims.denied_actor d WHERE d.actor = actor;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'actor "%" has not left', actor USING ERRCODE = 'undefined_object';
	END IF;
	PERFORM cims.record_event('G', 0, jsonb_strip_nulls(jsonb_build_object('event', 'readmitted', 'actor', actor, 'reason', reason)));
END
$$;
COMMENT ON FUNCTION cims.readmit(text, text) IS 'takes an actor''s tokens again; memberships and what else ended are given anew';
REVOKE ALL ON FUNCTION cims.readmit(text, text) FROM PUBLIC;


SELECT cims.audit('cims.denied_actor');
SELECT cims.audit('cims.factor', omit => '{secret}');
