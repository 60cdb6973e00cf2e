/*
 * views.sql
 *		Masking views: the columns of a table as the grant of the caller lets
 *		them see it, and the classes of plain columns.
 *
 *		What a view shows stands in its own definition alone, read by
 *		cims.masking_view_columns(): so dumps, renames and whatever rebuilds a
 *		view need no bookkeeping here.
 */

-- A value as the current role may see it
CREATE FUNCTION cims.display(value anyelement, class text) RETURNS anyelement
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_display';
COMMENT ON FUNCTION cims.display(anyelement, text) IS
	'a value as the current role may see it by its grant on a class: whole, masked, or NULL';
CREATE FUNCTION cims.display(value anyelement, class text, mask text) RETURNS anyelement
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_display';
COMMENT ON FUNCTION cims.display(anyelement, text, text) IS
	'a value as the current role may see it by its grant on a class: whole, with a mask other than that of the class, or NULL';

-- of another name, as values of plain types would be cast to encrypted ones to fit
DO $$
DECLARE
	kind text;
	plain text;
BEGIN
	FOR kind, plain IN
		SELECT * FROM (VALUES ('enc_text', 'text'), ('enc_numeric', 'numeric'), ('enc_date', 'date'),
			('enc_timestamptz', 'timestamptz'), ('enc_jsonb', 'jsonb'), ('enc_bytea', 'bytea')) t
	LOOP
		EXECUTE format('CREATE FUNCTION cims.display_encrypted(value cims.%s, class text) RETURNS %s
			LANGUAGE c STABLE STRICT PARALLEL SAFE AS %L, %L', kind, plain, 'MODULE_PATHNAME', 'cims_display_encrypted');
		EXECUTE format('COMMENT ON FUNCTION cims.display_encrypted(cims.%s, text) IS %L', kind,
			'an encrypted value as the current role may see it, in its plain type: whole, masked, or NULL');
		EXECUTE format('CREATE FUNCTION cims.display_encrypted(value cims.%s, class text, mask text) RETURNS %s
			LANGUAGE c STABLE STRICT PARALLEL SAFE AS %L, %L', kind, plain, 'MODULE_PATHNAME', 'cims_display_encrypted');
		EXECUTE format('COMMENT ON FUNCTION cims.display_encrypted(cims.%s, text, text) IS %L', kind,
			'an encrypted value as the current role may see it, in its plain type: whole, with a mask other than that of the class, or NULL');
	END LOOP;
END
$$;

-- Which columns hold what
CREATE TABLE cims.governed_column (
	relation regclass NOT NULL,
	attnum int2 NOT NULL,
	name name NOT NULL,
	class text NOT NULL REFERENCES cims.class (name),
	mask text CHECK (cims.is_mask(mask)),
	PRIMARY KEY (relation, name)
);
COMMENT ON TABLE cims.governed_column IS
	'columns that hold customer data of a class; changed by cims.create_masking_view and cims.alter_governed, followed when a table or column is renamed or dropped';
COMMENT ON COLUMN cims.governed_column.relation IS 'the table';
COMMENT ON COLUMN cims.governed_column.attnum IS 'number of the column in it';
COMMENT ON COLUMN cims.governed_column.name IS 'name of the column';
COMMENT ON COLUMN cims.governed_column.class IS 'class of what it holds';
COMMENT ON COLUMN cims.governed_column.mask IS 'what masking views show in place of the class''s own mask; NULL for that';
REVOKE ALL ON cims.governed_column FROM PUBLIC;
GRANT SELECT ON cims.governed_column TO PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('cims.governed_column', '');

-- a restored table may have other column numbers
CREATE FUNCTION cims.number_governed_column() RETURNS trigger
	LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	SELECT a.attnum INTO NEW.attnum FROM pg_attribute a
		WHERE a.attrelid = NEW.relation AND a.attname = NEW.name AND a.attnum > 0 AND NOT a.attisdropped;
	IF NEW.attnum IS NULL THEN
		RAISE EXCEPTION 'column "%" of relation "%" does not exist', NEW.name, NEW.relation
			USING ERRCODE = 'undefined_column';
	END IF;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION cims.number_governed_column() IS 'finds the number of a governed column by its name';
REVOKE ALL ON FUNCTION cims.number_governed_column() FROM PUBLIC;
CREATE TRIGGER number BEFORE INSERT ON cims.governed_column
	FOR EACH ROW EXECUTE FUNCTION cims.number_governed_column();
ALTER TABLE cims.governed_column ENABLE ALWAYS TRIGGER number;
COMMENT ON TRIGGER number ON cims.governed_column IS 'numbers stand for columns of this database, names for those of dumps';

CREATE FUNCTION cims.move_governed(relation regclass, "from" name, "to" name) RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cims_move_governed';
COMMENT ON FUNCTION cims.move_governed(regclass, name, name) IS
	'gives the class that is noted for a column to another one that takes its place; for the table''s owner';

-- The views there are
CREATE FUNCTION cims.masking_view_columns(view oid, OUT number int2, OUT name name, OUT relation oid, OUT attnum int2, OUT displayed boolean,
		OUT class text, OUT mask text)
	RETURNS SETOF record
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_masking_view_columns';
COMMENT ON FUNCTION cims.masking_view_columns(oid) IS
	'the columns of a masking view, the column of the table behind each, and by what class and mask it is shown; nothing for any other relation';

CREATE VIEW cims.masking_view AS
	SELECT v.view::regclass AS view, v.relation::regclass AS relation, v.governed,
		pg_catalog.pg_get_userbyid(c.relowner) AS owner,
		EXISTS (SELECT FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
			WHERE t.tgrelid = v.view AND p.pronamespace = 'cims'::regnamespace AND p.proname = 'write_masking_view') AS whole_rows
	FROM (
		SELECT r.ev_class AS view, m.relation, pg_catalog.array_agg(m.name ORDER BY m.number) FILTER (WHERE m.displayed) AS governed
		FROM (
			SELECT DISTINCT r.ev_class
			FROM pg_catalog.pg_depend d
			JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid
			JOIN pg_catalog.pg_proc p ON p.oid = d.refobjid
			WHERE d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.refclassid = 'pg_catalog.pg_proc'::regclass
				AND r.ev_type = '1' AND p.pronamespace = 'cims'::regnamespace AND p.proname IN ('display', 'display_encrypted')
		) r
		CROSS JOIN LATERAL cims.masking_view_columns(r.ev_class) m
		GROUP BY r.ev_class, m.relation
	) v
	JOIN pg_catalog.pg_class c ON c.oid = v.view;
COMMENT ON VIEW cims.masking_view IS 'the masking views of this database';
COMMENT ON COLUMN cims.masking_view.view IS 'the view';
COMMENT ON COLUMN cims.masking_view.relation IS 'the table behind it';
COMMENT ON COLUMN cims.masking_view.governed IS 'the columns that it shows by the caller''s grant';
COMMENT ON COLUMN cims.masking_view.owner IS 'the role by whose privileges it reads the table';
COMMENT ON COLUMN cims.masking_view.whole_rows IS 'whether whole rows can be written through it';
REVOKE ALL ON cims.masking_view FROM PUBLIC;
GRANT SELECT ON cims.masking_view TO PUBLIC;

-- One column of a view to be made
CREATE TYPE cims.shown_column AS (
	name name,
	attnum int2,
	base name,
	class text,
	mask text
);
COMMENT ON TYPE cims.shown_column IS
	'a column of a masking view: its name there, number and name of the table''s column, and by what class and mask it was shown, where it was and no class is noted for the column';

CREATE FUNCTION cims.shown_expression("table" regclass, shown cims.shown_column) RETURNS text
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE col AS (
		SELECT a.* FROM pg_attribute a
		WHERE a.attrelid = "table" AND NOT a.attisdropped AND a.attnum > 0 AND (a.attnum = shown.attnum OR a.attname = shown.base)
		-- by name where the column of that number has gone, and another has taken its place
		ORDER BY a.attnum = shown.attnum DESC LIMIT 1
	), base (type, typmod) AS (
		SELECT c.atttypid, c.atttypmod FROM col c
		UNION ALL
		SELECT t.typbasetype, t.typtypmod FROM base b JOIN pg_type t ON t.oid = b.type WHERE t.typtype = 'd'
	), plain AS (
		SELECT b.type, b.typmod, t.typnamespace = 'cims'::regnamespace AND t.typname LIKE 'enc\_%' AND t.typelem = 0 AS encrypted
		FROM base b JOIN pg_type t ON t.oid = b.type WHERE t.typtype <> 'd'
	), rule AS (
		SELECT coalesce(g.class, shown.class) AS class, CASE WHEN g.class IS NULL THEN shown.mask ELSE g.mask END AS mask
		FROM col c LEFT JOIN cims.governed_column g ON g.relation = "table" AND g.attnum = c.attnum
	)
	SELECT CASE WHEN r.class IS NULL THEN format('t.%I', c.attname)
		ELSE format('cims.%s(t.%I%s, %L%s)%s', CASE WHEN p.encrypted THEN 'display_encrypted' ELSE 'display' END, c.attname,
			CASE WHEN c.atttypid <> p.type THEN '::' || format_type(p.type, -1) ELSE '' END,
			r.class, coalesce(', ' || quote_literal(r.mask), ''),
			CASE WHEN p.typmod >= 0 AND NOT p.encrypted THEN '::' || format_type(p.type, p.typmod) ELSE '' END) END
	FROM col c CROSS JOIN plain p CROSS JOIN rule r
$$;
COMMENT ON FUNCTION cims.shown_expression(regclass, cims.shown_column) IS 'what stands for a column in a masking view; NULL where there is none any more';

CREATE FUNCTION cims.masking_view_query("table" regclass, columns cims.shown_column[]) RETURNS text
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('SELECT %s FROM %s t',
		string_agg(format('%s AS %I', e.expression, c.name), ', ' ORDER BY c.ordinality),
		cims.relation_name("table"))
	FROM unnest(columns) WITH ORDINALITY c
	-- what is no column any more is left out
	JOIN LATERAL (SELECT cims.shown_expression("table", ROW(c.name, c.attnum, c.base, c.class, c.mask)::cims.shown_column)) e (expression)
		ON e.expression IS NOT NULL
$$;
COMMENT ON FUNCTION cims.masking_view_query(regclass, cims.shown_column[]) IS 'the query of a masking view';

CREATE FUNCTION cims.shown_columns(view oid) RETURNS cims.shown_column[]
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT array_agg(ROW(c.name, c.attnum, a.attname, c.class, c.mask)::cims.shown_column ORDER BY c.number)
	FROM cims.masking_view_columns(view) c JOIN pg_attribute a ON a.attrelid = c.relation AND a.attnum = c.attnum
$$;
COMMENT ON FUNCTION cims.shown_columns(oid) IS 'the columns of a masking view as they would be made again';

/*
 * A masking view is put back, after a column of its table has changed, as its
 * table then is: an encrypted column is shown by another function than a plain
 * one.  Runs with the caller's rights, as all of retype.sql.
 */
CREATE FUNCTION cims.restore_masking_view(name text, options text[], "table" regclass, columns cims.shown_column[]) RETURNS void
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format('CREATE VIEW %s%s AS %s', name, ' WITH (' || array_to_string(options, ', ') || ')',
		cims.masking_view_query("table", columns));
END
$$;
COMMENT ON FUNCTION cims.restore_masking_view(text, text[], regclass, cims.shown_column[]) IS
	'makes a masking view again; part of what puts dependent views back';

CREATE FUNCTION cims.masking_view_command(view oid, except_column int2 DEFAULT NULL) RETURNS text
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('SELECT cims.restore_masking_view(%L, %L, %s, %L)', cims.relation_name(view), v.reloptions,
		(SELECT c.relation FROM cims.masking_view_columns(view) c LIMIT 1),
		ARRAY(SELECT s FROM unnest(cims.shown_columns(view)) s WHERE s.attnum IS DISTINCT FROM except_column))
	FROM pg_class v
	WHERE v.oid = view AND cims.shown_columns(view) IS NOT NULL
$$;
COMMENT ON FUNCTION cims.masking_view_command(oid, int2) IS
	'the command that makes a masking view again, without a column where told; NULL for any other relation';

CREATE FUNCTION cims.adapt_masking_view(view oid, commands text[]) RETURNS text[]
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN m.command IS NULL THEN commands ELSE m.command || commands[2:] END
	FROM (SELECT cims.masking_view_command(view)) m (command)
$$;
COMMENT ON FUNCTION cims.adapt_masking_view(oid, text[]) IS 'the commands that put a view back, for a masking view as its table will be';

-- Refuse what cannot be governed
CREATE FUNCTION cims.require_governable("table" regclass) RETURNS void
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF "table" IS NULL THEN
		RAISE EXCEPTION 'the table must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	IF (SELECT c.relkind NOT IN ('r', 'p', 'm', 'f') OR c.relpersistence = 't' FROM pg_class c WHERE c.oid = "table") THEN
		RAISE EXCEPTION '"%" is not a table that a masking view can be made of', "table"
			USING ERRCODE = 'wrong_object_type',
				  HINT = 'Name an ordinary, partitioned or foreign table, or a materialized view, that is not temporary.';
	END IF;
	IF EXISTS (SELECT FROM pg_class c WHERE c.oid = "table"
			AND c.relnamespace IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace, 'cims'::regnamespace))
		OR EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = "table" AND d.deptype = 'e') THEN
		RAISE EXCEPTION 'table "%" belongs to the system or to an extension', "table"
			USING ERRCODE = 'insufficient_privilege';
	END IF;
