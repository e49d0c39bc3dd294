//! df.step_record, called as a relay calls it: by a step login's session, in a step's transaction. It
//! records what succeeds at once by statements of its own; each has to refuse what df.fence refuses.

use std::time::Duration;

use tokio_postgres::Client;

use crate::support::{Role, Server, TestDb};

/// A claimed instance of `worker`, and a session of its step login.
struct Claimed {
    db: TestDb,
    worker: Role,
    session: Client,
    incarnation: String,
    instance: String,
}

/// What a step says of itself; the rest is as it would be.
#[derive(Clone)]
struct Run<'a> {
    path: &'a str,
    status: &'a str,
    attempt: i32,
    within: &'a str,
    turns: &'a str,
    decides: &'a str,
    /// How arrays without elements are said.
    none: &'a str,
    checkpoints: Option<&'a str>,
    ends: Option<&'a str>,
    epoch: i64,
    /// Instead of the relay's own.
    incarnation: Option<&'a str>,
    /// Instead of what df.step_begin says.
    xid: Option<&'a str>,
}

const PLAIN: Run<'_> = Run {
    path: "root.left",
    status: "completed",
    attempt: 1,
    within: "{}",
    turns: "{}",
    decides: "{}",
    none: "null",
    checkpoints: None,
    ends: None,
    epoch: 1,
    incarnation: None,
    xid: None,
};
const IN_LOOP: Run<'_> = Run {
    path: "root.body[4]",
    within: "{root}",
    turns: "{4}",
    checkpoints: Some(r#"[{"path":"root","turn":4,"names":{},"keep":[]}]"#),
    ..PLAIN
};
const LAST: Run<'_> = Run {
    path: "root",
    ends: Some("completed"),
    ..PLAIN
};
/// Each goes its own way through the function.
const WAYS: [(&str, Run<'_>); 5] = [
    ("plain", PLAIN),
    (
        "with arrays that are empty",
        Run {
            none: "'{}'",
            ..PLAIN
        },
    ),
    ("with a checkpoint", IN_LOOP),
    ("the last", LAST),
    (
        "a failure",
        Run {
            status: "failed",
            ..PLAIN
        },
    ),
];

/// A session of a role's step login, in its role.
async fn step_session(db: &TestDb, role: &Role) -> Client {
    let session = Server::shared()
        .superuser(&db.name)
        .connect()
        .await
        .unwrap();
    let login = format!("select df.step_login_name('\"{}\"'::regrole)", role.name);
    let login = db.text(&login).await.unwrap();
    let become_it = format!(
        "set session authorization {login}; set role \"{}\"",
        role.name
    );
    session.batch_execute(&become_it).await.unwrap();
    session
}

impl Claimed {
    async fn new() -> Claimed {
        let db = TestDb::new().await;
        // What these tests record stands at run paths of no graph.
        db.may_be_unsound();
        let worker = db.role("worker").await;
        worker.text("select df.start('select 1')").await;
        let incarnation = db.text("select df.relay_register('0', 60, 1000)").await;
        let incarnation = incarnation.unwrap();
        let claim = format!("select instance_id from df.relay_claim('{incarnation}', 1)");
        let instance = db.text(&claim).await.expect("something to claim");
        let session = step_session(&db, &worker).await;
        Claimed {
            db,
            worker,
            session,
            incarnation,
            instance,
        }
    }

    fn call(&self, run: &Run<'_>) -> String {
        let key = format!(
            "'{}', {}, '{}'",
            self.instance,
            run.epoch,
            run.incarnation.unwrap_or(&self.incarnation)
        );
        let text = |value: Option<&str>| value.map_or("null".into(), |value| format!("'{value}'"));
        let xid = run
            .xid
            .map_or(format!("df.step_begin({key})::xid8"), |xid| {
                format!("'{xid}'")
            });
        let array = |elements: &str| match elements {
            "{}" => run.none.to_owned(),
            some => format!("'{some}'"),
        };
        format!(
            "select df.step_record({key}, {xid}, '{}', '{}', '{{\"rows\":[]}}', null, null, {}, {}, {}, {},
                                   {}, {}, '5000')",
            run.path, run.status, run.attempt, array(run.within), array(run.turns), array(run.decides),
            text(run.checkpoints), text(run.ends)
        )
    }

    /// The SQLSTATE of recording a run in a transaction of its own, 00000 where it is recorded.
    async fn says(&self, session: &Client, run: &Run<'_>) -> String {
        let done = session
            .batch_execute(&format!("begin; {}; commit", self.call(run)))
            .await;
        match done {
            Ok(()) => "00000".into(),
            Err(error) => {
                session.batch_execute("rollback").await.unwrap();
                error.code().expect("an error of the server").code().into()
            }
        }
    }

    async fn check(&self, run: &Run<'_>, expected: &str, way: &str) {
        assert_eq!(self.says(&self.session, run).await, expected, "{way}");
    }

    async fn runs(&self) -> String {
        let all = "select coalesce(string_agg(concat_ws(' ', run_path, status, attempt), ', ' order by run_path), '') from df.node_runs";
        self.db.text(all).await.unwrap()
    }
}

