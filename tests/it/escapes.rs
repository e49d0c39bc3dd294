//! An adversary's steps, run by the real relay on pooled connections that it shares with a victim.
//!
//! Each attack must end as the table says, read nothing of the victim's, write nothing as anybody
//! else, and leave the session as the next step expects it.

use df_postgres::quote_literal;

use crate::support::{Process, Role, TestDb};

const SECRET: &str = "the victim's secret";

/// What becomes of a step.
#[derive(Clone, Copy)]
enum Ends {
    /// It does no harm, so it may succeed.
    Completed,
    /// It fails, and its error holds this.
    Failed(&'static str),
    /// Either: behind a pooler what it set is undone before its record.
    Harmless(&'static str),
}
use Ends::{Completed, Failed, Harmless};

struct Stage {
    db: TestDb,
    relay: Process,
    alice: Role,
    bob: Role,
    /// An instance of the victim's that has ended.
    victim: String,
}

impl Stage {
    async fn new() -> Stage {
        let db = TestDb::new().await;
        let (alice, bob) = (db.role("alice").await, db.role("bob").await);
        let relay = db.start_relay();
        let mut stage = Stage {
            db,
            relay,
            alice,
            bob,
            victim: String::new(),
        };
        let secret = format!(
            "create table public.secrets as select {} as secret",
            quote_literal(SECRET)
        );
        stage.alice.client.batch_execute(&secret).await.unwrap();
        stage
            .alice
            .client
            .batch_execute("create table public.notes (who text, what text)")
            .await
            .unwrap();
        stage
            .bob
            .client
            .batch_execute("create table public.loot (what text)")
            .await
            .unwrap();
        let id = stage
            .alice
            .text("select df.start('select 1', 'victim')")
            .await
            .unwrap();
        assert_eq!(stage.ended(&stage.alice, &id).await, "completed");
        stage.victim = id;
        stage
    }

    /// Fills in the names an attack needs.
    fn fill(&self, sql: &str) -> String {
        let login = |role: &Role| {
            format!(
                "(select 'df_step_' || d.oid || '_' || '{}'::regrole::oid from pg_database d where datname = current_database())",
                role.name
            )
        };
        sql.replace("{victim}", &self.victim)
            .replace("{alice}", &self.alice.name)
            .replace("{bob}", &self.bob.name)
            .replace("{alice_login}", &login(&self.alice))
            .replace("{bob_login}", &login(&self.bob))
    }

    async fn ended(&self, role: &Role, id: &str) -> String {
        let wait = format!("select df.await_instance('{id}', 60)");
        role.text(&wait)
            .await
            .unwrap_or_else(|| panic!("{}", self.relay.log()))
    }

    /// Runs one statement as a step; its status, and its result or error.
    async fn step(&self, role: &Role, sql: &str) -> (String, String) {
        let start = format!("select df.start({}, 'victim')", quote_literal(sql));
        let id = role.text(&start).await.unwrap();
        let status = self.ended(role, &id).await;
        let output = format!("select coalesce(output, '') from df.instance_info('{id}')");
        (status, role.text(&output).await.unwrap())
    }

    /// Runs one attack and looks at what it gained.
    async fn check(&self, name: &str, sql: &str, ends: Ends) -> Result<(), String> {
        let (status, output) = self.step(&self.bob, &self.fill(sql)).await;
        let as_said = match ends {
            Completed => status == "completed",
            Failed(why) => status == "failed" && output.contains(why),
            Harmless(why) => status == "completed" || output.contains(why),
        };
        if !as_said {
            return Err(format!("{name} ended as {status}: {output}"));
        }
        if output.contains(SECRET) {
            return Err(format!("{name} read the victim's table: {output}"));
        }
        self.nothing_gained(name).await
    }

    async fn nothing_gained(&self, name: &str) -> Result<(), String> {
        let gained = format!(
            "select string_agg(what, '; ') from (
                select 'loot: ' || l.what from public.loot l where l.what like '%secret%'
                union all select 'a note: ' || what from public.notes
                union all select 'an instance of ' || submitted_by from df.instances
                 where submitted_by not in ('{bob}'::regrole, '{alice}'::regrole) or (submitted_by = '{alice}'::regrole and label is distinct from 'victim')
                union all select 'a role: ' || rolname from pg_roles where rolname like 'evil%'
                union all select 'bob became more' from pg_roles
                 where (rolname = '{bob}' or rolname like 'df\\_%') and (rolsuper or rolcreaterole or rolbypassrls)
                union all select 'a member: ' || roleid::regrole || ' of ' || member::regrole from pg_auth_members
                 where roleid = '{alice}'::regrole and member::regrole::text not like 'df\\_step%'
                union all select 'a prepared transaction: ' || gid from pg_prepared_xacts
                 where database = current_database() and owner <> '{bob}'
                union all select 'a child of df: ' || inhrelid::regclass from pg_inherits i
                  join pg_class c on c.oid = i.inhparent where c.relnamespace = 'df'::regnamespace and c.relkind = 'r'
                union all select 'a function in df: ' || proname from pg_proc p
                 where pronamespace = 'df'::regnamespace and proowner <> 'df_owner'::regrole
             ) as gains(what)",
            bob = self.bob.name,
            alice = self.alice.name
        );
        if let Some(gains) = self.db.text(&gained).await {
            return Err(format!("{name} gained: {gains}"));
        }
        // A role may leave one behind from any session of its own; the next attack is not to meet it.
        let prepared = "select format('rollback prepared %L', gid) from pg_prepared_xacts where database = current_database()";
        while let Some(rollback) = self.db.text(prepared).await {
            self.db.text(&rollback).await;
        }
        // What the next step of either role finds: its own identity and a session as after login.
        let clean = "select json_build_array(current_user = rolname, session_user::text like 'df\\_step%',
            current_setting('search_path'), current_setting('standard_conforming_strings'),
            current_setting('transaction_read_only'), current_setting('row_security'),
            current_setting('session_replication_role'), coalesce(current_setting('my.mark', true), ''),
            (select count(*) from pg_prepared_statements), (select count(*) from pg_cursors where is_holdable),
            (select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()),
            (select count(*) from pg_class where relnamespace = pg_my_temp_schema()),
            (select count(*) from pg_proc where pronamespace = pg_my_temp_schema()),
            (select count(*) from pg_listening_channels())) as state
            from pg_roles where oid = '{me}'::regrole";
        for role in [&self.bob, &self.alice] {
            let (status, output) = self.step(role, &clean.replace("{me}", &role.name)).await;
            let state: String = output.chars().filter(|c| !c.is_whitespace()).collect();
            let expected =
                r#"[true,true,"\"$user\",public","on","off","on","origin","",0,0,0,0,0,0]"#;
            if status != "completed" || !state.contains(expected) {
                return Err(format!("after {name}, {} finds {state}", role.name));
            }
        }
        Ok(())
    }
}

