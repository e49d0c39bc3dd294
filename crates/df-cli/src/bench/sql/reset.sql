-- Empties everything between two measurements, but for relays that run. A superuser or a member of
-- df_owner may.
truncate df.instances, df.outbox, df.node_runs, df.signals;
truncate yard_a, yard_b, effects, laps, by_hand.jobs, by_hand.events, by_hand.runs;
-- As while a relay is busy: nobody notifies. A relay that starts says so itself.
select setval('df.relay_idle', 1);