#[tokio::test]
async fn every_way_refuses_another_epoch_incarnation_or_login() {
    let one = Claimed::new().await;
    let bob = one.db.role("bob").await;
    let bobs = step_session(&one.db, &bob).await;
    let mut relay = one.incarnation.clone();
    relay.replace_range(0..1, if relay.starts_with('0') { "1" } else { "0" });
    for (way, run) in WAYS {
        one.check(
            &Run {
                epoch: 2,
                ..run.clone()
            },
            "DF001",
            way,
        )
        .await;
        let incarnation = Some(relay.as_str());
        one.check(
            &Run {
                incarnation,
                ..run.clone()
            },
            "DF001",
            way,
        )
        .await;
        assert_eq!(one.says(&bobs, &run).await, "DF001", "{way}");
    }
    assert_eq!(one.runs().await, "");
}

#[tokio::test]
async fn every_way_refuses_an_ended_and_a_paused_instance() {
    for (way, run) in WAYS {
        let one = Claimed::new().await;
        one.worker
            .text(&format!("select df.pause('{}')", one.instance))
            .await;
        one.check(&run, "DF007", way).await;
        one.worker
            .text(&format!("select df.resume('{}')", one.instance))
            .await;
        one.worker
            .text(&format!("select df.cancel('{}')", one.instance))
            .await;
        one.check(&run, "DF002", way).await;
        assert_eq!(one.runs().await, "");
    }
}

#[tokio::test]
async fn every_way_says_so_where_the_run_is_recorded_already() {
    for (way, run) in WAYS {
        let one = Claimed::new().await;
        let first = Run {
            within: "{}",
            turns: "{}",
            checkpoints: None,
            ends: None,
            ..run.clone()
        };
        one.check(&first, "00000", way).await;
        one.check(&run, "23505", way).await;
    }
}

#[tokio::test]
async fn every_way_replaces_an_attempt_that_failed() {
    for (way, run) in WAYS {
        let one = Claimed::new().await;
        let failed = format!(
            "insert into df.node_runs (instance_id, run_path, status, attempt, epoch, sqlstate, error, due_at)
             values ('{}', '{}', 'waiting', 1, 1, '22012', 'division by zero', now())",
            one.instance, run.path
        );
        one.db.client.batch_execute(&failed).await.unwrap();
        one.check(&run, "23505", way).await;
        one.check(
            &Run {
                attempt: 2,
                ..run.clone()
            },
            "00000",
            way,
        )
        .await;
        let expected = format!("{} {} 2", run.path, run.status);
        assert!(
            one.runs().await.contains(&expected),
            "{way}: {}",
            one.runs().await
        );
    }
}

#[tokio::test]
async fn every_way_refuses_what_was_decided_against() {
    for (way, run) in WAYS {
        let one = Claimed::new().await;
        let decided = format!(
            "insert into df.node_runs (instance_id, run_path, status, turn, epoch)
             values ('{0}', 'race', 'decided', 1, 1), ('{0}', 'loop', 'checkpoint', 4, 1)",
            one.instance
        );
        one.db.client.batch_execute(&decided).await.unwrap();
        for (within, turns) in [
            ("{race}", "{0}"),
            ("{loop}", "{3}"),
            ("{loop,race}", "{4,0}"),
        ] {
            let run = Run {
                within,
                turns,
                ..run.clone()
            };
            one.check(&run, "DF003", way).await;
        }
        one.check(
            &Run {
                within: "{loop,race}",
                turns: "{4,1}",
                ..run.clone()
            },
            "00000",
            way,
        )
        .await;
    }
}

#[tokio::test]
async fn every_way_records_what_it_decides() {
    for (way, run) in WAYS {
        let one = Claimed::new().await;
        let winner = Run {
            within: "{race}",
            turns: "{1}",
            decides: "{race}",
            ..run.clone()
        };
        one.check(&winner, "00000", way).await;
        let decided =
            "select turn::text from df.node_runs where run_path = 'race' and status = 'decided'";
        assert_eq!(one.db.text(decided).await.as_deref(), Some("1"), "{way}");
    }
}

