//! What a type is, for the types that are not built in: looked up by the relay, kept per database.

use super::{RenderError, builtin};
use crate::wire::Reply;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::RwLock;
use std::time::{Duration, Instant};

/// Answers for a set of oids, one row per type and field; see the file for its columns. Its one
/// parameter is `oid[]`; [`TypeInfo::from_reply`] reads the answer.
pub const TYPE_QUERY: &str = include_str!("types.sql");

/// A composite can be altered at any time; nothing else about a type changes while it exists.
const COMPOSITE_LIFE: Duration = Duration::from_secs(10);
const LIFE: Duration = Duration::from_secs(600);
/// The most types and fields that are kept; beyond it all are looked up again.
const MAX_KEPT: usize = 200_000;
/// The most types described by one lookup: each may have 1,600 fields.
const TYPES_PER_LOOKUP: usize = 100;
/// How many levels a type may be nested. The text of a value doubles its quotes at every other one, so that none has
/// fifty; a type of which there is only NULL may have any number, and shapes are made and dropped recursively.
pub(super) const MAX_TYPE_DEPTH: usize = 100;
/// The most types and fields that the columns of one result may be made of.
pub(super) const MAX_TYPE_FIELDS: usize = 100_000;

/// The relay could not ask; another try may succeed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CatalogError(pub Box<dyn std::error::Error + Send + Sync>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeInfo {
    pub oid: u32,
    /// As `format_type` writes it.
    pub name: String,
    pub kind: TypeKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TypeKind {
    /// Carried as its text form: enums, ranges, pseudo-types, and base types that Postgres ships.
    Text,
    /// A base type from outside pg_catalog: not carried.
    Foreign,
    Array {
        element: u32,
        delimiter: u8,
    },
    /// Name and type of each field that is not dropped, in order.
    Composite(Vec<(String, u32)>),
    Domain {
        base: u32,
    },
}

/// The relay's way to the catalog of one database, on a connection that runs no user SQL.
#[async_trait::async_trait]
pub trait TypeCatalog: Send + Sync {
    /// Describes those of the types that exist. Runs [`TYPE_QUERY`].
    async fn lookup(&self, oids: &[u32]) -> Result<Vec<TypeInfo>, CatalogError>;
}

/// One row of [`TYPE_QUERY`], its columns in order.
#[derive(Clone, Debug, Default)]
pub struct TypeRow {
    pub oid: u32,
    pub name: String,
    pub kind: String,
    pub related: u32,
    pub delimiter: String,
    pub field_name: Option<String>,
    pub field_type: Option<u32>,
}

impl TypeInfo {
    /// It and its fields, counted.
    fn size(&self) -> usize {
        match &self.kind {
            TypeKind::Composite(fields) => 1 + fields.len(),
            _ => 1,
        }
    }

    /// Reads the text-format reply to [`TYPE_QUERY`].
    pub fn from_reply(reply: &Reply) -> Vec<TypeInfo> {
        let text = |value: Option<&[u8]>| value.map(|v| String::from_utf8_lossy(v).into_owned());
        let number = |value: Option<String>| value.and_then(|v| v.parse().ok());
        Self::from_rows(reply.rows.iter().map(|mut row| {
            let mut next = || text(row.next().flatten());
            TypeRow {
                oid: number(next()).unwrap_or_default(),
                name: next().unwrap_or_default(),
                kind: next().unwrap_or_default(),
                related: number(next()).unwrap_or_default(),
                delimiter: next().unwrap_or_default(),
                field_name: next(),
                field_type: number(next()),
            }
        }))
    }

