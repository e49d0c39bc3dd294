-- What people look at stays fast beside a past: no list, view or look at one instance reads a whole
-- table, whatever it is filtered by, and each reads about as many rows as it needs. Counted from the
-- server's statistics of this transaction, so that plans inside functions count.
begin;
create role test_past login;
create role test_other login;
select df.grant_usage('test_past'), df.grant_usage('test_other');
\set role test_past
\set instances 20000
\ir ../_past.sql
insert into df.graphs (hash, graph, owner) values (sha256('w'), df.wait_for_signal('go'), 'test_past');
-- Two that wait, older than everything, one with a signal and one paused; and one of another role.
insert into df.instances (id, graph_id, submitted_by, status, epoch, created_at, wake_at, paused_at, label)
select v.id, g.id, v.role::regrole, 'running', 1, now() - interval '40 days', 'infinity', v.paused_at, 'waits'
  from df.graphs g, (values ('live0001', 'test_past', null::timestamptz), ('live0002', 'test_past', now()),
                            ('live0003', 'test_other', null)) as v(id, role, paused_at)
 where g.hash = sha256('w');
insert into df.instances (id, graph_id, submitted_by, created_at, wake_at)
select 'live0004', g.id, 'test_past', now(), now() - interval '1 minute' from df.graphs g where g.hash = sha256('w');
insert into df.node_runs (instance_id, run_path, status, epoch, due_at, signal_name)
select id, 'root', 'waiting', 1, 'infinity', 'go' from (values ('live0001'), ('live0002'), ('live0003')) as v(id);
insert into df.signals (instance_id, key, name, submitted_by) values ('live0001', 'n/1', 'go', 'test_past');
insert into df.outbox (instance_id, kind, key, submitted_by) values ('live0001', 'signal', 'n/1', 'test_past');
analyze df.instances, df.outbox, df.node_runs, df.signals, df.graphs;

-- Rows that this transaction has read of the large tables, by whole scans and by index.
create function pg_temp.reads(out scanned bigint, out fetched bigint) language sql volatile as $$
    select sum(case when c.relkind = 'r' then pg_stat_get_xact_tuples_returned(c.oid) end)::bigint,
           sum(case when c.relkind = 'i' then pg_stat_get_xact_tuples_returned(c.oid) end)::bigint
      from pg_class c left join pg_index x on x.indexrelid = c.oid
     where coalesce(x.indrelid, c.oid) in ('df.instances'::regclass, 'df.outbox'::regclass, 'df.node_runs'::regclass) $$;

create function pg_temp.check(p_sql text, p_rows bigint, p_most bigint default 400) returns void
language plpgsql as $$
declare
    v_before record;
    v_after  record;
    v_rows   bigint;
begin
    v_before := pg_temp.reads();
    execute format('select count(*) from (%s) as q', p_sql) into v_rows;
    v_after := pg_temp.reads();
    if v_rows is distinct from p_rows then
        raise exception '% has % rows, not %', p_sql, v_rows, p_rows;
    end if;
    if v_after.scanned > v_before.scanned or v_after.fetched - v_before.fetched > p_most then
        raise exception '% read % rows of whole tables and % index entries', p_sql,
            v_after.scanned - v_before.scanned, v_after.fetched - v_before.fetched;
    end if;
end
$$;

-- What must read every instance does so once per statement, whatever else there is much of.
create function pg_temp.check_read_once(p_sql text) returns void language plpgsql as $$
declare
    v_before record := pg_temp.reads();
begin
    execute p_sql;
    assert (pg_temp.reads()).scanned - v_before.scanned <= 4 * (select count(*) from df.instances), p_sql;
end
$$;

create function pg_temp.check_everything(p_others integer) returns void language plpgsql as $$
declare
    v_long text := (select i.id from df.instances i where i.label = 'order 100');
begin
    perform pg_temp.check(format(c.sql, v_long), c.rows, c.most) from (values
        ('select * from df.list_instances()', 100, 400),
        ('select * from df.list_instances(''failed'')', 100, 400),
        ('select * from df.list_instances(''cancelled'', 7)', 7, 400),
        ('select * from df.list_instances(''running'')', 2 + p_others, 400),
        ('select * from df.list_instances(''pending'')', 1, 400),
        ('select * from df.list_instances(null, 10, ''order 77'')', 1, 400),
        ('select * from df.list_instances(''failed'', 10, ''order 77'')', 0, 400),
        ('select * from df.list_instances(''running'', 10, ''waits'')', 2 + p_others, 400),
        ('select * from df.instances where id = %L', 1, 400),
        ('select * from df.instances where status in (''pending'', ''running'')', 3 + p_others, 400),
        ('select * from df.instance_info(%L)', 1, 400),
        ('select * from df.instance_executions(%L)', 1, 400),
        ('select * from df.instance_nodes(%L)', 19, 400),
        ('select * from df.nodes where instance_id = %L', 19, 400),
        ('select df.explain(%L)', 1, 400),
        ('select * from df.why(%L)', 1, 400),
        ('select * from df.why(''live0001'')', 1, 400),
        ('select * from df.why(''live0002'')', 1, 400),
        ('select * from df.why(''live0004'')', 1, 400),
        ('select df.status(%L), df.result(%1$L)', 1, 400),
        ('select * from df.parked_events', 0, 400),
        ('select * from df.outbox_lag', 1, 400)) as c(sql, rows, most);
end
$$;
set local role test_past;
select pg_temp.check_everything(0);
reset role;
select pg_temp.check_everything(1);
-- What a relay and an operator ask of the queue does not read what only waits.
insert into df.instances (graph_id, submitted_by, status, epoch, wake_at)
select g.id, 'test_other'::regrole, 'running', 1, 'infinity' from df.graphs g, generate_series(1, 2000)
 where g.hash = sha256('w');
analyze df.instances;
select pg_temp.check('select * from df.relay_health(null)', 1);
select pg_temp.check('select * from df.outbox_lag', 1);
select pg_temp.check('select df.relay_reconcile(''instances of dropped roles'', 1000)', 1);
select pg_temp.check('select df.relay_reconcile(''orphaned events'', 1000)', 1);
select pg_temp.check(format('select * from df.relay_replay(array[%L], '''', 500)', (select max(id) from df.instances where label = 'order 100')), 1);
select pg_temp.check('select * from df.relay_doctor() where topic = ''other databases''', 0, 10000);
-- The clock is asked once, and not for each instance that waits: that took all but a tenth of `df-relay status`.
create function pg_temp.check_clock(p_sql text) returns void language plpgsql as $$
declare
    v_asked bigint := coalesce(pg_stat_get_xact_function_calls('df.clock()'::regprocedure), 0);
begin
    execute p_sql;
    v_asked := coalesce(pg_stat_get_xact_function_calls('df.clock()'::regprocedure), 0) - v_asked;
    assert v_asked between 1 and 10, format('%s asked the clock %s times', p_sql, v_asked);
end
$$;
set local track_functions = 'all';
select pg_temp.check_clock('select df.relay_status()'), pg_temp.check_clock('select * from df.relay_health(null)'),
       pg_temp.check_clock('select df.wake_overdue()');
set local track_functions = 'none';
insert into df.graphs (hash, graph, owner)
select sha256(convert_to('g' || n, 'UTF8')), df.sql('select ' || n), 'test_past' from generate_series(1, 50) n;
select pg_temp.check_read_once('select df.relay_reconcile(''graphs'', 1000)');
-- A start counts what its role has unfinished.
select df.configure('max_pending_per_role', '1000');
set local role test_past;
select pg_temp.check('select df.start(''select 1'')', 1);
rollback;
