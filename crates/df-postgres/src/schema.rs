//! The schema's files, and which version of them a database holds.
//!
//! `tables/` runs on a fresh install, `migrations/NNNN_name.sql` on an upgrade, `functions/` both
//! times and whenever the content differs. The version is the number of the last migration.

use std::collections::BTreeMap;
use std::path::Path;

use include_dir::{Dir, include_dir};
use sha2::{Digest, Sha256};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::{ADMIN_ROLE, Error, OWNER_ROLE, RELAY_ROLE, quote_identifier};

static EMBEDDED: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../sql");

/// The version of the first release; migrations count on from 0002.
const FIRST_VERSION: u32 = 1;

pub(crate) const KEY_VERSION: &str = "schema_version";
pub(crate) const KEY_HASH: &str = "content_hash";
pub(crate) const KEY_INSTALLED_BY: &str = "installed_by_version";
pub(crate) const KEY_OPERATOR_SCHEMA: &str = "operator_schema";

/// One file: its name from `sql/` on (`tables/00_schema.sql`) and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaFile {
    pub name: String,
    pub text: String,
}

/// All files of one version of the schema, each group in the order of its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaFiles {
    pub tables: Vec<SchemaFile>,
    /// With the version that each one leads to.
    pub migrations: Vec<(u32, SchemaFile)>,
    pub functions: Vec<SchemaFile>,
}

impl SchemaFiles {
    /// The files that this binary was built with.
    pub fn embedded() -> Result<SchemaFiles, Error> {
        let mut named = Vec::new();
        for folder in EMBEDDED.dirs() {
            for file in folder.files() {
                let name = file.path().display().to_string();
                let text = file.contents_utf8();
                named.push((name, text.unwrap_or_default().to_string()));
            }
        }
        Self::from_named(named)
    }

    /// The files below a folder laid out like `sql/`.
    pub fn read(folder: &Path) -> Result<SchemaFiles, Error> {
        let unreadable = |error: std::io::Error| Error::SchemaFiles(error.to_string());
        let mut named = Vec::new();
        for group in ["tables", "migrations", "functions"] {
            let Ok(entries) = std::fs::read_dir(folder.join(group)) else {
                continue;
            };
            for entry in entries {
                let path = entry.map_err(unreadable)?.path();
                let file_name = path.file_name().unwrap_or_default().to_string_lossy();
                let text = std::fs::read_to_string(&path).map_err(unreadable)?;
                named.push((format!("{group}/{file_name}"), text));
            }
        }
        Self::from_named(named)
    }

    /// Sorts files into their groups; whatever is neither in a group nor `*.sql` is left out.
    pub fn from_named(mut named: Vec<(String, String)>) -> Result<SchemaFiles, Error> {
        named.sort();
        let mut files = SchemaFiles {
            tables: Vec::new(),
            migrations: Vec::new(),
            functions: Vec::new(),
        };
        for (name, text) in named.into_iter().filter(|(name, _)| name.ends_with(".sql")) {
            let Some((group, file_name)) = name.split_once('/') else {
                continue;
            };
            match group {
                "tables" => files.tables.push(SchemaFile { name, text }),
                "functions" => files.functions.push(SchemaFile { name, text }),
                "migrations" => {
                    let number = file_name.split('_').next().and_then(|n| n.parse().ok());
                    let number = number.filter(|number| *number > FIRST_VERSION);
                    let number = number.ok_or_else(|| misnamed(&name))?;
                    files.migrations.push((number, SchemaFile { name, text }));
                }
                _ => {}
            }
        }
        if let Some(twice) = files
            .migrations
            .windows(2)
            .find(|pair| pair[0].0 >= pair[1].0)
        {
            return Err(misnamed(&twice[1].1.name));
        }
        Ok(files)
    }

    pub fn version(&self) -> u32 {
        self.migrations
            .last()
            .map_or(FIRST_VERSION, |(number, _)| *number)
    }

