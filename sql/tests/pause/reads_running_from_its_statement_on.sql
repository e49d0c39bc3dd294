-- A paused workflow reads running, one that no relay has claimed too, and goes on from its start once resumed.
create role test_pause login;
select df.grant_usage('test_pause');
begin;
set local role test_pause;
select df.start('select 1' ~> 'select 2', 'paused') as id \gset
select df.status(:'id') as before, df.pause(:'id') \gset
select pg_temp.check_same('before', :'before', 'pending'),
       pg_temp.check_same('df.status', df.status(:'id'), 'running'),
       pg_temp.check_same('df.instances', i.status, 'running') from df.instances i;
select pg_temp.check_same('df.list_instances', l.status, 'running') from df.list_instances() l;
select pg_temp.check_same('df.list_instances of a status', (select l.instance_id from df.list_instances('running') l), :'id');
select pg_temp.check_same('df.instance_info', n.status, 'running') from df.instance_info(:'id') n;
select pg_temp.check_same('df.why', w.state, 'paused') from df.why(:'id') w;
-- What has never run is pending, as before.
select pg_temp.check_same('df.explain', df.explain(:'id'),
  format(E'Instance %s (paused): Running, paused\n○ SQL: select 1\n→ ○ SQL: select 2', :'id'));
select pg_temp.check_same('df.nodes', (select string_agg(n.status, ' ') from df.nodes n), 'pending pending pending');
commit;
select pg_temp.check_same('invariants', (select count(*)::text from df.assert_structural_invariants(:'id') v where v is not null), '0');
select df.relay_register('test', 600, 1000) as relay \gset
select pg_temp.check_same('claimed while paused',
  (select count(*)::text from df.relay_claim(:'relay', 10)), '0');
select pg_temp.check_same('waits while paused', (select sum(l.undelivered)::text from df.outbox_lag l), '1');
set role test_pause;
select df.resume(:'id') \gset
select pg_temp.check_same('resumed', df.status(:'id'), 'running');
reset role;
select pg_temp.check_same('claimed once resumed',
  (select c.instance_id || c.fresh from df.relay_claim(:'relay', 10) c), :'id' || 'true');
