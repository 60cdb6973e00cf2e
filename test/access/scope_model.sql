-- The rules about rows once more, in plain SQL over the tables, and queries of
-- every shape by which both are compared.

CREATE TABLE item (
	id int PRIMARY KEY,
	owner text,
	owner_number bigint,
	org text COLLATE "C",
	org_small smallint,
	org_number int,
	org_big bigint,
	org_uuid uuid,
	label cims.label,
	other int
);
CREATE INDEX ON item (owner);
CREATE INDEX ON item (owner_number);
CREATE INDEX ON item (org);
CREATE INDEX ON item (org text_pattern_ops);
CREATE INDEX ON item (org_small);
CREATE INDEX ON item (org_number, other);
CREATE INDEX ON item (other, org_big);
CREATE INDEX ON item (org_big);
CREATE INDEX ON item USING hash (org_uuid);
CREATE INDEX ON item (org_uuid);
CREATE INDEX ON item (label);
CREATE TABLE thing (id int PRIMARY KEY, item int, org int, who varchar(20));
CREATE INDEX ON thing (org);
CREATE INDEX ON thing (who);
-- what the actor may see, by the model
CREATE TABLE model_org (org text COLLATE "C" PRIMARY KEY);
CREATE TABLE model_actor (actor text, sees_all boolean);
CREATE TABLE model_clearance (level int, compartments text[], groups text[]);

CREATE FUNCTION pick(VARIADIC choices text[]) RETURNS text LANGUAGE sql VOLATILE
RETURN choices[1 + floor(random() * cardinality(choices))::int];

-- some organisations are numbers, some UUIDs, some words
CREATE FUNCTION org_name(n int) RETURNS text LANGUAGE sql IMMUTABLE
RETURN CASE n % 7 WHEN 5 THEN format('00000000-0000-4000-8000-%s', lpad(to_hex(n), 12, '0')) WHEN 6 THEN 'dept ' || n ELSE n::text END;

CREATE FUNCTION random_label() RETURNS cims.label LANGUAGE sql VOLATILE
RETURN cims.make_label(floor(random() * 4)::int,
	ARRAY(SELECT c FROM unnest('{FIN,HR,IT}'::text[]) c WHERE random() < 0.3), ARRAY(SELECT g FROM unnest('{cn,eu,us}'::text[]) g WHERE random() < 0.3));

CREATE FUNCTION random_valid() RETURNS tstzrange LANGUAGE sql VOLATILE
RETURN CASE floor(random() * 8)::int
	WHEN 0 THEN tstzrange(statement_timestamp() - interval '1 day', statement_timestamp() - interval '1 second')
	WHEN 1 THEN tstzrange(statement_timestamp() + interval '1 hour', NULL)
	WHEN 2 THEN 'empty'
	WHEN 3 THEN tstzrange(statement_timestamp() - interval '1 day', statement_timestamp() + interval '1 day')
	WHEN 4 THEN tstzrange(NULL, statement_timestamp(), '(]')
	WHEN 5 THEN tstzrange(statement_timestamp(), NULL, '(]')
	ELSE '(,)' END;

-- a new tree, with roles, memberships and clearances
CREATE PROCEDURE make_rules() LANGUAGE plpgsql AS $$
DECLARE
	n int := 1 + floor(random() * 40)::int;
BEGIN
	DELETE FROM cims.clearance;
	DELETE FROM cims.membership;
	DELETE FROM cims.scope_role;
	DELETE FROM cims.organisation;
	-- children may come before their parents
	INSERT INTO cims.organisation (id, parent)
	SELECT org_name(i), CASE WHEN i > 1 AND random() < 0.9 THEN org_name(1 + floor(random() * (i - 1))::int) END
	FROM generate_series(1, n) i ORDER BY random();
	-- and move; a move that would make a circle is refused
	FOR i IN 1 .. n / 5 LOOP
		BEGIN
			UPDATE cims.organisation SET parent = org_name(1 + floor(random() * n)::int) WHERE id = org_name(1 + floor(random() * n)::int);
		EXCEPTION WHEN integrity_constraint_violation THEN
			NULL;
		END;
	END LOOP;
	DELETE FROM cims.organisation o WHERE random() < 0.2 AND NOT EXISTS (SELECT FROM cims.organisation c WHERE c.parent = o.id);

	INSERT INTO cims.scope_role VALUES ('boss', 'all', random() < 0.3), ('manager', 'department_and_below', random() < 0.3),
		('clerk', 'department', random() < 0.3), ('picker', 'custom', random() < 0.3), ('guest', 'self', random() < 0.3);
	INSERT INTO cims.scope_role_organisation SELECT 'picker', id, random() < 0.5 FROM cims.organisation WHERE random() < 0.15;
	INSERT INTO cims.membership (actor, role, organisation, valid, grantor)
	SELECT a, pick(CASE WHEN random() < 0.15 THEN 'boss' ELSE 'manager' END, 'clerk', 'picker', 'guest', 'manager'),
		(SELECT id FROM cims.organisation WHERE a IS NOT NULL ORDER BY random() LIMIT 1), random_valid(), 'test'
	FROM unnest('{ann,bob,7}'::text[]) a, generate_series(1, floor(random() * 4)::int);
	INSERT INTO cims.clearance (actor, role, label, valid, grantor)
	SELECT CASE WHEN by_actor THEN pick('ann', 'bob', '7') END, CASE WHEN NOT by_actor THEN pick('manager', 'clerk', 'guest') END, random_label(), random_valid(), 'test'
	FROM (SELECT random() < 0.7 AS by_actor FROM generate_series(1, floor(random() * 8)::int)) s;
