/*
 * copy.sql
 *		Masked copies of whole schemas, for tests and developers; how anonymous
 *		rows are by some of their columns.
 *
 *		A copy is made with the rights of its maker, who must be able to reveal
 *		what is copied.  It holds plain types and pseudonyms, so it needs neither
 *		keys nor grants.
 */

CREATE FUNCTION cims.pseudonym(value anyelement, kind text DEFAULT 'text', salt text DEFAULT '') RETURNS anyelement
	LANGUAGE c STABLE STRICT PARALLEL SAFE COST 50 AS 'MODULE_PATHNAME', 'cims_pseudonym';
COMMENT ON FUNCTION cims.pseudonym(anyelement, text, text) IS
	'a value of the same type and form that stands for another one, always the same for the same salt; kind of a text: text, phone, id_card, bank_card, uscc, name, address, email, date, number';
-- who can make pseudonyms can tell by trying whose they are
REVOKE ALL ON FUNCTION cims.pseudonym(anyelement, text, text) FROM PUBLIC;

-- What a copy does with a column: keep, null, or a kind of pseudonym
CREATE FUNCTION cims.check_copy_rule(rule text, "column" text) RETURNS text
	LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF rule IS NULL OR rule NOT IN ('keep', 'null', 'text', 'phone', 'id_card', 'bank_card', 'uscc', 'name', 'address', 'email', 'date', 'number') THEN
		RAISE EXCEPTION 'unknown rule of column "%"', "column"
			USING ERRCODE = 'invalid_parameter_value',
				  HINT = 'Rules are keep, null, and the kinds of pseudonym: text, phone, id_card, bank_card, uscc, name, address, email, date, number.';
	END IF;
	RETURN rule;
END
$$;
COMMENT ON FUNCTION cims.check_copy_rule(text, text) IS 'returns a rule of a masked copy, or raises';

CREATE FUNCTION cims.base_type(type oid) RETURNS oid
	LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE base (type, domain_of) AS (
		SELECT t.oid, t.typbasetype FROM pg_type t WHERE t.oid = type
		UNION ALL
		SELECT t.oid, t.typbasetype FROM base b JOIN pg_type t ON t.oid = b.domain_of
	)
	SELECT b.type FROM base b WHERE b.domain_of = 0
$$;
COMMENT ON FUNCTION cims.base_type(oid) IS 'the type under a domain; any other type itself';

-- The columns of a schema's tables, and what a copy does with each
CREATE TYPE cims.copied_column AS (
	relation oid,
	attnum int2,
	name name,
	type text,
	rule text,
	encrypted boolean,
	not_null boolean
);
COMMENT ON TYPE cims.copied_column IS 'a column of a masked copy: its type there, and where its values come from';

