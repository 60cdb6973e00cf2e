-- The audit record: what happened to audited tables

CREATE SEQUENCE cims.event_seq AS bigint INCREMENT 1024 CACHE 1;
COMMENT ON SEQUENCE cims.event_seq IS 'first numbers of blocks of 1024, from which events get theirs: those of one row ascend in the order of its changes';

CREATE TABLE cims.event (
	xid xid8 NOT NULL,
	seq bigint NOT NULL,
	at timestamptz NOT NULL,
	relation oid NOT NULL,
	row_hash bigint,
	entry bytea NOT NULL,
	payload bytea
) PARTITION BY RANGE (at);
-- no two entries are the same: to look for such costs a tenth of what an entry does
CREATE INDEX event_xid_seq ON cims.event (xid, seq) WITH (deduplicate_items = off);
-- a b-tree of hashes would cost each writer a random page; this one costs it next to nothing, and a reader some blocks
CREATE INDEX event_row_hash ON cims.event USING brin (row_hash int8_bloom_ops (false_positive_rate = 0.001))
	WITH (pages_per_range = 32, autosummarize = on);
COMMENT ON TABLE cims.event IS 'the audit record: one row an event; written by the extension alone, changed by nobody';
COMMENT ON COLUMN cims.event.xid IS 'the top-level transaction';
COMMENT ON COLUMN cims.event.seq IS 'number of the event; the changes of a row have ascending ones';
COMMENT ON COLUMN cims.event.at IS 'when it was written, by the clock';
COMMENT ON COLUMN cims.event.relation IS 'the table that held the row (of a partitioned table, the partition); 0 where there is none';
COMMENT ON COLUMN cims.event.row_hash IS 'hash of the row''s key, by which the events of a row are found';
COMMENT ON COLUMN cims.event.entry IS 'what a leaf of the ledger hashes: kind, numbers, time and the digest of the payload; no personal data, never erased';
COMMENT ON COLUMN cims.event.payload IS 'who, from where, the key and the images of the row; NULL once it is erased';
COMMENT ON INDEX cims.event_xid_seq IS 'finds the events of transactions';
COMMENT ON INDEX cims.event_row_hash IS 'finds the events of a row';

CREATE TABLE cims.event_overflow PARTITION OF cims.event DEFAULT;
-- ANALYZE would keep samples of what may be erased
ALTER TABLE cims.event ALTER payload SET STATISTICS 0;
ALTER TABLE cims.event_overflow ALTER payload SET STATISTICS 0;
COMMENT ON TABLE cims.event_overflow IS 'part of the audit record: events for whose time no partition was made';

CREATE TABLE cims.descriptor (
	seq bigint PRIMARY KEY,
	xid xid8 NOT NULL,
	relation oid NOT NULL,
	digest bytea NOT NULL
);
CREATE INDEX descriptor_relation ON cims.descriptor (relation);
COMMENT ON TABLE cims.descriptor IS 'which events describe audited tables';
COMMENT ON COLUMN cims.descriptor.seq IS 'number of the event';
COMMENT ON COLUMN cims.descriptor.xid IS 'its transaction';
COMMENT ON COLUMN cims.descriptor.relation IS 'the table';
COMMENT ON COLUMN cims.descriptor.digest IS 'SHA-256 of the description, by which a changed table is told';
COMMENT ON INDEX cims.descriptor_relation IS 'finds the descriptions of a table';

