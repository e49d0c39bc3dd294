-- The status of an instance the caller can see, or an error that does not say which it was.
create or replace function df.visible_status(p_instance text) returns text
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
    as $$
declare
    v_status text;
begin
    select i.status into v_status from df.instances i where i.id = p_instance;
    if not found then
        raise exception 'Instance not found or access denied: %', coalesce(p_instance, 'NULL')
            using errcode = 'P0002', hint = 'SELECT * FROM df.list_instances() shows those that this role may see.';
    end if;
    return v_status;
end
$$;

-- Cancels in the caller's transaction: one outbox row, whose trigger ends the instance. A terminal
-- instance is left as it is, and a later cancel keeps the first reason.
create or replace function df.cancel(instance_id text, reason text default 'Cancelled by user')
    returns text
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    as $$
begin
    if df.visible_status(cancel.instance_id) in ('pending', 'running') then
        insert into df.outbox (instance_id, kind, payload)
        values (cancel.instance_id, 'cancel', left(coalesce(reason, 'Cancelled by user'), 10000))
        on conflict (event_id) do nothing;
    end if;
    return format('Instance %s cancelled: %s', cancel.instance_id,
                  coalesce(reason, 'Cancelled by user'));
end
$$;

-- Ends the instance, if p_submitter may: a forged event is no more than a cancel of one's own. Locks
-- that one row, found by its key. One that has ended before keeps no event of this: its df.retry may yet be cancelled, and
-- there is one event of a cancel for each instance. Called by df.apply_event.
create or replace function df.apply_cancel(p_instance text, p_submitter regrole, p_reason text) returns void
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    set enable_seqscan = off
    as $$
begin
    -- The lock comes first: a step that commits while this waits has ended before the cancel.
    perform 1 from df.instances i where i.id = p_instance for no key update;
    update df.instances i
       set status = 'cancelled', error = coalesce(p_reason, 'Cancelled by user'),
           ended_at = clock_timestamp(), updated_at = clock_timestamp(),
           ending_xid = pg_current_xact_id()
     where i.id = p_instance and i.ended_at is null
       and (i.submitted_by = p_submitter or df.is_admin(p_submitter));
    if not found then
        delete from df.outbox o where o.event_id = p_instance || '/cancel';
    end if;
end
$$;

-- Whether a role sees and controls every instance: members of df_admin, of df_owner, and superusers.
create or replace function df.is_admin(p_role oid) returns boolean
    language sql stable
    set search_path = pg_catalog, pg_temp
    as $$
    select coalesce((select r.rolsuper or pg_has_role(r.oid, 'df_admin', 'member') or pg_has_role(r.oid, 'df_owner', 'usage')
                       from pg_roles r where r.oid = p_role), false)
$$;

-- Sends a signal in the caller's transaction: the inbox row and its event. Errors: P0002 for an
-- instance the caller cannot see, 22023 for a bad name, 54000 for too large a payload.
create or replace function df.signal(
    instance_id text, signal_name text, signal_data text default '{}') returns text
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    as $$
begin
    return df.insert_signal(instance_id, 'n/' || nextval('df.signal_numbers'), signal_name, signal_data);
end
$$;

-- Sends a signal at most once per (instance, dedupe_key). The same key with another name or data
-- is DF005.
create or replace function df.signal_once(
    dedupe_key text, instance_id text, signal_name text, signal_data text default '{}') returns text
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    as $$
begin
    if dedupe_key is null or dedupe_key = '' or octet_length(dedupe_key) > 1000 then
        raise exception 'df.signal_once needs a key of 1 to 1000 bytes' using errcode = '22023';
    end if;
    return df.insert_signal(instance_id, 'k/' || dedupe_key, signal_name, signal_data);
end
$$;

create or replace function df.insert_signal(
    p_instance text, p_key text, p_name text, p_data text) returns text
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    as $$
declare
    v_data  json;
    v_there record;
