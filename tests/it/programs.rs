//! Generated programs on a real relay: starts them, waits for them, and reads what they left behind.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use df_local::Cluster;
use df_postgres::ConnectOptions;
use df_reference::{
    Effect, PRELUDE, Program, Request, Run, SCHEDULES_ARE_DUE, SHARED, Seen, differences, signals,
    sql, start_sql,
};
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::support::{Process, TestDb, Web, own_server, spawn};

/// How many programs are started in one transaction.
const STARTS_PER_TRANSACTION: usize = 25;
/// How many disagreements a failure prints.
const MAX_PRINTED: usize = 12;
/// How long nothing may end before the rest is taken to be stuck.
const PATIENCE: Duration = Duration::from_secs(30);

/// A database with the prelude, sessions of a role that starts programs, and a web server that
/// their requests go to.
pub struct Stage {
    /// A superuser's session.
    pub admin: Client,
    /// Two sessions of the role, so that what ended is judged on both processors.
    pub authors: [Client; 2],
    web: Web,
    place: Place,
    /// Where the SQL leaves act, if that is not the schema's own database.
    elsewhere: Option<TestDb>,
    /// Whether something is killed or cut off while programs run, so that attempts may be lost.
    disturbed: bool,
}

enum Place {
    /// A database of the shared server.
    Shared(TestDb),
    /// A server of the stage's own, which may be killed.
    Own(Box<Cluster>),
}

impl Stage {
    pub async fn new() -> Stage {
        let db = TestDb::new().await;
        let role = db.role("author").await;
        let admin = connect(&db.superuser_url()).await;
        let authors = [role.session().await, role.client];
        Stage::with(Place::Shared(db), admin, authors).await
    }

    /// Whose programs act in a database that is not the schema's.
    pub async fn with_another_database() -> Stage {
        let (db, other) = (TestDb::new().await, TestDb::empty().await);
        let role = db.role("author").await;
        let grant = format!("grant create on schema public to {}", role.name);
        other.client.batch_execute(&grant).await.unwrap();
        let (server, _) = role.url().rsplit_once('/').expect("a URL with a database");
        let author = connect(&format!("{server}/{}", other.name)).await;
        author.batch_execute(PRELUDE).await.unwrap();
        let admin = connect(&db.superuser_url()).await;
        let authors = [role.session().await, role.client];
        let stage = Stage::with(Place::Shared(db), admin, authors).await;
        Stage {
            elsewhere: Some(other),
            ..stage
        }
    }

    /// On a server that [`Stage::crash`] may kill.
    pub async fn on_its_own_server() -> Stage {
        let cluster = own_server();
        let url = cluster.superuser_url("postgres");
        let (admin, authors) = {
            let admin = connect(&url).await;
            let make = "create role author login password 'pw';
                        select df.grant_usage('author', include_http => true);
                        grant create on schema public to author";
            admin.batch_execute(make).await.unwrap();
            (admin, own_authors(&cluster).await)
        };
        Stage::with(Place::Own(Box::new(cluster)), admin, authors).await
    }

    async fn with(place: Place, admin: Client, authors: [Client; 2]) -> Stage {
        let prepare = "select df.configure('http_allow_private', 'true')";
        admin.batch_execute(prepare).await.unwrap();
        admin.batch_execute(SCHEDULES_ARE_DUE).await.unwrap();
        let web = Web::start();
        authors[0].batch_execute(PRELUDE).await.unwrap();
        let set = "select df.setvar('web', $1)";
        authors[0].query(set, &[&web.url("")]).await.unwrap();
        Stage {
            admin,
            authors,
            web,
            place,
            elsewhere: None,
            disturbed: false,
        }
    }

    /// This stage as one where something is killed or cut off.
    pub fn disturbed(self) -> Stage {
        let disturbed = true;
        Stage { disturbed, ..self }
    }

    /// A relay that is ready, with more arguments.
    pub fn relay(&self, args: &[&str]) -> Process {
        self.relay_at(&self.relay_url(), args)
    }

