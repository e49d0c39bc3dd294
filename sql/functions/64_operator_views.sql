-- What an operator watches. Each view belongs to df_owner and says itself whose rows it shows: a
-- role its own, df_admin's members and superusers all.

-- The operator's settings; admins only. Change one with df.configure(name, value). The limits that nobody
-- changes are listed beside them, of kind fixed: sql/tests/settings/limits_are_what_they_say.sql runs into each.
create or replace view df.settings with (security_barrier) as
    select s.name, coalesce(s.value, s.default_value) as value, s.default_value, s.kind, s.meaning, s.least, s.most
      from df.setting_values s
     where (select df.is_admin(quote_ident(current_user)::regrole))
    union all
    select f.name, f.value, f.value, 'fixed', f.meaning, null::numeric, null::numeric
      from (values
        ('max_label_bytes', '4096', 'The largest label, in bytes.'),
        ('max_start_key_bytes', '1024', 'The largest key of df.start_once, in bytes.'),
        ('max_graph_nodes', '10000', 'The most nodes of a graph.'),
        ('max_graph_depth', '256', 'The most edges from a graph''s root to a leaf.'),
        ('max_variable_name_bytes', '1024', 'The largest name of a variable, in bytes.'),
        ('max_variable_bytes', '1048576', 'The largest value of a variable, in bytes.'),
        ('max_signal_name_bytes', '1024', 'The largest name of a signal, sent or waited for, in bytes.'),
        ('max_signal_key_bytes', '1000', 'The largest key of df.signal_once, in bytes.'),
        ('max_cancel_reason_characters', '10000', 'The longest reason of df.cancel, in characters; what is longer is cut.'),
        ('max_sleep_seconds', '100000000000', 'The longest sleep, and the longest timeout of a node or a signal''s wait, in seconds.'),
        ('max_retry_attempts', '1000000', 'The most attempts of df.retry_policy.'),
        ('max_retry_factor', '1000', 'The largest factor of df.retry_policy.'),
        ('max_retry_seconds', '100000000', 'The longest pause between attempts of df.retry_policy, in seconds.'),
        ('max_expanded_rows', '10000', 'The most rows of a result that $name.* puts into a statement.'),
        ('max_result_depth', '1000', 'How deep the JSON of a result may nest.'),
        ('max_substituted_bytes', '67108864', 'The largest statement or request after substitution, in bytes.')
      ) as f(name, value, meaning)
     where (select df.is_admin(quote_ident(current_user)::regrole));

-- Events that could not be delivered: parked ones, which stay until somebody releases them, and
-- those that are tried again at retry_at.
create or replace view df.parked_events with (security_barrier) as
    with undelivered as (
        select 'parked' as state, o.* from df.outbox o where o.parked_at is not null
        union all
        select 'retrying', o.* from df.outbox o
         where o.queued and o.parked_at is null and o.attempts > 0)
    select u.event_id, u.instance_id, u.kind, u.state, u.attempts, u.last_error, u.created_at,
           u.parked_at, case u.state when 'retrying' then u.retry_at end as retry_at,
           format('SELECT df.release(%L);', u.event_id) as release_by, u.submitted_by
      from undelivered u
     where u.submitted_by = (select quote_ident(current_user)::regrole)
        or (select df.is_admin(quote_ident(current_user)::regrole));

-- The roles whose instances the caller may see: itself; for an administrator every role that has
-- instances, found by one probe of the index per role.
create or replace function df.visible_submitters() returns oid[]
    language plpgsql stable
    set search_path = pg_catalog, pg_temp
    as $$
begin
    if not df.is_admin(quote_ident(current_user)::regrole) then
        return array[quote_ident(current_user)::regrole::oid];
    end if;
    return array(
        with recursive submitter(role) as (
            (select i.submitted_by::oid from df.instances i order by i.submitted_by limit 1)
            union all
            select (select i.submitted_by::oid from df.instances i where i.submitted_by > s.role
                     order by i.submitted_by limit 1)
              from submitter s where s.role is not null)
        select s.role from submitter s where s.role is not null);
end
$$;

-- What no relay has taken yet, by role: starts that nobody has claimed, signals, cancels and the
-- rest. Parked events are counted apart, since no relay will take them.
create or replace view df.outbox_lag with (security_barrier) as
    with waiting as (
        -- Role by role, so that what only waits is not read, however much it is.
        select i.submitted_by, i.created_at, false as parked
          from unnest(df.visible_submitters()) as s(role), lateral (
               select i.submitted_by, i.created_at from df.instances i
                where i.submitted_by = s.role and i.owner is null and i.ended_at is null
                  and i.paused_at is null and i.wake_at <= (select clock_timestamp()) and i.epoch = 0
                order by i.wake_at limit 1000000) i
        union all
        select o.submitted_by, o.created_at, false from df.outbox o
         where o.queued and o.parked_at is null
        union all
        select o.submitted_by, o.created_at, true from df.outbox o where o.parked_at is not null)
    select w.submitted_by,
           count(*) filter (where not w.parked) as undelivered,
           min(w.created_at) filter (where not w.parked) as oldest_created_at,
           clock_timestamp() - min(w.created_at) filter (where not w.parked) as oldest_age,
           count(*) filter (where w.parked) as parked
      from waiting w
     where w.submitted_by = (select quote_ident(current_user)::regrole)
        or (select df.is_admin(quote_ident(current_user)::regrole))
     group by w.submitted_by;