CREATE TABLE cims.audited_table (
	relation regclass PRIMARY KEY,
	images text NOT NULL CHECK (images IN ('full', 'changes')),
	mode text NOT NULL CHECK (mode IN ('row', 'statement')),
	omit name[] NOT NULL DEFAULT '{}',
	hash name[] NOT NULL DEFAULT '{}',
	since timestamptz NOT NULL DEFAULT pg_catalog.now()
);
COMMENT ON TABLE cims.audited_table IS 'the tables that are audited, with their partitions and inheritance children; changed by cims.audit and cims.unaudit';
COMMENT ON COLUMN cims.audited_table.relation IS 'the table';
COMMENT ON COLUMN cims.audited_table.images IS 'full: an update is recorded with all columns as they were; changes: with the changed ones';
COMMENT ON COLUMN cims.audited_table.mode IS 'row or statement';
COMMENT ON COLUMN cims.audited_table.omit IS 'columns that are not recorded';
COMMENT ON COLUMN cims.audited_table.hash IS 'columns of which only a keyed hash is recorded';
COMMENT ON COLUMN cims.audited_table.since IS 'when auditing began, or its options were last changed';
-- the extension's own tables have their rows from CREATE EXTENSION
SELECT pg_catalog.pg_extension_config_dump('cims.audited_table',
	'WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid OPERATOR(pg_catalog.=) ''pg_catalog.pg_class''::pg_catalog.regclass AND d.objid OPERATOR(pg_catalog.=) relation::pg_catalog.oid AND d.deptype OPERATOR(pg_catalog.=) ''e'')');

REVOKE ALL ON cims.event, cims.event_overflow, cims.descriptor, cims.audited_table FROM PUBLIC;
REVOKE ALL ON SEQUENCE cims.event_seq FROM PUBLIC;

CREATE FUNCTION cims.make_event_partitions() RETURNS int
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cims_make_event_partitions';
COMMENT ON FUNCTION cims.make_event_partitions() IS
	'makes the partitions of the audit record that are needed now and soon, and returns how many; to be called again where the record was read at that moment';
REVOKE ALL ON FUNCTION cims.make_event_partitions() FROM PUBLIC;

CREATE FUNCTION cims.sweep_overflow() RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = off
	AS 'MODULE_PATHNAME', 'cims_sweep_overflow';
COMMENT ON FUNCTION cims.sweep_overflow() IS
	'moves events for whose time no partition was made from cims.event_overflow, as they are, to partitions of their own, so that they can be dropped with these, records that, and returns how many; who reads the record waits, and so does who writes events for such a time';
REVOKE ALL ON FUNCTION cims.sweep_overflow() FROM PUBLIC;

CREATE FUNCTION cims.record_event(operation "char", relation oid, detail jsonb) RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cims_record_event';
COMMENT ON FUNCTION cims.record_event("char", oid, jsonb) IS
	'records an event that is of no row (C a command, G roles and grants, M the record''s own matters, V a disclosure, X a denial) and returns its number';
REVOKE ALL ON FUNCTION cims.record_event("char", oid, jsonb) FROM PUBLIC;

-- What no hook of a statement sees: logical replication that applies to the record
CREATE FUNCTION cims.refuse_change() RETURNS trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'cims_refuse_change';
COMMENT ON FUNCTION cims.refuse_change() IS 'refuses a change of the record';
REVOKE ALL ON FUNCTION cims.refuse_change() FROM PUBLIC;
CREATE TRIGGER refuse_change BEFORE INSERT OR UPDATE OR DELETE ON cims.event
	FOR EACH ROW EXECUTE FUNCTION cims.refuse_change();
ALTER TABLE cims.event ENABLE ALWAYS TRIGGER refuse_change;
COMMENT ON TRIGGER refuse_change ON cims.event IS 'refuses what replication would apply';
CREATE TRIGGER refuse_change BEFORE INSERT OR UPDATE OR DELETE ON cims.descriptor
	FOR EACH ROW EXECUTE FUNCTION cims.refuse_change();
ALTER TABLE cims.descriptor ENABLE ALWAYS TRIGGER refuse_change;
COMMENT ON TRIGGER refuse_change ON cims.descriptor IS 'refuses what replication would apply';

SELECT cims.make_event_partitions();

-- Triggers
CREATE FUNCTION cims.audit_row() RETURNS trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'cims_audit_row';
COMMENT ON FUNCTION cims.audit_row() IS 'records a row that was inserted, updated or deleted';

