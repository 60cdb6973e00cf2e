/*
 * residue.sql
 *		What of a protected column's plaintext may still stand in the files of
 *		this database.  A record counts for as long as the relation keeps the
 *		file that it had then; rewriting the relation ends it.
 */
CREATE TABLE cims.residue_record (
	relation oid NOT NULL,
	filenode oid NOT NULL,
	protected_relation oid NOT NULL,
	protected_column name NOT NULL,
	why text NOT NULL,
	since timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (relation, filenode, protected_relation, protected_column)
);
COMMENT ON TABLE cims.residue_record IS 'files that may hold plaintext from before a column was protected; read the view cims.residue';

-- the owner of a table records what its protection left; nobody else's word is taken
ALTER TABLE cims.residue_record ENABLE ROW LEVEL SECURITY;
CREATE POLICY anyone_reads ON cims.residue_record FOR SELECT USING (true);
CREATE POLICY owner_records ON cims.residue_record FOR INSERT WITH CHECK (
	(SELECT pg_has_role(relowner, 'USAGE') FROM pg_catalog.pg_class WHERE oid = protected_relation));
CREATE POLICY owner_clears ON cims.residue_record FOR DELETE USING (
	(SELECT pg_has_role(relowner, 'USAGE') FROM pg_catalog.pg_class WHERE oid = protected_relation));
GRANT SELECT, INSERT, DELETE ON cims.residue_record TO PUBLIC;
COMMENT ON COLUMN cims.residue_record.relation IS 'whose file may hold plaintext';
COMMENT ON COLUMN cims.residue_record.filenode IS 'the file of that time; over once the relation has another';
COMMENT ON COLUMN cims.residue_record.protected_relation IS 'the table of the column';
COMMENT ON COLUMN cims.residue_record.protected_column IS 'the column that was protected';
COMMENT ON COLUMN cims.residue_record.why IS 'what plaintext stays there';
COMMENT ON COLUMN cims.residue_record.since IS 'when the column was protected';

CREATE VIEW cims.residue AS
	SELECT r.relation::regclass AS relation, r.protected_relation::regclass AS protected_table, r.protected_column,
		r.why, r.since, 'VACUUM FULL ' || r.relation::regclass AS remedy
	FROM cims.residue_record r
	WHERE pg_catalog.pg_relation_filenode(r.relation) = r.filenode;
COMMENT ON VIEW cims.residue IS
	'relations whose files may still hold plaintext from before a column was protected, with the command that ends it';
GRANT SELECT ON cims.residue TO PUBLIC;
COMMENT ON COLUMN cims.residue.relation IS 'whose file may hold plaintext';
COMMENT ON COLUMN cims.residue.protected_table IS 'the table of the column';
COMMENT ON COLUMN cims.residue.protected_column IS 'the column that was protected';
COMMENT ON COLUMN cims.residue.why IS 'what plaintext stays there';
COMMENT ON COLUMN cims.residue.since IS 'when the column was protected';
COMMENT ON COLUMN cims.residue.remedy IS 'the command that ends it';

CREATE FUNCTION cims.note_residue(relation oid, protected_relation oid, protected_column name, why text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = on
AS $$
BEGIN
	DELETE FROM cims.residue_record r WHERE pg_relation_filenode(r.relation) IS DISTINCT FROM r.filenode;
	INSERT INTO cims.residue_record AS r (relation, filenode, protected_relation, protected_column, why)
	SELECT note_residue.relation, pg_relation_filenode(note_residue.relation), note_residue.protected_relation,
		note_residue.protected_column, note_residue.why
	ON CONFLICT DO NOTHING;
	RAISE NOTICE USING MESSAGE = format('plaintext of column "%s" of table %s may remain in the file of %s: %s',
			protected_column, cims.relation_name(protected_relation), relation::regclass, why),
		HINT = format('To end it, run VACUUM FULL %s. WAL and backups written before stay as they are.', relation::regclass);
END
$$;
COMMENT ON FUNCTION cims.note_residue(oid, oid, name, text) IS 'records and announces that a relation''s file may hold plaintext';

-- analyzed: whether the tables were, where that is no longer to be seen
CREATE FUNCTION cims.note_statistics_residue(changes cims.column_change[], analyzed boolean DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	change cims.column_change;
BEGIN
	FOREACH change IN ARRAY changes LOOP
		-- a table that was never analyzed has left no sample
		IF coalesce(analyzed, (SELECT reltuples >= 0 FROM pg_class WHERE oid = change.relation)) THEN
			PERFORM cims.note_residue('pg_statistic'::regclass, change.relation, change.name,
				'values that ANALYZE sampled stay in dead rows');
		END IF;
		IF EXISTS (SELECT FROM pg_statistic_ext
			WHERE stxrelid = change.relation AND change.attnum = ANY (stxkeys) AND 'm' = ANY (stxkind)) THEN
			PERFORM cims.note_residue('pg_statistic_ext_data'::regclass, change.relation, change.name,
				'values that ANALYZE sampled stay in dead rows');
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION cims.note_statistics_residue(cims.column_change[], boolean) IS 'notes samples of the columns in the statistics catalogs';
