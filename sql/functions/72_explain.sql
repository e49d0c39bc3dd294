-- df.explain for what has not been started: a node's JSON, plain SQL, the text of an expression.
-- An instance is drawn by df.explain_instance(id, format), elsewhere; it is looked for at run time.

-- Whether a text is meant as a DSL expression rather than as a SQL statement: it starts with a
-- literal, a prefix operator or a function call, none of which starts a statement.
create or replace function df.looks_like_expression(p_input text) returns boolean
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select q.start ~ E'^(''|@>|\\$\\$|\\$[a-z_]\\w*\\$|[eE]''|[uU]&''|cast\\s*\\()'
    or q.start ~ E'^("[^"]+"|[a-z_]\\w*)\\s*\\.'
    or (q.start ~ E'^[a-z_]\\w*\\s*\\('
      and q.start !~ E'^(select|values|with|insert|explain|analyze|vacuum|copy|reindex|cluster)\\y')
  from (select lower(regexp_replace(p_input,
    E'^(\\s|\\(|--[^\\n]*\\n|/\\*([^*]|\\*+[^*/])*\\*+/)+', '') collate "C")) as q(start)
$$;

-- The value of a DSL expression, or the message of the error that it raised. It runs with the
-- caller's rights and search_path, in a read-only subtransaction that is always rolled back: a
-- function called in it can write nothing, and cannot make the subtransaction writable again. A
-- cursor takes one query only, and the inner parentheses one value.
create or replace function df.evaluate_expression(
  p_input text, p_search_path text, out graph text, out fault text)
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  c_evaluated constant text := 'DF000';
  -- A semicolon at the end, with a comment behind it or without. One inside of quotes has the closing one behind it.
  c_end constant text := E';(\\s|;|--[^\\n''"$]*(\\n|$))*$';
  v_statement text := format(E'select (select (\n%s\n)::text)', regexp_replace(p_input, c_end, ''));
  v_cursor refcursor;
begin
  begin
    perform set_config('transaction_read_only', 'on', true),
      set_config('search_path', p_search_path, true);
    open v_cursor no scroll for execute v_statement;
    fetch v_cursor into graph;
    raise exception using errcode = c_evaluated;
  exception
    when sqlstate 'DF000' then
      fault := case when graph is null then 'the expression gives NULL' end;
    when others then
      fault := sqlerrm;
  end;
end
$$;

-- df.explain, given the caller's search_path.
create or replace function df.explain_input(p_input text, p_format text, p_search_path text)
returns text
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_input text := p_input;
  v_value record;
  v_drawing text;
begin
  if p_input ~ E'^[^:\\s]{8}$' and to_regprocedure('df.explain_instance(text,text)') is not null then
    v_drawing := df.explain_instance(p_input, p_format);
    if v_drawing is not null then
      return v_drawing;
    elsif p_input ~ '^[0-9A-Za-z]*$'
          and not exists (select from pg_get_keywords() k where k.word = lower(p_input collate "C")) then
      -- No statement is one such word: somebody mistyped an id.
      return format('Instance not found or access denied: %s', p_input);
    end if;
  end if;
  if p_input !~ E'^\\s*\\{' and df.looks_like_expression(p_input) then
    select e.graph, e.fault into v_value from df.evaluate_expression(p_input, p_search_path) e;
    if v_value.fault is not null then
      return format('Invalid durable function graph: root: %s', v_value.fault);
    end if;
    v_input := v_value.graph;
  end if;
  begin
    v_input := df.check_graph(v_input);
  exception when invalid_parameter_value then
    return sqlerrm;
  end;
  return df.draw_graph(v_input, null, p_format);
end
$$;

-- Draws an instance, a node's JSON, a plain SQL statement or a DSL expression, in that order of
-- trying, as a tree or (format => 'mermaid') a flowchart. For a bad graph it returns the message.
-- It alone pins no search_path: an expression's operators are found on the caller's.
create or replace function df.explain(input text, format text default 'tree') returns text
language sql volatile
as $$
  select df.explain_input(input, format, pg_catalog.current_setting('search_path'))
$$;
