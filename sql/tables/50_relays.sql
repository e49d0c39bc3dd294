-- One relay process, by the name of its incarnation (df.relay_name). Written by that process (df.relay_register, df.relay_heartbeat) and removed by
-- whoever takes over after its lease ran out.
create table df.relays (
    incarnation   uuid primary key,
    started_at    timestamptz not null default now(),
    heartbeat_at  timestamptz not null default now(),
    lease_until   timestamptz not null,
    version       text not null,
    runs_version  integer not null default 1,
    idle          boolean not null default false,
    poll_interval_ms integer not null,
    backend_pid   integer not null default pg_backend_pid()
);
