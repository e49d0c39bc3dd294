-- Row-level security: a role sees and writes only its own rows; df_owner, whose functions do the
-- rest, sees all. FORCE, so that owning a table is no way around.
do $$
declare
    v_table text;
    v_owner text;
begin
    for v_table, v_owner in values ('instances', 'submitted_by'), ('graphs', 'owner'),
        ('outbox', 'submitted_by'), ('signals', 'submitted_by'), ('vars', 'owner'),
        ('node_runs', null), ('relays', null), ('granted_roles', null), ('usage_granted', null), ('setting_values', null),
        ('meta', null), ('clock_override', null)
    loop
        execute format('alter table df.%I enable row level security', v_table);
        execute format('alter table df.%I force row level security', v_table);
        execute format('drop policy if exists owner_all on df.%I', v_table);
        execute format('create policy owner_all on df.%I to df_owner using (true) with check (true)', v_table);
        if v_owner is not null then
            execute format('drop policy if exists own_rows on df.%I', v_table);
            execute format('create policy own_rows on df.%I for select using (%I = (select quote_ident(current_user)::regrole))',
                           v_table, v_owner);
            execute format('drop policy if exists own_insert on df.%I', v_table);
        end if;
    end loop;
end
$$;

-- Whether an event of this kind has a key where it needs one. Asked by a policy: what a CHECK says is read anew
-- by every start. Error: 23514 where it does not.
create or replace function df.key_fits(p_kind text, p_key text) returns boolean
    language plpgsql immutable
    set search_path = pg_catalog, pg_temp
    as $$
begin
    if (p_key is null) <> (p_kind in ('start', 'cancel')) then
        raise exception 'an event of kind % %', p_kind,
            case when p_key is null then 'needs a key' else 'takes no key' end using errcode = '23514';
    end if;
    return true;
end
$$;

create policy own_insert on df.instances for insert
    with check (submitted_by = quote_ident(current_user)::regrole);
create policy own_insert on df.graphs for insert
    with check (owner = quote_ident(current_user)::regrole);
create policy own_insert on df.outbox for insert
    with check (submitted_by = quote_ident(current_user)::regrole
                and (kind = 'start' and key is null or df.key_fits(kind, key))
                and exists (select from df.instances i where i.id = instance_id));
create policy own_insert on df.signals for insert
    with check (submitted_by = quote_ident(current_user)::regrole
                and exists (select from df.instances i where i.id = instance_id));
create policy own_insert on df.vars for insert
    with check (owner = quote_ident(current_user)::regrole);

drop policy if exists own_update on df.vars;
create policy own_update on df.vars for update
    using (owner = (select quote_ident(current_user)::regrole));
drop policy if exists own_runs on df.node_runs;
create policy own_runs on df.node_runs for select
    using (exists (select from df.instances i where i.id = instance_id));

drop policy if exists admin_rows on df.instances;
create policy admin_rows on df.instances for select
    using ((select pg_has_role(current_user, 'df_admin', 'member')));

-- A view that nobody may write to says so as a table does: without these triggers the server reports
-- a view that is not updatable before it looks at the caller's privileges.
create or replace function df.refuse_view_write() returns trigger
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    as $$
begin
    raise exception 'df.% is only read', tg_table_name using errcode = '42501';
end
$$;

drop trigger if exists nodes_only_read on df.nodes;
create trigger nodes_only_read instead of insert or update or delete on df.nodes
    for each row execute function df.refuse_view_write();
