select pg_temp.check_same('if', df.if(condition => 'c', then_branch => 't', else_branch => 'e'),
  '{"node_type":"IF","condition_node":{"node_type":"SQL","query":"c"},'
  '"left_node":{"node_type":"SQL","query":"t"},"right_node":{"node_type":"SQL","query":"e"}}');
select pg_temp.check_same('?> !>', 'c' ?> 't' !> 'e', df.if('c', 't', 'e'));
select pg_temp.check_same('after ~>', 'a' ~> 'c' ?> 't' !> 'e', df.if(df.seq('a', 'c'), 't', 'e'));
select pg_temp.check_same('before ~>', 'c' ?> 't' !> 'e' ~> 'b', df.seq(df.if('c', 't', 'e'), 'b'));
select pg_temp.check_same('nested', 'c' ?> ('d' ?> 't' !> 'e') !> 'f',
  df.if('c', df.if('d', 't', 'e'), 'f'));
select pg_temp.check_refused(c.statement, c.why) from (values
  ($$select df.check_graph('c' ?> 't')$$, 'root: condition ?> then needs !> else'),
  ($$select 'c' ?> 't' ~> 'b'$$, 'needs !> else'),
  ($$select 'a' & ('c' ?> 't')$$, 'needs !> else'),
  ($$select @> ('c' ?> 't')$$, 'needs !> else'),
  ($$select 'c' ?> 't' |=> 'x'$$, 'needs !> else'),
  ($$select 'c' ?> 't' ?> 'u'$$, 'needs !> else'),
  ($$select 'c' ?> 't' !> ('d' ?> 'u')$$, 'needs !> else'),
  ($$select 'a' !> 'b'$$, 'its left side must be'),
  ($$select ('c' ?> 't' !> 'e') !> 'f'$$, 'its left side must be')
) as c(statement, why);
select pg_temp.check_bad_graph('{"node_type":"THEN","right_node":' || df.sql('a')
  || ',"left_node":' || ('c' ?> 't') || '}', 'root.left', 'condition ?> then needs !>');
