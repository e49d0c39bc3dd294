do $$
begin
  assert 6 & 3 = 2 and 6 | 3 = 7;
  assert b'110' & b'011' = b'010';
  assert '{"a":1}'::jsonb @> '{}';
  assert array[1, 2] @> array[1];
end
$$;
