//! Which statements can share their step's transaction, and how many a text holds.

use df_graph::Class::{
    OutsideTransaction as Outside, TransactionControl as Control, Transactional,
};
use df_graph::{statement_count, transaction_class};

#[test]
fn the_leading_key_words_decide_the_class() {
    let cases = [
        ("select 1", Transactional),
        ("", Transactional),
        (";", Transactional),
        ("insert into t values ('vacuum')", Transactional),
        ("call p()", Transactional),
        ("do $$ begin commit; end $$", Transactional),
        ("with x as (select 1) select * from x", Transactional),
        ("analyze", Transactional),
        ("vacuum", Outside),
        ("VACUUM (FULL) t", Outside),
        ("  -- begin\n /* commit /* */ */ Vacuum t", Outside),
        ("; vacuum", Outside),
        ("\"vacuum\"", Transactional),
        ("vacuumx", Transactional),
        ("explain vacuum", Transactional),
        ("create database d", Outside),
        ("drop database if exists d", Outside),
        ("create tablespace s location '/x'", Outside),
        ("drop tablespace s", Outside),
        ("alter tablespace s rename to t", Transactional),
        ("alter system set work_mem = '1MB'", Outside),
        ("alter database d set tablespace s", Outside),
        ("alter database \"D x\" set tablespace s", Outside),
        ("alter database d set work_mem = '1MB'", Transactional),
        ("alter database d rename to e", Transactional),
        ("create index i on t (a)", Transactional),
        ("create index concurrently i on t (a)", Outside),
        (
            "create /* x */ unique index -- y\n concurrently on t (a)",
            Outside,
        ),
        ("create unique index i on t (a)", Transactional),
        ("create index \"concurrently\" on t (a)", Transactional),
        ("drop index i", Transactional),
        ("drop index concurrently if exists i", Outside),
        ("reindex table t", Transactional),
        ("reindex index i", Transactional),
        ("reindex table concurrently t", Outside),
        ("reindex (concurrently) table t", Outside),
        ("reindex (verbose, concurrently true) table t", Outside),
        ("reindex (concurrently false) table t", Transactional),
        ("reindex (concurrently 0, verbose) index i", Transactional),
        ("reindex (verbose) table t", Transactional),
        ("reindex database d", Outside),
        ("reindex (verbose) system d", Outside),
        ("reindex schema s", Outside),
        ("cluster", Outside),
        ("cluster;", Outside),
        ("cluster verbose", Outside),
        ("cluster (verbose)", Outside),
        ("cluster t using i", Transactional),
        ("cluster verbose t", Transactional),
        ("cluster (verbose) t", Transactional),
        (
            "create subscription s connection 'x' publication p",
            Outside,
        ),
        ("drop subscription s", Outside),
        ("alter subscription s refresh publication", Outside),
        ("alter subscription s set publication p", Outside),
        ("alter subscription s disable", Transactional),
        ("alter subscription s set (slot_name = none)", Transactional),
        ("alter table t detach partition p concurrently", Outside),
        (
            "alter table only a.t detach partition a.p concurrently;",
            Outside,
        ),
        ("alter table t detach partition p", Transactional),
        ("alter table t detach partition concurrently", Transactional),
        ("discard all", Outside),
        ("discard temp", Transactional),
        ("begin", Control),
        ("BEGIN; select 1; COMMIT", Control),
        ("start transaction read only", Control),
        ("commit and chain", Control),
        ("end", Control),
        ("rollback to s", Control),
        ("abort", Control),
        ("savepoint s", Control),
        ("release s", Control),
        ("prepare transaction 'x'", Control),
        ("commit prepared 'x'", Control),
        ("rollback prepared 'x'", Control),
        ("prepare p as select 1", Transactional),
        ("/* unterminated begin", Transactional),
        ("'begin'", Transactional),
        ("(select 1)", Transactional),
        ("{statement}", Transactional),
    ];
    for (sql, expected) in cases {
        assert_eq!(transaction_class(sql), expected, "{sql}");
    }
}

#[test]
fn statements_are_counted_as_the_server_would() {
    let cases = [
        ("", 0),
        (" ;; -- x\n /* ; */ ;", 0),
        ("select 1", 1),
        ("select 1;", 1),
        ("select 1; -- the end", 1),
        ("select 1; ;", 1),
        ("select 1; select 2", 2),
        ("select ';'; select E'\\';'; select $$;$$; select \";\"", 4),
        ("select ';''; '", 1),
        ("do $x$ begin a; b; $$ ; $$ end $x$", 1),
        (
            "create rule r as on insert to t do also (insert into a values (1); insert into b values (1))",
            1,
        ),
        (
            "create function f() returns int begin atomic select 1; select 2; end",
            1,
        ),
        (
            "create or replace procedure p() begin atomic select case when true then 1 end; select 2; end; select 3",
            2,
        ),
        ("create table t (a int); begin; end", 3),
        ("select $1; select a$b$; c$b$", 3),
        ("select U&'\\0041;' ; select 1", 2),
    ];
    for (sql, expected) in cases {
        assert_eq!(statement_count(sql), expected, "{sql}");
    }
}
