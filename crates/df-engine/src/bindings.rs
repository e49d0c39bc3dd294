//! What the names of a text stand for: loaded before substitution, so that substitution is pure.

use std::sync::Arc;

use df_graph::Bindings;
use foldhash::HashMap;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::backend::Backend;
use crate::loaded::Loaded;
use crate::outcome::{Names, ResultRef};

/// The results and variables that one leaf's texts refer to.
pub struct Bound {
    loaded: Arc<Loaded>,
    /// Each as it reads, or why it cannot be read.
    results: HashMap<String, Result<Value, String>>,
}

/// Why a node does not get the results that it needs.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoResults {
    #[error("cancelled")]
    Cancelled,
    #[error("the result is larger than {limit_bytes} bytes (max_result_bytes)")]
    TooLarge { limit_bytes: usize },
    #[error(
        "the results that are referred to are larger than {limit_bytes} bytes together (max_result_bytes)"
    )]
    TooLargeTogether { limit_bytes: usize },
}

impl Bound {
    /// Loads every bound result that `texts` name, in one call for those not in memory.
    ///
    /// # Errors
    /// Once cancelled, and where several results are too large together: each of them counts as often
    /// as it has a name.
    pub async fn load(
        backend: &dyn Backend,
        loaded: &Arc<Loaded>,
        names: &Names,
        texts: &[&str],
        cancel: &CancellationToken,
    ) -> Result<Bound, NoResults> {
        let mut wanted: Vec<String> = Vec::new();
        for text in texts {
            for name in df_graph::names_in(text, |name| names.contains_key(name)) {
                if !wanted.contains(&name) {
                    wanted.push(name);
                }
            }
        }
        let refs: Vec<&ResultRef> = wanted.iter().map(|name| &names[name.as_str()]).collect();
        let texts = fetch(backend, loaded, &refs, cancel)
            .await
            .map_err(|why| match why {
                NoResults::TooLarge { limit_bytes } => NoResults::TooLargeTogether { limit_bytes },
                other => other,
            })?;
        let results = wanted
            .into_iter()
            .zip(refs)
            .map(|(name, result)| (name, value(result, &texts)))
            .collect();
        Ok(Bound {
            loaded: loaded.clone(),
            results,
        })
    }

    /// One result as JSON text.
    ///
    /// # Errors
    /// Once cancelled, and where a JOIN's array is too large.
    pub async fn text(
        backend: &dyn Backend,
        loaded: &Arc<Loaded>,
        result: &ResultRef,
        cancel: &CancellationToken,
    ) -> Result<String, NoResults> {
        let texts = fetch(backend, loaded, &[result], cancel).await?;
        let mut out = String::with_capacity(written_bytes(result, &texts));
        write(result, &texts, &mut out);
        Ok(out)
    }
}

impl Bindings for Bound {
    fn result(&self, name: &str) -> Option<&Value> {
        self.results.get(name)?.as_ref().ok()
    }

    fn unreadable(&self, name: &str) -> Option<&str> {
        self.results.get(name)?.as_ref().err().map(String::as_str)
    }

    fn var(&self, name: &str) -> Option<&str> {
        self.loaded.assignment.vars.get(name).map(String::as_str)
    }

    fn instance_id(&self) -> &str {
        &self.loaded.assignment.instance
    }

    fn label(&self) -> Option<&str> {
        self.loaded.assignment.label.as_deref()
    }
}

type Texts = HashMap<Arc<str>, Arc<str>>;

