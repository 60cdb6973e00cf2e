-- Labels of rows and clearances of actors: a level, compartments, groups

CREATE TABLE cims.label_name (
	kind text NOT NULL CHECK (kind IN ('level', 'compartment', 'group')),
	code text COLLATE "C" NOT NULL CHECK (octet_length(code) BETWEEN 1 AND 63 AND code !~ '[\x01-\x2c/:-@[-^`{-\x7f]'),
	name text COLLATE "C" NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 255),
	PRIMARY KEY (kind, code),
	CHECK (kind <> 'level' OR (code ~ '^(0|[1-9][0-9]{0,3})$' AND name !~ '^[0-9]+$'))
);
CREATE UNIQUE INDEX label_name_name ON cims.label_name (name, kind);
REVOKE ALL ON cims.label_name FROM PUBLIC;
GRANT SELECT ON cims.label_name TO PUBLIC;
COMMENT ON TABLE cims.label_name IS 'what this site calls levels, compartments and groups of labels; changed by cims.name_label and cims.unname_label';
COMMENT ON COLUMN cims.label_name.kind IS 'level, compartment or group';
COMMENT ON COLUMN cims.label_name.code IS 'the number of a level, the code of a compartment or group, as stored in labels';
COMMENT ON COLUMN cims.label_name.name IS 'the name, which may stand in the text of a label in double quotes';
SELECT pg_catalog.pg_extension_config_dump('cims.label_name', '');