END
$$;
COMMENT ON FUNCTION cims.require_governable(regclass) IS 'raises for a relation that no masking view can be made of';
REVOKE ALL ON FUNCTION cims.require_governable(regclass) FROM PUBLIC;

-- Put a column under a class
CREATE FUNCTION cims.set_governed("table" regclass, "column" name, class text, mask text) RETURNS void
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	own_class text := (SELECT c.name FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
		LEFT JOIN cims.class c ON c.id = a.atttypmod
		WHERE a.attrelid = "table" AND a.attname = "column" AND NOT a.attisdropped
			AND t.typnamespace = 'cims'::regnamespace AND t.typname LIKE 'enc\_%');
BEGIN
	PERFORM cims.find_column("table", "column");
	PERFORM cims.require_class(class);
	IF own_class <> class THEN
		RAISE EXCEPTION 'column "%" of table "%" is encrypted under class "%"', "column", "table", own_class
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Its class is its type modifier; another one would rule only what the view shows.';
	END IF;
	INSERT INTO cims.governed_column AS g (relation, attnum, name, class, mask)
		VALUES ("table", 0, "column", class, mask)
		ON CONFLICT (relation, name) DO UPDATE SET class = excluded.class, mask = excluded.mask;
END
$$;
COMMENT ON FUNCTION cims.set_governed(regclass, name, text, text) IS 'notes the class of a column, and a mask other than that of the class';
REVOKE ALL ON FUNCTION cims.set_governed(regclass, name, text, text) FROM PUBLIC;

