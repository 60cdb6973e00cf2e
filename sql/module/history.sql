-- Reading the record: the log in a person's terms, the life of a row, a table as it was, comparison with the record

CREATE FUNCTION cims.event_detail(seq bigint, relation oid, entry bytea, payload bytea,
	OUT operation text, OUT schema_name text, OUT table_name text,
	OUT session_role text, OUT role text, OUT actor text, OUT actor_verified boolean,
	OUT client_address text, OUT application text, OUT query_id bigint,
	OUT row_key jsonb, OUT changed text[], OUT old jsonb, OUT new jsonb, OUT hidden text[],
	OUT detail jsonb, OUT erased boolean)
	LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_event_detail';
COMMENT ON FUNCTION cims.event_detail(bigint, oid, bytea, bytea) IS
	'an event of the record by its columns in a person''s terms, each value as the current role may see it';

CREATE VIEW cims.audit_log AS
	SELECT e.seq, e.at, e.xid, d.operation, e.relation::regclass AS relation, d.schema_name, d.table_name,
		d.session_role, d.role, d.actor, d.actor_verified, d.client_address, d.application, d.query_id,
		d.row_key, d.changed, d.old, d.new, d.hidden, d.detail, d.erased
	FROM cims.event e, cims.event_detail(e.seq, e.relation, e.entry, e.payload) d;
COMMENT ON VIEW cims.audit_log IS
	'the record in a person''s terms; who is granted SELECT on it sees every event, sealed values by the level on their class, plain ones where it may read the column';
COMMENT ON COLUMN cims.audit_log.seq IS 'number of the event; the changes of a row have ascending ones';
COMMENT ON COLUMN cims.audit_log.at IS 'when it was written';
COMMENT ON COLUMN cims.audit_log.xid IS 'the transaction';
COMMENT ON COLUMN cims.audit_log.operation IS 'insert, update, delete, truncate, baseline, descriptor, command, grant, record, disclosure or denial; damaged where the event is not what was written';
COMMENT ON COLUMN cims.audit_log.relation IS 'the table that held the row; of a partitioned table, the partition';
COMMENT ON COLUMN cims.audit_log.schema_name IS 'schema of the table at that time';
COMMENT ON COLUMN cims.audit_log.table_name IS 'name of the table at that time';
COMMENT ON COLUMN cims.audit_log.session_role IS 'who logged in';
COMMENT ON COLUMN cims.audit_log.role IS 'the role that was set';
COMMENT ON COLUMN cims.audit_log.actor IS 'the application''s user';
COMMENT ON COLUMN cims.audit_log.actor_verified IS 'whether a token proved it';
COMMENT ON COLUMN cims.audit_log.client_address IS 'where the connection came from';
COMMENT ON COLUMN cims.audit_log.application IS 'application_name';
COMMENT ON COLUMN cims.audit_log.query_id IS 'fingerprint of the statement, as in pg_stat_statements';
COMMENT ON COLUMN cims.audit_log.row_key IS 'key of the row';
COMMENT ON COLUMN cims.audit_log.changed IS 'the columns that an update changed';
COMMENT ON COLUMN cims.audit_log.old IS 'what they held; of a deletion, the whole row';
COMMENT ON COLUMN cims.audit_log.new IS 'what they hold; of an insertion, the whole row';
COMMENT ON COLUMN cims.audit_log.hidden IS 'columns that the reader may not see, left out of the former ones';
COMMENT ON COLUMN cims.audit_log.detail IS 'what an event tells that is of no row';
COMMENT ON COLUMN cims.audit_log.erased IS 'whether what the event told was erased';
REVOKE ALL ON cims.audit_log FROM PUBLIC;

-- A table against its record
CREATE FUNCTION cims.verify_table(tbl regclass)
RETURNS TABLE (relation regclass, problem text, row_key jsonb, columns text[], recorded jsonb, found jsonb, event bigint)
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cims_verify_table';
COMMENT ON FUNCTION cims.verify_table(regclass) IS
	'lists the rows of an audited table that were changed, added or taken away behind the record''s back';

