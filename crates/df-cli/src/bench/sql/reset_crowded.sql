-- Empties everything but what lies around for the whole run.
delete from df.outbox o using df.instances i where o.instance_id = i.id and i.label is null;
delete from df.node_runs r using df.instances i where r.instance_id = i.id and i.label is null;
delete from df.signals s using df.instances i where s.instance_id = i.id and i.label is null;
delete from df.instances i where i.label is null;
truncate yard_a, yard_b, effects, laps;
-- As while a relay is busy: nobody notifies. A relay that starts says so itself.
select setval('df.relay_idle', 1);
