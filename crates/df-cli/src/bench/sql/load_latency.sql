-- Seconds from the start's transaction to the recorded end, of each workflow that ended since a moment.
select extract(epoch from i.ended_at - i.created_at)::double precision
  from df.instances i where i.ended_at >= $1
