-- What the `query` of a leaf holds. One text of each rule, for the builders and for
-- df.check_graph alike: given the query's JSON, the canonical text of it, or what is wrong.

-- Why a number of seconds is refused, or NULL. p_seconds is JSON; p_most bounds it.
create or replace function df.seconds_fault(p_field text, p_seconds jsonb, p_most bigint)
returns text
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  if jsonb_typeof(p_seconds) is distinct from 'number' then
    return format('%s must be a number of seconds', p_field);
  elsif p_seconds::numeric <= 0 then
    return format('%s must be greater than zero', p_field);
  elsif p_seconds::numeric > p_most then
    return format('%s must be at most %s', p_field, p_most);
  end if;
  return null;
end
$$;

-- The canonical text of a SLEEP's seconds, or what is wrong with it. A fraction comes from
-- df.sleep_interval. The longest sleep, some three thousand years, keeps its end within what a
-- timestamp can say.
create or replace function df.sleep_query(p_seconds text, out query text, out fault text)
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  c_most constant numeric := 100000000000;
  v_seconds numeric;
begin
  if p_seconds is null then
    fault := 'the seconds to sleep are NULL';
  elsif p_seconds !~ E'^\\s*[+-]?(\\d{1,20}\\.?|\\d{0,20}\\.\\d{1,20})([eE][+-]?\\d{1,2})?\\s*$' then
    fault := format('the seconds to sleep must be a number, not %L', left(p_seconds, 40));
  else
    v_seconds := trim_scale(round(p_seconds::numeric, 9));
    query := v_seconds::text;
    fault := case
      when v_seconds < 0 then 'the seconds to sleep must not be negative'
      when v_seconds > c_most then format('the seconds to sleep must be at most %s', c_most) end;
  end if;
end
$$;

-- WAIT_SCHEDULE, SIGNAL and BREAK.
create or replace function df.wait_config(
  p_node_type text, p_config jsonb, out config text, out fault text)
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  c_most_seconds constant bigint := 100000000000;
  c_most_name_bytes constant int := 1024;
  v_timeout jsonb := nullif(p_config -> 'timeout_seconds', 'null');
  v_field text;
begin
  v_field := case p_node_type when 'WAIT_SCHEDULE' then 'cron_expr'
                              when 'SIGNAL' then 'signal_name' else 'break_value' end;
  if p_node_type <> 'BREAK' and jsonb_typeof(p_config -> v_field) is distinct from 'string' then
    fault := format('%s must be text', v_field);
  elsif p_node_type = 'WAIT_SCHEDULE' then
    fault := df.cron_fault(p_config ->> v_field);
    config := '{"cron_expr":' || to_json(p_config ->> v_field)::text || '}';
  elsif p_node_type = 'BREAK' then
    config := '{"break_value":' || coalesce(to_json(p_config ->> v_field)::text, 'null') || '}';
  elsif p_config ->> v_field = '' then
    fault := 'signal_name must not be empty';
  elsif octet_length(p_config ->> v_field) > c_most_name_bytes then
    fault := format('signal_name must be at most %s bytes', c_most_name_bytes);
  else
    if v_timeout is not null then
      fault := df.seconds_fault('timeout_seconds', v_timeout, c_most_seconds);
    end if;
    config := '{"signal_name":' || to_json(p_config ->> v_field)::text
      || ',"timeout_seconds":' || coalesce(v_timeout::text, 'null') || '}';
  end if;
end
$$;

-- Why one part of a multipart request is refused, or NULL.
create or replace function df.part_fault(p_part jsonb) returns text
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  -- Padding may be left out; bits beyond the last byte must be zero.
  c_base64 constant text := '^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw](?:==)?'
    '|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=?)?$';
  v_data text;
  v_field text;
