create function pg_temp.found() returns text language sql as
$$ select d.well || ': ' || d.finding || coalesce(' ' || d.mend, '') from df.relay_doctor() d where d.topic = 'roles' $$;
select pg_temp.check_same('as installed', pg_temp.found(), 'true: df_owner and df_relay are as they should be');
revoke execute on function df.relay_status(), df.relay_clock() from df_relay;
select pg_temp.check_same('without two functions', pg_temp.found(),
  'false: df_relay may not execute df.relay_clock(), df.relay_status() Run df-relay install again.');
revoke usage on schema df from df_relay;
select pg_temp.check_same('without the schema', pg_temp.found(),
  'false: df_relay may not use the schema df Run df-relay install again.');
