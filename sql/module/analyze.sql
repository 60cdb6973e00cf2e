/* Statistics of encrypted columns: named by each encrypted type's ANALYZE. */
CREATE FUNCTION cims.typanalyze(internal) RETURNS boolean
	AS 'MODULE_PATHNAME', 'cims_typanalyze' LANGUAGE C STABLE STRICT;
REVOKE ALL ON FUNCTION cims.typanalyze(internal) FROM PUBLIC;
COMMENT ON FUNCTION cims.typanalyze(internal) IS
	'gathers null fraction, width and number of distinct tokens of an encrypted column; keeps no value';
