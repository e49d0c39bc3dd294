create sequence df_test_sequence;
create table df_test_written (i int);
create function df_test_write() returns text language plpgsql as $$
begin
  insert into df_test_written values (1);
  return 'select 1';
end
$$;
create function df_test_unlock() returns text language plpgsql as $$
begin
  perform set_config('transaction_read_only', 'off', true);
  insert into df_test_written values (1);
  return 'select 1';
end
$$;
do $$
declare
  v_input text;
begin
  foreach v_input in array array['df_test_write()', 'df_test_unlock()',
    '''a''); delete from df_test_written; (''b''', 'df.sql((select df_test_write()))',
    'df_test_write() ~> (select set_config(''a.b'', ''c'', false))',
    '''a'' ~> (with w as (insert into df_test_written values (1) returning i) select i from w)',
    'format(''%s'', nextval(''df_test_sequence''))']
  loop
    assert df.explain(v_input) like 'Invalid durable function graph: %', df.explain(v_input);
  end loop;
  perform df.explain('format(''%s'', set_config(''df_test.x'', ''written'', false))');
  assert coalesce(current_setting('df_test.x', true), '') = '';
  assert not exists (select from df_test_written);
  assert current_setting('transaction_read_only') = 'off';
  insert into df_test_written values (2);
end
$$;
drop function df_test_write();
drop function df_test_unlock();
drop table df_test_written;
drop sequence df_test_sequence;