begin
  if jsonb_typeof(p_part) <> 'object' then
    return 'each part must be an object {name, data_b64, filename, content_type}';
  elsif coalesce(p_part ->> 'name', '') = '' then
    return 'a part needs a name';
  elsif p_part ->> 'data_b64' is null then
    return format('part %L needs data_b64', left(p_part ->> 'name', 100));
  end if;
  foreach v_field in array array['name', 'data_b64', 'filename', 'content_type'] loop
    if jsonb_typeof(p_part -> v_field) not in ('string', 'null') then
      return format('%s of a part must be text', v_field);
    elsif v_field <> 'data_b64' and p_part ->> v_field ~ E'[\\r\\n]' then
      return format('%s of a part must not hold a line break', v_field);
    end if;
  end loop;
  -- A reference to the data is judged when the node runs and knows what it refers to.
  v_data := p_part ->> 'data_b64';
  if v_data !~ '[${][A-Za-z_]' then
    if regexp_replace(v_data, E'\\s+', '', 'g') !~ c_base64 then
      return format('data_b64 of part %L is not valid base64', left(p_part ->> 'name', 100));
    end if;
  end if;
  return null;
end
$$;

-- Why HTTP headers are refused, or NULL.
create or replace function df.headers_fault(p_headers jsonb) returns text
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_name text;
begin
  if p_headers is null or p_headers = 'null' then
    return null;
  elsif jsonb_typeof(p_headers) <> 'object' then
    return 'headers must be a JSON object';
  end if;
  select h.key into v_name from jsonb_each(p_headers) h
  where jsonb_typeof(h.value) not in ('string', 'number', 'boolean', 'null')
     or h.key !~ E'^[^\\s:[:cntrl:]]+$'
     or h.value #>> '{}' ~ E'[\\r\\n]'
  order by h.key limit 1;
  if found then
    return format('header %L must be a name without blanks and a one-line value', v_name);
  end if;
  return null;
end
$$;

-- HTTP and HTTP_MULTIPART. Fields left out take the builders' defaults. Which hosts may be
-- reached is judged when the node runs, by the settings of that time.
create or replace function df.http_config(
  p_node_type text, p_config jsonb, out config text, out fault text)
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  c_most_seconds constant bigint := 2147483647;
  v_url text := p_config ->> 'url';
  v_method text := upper(coalesce(p_config ->> 'method', 'POST'));
  v_headers jsonb := jsonb_strip_nulls(coalesce(nullif(p_config -> 'headers', 'null'), '{}'));
  v_timeout jsonb := coalesce(p_config -> 'timeout_seconds', '30');
  v_body jsonb := coalesce(p_config -> 'body', 'null');
  v_parts jsonb := p_config -> 'parts';
  v_methods text[] := case p_node_type
    when 'HTTP' then array['GET', 'POST', 'PUT', 'DELETE', 'PATCH']
    else array['POST', 'PUT', 'PATCH'] end;
begin
  if jsonb_typeof(p_config -> 'url') is distinct from 'string' or v_url !~ E'\\S' then
    fault := 'url must be text that is not empty';
  elsif v_url !~* E'^\\s*https?://' and v_url !~ '[${][A-Za-z_]' then
    fault := format('unsupported URL scheme in %L: only http:// and https://', left(v_url, 100));
  elsif v_method <> all (v_methods) then
    fault := format('unsupported HTTP method %L: one of %s', left(v_method, 40),
      array_to_string(v_methods, ', '));
  elsif p_node_type = 'HTTP' and jsonb_typeof(v_body) not in ('string', 'null') then
    fault := 'body must be text';
  elsif p_node_type = 'HTTP_MULTIPART'
      and (jsonb_typeof(v_parts) is distinct from 'array' or v_parts = '[]') then
    fault := 'parts must be a JSON array with at least one part';
  else
    fault := coalesce(df.seconds_fault('timeout_seconds', v_timeout, c_most_seconds),
      df.headers_fault(v_headers));
    if fault is null and p_node_type = 'HTTP_MULTIPART' then
      select df.part_fault(p.part) into fault
      from jsonb_array_elements(v_parts) with ordinality as p(part, position)
      where df.part_fault(p.part) is not null
      order by p.position limit 1;
    end if;
    config := '{"url":' || to_json(v_url)::text || ',"method":"' || v_method || '"'
      || case p_node_type
         when 'HTTP' then ',"body":' || coalesce(to_json(v_body #>> '{}')::text, 'null')
         else ',"parts":' || v_parts::text end
      || ',"headers":' || v_headers::text || ',"timeout_seconds":' || v_timeout::text || '}';
  end if;
end
$$;
