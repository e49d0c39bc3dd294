//! Paths: where a node stands in its graph, and which execution of it is meant.

/// The static path of a run path: the same path without the loop counters.
///
/// `root.left.body[3].right` becomes `root.left.body.right`; the index of `extra_nodes[1]` is part
/// of the static path and stays.
pub fn static_path(run_path: &str) -> String {
    let mut path = String::with_capacity(run_path.len());
    for (index, segment) in run_path.split('.').enumerate() {
        if index > 0 {
            path.push('.');
        }
        let counted = ["body[", "condition_node["]
            .iter()
            .any(|name| segment.starts_with(name));
        match segment.find('[') {
            Some(bracket) if counted => path.push_str(&segment[..bracket]),
            _ => path.push_str(segment),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::static_path;

    #[test]
    fn only_loop_counters_are_dropped() {
        let check = |run_path: &str, expected: &str| {
            assert_eq!(static_path(run_path), expected, "{run_path}");
        };
        check("root", "root");
        check("root.left.right", "root.left.right");
        check("root.body[0]", "root.body");
        check("root.left.body[3].right", "root.left.body.right");
        check("root.condition_node[12]", "root.condition_node");
        check("root.condition_node", "root.condition_node");
        check(
            "root.body[1].body[2].condition_node[3].left",
            "root.body.body.condition_node.left",
        );
        check("root.extra_nodes[0]", "root.extra_nodes[0]");
        check(
            "root.body[7].extra_nodes[11].body[2]",
            "root.body.extra_nodes[11].body",
        );
        check("", "");
        check("root.body[", "root.body");
    }
}
