-- What state every node of an instance is in, derived from its graph and its recorded runs: nothing
-- stores the state of a control node. Reads the instance, its graph and its runs once, and looks at
-- each node three times: the work is linear in nodes and runs. Nothing here recurses, so that the
-- deepest graph is as good as any. Runs as its caller; of an instance that the caller cannot see,
-- there are no rows.
--
--   status    pending    never reached, in the latest iteration of its loop
--             running    reached and not ended; a wait too, and a control node above one
--             completed, failed   ended so, by its own run or by its children's
--             cancelled  reached, and then cut short: it lost a race or its instance ended
--   inferred_status      as status, but what was not reached and never will be, and what lost a
--             race, reads skipped; inferred_status_from_ancestor_id is the node that decided it
--             (or that cut it short). Once the instance has ended nothing is pending or running.
--
-- In a loop the latest iteration counts. It is the greatest that a run or the loop's checkpoint
-- names, or the one after it when that one has ended and the loop goes on.

-- p_results false leaves `result` null and reads no results but those of conditions. `reached` says
-- whether the walk may stand at the node, whatever is recorded there.
create or replace function df.node_states_of(p_instance text, p_results boolean)
    returns table (path text, id text, parent_id text, node_type text, query text, result_name text,
                   left_node text, right_node text, status text, result json, error text,
                   sqlstate text, inferred_status text, inferred_status_from_ancestor_id text,
                   updated_at timestamptz, attempt integer, run_path text, run_status text,
                   iteration integer, due_at timestamptz, signal_name text, reached boolean)
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
    as $$
#variable_conflict use_column
declare
    v_inst    record;
    v_count   integer;
    -- Per node, by its number: what the layout says …
    v_parent  integer[]; v_role integer[]; v_path text[]; v_segment text[]; v_type text[];
    v_query   text[]; v_name text[]; v_left_path text[]; v_right_path text[];
    v_turns   text[]; v_run text[]; v_turn integer[]; v_attempt integer[]; v_at timestamptz[];
    v_due     timestamptz[]; v_signal text[]; v_sqlstate text[]; v_error text[]; v_result text[];
    v_truth   boolean[];
    -- … its children, by role, and the last of all branches …
    v_cond    integer[]; v_left integer[]; v_right integer[]; v_last integer[];
    -- … the iterations of the loops around it, of the latest run below it, whether it is in a loop …
    v_here    text[]; v_below text[];
    -- … how it ended: null, completed, failed or break; which node's result and error are its own …
    v_end     text[]; v_from integer[];
    -- … the branch taken (IF, RACE), whether a loop goes on, the iteration a loop is in …
    v_taken   integer[]; v_on boolean[]; v_iter integer[];
    -- … whether it is reached, whether its runs are those of a passed iteration, what cut it short.
    v_reached boolean[]; v_fresh boolean[]; v_stop integer[]; v_run_path text[];
    n         integer; p integer; k integer; c integer; v_depth integer;
    v_text    text;
