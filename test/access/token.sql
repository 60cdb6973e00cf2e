-- Tokens for tests, signed by HS256 in plain SQL.  The key is that of the key set
-- which test_keys() gives.
CREATE FUNCTION test_key() RETURNS bytea LANGUAGE sql IMMUTABLE
RETURN sha256('a key for tests'::bytea);

CREATE FUNCTION base64url(value bytea) RETURNS text LANGUAGE sql IMMUTABLE
RETURN rtrim(translate(encode(value, 'base64'), E'+/\n', '-_'), '=');

CREATE FUNCTION test_keys() RETURNS text LANGUAGE sql IMMUTABLE
RETURN format('{"keys":[{"kty":"oct","kid":"test","alg":"HS256","k":"%s"}]}', base64url(test_key()));

-- HMAC by RFC 2104 for a key that is shorter than a block
CREATE FUNCTION hmac_sha256(key bytea, value bytea) RETURNS bytea LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
	inner_pad bytea := decode(repeat('36', 64), 'hex');
	outer_pad bytea := decode(repeat('5c', 64), 'hex');
BEGIN
	FOR i IN 0 .. length(key) - 1 LOOP
		inner_pad := set_byte(inner_pad, i, get_byte(key, i) # 54);
		outer_pad := set_byte(outer_pad, i, get_byte(key, i) # 92);
	END LOOP;
	RETURN sha256(outer_pad || sha256(inner_pad || value));
END
$$;

-- a token that is good for ten minutes from now
CREATE FUNCTION token_of(actor text, claims jsonb DEFAULT '{}') RETURNS text LANGUAGE sql AS $$
	SELECT s || '.' || base64url(hmac_sha256(test_key(), s::bytea))
	FROM (SELECT base64url('{"alg":"HS256","kid":"test"}') || '.' || base64url(convert_to((jsonb_build_object('sub', actor,
		'iat', floor(extract(epoch FROM clock_timestamp()))::bigint, 'exp', floor(extract(epoch FROM clock_timestamp()))::bigint + 600) || claims)::text, 'UTF8'))) t (s)
$$;