END
$$;

CREATE PROCEDURE make_rows(n int) LANGUAGE plpgsql AS $$
BEGIN
	TRUNCATE item, thing;
	INSERT INTO item
	SELECT i, CASE WHEN random() < 0.9 THEN pick('ann', 'bob', '7', 'cid', 'Ann', '') END, CASE WHEN random() < 0.9 THEN floor(random() * 20) END,
		o, CASE WHEN o ~ '^\d+$' THEN o::int END, CASE WHEN o ~ '^\d+$' THEN o::int END, CASE WHEN o ~ '^\d+$' THEN o::int END,
		CASE WHEN o ~ '^0{8}-' THEN o::uuid END, CASE WHEN random() < 0.9 THEN random_label() END, i % 5
	FROM (SELECT i, CASE WHEN random() < 0.9 THEN org_name(1 + floor(random() * 45)::int) END AS o FROM generate_series(1, n) i) s;
	INSERT INTO thing SELECT i, 1 + floor(random() * n)::int, CASE WHEN random() < 0.9 THEN 1 + floor(random() * 45) END, pick('ann', 'bob', '7', NULL)
	FROM generate_series(1, n / 2) i;
END
$$;

-- what the actor may see by the letter: parents are followed, no path is read
CREATE PROCEDURE make_model(the_actor text, the_role text, the_org text) LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM model_org;
	DELETE FROM model_actor;
	DELETE FROM model_clearance;
	WITH held AS (
		SELECT m.role, m.organisation FROM cims.membership m WHERE m.actor = the_actor AND m.valid @> statement_timestamp()
		UNION
		SELECT r.name, the_org FROM cims.scope_role r WHERE r.name = the_role AND r.by_token
	), everyone AS (
		INSERT INTO model_actor SELECT the_actor, EXISTS (SELECT FROM held JOIN cims.scope_role r ON r.name = held.role WHERE r.scope = 'all')
	), cleared AS (
		INSERT INTO model_clearance SELECT cims.label_level(c.label), cims.label_compartments(c.label), cims.label_groups(c.label)
		FROM cims.clearance c WHERE c.valid @> statement_timestamp() AND (c.actor = the_actor OR c.role IN (SELECT role FROM held))
	)
	INSERT INTO model_org
	WITH RECURSIVE reached (org, below) AS (
		SELECT h.organisation, r.scope = 'department_and_below' FROM held h JOIN cims.scope_role r ON r.name = h.role
		WHERE r.scope LIKE 'department%' AND h.organisation IS NOT NULL
		UNION
		SELECT o.organisation, o.below FROM held h JOIN cims.scope_role r ON r.name = h.role AND r.scope = 'custom'
			JOIN cims.scope_role_organisation o ON o.role = h.role
		UNION
		SELECT c.id, true FROM reached r JOIN cims.organisation c ON c.parent = r.org WHERE r.below
	)
	-- who is at an organisation that is not in the tree sees that alone, and nothing of it below
	SELECT DISTINCT org FROM reached r WHERE NOT r.below OR EXISTS (SELECT FROM cims.organisation o WHERE o.id = r.org);
	ANALYZE model_org;
END
$$;

CREATE FUNCTION model_own(owner text) RETURNS boolean LANGUAGE sql STABLE
RETURN coalesce(owner COLLATE "C" = (SELECT actor FROM model_actor WHERE actor <> ''), false);
CREATE FUNCTION model_in(org text) RETURNS boolean LANGUAGE sql STABLE
RETURN EXISTS (SELECT FROM model_actor WHERE actor <> '') AND org IS NOT NULL
	AND ((SELECT sees_all FROM model_actor) OR EXISTS (SELECT FROM model_org m WHERE m.org = model_in.org));
