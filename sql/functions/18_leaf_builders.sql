-- The builders of waits and HTTP requests, and the wrappers that give a node a retry policy or a
-- timeout. They judge their arguments by the rules of the file before this one.

create or replace function df.sleep(seconds bigint) returns text
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
  perform df.refuse('df.sleep', df.sleep_fault(seconds::text));
  return '{"node_type":"SLEEP","query":"' || seconds::text || '"}';
end
$$;

-- A month counts 30 days and a year 365.25, as in extract(epoch from interval).
create or replace function df.sleep_interval(duration interval) returns text
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_seconds text := trim_scale(extract(epoch from duration)::numeric)::text;
begin
  perform df.refuse('df.sleep_interval', df.sleep_fault(v_seconds));
  return '{"node_type":"SLEEP","query":"' || v_seconds || '"}';
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
  c_fields constant text[] := array['max_attempts', 'initial_seconds', 'factor', 'max_seconds'];
  v_number numeric[];
  v_states jsonb := nullif(p_retry -> 'on_sqlstate', 'null');
begin
  if p_node_type <> all (array['SQL', 'HTTP', 'HTTP_MULTIPART']) then
    fault := format('a retry policy belongs on a SQL or HTTP node, not on %s: give one to each'
      ' of its steps', p_node_type);
    return;
  elsif jsonb_typeof(p_retry) <> 'object'
     or p_retry - (c_fields || 'on_sqlstate'::text) <> '{}'
     or exists (select from unnest(c_fields) f
                where jsonb_typeof(p_retry -> f) is distinct from 'number') then
    fault := 'retry must have the numbers max_attempts, initial_seconds, factor, max_seconds';
    return;
  end if;
  v_number := array(select (p_retry ->> f)::numeric from unnest(c_fields) with ordinality u(f, n)
                    order by n);
  fault := case
    when v_number[1] <> trunc(v_number[1]) or v_number[1] not between 1 and 1000000 then
      'max_attempts must be a whole number from 1 to 1000000'
    when v_number[2] < 0 or v_number[2] > 100000000 then
      'initial_seconds must be from 0 to 100000000'
    when v_number[3] < 1 or v_number[3] > 1000 then 'factor must be from 1 to 1000'
    when v_number[4] < v_number[2] or v_number[4] > 100000000 then
      'max_seconds must be from initial_seconds to 100000000'
    when jsonb_typeof(v_states) <> 'array' or v_states = '[]'
      or exists (select from jsonb_array_elements(v_states) s
                 where jsonb_typeof(s) <> 'string' or s #>> '{}' !~ '^[0-9A-Z]{5}$') then
      'on_sqlstate must be a list of five-character SQLSTATEs'
  end;
  config := format('{"max_attempts":%s,"initial_seconds":%s,"factor":%s,"max_seconds":%s,'
    '"on_sqlstate":%s}', trim_scale(v_number[1]), trim_scale(v_number[2]),
    trim_scale(v_number[3]), trim_scale(v_number[4]),
    coalesce(replace(v_states::text, ', ', ','), 'null'));
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
    case when seconds::text ~ '^-?\d' then to_jsonb(seconds) end));
  return df.node_with(v_node, 'node_timeout_seconds', trim_scale(seconds)::text);
end
$$;
