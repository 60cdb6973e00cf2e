-- The keyring: master key, classes of customer data, data keys, search key, grants on classes

-- A reference to a role: an OID in rows, a name in dumps
CREATE TYPE cims.role_ref;

CREATE FUNCTION cims.role_ref_in(cstring) RETURNS cims.role_ref
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_role_ref_in';
COMMENT ON FUNCTION cims.role_ref_in(cstring) IS 'input of cims.role_ref: public, -, or the name of a role; warns of a name that is no role''s';

CREATE FUNCTION cims.role_ref_out(cims.role_ref) RETURNS cstring
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_role_ref_out';
COMMENT ON FUNCTION cims.role_ref_out(cims.role_ref) IS 'output of cims.role_ref';

CREATE FUNCTION cims.role_ref_recv(internal) RETURNS cims.role_ref
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_role_ref_recv';
COMMENT ON FUNCTION cims.role_ref_recv(internal) IS 'binary input of cims.role_ref';

CREATE FUNCTION cims.role_ref_send(cims.role_ref) RETURNS bytea
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_role_ref_send';
COMMENT ON FUNCTION cims.role_ref_send(cims.role_ref) IS 'binary output of cims.role_ref';

CREATE TYPE cims.role_ref (
	INPUT = cims.role_ref_in,
	OUTPUT = cims.role_ref_out,
	RECEIVE = cims.role_ref_recv,
	SEND = cims.role_ref_send,
	LIKE = pg_catalog.oid
);
COMMENT ON TYPE cims.role_ref IS 'a role, public, or - (nobody); printed as the role''s name of today';

CREATE CAST (cims.role_ref AS oid) WITHOUT FUNCTION AS IMPLICIT;
COMMENT ON CAST (cims.role_ref AS oid) IS 'the role''s OID';
CREATE CAST (oid AS cims.role_ref) WITHOUT FUNCTION AS ASSIGNMENT;
COMMENT ON CAST (oid AS cims.role_ref) IS 'a reference to the role with this OID';

-- Helpers of the tables' checks
CREATE FUNCTION cims.class_id(name text) RETURNS int
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_class_id';
COMMENT ON FUNCTION cims.class_id(text) IS 'the number that stands for a class in sealed values: 31 bits of a hash of its name';

CREATE FUNCTION cims.is_mask(mask text) RETURNS boolean
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_is_mask';
COMMENT ON FUNCTION cims.is_mask(text) IS 'true for the specification of a mask, an error that says what is wrong for anything else';

-- Tables
CREATE TABLE cims.keyring (
	id uuid NOT NULL,
	hash text NOT NULL CHECK (hash IN ('sha256', 'sm3')),
	master_key_id int NOT NULL CHECK (master_key_id > 0),
	check_value bytea NOT NULL,
	search_key bytea NOT NULL,
	created timestamptz NOT NULL DEFAULT pg_catalog.now()
);
CREATE UNIQUE INDEX keyring_one_row ON cims.keyring ((true));
COMMENT ON TABLE cims.keyring IS 'the keyring of this database: one row, made by cims.init()';
COMMENT ON COLUMN cims.keyring.id IS 'bound into every wrapped key';
COMMENT ON COLUMN cims.keyring.hash IS 'hash of tokens, wrapping and derivation: sha256 or sm3';
COMMENT ON COLUMN cims.keyring.master_key_id IS 'number of the master key that wraps the keys';
COMMENT ON COLUMN cims.keyring.check_value IS 'tells a wrong master key before anything is unwrapped';
COMMENT ON COLUMN cims.keyring.search_key IS 'the search key, wrapped by the master key';
COMMENT ON COLUMN cims.keyring.created IS 'when cims.init() made the keyring';

CREATE TABLE cims.class (
	id int PRIMARY KEY CHECK (id > 0),
	name text NOT NULL UNIQUE,
	level int NOT NULL CHECK (level BETWEEN 1 AND 4),
	suite text NOT NULL CHECK (suite IN ('xaes-256-gcm', 'sm4-ctr-hmac-sm3')),
	equality boolean NOT NULL,
	mask text NOT NULL CHECK (cims.is_mask(mask)),
	normal_form text CHECK (normal_form = 'lower'),
	max_length int CHECK (max_length > 0),
	"precision" int CHECK ("precision" BETWEEN 1 AND 1000),
	scale int CHECK (scale BETWEEN -1000 AND 1000),
	created timestamptz NOT NULL DEFAULT pg_catalog.now(),
	requires_actor boolean NOT NULL DEFAULT false,
	requires_mfa boolean NOT NULL DEFAULT false,
	max_auth_age interval CHECK (max_auth_age > '0'),
	requires_purpose text[] CHECK (pg_catalog.cardinality(requires_purpose) > 0),
	requires_approval boolean NOT NULL DEFAULT false,
	CHECK (id = cims.class_id(name)),
	CHECK (scale IS NULL OR "precision" IS NOT NULL)
);
COMMENT ON TABLE cims.class IS 'classes of customer data; changed by cims.create_class, cims.alter_class and cims.drop_class';
COMMENT ON COLUMN cims.class.id IS 'the number that stands for the class in sealed values and type modifiers: cims.class_id(name)';
COMMENT ON COLUMN cims.class.name IS 'lower-case letters, digits and underscores, up to 63';
COMMENT ON COLUMN cims.class.level IS 'sensitivity, 1 to 4';
COMMENT ON COLUMN cims.class.suite IS 'suite of data keys to come; each data key keeps its own';
COMMENT ON COLUMN cims.class.equality IS 'values carry a token by which equal ones are found; whoever reads the disk sees which are equal';
COMMENT ON COLUMN cims.class.mask IS 'what roles with level mask or search see';
COMMENT ON COLUMN cims.class.normal_form IS 'lower: values are equal without regard to upper and lower case';
COMMENT ON COLUMN cims.class.max_length IS 'most characters of a text, most bytes of a bytea';
COMMENT ON COLUMN cims.class."precision" IS 'most digits of a number';
COMMENT ON COLUMN cims.class.scale IS 'digits of a number after the point';
COMMENT ON COLUMN cims.class.created IS 'when the class was made';
COMMENT ON COLUMN cims.class.requires_actor IS 'a grant counts only with a verified actor, for the role in use';
COMMENT ON COLUMN cims.class.requires_mfa IS 'and only where more than one factor was verified';
COMMENT ON COLUMN cims.class.max_auth_age IS 'and only for so long after the actor was authenticated';
COMMENT ON COLUMN cims.class.requires_purpose IS 'and only for one of these purposes; * is any';
COMMENT ON COLUMN cims.class.requires_approval IS 'a grant is given only by two: whoever asks for it by cims.request_grant, and whoever approves it';

