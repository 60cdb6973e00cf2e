/* LIKE, ILIKE, ^@ and regular expressions over enc_text, and the index for them. */

CREATE FUNCTION cims.pattern_sel(internal, oid, internal, integer) RETURNS double precision
	AS 'MODULE_PATHNAME', 'cims_pattern_sel' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cims.pattern_sel(internal, oid, internal, integer) IS
	'restriction estimator of the pattern operators over cims.enc_text; reads the pattern, never a value';

CREATE FUNCTION cims.enc_text_like(cims.enc_text, text) RETURNS boolean
	AS 'MODULE_PATHNAME', 'cims_enc_text_like' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION cims.enc_text_like(cims.enc_text, text) IS 'implementation of ~~ operator; needs reveal on the value''s class';
CREATE FUNCTION cims.enc_text_nlike(cims.enc_text, text) RETURNS boolean
	AS 'MODULE_PATHNAME', 'cims_enc_text_nlike' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION cims.enc_text_nlike(cims.enc_text, text) IS 'implementation of !~~ operator; needs reveal on the value''s class';
CREATE FUNCTION cims.enc_text_iclike(cims.enc_text, text) RETURNS boolean
	AS 'MODULE_PATHNAME', 'cims_enc_text_iclike' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION cims.enc_text_iclike(cims.enc_text, text) IS 'implementation of ~~* operator; needs reveal on the value''s class';
CREATE FUNCTION cims.enc_text_icnlike(cims.enc_text, text) RETURNS boolean
	AS 'MODULE_PATHNAME', 'cims_enc_text_icnlike' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION cims.enc_text_icnlike(cims.enc_text, text) IS 'implementation of !~~* operator; needs reveal on the value''s class';
CREATE FUNCTION cims.enc_text_starts_with(cims.enc_text, text) RETURNS boolean
	AS 'MODULE_PATHNAME', 'cims_enc_text_starts_with' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION cims.enc_text_starts_with(cims.enc_text, text) IS 'implementation of ^@ operator; needs reveal on the value''s class';
CREATE FUNCTION cims.enc_text_regexeq(cims.enc_text, text) RETURNS boolean
	AS 'MODULE_PATHNAME', 'cims_enc_text_regexeq' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION cims.enc_text_regexeq(cims.enc_text, text) IS 'implementation of ~ operator; needs reveal on the value''s class';
CREATE FUNCTION cims.enc_text_regexne(cims.enc_text, text) RETURNS boolean
	AS 'MODULE_PATHNAME', 'cims_enc_text_regexne' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION cims.enc_text_regexne(cims.enc_text, text) IS 'implementation of !~ operator; needs reveal on the value''s class';
CREATE FUNCTION cims.enc_text_icregexeq(cims.enc_text, text) RETURNS boolean
	AS 'MODULE_PATHNAME', 'cims_enc_text_icregexeq' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION cims.enc_text_icregexeq(cims.enc_text, text) IS 'implementation of ~* operator; needs reveal on the value''s class';
CREATE FUNCTION cims.enc_text_icregexne(cims.enc_text, text) RETURNS boolean
	AS 'MODULE_PATHNAME', 'cims_enc_text_icregexne' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 10;
COMMENT ON FUNCTION cims.enc_text_icregexne(cims.enc_text, text) IS 'implementation of !~* operator; needs reveal on the value''s class';

CREATE OPERATOR pg_catalog.~~ (FUNCTION = cims.enc_text_like, LEFTARG = cims.enc_text, RIGHTARG = text,
	NEGATOR = OPERATOR(pg_catalog.!~~), RESTRICT = cims.pattern_sel, JOIN = likejoinsel);
COMMENT ON OPERATOR pg_catalog.~~ (cims.enc_text, text) IS 'matches LIKE expression';
CREATE OPERATOR pg_catalog.!~~ (FUNCTION = cims.enc_text_nlike, LEFTARG = cims.enc_text, RIGHTARG = text,
	NEGATOR = OPERATOR(pg_catalog.~~), RESTRICT = cims.pattern_sel, JOIN = nlikejoinsel);
COMMENT ON OPERATOR pg_catalog.!~~ (cims.enc_text, text) IS 'does not match LIKE expression';
CREATE OPERATOR pg_catalog.~~* (FUNCTION = cims.enc_text_iclike, LEFTARG = cims.enc_text, RIGHTARG = text,
	NEGATOR = OPERATOR(pg_catalog.!~~*), RESTRICT = cims.pattern_sel, JOIN = iclikejoinsel);
COMMENT ON OPERATOR pg_catalog.~~* (cims.enc_text, text) IS 'matches LIKE expression, case-insensitive';
CREATE OPERATOR pg_catalog.!~~* (FUNCTION = cims.enc_text_icnlike, LEFTARG = cims.enc_text, RIGHTARG = text,
	NEGATOR = OPERATOR(pg_catalog.~~*), RESTRICT = cims.pattern_sel, JOIN = icnlikejoinsel);
