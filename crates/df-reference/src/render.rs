//! Programs as SQL that a person can paste, given the prelude.

use std::fmt::Write as _;

use crate::program::{Answer, Leaf, NAMES, Program, SHARED};

/// The table and functions that rendered leaves use.
pub const PRELUDE: &str = include_str!("prelude.sql");

/// What a superuser runs so that a schedule of every minute is due as soon as it is waited for.
pub const SCHEDULES_ARE_DUE: &str = include_str!("schedules_are_due.sql");

/// The most arguments that Postgres passes to a function.
const MAX_ARGUMENTS: usize = 100;
const JOIN: &str = "df.join(";

/// The signals that one name of a program is sent: as many as its waits may take.
#[derive(Debug, Clone, PartialEq)]
pub struct Signals {
    pub name: String,
    /// The data of each, as a format of its number from 1.
    pub data: String,
    pub count: usize,
}

/// The statement that starts the program under a label, its signals sent in the same transaction.
/// It yields the instance's id. Its variable `word` is the label.
pub fn sql(program: &Program, label: &str) -> String {
    started(program, label, signals(program))
}

/// The statement that starts the program and sends it nothing.
pub fn start_sql(program: &Program, label: &str) -> String {
    started(program, label, Vec::new())
}

fn started(program: &Program, label: &str, signals: Vec<Signals>) -> String {
    let start = format!(
        "select df.start({},\n  '{label}') as id from df.setvar('word', '{label}')",
        expression(program, Spelling::Short)
    );
    let counted = program.numbered().into_iter();
    let counted = counted.filter(|(_, leaf)| matches!(leaf, Leaf::Flaky { .. }));
    let mut with: Vec<String> = counted
        .map(|(number, _)| format!("count_tries(s.id, {number})"))
        .collect();
    with.extend(signals.into_iter().map(|Signals { name, data, count }| {
        format!(
            "(select count(df.signal(s.id, '{name}', format('{data}', n)))\n\
             \x20    from generate_series(1, {count}) n)"
        )
    }));
    if with.is_empty() {
        return start;
    }
    format!(
        "with s as materialized ({start})\nselect s.id, {}\n  from s",
        with.join(",\n  ")
    )
}

/// The signals that its waits may take.
pub fn signals(program: &Program) -> Vec<Signals> {
    let (mut all, mut shared) = (Vec::new(), 0);
    for (number, leaf, times) in program.multiplied() {
        match leaf {
            Leaf::Signal => all.push(Signals {
                name: format!("s{number}"),
                data: format!("{{\"leaf\":{number}}}"),
                count: times,
            }),
            Leaf::Shared => shared += times,
            _ => {}
        }
    }
    if shared > 0 {
        all.push(Signals {
            name: SHARED.into(),
            data: "{\"n\":%s}".into(),
            count: shared,
        });
    }
    all
}

/// How SQL steps are written.
#[derive(Clone, Copy, PartialEq)]
enum Spelling {
    /// As the text of their statement.
    Short,
    /// As `df.sql` of it.
    Wrapped,
}

/// The program as an expression of builders, its SQL steps written as mere text and with `df.sql`.
pub fn spellings(program: &Program) -> [String; 2] {
    [Spelling::Short, Spelling::Wrapped].map(|spelling| expression(program, spelling))
}

fn expression(program: &Program, spelling: Spelling) -> String {
    let mut out = String::new();
    write(program, 1, &mut 0, spelling, &mut out);
    out
}

fn write(program: &Program, depth: usize, number: &mut u32, spelling: Spelling, out: &mut String) {
    let mut call = |name: &str, children: Vec<&Program>, last: Option<String>, out: &mut String| {
        let indent = "  ".repeat(depth);
        let _ = write!(out, "df.{name}(");
        for (index, child) in children.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            let _ = write!(out, "{comma}\n{indent}  ");
            write(child, depth + 1, number, spelling, out);
        }
        if let Some(last) = last {
            let _ = write!(out, ", {last}");
        }
        out.push(')');
    };
    match program {
        Program::Leaf(leaf) => {
            *number += 1;
            out.push_str(&leaf_expression(leaf, *number, spelling));
        }
        Program::Then(a, b) => call("seq", vec![a, b], None, out),
        Program::Race(a, b) => call("race", vec![a, b], None, out),
        Program::Join(all) if all.len() > MAX_ARGUMENTS => {
            let mut array = String::new();
            call("join", all.iter().collect(), None, &mut array);
            array.replace_range(..JOIN.len(), "df.join(variadic array[");
            array.pop();
            out.push_str(&array);
            out.push_str("])");
        }
        Program::Join(all) => {
            let name = if all.len() == 3 { "join3" } else { "join" };
            call(name, all.iter().collect(), None, out);
        }
        Program::If(a, b, c) => call("if", vec![a, b, c], None, out),
        Program::IfRows(name, a, b) => {
            let mut rest = String::new();
            call("if_rows", vec![a, b], None, &mut rest);
            out.push_str(&rest.replacen("df.if_rows(", &format!("df.if_rows('{name}',"), 1));
        }
        Program::Loop(body, condition) => {
            call(
                "loop",
                std::iter::once(&**body)
                    .chain(condition.as_deref())
                    .collect(),
                None,
                out,
            );
        }
        Program::Timed(inner, seconds) => {
            call("timeout", vec![inner], Some(seconds.to_string()), out)
        }
        Program::Named(inner, name) => call("as", vec![inner], Some(format!("'{name}'")), out),
    }
}