CREATE TABLE cims.data_key (
	class_id int NOT NULL REFERENCES cims.class,
	version int NOT NULL CHECK (version > 0),
	state text NOT NULL CHECK (state IN ('active', 'decrypt_only', 'disabled', 'destroyed')),
	suite text NOT NULL CHECK (suite IN ('xaes-256-gcm', 'sm4-ctr-hmac-sm3')),
	wrapped bytea,
	master_key_id int NOT NULL CHECK (master_key_id > 0),
	created timestamptz NOT NULL DEFAULT pg_catalog.now(),
	changed timestamptz NOT NULL DEFAULT pg_catalog.now(),
	reason text,
	PRIMARY KEY (class_id, version),
	CHECK ((wrapped IS NULL) = (state = 'destroyed'))
);
CREATE UNIQUE INDEX data_key_one_active ON cims.data_key (class_id) WHERE state = 'active';
COMMENT ON TABLE cims.data_key IS 'data keys of the classes, wrapped by the master key';
COMMENT ON COLUMN cims.data_key.class_id IS 'the class';
COMMENT ON COLUMN cims.data_key.version IS 'counts from 1; stands in each sealed value';
COMMENT ON COLUMN cims.data_key.state IS 'active: seals and reveals; decrypt_only: reveals; disabled: does neither until it is enabled; destroyed: never again';
COMMENT ON COLUMN cims.data_key.suite IS 'the suite that the key is used with';
COMMENT ON COLUMN cims.data_key.wrapped IS 'the key, wrapped by the master key; NULL once it is destroyed';
COMMENT ON COLUMN cims.data_key.master_key_id IS 'number of the master key that wraps it';
COMMENT ON COLUMN cims.data_key.created IS 'when the key was made';
COMMENT ON COLUMN cims.data_key.changed IS 'when the state last changed';
COMMENT ON COLUMN cims.data_key.reason IS 'why the state last changed, as told';

CREATE TABLE cims.class_grant_entry (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	class_id int NOT NULL REFERENCES cims.class,
	grantee cims.role_ref NOT NULL,
	level text NOT NULL CHECK (level IN ('mask', 'search', 'reveal')),
	valid tstzrange NOT NULL DEFAULT '(,)',
	reason text,
	grantor text NOT NULL,
	granted timestamptz NOT NULL DEFAULT pg_catalog.now(),
	temporary boolean NOT NULL DEFAULT false
);
CREATE UNIQUE INDEX class_grant_entry_class_grantee ON cims.class_grant_entry (class_id, (grantee::oid))
	WHERE grantee::oid <> 1 AND NOT temporary;
COMMENT ON TABLE cims.class_grant_entry IS 'grants on classes; changed by cims.grant_class and cims.revoke_class, shown by cims.class_grant';
COMMENT ON COLUMN cims.class_grant_entry.id IS 'number of the grant';
COMMENT ON COLUMN cims.class_grant_entry.class_id IS 'the class';
COMMENT ON COLUMN cims.class_grant_entry.grantee IS 'the role that holds the grant, and whoever has its privileges';
COMMENT ON COLUMN cims.class_grant_entry.level IS 'mask, search or reveal';
COMMENT ON COLUMN cims.class_grant_entry.valid IS 'when the grant holds';
COMMENT ON COLUMN cims.class_grant_entry.reason IS 'why it was given, as told';
COMMENT ON COLUMN cims.class_grant_entry.grantor IS 'the session''s role that gave it';
COMMENT ON COLUMN cims.class_grant_entry.granted IS 'when it was given';
COMMENT ON COLUMN cims.class_grant_entry.temporary IS 'beside another grant of the role, whose place it does not take';

REVOKE ALL ON cims.keyring, cims.class, cims.data_key, cims.class_grant_entry FROM PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('cims.keyring', '');
SELECT pg_catalog.pg_extension_config_dump('cims.class', '');
SELECT pg_catalog.pg_extension_config_dump('cims.data_key', '');
-- a grant to a role that is gone would only bring a warning at the restore
SELECT pg_catalog.pg_extension_config_dump('cims.class_grant_entry',
	'WHERE grantee::pg_catalog.oid OPERATOR(pg_catalog.=) 0 OR EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid OPERATOR(pg_catalog.=) grantee::pg_catalog.oid)');
SELECT pg_catalog.pg_extension_config_dump('cims.class_grant_entry_id_seq', '');

CREATE FUNCTION cims.keyring_changed() RETURNS trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'cims_keyring_changed';
COMMENT ON FUNCTION cims.keyring_changed() IS 'tells every backend that a key, a class or a grant has changed';
REVOKE ALL ON FUNCTION cims.keyring_changed() FROM PUBLIC;

CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON cims.keyring
	FOR EACH STATEMENT EXECUTE FUNCTION cims.keyring_changed();
ALTER TABLE cims.keyring ENABLE ALWAYS TRIGGER changed;
COMMENT ON TRIGGER changed ON cims.keyring IS 'tells every backend';
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON cims.class
	FOR EACH STATEMENT EXECUTE FUNCTION cims.keyring_changed();
ALTER TABLE cims.class ENABLE ALWAYS TRIGGER changed;
COMMENT ON TRIGGER changed ON cims.class IS 'tells every backend';
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON cims.data_key
	FOR EACH STATEMENT EXECUTE FUNCTION cims.keyring_changed();
ALTER TABLE cims.data_key ENABLE ALWAYS TRIGGER changed;
COMMENT ON TRIGGER changed ON cims.data_key IS 'tells every backend';
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON cims.class_grant_entry
	FOR EACH STATEMENT EXECUTE FUNCTION cims.keyring_changed();
ALTER TABLE cims.class_grant_entry ENABLE ALWAYS TRIGGER changed;
COMMENT ON TRIGGER changed ON cims.class_grant_entry IS 'tells every backend';

-- Keys are made and wrapped in C
CREATE FUNCTION cims.make_search_key(id uuid, hash text, master_key_id int, OUT check_value bytea, OUT search_key bytea)
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cims_make_search_key';
COMMENT ON FUNCTION cims.make_search_key(uuid, text, int) IS 'check value and wrapped search key of a new keyring; part of cims.init()';
REVOKE ALL ON FUNCTION cims.make_search_key(uuid, text, int) FROM PUBLIC;

CREATE FUNCTION cims.make_data_key(class_id int, version int) RETURNS bytea
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cims_make_data_key';
COMMENT ON FUNCTION cims.make_data_key(int, int) IS 'a new data key, wrapped; part of cims.create_class() and cims.rotate_key()';
REVOKE ALL ON FUNCTION cims.make_data_key(int, int) FROM PUBLIC;

CREATE FUNCTION cims.rewrap_keys(new_id int) RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cims_rewrap_keys';
COMMENT ON FUNCTION cims.rewrap_keys(int) IS 'wraps every key under another master key; part of cims.rotate_master_key()';
REVOKE ALL ON FUNCTION cims.rewrap_keys(int) FROM PUBLIC;

CREATE FUNCTION cims.values_sealed(class_id int, version int) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_values_sealed';
COMMENT ON FUNCTION cims.values_sealed(int, int) IS 'how many values a data key has sealed since the server started; NULL where that is not known';
REVOKE ALL ON FUNCTION cims.values_sealed(int, int) FROM PUBLIC;

