-- Variables: text, one namespace per role, captured at df.start. Each runs as its caller under
-- row-level security, and is refused inside a workflow, where it could not be replayed.
create or replace function df.refuse_inside_workflow(p_function text) returns void
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
    as $$
begin
    if df.inside_workflow() then
        raise exception '% cannot be called inside a workflow', p_function using errcode = '55000';
    end if;
end
$$;

create or replace function df.setvar(name text, value text) returns text
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    as $$
begin
    perform df.refuse_inside_workflow('df.setvar');
    if setvar.name is null or setvar.name = '' or octet_length(setvar.name) > 1024 then
        raise exception 'a variable needs a name of 1 to 1024 bytes' using errcode = '22023';
    end if;
    if octet_length(setvar.value) > 1048576 then
        raise exception 'the variable has % bytes, more than the 1048576 that one may have', octet_length(setvar.value)
            using errcode = '54000';
    end if;
    if setvar.value is null then
        return df.unsetvar(setvar.name);
    end if;
    insert into df.vars as v (name, value) values (setvar.name, setvar.value)
        on conflict on constraint vars_pkey do update set value = excluded.value;
    return 'OK';
end
$$;

create or replace function df.getvar(name text) returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
    as $$
    select v.value from df.vars v
     where v.name = getvar.name and v.owner = quote_ident(current_user)::regrole
$$;

create or replace function df.unsetvar(name text) returns text
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    as $$
begin
    perform df.refuse_inside_workflow('df.unsetvar');
    update df.vars v set value = null
     where v.name = unsetvar.name and v.owner = quote_ident(current_user)::regrole;
    return 'OK';
end
$$;

create or replace function df.clearvars() returns text
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    as $$
begin
    perform df.refuse_inside_workflow('df.clearvars');
    update df.vars v set value = null where v.owner = quote_ident(current_user)::regrole;
    return 'OK';
end
$$;

-- Removes a variable whose owner has just set it to null.
create or replace function df.remove_unset_var() returns trigger
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    as $$
begin
    delete from df.vars v where v.owner = new.owner and v.name = new.name and v.value is null;
    return null;
end
$$;

-- Always: what stayed as null would fail each workflow of its role.
drop trigger if exists vars_unset on df.vars;
create trigger vars_unset after insert or update on df.vars
    for each row when (new.value is null) execute function df.remove_unset_var();
alter table df.vars enable always trigger vars_unset;
