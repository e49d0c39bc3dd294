//! The reference: what docs/semantics.md says a program does, and programs to ask about.
//!
//! It shares no logic with the engine, nor with the crates that parse or substitute: a program is
//! rendered to the SQL that a user would write, and its outcome is worked out from the tree. It
//! does no I/O; running programs is the tests' part.

mod arbitrary;
mod compare;
mod corpus;
mod interpret;
mod leaves;
mod program;
mod render;
mod shapes;

pub use arbitrary::{Weights, programs};
pub use compare::{Effect, Request, Run, Seen, differences, trace};
pub use corpus::corpus;
pub use interpret::{End, Expected, Recorded, expected};
pub use program::{Answer, Leaf, ODD, Program, SHARED};
pub use render::{PRELUDE, SCHEDULES_ARE_DUE, Signals, signals, spellings, sql, start_sql};
pub use shapes::{Shape, shapes};