    /// Gathers rows, which come ordered by type and field, into descriptions.
    pub fn from_rows(rows: impl IntoIterator<Item = TypeRow>) -> Vec<TypeInfo> {
        let mut all: Vec<TypeInfo> = Vec::new();
        for row in rows {
            let field = row.field_name.zip(row.field_type);
            if let (Some(last), Some(field)) = (all.last_mut(), field.clone())
                && last.oid == row.oid
                && let TypeKind::Composite(fields) = &mut last.kind
            {
                fields.push(field);
                continue;
            }
            let kind = match row.kind.as_str() {
                "array" => {
                    let delimiter = row.delimiter.bytes().next().unwrap_or(b',');
                    TypeKind::Array {
                        element: row.related,
                        delimiter,
                    }
                }
                "composite" => TypeKind::Composite(field.into_iter().collect()),
                "domain" => TypeKind::Domain { base: row.related },
                "foreign" => TypeKind::Foreign,
                _ => TypeKind::Text,
            };
            all.push(TypeInfo {
                oid: row.oid,
                name: row.name,
                kind,
            });
        }
        all
    }
}

/// What one database's catalog has said so far. Shared by all steps of that database.
pub struct TypeCache {
    catalog: Arc<dyn TypeCatalog>,
    known: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    types: HashMap<u32, (Instant, Arc<TypeInfo>)>,
    /// Types and fields.
    size: usize,
}

impl TypeCache {
    pub fn new(catalog: Arc<dyn TypeCatalog>) -> Self {
        TypeCache {
            catalog,
            known: RwLock::default(),
        }
    }

    /// Describes the types and all they are made of; built-in scalars and absent types are left
    /// out, and what stands deeper than a type may be nested.
    pub(super) async fn closure(
        &self,
        oids: impl IntoIterator<Item = u32>,
        fresh: bool,
    ) -> Result<HashMap<u32, Arc<TypeInfo>>, RenderError> {
        let mut found = HashMap::new();
        let mut size = 0;
        let mut wanted: Vec<u32> = oids.into_iter().collect();
        for _level in 0..=MAX_TYPE_DEPTH {
            wanted.sort_unstable();
            wanted.dedup();
            wanted.retain(|oid| builtin::shape(*oid).is_none() && !found.contains_key(oid));
            let mut inside = Vec::new();
            for some in wanted.chunks(TYPES_PER_LOOKUP) {
                for info in self.describe(some, fresh).await? {
                    match &info.kind {
                        TypeKind::Array { element, .. } => inside.push(*element),
                        TypeKind::Domain { base } => inside.push(*base),
                        TypeKind::Composite(fields) => inside.extend(fields.iter().map(|f| f.1)),
                        TypeKind::Text | TypeKind::Foreign => {}
                    }
                    size += info.size();
                    found.insert(info.oid, info);
                }
                if size > MAX_TYPE_FIELDS {
                    return Err(RenderError::TooManyFields);
                }
            }
            if inside.is_empty() {
                break;
            }
            wanted = inside;
        }
        Ok(found)
    }

    async fn describe(
        &self,
        oids: &[u32],
        fresh: bool,
    ) -> Result<Vec<Arc<TypeInfo>>, CatalogError> {
        let (mut described, mut missing) = (Vec::new(), Vec::new());
        {
            let known = self.known.read().expect("no panic under this lock");
            for oid in oids {
                match known.types.get(oid) {
                    Some((since, info)) if !fresh && since.elapsed() < life(info) => {
                        described.push(info.clone());
                    }
                    _ => missing.push(*oid),
                }
            }
        }
        if missing.is_empty() {
            return Ok(described);
        }
        let answered = self.catalog.lookup(&missing).await?;
        let now = Instant::now();
        let mut known = self.known.write().expect("no panic under this lock");
        if known.size > MAX_KEPT {
            *known = Known::default();
        }
        for info in answered {
            let info = Arc::new(info);
            known.size += info.size();
            if let Some((_, old)) = known.types.insert(info.oid, (now, info.clone())) {
                known.size -= old.size();
            }
            described.push(info);
        }
        Ok(described)
    }
}

fn life(info: &TypeInfo) -> Duration {
    if matches!(info.kind, TypeKind::Composite(_)) {
        COMPOSITE_LIFE
    } else {
        LIFE
    }
}
