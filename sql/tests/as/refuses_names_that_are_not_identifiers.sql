select pg_temp.check_refused(format('select df.as(''a'', %L)', c.name), 'is not a valid identifier')
from (values (''), ('1a'), ('a b'), ('a-b'), ('$a'), ('é'), ('a"'), (E'a\n')) as c(name);
select pg_temp.check_refused('select df.as(''a'', null)', 'is NULL');
select pg_temp.check_refused(
  'select df.if_rows(''a b'', ''t'', ''e'')', 'is not a valid identifier');
select df.as('a', '_A9'), df.as('a', repeat('x', 100));
