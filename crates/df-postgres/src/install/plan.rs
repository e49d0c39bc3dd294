//! What an install runs, decided from what was read. Pure: nothing here talks to a server.

use std::collections::BTreeMap;

use tokio_postgres::error::ErrorPosition;

use super::privileges::Privileges;
use crate::schema::{
    Found, KEY_HASH, KEY_INSTALLED_BY, KEY_OPERATOR_SCHEMA, KEY_VERSION, Meta, SchemaFile,
    SchemaFiles, fill_placeholders,
};
use crate::{ADMIN_ROLE, Error, OWNER_ROLE, RELAY_ROLE, quote_identifier, quote_literal};

/// Pins what a role or database might have set otherwise.
pub(super) const SETTINGS: &str = "set local search_path = pg_catalog, pg_temp; \
     set local standard_conforming_strings = on; set local client_min_messages = warning; \
     set local statement_timeout = 0; set local lock_timeout = '60s';";

/// Takes every table of df at once, in one order, before the files touch any of them one by one: an
/// upgrade under load then waits once instead of meeting those at work half-way, in another order.
/// Its waits are shorter than deadlock_timeout, here and for the views that somebody is about to read:
/// so it is us who let go and try again, nobody waits long behind us, and no caller is the victim.
const LOCK_TABLES: &str = "set local lock_timeout = '300ms';
do $$
begin
    execute (select 'lock table ' || string_agg(format('df.%I', c.relname), ', ' order by c.relname)
                    || ' in access exclusive mode'
               from pg_class c where c.relnamespace = 'df'::regnamespace and c.relkind = 'r');
end
$$;";

/// SQL to run, with the name that errors and dry runs give it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) name: String,
    pub(super) sql: String,
    /// Whether "it is there already" means that another session was faster.
    pub(super) may_be_raced: bool,
}

impl Statement {
    fn raced(name: &str, sql: String) -> Statement {
        Statement {
            name: name.to_string(),
            sql,
            may_be_raced: true,
        }
    }

    /// The name, with the line of a syntax error where the server gives its position.
    pub(super) fn place_of(&self, error: &tokio_postgres::Error) -> String {
        match error.as_db_error().and_then(|db| db.position()) {
            Some(ErrorPosition::Original(position)) => {
                let before = self.sql.chars().take(*position as usize);
                let line = 1 + before.filter(|c| *c == '\n').count();
                format!("{} line {line}", self.name)
            }
            _ => self.name.clone(),
        }
    }
}

/// What the files have to do to the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Fresh,
    Upgrade { from: u32 },
    Functions,
}

/// The roles that are missing, and the installer's way into df_owner.
pub(super) fn roles(privileges: &Privileges) -> Result<Vec<Statement>, Error> {
    let wanted = [
        (OWNER_ROLE, "nologin", privileges.owner_role_exists),
        (RELAY_ROLE, "login", privileges.relay_role_exists),
        (ADMIN_ROLE, "nologin", privileges.admin_role_exists),
    ];
    let mut statements = Vec::new();
    for (role, login, _) in wanted.iter().filter(|(_, _, exists)| !exists) {
        let sql = format!("create role {} {login};", quote_identifier(role));
        statements.push(Statement::raced(&format!("role {role}"), sql));
    }
    let may_create = privileges.superuser || privileges.create_role;
    let lacks_role = !statements.is_empty();
    let lacks_owner =
        !privileges.may_set_owner || (!privileges.inherits_owner && privileges.may_grant_owner);
    if !privileges.superuser && lacks_owner {
        let (options, user) = (privileges.membership_options(), &privileges.user);
        let grant = format!(
            "grant {} to {}{options};",
            quote_identifier(OWNER_ROLE),
            quote_identifier(user)
        );
        statements.push(Statement::raced(
            &format!("membership in {OWNER_ROLE}"),
            grant,
        ));
        let may_grant = privileges.may_grant_owner || (!privileges.owner_role_exists && may_create);
        if !may_grant {
            let why = format!("\"{user}\" may not act as {OWNER_ROLE}, which owns the schema");
            return Err(needs_administrator(why, &statements));
        }
    }
    if lacks_role && !may_create {
        let why = format!("\"{}\" may not create roles", privileges.user);
        return Err(needs_administrator(why, &statements));
    }
    Ok(statements)
}

/// The schema itself, where it is missing.
pub(super) fn schema(privileges: &Privileges, found: &Found) -> Result<Vec<Statement>, Error> {
    if *found != Found::Absent {
        return Ok(Vec::new());
    }
    let create = format!(
        "create schema df authorization {};",
        quote_identifier(OWNER_ROLE)
    );
    let create = Statement::raced("schema df", create);
    if privileges.may_create_schema {
        return Ok(vec![create]);
    }
    let why = format!(
        "\"{}\" may not create a schema in this database",
        privileges.user
    );
    Err(needs_administrator(why, &[create]))
}

