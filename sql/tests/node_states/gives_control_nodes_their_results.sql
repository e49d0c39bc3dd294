-- The result of a control node follows from its children's: docs/sql-api.md, Results.
begin;

create function pg_temp.check(p_claim text, p_graph text, p_runs json, p_path text, p_result text, p_error text)
    returns void language plpgsql as $$
declare
    v_graph bigint;
    v_id    text;
    v_found record;
begin
    insert into df.graphs (hash, graph) values (sha256(convert_to(p_graph, 'UTF8')), df.check_graph(p_graph))
        returning id into v_graph;
    insert into df.instances (graph_id, status, epoch) values (v_graph, 'running', 1) returning id into v_id;
    insert into df.node_runs (instance_id, run_path, status, result, turn, error, sqlstate, epoch)
    select v_id, r ->> 0, r ->> 1, r -> 2, (r ->> 3)::integer, r ->> 4, r ->> 5, 1
      from json_array_elements(p_runs) r;
    select s.result::text as result, s.error into v_found from df.node_states(v_id) s where s.path = p_path;
    if v_found.result is distinct from p_result or v_found.error is distinct from p_error then
        raise exception E'%:\n  found    % %\n  expected % %', p_claim, v_found.result, v_found.error, p_result, p_error;
    end if;
end
$$;

select pg_temp.check('a leaf has its own', 'a', '[["root","completed",{"rows":[{"b":1,"a":2}],"row_count":1}]]',
    'root', '{"rows":[{"b":1,"a":2}],"row_count":1}', null);
select pg_temp.check('a sequence has its right side''s', df.seq('a', 'b'),
    '[["root.left","completed",1],["root.right","completed",2]]', 'root', '2', null);
select pg_temp.check('a join has an array in branch order', df.join(df.seq('a', 'b'), df.join('c', 'd'), 'e', df.sleep(1)),
    '[["root.left.left","completed",1],["root.left.right","completed",2],["root.right.left","completed",{"x":3}],'
    '["root.right.right","completed",null],["root.extra_nodes[0]","completed","five"],["root.extra_nodes[1]","completed",6]]',
    'root', '[2,[{"x":3},null],"five",6]', null);
select pg_temp.check('a join of eleven branches keeps their order',
    (select df.join(variadic array_agg(i::text)) from generate_series(0, 10) i),
    (select json_agg(json_build_array('root.' || case i when 0 then 'left' when 1 then 'right'
                 else 'extra_nodes[' || i - 2 || ']' end, 'completed', i)) from generate_series(0, 10) i),
    'root', '[0,1,2,3,4,5,6,7,8,9,10]', null);
select pg_temp.check('a race has its winner''s', df.race('a', 'b'),
    '[["root.right","completed",2],["root.left","completed",1],["root","decided",null,1]]', 'root', '2', null);
select pg_temp.check('a choice has the taken arm''s', df.if('a', 'b', 'c'),
    '[["root.condition_node","completed",false],["root.right","completed",3]]', 'root', '3', null);
select pg_temp.check('a loop has its last body''s', df.loop('a', 'b'),
    '[["root.body[0]","completed",1],["root.condition_node[0]","completed",true],["root.body[1]","completed",2],'
    '["root.condition_node[1]","completed",false]]', 'root', '2', null);
select pg_temp.check('a loop that is left has the break value', df.loop(df.seq('a', df.break('done'))),
    '[["root.body[0].left","completed",1],["root.body[0].right","completed","done"]]', 'root', '"done"', null);
select pg_temp.check('a break without a value gives null', df.loop(df.break()),
    '[["root.body[0]","completed",null]]', 'root', 'null', null);
select pg_temp.check('a failed node holds its message as result and error', 'a',
    '[["root","failed",null,null,"division by zero","22012"]]', 'root', '"division by zero"', 'division by zero');
select pg_temp.check('a failed construct holds its first failed branch''s message', df.join('a', 'b', 'c'),
    '[["root.left","completed",1],["root.extra_nodes[0]","failed",null,null,"third","22012"],'
    '["root.right","failed",null,null,"second","22012"]]', 'root', '"second"', 'second');
select pg_temp.check('a break outside any loop says so', df.seq(df.break(), 'b'),
    '[["root.left","completed",null]]', 'root', '"BREAK outside any loop"', 'BREAK outside any loop');
rollback;
