//! What kind of statement an SQL text is, judged by its leading key words alone.
//!
//! Postgres refuses some statements inside a transaction block. They have to be known before they
//! run: after the error it would be too late, and an error's text proves nothing.

use crate::lexer::{Lexer, TokenKind};

/// No rule looks further than this into a statement.
const MAX_TOKENS: usize = 64;

/// Where a statement can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// In the transaction that also records its result; CALL and DO too.
    Transactional,
    /// Only outside a transaction block, so its effect is at-least-once.
    OutsideTransaction,
    /// It begins or ends transactions, which a step must not.
    TransactionControl,
}

/// The class of the first statement of the text.
pub fn transaction_class(sql: &str) -> Class {
    let tokens = leading_tokens(sql);
    let words: Vec<&str> = tokens.iter().map(String::as_str).collect();
    match words.as_slice() {
        [
            "BEGIN" | "COMMIT" | "END" | "ROLLBACK" | "ABORT" | "SAVEPOINT" | "RELEASE",
            ..,
        ]
        | ["START" | "PREPARE", "TRANSACTION", ..] => Class::TransactionControl,
        words if refused_in_transaction(words) => Class::OutsideTransaction,
        _ => Class::Transactional,
    }
}

/// How many statements the text holds; empty ones, and so a trailing semicolon, do not count.
pub fn statement_count(sql: &str) -> usize {
    let mut lexer = Lexer::new(sql);
    let mut count = 0;
    let mut current = Statement::default();
    while let Some(token) = lexer.next() {
        let source = &sql[token.start..token.end];
        match token.kind {
            TokenKind::Space | TokenKind::LineComment | TokenKind::BlockComment => continue,
            TokenKind::Symbol if source == ";" && current.ends_here() => {
                current = Statement::default();
                continue;
            }
            TokenKind::Symbol if source == "(" => current.parentheses += 1,
            TokenKind::Symbol if source == ")" => {
                current.parentheses = current.parentheses.saturating_sub(1);
            }
            TokenKind::Word => current.word(source),
            _ => {}
        }
        if !current.begun {
            current.begun = true;
            count += 1;
        }
    }
    count
}

/// The SQL-standard body of a function, `BEGIN ATOMIC … END`, holds semicolons of its own; this
/// follows psql's way of telling where it ends.
#[derive(Default)]
struct Statement {
    begun: bool,
    parentheses: usize,
    first_words: Vec<String>,
    blocks: usize,
}

impl Statement {
    fn ends_here(&self) -> bool {
        self.parentheses == 0 && self.blocks == 0
    }

    fn word(&mut self, word: &str) {
        if self.first_words.len() < 4 {
            self.first_words.push(word.to_ascii_uppercase());
        }
        let first: Vec<&str> = self.first_words.iter().map(String::as_str).collect();
        let routine = matches!(
            first.as_slice(),
            ["CREATE", "FUNCTION" | "PROCEDURE", ..]
                | ["CREATE", "OR", "REPLACE", "FUNCTION" | "PROCEDURE"]
        );
        if !routine || self.parentheses > 0 {
            return;
        }
        let is = |key: &str| word.eq_ignore_ascii_case(key);
        if is("BEGIN") || (is("CASE") && self.blocks > 0) {
            self.blocks += 1;
        } else if is("END") {
            self.blocks = self.blocks.saturating_sub(1);
        }
    }
}

/// First words behind which nothing changes the class: most steps are read no further.
const TRANSACTIONAL: [&str; 6] = ["SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "WITH"];

/// The first statement's tokens: words in upper case, symbols as they are, `"` for a quoted
/// identifier and `'` for a constant. Comments are dropped.
fn leading_tokens(sql: &str) -> Vec<String> {
    let mut lexer = Lexer::new(sql);
    let mut tokens = Vec::new();
    while tokens.len() < MAX_TOKENS {
        let Some(token) = lexer.next() else { break };
        let source = &sql[token.start..token.end];
        match token.kind {
            TokenKind::Space | TokenKind::LineComment | TokenKind::BlockComment => {}
            TokenKind::Symbol if source == ";" && tokens.is_empty() => {}
            TokenKind::Symbol if source == ";" => break,
            TokenKind::Symbol => tokens.push(source.to_string()),
            TokenKind::Word => {
                tokens.push(source.to_ascii_uppercase());
                if tokens.len() == 1 && TRANSACTIONAL.contains(&tokens[0].as_str()) {
                    break;
                }
            }
            TokenKind::QuotedIdentifier => tokens.push("\"".into()),
            _ => tokens.push("'".into()),
        }
    }
    tokens
}

/// Every caller of PreventInTransactionBlock in Postgres's sources, as far as key words tell.
fn refused_in_transaction(words: &[&str]) -> bool {
    match words {
        ["VACUUM", ..]
        | [
            "CREATE" | "DROP",
            "DATABASE" | "TABLESPACE" | "SUBSCRIPTION",
            ..,
        ]
        | ["ALTER", "SYSTEM", ..]
        | ["ALTER", "DATABASE", _, "SET", "TABLESPACE", ..]
        | ["CREATE" | "DROP", "INDEX", "CONCURRENTLY", ..]
        | ["CREATE", "UNIQUE", "INDEX", "CONCURRENTLY", ..]
        | ["ALTER", "SUBSCRIPTION", _, "REFRESH", ..]
        | [
            "ALTER",
            "SUBSCRIPTION",
            _,
            "SET" | "ADD" | "DROP",
            "PUBLICATION",
            ..,
        ]
        | ["DISCARD", "ALL"] => true,
        ["REINDEX", rest @ ..] => reindex_is_refused(rest),
        ["CLUSTER", rest @ ..] => {
            let (_, rest) = options(rest);
            matches!(rest, [] | ["VERBOSE"])
        }
        ["ALTER", "TABLE", rest @ ..] => {
            let detach = rest
                .windows(2)
                .position(|pair| pair == ["DETACH", "PARTITION"]);
            // The word right behind PARTITION is the partition's name.
            detach.is_some_and(|at| rest[at + 2..].iter().skip(1).any(|w| *w == "CONCURRENTLY"))
        }
        _ => false,
    }
}

fn reindex_is_refused(words: &[&str]) -> bool {
    let (options, rest) = options(words);
    let concurrently = options
        .split(|word| *word == ",")
        .any(|option| match option {
            ["CONCURRENTLY", value @ ..] => !matches!(value, ["FALSE" | "OFF"] | ["0"]),
            _ => false,
        });
    let whole = matches!(rest, ["DATABASE" | "SYSTEM" | "SCHEMA", ..]);
    concurrently || whole || matches!(rest, [_, "CONCURRENTLY", ..])
}

/// Splits off a leading list of options in parentheses.
fn options<'a, 'w>(words: &'a [&'w str]) -> (&'a [&'w str], &'a [&'w str]) {
    match (words.first(), words.iter().position(|word| *word == ")")) {
        (Some(&"("), Some(close)) => (&words[1..close], &words[close + 1..]),
        _ => (&[], words),
    }
}
