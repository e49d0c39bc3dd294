-- A schedule is reckoned by a clock that is a minute and a second behind the one that ends it, so that
-- its next minute has begun. The relay asks for the former here, and for nothing else.
create or replace function df.relay_clock() returns bigint
    language plpgsql volatile security definer
    set search_path = pg_catalog, pg_temp
    as $$
begin
    return (extract(epoch from df.clock() - interval '61 seconds') * 1000)::bigint;
end
$$;
