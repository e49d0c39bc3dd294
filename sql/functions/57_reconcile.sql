-- Retention and reconciliation: removes what has expired, mends or fails what is stuck. In batches:
-- a relay calls each part in transactions of its own (df.relay_reconcile), an administrator all of
-- them in one (df.reconcile).

-- Removes a batch of instances that ended longer ago than the retention, with all their rows. One
-- that somebody holds, or that still has an event to deliver, is left to a later pass. Locks
-- instance rows FOR UPDATE SKIP LOCKED. Returns how many instances it removed.
create or replace function df.remove_expired(p_limit integer) returns bigint
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    as $$
declare
    v_before timestamptz := df.clock() - make_interval(secs => 86400 * df.setting('retention_days')::double precision);
    v_ids    text[];
begin
    v_ids := array(
        select i.id from df.instances i
         where i.ended_at <= v_before and i.owner is null
           and not exists (select from df.outbox o
                            where o.instance_id = i.id and o.queued and o.parked_at is null)
         order by i.ended_at limit p_limit for update skip locked);
    if v_ids = '{}' then
        return 0;
    end if;
    delete from df.node_runs r where r.instance_id = any (v_ids);
    delete from df.signals s where s.instance_id = any (v_ids);
    delete from df.outbox o
     using unnest(v_ids) as id
     where o.event_id > id || '/' and o.event_id < id || '0';
    delete from df.instances i where i.id = any (v_ids);
    return cardinality(v_ids);
end
$$;

-- Removes events that were sent while their instance was being removed. Returns how many.
create or replace function df.remove_orphans(p_limit integer) returns bigint
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    as $$
declare
    v_removed bigint;
begin
    with orphans as (
        select o.event_id, o.instance_id from df.outbox o
         where o.queued and o.parked_at is null
           and not exists (select from df.instances i where i.id = o.instance_id)
         limit p_limit for update skip locked),
    signals as (delete from df.signals s using orphans o where s.instance_id = o.instance_id)
    delete from df.outbox o using orphans where o.event_id = orphans.event_id;
    get diagnostics v_removed = row_count;
    return v_removed;
end
$$;

-- Removes delivered signals, taken by a wait, that are older than dedupe_days. Returns how many. The index has when they
-- were sent, which is before they were delivered.
create or replace function df.remove_taken_signals(p_limit integer) returns bigint
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    as $$
declare
    v_before  timestamptz := df.clock() - make_interval(secs => 86400 * df.setting('dedupe_days')::double precision);
    v_removed bigint;
begin
    with old as (
        select o.event_id, o.instance_id, o.key from df.outbox o
         where o.kind = 'signal' and not o.queued and o.created_at <= v_before and o.delivered_at <= v_before
           and not exists (select from df.signals s
                            where s.instance_id = o.instance_id and s.key = o.key
                              and s.consumed_at is null)
         order by o.created_at limit p_limit for update skip locked),
    signals as (
        delete from df.signals s using old where s.instance_id = old.instance_id and s.key = old.key)
    delete from df.outbox o using old where o.event_id = old.event_id;
    get diagnostics v_removed = row_count;
    return v_removed;
end
$$;

-- Fails instances that wait for ever because their role was dropped: no step of theirs can run,
-- and nobody can signal them. Owned ones are failed by their relay. Returns how many.
create or replace function df.fail_roleless(p_limit integer) returns bigint
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    as $$
declare
    v_role   oid;
    v_id     text;
    v_failed bigint := 0;
begin
    -- From role to role in the index of what lives or went wrong, which is small beside what has ended well.
    for v_role in
        with recursive roles as (
            (select i.submitted_by::oid as role from df.instances i
              where i.status <> 'completed' order by i.submitted_by limit 1)
            union all
            select (select i.submitted_by::oid from df.instances i
                     where i.status <> 'completed' and i.submitted_by > r.role
                      order by i.submitted_by limit 1)
              from roles r where r.role is not null)
        select r.role from roles r
         where r.role is not null and not exists (select from pg_roles p where p.oid = r.role)
    loop
        for v_id in
            select i.id from df.instances i
             where i.submitted_by = v_role and i.status in ('pending', 'running') and i.owner is null
             limit p_limit - v_failed for no key update skip locked
        loop
            perform df.end_instance(v_id, 'failed', null,
                format('its role, with OID %s, was dropped', v_role), '42704', 'root');
            update df.outbox o set delivered_at = clock_timestamp()
             where o.event_id = v_id || '/start' and o.delivered_at is null;
            v_failed := v_failed + 1;
        end loop;
    end loop;
    return v_failed;
