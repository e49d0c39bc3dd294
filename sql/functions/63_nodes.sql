-- Nodes as their owner looks at them. The view belongs to df_owner, whom no policy stops, so it
-- says itself whose rows it shows; the function in it runs as its caller.

-- What else there is to say of a node, as one JSON object; null when there is nothing.
--   run_path            the run shown, when it is not the node's own path (inside a loop)
--   attempt             from the second on
--   iteration           of a LOOP, from 0
--   due_at, signal_name of a wait that has begun
--   sqlstate            of a failure
--   sent                of a request or statement that runs outside a transaction and has begun
create or replace function df.status_details(
    p_status text, p_path text, p_run_path text, p_attempt integer, p_run_status text,
    p_iteration integer, p_due_at timestamptz, p_signal_name text, p_sqlstate text) returns jsonb
    language sql stable
    set search_path = pg_catalog, pg_temp
    as $$
    select nullif(jsonb_strip_nulls(jsonb_build_object(
        'run_path', case when p_run_path <> p_path and p_status <> 'pending' then p_run_path end,
        'attempt', case when p_attempt > 1 then p_attempt end,
        'iteration', case when p_status <> 'pending' then p_iteration end,
        'due_at', case when p_run_status = 'waiting' and isfinite(p_due_at) then p_due_at end,
        'signal_name', case when p_run_status = 'waiting' then p_signal_name end,
        'sqlstate', p_sqlstate,
        'sent', case when p_run_status = 'intent' then true end)), '{}')
$$;

-- A condition on instance_id reaches the primary key of df.instances before any instance is
-- derived, since comparing text is leakproof; one on another column derives every visible instance.
create or replace view df.nodes with (security_barrier) as
    select s.id, i.id as instance_id, s.node_type, s.query, s.result_name, s.left_node, s.right_node,
           s.status, s.result, s.error, i.submitted_by, i.database,
           df.status_details(s.status, s.path, s.run_path, s.attempt, s.run_status, s.iteration,
                             s.due_at, s.signal_name, s.sqlstate) as status_details,
           i.created_at, s.updated_at
      from df.instances i, lateral df.node_states(i.id) s
     where i.submitted_by = (select quote_ident(current_user)::regrole)
        or (select df.is_admin(quote_ident(current_user)::regrole));

-- The nodes of one instance, each with its inferred status: `skipped` where it never ran and never
-- will, with the node that decided so. By depth, then in branch order. Of an
-- instance that the caller cannot see there are no rows.
create or replace function df.instance_nodes(instance_id text)
    returns table (node_id text, node_type text, query text, result_name text, left_node text,
                   right_node text, status text, result text, status_details text,
                   inferred_status text, inferred_status_from_ancestor_id text,
                   updated_at timestamptz)
    language sql stable
    set search_path = pg_catalog, pg_temp
    as $$
    select s.id, s.node_type, s.query, s.result_name, s.left_node, s.right_node, s.status,
           coalesce(s.error, s.result::text),
           df.status_details(s.status, s.path, s.run_path, s.attempt, s.run_status, s.iteration,
                             s.due_at, s.signal_name, s.sqlstate)::text,
           s.inferred_status, s.inferred_status_from_ancestor_id, s.updated_at
      from df.node_states(instance_nodes.instance_id) s
$$;
