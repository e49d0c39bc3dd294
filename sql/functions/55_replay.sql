-- Replaying the outbox, and knowing the database it belongs to. Called by df_relay alone.

-- Compares a batch of events, delivered or not, with what df.* holds, in the order of their ids, and
-- does what a delivery would still do: on a system where nothing was lost that is nothing. Takes the
-- instance's row for a signal that nobody has taken, and skips one that somebody holds (busy).
--   p_instances  only these instances' events; null for all
--   p_after      the last event id of the batch before; '' for the first
-- Returns a row per event: what was found, and whether anything was changed.
create or replace function df.relay_replay(p_instances text[], p_after text, p_limit integer)
    returns table (event_id text, kind text, outcome text, changed boolean)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    as $$
#variable_conflict use_column
declare
    v_event record;
begin
    for v_event in
        select o.event_id, o.kind, o.key, o.instance_id, o.submitted_by, i.status, i.epoch,
               i.id is not null as has_instance
          from (select a.* from df.outbox a where p_instances is null
                union all
                -- A range of the primary key: nothing else leads to one instance's delivered events. For each by itself
                -- (limit): a join is estimated to find a part of the table, and reads it from its beginning at every batch.
                select a.* from (select distinct unnest(p_instances)) as w(id), lateral (
                    select b.* from df.outbox b
                     where b.event_id > w.id || '/' and b.event_id < w.id || '0' and b.event_id > p_after
                     order by b.event_id limit p_limit) a) o
          left join df.instances i on i.id = o.instance_id
         where o.event_id > p_after
         order by o.event_id limit p_limit
    loop
        event_id := v_event.event_id;
        kind := v_event.kind;
        changed := false;
        outcome := case
            when not v_event.has_instance then 'its instance has been removed'
            when kind = 'start' and v_event.epoch > 0 then 'started already'
            when kind = 'start' and v_event.status in ('pending', 'running') then 'waits for a relay'
            when kind = 'start' then 'ended before it was started'
            when kind = 'cancel' and v_event.status in ('completed', 'failed', 'cancelled')
                then 'ended already as ' || v_event.status
            when kind = 'cancel' then 'refused: its sender may not cancel the instance'
            when kind <> 'signal' then 'applied when it was sent'
        end;
        if outcome is null then
            select r.outcome, r.changed into outcome, changed
              from df.replay_signal(v_event.instance_id, v_event.key) as r;
        end if;
        return next;
    end loop;
end
$$;

-- Hands a signal that nobody has taken to the waits that are pending. Locks the instance's row, or
-- says that somebody holds it.
create or replace function df.replay_signal(
    p_instance text, p_key text, out outcome text, out changed boolean)
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    as $$
declare
    v_inst   record;
    v_signal df.signals%rowtype;
    v_woken  text[];
begin
    changed := false;
    select i.owner, i.ended_at into v_inst from df.instances i
     where i.id = p_instance for no key update skip locked;
    if not found then
        outcome := 'busy: its instance is locked';
        return;
    end if;
    select * into v_signal from df.signals s where s.instance_id = p_instance and s.key = p_key;
    if not found then
        outcome := 'taken before a loop''s checkpoint';
    elsif v_signal.consumed_at is not null then
        outcome := 'handed over already at ' || v_signal.consumed_by;
    elsif v_inst.ended_at is not null then
        outcome := 'its instance has ended';
    else
        v_woken := df.hand_signal(p_instance, p_key);
        changed := v_woken <> '{}';
        outcome := case when changed then 'handed over at ' || array_to_string(v_woken, ', ')
                        else 'kept for the first wait to come' end;
        if changed and v_inst.owner is null then
            update df.instances i set wake_at = df.clock() where i.id = p_instance and i.ended_at is null;
        end if;
    end if;
end
$$;

-- Where this database is: the server's system identifier and the database's OID. A restored copy
-- is elsewhere; a physical clone cannot be told from a failover.
create or replace function df.place() returns text
    language sql stable
    set search_path = pg_catalog, pg_temp
    as $$
    select (select c.system_identifier from pg_control_system() as c) || '/'
           || (select d.oid from pg_database d where d.datname = current_database())
$$;

-- Notes where the database is, at the first call, and says whether it is still there.
create or replace function df.relay_identify() returns table (ours boolean, first_run_at text, here text)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    as $$
begin
    insert into df.meta (key, value) values ('place', df.place()) on conflict (key) do nothing;
    return query select m.value = df.place(), m.value, df.place() from df.meta m where m.key = 'place';
end
$$;

-- Declares this copy the one to run.
create or replace function df.relay_adopt() returns text
    language sql volatile security definer
    set search_path = pg_catalog, pg_temp
    as $$
    insert into df.meta (key, value) values ('place', df.place())
    on conflict (key) do update set value = excluded.value
    returning value
$$;
