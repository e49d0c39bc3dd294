//! Random bytes, JSON, graphs and statements to every function that a granted role may call and every
//! table that it may write, from a session and as steps. The server never breaks, the relay serves
//! on, and nobody else's row changes.
//!
//! The seed is fixed unless DF_TEST_SEED is given (`make inputs` takes a fresh one and says which);
//! DF_TEST_TRIES is how often each function is called.

mod dice;

use std::collections::BTreeMap;

use bytes::BytesMut;
use df_postgres::{quote_identifier, quote_literal};
use tokio_postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Error};

use crate::support::{Process, Role, TestDb};
use dice::Dice;

/// How often a function is called before it counts as one that no input reaches.
const MOST_TRIES: usize = 400;
/// Of all statements, how many are made steps of workflows too.
const STEPS: usize = 120;

/// What a granted role may write: table, column (`*` where it is the table's own) and privilege. A new
/// one has to be fed here, and judged.
const WRITABLE: [&str; 5] = [
    "graphs insert graph,hash",
    "instances insert database,graph_id,label,once_key",
    "outbox insert instance_id,key,kind,payload",
    "signals insert data,instance_id,key,name",
    "vars insert,update name,value",
];

fn setting(name: &str, default: u64) -> u64 {
    let given = std::env::var(name).ok();
    given.map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number"))
    })
}

/// A function that the role may execute.
struct Function {
    /// As messages name it: `df.seq(text,text)`.
    signature: String,
    name: String,
    /// Names and types of its arguments.
    takes: Vec<(String, String)>,
    defaults: usize,
    variadic: bool,
}

impl Function {
    /// A call with literals; arguments that have a default are left out now and then.
    fn call(&self, dice: &mut Dice) -> String {
        let count = self.takes.len() - dice.roll(self.defaults + 1);
        let arguments = self.takes[..count].iter();
        let arguments: Vec<String> = arguments
            .map(|(name, of)| match (name.as_str(), dice.roll(2)) {
                // Somebody's instance, since one of no meaning is refused at once.
                ("instance_id" | "p_instance" | "input", 0) => quote_literal(&dice.id()),
                ("event_id", 0) => quote_literal(&dice.known()),
                _ => dice.literal(of),
            })
            .collect();
        self.with(&arguments)
    }

    /// A call with parameters of these types' own binary formats.
    fn raw_call(&self) -> String {
        let arguments = self.takes.iter().enumerate();
        let arguments: Vec<String> = arguments
            .map(|(at, (_, of))| format!("${}::{of}", at + 1))
            .collect();
        self.with(&arguments)
    }

    fn with(&self, arguments: &[String]) -> String {
        let mut arguments = arguments.to_vec();
        if self.variadic
            && let Some(last) = arguments.last_mut()
        {
            last.insert_str(0, "variadic ");
        }
        format!(
            "select * from df.{}({})",
            quote_identifier(&self.name),
            arguments.join(", ")
        )
    }

    /// Whether the function began: it returned, or the error was raised inside it.
    fn reached(&self, outcome: &Result<(), Error>) -> bool {
        let Err(error) = outcome else { return true };
        let context = error.as_db_error().and_then(|error| error.where_());
        context.is_some_and(|context| {
            context.contains(&format!("function {} line", self.signature))
                || context.contains(&format!("SQL function \"{}\" statement", self.name))
        })
    }
}

/// Bytes as a parameter of any type, not looked at on this side.
#[derive(Debug)]
struct Raw(Option<Vec<u8>>);

impl ToSql for Raw {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        let Some(bytes) = &self.0 else {
            return Ok(IsNull::Yes);
        };
        out.extend_from_slice(bytes);
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    /// As text: what a type makes of a binary form is Postgres's own affair.
    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}

/// What a statement may raise: anything but a broken server or a broken promise of ours.
fn judge(sql: &str, outcome: &Result<(), Error>) -> Option<String> {
    let Err(error) = outcome else { return None };
    let broken =
        |code: &str| code.starts_with("XX") || code.starts_with("57P") || code.starts_with("P0004");
    match error.code() {
        Some(code) if broken(code.code()) => {
            Some(format!("{sql}: {}", df_postgres::describe(error)))
        }
        Some(_) => None,
        None => Some(format!("{sql}: lost the connection: {error}")),
    }
}

