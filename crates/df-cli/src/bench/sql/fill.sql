-- A system with a past: @n@ finished and @n@ waiting instances of @role@, from the last twenty days. A superuser may.
set session_replication_role = 'replica';
with made as (
    insert into df.graphs (owner, hash, graph)
    values ('@role@'::regrole, sha256('df-relay bench'),
            '{"node_type":"SIGNAL","query":"{\"signal_name\":\"never\",\"timeout_seconds\":null}"}')
    returning id),
-- Ids as sessions of those days drew them: of the time, and of what differs. One that is drawn twice is left out.
moment as (
    select m.at, (select translate(encode(substr(timestamptz_send(m.at), 5, 1) || substr(sha256(int8send(k.n)), 1, 5),
                                          'base64'), '+/', 'kQ')) as id, k.waits
      from generate_series(@n@, 1, -1) as n, lateral (select now() - interval '20 days' * n / @n@ as at) as m,
           lateral (values (2 * n, false), (2 * n + 1, true)) as k(n, waits)),
finished as (
    insert into df.instances (id, root_node, graph_id, submitted_by, status, created_at, updated_at, completed_at,
                              ended_at, wake_at, result, epoch, label)
    select m.id, m.id || ':root', made.id, '@role@'::regrole, 'completed', at, at, at, at, at, '[{"n":1}]', 1, 'old'
      from made, moment m where not m.waits
        on conflict (id) do nothing
    returning id, 'completed' as run_status, created_at),
waiting as (
    insert into df.instances (id, root_node, graph_id, submitted_by, status, created_at, wake_at, epoch, label)
    select m.id, m.id || ':root', made.id, '@role@'::regrole, 'running', at, 'infinity', 1, 'waiting'
      from made, moment m where m.waits
        on conflict (id) do nothing
    returning id, 'waiting' as run_status, created_at),
both_kinds as (select * from finished union all select * from waiting),
events as (
    insert into df.outbox (event_id, instance_id, kind, submitted_by, created_at, delivered_at)
    select id || '/start', id, 'start', '@role@'::regrole, created_at, created_at from both_kinds)
insert into df.node_runs (instance_id, run_path, status, epoch, created_at, ended_at, signal_name, detail, result)
select id, 'root', run_status, 1, created_at, case run_status when 'completed' then created_at end,
       case run_status when 'waiting' then 'never' end,
       case run_status when 'waiting' then '{"within":[],"turns":[],"decides":[]}'::json end,
       case run_status when 'completed' then '[{"n":1}]'::json end
  from both_kinds;
reset session_replication_role;
