//! Who may use df: grants and what they open, delegation, dropped, renamed and odd roles.

use df_postgres::{quote_identifier, quote_literal};
use tokio_postgres::Client;

use crate::support::TestDb;

/// SQLSTATE of what a statement raises, or "00000".
pub async fn sqlstate(client: &Client, sql: &str) -> String {
    match client.simple_query(sql).await {
        Ok(_) => "00000".to_owned(),
        Err(error) => error
            .code()
            .map_or(error.to_string(), |code| code.code().to_owned()),
    }
}

async fn names(db: &TestDb, sql: &str) -> Vec<String> {
    let rows = db.client.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn public_and_the_relay_hold_only_what_they_need() {
    let db = TestDb::new().await;
    let to_public = "
        select p.oid::regprocedure::text from pg_proc p
         where p.pronamespace = 'df'::regnamespace
           and (p.proacl is null or exists (select from aclexplode(p.proacl) a where a.grantee = 0))
        union all
        select c.oid::regclass::text from pg_class c, aclexplode(c.relacl) a
         where c.relnamespace = 'df'::regnamespace and a.grantee = 0";
    assert_eq!(names(&db, to_public).await, Vec::<String>::new());
    let reach = "
        select format('member of %s', m.roleid::regrole) from pg_auth_members m
         where m.member = 'df_relay'::regrole
        union all
        select 'an attribute' from pg_roles r where r.rolname = 'df_relay'
           and (r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolcreatedb or r.rolreplication)
        union all
        select format('table %s', c.oid::regclass) from pg_class c
         where c.relnamespace = 'df'::regnamespace and c.relkind in ('r', 'v', 'S')
           and c.relname <> 'meta'
           and case when c.relkind = 'S' then has_sequence_privilege('df_relay', c.oid, 'usage,update')
                    else has_table_privilege('df_relay', c.oid, 'select,insert,update,delete,truncate') end";
    assert_eq!(names(&db, reach).await, Vec::<String>::new());
}

/// A SECURITY DEFINER function acts with df_owner's rights over everybody's rows: a new one that
/// granted roles may call has to be judged, and added here.
#[tokio::test]
async fn definer_functions_open_to_a_granted_role_are_these() {
    let db = TestDb::new().await;
    let alice = db.role("alice").await;
    let open = format!(
        "select p.proname::text from pg_proc p
          where p.pronamespace = 'df'::regnamespace and p.prosecdef
            and has_function_privilege({}, p.oid, 'execute') order by 1",
        quote_literal(&alice.name)
    );
    let judged = ["clock", "relays_seen", "setting", "step_record"];
    let open = names(&db, &open).await;
    let unjudged: Vec<_> = open
        .iter()
        .filter(|name| !judged.contains(&name.as_str()))
        .collect();
    assert!(unjudged.is_empty(), "not judged yet: {unjudged:?}");
    let lock = "select c.relname::text from pg_class c where c.relnamespace = 'df'::regnamespace
                 and c.relkind in ('r', 'v', 'S') and has_table_privilege($1, c.oid, 'update,delete,truncate')";
    let lockable = db.client.query(lock, &[&alice.name]).await.unwrap();
    assert!(
        lockable.is_empty(),
        "a granted role could LOCK TABLE {:?}",
        lockable[0].get::<_, String>(0)
    );
}

/// Without a search_path of its own such a function finds what its caller put there. A new one has to name the schema
/// of all that it calls, be tested as `runs_nothing_of_its_callers_path.sql` does, and be added here.
#[tokio::test]
async fn definer_functions_without_a_path_of_their_own_are_these() {
    let db = TestDb::new().await;
    let open = "select p.proname::text from pg_proc p
         where p.pronamespace = 'df'::regnamespace and p.prosecdef
           and not coalesce(array_to_string(p.proconfig, ' '), '') like '%search_path=%' order by 1";
    assert_eq!(names(&db, open).await, ["admit_instance", "wake_relays"]);
}

#[tokio::test]
async fn direct_writes_are_refused() {
    let db = TestDb::new().await;
    let alice = db.role("alice").await;
    alice.text("select df.start('select 1')").await;
    let mut open = Vec::new();
    for sql in [
        "update df.instances set status = 'completed'",
        "delete from df.instances",
        "insert into df.instances (graph_id, status) values (1, 'running')",
        "insert into df.instances (graph_id, epoch) values (1, 7)",
        "insert into df.instances (graph_id, submitted_by) values (1, 'df_owner')",
        "insert into df.instances (id, graph_id) values ('AAAAAAAA', 1)",
        "insert into df.outbox (instance_id, kind, submitted_by) select id, 'cancel', 'df_owner' from df.instances",
        "insert into df.node_runs (instance_id, run_path, status, epoch) select id, 'root', 'failed', 1 from df.instances",
        "update df.graphs set graph = ''",
        "update df.nodes set status = 'completed'",
        "delete from df.nodes",
        "update df.outbox set delivered_at = now()",
        "delete from df.signals",
        "do $$ begin lock table df.instances; end $$",
        "do $$ begin lock table df.outbox in row exclusive mode; end $$",
        "do $$ begin lock table df.vars in share mode; end $$",
        "truncate df.vars",
        "create trigger t before insert on df.outbox for each row execute function suppress_redundant_updates_trigger()",
        "create function df.f() returns int language sql as 'select 1'",
        "alter table df.instances disable row level security",
        "grant select on df.granted_roles to public",
        "select * from df.granted_roles",
        "select * from df.setting_values",
        "select df.configure('http_allow_private', 'true')",
        "select df.write_setting('http_allow_private', 'true')",
        "select * from df.relay_login(10, null)",
        "select df.login_password(10)",
        "select df.metrics()",
        "select df.grant_usage('postgres')",
        "select df.revoke_usage('postgres')",
        "select setval('df.relay_idle', 1)",
        "select setval('df.signal_numbers', 1)",
        "select setval('df.start_asks', 1, false)",
    ] {
        let state = sqlstate(&alice.client, sql).await;
        if state != "42501" {
            open.push(format!("{state}: {sql}"));
        }
    }
    assert!(open.is_empty(), "{}", open.join("\n"));
}

#[tokio::test]
async fn an_admin_grants_what_it_has_and_revokes_what_it_granted() {
    let db = TestDb::new().await;
    let (admin, alice, bob) = (
        db.login("admin", "pw").await,
        db.role("alice").await,
        db.login("bob", "pw").await,
    );
    let grant = "select df.grant_usage($1, with_grant => true)";
    db.client
        .batch_execute(&format!("alter role {} createrole", admin.name))
        .await
        .unwrap();
    db.client.query(grant, &[&admin.name]).await.unwrap();
    let call = |function: &str, role: &str, more: &str| {
        format!("select df.{function}({}{more})", quote_literal(role))
    };
    let http = call("grant_usage", &bob.name, ", include_http => true");
    assert_eq!(sqlstate(&admin.client, &http).await, "42501");
    assert_eq!(
        sqlstate(&bob.client, "select df.start('select 1')").await,
        "42501"
    );
    let grant_bob = call("grant_usage", &bob.name, "");
    let is_16 = "select current_setting('server_version_num')::int >= 160000";
    if db.text(is_16).await.as_deref() == Some("t") {
        // CREATEROLE alone reaches no role that somebody else made: no step login, so no start.
        assert_eq!(sqlstate(&admin.client, &grant_bob).await, "00000");
        assert_eq!(
            sqlstate(&bob.client, "select df.start('select 1')").await,
            "42501"
        );
        let (bob, admin) = (quote_identifier(&bob.name), quote_identifier(&admin.name));
        let option = format!("grant {bob} to {admin} with admin true, inherit false, set false");
        db.client.batch_execute(&option).await.unwrap();
    }
    assert_eq!(sqlstate(&admin.client, &grant_bob).await, "00000");
    assert_eq!(
        sqlstate(&bob.client, "select df.start('select 1')").await,
        "00000"
    );
    assert_eq!(
        sqlstate(&admin.client, "select * from df.metrics()").await,
        "00000"
    );
    let own = call("revoke_usage", &admin.name, "");
    assert_eq!(sqlstate(&admin.client, &own).await, "42501");
    // Alice was granted by a superuser: the admin's call leaves her as she is.
    assert_eq!(
        sqlstate(&admin.client, &call("revoke_usage", &alice.name, "")).await,
        "00000"
    );
    assert_eq!(
        sqlstate(&alice.client, "select df.start('select 1')").await,
        "00000"
    );
    assert_eq!(
        sqlstate(&admin.client, &call("revoke_usage", &bob.name, "")).await,
        "00000"
    );
    assert_eq!(
        sqlstate(&bob.client, "select df.start('select 1')").await,
        "42501"
    );
    // What an admin granted goes with the admin.
    assert_eq!(
        sqlstate(&admin.client, &call("grant_usage", &bob.name, "")).await,
        "00000"
    );
    assert_eq!(
        sqlstate(&db.client, &call("revoke_usage", &admin.name, "")).await,
        "00000"
    );
    assert_eq!(
        sqlstate(&admin.client, "select df.start('select 1')").await,
        "42501"
    );
    assert_eq!(
        sqlstate(&bob.client, "select df.start('select 1')").await,
        "42501"
    );
}

#[tokio::test]
async fn a_role_that_an_admin_granted_is_dropped_like_any_other() {
    let db = TestDb::new().await;
    let (admin, bob) = (db.login("admin", "pw").await, db.login("bob", "pw").await);
    for sql in [
        format!(
            "select df.grant_usage('{}', with_grant => true)",
            admin.name
        ),
        format!("alter role {} createrole", admin.name),
        format!("grant {} to {} with admin option", bob.name, admin.name),
    ] {
        db.client.batch_execute(&sql).await.unwrap();
    }
    let grant = format!("select df.grant_usage('{}')", bob.name);
    for drop in [
        format!(
            "drop owned by {0}; drop role {0}; create role {0} login",
            bob.name
        ),
        format!(
            "select df.revoke_usage('{0}'); drop role {0}; create role {0} login",
            bob.name
        ),
    ] {
        assert_eq!(sqlstate(&admin.client, &grant).await, "00000");
        let may = format!("select has_schema_privilege('{}', 'df', 'usage')", bob.name);
        assert_eq!(db.text(&may).await.as_deref(), Some("t"));
        assert_eq!(sqlstate(&db.client, &drop).await, "00000", "{drop}");
        assert_eq!(db.text(&may).await.as_deref(), Some("f"));
        let again = format!("grant {} to {} with admin option", bob.name, admin.name);
        db.client.batch_execute(&again).await.unwrap();
    }
}

#[tokio::test]
async fn what_two_granted_stays_until_both_have_revoked_it() {
    let db = TestDb::new().await;
    let (one, two, bob) = (
        db.login("one", "pw").await,
        db.login("two", "pw").await,
        db.login("bob", "pw").await,
    );
    let call = |text: &str| format!("select df.{text}");
    let admin = |role: &str| {
        call(&format!(
            "grant_usage('{role}', include_http => true, with_grant => true)"
        ))
    };
    for name in [&one.name, &two.name] {
        assert_eq!(sqlstate(&db.client, &admin(name)).await, "00000");
    }
    let may = async |option: &str| {
        let asked = format!(
            "select has_schema_privilege('{0}', 'df', 'usage') || ' ' ||
                    has_function_privilege('{0}', 'df.http(text,text,text,jsonb,integer)', 'execute{option}')",
            bob.name
        );
        db.text(&asked).await.unwrap()
    };
    let plain = call(&format!("grant_usage('{}')", bob.name));
    let revoke = call(&format!("revoke_usage('{}')", bob.name));
    assert_eq!(sqlstate(&one.client, &plain).await, "00000");
    assert_eq!(sqlstate(&two.client, &admin(&bob.name)).await, "00000");
    assert_eq!(may(" with grant option").await, "true true");
    // What only the second gave goes with it, the option too.
    assert_eq!(sqlstate(&two.client, &revoke).await, "00000");
    assert_eq!(may("").await, "true false");
    let option = format!(
        "select has_schema_privilege('{}', 'df', 'usage with grant option')",
        bob.name
    );
    assert_eq!(db.text(&option).await.as_deref(), Some("f"));
    assert_eq!(sqlstate(&two.client, &revoke).await, "00000");
    assert_eq!(may("").await, "true false");
    assert_eq!(sqlstate(&one.client, &revoke).await, "00000");
    assert_eq!(may("").await, "false false");
    // What DROP OWNED took back does not come again with the next grant.
    assert_eq!(sqlstate(&two.client, &admin(&bob.name)).await, "00000");
    let drop = format!("drop owned by {}", bob.name);
    db.client.batch_execute(&drop).await.unwrap();
    assert_eq!(sqlstate(&one.client, &plain).await, "00000");
    assert_eq!(may("").await, "true false");
    assert_eq!(sqlstate(&one.client, &revoke).await, "00000");
    assert_eq!(may("").await, "false false");
}

/// An admin without CREATEROLE must not disturb the step logins of others.
#[tokio::test]
async fn an_admin_cannot_break_or_take_another_roles_step_login() {
    let db = TestDb::new().await;
    let (admin, alice) = (db.login("admin", "pw").await, db.role("alice").await);
    db.client
        .query(
            "select df.grant_usage($1, with_grant => true)",
            &[&admin.name],
        )
        .await
        .unwrap();
    let password = "select password from df.granted_roles where role_oid = $1::text::regrole";
    let before: String = db
        .client
        .query_one(password, &[&alice.name])
        .await
        .unwrap()
        .get(0);
    for sql in [
        format!(
            "select df.login_password({}::regrole)",
            quote_literal(&alice.name)
        ),
        format!(
            "select df.forget_login({}::regrole)",
            quote_literal(&alice.name)
        ),
        format!(
            "select df.drop_login({}::regrole)",
            quote_literal(&alice.name)
        ),
        format!(
            "select df.record_revoke({}::regrole)",
            quote_literal(&alice.name)
        ),
        format!(
            "select df.record_grant({}::regrole, true, true)",
            quote_literal(&admin.name)
        ),
        format!("select df.grant_usage({})", quote_literal(&alice.name)),
    ] {
        let _ = admin.client.simple_query(&sql).await;
    }
    let after: String = db
        .client
        .query_one(password, &[&alice.name])
        .await
        .unwrap()
        .get(0);
    assert_eq!(before, after);
    assert_eq!(
        sqlstate(&alice.client, "select df.start('select 1')").await,
        "00000"
    );
    let gained =
        "select has_function_privilege($1, 'df.http(text,text,text,jsonb,integer)', 'execute')";
    assert!(
        !db.client
            .query_one(gained, &[&admin.name])
            .await
            .unwrap()
            .get::<_, bool>(0)
    );
}

#[tokio::test]
async fn odd_names_work_from_grant_to_drop_and_a_new_role_of_that_name_is_another() {
    let db = TestDb::new().await;
    let relay = db.start_relay();
    for odd in [
        "Mixed Case",
        "with \"quotes\"",
        "it's",
        "semi;colon",
        "$dollar$",
    ] {
        let role = db.role(odd).await;
        let mine = format!(
            "select df.start({})",
            quote_literal("select current_user::text as me")
        );
        let id = role.text(&mine).await.unwrap();
        let (id, quoted) = (quote_literal(&id), quote_identifier(&role.name));
        let ended = role.text(&format!("select df.await_instance({id})")).await;
        assert_eq!(
            ended.as_deref(),
            Some("completed"),
            "{odd}: {}",
            relay.log()
        );
        let drop = format!("drop owned by {quoted}; drop role {quoted}");
        db.client
            .batch_execute(&drop)
            .await
            .unwrap_or_else(|e| panic!("{odd}: {e:?}"));
        let again = db.role(odd).await;
        let seen = again.text("select count(*) from df.instances").await;
        assert_eq!(
            seen.as_deref(),
            Some("0"),
            "{odd}: the new role sees the old one's rows"
        );
        let id = again.text("select df.start('select 1')").await.unwrap();
        let ended = again
            .text(&format!("select df.await_instance('{id}')"))
            .await;
        assert_eq!(
            ended.as_deref(),
            Some("completed"),
            "{odd}: {}",
            relay.log()
        );
    }
    // The step logins of the dropped roles went at the grants that followed.
    let stray = "select l.rolname::text from pg_roles l, pg_database d
                  where d.datname = current_database() and l.rolname like 'df\\_step\\_' || d.oid || '\\_%'
                    and not exists (select from pg_roles r where l.rolname = format('df_step_%s_%s', d.oid, r.oid))";
    assert_eq!(names(&db, stray).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_role_dropped_renamed_or_locked_mid_run_hurts_only_itself() {
    let db = TestDb::new().await;
    let relay = db.start_relay();
    let (gone, renamed, bob) = (
        db.role("gone").await,
        db.role("renamed").await,
        db.role("bob").await,
    );
    let waits =
        "select df.start(df.seq(df.wait_for_signal('go'), 'select current_user::text as me'))";
    let id_gone = gone.text(waits).await.unwrap();
    let id_renamed = renamed.text(waits).await.unwrap();
    let owner = quote_identifier(&gone.name);
    db.client
        .batch_execute(&format!("drop owned by {owner}; drop role {owner}"))
        .await
        .unwrap();
    let new_name = format!("{} New", renamed.name);
    let rename = format!(
        "alter role {} rename to {}; alter role {} password 'pw'",
        quote_identifier(&renamed.name),
        quote_identifier(&new_name),
        quote_identifier(&new_name)
    );
    db.client.batch_execute(&rename).await.unwrap();
    for id in [&id_gone, &id_renamed] {
        db.client
            .query(
                "insert into df.signals (instance_id, key, name) values ($1, 'k/x', 'go')",
                &[id],
            )
            .await
            .unwrap();
        db.client
            .query(
                "insert into df.outbox (instance_id, kind, key) values ($1, 'signal', 'k/x')",
                &[id],
            )
            .await
            .unwrap();
    }
    db.client.batch_execute("notify df_relay").await.unwrap();
    let await_as_admin = |id: &str| format!("select df.await_instance('{id}', 60)");
    assert_eq!(
        db.text(&await_as_admin(&id_gone)).await.as_deref(),
        Some("failed"),
        "{}",
        relay.log()
    );
    assert_eq!(
        db.text(&await_as_admin(&id_renamed)).await.as_deref(),
        Some("completed")
    );
    let result = db
        .text(&format!("select df.result('{id_renamed}')"))
        .await
        .unwrap();
    assert!(result.contains(&new_name), "{result}");
    let id = bob.text("select df.start('select 1')").await.unwrap();
    assert_eq!(
        bob.text(&await_as_admin(&id)).await.as_deref(),
        Some("completed")
    );
}

#[tokio::test]
async fn superusers_and_roles_without_login_are_refused_naming_the_remedy() {
    let db = TestDb::new().await;
    let error = db
        .client
        .query_one("select df.start('select 1')", &[])
        .await
        .unwrap_err();
    let message = df_postgres::describe(&error);
    assert!(message.contains("allow_superuser_instances"), "{message}");
    let group = db.role("group").await;
    db.client
        .batch_execute(&format!("alter role {} nologin", group.name))
        .await
        .unwrap();
    let error = group
        .client
        .query_one("select df.start('select 1')", &[])
        .await
        .unwrap_err();
    assert!(df_postgres::describe(&error).contains("LOGIN"));
    let grant = "select df.grant_usage($1)";
    db.client.query(grant, &[&group.name]).await.unwrap();
}

#[tokio::test]
async fn allowing_superusers_prepares_them_and_refusing_again_withholds_their_login() {
    let db = TestDb::new().await;
    let relay = db.start_relay();
    db.text("select df.configure('allow_superuser_instances', 'true')")
        .await;
    let id = db
        .text("select df.start('select current_user::text as me')")
        .await
        .unwrap();
    let ended = db
        .text(&format!("select df.await_instance('{id}', 60)"))
        .await;
    assert_eq!(ended.as_deref(), Some("completed"), "{}", relay.log());
    db.text("select df.configure('allow_superuser_instances', 'false')")
        .await;
    let login = db
        .text("select login from df.relay_login(current_user::regrole, null)")
        .await;
    assert_eq!(
        login, None,
        "the relay still learns a superuser's step login"
    );
}

#[tokio::test]
async fn df_admins_see_cancel_and_configure_without_being_superusers() {
    let db = TestDb::new().await;
    let (alice, operator) = (db.role("alice").await, db.login("operator", "pw").await);
    let id = alice.text("select df.start(df.sleep(600))").await.unwrap();
    assert_ne!(
        sqlstate(&operator.client, "select df.status('x')").await,
        "00000"
    );
    db.client
        .batch_execute(&format!("grant df_admin to {}", operator.name))
        .await
        .unwrap();
    let status = operator.text(&format!("select df.status('{id}')")).await;
    assert_eq!(status.as_deref(), Some("pending"));
    operator.text(&format!("select df.cancel('{id}')")).await;
    let status = alice.text(&format!("select df.status('{id}')")).await;
    assert_eq!(status.as_deref(), Some("cancelled"));
    assert_eq!(
        sqlstate(
            &operator.client,
            "select df.configure('retention_days', '7')"
        )
        .await,
        "00000"
    );
    assert_eq!(
        sqlstate(&operator.client, "select df.configure('nonsense', '7')").await,
        "22023"
    );
    assert_eq!(
        sqlstate(&operator.client, "select * from df.granted_roles").await,
        "42501"
    );
}
