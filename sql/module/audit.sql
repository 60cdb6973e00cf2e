-- The audit record: what happened to audited tables

CREATE SEQUENCE cims.event_seq AS bigint CACHE 1;
COMMENT ON SEQUENCE cims.event_seq IS 'numbers of events: those of one row ascend in the order of its changes';

CREATE TABLE cims.event (
	xid xid8 NOT NULL,
	seq bigint NOT NULL,
	at timestamptz NOT NULL,
	relation oid NOT NULL,
	row_hash bigint,
	entry bytea NOT NULL,
	payload bytea
) PARTITION BY RANGE (at);
CREATE INDEX event_xid_seq ON cims.event (xid, seq);
CREATE INDEX event_row_hash ON cims.event (row_hash);
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
COMMENT ON TABLE cims.event_overflow IS 'part of the audit record: events for whose time no partition was made';

CREATE TABLE cims.descriptor (
	relation oid NOT NULL,
	seq bigint NOT NULL,
	digest bytea NOT NULL
);
CREATE INDEX descriptor_relation ON cims.descriptor (relation);
COMMENT ON TABLE cims.descriptor IS 'which event describes an audited table as it is';
COMMENT ON COLUMN cims.descriptor.relation IS 'the table';
COMMENT ON COLUMN cims.descriptor.seq IS 'number of the event';
COMMENT ON COLUMN cims.descriptor.digest IS 'SHA-256 of the description, by which a changed table is told';
COMMENT ON INDEX cims.descriptor_relation IS 'finds the descriptions of a table';

REVOKE ALL ON cims.event, cims.event_overflow, cims.descriptor FROM PUBLIC;
REVOKE ALL ON SEQUENCE cims.event_seq FROM PUBLIC;

CREATE FUNCTION cims.make_event_partitions() RETURNS int
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'cims_make_event_partitions';
COMMENT ON FUNCTION cims.make_event_partitions() IS
	'makes the partitions of the audit record that are needed now and soon, and returns how many; to be called again where the record was read at that moment';
REVOKE ALL ON FUNCTION cims.make_event_partitions() FROM PUBLIC;

CREATE FUNCTION cims.record_event(operation "char", relation oid, detail jsonb) RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cims_record_event';
COMMENT ON FUNCTION cims.record_event("char", oid, jsonb) IS
	'records an event that is of no row (C a command, G roles and grants, M the record''s own matters, V a disclosure, X a denial) and returns its number';
REVOKE ALL ON FUNCTION cims.record_event("char", oid, jsonb) FROM PUBLIC;

SELECT cims.make_event_partitions();
