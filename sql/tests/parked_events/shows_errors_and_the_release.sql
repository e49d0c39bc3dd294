-- df.parked_events and df.outbox_lag: a role's own, an administrator's all.
begin;
create role test_parked_one login;
create role test_parked_two login;
create role test_parked_admin login in role df_admin;
select df.grant_usage('test_parked_one'), df.grant_usage('test_parked_two'), df.grant_usage('test_parked_admin');
insert into df.instances (id, graph_id, submitted_by, created_at)
values ('parkedaa', 1, 'test_parked_one', now() - interval '1 hour'), ('parkedbb', 1, 'test_parked_two', now());
insert into df.outbox (instance_id, kind, key, submitted_by, created_at, attempts, retry_at, parked_at, last_error, delivered_at)
values ('parkedaa', 'signal', 'n/1', 'test_parked_one', now(), 10, null, now(), 'it would not go', null),
       ('parkedaa', 'signal', 'n/2', 'test_parked_one', now() - interval '2 hours', 2, now(), null, 'not yet', null),
       ('parkedaa', 'signal', 'n/3', 'test_parked_one', now(), 0, null, null, null, null),
       ('parkedaa', 'signal', 'n/4', 'test_parked_one', now(), 3, null, null, 'an old error', now()),
       ('parkedbb', 'cancel', null, 'test_parked_two', now(), 10, null, now(), 'neither would this', null);
set local role test_parked_one;
do $$
declare
    r record;
begin
    assert (select array_agg(p.event_id || ' ' || p.state order by p.event_id) from df.parked_events p)
        = '{parkedaa/signal/n/1 parked,parkedaa/signal/n/2 retrying}';
    select * into r from df.parked_events p where p.state = 'parked';
    assert r.last_error = 'it would not go' and r.attempts = 10, r::text;
    assert r.release_by = 'SELECT df.release(''parkedaa/signal/n/1'');', r::text;
    select * into strict r from df.outbox_lag;
    assert r.undelivered = 3 and r.parked = 1, r::text;
    assert r.oldest_age between interval '2 hours' and interval '2 hours 1 minute', r::text;
end
$$;
set local role test_parked_admin;
do $$
begin
    assert (select count(*) from df.parked_events where state = 'parked') = 2;
    assert (select sum(l.parked) from df.outbox_lag l) = 2;
end
$$;
rollback;
