select pg_temp.check_same('if_rows',
  df.if_rows(result_name => 'x', then_branch => 't', else_branch => 'e'),
  '{"node_type":"IF","query":"{\"condition_type\":\"result_has_rows\",\"result_name\":\"x\"}",'
  '"left_node":{"node_type":"SQL","query":"t"},"right_node":{"node_type":"SQL","query":"e"}}');
