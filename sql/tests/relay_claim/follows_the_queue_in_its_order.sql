-- Whatever follows a queue reads it in the order of its index and up to what it takes. A plan that is made while the queue is
-- short may read and sort all of it instead, and be kept. When the server makes such a plan cannot be arranged, so that it
-- must not is looked for where it is said.
do $$
declare
    v_without text;
begin
    select string_agg(f.name, ', ') into v_without
      from unnest(array['relay_bounds', 'relay_look', 'relay_claim', 'relay_deliver']) as f(name)
     where not exists (
               select from pg_proc p
                where p.pronamespace = 'df'::regnamespace and p.proname = f.name
                  and p.proconfig @> '{enable_seqscan=off,enable_bitmapscan=off,enable_sort=off}');
    assert v_without is null, 'may sort the queue: ' || v_without;
end
$$;
