//! `df-relay dev`, as a newcomer runs it.

use df_postgres::ConnectOptions;

use crate::support::{Process, spawn};

/// A folder that the account which is lent the server can pass through.
fn data_dir() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::Builder::new()
        .prefix("df-dev-")
        .tempdir_in("/tmp")
        .unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
    folder
}

/// Starts it and returns the connection string that it prints.
fn start(folder: &tempfile::TempDir) -> (Process, String) {
    let data_dir = folder.path().join("data").display().to_string();
    let dev = spawn(&["dev", "--data-dir", &data_dir], &[]);
    let line = dev.wait_for_stdout("ready ");
    let url = line
        .strip_prefix("ready ")
        .expect("the line begins with ready")
        .to_string();
    (dev, url)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dev_prints_a_granted_role_and_keeps_its_data() {
    let folder = data_dir();
    let (mut dev, url) = start(&folder);
    let client = ConnectOptions::parse(&url)
        .unwrap()
        .connect()
        .await
        .unwrap();
    let superuser = "select rolsuper from pg_roles where rolname = current_user";
    assert!(
        !client
            .query_one(superuser, &[])
            .await
            .unwrap()
            .get::<_, bool>(0)
    );
    client
        .batch_execute("create table kept (n int)")
        .await
        .unwrap();
    client
        .query_one("select df.start('select 1')", &[])
        .await
        .unwrap();
    assert_eq!(dev.stop(), 0, "{}", dev.log());
    assert_eq!(dev.stdout().len(), 1, "{:?}", dev.stdout());
    assert!(
        ConnectOptions::parse(&url)
            .unwrap()
            .connect()
            .await
            .is_err()
    );

    let (mut again, same_url) = start(&folder);
    assert_eq!(same_url, url);
    let client = ConnectOptions::parse(&url)
        .unwrap()
        .connect()
        .await
        .unwrap();
    assert!(
        client
            .query_one("select count(*) from kept", &[])
            .await
            .is_ok()
    );
    assert_eq!(again.stop(), 0, "{}", again.log());
}

#[test]
fn a_second_dev_on_the_same_folder_says_so() {
    let folder = data_dir();
    let (_first, _url) = start(&folder);
    let data_dir = folder.path().join("data").display().to_string();
    let mut second = spawn(&["dev", "--data-dir", &data_dir], &[]);
    assert!(!second.wait().success());
    assert!(
        second.log().contains("in use by another process"),
        "{}",
        second.log()
    );
}
