-- Every number has a range, its default within; what breaks a relay is refused, and the ends are taken.
do $$
declare
    v_setting record;
begin
    for v_setting in select * from df.settings s where s.kind in ('integer', 'number') loop
        assert v_setting.default_value::numeric between v_setting.least and v_setting.most, v_setting.name;
        perform df.configure(v_setting.name, v_setting.least::text), df.configure(v_setting.name, v_setting.most::text);
        perform pg_temp.check_refused(format('select df.configure(%L, %L)', v_setting.name, v_setting.most + 1),
            format('setting %s takes', v_setting.name));
        perform pg_temp.check_refused(format('select df.configure(%L, %L)', v_setting.name, v_setting.least - 1),
            format('setting %s takes', v_setting.name));
        perform df.configure(v_setting.name, null);
    end loop;
end
$$;
select pg_temp.check_refused(format('select df.configure(%L, %L)', c.name, c.value), c.fragment)
  from (values
    ('fence_lock_timeout_seconds', '9999999', 'fence_lock_timeout_seconds takes a number from 0.001 to 3600, not ''9999999'''),
    ('step_timeout_seconds', '9999999', 'from 0 to 2147483,'),
    ('retention_days', '99999999', 'from 0 to 36500,'),
    ('dedupe_days', '99999999', 'from 0 to 36500,'),
    ('reconcile_interval_seconds', '999999999999', 'from 0 to 86400,'),
    ('max_steps_per_role', '99999999999', 'takes an integer from 1 to 2147483647, not'),
    ('max_steps_per_role', '0', 'from 1 to'),
    ('delivery_attempts', '99999999999', 'from 1 to 1000,'),
    ('max_list_limit', '1.5', 'takes an integer from'),
    ('retention_days', 'NaN', 'takes a number from'),
    ('retention_days', '1e3', 'takes a number from'),
    ('http_allow_private', 'perhaps', 'http_allow_private takes a boolean, not ''perhaps''')) as c(name, value, fragment);
-- What the ranges let through, the functions that read it can reckon with.
select df.configure('retention_days', '36500'), df.configure('dedupe_days', '36500'),
       df.configure('max_steps_per_role', '2147483647'), df.configure('delivery_attempts', '1000');
select count(*) from df.reconcile();
select df.claimable(gen_random_uuid(), 0, 1, true, null);
insert into df.outbox (event_id, instance_id, kind, key, attempts) values ('no/signal/n/1', 'no', 'signal', 'n/1', 999);
select df.postpone_event('no/signal/n/1', 'why');
do $$ begin assert (select o.parked_at is not null from df.outbox o where o.event_id = 'no/signal/n/1'); end $$;
