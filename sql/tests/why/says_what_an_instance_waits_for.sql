-- Every answer of df.why, each with what would release it. A case sets one instance up and compares
-- state, what it waits for and the statement, each as a LIKE pattern.
begin;
create role test_why login;
create role test_why_other login;
select df.grant_usage('test_why'), df.grant_usage('test_why_other');

-- p_set: assignments to the instance; p_runs: values for node_runs after the instance id.
create function pg_temp.check(
    p_claim text, p_graph text, p_set text, p_runs text, p_state text, p_waits text, p_release text,
    p_detail text default '%') returns void language plpgsql as $$
declare
    v_graph bigint;
    v_why   record;
begin
    insert into df.graphs (hash, graph, owner) values (sha256('1'), df.check_graph(p_graph), 'test_why')
        returning id into v_graph;
    delete from df.node_runs;
    delete from df.outbox o where o.kind = 'start';
    delete from df.instances;
    insert into df.instances (id, graph_id, submitted_by, created_at, wake_at)
    values ('whyaaaaa', v_graph, 'test_why', '2030-01-01 00:00+00', now() - interval '1 minute');
    execute 'update df.instances set ' || p_set;
    if p_runs <> '' then
        execute 'insert into df.node_runs (instance_id, run_path, status, epoch, created_at, due_at, signal_name, attempt, error, sqlstate)'
            ' select ''whyaaaaa'', r.* from (values ' || p_runs || ') r';
    end if;
    set local role test_why;
    select * into strict v_why from df.why('whyaaaaa');
    reset role;
    if v_why.state is distinct from p_state or coalesce(v_why.waiting_for, '-') not like p_waits
       or coalesce(v_why.release_by, '-') not like p_release or coalesce(v_why.detail, '') not like p_detail
       or v_why.since is null then
        raise exception '%: found %', p_claim, v_why;
    end if;
end
$$;

delete from df.relays;
select pg_temp.check('nothing runs without a relay', 'a', 'label = null', '', 'stalled', 'a relay', '-',
    'No relay is running: start one with df-relay run.');
select pg_temp.check('a sleep without a relay says so too', df.sleep(30),
    $$status = 'running', epoch = 1, wake_at = '2040-01-01 00:00+00'$$,
    $$('root', 'waiting', 1, '2030-01-02 00:00+00'::timestamptz, '2040-01-01 00:00+00'::timestamptz, null, 1, null, null)$$,
    'waiting', 'the time 2040-01-01 00:00:00 UTC (sleep of 30s)', '-', 'No relay is running%');

insert into df.relays (incarnation, lease_until, version, poll_interval_ms) values
    ('00000000-0000-0000-0000-000000000001', now() + interval '1 hour', 'test', 1000),
    ('00000000-0000-0000-0000-000000000002', '2025-01-01 00:00+00', 'test', 1000);
select pg_temp.check('a pending instance waits to be claimed', 'a', 'label = null', '', 'pending',
    'a relay to claim it', '-', 'One relay is running; one claims it at its next poll.');
select pg_temp.check('a relay that is gone', 'a',
    $$status = 'running', epoch = 1, owner = '00000000-0000-0000-0000-000000000002'$$, '', 'stalled',
    'another relay to take it over', '-', '%lease ran out at 2025-01-01 00:00:00 UTC%');
select pg_temp.check('a relay that is forgotten', 'a',
    $$status = 'running', epoch = 1, owner = '00000000-0000-0000-0000-000000000003'$$, '', 'stalled',
    'another relay to take it over', '-', 'The relay that ran it is gone. Another%');
select pg_temp.check('a step', df.seq('select 1', E'select\n  2'),
    $$status = 'running', epoch = 1, owner = '00000000-0000-0000-0000-000000000001'$$,
    $$('root.left', 'completed', 1, '2030-01-02 00:00+00'::timestamptz, null::timestamptz, null, 1, null, null)$$,
    'running', 'step root.right: select 2', '-', '');
savepoint granted;
select df.revoke_usage('test_why');
create function pg_temp.why_to_an_admin() returns void language plpgsql as $$
declare
    v_why record;
begin
    grant df_admin to test_why_other;
    set local role test_why_other;
    select * into strict v_why from df.why('whyaaaaa');
    reset role;
    if v_why.state <> 'stalled' or v_why.release_by is distinct from 'SELECT df.grant_usage(''test_why'');'
       or v_why.detail not like 'Role test_why is not granted%' then
        raise exception 'a step of a role that is not granted any more: found %', v_why;
    end if;
end
$$;
select pg_temp.why_to_an_admin();
do $$
begin
    assert exists (select from df.relay_doctor() d where not d.well and d.topic = 'step logins'
                      and d.mend = 'SELECT df.grant_usage(''test_why'');'), 'the doctor does not tell of it';
end
$$;
rollback to granted;
select pg_temp.check('a signal, with the statement that sends it', df.wait_for_signal('it''s on', 60),
    $$status = 'running', epoch = 1, wake_at = '2040-01-01 00:00+00'$$,
    $$('root', 'waiting', 1, '2030-01-02 00:00+00'::timestamptz, '2040-01-01 00:00+00'::timestamptz, 'it''s on', 1, null, null)$$,
    'waiting', 'signal ''it''''s on'', at most until 2040-01-01 00:00:00 UTC',
    'SELECT df.signal(''whyaaaaa'', ''it''''s on'', ''{}'');', '');