CREATE FUNCTION cims.govern_encrypted("table" regclass) RETURNS void
	LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
	INSERT INTO cims.governed_column (relation, attnum, name, class)
	SELECT "table", a.attnum, a.attname, c.name
	FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid JOIN cims.class c ON c.id = a.atttypmod
	WHERE a.attrelid = "table" AND a.attnum > 0 AND NOT a.attisdropped
		AND t.typnamespace = 'cims'::regnamespace AND t.typname LIKE 'enc\_%' AND t.typelem = 0
	ON CONFLICT (relation, name) DO NOTHING
$$;
COMMENT ON FUNCTION cims.govern_encrypted(regclass) IS 'notes the class of each encrypted column';
REVOKE ALL ON FUNCTION cims.govern_encrypted(regclass) FROM PUBLIC;

-- Take over what the caller said of a column: a class, {"class", "mask"}, true (shown as it is) or false (left out)
CREATE FUNCTION cims.classify_columns("table" regclass, columns jsonb) RETURNS void
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	col text;
	rule jsonb;
	wrong text;
BEGIN
	IF jsonb_typeof(columns) IS DISTINCT FROM 'object' THEN
		RAISE EXCEPTION 'columns of a masking view must be a JSON object'
			USING ERRCODE = 'invalid_parameter_value',
				  HINT = 'For example {"phone": "phone", "name": {"class": "name", "mask": "partial(1,0)"}, "note": false}.';
	END IF;
	FOR col, rule IN SELECT key, value FROM jsonb_each(columns) LOOP
		PERFORM cims.find_column("table", col);
		CASE jsonb_typeof(rule)
			WHEN 'string' THEN
				PERFORM cims.set_governed("table", col, rule #>> '{}', NULL);
			WHEN 'object' THEN
				SELECT string_agg(format('"%s"', k), ', ') INTO wrong FROM jsonb_object_keys(rule) k WHERE k NOT IN ('class', 'mask');
				IF wrong IS NOT NULL THEN
					RAISE EXCEPTION 'unknown option % of column "%"', wrong, col
						USING ERRCODE = 'invalid_parameter_value', HINT = 'Options of a column are "class" and "mask".';
				END IF;
				PERFORM cims.set_governed("table", col, rule ->> 'class', rule ->> 'mask');
			WHEN 'boolean' THEN
				IF rule = 'true' AND EXISTS (SELECT FROM cims.governed_column g WHERE g.relation = "table" AND g.name = col) THEN
					RAISE EXCEPTION 'column "%" of table "%" is governed', col, "table"
						USING ERRCODE = 'object_not_in_prerequisite_state',
							  HINT = 'Take its class away first by cims.alter_governed().';
				END IF;
			ELSE
				RAISE EXCEPTION 'the rule of column "%" is neither a class, an object nor a boolean', col
					USING ERRCODE = 'invalid_parameter_value',
						  HINT = 'Name a class, give {"class": ..., "mask": ...}, true to show the column as it is, or false to leave it out.';
		END CASE;
	END LOOP;
END
$$;
COMMENT ON FUNCTION cims.classify_columns(regclass, jsonb) IS 'notes the classes that the caller gives columns';
REVOKE ALL ON FUNCTION cims.classify_columns(regclass, jsonb) FROM PUBLIC;

-- The role by whose privileges a view reads its table
CREATE FUNCTION cims.view_owner_obstacle(owner name, "table" regclass) RETURNS text
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE
		WHEN r.rolcanlogin THEN 'It can log in.'
		WHEN r.rolsuper THEN 'It is a superuser.'
		WHEN r.rolbypassrls THEN 'It bypasses row policies.'
		WHEN r.oid = (SELECT c.relowner FROM pg_class c WHERE c.oid = "table") THEN 'It owns the table, whose row policies do not hold for it.'
		WHEN EXISTS (SELECT FROM pg_auth_members m WHERE m.roleid = r.oid AND NOT (SELECT o.rolsuper FROM pg_roles o WHERE o.oid = m.member))
			THEN 'It has members, who would read what it reads.'
		WHEN EXISTS (SELECT FROM cims.class_grant_entry e WHERE e.grantee::oid = r.oid) THEN 'It holds a grant on a class.'
		END
	FROM pg_roles r WHERE r.rolname = owner
$$;
COMMENT ON FUNCTION cims.view_owner_obstacle(name, regclass) IS 'why a role must not own masking views of a table; null where it may';
REVOKE ALL ON FUNCTION cims.view_owner_obstacle(name, regclass) FROM PUBLIC;

CREATE FUNCTION cims.require_view_owner(owner name, "table" regclass) RETURNS void
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	reason text;
BEGIN
	IF owner IS NULL THEN
		RAISE EXCEPTION 'the owner of a masking view must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	IF NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = owner) THEN
		EXECUTE format('CREATE ROLE %I NOLOGIN NOINHERIT', owner);
		EXECUTE format('COMMENT ON ROLE %I IS %L', owner, 'owns masking views; holds what they read, and no one logs in as it');
	END IF;
	reason := cims.view_owner_obstacle(owner, "table");
	IF reason IS NOT NULL THEN
		RAISE EXCEPTION 'role "%" cannot own a masking view', owner
			USING ERRCODE = 'invalid_parameter_value', DETAIL = reason,
				  HINT = 'Name a role for this purpose alone; it is made where there is none.';
	END IF;
END
$$;
COMMENT ON FUNCTION cims.require_view_owner(name, regclass) IS 'makes the role that owns masking views where there is none, or raises for one that must not';
REVOKE ALL ON FUNCTION cims.require_view_owner(name, regclass) FROM PUBLIC;

-- Give the owner of a table's views what these read and write, and nothing else
CREATE FUNCTION cims.grant_to_view_owner("table" regclass, owner name, writes boolean) RETURNS void
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	base text := cims.relation_name("table");
	read text;
	open text;
	reason text := cims.view_owner_obstacle(owner, "table");
BEGIN
	-- anybody can make a view that looks like a masking view, of a table that they may not read
	IF reason IS NOT NULL THEN
		RAISE WARNING 'privileges of role "%", which owns a masking view of table "%", are not changed', owner, "table"
			USING DETAIL = reason, HINT = 'Find out who made the view; the owner of masking views must be a role for this purpose alone.';
		RETURN;
	END IF;
	EXECUTE format('REVOKE ALL ON %s FROM %I', base, owner);
	SELECT string_agg(DISTINCT quote_ident(a.attname), ', '),
		string_agg(DISTINCT quote_ident(a.attname), ', ') FILTER (WHERE a.attgenerated = '' AND (v.whole_rows OR NOT c.displayed))
		INTO read, open
		FROM cims.masking_view v CROSS JOIN LATERAL cims.masking_view_columns(v.view) c
		JOIN pg_attribute a ON a.attrelid = c.relation AND a.attnum = c.attnum
		WHERE v.relation = "table" AND v.owner = owner;
	IF read IS NULL THEN
		RETURN;
	END IF;
	EXECUTE format('GRANT SELECT (%s) ON %s TO %I', read, base, owner);
	IF writes AND open IS NOT NULL AND (SELECT c.relkind <> 'm' FROM pg_class c WHERE c.oid = "table") THEN
		EXECUTE format('GRANT INSERT (%s), UPDATE (%s), DELETE ON %s TO %I', open, open, base, owner);
	END IF;
END
$$;
COMMENT ON FUNCTION cims.grant_to_view_owner(regclass, name, boolean) IS
	'gives the owner of masking views the columns that they read, and those that can be written through them; takes all else';
REVOKE ALL ON FUNCTION cims.grant_to_view_owner(regclass, name, boolean) FROM PUBLIC;

CREATE FUNCTION cims.copy_column_comments("table" regclass, "view" regclass) RETURNS void
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	command text;
BEGIN
	FOR command IN
		SELECT format('COMMENT ON COLUMN %s.%I IS %L', cims.relation_name("view"), c.name, d.description)
		FROM cims.masking_view_columns("view") c
		JOIN pg_description d ON d.classoid = 'pg_class'::regclass AND d.objoid = "table" AND d.objsubid = c.attnum
		WHERE col_description("view", c.number) IS NULL
	LOOP
		EXECUTE command;
	END LOOP;
END
$$;
COMMENT ON FUNCTION cims.copy_column_comments(regclass, regclass) IS 'gives the columns of a masking view the comments of the table''s';
REVOKE ALL ON FUNCTION cims.copy_column_comments(regclass, regclass) FROM PUBLIC;

-- The name of a new view, in the table's schema unless it names another
CREATE FUNCTION cims.masking_view_name("table" regclass, view text) RETURNS text
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	parts text[];
	home name;
	base name;
BEGIN
	SELECT n.nspname, c.relname INTO home, base FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = "table";
	parts := CASE WHEN view IS NULL THEN ARRAY[left(base, 56) || '_masked'] ELSE parse_ident(view) END;
	IF cardinality(parts) > 2 THEN
		RAISE EXCEPTION 'invalid name of a view: "%"', view USING ERRCODE = 'invalid_name';
	END IF;
	IF cardinality(parts) = 2 AND parts[1] = 'cims' THEN
		RAISE EXCEPTION 'a masking view cannot be made in schema "cims"'
			USING ERRCODE = 'insufficient_privilege', DETAIL = 'It is the schema of the extension.';
	END IF;
	RETURN format('%I.%I', CASE WHEN cardinality(parts) = 2 THEN parts[1] ELSE home END, parts[cardinality(parts)]);
END
$$;
COMMENT ON FUNCTION cims.masking_view_name(regclass, text) IS 'the full name of a masking view to be made';
REVOKE ALL ON FUNCTION cims.masking_view_name(regclass, text) FROM PUBLIC;

-- Whole rows, as applications save them
CREATE FUNCTION cims.write_masking_view() RETURNS trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'cims_write_masking_view';
COMMENT ON FUNCTION cims.write_masking_view() IS
	'writes rows through a masking view: a governed column that comes back as it was shown is no change, another value needs level reveal on its class';
REVOKE ALL ON FUNCTION cims.write_masking_view() FROM PUBLIC;

CREATE FUNCTION cims.install_whole_rows(view regclass) RETURNS void
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	base regclass := cims.require_masking_view(view);
BEGIN
	IF NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = base AND i.indisprimary
		AND (i.indkey::int2[])[0:i.indnkeyatts - 1] <@ ARRAY(SELECT c.attnum FROM cims.masking_view_columns(view) c WHERE NOT c.displayed)) THEN
		RAISE EXCEPTION 'rows of view "%" cannot be written whole', view
			USING ERRCODE = 'object_not_in_prerequisite_state',
				  DETAIL = 'It does not show the primary key of its table as it is.',
				  HINT = 'Give the table a primary key of columns that have no class.';
	END IF;
	EXECUTE format('CREATE TRIGGER write INSTEAD OF INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION cims.write_masking_view()',
		cims.relation_name(view));
	EXECUTE format('COMMENT ON TRIGGER write ON %s IS %L', cims.relation_name(view), 'takes whole rows; masks that come back are no change');
