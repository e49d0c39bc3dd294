-- Bytes of log records and of the full-page images in them, between two positions.
select sum(w.record_size)::bigint, sum(w.fpi_size)::bigint
  from pg_get_wal_stats('0/0'::pg_lsn + $1::bigint, '0/0'::pg_lsn + $2::bigint) w
