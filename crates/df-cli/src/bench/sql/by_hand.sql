-- What a workflow costs when somebody writes it by hand, for the least that keeps the promises that cost: a queue of jobs of
-- one statement each, a role's rows its own, a start by one call, a step's record in the step's transaction by a function of
-- the owner's behind a lock and an owner (a session is cleaned for the next step by df.step_clean). Nothing is read but by
-- index, and the queue in its order: a plan made while the queue was short would go on to read all of it. No graphs, engine,
-- decisions, limits, variables, labels, leases or cancel.
create schema by_hand;
create table by_hand.graphs (
    id bigint generated always as identity primary key,
    owner regrole not null default quote_ident(current_user)::regrole,
    hash bytea not null,
    graph text not null);
create index on by_hand.graphs (owner, hash);
create table by_hand.jobs (
    id bigint generated always as identity primary key,
    submitted_by regrole not null default quote_ident(current_user)::regrole,
    status text not null default 'pending',
    created_at timestamptz not null default now(),
    graph_id bigint not null,
    owner uuid,
    epoch bigint not null default 0,
    ended_at timestamptz,
    result json) with (fillfactor = 90);
create index on by_hand.jobs (submitted_by, created_at) where owner is null and ended_at is null;
create index on by_hand.jobs (submitted_by, created_at, id);
create table by_hand.events (
    id bigint generated always as identity primary key,
    job_id bigint not null,
    kind text not null,
    submitted_by regrole not null default quote_ident(current_user)::regrole,
    created_at timestamptz not null default now(),
    delivered_at timestamptz);
create index on by_hand.events (job_id) where delivered_at is null;
create table by_hand.runs (
    job_id bigint not null,
    run_path text not null,
    status text not null,
    epoch bigint not null,
    ended_at timestamptz not null default clock_timestamp(),
    result json,
    primary key (job_id, run_path)) with (fillfactor = 90);

create function by_hand.start(p_statement text) returns bigint
    language plpgsql
    set search_path = pg_catalog, pg_temp
    as $$
declare
    v_hash  bytea := sha256(convert_to(p_statement, 'UTF8'));
    v_graph bigint;
    v_job   bigint;
begin
    select g.id into v_graph from by_hand.graphs g
     where g.owner = quote_ident(current_user)::regrole and g.hash = v_hash;
    if v_graph is null then
        insert into by_hand.graphs (hash, graph) values (v_hash, p_statement) returning id into v_graph;
    end if;
    insert into by_hand.jobs (graph_id) values (v_graph) returning id into v_job;
    insert into by_hand.events (job_id, kind) values (v_job, 'start');
    return v_job;
end
$$;

-- A start that an idle worker hears of.
create function by_hand.start_told(p_statement text) returns bigint
    language plpgsql
    as $$
declare
    v_job bigint := by_hand.start(p_statement);
begin
    notify by_hand;
    return v_job;
end
$$;

create function by_hand.signal(p_job bigint) returns void
    language plpgsql
    as $$
begin
    insert into by_hand.events (job_id, kind) values (p_job, 'signal');
    notify by_hand;
end
$$;

create function by_hand.claim(p_owner uuid, p_limit integer) returns setof bigint
    language sql security definer
    set search_path = pg_catalog, pg_temp
    set enable_seqscan = off
    set enable_bitmapscan = off
    set enable_sort = off
    as $$
    with taken as materialized (
        select j.id from by_hand.jobs j where j.owner is null and j.ended_at is null
         order by j.created_at limit p_limit for update skip locked),
    told as (
        update by_hand.events e set delivered_at = clock_timestamp()
         where e.job_id in (select id from taken) and e.delivered_at is null)
    update by_hand.jobs j set owner = p_owner, epoch = j.epoch + 1, status = 'running'
     where j.id = any (array(select id from taken))
    returning j.id
$$;

create function by_hand.record(p_job bigint, p_owner uuid, p_path text, p_result text, p_ends boolean)
    returns void
    language plpgsql security definer
    set search_path = pg_catalog, pg_temp
    set enable_seqscan = off
    as $$
begin
    if p_ends then
        with ended as (
            update by_hand.jobs j
               set status = 'completed', owner = null, ended_at = clock_timestamp(), result = p_result::json
             where j.id = p_job and j.owner = p_owner and j.ended_at is null
         returning j.epoch)
        insert into by_hand.runs (job_id, run_path, status, epoch, result)
        select p_job, p_path, 'completed', e.epoch, p_result::json from ended e;
    else
        insert into by_hand.runs (job_id, run_path, status, epoch, result)
        select p_job, p_path, 'completed', j.epoch, p_result::json
          from by_hand.jobs j where j.id = p_job and j.owner = p_owner and j.ended_at is null for share;
    end if;
    if not found then
        raise exception 'job % is not owned by %', p_job, p_owner;
    end if;
end
$$;

-- Ends the jobs whose signals have come. Returns them.
create function by_hand.deliver() returns setof bigint
    language sql security definer
    set search_path = pg_catalog, pg_temp
    set enable_seqscan = off
    as $$
    with told as (
        update by_hand.events e set delivered_at = clock_timestamp()
         where e.delivered_at is null and e.kind = 'signal'
        returning e.job_id),
    ended as (
        update by_hand.jobs j set status = 'completed', owner = null, ended_at = clock_timestamp()
         where j.id in (select job_id from told) and j.ended_at is null
        returning j.id, j.epoch)
    insert into by_hand.runs (job_id, run_path, status, epoch)
    select e.id, 'signal', 'completed', e.epoch from ended e
    returning job_id
$$;

do $$
declare
    v_table  text;
    v_column text;
begin
    for v_table, v_column in values ('graphs', 'owner'), ('jobs', 'submitted_by'), ('events', 'submitted_by') loop
        execute format('alter table by_hand.%I enable row level security', v_table);
        execute format('create policy own_rows on by_hand.%I for select
                        using (%I = (select quote_ident(current_user)::regrole))', v_table, v_column);
        execute format('create policy own_insert on by_hand.%I for insert
                        with check (%I = quote_ident(current_user)::regrole)', v_table, v_column);
    end loop;
end
$$;
grant usage on schema by_hand to public;
grant select, insert (hash, graph) on by_hand.graphs to public;
grant select, insert (graph_id) on by_hand.jobs to public;
grant select, insert (job_id, kind) on by_hand.events to public;
