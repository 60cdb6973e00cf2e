/*
 * report.sql
 *		Print the measured values as a Markdown table.  A duration of bulk work is
 *		shown as what it adds to a value over plain text; each round's variants are
 *		compared with each other, and the medians of the comparisons are shown.
 */
\set ON_ERROR_STOP on

CREATE TEMP VIEW measured AS
SELECT work, variant, round, value FROM sample;

-- Durations in µs a value, less those of plain text; pgp ran on a sample, so it is compared with the sample's share.
CREATE TEMP VIEW added AS
SELECT m.work, m.variant, percentile_cont(0.5) WITHIN GROUP (ORDER BY
		1000 * (m.value / CASE m.variant WHEN 'pgp' THEN :sample ELSE :rows END - p.value / :rows)) AS median
FROM measured m
JOIN measured p ON p.round = m.round AND p.variant = 'text' AND p.work = CASE WHEN m.work LIKE 'reveal%' THEN 'reveal' ELSE m.work END
WHERE m.work ~ '^(seal|reveal|mask)'
GROUP BY 1, 2;

-- Transactions a second: the ratio to plain text beside it, and the value itself.
CREATE TEMP VIEW ratio AS
SELECT m.work, m.variant, percentile_cont(0.5) WITHIN GROUP (ORDER BY m.value / p.value) AS median,
	percentile_cont(0.5) WITHIN GROUP (ORDER BY m.value) AS value
FROM measured m
JOIN measured p ON p.round = m.round AND p.variant = 'text beside ' || m.variant AND p.work = m.work
WHERE m.work ~ '^(find|insert|update)'
GROUP BY 1, 2;

-- Patterns: the median ratio of each, and of these the geometric mean, least and greatest.
CREATE TEMP VIEW pattern AS
SELECT work, exp(avg(ln(median))) AS mean, min(median) AS least, max(median) AS greatest, avg(value) AS value, avg(plain) AS plain
FROM (
	SELECT substring(m.work FROM '^like \w+') AS work, percentile_cont(0.5) WITHIN GROUP (ORDER BY m.value / p.value) AS median,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY m.value) AS value, percentile_cont(0.5) WITHIN GROUP (ORDER BY p.value) AS plain
	FROM measured m
	JOIN measured p ON p.round = m.round AND p.variant = 'text' AND p.work = m.work
	WHERE m.work LIKE 'like % %' AND m.variant = 'cims'
	GROUP BY m.work
) AS each_pattern
GROUP BY 1;

CREATE TEMP VIEW plain AS
SELECT work, percentile_cont(0.5) WITHIN GROUP (ORDER BY value) AS value FROM measured WHERE variant IN ('text', 'text beside cims') GROUP BY 1;

CREATE TEMP TABLE line (nth integer, work text, title text, target text, kind text);
INSERT INTO line VALUES
	(1, 'seal', 'seal a value in INSERT … SELECT, over plain text', '≤ 1.5 µs', 'added'),
	(2, 'reveal', 'reveal a value in a scan, rows sealed by one batch', '≤ 0.7 µs', 'added'),
	(3, 'reveal, sessions', 'the same, rows sealed by 1,000 sessions, in order of writing', '≤ 1.0 µs', 'added'),
	(4, 'reveal, mixed', 'the same, rows of the 1,000 sessions shuffled', '≤ 1.0 µs', 'added'),
	(5, 'find', 'equality lookup through a hash index, untyped parameter', '≥ 0.9', 'tps'),
	(6, 'find typed', 'the same, parameter of type text', '≥ 0.9', 'tps'),
	(7, 'insert durable', 'single-row INSERT with 4 encrypted columns, durable', '≥ 0.9', 'tps'),
	(8, 'insert', 'the same, no waiting for the disk', '', 'tps'),
	(9, 'update durable', 'UPDATE of an unprotected column, 4 encrypted indexed columns, durable', '≥ 0.9', 'tps'),
	(10, 'update', 'the same, no waiting for the disk', '', 'tps'),
	(11, 'like name', '`LIKE ''%mid%''`, ten pairs of characters in Chinese names, geometric mean', '≤ 1.5 ×', 'ms'),
	(12, 'like email', '`LIKE ''%mid%''`, ten patterns on e-mail addresses, geometric mean', '≤ 1.5 ×', 'ms'),
	(13, 'like address', '`LIKE ''%mid%''`, ten patterns on Chinese addresses, geometric mean', '≤ 1.5 ×', 'ms'),
	(14, 'mask phone', 'mask a phone number', '≤ 40 ns', 'mask'),
	(15, 'mask id_card', 'mask a resident id', '≤ 40 ns', 'mask'),
	(16, 'mask name', 'mask a name', '≤ 40 ns', 'mask');

