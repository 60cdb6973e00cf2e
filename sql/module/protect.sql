/*
 * protect.sql
 *		Puts protection on a column and takes it off, in one transaction:
 *		cims.protect and cims.unprotect.  The owner of the table may do either;
 *		no right is borrowed.  What cannot be kept is listed as a whole before
 *		anything is touched.
 *
 * Queries over catalogs are estimated to cost much, and take an instant: JIT
 * compilation of them would take many times as long, so it is off.
 */

CREATE FUNCTION cims.encrypted_type(plain oid) RETURNS regtype
LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE e.typelem WHEN 0 THEN p.enc ELSE (SELECT typarray FROM pg_type WHERE oid = p.enc)::regtype END
	FROM pg_type t
	CROSS JOIN LATERAL (SELECT CASE t.typcategory WHEN 'A' THEN t.typelem ELSE 0 END) e (typelem)
	JOIN (VALUES ('text'::regtype, 'cims.enc_text'::regtype), ('varchar', 'cims.enc_text'), ('bpchar', 'cims.enc_text'),
		('numeric', 'cims.enc_numeric'), ('date', 'cims.enc_date'), ('timestamptz', 'cims.enc_timestamptz'),
		('jsonb', 'cims.enc_jsonb'), ('bytea', 'cims.enc_bytea')) p (plain, enc)
		ON p.plain = CASE e.typelem WHEN 0 THEN t.oid ELSE e.typelem END
	WHERE t.oid = encrypted_type.plain
$$;
COMMENT ON FUNCTION cims.encrypted_type(oid) IS 'the encrypted type that takes the values of a plain type, or an array of it; NULL where there is none';

CREATE FUNCTION cims.plain_type(encrypted oid) RETURNS regtype
LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE encrypted
		WHEN 'cims.enc_text'::regtype THEN 'text'::regtype
		WHEN 'cims.enc_numeric'::regtype THEN 'numeric'::regtype
		WHEN 'cims.enc_date'::regtype THEN 'date'::regtype
		WHEN 'cims.enc_timestamptz'::regtype THEN 'timestamptz'::regtype
		WHEN 'cims.enc_jsonb'::regtype THEN 'jsonb'::regtype
		WHEN 'cims.enc_bytea'::regtype THEN 'bytea'::regtype
		WHEN 'cims.enc_text[]'::regtype THEN 'text[]'::regtype
		WHEN 'cims.enc_numeric[]'::regtype THEN 'numeric[]'::regtype
		WHEN 'cims.enc_date[]'::regtype THEN 'date[]'::regtype
		WHEN 'cims.enc_timestamptz[]'::regtype THEN 'timestamptz[]'::regtype
		WHEN 'cims.enc_jsonb[]'::regtype THEN 'jsonb[]'::regtype
		WHEN 'cims.enc_bytea[]'::regtype THEN 'bytea[]'::regtype
	END
$$;
COMMENT ON FUNCTION cims.plain_type(oid) IS 'the plain type of an encrypted type, or of an array of it; NULL for other types';

CREATE FUNCTION cims.find_column(tbl regclass, col name) RETURNS int2
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	found_attnum int2;
	meant name;
BEGIN
	IF tbl IS NULL OR col IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed', MESSAGE = 'the table and the column must not be null';
	END IF;
	SELECT attnum INTO found_attnum FROM pg_attribute
	WHERE attrelid = tbl AND attname = col AND attnum > 0 AND NOT attisdropped;
	IF found_attnum IS NULL THEN
		SELECT attname INTO meant FROM pg_attribute
		WHERE attrelid = tbl AND lower(attname) = lower(btrim(col, '" ')) AND attnum > 0 AND NOT attisdropped ORDER BY attnum LIMIT 1;
		RAISE EXCEPTION USING ERRCODE = 'undefined_column',
			MESSAGE = format('column "%s" of relation "%s" does not exist', col, tbl),
			HINT = CASE WHEN meant IS NULL THEN 'Give the name as it stands in the catalog, without quotes of its own.' ELSE format('Perhaps column "%s" is meant.', meant) END;
	END IF;
	RETURN found_attnum;
END
$$;
COMMENT ON FUNCTION cims.find_column(regclass, name) IS 'the number of a column; raises undefined_column';

CREATE FUNCTION cims.find_class(class text) RETURNS cims.data_class
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	found_class cims.data_class;
BEGIN
	SELECT c.* INTO found_class FROM cims.data_class c WHERE c.name = class;
	IF found_class.name IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'undefined_object',
			MESSAGE = format('class "%s" does not exist', class),
			HINT = CASE WHEN EXISTS (SELECT FROM cims.data_class) THEN 'The view cims.data_class lists the classes; cims.create_class makes one.'
				ELSE 'There are none before cims.init() has run.' END;
	END IF;
	RETURN found_class;
END
$$;
COMMENT ON FUNCTION cims.find_class(text) IS 'a class by name; raises undefined_object';

CREATE FUNCTION cims.require_table(tbl regclass) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	kind "char" := (SELECT relkind FROM pg_class WHERE oid = tbl);
BEGIN
	IF kind NOT IN ('r', 'p') THEN
		RAISE EXCEPTION USING ERRCODE = 'wrong_object_type',
			MESSAGE = format('"%s" is not a table', tbl),
			DETAIL = format('It is %s.', CASE kind WHEN 'v' THEN 'a view' WHEN 'm' THEN 'a materialized view' WHEN 'f' THEN 'a foreign table'
				WHEN 'i' THEN 'an index' WHEN 'I' THEN 'an index' WHEN 'S' THEN 'a sequence' ELSE 'a relation of another kind' END),
			HINT = 'Name the table that stores the rows.';
	END IF;
