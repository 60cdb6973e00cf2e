-- A reader of audit events that shares no code with the writer: it goes by the format alone.

-- An unsigned LEB128 number, and the place after it
CREATE FUNCTION leb128(bytes bytea, INOUT at int, OUT value int) LANGUAGE plpgsql AS $$
DECLARE shift int := 0; b int;
BEGIN
	value := 0;
	LOOP
		b := get_byte(bytes, at);
		at := at + 1;
		value := value + ((b & 127) << shift);
		shift := shift + 7;
		EXIT WHEN b < 128;
	END LOOP;
END $$;

-- A field of a payload by its tag, or NULL
CREATE FUNCTION field(payload bytea, tag text) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE at int := 33; t text; n int;
BEGIN
	WHILE at < length(payload) LOOP
		t := chr(get_byte(payload, at));
		SELECT l.at, l.value INTO at, n FROM leb128(payload, at + 1) l;
		IF t = tag THEN RETURN substr(payload, at + 1, n); END IF;
		at := at + n;
	END LOOP;
	RETURN NULL;
END $$;

-- The detail of an event
CREATE FUNCTION detail(payload bytea) RETURNS jsonb LANGUAGE sql AS $$ SELECT convert_from(field(payload, 'D'), 'UTF8')::jsonb $$;

-- An image of a row: numbers of columns and their values
CREATE FUNCTION image(bytes bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE at int := 0; col int; kind text; n int; shown text := '';
BEGIN
	IF bytes IS NULL THEN RETURN NULL; END IF;
	WHILE at < length(bytes) LOOP
		SELECT l.at, l.value INTO at, col FROM leb128(bytes, at) l;
		kind := chr(get_byte(bytes, at));
		at := at + 1;
		shown := shown || CASE WHEN shown <> '' THEN ' ' ELSE '' END || col || '=';
		IF kind = 'n' THEN
			shown := shown || 'null';
		ELSE
			SELECT l.at, l.value INTO at, n FROM leb128(bytes, at) l;
			shown := shown || CASE kind WHEN 't' THEN convert_from(substr(bytes, at + 1, n), 'UTF8') WHEN 's' THEN '(sealed)' ELSE '(hash)' END;
			at := at + n;
		END IF;
	END LOOP;
	RETURN shown;
END $$;