/// Runs a table of attacks against one stage.
async fn check_all(attacks: &[(&str, &str, Ends)]) {
    let stage = Stage::new().await;
    let mut gains = Vec::new();
    for (name, sql, ends) in attacks {
        if let Err(gain) = stage.check(name, sql, *ends).await {
            gains.push(gain);
        }
    }
    assert!(gains.is_empty(), "{}", gains.join("\n"));
}

#[tokio::test]
async fn no_statement_changes_who_a_step_is() {
    check_all(&[
        // Its sessions begin as the role, so both stay there.
        ("reset role", "reset role", Completed),
        ("set role none", "set role none", Failed("permission denied for schema df")),
        ("set role to the victim", "set role \"{alice}\"", Failed("permission denied to set role")),
        ("set role to the owner", "set role df_owner", Failed("permission denied")),
        ("set role to the relay", "set role df_relay", Failed("permission denied")),
        ("set session authorization", "set session authorization \"{alice}\"", Failed("permission denied")),
        ("reset session authorization", "reset session authorization", Completed),
        ("set_config role", "select set_config('role', '{alice}', false)", Failed("permission denied")),
        ("set_config none", "select set_config('role', 'none', false)", Failed("permission denied for schema df")),
        ("set_config session_authorization", "select set_config('session_authorization', '{alice}', false)", Failed("permission denied")),
        (
            "a DO block that resets and reads",
            "do $$ begin execute 'reset role'; execute 'set role none'; execute 'insert into public.loot select secret from public.secrets'; end $$",
            Failed("permission denied for table loot"),
        ),
        (
            "a function that resets",
            "do $$ begin create or replace function public.bob_f() returns text language plpgsql as 'begin reset role; return (select secret from public.secrets); end'; perform public.bob_f(); end $$",
            Failed("permission denied for table secrets"),
        ),
        ("a membership", "grant \"{alice}\" to \"{bob}\"", Failed("")),
        ("a new role", "create role evil superuser", Failed("")),
        (
            "the bare login makes itself more",
            "do $$ begin set role none; execute format('alter role %I createrole', session_user); end $$",
            Failed("permission denied"),
        ),
        (
            "the victim's login takes a password",
            "do $$ begin set role none; execute format('alter role %I password %L', {alice_login}, 'x'); end $$",
            Failed("permission denied"),
        ),
        ("the same in a DO block", "do $$ begin execute 'set role \"{alice}\"'; end $$", Failed("permission denied to set role")),
        (
            "the session's authorization in a DO block",
            "do $$ begin execute 'set session authorization \"{alice}\"'; end $$",
            Failed("permission denied"),
        ),
        ("set local role", "set local role \"{alice}\"", Failed("permission denied to set role")),
        (
            "the victim's step login",
            "do $$ begin execute format('set role %I', {alice_login}); end $$",
            Failed("permission denied to set role"),
        ),
        (
            "a function that is declared to run as the victim",
            "do $$ begin
                create or replace function public.bob_as() returns text language sql set role to \"{alice}\" as 'select secret from public.secrets';
                insert into public.loot select public.bob_as();
             end $$",
            Failed("permission denied to set role"),
        ),
        (
            "a definer function that sets the role",
            "do $$ begin
                create or replace function public.bob_escalates() returns void language plpgsql security definer as 'begin set role none; insert into public.loot select secret from public.secrets; end';
                perform public.bob_escalates();
             end $$",
            Failed("within security-definer function"),
        ),
        (
            "a trigger that resets the role",
            "do $$ begin
                create table if not exists public.bob_r (n int);
                create or replace function public.bob_resets() returns trigger language plpgsql as
                    'begin set role none; insert into public.loot select secret from public.secrets; return new; end';
                create or replace trigger resets before insert on public.bob_r for each row execute function public.bob_resets();
                insert into public.bob_r values (1);
             end $$",
            Failed("permission denied"),
        ),
        ("its own attributes", "alter role \"{bob}\" createrole bypassrls", Failed("")),
        (
            "a definer function of the attacker",
            "do $$ begin create or replace function public.bob_definer() returns text language sql security definer as 'select current_user::text'; insert into public.loot select public.bob_definer(); end $$",
            Completed,
        ),
    ])
    .await;
}

