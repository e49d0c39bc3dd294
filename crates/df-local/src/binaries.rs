//! Finding the server's binaries: an explicit folder, PATH, pg_config, then the usual folders.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Error;

/// Folders that hold one sub-folder per version, as `<root>/<version>/<tail>`.
const VERSIONED_ROOTS: [(&str, &str); 4] = [
    ("/usr/lib/postgresql", "bin"),
    ("/usr", "bin"),
    ("/Library/PostgreSQL", "bin"),
    ("/Applications/Postgres.app/Contents/Versions", "bin"),
];

/// Folders whose children named `postgresql*` or `pgsql-*` are installations.
const PREFIXED_ROOTS: [&str; 4] = ["/opt/homebrew/opt", "/usr/local/opt", "/usr/local", "/opt"];

const PLAIN_FOLDERS: [&str; 5] = [
    "/usr/local/pgsql/bin",
    "/usr/local/bin",
    "/opt/homebrew/bin",
    "/usr/libexec/postgresql",
    "/usr/pgsql/bin",
];

/// A folder that holds at least `initdb` and `postgres`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    folder: PathBuf,
}

impl Binaries {
    /// Searches; `explicit` is the only candidate when it is given. Newer versions are preferred.
    pub fn find(explicit: Option<&Path>) -> Result<Binaries, Error> {
        let candidates = match explicit {
            Some(folder) => vec![folder.to_path_buf()],
            None => candidates(),
        };
        Self::first_complete(candidates)
    }

    /// The first folder that holds a server; the error lists where it looked.
    fn first_complete(candidates: Vec<PathBuf>) -> Result<Binaries, Error> {
        match candidates.iter().find(|folder| is_complete(folder)) {
            Some(folder) => Ok(Binaries {
                folder: folder.clone(),
            }),
            None => {
                let names: Vec<_> = candidates.iter().map(|f| f.display().to_string()).collect();
                Err(Error::NoBinaries {
                    looked_in: names.join(", "),
                })
            }
        }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// `psql` beside the server, else whatever PATH has under that name.
    pub fn psql(&self) -> PathBuf {
        let beside = self.program("psql");
        if beside.exists() {
            beside
        } else {
            PathBuf::from("psql")
        }
    }
}

fn is_complete(folder: &Path) -> bool {
    ["initdb", "postgres"]
        .iter()
        .all(|name| folder.join(name).is_file())
}

fn candidates() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    if let Some(path) = env::var_os("PATH") {
        found.extend(env::split_paths(&path));
    }
    found.extend(pg_config_bindir());
    found.extend(
        VERSIONED_ROOTS
            .iter()
            .flat_map(|(root, tail)| children(root, "", tail)),
    );
    for root in PREFIXED_ROOTS {
        found.extend(children(root, "postgresql", "bin"));
        found.extend(children(root, "pgsql-", "bin"));
    }
    found.extend(PLAIN_FOLDERS.iter().map(PathBuf::from));
    let mut seen = std::collections::HashSet::new();
    found.retain(|folder| folder.is_dir() && seen.insert(folder.clone()));
    found
}

fn pg_config_bindir() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let folder = String::from_utf8(output.stdout).ok()?;
    (!folder.trim().is_empty()).then(|| PathBuf::from(folder.trim()))
}

/// `<root>/<prefix>…/<tail>` for every child, the highest version first.
fn children(root: &str, prefix: &str, tail: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(root) else {
        return Vec::new();
    };
    let mut named: Vec<(u32, PathBuf)> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| {
            (
                version_in(&entry.file_name().to_string_lossy()),
                entry.path().join(tail),
            )
        })
        .collect();
    named.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    named.into_iter().map(|(_, folder)| folder).collect()
}

/// The first number in a folder's name: 16 in `postgresql@16`; 0 when there is none.
fn version_in(name: &str) -> u32 {
    let digits = name.chars().skip_while(|c| !c.is_ascii_digit());
    digits
        .take_while(char::is_ascii_digit)
        .collect::<String>()
        .parse()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_server_names_what_to_install() {
        let error = Binaries::find(Some(Path::new("/nonexistent")))
            .unwrap_err()
            .to_string();
        assert!(error.contains("/nonexistent"), "{error}");
        assert!(error.contains("apt-get install postgresql"), "{error}");
        assert!(error.contains("brew install postgresql"), "{error}");
    }

    #[test]
    fn versions_are_read_from_folder_names() {
        for (name, version) in [
            ("15", 15),
            ("postgresql@16", 16),
            ("pgsql-14", 14),
            ("bin", 0),
        ] {
            assert_eq!(version_in(name), version, "{name}");
        }
    }
}
