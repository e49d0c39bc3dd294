//! Turns the JSON of a graph, or plain SQL, into a checked [`Graph`].
//!
//! The walk keeps its own stack, so that no input can overflow the thread's.

use serde_json::{Map, Value};

use crate::config;
use crate::cron::Cron;
use crate::error::GraphError;
use crate::json::{self, ReadError};
use crate::model::{Condition, Graph, Kind, Node, NodeId};

/// The most edges from the root to a leaf.
pub const MAX_DEPTH: usize = 256;
/// The most nodes of one graph.
pub const MAX_NODES: usize = 10_000;
/// A child costs at most two levels of JSON (`extra_nodes` is an array of objects), and the deepest
/// node may hold a retry policy with a list in it.
const MAX_JSON_DEPTH: usize = 2 * MAX_DEPTH + 4;

/// Whether the text is `[A-Za-z_][A-Za-z0-9_]*`.
pub fn is_identifier(text: &str) -> bool {
    !text.as_bytes().first().is_none_or(u8::is_ascii_digit)
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Where a child hangs on its parent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Slot {
    Condition,
    Left,
    Right,
    Extra(usize),
}

/// A child that the walk has not reached yet.
struct Pending {
    map: Map<String, Value>,
    path: String,
    parent: Option<(NodeId, Slot)>,
    depth: usize,
}

/// What one node's own fields say, its children still to come.
struct Fields {
    kind: Kind,
    children: Vec<(Slot, Map<String, Value>)>,
}

/// Stands in a [`Kind`] until the child has its id.
const UNKNOWN: NodeId = NodeId::MAX;

impl Graph {
    /// Parses the JSON of a node and everything below it, and checks every rule of
    /// docs/sql-api.md.
    pub fn parse(json: &str) -> Result<Graph, GraphError> {
        match json::read(json, MAX_JSON_DEPTH) {
            Ok(Value::Object(map)) => build(map),
            Ok(_) => Err(GraphError::new(
                "root",
                "a graph must be a Durofut JSON object",
            )),
            Err(ReadError::TooDeep) => Err(too_deep()),
            Err(ReadError::Malformed(why)) => Err(GraphError::new(
                "root",
                format!("a graph must be a Durofut JSON object: {why}"),
            )),
        }
    }

    /// Parses what `df.start` is given: the JSON of a node, or else a plain SQL statement.
    ///
    /// SQL cannot begin with `{"` or `{}`, so such a text is JSON, and its mistakes are reported as
    /// JSON; `{statement}` is SQL that a variable will complete.
    pub fn from_input(text: &str) -> Result<Graph, GraphError> {
        let after_brace = text.trim_start().strip_prefix('{').map(str::trim_start);
        if after_brace.is_some_and(|rest| rest.starts_with(['"', '}'])) {
            return Graph::parse(text);
        }
        let mut map = Map::new();
        map.insert("node_type".into(), Value::from("SQL"));
        map.insert("query".into(), Value::from(text));
        build(map)
    }
}

fn too_deep() -> GraphError {
    GraphError::new(
        "root",
        format!("graph exceeds the maximum nesting depth of {MAX_DEPTH}"),
    )
}

fn build(root: Map<String, Value>) -> Result<Graph, GraphError> {
    let mut nodes: Vec<Node> = Vec::new();
    let mut pending = vec![Pending {
        map: root,
        path: "root".into(),
        parent: None,
        depth: 0,
    }];
    while let Some(Pending {
        map,
        path,
        parent,
        depth,
    }) = pending.pop()
    {
        if nodes.len() == MAX_NODES {
            let why = format!("graph exceeds the maximum of {MAX_NODES} nodes");
            return Err(GraphError::new("root", why));
        }
        if depth > MAX_DEPTH {
            return Err(too_deep());
        }
        let id = nodes.len();
        let (node, children) =
            node(map, &path, parent).map_err(|why| GraphError::new(&path, why))?;
        if let Some((parent, slot)) = parent {
            attach(&mut nodes[parent].kind, slot, id);
        }
        // Pushed in reverse, so that the first child is popped next and ids are in pre-order.
        for (slot, map) in children.into_iter().rev() {
            let path = format!("{path}.{}", segment(&node.kind, slot));
            pending.push(Pending {
                map,
                path,
                parent: Some((id, slot)),
                depth: depth + 1,
            });
        }
        nodes.push(node);
    }
    summarise(&mut nodes);
    Ok(Graph { nodes })
}

/// Sums leaves and loops upwards; parents come before their children in the arena.
fn summarise(nodes: &mut [Node]) {
    for id in (1..nodes.len()).rev() {
        let (leaves, has_loop) = (nodes[id].leaves, nodes[id].has_loop);
        if let Some(parent) = nodes[id].parent {
            nodes[parent].leaves += leaves;
            nodes[parent].has_loop |= has_loop;
        }
    }
}

type Children = Vec<(Slot, Map<String, Value>)>;

fn node(
    mut map: Map<String, Value>,
    path: &str,
    parent: Option<(NodeId, Slot)>,
) -> Result<(Node, Children), String> {
    let node_type = match map.remove("node_type") {
        Some(Value::String(node_type)) => node_type,
        None | Some(Value::Null) => return Err("Missing node_type".into()),
        Some(_) => return Err("node_type must be a string".into()),
    };
    let query = text(&mut map, "query", &node_type)?;
    let result_name = text(&mut map, "result_name", &node_type)?;
    if let Some(name) = result_name.as_deref().filter(|name| !is_identifier(name)) {
        return Err(not_an_identifier(name));
    }
    let retry = present(&mut map, "retry")
        .as_ref()
        .map(config::retry)
        .transpose()?;
    let timeout_seconds = match present(&mut map, "node_timeout_seconds") {
        None => None,
        Some(value) => match value.as_f64() {
            Some(seconds) if seconds > 0.0 && seconds.is_finite() => Some(seconds),
            _ => return Err("node_timeout_seconds must be a positive number".into()),
        },
    };
    let Fields { kind, children } = fields(&node_type, query.as_deref(), &mut map)?;
    if let Some(stray) = ["condition_node", "left_node", "right_node", "extra_nodes"]
        .into_iter()
        .find(|key| present(&mut map, key).is_some_and(|value| value != Value::Array(vec![])))
    {
        return Err(format!("{stray} is not allowed in {node_type}"));
    }
    let node = Node {
        path: path.to_string(),
        leaves: usize::from(children.is_empty()),
        has_loop: matches!(kind, Kind::Loop { .. }),
        kind,
        result_name,
        parent: parent.map(|(id, _)| id),
        retry,
        timeout_seconds,
        query,
    };
    Ok((node, children))
}

fn fields(
    node_type: &str,
    query: Option<&str>,
    map: &mut Map<String, Value>,
) -> Result<Fields, String> {
    let leaf = |kind| {
        Ok(Fields {
            kind,
            children: Vec::new(),
        })
    };
    match node_type {
        "SQL" => match query {
            Some(query) => leaf(Kind::Sql {
                query: query.to_string(),
            }),
            None => Err("query in SQL is required".into()),
        },
        "THEN" => {
            let children = pair(map, node_type)?;
            let (left, right) = (UNKNOWN, UNKNOWN);
            Ok(Fields {
                kind: Kind::Then { left, right },
                children,
            })
        }
        "JOIN" => join(map),
        "RACE" => {
            let children = pair(map, node_type)?;
            let kind = Kind::Race {
                branches: [UNKNOWN; 2],
            };
            Ok(Fields { kind, children })
        }
        "IF" => if_node(query, map),
        "LOOP" => loop_node(query, map),
        "BREAK" => leaf(Kind::Break {
            value: config::break_value(query)?,
        }),
        "SLEEP" => leaf(Kind::Sleep {
            seconds: config::sleep_seconds(query)?,
        }),
        "WAIT_SCHEDULE" => {
            let config = config::object(query, node_type)?;
            let cron = config::required_text(&config, "cron_expr", node_type)?;
            Cron::parse(&cron).map_err(|error| error.to_string())?;
            leaf(Kind::WaitSchedule { cron })
        }
        "SIGNAL" => {
            let (name, timeout_seconds) = config::signal(&config::object(query, node_type)?)?;
            leaf(Kind::Signal {
                name,
                timeout_seconds,
            })
        }
        "HTTP" => leaf(Kind::Http(config::http(&config::object(
            query, node_type,
        )?)?)),
        "HTTP_MULTIPART" => leaf(Kind::HttpMultipart(config::multipart(&config::object(
            query, node_type,
        )?)?)),
        unknown => {
            let shown: String = unknown.chars().take(100).collect();
            Err(format!("Unknown node_type '{shown}'"))
        }
    }
}

fn join(map: &mut Map<String, Value>) -> Result<Fields, String> {
    let mut children = pair(map, "JOIN")?;
    match present(map, "extra_nodes") {
        None => {}
        Some(Value::Array(extras)) => {
            for (index, extra) in extras.into_iter().enumerate() {
                let Value::Object(extra) = extra else {
                    return Err("extra_nodes entries must be Durofut JSON objects".into());
                };
                children.push((Slot::Extra(index), extra));
            }
        }
        Some(_) => return Err("extra_nodes in JOIN must be an array".into()),
    }
    Ok(Fields {
        kind: Kind::Join {
            branches: vec![UNKNOWN; children.len()],
        },
        children,
    })
}

fn if_node(query: Option<&str>, map: &mut Map<String, Value>) -> Result<Fields, String> {
    let asked = child(map, "condition_node", "IF")?;
    let config = query
        .map(|query| config::object(Some(query), "IF"))
        .transpose()?;
    refuse_hidden_condition(config.as_ref(), "IF")?;
    let condition_type = config
        .as_ref()
        .and_then(|config| config.get("condition_type"));
    let condition = match (&asked, &config, condition_type) {
        (Some(_), _, None | Some(Value::Null)) => Condition::Node(UNKNOWN),
        (Some(_), _, Some(_)) => {
            return Err("IF takes a condition_node or a condition_type, not both".into());
        }
        (None, Some(config), Some(Value::String(kind))) if kind == "result_has_rows" => {
            let result_name = config::required_text(config, "result_name", "IF")?;
            if !is_identifier(&result_name) {
                return Err(not_an_identifier(&result_name));
            }
            Condition::HasRows { result_name }
        }
        (None, _, Some(other)) if !other.is_null() => {
            let shown: String = other.to_string().chars().take(100).collect();
            return Err(format!("Unknown condition_type {shown} in IF"));
        }
        (None, _, _) => return Err("condition_node in IF is required".into()),
    };
    let mut children: Children = asked
        .map(|map| (Slot::Condition, map))
        .into_iter()
        .collect();
    children.extend(pair(map, "IF")?);
    let kind = Kind::If {
        condition,
        then_branch: UNKNOWN,
        else_branch: UNKNOWN,
    };
    Ok(Fields { kind, children })
}

fn loop_node(query: Option<&str>, map: &mut Map<String, Value>) -> Result<Fields, String> {
    let asked = child(map, "condition_node", "LOOP")?;
    let config = query
        .map(|query| config::object(Some(query), "LOOP"))
        .transpose()?;
    refuse_hidden_condition(config.as_ref(), "LOOP")?;
    let condition = asked.as_ref().map(|_| UNKNOWN);
    let mut children = vec![left(map, "LOOP")?];
    children.extend(asked.map(|map| (Slot::Condition, map)));
    Ok(Fields {
        kind: Kind::Loop {
            body: UNKNOWN,
            condition,
        },
        children,
    })
}

/// A condition inside the config text would escape the depth, the count and every other check.
fn refuse_hidden_condition(
    config: Option<&Map<String, Value>>,
    node_type: &str,
) -> Result<(), String> {
    match config.and_then(|config| config.get("condition_node")) {
        None | Some(Value::Null) => Ok(()),
        Some(_) => Err(format!(
            "condition_node in {node_type} must be a first-class Durofut field"
        )),
    }
}

fn pair(map: &mut Map<String, Value>, node_type: &str) -> Result<Children, String> {
    Ok(vec![left(map, node_type)?, right(map, node_type)?])
}

fn left(
    map: &mut Map<String, Value>,
    node_type: &str,
) -> Result<(Slot, Map<String, Value>), String> {
    let child = child(map, "left_node", node_type)?;
    Ok((
        Slot::Left,
        child.ok_or_else(|| format!("left_node in {node_type} is required"))?,
    ))
}

fn right(
    map: &mut Map<String, Value>,
    node_type: &str,
) -> Result<(Slot, Map<String, Value>), String> {
    let child = child(map, "right_node", node_type)?;
    Ok((
        Slot::Right,
        child.ok_or_else(|| format!("right_node in {node_type} is required"))?,
    ))
}

fn child(
    map: &mut Map<String, Value>,
    key: &str,
    node_type: &str,
) -> Result<Option<Map<String, Value>>, String> {
    match present(map, key) {
        None => Ok(None),
        Some(Value::Object(child)) => Ok(Some(child)),
        Some(_) => Err(format!(
            "{key} in {node_type} must be a Durofut JSON object"
        )),
    }
}

/// Takes a field out of the node; an explicit null is an absent field.
fn present(map: &mut Map<String, Value>, key: &str) -> Option<Value> {
    map.get_mut(key)
        .map(Value::take)
        .filter(|value| !value.is_null())
}

fn text(
    map: &mut Map<String, Value>,
    key: &str,
    node_type: &str,
) -> Result<Option<String>, String> {
    match present(map, key) {
        None => Ok(None),
        Some(Value::String(text)) if text.contains('\0') => Err(format!(
            "{key} in {node_type} must not hold a NUL character"
        )),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("{key} in {node_type} must be a string")),
    }
}

