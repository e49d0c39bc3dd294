//! docs/sql-api.md says that it names everything in the schema `df` that is there for a role to use.
//! It does, it names nothing else, and its table of settings is the database's.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::support::TestDb;

/// Functions for users that have an argument named `p_…`, which else says that a function is internal.
const PREFIXED: &[&str] = &["grant_usage", "revoke_usage", "grants_of", "setting"];

/// What a role may execute or read without being meant to: what it does use calls these as itself.
const INTERNAL: &[(&str, &[&str])] = &[
    (
        "what the operators call",
        &["if_then", "if_else", "loop_forever"],
    ),
    ("what a step's connection calls", &["step_clean"]),
    (
        "what the functions of this page ask",
        &[
            "clock",
            "database_oid",
            "inside_workflow",
            "node_fields",
            "visible_submitters",
        ],
    ),
    (
        "what a grant is made of",
        &["internal_functions", "drop_stray_logins"],
    ),
    (
        "what `df-relay status` and `doctor` call",
        &[
            "relay_status",
            "relay_doctor",
            "relay_vacuum_horizon",
            "meta",
        ],
    ),
];

/// The value of a column, and a setting of the session, which look like a function's name.
const NO_NAMES: [&str; 2] = ["workflow", "notify"];

fn page() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    fs::read_to_string(root.join("docs/sql-api.md")).unwrap()
}

/// Every `df.<name>` of a text.
fn named(text: &str) -> BTreeSet<String> {
    let parts = text.split("df.").skip(1);
    parts
        .map(|rest| {
            let end = rest.find(|c: char| c != '_' && !c.is_ascii_alphanumeric());
            rest[..end.unwrap_or(rest.len())].to_owned()
        })
        .filter(|name| !name.is_empty())
        .collect()
}

fn sorted(names: &[String]) -> BTreeSet<String> {
    names.iter().cloned().collect()
}

#[tokio::test]
async fn the_page_names_all_that_a_role_may_use() {
    let db = TestDb::new().await;
    let role = db.role("everything").await;
    let grant = "select df.grant_usage($1, include_http => true, with_grant => true)";
    db.client.query(grant, &[&role.name]).await.unwrap();
    let row = db
        .client
        .query_one(
            "with callable as (
                 select p.proname::text as name,
                        coalesce(bool_or(a.name like 'p\\_%'), false) as prefixed
                   from pg_proc p left join lateral unnest(p.proargnames[:p.pronargs]) a(name) on true
                  where p.pronamespace = 'df'::regnamespace
                    and (has_function_privilege($1, p.oid, 'execute')
                         or has_function_privilege('df_admin', p.oid, 'execute'))
                  group by p.oid
             ), readable as (
                 select c.relname::text as name from pg_class c
                  where c.relnamespace = 'df'::regnamespace and c.relkind in ('r', 'v')
                    and (has_any_column_privilege($1, c.oid, 'select')
                         or has_any_column_privilege('df_admin', c.oid, 'select'))
             )
             select array(select c.name from callable c where not c.prefixed or c.name = any ($2)
                          union select r.name from readable r),
                    array(select c.name from callable c union select r.name from readable r)",
            &[&role.name, &PREFIXED],
        )
        .await
        .unwrap();
    let (usable, all): (Vec<String>, Vec<String>) = (row.get(0), row.get(1));
    let (usable, all) = (sorted(&usable), sorted(&all));
    assert!(usable.len() > 60, "{usable:?}");

    let internal: BTreeSet<String> = INTERNAL
        .iter()
        .flat_map(|(_, names)| names.iter().map(ToString::to_string))
        .collect();
    let named = named(&page());
    let stale: Vec<_> = internal.difference(&usable).collect();
    assert!(
        stale.is_empty(),
        "listed as internal, and not there: {stale:?}"
    );
    let both: Vec<_> = internal.intersection(&named).collect();
    assert!(
        both.is_empty(),
        "listed as internal, and named by the page: {both:?}"
    );
    let missing: Vec<_> = usable
        .difference(&named)
        .filter(|name| !internal.contains(*name))
        .collect();
    assert!(
        missing.is_empty(),
        "docs/sql-api.md does not name {missing:?}"
    );
    let unknown: Vec<_> = named
        .difference(&all)
        .filter(|name| !NO_NAMES.contains(&name.as_str()))
        .collect();
    assert!(
        unknown.is_empty(),
        "docs/sql-api.md names what no role may use: {unknown:?}"
    );
}

#[tokio::test]
async fn the_page_tells_every_setting_with_its_default_and_range() {
    let db = TestDb::new().await;
    let settings = "select name, default_value, coalesce(least || ' to ' || most || ' ', '')
                      from df.settings";
    let rows = db.client.query(settings, &[]).await.unwrap();
    let page = page();
    let (_, table) = page.split_once("\n## Settings\n").unwrap();
    let told = table.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(
        told,
        rows.len(),
        "the table has as many rows as there are settings"
    );
    for row in rows {
        let (name, default, range): (&str, &str, &str) = (row.get(0), row.get(1), row.get(2));
        let default = if default.is_empty() {
            "(empty)"
        } else {
            default
        };
        let wanted = format!("| `{name}` | {default} | {range}|");
        assert!(
            table.contains(&wanted),
            "docs/sql-api.md has no line {wanted}"
        );
    }
}