-- Lock and unlock
CREATE FUNCTION cims.lock() RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cims_lock';
COMMENT ON FUNCTION cims.lock() IS 'emergency: forgets every key in the whole cluster at once, not undone by a rollback, until cims.unlock() or a restart of the server';
REVOKE ALL ON FUNCTION cims.lock() FROM PUBLIC;

CREATE FUNCTION cims.unlock() RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cims_unlock';
COMMENT ON FUNCTION cims.unlock() IS 'reads the master key again and allows its use; stays locked where the key cannot be read';
REVOKE ALL ON FUNCTION cims.unlock() FROM PUBLIC;

-- Find a class, or say which there are
CREATE FUNCTION cims.require_class(class text) RETURNS int
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	found_id int := (SELECT c.id FROM cims.class c WHERE c.name = class);
BEGIN
	IF found_id IS NULL THEN
		RAISE EXCEPTION 'class "%" does not exist', class
			USING ERRCODE = 'undefined_object',
				  HINT = coalesce('Classes are ' || (SELECT string_agg(c.name, ', ' ORDER BY c.name) FROM cims.class c) || '.',
								  'There are none before cims.init() has run.');
	END IF;
	RETURN found_id;
END
$$;
COMMENT ON FUNCTION cims.require_class(text) IS 'the id of a class, or an error that lists the classes';
REVOKE ALL ON FUNCTION cims.require_class(text) FROM PUBLIC;

-- Refuse options that no class can have
CREATE FUNCTION cims.check_class(c cims.class) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF c.level NOT BETWEEN 1 AND 4 THEN
		RAISE EXCEPTION 'level % of a class is out of range', c.level
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Levels of sensitivity are 1 to 4.';
	END IF;
	IF c.suite NOT IN ('xaes-256-gcm', 'sm4-ctr-hmac-sm3') THEN
		RAISE EXCEPTION 'unknown suite "%"', c.suite
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Suites are xaes-256-gcm and sm4-ctr-hmac-sm3.';
	END IF;
	IF c.normal_form <> 'lower' THEN
		RAISE EXCEPTION 'unknown normal form "%"', c.normal_form
			USING ERRCODE = 'invalid_parameter_value', HINT = 'The normal form is lower, or null for none.';
	END IF;
	IF c.max_length <= 0 THEN
		RAISE EXCEPTION 'max_length of a class must be greater than 0'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Give null for no limit.';
	END IF;
	IF c."precision" NOT BETWEEN 1 AND 1000 OR c.scale NOT BETWEEN -1000 AND 1000 THEN
		RAISE EXCEPTION 'precision or scale of a class is out of range'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'A precision is 1 to 1000, a scale -1000 to 1000, as those of numeric.';
	END IF;
	IF c.scale IS NOT NULL AND c."precision" IS NULL THEN
		RAISE EXCEPTION 'a class that limits the scale must limit the precision'
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	IF c.max_auth_age <= interval '0' THEN
		RAISE EXCEPTION 'max_auth_age of a class must be longer than 0'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Give null for no limit.';
	END IF;
	IF cardinality(c.requires_purpose) = 0 OR array_ndims(c.requires_purpose) > 1
		OR EXISTS (SELECT FROM unnest(c.requires_purpose) p WHERE p IS NULL OR p = '' OR strpos(p, E'\n') > 0) THEN
		RAISE EXCEPTION 'requires_purpose of a class must be a list of purposes'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Give null for no demand, {*} for any purpose.';
	END IF;
END
$$;
COMMENT ON FUNCTION cims.check_class(cims.class) IS 'raises where an option of a class is out of range';
REVOKE ALL ON FUNCTION cims.check_class(cims.class) FROM PUBLIC;

-- Make a class
CREATE FUNCTION cims.create_class(
	name text,
	level int DEFAULT 3,
	suite text DEFAULT NULL,
	equality boolean DEFAULT true,
	mask text DEFAULT 'constant',
	normal_form text DEFAULT NULL,
	max_length int DEFAULT NULL,
	"precision" int DEFAULT NULL,
	scale int DEFAULT NULL,
	requires_actor boolean DEFAULT false,
	requires_mfa boolean DEFAULT false,
	max_auth_age interval DEFAULT NULL,
	requires_purpose text[] DEFAULT NULL,
	requires_approval boolean DEFAULT false
) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	new_id int := cims.class_id(name);
	new_suite text := coalesce(suite, (SELECT c.suite FROM cims.class c WHERE c.name = 'default'), 'xaes-256-gcm');
	other text := (SELECT c.name FROM cims.class c WHERE c.id = new_id);
BEGIN
	IF name IS NULL OR level IS NULL OR equality IS NULL OR mask IS NULL OR requires_actor IS NULL OR requires_mfa IS NULL
		OR requires_approval IS NULL THEN
		RAISE EXCEPTION 'name, level, equality, mask, requires_actor, requires_mfa and requires_approval of a class must not be null'
			USING ERRCODE = 'null_value_not_allowed';
	END IF;
	-- a rotation of the master key must be over before a key is wrapped
	LOCK TABLE cims.data_key IN ROW EXCLUSIVE MODE;
	IF other = name THEN
		RAISE EXCEPTION 'class "%" already exists', name
			USING ERRCODE = 'duplicate_object',
				  HINT = 'Change it by cims.alter_class().';
	ELSIF other IS NOT NULL THEN
		RAISE EXCEPTION 'class "%" has the same number as class "%"', name, other
			USING ERRCODE = 'duplicate_object',
				  DETAIL = 'The number of a class is a hash of its name.',
				  HINT = 'Choose another name.';
	END IF;
	PERFORM cims.check_class(ROW(new_id, name, level, new_suite, equality, mask, normal_form, max_length, "precision", scale, now(),
		requires_actor, requires_mfa, max_auth_age, requires_purpose, requires_approval));
	INSERT INTO cims.class (id, name, level, suite, equality, mask, normal_form, max_length, "precision", scale,
			requires_actor, requires_mfa, max_auth_age, requires_purpose, requires_approval)
		VALUES (new_id, name, level, new_suite, equality, mask, normal_form, max_length, "precision", scale,
			requires_actor, requires_mfa, max_auth_age, requires_purpose, requires_approval);
	INSERT INTO cims.data_key (class_id, version, state, suite, wrapped, master_key_id)
		SELECT new_id, 1, 'active', new_suite, cims.make_data_key(new_id, 1), k.master_key_id FROM cims.keyring k;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'the keyring of this database is not initialised'
			USING ERRCODE = 'object_not_in_prerequisite_state',
				  HINT = 'A superuser sets it up once by "SELECT cims.init()".';
	END IF;
END
$$;
COMMENT ON FUNCTION cims.create_class(text, int, text, boolean, text, text, int, int, int, boolean, boolean, interval, text[], boolean) IS
	'makes a class of customer data and its first data key: sensitivity level 1 to 4, suite (that of class default unless told), whether equal values are to be found, mask, normal form (lower or null), limits of length, precision and scale, what a grant on it demands of the actor, whether a grant needs two';
