/*
 * The encrypted types.  The six share their C code, so that they share their
 * definition, too: one template, made for each type.
 *
 * Five of them have operators with their plain type.  Numbers are different:
 * applications compare and combine numbers of many types, as in
 * COALESCE(balance, 0), so that the numbers are cast to enc_numeric
 * implicitly, and enc_numeric is a preferred type of its category.  Operators
 * of (enc_numeric, numeric) beside these casts would make "integer = numeric"
 * ambiguous for everyone, so there are none.
 *
 * A family with operators of (enc, plain) needs those of (plain, plain), too.
 * The built-in ones must not join it, or the planner might hash ordinary text
 * under the keyed hash of this family: they are #=#, #<# and so on.
 */

CREATE FUNCTION cims.index_options(internal) RETURNS void
	AS 'MODULE_PATHNAME', 'cims_enc_index_options' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cims.index_options(internal) IS 'operator class options: none';
CREATE FUNCTION cims.token_sortsupport(internal) RETURNS void
	AS 'MODULE_PATHNAME', 'cims_enc_token_sortsupport' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cims.token_sortsupport(internal) IS 'sort support by token';
CREATE FUNCTION cims.display_sortsupport(internal) RETURNS void
	AS 'MODULE_PATHNAME', 'cims_enc_display_sortsupport' LANGUAGE C STABLE STRICT PARALLEL SAFE;
CREATE FUNCTION cims.order_sortsupport(internal) RETURNS void
	AS 'MODULE_PATHNAME', 'cims_enc_order_sortsupport' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cims.order_sortsupport(internal) IS 'sort support of plaintext order, that opens each value once';
COMMENT ON FUNCTION cims.display_sortsupport(internal) IS 'sort support that opens each value once';

DO $types$
DECLARE
	t record;
	o record;
	template text;
