//! Cuts SQL into tokens the way Postgres's own scanner (src/backend/parser/scan.l) does, with
//! `standard_conforming_strings` on.
//!
//! It only says what a stretch of text is, never what it means, and takes linear time: where a
//! dollar quote ends is looked up in an index that is made once.

use std::collections::HashMap;

/// After so many quotes without an end in dollar-quoted bodies the rest of the text is one opaque
/// token, which keeps the searches for those ends from adding up.
const MAX_UNTERMINATED: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    Space,
    LineComment,
    BlockComment,
    /// An unquoted identifier or key word, `$` inside it included.
    Word,
    QuotedIdentifier,
    /// A string constant; its content begins `open` bytes into the token and ends one before the
    /// token's end.
    Literal {
        style: Style,
        open: usize,
    },
    /// `$tag$ … $tag$`; `tag` is the length of one delimiter in bytes.
    Dollar {
        tag: usize,
    },
    /// `$1`.
    Parameter,
    /// Any other character, alone.
    Symbol,
    /// Text that could not be cut up: a quote without an end, see also [`MAX_UNTERMINATED`].
    Opaque,
}

/// How a string constant escapes its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// `'…'`, also `N'…'`, `B'…'` and `X'…'`: a quote is doubled.
    Plain,
    /// `E'…'`: a backslash escapes as well.
    Escape,
    /// `U&'…'`: so does this character, a backslash unless UESCAPE names another.
    Unicode(char),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    pub kind: TokenKind,
    pub start: usize,
    pub end: usize,
}

pub(crate) struct Lexer<'a> {
    text: &'a str,
    /// Where the next token begins.
    pub at: usize,
    /// Where the text ends, or the dollar-quoted body that is being read.
    pub end: usize,
    dollars: HashMap<&'a str, Vec<usize>>,
    /// A string constant goes on, in its style, after white space that holds a line break.
    continued: Option<(Style, bool)>,
    unterminated: usize,
}

impl<'a> Lexer<'a> {
    pub fn new(text: &'a str) -> Self {
        let dollars = index_dollars(text);
        Self {
            text,
            at: 0,
            end: text.len(),
            dollars,
            continued: None,
            unterminated: 0,
        }
    }

    /// The token at `at`, which moves behind it; `None` at `end`.
    pub fn next(&mut self) -> Option<Token> {
        if self.at >= self.end {
            return None;
        }
        let start = self.at;
        let (kind, end) = self.scan(start);
        self.at = end;
        self.remember_literal(kind, start, end);
        Some(Token { kind, start, end })
    }

    /// Moves to a place that is not the end of the last token.
    pub fn jump(&mut self, at: usize, end: usize) {
        self.at = at;
        self.end = end;
        self.continued = None;
    }

    fn scan(&mut self, start: usize) -> (TokenKind, usize) {
        if self.unterminated > MAX_UNTERMINATED {
            return (TokenKind::Opaque, self.end);
        }
        let bytes = &self.text.as_bytes()[..self.end];
        let next = bytes.get(start + 1).copied();
        match bytes[start] {
            byte if is_space(byte) => (TokenKind::Space, self.run(start, is_space)),
            b'-' if next == Some(b'-') => (
                TokenKind::LineComment,
                self.run(start, |byte| byte != b'\n' && byte != b'\r'),
            ),
            b'/' if next == Some(b'*') => (TokenKind::BlockComment, block_comment(bytes, start)),
            b'\'' => {
                let style = match self.continued {
                    Some((style, true)) => style,
                    _ => Style::Plain,
                };
                self.literal(start, 1, style)
            }
            b'"' => self.quoted_identifier(start, 1),
            b'$' if next.is_some_and(|byte| byte.is_ascii_digit()) => (
                TokenKind::Parameter,
                self.run(start + 1, |byte| byte.is_ascii_digit()),
            ),
            b'$' => self
                .dollar_quote(start)
                .unwrap_or((TokenKind::Symbol, start + 1)),
            byte if is_word_start(byte) => self.word(start),
            _ => (TokenKind::Symbol, start + 1),
        }
    }

    fn run(&self, start: usize, belongs: impl Fn(u8) -> bool) -> usize {
        let bytes = &self.text.as_bytes()[start..self.end];
        start
            + bytes
                .iter()
                .position(|byte| !belongs(*byte))
                .unwrap_or(bytes.len())
    }

    fn word(&mut self, start: usize) -> (TokenKind, usize) {
        let bytes = &self.text.as_bytes()[start..self.end];
        match bytes {
            [b'e' | b'E', b'\'', ..] => self.literal(start, 2, Style::Escape),
            [b'b' | b'B' | b'x' | b'X' | b'n' | b'N', b'\'', ..] => {
                self.literal(start, 2, Style::Plain)
            }
            [b'u' | b'U', b'&', b'\'', ..] => self.literal(start, 3, Style::Unicode('\\')),
            [b'u' | b'U', b'&', b'"', ..] => self.quoted_identifier(start, 3),
            _ => (TokenKind::Word, self.run(start, is_word_byte)),
        }
    }