END
$$;
COMMENT ON FUNCTION cims.install_whole_rows(regclass) IS 'lets whole rows be written through a masking view';
REVOKE ALL ON FUNCTION cims.install_whole_rows(regclass) FROM PUBLIC;

CREATE FUNCTION cims.create_masking_view(
	tbl regclass,
	view text DEFAULT NULL,
	columns jsonb DEFAULT '{}',
	owner name DEFAULT 'cims_view_owner',
	writes boolean DEFAULT true,
	whole_rows boolean DEFAULT false
) RETURNS regclass
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	view_name text;
	shown cims.shown_column[];
	open text;
	made regclass;
BEGIN
	PERFORM cims.require_governable(tbl);
	view_name := cims.masking_view_name(tbl, view);
	IF (SELECT c.relkind IN ('r', 'p') FROM pg_class c WHERE c.oid = tbl) THEN
		EXECUTE format('LOCK TABLE %s IN SHARE UPDATE EXCLUSIVE MODE', cims.relation_name(tbl));
	END IF;
	PERFORM cims.classify_columns(tbl, columns);
	PERFORM cims.govern_encrypted(tbl);
	SELECT array_agg(ROW(a.attname, a.attnum, a.attname, NULL, NULL)::cims.shown_column ORDER BY a.attnum),
		string_agg(format('"%s"', a.attname), ', ' ORDER BY a.attnum) FILTER (WHERE g.name IS NULL AND NOT columns ? a.attname)
		INTO shown, open
		FROM pg_attribute a LEFT JOIN cims.governed_column g ON g.relation = tbl AND g.name = a.attname
		WHERE a.attrelid = tbl AND a.attnum > 0 AND NOT a.attisdropped AND columns -> a.attname IS DISTINCT FROM 'false';
	IF NOT EXISTS (SELECT FROM unnest(shown) s JOIN cims.governed_column g ON g.relation = tbl AND g.attnum = s.attnum) THEN
		RAISE EXCEPTION 'no column of table "%" is governed', tbl
			USING ERRCODE = 'object_not_in_prerequisite_state',
				  HINT = 'Give columns their classes, as in columns => ''{"phone": "phone"}''.';
	END IF;
	PERFORM cims.require_view_owner(owner, tbl);

	EXECUTE format('CREATE VIEW %s AS %s', view_name, cims.masking_view_query(tbl, shown));
	made := view_name::regclass;
	PERFORM cims.copy_column_comments(tbl, made);
	EXECUTE format('ALTER VIEW %s OWNER TO %I', view_name, owner);
	PERFORM cims.clear_privileges(made);
	EXECUTE format('GRANT ALL ON %s TO %I', view_name, owner);
	IF whole_rows THEN
		PERFORM cims.install_whole_rows(made);
	END IF;
	PERFORM cims.grant_to_view_owner(tbl, owner, writes OR whole_rows OR has_table_privilege(owner, tbl, 'DELETE'));
	IF open IS NOT NULL THEN
		RAISE NOTICE 'shown to everyone as they are: %', open
			USING HINT = 'Give a column a class, or false to leave it out; true takes it out of this message.';
	END IF;
	RETURN made;