BEGIN
	FOR t IN
		SELECT * FROM (VALUES
			('enc_text', 'text', 'S', 'true', 'false', 'texteq'),
			('enc_numeric', 'numeric', 'N', 'false', 'true', NULL),
			('enc_date', 'date', 'D', 'false', 'false', 'date_eq'),
			('enc_timestamptz', 'timestamptz', 'D', 'false', 'false', 'timestamptz_eq'),
			('enc_jsonb', 'jsonb', 'U', 'false', 'false', 'jsonb_eq'),
			('enc_bytea', 'bytea', 'U', 'false', 'false', 'byteaeq'))
			AS v (enc, plain, category, collatable, preferred, plain_eq)
	LOOP
		template := $template$
			CREATE TYPE cims.%1$s;
			CREATE FUNCTION cims.%1$s_in(cstring, oid, integer) RETURNS cims.%1$s
				AS 'MODULE_PATHNAME', 'cims_%1$s_in' LANGUAGE C STABLE STRICT PARALLEL SAFE;
			CREATE FUNCTION cims.%1$s_out(cims.%1$s) RETURNS cstring
				AS 'MODULE_PATHNAME', 'cims_enc_out' LANGUAGE C STABLE STRICT PARALLEL SAFE;
			CREATE FUNCTION cims.%1$s_recv(internal, oid, integer) RETURNS cims.%1$s
				AS 'MODULE_PATHNAME', 'cims_%1$s_recv' LANGUAGE C STABLE STRICT PARALLEL SAFE;
			CREATE FUNCTION cims.%1$s_send(cims.%1$s) RETURNS bytea
				AS 'MODULE_PATHNAME', 'cims_enc_send' LANGUAGE C STABLE STRICT PARALLEL SAFE;
			CREATE FUNCTION cims.%1$s_typmodin(cstring[]) RETURNS integer
				AS 'MODULE_PATHNAME', 'cims_enc_typmodin' LANGUAGE C STABLE STRICT PARALLEL SAFE;
			CREATE FUNCTION cims.%1$s_typmodout(integer) RETURNS cstring
				AS 'MODULE_PATHNAME', 'cims_enc_typmodout' LANGUAGE C STABLE STRICT PARALLEL SAFE;
			CREATE TYPE cims.%1$s (
				INPUT = cims.%1$s_in, OUTPUT = cims.%1$s_out,
				RECEIVE = cims.%1$s_recv, SEND = cims.%1$s_send,
				TYPMOD_IN = cims.%1$s_typmodin, TYPMOD_OUT = cims.%1$s_typmodout,
				ANALYZE = cims.typanalyze,
				INTERNALLENGTH = VARIABLE, STORAGE = external, CATEGORY = '%3$s', PREFERRED = %5$s, COLLATABLE = %4$s);
			COMMENT ON TYPE cims.%1$s IS 'encrypted %2$s; the type modifier is the class of customer data';

			CREATE FUNCTION cims.%1$s(cims.%1$s, integer, boolean) RETURNS cims.%1$s
				AS 'MODULE_PATHNAME', 'cims_enc_coerce' LANGUAGE C STABLE STRICT PARALLEL SAFE;
			COMMENT ON FUNCTION cims.%1$s(cims.%1$s, integer, boolean) IS 'brings a value into a class';
			CREATE FUNCTION cims.%1$s(%2$s, integer, boolean) RETURNS cims.%1$s
				AS 'MODULE_PATHNAME', 'cims_%1$s_seal' LANGUAGE C STABLE STRICT PARALLEL SAFE;
			COMMENT ON FUNCTION cims.%1$s(%2$s, integer, boolean) IS 'seals a plain value under a class';
			CREATE FUNCTION cims.plain(cims.%1$s) RETURNS %2$s
				AS 'MODULE_PATHNAME', 'cims_%1$s_plain' LANGUAGE C STABLE STRICT PARALLEL SAFE;
			COMMENT ON FUNCTION cims.plain(cims.%1$s) IS
				'plaintext or mask by the level of the current role, an error without grant';
			CREATE FUNCTION cims.shown(cims.%1$s) RETURNS %2$s
				AS 'MODULE_PATHNAME', 'cims_%1$s_shown' LANGUAGE C STABLE STRICT PARALLEL SAFE;
			COMMENT ON FUNCTION cims.shown(cims.%1$s) IS 'column of a result in its plain type';
			CREATE FUNCTION cims.shown(cims.%1$s[]) RETURNS %2$s[]
				AS 'MODULE_PATHNAME', 'cims_enc_array_shown' LANGUAGE C STABLE STRICT PARALLEL SAFE;
			COMMENT ON FUNCTION cims.shown(cims.%1$s[]) IS 'array column of a result in its plain type';
			CREATE CAST (cims.%1$s AS cims.%1$s) WITH FUNCTION cims.%1$s(cims.%1$s, integer, boolean) AS IMPLICIT;
			CREATE CAST (%2$s AS cims.%1$s) WITH FUNCTION cims.%1$s(%2$s, integer, boolean) AS %6$s;
			CREATE CAST (cims.%1$s AS %2$s) WITH FUNCTION cims.plain(cims.%1$s) AS IMPLICIT;

			CREATE FUNCTION cims.value_class(cims.%1$s) RETURNS text
				AS 'MODULE_PATHNAME', 'cims_enc_value_class' LANGUAGE C STABLE STRICT PARALLEL SAFE;
			COMMENT ON FUNCTION cims.value_class(cims.%1$s) IS 'class that a value is sealed under';
			CREATE FUNCTION cims.key_version(cims.%1$s) RETURNS integer
				AS 'MODULE_PATHNAME', 'cims_enc_key_version' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
			COMMENT ON FUNCTION cims.key_version(cims.%1$s) IS 'version of the data key that a value is sealed under';
			CREATE FUNCTION cims.damage(cims.%1$s) RETURNS text
				AS 'MODULE_PATHNAME', 'cims_enc_damage' LANGUAGE C STABLE STRICT PARALLEL SAFE;
			COMMENT ON FUNCTION cims.damage(cims.%1$s) IS 'why a value cannot be opened, or NULL';
			CREATE FUNCTION cims.reseal_value(cims.%1$s) RETURNS cims.%1$s
				AS 'MODULE_PATHNAME', 'cims_enc_reseal' LANGUAGE C STABLE STRICT PARALLEL SAFE;
			COMMENT ON FUNCTION cims.reseal_value(cims.%1$s) IS 'value under the active key of its class';
			REVOKE ALL ON FUNCTION cims.reseal_value(cims.%1$s) FROM PUBLIC;
			CREATE FUNCTION cims.display(cims.%1$s) RETURNS text
				AS 'MODULE_PATHNAME', 'cims_enc_display' LANGUAGE C STABLE STRICT PARALLEL SAFE;
			COMMENT ON FUNCTION cims.display(cims.%1$s) IS
				'plaintext or mask as text by the level of the current role, NULL where there is nothing to show';
			CREATE FUNCTION cims.greatest(cims.%1$s[]) RETURNS cims.%1$s
				AS 'MODULE_PATHNAME', 'cims_enc_greatest' LANGUAGE C STABLE STRICT PARALLEL SAFE;
			COMMENT ON FUNCTION cims.greatest(cims.%1$s[]) IS 'implementation of GREATEST';
			CREATE FUNCTION cims.least(cims.%1$s[]) RETURNS cims.%1$s
				AS 'MODULE_PATHNAME', 'cims_enc_least' LANGUAGE C STABLE STRICT PARALLEL SAFE;
			COMMENT ON FUNCTION cims.least(cims.%1$s[]) IS 'implementation of LEAST';

			CREATE OPERATOR FAMILY cims.%1$s_hash_ops USING hash;
			CREATE OPERATOR FAMILY cims.%1$s_token_ops USING btree;
			CREATE OPERATOR FAMILY cims.%1$s_order_ops USING btree;
			CREATE OPERATOR FAMILY cims.%1$s_display_ops USING btree;
		$template$;
		EXECUTE format(template, t.enc, t.plain, t.category, t.collatable, t.preferred,
			CASE WHEN t.plain_eq IS NULL THEN 'IMPLICIT' ELSE 'ASSIGNMENT' END);

		-- operators, for (enc, enc), (enc, plain) and (plain, enc)
		FOR o IN
			SELECT op.*, s.symbol, s.lefttype, s.righttype, s.pair
			FROM (VALUES
				('=', 'eq', '=', '<>', 'eqsel', 'eqjoinsel', true),
				('<>', 'ne', '<>', '=', 'neqsel', 'neqjoinsel', true),
				('<', 'lt', '>', '>=', 'scalarltsel', 'scalarltjoinsel', false),
				('<=', 'le', '>=', '>', 'scalarlesel', 'scalarlejoinsel', false),
				('>=', 'ge', '<=', '<', 'scalargesel', 'scalargejoinsel', false),
				('>', 'gt', '<', '<=', 'scalargtsel', 'scalargtjoinsel', false),
				('#<#', 'token_lt', '#>#', '#>=#', 'scalarltsel', 'scalarltjoinsel', true),
				('#<=#', 'token_le', '#>=#', '#>#', 'scalarlesel', 'scalarlejoinsel', true),
				('#>=#', 'token_ge', '#<=#', '#<#', 'scalargesel', 'scalargejoinsel', true),
				('#>#', 'token_gt', '#<#', '#<=#', 'scalargtsel', 'scalargtjoinsel', true),
				('@<#', 'display_lt', '@>#', '@>=#', 'scalarltsel', 'scalarltjoinsel', false),
				('@<=#', 'display_le', '@>=#', '@>#', 'scalarlesel', 'scalarlejoinsel', false),
				('@>=#', 'display_ge', '@<=#', '@<#', 'scalargesel', 'scalargejoinsel', false),
				('@>#', 'display_gt', '@<#', '@<=#', 'scalargtsel', 'scalargtjoinsel', false))
				AS op (name, suffix, commutator, negator, restrict_fn, join_fn, leakproof),
				(VALUES
					('cims_enc_', 'cims.' || t.enc, 'cims.' || t.enc, 0),
					('cims_' || t.enc || '_plain_', 'cims.' || t.enc, t.plain, 1),
					('cims_plain_' || t.enc || '_', t.plain, 'cims.' || t.enc, 2),
					('cims_' || t.enc || '_plains_', t.plain, t.plain, 3))
				AS s (symbol, lefttype, righttype, pair)
			WHERE s.pair = 0 OR (op.suffix NOT LIKE 'display%' AND t.plain_eq IS NOT NULL
				AND (s.pair < 3 OR op.suffix LIKE 'token%'))
		LOOP
			EXECUTE format(
				'CREATE FUNCTION cims.%I(%s, %s) RETURNS boolean AS ''MODULE_PATHNAME'', %L LANGUAGE C STABLE STRICT PARALLEL SAFE%s COST 2',
				o.suffix, o.lefttype, o.righttype, o.symbol || o.suffix,
				CASE WHEN o.leakproof THEN ' LEAKPROOF' ELSE '' END);
			EXECUTE format('COMMENT ON FUNCTION cims.%I(%s, %s) IS %L',
				o.suffix, o.lefttype, o.righttype, 'implementation of ' || o.name || ' operator');
			EXECUTE format(
				'CREATE OPERATOR pg_catalog.%s (FUNCTION = cims.%I, LEFTARG = %s, RIGHTARG = %s, '
				'COMMUTATOR = OPERATOR(pg_catalog.%s), NEGATOR = OPERATOR(pg_catalog.%s), '
				'RESTRICT = pg_catalog.%I, JOIN = pg_catalog.%I%s)',
				o.name, o.suffix, o.lefttype, o.righttype, o.commutator, o.negator, o.restrict_fn, o.join_fn,
				CASE WHEN o.name = '=' THEN ', HASHES' ELSE '' END);
			EXECUTE format('COMMENT ON OPERATOR pg_catalog.%s (%s, %s) IS %L',
				o.name, o.lefttype, o.righttype,
				CASE
					WHEN o.name IN ('=', '<>') THEN 'equality by token, for the level "search"'
					WHEN o.suffix LIKE 'token%' THEN 'order of tokens'
					WHEN o.suffix LIKE 'display%' THEN 'order of what the current role sees'
					ELSE 'plaintext order, for the level "reveal"'
				END);
		END LOOP;

		-- support functions and operator classes
		FOR o IN
			SELECT s.*, c.suffix
			FROM (VALUES ('token_cmp'), ('cmp'), ('display_cmp')) AS c (suffix),
				(VALUES
					('cims_enc_', 'cims.' || t.enc, 'cims.' || t.enc, 0),
					('cims_' || t.enc || '_plain_', 'cims.' || t.enc, t.plain, 1),
					('cims_plain_' || t.enc || '_', t.plain, 'cims.' || t.enc, 2),
					('cims_' || t.enc || '_plains_', t.plain, t.plain, 3))
				AS s (symbol, lefttype, righttype, pair)
			WHERE s.pair = 0
				OR (t.plain_eq IS NOT NULL AND c.suffix <> 'display_cmp' AND (s.pair < 3 OR c.suffix = 'token_cmp'))
		LOOP
			EXECUTE format(
				'CREATE FUNCTION cims.%I(%s, %s) RETURNS integer AS ''MODULE_PATHNAME'', %L LANGUAGE C STABLE STRICT PARALLEL SAFE COST 2',
				o.suffix, o.lefttype, o.righttype, o.symbol || o.suffix);
			EXECUTE format('COMMENT ON FUNCTION cims.%I(%s, %s) IS %L',
				o.suffix, o.lefttype, o.righttype, 'b-tree comparison');
		END LOOP;
		template := $template$
			CREATE FUNCTION cims.hash(cims.%1$s) RETURNS integer
				AS 'MODULE_PATHNAME', 'cims_enc_hash' LANGUAGE C STABLE STRICT PARALLEL SAFE;
			CREATE FUNCTION cims.hash_extended(cims.%1$s, bigint) RETURNS bigint
				AS 'MODULE_PATHNAME', 'cims_enc_hash_extended' LANGUAGE C STABLE STRICT PARALLEL SAFE;
			COMMENT ON FUNCTION cims.hash(cims.%1$s) IS 'hash by token';
			COMMENT ON FUNCTION cims.hash_extended(cims.%1$s, bigint) IS 'seeded hash by token';

			CREATE OPERATOR CLASS cims.%1$s_hash_ops DEFAULT FOR TYPE cims.%1$s USING hash FAMILY cims.%1$s_hash_ops AS
				OPERATOR 1 pg_catalog.=, FUNCTION 1 cims.hash(cims.%1$s), FUNCTION 2 cims.hash_extended(cims.%1$s, bigint),
				FUNCTION 3 cims.index_options(internal);
			CREATE OPERATOR CLASS cims.%1$s_token_ops DEFAULT FOR TYPE cims.%1$s USING btree FAMILY cims.%1$s_token_ops AS
				OPERATOR 1 pg_catalog.#<#, OPERATOR 2 pg_catalog.#<=#, OPERATOR 3 pg_catalog.=,
				OPERATOR 4 pg_catalog.#>=#, OPERATOR 5 pg_catalog.#>#,
				FUNCTION 1 cims.token_cmp(cims.%1$s, cims.%1$s),
				FUNCTION 2 cims.token_sortsupport(internal), FUNCTION 5 cims.index_options(internal);
			CREATE OPERATOR CLASS cims.%1$s_order_ops FOR TYPE cims.%1$s USING btree FAMILY cims.%1$s_order_ops AS
				OPERATOR 1 pg_catalog.<, OPERATOR 2 pg_catalog.<=, OPERATOR 3 pg_catalog.=,
				OPERATOR 4 pg_catalog.>=, OPERATOR 5 pg_catalog.>,
				FUNCTION 1 cims.cmp(cims.%1$s, cims.%1$s), FUNCTION 2 cims.order_sortsupport(internal), FUNCTION 5 cims.index_options(internal);
			CREATE OPERATOR CLASS cims.%1$s_display_ops FOR TYPE cims.%1$s USING btree FAMILY cims.%1$s_display_ops AS
				OPERATOR 1 pg_catalog.@<#, OPERATOR 2 pg_catalog.@<=#, OPERATOR 3 pg_catalog.=,
				OPERATOR 4 pg_catalog.@>=#, OPERATOR 5 pg_catalog.@>#,
				FUNCTION 1 cims.display_cmp(cims.%1$s, cims.%1$s),
				FUNCTION 2 cims.display_sortsupport(internal);
			COMMENT ON OPERATOR CLASS cims.%1$s_hash_ops USING hash IS 'equality; the index holds 4 bytes of a keyed hash';
			COMMENT ON OPERATOR CLASS cims.%1$s_token_ops USING btree IS 'order of tokens; reveals equality alone';
			COMMENT ON OPERATOR CLASS cims.%1$s_order_ops USING btree IS 'plaintext order; reveals order';
			COMMENT ON OPERATOR CLASS cims.%1$s_display_ops USING btree IS 'what the current role sees; not for indexes';
		$template$;
		EXECUTE format(template, t.enc, t.plain);
