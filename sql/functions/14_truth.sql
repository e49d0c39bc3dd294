-- The truth of a condition's result, for the views: which arm of an IF was taken. The relay takes it
-- by its own reading (df-graph, `truth`), of a result that came just now as of a recorded one, and
-- this one must say the same of the same text whatever the database's locale.

-- The truth of one JSON value: NULL, false, zero, '', [] and {} are false, and so are texts that,
-- trimmed of ASCII's white space and in any case, are f, false, no or a number equal to zero (its
-- digits decide: 1e-400 is not zero). p_raw is the text of a JSON value without unpaired surrogates or \u0000.
create or replace function df.json_value_truth(p_raw text) returns boolean
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  c_zero constant text := E'^[+-]?(0+\\.?0*|\\.0+)([eE][+-]?[0-9]+)?$';
  v_text text := btrim(p_raw, E' \t\r\n');
begin
  case left(v_text, 1)
    when 'n' then return false;
    when 't' then return true;
    when 'f' then return false;
    when '[' then return v_text !~ E'^\\[\\s*\\]$';
    when '{' then return v_text !~ E'^\\{\\s*\\}$';
    when '"' then
      v_text := btrim(v_text::json #>> '{}', E' \t\n\r\x0b\x0c');
      return not (v_text = '' or lower(v_text) in ('f', 'false', 'no') or v_text ~ c_zero);
    else return v_text !~ c_zero;
  end case;
end
$$;

-- Contract: the first column of the first row; no row is false; a result that is no row set is
-- judged as it is. Never raises; NULL is false.
create or replace function df.truth(p_result json) returns boolean
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  v_raw text := p_result::text;
  v_result json := p_result;
  v_row json;
begin
  if p_result is null then
    return false;
  end if;
  -- Postgres's functions over json refuse \u0000 and unpaired surrogates, which json may hold. An
  -- escaped backslash is written otherwise first, so that what is left of \u is an escape; which
  -- character stands there does not matter, only that one does.
  if v_raw ~* E'\\\\u(0000|d[89a-f])' then
    v_raw := regexp_replace(replace(v_raw, E'\\\\', E'\\u005c'), E'\\\\u(0000|d[89a-f][0-9a-f]{2})', '?',
      'gi');
    v_result := v_raw;
  end if;
  if json_typeof(v_result) <> 'object' or json_typeof(v_result -> 'rows') is distinct from 'array'
     or json_typeof(v_result -> 'row_count') is distinct from 'number' then
    return df.json_value_truth(v_raw);
  end if;
  v_row := v_result -> 'rows' -> 0;
  if v_row is null then
    return false;
  elsif json_typeof(v_row) <> 'object' then
    return df.json_value_truth(v_raw);
  end if;
  return coalesce(
    (select df.json_value_truth(c.value::text) from json_each(v_row) c limit 1), false);
end
$$;