CREATE FUNCTION cims.audit_statement() RETURNS trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'cims_audit_statement';
COMMENT ON FUNCTION cims.audit_statement() IS 'records the rows of a statement, or that a table was truncated';
-- whoever owns a partitioned table that is audited gives these triggers to its partitions
GRANT EXECUTE ON FUNCTION cims.audit_row(), cims.audit_statement() TO PUBLIC;

-- What a table needs to be audited
CREATE FUNCTION cims.is_record_table(relation oid) RETURNS boolean
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_is_record_table';
COMMENT ON FUNCTION cims.is_record_table(oid) IS 'whether a table is part of the record, which nobody changes';
REVOKE ALL ON FUNCTION cims.is_record_table(oid) FROM PUBLIC;

CREATE FUNCTION cims.audit_key_columns(relation oid) RETURNS SETOF name
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_audit_key_columns';
COMMENT ON FUNCTION cims.audit_key_columns(oid) IS 'the columns by which the record tells the rows of a table apart; none where the whole row does';
REVOKE ALL ON FUNCTION cims.audit_key_columns(oid) FROM PUBLIC;

CREATE FUNCTION cims.audit_root(relation oid) RETURNS oid
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_audit_root_of';
COMMENT ON FUNCTION cims.audit_root(oid) IS 'the table whose options a table is audited with: itself, or the nearest ancestor that cims.audited_table names; null where it is not audited';
REVOKE ALL ON FUNCTION cims.audit_root(oid) FROM PUBLIC;

CREATE FUNCTION cims.describe_table(relation oid, anew boolean DEFAULT false) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cims_describe_table';
COMMENT ON FUNCTION cims.describe_table(oid, boolean) IS
	'number of the event that describes an audited table as it is; recorded unless there is one, or in any case';
REVOKE ALL ON FUNCTION cims.describe_table(oid, boolean) FROM PUBLIC;

CREATE FUNCTION cims.record_baseline(relation oid, event text DEFAULT 'baseline begun', rows boolean DEFAULT true) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cims_record_baseline';
COMMENT ON FUNCTION cims.record_baseline(oid, text, boolean) IS
	'records the rows that are in an audited table, after an event that says so, and returns their number; writers wait meanwhile';
REVOKE ALL ON FUNCTION cims.record_baseline(oid, text, boolean) FROM PUBLIC;

CREATE FUNCTION cims.table_tree(root oid) RETURNS TABLE (relation oid, kind "char")
	LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE tree (relation) AS (
		SELECT root
		UNION
		SELECT i.inhrelid FROM tree t JOIN pg_inherits i ON i.inhparent = t.relation
	)
	SELECT c.oid, c.relkind FROM tree t JOIN pg_class c ON c.oid = t.relation ORDER BY c.oid <> root, c.oid
$$;
COMMENT ON FUNCTION cims.table_tree(oid) IS 'a table, its partitions and inheritance children, and theirs';
REVOKE ALL ON FUNCTION cims.table_tree(oid) FROM PUBLIC;

CREATE FUNCTION cims.no_statement_audit(relation oid) RETURNS text
	LANGUAGE sql STABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE
		WHEN c.relkind = 'p' THEN 'It is partitioned: statements that name a partition would not be recorded.'
		WHEN c.relispartition THEN 'It is a partition: statements that name the partitioned table would not be recorded.'
		WHEN EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid)
			THEN 'It has inheritance children: statements that name one of them would not be recorded.'
		WHEN EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid)
			THEN 'It is an inheritance child: statements that name its parent would not be recorded.'
	END
	FROM pg_class c WHERE c.oid = relation
$$;
COMMENT ON FUNCTION cims.no_statement_audit(oid) IS 'why a table cannot be recorded by statement; null where it can';
REVOKE ALL ON FUNCTION cims.no_statement_audit(oid) FROM PUBLIC;

