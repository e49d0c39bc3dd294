-- A graph as a Mermaid flowchart. Node n<i> is the node with ordinal i; n<i>e is where a construct
-- ends. The graph must have been checked.

-- The box of one node, with the shape of its kind.
create or replace function df.mermaid_box(p_id text, p_node_type text, p_label text) returns text
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select '  ' || p_id || case
    when p_node_type = 'IF' then '{' || q.label || '}'
    when p_node_type in ('JOIN', 'RACE', 'LOOP') then '[[' || q.label || ']]'
    when p_node_type in ('SLEEP', 'WAIT_SCHEDULE', 'SIGNAL') then '([' || q.label || '])'
    when p_node_type = 'end' then '((' || q.label || '))'
    else '[' || q.label || ']' end
  from (select '"' || replace(replace(replace(replace(p_label, '#', '#35;'), '"', '#quot;'),
    '<', '#lt;'), '>', '#gt;') || '"') as q(label)
$$;

-- The edges of one node once the ways into and out of its children are known (NULL out: a break).
create or replace function df.mermaid_edges(
  p_type text, p_id text, p_condition text[], p_left text[], p_right text[])
returns text[]
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_end text := p_id || 'e';
begin
  return array_remove(case p_type
    when 'THEN' then array[p_left[2] || ' --> ' || p_right[1]]
    when 'IF' then array[p_condition[2] || ' --> ' || p_id,
      p_id || ' -->|true| ' || p_left[1], p_id || ' -->|false| ' || p_right[1],
      p_left[2] || ' --> ' || v_end, p_right[2] || ' --> ' || v_end]
    when 'LOOP' then case when p_condition[1] is null
      then array[p_id || ' --> ' || p_left[1], p_left[2] || ' -->|again| ' || p_id]
      else array[p_id || ' --> ' || p_left[1], p_left[2] || ' --> ' || p_condition[1],
        p_condition[2] || ' -->|true| ' || p_id, p_condition[2] || ' -->|false| ' || v_end] end
  end, null);
end
$$;

-- Boxes are written going down the tree, edges coming back up, when the children are done. The
-- arrays are indexed by ordinal + 1, but for v_chain: the ordinal of the ancestor at each depth.
create or replace function df.draw_mermaid(p_graph text, p_marks jsonb default null) returns text
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_row record;
  v_chain int[];
  v_loop int[];
  v_types text[];
  v_parents int[];
  v_segments text[];
  v_conditions jsonb[];
  v_ways jsonb;
  v_lefts jsonb[];
  v_rights jsonb[];
  v_boxes text[] := array['flowchart TD'];
  v_edges text[] := '{}';
  v_id text;
  v_count int := 0;
  v_parent int;
begin
  for v_row in select * from df.node_tree(p_graph) t order by t.ordinal loop
    v_count := v_count + 1;
    v_id := 'n' || v_row.ordinal;
    v_chain[v_row.depth + 1] := v_count;
    v_parent := v_chain[v_row.depth];
    v_types[v_count] := v_row.node_type;
    v_parents[v_count] := v_parent;
    v_segments[v_count] := substr(v_row.path, length(v_row.parent) + 2);
    v_loop[v_count] := case v_types[v_parent] when 'LOOP' then v_parent else v_loop[v_parent] end;
    if v_row.node_type <> 'THEN' then
      v_boxes := v_boxes || df.mermaid_box(v_id, v_row.node_type,
        coalesce((p_marks ->> v_row.path) || ' ', '') || df.node_label(v_row.node_type,
          v_row.query, v_row.result_name, v_row.retry, v_row.node_timeout_seconds));
    end if;
    if v_row.node_type in ('IF', 'LOOP', 'JOIN', 'RACE') then
      v_boxes := v_boxes || df.mermaid_box(v_id || 'e', 'end', 'end');
    elsif v_row.node_type = 'BREAK' and v_loop[v_count] is not null then
      v_edges := v_edges || (v_id || ' -.->|break| n' || v_loop[v_count] - 1 || 'e');
    end if;
  end loop;
  for i in reverse v_count .. 1 loop
    v_id := 'n' || i - 1;
    v_parent := v_parents[i];
    v_ways := case
      when v_types[i] = 'THEN' then jsonb_build_array(v_lefts[i] -> 0, v_rights[i] -> 1)
      when v_types[i] = 'BREAK' then jsonb_build_array(v_id, null)
      when v_types[i] = 'IF' and v_conditions[i] is not null then
        jsonb_build_array(v_conditions[i] -> 0, v_id || 'e')
      when v_types[i] in ('IF', 'LOOP', 'JOIN', 'RACE') then jsonb_build_array(v_id, v_id || 'e')
      else jsonb_build_array(v_id, v_id) end;
    v_edges := v_edges || df.mermaid_edges(v_types[i], v_id,
      array[v_conditions[i] ->> 0, v_conditions[i] ->> 1],
      array[v_lefts[i] ->> 0, v_lefts[i] ->> 1], array[v_rights[i] ->> 0, v_rights[i] ->> 1]);
    if v_types[v_parent] in ('JOIN', 'RACE') then
      v_edges := v_edges || array_remove(array[
        'n' || v_parent - 1 || ' --> ' || (v_ways ->> 0),
        (v_ways ->> 1) || ' --> n' || v_parent - 1 || 'e'], null);
    elsif v_segments[i] = 'condition_node' then
      v_conditions[v_parent] := v_ways;
    elsif v_segments[i] = 'right' then
      v_rights[v_parent] := v_ways;
    elsif v_parent is not null then
      v_lefts[v_parent] := v_ways;
    end if;
  end loop;
  return array_to_string(v_boxes || array(select '  ' || e from unnest(v_edges) e), E'\n');
end
$$;
