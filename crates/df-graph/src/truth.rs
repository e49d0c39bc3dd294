//! What a recorded result is worth as a condition (docs/sql-api.md, What counts as true).
//!
//! Judged from the text as it is recorded, without making values of it: a result may be nested deeper
//! than values can be, and may hold what Postgres takes for `json` and nobody can decode. The SQL
//! function `df.truth` says the same of the same text; a test compares the two.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// The truth of a condition's result: that of the first column of its first row, or of the value
/// itself where it is no row set. What is no JSON is false.
pub fn truth(result: &str) -> bool {
    let Ok(result) = serde_json::from_str::<&RawValue>(result) else {
        return false;
    };
    match first_row(result) {
        First::None => false,
        First::Row(row) => first_column(row).is_some_and(is_true),
        First::Other => is_true(result),
    }
}

/// What stands first in a result.
enum First<'a> {
    /// Nothing: a row set of no rows.
    None,
    Row(&'a RawValue),
    /// The result is no row set.
    Other,
}

fn first_row(result: &RawValue) -> First<'_> {
    let Ok(Fields(Some(rows), Some(count))) = serde_json::from_str(result.get()) else {
        return First::Other;
    };
    let counted = count
        .get()
        .starts_with(|c: char| c == '-' || c.is_ascii_digit());
    match serde_json::from_str(rows.get()) {
        Ok(Items(_)) if !counted => First::Other,
        Ok(Items(None)) => First::None,
        Ok(Items(Some(row))) if row.get().starts_with('{') => First::Row(row),
        _ => First::Other,
    }
}

fn first_column(row: &RawValue) -> Option<&RawValue> {
    let Columns(first) = serde_json::from_str(row.get()).ok()?;
    first
}

/// `rows` and `row_count` of an object; of a repeated key the last counts.
struct Fields<'a>(Option<&'a RawValue>, Option<&'a RawValue>);

/// The first item of an array.
struct Items<'a>(Option<&'a RawValue>);

/// The first value of an object.
struct Columns<'a>(Option<&'a RawValue>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Fields(None, None);
                while let Some((key, value)) = map.next_entry::<&RawValue, &RawValue>()? {
                    match serde_json::from_str::<String>(key.get()).as_deref() {
                        Ok("rows") => fields.0 = Some(value),
                        Ok("row_count") => fields.1 = Some(value),
                        _ => {}
                    }
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

impl<'de> Deserialize<'de> for Items<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Items<'de>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let first = seq.next_element()?;
                while seq.next_element::<&RawValue>()?.is_some() {}
                Ok(Items(first))
            }
        }
        deserializer.deserialize_seq(Reader)
    }
}

impl<'de> Deserialize<'de> for Columns<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Columns<'de>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let first = map.next_entry::<&RawValue, &RawValue>()?;
                while map.next_entry::<&RawValue, &RawValue>()?.is_some() {}
                Ok(Columns(first.map(|(_, value)| value)))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// The white space of ASCII. What else is white space depends on whom one asks, and Postgres on the
/// database's locale.
const BLANK: [char; 6] = [' ', '\t', '\n', '\r', '\x0b', '\x0c'];

fn is_true(value: &RawValue) -> bool {
    let text = value.get();
    let is_empty = |close| text[1..].trim_start().starts_with(close);
    match text.as_bytes().first() {
        None | Some(b'n' | b'f') => false,
        Some(b't') => true,
        Some(b'[') => !is_empty(']'),
        Some(b'{') => !is_empty('}'),
        // What cannot be decoded holds half a surrogate pair, and so is none of the false words.
        Some(b'"') => {
            let decoded = serde_json::from_str::<String>(text);
            decoded.map_or(true, |text| is_true_text(text.trim_matches(BLANK)))
        }
        Some(_) => !is_zero(text),
    }
}

fn is_true_text(text: &str) -> bool {
    let is_word = |word: &str| text.eq_ignore_ascii_case(word);
    !(text.is_empty() || ["f", "false", "no"].into_iter().any(is_word) || is_zero(text))
}

/// Whether the text is a number equal to zero. Its digits decide: as a float, 1e-400 would be zero.
fn is_zero(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let exponent_fits = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    });
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let zeros = |digits: &str| digits.bytes().all(|byte| byte == b'0');
    exponent_fits && !(whole.is_empty() && fraction.is_empty()) && zeros(whole) && zeros(fraction)
}
