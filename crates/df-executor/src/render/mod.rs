//! Turns the rows of a statement into the JSON text of a step's result.
//!
//! Pure but for the lookup of types it has not met. It works on text format only, so every type
//! has a form.

mod builtin;
mod catalog;
mod json;
mod nested;
mod rows;
mod shape;
mod time;
mod value;

pub use catalog::{CatalogError, TYPE_QUERY, TypeCache, TypeCatalog, TypeInfo, TypeKind, TypeRow};
pub use rows::render;

use catalog::{MAX_TYPE_DEPTH, MAX_TYPE_FIELDS};

/// Why a result has no JSON form. All but `Catalog` are the statement's own failure.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    #[error("the result is larger than {limit} bytes (max_result_bytes)")]
    TooLarge { limit: usize },
    #[error(
        "column \"{column}\" has a type nested deeper than {MAX_TYPE_DEPTH} levels; cast it to text"
    )]
    TooDeep { column: String },
    #[error("the types of the columns have more than {MAX_TYPE_FIELDS} fields; cast them to text")]
    TooManyFields,
    #[error(
        "column \"{column}\" has the type {type_name}, which has no JSON form here; \
         write \"{column}\"::text instead"
    )]
    NoJsonForm { column: String, type_name: String },
    #[error(
        "column \"{column}\" has a type with oid {oid} that is not in the catalog; cast it to text"
    )]
    UnknownType { column: String, oid: u32 },
    #[error("column \"{column}\" cannot be read as {expected}; cast it to text")]
    Unreadable {
        column: String,
        expected: &'static str,
    },
    /// A composite's catalog entry is older than the value; worth one more look.
    #[error("column \"{column}\" does not match the catalog's description of its type")]
    StaleType { column: String },
    #[error("cannot read the type catalog: {0}")]
    Catalog(#[from] CatalogError),
}

impl RenderError {
    /// The SQLSTATE that a failure of the node is recorded with.
    pub fn sqlstate(&self) -> &'static str {
        match self {
            RenderError::TooLarge { .. }
            | RenderError::TooDeep { .. }
            | RenderError::TooManyFields => "54000",
            RenderError::NoJsonForm { .. } | RenderError::UnknownType { .. } => "0A000",
            RenderError::Unreadable { .. } => "22000",
            RenderError::StaleType { .. } | RenderError::Catalog(_) => "XX000",
        }
    }

    pub fn is_retryable(&self) -> bool {
        matches!(self, RenderError::Catalog(_))
    }
}
