-- Second factors: one-time passwords and recovery codes, for actors whose tokens bring none

CREATE TABLE cims.factor (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	actor text COLLATE "C" NOT NULL CONSTRAINT factor_actor_key UNIQUE CHECK (actor <> ''),
	generation int NOT NULL DEFAULT 1,
	hash text NOT NULL CHECK (hash IN ('sha1', 'sha256', 'sha512')),
	digits int NOT NULL CHECK (digits BETWEEN 6 AND 8),
	period int NOT NULL CHECK (period BETWEEN 15 AND 60),
	secret cims.enc_bytea(second_factor) NOT NULL,
	enrolled timestamptz NOT NULL DEFAULT pg_catalog.now(),
	enroller text NOT NULL DEFAULT session_user
);
COMMENT ON TABLE cims.factor IS 'second factors of actors; changed by cims.enroll_totp, cims.renew_recovery_codes and cims.remove_factor, shown by cims.second_factor';
COMMENT ON COLUMN cims.factor.id IS 'number of the factor';
COMMENT ON COLUMN cims.factor.actor IS 'the actor, claim sub of the token';
COMMENT ON COLUMN cims.factor.generation IS 'counts the sets of recovery codes; with the id, the name of the sequence cims.factor_state_ID_GENERATION, which keeps what has been used';
COMMENT ON COLUMN cims.factor.hash IS 'sha1, sha256 or sha512';
COMMENT ON COLUMN cims.factor.digits IS 'digits of a code';
COMMENT ON COLUMN cims.factor.period IS 'seconds of a time step';
COMMENT ON COLUMN cims.factor.secret IS 'the shared secret, sealed under class second_factor';
COMMENT ON COLUMN cims.factor.enrolled IS 'when it was enrolled';
COMMENT ON COLUMN cims.factor.enroller IS 'the session''s role that enrolled it';

CREATE TABLE cims.recovery_code (
	factor bigint NOT NULL REFERENCES cims.factor ON DELETE CASCADE,
	number int NOT NULL CHECK (number BETWEEN 0 AND 15),
	hash bytea NOT NULL,
	PRIMARY KEY (factor, number)
);
COMMENT ON TABLE cims.recovery_code IS 'recovery codes of second factors, hashed';
COMMENT ON COLUMN cims.recovery_code.factor IS 'number of the factor';
COMMENT ON COLUMN cims.recovery_code.number IS 'number of the code, the bit that marks it as used';
COMMENT ON COLUMN cims.recovery_code.hash IS 'SHA-256 of the factor''s number and the code, which has 80 random bits';

REVOKE ALL ON cims.factor, cims.recovery_code FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('cims.factor', '');
SELECT pg_catalog.pg_extension_config_dump('cims.recovery_code', '');
SELECT pg_catalog.pg_extension_config_dump('cims.factor_id_seq', '');

CREATE FUNCTION cims.make_totp(actor text, issuer text, hash text, digits int, period int, OUT secret cims.enc_bytea, OUT uri text)
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cims_make_totp';
COMMENT ON FUNCTION cims.make_totp(text, text, text, int, int) IS 'a new secret, sealed, and as a key URI; part of cims.enroll_totp()';
REVOKE ALL ON FUNCTION cims.make_totp(text, text, text, int, int) FROM PUBLIC;

CREATE FUNCTION cims.make_recovery_code(factor bigint, OUT code text, OUT hash bytea)
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cims_make_recovery_code';
COMMENT ON FUNCTION cims.make_recovery_code(bigint) IS 'a new recovery code, and its hash; part of cims.renew_recovery_codes()';
REVOKE ALL ON FUNCTION cims.make_recovery_code(bigint) FROM PUBLIC;

CREATE FUNCTION cims.verify_totp(code text) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cims_verify_totp';
COMMENT ON FUNCTION cims.verify_totp(text) IS
	'whether a one-time password of the actor is right and new; then the actor counts as verified by more than one factor until the transaction ends';

