-- df.assert_structural_invariants: what must hold of every instance, checked from its rows as they
-- are. Runs as its caller, on what the caller may see.
--
-- Of the runs:
--   single_execution_outside_loop      a run stands at a node of the graph, outside loops without a counter
--   loop_body_iteration_count_matches  a loop's iterations follow each other from its checkpoint on,
--                                      none of them without its body, only the last without its condition
--   race_loser_terminal                a decided race has one winner, and its loser recorded nothing since
--   node_status_monotonic              within an attempt a run begins, then ends, and holds what its status
--                                      says; so does the instance
--   result_name_uniqueness             a checkpoint keeps each name once, and the runs that it points at
--   step_effects_recorded_once         no execution is recorded under two run paths, nor a construct
--                                      beside its leaves, nor a signal as taken by what did not end
--   no_write_under_stale_epoch         no run is of an epoch later than its instance's, or earlier
--                                      than one that was recorded before it
--   nothing_committed_after_cancel     no run ended after the cancel, but that of the cancelling step
--   nothing_committed_after_end        the same for an instance that completed or failed
-- Of the states that follow from them:
--   every_reachable_node_completed     once the instance has ended, what was reached has ended as well
--   join_all_branches_completed        nothing goes on after a join that has an open branch
--   nothing_runs_before_its_turn       a run's node was reached
--
-- All of it is PL/pgSQL for its plans: a session keeps them, where an SQL function in FROM is planned
-- at every call, which for one instance takes longer than all the rest.

-- The checkpoints of an instance's loops. That of a loop whose time was up is kept in its failed run.
create or replace function df.checkpoints(p_instance text) returns table (run_path text, turn integer)
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
    as $$
