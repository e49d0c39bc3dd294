-- Seconds at which each workflow ended that ended since a moment, the first to end first.
select extract(epoch from i.ended_at)::double precision
  from df.instances i where i.ended_at >= $1 order by i.ended_at
