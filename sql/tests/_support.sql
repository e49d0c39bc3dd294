-- Run first in the session of every test file. A test raises when its claim does not hold.

-- Raises unless both texts are the same.
create or replace function pg_temp.check_same(p_case text, p_actual text, p_expected text)
returns void language plpgsql as $$
begin
  if p_actual is distinct from p_expected then
    raise exception E'% is\n  %\nand should be\n  %', p_case, p_actual, p_expected;
  end if;
end
$$;

-- Raises unless the statement fails with that SQLSTATE and a message that holds the fragment.
create or replace function pg_temp.check_refused(
  p_statement text, p_fragment text, p_sqlstate text default '22023')
returns void language plpgsql as $$
begin
  begin
    execute p_statement;
  exception when others then
    if sqlstate <> p_sqlstate or position(p_fragment in sqlerrm) = 0 then
      raise exception E'%\nfailed with %: %\nand should with %: %',
        p_statement, sqlstate, sqlerrm, p_sqlstate, p_fragment;
    end if;
    return;
  end;
  raise exception E'%\nwas accepted and should fail with %: %', p_statement, p_sqlstate, p_fragment;
end
$$;

-- Raises unless df.check_graph refuses the graph at that path, for that reason.
create or replace function pg_temp.check_bad_graph(p_graph text, p_path text, p_fragment text)
returns void language plpgsql as $$
begin
  perform pg_temp.check_refused(format('select df.check_graph(%L)', p_graph),
    'Invalid durable function graph: ' || p_path || ': ' || p_fragment);
end
$$;

-- A sequence of p_edges edges from the root to its first statement.
create or replace function pg_temp.chain(p_edges int) returns text language plpgsql as $$
declare
  v_graph text := 'select 0';
begin
  for i in 1 .. p_edges loop
    v_graph := df.seq(v_graph, 'select ' || i);
  end loop;
  return v_graph;
end
$$;

-- Rows and index entries of df's tables that this transaction has read so far.
create or replace function pg_temp.rows_read() returns bigint language sql volatile as $$
  select sum(pg_stat_get_xact_tuples_returned(c.oid))::bigint from pg_class c
   where c.relnamespace = 'df'::regnamespace and c.relkind in ('r', 'i')
$$;
