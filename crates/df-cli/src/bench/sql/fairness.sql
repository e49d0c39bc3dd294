-- Of the first half of the workflows to end: the least that any role has, over an even share.
with ended as (
    select i.submitted_by, row_number() over (order by i.ended_at) as place, count(*) over () as total
      from df.instances i where i.ended_at >= $1),
roles as (
    select e.submitted_by, count(*) filter (where e.place * 2 <= e.total) as early
      from ended e group by e.submitted_by)
select (min(r.early) / nullif(avg(r.early), 0))::double precision from roles r
