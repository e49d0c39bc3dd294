-- The builders of control: sequence, naming, parallel, choice, loop. Each takes and returns the
-- text of a node, reads no table, and is safe in any transaction. Argument names are a contract.
-- The builders of waits and HTTP requests are in the next files.

create or replace function df.sql(query text) returns text
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  -- df.sql of a node is that node, as everywhere else where a statement or a node may stand.
  return df.node_of(query, 'df.sql');
end
$$;

create or replace function df.seq(a text, b text) returns text
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return '{"node_type":"THEN","left_node":'
    || case when a ^@ '{"node_type":"' then a else df.node_of(a, 'df.seq') end
    || ',"right_node":'
    || case when b ^@ '{"node_type":"' then b else df.node_of(b, 'df.seq') end
    || '}';
end
$$;

-- Names the result of a node; the last name given to a node holds.
create or replace function df.as(fut text, name text) returns text
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_node text := df.node_of(fut, 'df.as');
begin
  if name ~ '^[A-Za-z_][A-Za-z0-9_]*$' then
    -- An unnamed leaf as the builders write it: the name goes before its closing brace.
    if v_node ~ E'^\\{"node_type":"[A-Z_]+","query":"(?:[^"\\\\]|\\\\.)*"\\}$' then
      return left(v_node, -1) || ',"result_name":"' || name || '"}';
    end if;
    return df.node_with(v_node, 'result_name', '"' || name || '"');
  end if;
  perform df.refuse('df.as', df.name_fault(name));
end
$$;

-- Two branches; the variadic form below takes any other number.
create or replace function df.join(a text, b text) returns text
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return '{"node_type":"JOIN","left_node":'
    || case when a ^@ '{"node_type":"' then a else df.node_of(a, 'df.join') end
    || ',"right_node":'
    || case when b ^@ '{"node_type":"' then b else df.node_of(b, 'df.join') end
    || '}';
end
$$;

create or replace function df.join3(a text, b text, c text) returns text
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return '{"node_type":"JOIN","left_node":' || df.node_of(a, 'df.join3')
    || ',"right_node":' || df.node_of(b, 'df.join3')
    || ',"extra_nodes":[' || df.node_of(c, 'df.join3') || ']}';
end
$$;

create or replace function df.join(variadic branches text[]) returns text
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_nodes text[];
begin
  if branches is null or cardinality(branches) < 2 then
    perform df.refuse('df.join', 'a JOIN needs at least two branches');
  end if;
  v_nodes := array(
    select df.node_of(b.branch, 'df.join')
    from unnest(branches) with ordinality as b(branch, position)
    order by b.position);
  return '{"node_type":"JOIN","left_node":' || v_nodes[1] || ',"right_node":' || v_nodes[2]
    || case when cardinality(v_nodes) = 2 then '}'
       else ',"extra_nodes":[' || array_to_string(v_nodes[3:], ',') || ']}' end;
end
$$;

create or replace function df.race(a text, b text) returns text
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return '{"node_type":"RACE","left_node":'
    || case when a ^@ '{"node_type":"' then a else df.node_of(a, 'df.race') end
    || ',"right_node":'
    || case when b ^@ '{"node_type":"' then b else df.node_of(b, 'df.race') end
    || '}';
end
$$;

create or replace function df.if(condition text, then_branch text, else_branch text) returns text
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return '{"node_type":"IF","condition_node":' || df.node_of(condition, 'df.if condition')
    || ',"left_node":' || df.node_of(then_branch, 'df.if then_branch')
    || ',"right_node":' || df.node_of(else_branch, 'df.if else_branch') || '}';
end
$$;

create or replace function df.if_rows(result_name text, then_branch text, else_branch text)
returns text
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  perform df.refuse('df.if_rows', df.name_fault(result_name));
  return '{"node_type":"IF","query":' || to_json(
      '{"condition_type":"result_has_rows","result_name":"' || result_name || '"}')::text
    || ',"left_node":' || df.node_of(then_branch, 'df.if_rows then_branch')
    || ',"right_node":' || df.node_of(else_branch, 'df.if_rows else_branch') || '}';
end
$$;

-- The left half of `condition ?> then !> else`. What it returns is no node, so that everything
-- but !> refuses it.
create or replace function df.if_then(condition text, then_branch text) returns text
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return '{"incomplete_if":{"condition_node":' || df.node_of(condition, '?> condition')
    || ',"left_node":' || df.node_of(then_branch, '?> then branch') || '}}';
end
$$;

-- The right half. Everything between `?>` and `!>` must have stayed the half that `?>` made.
create or replace function df.if_else(half text, else_branch text) returns text
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  c_opening constant text := '{"incomplete_if":{';
begin
  if half ^@ c_opening and right(half, 2) = '}}' then
    return '{"node_type":"IF",' || left(substr(half, length(c_opening) + 1), -2)
      || ',"right_node":' || df.node_of(else_branch, '!> else branch') || '}';
  end if;
  perform df.refuse('!>', 'its left side must be condition ?> then; put parentheses around a'
    ' branch that is itself an expression');
end
$$;

create or replace function df.loop(body text, condition text default null) returns text
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return '{"node_type":"LOOP"'
    || case when condition is null then ''
       else ',"condition_node":' || df.node_of(condition, 'df.loop condition') end
    || ',"left_node":' || df.node_of(body, 'df.loop body') || '}';
end
$$;

-- What the prefix operator @> calls: an operator's function can have no default argument.
create or replace function df.loop_forever(body text) returns text
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return '{"node_type":"LOOP","left_node":' || df.node_of(body, '@>') || '}';
end
$$;

create or replace function df.break(value text default null) returns text
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  return '{"node_type":"BREAK","query":' || to_json(
    '{"break_value":' || coalesce(to_json(value)::text, 'null') || '}')::text || '}';
end
$$;