/// The functions of `df` that a role may call; triggers cannot be.
async fn functions_of(role: &Role) -> Vec<Function> {
    let sql = "select p.oid::regprocedure::text, p.proname::text, p.prokind::text,
                      array(select format_type(t.type, null) from unnest(p.proargtypes) with ordinality t(type, n) order by n),
                      array(select coalesce(p.proargnames[n], '') from generate_series(1, p.pronargs) n),
                      p.pronargdefaults::int, p.provariadic <> 0
                 from pg_proc p
                where p.pronamespace = 'df'::regnamespace and p.prorettype <> 'trigger'::regtype
                  and has_function_privilege(p.oid, 'execute') order by 1";
    let rows = role.client.query(sql, &[]).await.unwrap();
    rows.iter()
        .map(|row| {
            assert_eq!(
                row.get::<_, String>(2),
                "f",
                "feed {}",
                row.get::<_, String>(0)
            );
            Function {
                signature: row.get(0),
                name: row.get(1),
                takes: std::iter::zip(row.get::<_, Vec<String>>(4), row.get::<_, Vec<String>>(3))
                    .collect(),
                defaults: usize::try_from(row.get::<_, i32>(5)).unwrap(),
                variadic: row.get(6),
            }
        })
        .collect()
}

/// Calls every function, each until it was reached and often enough; what broke. `sent` keeps what
/// was said.
async fn feed_functions(
    mallory: &Client,
    functions: &[Function],
    dice: &mut Dice,
    tries: usize,
    sent: &mut Vec<String>,
) -> Vec<String> {
    let mut broken = Vec::new();
    for function in functions {
        let mut reached = false;
        for attempt in 0..MOST_TRIES {
            if attempt >= tries && reached {
                break;
            }
            let sql = function.call(dice);
            let outcome = mallory.simple_query(&sql).await.map(drop);
            // NULL would reach a function of any type, one that nobody feeds too.
            reached |= !sql.contains("null::") && function.reached(&outcome);
            broken.extend(judge(&sql, &outcome));
            sent.push(sql);
        }
        if !reached {
            broken.push(format!("no input reaches {}", function.signature));
        }
        for _ in 0..tries.div_ceil(3) {
            let sql = function.raw_call();
            let values: Vec<Raw> = function
                .takes
                .iter()
                .map(|_| Raw((dice.roll(8) > 0).then(|| dice.bytes())))
                .collect();
            let parameters: Vec<&(dyn ToSql + Sync)> = values.iter().map(|v| v as _).collect();
            let outcome = mallory.query(&sql, &parameters).await.map(drop);
            broken.extend(judge(&format!("{sql} with {values:?}"), &outcome));
        }
    }
    broken
}

/// Writes rows by hand to every table that is open; what broke, and tables that took nothing.
async fn feed_tables(
    mallory: &Client,
    dice: &mut Dice,
    tries: usize,
    sent: &mut Vec<String>,
) -> Vec<String> {
    let columns = "select c.relname::text, array_agg(a.attname::text order by a.attname),
                          array_agg(format_type(a.atttypid, null) order by a.attname)
                     from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
                    where c.relnamespace = 'df'::regnamespace and has_column_privilege(c.oid, a.attnum, 'insert')
                    group by 1 order by 1";
    let mut broken = Vec::new();
    for table in mallory.query(columns, &[]).await.unwrap() {
        let (name, columns, types): (String, Vec<String>, Vec<String>) =
            (table.get(0), table.get(1), table.get(2));
        let mut taken = 0;
        for attempt in 0..MOST_TRIES {
            if attempt >= tries * 6 && taken > 0 {
                break;
            }
            let whole = quote_literal(&dice.whole_graph());
            let values: Vec<String> = columns
                .iter()
                .zip(&types)
                .map(|(column, of)| match (column.as_str(), dice.roll(4)) {
                    ("instance_id", 0 | 1) => {
                        "(select id from df.instances order by random() limit 1)".to_owned()
                    }
                    ("instance_id", 2) => quote_literal(&dice.id()),
                    ("graph_id", 0 | 1) => {
                        "(select id from df.graphs order by random() limit 1)".to_owned()
                    }
                    // A graph is stored under its own hash; in one of four rows both are right.
                    ("graph", 0 | 1) => whole.clone(),
                    ("hash", 0 | 1) => format!("sha256(convert_to({whole}, 'UTF8'))"),
                    ("kind", _) => quote_literal(dice.pick(&[
                        "start", "cancel", "signal", "retry", "pause", "resume", "evil",
                    ])),
                    _ => dice.literal(of),
                })
                .collect();
            let mut sql = format!(
                "insert into df.{name} ({}) values ({})",
                columns.join(", "),
                values.join(", ")
            );
            if name == "vars" && dice.roll(2) == 0 {
                sql = format!(
                    "update df.vars set name = {}, value = {}",
                    values[0], values[1]
                );
            }
            let outcome = mallory.simple_query(&sql).await.map(drop);
            taken += usize::from(outcome.is_ok());
            broken.extend(judge(&sql, &outcome));
            sent.push(sql);
        }
        if taken == 0 {
            broken.push(format!("df.{name} took no row"));
        }
    }
    broken
}