CREATE FUNCTION cims.drop_audit_triggers(relation oid, kept name[] DEFAULT '{}') RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	name name;
BEGIN
	FOR name IN
		SELECT t.tgname FROM pg_trigger t
		WHERE t.tgrelid = relation AND t.tgparentid = 0 AND t.tgname <> ALL (kept)
			AND t.tgfoid IN ('cims.audit_row'::regproc, 'cims.audit_statement'::regproc)
	LOOP
		EXECUTE format('DROP TRIGGER %I ON %s', name, relation::regclass);
	END LOOP;
END
$$;
COMMENT ON FUNCTION cims.drop_audit_triggers(oid, name[]) IS 'takes the triggers of auditing off a table, but for those named';
REVOKE ALL ON FUNCTION cims.drop_audit_triggers(oid, name[]) FROM PUBLIC;

CREATE FUNCTION cims.make_audit_triggers(relation oid, by_statement boolean) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	-- they sort before any other: PostgreSQL fires triggers by name, and another may change the row again
	wanted CONSTANT text[] := CASE WHEN by_statement THEN
		ARRAY['!cims_audit_insert', '!cims_audit_update', '!cims_audit_delete', '!cims_audit_apply']
		ELSE ARRAY['!cims_audit'] END || '!cims_audit_truncate'::text;
	definition jsonb := '{
		"!cims_audit": "AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION cims.audit_row()",
		"!cims_audit_apply": "AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION cims.audit_row()",
		"!cims_audit_insert": "AFTER INSERT ON %s REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION cims.audit_statement()",
		"!cims_audit_update": "AFTER UPDATE ON %s REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION cims.audit_statement()",
		"!cims_audit_delete": "AFTER DELETE ON %s REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION cims.audit_statement()",
		"!cims_audit_truncate": "AFTER TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION cims.audit_statement()"}';
	-- as pg_trigger has it: row 1, insert 4, delete 8, update 16, truncate 32
	type jsonb := '{"!cims_audit": 29, "!cims_audit_apply": 29, "!cims_audit_insert": 4, "!cims_audit_update": 16, "!cims_audit_delete": 8, "!cims_audit_truncate": 32}';
	kind "char" := (SELECT c.relkind FROM pg_class c WHERE c.oid = relation);
	name text;
BEGIN
	-- what its owner made in their likeness is none of them
	PERFORM cims.drop_audit_triggers(relation, ARRAY(
		SELECT t.tgname FROM pg_trigger t
		WHERE t.tgrelid = relation AND t.tgname = ANY (wanted) AND t.tgtype = (type ->> t.tgname::text)::int
			AND t.tgqual IS NULL AND t.tgattr::text = '' AND t.tgnargs = 0));
	FOREACH name IN ARRAY wanted LOOP
		-- of a partitioned table the partitions are truncated, each for itself
		CONTINUE WHEN name = '!cims_audit_truncate' AND kind = 'p'
			OR EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = relation AND t.tgname = name
				AND t.tgfoid IN ('cims.audit_row'::regproc, 'cims.audit_statement'::regproc));
		EXECUTE format('CREATE TRIGGER %I ', name) || format(definition ->> name, relation::regclass);
		EXECUTE format('ALTER TABLE %s ENABLE %s TRIGGER %I', relation::regclass,
			CASE WHEN name = '!cims_audit_apply' THEN 'REPLICA' ELSE 'ALWAYS' END, name);
	END LOOP;
END
$$;
COMMENT ON FUNCTION cims.make_audit_triggers(oid, boolean) IS 'gives a table the triggers of auditing that it lacks, and takes those of the other mode off';
REVOKE ALL ON FUNCTION cims.make_audit_triggers(oid, boolean) FROM PUBLIC;