    /// SHA-256 over every file's name and text and this binary's version, in hex.
    pub fn content_hash(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(env!("CARGO_PKG_VERSION"));
        let migrations = self.migrations.iter().map(|(_, file)| file);
        for file in self.tables.iter().chain(migrations).chain(&self.functions) {
            for part in [&file.name, &file.text] {
                hash.update((part.len() as u64).to_be_bytes());
                hash.update(part);
            }
        }
        hash.finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

fn misnamed(name: &str) -> Error {
    Error::SchemaFiles(format!(
        "{name}: migrations are named NNNN_name.sql with a number of their own from 0002 on"
    ))
}

/// Replaces `@operator_schema@`, `@owner_role@`, `@relay_role@` and `@admin_role@` by quoted
/// identifiers and `@version@` by this binary's version, bare. Any other `@word@` is an error.
pub(crate) fn fill_placeholders(file: &SchemaFile, operator_schema: &str) -> Result<String, Error> {
    let filled = [
        ("@operator_schema@", quote_identifier(operator_schema)),
        ("@owner_role@", quote_identifier(OWNER_ROLE)),
        ("@relay_role@", quote_identifier(RELAY_ROLE)),
        ("@admin_role@", quote_identifier(ADMIN_ROLE)),
        ("@version@", env!("CARGO_PKG_VERSION").to_string()),
    ]
    .iter()
    .fold(file.text.clone(), |text, (placeholder, value)| {
        text.replace(placeholder, value)
    });
    match unknown_placeholder(&filled) {
        Some(word) => Err(Error::SchemaFiles(format!(
            "{}: unknown placeholder @{word}@",
            file.name
        ))),
        None => Ok(filled),
    }
}

fn unknown_placeholder(text: &str) -> Option<&str> {
    let is_word = |part: &&str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    let parts: Vec<&str> = text.split('@').collect();
    let inner = parts
        .get(1..parts.len().saturating_sub(1))
        .unwrap_or_default();
    inner.iter().find(|part| is_word(part)).copied()
}

/// What a database holds under the name `df`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Installed {
    Missing,
    /// A schema `df` of somebody else, with what is known about it.
    Foreign {
        whose: String,
    },
    Ours(Meta),
}

/// What df.meta says about an installation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Meta {
    pub version: u32,
    pub content_hash: String,
    pub installed_by: String,
    pub operator_schema: String,
}

/// How an installed schema suits this binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    Same,
    /// The same tables with other functions: a newer release with the same schema version, or an
    /// unreleased build.
    OtherFunctions,
    Older,
    Newer,
}

impl Meta {
    pub(crate) fn from_rows(rows: &BTreeMap<String, String>) -> Option<Meta> {
        let get = |key: &str| rows.get(key).cloned();
        Some(Meta {
            version: get(KEY_VERSION)?.parse().ok()?,
            content_hash: get(KEY_HASH).unwrap_or_default(),
            installed_by: get(KEY_INSTALLED_BY).unwrap_or_else(|| "(unknown)".to_string()),
            operator_schema: get(KEY_OPERATOR_SCHEMA).unwrap_or_else(|| "public".to_string()),
        })
    }

    /// Compares with the files of this binary. Functions older than this binary make the schema
    /// older, functions newer than it do not: an upgrade runs while older relays still do.
    pub fn fit(&self, files: &SchemaFiles) -> Fit {
        use std::cmp::Ordering::{Equal, Greater, Less};
        match self.version.cmp(&files.version()) {
            Greater => Fit::Newer,
            Less => Fit::Older,
            Equal if self.content_hash == files.content_hash() => Fit::Same,
            Equal if self.installed_by_older_binary() => Fit::Older,
            Equal => Fit::OtherFunctions,
        }
    }

    fn installed_by_older_binary(&self) -> bool {
        compare_versions(&self.installed_by) == Some(std::cmp::Ordering::Less)
    }

    pub(crate) fn installed_by_newer_binary(&self) -> bool {
        compare_versions(&self.installed_by) == Some(std::cmp::Ordering::Greater)
    }
}

/// Another release's version against this one's.
fn compare_versions(other: &str) -> Option<std::cmp::Ordering> {
    let other = semver::Version::parse(other).ok()?;
    let own = semver::Version::parse(env!("CARGO_PKG_VERSION")).ok()?;
    Some(other.cmp(&own))
}

