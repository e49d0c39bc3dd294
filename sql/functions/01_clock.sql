-- What a step or a start calls is plpgsql throughout: it keeps its plans, where a function in SQL
-- that cannot be inlined is planned again at every call.

-- The one clock. Tests move it through df.clock_override; a session setting could be set by any role.
create or replace function df.clock() returns timestamptz
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    as $$
begin
    return clock_timestamp() + coalesce((select shift from df.clock_override), interval '0');
end
$$;

-- The same for relays, which ask where a time has to be worked out from the clock: in milliseconds
-- since 1970.
create or replace function df.relay_clock() returns bigint
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    as $$
begin
    return (extract(epoch from df.clock()) * 1000)::bigint;
end
$$;

-- Whether this session is a step of a workflow: its session_user is a step login.
create or replace function df.inside_workflow() returns boolean
    language sql stable
    set search_path = pg_catalog, pg_temp
    as $$ select session_user ~ '^df_step_[0-9]+_[0-9]+$' $$;

-- The oid of this database. Immutable, since no session ever sees another: a session's plans hold it
-- as a constant. Not for an index.
create or replace function df.database_oid() returns oid
    language plpgsql immutable
    set search_path = pg_catalog, pg_temp
    as $$
begin
    return (select d.oid from pg_database d where d.datname = current_database());
end
$$;

-- The name of the step login of a role in this database. Every name is qualified instead of pinned, so
-- that the server can put it in line where a start and each step compare it.
create or replace function df.step_login_name(p_role oid) returns name
    language sql stable
    as $$
    select ('df_step_' operator(pg_catalog.||) df.database_oid()::pg_catalog.text
            operator(pg_catalog.||) '_' operator(pg_catalog.||) p_role::pg_catalog.text)::pg_catalog.name
$$;

-- Text as JSON: itself where it is JSON that Postgres can hold, else a JSON string.
create or replace function df.text_as_json(p_text text) returns json
    language plpgsql immutable
    set search_path = pg_catalog, pg_temp
    as $$
begin
    return p_text::json;
exception when invalid_text_representation or untranslatable_character
            or program_limit_exceeded or statement_too_complex then
    return to_json(p_text);
end
$$;
