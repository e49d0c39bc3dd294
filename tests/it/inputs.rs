//! Random bytes, JSON, graphs and statements to every function that a granted role may call and every
//! table that it may write. The server never breaks, the relay serves on, and nobody else notices.

use df_postgres::{quote_identifier, quote_literal};

use crate::support::TestDb;

/// Calls per function, and rows per table.
const TRIES: usize = 12;

/// SplitMix64 (Steele, Lea and Flood 2014): a failure is repeated by its seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % below as u64) as usize
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.roll(from.len())]
    }

    /// Any text that a client can send.
    fn text(&mut self) -> String {
        match self.roll(6) {
            0 => String::new(),
            1 => (0..self.roll(60))
                .map(|_| char::from_u32(1 + self.roll(0x2fff) as u32).unwrap_or('?'))
                .collect(),
            2 => self.json(4),
            3 => self
                .pick(&[
                    "select 1",
                    "select $x",
                    "commit",
                    "select 1; select 2",
                    "'",
                    "--",
                    "/*",
                    "$$",
                    "{var}",
                    "{{}}",
                    "drop schema df cascade",
                    "select pg_sleep(0.1)",
                ])
                .to_owned(),
            4 => self
                .pick(&[
                    "AAAAAAAA",
                    "completed",
                    "* * * * *",
                    "99 * * * *",
                    "https://example.com",
                    "file:///etc/passwd",
                    "{{x}}",
                    "../..",
                    "root.left[99999999999]",
                    "-1",
                    "1e400",
                    "NaN",
                    "infinity",
                ])
                .to_owned(),
            _ => self.graph(4),
        }
    }

    fn json(&mut self, depth: usize) -> String {
        match self.roll(if depth == 0 { 4 } else { 6 }) {
            0 => self
                .pick(&[
                    "null",
                    "true",
                    "0",
                    "-1",
                    "1e308",
                    "1e400",
                    "99999999999999999999",
                ])
                .to_owned(),
            1 => r#""\u0000""#.to_owned(),
            2 => r#""\ud800""#.to_owned(),
            3 => format!("\"{}\"", self.pick(&["x", "$a", "{v}", "", "SQL", "é"])),
            4 => format!(
                "[{}]",
                (0..self.roll(4))
                    .map(|_| self.json(depth - 1))
                    .collect::<Vec<_>>()
                    .join(",")
            ),
            _ => {
                let key = self.pick(&["node_type", "query", "left_node", "a", "", "retry"]);
                format!("{{\"{key}\":{}}}", self.json(depth - 1))
            }
        }
    }

    fn graph(&mut self, depth: usize) -> String {
        let kind = self.pick(&[
            "SQL",
            "THEN",
            "JOIN",
            "RACE",
            "IF",
            "LOOP",
            "BREAK",
            "SLEEP",
            "SIGNAL",
            "WAIT_SCHEDULE",
            "HTTP",
            "EVIL",
        ]);
        let mut node = format!("{{\"node_type\":\"{kind}\"");
        for field in [
            "query",
            "left_node",
            "right_node",
            "condition_node",
            "extra_nodes",
            "retry",
            "node_timeout_seconds",
            "result_name",
        ] {
            if self.roll(2) == 0 {
                let value = match self.roll(3) {
                    0 if depth > 0 => self.graph(depth - 1),
                    1 => format!("\"{}\"", self.pick(&["1", "select 1", "{}", "", "x"])),
                    _ => self.json(2),
                };
                node.push_str(&format!(",\"{field}\":{value}"));
            }
        }
        node + "}"
    }

    /// A literal of a type, now and then one that does not fit.
    fn literal(&mut self, of: &str) -> String {
        if self.roll(10) == 0 {
            return "null".to_owned();
        }
        let text = match of {
            "boolean" => self.pick(&["true", "false"]).to_owned(),
            "integer" | "bigint" | "oid" | "regrole" | "regclass" => self
                .pick(&["0", "-1", "1", "100", "2147483647", "1259"])
                .to_owned(),
            "double precision" | "numeric" => {
                self.pick(&["0", "-1", "0.5", "1e300", "NaN"]).to_owned()
            }
            "interval" => self
                .pick(&["0", "-1 day", "1 second", "178000000 years"])
                .to_owned(),
            "json" | "jsonb" => self.json(4),
            "uuid" => "11111111-1111-1111-1111-111111111111".to_owned(),
            "timestamp with time zone" => self
                .pick(&["now", "infinity", "-infinity", "epoch"])
                .to_owned(),
            "bytea" => self.pick(&["", "\\x00", "\\xdeadbeef"]).to_owned(),
            "bit" | "bit varying" => "101".to_owned(),
            other if other.ends_with("[]") => {
                self.pick(&["{}", "{1}", "{null}", "{1,2,3}"]).to_owned()
            }
            _ => self.text(),
        };
        format!("{}::{of}", quote_literal(&text.replace('\0', "")))
    }
}

