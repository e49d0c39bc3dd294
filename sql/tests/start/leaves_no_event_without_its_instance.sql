-- Rows by hand: an instance has its event or is given one; what is not inserted leaves none.
begin;
create role test_start_one login;
select df.grant_usage('test_start_one');
set local role test_start_one;
select df.start_once('k', 'select 1', 'once');
insert into df.instances (label, graph_id, once_key) select 'again', g.id, 'k' from df.graphs g on conflict do nothing;
insert into df.instances (label, graph_id) select 'by hand', g.id from df.graphs g on conflict do nothing;
do $$
begin
    assert (select array_agg(i.label::text order by i.label) from df.instances i) = '{by hand,once}';
    assert (select array_agg(i.label::text order by i.label)
              from df.outbox o left join df.instances i on i.id || '/start' = o.event_id) = '{by hand,once}';
end
$$;
rollback;