END
$$;
COMMENT ON FUNCTION cims.require_table(regclass) IS 'raises for a view and whatever else stores no rows of its own that could be changed';

CREATE FUNCTION cims.planned_changes(tbl regclass, col name, new_types jsonb) RETURNS cims.column_change[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT array_agg(ROW(f.relation, f.attnum, a.attname, a.attinhcount = 0, a.atttypid, a.atttypmod,
		new_types->>a.atttypid::text)::cims.column_change ORDER BY f.relation, f.attnum)
	FROM cims.column_family(tbl, cims.find_column(tbl, col)) f
	JOIN pg_attribute a ON a.attrelid = f.relation AND a.attnum = f.attnum
$$;
COMMENT ON FUNCTION cims.planned_changes(regclass, name, jsonb) IS
	'the changes to a column and its family; new_types maps the oid of a type to the name of the new one';

CREATE FUNCTION cims.require_own_column(tbl regclass, col name) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF (SELECT attinhcount > 0 FROM pg_attribute WHERE attrelid = tbl AND attnum = cims.find_column(tbl, col)) THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_table_definition',
			MESSAGE = format('column "%s" of table "%s" is inherited', col, tbl),
			HINT = format('Name the table that it comes from: %s.', (SELECT string_agg(inhparent::regclass::text, ', ') FROM pg_inherits WHERE inhrelid = tbl));
	END IF;
END
$$;
COMMENT ON FUNCTION cims.require_own_column(regclass, name) IS 'raises for a column of a partition or child, which changes with its parent';

CREATE FUNCTION cims.protection_types(class text) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT jsonb_object_agg(t.oid::oid, format('%s(%I)%s', trim(TRAILING '[]' FROM cims.encrypted_type(t.oid)::text), class,
		CASE WHEN t.oid::text LIKE '%[]' THEN '[]' ELSE '' END))
	FROM unnest(ARRAY['text', 'varchar', 'bpchar', 'numeric', 'date', 'timestamptz', 'jsonb', 'bytea',
		'text[]', 'varchar[]', 'bpchar[]', 'numeric[]', 'date[]', 'timestamptz[]', 'jsonb[]', 'bytea[]']::regtype[]) t (oid)
$$;
COMMENT ON FUNCTION cims.protection_types(text) IS 'the encrypted type of each plain type, with its class';

CREATE FUNCTION cims.lock_columns(changes cims.column_change[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	relation oid;
BEGIN
	FOR relation IN SELECT DISTINCT c.relation FROM unnest(changes) c WHERE c.root ORDER BY 1 LOOP
		PERFORM cims.lock_table(relation, 'ACCESS EXCLUSIVE');
	END LOOP;
END
$$;
COMMENT ON FUNCTION cims.lock_columns(cims.column_change[]) IS 'locks the tables of a change before it is planned';

CREATE FUNCTION cims.types_of(type_id oid) RETURNS SETOF oid
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE made (id) AS (
		SELECT type_id WHERE type_id <> 0
		UNION
		SELECT t.oid FROM made m JOIN pg_type t ON t.typelem = m.id OR t.typbasetype = m.id
			OR t.typtype = 'c' AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.atttypid = m.id AND NOT a.attisdropped)
	)
	SELECT id FROM made
$$;
COMMENT ON FUNCTION cims.types_of(oid) IS 'a type, and those that hold values of it: arrays, domains, composite types';

-- what stands against changing the columns themselves
CREATE FUNCTION cims.column_obstacles(changes cims.column_change[]) RETURNS SETOF text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('column "%s" of table %s: %s', c.name, cims.relation_name(c.relation), o.reason)
	FROM unnest(changes) c
	JOIN pg_class t ON t.oid = c.relation
	JOIN pg_attribute a ON a.attrelid = c.relation AND a.attnum = c.attnum
	JOIN pg_type y ON y.oid = a.atttypid
	CROSS JOIN LATERAL (VALUES
		(t.relkind NOT IN ('r', 'p'), 'it is no column of an ordinary or partitioned table'),
		(NOT pg_has_role(t.relowner, 'USAGE'), 'the table is owned by another role'),
		(t.relnamespace IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace, 'cims'::regnamespace)
			OR EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = t.oid AND deptype = 'e'),
			'the table belongs to the system or to an extension'),
		(t.reloftype <> 0, 'the table is of a composite type'),
		(y.typtype = 'd', format('it is of the domain %s; change it to the domain''s base type first', a.atttypid::regtype)),
		(y.typtype <> 'd' AND c.new_type IS NULL, CASE
			WHEN cims.plain_type(a.atttypid) IS NOT NULL THEN format('it is encrypted already, as %s', format_type(a.atttypid, a.atttypmod))
			WHEN a.atttypid = 'json'::regtype THEN 'there is no encrypted form of type json; change it to jsonb first'
			WHEN a.atttypid = 'timestamp'::regtype THEN 'there is no encrypted form of type timestamp without time zone; change it to timestamptz first'
			WHEN cims.encrypted_type(a.atttypid) IS NOT NULL THEN format('there is no such change for type %s', format_type(a.atttypid, a.atttypmod))
			ELSE format('there is no encrypted form of type %s', format_type(a.atttypid, a.atttypmod)) || CASE
				WHEN a.atttypid IN ('smallint'::regtype, 'integer'::regtype, 'bigint'::regtype, 'real'::regtype, 'double precision'::regtype, 'money'::regtype)
					THEN '; change it to numeric first'
				ELSE '; those of text, varchar, char, numeric, date, timestamptz, jsonb, bytea and their arrays have one' END END),
		(a.attgenerated <> '', 'it is a generated column'),
		(a.attcollation <> 0 AND NOT coalesce((SELECT collisdeterministic FROM pg_collation WHERE oid = a.attcollation), true),
			'its collation is nondeterministic'),
		(EXISTS (SELECT FROM pg_partitioned_table p WHERE p.partrelid = t.oid
			AND (c.attnum = ANY (p.partattrs) OR p.partexprs::text ~ format(':varattno (%s|0) ', c.attnum))),
			'it is part of the partition key'),
		(EXISTS (SELECT FROM pg_attribute u JOIN pg_class h ON h.oid = u.attrelid AND h.relkind IN ('r', 'p', 'm', 'f')
			WHERE u.atttypid IN (SELECT cims.types_of(t.reltype)) AND NOT u.attisdropped),
			'another table has a column of this table''s row type')
	) o (applies, reason)
	WHERE o.applies
	UNION ALL
	-- PostgreSQL changes an inherited column through the table that it comes from
	SELECT format('column "%s" of table %s: it is inherited from table %s, which is not part of the change',
		c.name, cims.relation_name(c.relation), cims.relation_name(i.inhparent))
	FROM unnest(changes) c JOIN pg_inherits i ON i.inhrelid = c.relation
	JOIN pg_attribute p ON p.attrelid = i.inhparent AND p.attname = c.name
	WHERE NOT EXISTS (SELECT FROM unnest(changes) o WHERE o.relation = i.inhparent AND o.attnum = p.attnum)
	UNION ALL
	-- nor does it change one that comes from two
	SELECT format('column "%s" of table %s: it is inherited from %s', c.name, cims.relation_name(c.relation), r.names)
	FROM unnest(changes) c
	CROSS JOIN LATERAL (
		WITH RECURSIVE up (relation) AS (
			SELECT c.relation
			UNION
			SELECT i.inhparent FROM up u JOIN pg_inherits i ON i.inhrelid = u.relation
			JOIN pg_attribute p ON p.attrelid = i.inhparent AND p.attname = c.name
		)
		SELECT string_agg(cims.relation_name(u.relation), ' and ' ORDER BY u.relation), count(*) FROM up u
		WHERE EXISTS (SELECT FROM unnest(changes) o WHERE o.relation = u.relation AND o.name = c.name AND o.root)) r (names, number)
	WHERE r.number > 1
	ORDER BY 1