CREATE FUNCTION cims.use_recovery_code(code text) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cims_use_recovery_code';
COMMENT ON FUNCTION cims.use_recovery_code(text) IS 'as cims.verify_totp, by a recovery code, which works once';

-- The sequence that keeps what has been used: no rollback takes it back, and it goes with the factor
CREATE FUNCTION cims.make_factor_state(factor bigint, generation int, value bigint) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	sequence text := format('cims.factor_state_%s_%s', factor, generation);
BEGIN
	EXECUTE format('CREATE SEQUENCE %s MINVALUE 0 NO CYCLE OWNED BY cims.factor.id', sequence);
	EXECUTE format('REVOKE ALL ON SEQUENCE %s FROM PUBLIC', sequence);
	EXECUTE format('COMMENT ON SEQUENCE %s IS %L', sequence,
				   'what has been used of a second factor: last time step, and 16 bits of recovery codes');
	PERFORM setval(sequence::regclass, value);
END
$$;
COMMENT ON FUNCTION cims.make_factor_state(bigint, int, bigint) IS 'makes the sequence of a second factor; part of cims.enroll_totp() and cims.renew_recovery_codes()';
REVOKE ALL ON FUNCTION cims.make_factor_state(bigint, int, bigint) FROM PUBLIC;

CREATE FUNCTION cims.require_factor(actor text) RETURNS cims.factor
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	the_factor cims.factor;
BEGIN
	SELECT * INTO the_factor FROM cims.factor f WHERE f.actor = actor FOR UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'actor "%" has no second factor', actor
			USING ERRCODE = 'undefined_object', HINT = 'View cims.second_factor lists those that have one.';
	END IF;
	RETURN the_factor;
END
$$;
COMMENT ON FUNCTION cims.require_factor(text) IS 'locks and returns the second factor of an actor, or raises';
REVOKE ALL ON FUNCTION cims.require_factor(text) FROM PUBLIC;

CREATE FUNCTION cims.enroll_totp(
	actor text,
	issuer text DEFAULT current_database(),
	hash text DEFAULT 'sha1',
	digits int DEFAULT 6,
	period int DEFAULT 30
) RETURNS text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	made record;
	new_id bigint;
BEGIN
	IF actor IS NULL OR actor = '' OR issuer IS NULL OR issuer = '' THEN
		RAISE EXCEPTION 'actor and issuer of a second factor must not be empty'
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	IF hash IS NULL OR hash NOT IN ('sha1', 'sha256', 'sha512') THEN
		RAISE EXCEPTION 'unknown hash "%" of one-time passwords', hash
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Hashes are sha1, sha256 and sha512; many authenticator applications know sha1 alone.';
	END IF;
	IF digits IS NULL OR digits NOT BETWEEN 6 AND 8 OR period IS NULL OR period NOT BETWEEN 15 AND 60 THEN
		RAISE EXCEPTION 'digits or period of one-time passwords are out of range'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'A code has 6 to 8 digits, a time step 15 to 60 seconds.';
	END IF;
	LOCK TABLE cims.factor IN SHARE ROW EXCLUSIVE MODE;
	IF EXISTS (SELECT FROM cims.factor f WHERE f.actor = actor) THEN
		RAISE EXCEPTION 'actor "%" has a second factor already', actor
			USING ERRCODE = 'duplicate_object', HINT = 'Remove it first by cims.remove_factor().';
	END IF;
	IF NOT EXISTS (SELECT FROM cims.class c WHERE c.name = 'second_factor') THEN
		PERFORM cims.create_class('second_factor', 4, equality => false);
	END IF;

	SELECT * INTO made FROM cims.make_totp(actor, issuer, hash, digits, period);
	INSERT INTO cims.factor (actor, hash, digits, period, secret)
		VALUES (actor, hash, digits, period, made.secret) RETURNING id INTO new_id;
	PERFORM cims.make_factor_state(new_id, 1, 0);
	RETURN made.uri;
