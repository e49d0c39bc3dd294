-- The walk of df.check_graph over a whole graph; the rules of one node are in 13_check_graph.sql.

-- What to say of a graph whose JSON Postgres itself refused to read, by the error it raised.
create or replace function df.unreadable_fault(
  p_node jsonb, p_sqlstate text, p_message text, p_detail text)
returns text
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select case
    when p_sqlstate = '54001' then 'graph exceeds the maximum nesting depth of 256'
    when p_sqlstate = '22P05' then
      format('text that Postgres cannot store: %s', coalesce(nullif(p_detail, ''), p_message))
    when p_node is null then
      format('not valid JSON: %s', coalesce(nullif(p_detail, ''), p_message))
    else format('query in %s must be valid JSON config', p_node ->> 'node_type')
  end
$$;

-- The canonical text of a graph given as a node's JSON or as plain SQL; or 22023
-- `Invalid durable function graph: <path>: <why>`, for the first fault in the order of the text.
-- Not parallel safe: it turns the errors of JSON parsing into its own in a subtransaction.
create or replace function df.check_graph(p_input text) returns text
language plpgsql immutable parallel unsafe
set search_path = pg_catalog, pg_temp
as $$
declare
  c_most_nodes constant int := 10000;
  c_most_depth constant int := 256;
  c_plain_node constant text := E'^\\{"node_type":"SQL","query":"[A-Za-z(]'
    '(?:[^"\\\\\\x01-\\x1f]|\\\\["\\\\bfnrt])*"'
    '(?:,"result_name":"[A-Za-z_][A-Za-z0-9_]*")?\\}$';
  c_plain_fields constant text[] := array['node_type', 'query'];
  c_pair_fields constant text[] := array['node_type', 'left_node', 'right_node'];
  c_pair_texts constant text[] := array[',"left_node":', ',"right_node":'];
  c_pair_segments constant text[] := array['.left', '.right'];
  c_plain_limit constant int := 10000;
  -- A stack entry is a text to put out, then (unless NULL) a node still to judge.
  v_texts text[] := array[''];
  v_nodes jsonb[];
  v_paths text[] := array['root'];
  v_depths int[] := array[0];
  v_top int := 1;
  v_out text[] := '{}';
  v_written int := 0;
  v_count int := 0;
  v_node jsonb;
  v_path text := 'root';
  v_depth int;
  v_judged record;
  v_type text;
  v_tail text;
  v_child_texts text[];
  v_children jsonb[];
  v_segments text[];
  v_fault text;
  v_detail text;
begin
  -- The commonest graph, one statement as df.sql writes it, is canonical as it stands.
  if length(p_input) < c_plain_limit and p_input ~ c_plain_node then
    return p_input;
  end if;
  v_fault := case when p_input ^@ '{"node_type":"' then null else df.step_fault(p_input) end;
  if v_fault is null and p_input !~ E'^\\s*\\{\\s*"' then
    return df.node_of(p_input, 'root');
  end if;
  begin
    if v_fault is null then
      v_nodes[1] := p_input::jsonb;
    end if;
    while v_fault is null and v_top > 0 loop
      v_written := v_written + 1;
      v_out[v_written] := v_texts[v_top];
      v_node := v_nodes[v_top];
      v_path := v_paths[v_top];
      v_depth := v_depths[v_top];
      v_top := v_top - 1;
      continue when v_node is null;
      v_count := v_count + 1;
      if v_depth > c_most_depth then
        -- The path of such a node would be most of the message.
        v_path := 'root';
        v_fault := format('graph exceeds the maximum nesting depth of %s', c_most_depth);
        exit;
      elsif v_count > c_most_nodes then
        v_path := 'root';
        v_fault := format('graph exceeds the maximum of %s nodes', c_most_nodes);
        exit;
      end if;
      -- Plain statements and bare pairs are most nodes of most graphs: judged here, without a call.
      v_type := v_node ->> 'node_type';
      if v_type = 'SQL' and v_node - c_plain_fields = '{}'
         and jsonb_typeof(v_node -> 'query') = 'string' and v_node ->> 'query' ~ E'\\S' then
        v_written := v_written + 1;
        v_out[v_written] := '{"node_type":"SQL","query":' || (v_node -> 'query')::text || '}';
        continue;
      elsif v_type in ('THEN', 'JOIN', 'RACE') and v_node - c_pair_fields = '{}'
         and jsonb_typeof(v_node -> 'left_node') = 'object'
         and jsonb_typeof(v_node -> 'right_node') = 'object' then
        v_written := v_written + 1;
        v_out[v_written] := '{"node_type":"' || v_type || '"';
        v_tail := '}';
        v_child_texts := c_pair_texts;
        v_children := array[v_node -> 'left_node', v_node -> 'right_node'];
        v_segments := c_pair_segments;
      else
        select t.head, t.tail, t.is_leaf, t.fault into v_judged from df.node_text(v_node) t;
        v_fault := v_judged.fault;
        exit when v_fault is not null;
        v_written := v_written + 1;
        v_out[v_written] := v_judged.head;
        v_tail := v_judged.tail;
        if v_judged.is_leaf then
          v_written := v_written + 1;
          v_out[v_written] := v_tail;
          continue;
        end if;
        select c.texts, c.nodes, c.segments, c.fault
        into v_child_texts, v_children, v_segments, v_fault
        from df.node_children(v_node) c;
        exit when v_fault is not null;
      end if;
      v_top := v_top + 1;
      v_texts[v_top] := case when nullif(v_node -> 'extra_nodes', 'null') -> 0 is null then v_tail
                             else ']' || v_tail end;
      v_nodes[v_top] := null;
      for i in reverse cardinality(v_children) .. 1 loop
        v_top := v_top + 1;
        v_texts[v_top] := v_child_texts[i];
        v_nodes[v_top] := v_children[i];
        v_paths[v_top] := v_path || v_segments[i];
        v_depths[v_top] := v_depth + 1;
      end loop;
    end loop;
  exception
    when invalid_text_representation or untranslatable_character or statement_too_complex
      or program_limit_exceeded or numeric_value_out_of_range then
      get stacked diagnostics v_detail = pg_exception_detail;
      v_fault := df.unreadable_fault(v_node, sqlstate, sqlerrm, v_detail);
  end;
  if v_fault is not null then
    raise exception using errcode = '22023',
      message = format('Invalid durable function graph: %s: %s', v_path, v_fault);
  end if;
  return array_to_string(v_out, '');
end
$$;
