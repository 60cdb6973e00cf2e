-- What access.sh measures: one table of :rows rows, its copies under policies of three kinds.
CREATE TABLE sample (work text, variant text, value float8);

CREATE FUNCTION processor_time() RETURNS float8
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::float8 / 1e3;

-- processor time of a query, in microseconds, as the mean of many runs of its plan; $1 is another key each time
CREATE FUNCTION time_of(query text, runs int, keys bigint) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
	began float8;
	ended float8;
BEGIN
	EXECUTE format('CREATE FUNCTION pg_temp.measured(runs int) RETURNS void LANGUAGE plpgsql AS $f$
		DECLARE found text; BEGIN FOR i IN 1 .. runs LOOP SELECT x INTO found FROM (%s) s (x); END LOOP; END $f$',
		replace(query, ':id', format('(1 + i::bigint * 7919 %% %s)', keys)));
	-- the first runs plan
	PERFORM pg_temp.measured(10);
	began := processor_time();
	PERFORM pg_temp.measured(runs);
	ended := processor_time();
	DROP FUNCTION pg_temp.measured(int);
	RETURN (ended - began) / runs;
END
$$;

-- organisations: 1 company, 20 branches, 1000 departments; the actor manages one branch
SELECT cims.add_organisation('1');
INSERT INTO cims.organisation (id, parent) SELECT i, 1 FROM generate_series(2, 21) i;
INSERT INTO cims.organisation (id, parent) SELECT 100 + i, 2 + i % 20 FROM generate_series(1, 1000) i;
SELECT cims.set_scope_role('manager', 'department_and_below');
SELECT cims.grant_membership('u7', 'manager', '5');
SELECT cims.grant_clearance('2:FIN', 'u7');

CREATE TABLE customer_none (id int PRIMARY KEY, owner text NOT NULL, org int NOT NULL, label cims.label NOT NULL, name text NOT NULL);
INSERT INTO customer_none SELECT i, 'u' || i % 20000, 101 + i::bigint * 7919 % 1000, cims.make_label(i % 5), 'customer ' || i FROM generate_series(1, :rows) i;
CREATE INDEX ON customer_none (owner);
CREATE INDEX ON customer_none (org);
CREATE INDEX ON customer_none (label);
CREATE TABLE customer_hand (LIKE customer_none INCLUDING ALL);
INSERT INTO customer_hand TABLE customer_none;
CREATE TABLE customer_cims (LIKE customer_none INCLUDING ALL);
INSERT INTO customer_cims TABLE customer_none;
CREATE TABLE customer_plpgsql (LIKE customer_none INCLUDING ALL);
INSERT INTO customer_plpgsql TABLE customer_none;

-- by hand: the application sets who it is and which organisations that reaches
ALTER TABLE customer_hand ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON customer_hand USING (owner = current_setting('app.actor') OR org = ANY (current_setting('app.orgs')::int[]));

SELECT cims.secure_table('customer_cims', 'owner', 'org');

-- functions in plpgsql, wrapped so that they run once a statement
CREATE FUNCTION app_actor() RETURNS text LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN current_setting('app.actor', true); END $$;
CREATE FUNCTION app_orgs() RETURNS int[] LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN current_setting('app.orgs', true)::int[]; END $$;
ALTER TABLE customer_plpgsql ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON customer_plpgsql USING (owner = (SELECT app_actor()) OR org = ANY ((SELECT app_orgs())::int[]));

CREATE ROLE app LOGIN;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO app;
GRANT INSERT ON sample TO app;
VACUUM ANALYZE;
