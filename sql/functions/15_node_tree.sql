-- A graph as rows, for df.nodes and for drawing.

-- One row per node of a checked graph, in pre-order (a LOOP's body before its condition, an IF's
-- condition before its branches), ordinals from 0. Paths are static: no loop counters.
create or replace function df.node_tree(p_graph text)
returns table (
  path text, parent text, ordinal int, node_type text, query text, result_name text,
  left_path text, right_path text, condition_path text, extra_paths text[], depth int,
  retry jsonb, node_timeout_seconds numeric)
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_nodes jsonb[] := array[p_graph::jsonb];
  v_paths text[] := array['root'];
  v_parents text[] := array[null::text];
  v_depths int[] := array[0];
  v_top int := 1;
  v_node jsonb;
  v_children jsonb[];
  v_segments text[];
begin
  ordinal := -1;
  while v_top > 0 loop
    v_node := v_nodes[v_top];
    path := v_paths[v_top];
    parent := v_parents[v_top];
    depth := v_depths[v_top];
    v_top := v_top - 1;
    ordinal := ordinal + 1;
    node_type := v_node ->> 'node_type';
    query := v_node ->> 'query';
    result_name := v_node ->> 'result_name';
    retry := nullif(v_node -> 'retry', 'null');
    node_timeout_seconds := v_node ->> 'node_timeout_seconds';
    left_path := null;
    right_path := null;
    condition_path := null;
    extra_paths := null;
    if not v_node ? 'left_node' then
      return next;
      continue;
    end if;
    left_path := path || case node_type when 'LOOP' then '.body' else '.left' end;
    if v_node ? 'right_node' then
      right_path := path || '.right';
    end if;
    if v_node ? 'condition_node' then
      condition_path := path || '.condition_node';
    end if;
    select c.nodes, c.segments into v_children, v_segments from df.node_children(v_node) c;
    if cardinality(v_children) > 2 and node_type = 'JOIN' then
      extra_paths := array(
        select path || s.segment from unnest(v_segments[3:]) with ordinality s(segment, n)
        order by s.n);
    elsif node_type = 'LOOP' and cardinality(v_children) = 2 then
      v_children := array[v_children[2], v_children[1]];
      v_segments := array[v_segments[2], v_segments[1]];
    end if;
    return next;
    for i in reverse cardinality(v_children) .. 1 loop
      v_top := v_top + 1;
      v_nodes[v_top] := v_children[i];
      v_paths[v_top] := path || v_segments[i];
      v_parents[v_top] := path;
      v_depths[v_top] := depth + 1;
    end loop;
  end loop;
end
$$;
