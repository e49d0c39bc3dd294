-- An id that is taken is no error of the caller's, and its instance and event stay as they are.
begin;
create role test_start_one login;
create role test_start_two login;
select df.grant_usage('test_start_one'), df.grant_usage('test_start_two');
create sequence public.drawn;
grant usage on sequence public.drawn to public;
-- Draws each id three times.
create or replace function df.new_instance_id() returns text
    language sql volatile as $$ select 'draw' || lpad((nextval('public.drawn') / 3)::text, 4, '0') $$;
set local role test_start_one;
select df.start('select 1', 'first');
set local role test_start_two;
select df.start('select 2', 'second'), df.start('select 2', 'third'), df.start_once('k', 'select 2', 'fourth');
reset role;
do $$
begin
    assert (select array_agg(i.label || ' ' || i.id || ' ' || i.submitted_by || ' ' || i.root_node order by i.created_at, i.id)
              from df.instances i)
         = '{"first draw0000 test_start_one draw0000:root","second draw0001 test_start_two draw0001:root",
             "third draw0002 test_start_two draw0002:root","fourth draw0003 test_start_two draw0003:root"}',
        (select array_agg(i.*) from df.instances i);
    assert (select array_agg(o.event_id || ' ' || o.submitted_by order by o.event_id) from df.outbox o)
         = '{"draw0000/start test_start_one","draw0001/start test_start_two","draw0002/start test_start_two",
             "draw0003/start test_start_two"}', (select array_agg(o.*) from df.outbox o);
end
$$;
rollback;
