-- Seconds at which laps ended, the first to end first, of the one loop or of the fresh one beside it.
select extract(epoch from l.at)::double precision from laps l where l.is_fresh = $1 order by l.at