#[tokio::test]
async fn no_statement_ends_or_bends_its_transaction() {
    check_all(&[
        ("commit", "commit", Failed("transaction control")),
        ("rollback", "rollback", Failed("transaction control")),
        (
            "commit and chain",
            "commit and chain",
            Failed("transaction control"),
        ),
        ("begin", "begin", Failed("transaction control")),
        ("savepoint", "savepoint s", Failed("transaction control")),
        (
            "prepare transaction",
            "prepare transaction 'evil'",
            Failed("transaction control"),
        ),
        ("abort", "abort", Failed("transaction control")),
        (
            "a prepared transaction of another",
            "commit prepared 'evil'",
            Failed("cannot run inside a transaction block"),
        ),
        (
            "back to a savepoint",
            "rollback to savepoint s",
            Failed("does not exist"),
        ),
        (
            "two commands",
            "insert into public.loot values ('first'); commit; select secret from public.secrets",
            Failed(""),
        ),
        ("two harmless commands", "select 1; select 2", Failed("")),
        (
            "commit in a DO block",
            "do $$ begin insert into public.loot values ('x'); commit; end $$",
            Failed("invalid transaction termination"),
        ),
        (
            "read only",
            "set transaction read only",
            Failed("read-only"),
        ),
        (
            "isolation",
            "set transaction isolation level serializable",
            Failed("must be called before any query"),
        ),
        (
            "session read only",
            "set session characteristics as transaction read only",
            Completed,
        ),
        ("constraints", "set constraints all deferred", Completed),
        (
            "default read only",
            "set default_transaction_read_only = on",
            Completed,
        ),
        (
            "literals",
            "set standard_conforming_strings = off",
            Completed,
        ),
        (
            "encoding",
            "set client_encoding = 'SQL_ASCII'",
            Failed("client_encoding"),
        ),
        (
            "copy to a program",
            "copy public.loot to program 'id'",
            Failed(""),
        ),
        ("copy to stdout", "copy public.loot to stdout", Failed("")),
        ("copy from stdin", "copy public.loot from stdin", Failed("")),
        (
            "any lock on any table of df but the readers' own",
            "do $$ declare
                v_table regclass;
                v_mode  text;
             begin
                for v_table in select oid from pg_class where relnamespace = 'df'::regnamespace and relkind in ('r', 'v') loop
                    foreach v_mode in array array['row share', 'row exclusive', 'share update exclusive', 'share',
                                                  'share row exclusive', 'exclusive', 'access exclusive'] loop
                        begin
                            execute format('lock table %s in %s mode nowait', v_table, v_mode);
                            insert into public.loot values (format('secret: locked %s in %s', v_table, v_mode));
                        exception when insufficient_privilege then null;
                        end;
                    end loop;
                end loop;
             end $$",
            Completed,
        ),
        (
            "disabled triggers",
            "set session_replication_role = replica",
            Failed("permission denied"),
        ),
        (
            "row security off",
            "set row_security = off",
            Harmless("row-level security"),
        ),
    ])
    .await;
}