fn leaf_expression(leaf: &Leaf, number: u32, spelling: Spelling) -> String {
    let seen = NAMES.map(|name| format!("${name}?")).join(",") + ",{word}";
    let query = |text: String| match spelling {
        Spelling::Short => format!("$${text}$$"),
        Spelling::Wrapped => format!("df.sql($${text}$$)"),
    };
    let call = |function: &str, rest: &str| {
        query(format!(
            "select {function}('{{sys_instance_id}}', {number}{rest}) as v"
        ))
    };
    match leaf {
        Leaf::Mark => call("mark", &format!(", '{seen}'")),
        Leaf::Ask(truths) => {
            let truths: Vec<&str> = truths.iter().map(|t| if *t { "t" } else { "f" }).collect();
            let truths = truths.join(",");
            // The braces of an array literal would read as a variable's.
            call(
                "ask",
                &format!(", string_to_array('{truths}', ',')::boolean[]"),
            )
        }
        Leaf::Odd(json, _) => query(format!(
            "select {json} as v from mark('{{sys_instance_id}}', {number}, '{seen}')"
        )),
        Leaf::Fail => call("fail", ""),
        Leaf::Nothing => query(format!(
            "select v from mark('{{sys_instance_id}}', {number}, '{seen}') as v where v < 0"
        )),
        Leaf::Flaky { fails, attempts } => {
            let step = call("flaky", &format!(", {fails}, '{seen}'"));
            // No pause at all, and one that is waited for.
            let pause = if number.is_multiple_of(2) {
                "0"
            } else {
                "0.02"
            };
            format!("df.retry_policy({step}, {attempts}, {pause})")
        }
        Leaf::Unlisted { outside } => {
            let step = match outside {
                true => query("vacuum nowhere".into()),
                false => call("fail", ""),
            };
            format!("df.retry_policy({step}, 3, 0, on_sqlstate => array['40001'])")
        }
        Leaf::Outside => query("vacuum outside".into()),
        Leaf::Http(answer) => http_expression(*answer, number, &seen),
        Leaf::Sleep => "df.sleep(0)".to_owned(),
        Leaf::Schedule => "df.wait_for_schedule('* * * * *')".to_owned(),
        Leaf::Nap => "df.sleep_interval('0.02 seconds')".to_owned(),
        Leaf::Signal => format!("df.wait_for_signal('s{number}')"),
        Leaf::Shared => format!("df.wait_for_signal('{SHARED}')"),
        Leaf::Silence => "df.wait_for_signal('silence', 1)".to_owned(),
        Leaf::Endless => "df.sleep(86400)".to_owned(),
        Leaf::Break(None) => "df.break()".to_owned(),
        Leaf::Break(Some(value)) => format!("df.break('{value}')"),
    }
}

fn http_expression(answer: Answer, number: u32, seen: &str) -> String {
    let headers = format!(r#"'{{"X-Seen": "{seen}"}}'"#);
    let path = match answer {
        Answer::Echo => "echo",
        Answer::Form => {
            let parts = r#"'[{"name": "a", "data_b64": "aGk="}]'"#;
            return format!("df.http_multipart('{{web}}/form', 'POST', {parts}, {headers})");
        }
        Answer::NotFound => "status/404",
        Answer::Unavailable => "status/503",
        Answer::Recovers => "recovers",
    };
    let request = format!("df.http('{{web}}/{path}', 'POST', 'leaf {number}', {headers})");
    match answer {
        Answer::Recovers => format!("df.retry_policy({request}, 3, 0.02)"),
        _ => request,
    }
}