END
$$;
COMMENT ON FUNCTION cims.create_masking_view(regclass, text, jsonb, name, boolean, boolean) IS
	'makes a view of a table in which each governed column is shown by the caller''s grant on its class; columns: a JSON object of class, {"class", "mask"}, true (as it is) or false (left out) by name; owner: a role for this purpose alone; writes: columns that are not governed can be written through it; whole_rows: governed ones, too, as ORMs do';
REVOKE ALL ON FUNCTION cims.create_masking_view(regclass, text, jsonb, name, boolean, boolean) FROM PUBLIC;

CREATE FUNCTION cims.require_masking_view(view regclass) RETURNS regclass
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	base regclass := (SELECT c.relation FROM cims.masking_view_columns(view) c LIMIT 1);
BEGIN
	IF view IS NULL THEN
		RAISE EXCEPTION 'the view must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	IF base IS NULL THEN
		RAISE EXCEPTION '"%" is not a masking view', view
			USING ERRCODE = 'wrong_object_type', HINT = 'View cims.masking_view lists them.';
	END IF;
	RETURN base;
END
$$;
COMMENT ON FUNCTION cims.require_masking_view(regclass) IS 'the table behind a masking view; raises for any other relation';

CREATE FUNCTION cims.drop_masking_view(view regclass, cascade boolean DEFAULT false) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	base regclass := cims.require_masking_view(view);
	view_owner name := (SELECT pg_get_userbyid(c.relowner) FROM pg_class c WHERE c.oid = view);
	other regclass;
	base_owner name := (SELECT pg_get_userbyid(c.relowner) FROM pg_class c WHERE c.oid = base);
