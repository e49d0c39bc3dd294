-- What the leaves of a generated program call. Effects are rows of `trace`, written by the step's
-- own transaction.

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
