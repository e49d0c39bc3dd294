//! How the text of a value becomes JSON: a tree worked out once per column.

use super::catalog::{TypeInfo, TypeKind};
use super::{RenderError, builtin};
use std::collections::HashMap;
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    /// `void`.
    Nothing,
    Bool,
    /// An integer, whose text is JSON already.
    Integer,
    Float,
    /// json and jsonb, whose text is JSON already.
    Json,
    Timestamp,
    TimestampTz,
    /// Everything that is a JSON string of its text form.
    Text,
    Array {
        element: Box<Shape>,
        delimiter: u8,
    },
    Composite(Vec<(String, Shape)>),
    /// An anonymous record: its fields have neither names nor types.
    Record,
}

/// The shape of a column's type.
pub(super) fn resolve(
    column: &str,
    oid: u32,
    types: &HashMap<u32, Arc<TypeInfo>>,
) -> Result<Shape, RenderError> {
    if let Some(shape) = builtin::shape(oid) {
        return Ok(shape);
    }
    let Some(info) = types.get(&oid) else {
        return Err(RenderError::UnknownType {
            column: column.to_owned(),
            oid,
        });
    };
    match &info.kind {
        TypeKind::Text => Ok(Shape::Text),
        TypeKind::Foreign => Err(RenderError::NoJsonForm {
            column: column.to_owned(),
            type_name: info.name.clone(),
        }),
        TypeKind::Domain { base } => resolve(column, *base, types),
        TypeKind::Array { element, delimiter } => {
            let element = Box::new(resolve(column, *element, types)?);
            Ok(Shape::Array {
                element,
                delimiter: *delimiter,
            })
        }
        TypeKind::Composite(fields) => fields
            .iter()
            .map(|(name, oid)| Ok((name.clone(), resolve(column, *oid, types)?)))
            .collect::<Result<_, _>>()
            .map(Shape::Composite),
    }
}