\echo '| work | target | cims | plain | pgcrypto encrypt_iv | pgp_sym_encrypt |'
\echo '|---|---|---|---|---|---|'
SELECT format('| %s | %s | %s | %s | %s | %s |', title, target,
	CASE kind
		WHEN 'added' THEN (SELECT round(median::numeric, 2) || ' µs' FROM added a WHERE a.work = line.work AND variant = 'cims')
		WHEN 'mask' THEN (SELECT round(1000 * median::numeric) || ' ns' FROM added a WHERE a.work = line.work AND variant = 'cims')
		WHEN 'tps' THEN (SELECT round(median::numeric, 2) || ' (' || round(value::numeric) || ' TPS)' FROM ratio r WHERE r.work = line.work AND variant = 'cims')
		WHEN 'ms' THEN (SELECT format('%s × (%s to %s; %s ms a query)', round(mean::numeric, 3), round(least::numeric, 3), round(greatest::numeric, 2),
			round(value::numeric, 2)) FROM pattern t WHERE t.work = line.work)
	END,
	CASE kind
		WHEN 'tps' THEN (SELECT round(value::numeric) || ' TPS' FROM plain p WHERE p.work = line.work)
		WHEN 'ms' THEN (SELECT round(plain::numeric, 2) || ' ms a query (pg_trgm)' FROM pattern t WHERE t.work = line.work)
		ELSE (SELECT round((1000 * value / :rows)::numeric, 2) || ' µs a row'
			FROM plain p WHERE p.work = CASE WHEN line.work LIKE 'reveal%' THEN 'reveal' ELSE line.work END)
	END,
	coalesce(CASE
		WHEN kind = 'added' THEN (SELECT round(median::numeric, 2) || ' µs' FROM added a WHERE a.work = line.work AND variant = 'aes')
		WHEN kind = 'tps' THEN (SELECT round(median::numeric, 2) || '' FROM ratio r WHERE r.work = line.work AND variant = 'aes')
		WHEN kind = 'ms' THEN (SELECT round((percentile_cont(0.5) WITHIN GROUP (ORDER BY value) * :rows / :sample)::numeric) || ' ms a query (scan, scaled)'
			FROM measured m WHERE m.work = line.work AND variant = 'aes')
	END, '—'),
	coalesce(CASE
		WHEN kind = 'added' THEN (SELECT round(median::numeric, 1) || ' µs' FROM added a WHERE a.work = line.work AND variant = 'pgp')
		WHEN kind = 'tps' AND work = 'find' THEN 'scan: ' || (SELECT round((:rows * median / 1e6)::numeric) || ' s a query (computed)' FROM added a WHERE a.work = 'reveal' AND variant = 'pgp')
		WHEN kind = 'tps' THEN (SELECT round(median::numeric, 3) || '' FROM ratio r WHERE r.work = line.work AND variant = 'pgp')
		WHEN kind = 'ms' THEN (SELECT round((:rows * median / 1e6)::numeric) || ' s a query (scan, computed)' FROM added a WHERE a.work = 'reveal' AND variant = 'pgp')
	END, '—'))
FROM line ORDER BY nth;
\echo
