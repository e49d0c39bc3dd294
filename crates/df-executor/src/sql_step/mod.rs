//! A SQL step: the user's statement, its recorded result and the fence, in one transaction.
//!
//! Knows the two SQL functions of a step and nothing else of the schema. It settles every outcome
//! by the record function's answer, never by looking.

mod attempt;
mod classify;
mod idle;
mod login;
mod outcome;
mod outside;
mod pool;
mod retry;
mod run;
mod seam;
mod sessions;

pub use login::{Login, LoginError, LoginSource, StepFunctions};
pub use outcome::{ExecutorError, Fenced, OutsideOutcome, StepFailure, StepOutcome};
pub use pool::{PoolLimits, StepStatistics};
pub use retry::RetrySchedule;
pub use run::{SqlSteps, SqlStepsConfig, StepLimits};
pub use seam::{Fence, RetryOn, Step};
pub use sessions::{STEP_APPLICATION, Sessions};