#[tokio::test]
async fn nothing_is_left_behind_for_the_next_step() {
    check_all(&[
        ("a prepared statement", "prepare evil as select secret from public.secrets", Completed),
        ("a cursor", "declare evil cursor with hold for select 1", Completed),
        ("a session lock", "select pg_advisory_lock(1)", Completed),
        ("listen", "listen df_relay", Completed),
        ("a temp table", "create temp table instances as select 1 as id", Completed),
        ("a temp function", "create function pg_temp.quote_ident(name) returns text language sql as $$ select 'evil' $$", Completed),
        ("a setting", "select set_config('my.mark', 'left', false)", Completed),
        ("a search_path", "set search_path = pg_temp, public", Completed),
        ("a shadowing search_path", "do $$ begin create schema if not exists evil; exception when insufficient_privilege then null; end $$", Completed),
        ("timeouts", "do $$ begin set statement_timeout = 1000; set idle_in_transaction_session_timeout = 1000; set lock_timeout = 1; end $$", Completed),
        (
            "an operator in public",
            "do $$ begin
                create or replace function public.bob_eq(text, text) returns boolean language plpgsql as 'begin insert into public.notes values (current_user, ''operator''); return true; end';
                create operator public.= (leftarg = text, rightarg = text, function = public.bob_eq);
             end $$",
            Completed,
        ),
        ("a cursor of the transaction", "declare evil cursor for select 1", Completed),
        ("no prepared statements", "deallocate all", Completed),
        ("no plans", "discard plans", Completed),
        ("no settings", "reset all", Completed),
        ("no session", "discard all", Completed),
        (
            "catalogs of its own",
            "do $$ begin
                create temp table pg_roles as select 'x' as rolname, 1 as oid;
                create temp table pg_class as select 'x' as relname, 1 as oid;
                create temp table node_runs as select 'x' as run_path;
             end $$",
            Completed,
        ),
        (
            "types that the record names",
            "do $$ begin
                create domain pg_temp.uuid as text;
                create domain pg_temp.json as text check (current_user = '{bob}');
                create domain pg_temp.text as pg_catalog.text check (false);
                create domain pg_temp.int4 as pg_catalog.int4 check (false);
             end $$",
            Completed,
        ),
        ("login settings", "do $$ begin set role none; execute format('alter role %I set search_path = pg_temp', session_user); execute format('alter role %I reset all', session_user); set role \"{bob}\"; end $$", Completed),
    ])
    .await;
}