CREATE FUNCTION cims.copy_columns(source regnamespace, rules jsonb) RETURNS SETOF cims.copied_column
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	WITH col AS (
		SELECT c.oid AS relation, a.attnum, a.attname, c.relname, a.atttypid, a.atttypmod, a.attnotnull, a.attgenerated,
			cims.base_type(a.atttypid) AS base, g.class, coalesce(g.mask, k.mask) AS mask,
			b.typnamespace = 'cims'::regnamespace AND b.typname LIKE 'enc\_%' AND b.typelem = 0 AS encrypted
		FROM pg_class c
		JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
		JOIN pg_type b ON b.oid = cims.base_type(a.atttypid)
		LEFT JOIN cims.governed_column g ON g.relation = c.oid AND g.name = a.attname
		LEFT JOIN cims.data_class k ON k.name = g.class
			OR (g.class IS NULL AND b.typnamespace = 'cims'::regnamespace AND b.typname LIKE 'enc\_%' AND cims.class_id(k.name) = a.atttypmod)
		WHERE c.relnamespace = source AND c.relkind IN ('r', 'p') AND NOT c.relispartition
	), plain AS (
		SELECT col.*, CASE WHEN encrypted THEN cims.plain_type(base) ELSE base END AS plain FROM col
	), told AS (
		SELECT p.*, CASE
			WHEN rules ? (p.relname || '.' || p.attname) THEN rules ->> (p.relname || '.' || p.attname)
			WHEN p.mask IS NULL THEN NULL
			WHEN p.plain IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'numeric'::regtype) THEN 'number'
			WHEN p.plain IN ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype) THEN 'date'
			WHEN p.plain = 'uuid'::regtype THEN 'text'
			WHEN p.plain NOT IN ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype) THEN 'null'
			WHEN p.mask IN ('phone', 'id_card', 'bank_card', 'uscc', 'name', 'address', 'email') THEN p.mask
			WHEN p.mask = 'year' OR p.mask IN ('bucket(month)', 'bucket(decade)') THEN 'date'
			WHEN p.mask LIKE 'bucket(%' THEN 'number'
			ELSE 'text' END AS rule
		FROM plain p
	)
	-- what a foreign key joins is replaced alike
	SELECT t.relation, t.attnum, t.attname,
		CASE
			-- these may be longer than what they stand for
			WHEN coalesce(t.rule, f.rule) IN ('email', 'address') THEN 'text'
			WHEN t.encrypted OR coalesce(t.rule, f.rule, 'keep') <> 'keep'
			THEN format_type(t.plain, CASE WHEN t.encrypted OR t.base <> t.atttypid THEN -1 ELSE t.atttypmod END)
			ELSE format_type(t.atttypid, t.atttypmod) END,
		coalesce(t.rule, f.rule, 'keep'), t.encrypted, t.attnotnull
	FROM told t
	LEFT JOIN LATERAL (
		SELECT o.rule FROM cims.column_family(t.relation, t.attnum) m
		JOIN told o ON o.relation = m.relation AND o.attnum = m.attnum
		WHERE o.rule IS NOT NULL AND o.rule <> 'keep' ORDER BY o.relation, o.attnum LIMIT 1) f (rule) ON true
	ORDER BY t.relation, t.attnum
$$;
COMMENT ON FUNCTION cims.copy_columns(regnamespace, jsonb) IS 'the columns of a schema, and what a masked copy does with each';

CREATE FUNCTION cims.copied_type("table" oid, column_number int2, type text, keep boolean) RETURNS text
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('%I %s%s%s', a.attname, type,
		CASE
			WHEN a.attgenerated <> '' THEN format(' GENERATED ALWAYS AS (%s) STORED', pg_get_expr(d.adbin, d.adrelid))
			WHEN a.attidentity <> '' OR pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%' THEN ' GENERATED BY DEFAULT AS IDENTITY'
			WHEN keep THEN coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), '')
			ELSE '' END,
		CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END)
	FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
	WHERE a.attrelid = "table" AND a.attnum = column_number
$$;
COMMENT ON FUNCTION cims.copied_type(oid, int2, text, boolean) IS 'the definition of a column in a masked copy';

-- Make one table of a copy, without keys, and fill it
CREATE FUNCTION cims.copy_table("table" oid, target name, columns cims.copied_column[], salt text) RETURNS bigint
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	base pg_class;
	place text;
	copied bigint;
BEGIN
	SELECT * INTO base FROM pg_class c WHERE c.oid = "table";
	place := format('%I.%I', target, base.relname);
	EXECUTE format('CREATE TABLE %s (%s)', place,
		(SELECT string_agg(cims.copied_type("table", c.attnum, c.type, c.rule = 'keep' AND NOT c.encrypted), ', ' ORDER BY c.attnum) FROM unnest(columns) c));
	EXECUTE (
		SELECT format('INSERT INTO %s (%s) SELECT %s FROM %s%s t', place,
			string_agg(quote_ident(c.name), ', ' ORDER BY c.attnum),
			string_agg(CASE c.rule
				WHEN 'keep' THEN format(CASE WHEN c.encrypted THEN 't.%I::%s' ELSE 't.%I' END, c.name, c.type)
				WHEN 'null' THEN 'NULL'
				ELSE format('cims.pseudonym(t.%I::%s, %L, %L)', c.name, c.type, c.rule, salt) END, ', ' ORDER BY c.attnum),
			CASE base.relkind WHEN 'r' THEN 'ONLY ' ELSE '' END, cims.relation_name("table"))
		FROM unnest(columns) c JOIN pg_attribute a ON a.attrelid = c.relation AND a.attnum = c.attnum
		WHERE a.attgenerated = '');
	GET DIAGNOSTICS copied = ROW_COUNT;
	RETURN copied;
