-- An instance that names no graph of its submitter's fails; retrying it says why it cannot go on, and everything that shows
-- an instance shows it.
begin;
create role test_retry login;
select df.grant_usage('test_retry');
set local role test_retry;
insert into df.instances (graph_id) values (-1) returning id as id \gset
reset role;
select df.end_instance(:'id', 'failed', null, 'its graph -1 is not there, or not its submitter''s', 'DF005', 'root');
set local role test_retry;
savepoint here;
select pg_temp.check_refused(format('select df.retry(%L)', :'id'),
    format('instance %s cannot be retried: its graph is not there, or not its submitter''s', :'id'), '55000');
select df.status(:'id'), df.explain(:'id'), df.explain(:'id', format => 'mermaid'), df.why(:'id');
select count(*) from df.nodes;
select count(*) from df.instance_nodes(:'id');
select count(*) from df.instance_info(:'id');
select df.assert_structural_invariants(:'id');
rollback;
