//! Rows that a granted role writes by hand, of every shape that it may: the relay serves everybody
//! else, the forger's own instance fails with a reason, and nothing spins.

use std::time::Duration;

use df_postgres::quote_literal;

use crate::roles::sqlstate;
use crate::support::{Role, TestDb};

/// A relay that has nothing to do and forged rows to look at writes no more than this.
const QUIET_LINES: usize = 40;

async fn ended(role: &Role, id: &str) -> String {
    role.text(&format!("select df.await_instance('{id}', 60)"))
        .await
        .unwrap()
}

async fn serves(role: &Role) {
    let id = role.text("select df.start('select 1')").await.unwrap();
    assert_eq!(ended(role, &id).await, "completed");
}

/// Inserts an instance by hand and tells how it ends.
async fn check_instance(forger: &Role, what: &str, columns: &str, values: &str, reason: &str) {
    let insert = format!("insert into df.instances ({columns}) values ({values}) returning id");
    let id = forger
        .text(&insert)
        .await
        .unwrap_or_else(|| panic!("{what}: {insert}"));
    assert_eq!(ended(forger, &id).await, "failed", "{what}");
    let error = format!("select error from df.instances where id = '{id}'");
    let error = forger.text(&error).await.unwrap_or_default();
    assert!(error.contains(reason), "{what}: {error}");
}

#[tokio::test]
async fn a_forged_instance_fails_with_a_reason_and_others_are_served() {
    let db = TestDb::new().await;
    let (alice, mallory) = (db.role("alice").await, db.role("mallory").await);
    let relay = db.start_relay();
    serves(&alice).await;
    serves(&mallory).await;
    let of =
        |role: &str| format!("select id from df.graphs where owner = '{role}'::regrole limit 1");
    let theirs = db.text(&of(&alice.name)).await.unwrap();
    let own = db.text(&of(&mallory.name)).await.unwrap();
    check_instance(
        &mallory,
        "another's graph",
        "graph_id",
        &theirs,
        "not its submitter's",
    )
    .await;
    for id in ["-1", "0", "9223372036854775807"] {
        check_instance(&mallory, "no graph", "graph_id", id, "is not there").await;
    }
    let missing = format!("{own}, 'no such database'");
    check_instance(
        &mallory,
        "a database",
        "graph_id, database",
        &missing,
        "does not exist",
    )
    .await;
    serves(&alice).await;
    let lines = relay.log().lines().count();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let more = relay.log().lines().count() - lines;
    assert!(
        more < QUIET_LINES,
        "{more} lines in three idle seconds:\n{}",
        relay.log()
    );
}

/// Whatever stands before pg_catalog on the caller's path.
#[tokio::test]
async fn nobody_chooses_an_id_by_the_names_that_it_is_drawn_with() {
    let db = TestDb::new().await;
    let alice = db.role("alice").await;
    alice.text("select df.start('select 1')").await;
    let shadow = "do $$ declare f regprocedure; o record; begin
        create schema shadow;
        -- Every function and operator of this name, whatever it takes, answers something else.
        for f in select p.oid from pg_proc p where p.pronamespace = 'pg_catalog'::regnamespace and p.prokind = 'f' and p.provariadic = 0
                    and p.prorettype not in ('internal'::regtype, 'cstring'::regtype) and not p.proretset
                    and p.proname in ('translate', 'encode', 'substr', 'substring', 'timestamptz_send', 'float8send', 'random',
                                      'pg_backend_pid', 'float8', 'now') loop
            execute (select format('create function shadow.%I(%s) returns %s language plpgsql as %L', p.proname,
                                   pg_get_function_arguments(p.oid), p.prorettype::regtype,
                                   'begin raise ''shadowed''; end') from pg_proc p where p.oid = f);
        end loop;
        for o in select r.oprname, r.oprleft::regtype as l, r.oprright::regtype as r, r.oprresult::regtype as t from pg_operator r
                  where (r.oprname, r.oprleft) in (('||', 'bytea'::regtype), ('+', 'float8'::regtype)) loop
            execute format('create function shadow.operated(%s, %s) returns %s language plpgsql as %L', o.l, o.r, o.t,
                           'begin raise ''shadowed''; end');
            execute format('create operator shadow.%s (leftarg = %s, rightarg = %s, function = shadow.operated)',
                           o.oprname, o.l, o.r);
        end loop;
        grant usage on schema shadow to public;
    end $$";
    db.client.batch_execute(shadow).await.unwrap();
    let by_hand = "set search_path = shadow, pg_catalog;
        insert into df.instances (label, graph_id) select 'x', id from df.graphs limit 1";
    alice.client.batch_execute(by_hand).await.unwrap();
    let sound = "select bool_and(id ~ '^[A-Za-z0-9]{8}$') and count(*) = 2 from df.instances";
    assert_eq!(db.text(sound).await.as_deref(), Some("t"));
}

