-- The roles that are granted in this database, their step logins and passwords; 50 of them.
select l.role_name::text, l.login::text, l.password
  from (select distinct m.roleid
          from pg_auth_members m join pg_roles s on s.oid = m.member
         where s.rolname ~ '^df_step_[0-9]+_[0-9]+$'
         order by 1) granted
 cross join lateral df.relay_login(granted.roleid, null) l
 where l.login is not null
 limit 50
