-- What depends on the schema df and is none of its own: DROP SCHEMA … CASCADE would take it along. Operators are df's, which are
-- made where callers find them. What a relation has (its rule, default, constraint, trigger or policy) is told as that relation.
with own(classid, objid) as (
    select 'pg_class'::regclass, c.oid from pg_class c where c.relnamespace = 'df'::regnamespace
    union all select 'pg_proc'::regclass, p.oid from pg_proc p where p.pronamespace = 'df'::regnamespace
    union all select 'pg_type'::regclass, t.oid from pg_type t where t.typnamespace = 'df'::regnamespace
), dependent as (
    select d.classid, d.objid,
           case d.classid
               when 'pg_class'::regclass then d.objid
               when 'pg_rewrite'::regclass then (select r.ev_class from pg_rewrite r where r.oid = d.objid)
               when 'pg_attrdef'::regclass then (select a.adrelid from pg_attrdef a where a.oid = d.objid)
               when 'pg_constraint'::regclass then (select nullif(c.conrelid, 0) from pg_constraint c where c.oid = d.objid)
               when 'pg_trigger'::regclass then (select t.tgrelid from pg_trigger t where t.oid = d.objid)
               when 'pg_policy'::regclass then (select p.polrelid from pg_policy p where p.oid = d.objid)
           end as relation
      from own o join pg_depend d on d.refclassid = o.classid and d.refobjid = o.objid and d.deptype = 'n'
     where not exists (select from own x where x.classid = d.classid and x.objid = d.objid)
       and not exists (select from pg_operator x
                        where d.classid = 'pg_operator'::regclass and x.oid = d.objid
                          and x.oprcode in (select p.oid from pg_proc p where p.pronamespace = 'df'::regnamespace))
       -- A domain's own check.
       and not exists (select from pg_constraint x
                        where d.classid = 'pg_constraint'::regclass and x.oid = d.objid and x.connamespace = 'df'::regnamespace)
)
select distinct case when d.relation is null then pg_describe_object(d.classid, d.objid, 0)
                     else pg_describe_object('pg_class'::regclass, d.relation, 0) end
  from dependent d
 where d.relation is null or not exists (select from own x where x.classid = 'pg_class'::regclass and x.objid = d.relation)
 order by 1