/// Code of the attacker's that somebody else's rights might run.
#[tokio::test]
async fn nobody_else_runs_the_attackers_code() {
    check_all(&[
        (
            "a deferred trigger at COMMIT",
            "do $$ begin
                create or replace function public.bob_trigger() returns trigger language plpgsql as
                    'begin insert into public.loot select secret from public.secrets; return null; end';
                create table if not exists public.bob_t (n int);
                create constraint trigger evil after insert on public.bob_t deferrable initially deferred
                    for each row execute function public.bob_trigger();
                insert into public.bob_t values (1);
             end $$",
            Failed("permission denied for table secrets"),
        ),
        (
            "a deferred trigger that records who it is",
            "do $$ begin
                create or replace function public.bob_who() returns trigger language plpgsql as
                    'begin if current_user <> ''{bob}'' then insert into public.notes values (current_user, ''trigger''); end if; return null; end';
                create table if not exists public.bob_w (n int);
                create constraint trigger who after insert on public.bob_w deferrable initially deferred
                    for each row execute function public.bob_who();
                insert into public.bob_w values (1);
             end $$",
            Completed,
        ),
        (
            "a type with a cast of its own",
            "do $$ begin
                create type public.bob_type as (a text);
                create or replace function public.bob_json(public.bob_type) returns json language plpgsql as
                    'begin if current_user <> ''{bob}'' then insert into public.notes values (current_user, ''cast''); end if; return ''{}''::json; end';
                create cast (public.bob_type as json) with function public.bob_json(public.bob_type);
             end $$",
            Completed,
        ),
        ("a value of that type", "select row('x')::public.bob_type as v", Completed),
        (
            "a domain with a check of its own",
            "do $$ begin
                create or replace function public.bob_check(text) returns boolean language plpgsql as
                    'begin if current_user <> ''{bob}'' then insert into public.notes values (current_user, ''check''); end if; return true; end';
                create domain public.bob_domain as text check (public.bob_check(value));
             end $$",
            Completed,
        ),
        ("a value of that domain", "select 'x'::public.bob_domain as v", Completed),
        (
            "a leak in a condition",
            "do $$ begin
                create or replace function public.bob_leak(text, regrole) returns boolean language plpgsql cost 0.0001 as
                    'begin if $2 <> ''{bob}''::regrole then insert into public.loot values (''a secret: '' || $1); end if; return true; end';
                perform from df.instances where public.bob_leak(id, submitted_by);
                perform from df.nodes where public.bob_leak(instance_id, submitted_by);
                perform from df.outbox where public.bob_leak(event_id, submitted_by);
                perform from df.signals where public.bob_leak(key, submitted_by);
                perform from df.vars where public.bob_leak(name, owner);
                perform from df.graphs where public.bob_leak(graph, owner);
                perform from df.parked_events where public.bob_leak(event_id, submitted_by);
                perform from df.outbox_lag where public.bob_leak('lag', submitted_by);
             end $$",
            Completed,
        ),
        ("a foreign key to df", "create table public.bob_fk (id text references df.instances (id))", Failed("permission denied")),
        ("a child of df's", "create table public.bob_child () inherits (df.outbox)", Failed("must be owner")),
        ("statistics of df's", "create statistics public.evil on id, status from df.instances", Failed("must be owner")),
        ("a publication of df's", "create publication evil for table df.instances", Failed("permission denied")),
        ("a trigger on df", "create trigger evil after insert on df.node_runs for each row execute function public.bob_trigger()", Failed("permission denied")),
        ("a policy on df", "create policy evil on df.instances using (true)", Failed("must be owner")),
        ("row security off on df", "alter table df.instances disable row level security", Failed("must be owner")),
        ("default privileges in df", "alter default privileges in schema df grant all on tables to public", Completed),
        ("a library in the session", "load 'auto_explain'", Failed("not allowed")),
        ("a rule on df", "create rule evil as on insert to df.outbox do also select 1", Failed("must be owner")),
        ("a function in df", "create function df.step_begin(text, bigint, uuid, int default 1) returns text language sql as 'select ''1'''", Failed("permission denied")),
        ("an event trigger", "create event trigger evil on ddl_command_end execute function public.bob_trigger()", Failed("permission denied")),
        ("the relay's functions", "select * from df.relay_login(0, null)", Failed("permission denied")),
        ("the passwords", "select * from df.granted_roles", Failed("permission denied")),
        ("the victim's instances", "select count(*)::text || ' seen' from df.instances where submitted_by = '{alice}'::regrole having count(*) > 0", Completed),
        ("a cancel of the victim's", "insert into df.outbox (instance_id, kind) values ('AAAAAAAA', 'cancel')", Failed("row-level security")),
        (
            "what tells the victim's instance from none",
            "do $$ declare
                v_id  text;
                v_all text[] := '{}';
             begin
                foreach v_id in array array['{victim}', 'AAAAAAAA'] loop
                    begin
                        insert into df.outbox (instance_id, kind) values (v_id, 'cancel');
                    exception when others then
                        v_all := v_all || (sqlstate || replace(sqlerrm, v_id, ''));
                    end;
                    begin
                        insert into df.signals (instance_id, key, name) values (v_id, 'k', 'n');
                    exception when others then
                        v_all := v_all || (sqlstate || replace(sqlerrm, v_id, ''));
                    end;
                end loop;
                if v_all[1:2] <> v_all[3:4] or cardinality(v_all) <> 4 then
                    insert into public.loot values ('a secret: ' || v_all::text);
                end if;
             end $$",
            Completed,
        ),
        ("a signal in the victim's name", "insert into df.signals (instance_id, key, name) values ('AAAAAAAA', 'k', 'n')", Failed("row-level security")),
        ("a record for the victim", "select df.step_record(id, 1, gen_random_uuid(), pg_current_xact_id(), 'root', 'completed', '{}', null, null, 1, '{}', '{}', '{}', null, null) from (values ('AAAAAAAA')) as v(id)", Failed("is not owned by")),
        ("large results", "select repeat('x', 1000000) as x from generate_series(1, 100)", Failed("max_result_bytes")),
        ("another backend's end", "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'df_relay'", Failed("")),
        ("a file", "select pg_read_file('postgresql.conf')", Failed("permission denied")),
        ("a server program", "create function public.evil() returns int language c as 'libc', 'system'", Failed("permission denied")),
    ])
    .await;
}

