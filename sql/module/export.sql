-- Export of the ledger to files

CREATE TABLE cims.ledger_export (
	incarnation int NOT NULL,
	directory text NOT NULL,
	size bigint NOT NULL,
	at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	PRIMARY KEY (incarnation, directory)
);
COMMENT ON TABLE cims.ledger_export IS 'how far the ledger was exported';
COMMENT ON COLUMN cims.ledger_export.incarnation IS 'the tree: cims.ledger_incarnation.id';
COMMENT ON COLUMN cims.ledger_export.directory IS 'directory of the server';
COMMENT ON COLUMN cims.ledger_export.size IS 'leaves that were exported';
COMMENT ON COLUMN cims.ledger_export.at IS 'when that was';
REVOKE ALL ON cims.ledger_export FROM PUBLIC;
CREATE TRIGGER refuse_change BEFORE INSERT OR UPDATE OR DELETE ON cims.ledger_export
	FOR EACH ROW EXECUTE FUNCTION cims.refuse_change();
ALTER TABLE cims.ledger_export ENABLE ALWAYS TRIGGER refuse_change;
COMMENT ON TRIGGER refuse_change ON cims.ledger_export IS 'refuses what replication would apply';

CREATE FUNCTION cims.export_ledger(directory text, OUT origin text, OUT size bigint, OUT files bigint) RETURNS record
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cims_export_ledger';
COMMENT ON FUNCTION cims.export_ledger(text) IS
	'writes the newest checkpoint with its tiles and entries into a directory of the server, as C2SP tlog-tiles, continuing where it ended; for roles with pg_write_server_files';
REVOKE ALL ON FUNCTION cims.export_ledger(text) FROM PUBLIC;
