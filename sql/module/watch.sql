-- The worker and how it fares
CREATE FUNCTION cims.worker_state(OUT state text, OUT visited timestamptz, OUT failures int, OUT error text)
	LANGUAGE c VOLATILE PARALLEL SAFE AS 'MODULE_PATHNAME', 'cims_worker_state';
COMMENT ON FUNCTION cims.worker_state() IS
	'how the workers of this database fare: working, failing, not visited yet, off, standby; when the last one left; how many failed in a row, and with what';
REVOKE ALL ON FUNCTION cims.worker_state() FROM PUBLIC;

CREATE VIEW cims.ledger_status AS
	SELECT i.id AS incarnation, i.origin, b.number AS blocks, b.size, b.sealed, b.milliseconds,
		u.events AS unsealed_events, u.oldest AS oldest_unsealed,
		pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) u.oldest AS lag,
		w.state AS worker, w.visited AS worker_visited, w.failures AS worker_failures, w.error AS worker_error
	FROM cims.unsealed_events() u
		CROSS JOIN cims.worker_state() w
		LEFT JOIN (SELECT * FROM cims.block ORDER BY number DESC LIMIT 1) b ON true
		LEFT JOIN cims.ledger_incarnation i ON i.id = b.incarnation;
COMMENT ON VIEW cims.ledger_status IS 'how far the ledger is, what waits to be sealed, and how the worker fares; open to pg_monitor';
COMMENT ON COLUMN cims.ledger_status.incarnation IS 'number of the present tree';
COMMENT ON COLUMN cims.ledger_status.origin IS 'its name in checkpoints';
COMMENT ON COLUMN cims.ledger_status.blocks IS 'blocks sealed, in all incarnations';
COMMENT ON COLUMN cims.ledger_status.size IS 'leaves of the present tree';
COMMENT ON COLUMN cims.ledger_status.sealed IS 'when the last block was sealed';
COMMENT ON COLUMN cims.ledger_status.milliseconds IS 'how long that took';
COMMENT ON COLUMN cims.ledger_status.unsealed_events IS 'events that have committed and are not sealed: until they are, a superuser can alter them without trace';
COMMENT ON COLUMN cims.ledger_status.oldest_unsealed IS 'when the oldest of them was written';
COMMENT ON COLUMN cims.ledger_status.lag IS 'how long ago that was';
COMMENT ON COLUMN cims.ledger_status.worker IS 'working, failing, not visited yet, off, standby';
COMMENT ON COLUMN cims.ledger_status.worker_visited IS 'when a worker last left this database';
COMMENT ON COLUMN cims.ledger_status.worker_failures IS 'how many failed in a row';
COMMENT ON COLUMN cims.ledger_status.worker_error IS 'with what';
REVOKE ALL ON cims.ledger_status FROM PUBLIC;
GRANT SELECT ON cims.ledger_status TO pg_monitor;
GRANT EXECUTE ON FUNCTION cims.unsealed_events(), cims.worker_state() TO pg_monitor;
