//! What the installing role may do, and what the df roles have: read in one query.

use tokio_postgres::Transaction;

use crate::{ADMIN_ROLE, Error, OWNER_ROLE, RELAY_ROLE, quote_identifier};

/// $1 owner, $2 relay, $3 admin role, $4 operator schema, $5 how a role that may be set is called.
/// A role that is not there yet will have what PUBLIC has.
const READ: &str = "
    with us as (select oid, rolname, rolsuper, rolcreaterole from pg_roles where rolname = current_user),
         owner_role as (select oid from pg_roles where rolname = $1),
         named as (select case when exists (select from owner_role) then $1 else 'public' end as owner,
                          case when exists (select from pg_roles where rolname = $2)
                               then $2 else 'public' end as relay),
         operators as (select oid, nspowner from pg_namespace where nspname = $4)
    select us.rolname::text as user, us.rolsuper, us.rolcreaterole,
           current_database()::text as database,
           has_database_privilege(d.oid, 'CREATE') as may_create_schema,
           us.rolsuper or pg_has_role(d.datdba, 'USAGE') as may_grant_connect,
           has_database_privilege(named.relay::name, d.oid, 'CONNECT') as relay_may_connect,
           (select has_schema_privilege(named.relay::name, n.oid, 'USAGE')
                   and not exists (select from pg_proc p
                                   where p.pronamespace = n.oid and starts_with(p.proname, 'relay_')
                                     and not has_function_privilege(named.relay::name, p.oid, 'EXECUTE'))
            from pg_namespace n where n.nspname = 'df') is not false as relay_may_work,
           exists (select from owner_role) as owner_role,
           exists (select from pg_roles where rolname = $2) as relay_role,
           exists (select from pg_roles where rolname = $3) as admin_role,
           coalesce((select pg_has_role(oid, $5) from owner_role), false) as may_set_owner,
           coalesce((select pg_has_role(oid, 'USAGE') from owner_role), false) as inherits_owner,
           coalesce((select pg_has_role(oid, 'MEMBER WITH ADMIN OPTION') from owner_role), false)
               as is_owner_admin,
           exists (select from operators) as operator_schema,
           coalesce((select has_schema_privilege(named.owner::name, oid, 'CREATE')
                        and has_schema_privilege(named.owner::name, oid, 'USAGE')
                     from operators), false) as owner_may_create_operators,
           coalesce((select us.rolsuper or pg_has_role(nspowner, 'USAGE')
                        or has_schema_privilege(oid, 'CREATE WITH GRANT OPTION')
                     from operators), false) as may_grant_operator_schema
    from us, named, pg_database d where d.datname = current_database()";

/// From this version on a membership says by itself whether SET ROLE is allowed, and CREATEROLE
/// alone no longer lets its holder grant every role.
const FIRST_WITH_SET_OPTION: i32 = 160_000;

#[derive(Debug, Clone)]
pub(super) struct Privileges {
    pub(super) user: String,
    pub(super) database: String,
    pub(super) superuser: bool,
    pub(super) create_role: bool,
    pub(super) may_create_schema: bool,
    pub(super) may_grant_connect: bool,
    pub(super) relay_may_connect: bool,
    /// Uses the schema and calls its functions; true where there is no schema yet.
    pub(super) relay_may_work: bool,
    pub(super) owner_role_exists: bool,
    pub(super) relay_role_exists: bool,
    pub(super) admin_role_exists: bool,
    pub(super) may_set_owner: bool,
    pub(super) inherits_owner: bool,
    pub(super) may_grant_owner: bool,
    pub(super) operator_schema_exists: bool,
    pub(super) owner_may_create_operators: bool,
    pub(super) may_grant_operator_schema: bool,
    has_set_option: bool,
}

impl Privileges {
    pub(super) async fn read(
        transaction: &Transaction<'_>,
        operator_schema: &str,
    ) -> Result<Privileges, Error> {
        let doing = || Error::doing("reading privileges");
        let version = "select current_setting('server_version_num')::integer";
        let version: i32 = transaction
            .query_one(version, &[])
            .await
            .map_err(doing())?
            .get(0);
        let has_set_option = version >= FIRST_WITH_SET_OPTION;
        let settable = if has_set_option { "SET" } else { "MEMBER" };
        let row = transaction
            .query_one(
                READ,
                &[
                    &OWNER_ROLE,
                    &RELAY_ROLE,
                    &ADMIN_ROLE,
                    &operator_schema,
                    &settable,
                ],
            )
            .await
            .map_err(doing())?;
        let (superuser, create_role) = (row.get("rolsuper"), row.get("rolcreaterole"));
        let may_grant_owner =
            superuser || row.get::<_, bool>("is_owner_admin") || (create_role && !has_set_option);
        Ok(Privileges {
            user: row.get("user"),
            database: row.get("database"),
            superuser,
            create_role,
            may_create_schema: row.get("may_create_schema"),
            may_grant_connect: row.get("may_grant_connect"),
            relay_may_connect: row.get("relay_may_connect"),
            relay_may_work: row.get("relay_may_work"),
            owner_role_exists: row.get("owner_role"),
            relay_role_exists: row.get("relay_role"),
            admin_role_exists: row.get("admin_role"),
            may_set_owner: row.get("may_set_owner"),
            inherits_owner: row.get("inherits_owner"),
            may_grant_owner,
            operator_schema_exists: row.get("operator_schema"),
            owner_may_create_operators: row.get("owner_may_create_operators"),
            may_grant_operator_schema: row.get("may_grant_operator_schema"),
            has_set_option,
        })
    }

    /// The owner's rights are inherited on every version alike: grants are then all made in its name,
    /// and `DROP OWNED` takes them away whoever runs it.
    pub(super) fn membership_options(&self) -> &'static str {
        if self.has_set_option {
            " with set true, inherit true"
        } else {
            ""
        }
    }

    pub(super) fn grant_connect(&self) -> String {
        let (database, relay) = (
            quote_identifier(&self.database),
            quote_identifier(RELAY_ROLE),
        );
        format!("grant connect on database {database} to {relay};")
    }

    /// What the installing role could not do and the relay will miss.
    pub(super) fn notes(&self) -> Vec<String> {
        if self.relay_may_connect || self.may_grant_connect {
            return Vec::new();
        }
        vec![format!(
            "{RELAY_ROLE} may not connect to this database; its owner must run: {}",
            self.grant_connect()
        )]
    }
}
