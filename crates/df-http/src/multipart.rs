//! multipart/form-data bodies (RFC 7578, escaping as in the HTML standard) and their base64 input.
//!
//! The boundary is a hash of the parts and the idempotency key, not random: a repeated attempt
//! sends the same bytes, and no part can hold the boundary without holding a hash of itself.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use crate::error::HttpError;

/// One part of a form.
#[derive(Clone, PartialEq, Eq)]
pub struct Part {
    pub name: String,
    pub data: Vec<u8>,
    pub filename: Option<String>,
    /// Without one, a part with a file name is `application/octet-stream` and any other has none.
    pub content_type: Option<String>,
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Part")
            .field("data_bytes", &self.data.len())
            .field("has_filename", &self.filename.is_some())
            .finish_non_exhaustive()
    }
}

/// Decodes standard, padded base64 in which spaces, tabs and line breaks may stand anywhere, as
/// Postgres's `encode(…, 'base64')` writes it and its `decode` reads it. The error does not repeat
/// the data.
pub fn decode_base64_lenient(text: &str) -> Result<Vec<u8>, HttpError> {
    let dense: Vec<u8> = text.bytes().filter(|b| !b" \t\r\n".contains(b)).collect();
    STANDARD.decode(dense).map_err(|why| {
        let why = match why {
            base64::DecodeError::InvalidByte(..) => "a character outside the alphabet",
            base64::DecodeError::InvalidLength(_) => "its length is not a multiple of 4",
            base64::DecodeError::InvalidLastSymbol(..) => "its last character has stray bits",
            base64::DecodeError::InvalidPadding => "its padding is missing or misplaced",
        };
        HttpError::Invalid(format!("data_b64 is not valid base64: {why}"))
    })
}

/// An encoded form: the value of its Content-Type header, and its bytes.
pub(crate) struct Form {
    pub content_type: String,
    pub bytes: Vec<u8>,
}

/// Encodes `parts`. `seed` (the idempotency key) keeps the boundaries of unrelated requests apart.
pub(crate) fn encode(parts: &[Part], seed: &str) -> Result<Form, HttpError> {
    if parts.is_empty() {
        return Err(HttpError::Invalid(
            "a multipart request needs at least one part".into(),
        ));
    }
    let heads = parts
        .iter()
        .enumerate()
        .map(head)
        .collect::<Result<Vec<_>, _>>()?;
    let boundary = boundary(parts, &heads, seed);
    let mut bytes = Vec::with_capacity(encoded_bytes_at_least(parts));
    for (part, head) in parts.iter().zip(&heads) {
        bytes.extend_from_slice(format!("--{boundary}\r\n{head}\r\n").as_bytes());
        bytes.extend_from_slice(&part.data);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    Ok(Form {
        content_type: format!("multipart/form-data; boundary={boundary}"),
        bytes,
    })
}

/// A lower bound of the encoded size, for refusing a form before it is built.
pub(crate) fn encoded_bytes_at_least(parts: &[Part]) -> usize {
    let each = |part: &Part| part.name.len() + part.data.len() + PART_OVERHEAD_BYTES;
    parts
        .iter()
        .map(each)
        .fold(PART_OVERHEAD_BYTES, usize::saturating_add)
}

/// Less than what the boundary line and the Content-Disposition header add to any part.
const PART_OVERHEAD_BYTES: usize = 64;

fn boundary(parts: &[Part], heads: &[String], seed: &str) -> String {
    let mut hash = Sha256::new();
    for piece in std::iter::once(seed.as_bytes())
        .chain(heads.iter().map(|head| head.as_bytes()))
        .chain(parts.iter().map(|part| part.data.as_slice()))
    {
        hash.update(u64::try_from(piece.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(piece);
    }
    let hex: String = hash
        .finalize()
        .iter()
        .take(20)
        .map(|b| format!("{b:02x}"))
        .collect();
    format!("df-relay-{hex}")
}

/// The header lines of one part, each with its line end.
fn head((index, part): (usize, &Part)) -> Result<String, HttpError> {
    let number = index + 1;
    let name = quoted(&part.name, number, "name")?;
    let mut head = format!("Content-Disposition: form-data; name=\"{name}\"");
    if let Some(filename) = &part.filename {
        head.push_str(&format!(
            "; filename=\"{}\"",
            quoted(filename, number, "filename")?
        ));
    }
    head.push_str("\r\n");
    let default = part
        .filename
        .is_some()
        .then_some("application/octet-stream");
    if let Some(content_type) = part.content_type.as_deref().or(default) {
        if !is_media_type(content_type) {
            return Err(HttpError::Invalid(format!(
                "the content_type of part {number} is not a media type"
            )));
        }
        head.push_str(&format!("Content-Type: {content_type}\r\n"));
    }
    Ok(head)
}

/// Escapes what would end the quoted string or the line; other control characters are refused.
fn quoted(text: &str, number: usize, what: &str) -> Result<String, HttpError> {
    let mut quoted = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("%22"),
            '\r' => quoted.push_str("%0D"),
            '\n' => quoted.push_str("%0A"),
            c if c.is_control() => {
                return Err(HttpError::Invalid(format!(
                    "the {what} of part {number} holds a control character"
                )));
            }
            c => quoted.push(c),
        }
    }
    Ok(quoted)
}

/// `type/subtype`, with parameters of printable ASCII.
fn is_media_type(text: &str) -> bool {
    let essence = text.split(';').next().unwrap_or_default().trim();
    let token = |part: &str| {
        let letter = |c: u8| c.is_ascii_alphanumeric() || b"!#$&-^_.+*".contains(&c);
        !part.is_empty() && part.bytes().all(letter)
    };
    text.bytes().all(|c| (b' '..=b'~').contains(&c))
        && essence
            .split_once('/')
            .is_some_and(|(kind, sub)| token(kind) && token(sub))
}