CREATE FUNCTION cims.audit_needs_baseline(relation oid) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cims_audit_needs_baseline';
COMMENT ON FUNCTION cims.audit_needs_baseline(oid) IS
	'whether the rows of an audited table are not on record yet, or what is does not tell them any more: the key has changed and images are of changes, or a column came with values that a description does not hold';
REVOKE ALL ON FUNCTION cims.audit_needs_baseline(oid) FROM PUBLIC;

CREATE FUNCTION cims.audit_sync(relation oid, rewritten boolean DEFAULT false) RETURNS void
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
#variable_conflict use_variable
DECLARE
	root oid := cims.audit_root(relation);
	by_statement boolean;
	reason text;
	part record;
BEGIN
	IF root IS NULL THEN
		RETURN;
	END IF;
	by_statement := (SELECT a.mode = 'statement' FROM cims.audited_table a WHERE a.relation = root);
	reason := CASE WHEN by_statement THEN cims.no_statement_audit(root) END;
	IF reason IS NOT NULL THEN
		RAISE NOTICE 'table "%" is audited by row from now on', root::regclass USING DETAIL = reason;
		UPDATE cims.audited_table a SET mode = 'row', since = now() WHERE a.relation = root;
		by_statement := false;
		PERFORM cims.make_audit_triggers(root, false);
	END IF;
	FOR part IN
		SELECT t.relation, t.kind FROM cims.table_tree(relation) t
		WHERE t.kind IN ('r', 'p') AND cims.audit_root(t.relation) = root
	LOOP
		-- what the owner of a table made before it came here is no trigger of the record
		IF part.kind = 'r' AND NOT EXISTS (SELECT FROM cims.descriptor d WHERE d.relation = part.relation) THEN
			PERFORM cims.drop_audit_triggers(part.relation);
		END IF;
		PERFORM cims.make_audit_triggers(part.relation, by_statement);
		CONTINUE WHEN part.kind = 'p';
		IF rewritten OR cims.audit_needs_baseline(part.relation) THEN
			PERFORM cims.record_baseline(part.relation);
		ELSE
			PERFORM cims.describe_table(part.relation);
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION cims.audit_sync(oid, boolean) IS
	'after a command that may have changed an audited table or its place among others: makes the triggers that new partitions and children lack, describes what has changed, and records the rows of what is new or was rewritten';
REVOKE ALL ON FUNCTION cims.audit_sync(oid, boolean) FROM PUBLIC;

CREATE FUNCTION cims.audit_refresh(relation oid) RETURNS void
	LANGUAGE plpgsql VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
#variable_conflict use_variable
DECLARE
	part oid;
BEGIN
	-- while a dump is restored there are options already, and no triggers yet
	FOR part IN
		SELECT t.relation FROM cims.table_tree(relation) t
		WHERE t.kind = 'r' AND EXISTS (SELECT FROM pg_trigger g
			WHERE g.tgrelid = t.relation AND g.tgfoid IN ('cims.audit_row'::regproc, 'cims.audit_statement'::regproc))
	LOOP
		IF EXISTS (SELECT FROM cims.descriptor d WHERE d.relation = part) AND cims.audit_needs_baseline(part) THEN
			PERFORM cims.record_baseline(part);
		ELSE
			PERFORM cims.describe_table(part);
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION cims.audit_refresh(oid) IS
	'after a command that has changed an audited table: describes it, and records its rows where what is on record does not tell them any more';
REVOKE ALL ON FUNCTION cims.audit_refresh(oid) FROM PUBLIC;

CREATE FUNCTION cims.audit_forget(relation oid) RETURNS void
	LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
	DELETE FROM cims.audited_table a WHERE a.relation = audit_forget.relation;
	-- from here on its rows are no more
	SELECT cims.record_event('M', audit_forget.relation, '{"event": "audit ended", "reason": "the table was dropped"}')
	WHERE EXISTS (SELECT FROM cims.descriptor d WHERE d.relation = audit_forget.relation)
