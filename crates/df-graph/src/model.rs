//! The parsed graph: an arena of nodes in pre-order, the root first.

use crate::config::{HttpConfig, MultipartConfig, RetryPolicy};

/// Index of a node in [`Graph::nodes`]; a child's is larger than its parent's, the root's is 0.
pub type NodeId = usize;

/// A graph that has passed every check of docs/sql-api.md.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    pub nodes: Vec<Node>,
}

/// One node of a graph.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Static path, e.g. `root.left.condition_node`.
    pub path: String,
    pub kind: Kind,
    /// The name that this node's result is kept under.
    pub result_name: Option<String>,
    /// `None` for the root only.
    pub parent: Option<NodeId>,
    /// How many leaves stand at or below this node, conditions and both IF branches included.
    pub leaves: usize,
    /// Whether this node is a LOOP or holds one.
    pub has_loop: bool,
    pub retry: Option<RetryPolicy>,
    /// Seconds that the node may take as a whole; positive.
    pub timeout_seconds: Option<f64>,
    /// The `query` field as it was written: SQL, seconds, or a JSON config.
    pub query: Option<String>,
}

/// What a node does.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    Sql {
        query: String,
    },
    Then {
        left: NodeId,
        right: NodeId,
    },
    /// Two branches or more, in branch order.
    Join {
        branches: Vec<NodeId>,
    },
    Race {
        branches: [NodeId; 2],
    },
    If {
        condition: Condition,
        then_branch: NodeId,
        else_branch: NodeId,
    },
    /// Do-while; without a condition, forever.
    Loop {
        body: NodeId,
        condition: Option<NodeId>,
    },
    Break {
        value: Option<String>,
    },
    /// Finite and not negative; as large as a bigint, so the caller must clamp it.
    Sleep {
        seconds: f64,
    },
    WaitSchedule {
        cron: String,
    },
    Signal {
        name: String,
        timeout_seconds: Option<f64>,
    },
    Http(HttpConfig),
    HttpMultipart(MultipartConfig),
}

/// What an IF asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// The truth of this node's result.
    Node(NodeId),
    /// Whether the named result has rows.
    HasRows { result_name: String },
}

impl Graph {
    /// The node that everything else stands under.
    pub fn root(&self) -> &Node {
        &self.nodes[0]
    }

    /// The node with this static path.
    pub fn find(&self, static_path: &str) -> Option<NodeId> {
        self.nodes.iter().position(|node| node.path == static_path)
    }
}

impl Node {
    /// The children in evaluation order: a condition of an IF first, that of a LOOP last.
    pub fn children(&self) -> Vec<NodeId> {
        match &self.kind {
            Kind::Then { left, right } => vec![*left, *right],
            Kind::Join { branches } => branches.clone(),
            Kind::Race { branches } => branches.to_vec(),
            Kind::If {
                condition,
                then_branch,
                else_branch,
            } => match condition {
                Condition::Node(id) => vec![*id, *then_branch, *else_branch],
                Condition::HasRows { .. } => vec![*then_branch, *else_branch],
            },
            Kind::Loop { body, condition } => {
                std::iter::once(*body).chain(*condition).collect::<Vec<_>>()
            }
            _ => Vec::new(),
        }
    }

    /// Whether the node has no children and so is executed itself.
    pub fn is_leaf(&self) -> bool {
        self.children().is_empty()
    }
}

impl Kind {
    /// The `node_type` of the JSON form.
    pub fn node_type(&self) -> &'static str {
        match self {
            Kind::Sql { .. } => "SQL",
            Kind::Then { .. } => "THEN",
            Kind::Join { .. } => "JOIN",
            Kind::Race { .. } => "RACE",
            Kind::If { .. } => "IF",
            Kind::Loop { .. } => "LOOP",
            Kind::Break { .. } => "BREAK",
            Kind::Sleep { .. } => "SLEEP",
            Kind::WaitSchedule { .. } => "WAIT_SCHEDULE",
            Kind::Signal { .. } => "SIGNAL",
            Kind::Http(_) => "HTTP",
            Kind::HttpMultipart(_) => "HTTP_MULTIPART",
        }
    }
}
