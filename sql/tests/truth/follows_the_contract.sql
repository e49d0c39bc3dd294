do $$
declare
  v_case record;
begin
  for v_case in select * from (values
    -- the first column of the first row
    ('{"rows":[{"a":1,"b":0}],"row_count":1}', true),
    ('{"rows":[{"b":0,"a":1}],"row_count":1}', false),
    ('{"rows":[{"a":null}],"row_count":1}', false), ('{"rows":[],"row_count":0}', false),
    ('{"rows":[],"row_count":5}', false), ('{"rows":[{}],"row_count":1}', false),
    ('{"rows":[{"a":false},{"a":true}],"row_count":2}', false),
    ('{"rows":[{"a":{}}],"row_count":1}', false), ('{"rows":[{"a":[ ]}],"row_count":1}', false),
    ('{"rows":[{"a":[0]}],"row_count":1}', true), ('{"rows":[{"a":"no"}],"row_count":1}', false),
    ('{"rows":[{"a":"0.00"}],"row_count":1}', false),
    ('{"rows":[{"a":"\u0000"}],"row_count":1}', true),
    ('{"rows":[{"\u0000":0}],"row_count":1}', false),
    ('{"rows":[{"a":0, "b":"\ud800"}],"row_count":1}', false),
    -- no row set: the value itself
    ('null', false), ('true', true), ('false', false), ('0', false),
    ('-0.0', false), ('0e7', false),
    ('1e-400', true), ('0.5', true), ('-1', true), ('""', false), ('"  "', false), ('[]', false),
    ('{}', false), ('[false]', true), ('{"rows":3}', true), ('{"slept":true,"seconds":0}', true),
    ('{"rows":[1],"row_count":1}', true), ('{"rows":[]}', true),
    -- texts
    ('"f"', false), ('" False "', false), ('"NO"', false), ('"n"', true), ('"off"', true),
    ('"0"', false), ('"+0"', false), ('"-0.0e5"', false), ('".0"', false), ('"0."', false),
    ('"."', true), ('"0x0"', true), ('"00"', false), ('"0 0"', true), ('"1e-400"', true),
    ('"null"', true), ('"true"', true), ('"\u0066"', false), ('"\ud83d\ude00"', true),
    ('"\\u0000"', true), ('"\\\u0000"', true), ('"NaN"', true)
  ) as c(result, expected) loop
    assert df.truth(v_case.result::json) = v_case.expected, v_case.result;
  end loop;
  assert not df.truth(null);
end
$$;