$$;
COMMENT ON FUNCTION cims.column_obstacles(cims.column_change[]) IS 'what about the columns themselves cannot change type';

-- the stored expressions of what hangs on columns, and of views that do
CREATE FUNCTION cims.dependent_trees(changes cims.column_change[]) RETURNS TABLE (classid oid, objid oid, tree text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	WITH dependents AS MATERIALIZED (
		SELECT * FROM cims.column_dependents(changes)
	), views AS (
		SELECT r.ev_class AS oid FROM dependents d
		JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid AND r.ev_type = '1'
	)
	SELECT 'pg_rewrite'::regclass::oid, r.oid, concat(r.ev_qual, r.ev_action) FROM pg_rewrite r
	WHERE r.ev_class IN (SELECT oid FROM views) OR r.oid IN (SELECT objid FROM dependents WHERE classid = 'pg_rewrite'::regclass)
	UNION ALL
	SELECT 'pg_trigger'::regclass, t.oid, t.tgqual::text FROM pg_trigger t
	WHERE t.tgrelid IN (SELECT oid FROM views) OR t.oid IN (SELECT objid FROM dependents WHERE classid = 'pg_trigger'::regclass)
	UNION ALL
	SELECT 'pg_policy'::regclass, p.oid, concat(p.polqual, p.polwithcheck) FROM pg_policy p
	WHERE p.oid IN (SELECT objid FROM dependents WHERE classid = 'pg_policy'::regclass)
	UNION ALL
	SELECT 'pg_attrdef'::regclass, f.oid, f.adbin::text FROM pg_attrdef f WHERE f.adrelid IN (SELECT oid FROM views)
$$;
COMMENT ON FUNCTION cims.dependent_trees(cims.column_change[]) IS 'the stored expressions of views, rules, triggers and policies that are made again when columns change';

-- functions that another role wrote, of those that may run
CREATE FUNCTION cims.functions_of_others(functions oid[]) RETURNS TABLE (function oid, owner name)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT p.oid, o.rolname FROM pg_proc p JOIN pg_roles o ON o.oid = p.proowner
	WHERE p.oid = ANY (functions) AND NOT o.rolsuper AND o.rolname <> current_user
$$;
COMMENT ON FUNCTION cims.functions_of_others(oid[]) IS 'those of some functions that neither a superuser nor the current role owns';

/*
 * What is made again is parsed, and a check constraint is executed, with the
 * rights of who calls.  Functions that another role wrote are not run so; those
 * of superusers are theirs to trust.
 */
CREATE FUNCTION cims.code_obstacles(changes cims.column_change[]) RETURNS SETOF text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	WITH trees (classid, objid, tree, executed) AS (
		SELECT d.classid, d.objid, d.tree, false FROM cims.dependent_trees(changes) d
		UNION ALL
		SELECT 'pg_attrdef'::regclass, f.oid, f.adbin::text, false FROM unnest(changes) c
		JOIN pg_attrdef f ON f.adrelid = c.relation AND f.adnum = c.attnum
		UNION ALL
		SELECT 'pg_class'::regclass, x.indexrelid, concat(x.indexprs, x.indpred), false FROM unnest(changes) c
		JOIN pg_index x ON x.indrelid = c.relation AND (c.attnum = ANY (x.indkey) OR x.indpred::text ~ format(':varattno %s ', c.attnum))
		UNION ALL
		SELECT 'pg_statistic_ext'::regclass, s.oid, s.stxexprs::text, false FROM unnest(changes) c
		JOIN pg_statistic_ext s ON s.stxrelid = c.relation AND c.attnum = ANY (s.stxkeys)
		UNION ALL
		SELECT 'pg_constraint'::regclass, k.oid, k.conbin::text, true FROM unnest(changes) c
		JOIN pg_constraint k ON k.conrelid = c.relation AND k.contype = 'c' AND c.attnum = ANY (k.conkey) AND k.coninhcount = 0
	)
	SELECT DISTINCT format('%s: it would run code of role "%s" with your rights; let that role call, or drop it first',
		pg_describe_object(t.classid, t.objid, 0), f.owner)
	FROM trees t CROSS JOIN LATERAL cims.functions_of_others(ARRAY(SELECT cims.expression_functions(t.tree, t.executed))) f
$$;
COMMENT ON FUNCTION cims.code_obstacles(cims.column_change[]) IS 'what would run code of other roles with the rights of who calls';

-- what hangs on the columns and cannot be put back
CREATE FUNCTION cims.dependent_obstacles(changes cims.column_change[], pattern text) RETURNS SETOF text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('index %s: %s', cims.relation_name(i.oid), CASE t.treatment
		WHEN 'expression' THEN format('it computes an expression over column "%s"', c.name)
		WHEN 'predicate' THEN format('its predicate looks into column "%s"', c.name)
		WHEN 'pattern' THEN format('it searches for patterns in column "%s"; pattern_index => true makes it an n-gram index', c.name)
		WHEN 'exclusion' THEN 'it belongs to an exclusion constraint'
		ELSE format('its method or operator class has no counterpart for column "%s"', c.name) END)
	FROM unnest(changes) c
	JOIN pg_index x ON x.indrelid = c.relation
	JOIN pg_class i ON i.oid = x.indexrelid AND NOT i.relispartition
	CROSS JOIN LATERAL cims.index_treatment(x.indexrelid, c.attnum) t (treatment)
	WHERE (c.attnum = ANY (x.indkey) OR x.indexprs IS NOT NULL OR x.indpred IS NOT NULL)
		AND (t.treatment NOT IN ('keep', 'plain', 'pattern')
			OR (t.treatment = 'pattern' AND (pattern IS NULL OR (pattern = 'ngram' AND c.new_type NOT LIKE 'cims.enc\_text%'))))
	UNION ALL
	SELECT format('check constraint "%s" of table %s: it looks into column "%s"', k.conname, cims.relation_name(k.conrelid), c.name)
	FROM unnest(changes) c JOIN pg_constraint k ON k.conrelid = c.relation AND k.contype = 'c' AND k.coninhcount = 0
	WHERE NOT cims.only_null_tests(k.conbin::text, c.attnum)
	UNION ALL
	SELECT format('generated column "%s" of table %s: it is computed from column "%s"', a.attname, cims.relation_name(c.relation), c.name)
	FROM unnest(changes) c
	JOIN pg_attribute a ON a.attrelid = c.relation AND a.attgenerated <> '' AND a.attnum <> c.attnum
	JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
	WHERE d.adbin::text ~ format(':varattno (%s|0) ', c.attnum)
	UNION ALL
	SELECT format('%s: it computes an expression over column "%s"', pg_describe_object('pg_statistic_ext'::regclass, s.oid, 0), c.name)
	FROM unnest(changes) c JOIN pg_statistic_ext s ON s.stxrelid = c.relation
	WHERE s.stxexprs::text ~ format(':varattno (%s|0) ', c.attnum)
	UNION ALL
	SELECT format('view %s: %s', cims.relation_name(v.oid), o.reason)
	FROM cims.column_dependents(changes) d
	JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
	JOIN pg_class v ON v.oid = r.ev_class
	CROSS JOIN LATERAL (VALUES
		(v.relkind = 'm', 'it is materialized, so that it holds the values in a file of its own'),
		(v.relkind = 'v' AND NOT pg_has_role(v.relowner, 'USAGE'), 'it is owned by another role'),
		(v.relkind = 'v' AND v.relpersistence = 't' AND v.relnamespace <> pg_my_temp_schema(), 'it is a temporary view of another session'),
		(EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = v.oid AND deptype = 'e'),
			'it belongs to an extension')) o (applies, reason)
	WHERE o.applies
	UNION ALL
	SELECT format('%s: its table is owned by another role', pg_describe_object(d.classid, d.objid, 0))
	FROM cims.column_dependents(changes) d
	LEFT JOIN pg_policy p ON d.classid = 'pg_policy'::regclass AND p.oid = d.objid
	LEFT JOIN pg_trigger g ON d.classid = 'pg_trigger'::regclass AND g.oid = d.objid
	LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid AND r.ev_type <> '1'
	JOIN pg_class t ON t.oid IN (p.polrelid, g.tgrelid, r.ev_class)
	WHERE NOT pg_has_role(t.relowner, 'USAGE')
	UNION ALL
	SELECT format('%s: it depends on the column, or on a view over it', pg_describe_object(d.classid, d.objid, 0))
	FROM cims.column_dependents(changes) d
	WHERE d.classid NOT IN ('pg_rewrite'::regclass, 'pg_policy'::regclass, 'pg_trigger'::regclass)
	UNION ALL
	SELECT cims.code_obstacles(changes)
