-- Judging a cron expression, as cron(8) reads it: minute, hour, day of month, month, day of week,
-- in UTC, Sunday = 0 (and 7). Only judging: the relay computes the next match when the node runs.

-- The values that one field matches, ascending, or NULL when the field is malformed. Names are English whatever the
-- database's locale: in a Turkish one FRI is no fri.
create or replace function df.cron_field(p_field text, p_low int, p_high int, p_names text[])
returns int[]
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_item text;
  v_part text[];
  v_from int;
  v_to int;
  v_values int[] := '{}';
begin
  foreach v_item in array string_to_array(lower(p_field collate "C"), ',') loop
    v_part := regexp_match(v_item,
      E'^(?:(\\*)|(\\d{1,6}|[a-z]{3})(?:-(\\d{1,6}|[a-z]{3}))?)(?:/(\\d{1,6}))?$');
    if v_part is null or v_part[4]::int < 1 then
      return null;
    end if;
    -- `a/step` runs to the field's end; `sat-sun` ends on the Sunday that is 7.
    v_from := case when v_part[1] is not null then p_low
                   when v_part[2] ~ E'\\d' then v_part[2]::int
                   else array_position(p_names, v_part[2]) - 1 + p_low end;
    v_to := case when v_part[1] is not null then p_high
                 when v_part[3] = 'sun' and p_names[1] = 'sun' then 7
                 when v_part[3] ~ E'\\d' then v_part[3]::int
                 when v_part[3] is not null then array_position(p_names, v_part[3]) - 1 + p_low
                 when v_part[4] is not null then p_high
                 else v_from end;
    if v_from is null or v_to is null or v_from < p_low or v_to > p_high or v_from > v_to then
      return null;
    end if;
    v_values := v_values
      || array(select generate_series(v_from, v_to, coalesce(v_part[4]::int, 1)));
  end loop;
  return array(select distinct v from unnest(v_values) v order by v);
end
$$;

-- Why a cron expression is refused, or NULL when it is good.
create or replace function df.cron_fault(p_cron text) returns text
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  c_fields constant text[] := array['minute', 'hour', 'day of month', 'month', 'day of week'];
  c_low constant int[] := array[0, 0, 1, 1, 0];
  c_high constant int[] := array[59, 23, 31, 12, 7];
  c_months constant text[] := array['jan', 'feb', 'mar', 'apr', 'may', 'jun',
    'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
  c_days constant text[] := array['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
  c_month_days constant int[] := array[31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
  v_parts text[] := regexp_split_to_array(btrim(p_cron, E' \t\r\n'), E'\\s+');
  v_values int[];
  v_first_day int;
begin
  if p_cron is null then
    return 'the cron expression is NULL';
  elsif cardinality(v_parts) <> 5 then
    return format('invalid cron expression %L: 5 fields are needed (minute hour day-of-month'
      ' month day-of-week)', left(p_cron, 100));
  end if;
  for i in 1 .. 5 loop
    v_values := df.cron_field(v_parts[i], c_low[i], c_high[i],
      case i when 4 then c_months when 5 then c_days else '{}'::text[] end);
    if v_values is null then
      return format('invalid cron expression %L: bad %s %L (%s to %s)', left(p_cron, 100),
        c_fields[i], left(v_parts[i], 40), c_low[i], c_high[i]);
    elsif i = 3 then
      v_first_day := v_values[1];
    elsif i = 4 and (v_parts[3] ^@ '*' or v_parts[5] ^@ '*')
        and v_first_day > (select max(c_month_days[m]) from unnest(v_values) m) then
      return format('invalid cron expression %L: it never matches any date', left(p_cron, 100));
    end if;
  end loop;
  return null;
end
$$;
