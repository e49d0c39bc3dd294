//! Rows to JSON (docs/sql-api.md, Results), as a table of statements and the result each must have.

use crate::support::database::{Catalog, Database, LIMIT, query};
use df_executor::render::{RenderError, TypeCache, render};
use df_executor::wire::Connection;
use std::sync::Arc;

struct Session {
    connection: Connection,
    types: TypeCache,
    database: Database,
}

async fn session(script: &str) -> Session {
    let database = Database::create();
    if !script.is_empty() {
        database.psql(script);
    }
    let mut connection = database.connect("postgres").await;
    query(&mut connection, "set timezone = 'Asia/Kolkata'").await;
    query(&mut connection, "set datestyle = 'ISO'").await;
    let types = TypeCache::new(Arc::new(Catalog(database.clone())));
    Session {
        connection,
        types,
        database,
    }
}

impl Session {
    async fn render(&mut self, sql: &str) -> Result<String, RenderError> {
        let reply = query(&mut self.connection, sql).await;
        render(&reply, &self.types, LIMIT).await
    }

    async fn check(&mut self, sql: &str, expected: &str) {
        let json = self.render(sql).await.expect(sql);
        assert_eq!(json, expected, "{sql}");
        serde_json::from_str::<serde_json::Value>(&json).expect("valid JSON");
    }

    /// One row of one column `v`.
    async fn value(&mut self, expression: &str, expected: &str) {
        let sql = format!("select {expression} as v");
        let expected = format!("{{\"rows\":[{{\"v\":{expected}}}],\"row_count\":1}}");
        self.check(&sql, &expected).await;
    }
}

