//! The executor as the engine sees it: SQL steps, requests, records and reads behind one trait.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use df_engine::{
    Again, Assignment, Backend, Entry, Failure, HttpBody, HttpLeaf, LeafEnd, Limits, Recorded,
    Refused, SqlLeaf,
};
use df_http::{Body, HttpClient, HttpError, HttpPolicy, HttpRequest, Part};
use df_postgres::{Error, Session};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::logins::{Directory, Settings};
use crate::places::{PlaceLimits, Places};
use crate::recorder::Recorder;
use crate::sql_step::{
    ExecutorError, Fence, Fenced, LoginError, OutsideOutcome, RetryOn, SqlSteps, Step, StepFailure,
    StepOutcome,
};
use crate::throttle::Throttle;

/// How long a step whose role's login is broken waits before it looks again.
const SET_UP_PAUSE: Duration = Duration::from_secs(5);

/// Everything that acts for the engine.
pub struct Executor {
    steps: SqlSteps,
    http: HttpClient,
    /// Requests that one role may have under way.
    requests: Places,
    recorder: Recorder,
    directory: Arc<Directory>,
    applied: Mutex<Applied>,
    /// Roles whose set-up keeps steps waiting.
    broken: Throttle<u32>,
    session: Arc<Session>,
    /// Names this installation in the key of an HTTP request.
    installation: String,
}

/// What of the operator's settings is in force.
#[derive(Default)]
struct Applied {
    settings: Arc<Settings>,
    step_timeout: Option<Duration>,
}

impl Executor {
    pub fn new(
        steps: SqlSteps,
        http: HttpClient,
        recorder: Recorder,
        directory: Arc<Directory>,
        session: Arc<Session>,
        installation: String,
    ) -> Self {
        Executor {
            steps,
            http,
            requests: Places::new(PlaceLimits {
                total: usize::MAX,
                reserve: 0,
                per_role: usize::MAX,
                turn: Duration::ZERO,
            }),
            recorder,
            directory,
            applied: Mutex::default(),
            broken: Throttle::default(),
            session,
            installation,
        }
    }

    /// Applies the operator's limits as they are now, where they can be read. Returns how long a step may take by them.
    async fn apply_settings(&self) -> Option<Duration> {
        let settings = self.directory.settings().await.ok()?;
        let mut applied = self.applied.lock();
        if !Arc::ptr_eq(&applied.settings, &settings) {
            let limits = settings.step_limits();
            self.requests.set_per_role(limits.per_role);
            self.steps.set_limits(limits);
            let step_timeout = settings.seconds("step_timeout_seconds", Duration::ZERO);
            let hosts =
                |settings: &Settings| settings.text("http_allowed_hosts").map(str::to_owned);
            if hosts(&settings) != hosts(&applied.settings) {
                warn_of_unusable_hosts(&policy_of(&settings));
            }
            *applied = Applied {
                settings,
                step_timeout: (!step_timeout.is_zero()).then_some(step_timeout),
            };
        }
        applied.step_timeout
    }

    /// The shorter of what the node asks for and what the operator allows.
    async fn settings_timeout(&self, asked: Option<Duration>) -> Option<Duration> {
        let limit = self.apply_settings().await;
        asked.into_iter().chain(limit).min()
    }

    /// Runs the step until it has an outcome: a login that is not set up is waited for, since an
    /// administrator can mend it; a role or database that is gone fails the node. Each time the
    /// settings hold as they are then.
    async fn run_step(&self, mut step: Step<'_>) -> Result<StepOutcome, StepFailure> {
        let asked = step.statement_timeout;
        loop {
            step.statement_timeout = self.settings_timeout(asked).await;
            match self.steps.run(&step).await {
                Ok(outcome) => return Ok(outcome),
                Err(error) => {
                    if !self.mended(&step, error).await? {
                        return Ok(StepOutcome::Fenced(Fenced::Cancelled));
                    }
                }
            }
        }
    }