-- min and max, where the plain type has them
		IF t.plain NOT IN ('jsonb', 'bytea') THEN
			template := $template$
				CREATE FUNCTION cims.%3$s(cims.%1$s, cims.%1$s) RETURNS cims.%1$s
					AS 'MODULE_PATHNAME', 'cims_enc_%3$s' LANGUAGE C STABLE STRICT PARALLEL SAFE;
				COMMENT ON FUNCTION cims.%3$s(cims.%1$s, cims.%1$s) IS 'transition function of %2$s';
				CREATE AGGREGATE pg_catalog.%2$s(cims.%1$s) (
					SFUNC = cims.%3$s, STYPE = cims.%1$s, COMBINEFUNC = cims.%3$s,
					SORTOP = OPERATOR(pg_catalog.%4$s), PARALLEL = SAFE);
				COMMENT ON AGGREGATE pg_catalog.%2$s(cims.%1$s) IS 'in plaintext order, for the level "reveal"';
			$template$;
			EXECUTE format(template, t.enc, 'max', 'larger', '>');
			EXECUTE format(template, t.enc, 'min', 'smaller', '<');
		END IF;

		CONTINUE WHEN t.plain_eq IS NULL;

		template := $template$
			CREATE FUNCTION cims.hash(%2$s) RETURNS integer
				AS 'MODULE_PATHNAME', 'cims_%1$s_plain_hash' LANGUAGE C STABLE STRICT PARALLEL SAFE;
			COMMENT ON FUNCTION cims.hash(%2$s) IS 'hash by the token of a plain value';
			CREATE FUNCTION cims.hash_extended(%2$s, bigint) RETURNS bigint
				AS 'MODULE_PATHNAME', 'cims_%1$s_plain_hash_extended' LANGUAGE C STABLE STRICT PARALLEL SAFE;
			COMMENT ON FUNCTION cims.hash_extended(%2$s, bigint) IS 'seeded hash by the token of a plain value';
			CREATE OPERATOR pg_catalog.#=# (FUNCTION = pg_catalog.%3$s, LEFTARG = %2$s, RIGHTARG = %2$s,
				COMMUTATOR = OPERATOR(pg_catalog.#=#), RESTRICT = pg_catalog.eqsel, JOIN = pg_catalog.eqjoinsel, HASHES);
			COMMENT ON OPERATOR pg_catalog.#=# (%2$s, %2$s) IS 'equality of plain values, for joins with encrypted ones';
			ALTER OPERATOR FAMILY cims.%1$s_hash_ops USING hash ADD
				OPERATOR 1 pg_catalog.= (cims.%1$s, %2$s), OPERATOR 1 pg_catalog.= (%2$s, cims.%1$s),
				OPERATOR 1 pg_catalog.#=# (%2$s, %2$s),
				FUNCTION 1 (%2$s) cims.hash(%2$s), FUNCTION 2 (%2$s) cims.hash_extended(%2$s, bigint);
		$template$;
		EXECUTE format(template, t.enc, t.plain, t.plain_eq);
		FOR o IN
			SELECT f.*, p.*
			FROM (VALUES ('token', '#<#', '#<=#', '#>=#', '#>#', 'token_cmp'),
						 ('order', '<', '<=', '>=', '>', 'cmp')) AS f (family, lt, le, ge, gt, cmp),
				(VALUES ('cims.' || t.enc, t.plain, '='), (t.plain, 'cims.' || t.enc, '='), (t.plain, t.plain, '#=#'))
				AS p (l, r, eq)
			WHERE p.eq = '=' OR f.family = 'token'
		LOOP
			EXECUTE format(
				'ALTER OPERATOR FAMILY cims.%1$s_%2$s_ops USING btree ADD '
				'OPERATOR 1 pg_catalog.%3$s (%8$s, %9$s), OPERATOR 2 pg_catalog.%4$s (%8$s, %9$s), '
				'OPERATOR 3 pg_catalog.%10$s (%8$s, %9$s), OPERATOR 4 pg_catalog.%5$s (%8$s, %9$s), '
				'OPERATOR 5 pg_catalog.%6$s (%8$s, %9$s), FUNCTION 1 (%8$s, %9$s) cims.%7$s(%8$s, %9$s)',
				t.enc, o.family, o.lt, o.le, o.ge, o.gt, o.cmp, o.l, o.r, o.eq);
		END LOOP;
	END LOOP;
END
$types$;

/* Casts beyond the plain type: what it casts to and from by itself. */

CREATE CAST (varchar AS cims.enc_text) WITH FUNCTION cims.enc_text(text, integer, boolean) AS ASSIGNMENT;
CREATE CAST (cims.enc_text AS varchar) WITH FUNCTION cims.plain(cims.enc_text) AS IMPLICIT;
CREATE FUNCTION cims.enc_text(character, integer, boolean) RETURNS cims.enc_text
	AS 'MODULE_PATHNAME', 'cims_enc_bpchar_seal' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cims.enc_text(character, integer, boolean) IS 'seals blank-padded text without its padding';
CREATE CAST (character AS cims.enc_text) WITH FUNCTION cims.enc_text(character, integer, boolean) AS ASSIGNMENT;
CREATE FUNCTION cims.to_bpchar(cims.enc_text) RETURNS character
	LANGUAGE sql STABLE STRICT PARALLEL SAFE RETURN cims.plain($1)::pg_catalog.bpchar;
COMMENT ON FUNCTION cims.to_bpchar(cims.enc_text) IS 'cast through the plain type';
CREATE CAST (cims.enc_text AS character) WITH FUNCTION cims.to_bpchar(cims.enc_text) AS IMPLICIT;

DO $casts$
DECLARE
	c record;
BEGIN
	-- out of an encrypted type, through its plain type
	FOR c IN
		SELECT * FROM (VALUES
			('enc_date', 'timestamp', 'IMPLICIT'),
			('enc_date', 'timestamptz', 'IMPLICIT'),
			('enc_timestamptz', 'date', 'ASSIGNMENT'),
			('enc_timestamptz', 'timestamp', 'ASSIGNMENT'),
			('enc_timestamptz', 'time', 'ASSIGNMENT'),
			('enc_timestamptz', 'timetz', 'ASSIGNMENT'),
			('enc_numeric', 'int2', 'ASSIGNMENT'),
			('enc_numeric', 'int4', 'ASSIGNMENT'),
			('enc_numeric', 'int8', 'ASSIGNMENT'),
			('enc_numeric', 'float4', 'ASSIGNMENT'),
			('enc_numeric', 'float8', 'ASSIGNMENT'),
			('enc_numeric', 'money', 'ASSIGNMENT')) AS v (enc, target, context)
	LOOP
		EXECUTE format('CREATE FUNCTION cims.to_%2$s(cims.%1$s) RETURNS pg_catalog.%2$s '
			'LANGUAGE sql STABLE STRICT PARALLEL SAFE RETURN cims.plain($1)::pg_catalog.%2$s', c.enc, c.target);
		EXECUTE format('COMMENT ON FUNCTION cims.to_%2$s(cims.%1$s) IS %3$L', c.enc, c.target, 'cast through the plain type');
		EXECUTE format('CREATE CAST (cims.%1$s AS pg_catalog.%2$s) WITH FUNCTION cims.to_%2$s(cims.%1$s) AS %3$s',
			c.enc, c.target, c.context);
	END LOOP;
	-- into an encrypted type, through its plain type
	FOR c IN
		SELECT * FROM (VALUES
			('enc_numeric', 'int2', 'numeric', 'IMPLICIT'),
			('enc_numeric', 'int4', 'numeric', 'IMPLICIT'),
			('enc_numeric', 'int8', 'numeric', 'IMPLICIT'),
			('enc_numeric', 'float4', 'numeric', 'IMPLICIT'),
			('enc_numeric', 'float8', 'numeric', 'IMPLICIT'),
			('enc_text', 'bool', 'text', 'ASSIGNMENT'),
			('enc_date', 'timestamp', 'date', 'ASSIGNMENT'),
			('enc_date', 'timestamptz', 'date', 'ASSIGNMENT'),
			('enc_timestamptz', 'date', 'timestamptz', 'ASSIGNMENT'),
			('enc_timestamptz', 'timestamp', 'timestamptz', 'ASSIGNMENT'),
			('enc_jsonb', 'json', 'jsonb', 'ASSIGNMENT')) AS v (enc, source, plain, context)
	LOOP
		EXECUTE format('CREATE FUNCTION cims.%1$s(pg_catalog.%2$s, integer, boolean) RETURNS cims.%1$s '
			'LANGUAGE sql STABLE STRICT PARALLEL SAFE RETURN cims.%1$s($1::pg_catalog.%3$s, $2, $3)',
			c.enc, c.source, c.plain);
		EXECUTE format('COMMENT ON FUNCTION cims.%1$s(pg_catalog.%2$s, integer, boolean) IS %3$L',
			c.enc, c.source, 'seals through the plain type');
		EXECUTE format('CREATE CAST (pg_catalog.%2$s AS cims.%1$s) WITH FUNCTION cims.%1$s(pg_catalog.%2$s, integer, boolean) AS %3$s',
			c.enc, c.source, c.context);
	END LOOP;
	-- to json, so that numbers and documents stay what they are
	FOR c IN
		SELECT * FROM (VALUES ('enc_numeric'), ('enc_date'), ('enc_timestamptz'), ('enc_jsonb')) AS v (enc)
	LOOP
		EXECUTE format('CREATE FUNCTION cims.to_json(cims.%1$s) RETURNS json '
			'AS ''MODULE_PATHNAME'', ''cims_enc_json'' LANGUAGE C STABLE STRICT PARALLEL SAFE', c.enc);
		EXECUTE format('COMMENT ON FUNCTION cims.to_json(cims.%1$s) IS %2$L', c.enc, 'json of what the current role sees');
		EXECUTE format('CREATE CAST (cims.%1$s AS json) WITH FUNCTION cims.to_json(cims.%1$s)', c.enc);
	END LOOP;
END
$casts$;

/* Operators that overload resolution needs to find what the plain types have. */

DO $operators$
DECLARE
	o record;
BEGIN
	FOR o IN
		SELECT * FROM (VALUES
			('-', 'minus', 'cims.enc_date', 'cims.enc_date', 'integer', 'cims.plain($1) OPERATOR(pg_catalog.-) cims.plain($2)', NULL),
			('+', 'plus', 'cims.enc_date', 'interval', 'timestamp', 'cims.plain($1) OPERATOR(pg_catalog.+) $2', NULL),
			('-', 'minus', 'cims.enc_date', 'interval', 'timestamp', 'cims.plain($1) OPERATOR(pg_catalog.-) $2', NULL),
			('+', 'plus', 'interval', 'cims.enc_date', 'timestamp', '$1 OPERATOR(pg_catalog.+) cims.plain($2)', NULL),
			('+', 'plus', 'time', 'cims.enc_date', 'timestamp', '$1 OPERATOR(pg_catalog.+) cims.plain($2)', NULL),
			('+', 'plus', 'timetz', 'cims.enc_date', 'timestamptz', '$1 OPERATOR(pg_catalog.+) cims.plain($2)', NULL),
			('+', 'plus', 'cims.enc_date', 'time', 'timestamp', 'cims.plain($1) OPERATOR(pg_catalog.+) $2', NULL),
			('+', 'plus', 'cims.enc_date', 'timetz', 'timestamptz', 'cims.plain($1) OPERATOR(pg_catalog.+) $2', NULL),
			('||', 'concatenate', 'cims.enc_bytea', 'bytea', 'bytea', 'cims.plain($1) OPERATOR(pg_catalog.||) $2', NULL),
			('||', 'concatenate', 'bytea', 'cims.enc_bytea', 'bytea', '$1 OPERATOR(pg_catalog.||) cims.plain($2)', NULL),
			('||', 'concatenate', 'cims.enc_bytea', 'cims.enc_bytea', 'bytea', 'cims.plain($1) OPERATOR(pg_catalog.||) cims.plain($2)', NULL),
			('||', 'concatenate', 'cims.enc_jsonb', 'jsonb', 'jsonb', 'cims.plain($1) OPERATOR(pg_catalog.||) $2', NULL),
			('||', 'concatenate', 'jsonb', 'cims.enc_jsonb', 'jsonb', '$1 OPERATOR(pg_catalog.||) cims.plain($2)', NULL),
			('||', 'concatenate', 'cims.enc_jsonb', 'cims.enc_jsonb', 'jsonb', 'cims.plain($1) OPERATOR(pg_catalog.||) cims.plain($2)', NULL))
			AS v (name, fn, l, r, result, body, commutator)
		UNION ALL
		-- comparisons with types that the plain type compares with; by token where that is the same
		SELECT c.name, c.fn, p.l, p.r, 'boolean',
			format('%s OPERATOR(pg_catalog.%s) %s', replace(p.l_body, '$', '$1'), c.name, replace(p.r_body, '$', '$2')), c.commutator
		FROM (VALUES ('=', 'eq', '='), ('<>', 'ne', '<>'), ('<', 'lt', '>'), ('<=', 'le', '>='),
					 ('>=', 'ge', '<='), ('>', 'gt', '<')) AS c (name, fn, commutator),
			(VALUES ('cims.enc_timestamptz', 'date', 'cims.plain($)', '$'), ('cims.enc_timestamptz', 'timestamp', 'cims.plain($)', '$'),
					('cims.enc_text', 'name', '$', '$::pg_catalog.text')) AS x (enc, other, enc_body, other_body),
			LATERAL (VALUES (x.enc, x.other, x.enc_body, x.other_body), (x.other, x.enc, x.other_body, x.enc_body)) AS p (l, r, l_body, r_body)
	LOOP
		EXECUTE format('CREATE FUNCTION cims.%I(%s, %s) RETURNS %s LANGUAGE sql STABLE STRICT PARALLEL SAFE RETURN %s',
			o.fn, o.l, o.r, o.result, o.body);
		EXECUTE format('COMMENT ON FUNCTION cims.%I(%s, %s) IS %L', o.fn, o.l, o.r, 'implementation of ' || o.name || ' operator');
		EXECUTE format('CREATE OPERATOR pg_catalog.%s (FUNCTION = cims.%I, LEFTARG = %s, RIGHTARG = %s%s)',
			o.name, o.fn, o.l, o.r,
			CASE WHEN o.commutator IS NULL THEN '' ELSE ', COMMUTATOR = OPERATOR(pg_catalog.' || o.commutator || ')' END);
		EXECUTE format('COMMENT ON OPERATOR pg_catalog.%s (%s, %s) IS %L', o.name, o.l, o.r, 'through the plain type');
	END LOOP;
END
$operators$;

/*
 * Ranges.  Over anyrange: an operator of daterange itself would take literals
 * in "period @> '[2024-01-01,2024-02-01)'" for dates, in everyone's statements.
 * For the same reason there are none of enc_numeric, to which numbers cast.
 */

DO $ranges$
DECLARE
	r record;
BEGIN
	FOR r IN
		SELECT 'cims.' || e AS enc, 'pg_catalog.' || a AS range
		FROM unnest('{enc_date,enc_timestamptz}'::text[]) e, unnest('{anyrange,anymultirange}'::text[]) a
	LOOP
		EXECUTE format('CREATE FUNCTION cims.contained(%1$s, %2$s) RETURNS boolean LANGUAGE sql STABLE STRICT PARALLEL SAFE '
			'AS ''SELECT cims.plain($1) OPERATOR(pg_catalog.<@) $2''', r.enc, r.range);
		EXECUTE format('CREATE FUNCTION cims.contains(%2$s, %1$s) RETURNS boolean LANGUAGE sql STABLE STRICT PARALLEL SAFE '
			'AS ''SELECT $1 OPERATOR(pg_catalog.@>) cims.plain($2)''', r.enc, r.range);
		EXECUTE format('COMMENT ON FUNCTION cims.contained(%s, %s) IS ''implementation of <@ operator''', r.enc, r.range);
		EXECUTE format('COMMENT ON FUNCTION cims.contains(%s, %s) IS ''implementation of @> operator''', r.range, r.enc);
		EXECUTE format('CREATE OPERATOR pg_catalog.<@ (FUNCTION = cims.contained, LEFTARG = %s, RIGHTARG = %s, '
			'COMMUTATOR = OPERATOR(pg_catalog.@>))', r.enc, r.range);
		EXECUTE format('CREATE OPERATOR pg_catalog.@> (FUNCTION = cims.contains, LEFTARG = %2$s, RIGHTARG = %1$s, '
			'COMMUTATOR = OPERATOR(pg_catalog.<@))', r.enc, r.range);
		EXECUTE format('COMMENT ON OPERATOR pg_catalog.<@ (%s, %s) IS ''through the plain type''', r.enc, r.range);
		EXECUTE format('COMMENT ON OPERATOR pg_catalog.@> (%s, %s) IS ''through the plain type''', r.range, r.enc);
	END LOOP;
END
$ranges$;

/* Functions that overload resolution would miss. */

CREATE FUNCTION pg_catalog.extract(text, cims.enc_date) RETURNS numeric
	LANGUAGE sql STABLE STRICT PARALLEL SAFE RETURN pg_catalog.extract($1, cims.plain($2));
COMMENT ON FUNCTION pg_catalog.extract(text, cims.enc_date) IS 'extract field from encrypted date';
CREATE FUNCTION pg_catalog.date_part(text, cims.enc_date) RETURNS double precision
	LANGUAGE sql STABLE STRICT PARALLEL SAFE RETURN pg_catalog.date_part($1, cims.plain($2));
COMMENT ON FUNCTION pg_catalog.date_part(text, cims.enc_date) IS 'extract field from encrypted date';
CREATE FUNCTION pg_catalog.text(cims.enc_text) RETURNS text
	LANGUAGE sql STABLE STRICT PARALLEL SAFE RETURN cims.plain($1);
COMMENT ON FUNCTION pg_catalog.text(cims.enc_text) IS 'convert encrypted text to text';
CREATE FUNCTION pg_catalog.timestamptz(cims.enc_date) RETURNS timestamptz
	LANGUAGE sql STABLE STRICT PARALLEL SAFE RETURN cims.plain($1)::timestamptz;
COMMENT ON FUNCTION pg_catalog.timestamptz(cims.enc_date) IS 'convert encrypted date to timestamp with time zone';

/* doc['key'] */

CREATE FUNCTION cims.enc_jsonb_subscript(internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'cims_enc_jsonb_subscript' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cims.enc_jsonb_subscript(internal) IS 'subscripts read the plaintext; assignment is by jsonb_set';
ALTER TYPE cims.enc_jsonb SET (SUBSCRIPT = cims.enc_jsonb_subscript);

/* Window frames by distance. */

DO $in_range$
DECLARE
	r record;
BEGIN
	FOR r IN
		SELECT * FROM (VALUES ('enc_numeric', 'numeric'), ('enc_date', 'interval'), ('enc_timestamptz', 'interval')) AS v (enc, distance)
	LOOP
		EXECUTE format('CREATE FUNCTION cims.in_range(cims.%1$s, cims.%1$s, %2$s, boolean, boolean) RETURNS boolean '
			'LANGUAGE sql STABLE STRICT PARALLEL SAFE RETURN pg_catalog.in_range(cims.plain($1), cims.plain($2), $3, $4, $5)',
			r.enc, r.distance);
		EXECUTE format('COMMENT ON FUNCTION cims.in_range(cims.%1$s, cims.%1$s, %2$s, boolean, boolean) IS %3$L',
			r.enc, r.distance, 'window RANGE support');
		EXECUTE format('ALTER OPERATOR FAMILY cims.%1$s_token_ops USING btree ADD '
			'FUNCTION 3 (cims.%1$s, %2$s) cims.in_range(cims.%1$s, cims.%1$s, %2$s, boolean, boolean)', r.enc, r.distance);
	END LOOP;
END
$in_range$;

/* Called by the planner hook for columns whose class has a normal form. */

CREATE FUNCTION cims.as_class(cims.enc_text, integer) RETURNS cims.enc_text
	AS 'MODULE_PATHNAME', 'cims_enc_as_class' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cims.as_class(cims.enc_text, integer) IS 'literal to compare with values of a class';
CREATE FUNCTION cims.as_class(text, integer) RETURNS cims.enc_text
	AS 'MODULE_PATHNAME', 'cims_text_as_class' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cims.as_class(text, integer) IS 'literal to compare with values of a class';
CREATE FUNCTION cims.as_class(cims.enc_text[], integer) RETURNS cims.enc_text[]
	AS 'MODULE_PATHNAME', 'cims_enc_array_as_class' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cims.as_class(cims.enc_text[], integer) IS 'literals to compare with values of a class';
CREATE FUNCTION cims.as_class(text[], integer) RETURNS cims.enc_text[]
	AS 'MODULE_PATHNAME', 'cims_text_array_as_class' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cims.as_class(text[], integer) IS 'literals to compare with values of a class';