#[tokio::test]
async fn every_way_that_waited_for_the_deciding_step_sees_the_decision() {
    for (way, run) in WAYS {
        let one = Claimed::new().await;
        let decided = format!(
            "begin; select from df.instances for no key update;
             insert into df.node_runs (instance_id, run_path, status, turn, epoch)
             values ('{}', 'race', 'decided', 1, 1)",
            one.instance
        );
        one.db.client.batch_execute(&decided).await.unwrap();
        let loser = Run {
            within: "{race}",
            turns: "{0}",
            ..run.clone()
        };
        let decide = async {
            // Not in the open transaction, which sees all sessions as they were.
            let other = Server::shared().superuser(&one.db.name);
            let other = other.connect().await.unwrap();
            let waits = "select count(*) from pg_stat_activity
                          where datname = current_database() and wait_event_type = 'Lock'";
            while other.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) == 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            one.db.client.batch_execute("commit").await.unwrap();
        };
        let (said, ()) = tokio::join!(one.says(&one.session, &loser), decide);
        assert_eq!(said, "DF003", "{way}");
    }
}

#[tokio::test]
async fn the_last_step_ends_its_instance_at_its_own_moment() {
    let one = Claimed::new().await;
    one.check(&LAST, "00000", "").await;
    let together = "select concat_ws(' ', i.status, i.owner is null, i.ended_at = r.ended_at, i.completed_at = i.ended_at,
                                     i.result::text = r.result::text)
                      from df.instances i join df.node_runs r on r.instance_id = i.id";
    assert_eq!(
        one.db.text(together).await.as_deref(),
        Some("completed t t t t")
    );
}

#[tokio::test]
async fn a_checkpoint_counts_a_turn_and_takes_what_it_passes() {
    let one = Claimed::new().await;
    let passed = format!(
        "insert into df.node_runs (instance_id, run_path, status, epoch, signal_name) values
             ('{0}', 'root.body[2].left', 'completed', 1, null), ('{0}', 'root.body[3].right', 'completed', 1, 'go');
         insert into df.signals (instance_id, key, name, consumed_at) values
             ('{0}', 'n/1', 'go', now()), ('{0}', 'k/x', 'go', now()), ('{0}', 'n/2', 'go', null);
         insert into df.outbox (instance_id, kind, key, delivered_at) values
             ('{0}', 'signal', 'n/1', now()), ('{0}', 'signal', 'k/x', now()), ('{0}', 'signal', 'n/2', now())",
        one.instance
    );
    one.db.client.batch_execute(&passed).await.unwrap();
    one.check(&IN_LOOP, "00000", "").await;
    assert_eq!(
        one.runs().await,
        "root checkpoint 1, root.body[4] completed 1"
    );
    let left = "select (select executions from df.instances) || ' ' ||
                       (select string_agg(key, ' ' order by key) from df.signals) || ' ' ||
                       (select string_agg(key, ' ' order by key) from df.outbox where kind = 'signal')";
    assert_eq!(
        one.db.text(left).await.as_deref(),
        Some("2 k/x n/2 k/x n/2")
    );
}

