/*
 * scope.sql
 *		Who may see which rows: the tree of organisations, the application's
 *		roles with their scopes, memberships, clearances, and the conditions that
 *		row policies are made of.
 *
 * Keys are text, whatever the types of the columns that they are compared with:
 * '42' is the organisation of an integer column that holds 42.
 */

-- Tables
CREATE TABLE cims.organisation (
	id text COLLATE "C" PRIMARY KEY CHECK (octet_length(id) BETWEEN 1 AND 255),
	parent text COLLATE "C", -- another one's id, see cims.organisation_changed(): of a foreign key to the table itself pg_dump warns each time
	name text,
	created timestamptz NOT NULL DEFAULT pg_catalog.now()
);
CREATE INDEX organisation_parent ON cims.organisation (parent);
COMMENT ON TABLE cims.organisation IS 'the tree of organisations: companies, departments, teams';
COMMENT ON COLUMN cims.organisation.id IS 'the key, as rows of other tables name it; never changed';
COMMENT ON COLUMN cims.organisation.parent IS 'the organisation that it belongs to; NULL for a root';
COMMENT ON COLUMN cims.organisation.name IS 'what it is called';
COMMENT ON COLUMN cims.organisation.created IS 'when the row was made';

CREATE TABLE cims.organisation_path (
	ancestor text COLLATE "C" NOT NULL,
	descendant text COLLATE "C" NOT NULL,
	depth integer NOT NULL CHECK (depth >= 0),
	PRIMARY KEY (ancestor, descendant)
);
CREATE INDEX organisation_path_descendant ON cims.organisation_path (descendant);
COMMENT ON TABLE cims.organisation_path IS 'every organisation with itself and all below it; kept by triggers of cims.organisation';
COMMENT ON COLUMN cims.organisation_path.ancestor IS 'the upper one';
COMMENT ON COLUMN cims.organisation_path.descendant IS 'the lower one, or the same';
COMMENT ON COLUMN cims.organisation_path.depth IS 'how many steps lie between them';

CREATE TABLE cims.organisation_turn (
	changes bigint NOT NULL
);
INSERT INTO cims.organisation_turn VALUES (0);
COMMENT ON TABLE cims.organisation_turn IS 'one row, updated by whoever changes the tree: changes wait for each other, and one that goes by an old snapshot fails';
COMMENT ON COLUMN cims.organisation_turn.changes IS 'how many statements have changed the tree';