COMMENT ON OPERATOR pg_catalog.!~~* (cims.enc_text, text) IS 'does not match LIKE expression, case-insensitive';
CREATE OPERATOR pg_catalog.^@ (FUNCTION = cims.enc_text_starts_with, LEFTARG = cims.enc_text, RIGHTARG = text,
	RESTRICT = cims.pattern_sel, JOIN = prefixjoinsel);
COMMENT ON OPERATOR pg_catalog.^@ (cims.enc_text, text) IS 'starts with';
CREATE OPERATOR pg_catalog.~ (FUNCTION = cims.enc_text_regexeq, LEFTARG = cims.enc_text, RIGHTARG = text,
	NEGATOR = OPERATOR(pg_catalog.!~), RESTRICT = cims.pattern_sel, JOIN = regexeqjoinsel);
COMMENT ON OPERATOR pg_catalog.~ (cims.enc_text, text) IS 'matches regular expression, case-sensitive';
CREATE OPERATOR pg_catalog.!~ (FUNCTION = cims.enc_text_regexne, LEFTARG = cims.enc_text, RIGHTARG = text,
	NEGATOR = OPERATOR(pg_catalog.~), RESTRICT = cims.pattern_sel, JOIN = regexnejoinsel);
COMMENT ON OPERATOR pg_catalog.!~ (cims.enc_text, text) IS 'does not match regular expression, case-sensitive';
CREATE OPERATOR pg_catalog.~* (FUNCTION = cims.enc_text_icregexeq, LEFTARG = cims.enc_text, RIGHTARG = text,
	NEGATOR = OPERATOR(pg_catalog.!~*), RESTRICT = cims.pattern_sel, JOIN = icregexeqjoinsel);
COMMENT ON OPERATOR pg_catalog.~* (cims.enc_text, text) IS 'matches regular expression, case-insensitive';
CREATE OPERATOR pg_catalog.!~* (FUNCTION = cims.enc_text_icregexne, LEFTARG = cims.enc_text, RIGHTARG = text,
	NEGATOR = OPERATOR(pg_catalog.~*), RESTRICT = cims.pattern_sel, JOIN = icregexnejoinsel);
COMMENT ON OPERATOR pg_catalog.!~* (cims.enc_text, text) IS 'does not match regular expression, case-insensitive';

CREATE FUNCTION cims.ngram_extract_value(cims.enc_text, internal, internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'cims_ngram_extract_value' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cims.ngram_extract_value(cims.enc_text, internal, internal) IS 'GIN support: the n-gram tokens of a value';
/* the first argument is the operator's right side, a text; GIN wants it declared as the indexed type */
CREATE FUNCTION cims.ngram_extract_query(cims.enc_text, internal, smallint, internal, internal, internal, internal) RETURNS internal
	AS 'MODULE_PATHNAME', 'cims_ngram_extract_query' LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cims.ngram_extract_query(cims.enc_text, internal, smallint, internal, internal, internal, internal) IS
	'GIN support: the n-gram tokens that every match of a pattern has';
CREATE FUNCTION cims.ngram_consistent(internal, smallint, cims.enc_text, integer, internal, internal, internal, internal) RETURNS boolean
	AS 'MODULE_PATHNAME', 'cims_ngram_consistent' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cims.ngram_consistent(internal, smallint, cims.enc_text, integer, internal, internal, internal, internal) IS
	'GIN support: may a value with these tokens match';
CREATE FUNCTION cims.ngram_triconsistent(internal, smallint, cims.enc_text, integer, internal, internal, internal) RETURNS "char"
	AS 'MODULE_PATHNAME', 'cims_ngram_triconsistent' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cims.ngram_triconsistent(internal, smallint, cims.enc_text, integer, internal, internal, internal) IS
	'GIN support: may a value with these tokens match, where some are not known yet';

CREATE OPERATOR CLASS cims.enc_text_ngram_ops FOR TYPE cims.enc_text USING gin AS
	OPERATOR 1 pg_catalog.~~ (cims.enc_text, text),
	OPERATOR 2 pg_catalog.~~* (cims.enc_text, text),
	OPERATOR 3 pg_catalog.^@ (cims.enc_text, text),
	OPERATOR 4 pg_catalog.~ (cims.enc_text, text),
	OPERATOR 5 pg_catalog.~* (cims.enc_text, text),
	FUNCTION 1 btint4cmp (int4, int4),
	FUNCTION 2 cims.ngram_extract_value (cims.enc_text, internal, internal),
	FUNCTION 3 cims.ngram_extract_query (cims.enc_text, internal, smallint, internal, internal, internal, internal),
	FUNCTION 4 cims.ngram_consistent (internal, smallint, cims.enc_text, integer, internal, internal, internal, internal),
	FUNCTION 6 cims.ngram_triconsistent (internal, smallint, cims.enc_text, integer, internal, internal, internal),
	STORAGE int4;
COMMENT ON OPERATOR CLASS cims.enc_text_ngram_ops USING gin IS
	'keyed n-gram tokens for LIKE, ILIKE, ^@, ~ and ~*; reveals which values share grams: see doc/patterns.md';