$$;
COMMENT ON FUNCTION cims.audit_forget(oid) IS 'ends the record of a table that was dropped, and forgets its options';
REVOKE ALL ON FUNCTION cims.audit_forget(oid) FROM PUBLIC;

-- What the record holds of encrypted values, and of those that were not encrypted yet
CREATE FUNCTION cims.payload_references_key(payload bytea, class_id int, version int) RETURNS boolean
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_payload_references_key';
COMMENT ON FUNCTION cims.payload_references_key(bytea, int, int) IS
	'whether an event''s payload holds a value that was sealed with a version (0: with any) of a class''s data key';
REVOKE ALL ON FUNCTION cims.payload_references_key(bytea, int, int) FROM PUBLIC;

CREATE FUNCTION cims.note_audit_residue(relation oid, col name) RETURNS void
	LANGUAGE plpgsql STABLE STRICT PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	recorded text := (SELECT string_agg(t.relation::regclass::text, ', ' ORDER BY t.relation)
		FROM cims.table_tree(relation) t WHERE EXISTS (SELECT FROM cims.descriptor d WHERE d.relation = t.relation));
BEGIN
	IF recorded IS NOT NULL THEN
		RAISE NOTICE 'plaintext of column "%" stands in the audit record of %, in events before this one', col, recorded
			USING HINT = format('SELECT cims.erase_images(%L, reason) erases what these events told; that they happened stays on the record. WAL and backups written before stay as they are.', relation::regclass);
	END IF;
END
$$;
COMMENT ON FUNCTION cims.note_audit_residue(oid, name) IS 'announces that earlier events hold plaintext of a column that was encrypted';

-- Begin and end
CREATE FUNCTION cims.check_audit(relation regclass, images text, mode text, omit name[], hash name[]) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	class pg_class;
	reason text;
	wrong text;
	root oid := cims.audit_root(relation);
BEGIN
	SELECT * INTO class FROM pg_class c WHERE c.oid = relation;
	IF class.relkind IS NULL OR class.relkind NOT IN ('r', 'p') OR class.relpersistence = 't' OR class.relnamespace IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace) THEN
		RAISE EXCEPTION 'cannot audit "%"', relation
			USING ERRCODE = 'wrong_object_type', DETAIL = 'Ordinary and partitioned tables that outlive their session can be audited.';
	END IF;
	IF cims.is_record_table(relation) THEN
		RAISE EXCEPTION 'cannot audit "%"', relation
			USING ERRCODE = 'wrong_object_type', DETAIL = 'It is part of the record itself.';
	END IF;
	IF EXISTS (SELECT FROM cims.table_tree(relation) t WHERE t.kind = 'f') THEN
		RAISE EXCEPTION 'cannot audit "%"', relation
			USING ERRCODE = 'feature_not_supported', DETAIL = 'A foreign table is among its partitions or children.';
	END IF;
	IF root <> relation THEN
		RAISE EXCEPTION 'table "%" is audited already', relation
			USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = format('It is audited with "%s".', root::regclass);
	END IF;
	IF images IS NULL OR images NOT IN ('full', 'changes') THEN
		RAISE EXCEPTION 'unknown kind of images "%"', images
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Images are full or changes.';
	END IF;
	IF mode IS NULL OR mode NOT IN ('row', 'statement') THEN
		RAISE EXCEPTION 'unknown mode "%"', mode
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Modes are row and statement.';
	END IF;
	reason := CASE WHEN mode = 'statement' THEN cims.no_statement_audit(relation) END;
	IF reason IS NOT NULL THEN
		RAISE EXCEPTION 'table "%" cannot be audited by statement', relation
			USING ERRCODE = 'feature_not_supported', DETAIL = reason, HINT = 'Audit it by row.';
	END IF;
	SELECT string_agg(format('"%s"', n), ', ') INTO wrong FROM unnest(omit || hash) n
		WHERE NOT EXISTS (SELECT FROM pg_attribute a
			WHERE a.attrelid = relation AND a.attname = n AND a.attnum > 0 AND NOT a.attisdropped);
	IF wrong IS NOT NULL THEN
		RAISE EXCEPTION 'table "%" has no column %', relation, wrong USING ERRCODE = 'undefined_column';
	END IF;
	SELECT string_agg(format('"%s"', a.attname), ', ') INTO wrong FROM pg_attribute a
		WHERE a.attrelid = relation AND a.attname = ANY (hash) AND a.atttypid IN (SELECT cims.sealed_types());
	IF wrong IS NOT NULL THEN
		RAISE EXCEPTION 'column % cannot be recorded as a hash', wrong
			USING ERRCODE = 'invalid_parameter_value', DETAIL = 'It is encrypted: what is recorded is sealed, and no two sealed values are the same.';
	END IF;
	IF cardinality(hash) > 0 AND NOT EXISTS (SELECT FROM cims.keyring) THEN
		RAISE EXCEPTION 'the keyring of this database is not initialised'
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'A superuser sets it up once by "SELECT cims.init()".';
	END IF;