CREATE TABLE cims.scope_role (
	name text COLLATE "C" PRIMARY KEY CHECK (octet_length(name) BETWEEN 1 AND 255),
	scope text NOT NULL CHECK (scope IN ('all', 'custom', 'department', 'department_and_below', 'self')),
	by_token boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE cims.scope_role IS 'roles of the application, with what they let an actor see; changed by cims.set_scope_role and cims.drop_scope_role';
COMMENT ON COLUMN cims.scope_role.name IS 'the role';
COMMENT ON COLUMN cims.scope_role.scope IS
	'all: every organisation; custom: those of cims.scope_role_organisation; department: that of the membership; department_and_below: that and all below; self: what the actor owns, which everyone sees';
COMMENT ON COLUMN cims.scope_role.by_token IS 'whether the claims role and org of a token are a membership of this role';

CREATE TABLE cims.scope_role_organisation (
	role text COLLATE "C" NOT NULL REFERENCES cims.scope_role ON DELETE CASCADE,
	organisation text COLLATE "C" NOT NULL REFERENCES cims.organisation ON DELETE CASCADE,
	below boolean NOT NULL DEFAULT false,
	PRIMARY KEY (role, organisation)
);
CREATE INDEX scope_role_organisation_organisation ON cims.scope_role_organisation (organisation);
COMMENT ON TABLE cims.scope_role_organisation IS 'the organisations that roles of scope custom see';
COMMENT ON COLUMN cims.scope_role_organisation.role IS 'the role';
COMMENT ON COLUMN cims.scope_role_organisation.organisation IS 'an organisation that it sees';
COMMENT ON COLUMN cims.scope_role_organisation.below IS 'whether it sees all below, too';

CREATE TABLE cims.membership (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	actor text COLLATE "C" NOT NULL CHECK (octet_length(actor) BETWEEN 1 AND 255),
	role text COLLATE "C" NOT NULL REFERENCES cims.scope_role,
	organisation text COLLATE "C" REFERENCES cims.organisation,
	valid tstzrange NOT NULL DEFAULT '(,)',
	reason text,
	grantor text NOT NULL,
	granted timestamptz NOT NULL DEFAULT pg_catalog.now()
);
CREATE INDEX membership_actor ON cims.membership (actor);
CREATE INDEX membership_role ON cims.membership (role);
CREATE INDEX membership_organisation ON cims.membership (organisation);
COMMENT ON TABLE cims.membership IS 'who has which role of the application, where and when; changed by cims.grant_membership and cims.end_membership';
COMMENT ON COLUMN cims.membership.id IS 'number of the membership';
COMMENT ON COLUMN cims.membership.actor IS 'the end user, by the name that tokens give';
COMMENT ON COLUMN cims.membership.role IS 'the role';
COMMENT ON COLUMN cims.membership.organisation IS 'where; scopes department and department_and_below begin there';
COMMENT ON COLUMN cims.membership.valid IS 'when it holds';
COMMENT ON COLUMN cims.membership.reason IS 'why it was given, as told';
COMMENT ON COLUMN cims.membership.grantor IS 'the session''s role that gave it';
COMMENT ON COLUMN cims.membership.granted IS 'when it was given';

CREATE TABLE cims.clearance (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	actor text COLLATE "C" CHECK (octet_length(actor) BETWEEN 1 AND 255),
	role text COLLATE "C" REFERENCES cims.scope_role,
	label cims.label NOT NULL,
	valid tstzrange NOT NULL DEFAULT '(,)',
	reason text,
	grantor text NOT NULL,
	granted timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CHECK (pg_catalog.num_nonnulls(actor, role) = 1)
);
CREATE INDEX clearance_actor ON cims.clearance (actor);
CREATE INDEX clearance_role ON cims.clearance (role);
COMMENT ON TABLE cims.clearance IS 'labels up to which actors, or whoever has a role, may read; any one of an actor''s suffices; changed by cims.grant_clearance and cims.end_clearance';
COMMENT ON COLUMN cims.clearance.id IS 'number of the clearance';
COMMENT ON COLUMN cims.clearance.actor IS 'the end user';
COMMENT ON COLUMN cims.clearance.role IS 'or the role of the application';
COMMENT ON COLUMN cims.clearance.label IS 'what it dominates may be read';
COMMENT ON COLUMN cims.clearance.valid IS 'when it holds';
COMMENT ON COLUMN cims.clearance.reason IS 'why it was given, as told';
COMMENT ON COLUMN cims.clearance.grantor IS 'the session''s role that gave it';
COMMENT ON COLUMN cims.clearance.granted IS 'when it was given';

REVOKE ALL ON cims.organisation, cims.organisation_path, cims.organisation_turn, cims.scope_role,
	cims.scope_role_organisation, cims.membership, cims.clearance FROM PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('cims.organisation', '');
SELECT pg_catalog.pg_extension_config_dump('cims.scope_role', '');
SELECT pg_catalog.pg_extension_config_dump('cims.scope_role_organisation', '');
SELECT pg_catalog.pg_extension_config_dump('cims.membership', '');
SELECT pg_catalog.pg_extension_config_dump('cims.membership_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('cims.clearance', '');
SELECT pg_catalog.pg_extension_config_dump('cims.clearance_id_seq', '');

CREATE FUNCTION cims.scope_changed() RETURNS trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'cims_scope_changed';
COMMENT ON FUNCTION cims.scope_changed() IS 'tells every backend that a rule about rows has changed';
REVOKE ALL ON FUNCTION cims.scope_changed() FROM PUBLIC;

DO $triggers$
DECLARE
	tbl text;
BEGIN
	FOREACH tbl IN ARRAY ARRAY['organisation_path', 'scope_role', 'scope_role_organisation', 'membership', 'clearance'] LOOP
		EXECUTE format($f$
			CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON cims.%1$I
				FOR EACH STATEMENT EXECUTE FUNCTION cims.scope_changed();
			ALTER TABLE cims.%1$I ENABLE ALWAYS TRIGGER changed;
			COMMENT ON TRIGGER changed ON cims.%1$I IS 'tells every backend';
		$f$, tbl);
	END LOOP;
END
$triggers$;

/*
 * The paths of the tree.  A statement that changes the tree first updates the
 * one row of cims.organisation_turn: so changes come one after the other, each
 * seeing what the one before has done, and under REPEATABLE READ a change that
 * has not seen it fails with 40001.  Afterwards the paths of every organisation
 * that was changed, and of all below it, are made anew from the parents.
 */
CREATE FUNCTION cims.take_organisation_turn() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	UPDATE cims.organisation_turn SET changes = changes + 1;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION cims.take_organisation_turn() IS 'waits for other changes of the tree of organisations';
REVOKE ALL ON FUNCTION cims.take_organisation_turn() FROM PUBLIC;

CREATE FUNCTION cims.make_organisation_paths(changed text[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	affected text[];
	circle text;
BEGIN
	-- UNION: a circle ends, too
	WITH RECURSIVE below (id) AS (
		SELECT unnest(changed) COLLATE "C"
		UNION
		SELECT o.id FROM below b JOIN cims.organisation o ON o.parent = b.id
	)
	SELECT array_agg(id) INTO affected FROM below;

	WITH RECURSIVE above (id, ancestor) AS (
		SELECT o.id, o.parent FROM cims.organisation o WHERE o.id = ANY (changed)
		UNION
		SELECT a.id, o.parent FROM above a JOIN cims.organisation o ON o.id = a.ancestor
	)
	SELECT id INTO circle FROM above WHERE ancestor = id ORDER BY id LIMIT 1;
	IF circle IS NOT NULL THEN
		RAISE EXCEPTION 'organisation "%" would lie below itself', circle
			USING ERRCODE = 'integrity_constraint_violation', HINT = 'An organisation can move only to where none of its own descendants is.';
	END IF;

	DELETE FROM cims.organisation_path p WHERE p.descendant = ANY (affected);
	WITH RECURSIVE above (id, ancestor, depth) AS (
		SELECT o.id, o.id, 0 FROM cims.organisation o WHERE o.id = ANY (affected)
		UNION ALL
		SELECT a.id, o.parent, a.depth + 1 FROM above a JOIN cims.organisation o ON o.id = a.ancestor WHERE o.parent IS NOT NULL
	)
	INSERT INTO cims.organisation_path (ancestor, descendant, depth) SELECT a.ancestor, a.id, a.depth FROM above a;
END
$$;
COMMENT ON FUNCTION cims.make_organisation_paths(text[]) IS 'makes the paths to some organisations and to all below them anew; raises where one lies below itself';
REVOKE ALL ON FUNCTION cims.make_organisation_paths(text[]) FROM PUBLIC;

CREATE FUNCTION cims.organisation_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	missing text;
	child text;
BEGIN
	IF TG_OP = 'INSERT' THEN
		PERFORM cims.make_organisation_paths(array_agg(n.id)) FROM new_rows n HAVING count(*) > 0;
		SELECT n.parent INTO missing FROM new_rows n WHERE NOT EXISTS (SELECT FROM cims.organisation o WHERE o.id = n.parent) AND n.parent IS NOT NULL;
	ELSIF TG_OP = 'UPDATE' THEN
		IF EXISTS (SELECT FROM old_rows o WHERE NOT EXISTS (SELECT FROM new_rows n WHERE n.id = o.id)) THEN
			RAISE EXCEPTION 'the key of an organisation cannot be changed'
				USING ERRCODE = 'feature_not_supported',
					  DETAIL = 'Rows of other tables name it.',
					  HINT = 'Make another organisation, move what is below, and drop this one.';
		END IF;
		PERFORM cims.make_organisation_paths(array_agg(n.id))
		FROM new_rows n JOIN old_rows o USING (id) WHERE n.parent IS DISTINCT FROM o.parent HAVING count(*) > 0;
		SELECT n.parent INTO missing FROM new_rows n WHERE NOT EXISTS (SELECT FROM cims.organisation o WHERE o.id = n.parent) AND n.parent IS NOT NULL;
	ELSIF TG_OP = 'DELETE' THEN
		SELECT c.parent, c.id INTO missing, child FROM cims.organisation c JOIN old_rows o ON c.parent = o.id ORDER BY c.id LIMIT 1;
		DELETE FROM cims.organisation_path p USING old_rows o WHERE p.descendant = o.id OR p.ancestor = o.id;
	ELSE
		DELETE FROM cims.organisation_path;
	END IF;
	IF child IS NOT NULL THEN
		RAISE EXCEPTION 'organisation "%" cannot be dropped', missing
			USING ERRCODE = 'foreign_key_violation',
				  DETAIL = format('Organisation "%s" is below it.', child),
				  HINT = 'Move or drop first what is below.';
	ELSIF missing IS NOT NULL THEN
		RAISE EXCEPTION 'organisation "%" does not exist', missing
			USING ERRCODE = 'foreign_key_violation', HINT = 'Add the organisation above first, by cims.add_organisation.';
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION cims.organisation_changed() IS 'keeps cims.organisation_path in step with the tree of organisations; refuses a parent that is not there';
REVOKE ALL ON FUNCTION cims.organisation_changed() FROM PUBLIC;

CREATE TRIGGER turn BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON cims.organisation
	FOR EACH STATEMENT EXECUTE FUNCTION cims.take_organisation_turn();
COMMENT ON TRIGGER turn ON cims.organisation IS 'changes of the tree come one after the other';
CREATE TRIGGER inserted AFTER INSERT ON cims.organisation REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION cims.organisation_changed();
COMMENT ON TRIGGER inserted ON cims.organisation IS 'makes the paths of new organisations';
CREATE TRIGGER updated AFTER UPDATE ON cims.organisation REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION cims.organisation_changed();
COMMENT ON TRIGGER updated ON cims.organisation IS 'makes the paths of moved organisations anew';
CREATE TRIGGER deleted AFTER DELETE ON cims.organisation REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION cims.organisation_changed();
COMMENT ON TRIGGER deleted ON cims.organisation IS 'takes the paths of dropped organisations away';
CREATE TRIGGER truncated AFTER TRUNCATE ON cims.organisation
	FOR EACH STATEMENT EXECUTE FUNCTION cims.organisation_changed();
COMMENT ON TRIGGER truncated ON cims.organisation IS 'takes all paths away';
ALTER TABLE cims.organisation ENABLE ALWAYS TRIGGER turn;
ALTER TABLE cims.organisation ENABLE ALWAYS TRIGGER inserted;
ALTER TABLE cims.organisation ENABLE ALWAYS TRIGGER updated;
ALTER TABLE cims.organisation ENABLE ALWAYS TRIGGER deleted;
ALTER TABLE cims.organisation ENABLE ALWAYS TRIGGER truncated;

-- Conditions of row policies
CREATE FUNCTION cims.in_scope_support(internal) RETURNS internal
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_in_scope_support';
COMMENT ON FUNCTION cims.in_scope_support(internal) IS 'planner support of cims.in_scope and cims.org_in_scope';
CREATE FUNCTION cims.is_own_support(internal) RETURNS internal
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_is_own_support';
COMMENT ON FUNCTION cims.is_own_support(internal) IS 'planner support of cims.is_own';
CREATE FUNCTION cims.org_is_listed_support(internal) RETURNS internal
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_org_is_listed_support';
COMMENT ON FUNCTION cims.org_is_listed_support(internal) IS 'planner support of cims.org_is_listed';
CREATE FUNCTION cims.org_is_any_support(internal) RETURNS internal
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_org_is_any_support';
COMMENT ON FUNCTION cims.org_is_any_support(internal) IS 'planner support of cims.org_is_any';
CREATE FUNCTION cims.can_read_support(internal) RETURNS internal
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_can_read_support';
COMMENT ON FUNCTION cims.can_read_support(internal) IS 'planner support of cims.can_read';

CREATE FUNCTION cims.in_scope(owner "any", org "any") RETURNS boolean
	LANGUAGE c STABLE PARALLEL SAFE SUPPORT cims.in_scope_support AS 'MODULE_PATHNAME', 'cims_in_scope';
COMMENT ON FUNCTION cims.in_scope("any", "any") IS
	'whether a row is in the actor''s scope: the actor owns it, or its organisation is in the scope of one of the actor''s roles; the planner finds it by indexes on owner and org';
CREATE FUNCTION cims.org_in_scope(org "any") RETURNS boolean
	LANGUAGE c STABLE PARALLEL SAFE SUPPORT cims.in_scope_support AS 'MODULE_PATHNAME', 'cims_org_in_scope';
COMMENT ON FUNCTION cims.org_in_scope("any") IS 'whether an organisation is in the scope of one of the actor''s roles';
CREATE FUNCTION cims.is_own(owner "any") RETURNS boolean
	LANGUAGE c STABLE PARALLEL SAFE SUPPORT cims.is_own_support AS 'MODULE_PATHNAME', 'cims_is_own';
COMMENT ON FUNCTION cims.is_own("any") IS 'whether a column names the actor';
CREATE FUNCTION cims.org_is_listed(org "any") RETURNS boolean
	LANGUAGE c STABLE PARALLEL SAFE SUPPORT cims.org_is_listed_support AS 'MODULE_PATHNAME', 'cims_org_is_listed';
COMMENT ON FUNCTION cims.org_is_listed("any") IS 'whether an organisation is one of those that the actor''s roles list; part of cims.in_scope';
CREATE FUNCTION cims.org_is_any(org "any") RETURNS boolean
	LANGUAGE c STABLE PARALLEL SAFE SUPPORT cims.org_is_any_support AS 'MODULE_PATHNAME', 'cims_org_is_any';
COMMENT ON FUNCTION cims.org_is_any("any") IS 'whether there is an organisation and the actor sees all; part of cims.in_scope';
CREATE FUNCTION cims.can_read(label cims.label) RETURNS boolean
	LANGUAGE c STABLE PARALLEL SAFE SUPPORT cims.can_read_support AS 'MODULE_PATHNAME', 'cims_can_read';
COMMENT ON FUNCTION cims.can_read(cims.label) IS 'whether a clearance of the actor dominates a label';

-- What index conditions compare with
CREATE FUNCTION cims.scope_owner() RETURNS text
	LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_scope_owner';
COMMENT ON FUNCTION cims.scope_owner() IS 'the actor, as owners are named';
CREATE FUNCTION cims.scope_owner_bigint() RETURNS bigint
	LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_scope_owner_bigint';
COMMENT ON FUNCTION cims.scope_owner_bigint() IS 'the actor, where the name is an integer';
CREATE FUNCTION cims.scope_owner_uuid() RETURNS uuid
	LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_scope_owner_uuid';
COMMENT ON FUNCTION cims.scope_owner_uuid() IS 'the actor, where the name is a UUID';
CREATE FUNCTION cims.scope_orgs() RETURNS text[]
	LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_scope_orgs';
COMMENT ON FUNCTION cims.scope_orgs() IS 'the organisations that the actor''s roles list; those of scope all are not in it';
CREATE FUNCTION cims.scope_orgs_bigint() RETURNS bigint[]
	LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_scope_orgs_bigint';
COMMENT ON FUNCTION cims.scope_orgs_bigint() IS 'those of cims.scope_orgs() that are integers';
CREATE FUNCTION cims.scope_orgs_uuid() RETURNS uuid[]
	LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_scope_orgs_uuid';
COMMENT ON FUNCTION cims.scope_orgs_uuid() IS 'those of cims.scope_orgs() that are UUIDs';
CREATE FUNCTION cims.scope_lo() RETURNS text
	LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_scope_lo';
COMMENT ON FUNCTION cims.scope_lo() IS 'the least text where the actor sees all organisations, else NULL: org >= cims.scope_lo()';
CREATE FUNCTION cims.scope_lo_bigint() RETURNS bigint
	LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_scope_lo_bigint';
COMMENT ON FUNCTION cims.scope_lo_bigint() IS 'the least integer where the actor sees all organisations, else NULL';
CREATE FUNCTION cims.scope_lo_uuid() RETURNS uuid
	LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_scope_lo_uuid';
COMMENT ON FUNCTION cims.scope_lo_uuid() IS 'the least UUID where the actor sees all organisations, else NULL';
CREATE FUNCTION cims.clearance_ceiling() RETURNS cims.label
	LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_clearance_ceiling';
COMMENT ON FUNCTION cims.clearance_ceiling() IS 'comes after every label that the actor can read; NULL where there is none: label < cims.clearance_ceiling()';

-- Changes to the rules
CREATE FUNCTION cims.require_organisation(id text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
	IF NOT EXISTS (SELECT FROM cims.organisation o WHERE o.id = id) THEN
		RAISE EXCEPTION 'organisation "%" does not exist', id
			USING ERRCODE = 'undefined_object', HINT = 'cims.add_organisation makes one.';
	END IF;
END
$$;
COMMENT ON FUNCTION cims.require_organisation(text) IS 'raises where there is no such organisation';
REVOKE ALL ON FUNCTION cims.require_organisation(text) FROM PUBLIC;

CREATE FUNCTION cims.require_scope_role(name text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
	IF NOT EXISTS (SELECT FROM cims.scope_role r WHERE r.name = name) THEN
		RAISE EXCEPTION 'role "%" of the application does not exist', name
			USING ERRCODE = 'undefined_object', HINT = 'cims.set_scope_role makes one.';
	END IF;
END
$$;
COMMENT ON FUNCTION cims.require_scope_role(text) IS 'raises where there is no such role of the application';
REVOKE ALL ON FUNCTION cims.require_scope_role(text) FROM PUBLIC;

CREATE FUNCTION cims.require_valid(valid tstzrange) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF valid IS NULL OR isempty(valid) THEN
		RAISE EXCEPTION 'the range of time is empty'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Give one such as ''[2026-01-01, 2027-01-01)''; ''(,)'' is without end.';
	END IF;
END
$$;
COMMENT ON FUNCTION cims.require_valid(tstzrange) IS 'raises for a range of time that is empty or null';

CREATE FUNCTION cims.add_organisation(id text, parent text DEFAULT NULL, name text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
	IF parent IS NOT NULL THEN
		PERFORM cims.require_organisation(parent);
	END IF;
	INSERT INTO cims.organisation (id, parent, name) VALUES (id, parent, name);
EXCEPTION WHEN unique_violation THEN
	RAISE EXCEPTION 'organisation "%" exists already', id USING ERRCODE = 'duplicate_object';
END
$$;
COMMENT ON FUNCTION cims.add_organisation(text, text, text) IS 'adds an organisation, a root where no parent is given';
REVOKE ALL ON FUNCTION cims.add_organisation(text, text, text) FROM PUBLIC;

CREATE FUNCTION cims.move_organisation(id text, parent text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
	PERFORM cims.require_organisation(id);
	IF parent IS NOT NULL THEN
		PERFORM cims.require_organisation(parent);
	END IF;
	UPDATE cims.organisation o SET parent = parent WHERE o.id = id;
END
$$;
COMMENT ON FUNCTION cims.move_organisation(text, text) IS 'moves an organisation, with all below it, under another; makes it a root where parent is null';
REVOKE ALL ON FUNCTION cims.move_organisation(text, text) FROM PUBLIC;

CREATE FUNCTION cims.drop_organisation(id text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
	PERFORM cims.require_organisation(id);
	DELETE FROM cims.organisation o WHERE o.id = id;
EXCEPTION WHEN foreign_key_violation THEN
	RAISE EXCEPTION 'organisation "%" is in use', id
		USING ERRCODE = 'dependent_objects_still_exist',
			  DETAIL = 'Organisations lie below it, or memberships, ended ones too, name it.';
END
$$;
COMMENT ON FUNCTION cims.drop_organisation(text) IS 'drops an organisation below which is none and that no membership names';
REVOKE ALL ON FUNCTION cims.drop_organisation(text) FROM PUBLIC;

CREATE FUNCTION cims.set_scope_role(name text, scope text, organisations text[] DEFAULT NULL, below boolean DEFAULT false, by_token boolean DEFAULT false)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	organisation text;
BEGIN
	IF scope IS NULL OR scope NOT IN ('all', 'custom', 'department', 'department_and_below', 'self') THEN
		RAISE EXCEPTION 'unknown scope "%"', scope
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Scopes are all, custom, department, department_and_below and self.';
	END IF;
	IF (scope = 'custom') <> (organisations IS NOT NULL) THEN
		RAISE EXCEPTION 'scope "%" % organisations', scope, CASE scope WHEN 'custom' THEN 'needs' ELSE 'takes no' END
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Only scope custom has organisations of its own.';
	END IF;
	INSERT INTO cims.scope_role VALUES (name, scope, by_token)
		ON CONFLICT ON CONSTRAINT scope_role_pkey DO UPDATE SET scope = excluded.scope, by_token = excluded.by_token;
	DELETE FROM cims.scope_role_organisation o WHERE o.role = name;
	FOR organisation IN SELECT DISTINCT u FROM unnest(organisations) u LOOP
		PERFORM cims.require_organisation(organisation);
		INSERT INTO cims.scope_role_organisation VALUES (name, organisation, below);
	END LOOP;
END
$$;
COMMENT ON FUNCTION cims.set_scope_role(text, text, text[], boolean, boolean) IS
	'makes a role of the application, or gives it another scope: all, custom (with organisations, and all below where told), department, department_and_below, self';
REVOKE ALL ON FUNCTION cims.set_scope_role(text, text, text[], boolean, boolean) FROM PUBLIC;

CREATE FUNCTION cims.drop_scope_role(name text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
	PERFORM cims.require_scope_role(name);
	DELETE FROM cims.scope_role r WHERE r.name = name;
EXCEPTION WHEN foreign_key_violation THEN
	RAISE EXCEPTION 'role "%" of the application is in use', name
		USING ERRCODE = 'dependent_objects_still_exist', DETAIL = 'Memberships or clearances, ended ones too, name it.';
END
$$;
COMMENT ON FUNCTION cims.drop_scope_role(text) IS 'drops a role of the application that nobody has or had';
REVOKE ALL ON FUNCTION cims.drop_scope_role(text) FROM PUBLIC;

CREATE FUNCTION cims.grant_membership(actor text, role text, organisation text DEFAULT NULL, valid tstzrange DEFAULT '(,)', reason text DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	before text[] := cims.conflict_keys();
	made bigint;
BEGIN
	PERFORM cims.require_scope_role(role);
	IF organisation IS NOT NULL THEN
		PERFORM cims.require_organisation(organisation);
	ELSIF EXISTS (SELECT FROM cims.scope_role r WHERE r.name = role AND r.scope LIKE 'department%') THEN
		RAISE EXCEPTION 'a membership of role "%" needs an organisation', role
			USING ERRCODE = 'null_value_not_allowed', DETAIL = 'Its scope begins at the organisation of the membership.';
	END IF;
	PERFORM cims.require_valid(valid);
	INSERT INTO cims.membership (actor, role, organisation, valid, reason, grantor)
		VALUES (actor, role, organisation, valid, reason, session_user) RETURNING id INTO made;
	PERFORM cims.refuse_conflicts(before);
	RETURN made;
END
$$;
COMMENT ON FUNCTION cims.grant_membership(text, text, text, tstzrange, text) IS
	'gives an actor a role of the application in an organisation, for a range of time; returns the number of the membership; in force once committed';
REVOKE ALL ON FUNCTION cims.grant_membership(text, text, text, tstzrange, text) FROM PUBLIC;

CREATE FUNCTION cims.end_valid(valid tstzrange) RETURNS tstzrange
LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN lower(valid) >= statement_timestamp() THEN 'empty'
		WHEN upper(valid) <= statement_timestamp() THEN valid
		ELSE tstzrange(lower(valid), statement_timestamp(), CASE WHEN lower_inc(valid) THEN '[)' ELSE '()' END) END
$$;
COMMENT ON FUNCTION cims.end_valid(tstzrange) IS 'a range of time that ends now';

CREATE FUNCTION cims.end_membership(id bigint) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
	UPDATE cims.membership m SET valid = cims.end_valid(m.valid) WHERE m.id = id;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'there is no membership %', id USING ERRCODE = 'undefined_object';
	END IF;
END
$$;
COMMENT ON FUNCTION cims.end_membership(bigint) IS 'ends a membership now; the row stays';
REVOKE ALL ON FUNCTION cims.end_membership(bigint) FROM PUBLIC;

CREATE FUNCTION cims.grant_clearance(label cims.label, actor text DEFAULT NULL, role text DEFAULT NULL, valid tstzrange DEFAULT '(,)', reason text DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	made bigint;
BEGIN
	IF label IS NULL OR num_nonnulls(actor, role) <> 1 THEN
		RAISE EXCEPTION 'a clearance is a label for either an actor or a role of the application'
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	IF role IS NOT NULL THEN
		PERFORM cims.require_scope_role(role);
	END IF;
	PERFORM cims.require_valid(valid);
	INSERT INTO cims.clearance (actor, role, label, valid, reason, grantor)
		VALUES (actor, role, label, valid, reason, session_user) RETURNING id INTO made;
	RETURN made;
END
$$;
COMMENT ON FUNCTION cims.grant_clearance(cims.label, text, text, tstzrange, text) IS
	'lets an actor, or whoever has a role of the application, read what a label dominates, for a range of time; returns the number of the clearance; in force once committed';
REVOKE ALL ON FUNCTION cims.grant_clearance(cims.label, text, text, tstzrange, text) FROM PUBLIC;

CREATE FUNCTION cims.end_clearance(id bigint) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
	UPDATE cims.clearance c SET valid = cims.end_valid(c.valid) WHERE c.id = id;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'there is no clearance %', id USING ERRCODE = 'undefined_object';
	END IF;
END
$$;
COMMENT ON FUNCTION cims.end_clearance(bigint) IS 'ends a clearance now; the row stays';
REVOKE ALL ON FUNCTION cims.end_clearance(bigint) FROM PUBLIC;