/// The bare login owns its password: changing it parks its own role's steps, and granting again mends.
#[tokio::test]
async fn a_changed_step_password_parks_its_own_role_until_granted_again() {
    let stage = Stage::new().await;
    let change = "do $$ begin set role none; execute format('alter role %I password %L', session_user, 'mine'); set role \"{bob}\"; end $$";
    let (status, output) = stage.step(&stage.bob, &stage.fill(change)).await;
    assert_eq!(status, "completed", "{output}");
    stage.db.client.batch_execute("select pg_terminate_backend(pid) from pg_stat_activity where usename like 'df\\_step%'").await.unwrap();
    let id = stage.bob.text("select df.start('select 1')").await.unwrap();
    // PgBouncer says of it what it says where its server is away.
    let told = match std::env::var_os("DF_TEST_POOLER") {
        Some(_) => "SASL authentication failed",
        None => "step waits for its set-up to be mended",
    };
    stage.relay.wait_for_log(told);
    let (status, _) = stage.step(&stage.alice, "select 1").await;
    assert_eq!(status, "completed");
    stage
        .db
        .client
        .query(
            "select df.grant_usage($1, include_http => true)",
            &[&stage.bob.name],
        )
        .await
        .unwrap();
    assert_eq!(stage.ended(&stage.bob, &id).await, "completed");
}

#[tokio::test]
async fn a_statement_that_never_ends_ends_with_its_cancel_or_its_timeout() {
    let stage = Stage::new().await;
    let id = stage
        .bob
        .text("select df.start('select pg_sleep(3600)')")
        .await
        .unwrap();
    let busy = "select count(*) from pg_stat_activity where query like '%pg_sleep(3600)%' and state = 'active' and usename like 'df\\_step%'";
    while stage.db.text(busy).await.as_deref() != Some("1") {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    stage.bob.text(&format!("select df.cancel('{id}')")).await;
    while stage.db.text(busy).await.as_deref() != Some("0") {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    stage
        .db
        .text("select df.configure('step_timeout_seconds', '1')")
        .await;
    // The relay reads settings every few seconds; until then the statement may still run for ever.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let (status, output) = stage.step(&stage.bob, "select pg_sleep(3600)").await;
    assert_eq!(status, "failed");
    assert!(output.contains("statement timeout"), "{output}");
}