END
$$;
COMMENT ON FUNCTION cims.check_audit(regclass, text, text, name[], name[]) IS 'refuses what cannot be audited as told';
REVOKE ALL ON FUNCTION cims.check_audit(regclass, text, text, name[], name[]) FROM PUBLIC;

CREATE FUNCTION cims.audit(
	tbl regclass,
	images text DEFAULT 'full',
	mode text DEFAULT 'row',
	omit name[] DEFAULT '{}',
	hash name[] DEFAULT '{}',
	baseline boolean DEFAULT true
) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
#variable_conflict use_variable
DECLARE
	begins boolean := cims.audit_root(tbl) IS NULL;
	part record;
	wrong text;
BEGIN
	IF tbl IS NULL THEN
		RAISE EXCEPTION 'the table must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	omit := coalesce(omit, '{}');
	hash := coalesce(hash, '{}');
	-- from here on nobody writes
	FOR part IN SELECT t.relation FROM cims.table_tree(tbl) t WHERE t.kind IN ('r', 'p') LOOP
		EXECUTE format('LOCK TABLE ONLY %s IN SHARE ROW EXCLUSIVE MODE', part.relation::regclass);
	END LOOP;
	PERFORM cims.check_audit(tbl, images, mode, omit, hash);
	-- a part that was audited by itself is audited with the whole from now on
	FOR part IN
		SELECT a.relation FROM cims.table_tree(tbl) t JOIN cims.audited_table a USING (relation) WHERE a.relation <> tbl
	LOOP
		DELETE FROM cims.audited_table a WHERE a.relation = part.relation;
		PERFORM cims.drop_audit_triggers(t.relation) FROM cims.table_tree(part.relation) t;
	END LOOP;

	INSERT INTO cims.audited_table (relation, images, mode, omit, hash)
		VALUES (tbl, images, mode, omit, hash)
		ON CONFLICT (relation) DO UPDATE SET images = excluded.images, mode = excluded.mode,
			omit = excluded.omit, hash = excluded.hash, since = excluded.since;
	IF begins THEN
		PERFORM cims.drop_audit_triggers(t.relation) FROM cims.table_tree(tbl) t;
	END IF;
	FOR part IN SELECT t.relation, t.kind FROM cims.table_tree(tbl) t WHERE t.kind IN ('r', 'p') LOOP
		PERFORM cims.make_audit_triggers(part.relation, mode = 'statement');
		CONTINUE WHEN part.kind = 'p';
		PERFORM cims.record_baseline(part.relation, 'audit begun', coalesce(baseline, true));
	END LOOP;
	SELECT string_agg(format('"%s"', c), ', ') INTO wrong
		FROM cims.table_tree(tbl) t, cims.audit_key_columns(t.relation) c WHERE t.kind = 'r' AND c = ANY (omit);
	IF wrong IS NOT NULL THEN
		RAISE EXCEPTION 'column % cannot be left out', wrong
			USING ERRCODE = 'invalid_parameter_value', DETAIL = 'It is part of the key by which rows are told apart.',
				  HINT = 'Record it as a hash.';
	END IF;