/// Everything of a role's, as text.
async fn rows_of(db: &TestDb, role: &Role) -> BTreeMap<&'static str, Option<String>> {
    let mut rows = BTreeMap::new();
    for (table, mine) in [
        ("graphs", "t.owner = 'R'::regrole"),
        ("vars", "t.owner = 'R'::regrole"),
        ("instances", "t.submitted_by = 'R'::regrole"),
        ("outbox", "i.submitted_by = 'R'::regrole"),
        ("signals", "i.submitted_by = 'R'::regrole"),
        ("node_runs", "i.submitted_by = 'R'::regrole"),
    ] {
        let via = if mine.starts_with('i') {
            "left join df.instances i on i.id = t.instance_id"
        } else {
            ""
        };
        let sql = format!(
            "select string_agg(t::text, e'\\n' order by t::text) from df.{table} t {via} where {mine}"
        );
        let text = db.text(&sql.replace('R', &role.name)).await;
        assert!(text.is_some(), "{} has no {table}", role.name);
        rows.insert(table, text);
    }
    rows
}

/// The victim: a graph, variables, a finished workflow, and one that waits with an event and a run.
async fn victim(db: &TestDb, alice: &Role) -> String {
    let done = "select df.setvar('x', 'hers'), df.start('select 1')";
    alice.client.simple_query(done).await.unwrap();
    let done = alice.text("select id from df.instances").await.unwrap();
    db.ended(&done).await;
    let waits = "select df.start(df.seq(df.wait_for_signal('go'), 'select 1'), 'victim')";
    let id = alice.text(waits).await.unwrap();
    db.parked(&id).await;
    let other = format!("select df.signal_once('k', '{id}', 'other')");
    alice.text(&other).await;
    db.until(
        "select count(*) from df.outbox where delivered_at is null",
        "0",
    )
    .await;
    db.parked(&id).await;
    id
}

/// What there is to guess, and graphs to bend.
async fn prepare(db: &TestDb, mallory: &Role, dice: &mut Dice) {
    let own =
        "select df.start(df.wait_for_signal('x')), df.start('select 1'), df.start('select 1 / 0'),
                      df.setvar('x', 'his')";
    mallory.client.simple_query(own).await.unwrap();
    db.until(
        "select count(*) from df.instances where status in ('completed', 'failed') and label is null",
        "3",
    )
    .await;
    let known = "select id from df.instances union all select event_id from df.outbox
        union all select run_path from df.node_runs union all select rolname::text from pg_roles where rolname !~ '^pg_'
        union all select name from df.settings union all select unnest(array['x', 'k', 'go', 'victim', 'root', 'root.left'])";
    let rows = db.client.query(known, &[]).await.unwrap();
    dice.known = rows.iter().map(|row| row.get(0)).collect();
    let rows = db
        .client
        .query("select id from df.instances", &[])
        .await
        .unwrap();
    dice.ids = rows.iter().map(|row| row.get(0)).collect();
    let graphs = "select unnest(array[df.sql('select 1'), df.seq('select 1', 'select $x'), df.as('select 1 as n', 'x'),
        df.join3('select 1', 'select 2', df.sleep(1)), df.race('select 1', df.wait_for_signal('x', 1)),
        df.if('select true', 'select 1', df.break('{\"a\": 1}')), df.loop(df.seq('select 1', df.break()), 'select false'),
        df.if_rows('x', 'select 1', 'select 2'), df.wait_for_schedule('* * * * *'), df.sleep(0),
        df.http('http://localhost:1/{x}', 'POST', '$x', '{\"a\": \"$x\"}', 1),
        df.http_multipart('http://localhost:1/', 'POST', '[{\"name\": \"a\", \"data_b64\": \"eA==\"}]'),
        df.retry_policy('select 1 / 0', 2, 0.01), df.timeout('select pg_sleep(1)', 0.1)])";
    let rows = db.client.query(graphs, &[]).await.unwrap();
    dice.graphs = rows.iter().map(|row| row.get(0)).collect();
}