const INSPECT: &str = "
    select pg_get_userbyid(n.nspowner) as owner,
           exists (select from pg_class c where c.relnamespace = n.oid and c.relname = 'meta'
                   and c.relkind = 'r' and pg_get_userbyid(c.relowner) = $1) as has_meta,
           exists (select from pg_class c where c.relnamespace = n.oid)
           or exists (select from pg_proc p where p.pronamespace = n.oid)
           or exists (select from pg_type t where t.typnamespace = n.oid) as has_objects,
           exists (select from pg_extension where extname = 'pg_durable') as has_pg_durable
    from pg_namespace n where n.nspname = 'df'";

/// What `df` is, as far as the catalogs tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    Absent,
    /// Made ahead for us by an administrator.
    EmptyOfOwner,
    Ours,
    Foreign {
        whose: String,
    },
}

pub(crate) async fn look<C: tokio_postgres::GenericClient>(client: &C) -> Result<Found, Error> {
    // Unnamed, since a transaction pooler may be in between.
    let rows = client
        .query_typed(INSPECT, &[(&OWNER_ROLE, Type::TEXT)])
        .await;
    let rows = rows.map_err(Error::doing("looking for the schema df"))?;
    let Some(row) = rows.first() else {
        return Ok(Found::Absent);
    };
    let owner: String = row.get("owner");
    if owner == OWNER_ROLE && row.get("has_meta") {
        return Ok(Found::Ours);
    }
    if owner == OWNER_ROLE && !row.get::<_, bool>("has_objects") {
        return Ok(Found::EmptyOfOwner);
    }
    let mut whose = format!("it is owned by \"{owner}\"");
    if row.get("has_pg_durable") {
        whose.push_str(" and the extension pg_durable is installed");
    }
    Ok(Found::Foreign { whose })
}

pub(crate) async fn read_meta<C: tokio_postgres::GenericClient>(
    client: &C,
) -> Result<Option<Meta>, Error> {
    let rows = client
        .query_typed("select key, value from df.meta", &[])
        .await;
    let rows = rows.map_err(Error::doing("reading df.meta"))?;
    Ok(Meta::from_rows(
        &rows.iter().map(|row| (row.get(0), row.get(1))).collect(),
    ))
}