END
$$;
COMMENT ON FUNCTION cims.audit(regclass, text, text, name[], name[], boolean) IS
	'records from now on every change of a table, its partitions and inheritance children, beginning with the rows that are there: images full or changes, mode row or statement, columns to omit, columns of which only a keyed hash is recorded; again to change these options';
REVOKE ALL ON FUNCTION cims.audit(regclass, text, text, name[], name[], boolean) FROM PUBLIC;

CREATE FUNCTION cims.unaudit(tbl regclass) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
#variable_conflict use_variable
DECLARE
	root oid := cims.audit_root(tbl);
	part record;
BEGIN
	IF root IS NULL THEN
		RAISE EXCEPTION 'table "%" is not audited', tbl USING ERRCODE = 'object_not_in_prerequisite_state';
	END IF;
	IF root <> tbl THEN
		RAISE EXCEPTION 'table "%" is audited with another', tbl
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = format('End it for the whole by cims.unaudit(''%s'').', root::regclass);
	END IF;
	IF EXISTS (SELECT FROM pg_depend d
			   WHERE d.classid = 'pg_class'::regclass AND d.objid = tbl AND d.deptype = 'e'
				 AND d.refclassid = 'pg_extension'::regclass
				 AND d.refobjid = (SELECT e.oid FROM pg_extension e WHERE e.extname = 'cims')) THEN
		RAISE EXCEPTION 'table "%" is always audited', tbl
			USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = 'It is a table of the extension.';
	END IF;
	FOR part IN SELECT t.relation, t.kind FROM cims.table_tree(tbl) t LOOP
		PERFORM cims.drop_audit_triggers(part.relation);
		IF part.kind = 'r' THEN
			PERFORM cims.record_event('M', part.relation, jsonb_build_object('event', 'audit ended', 'table', part.relation::regclass::text));
		END IF;
	END LOOP;
	DELETE FROM cims.audited_table a WHERE a.relation = tbl;
	-- a child of another table that is audited goes on with that one
	PERFORM cims.audit_sync(t.relation, true) FROM cims.table_tree(tbl) t;
END
$$;
COMMENT ON FUNCTION cims.unaudit(regclass) IS 'records no more changes of a table, and that it is so';
REVOKE ALL ON FUNCTION cims.unaudit(regclass) FROM PUBLIC;

-- Whoever has read the options before reads them again
CREATE FUNCTION cims.audit_options_changed() RETURNS trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'cims_audit_options_changed';
COMMENT ON FUNCTION cims.audit_options_changed() IS 'tells every session that the options of an audited table have changed';
REVOKE ALL ON FUNCTION cims.audit_options_changed() FROM PUBLIC;
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON cims.audited_table
	FOR EACH ROW EXECUTE FUNCTION cims.audit_options_changed();
ALTER TABLE cims.audited_table ENABLE ALWAYS TRIGGER changed;
COMMENT ON TRIGGER changed ON cims.audited_table IS 'tells every session';

-- The extension's own configuration
SELECT cims.audit('cims.audited_table');
SELECT cims.audit('cims.class');
SELECT cims.audit('cims.class_grant_entry');
SELECT cims.audit('cims.clearance');
SELECT cims.audit('cims.data_key', omit => '{wrapped}');
SELECT cims.audit('cims.keyring', omit => '{check_value,search_key}');
SELECT cims.audit('cims.label_name');
SELECT cims.audit('cims.membership');
SELECT cims.audit('cims.organisation');
SELECT cims.audit('cims.scope_role');
SELECT cims.audit('cims.scope_role_organisation');