    fn literal(&mut self, start: usize, open: usize, style: Style) -> (TokenKind, usize) {
        let bytes = &self.text.as_bytes()[..self.end];
        let mut at = start + open;
        while at < bytes.len() {
            match bytes[at] {
                b'\\' if style == Style::Escape => at += 2,
                b'\'' if bytes.get(at + 1) == Some(&b'\'') => at += 2,
                b'\'' => {
                    let style = match style {
                        Style::Unicode(_) => Style::Unicode(self.unicode_escape(at + 1)),
                        style => style,
                    };
                    return (TokenKind::Literal { style, open }, at + 1);
                }
                _ => at += 1,
            }
        }
        self.unterminated(start)
    }

    /// The character of `UESCAPE 'c'` behind a string constant.
    fn unicode_escape(&self, at: usize) -> char {
        let rest = self.text[at..self.end].trim_ascii_start();
        let named = rest
            .get(..7)
            .filter(|word| word.eq_ignore_ascii_case("UESCAPE"));
        let quoted = named.and_then(|_| rest[7..].trim_ascii_start().strip_prefix('\''));
        quoted
            .and_then(|quoted| quoted.chars().next())
            .unwrap_or('\\')
    }

    fn quoted_identifier(&mut self, start: usize, open: usize) -> (TokenKind, usize) {
        let bytes = &self.text.as_bytes()[..self.end];
        let mut at = start + open;
        while at < bytes.len() {
            match bytes[at] {
                b'"' if bytes.get(at + 1) == Some(&b'"') => at += 2,
                b'"' => return (TokenKind::QuotedIdentifier, at + 1),
                _ => at += 1,
            }
        }
        self.unterminated(start)
    }

    /// A quote that never ends. In a dollar-quoted body, which may be plain text, it is a lone
    /// character such as an apostrophe; in the statement itself Postgres takes all the rest for the
    /// quoted text, and nothing may be read into that.
    fn unterminated(&mut self, start: usize) -> (TokenKind, usize) {
        if self.end == self.text.len() {
            return (TokenKind::Opaque, self.end);
        }
        self.unterminated += 1;
        (TokenKind::Symbol, start + 1)
    }

    fn dollar_quote(&self, start: usize) -> Option<(TokenKind, usize)> {
        let tag_end = self.run(start + 1, |byte| is_word_byte(byte) && byte != b'$');
        if self.text.as_bytes()[..self.end].get(tag_end) != Some(&b'$') {
            return None;
        }
        let tag = &self.text[start..=tag_end];
        let places = self.dollars.get(tag)?;
        let close = *places.get(places.partition_point(|place| *place <= tag_end))?;
        let end = close + tag.len();
        (end <= self.end).then_some((TokenKind::Dollar { tag: tag.len() }, end))
    }

    fn remember_literal(&mut self, kind: TokenKind, start: usize, end: usize) {
        self.continued = match (kind, self.continued) {
            (TokenKind::Literal { style, .. }, _) => Some((style, false)),
            (TokenKind::Space, Some((style, broken))) => {
                let breaks = self.text[start..end].contains(['\n', '\r']);
                Some((style, broken || breaks))
            }
            (TokenKind::LineComment, continued) => continued,
            _ => None,
        };
    }
}

/// Where each possible delimiter of a dollar quote stands: every stretch between two neighbouring
/// dollar signs that could be a tag.
fn index_dollars(text: &str) -> HashMap<&str, Vec<usize>> {
    let mut index: HashMap<&str, Vec<usize>> = HashMap::new();
    let mut last: Option<usize> = None;
    for (at, _) in text.match_indices('$') {
        if let Some(start) = last {
            let tag = &text.as_bytes()[start + 1..at];
            let possible = tag.first().is_none_or(|byte| is_word_start(*byte))
                && tag.iter().all(|byte| is_word_byte(*byte));
            if possible {
                index.entry(&text[start..=at]).or_default().push(start);
            }
        }
        last = Some(at);
    }
    index
}

fn block_comment(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0usize;
    let mut at = start;
    while at < bytes.len() {
        match &bytes[at..] {
            [b'/', b'*', ..] => {
                depth += 1;
                at += 2;
            }
            [b'*', b'/', ..] => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    bytes.len()
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

fn is_word_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_word_byte(byte: u8) -> bool {
    is_word_start(byte) || byte.is_ascii_digit() || byte == b'$'
}