end
$$;

-- Wakes instances that nobody owns and that sleep past a wait that is due: however they came to,
-- being claimed mends them. Reads every waiting instance. Returns how many.
create or replace function df.wake_overdue() returns bigint
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    as $$
declare
    v_now   timestamptz := df.clock();
    v_woken bigint;
begin
    with overdue as (
        select i.id from df.instances i
         where i.owner is null and i.ended_at is null and i.status = 'running' and i.paused_at is null
           and i.wake_at > v_now
           and (exists (select from df.node_runs r
                         where r.instance_id = i.id and r.status = 'waiting' and r.due_at <= v_now)
                or not exists (select from df.node_runs r
                                where r.instance_id = i.id and r.status = 'waiting'))
         for no key update skip locked)
    update df.instances i set wake_at = v_now from overdue where i.id = overdue.id;
    get diagnostics v_woken = row_count;
    return v_woken;
end
$$;

-- Removes graphs that no instance refers to, in three passes, so that a start which has read a graph
-- and not yet committed keeps it: a pass marks it doomed, from when no start takes it up; a later one
-- notes which transactions still run; one that finds all of those gone, and nothing that refers to
-- it, deletes it. Prepared transactions that hold df.instances stop the deletion. Returns how many.
create or replace function df.remove_graphs() returns bigint
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    -- Few graphs beside very many instances, and no index from the one to the other, which every start
    -- would pay for: a nested loop would read all instances once per graph.
    set enable_nestloop = off
    as $$
declare
    v_running text[];
    v_held    boolean;
    v_removed bigint;
begin
    -- The locks are read first: what a transaction that is gone has committed is seen below.
    select array_agg(l.virtualtransaction),
           coalesce(bool_or(l.virtualtransaction like '-1/%' and l.relation = 'df.instances'::regclass), false)
      into v_running, v_held
      from pg_locks l
     where l.pid is distinct from pg_backend_pid() and (l.locktype = 'virtualxid' or l.virtualtransaction like '-1/%');
    if not v_held then
        delete from df.graphs g
         where g.doomed_while is not null and not g.doomed_while && coalesce(v_running, '{}')
           and not exists (select from df.instances i where i.graph_id = g.id);
        get diagnostics v_removed = row_count;
    end if;
    update df.graphs g set doomed_xid = null, doomed_while = null
     where g.doomed_xid is not null and exists (select from df.instances i where i.graph_id = g.id);
    update df.graphs g set doomed_while = coalesce(v_running, '{}')
     where g.doomed_while is null and g.doomed_xid < pg_snapshot_xmin(pg_current_snapshot());
    update df.graphs g set doomed_xid = pg_current_xact_id()
     where g.doomed_xid is null and not exists (select from df.instances i where i.graph_id = g.id);
    return coalesce(v_removed, 0);
end
$$;

-- One part of a pass, up to p_limit rows of it, for a relay to call in a transaction of its own
-- until it does less. Returns how many rows it acted on.
create or replace function df.relay_reconcile(p_part text, p_limit integer) returns bigint
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    as $$
begin
    return case p_part
        when 'expired instances' then df.remove_expired(p_limit)
        when 'orphaned events' then df.remove_orphans(p_limit)
        when 'taken signals' then df.remove_taken_signals(p_limit)
        when 'instances of dropped roles' then df.fail_roleless(p_limit)
        when 'graphs' then df.remove_graphs()
    end;
end
$$;

-- Whether a graph is on its way out: then the passes over graphs go on.
create or replace function df.relay_has_doomed_graphs() returns boolean
    language sql stable security definer
    set search_path = pg_catalog, pg_temp
    as $$ select exists (select from df.graphs g where g.doomed_xid is not null) $$;

-- The whole pass at once, up to 100,000 rows of each part: removes expired instances with all their
-- rows, orphaned events, taken signals and unused graphs; fails what can never go on; wakes what
-- sleeps past its time. For df_admin's members. Returns what it did, a row per part.
create or replace function df.reconcile() returns table (action text, affected bigint)
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    as $$
begin
    return query values
        ('removed expired instances', df.remove_expired(100000)),
        ('removed orphaned events', df.remove_orphans(100000)),
        ('removed taken signals', df.remove_taken_signals(100000)),
        ('failed instances of dropped roles', df.fail_roleless(100000)),
        ('woke overdue instances', df.wake_overdue()),
        ('removed unused graphs', df.remove_graphs());
end
$$;