#variable_conflict use_column
begin
    return query
    select r.run_path, coalesce(r.turn, (r.detail #>> '{was,turn}')::integer)
      from df.node_runs r
     where r.instance_id = p_instance
       and (r.status = 'checkpoint' or r.detail #>> '{was,status}' = 'checkpoint');
end
$$;

-- Each run with the loops around it, outermost first: a row per run and loop. passed: a checkpoint
-- has left this run behind, and only a name keeps it.
create or replace function df.runs_in_loops(p_instance text)
    returns table (run_path text, loop_path text, part text, iteration integer, passed boolean)
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
    set enable_nestloop = off
    set jit = off
    as $$
#variable_conflict use_column
begin
    return query
    with marked as (
        select r.run_path, string_to_array(
                   regexp_replace(r.run_path, E'\\.(body|condition_node)\\[([0-9]{1,9})\\]', E'\x01\\1\x02\\2\x03', 'g'),
                   E'\x01') as parts
          from df.node_runs r where r.instance_id = p_instance and r.run_path like '%[%'
    ), inside as materialized (
        select m.run_path,
               replace(replace(replace(array_to_string(m.parts[1:d], E'\x01'), E'\x01', '.'), E'\x02', '['), E'\x03', ']') as loop_path,
               split_part(m.parts[d + 1], E'\x02', 1) as part,
               split_part(split_part(m.parts[d + 1], E'\x02', 2), E'\x03', 1)::integer as iteration
          from marked m, generate_series(1, cardinality(m.parts) - 1) as d
    )
    select i.run_path, i.loop_path, i.part, i.iteration,
           bool_or(coalesce(i.iteration < c.turn, false)) over (partition by i.run_path)
      from inside i
      left join df.checkpoints(p_instance) c on c.run_path = i.loop_path;
end
$$;

-- Where a run stands and what it says of itself: one row per violation, of one run.
create or replace function df.violations_of_runs(p_instance text)
    returns table (invariant text, path text, detail text)
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
    -- As in df.node_layout.
    set enable_nestloop = off
    set jit = off
    as $$
#variable_conflict use_column
begin
    return query
    with node as materialized (
        select s.path, s.node_type in ('THEN', 'JOIN', 'RACE', 'IF', 'LOOP') as control, s.node_type,
               regexp_replace(s.run_path, E'\\.(body|condition_node)\\[[0-9]+\\]', E'.\\1[]', 'g') as shape
          from df.node_states_of(p_instance, false) s
    ), run as materialized (
        select r.*, r.xmin::text as written_by, df.static_path(r.run_path) as path, df.path_turns(r.run_path) as turns,
               regexp_replace(r.run_path, E'\\.(body|condition_node)\\[[0-9]+\\]', E'.\\1[]', 'g') as shape
          from df.node_runs r where r.instance_id = p_instance and r.run_path !~ E'\\.timeout(\\.due)?$'
    ), placed as materialized (
        select r.*, n.shape as node_shape, n.control, n.node_type from run r left join node n on n.path = r.path
    ), inst as materialized (
        select i.status, i.epoch, i.ended_at, i.completed_at, (i.ending_xid::text::numeric % 4294967296)::text as ended_by
          from df.instances i where i.id = p_instance
    )
    select case when p.node_shape like '%[]%' then 'loop_body_iteration_count_matches'
                else 'single_execution_outside_loop' end, p.path,
           format('run %s: %s', p.run_path, case when p.node_shape is null then 'the graph has no such node'
                else 'its counters are not those of the loops around it' end)
      from placed p where p.node_shape is distinct from p.shape
    union all
    select 'node_status_monotonic', r.path,
           format('run %s: status %s, begun %s, ended %s, attempt %s', r.run_path, r.status, r.created_at,
                  coalesce(r.ended_at::text, 'never'), r.attempt)
      from run r
     where case r.status when 'completed' then r.ended_at is null or r.error is not null
                         when 'failed' then r.ended_at is null or r.error is null or r.result is not null
                         when 'decided' then r.ended_at is null
                         when 'checkpoint' then false
                         else r.ended_at is not null or r.result is not null end
        or r.ended_at < r.created_at or r.attempt < 1
        or (r.turn is null) <> (r.status not in ('decided', 'checkpoint'))
    union all
    select 'node_status_monotonic', 'root',
           format('the instance is %s, ended_at %s and completed_at %s', i.status, coalesce(i.ended_at::text, 'null'),
                  coalesce(i.completed_at::text, 'null'))
      from inst i
     where (i.ended_at is null) <> (i.status in ('pending', 'running'))
        or (i.completed_at is null) <> (i.status <> 'completed')
    union all
    select 'step_effects_recorded_once', p.path,
           format('run %s: a %s has no run that is %s', p.run_path, p.node_type, p.status)
      from placed p
     where (p.control and p.status in ('completed', 'waiting', 'intent'))
        or (p.status = 'decided' and p.node_type not in ('RACE', 'IF'))
        or (p.status = 'checkpoint' and p.node_type <> 'LOOP')
    union all
    select 'step_effects_recorded_once', min(r.path), format('recorded as %s', string_agg(r.run_path, ' and ' order by r.run_path))
      from run r group by r.path, r.turns having count(*) > 1
    union all
    select 'step_effects_recorded_once', df.static_path(s.consumed_by),
           format('signal %s was taken by run %s, which %s', s.key, s.consumed_by,
                  case when r.run_path is null then 'is not recorded' else 'is ' || r.status end)
      from df.signals s left join run r on r.run_path = s.consumed_by
     where s.instance_id = p_instance and s.consumed_at is not null and r.status is distinct from 'completed'
       and (r.run_path is not null or not exists (select from run c where c.status = 'checkpoint'))
    union all
    select 'no_write_under_stale_epoch', e.path,
           format('run %s: epoch %s, the instance is at %s, and %s was recorded before it', e.run_path, e.epoch, i.epoch,
                  coalesce(e.before::text, 'none'))
      -- Waits and decisions that a signal brought about carry the epoch of the wait's beginning.
      from (select p.*, max(p.epoch) filter (where p.node_type in ('SQL', 'HTTP', 'HTTP_MULTIPART', 'BREAK'))
                            over (order by p.ended_at, p.run_path rows between unbounded preceding and 1 preceding) as before
              from placed p where p.ended_at is not null) e, inst i
     where e.epoch > i.epoch or e.epoch < 1
        or (e.before > e.epoch and e.node_type in ('SQL', 'HTTP', 'HTTP_MULTIPART', 'BREAK'))
    union all
    select case i.status when 'cancelled' then 'nothing_committed_after_cancel' else 'nothing_committed_after_end' end,
           r.path, format('run %s ended at %s, its instance at %s', r.run_path, r.ended_at, i.ended_at)
      from run r, inst i
     where r.ended_at > i.ended_at and r.written_by is distinct from i.ended_by;
end
$$;

-- What loops and races say of several runs together.
create or replace function df.violations_of_constructs(p_instance text)
    returns table (invariant text, path text, detail text)
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
    set enable_nestloop = off
    set jit = off
    as $$
#variable_conflict use_column
begin
    return query
    with here as materialized (
        select t.* from df.runs_in_loops(p_instance) t where not t.passed
    ), round as materialized (
        select h.loop_path, h.iteration, bool_or(h.part = 'body') as body, bool_or(h.part <> 'body') as asked
          from here h group by h.loop_path, h.iteration
    ), span as materialized (
        select r.loop_path, coalesce(c.turn, 0) as first, max(r.iteration) as last,
               count(*) filter (where r.body and r.iteration >= coalesce(c.turn, 0)) as bodies
          from round r
          left join df.checkpoints(p_instance) c on c.run_path = r.loop_path
         group by r.loop_path, c.turn
    ), node as materialized (
        select t.path, t.node_type, t.condition_path from df.instances i
          join df.graphs g on g.id = i.graph_id and g.owner = i.submitted_by, df.node_tree(g.graph) t
         where i.id = p_instance and t.node_type in ('LOOP', 'RACE')
    ), decided as materialized (
        select d.*, n.path from df.node_runs d join node n on n.path = df.static_path(d.run_path)
         where d.instance_id = p_instance and d.status = 'decided' and n.node_type = 'RACE'
    )
    select 'loop_body_iteration_count_matches', df.static_path(s.loop_path),
           format('loop %s has %s bodies from iteration %s to %s', s.loop_path, s.bodies, s.first, s.last)
      from span s where s.bodies <> s.last - s.first + 1
    union all
    select 'loop_body_iteration_count_matches', df.static_path(s.loop_path),
           format('loop %s went on from iteration %s without asking its condition', s.loop_path, min(r.iteration))
      from span s join round r on r.loop_path = s.loop_path
      join node n on n.path = df.static_path(s.loop_path) and n.condition_path is not null
     where not r.asked and r.iteration between s.first and s.last - 1
     group by s.loop_path
    union all
    select 'race_loser_terminal', d.path, format('race %s: branch %s cannot have won', d.run_path, d.turn)
      from decided d where d.turn not in (0, 1)
    union all
    select 'race_loser_terminal', d.path,
           format('race %s was decided at %s, and run %s of its loser ended at %s', d.run_path, d.ended_at, l.run_path, l.ended_at)
      from decided d
      cross join lateral (select d.run_path || case d.turn when 0 then '.right' else '.left' end) as b(path)
      join df.node_runs l on l.instance_id = p_instance
           and (l.run_path = b.path or (l.run_path > b.path || '.' and l.run_path < b.path || '/'))
     where l.ended_at > d.ended_at
    union all
    select 'result_name_uniqueness', df.static_path(c.run_path),
           format('the checkpoint of %s keeps the name %s %s times', c.run_path, n.name, n.times)
      from df.node_runs c
      cross join lateral (select e ->> 0 as name, count(*) as times
                            from json_array_elements(case json_typeof(c.detail) when 'array' then c.detail else '[]' end) e
                           group by 1) n
     where c.instance_id = p_instance and c.status = 'checkpoint' and n.times > 1
    union all
    select 'result_name_uniqueness', df.static_path(c.run_path),
           format('the checkpoint of %s keeps a name for run %s, which is not there', c.run_path, n.run[1])
      from df.node_runs c
      cross join lateral regexp_matches(c.detail::text, E'"run"\\s*:\\s*"(root[^"\\\\]*)"', 'g') as n(run)
     where c.instance_id = p_instance and c.status = 'checkpoint'
       and not exists (select from df.node_runs r where r.instance_id = p_instance and r.run_path = n.run[1]);
end
$$;

-- What follows from the states of the nodes, in the latest iteration of each loop.
create or replace function df.violations_of_states(p_instance text)
    returns table (invariant text, path text, detail text)
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
    set enable_nestloop = off
    set jit = off
    as $$
#variable_conflict use_column
begin
    return query
    with state as materialized (
        select s.*, s.status in ('completed', 'failed') as ended from df.node_states_of(p_instance, false) s
    ), inst as materialized (
        select i.status, i.status in ('completed', 'failed') as ended from df.instances i where i.id = p_instance
    ), root as materialized (
        select s.* from state s where s.path = 'root'
    ), early as materialized (
        select s.* from state s where s.run_status is not null and not s.reached
    ), branches as materialized (
        select s.parent_id, count(*) filter (where s.ended) as ended, count(*) as total
          from state s group by s.parent_id
    )
    select 'every_reachable_node_completed', s.path,
           format('the instance is %s, and run %s is %s', i.status, s.run_path,
                  case when s.path = 'root' then s.status else coalesce(s.run_status, 'not recorded') end)
      from state s, inst i, root
     where i.ended and ((s.path = 'root' and s.status <> i.status)
                        or (s.inferred_status = 'cancelled' and root.status = 'cancelled'
                            and s.inferred_status_from_ancestor_id = root.id))
    union all
    select 'join_all_branches_completed', j.path, format('join %s: %s of %s branches have ended', j.run_path, b.ended, b.total)
      from state j join branches b on b.parent_id = j.id, inst i
     where j.node_type = 'JOIN' and b.ended < b.total and j.status <> 'failed' and j.inferred_status <> 'skipped'
       and ((i.ended and j.reached and j.inferred_status = 'cancelled' and j.inferred_status_from_ancestor_id = p_instance || ':root'
             and (select r.status from root r) = 'cancelled')
            or exists (select from early e, state t
                        where t.node_type in ('THEN', 'IF', 'LOOP')
                          and (starts_with(j.path || '.', t.path || '.left.') or starts_with(j.path || '.', t.path || '.body.')
                               or starts_with(j.path || '.', t.path || '.condition_node.'))
                          and (starts_with(e.path || '.', t.path || '.right.') or starts_with(e.path || '.', t.path || '.condition_node.')
                               or starts_with(e.path || '.', t.path || '.left.'))
                          and not starts_with(e.path, j.path)))
    union all
    select 'nothing_runs_before_its_turn', e.path, format('run %s is %s, and its node was not reached', e.run_path, e.run_status)
      from early e
    union all
    select 'race_loser_terminal', w.path, format('race %s: its winner has not ended', w.run_path)
      from state w
      join df.node_runs d on d.instance_id = p_instance and d.run_path = w.run_path and d.status = 'decided'
      join state c on c.parent_id = w.id and c.path = w.path || case d.turn when 0 then '.left' else '.right' end
     where w.node_type = 'RACE' and not c.ended
    union all
    select 'race_loser_terminal', w.path, format('race %s: both branches have ended, and neither won', w.run_path)
      from state w join branches b on b.parent_id = w.id, inst i
     where w.node_type = 'RACE' and w.run_status is null and b.ended = 2 and i.ended and w.inferred_status <> 'skipped';
end
$$;

-- A row per violated invariant, with the node's id; none when all that is checked holds, or when the
-- caller cannot see the instance. `skip` names invariants to leave out.
create or replace function df.assert_structural_invariants(instance_id text, skip text[] default '{}')
    returns table (invariant text, node_id text, detail text)
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
    as $$
#variable_conflict use_column
begin
    return query
    select v.invariant, assert_structural_invariants.instance_id || ':' || v.path, v.detail
      from (select * from df.violations_of_runs(assert_structural_invariants.instance_id)
            union all
            select * from df.violations_of_constructs(assert_structural_invariants.instance_id)
            union all
            select * from df.violations_of_states(assert_structural_invariants.instance_id)) v
     where v.invariant <> all (coalesce(skip, '{}'))
     order by v.invariant, v.path, v.detail;
end
$$;