-- The life of a row
CREATE FUNCTION cims.history(tbl regclass, VARIADIC key "any")
RETURNS TABLE (seq bigint, at timestamptz, relation regclass, version jsonb, operation text, session_role text, role text,
	actor text, actor_verified boolean, client_address text, application text, changed text[], old jsonb, new jsonb,
	hidden text[], erased boolean)
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cims_history';
COMMENT ON FUNCTION cims.history(regclass, "any") IS
	'the life of a row, event by event, and the row as it stood after each: the key as one value a column, or as JSON or a row by name';

-- A table as it was
CREATE FUNCTION cims.read_json_as_of(tbl regclass, since pg_snapshot, snapshot pg_snapshot, upto_xid xid8, upto_seq bigint,
	moment timestamptz) RETURNS SETOF jsonb
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cims_read_json_as_of';
COMMENT ON FUNCTION cims.read_json_as_of(regclass, pg_snapshot, pg_snapshot, xid8, bigint, timestamptz) IS
	'the rows of a table at a moment, with the columns of that time; part of cims.as_of';

CREATE FUNCTION cims.read_rows_as_of(tbl anyelement, since pg_snapshot, snapshot pg_snapshot, upto_xid xid8, upto_seq bigint,
	moment timestamptz) RETURNS SETOF anyelement
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cims_read_rows_as_of';
COMMENT ON FUNCTION cims.read_rows_as_of(anyelement, pg_snapshot, pg_snapshot, xid8, bigint, timestamptz) IS
	'the rows of a table at a moment, in its columns of today; part of cims.as_of';

-- which events a checkpoint covers: those that "since" sees, and of those that "snapshot" sees the ones up to a transaction and number
CREATE FUNCTION cims.covered_events(checkpoint text, tree_size bigint,
	OUT since pg_snapshot, OUT snapshot pg_snapshot, OUT upto_xid xid8, OUT upto_seq bigint)
	LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
DECLARE
	lines text[] := string_to_array(checkpoint, E'\n');
	block record;
BEGIN
	IF checkpoint IS NOT NULL AND NOT coalesce(lines[2] ~ '^[0-9]{1,18}$' AND lines[3] ~ '^[A-Za-z0-9+/]{43}=$', false) THEN
		RAISE EXCEPTION 'this is no checkpoint' USING ERRCODE = 'invalid_parameter_value',
			DETAIL = 'A checkpoint has an origin, a size and a root hash, in lines of their own.';
	END IF;
	SELECT b.* INTO block FROM cims.block b JOIN cims.ledger_incarnation i ON i.id = b.incarnation
	WHERE CASE WHEN checkpoint IS NULL THEN b.size = tree_size
		ELSE i.origin = lines[1] AND b.size = lines[2]::bigint AND b.root = decode(lines[3], 'base64') END
	ORDER BY b.number DESC LIMIT 1;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'there is no such checkpoint' USING ERRCODE = 'undefined_object',
			DETAIL = 'No seal of this ledger made a tree of this size and root.';
	END IF;
	-- what begins a tree is of no table
	WHILE block.own_xid IS NOT NULL LOOP
		SELECT b.* INTO block FROM cims.block b WHERE b.number < block.number ORDER BY b.number DESC LIMIT 1;
		IF NOT FOUND THEN
			snapshot := '1:1:';
			RETURN;
		END IF;
	END LOOP;
	since := block.since;
	snapshot := block.snapshot;
	upto_xid := block.upto_xid;
	upto_seq := block.upto_seq;
END
$$;
COMMENT ON FUNCTION cims.covered_events(text, bigint) IS
	'which events a checkpoint, or the tree of a size, covers, as snapshots; part of cims.as_of';

CREATE FUNCTION cims.as_of(tbl regclass, moment pg_snapshot) RETURNS SETOF jsonb
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ SELECT cims.read_json_as_of(tbl, NULL, moment, NULL, NULL, NULL) $$;
COMMENT ON FUNCTION cims.as_of(regclass, pg_snapshot) IS 'the rows of a table as a snapshot saw them, with the columns of that time';

