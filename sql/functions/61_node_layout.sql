-- The graph of an instance laid out for df.node_states, each node with the one run that may be its
-- latest. Runs as its caller: row-level security decides what there is to see.

-- The iterations in a run path, ten digits per enclosing loop, outermost first, so that comparing
-- two of them as bytes compares the iterations: 'root.body[3].left.body[12]' is '00000000030000000012'.
create or replace function df.path_turns(p_run_path text) returns text
    language sql immutable parallel safe
    set search_path = pg_catalog, pg_temp
    as $$
    select case when position('[' in p_run_path) = 0 then '' else coalesce((
        select string_agg(lpad(m.turn[1], 10, '0'), '' order by m.n)
          from regexp_matches(p_run_path, E'\\.(?:body|condition_node)\\[([0-9]+)\\]', 'g')
               with ordinality as m(turn, n)), '') end
$$;

-- A run path without its iterations: the place of the node in the graph.
create or replace function df.static_path(p_run_path text) returns text
    language sql immutable parallel safe
    set search_path = pg_catalog, pg_temp
    as $$
    select case when position('[' in p_run_path) = 0 then p_run_path else
        regexp_replace(p_run_path, E'\\.(body|condition_node)\\[[0-9]+\\]', E'.\\1', 'g') end
$$;

-- One row per node, n counting from 1 by depth, so that a parent comes before its children and the
-- children of one parent stand together in branch order (role: 0 the condition, 1 left or body,
-- 2 right, 3 and more the extra branches of a JOIN).
-- The run_ columns are those of the node's run in the latest iteration of the loops around it that
-- has one; run_turns says which that is. truth is set for what may be a condition's result.
create or replace function df.node_layout(p_instance text, p_graph text, p_results boolean)
    returns table (n integer, parent integer, role integer, path text, segment text, node_type text,
                   query text, result_name text, left_path text, right_path text,
                   run_turns text, run_status text, run_turn integer, run_attempt integer,
                   run_at timestamptz, run_due_at timestamptz, run_signal text, run_sqlstate text,
                   run_error text, run_result text, truth boolean)
    language sql stable
    set search_path = pg_catalog, pg_temp
    -- Estimates know nothing of node_tree's size; a nested loop over it would be quadratic. One that
    -- cannot be avoided then looks so dear that it would be compiled first.
    set enable_nestloop = off
    set jit = off
    as $$
    with placed as (
        select t.*, substr(t.path, length(t.parent) + 2) as segment
          from df.node_tree(p_graph) t
    ), ranked as (
        select p.*, case when p.segment = 'condition_node' then 0
                         when p.segment in ('left', 'body') then 1
                         when p.segment = 'right' then 2
                         when p.segment is null then 0
                         else 3 + substring(p.segment from E'\\[([0-9]+)\\]')::integer end as role
          from placed p
    ), numbered as materialized (
        select r.*, (row_number() over (order by r.depth, r.parent collate "C", r.role))::integer as n
          from ranked r
    ), runs as (
        select distinct on (u.path) u.*
          from (select df.static_path(r.run_path) as path, df.path_turns(r.run_path) collate "C" as turns,
                       r.run_path, r.status, r.turn, r.attempt, r.created_at, r.ended_at, r.due_at,
                       r.signal_name, r.sqlstate, r.error, r.result
                  from df.node_runs r where r.instance_id = p_instance) as u
         order by u.path, u.turns desc
    )
    select c.n, p.n, c.role, c.path, c.segment, c.node_type, c.query, c.result_name,
           c.left_path, c.right_path, r.turns, r.status, r.turn, r.attempt,
           coalesce(r.ended_at, r.created_at), r.due_at, r.signal_name, r.sqlstate, r.error,
           case when p_results then r.result::text end,
           case when r.status = 'completed' and r.run_path like E'%condition\\_node%'
                then df.truth(r.result) end
      from numbered c
      left join numbered p on p.path = c.parent
      left join runs r on r.path = c.path
     order by c.n
$$;
