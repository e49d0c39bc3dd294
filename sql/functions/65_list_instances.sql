-- Lists of instances, newest first, page by page. Run as their caller under row-level security; each
-- page reads one index from its cursor on: instances_by_label where a label is asked for,
-- instances_by_status for a status that few have, else instances_by_role.

-- How many rows a list may have. Errors: 22023 below 1, or above the setting max_list_limit.
create or replace function df.checked_limit(p_limit integer) returns integer
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
    as $$
declare
    v_most bigint := df.setting('max_list_limit')::bigint;
begin
    if p_limit is null or p_limit < 1 then
        raise exception 'limit_count must be at least 1, not %', coalesce(p_limit::text, 'NULL')
            using errcode = '22023';
    elsif p_limit > v_most then
        raise exception 'limit_count % is above the max_list_limit setting of %', p_limit, v_most
            using errcode = '22023',
                  hint = 'Ask for less and follow next_cursor, or an administrator raises max_list_limit with df.configure.';
    end if;
    return p_limit;
end
$$;

-- A cursor says after which instance a page begins: (created_at, id), in base64.
create or replace function df.list_cursor(p_created_at timestamptz, p_id text) returns text
    language sql immutable
    set search_path = pg_catalog, pg_temp
    as $$
    select encode(convert_to((extract(epoch from p_created_at) * 1000000)::bigint || '/' || p_id, 'UTF8'), 'base64')
$$;

-- Errors: 22023 for anything that df.list_cursor cannot have made.
create or replace function df.read_list_cursor(p_cursor text, out created_at timestamptz, out id text)
    language plpgsql immutable
    set search_path = pg_catalog, pg_temp
    as $$
declare
    v_text text;
begin
    begin
        v_text := convert_from(decode(p_cursor, 'base64'), 'UTF8');
    exception when invalid_parameter_value or character_not_in_repertoire or untranslatable_character then
        v_text := null;
    end;
    if v_text is null or v_text !~ '^[0-9]{1,16}/[A-Za-z0-9]{8}$' then
        raise exception 'invalid after_cursor %: pass a next_cursor as it was returned',
            quote_literal(left(p_cursor, 100)) using errcode = '22023';
    end if;
    created_at := 'epoch'::timestamptz + split_part(v_text, '/', 1)::double precision * interval '1 microsecond';
    id := split_part(v_text, '/', 2);
end
$$;

-- One page and one row more, which says whether another page follows. What was started in one transaction has one
-- created_at: the rest of those at the cursor's is a range of the index by itself, or each page would read all that the
-- pages before it have shown.
create or replace function df.list_page(
    p_status text, p_limit integer, p_label text, p_after_at timestamptz, p_after_id text)
    returns table (id text, label text, status text, executions bigint, output text,
                   created_at timestamptz, completed_at timestamptz)
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
    set plan_cache_mode = force_custom_plan
    as $$
declare
    v_submitters oid[] := df.visible_submitters();
begin
    return query
        select p.id, p.label::text, p.status::text, p.executions, coalesce(p.result::text, p.error),
               p.created_at, p.completed_at
          from unnest(v_submitters) as s(role), lateral (
            (select i.* from df.instances i
              where i.submitted_by = s.role and i.created_at = p_after_at and i.id > p_after_id
                and (p_status is null or i.status = p_status) and (p_label is null or i.label = p_label)
              order by i.id
              limit p_limit + 1)
            union all
            (select i.* from df.instances i
              where i.submitted_by = s.role and (p_after_at is null or i.created_at < p_after_at)
                and (p_status is null or i.status = p_status) and (p_label is null or i.label = p_label)
              order by i.created_at desc, i.id
              limit p_limit + 1)) as p
         order by p.created_at desc, p.id
         limit p_limit + 1;
end
$$;

-- label_filter is compared whole. Every row of a page carries the same next_cursor, NULL on the last
-- page. Errors: 22023 for the limit and for an after_cursor that is none.
create or replace function df.list_instances(
    status_filter text, limit_count integer, label_filter text, after_cursor text default null)
    returns table (instance_id text, label text, function_name text, status text,
                   execution_count bigint, output text, created_at timestamptz,
                   completed_at timestamptz, next_cursor text)
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
    as $$
#variable_conflict use_column
declare
    v_limit integer := df.checked_limit(limit_count);
    v_after record;
begin
    select null::timestamptz as created_at, null::text as id into v_after;
    if after_cursor is not null then
        v_after := df.read_list_cursor(after_cursor);
    end if;
    return query
        with page as materialized (
            select p.*, row_number() over (order by p.created_at desc, p.id) as n
              from df.list_page(status_filter, v_limit, label_filter, v_after.created_at, v_after.id) p),
        next as (
            select df.list_cursor(p.created_at, p.id) as cursor from page p
             where p.n = v_limit and exists (select from page m where m.n > v_limit))
        select p.id, p.label, 'df.workflow', p.status, p.executions, p.output, p.created_at,
               p.completed_at, (select x.cursor from next x)
          from page p where p.n <= v_limit order by p.n;
end
$$;

-- The first page, without its cursor.
create or replace function df.list_instances(status_filter text default null, limit_count integer default 100)
    returns table (instance_id text, label text, function_name text, status text,
                   execution_count bigint, output text)
    language sql stable
    set search_path = pg_catalog, pg_temp
    as $$
    select l.instance_id, l.label, l.function_name, l.status, l.execution_count, l.output
      from df.list_instances(status_filter, limit_count, null, null) l
$$;
