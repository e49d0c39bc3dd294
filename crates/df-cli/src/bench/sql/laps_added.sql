-- Laps added so far by the server's own count, which lags by a second or so and costs the same
-- however many there are.
select pg_stat_get_tuples_inserted('laps'::regclass)