    /// The same for a statement that runs outside of its record's transaction. Nothing has been sent
    /// when the set-up is at fault.
    async fn run_outside_step(
        &self,
        mut step: Step<'_>,
        alone: bool,
    ) -> Result<OutsideOutcome, StepFailure> {
        let asked = step.statement_timeout;
        loop {
            step.statement_timeout = self.settings_timeout(asked).await;
            match self.steps.run_outside(&step, alone).await {
                Ok(outcome) => return Ok(outcome),
                Err(error) => {
                    if !self.mended(&step, error).await? {
                        return Ok(OutsideOutcome::Cancelled);
                    }
                }
            }
        }
    }

    /// Waits a while for somebody to mend what keeps a step from running: true when it is to be tried
    /// again, false once cancelled or asked to stop.
    ///
    /// Errors: the node's failure, where nothing can mend it.
    async fn mended(&self, step: &Step<'_>, error: ExecutorError) -> Result<bool, StepFailure> {
        match error {
            ExecutorError::Login(LoginError::RoleGone(_)) => {
                return Err(failure("42704", error.to_string()));
            }
            ExecutorError::Login(LoginError::DatabaseGone(_)) => {
                return Err(failure("3D000", error.to_string()));
            }
            ExecutorError::NulInStatement => return Err(failure("22021", error.to_string())),
            ExecutorError::Login(_) | ExecutorError::Schema(_) => {
                let role_oid = step.role_oid;
                match self.broken.line(role_oid, Instant::now()) {
                    // The span names the step.
                    Some(others) => {
                        tracing::error!(role_oid, %error, others, "step waits for its set-up to be mended");
                    }
                    None => {
                        tracing::debug!(role_oid, %error, "step waits for its set-up to be mended")
                    }
                }
            }
        }
        Ok(self.steps.pause(step, SET_UP_PAUSE).await)
    }

    /// Records a failure for which no step connection can be had.
    async fn record_failure(
        &self,
        on: &Assignment,
        leaf: &SqlLeaf<'_>,
        failure: StepFailure,
        cancel: &CancellationToken,
    ) -> LeafEnd {
        let effect = &leaf.fence.on_failed;
        let entry = Entry {
            op: "run",
            incarnation: on.incarnation,
            instance: on.instance.clone(),
            epoch: on.epoch,
            path: leaf.run_path.to_owned(),
            within: leaf
                .fence
                .within
                .iter()
                .map(|(path, _)| path.clone())
                .collect(),
            turns: leaf.fence.within.iter().map(|(_, turn)| *turn).collect(),
            decides: effect.decides.clone(),
            ends: effect.ends.then_some("failed"),
            status: Some("failed"),
            error: Some(failure.message.clone()),
            sqlstate: Some(failure.sqlstate.clone()),
            attempt: Some(leaf.attempt),
            ..Entry::default()
        };
        match self.recorder.record(entry, cancel).await {
            None => LeafEnd::Refused(Refused::Stopped),
            Some(recorded) => match recorded.refused() {
                Some(refused) => LeafEnd::Refused(refused),
                None if recorded.outcome == "exists" => LeafEnd::AlreadyRecorded,
                None => LeafEnd::Failed(engine_failure(failure)),
            },
        }
    }

    async fn policy(&self) -> Result<HttpPolicy, Error> {
        let settings = self.directory.settings().await?;
        Ok(policy_of(&settings))
    }

