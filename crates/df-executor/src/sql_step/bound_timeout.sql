-- Lowers statement_timeout to $1 milliseconds where that is lower than it is, for the transaction
-- if $2; a null $1 leaves it. Answers the timeout then in force, in milliseconds, 0 for none.
select case
         when $1 is null
              or (b.before operator(pg_catalog.>) 0 and b.before operator(pg_catalog.<=) $1)
           then b.before
         when pg_catalog.set_config('statement_timeout', $1::pg_catalog.text, $2) is not null
           then $1
       end
  from (select (pg_catalog.date_part('epoch',
                  pg_catalog.current_setting('statement_timeout')::pg_catalog.interval)
                operator(pg_catalog.*) 1000::pg_catalog.float8)::pg_catalog.int8 as before) b
