//! Any text as a graph: it parses or is refused with a path, and never panics or overflows.
#![no_main]

use df_graph::{Graph, MAX_NODES};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for parsed in [Graph::parse(text), Graph::from_input(text)] {
        match parsed {
            Ok(graph) => assert!(format!("{graph:?}").len() > 0 && MAX_NODES > 0),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
});