fn not_an_identifier(name: &str) -> String {
    let shown: String = name.chars().take(100).collect();
    format!("result name '{shown}' is not a valid identifier")
}

fn segment(kind: &Kind, slot: Slot) -> String {
    match slot {
        Slot::Condition => "condition_node".into(),
        Slot::Left if matches!(kind, Kind::Loop { .. }) => "body".into(),
        Slot::Left => "left".into(),
        Slot::Right => "right".into(),
        Slot::Extra(index) => format!("extra_nodes[{index}]"),
    }
}

fn attach(kind: &mut Kind, slot: Slot, id: NodeId) {
    match (kind, slot) {
        (Kind::Then { left, .. }, Slot::Left) => *left = id,
        (Kind::Then { right, .. }, Slot::Right) => *right = id,
        (Kind::Join { branches }, Slot::Left) => branches[0] = id,
        (Kind::Join { branches }, Slot::Right) => branches[1] = id,
        (Kind::Join { branches }, Slot::Extra(index)) => branches[index + 2] = id,
        (Kind::Race { branches }, Slot::Left) => branches[0] = id,
        (Kind::Race { branches }, Slot::Right) => branches[1] = id,
        (Kind::If { condition, .. }, Slot::Condition) => *condition = Condition::Node(id),
        (Kind::If { then_branch, .. }, Slot::Left) => *then_branch = id,
        (Kind::If { else_branch, .. }, Slot::Right) => *else_branch = id,
        (Kind::Loop { body, .. }, Slot::Left) => *body = id,
        (Kind::Loop { condition, .. }, Slot::Condition) => *condition = Some(id),
        _ => unreachable!("a child is only queued in a slot that its parent has"),
    }
}
