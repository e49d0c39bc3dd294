//! Programs as SQL that a person can paste, given the prelude.

use std::fmt::Write as _;

use crate::program::{Leaf, NAMES, Program};

/// The table and functions that rendered leaves use.
pub const PRELUDE: &str = include_str!("prelude.sql");

/// Signals to send to each SIGNAL leaf at the start: as many as loops may ask for.
pub const SIGNALS_PER_LEAF: usize = 16;

/// The most arguments that Postgres passes to a function.
const MAX_ARGUMENTS: usize = 100;
const JOIN: &str = "df.join(";

/// The statement that starts the program under a label, its signals sent in the same transaction.
/// It yields the instance's id.
pub fn sql(program: &Program, label: &str) -> String {
    let start = start_call(program, label);
    let signals: Vec<String> = signals(program)
        .into_iter()
        .map(|(name, data)| format!("count(df.signal(s.id, '{name}', '{data}'))"))
        .collect();
    if signals.is_empty() {
        return format!("select {start} as id");
    }
    format!(
        "with s as materialized (select {start} as id)\n\
         select s.id, {}\n  from s, generate_series(1, {SIGNALS_PER_LEAF}) group by s.id",
        signals.join(",\n  ")
    )
}

/// The statement that starts the program and sends it nothing.
pub fn start_sql(program: &Program, label: &str) -> String {
    format!("select {} as id", start_call(program, label))
}

/// The signals that its SIGNAL leaves wait for: name and data.
pub fn signals(program: &Program) -> Vec<(String, String)> {
    let leaves = program.numbered().into_iter();
    let waits = leaves.filter(|(_, leaf)| **leaf == Leaf::Signal);
    waits
        .map(|(number, _)| (format!("s{number}"), format!("{{\"leaf\":{number}}}")))
        .collect()
}

fn start_call(program: &Program, label: &str) -> String {
    format!("df.start({},\n  '{label}')", expression(program))
}

/// The program as an expression of builders.
fn expression(program: &Program) -> String {
    let mut out = String::new();
    write(program, 1, &mut 0, &mut out);
    out
}

fn write(program: &Program, depth: usize, number: &mut u32, out: &mut String) {
    let mut call = |name: &str, children: Vec<&Program>, last: Option<String>, out: &mut String| {
        let indent = "  ".repeat(depth);
        let _ = write!(out, "df.{name}(");
        for (index, child) in children.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            let _ = write!(out, "{comma}\n{indent}  ");
            write(child, depth + 1, number, out);
        }
        if let Some(last) = last {
            let _ = write!(out, ", {last}");
        }
        out.push(')');
    };
    match program {
        Program::Leaf(leaf) => {
            *number += 1;
            out.push_str(&leaf_expression(leaf, *number));
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

fn leaf_expression(leaf: &Leaf, number: u32) -> String {
    let seen = NAMES.map(|name| format!("${name}?")).join(",");
    match leaf {
        Leaf::Mark => format!("$$select mark('{{sys_instance_id}}', {number}, '{seen}') as v$$"),
        Leaf::Ask(truths) => {
            let truths: Vec<&str> = truths.iter().map(|t| if *t { "t" } else { "f" }).collect();
            let truths = truths.join(",");
            // The braces of an array literal would read as a variable's.
            format!(
                "$$select ask('{{sys_instance_id}}', {number}, \
                 string_to_array('{truths}', ',')::boolean[]) as v$$"
            )
        }
        Leaf::Fail => format!("$$select fail('{{sys_instance_id}}', {number}) as v$$"),
        Leaf::Nothing => format!(
            "$$select v from mark('{{sys_instance_id}}', {number}, '{seen}') as v where v < 0$$"
        ),
        Leaf::Sleep => "df.sleep(0)".to_owned(),
        Leaf::Signal => format!("df.wait_for_signal('s{number}')"),
        Leaf::Endless => "df.sleep(86400)".to_owned(),
        Leaf::Break(None) => "df.break()".to_owned(),
        Leaf::Break(Some(value)) => format!("df.break('{value}')"),
    }
}
