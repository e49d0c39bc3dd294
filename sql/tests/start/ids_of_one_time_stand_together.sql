-- Ids drawn at one time share what they begin with, and differ; an hour later it is something else. So a start
-- touches few pages of the indexes that ids lead, however many instances there have been.
begin;
do $$
declare
    v_starts int[] := array(
        select count(distinct left(df.new_instance_id(timestamptz '2026-01-01 00:00+0' + h * interval '1 hour'), 2))
          from generate_series(0, 8) as h, generate_series(1, 300) group by h);
begin
    assert v_starts = array_fill(1, '{9}'), v_starts;
    assert (select count(distinct left(df.new_instance_id(timestamptz '2026-01-01 00:00+0' + h * interval '1 hour'), 2))
              from generate_series(0, 8) as h) > 7;
    assert (select count(distinct i.id) = 3000 and bool_and(i.id ~ '^[A-Za-z0-9]{8}$')
              from (select df.new_instance_id() as id from generate_series(1, 3000)) i);
end
$$;
rollback;