#[tokio::test]
async fn rows_keep_the_order_of_columns_and_count_themselves() {
    let mut s = session("create table t (a int)").await;
    s.check(
        "select 1 as b, 'x' as a",
        r#"{"rows":[{"b":1,"a":"x"}],"row_count":1}"#,
    )
    .await;
    s.check(
        "select 1 as a, 2 as a, 3 as a",
        r#"{"rows":[{"a":1,"a_2":2,"a_3":3}],"row_count":1}"#,
    )
    .await;
    s.check("select 1 where false", r#"{"rows":[],"row_count":0}"#)
        .await;
    s.check(
        "insert into t values (1),(2)",
        r#"{"rows":[],"row_count":2}"#,
    )
    .await;
    s.check(
        "update t set a = 3 returning a",
        r#"{"rows":[{"a":3},{"a":3}],"row_count":2}"#,
    )
    .await;
    s.check("delete from t where a = 9", r#"{"rows":[],"row_count":0}"#)
        .await;
    s.check(
        "create table u as select generate_series(1,4)",
        r#"{"rows":[],"row_count":4}"#,
    )
    .await;
    s.check("set work_mem = '8MB'", r#"{"rows":[],"row_count":0}"#)
        .await;
    s.check("", r#"{"rows":[],"row_count":0}"#).await;
    s.check(
        "select from generate_series(1,2)",
        r#"{"rows":[{},{}],"row_count":2}"#,
    )
    .await;
    s.check(
        "select 1 as \"k\"\"e\\y\"",
        "{\"rows\":[{\"k\\\"e\\\\y\":1}],\"row_count\":1}",
    )
    .await;
}

#[tokio::test]
async fn built_in_types_have_the_forms_of_the_contract() {
    let mut s = session("").await;
    for (expression, expected) in [
        ("true", "true"),
        ("null::bool", "null"),
        ("1::int2", "1"),
        ("(-9223372036854775808)::int8", "-9223372036854775808"),
        ("0.1::float8", "0.1"),
        ("1e300::float8", "1e+300"),
        ("0.5::float4", "0.5"),
        ("'NaN'::float8", "null"),
        ("'-inf'::float4", "null"),
        ("1.50::numeric", "\"1.50\""),
        ("'NaN'::numeric", "\"NaN\""),
        ("E'a\"\\\\\\n\\t\\x01é🦀'", "\"a\\\"\\\\\\n\\t\\u0001é🦀\""),
        ("'ab'::char(4)", "\"ab  \""),
        ("'x'::\"char\"", "\"x\""),
        ("'n'::name", "\"n\""),
        (
            "'00000000-0000-0000-0000-00000000000a'::uuid",
            "\"00000000-0000-0000-0000-00000000000a\"",
        ),
        (
            "'2024-01-02 03:04:05.60+00'::timestamptz",
            "\"2024-01-02T03:04:05.6+00:00\"",
        ),
        ("'infinity'::timestamptz", "\"infinity\""),
        ("'0044-03-15 BC'::timestamp", "\"0044-03-15 00:00:00 BC\""),
        (
            "'2024-01-02 03:04:05'::timestamp",
            "\"2024-01-02T03:04:05\"",
        ),
        ("'-infinity'::timestamp", "\"-infinity\""),
        ("date '2024-02-29'", "\"2024-02-29\""),
        ("date 'infinity'", "\"infinity\""),
        ("time '01:02:03.5'", "\"01:02:03.5\""),
        ("interval '1 day 2 hours'", "\"1 day 02:00:00\""),
        ("'{\"b\":1,  \"a\":2}'::json", "{\"b\":1,  \"a\":2}"),
        (
            "'{\"b\":1,  \"a\":[null]}'::jsonb",
            "{\"a\": [null], \"b\": 1}",
        ),
        ("'\\x00ff'::bytea", "\"\\\\x00ff\""),
        ("pg_sleep(0)", "null"),
        ("1::oid", "\"1\""),
        ("'pg_class'::regclass", "\"pg_class\""),
        ("point(1,2)", "\"(1,2)\""),
        ("int4range(1,5)", "\"[1,5)\""),
        ("'10.0.0.0/8'::inet", "\"10.0.0.0/8\""),
        ("'a b'::tsvector", "\"'a' 'b'\""),
        ("b'101'", "\"101\""),
        ("'postgres=r/postgres'::aclitem", "\"postgres=r/postgres\""),
        ("'1 2'::int2vector", "\"1 2\""),
        ("'<a/>'::xml", "\"<a/>\""),
        ("'16/B374D848'::pg_lsn", "\"16/B374D848\""),
        ("pg_current_snapshot() is null", "false"),
        ("'{[1,2),[5,6)}'::int4multirange", "\"{[1,2),[5,6)}\""),
    ] {
        s.value(expression, expected).await;
    }
}

#[tokio::test]
async fn every_type_that_postgres_ships_is_carried() {
    let mut s = session("").await;
    let names = "select string_agg(format('null::%s as %I', format_type(oid, null), typname), ', ')
        from (select oid, typname from pg_type
              where typnamespace = 'pg_catalog'::regnamespace and typtype in ('b','r','m')
              order by oid) t";
    let list = s.database.psql(names);
    let json = s
        .render(&format!("select {list}"))
        .await
        .expect("every type has a form");
    assert!(json.contains("\"pg_node_tree\":null"), "{json}");
}

#[tokio::test]
async fn arrays_and_composites_are_nested_json() {
    let mut s = session(
        "create type mood as enum ('sad', 'so, so');
         create domain positive as int check (value > 0);
         create domain moods as mood[];
         create type pair as (n positive, \"Label\" text, at timestamptz, tags text[]);
         create table item (id int, gone int, p pair, price numeric);
         alter table item drop column gone",
    )
    .await;
    for (expression, expected) in [
        ("array[1,null,3]", "[1,null,3]"),
        ("array[[1,2],[3,4]]", "[[1,2],[3,4]]"),
        ("'[0:1]={a,b}'::text[]", "[\"a\",\"b\"]"),
        ("'{}'::int[]", "[]"),
        (
            "array['a,b', 'NULL', null, '', 'q\"\\']",
            "[\"a,b\",\"NULL\",null,\"\",\"q\\\"\\\\\"]",
        ),
        ("array['{\"a\":[1]}'::jsonb]", "[{\"a\": [1]}]"),
        ("array[1.50, 'NaN'::numeric]", "[\"1.50\",\"NaN\"]"),
        ("array['NaN'::float8, 1]", "[null,1]"),
        (
            "array['2024-01-02 00:00+00'::timestamptz]",
            "[\"2024-01-02T00:00:00+00:00\"]",
        ),
        (
            "array[box(point(1,1),point(0,0)), box(point(2,2),point(1,1))]",
            "[\"(1,1),(0,0)\",\"(2,2),(1,1)\"]",
        ),
        ("array[true,false]", "[true,false]"),
        ("array[int4range(1,2)]", "[\"[1,2)\"]"),
        ("'so, so'::mood", "\"so, so\""),
        ("array['so, so','sad']::mood[]", "[\"so, so\",\"sad\"]"),
        ("array['sad']::moods", "[\"sad\"]"),
        ("5::positive", "5"),
        (
            "row(7, 'x \"y\"', '2024-01-02 00:00+00', '{a,\"b c\"}')::pair",
            "{\"n\":7,\"Label\":\"x \\\"y\\\"\",\"at\":\"2024-01-02T00:00:00+00:00\",\"tags\":[\"a\",\"b c\"]}",
        ),
        (
            "array[row(1,null,null,null)::pair]",
            "[{\"n\":1,\"Label\":null,\"at\":null,\"tags\":null}]",
        ),
        (
            "row(1, row(2,'',null,'{}')::pair, 1.0)::item",
            "{\"id\":1,\"p\":{\"n\":2,\"Label\":\"\",\"at\":null,\"tags\":[]},\"price\":\"1.0\"}",
        ),
        ("null::item", "null"),
        (
            "row(1, null, 'b c')",
            "{\"f1\":\"1\",\"f2\":null,\"f3\":\"b c\"}",
        ),
    ] {
        s.value(expression, expected).await;
    }
}

#[tokio::test]
async fn a_composite_altered_since_it_was_looked_up_is_looked_up_again() {
    let mut s = session(
        "create type pair as (a int); create table t (p pair); insert into t values (row(1))",
    )
    .await;
    s.check(
        "select p from t",
        r#"{"rows":[{"p":{"a":1}}],"row_count":1}"#,
    )
    .await;
    s.database
        .psql("drop table t; alter type pair add attribute b text");
    s.value("row(1,'x')::pair", r#"{"a":1,"b":"x"}"#).await;
}

#[tokio::test]
async fn an_extensions_own_type_names_the_column_and_the_cast() {
    // A base type made by hand stands for an extension's: what matters is that pg_catalog has it
    // not.
    let mut s = session(
        "create type own;
         create function own_in(cstring) returns own as 'textin' language internal strict immutable;
         create function own_out(own) returns cstring as 'textout' language internal strict immutable;
         create type own (input = own_in, output = own_out, like = text);
         create domain owned as own;
         create type holder as (o own)",
    )
    .await;
    for expression in [
        "'x'::own",
        "array['x']::own[]",
        "'x'::owned::own",
        "row('x')::holder",
    ] {
        let error = s
            .render(&format!("select {expression} as thing"))
            .await
            .unwrap_err();
        assert_eq!(error.sqlstate(), "0A000", "{expression}");
        let message = error.to_string();
        assert!(
            message.contains("\"thing\"") && message.contains("::text"),
            "{message}"
        );
    }
    s.value("'x'::own::text", "\"x\"").await;
}

#[tokio::test]
async fn a_rendered_result_past_the_limit_is_refused() {
    let mut s = session("").await;
    let reply = query(
        &mut s.connection,
        "select 1 as a_rather_long_name from generate_series(1,100)",
    )
    .await;
    let error = render(&reply, &s.types, 1000).await.unwrap_err();
    assert_eq!(error.sqlstate(), "54000");
}

/// Each stands twice in the next: written out, the last has 2^17 fields.
#[tokio::test]
async fn a_type_made_of_types_made_of_types_costs_no_more_than_they_are() {
    let mut script = "create type t0 as (x int);".to_owned();
    for n in 1..=16 {
        let below = n - 1;
        script += &format!("create type t{n} as (a t{below}, b t{below});");
    }
    let mut s = session(&script).await;
    let columns: Vec<_> = (0..1600).map(|n| format!("null::t16 as c{n}")).collect();
    let json = s.render(&format!("select {}", columns.join(", "))).await;
    assert!(
        json.expect("renders")
            .starts_with(r#"{"rows":[{"c0":null,"c1":null,"#)
    );
    s.value(
        "(row(row(null, row(1))::t1, null)::t2)",
        r#"{"a":{"a":null,"b":{"x":1}},"b":null}"#,
    )
    .await;
}

#[tokio::test]
async fn types_nested_too_deep_or_of_too_many_fields_fail_the_statement() {
    let mut script = "create type t0 as (x int);".to_owned();
    for n in 1..=101 {
        script += &format!("create type t{n} as (a t{});", n - 1);
    }
    script += "do $$ begin for n in 0..69 loop
        execute format('create type wide%s as (%s)', n,
            (select string_agg('f' || f || ' int', ', ') from generate_series(1, 1500) f));
        end loop; end $$";
    let mut s = session(&script).await;
    s.value("null::t99", "null").await;
    let wide: Vec<_> = (0..70).map(|n| format!("null::wide{n}")).collect();
    for (sql, message) in [
        (
            "select null::t101 as v".to_owned(),
            "column \"v\" has a type nested deeper than 100 levels; cast it to text",
        ),
        (
            format!("select {}", wide.join(", ")),
            "the types of the columns have more than 100000 fields; cast them to text",
        ),
    ] {
        let error = s.render(&sql).await.expect_err(&sql);
        assert_eq!(
            (error.sqlstate(), error.to_string().as_str()),
            ("54000", message)
        );
    }
    // The text of one value, and all that is written of it.
    s.database
        .psql("create type names as (a_name_that_is_long_enough int, another_name_as_long int)");
    let error = s
        .render("select array_agg(null::names) || array(select row(null, null)::names from generate_series(1, 700000))")
        .await
        .expect_err("too large");
    assert!(matches!(error, RenderError::TooLarge { .. }), "{error:?}");
}