REVOKE ALL ON FUNCTION cims.create_class(text, int, text, boolean, text, text, int, int, int, boolean, boolean, interval, text[], boolean) FROM PUBLIC;

-- Begin
CREATE FUNCTION cims.init(
	hash text DEFAULT 'sha256',
	master_key_id int DEFAULT 1,
	suite text DEFAULT 'xaes-256-gcm'
) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	new_id uuid := gen_random_uuid();
BEGIN
	IF hash IS NULL OR hash NOT IN ('sha256', 'sm3') THEN
		RAISE EXCEPTION 'unknown hash "%"', hash
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Hashes are sha256 and sm3.';
	END IF;
	IF suite IS NULL OR suite NOT IN ('xaes-256-gcm', 'sm4-ctr-hmac-sm3') THEN
		RAISE EXCEPTION 'unknown suite "%"', suite
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Suites are xaes-256-gcm and sm4-ctr-hmac-sm3.';
	END IF;
	IF master_key_id IS NULL OR master_key_id <= 0 THEN
		RAISE EXCEPTION 'the number of a master key must be greater than 0'
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	LOCK TABLE cims.keyring IN SHARE ROW EXCLUSIVE MODE;
	IF EXISTS (SELECT FROM cims.keyring) THEN
		RAISE EXCEPTION 'the keyring of this database is already initialised'
			USING ERRCODE = 'object_not_in_prerequisite_state',
				  HINT = 'Data keys are changed by cims.rotate_key(), the master key by cims.rotate_master_key().';
	END IF;

	INSERT INTO cims.keyring (id, hash, master_key_id, check_value, search_key)
		SELECT new_id, hash, master_key_id, k.check_value, k.search_key
		FROM cims.make_search_key(new_id, hash, master_key_id) k;

	PERFORM cims.create_class('default', 4, suite);
	PERFORM cims.create_class(c.name, c.level, suite, c.equality, c.mask)
	FROM (VALUES
		('name', 2, true, 'name'),
		('phone', 3, true, 'phone'),
		('landline', 2, true, 'landline'),
		('email', 3, true, 'email'),
		('id_card', 4, true, 'id_card'),
		('passport', 4, true, 'passport'),
		('bank_card', 4, true, 'bank_card'),
		('address', 3, true, 'address'),
		('birth_date', 3, true, 'year'),
		('plate', 2, true, 'plate'),
		('ip', 2, true, 'ip'),
		('uscc', 1, true, 'uscc'),
		('amount', 3, true, 'constant'),
		('number', 2, true, 'constant'),
		('document', 3, false, 'constant'),
		('binary', 3, false, 'constant'),
		('note', 3, false, 'constant')
	) AS c (name, level, equality, mask);
END
$$;
COMMENT ON FUNCTION cims.init(text, int, text) IS
	'sets up the keyring of this database, once: search key, standard classes, their first data keys; hash (sha256 or sm3) of tokens and wrapping, number of the master key, suite of the standard classes';
REVOKE ALL ON FUNCTION cims.init(text, int, text) FROM PUBLIC;

-- Data keys
CREATE FUNCTION cims.rotate_key(class text) RETURNS int
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	the_class cims.class;
	new_version int;
BEGIN
	PERFORM cims.require_class(class);
	-- a rotation of the master key must be over before a key is wrapped
	LOCK TABLE cims.data_key IN ROW EXCLUSIVE MODE;
	SELECT * INTO the_class FROM cims.class c WHERE c.name = class FOR NO KEY UPDATE;
	new_version := (SELECT max(k.version) + 1 FROM cims.data_key k WHERE k.class_id = the_class.id);
	UPDATE cims.data_key k SET state = 'decrypt_only', changed = now(), reason = 'rotated'
		WHERE k.class_id = the_class.id AND k.state = 'active';
	INSERT INTO cims.data_key (class_id, version, state, suite, wrapped, master_key_id)
		SELECT the_class.id, new_version, 'active', the_class.suite,
			cims.make_data_key(the_class.id, new_version), k.master_key_id
		FROM cims.keyring k;
	RETURN new_version;
END
$$;
COMMENT ON FUNCTION cims.rotate_key(text) IS
	'makes a new version of a class''s data key, which seals from now on, and returns its number; the one before goes on revealing';
REVOKE ALL ON FUNCTION cims.rotate_key(text) FROM PUBLIC;

CREATE FUNCTION cims.rotate_master_key(new_id int) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF new_id IS NULL OR new_id <= 0 THEN
		RAISE EXCEPTION 'the number of a master key must be greater than 0'
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	LOCK TABLE cims.keyring, cims.data_key IN SHARE ROW EXCLUSIVE MODE;
	PERFORM cims.rewrap_keys(new_id);
END
$$;
COMMENT ON FUNCTION cims.rotate_master_key(int) IS
	'wraps every key of this database under the master key with another number, which the file or command must give; no value is touched';
REVOKE ALL ON FUNCTION cims.rotate_master_key(int) FROM PUBLIC;

-- What refers to a data key
CREATE FUNCTION cims.wait_for_sealers(changed xid) RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cims_wait_for_sealers';
COMMENT ON FUNCTION cims.wait_for_sealers(xid) IS
	'waits for the transactions that may still seal with a data key whose row was last changed by the one given; part of cims.destroy_key()';
REVOKE ALL ON FUNCTION cims.wait_for_sealers(xid) FROM PUBLIC;

CREATE FUNCTION cims.references_key(value "any", class_id int, version int) RETURNS boolean
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_references_key';
COMMENT ON FUNCTION cims.references_key("any", int, int) IS
	'whether a value, or one within an array, a domain or a row, was sealed with a version (0: with any) of a class''s data key; reads headers only';
REVOKE ALL ON FUNCTION cims.references_key("any", int, int) FROM PUBLIC;

-- no query: one would run code of the table's owner
CREATE FUNCTION cims.column_references_key(relation regclass, attnum int2, class_id int, version int) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_column_references_key';
COMMENT ON FUNCTION cims.column_references_key(regclass, int2, int, int) IS
	'whether a column of a table or materialized view holds a value that was sealed with a version (0: with any) of a class''s data key; reads headers only';
REVOKE ALL ON FUNCTION cims.column_references_key(regclass, int2, int, int) FROM PUBLIC;

CREATE FUNCTION cims.index_references_key(index regclass, class_id int, version int) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_index_references_key';
COMMENT ON FUNCTION cims.index_references_key(regclass, int, int) IS
	'whether a b-tree holds a value, be it of a deleted row, that was sealed with a version (0: with any) of a class''s data key';
REVOKE ALL ON FUNCTION cims.index_references_key(regclass, int, int) FROM PUBLIC;