/// The texts that the results are made of. One alone is as large as it was when it was recorded; what
/// is made of several is held to the limit of one, before all of them are in memory.
async fn fetch(
    backend: &dyn Backend,
    loaded: &Loaded,
    results: &[&ResultRef],
    cancel: &CancellationToken,
) -> Result<Texts, NoResults> {
    let mut texts = Texts::default();
    let mut missing: Vec<String> = Vec::new();
    for result in results {
        result.each_run(&mut |path| match loaded.kept_result(path) {
            Some(text) => {
                texts.insert(path.clone(), text);
            }
            None => missing.push(path.to_string()),
        });
    }
    let limit_bytes = match results {
        [] | [ResultRef::Run(_)] => None,
        _ => {
            let limits = backend.limits(cancel).await.ok_or(NoResults::Cancelled)?;
            Some(limits.result_bytes)
        }
    };
    if !missing.is_empty() {
        missing.sort();
        missing.dedup();
        let found = backend
            .results(&loaded.assignment.instance, &missing, limit_bytes, cancel)
            .await
            .ok_or(NoResults::Cancelled)?;
        for (path, text) in found {
            loaded.keep_result(&path, &text);
            texts.insert(path.into(), text.into());
        }
    }
    match limit_bytes {
        Some(limit_bytes) if sum(results.iter().copied(), &texts) > limit_bytes => {
            Err(NoResults::TooLarge { limit_bytes })
        }
        _ => Ok(texts),
    }
}

/// How long a result is as text.
fn written_bytes(result: &ResultRef, texts: &Texts) -> usize {
    match result {
        ResultRef::Run(path) => texts.get(path).map_or("null".len(), |text| text.len()),
        ResultRef::All(all) => sum(all, texts) + "[]".len() + all.len().saturating_sub(1),
    }
}

fn sum<'a>(results: impl IntoIterator<Item = &'a ResultRef>, texts: &Texts) -> usize {
    let bytes = results.into_iter().map(|one| written_bytes(one, texts));
    bytes.sum()
}

fn value(result: &ResultRef, texts: &Texts) -> Result<Value, String> {
    match result {
        ResultRef::Run(path) => texts
            .get(path)
            .map_or(Ok(Value::Null), |text| df_graph::read_result(text)),
        ResultRef::All(all) => all.iter().map(|one| value(one, texts)).collect(),
    }
}

