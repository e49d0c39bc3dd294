-- What df.list_instances refuses, and with what.
begin;
create function pg_temp.check(p_call text, p_message text) returns void language plpgsql as $$
begin
    execute 'select count(*) from ' || p_call;
    raise exception '% was accepted', p_call using errcode = 'XX001';
exception when invalid_parameter_value then
    assert sqlerrm like p_message, sqlerrm;
end
$$;
select pg_temp.check('df.list_instances(null, 0)', 'limit_count must be at least 1, not 0');
select pg_temp.check('df.list_instances(null, -1, null)', 'limit_count must be at least 1, not -1');
select pg_temp.check('df.list_instances(null, 1001)', 'limit_count 1001 is above the max_list_limit setting of 1000');
select pg_temp.check(format('df.list_instances(null, 10, null, %L)', c), 'invalid after_cursor%')
  from unnest(array['', 'x', '%%%', 'AAAA', '/////w==',
      encode('12/short', 'base64'), encode('-1/abcdefgh', 'base64'), encode('99999999999999999/abcdefgh', 'base64'),
      encode('1/abcdefg''', 'base64'), repeat('A', 100000)]) c;
update df.setting_values set value = '5' where name = 'max_list_limit';
select pg_temp.check('df.list_instances(null, 6)', 'limit_count 6 is above the max_list_limit setting of 5');
rollback;