CREATE FUNCTION cims.sealed_types() RETURNS SETOF oid
	LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE part (inner_type, outer_type) AS (
		SELECT t.typbasetype, t.oid FROM pg_type t WHERE t.typbasetype <> 0
		UNION ALL
		SELECT t.typelem, t.oid FROM pg_type t WHERE t.typelem <> 0 AND t.typcategory = 'A'
		UNION ALL
		SELECT a.atttypid, c.reltype FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
		WHERE c.reltype <> 0 AND a.attnum > 0 AND NOT a.attisdropped
	), sealed AS (
		SELECT t.oid FROM pg_type t
		WHERE t.typnamespace = 'cims'::regnamespace AND t.typtype = 'b' AND t.typelem = 0 AND t.typname LIKE 'enc\_%'
		UNION
		SELECT p.outer_type FROM sealed s JOIN part p ON p.inner_type = s.oid
	)
	SELECT s.oid FROM sealed s
$$;
COMMENT ON FUNCTION cims.sealed_types() IS 'the encrypted types, and every array, domain and row type with one inside';
REVOKE ALL ON FUNCTION cims.sealed_types() FROM PUBLIC;

CREATE FUNCTION cims.key_references(class_id int, version int) RETURNS SETOF text
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
#variable_conflict use_variable
DECLARE
	-- in a stored expression the bytes of a constant stand as signed decimals
	bytes text := (SELECT ' ' || string_agg(CASE WHEN b > 127 THEN b - 256 ELSE b END::text, ' ' ORDER BY n) || ' '
				   FROM (SELECT n, get_byte(int4send(class_id) || CASE WHEN version = 0 THEN '' ELSE int4send(version) END, n) AS b
						 FROM generate_series(0, CASE WHEN version = 0 THEN 3 ELSE 7 END) n) s);
	col record;
BEGIN
	FOR col IN
		SELECT c.oid::regclass AS tab, a.attname, a.attnum,
			c.relpersistence = 't' AND c.relnamespace <> pg_my_temp_schema() AS foreign_temp
		FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
		WHERE c.relkind IN ('r', 'm') AND a.attnum > 0 AND NOT a.attisdropped
			AND a.atttypid IN (SELECT cims.sealed_types())
		ORDER BY c.oid::regclass::text, a.attnum
	LOOP
		IF col.foreign_temp THEN
			RETURN NEXT format('temporary table %s of another session, perhaps', col.tab);
			CONTINUE;
		END IF;
		IF cims.column_references_key(col.tab, col.attnum, class_id, version) THEN
			RETURN NEXT format('column %I of table %s', col.attname, col.tab);
		END IF;
	END LOOP;

	RETURN QUERY
		SELECT format('ordered index %s, until it is rebuilt by REINDEX', i.indexrelid::regclass)
		FROM pg_index i
		-- CASE: the index is read only once the rest is known to hold
		WHERE CASE WHEN EXISTS (SELECT FROM unnest(i.indclass::oid[]) o (oid) JOIN pg_opclass p ON p.oid = o.oid
					  WHERE p.opcname LIKE 'enc\_%\_order\_ops' AND p.opcmethod = (SELECT oid FROM pg_am WHERE amname = 'btree'))
				AND (SELECT c.relkind FROM pg_class c WHERE c.oid = i.indexrelid) = 'i'
				AND pg_relation_filenode(i.indexrelid) IS NOT NULL
				AND NOT EXISTS (SELECT FROM pg_class c
					WHERE c.oid = i.indexrelid AND c.relpersistence = 't' AND c.relnamespace <> pg_my_temp_schema())
			THEN cims.index_references_key(i.indexrelid, class_id, version) END;

	RETURN QUERY
		SELECT format('audit record of %s', coalesce(c.oid::regclass::text, 'a table that is gone'))
		FROM (SELECT DISTINCT e.relation FROM cims.event e
			  WHERE e.payload IS NOT NULL AND cims.payload_references_key(e.payload, class_id, version)) e
		LEFT JOIN pg_class c ON c.oid = e.relation
		ORDER BY 1;

	RETURN QUERY
		SELECT s.what
		FROM (
			SELECT format('default of a column of %s', d.adrelid::regclass) AS what, d.adbin AS node FROM pg_attrdef d
			UNION ALL SELECT format('rule or view %s', r.ev_class::regclass), r.ev_action FROM pg_rewrite r
			UNION ALL SELECT format('rule or view %s', r.ev_class::regclass), r.ev_qual FROM pg_rewrite r
			UNION ALL SELECT format('policy %I of %s', p.polname, p.polrelid::regclass), p.polqual FROM pg_policy p
			UNION ALL SELECT format('policy %I of %s', p.polname, p.polrelid::regclass), p.polwithcheck FROM pg_policy p
			UNION ALL SELECT format('constraint %I', c.conname), c.conbin FROM pg_constraint c
			UNION ALL SELECT format('index %s', i.indexrelid::regclass), i.indexprs FROM pg_index i
			UNION ALL SELECT format('index %s', i.indexrelid::regclass), i.indpred FROM pg_index i
			UNION ALL SELECT format('partition bound of %s', c.oid::regclass), c.relpartbound FROM pg_class c
			UNION ALL SELECT format('partition key of %s', p.partrelid::regclass), p.partexprs FROM pg_partitioned_table p
			UNION ALL SELECT format('trigger %I of %s', t.tgname, t.tgrelid::regclass), t.tgqual FROM pg_trigger t
			UNION ALL SELECT format('function %s', p.oid::regprocedure), p.proargdefaults FROM pg_proc p
			UNION ALL SELECT format('function %s', p.oid::regprocedure), p.prosqlbody FROM pg_proc p
			UNION ALL SELECT format('default of type %s', t.oid::regtype), t.typdefaultbin FROM pg_type t
			UNION ALL SELECT format('statistics %I', e.stxname), e.stxexprs FROM pg_statistic_ext e
			UNION ALL SELECT format('publication of %s', q.prrelid::regclass), q.prqual FROM pg_publication_rel q
		) s
		WHERE position(bytes IN s.node::text) > 0;
END
$$;
COMMENT ON FUNCTION cims.key_references(int, int) IS
	'what in this database refers to a version (0: to any) of a class''s data key: columns of tables, ordered indexes, the audit record, constants in the catalog';
REVOKE ALL ON FUNCTION cims.key_references(int, int) FROM PUBLIC;

CREATE FUNCTION cims.class_columns(class_id int) RETURNS SETOF text
	LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('column %I of %s', a.attname, a.attrelid::regclass)
	FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
	WHERE a.attnum > 0 AND NOT a.attisdropped AND a.atttypmod = class_id
		AND c.relkind IN ('r', 'm', 'p', 'f', 'c', 'v') AND a.atttypid IN (SELECT cims.sealed_types())
	UNION ALL
	SELECT format('domain %s', t.oid::regtype)
	FROM pg_type t
	WHERE t.typtype = 'd' AND t.typtypmod = class_id AND t.oid IN (SELECT cims.sealed_types())
	ORDER BY 1
$$;
COMMENT ON FUNCTION cims.class_columns(int) IS 'the columns and domains whose type modifier is a class';
REVOKE ALL ON FUNCTION cims.class_columns(int) FROM PUBLIC;

-- Change and drop classes
CREATE FUNCTION cims.alter_class(name text, options jsonb, force boolean DEFAULT false) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	known text[] := ARRAY['level', 'suite', 'equality', 'mask', 'normal_form', 'max_length', 'precision', 'scale',
		'requires_actor', 'requires_mfa', 'max_auth_age', 'requires_purpose', 'requires_approval'];
	the_id int := cims.require_class(name);
	old cims.class;
	new cims.class;
	wrong text;
	used text;
