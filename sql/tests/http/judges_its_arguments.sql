select pg_temp.check_same('defaults', df.http('https://a.b'), '{"node_type":"HTTP","query":'
  '"{\"url\":\"https://a.b\",\"method\":\"POST\",\"body\":null,\"headers\":{},'
  '\"timeout_seconds\":30}"}');
select pg_temp.check_same('everything', df.http(url => 'HTTP://a/$x', method => 'get', body => 'b',
    headers => '{"X-B": "1", "A": 2}', timeout_seconds => 1),
  '{"node_type":"HTTP","query":"{\"url\":\"HTTP://a/$x\",\"method\":\"GET\",\"body\":\"b\",'
  '\"headers\":{\"A\": 2, \"X-B\": \"1\"},\"timeout_seconds\":1}"}');
select pg_temp.check_same('NULL headers',
  df.http('http://a', headers => null), df.http('http://a'));
select df.http('$base/x'), df.http('{base}/x'), df.http('https://a', 'PATCH', 'b');
select to_regprocedure('df.http(text,text,text,jsonb,integer)')::oid::regprocedure;
select pg_temp.check_refused(c.statement, c.why) from (values
  ($$select df.http('ftp://a')$$, 'unsupported URL scheme'),
  ($$select df.http('example.com')$$, 'unsupported URL scheme'),
  ($$select df.http('')$$, 'url'),
  ($$select df.http(null)$$, 'url'),
  ($$select df.http('http://a', 'HEAD')$$, 'method'),
  ($$select df.http('http://a', timeout_seconds => 0)$$, 'timeout_seconds'),
  ($$select df.http('http://a', timeout_seconds => -5)$$, 'timeout_seconds'),
  ($$select df.http('http://a', headers => '[]')$$, 'headers'),
  ($$select df.http('http://a', headers => '{"a": {}}')$$, 'header'),
  ($$select df.http('http://a', headers => '{"a b": "c"}')$$, 'header'),
  ($$select df.http('http://a', headers => '{"a": "b\r\nc"}')$$, 'header')
) as c(statement, why);