/// What a statement may raise: anything but a broken server or a broken promise of ours.
fn judge(sql: &str, error: &tokio_postgres::Error) -> Option<String> {
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

#[tokio::test]
async fn random_input_hurts_nobody() {
    let seed = std::env::var("DF_TEST_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(20261120);
    println!("DF_TEST_SEED={seed}");
    let mut dice = Dice(seed);
    let db = TestDb::new().await;
    let (alice, mallory) = (db.role("alice").await, db.role("mallory").await);
    let relay = db.start_relay();
    let victim = alice
        .text("select df.start(df.wait_for_signal('go'))")
        .await
        .unwrap();
    mallory
        .client
        .batch_execute("set statement_timeout = '2s'")
        .await
        .unwrap();

    let mut statements = Vec::new();
    let functions = "select p.proname::text, array(select format_type(t, null) from unnest(p.proargtypes) t)
                       from pg_proc p where p.pronamespace = 'df'::regnamespace and p.prorettype <> 'trigger'::regtype
                        and has_function_privilege(p.oid, 'execute')";
    let functions = mallory.client.query(functions, &[]).await.unwrap();
    assert!(functions.len() > 40, "only {} functions", functions.len());
    for function in &functions {
        let (name, types): (String, Vec<String>) = (function.get(0), function.get(1));
        for _ in 0..TRIES {
            let arguments: Vec<String> = types.iter().map(|of| dice.literal(of)).collect();
            let name = quote_identifier(&name);
            statements.push(format!("select * from df.{name}({})", arguments.join(", ")));
        }
    }
    let columns = "select c.relname::text, array_agg(a.attname::text), array_agg(format_type(a.atttypid, null))
                     from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
                    where c.relnamespace = 'df'::regnamespace and has_column_privilege(c.oid, a.attnum, 'insert')
                    group by 1";
    let tables = mallory.client.query(columns, &[]).await.unwrap();
    assert!(tables.len() >= 5, "only {} tables", tables.len());
    for table in &tables {
        let (name, columns, types): (String, Vec<String>, Vec<String>) =
            (table.get(0), table.get(1), table.get(2));
        for _ in 0..TRIES * 4 {
            let values: Vec<String> = columns
                .iter()
                .zip(&types)
                .map(|(column, of)| match column.as_str() {
                    "instance_id" if dice.roll(2) == 0 => {
                        "(select id from df.instances limit 1)".to_owned()
                    }
                    "graph_id" if dice.roll(2) == 0 => {
                        "(select id from df.graphs limit 1)".to_owned()
                    }
                    "kind" => quote_literal(dice.pick(&[
                        "start", "cancel", "signal", "retry", "pause", "resume", "evil",
                    ])),
                    _ => dice.literal(of),
                })
                .collect();
            statements.push(format!(
                "insert into df.{name} ({}) values ({})",
                columns.join(", "),
                values.join(", ")
            ));
        }
    }
    let mut broken = Vec::new();
    for sql in &statements {
        if let Err(error) = mallory.client.simple_query(sql).await {
            broken.extend(judge(sql, &error));
        }
    }
    assert!(
        broken.is_empty(),
        "{} of {}:\n{}",
        broken.len(),
        statements.len(),
        broken.join("\n")
    );

    let id = alice.text("select df.start('select 1')").await.unwrap();
    let ended = alice
        .text(&format!("select df.await_instance('{id}', 60)"))
        .await;
    assert_eq!(ended.as_deref(), Some("completed"), "{}", relay.log());
    let status = alice.text(&format!("select df.status('{victim}')")).await;
    assert_eq!(status.as_deref(), Some("running"));
    for view in [
        "df.nodes",
        "df.instances",
        "df.list_instances()",
        "df.parked_events",
        "df.outbox_lag",
    ] {
        let read = db
            .client
            .simple_query(&format!("select * from {view}"))
            .await;
        assert!(read.is_ok(), "{view}: {read:?}");
    }
    assert!(!relay.log().contains("panicked"), "{}", relay.log());
}
