-- What df's own roles may do is the installer's to say: a revoke would leave the relay nothing.
select pg_temp.check_refused(format('select df.%s(%L)', c.call, c.role),
  format('role %s is one of df''s own', c.role), '42939')
from (values ('grant_usage'), ('revoke_usage')) as call(call), (values ('df_relay'), ('df_owner')) as role(role),
  lateral (select call, role) as c(call, role);
select pg_temp.check_same('the relay''s USAGE', has_schema_privilege('df_relay', 'df', 'usage')::text, 'true');
