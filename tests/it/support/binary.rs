//! Where the `df-relay` binary is. `cargo test --workspace` has just built it; a run of this package
//! alone may find it missing or older than the sources, and builds it once.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

static BINARY: OnceLock<PathBuf> = OnceLock::new();

/// The binary; DF_RELAY_BINARY names another one than this workspace's.
pub fn df_relay() -> &'static Path {
    BINARY.get_or_init(|| match env::var_os("DF_RELAY_BINARY") {
        Some(path) => PathBuf::from(path),
        None => built(),
    })
}

fn built() -> PathBuf {
    let this = env::current_exe().expect("a test binary has a path");
    let profile = this
        .ancestors()
        .nth(2)
        .expect("<target>/<profile>/deps/<test>")
        .to_path_buf();
    let binary = profile.join("df-relay");
    let modified = |path: &Path| fs::metadata(path).and_then(|meta| meta.modified()).ok();
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let sources = ["crates", "sql", "Cargo.lock"].map(|name| newest(&workspace.join(name)));
    if modified(&binary) >= sources.into_iter().max().flatten() {
        return binary;
    }
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args([
        "build",
        "--package",
        "df-cli",
        "--bin",
        "df-relay",
        "--features",
        "failpoints,otel",
        "--target-dir",
    ]);
    build.arg(
        profile
            .parent()
            .expect("a profile is below the target folder"),
    );
    if profile.ends_with("release") {
        build.arg("--release");
    }
    let status = build.current_dir(&workspace).status().expect("cargo runs");
    assert!(status.success(), "the df-relay binary does not build");
    binary
}

/// When anything at or below a path was last changed.
fn newest(path: &Path) -> Option<SystemTime> {
    let meta = fs::metadata(path).ok()?;
    if !meta.is_dir() {
        return meta.modified().ok();
    }
    let entries = fs::read_dir(path).ok()?;
    entries
        .flatten()
        .filter_map(|entry| newest(&entry.path()))
        .max()
}
