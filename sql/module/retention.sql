-- Retention: whole partitions go, hashes stay; payloads are erased, entries stay

CREATE TABLE cims.pruned (
	incarnation int NOT NULL,
	first_leaf bigint NOT NULL,
	size bigint NOT NULL,
	seq bigint NOT NULL,
	PRIMARY KEY (incarnation, first_leaf),
	CHECK (size > first_leaf)
);
COMMENT ON TABLE cims.pruned IS 'leaves whose events were dropped after their retention';
COMMENT ON COLUMN cims.pruned.incarnation IS 'the tree: cims.ledger_incarnation.id';
COMMENT ON COLUMN cims.pruned.first_leaf IS 'the first of them';
COMMENT ON COLUMN cims.pruned.size IS 'the first leaf after them';
COMMENT ON COLUMN cims.pruned.seq IS 'number of the event that tells of it';
REVOKE ALL ON cims.pruned FROM PUBLIC;
CREATE TRIGGER refuse_change BEFORE INSERT OR UPDATE OR DELETE ON cims.pruned
	FOR EACH ROW EXECUTE FUNCTION cims.refuse_change();
ALTER TABLE cims.pruned ENABLE ALWAYS TRIGGER refuse_change;
COMMENT ON TRIGGER refuse_change ON cims.pruned IS 'refuses what replication would apply';

CREATE FUNCTION cims.event_retention() RETURNS interval
	LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_event_retention';
COMMENT ON FUNCTION cims.event_retention() IS 'how long events are kept at least: the setting cims.event_retention';

CREATE FUNCTION cims.prune_partition(partition oid) RETURNS bigint
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cims_prune_partition';
COMMENT ON FUNCTION cims.prune_partition(oid) IS
	'drops a partition of the record that is older than the retention, sealed and exported, and returns how many events went; part of cims.prune_ledger';
REVOKE ALL ON FUNCTION cims.prune_partition(oid) FROM PUBLIC;

-- The partitions that may go
CREATE FUNCTION cims.prunable_partitions(before timestamptz) RETURNS SETOF oid
	LANGUAGE sql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT p.partition FROM cims.event_partitions() p
	WHERE p.upper <= least(before, clock_timestamp() - cims.event_retention()) ORDER BY p.lower
$$;
COMMENT ON FUNCTION cims.prunable_partitions(timestamptz) IS 'the partitions of the record that hold no event since a time, nor one that is younger than the retention';
REVOKE ALL ON FUNCTION cims.prunable_partitions(timestamptz) FROM PUBLIC;

-- The audited tables whose rows would have no image any more
CREATE FUNCTION cims.tables_to_image(partitions oid[]) RETURNS SETOF oid
	LANGUAGE sql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
	SELECT DISTINCT e.relation FROM cims.event e JOIN pg_class c ON c.oid = e.relation AND c.relkind = 'r'
	WHERE e.tableoid = ANY (partitions) AND e.row_hash IS NOT NULL AND cims.audit_root(e.relation) IS NOT NULL
$$;
COMMENT ON FUNCTION cims.tables_to_image(oid[]) IS 'the tables of whose rows images are in some partitions of the record';
REVOKE ALL ON FUNCTION cims.tables_to_image(oid[]) FROM PUBLIC;

CREATE FUNCTION cims.drop_events(before timestamptz DEFAULT pg_catalog.now()) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
DECLARE
	partitions oid[] := ARRAY(SELECT cims.prunable_partitions(before));
	dropped bigint := 0;
	part oid;
BEGIN
	PERFORM cims.record_baseline(t, 'baseline renewed') FROM cims.tables_to_image(partitions) t;
	FOREACH part IN ARRAY partitions LOOP
		dropped := dropped + cims.prune_partition(part);
	END LOOP;
	RETURN dropped;
END
$$;
COMMENT ON FUNCTION cims.drop_events(timestamptz) IS
	'drops the partitions of the record that hold no event since a time nor one younger than the retention, after fresh images of the rows that were in them, and returns how many events went; writers wait: cims.prune_ledger keeps that short';
REVOKE ALL ON FUNCTION cims.drop_events(timestamptz) FROM PUBLIC;

-- the same in short transactions
CREATE PROCEDURE cims.prune_ledger(before timestamptz DEFAULT pg_catalog.now(), INOUT dropped bigint DEFAULT 0)
	LANGUAGE plpgsql
AS $$
DECLARE
	partitions pg_catalog.oid[] := ARRAY(SELECT cims.prunable_partitions(before));
	part pg_catalog.oid;
