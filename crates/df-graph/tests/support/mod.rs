//! Bindings that tests can write down in a line.

use df_graph::Bindings;
use serde_json::Value;

pub struct Bound {
    /// A JSON object of results by name.
    pub results: Value,
    pub vars: Vec<(String, String)>,
    pub label: Option<String>,
}

impl Bindings for Bound {
    fn result(&self, name: &str) -> Option<&Value> {
        self.results.get(name)
    }

    fn var(&self, name: &str) -> Option<&str> {
        self.vars
            .iter()
            .find(|(var, _)| var == name)
            .map(|(_, value)| value.as_str())
    }

    fn instance_id(&self) -> &str {
        "a1b2c3d4"
    }

    fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }
}
