-- Run once for each twin after its columns have their final types.
CREATE VIEW {customer_short} AS
	SELECT c.id, c.name, c.phone, c.balance, c.born FROM {customer} c;
CREATE VIEW {customer_text} AS
	SELECT c.id, upper(c.name) AS name, right(c.phone, 4) AS tail, extract(year FROM c.born)::integer AS year,
		c.doc ->> 'level' AS level, round(c.balance) AS rounded
	FROM {customer} c WHERE c.phone IS NOT NULL ORDER BY c.name, c.id;
CREATE VIEW {city_total} AS
	SELECT c.city, count(*) AS n, sum(c.balance) AS total, min(c.name) AS first_name, max(c.seen) AS last_seen
	FROM {customer} c GROUP BY c.city;

CREATE INDEX {customer_phone} ON {customer} USING hash (phone);
CREATE INDEX {customer_name} ON {customer} USING hash (name);
CREATE INDEX {customer_email} ON {customer} USING hash (email);
CREATE INDEX {customer_id_card} ON {customer} USING hash (id_card);
CREATE INDEX {customer_born} ON {customer} USING hash (born);
CREATE INDEX {customer_balance} ON {customer} USING hash (balance);
CREATE INDEX {customer_seen} ON {customer} USING hash (seen);
CREATE INDEX {customer_doc} ON {customer} USING hash (doc);
CREATE INDEX {customer_photo} ON {customer} USING hash (photo);
CREATE INDEX {visit_phone} ON {visit} (phone);
CREATE UNIQUE INDEX {customer_email_key} ON {customer} (email);