select pg_temp.check('a signal without a timeout', df.wait_for_signal('go'),
    $$status = 'running', epoch = 1, wake_at = 'infinity'$$,
    $$('root', 'waiting', 1, '2030-01-02 00:00+00'::timestamptz, 'infinity'::timestamptz, 'go', 1, null, null)$$,
    'waiting', 'signal ''go''', 'SELECT df.signal(''whyaaaaa'', ''go'', ''{}'');', '');
select pg_temp.check('what fails by itself, and when', df.seq('a', df.timeout(df.seq('b', df.wait_for_signal('go')), 60)),
    $$status = 'running', epoch = 1, wake_at = '2040-01-01 00:00+00'$$,
    $$('root.right.right', 'waiting', 1, '2030-01-02 00:00+00'::timestamptz, 'infinity'::timestamptz, 'go', 1, null, null),
      ('root.left', 'completed', 1, '2030-01-02 00:00+00', null, null, 1, null, null),
      ('root.right.left', 'completed', 1, '2030-01-02 00:00+00', null, null, 1, null, null),
      ('root.right.timeout.due', 'waiting', 1, '2030-01-02 00:00+00', '2040-01-01 00:00+00', null, 1, null, null)$$,
    'waiting', 'signal ''go''', 'SELECT df.signal(%', 'The time of root.right is up at 2040-01-01 00:00:00 UTC; then it fails.');
select pg_temp.check('a schedule', df.wait_for_schedule('0 9 * * *'),
    $$status = 'running', epoch = 1, wake_at = '2040-01-01 09:00+00'$$,
    $$('root', 'waiting', 1, '2030-01-02 00:00+00'::timestamptz, '2040-01-01 09:00+00'::timestamptz, null, 1, null, null)$$,
    'waiting', 'the time 2040-01-01 09:00:00 UTC (schedule ''0 9 * * *'')', '-', '');
select pg_temp.check('several branches at once', df.join(df.wait_for_signal('go'), 'select 1'),
    $$status = 'running', epoch = 1, owner = '00000000-0000-0000-0000-000000000001'$$,
    $$('root.left', 'waiting', 1, '2030-01-02 00:00+00'::timestamptz, 'infinity'::timestamptz, 'go', 1, null, null)$$,
    'running', 'signal ''go''; step root.right: select 1', 'SELECT df.signal(%', '');
select pg_temp.check('a request', df.http('https://example.com/x'),
    $$status = 'running', epoch = 1, owner = '00000000-0000-0000-0000-000000000001'$$,
    $$('root', 'intent', 1, '2030-01-02 00:00+00'::timestamptz, null::timestamptz, null, 1, null, null)$$,
    'running', 'the answer to POST https://example.com/x', '-', '');
select pg_temp.check('a retry and its error', df.retry_policy('select 1', 5),
    $$status = 'running', epoch = 1, wake_at = '2040-01-01 00:00+00'$$,
    $$('root', 'waiting', 1, '2030-01-02 00:00+00'::timestamptz, '2040-01-01 00:00+00'::timestamptz, null, 2, 'division by zero', '22012')$$,
    'waiting', 'attempt 3 of step root, at 2040-01-01 00:00:00 UTC', '-', 'Its last error: [22012] division by zero.');
select pg_temp.check('a paused instance', df.sleep(30), $$status = 'running', epoch = 1, paused_at = now()$$, '',
    'paused', 'somebody to resume it', 'SELECT df.resume(''whyaaaaa'');', '');
select pg_temp.check('a completed instance', 'a', $$status = 'completed', ended_at = now(), completed_at = now()$$, '',
    'completed', '-', '-', 'It completed;%');
select pg_temp.check('a failed instance', 'a',
    $$status = 'failed', ended_at = now(), error = 'division by zero', error_sqlstate = '22012', error_path = 'root.left'$$,
    '', 'failed', '-', 'SELECT df.retry(''whyaaaaa'');', 'root.left failed: [22012] division by zero');
select pg_temp.check('a cancelled instance', 'a', $$status = 'cancelled', ended_at = now(), error = 'not needed'$$, '',
    'cancelled', '-', '-', 'It was cancelled: not needed. A cancel is final; df.start starts it anew.');
insert into df.outbox (instance_id, kind, key, submitted_by, parked_at, attempts, last_error)
values ('whyaaaaa', 'signal', 'n/1', 'test_why', now(), 10, 'it would not go');
select pg_temp.check('a parked event', df.wait_for_signal('go'),
    $$status = 'running', epoch = 1, owner = '00000000-0000-0000-0000-000000000001'$$, '', 'stalled',
    'the parked event whyaaaaa/signal/n/1', 'SELECT df.release(''whyaaaaa/signal/n/1'');',
    'It could not be delivered: it would not go');

do $$
begin
    assert not exists (select from df.why('nothere1'));
    set local role test_why_other;
    assert not exists (select from df.why('whyaaaaa')), 'another role is told why';
    reset role;
end
$$;
rollback;
