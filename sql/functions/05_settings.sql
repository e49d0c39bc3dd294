-- The settings, each with its default, kind and meaning: a table of data. A replay keeps the values.
insert into df.setting_values (name, default_value, kind, meaning) values
    ('allow_superuser_instances', 'false', 'boolean', 'Whether a superuser may start workflows.'),
    ('http_allow_private', 'false', 'boolean', 'Whether df.http may reach private, loopback and bare IP targets.'),
    ('http_allowed_hosts', '', 'list', 'Hosts df.http may reach: exact names and .suffixes, comma separated; empty means every public host.'),
    ('http_max_response_bytes', '16777216', 'integer', 'The largest HTTP response body, in bytes.'),
    ('http_max_request_bytes', '16777216', 'integer', 'The largest HTTP request body, in bytes.'),
    ('http_max_timeout_seconds', '3600', 'integer', 'The longest timeout an HTTP node may ask for, in seconds.'),
    ('retention_days', '30', 'number', 'How long a finished instance is kept, in days; 0 removes it at the next pass.'),
    ('reconcile_interval_seconds', '60', 'number', 'How often a relay reconciles and retains, in seconds; 0 disables it.'),
    ('dedupe_days', '30', 'number', 'How long delivered events and consumed signals of a living instance are kept, in days.'),
    ('max_result_bytes', '16777216', 'integer', 'The largest result of one step, in bytes.'),
    ('max_graph_bytes', '4194304', 'integer', 'The largest graph, in bytes.'),
    ('max_signal_bytes', '1048576', 'integer', 'The largest signal payload, in bytes.'),
    ('max_list_limit', '1000', 'integer', 'The largest limit_count of df.list_instances.'),
    ('step_timeout_seconds', '0', 'number', 'The longest a step''s statement may run, in seconds; 0 means no limit.'),
    ('step_transient_attempts', '20', 'integer', 'How often a step is tried again after a serialization failure or deadlock.'),
    ('fence_lock_timeout_seconds', '5', 'number', 'How long recording a step waits for its instance''s lock before it tries again, in seconds.'),
    ('max_steps_per_role', '16', 'integer', 'How many steps of one role a relay runs at a time, SQL and HTTP alike.'),
    ('max_pending_per_role', '0', 'integer', 'How many instances of one role may be unfinished; each start counts them, up to the limit. 0 means no limit.'),
    ('max_vars_bytes', '262144', 'integer', 'The largest set of variables that an instance may capture, in bytes.'),
    ('delivery_attempts', '10', 'integer', 'How often delivering an event is tried before it is parked.')
on conflict (name) do update
    set default_value = excluded.default_value, kind = excluded.kind, meaning = excluded.meaning;

create or replace function df.setting(p_name text) returns text
    language plpgsql stable security definer
    set search_path = pg_catalog, pg_temp
    as $$
begin
    return (select coalesce(s.value, s.default_value) from df.setting_values s where s.name = p_name);
end
$$;

-- Sets one setting; NULL restores its default. Errors: 22023 for an unknown name or a value of the
-- wrong kind. Executable by df_admin's members. A superuser who allows superusers' workflows makes
-- the step logins of those there are: they need no grant.
create or replace function df.configure(name text, value text) returns text
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    as $$
declare
    v_role record;
begin
    perform df.write_setting(configure.name, configure.value);
    if configure.name = 'allow_superuser_instances' and df.setting('allow_superuser_instances') = 'true'
       and (select r.rolsuper from pg_roles r where r.rolname = current_user) then
        for v_role in select r.oid, r.rolname from pg_roles r where r.rolsuper and r.rolcanlogin loop
            perform df.make_login(v_role.rolname, v_role.oid);
        end loop;
    end if;
    return 'OK';
end
$$;

create or replace function df.write_setting(p_name text, p_value text) returns void
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    as $$
declare
    v_kind text;
begin
    select s.kind into v_kind from df.setting_values s where s.name = p_name;
    if v_kind is null then
        raise exception 'unknown setting %', coalesce(quote_literal(p_name), 'NULL')
            using errcode = '22023', hint = 'SELECT * FROM df.settings lists them.';
    end if;
    if p_value is not null and (case v_kind
        when 'boolean' then lower(p_value) not in ('true', 'false', 'on', 'off')
        when 'integer' then p_value !~ '^[0-9]{1,15}$'
        when 'number' then p_value !~ '^[0-9]{1,12}(\.[0-9]{1,6})?$'
        else false end)
    then
        raise exception 'setting % takes a % value, not %', p_name,
            case v_kind when 'boolean' then 'boolean' else 'non-negative ' || v_kind end,
            quote_literal(p_value) using errcode = '22023';
    end if;
    update df.setting_values s
       set value = case when v_kind = 'boolean' and p_value is not null
                        then (lower(p_value) in ('true', 'on'))::text
                        else p_value end
     where s.name = p_name;
end
$$;
