//! Any text as a node's configuration and as base64: a value or a refusal.
#![no_main]

use df_graph::{Graph, decode_base64, transaction_class};
use libfuzzer_sys::fuzz_target;

const KINDS: [&str; 8] =
    ["HTTP", "HTTP_MULTIPART", "SIGNAL", "WAIT_SCHEDULE", "BREAK", "SLEEP", "IF", "SQL"];

fuzz_target!(|config: &str| {
    let _ = decode_base64(config);
    let _ = transaction_class(config);
    for kind in KINDS {
        let node = serde_json::json!({"node_type": kind, "query": config});
        let _ = Graph::parse(&node.to_string());
    }
});
