//! The account the server runs under. `initdb` and `postgres` refuse to run as root, so a root
//! caller lends them `postgres` or `nobody`; everybody else runs them as themselves.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use nix::unistd::{Uid, User};

use crate::Error;

/// Whether this process runs as root, and so lends its server to another account.
pub fn is_root() -> bool {
    Uid::effective().is_root()
}

#[derive(Debug, Clone)]
pub(crate) struct Account {
    /// The account to change to; `None` means the caller's own.
    lent: Option<User>,
}

impl Account {
    pub(crate) fn choose() -> Result<Account, Error> {
        if !is_root() {
            return Ok(Account { lent: None });
        }
        let lent = ["postgres", "nobody"]
            .iter()
            .find_map(|name| User::from_name(name).ok().flatten())
            .ok_or(Error::NoUnprivilegedAccount)?;
        Ok(Account { lent: Some(lent) })
    }

    /// A command that runs under this account, in a process group of its own: a Ctrl-C in the
    /// terminal must reach us first, so that the relay stops before its database does.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .process_group(0)
            .env_remove("PGDATA")
            .env("LC_ALL", "C")
            .current_dir("/");
        if let Some(user) = &self.lent {
            command
                .uid(user.uid.as_raw())
                .gid(user.gid.as_raw())
                .env("HOME", "/");
        }
        command
    }

    /// Makes a folder that only this account (and root) may enter.
    pub(crate) fn make_private_folder(&self, folder: &Path) -> Result<(), Error> {
        fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        self.own(folder)?;
        let private = fs::Permissions::from_mode(0o700);
        fs::set_permissions(folder, private).map_err(Error::io("set the mode of", folder))
    }

    pub(crate) fn own(&self, path: &Path) -> Result<(), Error> {
        let Some(user) = &self.lent else {
            return Ok(());
        };
        chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw()))
            .map_err(Error::io("change the owner of", path))
    }

    /// Checks that every folder above `wanted` lets this account through.
    pub(crate) fn check_reachable(&self, wanted: &Path) -> Result<(), Error> {
        let Some(user) = &self.lent else {
            return Ok(());
        };
        for folder in wanted.ancestors().skip(1).filter(|f| f.is_dir()) {
            let meta = fs::metadata(folder).map_err(Error::io("read", folder))?;
            let needed = if meta.uid() == user.uid.as_raw() {
                0o100
            } else if meta.gid() == user.gid.as_raw() {
                0o010
            } else {
                0o001
            };
            if meta.mode() & needed == 0 {
                return Err(Error::Unreachable {
                    account: user.name.clone(),
                    blocked: folder.to_path_buf(),
                    wanted: wanted.to_path_buf(),
                });
            }
        }
        Ok(())
    }
}
