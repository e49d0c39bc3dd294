-- The text of one node: telling a node from a plain SQL statement, wrapping the latter, and setting
-- a field of the former. Pure functions over text; nothing here reads a table.
--
-- Children stay raw JSON text and are never parsed again while a graph is composed, so that
-- building costs one concatenation per operator. df.check_graph parses the whole graph once.
-- Keys always come in the order of df.node_fields(), so the same expression is the same bytes.

create or replace function df.node_fields() returns text[]
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select array['node_type', 'query', 'result_name', 'condition_node', 'left_node', 'right_node',
               'extra_nodes', 'retry', 'node_timeout_seconds']
$$;

-- Why a text cannot be a step of a workflow, or NULL when it can. It catches what people write by
-- mistake: the value that a helper returned, a builder call inside quotes, JSON that is no node.
-- A text that Postgres itself may accept as a statement is let through.
create or replace function df.step_fault(p_input text) returns text
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_input is null then
    return 'a step is NULL, where a statement or a node was expected';
  elsif p_input !~ E'\\S' then
    return 'a step is empty';
  elsif p_input ^@ '{"incomplete_if":' then
    return 'condition ?> then needs !> else before anything else uses it; put parentheses'
      ' around a branch that is itself an expression';
  elsif p_input ~ E'^\\s*\\{\\s*["}]' then
    if p_input ~ E'^\\s*\\{\\s*"' and p_input ~ E'"node_type"\\s*:' then
      return null;
    end if;
    return 'a JSON object without node_type is not a durable function node';
  elsif p_input ~ E'^\\s*[\\["]' then
    return 'a JSON value that is not an object is not a durable function node';
  elsif p_input ~ E'^\\s*"?df"?\\s*\\.\\s*"?[a-z_0-9]+"?\\s*\\(' then
    return format('%L is a call inside quotes: builders such as df.sleep() are written without'
      ' quotes, and helpers such as df.setvar() or df.await_instance() are not nodes',
      left(btrim(p_input), 60));
  elsif p_input ~ E'^\\s*(OK|pending|running|completed|failed|cancelled)\\s*$'
     -- An instance's id; the one statement that looks like one is let through.
     or (p_input ~ '^[0-9A-Za-z]{8}$' and lower(p_input) <> 'rollback')
     -- The version, what df.cancel said, what df.explain drew.
     or p_input ~ E'^(\\d+\\.\\d+\\.\\d|Instance \\S{8}( cancelled: | \\(|: )'
       '|Instance not found or access denied: |Invalid durable function graph: |flowchart TD\n|---\ntitle: '
       '|SQL: |(SLEEP|WAIT_SCHEDULE|SIGNAL|HTTP|HTTP_MULTIPART) |(BREAK|THEN|JOIN|RACE|IF|LOOP)(\\s|$))'
  then
    return format('%L is the result of a helper that is not a durable function node (df.setvar,'
      ' df.start, df.await_instance and the like run at once, not as steps)', left(p_input, 60));
  end if;
  return null;
end
$$;

-- The node that a builder's argument stands for: a node as it is, a plain SQL statement wrapped.
-- p_where names the builder and the argument for the error (22023).
create or replace function df.node_of(p_input text, p_where text) returns text
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_fault text;
begin
  if p_input ^@ '{"node_type":"' then
    return p_input;
  end if;
  v_fault := df.step_fault(p_input);
  if v_fault is not null then
    raise exception using errcode = '22023', message = format('%s: %s', p_where, v_fault);
  elsif p_input ~ E'^\\s*\\{\\s*"' then
    return btrim(p_input, E' \t\r\n');
  end if;
  return '{"node_type":"SQL","query":' || to_json(p_input)::text || '}';
end
$$;

-- Raises 22023 with p_fault unless it is NULL; the one way in which builders refuse an argument.
create or replace function df.refuse(p_where text, p_fault text) returns void
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  if p_fault is not null then
    raise exception using errcode = '22023', message = format('%s: %s', p_where, p_fault);
  end if;
end
$$;

-- A node with one field set to a raw JSON value, an earlier value of that field replaced.
create or replace function df.node_with(p_node text, p_field text, p_value text) returns text
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select '{' || string_agg(to_json(f.key)::text || ':' || f.value, ','
             order by array_position(df.node_fields(), f.key), f.key) || '}'
    from (
      select e.key, e.value::text from json_each(p_node::json) e where e.key <> p_field
      union all
      select p_field, p_value
    ) f
  );
end
$$;

-- Why a text cannot name a result or a field of one, or NULL when it can.
create or replace function df.name_fault(p_name text) returns text
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select case
    when p_name is null then 'a result name is NULL'
    when p_name !~ '^[A-Za-z_][A-Za-z0-9_]*$' then
      format('result name %L is not a valid identifier: letters, digits and underscores, not'
        ' starting with a digit', left(p_name, 100))
  end
$$;