#[tokio::test]
async fn rows_of_a_shape_that_nobody_could_read_are_refused() {
    let db = TestDb::new().await;
    let (alice, mallory) = (db.role("alice").await, db.role("mallory").await);
    let other = alice.text("select df.start(df.sleep(600))").await.unwrap();
    let own = mallory
        .text("select df.start(df.sleep(600))")
        .await
        .unwrap();
    let deep = format!(
        "repeat('{}', 5000) || repeat('{}', 5000)",
        r#"{"left_node":"#, "}"
    );
    let graph = |text: &str| {
        format!(
            "insert into df.graphs (hash, graph) select sha256(convert_to(g, 'UTF8')), g from (select {text}) as t(g)"
        )
    };
    let instance = |vars: &str| {
        format!(
            "insert into df.instances (graph_id, vars) select graph_id, {vars} from df.instances limit 1"
        )
    };
    let event = |id: &str, kind: &str, key: &str| {
        format!(
            "insert into df.outbox (instance_id, kind, key) values ('{id}', {}, {key})",
            quote_literal(kind)
        )
    };
    let mut wrong = Vec::new();
    for (what, sql, state) in [
        (
            "a wrong hash",
            "insert into df.graphs (hash, graph) values (sha256('a'), 'b')".to_owned(),
            "22023",
        ),
        (
            "no hash",
            "insert into df.graphs (hash, graph) values ('', 'b')".to_owned(),
            "22023",
        ),
        ("no JSON", graph("'{{{'"), "22023"),
        ("an empty graph", graph("''"), "22023"),
        ("deep JSON", graph(&deep), "22023"),
        ("an array", graph("'[1,2]'"), "22023"),
        (
            "an unknown node",
            graph(r#"'{"node_type":"EVIL"}'"#),
            "22023",
        ),
        ("a huge graph", graph("repeat('x', 5000000)"), "54000"),
        ("variables", instance("'{\"a\":\"1\"}'"), "42501"),
        (
            "a huge label",
            "insert into df.instances (graph_id, label) values (1, repeat('x', 5000))".to_owned(),
            "23514",
        ),
        ("an unknown kind", event(&own, "evil", "null"), "23514"),
        ("a start with a key", event(&own, "start", "'k'"), "23514"),
        ("a second start", event(&own, "start", "null"), "23505"),
        (
            "a signal without a key",
            event(&own, "signal", "null"),
            "23514",
        ),
        (
            "a huge key",
            event(&own, "signal", "repeat('k', 2000)"),
            "23514",
        ),
        ("another's cancel", event(&other, "cancel", "null"), "42501"),
        (
            "another's signal",
            event(&other, "signal", "'n/1'"),
            "42501",
        ),
        ("another's retry", event(&other, "retry", "'1'"), "42501"),
        // Told apart from an instance that is there by nothing.
        (
            "nobody's cancel",
            event("AAAAAAAA", "cancel", "null"),
            "42501",
        ),
        ("another's start", event(&other, "start", "null"), "42501"),
        (
            "another's inbox",
            format!(
                "insert into df.signals (instance_id, key, name) values ('{other}', 'k/x', 'n')"
            ),
            "42501",
        ),
        (
            "another's key",
            format!(
                "insert into df.signals (instance_id, key, name) values ('{other}', 'n/1', 'n')"
            ),
            "42501",
        ),
    ] {
        let got = sqlstate(&mallory.client, &sql).await;
        if got != state {
            wrong.push(format!("{what}: {got}, not {state}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Nothing of alice's is taken: her own calls find their ids and keys free.
    assert_eq!(
        alice
            .text(&format!("select df.signal_once('x', '{other}', 'n')"))
            .await
            .as_deref(),
        Some("OK")
    );
    alice.text(&format!("select df.cancel('{other}')")).await;
    assert_eq!(
        alice
            .text(&format!("select df.status('{other}')"))
            .await
            .as_deref(),
        Some("cancelled")
    );
    // And everybody's views work for an operator.
    for view in [
        "df.nodes",
        "df.instances",
        "df.list_instances()",
        "df.parked_events",
        "df.outbox_lag",
    ] {
        assert_eq!(
            sqlstate(&db.client, &format!("select * from {view}")).await,
            "00000",
            "{view}"
        );
    }
}

/// Events by hand: those of the forger's own instance reach nobody else.
#[tokio::test]
async fn forged_events_reach_only_their_own_instance() {
    let db = TestDb::new().await;
    let (alice, mallory) = (db.role("alice").await, db.role("mallory").await);
    let relay = db.start_relay();
    let waits = "select df.start(df.wait_for_signal('go'))";
    let (victim, own) = (
        alice.text(waits).await.unwrap(),
        mallory.text(waits).await.unwrap(),
    );
    for (kind, key) in [
        ("signal", "'n/1'"),
        ("signal", "'no such signal'"),
        ("signal", "''"),
        ("signal", "'k/'"),
        ("signal", "'a/b/c'"),
        ("retry", "'x'"),
        ("pause", "'x'"),
        ("resume", "'x'"),
        ("retry", "''"),
    ] {
        let sql = format!(
            "insert into df.outbox (instance_id, kind, key, payload) values ('{own}', '{kind}', {key}, '{{\"evil\":[')"
        );
        let state = sqlstate(&mallory.client, &sql).await;
        assert!(
            ["00000", "23514"].contains(&state.as_str()),
            "{kind} {key}: {state}"
        );
    }
    mallory.text(&format!("insert into df.signals (instance_id, key, name, data) values ('{own}', 'odd', repeat('n', 1000), (repeat('[', 3000) || repeat(']', 3000))::json)")).await;
    mallory
        .text(&format!(
            "insert into df.outbox (instance_id, kind, key) values ('{own}', 'signal', 'odd')"
        ))
        .await;
    serves(&alice).await;
    serves(&mallory).await;
    let status = alice.text(&format!("select df.status('{victim}')")).await;
    assert_eq!(status.as_deref(), Some("running"), "{}", relay.log());
    alice
        .text(&format!("select df.signal('{victim}', 'go')"))
        .await;
    assert_eq!(ended(&alice, &victim).await, "completed");
    let undelivered = "select count(*) from df.outbox where delivered_at is null and parked_at is null and attempts = 0";
    assert_eq!(
        db.text(undelivered).await.as_deref(),
        Some("0"),
        "{}",
        relay.log()
    );
}

/// Lets this test's steps know what relays keep to themselves: every incarnation, in
/// `public.incarnations`. To be called before a relay registers.
async fn tell_incarnations(db: &TestDb) {
    db.client
        .batch_execute(
            "create table public.incarnations (incarnation uuid);
             grant select on public.incarnations to public;
             alter function df.relay_register rename to relay_register_itself;
             create function df.relay_register(text, double precision, integer, integer) returns uuid
                 language sql security definer as $$
                     insert into public.incarnations
                     select df.relay_register_itself($1, $2, $3, $4) returning incarnation $$;
             grant execute on function df.relay_register to df_relay",
        )
        .await
        .unwrap();
}

/// Reads every table and view of df, and of the catalogs that show sessions and statements, as far as
/// its role may.
const LOOK_AROUND: &str = r#"create function public.look_around() returns text language plpgsql as $$
declare
    v_relation regclass;
    v_text     text;
    v_all      text := '';
begin
    for v_relation in
        select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where c.relkind in ('r', 'v', 'S') and (n.nspname = 'df' or n.nspname = 'pg_catalog' and c.relname in
               ('pg_stat_activity', 'pg_prepared_statements', 'pg_cursors', 'pg_settings', 'pg_stats', 'pg_locks',
                'pg_prepared_xacts', 'pg_roles', 'pg_largeobject', 'pg_db_role_setting')) loop
        begin
            execute format('select string_agg(t::text, chr(10)) from %s t', v_relation) into v_text;
            v_all := v_all || coalesce(v_relation || ': ' || v_text, '');
        exception when others then
            v_all := v_all || v_relation || ' is refused: ' || sqlerrm || chr(10);
        end;
    end loop;
    select string_agg(w::text, chr(10)) into v_text from df.instances i, df.why(i.id) w;
    return v_all || v_text;
end $$"#;

/// The fence takes an incarnation that the relay alone knows; a role sees its name.
#[tokio::test]
async fn a_step_finds_nowhere_what_it_would_take_to_record_by_itself() {
    let db = TestDb::new().await;
    let mallory = db.role("mallory").await;
    tell_incarnations(&db).await;
    db.text("revoke all on public.incarnations from public")
        .await;
    let relay = db.start_relay();
    mallory.client.batch_execute(LOOK_AROUND).await.unwrap();
    let output = async |sql: &str| {
        let start = format!("select df.start({})", quote_literal(sql));
        let id = mallory.text(&start).await.unwrap();
        ended(&mallory, &id).await;
        let output = format!("select output from df.instance_info('{id}')");
        mallory.text(&output).await.unwrap()
    };
    let seen = output("select public.look_around() as seen").await;
    let known = db
        .text("select incarnation || ' ' || df.relay_name(incarnation) from public.incarnations")
        .await
        .unwrap();
    let (secret, name) = known.split_once(' ').unwrap();
    assert!(
        seen.contains(name),
        "the owner's name is not even there: {seen}"
    );
    assert!(
        !seen.contains(&secret[..24]),
        "the incarnation shows in {seen}"
    );
    assert!(!relay.log().contains(&secret[..24]), "it is logged");
    let waiting = "select df.start(df.wait_for_signal('never'))";
    let waiting = mallory.text(waiting).await.unwrap();
    db.parked(&waiting).await;
    let guesses = [
        ("{sys_instance_id}", "owner"),
        (
            "{sys_instance_id}",
            "(left(gen_random_uuid()::text, 24) || right(owner::text, 12))::uuid",
        ),
        ("{sys_instance_id}", "null"),
        (waiting.as_str(), "null"),
    ];
    for (instance, guess) in guesses {
        let record = format!(
            "select df.step_record(id, epoch, {guess}, pg_current_xact_id(), 'root.forged', 'completed', '1',
                null, null, 1, '{{}}', '{{}}', '{{}}', null, 'completed')
               from df.instances where id = '{instance}'"
        );
        let error = output(&record).await;
        assert!(
            error.contains("is not owned by this relay"),
            "{guess}: {error}"
        );
    }
    let forged = "select count(*) from df.node_runs where run_path = 'root.forged'";
    assert_eq!(db.text(forged).await.as_deref(), Some("0"));
}

/// Even a step that knew its incarnation could record for its own instance alone, in any shape, and
/// nobody else would notice.
#[tokio::test]
async fn runs_forged_from_inside_a_step_hurt_only_their_instance() {
    let db = TestDb::new().await;
    db.may_be_unsound();
    let (alice, mallory) = (db.role("alice").await, db.role("mallory").await);
    tell_incarnations(&db).await;
    let relay = db.start_relay();
    let record = |path: &str, turns: &str, decides: &str, checkpoints: &str, ends: &str| {
        format!(
            "select df.step_record(id, epoch, r.incarnation, pg_current_xact_id(), {path}, 'completed', '{{\"rows\":[]}}',
                null, null, 1, array[{path}], {turns}, {decides}, {checkpoints}, {ends})
               from df.instances, public.incarnations r where id = '{{sys_instance_id}}'"
        )
    };
    let checkpoint = |turn: &str| {
        format!(
            "'[{{\"path\":\"root.right\",\"turn\":{turn},\"names\":{{\"evil\":[1]}},\"keep\":[]}}]'"
        )
    };
    let max = "2147483647";
    for (what, forged) in [
        (
            "its own path",
            record("'root.left'", "array[0]", "null", "null", "null"),
        ),
        (
            "a later path",
            record("'root.right'", "array[0]", "null", "null", "null"),
        ),
        (
            "nonsense",
            record("repeat('x.', 1000)", "array[-1]", "null", "null", "null"),
        ),
        (
            "a decision",
            record(
                "'root.right'",
                "array[77]",
                "array['root.right']",
                "null",
                "null",
            ),
        ),
        (
            "a checkpoint",
            record("'x'", "array[0]", "null", &checkpoint(max), "null"),
        ),
        (
            "a negative checkpoint",
            record("'x'", "array[0]", "null", &checkpoint("-5"), "null"),
        ),
        (
            "an end",
            record("'x'", "array[0]", "null", "null", "'completed'"),
        ),
        (
            "an odd end",
            record("'x'", "array[0]", "null", "null", "'evil'"),
        ),
    ] {
        for right in [
            "df.race('select 1', df.sleep(1))",
            "df.loop(df.seq('select 1', df.break('1')))",
            "df.loop(df.sleep(1), 'select false')",
            "df.if('select true', 'select 1', 'select 2')",
        ] {
            let start = format!(
                "select df.start(df.seq({}, {right}))",
                quote_literal(&forged)
            );
            let id = mallory.text(&start).await.unwrap();
            let wait = format!("select df.await_instance('{id}', 3)");
            let status = sqlstate(&mallory.client, &wait).await;
            assert!(
                ["00000", "57014"].contains(&status.as_str()),
                "{what} with {right}: {status}"
            );
            // Taken over, what was forged is read back.
            db.client.batch_execute(&format!("update df.instances set owner = null, wake_at = now() where id = '{id}' and ended_at is null")).await.unwrap();
        }
        serves(&alice).await;
    }
    let lines = relay.log().lines().count();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let more = relay.log().lines().count() - lines;
    assert!(
        more < QUIET_LINES,
        "{more} lines in three seconds:\n{}",
        relay.log()
    );
    assert!(!relay.log().contains("panicked"), "{}", relay.log());
}
