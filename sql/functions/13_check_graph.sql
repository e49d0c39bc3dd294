-- df.check_graph: every rule of a graph, checked once, where a workflow starts. It trusts nothing:
-- the text may come from the builders or from anybody's hand. It walks with a stack of its own
-- rather than by recursion, so that no nesting reaches Postgres's stack limit, and writes the
-- canonical text as it goes, so that the work grows with the size of the graph.

-- Which fields a node of this type may have besides those of every node: NULL for an unknown type.
create or replace function df.node_type_fields(p_node_type text) returns text[]
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select case
    when p_node_type in ('SQL', 'SLEEP', 'WAIT_SCHEDULE', 'SIGNAL', 'BREAK', 'HTTP',
      'HTTP_MULTIPART') then array['query']
    when p_node_type in ('THEN', 'RACE') then array['left_node', 'right_node']
    when p_node_type = 'JOIN' then array['left_node', 'right_node', 'extra_nodes']
    when p_node_type = 'IF' then array['query', 'condition_node', 'left_node', 'right_node']
    when p_node_type = 'LOOP' then array['query', 'condition_node', 'left_node']
  end
$$;

-- The canonical query of a leaf, or what is wrong with it. A text that is no JSON where JSON is
-- due raises 22P02, which df.check_graph turns into its own error.
create or replace function df.leaf_query(
  p_node_type text, p_query text, out query text, out fault text)
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_config jsonb;
begin
  if p_node_type = 'SQL' then
    query := p_query;
    fault := case when p_query !~ E'\\S' then 'query in SQL must not be empty' end;
  elsif p_node_type = 'SLEEP' then
    select s.query, s.fault into query, fault from df.sleep_query(p_query) s;
  else
    v_config := p_query::jsonb;
    if jsonb_typeof(v_config) <> 'object' then
      fault := format('query in %s must be valid JSON config', p_node_type);
    elsif p_node_type in ('HTTP', 'HTTP_MULTIPART') then
      select c.config, c.fault into query, fault from df.http_config(p_node_type, v_config) c;
    else
      select c.config, c.fault into query, fault from df.wait_config(p_node_type, v_config) c;
    end if;
  end if;
end
$$;

-- The canonical query of an IF or a LOOP, NULL where it has none, or what is wrong with it.
create or replace function df.choice_query(
  p_node_type text, p_query text, p_condition jsonb, out query text, out fault text)
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_config jsonb := coalesce(p_query, '{}')::jsonb;
begin
  if jsonb_typeof(v_config) <> 'object' then
    fault := format('query in %s must be valid JSON config', p_node_type);
  elsif v_config -> 'condition_node' <> 'null' then
    fault := format('condition_node in %s must be a first-class Durofut field', p_node_type);
  elsif p_node_type = 'LOOP' or v_config ->> 'condition_type' is null then
    fault := case when p_node_type = 'IF' and p_condition is null then
      'condition_node in IF is required' end;
  elsif p_condition is not null then
    fault := 'IF takes condition_node or condition_type, not both';
  elsif v_config -> 'condition_type' <> '"result_has_rows"' then
    fault := format('Unknown condition_type %L in IF', left(v_config ->> 'condition_type', 100));
  else
    fault := df.name_fault(v_config ->> 'result_name');
    query := '{"condition_type":"result_has_rows","result_name":"'
      || (v_config ->> 'result_name') || '"}';
  end if;
end
$$;

-- One node without its children: the canonical text before them and after them, or its fault.
create or replace function df.node_text(
  p_node jsonb, out head text, out tail text, out is_leaf boolean, out fault text)
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_type text := p_node ->> 'node_type';
  v_fields text[] := df.node_type_fields(v_type);
  v_query jsonb := nullif(p_node -> 'query', 'null');
  v_name jsonb := nullif(p_node -> 'result_name', 'null');
  v_rest jsonb := p_node - v_fields - array['node_type', 'result_name'];
  v_retry text;
  v_text text;
