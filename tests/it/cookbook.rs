//! docs/guide, run from its own SQL blocks: each section of the cookbook must print what it says, and
//! every statement of the other pages must be accepted.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use crate::support::{Server, TestDb, Web};

/// One section: its heading, its SQL and what that must print.
struct Recipe {
    heading: String,
    sql: String,
    output: String,
}

fn guide() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide")
}

/// The sections of a page.
fn recipes(page: &Path) -> Vec<Recipe> {
    let page = std::fs::read_to_string(page).unwrap();
    let mut recipes: Vec<Recipe> = Vec::new();
    let mut fence = "";
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("# ").or(line.strip_prefix("## ")) {
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

/// A page whose sections go on from one another, as one.
fn whole(page: &str) -> Recipe {
    let sections = recipes(&guide().join(page));
    let all = |part: fn(&Recipe) -> &str| sections.iter().map(part).collect();
    Recipe {
        heading: page.to_owned(),
        sql: all(|section| &section.sql),
        output: all(|section| &section.output),
    }
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
    let mut recipes = recipes(&guide().join("cookbook.md"));
    recipes.retain(|recipe| !recipe.sql.is_empty());
    assert_eq!(recipes.len(), 11);
    recipes.push(whole("quick-start.md"));
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_statement_of_the_guide_is_accepted() {
    let db = TestDb::new().await;
    let alice = db.role("alice").await;
    let mut pages = 0;
    for entry in std::fs::read_dir(guide()).unwrap() {
        let page = entry.unwrap().path();
        if page.ends_with("cookbook.md") || page.ends_with("quick-start.md") {
            continue;
        }
        for recipe in recipes(&page) {
            run(&recipe, alice.url()).await;
            pages += usize::from(!recipe.sql.is_empty());
        }
    }
    assert!(pages >= 13, "{pages} pages with SQL");
}
