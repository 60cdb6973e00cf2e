-- Masks and validators. They hold no key, read no table and are open to everyone.

CREATE FUNCTION cims.mask(value text, kind text) RETURNS text
	AS 'MODULE_PATHNAME', 'cims_mask_sql'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cims.mask(text, text) IS
	'masks a value: phone, landline, id_card, bank_card, name, address, email, plate, ip, uscc, passport, year, null, partial(prefix,suffix), bucket(width), bucket(month), bucket(decade), constant, constant(text)';

CREATE FUNCTION cims.mask(value text, kind text, prefix integer, suffix integer) RETURNS text
	AS 'MODULE_PATHNAME', 'cims_mask_sql_partial'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cims.mask(text, text, integer, integer) IS
	'masks all but prefix characters in front and suffix at the end; kind is ''partial''';

CREATE FUNCTION cims.is_id_card(value text) RETURNS boolean
	AS 'MODULE_PATHNAME', 'cims_mask_sql_is_id_card'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cims.is_id_card(text) IS
	'tells whether a value can be a resident id of 18 characters (GB 11643-1999)';

CREATE FUNCTION cims.is_uscc(value text) RETURNS boolean
	AS 'MODULE_PATHNAME', 'cims_mask_sql_is_uscc'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cims.is_uscc(text) IS
	'tells whether a value can be a unified social credit code (GB 32100-2015)';

CREATE FUNCTION cims.is_bank_card(value text) RETURNS boolean
	AS 'MODULE_PATHNAME', 'cims_mask_sql_is_bank_card'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cims.is_bank_card(text) IS
	'tells whether a value can be a card number of 12 to 19 digits (ISO/IEC 7812-1)';

CREATE FUNCTION cims.is_mobile(value text) RETURNS boolean
	AS 'MODULE_PATHNAME', 'cims_mask_sql_is_mobile'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION cims.is_mobile(text) IS
	'tells whether a value can be a mobile number of mainland China';
