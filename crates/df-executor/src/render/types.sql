-- Describes the types in $1 (oid[]), one row per type, and per field for composites.
-- kind: text | foreign | array | composite | domain; related: element or base type.
select t.oid::bigint as oid,
       pg_catalog.format_type(t.oid, null) as name,
       case
         when t.typsubscript = 'pg_catalog.array_subscript_handler'::pg_catalog.regproc
              and t.typlen = -1 then 'array'
         when t.typtype = 'c' then 'composite'
         when t.typtype = 'd' then 'domain'
         when t.typtype = 'b'
              and t.typnamespace <> 'pg_catalog'::pg_catalog.regnamespace then 'foreign'
         else 'text'
       end as kind,
       (case when t.typtype = 'd' then t.typbasetype else t.typelem end)::bigint as related,
       coalesce(e.typdelim, ',')::text as delimiter,
       a.attname::text as field_name,
       a.atttypid::bigint as field_type
  from pg_catalog.pg_type t
  left join pg_catalog.pg_type e on e.oid = t.typelem
  left join pg_catalog.pg_attribute a
    on t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
 where t.oid = any ($1)
 order by t.oid, a.attnum
