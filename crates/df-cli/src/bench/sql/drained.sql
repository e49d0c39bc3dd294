-- How many workflows have ended since a moment, and how many of them badly. Uses instances_ended.
select count(*), count(*) filter (where i.status <> 'completed')
  from df.instances i where i.ended_at >= $1