/// What the roles need outside the schema: to connect, and to keep operators in their schema.
pub(super) fn grants(
    privileges: &Privileges,
    operator_schema: &str,
) -> Result<Vec<Statement>, Error> {
    let mut statements = Vec::new();
    let operators = quote_identifier(operator_schema);
    if !privileges.operator_schema_exists {
        let create =
            format!("create schema {operators}; grant usage on schema {operators} to public;");
        let why =
            format!("the schema \"{operator_schema}\", chosen for the operators, does not exist");
        return Err(needs_administrator(
            why,
            &[Statement::raced("operators", create)],
        ));
    }
    if !privileges.owner_may_create_operators {
        let grant = format!(
            "grant usage, create on schema {operators} to {};",
            quote_identifier(OWNER_ROLE)
        );
        let grant = Statement::raced("the operators' schema", grant);
        if !privileges.may_grant_operator_schema {
            let why =
                format!("the schema \"{operator_schema}\" takes no operators of {OWNER_ROLE}");
            return Err(needs_administrator(why, &[grant]));
        }
        statements.push(grant);
    }
    if !privileges.relay_may_connect && privileges.may_grant_connect {
        let grant = privileges.grant_connect();
        statements.push(Statement::raced("the relay's right to connect", grant));
    }
    Ok(statements)
}

/// How far the installed schema is from the files; `None` when it is not. Where the relay has lost its
/// grants the functions run once more: the grants are among them.
pub(super) fn change(
    meta: Option<&Meta>,
    files: &SchemaFiles,
    privileges: &Privileges,
) -> Result<Option<Change>, Error> {
    let Some(meta) = meta else {
        return Ok(Some(Change::Fresh));
    };
    let same_content = meta.content_hash == files.content_hash();
    let known = files.version();
    if meta.version > known || (!same_content && meta.installed_by_newer_binary()) {
        let (found, installed_by) = (meta.version, meta.installed_by.clone());
        return Err(Error::NewerSchema {
            found,
            known,
            installed_by,
        });
    }
    Ok(match (meta.version == known, same_content) {
        (false, _) => Some(Change::Upgrade { from: meta.version }),
        (true, false) => Some(Change::Functions),
        (true, true) if !privileges.relay_may_work => Some(Change::Functions),
        (true, true) => None,
    })
}

/// The files that a change runs, as df_owner, and the note of it in df.meta.
pub(super) fn files(
    change: Option<&Change>,
    files: &SchemaFiles,
    operator_schema: &str,
) -> Result<Vec<Statement>, Error> {
    let migrations = files.migrations.iter();
    let mut chosen: Vec<&SchemaFile> = match change {
        None => return Ok(Vec::new()),
        Some(Change::Fresh) => files.tables.iter().collect(),
        Some(Change::Functions) => Vec::new(),
        Some(Change::Upgrade { from }) => migrations
            .filter(|(version, _)| version > from)
            .map(|(_, file)| file)
            .collect(),
    };
    chosen.extend(&files.functions);
    let as_owner = format!("set local role {};", quote_identifier(OWNER_ROLE));
    let mut statements = vec![Statement {
        name: format!("as {OWNER_ROLE}"),
        sql: as_owner,
        may_be_raced: false,
    }];
    if !matches!(change, Some(Change::Fresh)) {
        statements.push(Statement {
            name: "locking the tables of df".to_string(),
            sql: LOCK_TABLES.to_string(),
            may_be_raced: false,
        });
    }
    for file in chosen {
        let sql = fill_placeholders(file, operator_schema)?;
        statements.push(Statement {
            name: file.name.clone(),
            sql,
            may_be_raced: false,
        });
    }
    let facts = BTreeMap::from([
        (KEY_VERSION, files.version().to_string()),
        (KEY_HASH, files.content_hash()),
        (KEY_INSTALLED_BY, env!("CARGO_PKG_VERSION").to_string()),
        (KEY_OPERATOR_SCHEMA, operator_schema.to_string()),
    ]);
    let facts: Vec<String> = facts
        .iter()
        .map(|(key, value)| format!("({}, {})", quote_literal(key), quote_literal(value)))
        .collect();
    let sql = format!(
        "insert into df.meta (key, value) values {} \
         on conflict (key) do update set value = excluded.value;\nreset role;",
        facts.join(", ")
    );
    statements.push(Statement {
        name: "df.meta".to_string(),
        sql,
        may_be_raced: false,
    });
    Ok(statements)
}

fn needs_administrator(why: String, statements: &[Statement]) -> Error {
    let statements = statements
        .iter()
        .map(|statement| statement.sql.clone())
        .collect();
    Error::NeedsAdministrator { why, statements }
}
