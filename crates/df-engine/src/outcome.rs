//! What walking a node yields: its end, the names it bound, and where results are to be found.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::backend::Failure;

/// Where a node's result is: never the result itself, since every turn clones the history.
///
/// Written as a flat list, innermost first: nested as JSON it would be too deep to read back where
/// JOINs nest by the dozen, as the `&` operator makes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Vec<Token>", try_from = "Vec<Token>")]
pub enum ResultRef {
    /// The recorded result of this run path.
    Run(Arc<str>),
    /// A JSON array: a JOIN's results in branch order.
    All(Vec<ResultRef>),
}

/// A reference's written form: `All` takes so many of the references before it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Token {
    Run(Arc<str>),
    All(usize),
}

impl From<ResultRef> for Vec<Token> {
    fn from(result: ResultRef) -> Self {
        fn write(result: ResultRef, tokens: &mut Vec<Token>) {
            match result {
                ResultRef::Run(path) => tokens.push(Token::Run(path)),
                ResultRef::All(all) => {
                    let count = all.len();
                    all.into_iter().for_each(|one| write(one, tokens));
                    tokens.push(Token::All(count));
                }
            }
        }
        let mut tokens = Vec::new();
        write(result, &mut tokens);
        tokens
    }
}

impl TryFrom<Vec<Token>> for ResultRef {
    type Error = &'static str;

    fn try_from(tokens: Vec<Token>) -> Result<Self, Self::Error> {
        let mut read = Vec::new();
        for token in tokens {
            let result = match token {
                Token::Run(path) => ResultRef::Run(path),
                Token::All(count) if count > read.len() => return Err("a result of too few"),
                Token::All(count) => ResultRef::All(read.split_off(read.len() - count)),
            };
            read.push(result);
        }
        match (read.pop(), read.is_empty()) {
            (Some(result), true) => Ok(result),
            _ => Err("not one result"),
        }
    }
}

impl ResultRef {
    /// Calls `visit` with every run path the reference stands on.
    pub fn each_run(&self, visit: &mut impl FnMut(&Arc<str>)) {
        match self {
            ResultRef::Run(path) => visit(path),
            ResultRef::All(all) => all.iter().for_each(|one| one.each_run(visit)),
        }
    }
}

/// Names in scope, and what they point at.
pub type Names = BTreeMap<Arc<str>, ResultRef>;

/// Names that were bound on the way, in order.
pub type Named = Vec<(Arc<str>, ResultRef)>;

/// How a node ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    Done(ResultRef),
    Failed(Failure),
    /// A BREAK is unwinding to the nearest LOOP with this value.
    Break(ResultRef),
    /// Ownership is gone or the instance has ended: nothing more may be done.
    Stopped,
    /// This branch lost: its walk ends without a trace.
    Lost,
    /// The history is long enough: continue as new, here.
    Continue,
}

/// How a node ended, and the names bound on the way, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    pub end: End,
    pub bound: Named,
}

impl Outcome {
    pub fn of(end: End) -> Self {
        Outcome {
            end,
            bound: Vec::new(),
        }
    }

    pub fn run(path: &str) -> Self {
        Outcome::of(End::Done(ResultRef::Run(path.into())))
    }
}

/// What an activity answers to the walk: small, since it stays in the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeafReply {
    /// The leaf is recorded; `truth` for a leaf inside a condition.
    Completed {
        truth: Option<bool>,
    },
    Failed(Failure),
    /// The wait has begun and is not over.
    Waiting,
    /// There is nothing to wait for before the next attempt.
    Again,
    /// Refused by a pause, nothing has happened: the engine asks again at the resume, so that the
    /// walk never sees this.
    Paused,
    Stopped,
    Lost,
}

/// All that an activity answers: of what it was asked for, and of the leaves that it ran behind that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Whether the instance has ended with it: its record ended the instance, and the walk would find out no more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ends: bool,
    /// Whether the walk has nothing to do for it before all else that runs in its orchestration has ended, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waits: bool,
    pub reply: LeafReply,
    /// Each with its run path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub then: Vec<(String, LeafReply)>,
}

impl Told {
    /// Encodes for the engine's history.
    pub fn encode(&self) -> String {
        serde_json::to_string(self).expect("a reply is always JSON")
    }

    /// Whether what [`Told::encode`] wrote is of one that waits.
    pub fn may_wait(text: &str) -> bool {
        text.starts_with(r#"{"waits":true"#)
    }

    /// Whether what [`Told::encode`] wrote is of one with which the instance has ended.
    pub fn is_end(text: &str) -> bool {
        text.starts_with(r#"{"ends":true"#)
    }

    /// Decodes what [`Told::encode`] wrote; anything else stops the walk.
    pub fn decode(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or(LeafReply::Stopped.into())
    }
}

impl From<LeafReply> for Told {
    fn from(reply: LeafReply) -> Self {
        Told {
            ends: false,
            waits: false,
            reply,
            then: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_reads_back_as_it_was_written_however_deep() {
        let mut result = ResultRef::Run("root".into());
        for depth in 0..256 {
            let beside = if depth % 2 == 0 {
                ResultRef::Run("root.left".into())
            } else {
                ResultRef::All(Vec::new())
            };
            result = ResultRef::All(vec![result, beside]);
        }
        let outcome = Outcome::of(End::Done(result));
        let text = serde_json::to_string(&outcome).unwrap();
        assert_eq!(serde_json::from_str::<Outcome>(&text).unwrap(), outcome);
        for bad in ["[]", r#"[{"all":1}]"#, r#"[{"all":0},{"all":0}]"#] {
            assert!(serde_json::from_str::<ResultRef>(bad).is_err(), "{bad}");
        }
    }
}
