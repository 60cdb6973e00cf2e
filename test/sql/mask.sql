-- Masks and validators from SQL.

-- Each kind: if a line changed, a role that may see masks would see more, or other things, than doc/masks.md says.
SELECT kind, value, cims.mask(value, kind) AS masked
FROM (VALUES
	('phone', '18012341999'), ('phone', '+86 180-1234-1999'), ('phone', '62345678'),
	('landline', '010-62345678'), ('landline', '(0755)82345678'), ('landline', '010-62345678-801'),
	('id_card', '110105194912310021'), ('id_card', '11010519491231002X'), ('id_card', '110105491231002'), ('id_card', 'H01234567'),
	('bank_card', '6225758888881496'), ('bank_card', '6225 7588 8888 1496'), ('bank_card', '371449635398431'), ('bank_card', '6225'),
	('name', '段誉'), ('name', '段正淳'), ('name', '欧阳锋'), ('name', '张'), ('name', '买买提·艾力'), ('name', 'John Smith'), ('name', '某某有限公司'),
	('address', '江苏省苏州市姑苏区观前街1号'), ('address', '广州市天河区体育西路'), ('address', '上海市万科小区3栋'), ('address', '建国路88号'),
	('email', 'duandazhi@126.com'), ('email', 'a@126.com'), ('email', 'nobody'),
	('plate', '苏D40000'), ('plate', '苏AD12345'), ('plate', '苏D4'),
	('ip', '192.168.13.201'), ('ip', '2001:db8::1'), ('ip', '::1'),
	('uscc', '91350100M000100Y43'), ('passport', 'E12345678'),
	('year', '1990-05-06'), ('year', '1990-05-06 08:30:00+08'), ('year', 'infinity'),
	('partial(3,4)', '18012341999'), ('partial(1,1)', '段正淳'), ('partial(1,1)', '段誉'), ('partial(1,1)', repeat('x', 100)),
	('constant', '18012341999'), ('constant(<*>)', '18012341999'),
	('null', '18012341999')) AS v (kind, value);

-- A specification is read once a call site, and again when it changes.
SELECT cims.mask('18012341999', kind) FROM unnest(ARRAY['phone', 'constant', 'phone', 'partial(1,1)', 'partial(1,2)', 'constant(*)']) AS kind;

-- Nothing stays nothing.
SELECT kind, cims.mask('', kind) = '' AS empty FROM unnest(ARRAY['phone', 'name', 'address', 'partial(0,0)', 'constant']) AS kind;
SELECT cims.mask(NULL, 'phone') IS NULL AS no_value, cims.mask('18012341999', NULL) IS NULL AS no_kind;

-- Counts as arguments.
SELECT cims.mask('18012341999', 'partial', 3, 4), cims.mask('段正淳', 'partial', 1, 0), cims.mask('段', 'partial', 1, 0), cims.mask('段', 'partial', NULL, 0);
SELECT cims.mask('18012341999', 'partial', -1, 4);
SELECT cims.mask('18012341999', 'partial', 2147483647, 4);
SELECT cims.mask('18012341999', 'phone', 3, 4);

-- A specification that is none is an error, never an unmasked value.
SELECT cims.mask('18012341999', 'phon');
SELECT cims.mask('18012341999', '');
SELECT cims.mask('18012341999', 'phone(1)');
SELECT cims.mask('18012341999', 'partial');
SELECT cims.mask('18012341999', 'partial(3,4');
SELECT cims.mask('18012341999', 'partial(99999999999,4)');
SELECT cims.mask('18012341999', 'constant()');
SELECT cims.mask('18012341999', 'constant(hidden)');
SELECT cims.mask('18012341999', 'constant(' || repeat('*', 64) || ')');
SELECT cims.mask('18012341999', repeat('段', 100));
-- ... and does not repeat the value into the server log, where somebody swapped the arguments.
SELECT cims.mask('phone', '18012341999');
-- ... and leaves no wrong entry behind it at the same call site.
DO $$
DECLARE
	kind text;
BEGIN
	FOREACH kind IN ARRAY ARRAY['phone', 'phon', 'phone', 'phon'] LOOP
		BEGIN
			RAISE NOTICE '%', cims.mask('18012341999', kind);
		EXCEPTION WHEN invalid_parameter_value THEN
			RAISE NOTICE 'refused: %', kind;
		END;
	END LOOP;
END $$;

-- Long values: masked, and short.
SELECT kind, length(cims.mask(repeat('1', 10000000), kind)) FROM unnest(ARRAY['phone', 'name', 'address', 'partial(3,4)']) AS kind;
SELECT cims.mask(string_agg(md5(i::text), ''), 'partial(1,1)') FROM generate_series(1, 10000) AS i;

-- Validators.
SELECT value, cims.is_id_card(value), cims.is_uscc(value), cims.is_bank_card(value), cims.is_mobile(value)
FROM unnest(ARRAY['11010519491231002X', '11010519491231002x', '110105194912310021', '110105491231002', '91350100M000100Y43', '91350100M000100Y44',
	'4111111111111111', '4111111111111112', '18012341999', '+8618012341999', '15412341999', '１８０１２３４１９９９', '', '段正淳']) AS value;
SELECT cims.is_id_card(NULL) IS NULL AS id_card, cims.is_uscc(NULL) IS NULL AS uscc, cims.is_bank_card(NULL) IS NULL AS bank_card, cims.is_mobile(NULL) IS NULL AS mobile;
SELECT count(*) FILTER (WHERE cims.is_mobile('1' || prefix || '12345678')) AS valid_prefixes FROM generate_series(10, 99) AS prefix;

-- Masks may stand in indexes and run in parallel workers; everything is described.
SELECT oid::regprocedure, provolatile, proparallel, proisstrict, obj_description(oid, 'pg_proc') IS NOT NULL AS described
FROM pg_proc
WHERE pronamespace = 'cims'::regnamespace AND proname IN ('mask', 'is_id_card', 'is_uscc', 'is_bank_card', 'is_mobile')
ORDER BY oid::regprocedure::text;

-- A database in another encoding, and one in none: the bytes differ, the masks do not.
\set main :DBNAME
CREATE DATABASE cims_mask_euc TEMPLATE template0 ENCODING 'EUC_CN' LC_COLLATE 'C' LC_CTYPE 'C';
CREATE DATABASE cims_mask_ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C';
\c cims_mask_euc
\encoding UTF8
SET client_min_messages = warning;
CREATE EXTENSION cims CASCADE;
SELECT kind, cims.mask(value, kind) AS masked, octet_length(cims.mask(value, kind)) AS bytes
FROM (VALUES ('name', '段正淳'), ('name', '欧阳锋'), ('address', '江苏省苏州市姑苏区观前街1号'), ('partial(1,1)', '段正淳'), ('constant(段*)', 'x'), ('phone', '18012341999')) AS v (kind, value);
SELECT cims.mask('x', '段');
\c cims_mask_ascii
\encoding SQL_ASCII
SET client_min_messages = warning;
CREATE EXTENSION cims CASCADE;
SELECT cims.mask('段正淳', 'name') AS utf8, cims.mask(E'\xb6\xce\xd5\xfd', 'name') AS euc, cims.mask(E'a\xff', 'partial(1,0)') AS damaged;
\c :main
DROP DATABASE cims_mask_euc;
DROP DATABASE cims_mask_ascii;
