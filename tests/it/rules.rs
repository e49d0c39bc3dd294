//! What the papers say of tests: the rules of docs/semantics.md are numbered without gaps and every one is
//! cited by a test, and the tests that docs/testing.md names exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every `S<n>` in a text; `S4 to S7` counts for those between as well.
fn cited(text: &str) -> BTreeSet<u32> {
    let words: Vec<&str> = text.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    let number = |word: &str| {
        word.strip_prefix('S')
            .and_then(|digits| digits.parse::<u32>().ok())
    };
    let mut all = BTreeSet::new();
    for (index, word) in words.iter().enumerate() {
        let Some(first) = number(word) else { continue };
        let last = match words.get(index + 1..index + 3) {
            Some(["to", last]) => number(last).unwrap_or(first),
            _ => first,
        };
        all.extend(first..=last);
    }
    all
}

fn read(path: &Path, out: &mut String) {
    if path.is_dir() {
        let entries = fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        entries.for_each(|entry| read(&entry, out));
    } else if path.ends_with("it/rules.rs") {
        // This file names rules without testing any.
    } else if path
        .extension()
        .is_some_and(|kind| kind == "rs" || kind == "sql")
    {
        out.push_str(&fs::read_to_string(path).unwrap());
    }
}

/// The text of every test: integration tests of all packages, and SQL tests.
fn tests() -> String {
    let mut out = String::new();
    read(&root().join("tests/it"), &mut out);
    read(&root().join("sql/tests"), &mut out);
    for krate in fs::read_dir(root().join("crates")).unwrap() {
        let tests = krate.unwrap().path().join("tests");
        if tests.is_dir() {
            read(&tests, &mut out);
        }
    }
    out
}

#[test]
fn every_rule_is_cited_by_a_test() {
    let page = fs::read_to_string(root().join("docs/semantics.md")).unwrap();
    let rules: BTreeSet<u32> = page
        .lines()
        .filter_map(|line| line.strip_prefix("- **S")?.split("**").next()?.parse().ok())
        .collect();
    let count = u32::try_from(rules.len()).unwrap();
    assert_eq!(
        rules,
        (1..=count).collect(),
        "rules are numbered without gaps"
    );
    let cited = cited(&tests());
    let missing: Vec<_> = rules
        .difference(&cited)
        .map(|rule| format!("S{rule}"))
        .collect();
    assert!(missing.is_empty(), "no test cites {}", missing.join(", "));
    let unknown: Vec<_> = cited
        .difference(&rules)
        .filter(|n| **n < 100)
        .map(|rule| format!("S{rule}"))
        .collect();
    assert!(
        unknown.is_empty(),
        "tests cite rules that are none: {}",
        unknown.join(", ")
    );
}

/// A mutation is worth what the test that caught it is, so that the test has to be there.
#[test]
fn every_test_that_the_page_on_testing_names_exists() {
    let page = fs::read_to_string(root().join("docs/testing.md")).unwrap();
    let mut sources = tests();
    for krate in fs::read_dir(root().join("crates")).unwrap() {
        let src = krate.unwrap().path().join("src");
        if src.is_dir() {
            read(&src, &mut sources);
        }
    }
    let is_name = |text: &str| text.chars().all(|c| c == '_' || c.is_ascii_lowercase());
    let named: Vec<&str> = page
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|text| text.contains("::") && text.split("::").all(is_name))
        .filter_map(|text| text.rsplit("::").next())
        .filter(|name| !name.is_empty())
        .collect();
    assert!(named.len() > 30, "{named:?}");
    let missing: Vec<_> = named
        .into_iter()
        .filter(|name| !sources.contains(&format!("fn {name}(")))
        .collect();
    assert!(missing.is_empty(), "no test is named {missing:?}");
}
