select pg_temp.check_same('parts', df.http_multipart('https://a', parts =>
    '[{"name": "f", "data_b64": "YWJj\nZGVm", "filename": "x.txt", "content_type": "text/plain"}]'),
  '{"node_type":"HTTP_MULTIPART","query":"{\"url\":\"https://a\",\"method\":\"POST\",\"parts\":'
  '[{\"name\": \"f\", \"data_b64\": \"YWJj\\nZGVm\", \"filename\": \"x.txt\", '
  '\"content_type\": \"text/plain\"}],\"headers\":{},\"timeout_seconds\":30}"}');
select df.http_multipart('https://a', 'put', '[{"name": "f", "data_b64": "$file.data"}]');
select df.http_multipart('https://a', 'PATCH', '[{"name": "$n", "data_b64": ""}]');
select to_regprocedure('df.http_multipart(text,text,jsonb,jsonb,integer)')::oid::regprocedure;
select pg_temp.check_refused(
  format('select df.http_multipart(''https://a'', parts => %L)', c.parts), c.why)
from (values
  (null, 'parts'), ('[]', 'parts'), ('{}', 'parts'), ('[1]', 'part'),
  ('[{"data_b64": ""}]', 'name'), ('[{"name": "", "data_b64": ""}]', 'name'),
  ('[{"name": "f"}]', 'data_b64'), ('[{"name": "f", "data_b64": 1}]', 'data_b64'),
  ('[{"name": "f", "data_b64": "a?"}]', 'not valid base64'),
  ('[{"name": "f", "data_b64": "abcde"}]', 'not valid base64'),
  ('[{"name": "f", "data_b64": "YR=="}]', 'not valid base64'),
  ('[{"name": "f", "data_b64": "YWI=="}]', 'not valid base64'),
  ('[{"name": "f\r\n", "data_b64": ""}]', 'line break')
) as c(parts, why);
select pg_temp.check_refused(
  $$select df.http_multipart('https://a', 'GET', '[{"name": "f", "data_b64": ""}]')$$, 'method');