    async fn request(
        &self,
        on: &Assignment,
        run_path: &str,
        leaf: HttpLeaf,
        cancel: &CancellationToken,
    ) -> Result<String, Failure> {
        self.apply_settings().await;
        let stopped = || plain_failure("57014", "stopped".to_owned());
        let place = cancel
            .run_until_cancelled(self.requests.take(on.role))
            .await;
        let _place = place.ok_or_else(stopped)?;
        let multipart = matches!(leaf.body, HttpBody::Multipart(_));
        let unavailable = |error: Error| plain_failure("08000", error.to_string());
        if !self
            .directory
            .may_http(on.role, multipart)
            .await
            .map_err(unavailable)?
        {
            let function = if multipart {
                "df.http_multipart"
            } else {
                "df.http"
            };
            let message =
                format!("the submitting role does not have EXECUTE privilege on {function}");
            return Err(plain_failure("42501", message));
        }
        let policy = self.policy().await.map_err(unavailable)?;
        let body = match leaf.body {
            HttpBody::None => Body::None,
            HttpBody::Text(text) => Body::Text(text),
            HttpBody::Multipart(parts) => Body::Multipart(
                parts
                    .into_iter()
                    .map(|part| Part {
                        name: part.name,
                        data: part.data,
                        filename: part.filename,
                        content_type: part.content_type,
                    })
                    .collect(),
            ),
        };
        let request = HttpRequest {
            method: leaf.method,
            url: leaf.url,
            headers: leaf.headers,
            body,
            timeout: leaf.timeout,
            idempotency_key: format!("{}/{}/{run_path}", self.installation, on.instance),
        };
        self.http
            .send(&policy, request, cancel.clone())
            .await
            .map_err(|error| plain_failure(http_sqlstate(&error), error.to_string()))
    }
}

#[async_trait]
impl Backend for Executor {
    async fn run_sql(
        &self,
        on: &Assignment,
        leaf: SqlLeaf<'_>,
        cancel: &CancellationToken,
    ) -> LeafEnd {
        let fence = Fence {
            within: leaf.fence.within.clone(),
            on_completed: leaf.fence.on_completed.clone(),
            on_failed: leaf.fence.on_failed.clone(),
            checkpoints: (!leaf.fence.checkpoints.is_empty()).then(|| {
                serde_json::to_string(&leaf.fence.checkpoints).expect("checkpoints are JSON")
            }),
        };
        let step = Step {
            instance: &on.instance,
            epoch: on.epoch,
            incarnation: on.incarnation,
            role_oid: on.role,
            database: None,
            run_path: leaf.run_path,
            sql: leaf.sql,
            attempt: leaf.attempt,
            fence: &fence,
            statement_timeout: leaf.timeout,
            retry_on: match leaf.again {
                Again::Never => None,
                Again::Any => Some(RetryOn::Any),
                Again::Sqlstates(states) => Some(RetryOn::Sqlstates(states)),
            },
            cancel: cancel.clone(),
        };
        match self.run_step(step).await {
            Ok(StepOutcome::Completed { result }) => LeafEnd::Completed(result),
            Ok(StepOutcome::Failed(failure)) => LeafEnd::Failed(engine_failure(failure)),
            Ok(StepOutcome::Unrecorded { failure }) => LeafEnd::Unrecorded(engine_failure(failure)),
            Ok(StepOutcome::AlreadyRecorded) => LeafEnd::AlreadyRecorded,
            Ok(StepOutcome::Fenced(Fenced::Decided)) => LeafEnd::Refused(Refused::DecidedAgainst),
            Ok(StepOutcome::Fenced(Fenced::Paused)) => LeafEnd::Refused(Refused::Paused),
            Ok(StepOutcome::Fenced(_)) => LeafEnd::Refused(Refused::Stopped),
            Err(failure) => self.record_failure(on, &leaf, failure, cancel).await,
        }
    }

    async fn run_outside(
        &self,
        on: &Assignment,
        sql: &str,
        alone: bool,
        timeout: Option<Duration>,
        attempt: i32,
        cancel: &CancellationToken,
    ) -> Result<String, Failure> {
        let fence = Fence::default();
        let step = Step {
            instance: &on.instance,
            epoch: on.epoch,
            incarnation: on.incarnation,
            role_oid: on.role,
            database: on.database.as_deref(),
            run_path: "",
            sql,
            attempt,
            fence: &fence,
            statement_timeout: timeout,
            retry_on: None,
            cancel: cancel.clone(),
        };
        match self.run_outside_step(step, alone).await {
            Ok(OutsideOutcome::Completed { result }) => Ok(result),
            Ok(OutsideOutcome::Failed(failure) | OutsideOutcome::Unknown(failure)) => {
                Err(engine_failure(failure))
            }
            Ok(OutsideOutcome::Cancelled) => Err(plain_failure("57014", "stopped".to_owned())),
            Err(failure) => Err(engine_failure(failure)),
        }
    }

