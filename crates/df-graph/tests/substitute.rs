//! Substitution, rule by rule (docs/sql-api.md, Using earlier results).

mod support;

use df_graph::{
    Place, SubstituteError, names_in, substitute_json_text, substitute_plain, substitute_sql,
    whole_value,
};
use serde_json::{Value, json};
use support::Bound;

fn row(value: Value) -> Value {
    json!({"rows": [{"v": value}], "row_count": 1})
}

fn bound() -> Bound {
    let results = json!({
        "n": row(json!(5)),
        "neg": row(json!(-7)),
        "big": row(json!(1.5e300)),
        "yes": row(json!(true)),
        "name": row(json!("Bob")),
        "quote": row(json!("O'Brien")),
        "slash": row(json!("C:\\new")),
        "evil": row(json!("\\'; drop table t; --")),
        "dollar": row(json!("a$$b$q$c")),
        "tricky": row(json!("$n {var} $$")),
        "nul": row(json!("a\0b")),
        "doc": row(json!({"k": "it's", "b": "\\"})),
        "list": row(json!([1, "x"])),
        "none": row(json!(null)),
        "empty": {"rows": [], "row_count": 0},
        "bare": {"rows": [{}, {}], "row_count": 2},
        "user": {"rows": [{"id": 1, "name": "Ann", "é": "e", "gone": null, "Odd Name": 1},
                          {"id": 2, "name": null, "é": "f", "gone": null, "Odd Name": -2}], "row_count": 2},
        "total": row(json!(10)),
        "total_amount": row(json!(99)),
        "odd": {"rows": [{"a\"b": "x"}], "row_count": 1},
        "uneven": {"rows": [{"a": 1}, {"a": 1, "b": 2}], "row_count": 2},
        "http": {"status": 200, "body": "hi 'there'", "ok": true, "headers": {"a": "b"}, "nothing": null},
        "text": "just text",
        "nothing": null,
        "join": [{"rows": [], "row_count": 0}, 1],
        "zero": 0,
    });
    let var = |name: &str, value: &str| (name.to_string(), value.to_string());
    let vars = vec![
        var("var", "v1"),
        var("tbl", "public.t"),
        var("quoted", "it's"),
        var("self", "{self} $n"),
        var("my var-1", "spaced"),
        var("url", "https://x.y"),
    ];
    Bound {
        results,
        vars,
        label: Some("lab".into()),
    }
}

#[test]
fn sql_references_become_constants() {
    let mut bound = bound();
    // The longest name that a variable may have.
    bound.vars.push(("é".repeat(512), "long".into()));
    let long = format!("select {{{}}}", "é".repeat(512));
    let cases = [
        ("select 1", "select 1"),
        ("select $n", "select 5"),
        ("select $n, $n", "select 5, 5"),
        ("select $neg", "select (-7)"),
        ("select 1 -$neg::int", "select 1 -(-7)::int"),
        ("select $yes", "select true"),
        ("select $name", "select 'Bob'"),
        ("select $quote", "select 'O''Brien'"),
        ("select $slash", "select E'C:\\\\new'"),
        ("select $evil", "select E'\\\\''; drop table t; --'"),
        (
            "select $doc",
            "select E'{\"k\":\"it''s\",\"b\":\"\\\\\\\\\"}'",
        ),
        ("select $list", "select '[1,\"x\"]'"),
        ("select $n::int+$n", "select 5::int+5"),
        ("select f($n,$name)", "select f(5,'Bob')"),
        ("select $n;", "select 5;"),
        ("where a=$n and b>$n", "where a=5 and b>5"),
        // The longest name wins, and no name matches inside another.
        ("$total_amount $total", "99 10"),
        ("$total_amounts", "$total_amounts"),
        ("$totals", "$totals"),
        // Unknown names and columns are left alone.
        ("select $unknown, $1, $2", "select $unknown, $1, $2"),
        (
            "select $unknown.col, $unknown?, $unknown.*",
            "select $unknown.col, $unknown?, $unknown.*",
        ),
        ("select $user.nope", "select $user.nope"),
        ("select $user.nope?", "select $user.nope?"),
        ("select $N", "select $N"),
        ("$", "$"),
        ("$ n", "$ n"),
        // Columns.
        ("select $user.id", "select 1"),
        ("select $user.name", "select 'Ann'"),
        ("select $user.é", "select 'e'"),
        ("select $user", "select 1"),
        ("select $user.", "select 1."),
        ("select $user .id", "select 1 .id"),
        // Nullable references.
        ("select $none?", "select NULL"),
        ("select $none.v?", "select NULL"),
        ("select $empty?", "select NULL"),
        ("select $empty.any?::int", "select NULL::int"),
        ("select $user.gone?", "select NULL"),
        ("select $n?", "select 5"),
        ("select $user.id?", "select 1"),
        ("select $nothing?", "select NULL"),
        ("select $nothing.field?", "select NULL"),
        ("select $bare?", "select NULL"),
        // Results that are no row set.
        ("select $text", "select 'just text'"),
        ("select $zero", "select 0"),
        ("select $http.status", "select 200"),
        ("select $http.body", "select 'hi ''there'''"),
        ("select $http.ok", "select true"),
        ("select $http.headers", "select '{\"a\":\"b\"}'"),
        ("select $http.missing", "select $http.missing"),
        ("select $http.nothing?", "select NULL"),
        ("select $join", "select '[{\"rows\":[],\"row_count\":0},1]'"),
        ("select $join.v", "select $join.v"),
        // Variables and system values, as they are.
        ("select * from {tbl}", "select * from public.t"),
        ("select {var}", "select v1"),
        ("select x_{var}_y", "select x_v1_y"),
        ("select {my var-1}", "select spaced"),
        ("select {unknown}", "select {unknown}"),
        ("select {{var}}", "select {v1}"),
        ("select {var", "select {var"),
        (long.as_str(), "select long"),
        ("select {}", "select {}"),
        ("select {self}", "select {self} $n"),
        ("select {sys_label}", "select lab"),
        ("select '{sys_instance_id}'", "select 'a1b2c3d4'"),
        // Inserted text is not scanned again.
        ("select $tricky, $n", "select '$n {var} $$', 5"),
        // Neighbours stay apart.
        ("select $name$quote", "select 'Bob' 'O''Brien'"),
        ("select 'a'$name", "select 'a' 'Bob'"),
        ("select $name'a'", "select 'Bob' 'a'"),
        ("select $n$n", "select 5 5"),
    ];
    for (text, expected) in cases {
        assert_eq!(substitute_sql(text, &bound).unwrap(), expected, "{text}");
    }
}