BEGIN
	EXECUTE format('DROP VIEW %s%s', cims.relation_name(view), CASE WHEN cascade THEN ' CASCADE' ELSE '' END);
	-- another view of the same owner may need some of what this one did
	IF view_owner <> base_owner THEN
		PERFORM cims.grant_to_view_owner(base, view_owner, has_table_privilege(view_owner, base, 'DELETE'));
	END IF;
END
$$;
COMMENT ON FUNCTION cims.drop_masking_view(regclass, boolean) IS
	'drops a masking view, with what depends on it where told; the classes of columns stay noted';
REVOKE ALL ON FUNCTION cims.drop_masking_view(regclass, boolean) FROM PUBLIC;

-- Changes of governed tables
CREATE FUNCTION cims.read_change(change jsonb) RETURNS void
	LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	known CONSTANT text[] := '{class,mask,visible,name,type,drop}';
	wrong text;
BEGIN
	IF jsonb_typeof(change) IS DISTINCT FROM 'object' OR change = '{}' THEN
		RAISE EXCEPTION 'the change of a governed column must be a JSON object'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'For example {"class": "phone"}, {"type": "text"} or {"drop": true}.';
	END IF;
	SELECT string_agg(format('"%s"', k), ', ') INTO wrong FROM jsonb_object_keys(change) k WHERE k <> ALL (known);
	IF wrong IS NOT NULL THEN
		RAISE EXCEPTION 'unknown change % of a governed column', wrong
			USING ERRCODE = 'invalid_parameter_value', HINT = format('Changes are %s.', array_to_string(known, ', '));
	END IF;
	SELECT string_agg(format('"%s"', c.key), ', ') INTO wrong FROM jsonb_each(change) c
		WHERE jsonb_typeof(c.value) <> CASE WHEN c.key IN ('visible', 'drop') THEN 'boolean' ELSE 'string' END
			AND NOT (c.key IN ('class', 'mask') AND c.value = 'null');
	IF wrong IS NOT NULL THEN
		RAISE EXCEPTION 'invalid value of %', wrong
			USING ERRCODE = 'invalid_parameter_value',
				  HINT = '"visible" and "drop" are true or false, the others are texts; "class" and "mask" may be null.';
	END IF;
	IF change -> 'drop' = 'true' AND change - 'drop' <> '{}' THEN
		RAISE EXCEPTION 'a column that is dropped cannot be changed in another way' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	IF change ? 'mask' AND change -> 'class' = 'null' THEN
		RAISE EXCEPTION 'a column without a class has no mask' USING ERRCODE = 'invalid_parameter_value';
	END IF;
END
$$;
COMMENT ON FUNCTION cims.read_change(jsonb) IS 'raises for a change that cims.alter_governed() does not know';
REVOKE ALL ON FUNCTION cims.read_change(jsonb) FROM PUBLIC;

-- Forget what a masking view has for one of its columns, so that it can be made again without
CREATE FUNCTION cims.strip_view_column(view regclass, "column" name) RETURNS void
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	grantee name;
BEGIN
	EXECUTE format('COMMENT ON COLUMN %s.%I IS NULL', cims.relation_name(view), "column");
	EXECUTE format('ALTER VIEW %s ALTER COLUMN %I DROP DEFAULT', cims.relation_name(view), "column");
	FOR grantee IN SELECT DISTINCT CASE e.grantee WHEN 0 THEN 'public' ELSE pg_get_userbyid(e.grantee) END
		FROM pg_attribute a CROSS JOIN aclexplode(a.attacl) e WHERE a.attrelid = view AND a.attname = "column"
	LOOP
		EXECUTE format('REVOKE ALL (%I) ON %s FROM %s CASCADE', "column", cims.relation_name(view),
			CASE grantee WHEN 'public' THEN 'PUBLIC' ELSE quote_ident(grantee) END);
	END LOOP;
END
$$;
COMMENT ON FUNCTION cims.strip_view_column(regclass, name) IS 'takes comment, default and privileges from a column of a view';
REVOKE ALL ON FUNCTION cims.strip_view_column(regclass, name) FROM PUBLIC;

