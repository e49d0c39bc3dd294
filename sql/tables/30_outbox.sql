create domain df.event_kind as text collate "C" constraint event_kind_known
    check (value in ('start', 'cancel', 'signal', 'retry', 'pause', 'resume', 'release'));
create domain df.event_key as text collate "C" constraint event_key_size check (octet_length(value) <= 1024);
create domain df.event_payload as text constraint event_payload_size check (octet_length(value) <= 65536);

-- One event for the relays: start, cancel, signal, retry, pause, resume, release. Written by callers in their
-- own transaction; delivered_at, attempts and the rest by the relay that delivers it.
-- created_at is the clock's, as an instance's wake_at is: of many events of one transaction the scan passes by the delivered ones.
-- The event id is made by the database from (instance, kind, key), in the trigger outbox_named: a duplicate is
-- the same row. (A generated column says the same, and every start would read its expression anew.)
-- payload is null for what takes effect when it is delivered, a start or a signal, and for nothing else.
-- queued says whether it is to be delivered: it is no start, which is found by its instance, and delivered_at is null. Two
-- triggers keep it so. For the indexes: the claim of a start writes delivered_at, which is in none of them, so the new version of
-- the row stays on its page, for which there is room, and enters no index.
create table df.outbox (
    event_id     text collate "C" primary key,
    instance_id  text collate "C" not null,
    kind         df.event_kind not null,
    key          df.event_key,
    payload      df.event_payload,
    submitted_by regrole not null default quote_ident(current_user)::regrole,
    created_at   timestamptz not null default clock_timestamp(),
    delivered_at timestamptz,
    attempts     integer not null default 0,
    retry_at     timestamptz,
    parked_at    timestamptz,
    last_error   text,
    queued       boolean not null default false
) with (fillfactor = 45);

-- An instance's events, of which those that are parked are few.
create index outbox_undelivered on df.outbox (instance_id) where queued;
-- The scan for what is to be delivered starts at a lower bound: see df.relay_bounds.
create index outbox_undelivered_since on df.outbox (created_at)
    where queued and parked_at is null;
-- Retention's way to signals that have had their time.
create index outbox_delivered_signals on df.outbox (created_at)
    where kind = 'signal' and not queued;
create index outbox_parked on df.outbox (parked_at) where parked_at is not null;

create sequence df.signal_numbers;

-- One signal: the inbox that waits are served from. Written by df.signal in the caller's
-- transaction; consumed_at by whoever hands it to a wait, under the instance's lock.
create table df.signals (
    instance_id  text collate "C" not null,
    key          text collate "C" not null,
    n            bigint not null default nextval('df.signal_numbers'),
    name         text not null,
    data         json,
    submitted_by regrole not null default quote_ident(current_user)::regrole,
    created_at   timestamptz not null default now(),
    consumed_at  timestamptz,
    consumed_by  text collate "C",
    primary key (instance_id, key),
    constraint signals_key_size check (octet_length(key) <= 1024),
    constraint signals_name_size check (octet_length(name) <= 1024),
    constraint signals_data_size check (octet_length(data::text) <= 16777216)
);

-- The inbox of a name, in order, among however many signals of other names.
create index signals_pending on df.signals (instance_id, name, n) where consumed_at is null;

-- The flag that says whether a relay sleeps and wants to be woken: 2 means idle, 1 means busy.
-- A sequence, since its last_value is current in every snapshot.
create sequence df.relay_idle minvalue 1 start 1;