begin
    select i.*, g.graph into v_inst
      from df.instances i join df.graphs g on g.id = i.graph_id and g.owner = i.submitted_by
     where i.id = p_instance;
    if not found then
        return;
    end if;
    select count(*), array_agg(l.parent), array_agg(l.role), array_agg(l.path), array_agg(l.segment),
           array_agg(l.node_type), array_agg(l.query), array_agg(l.result_name),
           array_agg(l.left_path), array_agg(l.right_path),
           array_agg(l.run_turns), array_agg(l.run_status), array_agg(l.run_turn),
           array_agg(l.run_attempt), array_agg(l.run_at), array_agg(l.run_due_at),
           array_agg(l.run_signal), array_agg(l.run_sqlstate), array_agg(l.run_error),
           array_agg(l.run_result), array_agg(l.truth)
      into v_count, v_parent, v_role, v_path, v_segment, v_type, v_query, v_name, v_left_path,
           v_right_path, v_turns, v_run, v_turn, v_attempt, v_at, v_due, v_signal, v_sqlstate,
           v_error, v_result, v_truth
      from df.node_layout(p_instance, v_inst.graph, p_results) l;
    v_cond := array_fill(null::integer, array[v_count]);
    v_left := v_cond; v_right := v_cond; v_last := v_cond; v_from := v_cond; v_taken := v_cond;
    v_iter := v_cond; v_stop := v_cond;
    v_here := array_fill(null::text, array[v_count]);
    v_below := v_here; v_end := v_here; v_run_path := v_here;
    v_on := array_fill(null::boolean, array[v_count]);
    v_reached := v_on; v_fresh := v_on;

    -- Upwards: the children of each node, and the latest iterations that any run below it names.
    for n in reverse v_count..1 loop
        p := v_parent[n];
        if v_type[n] = 'LOOP' and v_run[n] = 'checkpoint' then
            v_below[n] := greatest(v_below[n], (v_turns[n] || lpad(v_turn[n]::text, 10, '0')) collate "C");
        elsif v_turns[n] is not null then
            v_below[n] := greatest(v_below[n], v_turns[n] collate "C");
        end if;
        exit when p is null;
        if v_role[n] = 0 then v_cond[p] := n; elsif v_role[n] = 1 then v_left[p] := n;
        elsif v_role[n] = 2 then v_right[p] := n; end if;
        v_last[p] := greatest(v_last[p], n);
        if v_type[n] = 'LOOP' then
            -- What a loop hands up is without its own iteration; whether it has runs is all the same.
            v_below[p] := greatest(v_below[p], left(v_below[n], -10) collate "C");
        elsif v_below[n] is not null then
            v_below[p] := greatest(v_below[p], v_below[n] collate "C");
        end if;
    end loop;

    -- Downwards: which iteration each node stands in, and with it which runs are of today.
    for n in 1..v_count loop
        p := v_parent[n];
        v_here[n] := case when p is null then ''
                          when v_type[p] = 'LOOP' then v_here[p] || lpad(v_iter[p]::text, 10, '0')
                          else v_here[p] end;
        if v_turns[n] is distinct from v_here[n] then
            v_run[n] := null; v_attempt[n] := null; v_at[n] := null; v_due[n] := null;
            v_signal[n] := null; v_sqlstate[n] := null; v_error[n] := null; v_result[n] := null;
        end if;
        if v_type[n] = 'LOOP' then
            v_depth := length(v_here[n]);
            v_iter[n] := case when length(v_below[n]) = v_depth + 10 and left(v_below[n], v_depth) = v_here[n]
                              then right(v_below[n], 10)::integer else 0 end;
        end if;
    end loop;

    -- Upwards: how each node has ended, from how its children have.
    for n in reverse v_count..1 loop
        -- A control node has a failed run when its time was up; what it had come to still counts.
        if v_run[n] in ('completed', 'failed') and v_type[n] not in ('THEN', 'JOIN', 'RACE', 'IF', 'LOOP') then
            v_end[n] := v_run[n];
            v_from[n] := n;
            if v_type[n] = 'BREAK' and v_end[n] = 'completed' then
                if v_here[n] = '' then
                    -- A BREAK outside any loop is what fails the instance.
                    v_end[n] := 'failed';
                    v_error[n] := coalesce(case v_inst.status when 'failed' then v_inst.error end,
                                           'BREAK outside any loop');
                else
                    v_end[n] := 'break';
                end if;
            end if;
            continue;
        end if;
        case v_type[n]
        when 'THEN' then
            c := case when v_end[v_left[n]] = 'completed' then v_right[n] else v_left[n] end;
            v_end[n] := v_end[c];
            v_from[n] := v_from[c];
        when 'JOIN' then
            c := null;
            v_text := 'completed';
            for k in v_left[n]..v_last[n] loop
                if v_end[k] is null then
                    v_text := null;
                    exit;
                elsif v_end[k] <> 'completed' and c is null then
                    c := k;
                end if;
            end loop;
            if v_text is not null then
                v_end[n] := coalesce(v_end[c], 'completed');
                v_from[n] := coalesce(v_from[c], n);
                if c is null then
                    v_truth[n] := true;
                    if p_results then
                        v_result[n] := (select '[' || string_agg(coalesce(v_result[v_from[b]], 'null'), ',' order by b) || ']'
                                          from generate_series(v_left[n], v_last[n]) as b);
                    end if;
                end if;
            end if;
        when 'RACE' then
            if v_run[n] = 'decided' then
                v_taken[n] := case v_turn[n] when 0 then v_left[n] else v_right[n] end;
            elsif num_nulls(v_end[v_left[n]], v_end[v_right[n]]) = 1 then
                v_taken[n] := case when v_end[v_left[n]] is null then v_right[n] else v_left[n] end;
            end if;
            v_end[n] := v_end[v_taken[n]];
            v_from[n] := v_from[v_taken[n]];
        when 'IF' then
            c := v_cond[n];
            if c is null and v_run[n] = 'decided' then
                v_taken[n] := case v_turn[n] when 1 then v_left[n] else v_right[n] end;
            elsif v_end[c] = 'completed' then
                v_taken[n] := case when v_truth[v_from[c]] then v_left[n] else v_right[n] end;
            end if;
            if v_taken[n] is not null then
                c := v_taken[n];
            end if;
            v_end[n] := v_end[c];
            v_from[n] := v_from[c];
        when 'LOOP' then
            c := v_left[n];
            if v_end[c] = 'completed' then
                if v_cond[n] is null then
                    v_on[n] := true;
                elsif v_end[v_cond[n]] is distinct from 'completed' then
                    c := v_cond[n];
                elsif v_truth[v_from[v_cond[n]]] then
                    v_on[n] := true;
                end if;
            end if;
            if v_on[n] is null and v_end[c] is not null then
                v_end[n] := case v_end[c] when 'break' then 'completed' else v_end[c] end;
                v_from[n] := v_from[c];
            end if;
        else
            null;  -- A leaf without an ended run.
        end case;
        if v_run[n] = 'failed' and v_type[n] in ('THEN', 'JOIN', 'RACE', 'IF', 'LOOP') then
            v_end[n] := 'failed';
            v_from[n] := n;
            v_on[n] := null;
        end if;
        -- An instance may fail at a node that has no run: one that could not even be tried.
        if v_end[n] is distinct from 'failed' and v_inst.status = 'failed'
           and df.static_path(v_inst.error_path) = v_path[n]
           and df.path_turns(v_inst.error_path) = v_here[n] then
            v_end[n] := 'failed';
            v_from[n] := n;
            v_error[n] := v_inst.error;
            v_sqlstate[n] := v_inst.error_sqlstate;
        end if;
    end loop;
    -- Upwards once more: when each node last moved.
    for n in reverse v_count..2 loop
        v_at[v_parent[n]] := greatest(v_at[v_parent[n]], v_at[n]);
    end loop;

    -- Downwards: what was reached, what never will be, and who decided that.
    for n in 1..v_count loop
        p := v_parent[n];
        if p is null then
            v_run_path[n] := 'root';
            v_fresh[n] := false;
            v_reached[n] := v_inst.epoch > 0 or v_inst.ended_at is not null;
            v_stop[n] := case when v_inst.ended_at is not null then n end;
        else
            v_fresh[n] := v_fresh[p] or coalesce(v_on[p], false);
            v_run_path[n] := v_run_path[p] || '.' || v_segment[n]
                || case when v_type[p] = 'LOOP' then '[' || v_iter[p] || ']' else '' end;
            v_reached[n] := v_reached[p] and (v_inst.epoch > 0 or v_inst.status <> 'cancelled')
                and case v_type[p]
                when 'THEN' then v_role[n] = 1 or (not v_fresh[n] and v_end[v_left[p]] = 'completed')
                when 'IF' then v_role[n] = 0 or (not v_fresh[n] and v_taken[p] = n)
                when 'LOOP' then v_role[n] = 1 or (not v_fresh[n] and v_end[v_left[p]] = 'completed')
                else true end;
            -- The nearest that decides: a parent that has ended, or chose another branch.
            v_stop[n] := case
                when not v_fresh[n] and (v_end[p] is not null or v_taken[p] <> n) then p
                else v_stop[p] end;
        end if;
        if v_type[n] = 'LOOP' then
            v_iter[n] := case when v_fresh[n] then 0 when v_on[n] then v_iter[n] + 1 else v_iter[n] end;
        end if;
        path := v_path[n];
        id := p_instance || ':' || path;
        parent_id := p_instance || ':' || v_path[p];
        node_type := v_type[n];
        query := v_query[n];
        result_name := v_name[n];
        left_node := p_instance || ':' || v_left_path[n];
        right_node := p_instance || ':' || v_right_path[n];
        run_path := v_run_path[n];
        iteration := v_iter[n];
        reached := coalesce(v_reached[n], false);
        status := case when v_fresh[n] or v_end[n] is null
                       then case when not coalesce(v_reached[n], false) then 'pending'
                                 when v_stop[n] is null then 'running' else 'cancelled' end
                       when v_end[n] = 'failed' then 'failed' else 'completed' end;
        inferred_status := status;
        inferred_status_from_ancestor_id := null;
        if v_stop[n] is not null and status in ('pending', 'cancelled') then
            if status = 'pending' or (v_type[v_stop[n]] = 'RACE' and v_stop[n] <> n
                                      and v_taken[v_stop[n]] is not null) then
                inferred_status := 'skipped';
            end if;
            inferred_status_from_ancestor_id := p_instance || ':' || v_path[v_stop[n]];
        end if;
        updated_at := coalesce(v_at[n], v_inst.created_at);
        if v_fresh[n] then
            run_status := null; attempt := null; due_at := null; signal_name := null;
        else
            run_status := v_run[n]; attempt := v_attempt[n]; due_at := v_due[n]; signal_name := v_signal[n];
        end if;
        result := null; error := null; sqlstate := null;
        if status = 'completed' then
            result := case when p_results then coalesce(v_result[v_from[n]], 'null')::json end;
        elsif status = 'failed' then
            error := v_error[v_from[n]];
            sqlstate := v_sqlstate[v_from[n]];
            result := case when p_results then to_json(error) end;
        end if;
        return next;
    end loop;
end
$$;

create or replace function df.node_states(p_instance text)
    returns table (path text, id text, parent_id text, node_type text, query text, result_name text,
                   left_node text, right_node text, status text, result json, error text,
                   sqlstate text, inferred_status text, inferred_status_from_ancestor_id text,
                   updated_at timestamptz, attempt integer, run_path text, run_status text,
                   iteration integer, due_at timestamptz, signal_name text)
    language sql stable
    set search_path = pg_catalog, pg_temp
    as $$
    select s.path, s.id, s.parent_id, s.node_type, s.query, s.result_name, s.left_node, s.right_node,
           s.status, s.result, s.error, s.sqlstate, s.inferred_status,
           s.inferred_status_from_ancestor_id, s.updated_at, s.attempt, s.run_path, s.run_status,
           s.iteration, s.due_at, s.signal_name
      from df.node_states_of(p_instance, true) s
$$;
