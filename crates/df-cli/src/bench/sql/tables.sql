-- What the run's own transactions and steps write to. No index and no key, so that the yardstick is
-- as fast as this server can be.
create table yard_a (n integer, t text);
create table yard_b (n integer, t text);
create table effects (n integer);
create table laps (at timestamptz not null default clock_timestamp(), is_fresh boolean not null default false);
grant usage on schema public to public;
grant select, insert on yard_a, yard_b, effects, laps to public;