BEGIN
	dropped := 0;
	FOR part IN SELECT cims.tables_to_image(partitions) LOOP
		PERFORM cims.record_baseline(part, 'baseline renewed');
		COMMIT;
	END LOOP;
	FOREACH part IN ARRAY partitions LOOP
		dropped := dropped OPERATOR(pg_catalog.+) cims.prune_partition(part);
		COMMIT;
	END LOOP;
END
$$;
COMMENT ON PROCEDURE cims.prune_ledger(timestamptz, bigint) IS
	'drops the partitions of the record that hold no event since a time nor one younger than the retention, after fresh images of the rows that were in them, with a COMMIT after each; says how many events went';
REVOKE ALL ON PROCEDURE cims.prune_ledger(timestamptz, bigint) FROM PUBLIC;

-- Erasure
CREATE FUNCTION cims.erase_events(seqs bigint[], keep_hash boolean) RETURNS bigint[]
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cims_erase_events';
COMMENT ON FUNCTION cims.erase_events(bigint[], boolean) IS 'erases payloads and returns the numbers of their events; part of cims.erase_payload';
REVOKE ALL ON FUNCTION cims.erase_events(bigint[], boolean) FROM PUBLIC;

CREATE FUNCTION cims.erase_payload(seqs bigint[], reason text, keep_hash boolean DEFAULT false) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
DECLARE
	erased bigint[];
BEGIN
	IF coalesce(btrim(reason), '') = '' THEN
		RAISE EXCEPTION 'a reason must be given' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	erased := coalesce(cims.erase_events(seqs, coalesce(keep_hash, false)), '{}');
	FOR place IN 1 .. cardinality(erased) BY 10000 LOOP
		PERFORM cims.record_event('M', 0, jsonb_build_object('event', 'payload erased',
			'events', to_jsonb(erased[place : place + 9999]), 'reason', reason));
	END LOOP;
	RETURN cardinality(erased);
END
$$;
COMMENT ON FUNCTION cims.erase_payload(bigint[], text, boolean) IS
	'erases what events of rows, disclosures and denials tell, unless keep_hash also by which row they are found, records that and why, and returns how many it erased; their entries stay, so that the ledger verifies';
REVOKE ALL ON FUNCTION cims.erase_payload(bigint[], text, boolean) FROM PUBLIC;

CREATE FUNCTION cims.erase_payload(seq bigint, reason text, keep_hash boolean DEFAULT false) RETURNS bigint
	LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$ SELECT cims.erase_payload(ARRAY[seq], reason, keep_hash) $$;
COMMENT ON FUNCTION cims.erase_payload(bigint, text, boolean) IS 'the same for one event';
REVOKE ALL ON FUNCTION cims.erase_payload(bigint, text, boolean) FROM PUBLIC;

CREATE FUNCTION cims.erase_history(tbl regclass, key jsonb, reason text, keep_hash boolean DEFAULT false) RETURNS bigint
	LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$ SELECT cims.erase_payload(ARRAY(SELECT h.seq FROM cims.history(tbl, key) h WHERE NOT h.erased), reason, keep_hash) $$;
COMMENT ON FUNCTION cims.erase_history(regclass, jsonb, text, boolean) IS 'the same for every event of a row, found by its key as cims.history finds it';
REVOKE ALL ON FUNCTION cims.erase_history(regclass, jsonb, text, boolean) FROM PUBLIC;

CREATE FUNCTION cims.erase_images(tbl regclass, reason text) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = off
AS $$
DECLARE
	part oid;
	seqs bigint[];
	erased bigint := 0;
BEGIN
	FOR part IN SELECT t.relation FROM cims.table_tree(tbl) t WHERE t.kind = 'r' LOOP
		EXECUTE format('LOCK TABLE ONLY %s IN SHARE ROW EXCLUSIVE MODE', cims.relation_name(part));
		seqs := ARRAY(SELECT e.seq FROM cims.event e
			WHERE e.relation = part AND chr(get_byte(e.entry, 1)) IN ('I', 'U', 'D', 'B') AND e.payload IS NOT NULL);
		IF cims.audit_root(part) IS NOT NULL THEN
			PERFORM cims.record_baseline(part, 'baseline renewed');
		END IF;
		erased := erased + cims.erase_payload(seqs, reason, keep_hash => true);
	END LOOP;
	RETURN erased;
END
$$;
COMMENT ON FUNCTION cims.erase_images(regclass, text) IS
	'erases what the events of all rows of a table told until now, after fresh images of the rows that are there, as after a column was encrypted; returns how many events that were';
REVOKE ALL ON FUNCTION cims.erase_images(regclass, text) FROM PUBLIC;