/// Some of what was sent as steps of workflows, and graphs as workflows; returns once all have ended
/// that were to.
async fn feed_steps(
    db: &TestDb,
    mallory: &Client,
    dice: &mut Dice,
    sent: &[String],
) -> Vec<String> {
    let mut broken = Vec::new();
    for at in 0..STEPS {
        let (node, label) = match at % 3 {
            0 => (dice.mutant(), "bent"),
            1 => (dice.graph(3), "bent"),
            _ => (sent[dice.roll(sent.len())].clone(), "step"),
        };
        let node = quote_literal(&node.replace('\0', ""));
        let sql = format!("select df.start({node}, '{label}')");
        broken.extend(judge(&sql, &mallory.simple_query(&sql).await.map(drop)));
    }
    // Timers and schedules of the rest may wait for years, and what one of them paused for ever.
    db.until(
        "select count(*) from df.instances where label = 'step' and ended_at is null and paused_at is null",
        "0",
    )
    .await;
    broken
}

#[tokio::test]
async fn random_input_hurts_nobody() {
    let seed = setting("DF_TEST_SEED", 20_261_120);
    let tries = usize::try_from(setting("DF_TEST_TRIES", 12)).unwrap();
    println!("DF_TEST_SEED={seed}");
    let mut dice = Dice::new(seed);
    let db = TestDb::new().await;
    let (alice, mallory) = (db.role("alice").await, db.role("mallory").await);
    let limits = "select df.configure('step_timeout_seconds', '5')";
    db.text(limits).await;
    let relay = db.start_relay();
    let victim = victim(&db, &alice).await;
    prepare(&db, &mallory, &mut dice).await;
    let before = rows_of(&db, &alice).await;
    let hurry = "set statement_timeout = '1s'";
    mallory.client.batch_execute(hurry).await.unwrap();

    let writable = "select concat(relname, ' ', privileges, ' ', columns) from (
        select c.relname, string_agg(distinct p.privilege, ',') as privileges,
               string_agg(distinct a.attname, ',') as columns
          from pg_class c join pg_attribute a on a.attrelid = c.oid and (a.attnum > 0 or c.relkind = 'S'),
               (values ('insert'), ('update'), ('delete'), ('truncate'), ('references'), ('trigger')) p(privilege)
         where c.relnamespace = 'df'::regnamespace and c.relkind in ('r', 'v', 'm', 'p', 'f')
           and case when p.privilege in ('insert', 'update', 'references')
                    then has_column_privilege(c.oid, a.attnum, p.privilege)
                    else has_table_privilege(c.oid, p.privilege) end
         group by 1) w order by 1";
    let writable = mallory.client.query(writable, &[]).await.unwrap();
    let writable: Vec<String> = writable.iter().map(|row| row.get(0)).collect();
    assert_eq!(writable, WRITABLE);
    let functions = functions_of(&mallory).await;
    assert!(functions.len() > 100, "only {} functions", functions.len());
    let mut sent = Vec::new();
    let mut broken = feed_functions(&mallory.client, &functions, &mut dice, tries, &mut sent).await;
    broken.extend(feed_tables(&mallory.client, &mut dice, tries, &mut sent).await);
    broken.extend(feed_steps(&db, &mallory.client, &mut dice, &sent).await);
    assert!(
        broken.is_empty(),
        "{} of {}:\n{}",
        broken.len(),
        sent.len(),
        broken.join("\n")
    );
    let internal =
        "select string_agg(concat_ws(' ', id, error_sqlstate, error), e'\\n') from df.instances
                     where error_sqlstate like 'XX%'";
    assert_eq!(db.text(internal).await, None);
    assert_eq!(rows_of(&db, &alice).await, before, "of somebody else's");
    nobody_noticed(&db, &alice, &relay, &victim).await;
}

/// The victim's workflow goes on to its end, others start, views can be read, the relay is whole.
async fn nobody_noticed(db: &TestDb, alice: &Role, relay: &Process, victim: &str) {
    alice
        .text(&format!("select df.signal('{victim}', 'go')"))
        .await;
    let id = alice.text("select df.start('select 1')").await.unwrap();
    for id in [victim, &id] {
        let ended = format!("select df.await_instance('{id}', 60)");
        let ended = alice.text(&ended).await;
        assert_eq!(ended.as_deref(), Some("completed"), "{}", relay.log());
    }
    for view in [
        "df.nodes",
        "df.instances",
        "df.list_instances()",
        "df.parked_events",
        "df.outbox_lag",
    ] {
        let read = format!("select * from {view}");
        let read = db.client.simple_query(&read).await;
        assert!(read.is_ok(), "{view}: {read:?}");
    }
    let log = relay.log();
    assert!(!log.contains("panicked") && !log.contains("XX000"), "{log}");
}
