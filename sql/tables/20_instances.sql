-- Instance ids: eight characters, never a ':', which spell 48 bits: first 8 of the time, in steps of 2^24 µs (17 s),
-- around in 72 minutes, then 40 of the session's process and of random(), which is no secret. So what starts together
-- stands together in every index that an id leads, and a start finds its pages in memory however many instances there
-- have been; and two open transactions, whose processes differ, draw the same as good as never: one would wait until the
-- other ends. Where an id is taken, df.admit_instance draws another. Every name is qualified: an insert runs this under its caller's search_path.
create function df.new_instance_id(p_at timestamptz default now()) returns text
    language sql volatile parallel restricted
    as $$
    select pg_catalog.translate(pg_catalog.encode(
        pg_catalog.substr(pg_catalog.timestamptz_send(p_at), 5, 1) operator(pg_catalog.||)
        -- The mantissa of a number: of the process before the point, of chance behind it.
        pg_catalog.substr(pg_catalog.float8send(
            pg_catalog.random() operator(pg_catalog.+) pg_catalog.pg_backend_pid()::pg_catalog.float8), 3, 5),
        'base64'), '+/', 'kQ')
$$;

-- What a column may hold stands in its domain where it can: a session keeps a domain's check ready,
-- and reads a table's CHECK from its stored form again for every statement.
create domain df.instance_status as text constraint instance_status_known
    check (value in ('pending', 'running', 'completed', 'failed', 'cancelled'));
create domain df.label as text constraint label_size check (octet_length(value) <= 4096);

-- One started workflow.
--   Callers insert (label, database, graph_id, once_key); everything else is a default, or the trigger's.
--   wake_at is the clock's at the row itself, not its transaction's: where a scan of the queue may begin (df.relay_bounds)
--   passes by what is claimed of many that were started at once.
--   Relays own it (owner, by name, and epoch) from claim to its end or until it only waits.
--   An instance that nobody owns and that has not ended is claimed once wake_at has come: that one
--   rule is start, restart, takeover, timer and signal alike.
create table df.instances (
    id           text collate "C" primary key default df.new_instance_id(),
    label        df.label,
    root_node    text collate "C",
    submitted_by regrole not null default quote_ident(current_user)::regrole,
    status       df.instance_status not null default 'pending',
    database     text,
    created_at   timestamptz not null default now(),
    updated_at   timestamptz not null default now(),
    completed_at timestamptz,
    graph_id     bigint not null,
    vars         json,
    once_key     text,
    epoch        bigint not null default 0,
    owner        uuid,
    wake_at      timestamptz not null default clock_timestamp(),
    paused_at    timestamptz,
    ended_at     timestamptz,
    ending_xid   xid8,
    result       json,
    error        text,
    error_sqlstate text,
    error_path   text,
    executions   bigint not null default 1,
    min_version  integer not null default 1
) with (fillfactor = 90);

create index instances_claimable on df.instances (submitted_by, wake_at)
    where owner is null and ended_at is null and paused_at is null;
create index instances_owned on df.instances (owner) where owner is not null;
-- Lists, newest first, read these backwards: written in the order of time, their pages fill.
create index instances_by_role on df.instances (submitted_by, created_at, id desc);
-- What has not ended, whoever owns it, and what went wrong: lists, counts and checks never read those that
-- went well. By status, since that is the column people know.
create index instances_by_status on df.instances (submitted_by, status, created_at, id desc)
    where status <> 'completed';
-- Lists by label. Workflows without one have no entry.
create index instances_by_label on df.instances (submitted_by, label, created_at, id desc)
    where label is not null;
create index instances_ended on df.instances (ended_at) where ended_at is not null;
create unique index instances_once on df.instances (submitted_by, once_key)
    where once_key is not null;

-- Whether a start has more to ask than its graph: called once there is a variable or a limit of unfinished instances, and for good.
-- A sequence, since that is read at a fraction of what a query costs, and in every snapshot: see df.admit_instance.
create sequence df.start_asks;
