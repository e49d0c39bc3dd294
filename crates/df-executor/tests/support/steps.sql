-- Stand-ins for the functions of a step: enough of the seam to test its caller.
create role alice nologin;
create role "df_step_alice" login noinherit;
grant alice to "df_step_alice";
alter role "df_step_alice" set role = 'alice';
create schema df;
create schema alice authorization alice;
create schema app;
grant usage on schema df to alice;
grant usage, create on schema app to alice;
create table df.instance (id text primary key, epoch bigint, incarnation uuid, status text);
insert into df.instance values ('i', 1, '00000000-0000-0000-0000-000000000001', 'running');
create table df.recorded (
  instance text, run_path text, status text, result json, error text, sqlstate text, attempt int,
  within text[], turns int[], decides text[], checkpoints json, ends text,
  primary key (instance, run_path));
create table app.effects (n serial, note text, at timestamptz default clock_timestamp());
grant all on app.effects to alice;
grant usage on sequence app.effects_n_seq to alice;

create function df.fence(p_instance text, p_epoch bigint, p_incarnation uuid) returns void
language plpgsql as $$
declare v df.instance;
begin
  select * into v from df.instance where id = p_instance for share;
  if v.epoch <> p_epoch or v.incarnation <> p_incarnation then
    raise exception 'stale' using errcode = 'DF001';
  elsif v.status <> 'running' then
    raise exception 'ended' using errcode = 'DF002';
  end if;
end $$;

create function df.step_begin(p_instance text, p_epoch bigint, p_incarnation uuid) returns text
language plpgsql security definer as $$
begin
  if session_user <> 'df_step_alice' then
    raise exception 'not a step login' using errcode = 'DF006';
  end if;
  perform set_config('datestyle', 'ISO', true), set_config('standard_conforming_strings', 'on', true);
  return pg_current_xact_id()::text;
end $$;

create function df.step_record(p_instance text, p_epoch bigint, p_incarnation uuid, p_xid xid8,
  p_run_path text, p_status text, p_result text, p_error text, p_sqlstate text, p_attempt int,
  p_within text[], p_turns int[], p_decides text[], p_checkpoints text, p_ends text, p_lock_timeout text default null) returns void
language plpgsql security definer set search_path = pg_catalog as $$
begin
  if pg_current_xact_id() <> p_xid then
    raise exception 'transaction control' using errcode = 'DF004';
  end if;
  perform set_config('lock_timeout', p_lock_timeout, true) where p_lock_timeout is not null;
  perform df.fence(p_instance, p_epoch, p_incarnation);
  insert into df.recorded values (p_instance, p_run_path, p_status, p_result::json, p_error,
    p_sqlstate, p_attempt, p_within, p_turns, p_decides, p_checkpoints::json, p_ends);
end $$;

revoke all on all functions in schema df from public;
grant execute on function df.step_begin, df.step_record to alice;
