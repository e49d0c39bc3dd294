//! Who a step logs in as, as the integrator knows it.

/// What a step connection of one role needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The role's step login, the session user.
    pub user: String,
    pub password: Option<String>,
    /// The submitting role by its present name, the current user of every statement.
    pub role_name: String,
    pub database: String,
    /// The role's own settings, those that a non-superuser may set; the session's defaults.
    pub settings: Vec<(String, String)>,
    /// Where the schema's functions are; `None` calls them by name.
    pub functions: Option<StepFunctions>,
}

/// The oids of the functions of a step: the schema's own, and the server's `pg_current_xact_id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepFunctions {
    pub begin: u32,
    pub transaction: u32,
    pub record: u32,
    pub clean: u32,
}

impl StepFunctions {
    /// All of them, where all are there.
    pub fn new([begin, transaction, record, clean]: [Option<u32>; 4]) -> Option<Self> {
        Some(StepFunctions {
            begin: begin?,
            transaction: transaction?,
            record: record?,
            clean: clean?,
        })
    }
}

/// Why a role has no usable login.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LoginError {
    #[error("role with oid {0} does not exist")]
    RoleGone(u32),
    #[error("database \"{0}\" does not exist")]
    DatabaseGone(String),
    /// The set-up is wrong; the text holds the statement that mends it.
    #[error("{0}")]
    NotSetUp(String),
    /// The relay could not ask; it is asked again.
    #[error("{0}")]
    Unavailable(String),
}

/// Finds logins. Answers are kept until authentication with one fails.
#[async_trait::async_trait]
pub trait LoginSource: Send + Sync {
    /// `database` is `None` for the one that holds the schema.
    async fn login(&self, role_oid: u32, database: Option<&str>) -> Result<Login, LoginError>;
}
