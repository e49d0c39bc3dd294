create domain df.run_status as text constraint run_status_known
    check (value in ('completed', 'failed', 'waiting', 'intent', 'decided', 'checkpoint'));

-- One execution of one node: a step, a wait, a race's decision, a loop's checkpoint.
--   completed, failed   a leaf that ended; result or error holds what it said
--   waiting             a wait that has begun; due_at when it ends by the clock, detail its fence
--   intent              a leaf that cannot share our transaction has begun (HTTP and the like)
--   decided             turn is the branch of a RACE that won, or 1/0 for an IF on rows
--   checkpoint          turn is the iteration a LOOP resumes at, detail the names bound there
-- What a status asks of the other columns is checked by df.assert_structural_invariants
-- (node_status_monotonic): a CHECK is read anew by every step.
-- Written only by df.record_run and the signal delivery, under the instance's lock.
create table df.node_runs (
    instance_id text collate "C" not null,
    run_path    text collate "C" not null,
    status      df.run_status not null,
    attempt     integer not null default 1,
    turn        integer,
    epoch       bigint not null,
    created_at  timestamptz not null default now(),
    ended_at    timestamptz,
    due_at      timestamptz,
    signal_name text,
    sqlstate    text,
    error       text,
    result      json,
    detail      json,
    primary key (instance_id, run_path)
) with (fillfactor = 90);
