-- What is no start and not delivered stands in the queue, whoever wrote delivered_at; a start never does.
begin;
create role test_queue login;
select df.grant_usage('test_queue');
create temp table made as select 'x' as id limit 0;
grant all on made to test_queue;
set local role test_queue;
insert into made select df.start(df.wait_for_signal('go'));
select df.signal(id, 'go'), df.pause(id) from made;
reset role;
create function pg_temp.queued() returns text[] language sql as $$
    select coalesce(array_agg(o.kind::text order by o.kind::text) filter (where o.queued), '{}') from df.outbox o, made m
     where o.instance_id = m.id $$;
do $$
begin
    assert pg_temp.queued() = '{pause,signal}', pg_temp.queued()::text;
    update df.outbox set delivered_at = now();
    assert pg_temp.queued() = '{}', pg_temp.queued()::text;
    update df.outbox set delivered_at = null;
    assert pg_temp.queued() = '{pause,signal}', pg_temp.queued()::text;
end
$$;
select df.relay_register('test', 600, 1000) as relay \gset
select count(*) from df.relay_deliver(:'relay', 200);
do $$
begin
    assert pg_temp.queued() = '{}', pg_temp.queued()::text;
    assert (select count(o.delivered_at) from df.outbox o, made m where o.instance_id = m.id and o.kind <> 'start') = 2;
    insert into df.outbox (instance_id, kind, key, delivered_at) select m.id, 'signal', 'k/x', now() from made m;
    assert pg_temp.queued() = '{}', 'written as delivered';
end
$$;
rollback;
