-- Empties everything between two measurements, but for relays that run. A superuser or a member of
-- df_owner may.
truncate df.instances, df.outbox, df.node_runs, df.signals;
truncate yard_a, yard_b, effects, laps;
