//! Values that are sent with their types, so that a call needs no prepared statement: behind a
//! transaction pooler a name that one transaction made is unknown, or another's, in the next.

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};
use uuid::Uuid;

/// A value and the type that Postgres is told it has. Made for the arguments of `df`'s functions.
pub trait Parameter: Sync {
    fn value(&self) -> &(dyn ToSql + Sync);
    fn sql_type(&self) -> Type;
}

/// A Rust type that stands for one type of Postgres.
pub trait Typed {
    const TYPE: Type;
}

impl<T: ToSql + Sync + Typed> Parameter for T {
    fn value(&self) -> &(dyn ToSql + Sync) {
        self
    }

    fn sql_type(&self) -> Type {
        T::TYPE
    }
}

macro_rules! typed {
    ($($rust:ty => $sql:ident),* $(,)?) => {
        $(impl Typed for $rust {
            const TYPE: Type = Type::$sql;
        })*
    };
}

typed! {
    bool => BOOL,
    i32 => INT4,
    i64 => INT8,
    u32 => OID,
    f64 => FLOAT8,
    str => TEXT,
    String => TEXT,
    Uuid => UUID,
    [String] => TEXT_ARRAY,
    Vec<String> => TEXT_ARRAY,
    [u32] => OID_ARRAY,
}

impl<T: Typed + ?Sized> Typed for &T {
    const TYPE: Type = T::TYPE;
}

impl<T: Typed> Typed for Option<T> {
    const TYPE: Type = T::TYPE;
}

/// Runs one statement without preparing it: one round trip, and nothing is left in the session.
///
/// # Errors
/// What the server says, or why the connection is lost.
pub async fn query_unnamed(
    client: &Client,
    sql: &str,
    parameters: &[&dyn Parameter],
) -> Result<Vec<Row>, tokio_postgres::Error> {
    let typed: Vec<_> = parameters
        .iter()
        .map(|parameter| (parameter.value(), parameter.sql_type()))
        .collect();
    client.query_typed(sql, &typed).await
}
