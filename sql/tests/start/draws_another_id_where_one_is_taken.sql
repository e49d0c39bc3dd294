-- An id that is taken is no error of the caller's, and its instance and event stay as they are.
begin;
create role test_start_one login;
create role test_start_two login;
select df.grant_usage('test_start_one'), df.grant_usage('test_start_two');
create sequence public.drawn;
grant usage on sequence public.drawn to public;
-- Draws each id three times.
create or replace function df.new_instance_id(p_at timestamptz default now()) returns text
    language sql volatile as $$ select 'draw' || lpad((nextval('public.drawn') / 3)::text, 4, '0') $$;
set local role test_start_one;
select df.start('select 1', 'first');
set local role test_start_two;
select df.start('select 2', 'second'), df.start('select 2', 'third'), df.start('select 2', 'fourth'),
       df.start_once('k', 'select 2', 'fifth');
select df.setvar('v', '1');
select df.start('select 2', 'sixth'), df.start('select 2', 'seventh'), df.start('select 2', 'eighth');
reset role;
do $$
begin
    assert (select array_agg(i.label || ' ' || i.submitted_by || case when i.id like 'draw____' then ' ' || i.id else '' end
                             order by i.created_at, array_position('{first,second,third,fourth,fifth,sixth,seventh,eighth}', i.label::text))
              from df.instances i)
         = '{"first test_start_one draw0000","second test_start_two","third test_start_two draw0001","fourth test_start_two",
             "fifth test_start_two draw0002","sixth test_start_two","seventh test_start_two","eighth test_start_two draw0003"}',
        (select array_agg(i.id || ' ' || i.label) from df.instances i);
    assert (select bool_and(i.id ~ '^[A-Za-z0-9]{8}$' and i.root_node = i.id || ':root') from df.instances i);
    assert (select array_agg(o.event_id || ' ' || o.submitted_by order by o.event_id) from df.outbox o)
         = (select array_agg(i.id || '/start ' || i.submitted_by order by i.id) from df.instances i);
end
$$;
rollback;