    /// The same through another port than the server's.
    pub fn relay_through(&self, port: u16, args: &[&str]) -> Process {
        let url = self.relay_url();
        let through = url.replace(&format!(":{}/", self.port()), &format!(":{port}/"));
        assert_ne!(url, through, "the URL names the server's port");
        self.relay_at(&through, args)
    }

    fn relay_at(&self, url: &str, args: &[&str]) -> Process {
        let variables = [("DF_DATABASE_URL", url), ("DF_LOG_FORMAT", "json")];
        let relay = spawn(&[&["run"], args].concat(), &variables);
        relay.wait_for_log("relay ready");
        relay
    }

    fn relay_url(&self) -> String {
        match &self.place {
            Place::Shared(db) => db.relay_url(),
            Place::Own(cluster) => cluster.url("df_relay", "relay", "postgres"),
        }
    }

    /// The server's port.
    pub fn port(&self) -> u16 {
        let url = self.relay_url();
        let port = url
            .rsplit_once('/')
            .and_then(|(url, _)| url.rsplit_once(':'));
        port.expect("a URL with a port")
            .1
            .parse()
            .expect("a number")
    }

    /// SIGKILL for the postmaster of the stage's own server, and a start.
    pub async fn crash(&mut self) {
        let Place::Own(cluster) = &mut self.place else {
            panic!("others use this server");
        };
        cluster.kill().unwrap();
        // Its backends take a moment to leave.
        let mut tries = 0;
        while let Err(error) = cluster.start() {
            tries += 1;
            assert!(tries < 50, "postgres does not start again: {error}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        self.admin = connect(&cluster.superuser_url("postgres")).await;
        self.authors = own_authors(cluster).await;
    }

    /// Has every event of the outbox delivered again.
    pub async fn replay(&self) {
        // Busy rows are left alone, or this and the relay would wait for each other.
        let again = "update df.outbox set delivered_at = null where event_id in
                         (select event_id from df.outbox order by event_id for update skip locked)";
        self.admin.batch_execute(again).await.unwrap();
    }

    /// Starts programs, their signals sent with them; the ids are in the same order.
    pub async fn start(&self, programs: &[Program]) -> Vec<String> {
        self.start_as(programs, sql).await
    }

    /// Starts programs without their signals.
    pub async fn start_unsignalled(&self, programs: &[Program]) -> Vec<String> {
        self.start_as(programs, start_sql).await
    }

    async fn start_as(
        &self,
        programs: &[Program],
        render: fn(&Program, &str) -> String,
    ) -> Vec<String> {
        let mut ids = Vec::new();
        for (batch, some) in programs.chunks(STARTS_PER_TRANSACTION).enumerate() {
            let mut text = "begin;".to_owned();
            for (index, program) in some.iter().enumerate() {
                let label = format!("program {}", batch * STARTS_PER_TRANSACTION + index);
                let mut start = render(program, &label);
                if let Some(other) = &self.elsewhere {
                    let labelled = format!("'{label}') as id");
                    let placed = format!("'{label}', database => '{}') as id", other.name);
                    assert!(start.contains(&labelled), "{start}");
                    start = start.replace(&labelled, &placed);
                }
                text.push_str(&start);
                text.push_str(";\n");
            }
            text.push_str("commit");
            let answers = self.authors[0].simple_query(&text).await;
            let answers =
                answers.unwrap_or_else(|e| panic!("{}\n{text}", df_postgres::describe(&e)));
            ids.extend(answers.iter().filter_map(|answer| match answer {
                SimpleQueryMessage::Row(row) => row.get(0).map(String::from),
                _ => None,
            }));
        }
        assert_eq!(ids.len(), programs.len(), "every start answers with one id");
        ids
    }

    /// Sends every signal that the programs wait for: those of one name in order, all others in none.
    pub async fn send_signals(&self, programs: &[Program], ids: &[String]) {
        let mut to: Vec<&str> = Vec::new();
        let (mut names, mut datas, mut counts) = (Vec::new(), Vec::new(), Vec::new());
        for (program, id) in programs.iter().zip(ids) {
            for signals in signals(program) {
                to.push(id);
                names.push(signals.name);
                datas.push(signals.data);
                counts.push(i32::try_from(signals.count).expect("a small count"));
            }
        }
        let send = format!(
            "select count(df.signal(s.id, s.name, format(s.data, s.n)))
               from (select u.*, n
                       from unnest($1::text[], $2::text[], $3::text[], $4::int[])
                              as u(id, name, data, count),
                            generate_series(1, u.count) n
                      order by case when u.name = '{SHARED}' then n end nulls first, random()) s"
        );
        self.authors[0]
            .query(&send, &[&to, &names, &datas, &counts])
            .await
            .unwrap();
    }

    /// How many instances have not ended, and the number of the last effect.
    async fn progress(&self) -> (i64, Option<i64>) {
        let left = "select (select count(*) from df.instances where ended_at is null),
                           (select max(n) from trace)";
        let row = self.admin.query_one(left, &[]).await.unwrap();
        (row.get(0), row.get(1))
    }

    /// Waits until at most `left` instances have not ended, or nothing has happened for `patience`.
    pub async fn settle(&self, left: i64, patience: Duration) {
        let (mut last, mut since) = (None, Instant::now());
        loop {
            let now = self.progress().await;
            if Some(now) != last {
                (last, since) = (Some(now), Instant::now());
            }
            if now.0 <= left || since.elapsed() > patience {
                return;
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// Waits until every instance that has not ended waits for a signal, or nothing has happened for so
    /// long: some wait for a signal only after something else.
    pub async fn settle_at_waits(&self, patience: Duration) {
        let at_waits = "select count(*) from df.instances i where i.ended_at is null and not exists
                            (select from df.node_runs r where r.instance_id = i.id
                                and r.status = 'waiting' and r.signal_name is not null)";
        let mut last = (i64::MAX, Instant::now());
        while last.0 > 0 && last.1.elapsed() < patience {
            let left: i64 = self.admin.query_one(at_waits, &[]).await.unwrap().get(0);
            if left < last.0 {
                last = (left, Instant::now());
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// What these instances left behind, by id.
    pub async fn seen(&self, ids: &[String]) -> HashMap<String, Seen> {
        let mut all: HashMap<String, Seen> = HashMap::new();
        let client = &self.admin;
        let instances = "select id, status, result::text, error, error_path, coalesce(label, '')
                           from df.instances where id = any ($1)";
        for row in client.query(instances, &[&ids]).await.unwrap() {
            let result: Option<String> = row.get(2);
            let seen = Seen {
                status: row.get(1),
                result: result.map(|text| self.json(&text)),
                error: row.get::<_, Option<String>>(3).map(|e| self.steady(&e)),
                error_path: row.get(4),
                label: row.get(5),
                disturbed: self.disturbed,
                ..Seen::default()
            };
            all.insert(row.get(0), seen);
        }
        // What a cancel ended has begun, and that is all that is known of it: it may have had attempts to come.
        let runs = "select instance_id, run_path,
                           case when sqlstate = '57014' and error like 'cancelled while it ran:%'
                                then 'intent' else status end, turn, attempt, signal_name,
                           case when signal_name is not null then result::text end
                      from df.node_runs where instance_id = any ($1)";
        for row in client.query(runs, &[&ids]).await.unwrap() {
            let run = Run {
                path: row.get(1),
                status: row.get(2),
                turn: row.get(3),
                attempt: row
                    .get::<_, Option<i32>>(4)
                    .map(|attempt| attempt.unsigned_abs()),
                signal: row.get(5),
                result: row.get::<_, Option<String>>(6).map(|text| self.json(&text)),
            };
            if let Some(seen) = all.get_mut(row.get::<_, &str>(0)) {
                seen.runs.push(run);
            }
        }
        let effects = "select instance, leaf, seen from trace where instance = any ($1) order by n";
        let acted = self.elsewhere.as_ref().map_or(client, |db| &db.client);
        for row in acted.query(effects, &[&ids]).await.unwrap() {
            let names: Option<String> = row.get(2);
            let effect = Effect {
                leaf: row.get::<_, i32>(1).unsigned_abs(),
                seen: names.map(|names| self.steady(&names)),
            };
            if let Some(seen) = all.get_mut(row.get::<_, &str>(0)) {
                seen.effects.push(effect);
            }
        }
        self.add_requests(&mut all);
        all
    }

    /// A request's key is `<installation>/<instance>/<run path>`.
    fn add_requests(&self, all: &mut HashMap<String, Seen>) {
        for request in self.web.requests() {
            let key = request.header("idempotency-key").unwrap_or_default();
            let mut parts = key.splitn(3, '/').skip(1);
            let (Some(id), Some(path)) = (parts.next(), parts.next()) else {
                panic!("a request without its key: {request:?}");
            };
            if let Some(seen) = all.get_mut(id) {
                seen.requests.push(Request {
                    path: path.to_owned(),
                    seen: request.header("x-seen").map(|names| self.steady(names)),
                });
            }
        }
    }

    fn json(&self, text: &str) -> serde_json::Value {
        serde_json::from_str(&self.steady(text)).expect("results are JSON")
    }

    /// A text without what changes from run to run: the web server's address, and how long it took.
    fn steady(&self, text: &str) -> String {
        const TOOK: &str = "\"duration_ms\":";
        let text = text.replace(&self.web.url(""), "http://web");
        let mut parts = text.split(TOOK);
        let mut out = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            out.push_str(TOOK);
            out.push('0');
            out.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
        }
        out
    }

    /// The invariants that instances violate, by id.
    async fn violations(&self, ids: &[String]) -> HashMap<String, String> {
        let asked =
            "select i.id, string_agg(concat_ws(' ', v.invariant, v.node_id, v.detail), e'\n-- ')
                       from unnest($1::text[]) as i(id),
                            df.assert_structural_invariants(i.id) v group by i.id";
        let (first, second) = ids.split_at(ids.len() / 2);
        let ask = async |author: &Client, ids: &[String]| author.query(asked, &[&ids]).await;
        let (first, second) =
            tokio::join!(ask(&self.authors[0], first), ask(&self.authors[1], second));
        let rows = first.unwrap().into_iter().chain(second.unwrap());
        rows.map(|row| (row.get(0), row.get(1))).collect()
    }

    /// Every disagreement with the rules, with the program as SQL: one entry per program, empty
    /// where it agrees.
    pub async fn disagreements(&self, programs: &[Program], ids: &[String]) -> Vec<String> {
        let all = self.seen(ids).await;
        let violations = self.violations(ids).await;
        let judge = |(program, id): (&Program, &String)| {
            let seen = &all[id];
            let mut wrong = differences(program, seen);
            wrong.extend(violations.get(id).cloned());
            if wrong.is_empty() {
                return String::new();
            }
            let (sql, trace) = (sql(program, "failing"), df_reference::trace(seen));
            format!("{sql}\n-- {id}: {}\n{trace}", wrong.join("\n-- "))
        };
        programs.iter().zip(ids).map(judge).collect()
    }

    /// Waits for the programs and panics with every disagreement.
    pub async fn verify(&self, programs: &[Program], ids: &[String]) {
        self.settle(0, PATIENCE).await;
        let mut found = self.disagreements(programs, ids).await;
        found.retain(|one| !one.is_empty());
        let shown = found
            .iter()
            .take(MAX_PRINTED)
            .cloned()
            .collect::<Vec<_>>()
            .join("\n");
        assert!(
            found.is_empty(),
            "{} of {} disagree:\n{shown}",
            found.len(),
            programs.len()
        );
    }
}

async fn own_authors(cluster: &Cluster) -> [Client; 2] {
    let url = cluster.url("author", "pw", "postgres");
    [connect(&url).await, connect(&url).await]
}

async fn connect(url: &str) -> Client {
    let options = ConnectOptions::parse(url).unwrap();
    options.connect().await.unwrap()
}