begin
  tail := '}';
  is_leaf := v_fields = array['query'];
  if jsonb_typeof(p_node -> 'node_type') is distinct from 'string' then
    fault := case when p_node ? 'incomplete_if' then df.step_fault('{"incomplete_if":')
                  when nullif(p_node -> 'node_type', 'null') is null then 'Missing node_type'
                  else 'node_type must be a string' end;
  elsif v_fields is null then
    fault := format('Unknown node_type ''%s''', left(v_type, 100));
  elsif v_name is not null and jsonb_typeof(v_name) <> 'string' then
    fault := 'result_name must be a string';
  elsif v_name is not null and df.name_fault(v_name #>> '{}') is not null then
    fault := df.name_fault(v_name #>> '{}');
  elsif v_query is null and v_type <> 'BREAK' and is_leaf then
    fault := format('query in %s is required', v_type);
  elsif jsonb_typeof(v_query) <> 'string' then
    fault := format('query in %s must be a string', v_type);
  elsif v_type in ('IF', 'LOOP') then
    select q.query, q.fault into v_text, fault
    from df.choice_query(v_type, v_query #>> '{}', nullif(p_node -> 'condition_node', 'null')) q;
  elsif v_fields[1] = 'query' then
    -- Only a BREAK may have none; an empty config says the same.
    select q.query, q.fault into v_text, fault
    from df.leaf_query(v_type, coalesce(v_query #>> '{}', '{}')) q;
  end if;
  if fault is null and v_rest <> '{}' then
    select r.tail, r.fault into tail, fault from df.node_rest(v_type, v_rest) r;
  end if;
  head := '{"node_type":"' || v_type || '"'
    || coalesce(',"query":' || to_json(v_text)::text, '')
    || coalesce(',"result_name":' || v_name::text, '');
end
$$;

-- What a node carries besides its type, its name, its query and its children.
create or replace function df.node_rest(
  p_node_type text, p_rest jsonb, out tail text, out fault text)
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_retry jsonb := nullif(p_rest -> 'retry', 'null');
  v_timeout jsonb := nullif(p_rest -> 'node_timeout_seconds', 'null');
  -- A field that no node has is let be; one that another type has is a mistake.
  v_stray text := (
    select min(f.key) from jsonb_each(p_rest) f
    where f.key = any (array['condition_node', 'left_node', 'right_node', 'extra_nodes'])
      and f.value not in ('null', '[]'));
begin
  tail := '';
  if v_stray is not null then
    fault := format('%s is not allowed in %s', v_stray, p_node_type);
    return;
  end if;
  if v_retry is not null then
    select ',"retry":' || c.config, c.fault into tail, fault
    from df.retry_config(p_node_type, v_retry) c;
  end if;
  if v_timeout is not null then
    fault := coalesce(fault, df.node_timeout_fault(v_timeout));
    if fault is not null then
      return;
    end if;
    tail := tail || ',"node_timeout_seconds":' || trim_scale(v_timeout::numeric)::text;
  end if;
  tail := tail || '}';
end
$$;

-- The children of a node in the order of its text: the text that precedes each, the child, the
-- path segment. Or what is wrong with them.
create or replace function df.node_children(
  p_node jsonb, out texts text[], out nodes jsonb[], out segments text[], out fault text)
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_type text := p_node ->> 'node_type';
  v_extra jsonb := nullif(p_node -> 'extra_nodes', 'null');
  v_field text;
  v_child jsonb;
  v_n int := 0;
begin
  foreach v_field in array array['condition_node', 'left_node', 'right_node'] loop
    v_child := p_node -> v_field;
    if jsonb_typeof(v_child) = 'object' then
      v_n := v_n + 1;
      texts[v_n] := ',"' || v_field || '":';
      nodes[v_n] := v_child;
      segments[v_n] := case v_field when 'condition_node' then '.condition_node'
        when 'right_node' then '.right' else case v_type when 'LOOP' then '.body' else '.left' end
        end;
    elsif v_child <> 'null' then
      fault := format('%s in %s must be a Durofut JSON object', v_field, v_type);
      return;
    elsif v_field = 'left_node' or (v_field = 'right_node' and v_type <> 'LOOP') then
      fault := format('%s in %s is required', v_field, v_type);
      return;
    end if;
  end loop;
  if v_extra is null or v_extra = '[]' then
    return;
  elsif jsonb_typeof(v_extra) <> 'array' then
    fault := 'extra_nodes in JOIN must be an array';
  elsif exists (select from jsonb_array_elements(v_extra) e where jsonb_typeof(e) <> 'object') then
    fault := 'extra_nodes entries must be Durofut JSON objects';
  else
    select texts || array_agg(case e.n when 1 then ',"extra_nodes":[' else ',' end order by e.n),
      nodes || array_agg(e.node order by e.n),
      segments || array_agg('.extra_nodes[' || e.n - 1 || ']' order by e.n)
    into texts, nodes, segments
    from jsonb_array_elements(v_extra) with ordinality as e(node, n);
  end if;
end
$$;
