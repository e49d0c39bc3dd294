select pg_temp.check_same('schedule', df.wait_for_schedule(cron_expr => '*/5 * * * *'),
  '{"node_type":"WAIT_SCHEDULE","query":"{\"cron_expr\":\"*/5 * * * *\"}"}');
select df.wait_for_schedule(c) from unnest(array['0 0 1 1 0', '59 23 31 12 7', '0-30/10,45 * * * *',
  '5/10 * * * *', '0 9 * jan-MAR mon-fri', '0 0 * * sat-sun', E' 0  0\t* * * ', '0 0 29 2 *',
  '0 0 30 2 1', '0 0 31 2,3 *']) as c;
select pg_temp.check_refused(
  format('select df.wait_for_schedule(%L)', c), 'invalid cron expression')
from unnest(array['', '* * * *', '* * * * * *', '60 * * * *', '* 24 * * *', '* * 0 * *',
  '* * 32 * *', '* * * 13 *', '* * * * 8', '*/0 * * * *', '5-1 * * * *', 'a * * * *', '@daily',
  '* * * foo *', '1,,2 * * * *', ', * * * *', '-1 * * * *', '1- * * * *', '* * mon * *',
  '0 0 30 2 *', '0 0 31 4,6 */2', '* * * * 5-0', '* * * * {x}', '99999999999 * * * *']) as c;
select pg_temp.check_refused('select df.wait_for_schedule(null)', 'NULL');
select pg_temp.check_bad_graph(
  '{"node_type":"WAIT_SCHEDULE","query":"{\"cron_expr\":\"no\"}"}', 'root', 'invalid cron');
select pg_temp.check_bad_graph('{"node_type":"WAIT_SCHEDULE","query":"{}"}', 'root', 'cron_expr');
-- As in a database of a Turkish locale, where the lower case of I is another letter.
do $$
begin
  if exists (select from pg_collation where collname = 'tr-x-icu') then
    execute $q$ select pg_temp.check_same('a Friday', df.cron_fault('0 0 * * FRI' collate "tr-x-icu"), null),
      pg_temp.check_same('a statement', df.looks_like_expression('EXPLAIN (COSTS OFF) SELECT 1' collate "tr-x-icu")::text, 'false') $q$;
  end if;
end
$$;