CREATE FUNCTION cims.as_of(tbl regclass, moment timestamptz) RETURNS SETOF jsonb
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ SELECT cims.read_json_as_of(tbl, NULL, NULL, NULL, NULL, moment) $$;
COMMENT ON FUNCTION cims.as_of(regclass, timestamptz) IS 'the rows of a table at about a time, with the columns of that time';

CREATE FUNCTION cims.as_of(tbl regclass, size bigint) RETURNS SETOF jsonb
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ SELECT cims.read_json_as_of(tbl, c.since, c.snapshot, c.upto_xid, c.upto_seq, NULL) FROM cims.covered_events(NULL, size) c $$;
COMMENT ON FUNCTION cims.as_of(regclass, bigint) IS 'the rows of a table as a tree of the ledger of this size covers them, with the columns of that time';

CREATE FUNCTION cims.as_of(tbl regclass, moment text) RETURNS SETOF jsonb
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF moment ~ '^[0-9]{1,18}$' THEN
		RETURN QUERY SELECT cims.as_of(tbl, moment::bigint);
	ELSIF moment ~ '\n' THEN
		RETURN QUERY SELECT cims.read_json_as_of(tbl, c.since, c.snapshot, c.upto_xid, c.upto_seq, NULL) FROM cims.covered_events(moment, NULL) c;
	ELSE
		RETURN QUERY SELECT cims.as_of(tbl, moment::timestamptz);
	END IF;
END
$$;
COMMENT ON FUNCTION cims.as_of(regclass, text) IS
	'the rows of a table, with the columns of that time, as a checkpoint covers them (its text, or its size), or at about a time';

CREATE FUNCTION cims.rows_as_of(tbl anyelement, moment pg_snapshot) RETURNS SETOF anyelement
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ SELECT r.* FROM cims.read_rows_as_of(tbl, NULL, moment, NULL, NULL, NULL) r $$;
COMMENT ON FUNCTION cims.rows_as_of(anyelement, pg_snapshot) IS 'the rows of a table as a snapshot saw them, in its columns of today: NULL::customer names table customer';

CREATE FUNCTION cims.rows_as_of(tbl anyelement, moment timestamptz) RETURNS SETOF anyelement
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ SELECT r.* FROM cims.read_rows_as_of(tbl, NULL, NULL, NULL, NULL, moment) r $$;
COMMENT ON FUNCTION cims.rows_as_of(anyelement, timestamptz) IS 'the rows of a table at about a time, in its columns of today: NULL::customer names table customer';

CREATE FUNCTION cims.rows_as_of(tbl anyelement, size bigint) RETURNS SETOF anyelement
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT r.* FROM cims.covered_events(NULL, size) c, cims.read_rows_as_of(tbl, c.since, c.snapshot, c.upto_xid, c.upto_seq, NULL) r
$$;
COMMENT ON FUNCTION cims.rows_as_of(anyelement, bigint) IS 'the rows of a table as a tree of the ledger of this size covers them, in its columns of today: NULL::customer names table customer';

CREATE FUNCTION cims.rows_as_of(tbl anyelement, moment text) RETURNS SETOF anyelement
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF moment ~ '^[0-9]{1,18}$' THEN
		RETURN QUERY SELECT r.* FROM cims.rows_as_of(tbl, moment::bigint) r;
	ELSIF moment ~ '\n' THEN
		RETURN QUERY SELECT r.* FROM cims.covered_events(moment, NULL) c,
			cims.read_rows_as_of(tbl, c.since, c.snapshot, c.upto_xid, c.upto_seq, NULL) r;
	ELSE
		RETURN QUERY SELECT r.* FROM cims.rows_as_of(tbl, moment::timestamptz) r;
	END IF;
END
$$;
COMMENT ON FUNCTION cims.rows_as_of(anyelement, text) IS
	'the rows of a table, in its columns of today, as a checkpoint covers them (its text, or its size), or at about a time: NULL::customer names table customer';

CREATE FUNCTION cims.restore_row(tbl regclass, key "any", event bigint) RETURNS text
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cims_restore_row';
COMMENT ON FUNCTION cims.restore_row(regclass, "any", bigint) IS
	'puts a row back to what it was after an event, or before it where that deleted the row, as an ordinary UPDATE or INSERT of the current role; tells which it was';
