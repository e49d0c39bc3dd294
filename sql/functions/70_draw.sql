-- Drawing a graph, as a tree of text or as a Mermaid flowchart. The graph must have been checked.
-- Marks are an object from a node's static path to a sign to put before it, or NULL.

-- One node in a few words, on one line.
create or replace function df.node_label(
  p_node_type text, p_query text, p_result_name text, p_retry jsonb, p_timeout_seconds numeric)
returns text
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  c_most_characters constant int := 200;
  v_config jsonb;
  v_label text;
begin
  if p_query is not null and p_node_type not in ('SQL', 'SLEEP') then
    v_config := p_query::jsonb;
  end if;
  v_label := case p_node_type
    when 'SQL' then 'SQL: ' || p_query
    when 'SLEEP' then 'SLEEP ' || p_query || 's'
    when 'WAIT_SCHEDULE' then format('WAIT_SCHEDULE %L', v_config ->> 'cron_expr')
    when 'SIGNAL' then format('SIGNAL %L', v_config ->> 'signal_name')
      || coalesce(' (timeout ' || (v_config ->> 'timeout_seconds') || 's)', '')
    when 'BREAK' then 'BREAK' || coalesce(' ' || quote_literal(v_config ->> 'break_value'), '')
    when 'HTTP' then format('HTTP %s %s', v_config ->> 'method', v_config ->> 'url')
    when 'HTTP_MULTIPART' then
      format('HTTP_MULTIPART %s %s', v_config ->> 'method', v_config ->> 'url')
    when 'IF' then 'IF' || coalesce(' $' || (v_config ->> 'result_name') || ' has rows', '')
    else p_node_type end;
  v_label := btrim(regexp_replace(v_label, E'\\s+', ' ', 'g'));
  if length(v_label) > c_most_characters then
    v_label := left(v_label, c_most_characters) || '…';
  end if;
  return v_label
    || case when p_result_name is null then '' else ' |=> ' || p_result_name end
    || case when p_retry is null then ''
       else format(' (up to %s attempts)', p_retry ->> 'max_attempts') end
    || case when p_timeout_seconds is null then ''
       else format(' (at most %ss)', trim_scale(p_timeout_seconds)) end;
end
$$;

-- What a child is to its parent, in the words of the drawings.
create or replace function df.child_role(p_parent_type text, p_segment text) returns text
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select case
    when p_parent_type in ('JOIN', 'RACE') then 'branch ' || case p_segment
      when 'left' then 1 when 'right' then 2
      else substring(p_segment from E'\\d+')::int + 3 end
    when p_parent_type = 'IF' then case p_segment
      when 'condition_node' then 'condition' when 'left' then 'then' else 'else' end
    when p_segment = 'body' then 'body'
    when p_parent_type = 'LOOP' then 'while'
  end
$$;

-- A sequence is drawn flat, one arrow per THEN, unless the THEN itself carries something to show.
-- The arrays hold, per depth, the node whose children are being drawn.
create or replace function df.draw_tree(p_graph text, p_marks jsonb default null) returns text
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_row record;
  v_types text[];
  v_first text[];
  v_rest text[];
  v_last text[];
  v_flat boolean[];
  v_lines text[] := '{}';
  v_above int;
  v_here int;
  v_is_last boolean;
begin
  for v_row in select * from df.node_tree(p_graph) t order by t.ordinal loop
    v_here := v_row.depth + 1;
    v_above := v_row.depth;
    v_types[v_here] := v_row.node_type;
    v_last[v_here] := coalesce(v_row.extra_paths[cardinality(v_row.extra_paths)],
      case v_row.node_type when 'LOOP' then v_row.condition_path end,
      v_row.right_path, v_row.left_path);
    v_flat[v_here] := v_row.node_type = 'THEN' and v_row.result_name is null
      and v_row.retry is null and v_row.node_timeout_seconds is null;
    v_is_last := v_above > 0 and v_last[v_above] = v_row.path;
    if v_above = 0 then
      v_first[v_here] := '';
      v_rest[v_here] := '';
    elsif v_flat[v_above] then
      v_first[v_here] := case when v_is_last then v_rest[v_above] || '→ ' else v_first[v_above] end;
      v_rest[v_here] := v_rest[v_above] || case when v_is_last then '  ' else '' end;
    else
      v_first[v_here] := v_rest[v_above] || case when v_is_last then '└─ ' else '├─ ' end
        || case when v_types[v_above] <> 'THEN' then
             df.child_role(v_types[v_above], substr(v_row.path, length(v_row.parent) + 2)) || ': '
           when v_is_last then '→ ' else '' end;
      v_rest[v_here] := v_rest[v_above] || case when v_is_last then '   ' else '│  ' end;
    end if;
    if not v_flat[v_here] then
      v_lines[cardinality(v_lines) + 1] := v_first[v_here]
        || coalesce((p_marks ->> v_row.path) || ' ', '')
        || df.node_label(v_row.node_type, v_row.query, v_row.result_name, v_row.retry,
             v_row.node_timeout_seconds);
    end if;
  end loop;
  return array_to_string(v_lines, E'\n');
end
$$;

-- `format` is tree or mermaid.
create or replace function df.draw_graph(
  p_graph text, p_marks jsonb default null, p_format text default 'tree')
returns text
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_format = 'tree' then
    return df.draw_tree(p_graph, p_marks);
  elsif p_format = 'mermaid' then
    return df.draw_mermaid(p_graph, p_marks);
  end if;
  raise exception using errcode = '22023',
    message = format('invalid format %L: tree or mermaid', p_format);
end
$$;