BEGIN
	IF jsonb_typeof(options) IS DISTINCT FROM 'object' THEN
		RAISE EXCEPTION 'options of a class must be a JSON object'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'For example {"level": 4, "mask": "partial(3,2)", "max_length": null}.';
	END IF;
	SELECT string_agg(format('"%s"', k), ', ') INTO wrong FROM jsonb_object_keys(options) k WHERE k <> ALL (known);
	IF wrong IS NOT NULL THEN
		RAISE EXCEPTION 'unknown option % of a class', wrong
			USING ERRCODE = 'invalid_parameter_value', HINT = format('Options are %s.', array_to_string(known, ', '));
	END IF;
	SELECT string_agg(format('"%s"', o.key), ', ') INTO wrong FROM jsonb_each(options) o
		WHERE o.value = 'null' AND o.key IN ('level', 'suite', 'equality', 'mask', 'requires_actor', 'requires_mfa', 'requires_approval');
	IF wrong IS NOT NULL THEN
		RAISE EXCEPTION 'option % of a class must not be null', wrong USING ERRCODE = 'null_value_not_allowed';
	END IF;

	SELECT * INTO old FROM cims.class c WHERE c.id = the_id FOR NO KEY UPDATE;
	new := jsonb_populate_record(old, options);
	PERFORM cims.check_class(new);
	IF (new.equality IS DISTINCT FROM old.equality OR new.normal_form IS DISTINCT FROM old.normal_form) AND force IS NOT TRUE THEN
		SELECT string_agg(c, ', ') INTO used FROM cims.class_columns(the_id) c;
		IF used IS NOT NULL THEN
			RAISE EXCEPTION 'cannot change how values of class "%" are compared while it is in use', name
				USING ERRCODE = 'dependent_objects_still_exist',
					  DETAIL = format('It is the class of %s. Values that were sealed before would not be found equal to those sealed after.', used),
					  HINT = 'Repeat with force => true, and reseal these columns at once.';
		END IF;
	END IF;

	UPDATE cims.class c SET level = new.level, suite = new.suite, equality = new.equality, mask = new.mask,
			normal_form = new.normal_form, max_length = new.max_length, "precision" = new."precision", scale = new.scale,
			requires_actor = new.requires_actor, requires_mfa = new.requires_mfa, max_auth_age = new.max_auth_age,
			requires_purpose = new.requires_purpose, requires_approval = new.requires_approval
		WHERE c.id = the_id;
	IF new.suite <> old.suite THEN
		PERFORM cims.rotate_key(name);
	END IF;
END
$$;
COMMENT ON FUNCTION cims.alter_class(text, jsonb, boolean) IS
	'changes options of a class, given as a JSON object: level, suite (a new data key begins with it), equality, mask, normal_form, max_length, precision, scale, and what a grant on it demands of the actor: requires_actor, requires_mfa, max_auth_age, requires_purpose, and whether a grant needs two: requires_approval; null takes an option away; equality and normal_form of a class in use need force';
REVOKE ALL ON FUNCTION cims.alter_class(text, jsonb, boolean) FROM PUBLIC;