END
$$;
COMMENT ON FUNCTION cims.copy_table(oid, name, cims.copied_column[], text) IS 'makes and fills one table of a masked copy';

CREATE FUNCTION cims.copy_constraint_command(constraint_id oid, target name) RETURNS text
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('ALTER TABLE %I.%I ADD CONSTRAINT %I %s', target, t.relname, k.conname,
		CASE WHEN k.contype <> 'f' THEN pg_get_constraintdef(k.oid)
			ELSE regexp_replace(pg_get_constraintdef(k.oid), '^(FOREIGN KEY \(.*?\)) REFERENCES .*?\(',
				format('\1 REFERENCES %I.%I(', target, r.relname)) END)
	FROM pg_constraint k JOIN pg_class t ON t.oid = k.conrelid LEFT JOIN pg_class r ON r.oid = k.confrelid
	WHERE k.oid = constraint_id
$$;
COMMENT ON FUNCTION cims.copy_constraint_command(oid, name) IS 'the command that makes a constraint again in a masked copy';

CREATE FUNCTION cims.copy_index_command(index_id oid, target name) RETURNS text
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('CREATE %sINDEX %I ON %I.%I USING %I (%s)', CASE WHEN x.indisunique THEN 'UNIQUE ' ELSE '' END,
		i.relname, target, t.relname, m.amname,
		(SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY n) FROM generate_series(0, x.indnkeyatts - 1) n
			JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[n]))
	FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid JOIN pg_am m ON m.oid = i.relam
	WHERE x.indexrelid = index_id
$$;
COMMENT ON FUNCTION cims.copy_index_command(oid, name) IS 'the command that makes an index again in a masked copy';

-- Keys, checks over what was kept, indexes of columns; then what joins the tables
CREATE FUNCTION cims.copy_constraints(columns cims.copied_column[], target name) RETURNS void
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	command text;
BEGIN
	FOR command IN
		SELECT cims.copy_constraint_command(k.oid, target) FROM pg_constraint k
		WHERE k.conrelid IN (SELECT c.relation FROM unnest(columns) c) AND (k.contype IN ('p', 'u')
			OR k.contype = 'c' AND NOT EXISTS (SELECT FROM unnest(columns) c WHERE c.relation = k.conrelid AND c.attnum = ANY (k.conkey) AND c.rule <> 'keep'))
		ORDER BY k.contype <> 'p', k.conrelid, k.conname
	LOOP
		EXECUTE command;
	END LOOP;
	FOR command IN
		SELECT cims.copy_index_command(x.indexrelid, target) FROM pg_index x
		WHERE x.indrelid IN (SELECT c.relation FROM unnest(columns) c) AND x.indexprs IS NULL AND x.indpred IS NULL AND NOT x.indisexclusion
			AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = x.indexrelid)
			AND NOT EXISTS (SELECT FROM unnest(x.indclass) o (id) JOIN pg_opclass p ON p.oid = o.id WHERE NOT p.opcdefault)
		ORDER BY x.indexrelid
	LOOP
		EXECUTE command;
	END LOOP;
	FOR command IN
		SELECT cims.copy_constraint_command(k.oid, target) FROM pg_constraint k
		WHERE k.contype = 'f' AND k.conparentid = 0 AND k.conrelid IN (SELECT c.relation FROM unnest(columns) c)
			AND k.confrelid IN (SELECT c.relation FROM unnest(columns) c)
		ORDER BY k.conrelid, k.conname
	LOOP
		EXECUTE command;
	END LOOP;
END
$$;
COMMENT ON FUNCTION cims.copy_constraints(cims.copied_column[], name) IS 'makes the keys, checks and indexes of a masked copy';

