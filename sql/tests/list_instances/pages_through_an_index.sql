-- On a hundred thousand instances every page reads the index instances_by_role, and about as many
-- rows of it as it returns; the pages together hold every instance once, in order.
begin;
create role test_list_one login;
create role test_list_two login;
select df.grant_usage('test_list_one'), df.grant_usage('test_list_two');
insert into df.instances (graph_id, submitted_by, label, created_at, status, ended_at, completed_at)
select 1, case when n % 10 = 0 then 'test_list_two' else 'test_list_one' end::regrole, 'label ' || n % 3,
       now() - (n / 7) * interval '1 second', 'completed', now(), now()
  from generate_series(1, 100000) n;
-- Started in one transaction.
create role test_list_three login;
select df.grant_usage('test_list_three');
insert into df.instances (graph_id, submitted_by, created_at, status, ended_at, completed_at)
select 1, 'test_list_three'::regrole, now() - interval '1 day', 'completed', now(), now() from generate_series(1, 5000) n;
analyze df.instances;

create function pg_temp.index_reads() returns bigint language sql volatile as $$
    select pg_stat_get_xact_tuples_returned('df.instances_by_role'::regclass) $$;
create function pg_temp.table_scans() returns bigint language sql volatile as $$
    select pg_stat_get_xact_numscans('df.instances'::regclass) $$;

-- Runs as one role or as a superuser; p_visible is how many instances there are to see.
create function pg_temp.check(p_claim text, p_visible bigint) returns void language plpgsql as $$
declare
    v_reads  bigint;
    v_scans  bigint := pg_temp.table_scans();
    v_cursor text;
    v_page   record;
    v_pages  integer := 0;
    v_ids    text[] := '{}';
begin
    loop
        v_reads := pg_temp.index_reads();
        select array_agg(l.instance_id) as ids, min(l.next_cursor) as next, count(distinct l.next_cursor) as cursors
          into v_page from df.list_instances(null, 100, null, v_cursor) l;
        v_reads := pg_temp.index_reads() - v_reads;
        assert v_reads between 100 and 400, p_claim || ': a page read ' || v_reads || ' index entries';
        assert pg_temp.table_scans() = v_scans, p_claim || ': the table was scanned';
        v_ids := v_ids || v_page.ids;
        v_pages := v_pages + 1;
        v_cursor := v_page.next;
        exit when v_cursor is null or v_pages = 30;
    end loop;
    assert cardinality(v_ids) = 3000, p_claim;
    assert v_ids = array(select i.id from df.instances i order by i.created_at desc, i.id limit 3000), p_claim;
    assert (select count(*) from df.instances) = p_visible, p_claim;
end
$$;
select pg_temp.check('a superuser', 105000);
set local role test_list_one;
select pg_temp.check('a role', 90000);
set local role test_list_three;
select pg_temp.check('a role that starts many at once', 5000);
set local role test_list_one;

do $$
declare
    v_cursor text;
    v_rows   bigint := 0;
    v_page   record;
begin
    -- To the very end, with a filter.
    loop
        select count(*) as n, min(l.next_cursor) as next into v_page
          from df.list_instances('completed', 1000, 'label 1', v_cursor) l;
        v_rows := v_rows + v_page.n;
        v_cursor := v_page.next;
        exit when v_cursor is null;
    end loop;
    assert v_rows = (select count(*) from df.instances i where i.label = 'label 1'), v_rows::text;
    assert (select count(*) from df.list_instances()) = 100;
    assert (select count(*) from df.list_instances('completed', 7)) = 7;
    assert (select count(*) from df.list_instances('nonsense')) = 0;
end
$$;
rollback;
