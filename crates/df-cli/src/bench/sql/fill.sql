-- A system with a past: @n@ finished and @n@ waiting instances of @role@. A superuser may.
set session_replication_role = 'replica';
with made as (
    insert into df.graphs (owner, hash, graph)
    values ('@role@'::regrole, sha256('df-relay bench'),
            '{"node_type":"SIGNAL","query":"{\"signal_name\":\"never\",\"timeout_seconds\":null}"}')
    returning id),
finished as (
    insert into df.instances (graph_id, submitted_by, status, created_at, updated_at, completed_at,
                              ended_at, result, epoch, label)
    select made.id, '@role@'::regrole, 'completed', now() - interval '1 day', now() - interval '1 day',
           now() - interval '1 day', now() - interval '1 day', '[{"n":1}]', 1, 'old'
      from made, generate_series(1, @n@)
    returning id, 'completed' as run_status),
waiting as (
    insert into df.instances (graph_id, submitted_by, status, created_at, wake_at, epoch, label)
    select made.id, '@role@'::regrole, 'running', now() - interval '1 day', 'infinity', 1, 'waiting'
      from made, generate_series(1, @n@)
    returning id, 'waiting' as run_status),
both_kinds as (select * from finished union all select * from waiting),
events as (
    insert into df.outbox (event_id, instance_id, kind, submitted_by, delivered_at)
    select id || '/start', id, 'start', '@role@'::regrole, now() from both_kinds)
insert into df.node_runs (instance_id, run_path, status, epoch, ended_at, signal_name, detail, result)
select id, 'root', run_status, 1, case run_status when 'completed' then now() end,
       case run_status when 'waiting' then 'never' end,
       case run_status when 'waiting' then '{"within":[],"turns":[],"decides":[]}'::json end,
       case run_status when 'completed' then '[{"n":1}]'::json end
  from both_kinds;
reset session_replication_role;