#[tokio::test]
async fn a_checkpoint_keeps_what_names_point_at_until_they_point_elsewhere() {
    let one = Claimed::new().await;
    let turn = async |turn: i32, run: &str, keep: &str| {
        let names = format!(r#"[["x",[{{"run":"{keep}"}}]],["y",[{{"run":"root.before"}}]]]"#);
        let checkpoints = format!(
            r#"[{{"path":"root","turn":{turn},"names":{names},"keep":["{keep}","root.before"]}}]"#
        );
        let turns = format!("{{{turn}}}");
        let path = format!("root.body[{turn}]{run}");
        let run = Run {
            path: &path,
            turns: &turns,
            checkpoints: Some(&checkpoints),
            ..IN_LOOP
        };
        one.check(&run, "00000", "").await;
        one.runs().await
    };
    let before = format!(
        "insert into df.node_runs (instance_id, run_path, status, epoch) values
             ('{0}', 'root.before', 'completed', 1), ('{0}', 'root.body[0].left', 'completed', 1),
             ('{0}', 'root.body[0].right', 'completed', 1), ('{0}', 'root.condition_node[0]', 'completed', 1)",
        one.instance
    );
    one.db.client.batch_execute(&before).await.unwrap();
    let first = turn(1, ".left", "root.body[0].left").await;
    assert_eq!(
        first,
        "root checkpoint 1, root.before completed 1, root.body[0].left completed 1, root.body[1].left completed 1"
    );
    let second = turn(2, ".left", "root.body[0].left").await;
    assert_eq!(
        second,
        "root checkpoint 1, root.before completed 1, root.body[0].left completed 1, root.body[2].left completed 1"
    );
    let third = turn(3, "", "root.body[2].left").await;
    assert_eq!(
        third,
        "root checkpoint 1, root.before completed 1, root.body[2].left completed 1, root.body[3] completed 1"
    );
}

#[tokio::test]
async fn every_way_asks_for_the_steps_own_transaction_and_a_record_of_sound_size() {
    let one = Claimed::new().await;
    for (way, run) in WAYS {
        one.check(
            &Run {
                xid: Some("3"),
                ..run.clone()
            },
            "DF004",
            way,
        )
        .await;
        one.check(
            &Run {
                status: "waiting",
                ..run.clone()
            },
            "22023",
            way,
        )
        .await;
        let path = format!("root.{}", "x".repeat(9000));
        one.check(
            &Run {
                path: &path,
                ..run.clone()
            },
            "54000",
            way,
        )
        .await;
        let names = "y".repeat(17 << 20);
        let checkpoints = format!(r#"[{{"path":"root","turn":4,"names":"{names}","keep":[]}}]"#);
        one.check(
            &Run {
                checkpoints: Some(&checkpoints),
                ..run.clone()
            },
            "54000",
            way,
        )
        .await;
        // The effect and its record are as durable as each other.
        let off = format!("begin; set synchronous_commit = off; {}", one.call(&run));
        one.session.batch_execute(&off).await.unwrap();
        let now = one
            .session
            .query_one("show synchronous_commit", &[])
            .await
            .unwrap();
        assert_eq!(now.get::<_, &str>(0), "on", "{way}");
        one.session.batch_execute("rollback").await.unwrap();
    }
}

/// A session keeps its plans, and a burst is faster than the statistics.
#[tokio::test]
async fn every_way_reads_by_key_what_was_planned_while_the_tables_were_short() {
    for (way, run) in WAYS {
        reads_by_key(way, &run, 5).await;
    }
}

/// Statistics from a quiet time promise that no relay owns anything.
#[tokio::test]
async fn every_way_reads_by_key_what_was_planned_while_nothing_was_owned() {
    for (way, run) in WAYS {
        reads_by_key(way, &run, 2000).await;
    }
}

/// So many have ended when the tables are analyzed; then the relay owns 2,000 more.
async fn reads_by_key(way: &str, run: &Run<'_>, ended: u32) {
    let one = Claimed::new().await;
    let batch = async |sql: &str| one.db.client.batch_execute(sql).await.unwrap();
    let other = |what: &str, count: u32, columns: &str, values: &str| {
        format!(
            "insert into df.instances (id, root_node, submitted_by, graph_id, status, {columns})
                 select '{what}' || n, i.root_node, i.submitted_by, i.graph_id, {values}
                   from generate_series(1, {count}) n, df.instances i where i.id = '{0}';
             insert into df.node_runs (instance_id, run_path, status, epoch, ended_at)
                 select '{what}' || n, 'root', 'completed', 1, now() from generate_series(1, {count}) n",
            one.instance
        )
    };
    batch("set session_replication_role = replica").await;
    let columns = "ended_at, completed_at";
    batch(&other("ended", ended, columns, "'completed', now(), now()")).await;
    batch("create temp table owned as select id, owner from df.instances where owner is not null")
        .await;
    batch("update df.instances set owner = null").await;
    batch("vacuum analyze df.instances").await;
    batch("vacuum analyze df.node_runs").await;
    batch("update df.instances i set owner = o.owner from owned o where o.id = i.id").await;
    let record = format!("begin; {}", one.call(run));
    for _ in 0..8 {
        let undone = format!("{record}; rollback");
        one.session.batch_execute(&undone).await.unwrap();
    }
    let values = "'running', (select owner from owned), 1";
    batch(&other("owned", 2000, "owner, epoch", values)).await;
    one.session.batch_execute(&record).await.unwrap();
    let read = "select sum(pg_stat_get_xact_tuples_returned(c.oid))::bigint from pg_class c
                 where c.relnamespace = 'df'::regnamespace and c.relkind in ('r', 'i')";
    let read: i64 = one.session.query_one(read, &[]).await.unwrap().get(0);
    assert!(read < 200, "{way}: {read} rows read");
    one.session.batch_execute("rollback").await.unwrap();
}
