-- The builders of waits and HTTP requests, and the wrappers that give a node a retry policy or a
-- timeout. They judge their arguments by the rules of the file before this one.

create or replace function df.sleep(seconds bigint) returns text
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_sleep record;
begin
  select s.query, s.fault into v_sleep from df.sleep_query(seconds::text) s;
  perform df.refuse('df.sleep', v_sleep.fault);
  return '{"node_type":"SLEEP","query":"' || v_sleep.query || '"}';
end
$$;

-- A month counts 30 days and a year 365.25, as in extract(epoch from interval).
create or replace function df.sleep_interval(duration interval) returns text
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_sleep record;
begin
  select s.query, s.fault into v_sleep
  from df.sleep_query(extract(epoch from duration)::text) s;
  perform df.refuse('df.sleep_interval', v_sleep.fault);
  return '{"node_type":"SLEEP","query":"' || v_sleep.query || '"}';
end
$$;

create or replace function df.wait_for_schedule(cron_expr text) returns text
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  perform df.refuse('df.wait_for_schedule', df.cron_fault(cron_expr));
  return '{"node_type":"WAIT_SCHEDULE","query":'
    || to_json('{"cron_expr":' || to_json(cron_expr)::text || '}')::text || '}';
end
$$;

create or replace function df.wait_for_signal(name text, timeout_seconds integer default null)
returns text
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_leaf record;
begin
  select c.config, c.fault into v_leaf from df.wait_config('SIGNAL',
    jsonb_build_object('signal_name', name, 'timeout_seconds', timeout_seconds)) c;
  perform df.refuse('df.wait_for_signal', v_leaf.fault);
  return '{"node_type":"SIGNAL","query":' || to_json(v_leaf.config)::text || '}';
end
$$;

create or replace function df.http(
  url text, method text default 'POST', body text default null, headers jsonb default '{}',
  timeout_seconds integer default 30)
returns text
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_leaf record;
begin
  select c.config, c.fault into v_leaf from df.http_config('HTTP', jsonb_build_object(
    'url', url, 'method', method, 'body', body, 'headers', headers,
    'timeout_seconds', timeout_seconds)) c;
  perform df.refuse('df.http', v_leaf.fault);
  return '{"node_type":"HTTP","query":' || to_json(v_leaf.config)::text || '}';
end
$$;

create or replace function df.http_multipart(
  url text, method text default 'POST', parts jsonb default null, headers jsonb default '{}',
  timeout_seconds integer default 30)
returns text
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_leaf record;
begin
  select c.config, c.fault into v_leaf from df.http_config('HTTP_MULTIPART', jsonb_build_object(
    'url', url, 'method', method, 'parts', parts, 'headers', headers,
    'timeout_seconds', timeout_seconds)) c;
  perform df.refuse('df.http_multipart', v_leaf.fault);
  return '{"node_type":"HTTP_MULTIPART","query":' || to_json(v_leaf.config)::text || '}';
end
$$;

-- A retry policy as a node carries it: its canonical text, or what is wrong with it.
create or replace function df.retry_config(
  p_node_type text, p_retry jsonb, out config text, out fault text)
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  c_most_seconds constant numeric := 100000000;
  v_attempts numeric;
  v_initial numeric;
  v_factor numeric;
  v_most numeric;
  v_states jsonb := nullif(p_retry -> 'on_sqlstate', 'null');
  v_field text;
begin
  if p_node_type <> all (array['SQL', 'HTTP', 'HTTP_MULTIPART']) then
    fault := format('a retry policy belongs on a SQL or HTTP node, not on %s: give one to each'
      ' of its steps', p_node_type);
    return;
  elsif jsonb_typeof(p_retry) <> 'object' then
    fault := 'retry must be a JSON object';
    return;
  end if;
  foreach v_field in array array['max_attempts', 'initial_seconds', 'factor', 'max_seconds'] loop
    if jsonb_typeof(p_retry -> v_field) not in ('number', 'null') then
      fault := format('%s in retry must be a number', v_field);
      return;
    end if;
  end loop;
  v_attempts := p_retry ->> 'max_attempts';
  v_initial := coalesce((p_retry ->> 'initial_seconds')::numeric, 1);
  v_factor := coalesce((p_retry ->> 'factor')::numeric, 2);
  v_most := coalesce((p_retry ->> 'max_seconds')::numeric, 300);
  fault := case
    when v_attempts is null or v_attempts <> trunc(v_attempts)
      or v_attempts not between 1 and 1000000 then
      'max_attempts in retry must be a whole number from 1 to 1000000'
    when v_initial not between 0 and c_most_seconds then
      format('initial_seconds in retry must be from 0 to %s', c_most_seconds)
    when v_factor not between 1 and 1000 then 'factor in retry must be from 1 to 1000'
    when v_most not between 0 and c_most_seconds then
      format('max_seconds in retry must be from 0 to %s', c_most_seconds)
    when jsonb_typeof(v_states) <> 'array'
      or exists (select from jsonb_array_elements(v_states) s
                 where jsonb_typeof(s) <> 'string' or s #>> '{}' !~ '^[0-9A-Z]{5}$') then
      'on_sqlstate in retry must be an array of five-character SQLSTATEs'
  end;
  config := format('{"max_attempts":%s,"initial_seconds":%s,"factor":%s,"max_seconds":%s,'
    '"on_sqlstate":%s}', trim_scale(v_attempts), trim_scale(v_initial), trim_scale(v_factor),
    trim_scale(v_most), coalesce(replace(v_states::text, ', ', ','), 'null'));
end
$$;

-- The node is tried again, up to max_attempts tries in all, when it fails for its own reason (with
-- one of on_sqlstate, where given), waiting initial_seconds, then factor times as long each time.
create or replace function df.retry_policy(
  fut text, max_attempts integer, initial_seconds numeric default 1, factor numeric default 2,
  max_seconds numeric default 300, on_sqlstate text[] default null)
returns text
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_node text := df.node_of(fut, 'df.retry_policy');
  v_retry record;
begin
  select c.config, c.fault into v_retry from df.retry_config(v_node::json ->> 'node_type',
    jsonb_build_object('max_attempts', max_attempts, 'initial_seconds', initial_seconds,
      'factor', factor, 'max_seconds', max_seconds, 'on_sqlstate', on_sqlstate)) c;
  perform df.refuse('df.retry_policy', v_retry.fault);
  return df.node_with(v_node, 'retry', v_retry.config);
end
$$;

-- Why a node's timeout is refused, or NULL.
create or replace function df.node_timeout_fault(p_seconds jsonb) returns text
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  if jsonb_typeof(p_seconds) is distinct from 'number' then
    return 'the timeout must be a number of seconds';
  elsif p_seconds::numeric <= 0 or p_seconds::numeric > 100000000000 then
    return 'the timeout must be greater than zero and at most 100000000000 seconds';
  end if;
  return null;
end
$$;

-- The node, whatever it is, fails when it has not ended after so many seconds.
create or replace function df.timeout(fut text, seconds numeric) returns text
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_node text := df.node_of(fut, 'df.timeout');
begin
  -- NaN and the infinities are no JSON numbers; as NULL they are refused alike.
  perform df.refuse('df.timeout', df.node_timeout_fault(
    case when seconds::text ~ E'^-?\\d' then to_jsonb(seconds) end));
  return df.node_with(v_node, 'node_timeout_seconds', trim_scale(seconds)::text);
end
$$;
