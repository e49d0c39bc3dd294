-- Time is a poor witness, so only a gross excess fails: a check that grew with depth times size
-- in parses rather than in copies would take minutes here.
do $$
declare
  v_started timestamptz := clock_timestamp();
  v_graph text := repeat('x', 1000000);
begin
  for i in 1 .. 256 loop
    v_graph := df.seq('select 1', v_graph);
  end loop;
  perform df.check_graph(v_graph);
  assert clock_timestamp() - v_started < interval '20 seconds';
end
$$;