    async fn send_http(
        &self,
        on: &Assignment,
        run_path: &str,
        request: HttpLeaf,
        cancel: &CancellationToken,
    ) -> Result<String, Failure> {
        self.request(on, run_path, request, cancel).await
    }

    async fn record(&self, entry: Entry, cancel: &CancellationToken) -> Option<Recorded> {
        self.recorder.record(entry, cancel).await
    }

    async fn clock(&self, cancel: &CancellationToken) -> Option<i64> {
        let asked = self.session.insist("select df.relay_clock()", &[]);
        let rows = cancel.run_until_cancelled(asked).await?.ok()?;
        Some(rows[0].get(0))
    }

    async fn limits(&self, cancel: &CancellationToken) -> Option<Limits> {
        let read = async {
            self.apply_settings().await;
            self.policy().await
        };
        let policy = cancel.run_until_cancelled(read).await?.ok()?;
        let bytes = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
        Some(Limits {
            result_bytes: self.steps.limits().max_result_bytes,
            request_body_bytes: bytes(policy.max_request_bytes),
            request_head_bytes: bytes(policy.max_header_bytes),
        })
    }

    async fn results(
        &self,
        instance: &str,
        paths: &[String],
        enough_bytes: Option<usize>,
        cancel: &CancellationToken,
    ) -> Option<Vec<(String, String)>> {
        let enough = enough_bytes.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
        let parameters: [&dyn df_postgres::Parameter; 3] = [&instance, &paths, &enough];
        let rows = cancel
            .run_until_cancelled(self.session.insist(
                "select run_path, coalesce(result, 'null') from df.relay_results($1, $2, $3)",
                &parameters,
            ))
            .await?
            .ok()?;
        Some(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }
}

/// What the operator lets requests reach.
fn policy_of(settings: &Settings) -> HttpPolicy {
    let hosts = settings.text("http_allowed_hosts").unwrap_or_default();
    let policy = HttpPolicy::default().with_allowed_hosts(hosts);
    HttpPolicy {
        allow_private: settings
            .text("http_allow_private")
            .is_some_and(|text| text == "true"),
        max_request_bytes: settings.number("http_max_request_bytes", policy.max_request_bytes),
        max_response_bytes: settings.number("http_max_response_bytes", policy.max_response_bytes),
        max_timeout_seconds: settings.number("http_max_timeout_seconds", 3600),
        ..policy
    }
}

/// An entry such as `*.example.com` or `https://example.com` reads well and lets nothing pass.
fn warn_of_unusable_hosts(policy: &HttpPolicy) {
    let unusable = policy.unusable_allowed_hosts();
    if !unusable.is_empty() {
        tracing::warn!(
            entries = unusable.join(", "),
            "the setting http_allowed_hosts has entries that match no host: it takes names, .suffix and IP addresses"
        );
    }
}

fn failure(sqlstate: &str, message: String) -> StepFailure {
    StepFailure {
        sqlstate: sqlstate.to_owned(),
        message,
        ..StepFailure::default()
    }
}

fn plain_failure(sqlstate: &str, message: String) -> Failure {
    Failure {
        message,
        sqlstate: Some(sqlstate.to_owned()),
        path: String::new(),
    }
}

/// What the user reads of a failed statement: Postgres's own message, and its detail.
fn engine_failure(failure: StepFailure) -> Failure {
    let mut message = failure.message;
    for more in [failure.detail, failure.hint].into_iter().flatten() {
        message.push_str(&format!(" ({more})"));
    }
    plain_failure(&failure.sqlstate, message)
}

/// The class of an HTTP failure, so that a retry policy can name it.
fn http_sqlstate(error: &HttpError) -> &'static str {
    match error {
        HttpError::Refused(_) => "42501",
        HttpError::Invalid(_) => "22023",
        HttpError::TooLarge { .. } => "54000",
        HttpError::TimedOut { .. } => "57014",
        HttpError::Cancelled => "57014",
        _ => "08000",
    }
}