/*
 * Changes a column in a way that its views stand against: by taking them down,
 * with what depends on them, and putting them back.  command is what happens
 * in between; without keeps the column out of the masking views.
 */
CREATE FUNCTION cims.rebuild_masking_views("table" regclass, "column" name, command text, without boolean) RETURNS void
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	number int2 := cims.find_column("table", "column");
	changes cims.column_change[] := cims.planned_changes("table", "column", '{}');
	steps cims.restore_step[];
	code text;
BEGIN
	changes := ARRAY(SELECT c FROM unnest(changes) c WHERE c.relation = "table");
	-- what is put back is parsed with more rights than its author's
	SELECT string_agg(DISTINCT format('%s calls function %s of role "%s"', pg_describe_object(d.classid, d.objid, 0), f.function::regprocedure, f.owner), E'\n')
		INTO code
		FROM cims.dependent_trees(changes) d CROSS JOIN LATERAL cims.functions_of_others(ARRAY(SELECT cims.expression_functions(d.tree, false))) f;
	IF code IS NOT NULL THEN
		RAISE EXCEPTION 'cannot change column "%" of table "%"', "column", "table"
			USING ERRCODE = 'insufficient_privilege', DETAIL = code, HINT = 'Nothing was changed. Drop what is listed, and make it again afterwards.';
	END IF;
	IF without THEN
		PERFORM cims.strip_view_column(v.view, c.name)
		FROM cims.masking_view v CROSS JOIN LATERAL cims.masking_view_columns(v.view) c
		WHERE v.relation = "table" AND c.attnum = number;
	END IF;
	steps := ARRAY(
		SELECT ROW(s.rank, s.object, s.drop_command,
			CASE WHEN without AND m.command IS NOT NULL THEN m.command || s.restore_commands[2:] ELSE s.restore_commands END)::cims.restore_step
		FROM cims.dependent_steps(changes) s
		LEFT JOIN LATERAL (
			SELECT cims.masking_view_command(v.view, number) FROM cims.masking_view v
			WHERE v.relation = "table" AND s.drop_command = 'DROP VIEW ' || cims.relation_name(v.view)) m (command) ON true);
	PERFORM cims.take_down(steps);
	-- what hangs on the column is the owner's code
	PERFORM cims.run_as_owner("table", command);
	PERFORM cims.put_back(steps);
END
$$;
COMMENT ON FUNCTION cims.rebuild_masking_views(regclass, name, text, boolean) IS
	'runs a command that views over a column stand against, and puts these back as the table then is';
REVOKE ALL ON FUNCTION cims.rebuild_masking_views(regclass, name, text, boolean) FROM PUBLIC;

-- Make a view show what the classes are now; a column that it lacks comes last, one that is opened is shown as it is
CREATE FUNCTION cims.refresh_masking_view(view regclass, added int2, opened int2) RETURNS void
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	base regclass := cims.require_masking_view(view);
	shown cims.shown_column[];
BEGIN
	shown := ARRAY(SELECT CASE WHEN s.attnum = opened THEN ROW(s.name, s.attnum, s.base, NULL, NULL)::cims.shown_column ELSE s END
		FROM unnest(cims.shown_columns(view)) s);
	IF added <> ALL (SELECT s.attnum FROM unnest(shown) s) THEN
		shown := shown || (SELECT ROW(a.attname, a.attnum, a.attname, NULL, NULL)::cims.shown_column FROM pg_attribute a WHERE a.attrelid = base AND a.attnum = added);
	END IF;
	EXECUTE format('CREATE OR REPLACE VIEW %s AS %s', cims.relation_name(view), cims.masking_view_query(base, shown));
END
$$;
COMMENT ON FUNCTION cims.refresh_masking_view(regclass, int2, int2) IS 'makes a masking view show its columns by their classes of today, and one more where told';
REVOKE ALL ON FUNCTION cims.refresh_masking_view(regclass, int2, int2) FROM PUBLIC;

CREATE FUNCTION cims.rename_governed("table" regclass, "column" name, new_name name) RETURNS void
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	number int2 := cims.find_column("table", "column");
	v regclass;
BEGIN
	EXECUTE format('ALTER TABLE %s RENAME COLUMN %I TO %I', cims.relation_name("table"), "column", new_name);
	FOR v IN
		SELECT m.view FROM cims.masking_view m CROSS JOIN LATERAL cims.masking_view_columns(m.view) c
		WHERE m.relation = "table" AND c.attnum = number AND c.name = "column"
	LOOP
		EXECUTE format('ALTER VIEW %s RENAME COLUMN %I TO %I', cims.relation_name(v), "column", new_name);
	END LOOP;
END
$$;
COMMENT ON FUNCTION cims.rename_governed(regclass, name, name) IS 'renames a column of a table and of its masking views';
REVOKE ALL ON FUNCTION cims.rename_governed(regclass, name, name) FROM PUBLIC;

CREATE FUNCTION cims.retype_governed("table" regclass, "column" name, new_type text) RETURNS void
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
	-- raises for anything but the name of a type
	IF new_type::regtype IN (SELECT cims.sealed_types()) THEN
		RAISE EXCEPTION 'cannot change a column to an encrypted type here'
			USING ERRCODE = 'feature_not_supported', HINT = 'Use cims.protect(), which keeps masking views as well.';
	END IF;
	IF (SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = "table" AND a.attnum = cims.find_column("table", "column"))
		IN (SELECT cims.sealed_types()) THEN
		RAISE EXCEPTION 'cannot change the type of an encrypted column here'
			USING ERRCODE = 'feature_not_supported', HINT = 'Use cims.unprotect(), which keeps masking views as well.';
	END IF;
	-- its checks and casts will run as the owner of the table
	IF NOT EXISTS (SELECT FROM pg_type t JOIN pg_roles r ON r.oid = t.typowner
		WHERE t.oid = new_type::regtype AND (r.rolsuper OR r.oid = (SELECT c.relowner FROM pg_class c WHERE c.oid = "table"))) THEN
		RAISE EXCEPTION 'type % belongs neither to the owner of table "%" nor to a superuser', new_type::regtype, "table"
			USING ERRCODE = 'insufficient_privilege', HINT = 'Have the owner change the column.';
	END IF;
	PERFORM cims.rebuild_masking_views("table", "column",
		format('ALTER TABLE %s ALTER COLUMN %I TYPE %s', cims.relation_name("table"), "column", new_type), false);
