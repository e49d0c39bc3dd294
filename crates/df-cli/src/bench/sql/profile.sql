-- What df's functions cost in this database, by their own time.
select f.funcname::text, f.calls, f.self_time / f.calls, f.total_time / f.calls
  from pg_stat_user_functions f
 where f.schemaname = 'df' and f.calls > 0
 order by f.self_time desc limit 15
