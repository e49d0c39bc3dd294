//! docs/guide/cookbook.md, run from its own SQL blocks: each section must print what it says.

use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use crate::support::{Server, TestDb, Web};

/// One section: its heading, its SQL and what that must print.
struct Recipe {
    heading: String,
    sql: String,
    output: String,
}

fn recipes() -> Vec<Recipe> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide/cookbook.md");
    let page = std::fs::read_to_string(page).unwrap();
    let mut recipes: Vec<Recipe> = Vec::new();
    let mut fence = "";
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            recipes.push(Recipe {
                heading: heading.to_owned(),
                sql: String::new(),
                output: String::new(),
            });
        } else if let Some(opened) = line.strip_prefix("```") {
            fence = if opened.is_empty() { "" } else { opened };
        } else if let Some(recipe) = recipes.last_mut() {
            let part = match fence {
                "sql" => &mut recipe.sql,
                "text" => &mut recipe.output,
                _ => continue,
            };
            part.push_str(line);
            part.push('\n');
        }
    }
    recipes
}

async fn run(recipe: &Recipe, url: &str) -> String {
    let mut psql = Command::new(Server::shared().cluster().binaries().psql());
    psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"]);
    psql.args(["--set", "ON_ERROR_STOP=1", "--dbname", url]);
    psql.stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut psql = psql.spawn().unwrap();
    let mut stdin = psql.stdin.take().unwrap();
    let sql = recipe.sql.clone();
    tokio::io::AsyncWriteExt::write_all(&mut stdin, sql.as_bytes())
        .await
        .unwrap();
    drop(stdin);
    let output = psql.wait_with_output().await.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", recipe.heading);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_recipe_prints_what_it_says() {
    let web = Web::start();
    let recipes = recipes();
    assert_eq!(recipes.len(), 10);
    for mut recipe in recipes {
        let db = TestDb::new().await;
        let private = "select df.configure('http_allow_private', 'true')";
        db.client.batch_execute(private).await.unwrap();
        let alice = db.role("alice").await;
        let _relay = db.start_relay();
        let api = web.url("");
        recipe.sql = recipe.sql.replace("https://api.example.com", &api);
        let output = run(&recipe, alice.url()).await;
        assert_eq!(output, recipe.output, "{}", recipe.heading);
    }
}