END
$$;
COMMENT ON FUNCTION cims.retype_governed(regclass, name, text) IS 'changes the type of a column of a table and of its masking views';
REVOKE ALL ON FUNCTION cims.retype_governed(regclass, name, text) FROM PUBLIC;

CREATE FUNCTION cims.reclassify_governed("table" regclass, "column" name, change jsonb) RETURNS void
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	number int2 := cims.find_column("table", "column");
	old cims.governed_column;
	class text;
	view regclass;
BEGIN
	SELECT * INTO old FROM cims.governed_column g WHERE g.relation = "table" AND g.name = "column";
	class := CASE WHEN change ? 'class' THEN change ->> 'class' ELSE old.class END;
	IF class IS NOT NULL AND change ?| '{class,mask}' THEN
		PERFORM cims.set_governed("table", "column", class, CASE WHEN change ? 'mask' THEN change ->> 'mask' ELSE old.mask END);
	ELSIF class IS NULL AND change ? 'mask' THEN
		RAISE EXCEPTION 'column "%" of table "%" has no class', "column", "table"
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Give it a class together with the mask.';
	ELSIF class IS NULL AND change ? 'class' THEN
		DELETE FROM cims.governed_column g WHERE g.relation = "table" AND g.name = "column";
	END IF;
	-- what loses its class is left out, unless told that it is to be seen as it is
	IF change -> 'visible' = 'false' OR (class IS NULL AND change ? 'class' AND change -> 'visible' IS DISTINCT FROM 'true') THEN
		PERFORM cims.rebuild_masking_views("table", "column", 'SELECT', true);
		RETURN;
	END IF;
	FOR view IN SELECT v.view FROM cims.masking_view v WHERE v.relation = "table" ORDER BY v.view LOOP
		PERFORM cims.refresh_masking_view(view,
			CASE WHEN change -> 'visible' = 'true' OR (class IS NOT NULL AND change ? 'class') THEN number END,
			CASE WHEN class IS NULL THEN number END);
	END LOOP;
END
$$;
COMMENT ON FUNCTION cims.reclassify_governed(regclass, name, jsonb) IS 'changes the class and the mask of a column, and whether masking views show it';
REVOKE ALL ON FUNCTION cims.reclassify_governed(regclass, name, jsonb) FROM PUBLIC;

CREATE FUNCTION cims.alter_governed(tbl regclass, col name, change jsonb) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
	PERFORM cims.read_change(change);
	PERFORM cims.require_governable(tbl);
	PERFORM cims.find_column(tbl, col);
	EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', cims.relation_name(tbl));
	IF change -> 'drop' = 'true' THEN
		PERFORM cims.rebuild_masking_views(tbl, col,
			format('ALTER TABLE %s DROP COLUMN %I', cims.relation_name(tbl), col), true);
		RETURN;
	END IF;
	IF change ? 'type' THEN
		PERFORM cims.retype_governed(tbl, col, change ->> 'type');
	END IF;
	IF change ?| '{class,mask,visible}' THEN
		PERFORM cims.reclassify_governed(tbl, col, change);
	END IF;
	IF change ? 'name' THEN
		PERFORM cims.rename_governed(tbl, col, change ->> 'name');
	END IF;
	-- owners who may delete may write
	PERFORM cims.grant_to_view_owner(tbl, o.owner, has_table_privilege(o.owner, tbl, 'DELETE'))
		FROM (SELECT DISTINCT v.owner FROM cims.masking_view v WHERE v.relation = tbl
			AND v.owner <> (SELECT pg_get_userbyid(c.relowner) FROM pg_class c WHERE c.oid = tbl)) o;
END
$$;
COMMENT ON FUNCTION cims.alter_governed(regclass, name, jsonb) IS
	'changes a column of a table together with its masking views, keeping their owner, privileges, comments and dependent views; change: a JSON object with class, mask, visible, name, type or drop';
REVOKE ALL ON FUNCTION cims.alter_governed(regclass, name, jsonb) FROM PUBLIC;

-- Rows by a whole value, for roles that see masks
CREATE FUNCTION cims.find_in_view(view oid, "column" name, value text, max_rows int) RETURNS SETOF jsonb
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cims_find_in_view';
COMMENT ON FUNCTION cims.find_in_view(oid, name, text, int) IS
	'the rows of a masking view whose governed column holds a value, as the caller sees them; counted and recorded';

CREATE FUNCTION cims.find(tbl regclass, col name, value text, max_rows int DEFAULT 100) RETURNS SETOF jsonb
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	view regclass := (
		SELECT v.view FROM cims.masking_view v
		WHERE tbl IN (v.view, v.relation) AND has_table_privilege(v.view, 'SELECT')
			AND EXISTS (SELECT FROM cims.masking_view_columns(v.view) c WHERE c.name = col AND c.displayed)
		ORDER BY v.view LIMIT 1);
BEGIN
	IF view IS NULL THEN
		RAISE EXCEPTION 'there is no masking view of "%" with a governed column "%" that the role may read', tbl, col
			USING ERRCODE = 'undefined_object', HINT = 'View cims.masking_view lists them.';
	END IF;
	RETURN QUERY SELECT cims.find_in_view(view, col, value, max_rows);
END
$$;
COMMENT ON FUNCTION cims.find(regclass, name, text, int) IS
	'rows of a table, or of a masking view, by the whole value of a governed column, as the caller''s masking view shows them; needs level mask on the class; at most cims.find_limit a minute; each use is recorded';
