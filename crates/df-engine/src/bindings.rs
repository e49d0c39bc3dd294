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

impl Bound {
    /// Loads every bound result that `texts` name, in one call for those not in memory. `None` once
    /// cancelled.
    pub async fn load(
        backend: &dyn Backend,
        loaded: &Arc<Loaded>,
        names: &Names,
        texts: &[&str],
        cancel: &CancellationToken,
    ) -> Option<Bound> {
        let mut wanted: Vec<String> = Vec::new();
        for text in texts {
            for name in df_graph::names_in(text, |name| names.contains_key(name)) {
                if !wanted.contains(&name) {
                    wanted.push(name);
                }
            }
        }
        let refs: Vec<&ResultRef> = wanted.iter().map(|name| &names[name.as_str()]).collect();
        let texts = fetch(backend, loaded, &refs, cancel).await?;
        let results = wanted
            .into_iter()
            .zip(refs)
            .map(|(name, result)| (name, value(result, &texts)))
            .collect();
        Some(Bound {
            loaded: loaded.clone(),
            results,
        })
    }

    /// One result as JSON text. `None` once cancelled.
    pub async fn text(
        backend: &dyn Backend,
        loaded: &Arc<Loaded>,
        result: &ResultRef,
        cancel: &CancellationToken,
    ) -> Option<String> {
        let texts = fetch(backend, loaded, &[result], cancel).await?;
        let mut out = String::new();
        write(result, &texts, &mut out);
        Some(out)
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

async fn fetch(
    backend: &dyn Backend,
    loaded: &Loaded,
    results: &[&ResultRef],
    cancel: &CancellationToken,
) -> Option<Texts> {
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
    if !missing.is_empty() {
        missing.sort();
        missing.dedup();
        let found = backend
            .results(&loaded.assignment.instance, &missing, cancel)
            .await?;
        for (path, text) in found {
            loaded.keep_result(&path, &text);
            texts.insert(path.into(), text.into());
        }
    }
    Some(texts)
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