$$;
COMMENT ON FUNCTION cims.dependent_obstacles(cims.column_change[], text) IS 'what hangs on the columns and cannot be kept';

-- what a class without equality cannot serve
CREATE FUNCTION cims.equality_obstacles(changes cims.column_change[]) RETURNS SETOF text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('%s: the class allows no equality search', pg_describe_object('pg_class'::regclass, i.oid, 0))
	FROM unnest(changes) c
	JOIN pg_index x ON x.indrelid = c.relation AND c.attnum = ANY (x.indkey)
	JOIN pg_class i ON i.oid = x.indexrelid AND NOT i.relispartition
	WHERE cims.index_treatment(x.indexrelid, c.attnum) IN ('keep', 'plain')
		AND c.attnum = ANY ((x.indkey::int2[])[0:x.indnkeyatts - 1])
	UNION ALL
	SELECT DISTINCT format('%s: the class allows no equality search', pg_describe_object('pg_constraint'::regclass, k.oid, 0))
	FROM unnest(changes) c
	JOIN pg_constraint k ON k.contype = 'f' AND k.conparentid = 0
		AND ((k.conrelid = c.relation AND c.attnum = ANY (k.conkey)) OR (k.confrelid = c.relation AND c.attnum = ANY (k.confkey)))
$$;
COMMENT ON FUNCTION cims.equality_obstacles(cims.column_change[]) IS 'what compares the columns for equality';

