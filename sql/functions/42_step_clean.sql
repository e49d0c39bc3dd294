-- Brings a step's session back to how it was after login, as the step connection calls it behind each step, by its oid
-- and in a transaction of its own. One function instead of as many statements: it keeps their parsed form. Plans and
-- functions stay cached on purpose: they belong to the same role. No cursor is left to close, since a step closes all
-- before its COMMIT. Runs as whoever the statement left, pins nothing (it would give back what it resets) and names no
-- operator.
create or replace function df.step_clean() returns void
    language plpgsql volatile
    as $$
begin
    reset all;
    reset role;
    deallocate all;
    unlisten *;
    -- An expression, which is cheaper than the query that PERFORM would make of it.
    if pg_catalog.pg_advisory_unlock_all() is null then
    end if;
    discard temp;
    discard sequences;
end
$$;
