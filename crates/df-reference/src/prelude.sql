-- What the leaves of a generated program call. Effects are rows of `trace`, written by the step's
-- own transaction. Requests go to the variable `web`, the base URL of the tests' server. Schedules
-- end at once after schedules_are_due.sql.

create table trace (
    n bigint generated always as identity primary key,
    instance text not null,
    leaf integer not null,
    seen text
);
create index on trace (instance, leaf);

-- Notes that a leaf ran, and what it saw of the names.
create function mark(p_instance text, p_leaf integer, p_seen text) returns integer
    language sql volatile
    as $$
    insert into trace (instance, leaf, seen) values (p_instance, p_leaf, p_seen) returning leaf
$$;

-- Answers with the next of the given truths, from the first again after the last.
create function ask(p_instance text, p_leaf integer, p_truths boolean[]) returns boolean
    language plpgsql volatile
    as $$
declare
    v_before bigint := (select count(*) from trace t where t.instance = p_instance and t.leaf = p_leaf);
begin
    insert into trace (instance, leaf) values (p_instance, p_leaf);
    return p_truths[1 + v_before % cardinality(p_truths)];
end
$$;

-- Leaves an effect that its failure has to take back.
create function fail(p_instance text, p_leaf integer) returns integer
    language plpgsql volatile
    as $$
begin
    insert into trace (instance, leaf) values (p_instance, p_leaf);
    raise exception 'leaf % fails', p_leaf using errcode = 'P0001';
end
$$;

-- Counts the tries of a leaf from now on, by what no rollback takes back.
create function count_tries(p_instance text, p_leaf integer) returns void
    language plpgsql volatile
    as $$
begin
    execute format('create sequence %I', 'tries_' || p_instance || '_' || p_leaf);
end
$$;

-- Fails so many times, then marks.
create function flaky(p_instance text, p_leaf integer, p_fails integer, p_seen text) returns integer
    language plpgsql volatile
    as $$
begin
    perform mark(p_instance, p_leaf, p_seen);
    if nextval(format('%I', 'tries_' || p_instance || '_' || p_leaf)) <= p_fails then
        raise exception 'leaf % fails', p_leaf using errcode = 'P0001';
    end if;
    return p_leaf;
end
$$;

-- What is vacuumed by statements that no transaction block may hold.
create table outside ();