/// What the connection's database holds. Needs SELECT on df.meta, as df_relay has it.
pub async fn inspect(client: &Client) -> Result<Installed, Error> {
    Ok(match look(client).await? {
        Found::Absent | Found::EmptyOfOwner => Installed::Missing,
        Found::Foreign { whose } => Installed::Foreign { whose },
        Found::Ours => match read_meta(client).await? {
            Some(meta) => Installed::Ours(meta),
            None => Installed::Foreign {
                whose: "its df.meta names no version".to_string(),
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(names: &[&str]) -> Result<SchemaFiles, Error> {
        let named = names
            .iter()
            .map(|name| (name.to_string(), "select 1".to_string()));
        SchemaFiles::from_named(named.collect())
    }

    #[test]
    fn files_are_grouped_and_ordered_by_name() {
        let files = files(&[
            "functions/20_b.sql",
            "tables/10_a.sql",
            "functions/10_a.sql",
            "migrations/0003_c.sql",
            "migrations/0002_b.sql",
            "tests/start/works.sql",
            "README.md",
        ]);
        let files = files.unwrap();
        let names = |group: &[SchemaFile]| -> Vec<String> {
            group.iter().map(|file| file.name.clone()).collect()
        };
        assert_eq!(names(&files.tables), ["tables/10_a.sql"]);
        assert_eq!(
            names(&files.functions),
            ["functions/10_a.sql", "functions/20_b.sql"]
        );
        assert_eq!(files.version(), 3);
    }

    #[test]
    fn misnamed_and_colliding_migrations_are_refused() {
        for names in [
            &["migrations/first.sql"][..],
            &["migrations/0001_first.sql"],
            &["migrations/0002_a.sql", "migrations/0002_b.sql"],
        ] {
            assert!(files(names).is_err(), "{names:?}");
        }
    }

    #[test]
    fn the_embedded_files_have_no_unknown_placeholders() {
        let embedded = SchemaFiles::embedded().unwrap();
        let migrations = embedded.migrations.iter().map(|(_, file)| file);
        for file in embedded
            .tables
            .iter()
            .chain(migrations)
            .chain(&embedded.functions)
        {
            fill_placeholders(file, "public").unwrap();
        }
    }

    /// The lines of the plain literals `'…'` that hold a backslash. A body between dollars is read like
    /// the text around it. After a quote, and after a line break, a literal goes on in its style.
    fn plain_literals_with_a_backslash(text: &str) -> Vec<usize> {
        let (mut lines, mut rest, mut escapes) = (Vec::new(), text, false);
        while let Some(at) = rest.find(['\'', '"', '-']) {
            let (before, token) = rest.split_at(at);
            let is_word = |c: char| c.is_alphanumeric() || c == '_';
            let prefixed = before.ends_with(['e', 'E']) && !before[..at - 1].ends_with(is_word);
            let goes_on = before.trim().is_empty() && (at == 0 || before.contains('\n'));
            escapes = prefixed || (escapes && goes_on);
            let length = match token.as_bytes() {
                [b'-', b'-', ..] => token.find('\n').unwrap_or(token.len()),
                [b'-', ..] => 1,
                [b'"', ..] => 2 + token[1..].find('"').expect("a name that ends"),
                _ => {
                    let mut escaped = false;
                    let ends = |c: char| {
                        let ends = c == '\'' && !escaped;
                        escaped = escapes && c == '\\' && !escaped;
                        ends
                    };
                    2 + token[1..].find(ends).expect("a literal that ends")
                }
            };
            if token.starts_with('\'') && !escapes && token[..length].contains('\\') {
                lines.push(1 + text[..text.len() - token.len()].matches('\n').count());
            }
            rest = &token[length..];
        }
        lines
    }

    /// A function's body is read under its caller's `standard_conforming_strings`.
    #[test]
    fn a_literal_with_a_backslash_says_that_it_escapes() {
        for (text, lines) in [
            (r"select 'a', E'\\', e'\'\\', '\' -- '\", vec![1]),
            (
                "E'\\\\s'\n  '\\\\d''\\\\d' || '\\d'\n '\\d'\n\"\\\"",
                vec![2, 3],
            ),
            ("case 'a'\n  when '\\b' then name'\\d' - 1", vec![2, 2]),
        ] {
            assert_eq!(plain_literals_with_a_backslash(text), lines, "{text}");
        }
        for file in SchemaFiles::embedded().unwrap().functions {
            let lines = plain_literals_with_a_backslash(&file.text);
            assert!(lines.is_empty(), "{} lines {lines:?}", file.name);
        }
    }

    #[test]
    fn placeholders_become_quoted_identifiers() {
        let fill = |text: &str| {
            let file = SchemaFile {
                name: "f.sql".to_string(),
                text: text.to_string(),
            };
            fill_placeholders(&file, "my \"ops\"").map_err(|error| error.to_string())
        };
        assert_eq!(
            fill("@operator_schema@.~>").unwrap(),
            "\"my \"\"ops\"\"\".~>"
        );
        assert_eq!(fill("to @relay_role@;").unwrap(), "to \"df_relay\";");
        assert_eq!(fill("a @> b and c <@ d").unwrap(), "a @> b and c <@ d");
        assert!(
            fill("to @relay_rolle@;")
                .unwrap_err()
                .contains("@relay_rolle@")
        );
    }

    #[test]
    fn fit_follows_version_hash_and_installing_release() {
        let files = files(&["tables/10_a.sql", "migrations/0002_b.sql"]).unwrap();
        for (version, content_hash, installed_by, expected) in [
            (2, files.content_hash(), "9.0.0", Fit::Same),
            (2, "other".to_string(), "9.0.0", Fit::OtherFunctions),
            (
                2,
                "other".to_string(),
                env!("CARGO_PKG_VERSION"),
                Fit::OtherFunctions,
            ),
            (2, "other".to_string(), "0.0.1", Fit::Older),
            (1, files.content_hash(), "0.0.1", Fit::Older),
            (3, files.content_hash(), "9.0.0", Fit::Newer),
        ] {
            let installed_by = installed_by.to_string();
            let meta = Meta {
                version,
                content_hash,
                installed_by,
                ..Meta::default()
            };
            assert_eq!(meta.fit(&files), expected, "{meta:?}");
        }
    }
}
