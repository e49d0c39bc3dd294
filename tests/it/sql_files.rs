//! Runs `sql/tests/**/*.sql`, each in a database of its own, after `_support.sql` in the same session.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use tokio::process::Command;
use tokio::sync::Semaphore;

use crate::support::{Server, TestDb, sql_folder};

const AT_ONCE: usize = 4;
/// Fewer than there are: none found is no success.
const LEAST_FILES: usize = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_sql_test_passes() {
    let mut files = Vec::new();
    collect(&sql_folder().join("tests"), &mut files);
    files.sort();
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut runs = tokio::task::JoinSet::new();
    for file in files {
        let places = Arc::clone(&places);
        runs.spawn(async move {
            let _place = places.acquire().await.unwrap();
            run(&file).await.err()
        });
    }
    let count = runs.len();
    assert!(count >= LEAST_FILES, "only {count} SQL tests were found");
    let failures: Vec<String> = runs.join_all().await.into_iter().flatten().collect();
    println!("{count} SQL tests, {} failed", failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// Test files; names that begin with `_` are support.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() {
            collect(&path, files);
        } else if name.ends_with(".sql") && !name.starts_with('_') {
            files.push(path);
        }
    }
}

async fn run(file: &Path) -> Result<(), String> {
    let db = TestDb::new().await;
    let support = sql_folder().join("tests/_support.sql");
    let mut psql = Command::new(Server::shared().cluster().binaries().psql());
    psql.args([
        "--no-psqlrc",
        "--quiet",
        "--set",
        "ON_ERROR_STOP=1",
        "--output",
        "/dev/null",
    ]);
    psql.arg("--dbname").arg(db.superuser_url());
    if support.exists() {
        psql.arg("--file").arg(support);
    }
    let output = psql
        .arg("--file")
        .arg(file)
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "{}:\n{}",
        file.display(),
        String::from_utf8_lossy(&output.stderr).trim()
    ))
}
