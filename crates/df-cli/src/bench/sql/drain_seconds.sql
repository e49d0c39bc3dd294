-- Seconds from the first claim to the last end, by the server's clock, of what ended since a moment.
select extract(epoch from max(i.ended_at) - min(o.delivered_at))::double precision
  from df.instances i join df.outbox o on o.event_id = i.id || '/start'
 where i.ended_at >= $1