END
$$;
COMMENT ON FUNCTION cims.enroll_totp(text, text, text, int, int) IS
	'gives an actor a second factor, one-time passwords by time, and returns once the key URI for the actor''s device; counts once it has committed';
REVOKE ALL ON FUNCTION cims.enroll_totp(text, text, text, int, int) FROM PUBLIC;

CREATE FUNCTION cims.renew_recovery_codes(actor text, codes int DEFAULT 10) RETURNS SETOF text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	the_factor cims.factor;
	used bigint;
	made record;
BEGIN
	IF codes IS NULL OR codes NOT BETWEEN 1 AND 16 THEN
		RAISE EXCEPTION 'the number of recovery codes is out of range'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'An actor has 1 to 16 of them.';
	END IF;
	the_factor := cims.require_factor(actor);
	EXECUTE format('SELECT last_value FROM cims.factor_state_%s_%s', the_factor.id, the_factor.generation) INTO used;
	-- a set of its own, with a sequence of its own: a rollback leaves the former one as it was
	PERFORM cims.make_factor_state(the_factor.id, the_factor.generation + 1, used >> 16 << 16);
	EXECUTE format('DROP SEQUENCE cims.factor_state_%s_%s', the_factor.id, the_factor.generation);
	UPDATE cims.factor f SET generation = the_factor.generation + 1 WHERE f.id = the_factor.id;
	DELETE FROM cims.recovery_code r WHERE r.factor = the_factor.id;
	FOR number IN 0 .. codes - 1
	LOOP
		SELECT * INTO made FROM cims.make_recovery_code(the_factor.id);
		INSERT INTO cims.recovery_code (factor, number, hash) VALUES (the_factor.id, number, made.hash);
		RETURN NEXT made.code;
	END LOOP;
END
$$;
COMMENT ON FUNCTION cims.renew_recovery_codes(text, int) IS
	'makes new recovery codes for an actor with a second factor and returns them, once; the former ones work no more';
REVOKE ALL ON FUNCTION cims.renew_recovery_codes(text, int) FROM PUBLIC;

CREATE FUNCTION cims.remove_factor(actor text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	the_factor cims.factor := cims.require_factor(actor);
BEGIN
	EXECUTE format('DROP SEQUENCE cims.factor_state_%s_%s', the_factor.id, the_factor.generation);
	DELETE FROM cims.factor f WHERE f.id = the_factor.id;
END
$$;
COMMENT ON FUNCTION cims.remove_factor(text) IS 'takes an actor''s second factor and recovery codes away';
REVOKE ALL ON FUNCTION cims.remove_factor(text) FROM PUBLIC;

CREATE VIEW cims.second_factor AS
	SELECT f.actor, f.hash, f.digits, f.period, f.enrolled, f.enroller,
		(SELECT pg_catalog.count(*) FROM cims.recovery_code r WHERE r.factor = f.id) AS recovery_codes,
		f.id AS factor
	FROM cims.factor f;
COMMENT ON VIEW cims.second_factor IS 'the second factors of this database, without their secrets; open to pg_monitor';
COMMENT ON COLUMN cims.second_factor.actor IS 'the actor, claim sub of the token';
COMMENT ON COLUMN cims.second_factor.hash IS 'sha1, sha256 or sha512';
COMMENT ON COLUMN cims.second_factor.digits IS 'digits of a code';
COMMENT ON COLUMN cims.second_factor.period IS 'seconds of a time step';
COMMENT ON COLUMN cims.second_factor.enrolled IS 'when it was enrolled';
COMMENT ON COLUMN cims.second_factor.enroller IS 'the session''s role that enrolled it';
COMMENT ON COLUMN cims.second_factor.recovery_codes IS 'recovery codes that were made, used ones included';
COMMENT ON COLUMN cims.second_factor.factor IS 'number of the factor, as denials name it';
REVOKE ALL ON cims.second_factor FROM PUBLIC;
GRANT SELECT ON cims.second_factor TO pg_monitor;
