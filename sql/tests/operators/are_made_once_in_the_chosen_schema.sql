do $$
begin
  assert (
    select count(*) = 7 and count(distinct o.oprnamespace) = 1
    from pg_operator o
    where o.oprcode in ('df.seq(text,text)'::regprocedure, 'df.as(text,text)'::regprocedure,
      'df.join(text,text)'::regprocedure, 'df.race(text,text)'::regprocedure,
      'df.if_then(text,text)'::regprocedure, 'df.if_else(text,text)'::regprocedure,
      'df.loop_forever(text)'::regprocedure)), 'seven operators in one schema';
end
$$;