#[test]
fn numbers_keep_their_digits_however_many() {
    let big = "-123456789012345678901234567890.10";
    let json = format!(r#"{{"rows":[{{"doc":{{"n":{big}}},"n":{big},"e":1e400}}],"row_count":1}}"#);
    let results = json!({"x": df_graph::read_result(&json).unwrap()});
    let bound = Bound { results, ..bound() };
    let sql = substitute_sql("select $x.n, $x.e, $x.doc", &bound).unwrap();
    assert_eq!(sql, format!("select ({big}), 1e+400, '{{\"n\":{big}}}'"));
    let text = substitute_plain("$x.n", Place::Body, &bound);
    assert_eq!(text.unwrap(), big);
}

#[test]
fn a_result_is_read_to_a_thousand_levels_and_refused_by_name_beyond() {
    let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    let deep = df_graph::read_result(&nested(df_graph::MAX_RESULT_DEPTH)).unwrap();
    assert_eq!(deep.to_string(), nested(df_graph::MAX_RESULT_DEPTH));
    let error = df_graph::read_result(&nested(df_graph::MAX_RESULT_DEPTH + 1)).unwrap_err();
    assert_eq!(error, "it is nested deeper than 1000 levels");
    assert!(
        df_graph::read_result(r#""\ud83d""#)
            .unwrap_err()
            .contains("not valid JSON")
    );
}

#[test]
fn quoted_text_in_sql_is_replaced_by_its_own_rules() {
    let bound = bound();
    let cases = [
        // Inside a string constant a reference is its text, escaped for that constant.
        ("'Dear $user.name'", "'Dear Ann'"),
        ("'Dear $quote, $n'", "'Dear O''Brien, 5'"),
        ("'$neg'", "'-7'"),
        ("'$yes'", "'true'"),
        ("'$doc'", "'{\"k\":\"it''s\",\"b\":\"\\\\\"}'"),
        ("'$none?|$empty?'", "'|'"),
        ("'$slash'", "'C:\\new'"),
        ("E'$slash'", "E'C:\\\\new'"),
        ("e'$evil'", "e'\\\\''; drop table t; --'"),
        ("E'\\$n $n'", "E'\\$n 5'"),
        ("E'it\\'s $n'", "E'it\\'s 5'"),
        ("'it''s $n'", "'it''s 5'"),
        ("'\\' || $n", "'\\' || 5"),
        ("N'$quote'", "N'O''Brien'"),
        ("B'1$n'", "B'15'"),
        ("x'$n'", "x'5'"),
        ("U&'$slash'", "U&'C:\\\\new'"),
        ("u&'$slash' UESCAPE '!'", "u&'C:\\new' UESCAPE '!'"),
        ("'{quoted}'", "'it''s'"),
        (
            "'{var} {unknown} $unknown $5'",
            "'v1 {unknown} $unknown $5'",
        ),
        (
            "'$user.*'",
            "'[{\"id\":1,\"name\":\"Ann\",\"é\":\"e\",\"gone\":null,\"Odd Name\":1},{\"id\":2,\"name\":null,\"é\":\"f\",\"gone\":null,\"Odd Name\":-2}]'",
        ),
        ("'$user.name.'", "'Ann.'"),
        ("'$n$n'", "'55'"),
        ("'$tricky'", "'$n {var} $$'"),
        ("''$n", "'' 5"),
        ("'a' -- c\n '$quote'", "'a' -- c\n 'O''Brien'"),
        // A constant goes on in its own style after a line break.
        ("E'a'\n'\\'$n'", "E'a'\n'\\'5'"),
        ("E'a'\n'$slash'", "E'a'\n'C:\\\\new'"),
        (
            "E'a' '$slash'",
            "E'a' '$slash'".replace("$slash", "C:\\new").leak(),
        ),
        // Comments and quoted identifiers are left alone.
        ("select $n -- $n {var}\n, $n", "select 5 -- $n {var}\n, 5"),
        ("/* $n /* {var} */ $n */ $n", "/* $n /* {var} */ $n */ 5"),
        ("/* $n", "/* $n"),
        (
            "select \"$n\", \"a\"\"$n\", U&\"$n {var}\"",
            "select \"$n\", \"a\"\"$n\", U&\"$n {var}\"",
        ),
        ("$n/*c*/$n", "5/*c*/5"),
        // A dollar sign inside an identifier, and parameters, are no references.
        ("a$n, _$n, é$n, a1$n$n", "a$n, _$n, é$n, a1$n$n"),
        ("$1 $10", "$1 $10"),
        // A dollar-quoted body is SQL like the rest.
        (
            "do $$ begin perform $n; end $$",
            "do $$ begin perform 5; end $$",
        ),
        ("$$$name$$", "$$'Bob'$$"),
        (
            "$x$ $$ $name $$ '$quote' $x$ $n",
            "$x$ $$ 'Bob' $$ 'O''Brien' $x$ 5",
        ),
        ("$$ -- $n\n \"$n\" $n $$", "$$ -- $n\n \"$n\" 5 $$"),
        ("$$it's $n$$ $n", "$$it's 5$$ 5"),
        ("$n$ body $n $n$", "$n$ body 5 $n$"),
        ("$a$ $b$ $n $a$ $b$", "$a$ $b$ 5 $a$ $b$"),
        ("$$ unterminated $n", "$$ unterminated 5"),
        ("$$$n$$$n", "$$5$$5"),
        // A value that holds the delimiter cannot end the body.
        ("$$ select $dollar $$", "$df_$ select 'a$$b$q$c' $df_$"),
        ("$q$ '$dollar' $q$", "$df_$ 'a$$b$q$c' $df_$"),
        (
            "$z$ $$ $dollar __ $$ $z$",
            "$z$ $df___$ 'a$$b$q$c' __ $df___$ $z$",
        ),
        ("$z$ $dollar $z$", "$z$ 'a$$b$q$c' $z$"),
        // Nor can one that becomes the delimiter between the text's own dollar signs.
        ("$v1$ ${var}$ $v1$", "$df_$ $v1$ $df_$"),
        ("$Bob$ '$$name$' $Bob$", "$df_$ '$Bob$' $df_$"),
        // Unterminated text is Postgres's to complain about.
        ("'$n", "'$n"),
        ("E'$n\\'", "E'$n\\'"),
        ("$n \"$n", "5 \"$n"),
    ];
    for (text, expected) in cases {
        assert_eq!(substitute_sql(text, &bound).unwrap(), expected, "{text}");
    }
}

#[test]
fn all_rows_become_a_relation() {
    let bound = bound();
    let check = |text: &str, expected: &str| {
        assert_eq!(substitute_sql(text, &bound).unwrap(), expected, "{text}");
    };
    check(
        "select * from $user.* where id = $n",
        "select * from (VALUES (1, 'Ann', 'e', NULL, 1), (2, NULL, 'f', NULL, (-2))) \
         AS \"user\"(\"id\",\"name\",\"é\",\"gone\",\"Odd Name\") where id = 5",
    );
    check("from $n.*", "from (VALUES (5)) AS \"n\"(\"v\")");
    check(
        "from $quote.* q",
        "from (VALUES ('O''Brien')) AS \"quote\"(\"v\") q",
    );
    check("from $odd.*", "from (VALUES ('x')) AS \"odd\"(\"a\"\"b\")");
    check("from $empty.*", "from (SELECT WHERE false) AS \"empty\"");
    check(
        "from $bare.*",
        "from (SELECT FROM pg_catalog.generate_series(1, 2)) AS \"bare\"",
    );
    let rows = |count: usize| Bound {
        results: json!({"r": {"rows": vec![json!({"a": 1}); count], "row_count": count}}),
        vars: vec![],
        label: None,
    };
    assert!(substitute_sql("from $r.*", &rows(10_000)).is_ok());
    for result in [
        substitute_sql("from $r.*", &rows(10_001)),
        substitute_plain("$r.*", Place::Body, &rows(10_001)),
    ] {
        let message = result.unwrap_err().to_string();
        assert_eq!(
            message,
            "$r.* has 10001 rows, more than the maximum of 10000"
        );
    }
}

#[test]
fn strict_references_to_nothing_fail_naming_themselves() {
    let bound = bound();
    let cases = [
        (
            "$empty",
            "$empty refers to a result with no rows; write $empty? to have NULL instead",
        ),
        ("$empty.id", "$empty.id refers to a result with no rows"),
        ("$none", "$none is NULL; write $none? to accept that"),
        ("$user.gone", "$user.gone is NULL"),
        ("$nothing", "$nothing is NULL"),
        ("$nothing.x", "$nothing.x is NULL"),
        ("$http.nothing", "$http.nothing is NULL"),
        ("$bare", "$bare is NULL"),
        ("$http.*", "$http.* needs a result that is a set of rows"),
        ("$text.*", "$text.* needs a result that is a set of rows"),
        (
            "$uneven.*",
            "$uneven.* needs a result that is a set of rows",
        ),
    ];
    for (text, expected) in cases {
        for result in [
            substitute_sql(&format!("select {text}"), &bound),
            substitute_sql(&format!("select 'x{text}'"), &bound),
            substitute_sql(&format!("select $$x {text} $$"), &bound),
            substitute_plain(&format!("x {text}"), Place::Url, &bound),
            substitute_plain(text, Place::Body, &bound),
            substitute_json_text(text, &bound),
        ] {
            let message = result.expect_err(text).to_string();
            assert!(message.starts_with(expected), "{text}: {message}");
        }
    }
    assert!(matches!(
        substitute_sql("$nul", &bound),
        Err(SubstituteError::Nul { .. })
    ));
    assert!(matches!(
        substitute_sql("'$nul'", &bound),
        Err(SubstituteError::Nul { .. })
    ));
    assert!(substitute_sql("-- $empty\n \"$none\" a$nul", &bound).is_ok());
}

#[test]
fn a_small_text_cannot_grow_without_bound() {
    let results = json!({"r": row(json!("x".repeat(1 << 20)))});
    let bound = Bound {
        results,
        vars: vec![],
        label: None,
    };
    let text = "$r,".repeat(65);
    for result in [
        substitute_sql(&text, &bound),
        substitute_sql(&format!("'{text}'"), &bound),
        substitute_plain(&text, Place::Body, &bound),
        substitute_json_text(&format!("[{text}1]"), &bound),
    ] {
        assert_eq!(
            result,
            Err(SubstituteError::TooLong {
                reference: "$r".into()
            })
        );
    }
}

#[test]
fn http_texts_take_bare_values() {
    let bound = bound();
    let check = |text: &str, place: Place, expected: &str| {
        let found = substitute_plain(text, place, &bound).unwrap();
        assert_eq!(found, expected, "{text} in {place:?}");
    };
    for place in [Place::Url, Place::Header, Place::Body] {
        check("", place, "");
        check("plain", place, "plain");
        check("$n|$neg|$yes|$name", place, "5|-7|true|Bob");
        check("$quote $slash", place, "O'Brien C:\\new");
        check(
            "'$quote' -- $n /* $n */ \"$n\"",
            place,
            "'O'Brien' -- 5 /* 5 */ \"5\"",
        );
        check("US$n", place, "US5");
        check(
            "$unknown $unknown.x {unknown} $5 $",
            place,
            "$unknown $unknown.x {unknown} $5 $",
        );
        check(
            "{var}/{sys_instance_id}/{sys_label}",
            place,
            "v1/a1b2c3d4/lab",
        );
        check("$total_amount $total $totals", place, "99 10 $totals");
        check("$tricky {self}", place, "$n {var} $$ {self} $n");
        check("$user.id,$user.name, $user.é", place, "1,Ann, e");
        check("$user.idです", place, "1です");
        check("$list", place, "[1,\"x\"]");
        check("$http.headers", place, "{\"a\":\"b\"}");
        check("$http.status!", place, "200!");
        check("$n.*", place, "[{\"v\":5}]");
        check("$empty.*", place, "[]");
        check("$name?", place, "Bob");
        check("{\"a\":{\"b\":$n}}", place, "{\"a\":{\"b\":5}}");
        check("$$n", place, "$5");
        let unknown = substitute_plain("$user.nope", place, &bound)
            .unwrap_err()
            .to_string();
        assert_eq!(
            unknown,
            "$user.nope names a column that the result does not have"
        );
    }
    check("{\"a\":$none?}", Place::Body, "{\"a\":null}");
    check("/q/$none?/x", Place::Url, "/q//x");
    check("$empty.x?", Place::Header, "");
    check(
        "{url}/users/$n?full=1&x=$n",
        Place::Url,
        "https://x.y/users/5?full=1&x=5",
    );
    check(
        "{url}/users/$n?full=1",
        Place::Body,
        "https://x.y/users/5full=1",
    );
    check("{url}/?q=$none?&r=$n?", Place::Url, "https://x.y/?q=&r=5");
    check("{url}/$n??q=1", Place::Url, "https://x.y/5?q=1");
    check("{url}/$n? x", Place::Url, "https://x.y/5 x");
}

#[test]
fn break_values_take_references_in_json_and_in_text() {
    let bound = bound();
    let check = |text: &str, expected: &str| {
        assert_eq!(
            substitute_json_text(text, &bound).unwrap(),
            expected,
            "{text}"
        );
    };
    check("done", "done");
    check("$n", "5");
    check("$name", "Bob");
    check("total: $n for $quote", "total: 5 for O'Brien");
    check(
        "{\"n\":$n,\"who\":\"$quote \\\"$slash\\\"\"}",
        "{\"n\":5,\"who\":\"O'Brien \\\"C:\\\\new\\\"\"}",
    );
    check(
        "{\"who\":$name,\"none\":$none?}",
        "{\"who\":\"Bob\",\"none\":null}",
    );
    check(
        "[$doc, $list]",
        "[{\"k\":\"it's\",\"b\":\"\\\\\"}, [1,\"x\"]]",
    );
    check("[$n] things for $name", "[5] things for Bob");
    check("{var}", "v1");
    check(
        "{\"v\":\"{quoted}\",\"i\":\"{sys_instance_id}\"}",
        "{\"v\":\"it's\",\"i\":\"a1b2c3d4\"}",
    );
    check("\"$name\"", "\"Bob\"");
    check(
        "$user.*",
        "[{\"id\":1,\"name\":\"Ann\",\"é\":\"e\",\"gone\":null,\"Odd Name\":1},{\"id\":2,\"name\":null,\"é\":\"f\",\"gone\":null,\"Odd Name\":-2}]",
    );
    check("$none?", "null");
    check("{\"a\":\"\\\\$n\"}", "{\"a\":\"\\\\5\"}");
}

#[test]
fn part_data_is_one_whole_reference_or_none() {
    let bound = bound();
    let check = |text: &str, expected: &str| {
        assert_eq!(whole_value(text, &bound).unwrap(), expected, "{text}");
    };
    check("aGVsbG8=", "aGVsbG8=");
    check("aGVs\nbG8=", "aGVs\nbG8=");
    check("", "");
    check("$name", "Bob");
    check("  $user.name\n", "Ann");
    check("$none?", "");
    check("{var}", "v1");
    check("$unknown", "$unknown");
    for text in [
        "x$name",
        "$name$n",
        "$name x",
        "$name{var}",
        "$user.*",
        "{var}=",
    ] {
        let message = whole_value(text, &bound).unwrap_err().to_string();
        assert!(
            message.contains("whole-value reference"),
            "{text}: {message}"
        );
    }
    assert!(whole_value("$none", &bound).is_err());
    assert!(whole_value("$user.nope", &bound).is_err());
}

#[test]
fn only_bound_names_are_needed() {
    let known = ["a", "a_b", "c"];
    let check = |text: &str, expected: &[&str]| {
        assert_eq!(
            names_in(text, |name| known.contains(&name)),
            expected,
            "{text}"
        );
    };
    check("", &[]);
    check("$a", &["a"]);
    check("$a_b $a", &["a_b", "a"]);
    check("$a $c.x $a.* $c?", &["a", "c"]);
    check("$abc $1 $ $$ $é", &[]);
    check("'$a' $$$c$$", &["a", "c"]);
    check("$a$c", &["a", "c"]);
}