CREATE FUNCTION cims.copy_positions(columns cims.copied_column[], target name) RETURNS void
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	command text;
BEGIN
	FOR command IN
		SELECT format('SELECT pg_catalog.setval(%L, coalesce(pg_catalog.max(%I), 0) + 1, false) FROM %I.%I',
			pg_get_serial_sequence(format('%I.%I', target, t.relname), a.attname), a.attname, target, t.relname)
		FROM pg_class t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attidentity <> '' AND NOT a.attisdropped
		WHERE t.relnamespace = (SELECT n.oid FROM pg_namespace n WHERE n.nspname = target) AND t.relkind = 'r'
	LOOP
		EXECUTE command;
	END LOOP;
END
$$;
COMMENT ON FUNCTION cims.copy_positions(cims.copied_column[], name) IS 'sets the sequences of a masked copy behind what it holds';

CREATE FUNCTION cims.check_copy_rules(source name, rules jsonb) RETURNS void
	LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	col text;
BEGIN
	IF jsonb_typeof(rules) IS DISTINCT FROM 'object' THEN
		RAISE EXCEPTION 'rules of a masked copy must be a JSON object'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'For example {"customer.remark": "null", "customer.phone": "phone"}.';
	END IF;
	FOR col IN SELECT jsonb_object_keys(rules) LOOP
		PERFORM cims.check_copy_rule(rules ->> col, col);
		IF NOT EXISTS (SELECT FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
			WHERE c.relnamespace = (SELECT n.oid FROM pg_namespace n WHERE n.nspname = source) AND c.relname || '.' || a.attname = col) THEN
			RAISE EXCEPTION 'column "%" does not exist in schema "%"', col, source
				USING ERRCODE = 'undefined_column', HINT = 'Name columns as table.column.';
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION cims.check_copy_rules(name, jsonb) IS 'raises for rules that name no column or no kind of pseudonym';

-- What would run with the rights of whoever makes the copy: while rows are read and written, and in the copy later on
CREATE FUNCTION cims.code_of_others(relations oid[]) RETURNS SETOF text
	LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	WITH part (oid) AS (
		SELECT DISTINCT t FROM unnest(relations) r, cims.column_tables(r) t
	), expression (class, object, tree) AS (
		SELECT 'pg_attrdef'::regclass, d.oid, d.adbin::text FROM pg_attrdef d JOIN part p ON p.oid = d.adrelid
		UNION ALL
		SELECT 'pg_constraint', k.oid, k.conbin::text FROM pg_constraint k JOIN part p ON p.oid = k.conrelid WHERE k.contype = 'c'
		UNION ALL
		SELECT 'pg_class', i.indexrelid, concat(i.indexprs, i.indpred) FROM pg_index i JOIN part p ON p.oid = i.indrelid
		UNION ALL
		SELECT 'pg_statistic_ext', s.oid, s.stxexprs::text FROM pg_statistic_ext s JOIN part p ON p.oid = s.stxrelid
	)
	SELECT DISTINCT format('%s calls function %s of role "%s"', pg_describe_object(e.class, e.object, 0), f.function::regprocedure, f.owner)
	FROM expression e CROSS JOIN LATERAL cims.functions_of_others(ARRAY(SELECT cims.expression_functions(e.tree, true))) f
	ORDER BY 1
$$;
COMMENT ON FUNCTION cims.code_of_others(oid[]) IS
	'functions that neither a superuser nor the current role owns, in defaults, checks, indexes and statistics of tables and their partitions';

CREATE FUNCTION cims.copy_masked(schema name, target name, rules jsonb DEFAULT '{}', salt text DEFAULT '')
	RETURNS TABLE ("table" name, rows bigint, replaced name[], kept name[])
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
#variable_conflict use_variable
DECLARE
	source oid := (SELECT n.oid FROM pg_namespace n WHERE n.nspname = schema);
	columns cims.copied_column[];
	relation oid;
	code text;