/// Writes a result as text, leaving recorded JSON as it was recorded.
fn write(result: &ResultRef, texts: &Texts, out: &mut String) {
    match result {
        ResultRef::Run(path) => out.push_str(texts.get(path).map_or("null", |text| text)),
        ResultRef::All(all) => {
            out.push('[');
            for (index, one) in all.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(one, texts, out);
            }
            out.push(']');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{
        Assignment, Entry, Failure, HttpLeaf, LeafEnd, Limits, Recorded, SqlLeaf,
    };
    use crate::loaded::Runs;
    use async_trait::async_trait;
    use df_graph::Graph;
    use parking_lot::Mutex;
    use std::time::Duration;
    use tokio::sync::watch;

    const LIMIT: usize = 100;

    /// Records of ten bytes each, `0` to `9`, but for `huge`; and how many bytes it has handed out.
    #[derive(Default)]
    struct Records {
        handed_out: Mutex<usize>,
        asked_for_limits: Mutex<usize>,
    }

    #[async_trait]
    impl Backend for Records {
        async fn run_sql(&self, _: &Assignment, _: SqlLeaf<'_>, _: &CancellationToken) -> LeafEnd {
            unreachable!()
        }

        async fn run_outside(
            &self,
            _: &Assignment,
            _: &str,
            _: bool,
            _: Option<Duration>,
            _: i32,
            _: &CancellationToken,
        ) -> Result<String, Failure> {
            unreachable!()
        }

        async fn send_http(
            &self,
            _: &Assignment,
            _: &str,
            _: HttpLeaf,
            _: &CancellationToken,
        ) -> Result<String, Failure> {
            unreachable!()
        }

        async fn record(&self, _: Entry, _: &CancellationToken) -> Option<Recorded> {
            unreachable!()
        }

        async fn clock(&self, _: &CancellationToken) -> Option<i64> {
            unreachable!()
        }

        async fn limits(&self, _: &CancellationToken) -> Option<Limits> {
            *self.asked_for_limits.lock() += 1;
            Some(Limits {
                result_bytes: LIMIT,
                request_body_bytes: 0,
                request_head_bytes: 0,
            })
        }

        async fn results(
            &self,
            _: &str,
            paths: &[String],
            enough_bytes: Option<usize>,
            _: &CancellationToken,
        ) -> Option<Vec<(String, String)>> {
            let mut found = Vec::new();
            let mut bytes = 0;
            for path in paths {
                if bytes > enough_bytes.unwrap_or(usize::MAX) {
                    break;
                }
                let text = match path.as_str() {
                    "huge" => format!("\"{}\"", "x".repeat(2 * LIMIT)),
                    _ => format!("\"{path:>8}\""),
                };
                bytes += text.len();
                found.push((path.clone(), text));
            }
            *self.handed_out.lock() += bytes;
            Some(found)
        }
    }

    fn loaded() -> Arc<Loaded> {
        let assignment = Assignment {
            instance: "abcd1234".to_owned(),
            epoch: 1,
            incarnation: uuid::Uuid::nil(),
            role: 1,
            database: None,
            label: None,
            vars: Default::default(),
            committed: watch::channel(true).1,
        };
        let graph = Graph::parse(r#"{"node_type": "SQL", "query": "select 1"}"#).unwrap();
        let token = CancellationToken::new();
        Arc::new(Loaded::new(assignment, graph.into(), Runs::new(), token))
    }

    fn run(path: &str) -> ResultRef {
        ResultRef::Run(path.into())
    }

    fn join(branches: usize) -> ResultRef {
        ResultRef::All((0..branches).map(|n| run(&n.to_string())).collect())
    }

    async fn text(result: &ResultRef) -> (Result<usize, NoResults>, Records) {
        let (records, token) = (Records::default(), CancellationToken::new());
        let text = Bound::text(&records, &loaded(), result, &token).await;
        (text.map(|text| text.len()), records)
    }

    async fn load(named: &[(&str, ResultRef)], sql: &str) -> (Result<(), NoResults>, Records) {
        let (records, token) = (Records::default(), CancellationToken::new());
        let names = named
            .iter()
            .map(|(name, one)| ((*name).into(), one.clone()));
        let bound = Bound::load(&records, &loaded(), &names.collect(), &[sql], &token).await;
        (bound.map(drop), records)
    }

    #[tokio::test]
    async fn an_array_larger_than_a_result_may_be_is_not_read_to_its_end() {
        let too_large = Err(NoResults::TooLarge { limit_bytes: LIMIT });
        // Nine of ten bytes, eight commas and two brackets are 100.
        assert_eq!(text(&join(9)).await.0, Ok(100));
        assert_eq!(text(&join(10)).await.0, too_large);
        let (found, records) = text(&join(1000)).await;
        assert_eq!(found, too_large);
        assert_eq!(*records.handed_out.lock(), LIMIT + 10);
        assert_eq!(
            text(&ResultRef::All(vec![join(5), join(5)])).await.0,
            too_large
        );
    }

    #[tokio::test]
    async fn one_result_alone_is_read_as_it_was_recorded() {
        let (found, records) = text(&run("huge")).await;
        assert_eq!(found, Ok(2 * LIMIT + 2));
        assert_eq!(*records.asked_for_limits.lock(), 0);
        let (found, records) = load(&[("a", run("huge")), ("b", run("1"))], "select '$a'").await;
        assert_eq!(found, Ok(()));
        assert_eq!(*records.asked_for_limits.lock(), 0);
    }

    #[tokio::test]
    async fn the_results_of_one_node_are_limited_together() {
        let too_large = Err(NoResults::TooLargeTogether { limit_bytes: LIMIT });
        let two = [("a", run("huge")), ("b", run("1"))];
        assert_eq!(load(&two, "select '$a', '$b'").await.0, too_large);
        assert_eq!(load(&[("a", join(10))], "select '$a'").await.0, too_large);
        // Each name has the value for itself.
        let names: Vec<_> = (0..11).map(|n| format!("n{n}")).collect();
        let named: Vec<_> = names.iter().map(|name| (name.as_str(), run("1"))).collect();
        let sql = |count: usize| format!("select '${}'", names[..count].join("', '$"));
        assert_eq!(load(&named, &sql(10)).await.0, Ok(()));
        assert_eq!(load(&named, &sql(11)).await.0, too_large);
    }
}
