//! Graphs, parsed once and kept by id: a workflow that is started a million times is parsed once.

use std::sync::Arc;

use df_graph::Graph;
use df_postgres::{Error, Session};
use foldhash::HashMap;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

/// The most graphs kept, and the most bytes of their texts; beyond either the cache begins anew.
const MAX_KEPT_GRAPHS: usize = 2000;
const MAX_KEPT_BYTES: usize = 32 << 20;

/// The parsed graphs of one relay.
#[derive(Default)]
pub struct Graphs {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    graphs: HashMap<(i64, u32), Arc<Graph>>,
    bytes: usize,
}

impl Graphs {
    /// The graph with this id if `owner` owns it: outer errors are Postgres's, the inner one says
    /// why the instance can never run. Its hash is checked, since any role can write a graph row.
    pub async fn get(
        &self,
        session: &Session,
        id: i64,
        owner: u32,
    ) -> Result<Result<Arc<Graph>, String>, Error> {
        if let Some(graph) = self.kept.lock().graphs.get(&(id, owner)) {
            return Ok(Ok(graph.clone()));
        }
        let rows = session
            .insist(
                "select graph, hash from df.relay_graph($1, $2)",
                &[&id, &owner],
            )
            .await?;
        let Some(row) = rows.first() else {
            return Ok(Err(format!(
                "its graph {id} is not there, or not its submitter's"
            )));
        };
        let (text, hash): (String, Vec<u8>) = (row.get(0), row.get(1));
        if Sha256::digest(text.as_bytes()).as_slice() != hash {
            return Ok(Err(format!("its graph {id} does not match its hash")));
        }
        Ok(match Graph::parse(&text) {
            Ok(graph) => {
                let graph = Arc::new(graph);
                let mut kept = self.kept.lock();
                if kept.graphs.len() >= MAX_KEPT_GRAPHS || kept.bytes + text.len() > MAX_KEPT_BYTES
                {
                    *kept = Kept::default();
                }
                kept.bytes += text.len();
                kept.graphs.insert((id, owner), graph.clone());
                Ok(graph)
            }
            Err(error) => Err(error.to_string()),
        })
    }
}