begin
    if p_name is null or p_name = '' or octet_length(p_name) > 1024 then
        raise exception 'a signal needs a name of 1 to 1024 bytes' using errcode = '22023';
    end if;
    if octet_length(p_data) > df.setting('max_signal_bytes')::bigint then
        raise exception 'the signal has % bytes, more than the max_signal_bytes setting of %',
            octet_length(p_data), df.setting('max_signal_bytes')
            using errcode = '54000',
                  hint = 'Send a reference to it, or an administrator raises max_signal_bytes with df.configure.';
    end if;
    -- A failed one may be retried, and then its waits wait on.
    if df.visible_status(p_instance) in ('completed', 'cancelled') then
        return 'OK';
    end if;
    v_data := df.text_as_json(p_data);
    insert into df.signals (instance_id, key, name, data)
    values (p_instance, p_key, p_name, v_data)
    on conflict (instance_id, key) do nothing;
    if not found then
        select s.name, s.data::text as data into v_there
          from df.signals s where s.instance_id = p_instance and s.key = p_key;
        if (v_there.name, v_there.data) is distinct from (p_name, v_data::text) then
            raise exception 'signal % of instance % was already sent with another name or payload',
                quote_literal(substr(p_key, 3)), p_instance using errcode = 'DF005';
        end if;
        return 'OK';
    end if;
    insert into df.outbox (instance_id, kind, key) values (p_instance, 'signal', p_key)
    on conflict (event_id) do nothing;
    return 'OK';
end
$$;

create or replace function df.status(instance_id text) returns text
    language sql volatile
    set search_path = pg_catalog, pg_temp
    as $$ select i.status from df.instances i where i.id = status.instance_id $$;

create or replace function df.result(instance_id text) returns text
    language sql volatile
    set search_path = pg_catalog, pg_temp
    as $$ select i.result::text from df.instances i where i.id = result.instance_id $$;

-- Whether a visible row's xmin is of the current transaction, or of a savepoint in it: nobody else's
-- uncommitted row can be seen. A frozen row's xmin may be too old to be told, and reads null.
create or replace function df.is_uncommitted(p_xmin xid) returns boolean
    language sql volatile
    set search_path = pg_catalog, pg_temp
    as $$
    -- The 64-bit id that is nearest to the snapshot's end and has these 32 bits.
    select pg_xact_status((v_end + (p_xmin::text::bigint - v_end + 2147483648 & 4294967295)
                           - 2147483648)::text::xid8) = 'in progress'
      from (select pg_snapshot_xmax(pg_current_snapshot())::text::bigint) as snapshot(v_end)
$$;

-- Waits, gently (5 to 250 ms), until an instance has ended; returns its status. Errors: 55000 inside
-- a workflow, above READ COMMITTED, or in the transaction that started it; 22023 for the timeout;
-- P0002 for an unknown id; 57014 when the timeout has passed.
create or replace function df.await_instance(instance_id text, timeout_seconds integer default 30)
    returns text
    language plpgsql volatile
    set search_path = pg_catalog, pg_temp
    as $$
declare
    v_until  timestamptz;
    v_status text;
    v_mine   boolean;
    v_pause  double precision := 0.005;
begin
    perform df.refuse_inside_workflow('df.await_instance');
    if timeout_seconds is null or timeout_seconds <= 0 then
        raise exception 'timeout_seconds must be positive, not %', coalesce(timeout_seconds::text, 'NULL')
            using errcode = '22023';
    end if;
    if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
        raise exception 'df.await_instance needs READ COMMITTED: this transaction''s snapshot never changes'
            using errcode = '55000';
    end if;
    v_until := clock_timestamp() + make_interval(secs => timeout_seconds);
    v_status := df.visible_status(await_instance.instance_id);
    select df.is_uncommitted(i.xmin) and i.epoch = 0 into v_mine
      from df.instances i where i.id = await_instance.instance_id;
    if v_mine then
        raise exception 'instance % was started by this transaction: commit first', await_instance.instance_id
            using errcode = '55000';
    end if;
    loop
        if v_status in ('completed', 'failed', 'cancelled') then
            return v_status;
        end if;
        if clock_timestamp() >= v_until then
            raise exception 'instance % is still % after % seconds', await_instance.instance_id,
                v_status, timeout_seconds
                using errcode = '57014',
                      hint = format('SELECT * FROM df.why(%L) says what it waits for.', await_instance.instance_id);
        end if;
        perform pg_sleep(least(v_pause, greatest(extract(epoch from v_until - clock_timestamp()), 0)));
        v_pause := least(v_pause * 1.5, 0.25);
        v_status := df.visible_status(await_instance.instance_id);
    end loop;
end
$$;

create or replace function df.wait_for_completion(instance_id text, timeout_seconds integer default 30)
    returns text
    language sql volatile
    set search_path = pg_catalog, pg_temp
    as $$ select df.await_instance($1, $2) $$;