CREATE FUNCTION cims.drop_class(name text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	the_id int := cims.require_class(name);
	changed xid;
	used text;
BEGIN
	IF name = 'default' THEN
		RAISE EXCEPTION 'class "default" cannot be dropped'
			USING ERRCODE = 'object_not_in_prerequisite_state',
				  DETAIL = 'Values that are given no class are sealed under it.';
	END IF;
	SELECT c.xmin INTO changed FROM cims.class c WHERE c.id = the_id FOR UPDATE;
	SELECT string_agg(c, E'\n') INTO used FROM (
		SELECT cims.class_columns(the_id)
		UNION ALL
		SELECT format('column %I of table %s', g.name, g.relation) FROM cims.governed_column g WHERE g.class = name) u (c);
	IF used IS NOT NULL THEN
		RAISE EXCEPTION 'class "%" is in use', name
			USING ERRCODE = 'dependent_objects_still_exist', DETAIL = used,
				  HINT = 'Give these columns another class first.';
	END IF;
	IF EXISTS (SELECT FROM cims.data_key k WHERE k.class_id = the_id AND k.state <> 'destroyed') THEN
		PERFORM cims.wait_for_sealers(changed);
		SELECT string_agg(r, E'\n') INTO used FROM cims.key_references(the_id, 0) r;
		IF used IS NOT NULL THEN
			RAISE EXCEPTION 'values of class "%" are left', name
				USING ERRCODE = 'dependent_objects_still_exist', DETAIL = used,
					  HINT = 'They could never be revealed again; reseal them under another class first.';
		END IF;
	END IF;
	DELETE FROM cims.class_grant_entry e WHERE e.class_id = the_id;
	DELETE FROM cims.break_glass_permission p WHERE p.class = name;
	DELETE FROM cims.data_key k WHERE k.class_id = the_id;
	DELETE FROM cims.class c WHERE c.id = the_id;
END
$$;
COMMENT ON FUNCTION cims.drop_class(text) IS
	'drops a class that no column has and of which no value is left, with its data keys and grants';
REVOKE ALL ON FUNCTION cims.drop_class(text) FROM PUBLIC;

-- States of data keys
CREATE FUNCTION cims.require_key(class text, version int) RETURNS cims.data_key
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	the_class int := cims.require_class(class);
	the_key cims.data_key;
BEGIN
	PERFORM FROM cims.class c WHERE c.id = the_class FOR NO KEY UPDATE;
	SELECT * INTO the_key FROM cims.data_key k WHERE k.class_id = the_class AND k.version = version FOR UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'there is no version % of the data key of class "%"', version, class
			USING ERRCODE = 'undefined_object', HINT = 'View cims.key_status lists the data keys of this database.';
	END IF;
	IF the_key.state = 'destroyed' THEN
		RAISE EXCEPTION 'version % of the data key of class "%" is destroyed', version, class
			USING ERRCODE = 'object_not_in_prerequisite_state';
	END IF;
	IF the_key.state = 'active' THEN
		RAISE EXCEPTION 'version % of the data key of class "%" is active', version, class
			USING ERRCODE = 'object_not_in_prerequisite_state',
				  HINT = 'Put another version in its place first by cims.rotate_key().';
	END IF;
	RETURN the_key;
END
$$;
COMMENT ON FUNCTION cims.require_key(text, int) IS 'locks and returns a data key that is neither active nor destroyed, or raises';
REVOKE ALL ON FUNCTION cims.require_key(text, int) FROM PUBLIC;

CREATE FUNCTION cims.disable_key(class text, version int, reason text DEFAULT NULL) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	the_key cims.data_key := cims.require_key(class, version);
BEGIN
	UPDATE cims.data_key k SET state = 'disabled', changed = now(), reason = reason
		WHERE k.class_id = the_key.class_id AND k.version = the_key.version;
END
$$;
COMMENT ON FUNCTION cims.disable_key(text, int, text) IS
	'stops a version of a class''s data key from revealing, until cims.enable_key(); not for the active one';
REVOKE ALL ON FUNCTION cims.disable_key(text, int, text) FROM PUBLIC;

CREATE FUNCTION cims.enable_key(class text, version int, reason text DEFAULT NULL) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	the_key cims.data_key := cims.require_key(class, version);
BEGIN
	UPDATE cims.data_key k SET state = 'decrypt_only', changed = now(), reason = reason
		WHERE k.class_id = the_key.class_id AND k.version = the_key.version;
END
$$;
COMMENT ON FUNCTION cims.enable_key(text, int, text) IS 'lets a disabled version of a class''s data key reveal again';
REVOKE ALL ON FUNCTION cims.enable_key(text, int, text) FROM PUBLIC;

CREATE FUNCTION cims.destroy_key(class text, version int, reason text DEFAULT NULL, force boolean DEFAULT false) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
#variable_conflict use_variable
DECLARE
	the_key cims.data_key;
	used text;
BEGIN
	IF force AND coalesce(btrim(reason), '') = '' THEN
		RAISE EXCEPTION 'a data key is destroyed by force only with a reason'
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	the_key := cims.require_key(class, version);
	PERFORM cims.wait_for_sealers(k.xmin) FROM cims.data_key k
		WHERE k.class_id = the_key.class_id AND k.version = the_key.version;
	IF force IS NOT TRUE THEN
		SELECT string_agg(r, E'\n') INTO used FROM cims.key_references(the_key.class_id, the_key.version) r;
		IF used IS NOT NULL THEN
			RAISE EXCEPTION 'version % of the data key of class "%" is in use', version, class
				USING ERRCODE = 'dependent_objects_still_exist', DETAIL = used,
					  HINT = 'Reseal these values first, or give a reason and force => true to make them unreadable for ever.';
		END IF;
	END IF;
	UPDATE cims.data_key k SET state = 'destroyed', wrapped = NULL, changed = now(), reason = reason
		WHERE k.class_id = the_key.class_id AND k.version = the_key.version;
END
$$;
COMMENT ON FUNCTION cims.destroy_key(text, int, text, boolean) IS
	'destroys a version of a class''s data key for ever: waits for transactions that may still seal with it, and refuses while anything refers to it unless forced with a reason; erasure only once backups and old master keys are gone too';
REVOKE ALL ON FUNCTION cims.destroy_key(text, int, text, boolean) FROM PUBLIC;

-- Grants on classes
CREATE FUNCTION cims.require_role(role name) RETURNS oid
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	found_role oid := CASE WHEN role = 'public' THEN 0 ELSE (SELECT r.oid FROM pg_roles r WHERE r.rolname = role) END;
BEGIN
	IF found_role IS NULL THEN
		RAISE EXCEPTION 'role "%" does not exist', role
			USING ERRCODE = 'undefined_object',
				  HINT = 'Give the name as it stands in pg_roles, or public for every role.';
	END IF;
	RETURN found_role;
END
$$;
COMMENT ON FUNCTION cims.require_role(name) IS 'the OID of a role, 0 for public, or an error';
REVOKE ALL ON FUNCTION cims.require_role(name) FROM PUBLIC;

CREATE FUNCTION cims.check_grant(class text, role name, level text, valid tstzrange) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF class IS NULL OR role IS NULL OR level IS NULL OR valid IS NULL THEN
		RAISE EXCEPTION 'class, role, level and valid of a grant must not be null'
			USING ERRCODE = 'null_value_not_allowed';
	END IF;
	PERFORM cims.require_class(class), cims.require_role(role);
	IF level NOT IN ('mask', 'search', 'reveal') THEN
		RAISE EXCEPTION 'unknown level "%"', level
			USING ERRCODE = 'invalid_parameter_value',
				  HINT = 'Levels are mask, search and reveal; to take a grant back use cims.revoke_class().';
	END IF;
	IF isempty(valid) THEN
		RAISE EXCEPTION 'the range of time of a grant must not be empty'
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	PERFORM cims.refuse_conflicts_of(role);
END
$$;
COMMENT ON FUNCTION cims.check_grant(text, name, text, tstzrange) IS 'refuses a grant on a class that means nothing, or that a rule about conflicting roles forbids';
REVOKE ALL ON FUNCTION cims.check_grant(text, name, text, tstzrange) FROM PUBLIC;

CREATE FUNCTION cims.refuse_unapproved(class text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
	IF (SELECT c.requires_approval FROM cims.class c WHERE c.name = class) THEN
		RAISE EXCEPTION 'a grant on class "%" needs an approval', class
			USING ERRCODE = 'insufficient_privilege',
				  HINT = 'Ask for it by cims.request_grant(); somebody else gives it by cims.approve_grant().';
	END IF;
END
$$;
COMMENT ON FUNCTION cims.refuse_unapproved(text) IS 'refuses a grant on a class that is given by two only';
REVOKE ALL ON FUNCTION cims.refuse_unapproved(text) FROM PUBLIC;

CREATE FUNCTION cims.put_grant(class text, role name, level text, valid tstzrange, reason text, temporary boolean) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	the_class int := cims.require_class(class);
	the_role oid := cims.require_role(role);
	made bigint;
BEGIN
	PERFORM FROM cims.class c WHERE c.id = the_class FOR NO KEY UPDATE;
	IF NOT temporary THEN
		DELETE FROM cims.class_grant_entry e WHERE e.class_id = the_class AND e.grantee::oid = the_role AND NOT e.temporary;
	END IF;
	INSERT INTO cims.class_grant_entry (class_id, grantee, level, valid, reason, grantor, temporary)
		VALUES (the_class, the_role, level, valid, reason, session_user, temporary) RETURNING id INTO made;
	RETURN made;
END
$$;
COMMENT ON FUNCTION cims.put_grant(text, name, text, tstzrange, text, boolean) IS 'writes a grant on a class that was checked';
REVOKE ALL ON FUNCTION cims.put_grant(text, name, text, tstzrange, text, boolean) FROM PUBLIC;

CREATE FUNCTION cims.grant_class(
	class text,
	role name,
	level text,
	valid tstzrange DEFAULT '(,)',
	reason text DEFAULT NULL
) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM cims.check_grant(class, role, level, valid);
	PERFORM cims.refuse_unapproved(class);
	PERFORM cims.put_grant(class, role, level, valid, reason, false);
	IF upper(valid) <= statement_timestamp() THEN
		RAISE WARNING 'the range of time of the grant is over already';
	END IF;
END
$$;
COMMENT ON FUNCTION cims.grant_class(text, name, text, tstzrange, text) IS
	'gives a role (or public) a level on a class: mask, search or reveal, within a range of time; takes the place of an earlier grant; counts once it has committed';
REVOKE ALL ON FUNCTION cims.grant_class(text, name, text, tstzrange, text) FROM PUBLIC;

CREATE FUNCTION cims.valid_for(duration interval) RETURNS tstzrange
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF duration IS NULL OR duration <= interval '0' THEN
		RAISE EXCEPTION 'the duration must be longer than 0'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Give one such as ''8 hours''.';
	END IF;
	RETURN tstzrange(statement_timestamp(), statement_timestamp() + duration);
END
$$;
COMMENT ON FUNCTION cims.valid_for(interval) IS 'the range of time from now on that lasts so long';
REVOKE ALL ON FUNCTION cims.valid_for(interval) FROM PUBLIC;

CREATE FUNCTION cims.require_reason(reason text) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF coalesce(btrim(reason), '') = '' THEN
		RAISE EXCEPTION 'a reason must be given'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'It is recorded, and read by whoever reviews.';
	END IF;
END
$$;
COMMENT ON FUNCTION cims.require_reason(text) IS 'raises where no reason is given';
REVOKE ALL ON FUNCTION cims.require_reason(text) FROM PUBLIC;

CREATE FUNCTION cims.grant_class_for(class text, role name, level text, duration interval, reason text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM cims.check_grant(class, role, level, cims.valid_for(duration));
	PERFORM cims.refuse_unapproved(class);
	PERFORM cims.require_reason(reason);
	PERFORM cims.put_grant(class, role, level, cims.valid_for(duration), reason, true);
END
$$;
COMMENT ON FUNCTION cims.grant_class_for(text, name, text, interval, text) IS
	'gives a role (or public) a level on a class from now on for so long, for a reason, beside what it holds; ends by itself; counts once it has committed';
REVOKE ALL ON FUNCTION cims.grant_class_for(text, name, text, interval, text) FROM PUBLIC;

CREATE FUNCTION cims.revoke_class(class text, role name) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	the_class int := cims.require_class(class);
	the_role oid := cims.require_role(role);
BEGIN
	DELETE FROM cims.class_grant_entry e WHERE e.class_id = the_class AND e.grantee::oid = the_role;
	IF NOT FOUND THEN
		RAISE NOTICE 'role "%" holds no grant on class "%"', role, class;
	END IF;
END
$$;
COMMENT ON FUNCTION cims.revoke_class(text, name) IS
	'takes back what a role (or public) was granted on a class, for a time or without end; takes effect in this transaction already';
REVOKE ALL ON FUNCTION cims.revoke_class(text, name) FROM PUBLIC;

-- Views
CREATE VIEW cims.data_class AS
	SELECT c.name, c.level, c.suite, c.equality, c.mask, c.normal_form, c.max_length, c."precision", c.scale,
		c.requires_actor, c.requires_mfa, c.max_auth_age, c.requires_purpose, c.requires_approval
	FROM cims.class c;
COMMENT ON VIEW cims.data_class IS 'the classes of customer data of this database; open to every role';
COMMENT ON COLUMN cims.data_class.name IS 'name of the class, the type modifier of its columns';
COMMENT ON COLUMN cims.data_class.level IS 'sensitivity, 1 to 4';
COMMENT ON COLUMN cims.data_class.suite IS 'suite of data keys to come';
COMMENT ON COLUMN cims.data_class.equality IS 'whether equal values are found by a token';
COMMENT ON COLUMN cims.data_class.mask IS 'what roles with level mask or search see';
COMMENT ON COLUMN cims.data_class.normal_form IS 'lower: values are equal without regard to upper and lower case';
COMMENT ON COLUMN cims.data_class.max_length IS 'most characters of a text, most bytes of a bytea';
COMMENT ON COLUMN cims.data_class."precision" IS 'most digits of a number';
COMMENT ON COLUMN cims.data_class.scale IS 'digits of a number after the point';
COMMENT ON COLUMN cims.data_class.requires_actor IS 'a grant counts only with a verified actor, for the role in use';
COMMENT ON COLUMN cims.data_class.requires_mfa IS 'and only where more than one factor was verified';
COMMENT ON COLUMN cims.data_class.max_auth_age IS 'and only for so long after the actor was authenticated';
COMMENT ON COLUMN cims.data_class.requires_purpose IS 'and only for one of these purposes; * is any';
COMMENT ON COLUMN cims.data_class.requires_approval IS 'a grant is asked for by one and approved by another';
REVOKE ALL ON cims.data_class FROM PUBLIC;
GRANT SELECT ON cims.data_class TO PUBLIC;

CREATE VIEW cims.class_grant AS
	SELECT c.name AS class, e.grantee AS role, e.level, e.valid,
		e.valid @> pg_catalog.statement_timestamp() AS in_force, e.reason, e.grantor, e.granted
	FROM cims.class_grant_entry e JOIN cims.class c ON c.id = e.class_id;
COMMENT ON VIEW cims.class_grant IS 'who holds what level on which class; open to pg_monitor';
COMMENT ON COLUMN cims.class_grant.class IS 'name of the class';
COMMENT ON COLUMN cims.class_grant.role IS 'the role, public, or - for a role that is gone';
COMMENT ON COLUMN cims.class_grant.level IS 'mask, search or reveal';
COMMENT ON COLUMN cims.class_grant.valid IS 'when the grant holds';
COMMENT ON COLUMN cims.class_grant.in_force IS 'whether it holds now';
COMMENT ON COLUMN cims.class_grant.reason IS 'why it was given, as told';
COMMENT ON COLUMN cims.class_grant.grantor IS 'the session''s role that gave it';
COMMENT ON COLUMN cims.class_grant.granted IS 'when it was given';
REVOKE ALL ON cims.class_grant FROM PUBLIC;
GRANT SELECT ON cims.class_grant TO pg_monitor;

CREATE VIEW cims.key_status AS
	SELECT c.name AS class, k.version, k.state, k.suite, k.master_key_id, k.created, k.changed, k.reason,
		cims.values_sealed(k.class_id, k.version) AS values_sealed
	FROM cims.data_key k JOIN cims.class c ON c.id = k.class_id;
COMMENT ON VIEW cims.key_status IS 'the data keys of this database, without the keys; open to pg_monitor';
COMMENT ON COLUMN cims.key_status.class IS 'name of the class';
COMMENT ON COLUMN cims.key_status.version IS 'version of its data key';
COMMENT ON COLUMN cims.key_status.state IS 'active, decrypt_only, disabled or destroyed';
COMMENT ON COLUMN cims.key_status.suite IS 'the suite that the key is used with';
COMMENT ON COLUMN cims.key_status.master_key_id IS 'number of the master key that wraps it';
COMMENT ON COLUMN cims.key_status.created IS 'when the key was made';
COMMENT ON COLUMN cims.key_status.changed IS 'when the state last changed';
COMMENT ON COLUMN cims.key_status.reason IS 'why the state last changed, as told';
COMMENT ON COLUMN cims.key_status.values_sealed IS 'values sealed since the server started; NULL where not known';
REVOKE ALL ON cims.key_status FROM PUBLIC;
GRANT SELECT ON cims.key_status TO pg_monitor;
GRANT EXECUTE ON FUNCTION cims.values_sealed(int, int) TO pg_monitor;