BEGIN
	IF target IS NULL OR salt IS NULL THEN
		RAISE EXCEPTION 'target and salt of a masked copy must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	IF source IS NULL THEN
		RAISE EXCEPTION 'schema "%" does not exist', schema USING ERRCODE = 'invalid_schema_name';
	END IF;
	IF schema IN ('cims', 'pg_catalog', 'information_schema') THEN
		RAISE EXCEPTION 'schema "%" cannot be copied', schema USING ERRCODE = 'insufficient_privilege';
	END IF;
	PERFORM cims.check_copy_rules(schema, rules);
	columns := ARRAY(SELECT c FROM cims.copy_columns(source::regnamespace, rules) c);
	IF columns = '{}' THEN
		RAISE EXCEPTION 'schema "%" has no tables', schema USING ERRCODE = 'undefined_table';
	END IF;
	code := (SELECT string_agg(c, E'\n') FROM cims.code_of_others(ARRAY(SELECT DISTINCT c.relation FROM unnest(columns) c)) c);
	IF code IS NOT NULL THEN
		RAISE EXCEPTION 'cannot copy schema "%" as role "%"', schema, current_user
			USING ERRCODE = 'insufficient_privilege', DETAIL = code,
				  HINT = 'It would run the code of others with the rights of this role. Give these functions to it, or to a superuser, by ALTER FUNCTION ... OWNER TO.';
	END IF;
	-- else masks would be taken for values
	PERFORM cims.require_level(a.atttypmod, 'reveal')
		FROM unnest(columns) c JOIN pg_attribute a ON a.attrelid = c.relation AND a.attnum = c.attnum
		WHERE c.encrypted AND c.rule <> 'null' ORDER BY a.atttypmod;
	EXECUTE format('CREATE SCHEMA %I', target);
	FOR relation, "table", replaced, kept IN
		SELECT c.relation, t.relname, coalesce(array_agg(c.name ORDER BY c.attnum) FILTER (WHERE c.rule <> 'keep'), '{}'),
			coalesce(array_agg(c.name ORDER BY c.attnum) FILTER (WHERE c.rule = 'keep'), '{}')
		FROM unnest(columns) c JOIN pg_class t ON t.oid = c.relation GROUP BY c.relation, t.relname ORDER BY t.relname
	LOOP
		rows := cims.copy_table(relation, target, ARRAY(SELECT c FROM unnest(columns) c WHERE c.relation = relation), salt);
		RETURN NEXT;
	END LOOP;
	PERFORM cims.copy_constraints(columns, target);
	PERFORM cims.copy_positions(columns, target);
END
$$;
COMMENT ON FUNCTION cims.copy_masked(name, name, jsonb, text) IS
	'makes a masked copy of the tables of a schema, with plain types, keys, checks and indexes: columns of a class hold pseudonyms, the same for the same value in every table; rules: keep, null or a kind of pseudonym by table.column; salt: makes the pseudonyms of one copy unlike those of others';
REVOKE ALL ON FUNCTION cims.copy_masked(name, name, jsonb, text) FROM PUBLIC;

-- How anonymous rows are
CREATE FUNCTION cims.k_anonymity(tbl regclass, columns name[], OUT k bigint, OUT groups bigint, OUT rows bigint, OUT alone bigint)
	LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	col name;
BEGIN
	IF cardinality(columns) = 0 THEN
		RAISE EXCEPTION 'no columns are given' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	FOREACH col IN ARRAY columns LOOP
		IF col IS NULL THEN
			RAISE EXCEPTION 'the name of a column must not be null' USING ERRCODE = 'null_value_not_allowed';
		END IF;
		PERFORM cims.find_column(tbl, col);
	END LOOP;
	EXECUTE format('SELECT coalesce(min(n), 0), count(*), coalesce(sum(n), 0), count(*) FILTER (WHERE n = 1) FROM (SELECT count(*) FROM %s GROUP BY %s) g (n)',
		cims.relation_name(tbl), (SELECT string_agg(DISTINCT quote_ident(c), ', ') FROM unnest(columns) c)) INTO k, groups, rows, alone;
END
$$;
COMMENT ON FUNCTION cims.k_anonymity(regclass, name[]) IS
	'among how many rows each row hides by some columns, at least: k; also the number of different groups, of rows, and of rows that are alone; as the caller sees the table or view';
