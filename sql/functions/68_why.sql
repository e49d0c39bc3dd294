-- df.why: one row that says in words what an instance waits for, since when, and what would release
-- it. Runs as its caller; of an instance that the caller cannot see there is no row.

-- A running instance whose relay is at work, or that only waits: its leaves, put into words.
create or replace function df.why_leaves(
    p_instance text, p_role oid, out state text, out waiting_for text, out since timestamptz,
    out release_by text, out detail text)
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
    as $$
declare
    c_most  constant integer := 5;
    v_lock  record;
    v_steps boolean;
    v_count integer;
begin
    select case when bool_and(l.waits) then 'waiting' else 'running' end,
           string_agg(l.what, '; ' order by l.n) filter (where l.n <= c_most),
           min(l.since), string_agg(distinct l.release_by, E'\n') filter (where l.n <= c_most),
           string_agg('Its last error: ' || l.last_error, ' ' order by l.n) filter (where l.n <= c_most),
           bool_or(l.kind = 'step'), count(*)
      into state, waiting_for, since, release_by, detail, v_steps, v_count
      from (select w.*, row_number() over () as n from df.waiting_leaves(p_instance) w) l;
    if v_count > c_most then
        waiting_for := waiting_for || format('; and %s more', v_count - c_most);
    end if;
    if v_steps then
        select b.blocker, b.detail into v_lock from df.blocked_steps(p_instance, p_role) b limit 1;
        if found then
            detail := concat_ws(' ', detail, v_lock.detail);
            release_by := concat_ws(E'\n', release_by, format('SELECT pg_terminate_backend(%s);', v_lock.blocker));
        end if;
    end if;
end
$$;

-- state is pending, running, waiting (for the clock or signals alone), paused, stalled (nothing will
-- happen until somebody acts, or a relay comes back), completed, failed or cancelled.
create or replace function df.why(instance_id text)
    returns table (state text, waiting_for text, since timestamptz, release_by text, detail text)
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
    as $$
#variable_conflict use_column
declare
    v_inst  df.instances%rowtype;
    v_relay record;
    v_event record;
    v_none  text := 'No relay is running: start one with df-relay run.';
begin
    select * into v_inst from df.instances i where i.id = why.instance_id;
    if not found then
        return;
    end if;
    state := v_inst.status;
    since := coalesce(v_inst.ended_at, v_inst.created_at);
    if v_inst.ended_at is not null then
        if v_inst.status = 'failed' then
            detail := format('%s failed: %s%s', coalesce(v_inst.error_path, 'root'),
                             coalesce('[' || v_inst.error_sqlstate || '] ', ''), v_inst.error);
            release_by := format('SELECT df.retry(%L);', v_inst.id);
        elsif v_inst.status = 'cancelled' then
            detail := 'It was cancelled: ' || coalesce(v_inst.error, 'no reason was given');
        else
            detail := 'It completed; SELECT df.result(' || quote_literal(v_inst.id) || ') has the result.';
        end if;
        return next;
        return;
    end if;

    v_relay := df.relays_seen(v_inst.owner);
    select o.event_id, o.last_error, o.parked_at into v_event from df.outbox o
     where o.instance_id = v_inst.id and o.parked_at is not null order by o.parked_at limit 1;
    if v_inst.paused_at is not null then
        state := 'paused';
        waiting_for := 'somebody to resume it';
        since := v_inst.paused_at;
        release_by := format('SELECT df.resume(%L);', v_inst.id);
        detail := case when v_relay.live = 0 then v_none end;
    elsif v_event.event_id is not null then
        state := 'stalled';
        waiting_for := 'the parked event ' || v_event.event_id;
        since := v_event.parked_at;
        release_by := format('SELECT df.release(%L);', v_event.event_id);
        detail := 'It could not be delivered: ' || coalesce(v_event.last_error, 'no error was kept');
    elsif v_relay.live = 0 and (v_inst.owner is not null or v_inst.wake_at <= df.clock()) then
        state := 'stalled';
        waiting_for := 'a relay';
        since := coalesce(v_relay.last_seen, v_inst.wake_at);
        detail := v_none || coalesce(' One was last seen at ' || df.readable_time(v_relay.last_seen) || '.', '');
    elsif v_inst.owner is not null and not v_relay.owner_live then
        state := 'stalled';
        waiting_for := 'another relay to take it over';
        since := coalesce(v_relay.owner_lease_until, v_inst.updated_at);
        detail := 'The relay that ran it is gone'
            || coalesce('; its lease ran out at ' || df.readable_time(v_relay.owner_lease_until), '')
            || '. Another takes it over within its next pass.';
    elsif v_inst.owner is null and v_inst.wake_at <= df.clock() then
        waiting_for := 'a relay to claim it';
        since := v_inst.wake_at;
        detail := format('%s running; one claims it at its next poll.',
                         case v_relay.live when 1 then 'One relay is' else v_relay.live || ' relays are' end);
    else
        select w.state, w.waiting_for, w.since, w.release_by, w.detail
          into state, waiting_for, since, release_by, detail
          from df.why_leaves(v_inst.id, v_inst.submitted_by) w;
        if waiting_for is null then
            state := v_inst.status;
            waiting_for := 'its relay to record its next step or its end';
        end if;
        since := coalesce(since, (select max(coalesce(r.ended_at, r.created_at)) from df.node_runs r
                                   where r.instance_id = v_inst.id), v_inst.updated_at);
        detail := nullif(concat_ws(' ', detail, case when v_relay.live = 0 then v_none end,
            (select format('A signal %L sent at %s is not delivered yet.', s.name, df.readable_time(s.created_at))
               from df.outbox o join df.signals s on s.instance_id = o.instance_id and s.key = o.key
              where o.instance_id = v_inst.id and o.kind = 'signal' and o.delivered_at is null
                and s.consumed_at is null
              order by s.n limit 1)), '');
    end if;
    return next;
end
$$;
