//! Removing the schema, the step logins of this database, and the df roles where no other database
//! of the cluster needs them.

use tokio_postgres::Transaction;
use tokio_postgres::error::SqlState;

use super::privileges::Privileges;
use super::{DEFAULT_OPERATOR_SCHEMA, begin, lock_meta, own_schema};
use crate::options::ConnectOptions;
use crate::schema::Found;
use crate::{ADMIN_ROLE, Error, OWNER_ROLE, RELAY_ROLE, quote_identifier};

/// What an uninstall did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UninstallReport {
    pub dropped_roles: Vec<String>,
    /// Roles that are still there, each with the server's reason.
    pub kept_roles: Vec<(String, String)>,
}

/// Step logins carry the database's oid in their names: df_step_<database oid>_<role oid>.
const STEP_LOGINS: &str = "
    select r.rolname::text from pg_roles r, pg_database d
    where d.datname = current_database()
      and r.rolname ~ ('^df_step_' || d.oid || '_[0-9]+$') order by 1";

const DEPENDENTS: &str = include_str!("dependents.sql");

/// Removes everything that `install` and its users made in this database, in one transaction. Errors:
/// `HasDependents` where something else would go with it, such as a view over its tables.
pub async fn uninstall(target: &ConnectOptions) -> Result<UninstallReport, Error> {
    let mut client = target.connect().await?;
    let transaction = begin(&mut client).await?;
    let found = own_schema(&transaction).await?;
    let privileges = Privileges::read(&transaction, DEFAULT_OPERATOR_SCHEMA).await?;
    if found == Found::Absent {
        return Err(Error::MissingSchema(privileges.database));
    }
    if !privileges.may_set_owner {
        if !privileges.may_grant_owner {
            let why = format!("\"{}\" may not act as {OWNER_ROLE}", privileges.user);
            let statements = vec![grant_owner(&privileges)];
            return Err(Error::NeedsAdministrator { why, statements });
        }
        execute(&transaction, &grant_owner(&privileges)).await?;
    }
    let dependents = transaction.query(DEPENDENTS, &[]).await;
    let dependents = dependents.map_err(Error::doing("looking for what depends on df"))?;
    if !dependents.is_empty() {
        let dependents = dependents.iter().map(|row| row.get(0)).collect();
        return Err(Error::HasDependents(dependents));
    }
    let operator_schema = match found {
        Found::Ours => lock_meta(&transaction, &privileges).await?.operator_schema,
        _ => DEFAULT_OPERATOR_SCHEMA.to_string(),
    };
    // df_owner drops what it owns; operators go with the functions behind them. What it was granted
    // outside the schema is taken back by whoever could have granted it.
    let owner = quote_identifier(OWNER_ROLE);
    let drop = format!("set local role {owner}; drop schema df cascade; reset role");
    execute(&transaction, &drop).await?;
    let privileges = Privileges::read(&transaction, &operator_schema).await?;
    if privileges.may_grant_operator_schema {
        let operators = quote_identifier(&operator_schema);
        execute(
            &transaction,
            &format!("revoke all on schema {operators} from {owner}"),
        )
        .await?;
    }
    if privileges.may_grant_connect {
        let (database, relay) = (quote_identifier(&privileges.database), RELAY_ROLE);
        execute(
            &transaction,
            &format!("revoke all on database {database} from {relay}"),
        )
        .await?;
    }
    let report = drop_roles(&transaction).await?;
    transaction
        .commit()
        .await
        .map_err(Error::doing("committing"))?;
    Ok(report)
}

fn grant_owner(privileges: &Privileges) -> String {
    let (owner, user) = (
        quote_identifier(OWNER_ROLE),
        quote_identifier(&privileges.user),
    );
    format!(
        "grant {owner} to {user}{};",
        privileges.membership_options()
    )
}

async fn drop_roles(transaction: &Transaction<'_>) -> Result<UninstallReport, Error> {
    let rows = transaction.query(STEP_LOGINS, &[]).await;
    let rows = rows.map_err(Error::doing("listing the step logins"))?;
    let mut roles: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    roles.extend([RELAY_ROLE, ADMIN_ROLE, OWNER_ROLE].map(String::from));
    let mut report = UninstallReport {
        dropped_roles: Vec::new(),
        kept_roles: Vec::new(),
    };
    for role in roles {
        match drop_role(transaction, &role).await? {
            None => report.dropped_roles.push(role),
            Some(reason) => report.kept_roles.push((role, reason)),
        }
    }
    Ok(report)
}

/// Drops a role in a savepoint; the reason when it has to stay.
async fn drop_role(transaction: &Transaction<'_>, role: &str) -> Result<Option<String>, Error> {
    execute(transaction, "savepoint drop_role").await?;
    let dropped = transaction
        .batch_execute(&format!("drop role {}", quote_identifier(role)))
        .await;
    let Err(error) = dropped else { return Ok(None) };
    let expected = [
        SqlState::DEPENDENT_OBJECTS_STILL_EXIST,
        SqlState::INSUFFICIENT_PRIVILEGE,
        SqlState::UNDEFINED_OBJECT,
    ];
    match error.as_db_error() {
        Some(db) if expected.contains(db.code()) => {
            let reason = db.detail().unwrap_or(db.message()).replace('\n', "; ");
            execute(transaction, "rollback to savepoint drop_role").await?;
            Ok(Some(reason))
        }
        _ => Err(Error::doing(format!("dropping the role {role}"))(error)),
    }
}

async fn execute(transaction: &Transaction<'_>, sql: &str) -> Result<(), Error> {
    transaction
        .batch_execute(sql)
        .await
        .map_err(Error::doing("uninstalling"))
}
