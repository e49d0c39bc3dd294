-- A database with a past, for looking at what a tired operator looks at: finished instances of one
-- role, spread evenly over the last twenty days, with their events and recorded runs. One in ten is
-- a sequence of ten steps, one in fifty failed, one in fifty was cancelled. A superuser runs it:
--   psql -v instances=1000000 -v role=app -f sql/tests/_past.sql
-- takes about two minutes for a million. Sets row triggers aside, which would refuse such rows.
\if :{?instances}
\else
    \set instances 1000000
\endif
set session_replication_role = 'replica';

-- One step, and ten in a row, as `a ~> b ~> …` nests them.
create temp table past_graph as
with recursive ten(n, graph) as (
    select 1, df.sql('select 1 as n')
    union all
    select t.n + 1, df.seq(t.graph, 'select 1 as n') from ten t where t.n < 10)
select t.n = 10 as is_long, df.check_graph(t.graph) as graph from ten t where t.n in (1, 10);
create temp table past_stored as
with stored as (
    insert into df.graphs (owner, hash, graph)
    select quote_ident(:'role')::regrole, sha256(convert_to(p.graph, 'UTF8')), p.graph from past_graph p
    returning id, graph)
select s.id, p.is_long from stored s join past_graph p using (graph);
create temp table past_path as
select p.is_long, t.path from past_graph p, df.node_tree(p.graph) t where t.node_type = 'SQL';

create temp table past_instance as
with made as (
    select n, n % 10 = 0 as is_long, n % 50 as lot,
           now() - interval '20 days' + n * (interval '20 days' / :instances) as at
      from generate_series(1, :instances) as n)
-- As sessions of those days drew them: of the time, and of what differs.
select distinct on (id)
       translate(encode(substr(timestamptz_send(m.at), 5, 1) || substr(sha256(int8send(m.n)), 1, 5), 'base64'), '+/', 'kQ') as id, m.*,
       case m.lot when 1 then 'failed' when 2 then 'cancelled' else 'completed' end as status,
       (select s.id from past_stored s where s.is_long = m.is_long) as graph_id
  from made m;

insert into df.instances (id, root_node, graph_id, submitted_by, label, status, created_at, updated_at, completed_at,
                          ended_at, epoch, wake_at, result, error, error_sqlstate, error_path)
select p.id, p.id || ':root', p.graph_id, quote_ident(:'role')::regrole, 'order ' || p.n, p.status, p.at, p.at + interval '1 second',
       case p.status when 'completed' then p.at + interval '1 second' end, p.at + interval '1 second', 1, p.at,
       case p.status when 'completed' then '{"rows":[{"n":1}],"row_count":1}'::json end,
       case p.status when 'failed' then 'division by zero' when 'cancelled' then 'Cancelled by user' end,
       case p.status when 'failed' then '22012' end, case p.status when 'failed' then 'root' end
  from past_instance p;
insert into df.outbox (event_id, instance_id, kind, submitted_by, created_at, delivered_at)
select p.id || '/' || k.kind, p.id, k.kind, quote_ident(:'role')::regrole, p.at, p.at
  from past_instance p, (values ('start'), ('cancel')) as k(kind)
 where k.kind = 'start' or p.status = 'cancelled';
insert into df.node_runs (instance_id, run_path, status, epoch, created_at, ended_at, result, error, sqlstate)
select p.id, s.path, case when p.status = 'failed' then 'failed' else 'completed' end, 1, p.at, p.at,
       case when p.status = 'completed' then '{"rows":[{"n":1}],"row_count":1}'::json end,
       case p.status when 'failed' then 'division by zero' end, case p.status when 'failed' then '22012' end
  from past_instance p join past_path s using (is_long)
 where p.status = 'completed' or (p.status = 'failed' and not p.is_long);
drop table past_graph, past_stored, past_path, past_instance;
set session_replication_role = 'origin';
analyze df.instances, df.outbox, df.node_runs, df.graphs;
