-- The shop's own schema, as its developers wrote it: nothing here knows of cims.
CREATE TABLE customer (
	id serial PRIMARY KEY,
	name varchar(80) NOT NULL,
	phone varchar(20),
	email text UNIQUE,
	id_card char(18),
	address text,
	born date,
	balance numeric(12,2),
	last_seen timestamptz,
	profile jsonb,
	photo bytea,
	city varchar(40),
	visits integer NOT NULL DEFAULT 0
);
CREATE INDEX customer_phone ON customer (phone);
CREATE INDEX customer_name ON customer (name);

CREATE TABLE contact (
	id serial PRIMARY KEY,
	customer_id integer NOT NULL REFERENCES customer ON DELETE CASCADE,
	phone varchar(20),
	note text
);

INSERT INTO customer (name, phone, email, id_card, address, born, balance, last_seen, profile, photo, city)
SELECT
	(ARRAY['王伟', '李娜', 'Zoë Brandt', 'anna O''Neil', 'Bob', '欧阳静', 'de la Cruz'])[1 + i % 7] || ' ' || i,
	CASE WHEN i % 10 <> 0 THEN '138' || lpad((i * 7919 % 90)::text, 8, '0') END,
	'user' || i || '@example.com',
	'11010519491231' || lpad(i::text, 3, '0') || 'X',
	CASE WHEN i % 9 <> 0 THEN '北京市海淀区中关村大街' || i || '号' END,
	CASE WHEN i % 8 <> 0 THEN date '1950-01-01' + i * 97 END,
	CASE WHEN i % 7 <> 0 THEN i * 37.25 - 1000 END,
	CASE WHEN i % 6 <> 0 THEN timestamptz '2024-01-01 00:00:00+00' + i * interval '25 hours' END,
	jsonb_build_object('vip', i % 2 = 0, 'tags', jsonb_build_array('t' || i % 3, i)),
	decode(md5(i::text), 'hex'),
	(ARRAY['Beijing', 'Suzhou', 'Wuhan'])[1 + i % 3]
FROM generate_series(1, 120) i;

INSERT INTO contact (customer_id, phone, note)
SELECT i, '138' || lpad((i * 7919 % 90)::text, 8, '0'), 'called ' || i FROM generate_series(1, 60) i;

GRANT ALL ON ALL TABLES IN SCHEMA public TO shop;
GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO shop;
GRANT CREATE ON SCHEMA public TO shop; -- for its migrations
