-- One instance at a glance, and the totals. Of an instance the caller cannot see there are no rows.

create or replace function df.version() returns text
    language sql immutable parallel safe
    set search_path = pg_catalog, pg_temp
    as $$ select '@version@' $$;

-- The database df is installed in, which is where workflows run unless df.start names another.
create or replace function df.target_database() returns text
    language sql stable parallel safe
    set search_path = pg_catalog, pg_temp
    as $$ select current_database()::text $$;

-- `output` is the result, or the error with Postgres's own message.
create or replace function df.instance_info(instance_id text)
    returns table (instance_id text, label text, function_name text, function_version text,
                   current_execution_id bigint, status text, output text)
    language sql stable
    set search_path = pg_catalog, pg_temp
    as $$
    select i.id, i.label, 'df.workflow', df.version(), i.executions, i.status,
           coalesce(i.result::text, i.error)
      from df.instances i where i.id = $1
$$;

-- The executions of an instance, newest first. An execution ends where a loop's checkpoint lets go
-- of what came before it; a checkpoint may cover many iterations. Of an execution that has been let
-- go of, nothing but its number is left. event_count counts the runs and events that are kept,
-- duration_ms the time since df.start. Errors: 22023 for the limit.
create or replace function df.instance_executions(instance_id text, limit_count integer default 5)
    returns table (execution_id bigint, status text, event_count bigint, duration_ms bigint, output text)
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
    as $$
#variable_conflict use_column
declare
    v_limit integer := df.checked_limit(limit_count);
    v_inst  df.instances%rowtype;
begin
    select * into v_inst from df.instances i where i.id = instance_executions.instance_id;
    if not found or (v_inst.epoch = 0 and v_inst.ended_at is null) then
        return;
    end if;
    return query
        select v_inst.executions, v_inst.status::text,
               (select count(*) from df.node_runs r where r.instance_id = v_inst.id)
               + (select count(*) from df.outbox o
                  where o.event_id > v_inst.id || '/' and o.event_id < v_inst.id || '0'),
               (extract(epoch from coalesce(v_inst.ended_at, clock_timestamp()) - v_inst.created_at) * 1000)::bigint,
               coalesce(v_inst.result::text, v_inst.error);
    return query
        select e.id, 'continued_as_new', null::bigint, null::bigint, null::text
          from generate_series(v_inst.executions - 1, greatest(v_inst.executions - v_limit + 1, 1), -1) as e(id);
end
$$;

-- How many rows a table has: counted while that is cheap (64 MiB), else as the last analyze saw it.
create or replace function df.row_count(p_table regclass) returns bigint
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
    as $$
declare
    v_count bigint;
begin
    select c.reltuples::bigint into v_count from pg_class c
     where c.oid = p_table and c.reltuples > 0 and pg_relation_size(p_table) > 67108864;
    if v_count is null then
        execute format('select count(*) from %s', p_table) into v_count;
    end if;
    return v_count;
end
$$;

-- Totals over every instance of every role; admins only. total_events counts recorded runs and
-- outbox events, estimated once they are many. Reads every instance: half a second per million.
create or replace function df.metrics()
    returns table (total_instances bigint, running_instances bigint, completed_instances bigint,
                   failed_instances bigint, total_executions bigint, total_events bigint)
    language sql stable security definer
    set search_path = pg_catalog, pg_temp
    as $$
    select count(*), count(*) filter (where i.status = 'running'),
           count(*) filter (where i.status = 'completed'), count(*) filter (where i.status = 'failed'),
           coalesce(sum(i.executions), 0)::bigint,
           df.row_count('df.node_runs') + df.row_count('df.outbox')
      from df.instances i
$$;
grant execute on function df.metrics() to df_admin;