CREATE FUNCTION cims.require_level(class_id int4, level text) RETURNS void
AS 'MODULE_PATHNAME', 'cims_require_level_of_class' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cims.require_level(int4, text) IS
	'raises insufficient_privilege where the current role holds less than a level (mask, search, reveal) on a class';

-- PostgreSQL asks when it makes the index, which may be long after the work has begun
CREATE FUNCTION cims.require_index_level(changes cims.column_change[], class text, pattern_index boolean) RETURNS void
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT cims.require_level(cims.class_id(class), 'search')
	WHERE NOT (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user)
		AND (pattern_index OR EXISTS (
			SELECT FROM unnest(changes) c JOIN pg_index x ON x.indrelid = c.relation
			WHERE c.attnum = ANY ((x.indkey::int2[])[0:x.indnkeyatts - 1])))
$$;
COMMENT ON FUNCTION cims.require_index_level(cims.column_change[], text, boolean) IS
	'raises where the current role may not have the indexes over a column that becomes of a class';

CREATE FUNCTION cims.numeric_precision(typmod int4) RETURNS int4
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$ SELECT ((typmod - 4) >> 16) & 65535 $$;
COMMENT ON FUNCTION cims.numeric_precision(int4) IS 'the precision in a type modifier of numeric';

CREATE FUNCTION cims.numeric_scale(typmod int4) RETURNS int4
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$ SELECT (((typmod - 4) & 2047) # 1024) - 1024 $$;
COMMENT ON FUNCTION cims.numeric_scale(int4) IS 'the scale in a type modifier of numeric';

CREATE FUNCTION cims.class_in_use(class_id int4) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT EXISTS (
		SELECT FROM pg_attribute a
		JOIN pg_type t ON t.oid = a.atttypid
		WHERE cims.plain_type(CASE WHEN t.typelem <> 0 AND t.typlen = -1 THEN t.typelem ELSE t.oid END) IS NOT NULL
			AND a.atttypmod = class_id AND NOT a.attisdropped)
$$;
COMMENT ON FUNCTION cims.class_in_use(int4) IS 'whether a column of this database is of a class';

/*
 * The length, precision and scale that the plain type carried.  A class that
 * nothing uses yet takes them over; else the class's own limits count from now on.
 */
CREATE FUNCTION cims.limit_obstacles(changes cims.column_change[], class cims.data_class) RETURNS SETOF text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('column "%s" of table %s: type %s differs from the precision and scale of class "%s", which other columns use',
		c.name, cims.relation_name(c.relation), format_type(c.old_type, c.old_typmod), (class).name)
	FROM unnest(changes) c
	WHERE c.old_type = 'numeric'::regtype AND c.old_typmod >= 4
		AND ((class).scale IS NOT NULL OR cims.class_in_use(cims.class_id((class).name)))
		AND ROW((class)."precision", (class).scale) IS DISTINCT FROM ROW(cims.numeric_precision(c.old_typmod), cims.numeric_scale(c.old_typmod))
$$;
COMMENT ON FUNCTION cims.limit_obstacles(cims.column_change[], cims.data_class) IS 'limits of numeric columns that the class contradicts';

CREATE FUNCTION cims.refuse(what text, tbl regclass, col text, obstacles text[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF obstacles <> '{}' THEN
		RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
			MESSAGE = format('cannot %s column %s of table "%s"', what, format('"%s"', col), tbl),
			DETAIL = array_to_string(obstacles, E'\n'),
			HINT = 'Nothing was changed. Drop or alter what is listed, try again, and make again what still has a meaning.';
	END IF;
END
$$;
COMMENT ON FUNCTION cims.refuse(text, regclass, text, text[]) IS 'raises one error that lists all obstacles, if there are any';

CREATE FUNCTION cims.adopt_limits(changes cims.column_change[], class cims.data_class) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	class_name text := (class).name;
	length int4 := (SELECT max(old_typmod - 4) FROM unnest(changes)
		WHERE old_type IN ('varchar'::regtype, 'bpchar'::regtype) AND old_typmod >= 4);
	numeric_typmod int4 := (SELECT max(old_typmod) FROM unnest(changes) WHERE old_type = 'numeric'::regtype AND old_typmod >= 4);
BEGIN
	IF length IS NOT NULL AND (class).max_length IS NULL AND NOT cims.class_in_use(cims.class_id((class).name)) THEN
		PERFORM cims.alter_class(class_name, jsonb_build_object('max_length', length));
		RAISE NOTICE 'class "%" now has the length limit % that the column had', class_name, length;
	ELSIF length IS NOT NULL AND (class).max_length IS DISTINCT FROM length THEN
		RAISE NOTICE 'the length limit % of the column gives way to that of class "%": %', length, class_name,
			coalesce((class).max_length::text, 'none');
	END IF;
	IF numeric_typmod IS NOT NULL AND (class)."precision" IS NULL AND (class).scale IS NULL THEN
		PERFORM cims.alter_class(class_name, jsonb_build_object(
			'precision', cims.numeric_precision(numeric_typmod), 'scale', cims.numeric_scale(numeric_typmod)));
		RAISE NOTICE 'class "%" now has the precision % and scale % that the column had', class_name,
			cims.numeric_precision(numeric_typmod), cims.numeric_scale(numeric_typmod);
	END IF;
	IF EXISTS (SELECT FROM unnest(changes) WHERE old_type = 'timestamptz'::regtype AND old_typmod >= 0) THEN
		RAISE NOTICE 'values written from now on are no longer rounded to the precision of the column';
	END IF;
EXCEPTION WHEN insufficient_privilege THEN
	RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
		MESSAGE = format('class "%s" has no limit to take over that of the column', class_name),
		HINT = 'Have its limit set with cims.alter_class, or take the limit off the column first.';
END
$$;
COMMENT ON FUNCTION cims.adopt_limits(cims.column_change[], cims.data_class) IS
	'hands the limits of the columns to a class that nothing uses yet, and says which limits count from now on';

CREATE FUNCTION cims.protection_obstacles(changes cims.column_change[], class cims.data_class, pattern_index boolean) RETURNS text[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(array_agg(o ORDER BY part, o COLLATE "C"), '{}') FROM (
		SELECT 1, cims.column_obstacles(changes)
		UNION ALL SELECT 2, cims.limit_obstacles(changes, class)
		UNION ALL SELECT 3, cims.dependent_obstacles(changes, CASE WHEN pattern_index THEN 'ngram' END)
		UNION ALL SELECT 4, cims.equality_obstacles(changes) WHERE NOT (class).equality
	) list (part, o)
$$;
COMMENT ON FUNCTION cims.protection_obstacles(cims.column_change[], cims.data_class, boolean) IS 'all that stands against protecting columns';

CREATE FUNCTION cims.announce_family(changes cims.column_change[], tbl regclass, col name) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	others text := (SELECT string_agg(format('%s.%I', cims.relation_name(relation), name), ', ' ORDER BY relation, attnum)
		FROM unnest(changes) WHERE root AND (relation, name) IS DISTINCT FROM (tbl, col));
BEGIN
	IF others IS NOT NULL THEN
		RAISE NOTICE 'foreign keys join the column to others, which change with it: %', others;
	END IF;
END
$$;
COMMENT ON FUNCTION cims.announce_family(cims.column_change[], regclass, name) IS 'names the columns that change together with one';

CREATE FUNCTION cims.protect(tbl regclass, cols name[], classes text[], pattern_index boolean DEFAULT false) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
	col name;
	class text;
	changes cims.column_change[];
	obstacles text[] := '{}';
	planned cims.column_change[] := '{}';
BEGIN
	IF coalesce(cardinality(cols), 0) = 0 OR cardinality(cols) <> cardinality(classes) THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'there must be one class for each column, and one column at least';
	END IF;
	PERFORM cims.require_table(tbl);
	-- once without locks, so that nobody waits for what is refused anyway
	FOR col, class IN SELECT * FROM unnest(cols, classes) LOOP
		PERFORM cims.find_class(class), cims.require_own_column(tbl, col);
		changes := cims.planned_changes(tbl, col, cims.protection_types(class));
		obstacles := obstacles || ARRAY(SELECT cims.column_obstacles(changes));
		planned := planned || changes;
	END LOOP;
	PERFORM cims.refuse('protect', tbl, array_to_string(cols, '", "'), obstacles);
	PERFORM cims.lock_columns(planned);
	planned := '{}';
	FOR col, class IN SELECT * FROM unnest(cols, classes) LOOP
		changes := cims.planned_changes(tbl, col, cims.protection_types(class));
		obstacles := obstacles || cims.protection_obstacles(changes, cims.find_class(class), pattern_index);
		PERFORM cims.require_index_level(changes, class, pattern_index);
		planned := planned || changes;
	END LOOP;
	obstacles := obstacles || ARRAY(
		SELECT format('column "%s" of table %s: it cannot become of two types', name, cims.relation_name(relation))
		FROM unnest(planned) GROUP BY relation, name HAVING count(DISTINCT new_type) > 1);
	PERFORM cims.refuse('protect', tbl, array_to_string(cols, '", "'), obstacles);
	FOR col, class IN SELECT * FROM unnest(cols, classes) LOOP
		changes := cims.planned_changes(tbl, col, cims.protection_types(class));
		PERFORM cims.announce_family(changes, tbl, col);
		PERFORM cims.adopt_limits(changes, cims.find_class(class));
		PERFORM cims.note_statistics_residue(changes);
		PERFORM cims.note_audit_residue(c.relation, c.name) FROM unnest(changes) c;
	END LOOP;
	PERFORM cims.change_columns(ARRAY(SELECT DISTINCT p FROM unnest(planned) p), 'ngram');
	IF pattern_index THEN
		PERFORM cims.add_pattern_index(tbl, c) FROM unnest(cols) c;
	END IF;
END
$$;
COMMENT ON FUNCTION cims.protect(regclass, name[], text[], boolean) IS
	'encrypts columns under their classes, in one transaction and one rewrite of the table, with their indexes, foreign keys, views, policies, triggers and defaults; pattern_index: with n-gram indexes for LIKE';

CREATE FUNCTION cims.add_pattern_index(tbl regclass, col name) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF (SELECT atttypid = 'cims.enc_text'::regtype FROM pg_attribute WHERE attrelid = tbl AND attname = col)
		AND NOT EXISTS (
			SELECT FROM pg_index x JOIN pg_opclass o ON o.oid = x.indclass[0]
			WHERE x.indrelid = tbl AND x.indkey[0] = cims.find_column(tbl, col) AND o.opcname = 'enc_text_ngram_ops')
	THEN
		EXECUTE format('CREATE INDEX ON %s USING gin (%I cims.enc_text_ngram_ops)', cims.relation_name(tbl), col);
	END IF;
END
$$;
COMMENT ON FUNCTION cims.add_pattern_index(regclass, name) IS 'makes an n-gram index over an encrypted text column that has none';

CREATE FUNCTION cims.protect(tbl regclass, col name, class text, pattern_index boolean DEFAULT false) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $$ SELECT cims.protect(tbl, ARRAY[col], ARRAY[class], pattern_index) $$;
COMMENT ON FUNCTION cims.protect(regclass, name, text, boolean) IS
	'encrypts one column under a class';

CREATE FUNCTION cims.note_altered(relation oid, col name, analyzed boolean) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off SET row_security = on
AS $$
DECLARE
	changes cims.column_change[] := ARRAY(
		SELECT ROW(t, a.attnum, a.attname, false, a.atttypid, a.atttypmod, format_type(a.atttypid, a.atttypmod))::cims.column_change
		FROM cims.column_tables(relation) t JOIN pg_attribute a ON a.attrelid = t AND a.attname = col);
BEGIN
	PERFORM cims.set_column_default(c.relation, c.name, cims.constant_text(pg_get_expr(d.adbin, d.adrelid), c.new_type))
	FROM unnest(changes) c JOIN pg_attrdef d ON d.adrelid = c.relation AND d.adnum = c.attnum
	WHERE cims.is_constant(d.adbin::text);
	PERFORM cims.note_statistics_residue(changes, analyzed);
	PERFORM cims.note_audit_residue(relation, col);
END
$$;
COMMENT ON FUNCTION cims.note_altered(oid, name, boolean) IS
	'after ALTER TABLE has encrypted a column: seals constant defaults, and notes what plaintext may remain on disk';

CREATE FUNCTION cims.unprotect(tbl regclass, col name, plain_type text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off SET row_security = on SET cims.output = auto
AS $$
DECLARE
	att int2 := cims.find_column(tbl, col);
	old_type oid := (SELECT atttypid FROM pg_attribute WHERE attrelid = tbl AND attnum = att);
	pattern text := (SELECT 'trigram' FROM pg_extension WHERE extname = 'pg_trgm');
	new_types jsonb;
	changes cims.column_change[];
BEGIN
	PERFORM cims.require_table(tbl);
	IF cims.plain_type(old_type) IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'wrong_object_type',
			MESSAGE = format('column "%s" of table "%s" is not encrypted', col, tbl);
	END IF;
	PERFORM cims.require_level(atttypmod, 'reveal') FROM pg_attribute WHERE attrelid = tbl AND attnum = att;
	new_types := jsonb_build_object(old_type, cims.restored_type(tbl, att, plain_type));
	changes := cims.planned_changes(tbl, col, new_types);
	PERFORM cims.require_own_column(tbl, col);
	PERFORM cims.refuse('unprotect', tbl, col, ARRAY(SELECT cims.column_obstacles(changes)));
	PERFORM cims.lock_columns(changes);
	changes := cims.planned_changes(tbl, col, new_types);
	PERFORM cims.refuse('unprotect', tbl, col, ARRAY(
		SELECT cims.column_obstacles(changes) UNION ALL SELECT cims.dependent_obstacles(changes, pattern)));
	PERFORM cims.announce_family(changes, tbl, col);
	PERFORM cims.change_columns(changes, pattern);
END
$$;
COMMENT ON FUNCTION cims.unprotect(regclass, name, text) IS
	'takes the encryption off a column again; needs reveal on its class, and raises where any value cannot be revealed';

CREATE FUNCTION cims.restored_type(tbl regclass, att int2, plain_type text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	col pg_attribute;
	class cims.data_class;
	plain text;
BEGIN
	SELECT a.* INTO col FROM pg_attribute a WHERE a.attrelid = tbl AND a.attnum = att;
	plain := cims.plain_type(col.atttypid)::text;
	IF plain_type IS NULL THEN
		SELECT c.* INTO class FROM cims.data_class c WHERE cims.class_id(c.name) = col.atttypmod;
		RETURN CASE WHEN plain = 'numeric' AND class."precision" IS NOT NULL
				THEN format('numeric(%s,%s)', class."precision", coalesce(class.scale, 0))
			WHEN plain = 'text' AND class.max_length IS NOT NULL THEN format('varchar(%s)', class.max_length)
			ELSE plain END;
	END IF;
	IF plain_type !~ '^[[:alnum:]_ ]+(\([0-9 ,]+\))?[[:alpha:] ]*$'
		OR cims.encrypted_type(to_regtype(plain_type)) IS DISTINCT FROM col.atttypid THEN
		RAISE EXCEPTION USING ERRCODE = 'datatype_mismatch',
			MESSAGE = format('column "%s" of table "%s" cannot become of type %s', col.attname, tbl, plain_type),
			HINT = format('Its values are of type %s.', plain);
	END IF;
	RETURN plain_type;
END
$$;
COMMENT ON FUNCTION cims.restored_type(regclass, int2, text) IS
	'the plain type that a column goes back to: as told, or by its encrypted type and the limits of its class';

CREATE FUNCTION cims.encrypted_base(type_id oid, typmod int4) RETURNS TABLE (base oid, class_id int4)
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE part (base, class_id) AS (
		SELECT type_id, typmod
		UNION ALL
		SELECT CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.typelem END,
			CASE t.typtype WHEN 'd' THEN t.typtypmod ELSE p.class_id END
		FROM part p JOIN pg_type t ON t.oid = p.base
		WHERE t.typtype = 'd' OR (t.typcategory = 'A' AND t.typelem <> 0)
	)
	SELECT base, class_id FROM part WHERE cims.plain_type(base) IS NOT NULL AND cims.plain_type(base)::text NOT LIKE '%[]'
$$;
COMMENT ON FUNCTION cims.encrypted_base(oid, int4) IS 'the encrypted type and class inside a type: itself, an array or a domain of it';

CREATE VIEW cims.protected_column AS
	SELECT n.nspname AS schema_name, c.relname AS table_name, a.attname AS column_name,
		pg_catalog.format_type(a.atttypid, a.atttypmod) AS type,
		k.name AS class, k.level, k.suite, k.equality,
		ARRAY(
			SELECT pg_catalog.format('%I (%s %s): %s', i.relname, m.amname, coalesce(o.opcname, 'included'),
				CASE WHEN o.opcname IS NULL THEN 'nothing beyond the sealed values'
					WHEN o.opcname LIKE '%\_order\_ops' THEN 'the order of the values, and which are equal'
					WHEN o.opcname LIKE '%\_ngram\_ops' THEN 'which rows share which short runs of characters'
					ELSE 'which rows have equal values' END)
			FROM pg_catalog.pg_index x
			JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
			JOIN pg_catalog.pg_am m ON m.oid = i.relam
			CROSS JOIN pg_catalog.generate_series(0, x.indnatts - 1) p
			LEFT JOIN pg_catalog.pg_opclass o ON p < x.indnkeyatts AND o.oid = x.indclass[p]
			WHERE x.indrelid = c.oid AND x.indkey[p] = a.attnum ORDER BY i.relname) AS indexes,
		ARRAY(
			SELECT pg_catalog.format('%s: %s', r.relation, r.why) FROM cims.residue r
			WHERE r.protected_table = c.oid AND r.protected_column = a.attname ORDER BY r.relation) AS residue,
		CASE WHEN e.class_id < 0 THEN 'no class: values are sealed under class default'
			WHEN k.name IS NULL THEN 'the class is not known here' END AS remark
	FROM pg_catalog.pg_attribute a
	JOIN pg_catalog.pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p', 'm', 'f', 'c')
	JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
	CROSS JOIN LATERAL cims.encrypted_base(a.atttypid, a.atttypmod) e
	LEFT JOIN cims.data_class k ON cims.class_id(k.name) = e.class_id
	WHERE a.attnum > 0 AND NOT a.attisdropped
		-- the class of second factors is made with the first of them
		AND NOT (n.nspname = 'cims' AND k.name IS NULL);
COMMENT ON VIEW cims.protected_column IS
	'every encrypted column, with its class, its indexes and what each gives away to a thief of the disk, and where plaintext may remain';
GRANT SELECT ON cims.protected_column TO PUBLIC;
COMMENT ON COLUMN cims.protected_column.schema_name IS 'the schema of the table';
COMMENT ON COLUMN cims.protected_column.table_name IS 'the table';
COMMENT ON COLUMN cims.protected_column.column_name IS 'the column';
COMMENT ON COLUMN cims.protected_column.type IS 'its type, with the class';
COMMENT ON COLUMN cims.protected_column.class IS 'the class of customer data; NULL where it is not known here';
COMMENT ON COLUMN cims.protected_column.level IS 'the sensitivity of the class, 1 to 4';
COMMENT ON COLUMN cims.protected_column.suite IS 'how new values are sealed';
COMMENT ON COLUMN cims.protected_column.equality IS 'whether values carry a token by which equal ones are found';
COMMENT ON COLUMN cims.protected_column.indexes IS 'indexes over the column, with what each gives away to who has the disk but no key';
COMMENT ON COLUMN cims.protected_column.residue IS 'where plaintext from before protection may remain';
COMMENT ON COLUMN cims.protected_column.remark IS 'what is wrong with the class';
