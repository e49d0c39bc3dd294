select pg_temp.check_same('tree', df.draw_graph(
    ('begin' |=> 'x') ~> df.join('a', 'b1' ~> 'b2', df.sleep(30))
      ~> df.if('c', df.wait_for_signal('go', 5), df.break('v'))
      ~> df.loop(df.race(df.http('http://a/$x', 'GET'), df.wait_for_schedule('* * * * *')), 'more')
      ~> df.if_rows('x', df.retry_policy('t', 3), df.timeout('e', 2)), '{"root.right":"✓"}'),
  'SQL: begin |=> x
→ JOIN
  ├─ branch 1: SQL: a
  ├─ branch 2: SQL: b1
  │  → SQL: b2
  └─ branch 3: SLEEP 30s
→ IF
  ├─ condition: SQL: c
  ├─ then: SIGNAL ''go'' (timeout 5s)
  └─ else: BREAK ''v''
→ LOOP
  ├─ body: RACE
  │  ├─ branch 1: HTTP GET http://a/$x
  │  └─ branch 2: WAIT_SCHEDULE ''* * * * *''
  └─ while: SQL: more
→ ✓ IF $x has rows
  ├─ then: SQL: t (up to 3 attempts)
  └─ else: SQL: e (at most 2s)');
select pg_temp.check_same('a named sequence', df.draw_graph('a' ~> 'b' ~> 'c' |=> 'x'),
  'THEN |=> x
├─ SQL: a
│  → SQL: b
└─ → SQL: c');
select pg_temp.check_same('mermaid',
  df.draw_graph(df.loop('a "q"' ~> ('c' ?> df.break() !> 'e')), null, 'mermaid'),
  'flowchart TD
  n0[["LOOP"]]
  n0e(("end"))
  n2["SQL: a #quot;q#quot;"]
  n3{"IF"}
  n3e(("end"))
  n4["SQL: c"]
  n5["BREAK"]
  n6["SQL: e"]
  n5 -.->|break| n0e
  n4 --> n3
  n3 -->|true| n5
  n3 -->|false| n6
  n6 --> n3e
  n2 --> n4
  n0 --> n2
  n3e -->|again| n0');
select pg_temp.check_refused(
  'select df.draw_graph(df.sql(''a''), null, ''svg'')', 'invalid format');
