//! How the text of a value becomes JSON: worked out once per type, and shared wherever that type stands.

use super::catalog::{MAX_TYPE_DEPTH, TypeInfo, TypeKind};
use super::{RenderError, builtin};
use std::collections::HashMap;
use std::sync::Arc;

/// Cheap to clone: a type may stand in another any number of times, and that one in a third.
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
        element: Arc<Shape>,
        delimiter: u8,
    },
    Composite(Arc<[(String, Shape)]>),
    /// An anonymous record: its fields have neither names nor types.
    Record,
}

/// The shapes of the columns of one result.
pub(super) struct Shapes<'a> {
    types: &'a HashMap<u32, Arc<TypeInfo>>,
    /// Each with the number of levels below it.
    known: HashMap<u32, (Shape, usize)>,
}

impl<'a> Shapes<'a> {
    pub fn new(types: &'a HashMap<u32, Arc<TypeInfo>>) -> Self {
        Shapes {
            types,
            known: HashMap::new(),
        }
    }

    /// The shape of a column's type.
    pub fn of(&mut self, column: &str, oid: u32) -> Result<Shape, RenderError> {
        Ok(self.at_level(0, column, oid)?.0)
    }

    fn at_level(
        &mut self,
        level: usize,
        column: &str,
        oid: u32,
    ) -> Result<(Shape, usize), RenderError> {
        let known = match builtin::shape(oid) {
            Some(shape) => Some((shape, 0)),
            None => self.known.get(&oid).cloned(),
        };
        if level + known.as_ref().map_or(0, |(_, below)| *below) > MAX_TYPE_DEPTH {
            return Err(RenderError::TooDeep {
                column: column.to_owned(),
            });
        }
        if let Some(known) = known {
            return Ok(known);
        }
        let Some(info) = self.types.get(&oid) else {
            return Err(RenderError::UnknownType {
                column: column.to_owned(),
                oid,
            });
        };
        let mut below = 0;
        let mut inner = |oid| -> Result<Shape, RenderError> {
            let (shape, levels) = self.at_level(level + 1, column, oid)?;
            below = below.max(levels + 1);
            Ok(shape)
        };
        let shape = match &info.kind {
            TypeKind::Text => Shape::Text,
            TypeKind::Foreign => {
                return Err(RenderError::NoJsonForm {
                    column: column.to_owned(),
                    type_name: info.name.clone(),
                });
            }
            TypeKind::Domain { base } => inner(*base)?,
            TypeKind::Array { element, delimiter } => Shape::Array {
                element: Arc::new(inner(*element)?),
                delimiter: *delimiter,
            },
            TypeKind::Composite(fields) => Shape::Composite(
                fields
                    .iter()
                    .map(|(name, oid)| Ok((name.clone(), inner(*oid)?)))
                    .collect::<Result<_, RenderError>>()?,
            ),
        };
        self.known.insert(oid, (shape.clone(), below));
        Ok((shape, below))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: u32 = 100_000;

    fn types(kinds: impl IntoIterator<Item = TypeKind>) -> HashMap<u32, Arc<TypeInfo>> {
        let described = (FIRST..).zip(kinds).map(|(oid, kind)| {
            let name = format!("t{oid}");
            (oid, Arc::new(TypeInfo { oid, name, kind }))
        });
        described.collect()
    }

    fn composite(fields: impl IntoIterator<Item = u32>) -> TypeKind {
        let named = fields.into_iter().enumerate();
        TypeKind::Composite(named.map(|(at, oid)| (format!("f{at}"), oid)).collect())
    }

    /// As a tree the last would have 2^90 leaves.
    #[test]
    fn a_type_that_stands_twice_at_each_level_is_worked_out_once() {
        let doubling = (FIRST..).map(|oid| composite([oid - 1, oid - 1]));
        let types = types(
            [composite([23])]
                .into_iter()
                .chain(doubling.skip(1))
                .take(91),
        );
        let mut shapes = Shapes::new(&types);
        for _ in 0..1600 {
            assert!(
                matches!(shapes.of("c", FIRST + 90), Ok(Shape::Composite(fields)) if fields.len() == 2)
            );
        }
        assert_eq!(shapes.known.len(), 91);
    }

    #[test]
    fn a_type_is_as_deep_as_it_may_be_and_no_deeper_in_whatever_order_its_parts_come() {
        let chain = (FIRST..).map(|oid| composite([oid - 1]));
        let types = types(
            [composite([23])]
                .into_iter()
                .chain(chain.skip(1))
                .take(1000),
        );
        let deepest = FIRST + MAX_TYPE_DEPTH as u32 - 1;
        let too_deep =
            |found| matches!(found, Err(RenderError::TooDeep { column }) if column == "c");
        let mut shapes = Shapes::new(&types);
        assert!(too_deep(shapes.of("c", deepest + 1)));
        for oid in FIRST..=deepest {
            assert!(shapes.of("c", oid).is_ok(), "{oid}");
        }
        assert!(too_deep(shapes.of("c", deepest + 1)));
        assert!(too_deep(Shapes::new(&types).of("c", FIRST + 999)));
    }

    /// Postgres has no such types, but those remembered from before an ALTER TYPE may look so.
    #[test]
    fn types_that_hold_each_other_are_too_deep() {
        let types = types([composite([FIRST + 1]), composite([FIRST])]);
        let found = Shapes::new(&types).of("c", FIRST);
        assert!(
            matches!(found, Err(RenderError::TooDeep { .. })),
            "{found:?}"
        );
    }
}
