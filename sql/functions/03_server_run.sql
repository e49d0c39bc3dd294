-- Which run of the server this is, and what a relay is called in it: what every fence compares.

-- Twelve hex digits that name this run of this server: another after a restart, and another on a
-- replica that was promoted. Immutable, since no session outlives its server's run: a session's
-- plans hold it as a constant.
create or replace function df.server_run() returns text
    language plpgsql immutable
    set search_path = pg_catalog, pg_temp
    as $$
begin
    return lpad(to_hex(hashtextextended(extract(epoch from pg_postmaster_start_time())::text, 0)
                       & 281474976710655), 12, '0');
end
$$;

-- Whether a relay's name, or its incarnation, was made during this run of the server: it ends with it.
create or replace function df.is_of_this_server_run(p_incarnation uuid) returns boolean
    language sql stable
    as $$
    select coalesce(pg_catalog.right(p_incarnation::pg_catalog.text, 12) operator(pg_catalog.=) df.server_run(),
                    false)
$$;

-- The name that stands for an incarnation wherever roles can read it, as in df.instances.owner. Who
-- may write to an instance has to know the incarnation, which only the relay does: a role that reads
-- its own instance's owner, and calls df.step_record by itself, has nothing that the fence takes.
-- It ends with this run of the server. So whoever registered in an earlier one, and may know more than
-- this server does, is called by a name that no row holds, and every fence refuses it. Every name is
-- qualified instead of pinned, so that the server can put it in line where the fence compares it at each step.
create or replace function df.relay_name(p_incarnation uuid) returns uuid
    language sql immutable
    as $$
    select (pg_catalog.left(pg_catalog.encode(pg_catalog.sha256(pg_catalog.uuid_send(p_incarnation)), 'hex'), 20)
            operator(pg_catalog.||) df.server_run())::pg_catalog.uuid
$$;
