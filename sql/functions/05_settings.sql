-- The settings, each with its default, kind, range and meaning: a table of data. A replay keeps the values. Within its
-- range a value breaks nothing that reads it: times in milliseconds and counts fit an integer, days a timestamp, and
-- bytes one value, a result a quarter of one, since it travels with others in a message; df.postpone_event reckons with 2 to
-- the power of the attempts.
insert into df.setting_values (name, default_value, kind, least, most, meaning) values
    ('allow_superuser_instances', 'false', 'boolean', null, null, 'Whether a superuser may start workflows.'),
    ('http_allow_private', 'false', 'boolean', null, null, 'Whether df.http may reach private, loopback and bare IP targets.'),
    ('http_allowed_hosts', '', 'list', null, null, 'Hosts df.http may reach: exact names and .suffixes, comma separated; empty means every public host.'),
    ('http_max_response_bytes', '16777216', 'integer', 0, 1073741823, 'The largest HTTP response body, in bytes.'),
    ('http_max_request_bytes', '16777216', 'integer', 0, 1073741823, 'The largest HTTP request body, in bytes.'),
    ('http_max_timeout_seconds', '3600', 'integer', 1, 86400, 'The longest timeout an HTTP node may ask for, in seconds.'),
    ('retention_days', '30', 'number', 0, 36500, 'How long a finished instance is kept, in days; 0 removes it at the next pass.'),
    ('reconcile_interval_seconds', '60', 'number', 0, 86400, 'How often a relay reconciles and retains, in seconds; 0 disables it.'),
    ('dedupe_days', '30', 'number', 0, 36500, 'How long delivered events and consumed signals of a living instance are kept, in days.'),
    ('max_result_bytes', '16777216', 'integer', 0, 268435456, 'The largest result of one step, request or break, in bytes.'),
    ('max_graph_bytes', '4194304', 'integer', 0, 1073741823, 'The largest graph, in bytes.'),
    ('max_signal_bytes', '1048576', 'integer', 0, 1073741823, 'The largest signal payload, in bytes.'),
    ('max_list_limit', '1000', 'integer', 1, 2147483647, 'The largest limit_count of df.list_instances.'),
    ('step_timeout_seconds', '0', 'number', 0, 2147483, 'The longest a step''s statement may run, in seconds; 0 means no limit.'),
    ('step_transient_attempts', '20', 'integer', 0, 2147483647, 'How often a step is tried again after a serialization failure or deadlock.'),
    ('fence_lock_timeout_seconds', '5', 'number', 0.001, 3600, 'How long recording a step waits for its instance''s lock before it tries again, in seconds.'),
    ('max_steps_per_role', '16', 'integer', 1, 2147483647, 'How many steps of one role a relay runs at a time, SQL and HTTP alike.'),
    ('max_pending_per_role', '0', 'integer', 0, 2147483647, 'How many instances of one role may be unfinished; each start counts them, up to the limit. 0 means no limit.'),
    ('max_vars_bytes', '262144', 'integer', 0, 1073741823, 'The largest set of variables that an instance may capture, in bytes.'),
    ('delivery_attempts', '10', 'integer', 1, 1000, 'How often delivering an event is tried before it is parked.')
on conflict (name) do update
    set default_value = excluded.default_value, kind = excluded.kind, least = excluded.least, most = excluded.most,
        meaning = excluded.meaning;

create or replace function df.setting(p_name text) returns text
    language plpgsql stable security definer
    set search_path = pg_catalog, pg_temp
    as $$
begin
    return (select coalesce(s.value, s.default_value) from df.setting_values s where s.name = p_name);
end
$$;

-- Sets one setting; NULL restores its default. Errors: 22023 for an unknown name or a value of the
-- wrong kind or out of range. Executable by df_admin's members. A superuser who allows superusers' workflows makes
-- the step logins of those there are: they need no grant.
create or replace function df.configure(name text, value text) returns text
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    as $$
declare
    v_role record;
begin
    if exists (select from df.settings s where s.name = configure.name and s.kind = 'fixed') then
        raise exception 'setting % is fixed: nobody changes it', configure.name using errcode = '22023';
    end if;
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
    v_setting record;
begin
    select s.kind, s.least, s.most into v_setting from df.setting_values s where s.name = p_name;
    if not found then
        raise exception 'unknown setting %', coalesce(quote_literal(p_name), 'NULL')
            using errcode = '22023', hint = 'SELECT * FROM df.settings lists them.';
    end if;
    if p_value is not null and not (case
        when v_setting.kind = 'list' then true
        when v_setting.kind = 'boolean' then lower(p_value) in ('true', 'false', 'on', 'off')
        when p_value ~ case v_setting.kind when 'integer' then '^[0-9]{1,15}$' else E'^[0-9]{1,12}(\\.[0-9]{1,6})?$' end
            then p_value::numeric between v_setting.least and v_setting.most
        else false end)
    then
        raise exception 'setting % takes %, not %', p_name,
            case v_setting.kind when 'boolean' then 'a boolean'
                 else format('%s from %s to %s',
                             case v_setting.kind when 'integer' then 'an integer' else 'a number' end,
                             v_setting.least, v_setting.most) end,
            quote_literal(p_value) using errcode = '22023';
    end if;
    update df.setting_values s
       set value = case when v_setting.kind = 'boolean' and p_value is not null
                        then (lower(p_value) in ('true', 'on'))::text
                        else p_value end
     where s.name = p_name;
end
$$;
