-- What the run's costs are differences of: bytes of log, transactions with an id (subtransactions
-- included), commits with and without one, bytes of df's tables and indexes.
select (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint,
       pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
       (select s.xact_commit from pg_stat_database s where s.datname = current_database()),
       (select sum(pg_total_relation_size(c.oid))::bigint from pg_class c
         where c.relnamespace = 'df'::regnamespace and c.relkind = 'r')
