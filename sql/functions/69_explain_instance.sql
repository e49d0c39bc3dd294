-- An instance drawn for df.explain: a header with its label, id and status, then its graph with a
-- mark per node: ✓ completed, ✗ failed, ⏳ running, ○ not reached yet, ⊘ skipped or cancelled.
-- NULL for an instance that the caller cannot see. Errors: 22023 for an unknown format.
create or replace function df.explain_instance(p_instance text, p_format text) returns text
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
    as $$
declare
    v_inst   record;
    v_marks  jsonb;
    v_header text;
begin
    select i.id, i.label, i.status, i.error, i.paused_at, g.graph into v_inst
      from df.instances i join df.graphs g on g.id = i.graph_id and g.owner = i.submitted_by
     where i.id = p_instance;
    if not found then
        return null;
    end if;
    select jsonb_object_agg(s.path, case s.inferred_status when 'completed' then '✓' when 'failed' then '✗'
               when 'running' then '⏳' when 'pending' then '○' else '⊘' end)
      into v_marks from df.node_states_of(p_instance, false) s;
    v_header := 'Instance ' || v_inst.id || coalesce(' (' || v_inst.label || ')', '') || ': '
        || initcap(v_inst.status) || case when v_inst.paused_at is not null then ', paused' else '' end;
    if p_format = 'mermaid' then
        return E'---\ntitle: ' || to_json(v_header)::text || E'\n---\n'
            || df.draw_graph(v_inst.graph, v_marks, p_format);
    end if;
    return v_header || E'\n' || case when v_inst.status in ('failed', 'cancelled')
                                     then coalesce('Error: ' || v_inst.error || E'\n', '') else '' end
        || df.draw_graph(v_inst.graph, v_marks, p_format);
end
$$;