CREATE FUNCTION cims.name_label(kind text, code text, name text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
	IF kind IS NULL OR kind NOT IN ('level', 'compartment', 'group') THEN
		RAISE EXCEPTION 'unknown kind "%" of a label''s name', kind
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Kinds are level, compartment and group.';
	END IF;
	INSERT INTO cims.label_name VALUES (kind, code, name)
		ON CONFLICT ON CONSTRAINT label_name_pkey DO UPDATE SET name = excluded.name;
EXCEPTION
	WHEN check_violation THEN
		RAISE EXCEPTION 'invalid code "%" or name "%" of a %', code, name, kind
			USING ERRCODE = 'invalid_parameter_value',
				  DETAIL = 'The code of a level is a number from 0 to 9999, and its name no number. Other codes have 1 to 63 bytes of letters, digits, "_", "-" and "."; names have 1 to 255 bytes.';
	WHEN unique_violation THEN
		RAISE EXCEPTION 'name "%" stands for another % already', name, kind USING ERRCODE = 'duplicate_object';
END
$$;
COMMENT ON FUNCTION cims.name_label(text, text, text) IS 'gives a level, a compartment or a group a name, or another name';
REVOKE ALL ON FUNCTION cims.name_label(text, text, text) FROM PUBLIC;

CREATE FUNCTION cims.unname_label(kind text, code text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
	DELETE FROM cims.label_name n WHERE n.kind = kind AND n.code = code;
	IF NOT FOUND THEN
		RAISE EXCEPTION '% "%" has no name', kind, code USING ERRCODE = 'undefined_object';
	END IF;
END
$$;
COMMENT ON FUNCTION cims.unname_label(text, text) IS 'takes the name of a level, a compartment or a group away; labels keep their codes';
REVOKE ALL ON FUNCTION cims.unname_label(text, text) FROM PUBLIC;

-- The type
CREATE TYPE cims.label;

CREATE FUNCTION cims.label_in(cstring) RETURNS cims.label
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_label_in';
COMMENT ON FUNCTION cims.label_in(cstring) IS 'input of cims.label: LEVEL:COMPARTMENT,.../GROUP,...; names of cims.label_name in double quotes';
CREATE FUNCTION cims.label_out(cims.label) RETURNS cstring
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_label_out';
COMMENT ON FUNCTION cims.label_out(cims.label) IS 'output of cims.label: numbers and codes, no names';
CREATE FUNCTION cims.label_recv(internal) RETURNS cims.label
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_label_recv';
COMMENT ON FUNCTION cims.label_recv(internal) IS 'binary input of cims.label: the text form';
CREATE FUNCTION cims.label_send(cims.label) RETURNS bytea
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_label_send';
COMMENT ON FUNCTION cims.label_send(cims.label) IS 'binary output of cims.label: the text form';

CREATE TYPE cims.label (
	INPUT = cims.label_in,
	OUTPUT = cims.label_out,
	RECEIVE = cims.label_recv,
	SEND = cims.label_send,
	INTERNALLENGTH = variable,
	STORAGE = extended
);
COMMENT ON TYPE cims.label IS 'a security label: level, compartments, groups';

CREATE FUNCTION cims.make_label(level integer, compartments text[] DEFAULT '{}', groups text[] DEFAULT '{}') RETURNS cims.label
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_label_make';
COMMENT ON FUNCTION cims.make_label(integer, text[], text[]) IS 'a label of a level and of codes of compartments and groups';
CREATE FUNCTION cims.label_level(cims.label) RETURNS integer
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF AS 'MODULE_PATHNAME', 'cims_label_get_level';
COMMENT ON FUNCTION cims.label_level(cims.label) IS 'the level of a label';
CREATE FUNCTION cims.label_compartments(cims.label) RETURNS text[]
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_label_get_compartments';
COMMENT ON FUNCTION cims.label_compartments(cims.label) IS 'the codes of a label''s compartments';
CREATE FUNCTION cims.label_groups(cims.label) RETURNS text[]
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_label_get_groups';
COMMENT ON FUNCTION cims.label_groups(cims.label) IS 'the codes of a label''s groups';

CREATE FUNCTION cims.describe_label(label cims.label) RETURNS text
LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce((SELECT '"' || replace(n.name, '"', '""') || '"' FROM cims.label_name n
			WHERE n.kind = 'level' AND n.code = cims.label_level(label)::text), cims.label_level(label)::text)
		|| coalesce(':' || (SELECT string_agg(coalesce('"' || replace(n.name, '"', '""') || '"', c.code), ',' ORDER BY c.n)
			FROM unnest(cims.label_compartments(label)) WITH ORDINALITY c (code, n)
			LEFT JOIN cims.label_name n ON n.kind = 'compartment' AND n.code = c.code), '')
		|| coalesce('/' || (SELECT string_agg(coalesce('"' || replace(n.name, '"', '""') || '"', c.code), ',' ORDER BY c.n)
			FROM unnest(cims.label_groups(label)) WITH ORDINALITY c (code, n)
			LEFT JOIN cims.label_name n ON n.kind = 'group' AND n.code = c.code), '')
$$;
COMMENT ON FUNCTION cims.describe_label(cims.label) IS 'the text of a label with the names of this site; input of cims.label takes it';

-- The total order of b-trees: by level first.  The operators are in pg_catalog: search_path of applications does not hold cims.
DO $operators$
DECLARE
	o record;
BEGIN
	FOR o IN SELECT * FROM (VALUES
		('eq', '=', '=', '<>', 'eqsel', 'eqjoinsel', 'equal'),
		('ne', '<>', '<>', '=', 'neqsel', 'neqjoinsel', 'not equal'),
		('lt', '<', '>', '>=', 'scalarltsel', 'scalarltjoinsel', 'before, by level first: the order of indexes, no dominance'),
		('le', '<=', '>=', '>', 'scalarlesel', 'scalarlejoinsel', 'before or equal, by level first: the order of indexes, no dominance'),
		('gt', '>', '<', '<=', 'scalargtsel', 'scalargtjoinsel', 'after, by level first: the order of indexes, no dominance'),
		('ge', '>=', '<=', '<', 'scalargesel', 'scalargejoinsel', 'after or equal, by level first: the order of indexes, no dominance'))
		AS v (name, operator, commutator, negator, restriction, "join", comment)
	LOOP
		EXECUTE format($f$
			CREATE FUNCTION cims.label_%1$s(cims.label, cims.label) RETURNS boolean
				AS 'MODULE_PATHNAME', 'cims_label_%1$s' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF;
			COMMENT ON FUNCTION cims.label_%1$s(cims.label, cims.label) IS %7$L;
			CREATE OPERATOR pg_catalog.%2$s (LEFTARG = cims.label, RIGHTARG = cims.label, FUNCTION = cims.label_%1$s,
				COMMUTATOR = OPERATOR(pg_catalog.%3$s), NEGATOR = OPERATOR(pg_catalog.%4$s), RESTRICT = %5$s, JOIN = %6$s%8$s);
			COMMENT ON OPERATOR pg_catalog.%2$s (cims.label, cims.label) IS %7$L;
		$f$, o.name, o.operator, o.commutator, o.negator, o.restriction, o."join", o.comment,
			CASE o.name WHEN 'eq' THEN ', HASHES, MERGES' ELSE '' END);
	END LOOP;
END
$operators$;

CREATE FUNCTION cims.label_cmp(cims.label, cims.label) RETURNS integer
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF AS 'MODULE_PATHNAME', 'cims_label_cmp';
COMMENT ON FUNCTION cims.label_cmp(cims.label, cims.label) IS 'order of labels by level, then by their codes';
CREATE FUNCTION cims.label_hash(cims.label) RETURNS integer
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF AS 'MODULE_PATHNAME', 'cims_label_hash';
COMMENT ON FUNCTION cims.label_hash(cims.label) IS 'hash of a label';
CREATE FUNCTION cims.label_hash_extended(cims.label, bigint) RETURNS bigint
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF AS 'MODULE_PATHNAME', 'cims_label_hash_extended';
COMMENT ON FUNCTION cims.label_hash_extended(cims.label, bigint) IS 'hash of a label with a seed';

CREATE OPERATOR CLASS cims.label_ops DEFAULT FOR TYPE cims.label USING btree AS
	OPERATOR 1 pg_catalog.<, OPERATOR 2 pg_catalog.<=, OPERATOR 3 pg_catalog.=, OPERATOR 4 pg_catalog.>=, OPERATOR 5 pg_catalog.>,
	FUNCTION 1 cims.label_cmp(cims.label, cims.label),
	FUNCTION 4 pg_catalog.btequalimage(oid);
COMMENT ON OPERATOR CLASS cims.label_ops USING btree IS 'by level, then by codes';
COMMENT ON OPERATOR FAMILY cims.label_ops USING btree IS 'order of labels';
CREATE OPERATOR CLASS cims.label_hash_ops DEFAULT FOR TYPE cims.label USING hash AS
	OPERATOR 1 pg_catalog.=,
	FUNCTION 1 cims.label_hash(cims.label),
	FUNCTION 2 cims.label_hash_extended(cims.label, bigint);
COMMENT ON OPERATOR CLASS cims.label_hash_ops USING hash IS 'equality of labels';
COMMENT ON OPERATOR FAMILY cims.label_hash_ops USING hash IS 'equality of labels';

-- Dominance
CREATE FUNCTION cims.dominates(clearance cims.label, label cims.label) RETURNS boolean
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF AS 'MODULE_PATHNAME', 'cims_label_dominates_sql';
COMMENT ON FUNCTION cims.dominates(cims.label, cims.label) IS
	'whether a clearance has the level of a label or a higher one, all its compartments, and one of its groups where it has any';
CREATE FUNCTION cims.dominated(label cims.label, clearance cims.label) RETURNS boolean
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF AS 'MODULE_PATHNAME', 'cims_label_dominated_sql';
COMMENT ON FUNCTION cims.dominated(cims.label, cims.label) IS 'whether a label is dominated by a clearance';
CREATE OPERATOR pg_catalog.@> (LEFTARG = cims.label, RIGHTARG = cims.label, FUNCTION = cims.dominates,
	COMMUTATOR = OPERATOR(pg_catalog.<@), RESTRICT = contsel, JOIN = contjoinsel);
COMMENT ON OPERATOR pg_catalog.@> (cims.label, cims.label) IS 'dominates';
CREATE OPERATOR pg_catalog.<@ (LEFTARG = cims.label, RIGHTARG = cims.label, FUNCTION = cims.dominated,
	COMMUTATOR = OPERATOR(pg_catalog.@>), RESTRICT = contsel, JOIN = contjoinsel);
COMMENT ON OPERATOR pg_catalog.<@ (cims.label, cims.label) IS 'is dominated by';