CREATE FUNCTION model_listed(org text) RETURNS boolean LANGUAGE sql STABLE
RETURN EXISTS (SELECT FROM model_actor WHERE actor <> '') AND EXISTS (SELECT FROM model_org m WHERE m.org = model_listed.org);
CREATE FUNCTION model_read(label cims.label) RETURNS boolean LANGUAGE sql STABLE
RETURN EXISTS (SELECT FROM model_actor WHERE actor <> '') AND label IS NOT NULL AND EXISTS (SELECT FROM model_clearance c
	WHERE c.level >= cims.label_level(label) AND c.compartments @> cims.label_compartments(label)
		AND (cims.label_groups(label) = '{}' OR c.groups && cims.label_groups(label)));

-- Queries of every shape: <own column>, <in owner org>, <org column> and <read column> stand for the conditions
CREATE TABLE shape (n int GENERATED ALWAYS AS IDENTITY, query text);
INSERT INTO shape (query) VALUES
	('SELECT id FROM item WHERE <in owner org>'),
	('SELECT id FROM item WHERE <in owner_number org_small>'),
	('SELECT id FROM item WHERE <in owner_number org_number>'),
	('SELECT id FROM item WHERE <in owner org_big>'),
	('SELECT id FROM item WHERE <in owner org_uuid>'),
	('SELECT id FROM item WHERE <org org>'),
	('SELECT id FROM item WHERE <org org_big> ORDER BY other, id'),
	('SELECT id FROM item WHERE <own owner>'),
	('SELECT id FROM item WHERE <own owner_number>'),
	('SELECT id FROM item WHERE <read label>'),
	('SELECT id FROM item WHERE NOT <in owner org>'),
	('SELECT id FROM item WHERE NOT <read label>'),
	('SELECT id FROM item WHERE NOT (<own owner> OR <read label>)'),
	('SELECT id FROM item WHERE <in owner org> AND <read label>'),
	('SELECT id FROM item WHERE <in owner org> OR <read label>'),
	('SELECT id FROM item WHERE <in owner org> OR other = 3'),
	('SELECT id FROM item WHERE <in owner org> AND id BETWEEN 10 AND 60'),
	('SELECT id FROM item WHERE (<in owner org>) IS NOT TRUE'),
	('SELECT id FROM item WHERE (<org org_number>) = (<read label>)'),
	('SELECT id, <in owner org_uuid>, <read label> FROM item'),
	('SELECT other, count(*) FILTER (WHERE <in owner org>), bool_or(<read label>) FROM item GROUP BY other'),
	('SELECT CASE WHEN <in owner org> THEN id WHEN <read label> THEN -id END FROM item'),
	('SELECT id FROM item ORDER BY <in owner org>, id'),
	('SELECT id FROM item WHERE <in owner org> ORDER BY other, id LIMIT 7'),
	('SELECT other, id FROM item WHERE other = 2 AND <org org_big> ORDER BY org_big, id'),
	-- a list is no range: an index over two columns gives no order by it
	('SELECT other, org_big FROM item WHERE <listed org_big> ORDER BY other, org_big'),
	('SELECT other, org_big FROM item WHERE other > 0 AND <listed org_big> ORDER BY other, org_big'),
	('SELECT org_number, other FROM item WHERE <listed org_number> ORDER BY org_number, other'),
	('SELECT a.id, t.id FROM item a JOIN thing t ON t.item = a.id WHERE <in a.owner t.org>'),
	('SELECT a.id, t.id FROM item a JOIN thing t ON t.item = a.id AND <in t.who a.org>'),
	('SELECT a.id, t.id FROM item a LEFT JOIN thing t ON t.item = a.id AND <in t.who t.org>'),
	('SELECT a.id, t.id FROM item a FULL JOIN (SELECT * FROM thing WHERE <org org>) t ON t.item = a.id'),
	('SELECT a.id, t.id FROM item a LEFT JOIN thing t ON t.item = a.id WHERE <in t.who t.org>'),
	('SELECT a.id, b.id FROM item a JOIN item b ON b.other = a.other WHERE <in a.owner b.org_number> AND a.id < 20 AND b.id < 40'),
	('SELECT id FROM item i WHERE EXISTS (SELECT FROM thing t WHERE t.item = i.id AND <in t.who t.org>)'),
	('SELECT id FROM item i WHERE NOT EXISTS (SELECT FROM thing t WHERE t.item = i.id AND <in i.owner t.org>)'),
	('SELECT id FROM item WHERE id IN (SELECT item FROM thing WHERE <org org>)'),
	('SELECT id FROM item WHERE id NOT IN (SELECT item FROM thing WHERE <org org>)'),
	('SELECT id, (SELECT count(*) FROM thing t WHERE t.item = i.id AND <in i.owner t.org>) FROM item i'),
	('SELECT i.id, l.n FROM item i CROSS JOIN LATERAL (SELECT count(*) AS n FROM thing t WHERE t.item = i.id AND <in i.owner t.org>) l'),
	('SELECT id FROM (SELECT id, owner AS o, org AS g FROM item OFFSET 0) s WHERE <in o g>'),
	('SELECT id FROM (SELECT id, max(owner) AS o, max(org) AS g FROM item GROUP BY id) s WHERE <in o g>'),
	('SELECT o, g FROM (SELECT owner AS o, org AS g FROM item UNION ALL SELECT who, org::text FROM thing) s WHERE <in o g>'),
	('WITH w AS MATERIALIZED (SELECT * FROM item WHERE <in owner org>) SELECT id FROM w WHERE <read label>'),
	('WITH RECURSIVE w (id) AS (SELECT min(id) FROM item UNION ALL SELECT w.id + 1 FROM w JOIN item i ON i.id = w.id WHERE <in i.owner i.org>) SELECT * FROM w'),
	('SELECT id FROM item WHERE <in owner (org_number+0)>'),
	('SELECT id FROM item WHERE <in lower(owner) (org||'''')>'),
	('SELECT id FROM item WHERE <in ''ann''::text org> AND <own ''ann''::text>'),
	('SELECT id FROM item WHERE <in NULL::text org>'),
	('SELECT id FROM item WHERE <in owner NULL::text>'),
	('SELECT id FROM item WHERE <in owner (CASE WHEN other > 2 THEN org END)>'),
	('SELECT id FROM item WHERE <in owner (SELECT t.org FROM thing t WHERE t.id = item.id)>'),
	('SELECT count(*) FROM item WHERE <in owner org>'),
	('UPDATE item SET other = other WHERE <in owner org> RETURNING id'),
	('UPDATE item i SET other = i.other FROM thing t WHERE t.item = i.id AND <in t.who i.org> RETURNING i.id'),
	('DELETE FROM item WHERE <in owner org> AND <read label> RETURNING id');

CREATE FUNCTION shape_text(query text, model boolean) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	IF model THEN
		query := regexp_replace(query, '<in (\(.*?\)|\S+) (\(.*\)|\S+?)>', '(model_own((\1)::text) OR model_in((\2)::text))', 'g');
		query := regexp_replace(query, '<org (\S+?)>', 'model_in((\1)::text)', 'g');
		query := regexp_replace(query, '<listed (\S+?)>', 'model_listed((\1)::text)', 'g');
		query := regexp_replace(query, '<own (\S+?)>', 'model_own((\1)::text)', 'g');
		RETURN regexp_replace(query, '<read (\S+?)>', 'model_read(\1)', 'g');
	END IF;
	query := regexp_replace(query, '<in (\(.*?\)|\S+) (\(.*\)|\S+?)>', 'cims.in_scope(\1, \2)', 'g');
	query := regexp_replace(query, '<org (\S+?)>', 'cims.org_in_scope(\1)', 'g');
	query := regexp_replace(query, '<listed (\S+?)>', 'cims.org_is_listed(\1)', 'g');
	query := regexp_replace(query, '<own (\S+?)>', 'cims.is_own(\1)', 'g');
	RETURN regexp_replace(query, '<read (\S+?)>', 'cims.can_read(\1)', 'g');
END
$$;

-- run a query and put its rows in order, without keeping what it changed
CREATE FUNCTION rows_of(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	found text;
BEGIN
	BEGIN
		EXECUTE format('WITH q AS (%s) SELECT string_agg(q::text, '' '' ORDER BY q::text) FROM q', query) INTO found;
		RAISE EXCEPTION USING ERRCODE = 'U0001';
	EXCEPTION WHEN SQLSTATE 'U0001' THEN
		RETURN found;
	END;
END
$$;

-- the same in the order in which they come
CREATE FUNCTION rows_in_order(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	r record;
	found text := '';
BEGIN
	FOR r IN EXECUTE query LOOP
		found := found || r::text;
	END LOOP;
	RETURN found;
END
$$;

CREATE TABLE plan_setting (n int PRIMARY KEY, settings text[]);
INSERT INTO plan_setting VALUES
	(0, '{}'),
	(1, '{enable_seqscan=off}'),
	(2, '{enable_seqscan=off,enable_bitmapscan=off}'),
	(3, '{enable_indexscan=off,enable_bitmapscan=off}'),
	(4, '{enable_hashjoin=off,enable_mergejoin=off,enable_material=off,enable_seqscan=off}'),
	(5, '{enable_nestloop=off,enable_hashjoin=off}'),
	(6, '{parallel_setup_cost=0,parallel_tuple_cost=0,min_parallel_table_scan_size=0,min_parallel_index_scan_size=0,max_parallel_workers_per_gather=2}');

-- Compare every shape for one actor of the model under one group of settings; returns what differs.
CREATE FUNCTION compare_shapes(settings text[]) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	s record;
	setting text;
	by_function text;
	by_model text;
BEGIN
	FOREACH setting IN ARRAY settings LOOP
		PERFORM set_config(split_part(setting, '=', 1), split_part(setting, '=', 2), true);
	END LOOP;
	FOR s IN SELECT * FROM shape ORDER BY n LOOP
		IF s.query ~ 'ORDER BY' THEN
			by_function := rows_in_order(shape_text(s.query, false));
			by_model := rows_in_order(shape_text(s.query, true));
		ELSE
			by_function := rows_of(shape_text(s.query, false));
			by_model := rows_of(shape_text(s.query, true));
		END IF;
		UPDATE progress SET comparisons = comparisons + 1, filled = filled + (coalesce(by_model, '') <> '')::int;
		IF by_function IS DISTINCT FROM by_model THEN
			RETURN NEXT format('%s: %s instead of %s', s.query, left(by_function, 200), left(by_model, 200));
		END IF;
	END LOOP;
	FOREACH setting IN ARRAY settings LOOP
		EXECUTE format('RESET %I', split_part(setting, '=', 1));
	END LOOP;
END
$$;

CREATE TABLE difference (trees int, actor text, settings text[], what text);
-- what cims.explain_access says of some rows against the model
SELECT count(*) FROM cims.secure_table('item', 'owner', 'org', 'label');
CREATE FUNCTION compare_explanations(the_actor text) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT format('row %s is explained as %s', i.id, e.allows)
	FROM (SELECT * FROM item ORDER BY random() LIMIT 5) i
	CROSS JOIN LATERAL (SELECT x.allows FROM cims.explain_access('item', i.id::text, the_actor) x WHERE x.rule = 'result') e
	WHERE e.allows IS DISTINCT FROM ((model_own(i.owner) OR model_in(i.org)) AND model_read(i.label))
$$;

CREATE TABLE progress (trees int, comparisons int, filled int);
INSERT INTO progress VALUES (0, 0, 0);

-- Trees after trees, each with new rules; every actor, every shape, settings in turn.
CREATE PROCEDURE compare_trees(first int, last int) LANGUAGE plpgsql AS $$
DECLARE
	the_actor text;
	the_role text;
	the_org text;
	plan record;
BEGIN
	FOR tree IN first .. last LOOP
		PERFORM setseed(tree / 10000.0);
		CALL make_rules();
		IF tree = first OR tree % 10 = 0 THEN
			CALL make_rows(150);
		END IF;
		COMMIT;
		FOREACH the_actor IN ARRAY ARRAY['ann', 'bob', '7', ''] LOOP
			-- a role and an organisation that the token claims
			the_role := CASE WHEN random() < 0.5 THEN pick('manager', 'clerk', 'picker', 'boss', 'nobody') END;
			the_org := CASE WHEN random() < 0.8 THEN org_name(1 + floor(random() * 45)::int) END;
			IF the_role IS NOT NULL AND NOT EXISTS (SELECT FROM pg_roles WHERE rolname = the_role) THEN
				the_role := NULL;
			END IF;
			CALL make_model(the_actor, the_role, the_org);
			SELECT * INTO plan FROM plan_setting WHERE n = (tree + ascii(the_actor || '?')) % 7;
			COMMIT;
			IF the_actor <> '' THEN
				PERFORM cims.login(token_of(the_actor, jsonb_strip_nulls(jsonb_build_object('role', the_role, 'org', the_org))));
			END IF;
			INSERT INTO difference SELECT tree, the_actor, plan.settings, d FROM compare_shapes(plan.settings) d;
			IF the_actor <> '' THEN
				PERFORM cims.logout();
			END IF;
			IF the_actor <> '' AND the_role IS NULL THEN
				INSERT INTO difference SELECT tree, the_actor, '{}', d FROM compare_explanations(the_actor) d;
			END IF;
			COMMIT;
		END LOOP;
		UPDATE progress SET trees = trees + 1;
		COMMIT;
	END LOOP;
END
$$;
