//! The channel binding of a TLS session.

use sha2::{Digest, Sha256, Sha384, Sha512};

/// The `tls-server-end-point` binding of RFC 5929: the certificate's hash by its own signature
/// algorithm, SHA-256 where that is MD5 or SHA-1. `None` for algorithms that name no hash.
pub(super) fn end_point_binding(certificate: &[u8]) -> Option<Vec<u8>> {
    // RSA with a hash is 1.2.840.113549.1.1.n, ECDSA with a hash 1.2.840.10045.4.3.n.
    const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
    const ECDSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03];
    let (_, body, _) = der(certificate)?;
    let (_, _, after_tbs) = der(body)?;
    let (_, algorithm, _) = der(after_tbs)?;
    let (_, object_id, _) = der(algorithm)?;
    let (&last, family) = object_id.split_last()?;
    match (family, last) {
        (RSA, 4 | 5 | 11) | (ECDSA, 2) => Some(Sha256::digest(certificate).to_vec()),
        (RSA, 12) | (ECDSA, 3) => Some(Sha384::digest(certificate).to_vec()),
        (RSA, 13) | (ECDSA, 4) => Some(Sha512::digest(certificate).to_vec()),
        _ => None,
    }
}

/// One DER element: its tag, its content, and what follows it.
fn der(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (first as usize, rest)
    } else {
        let (digits, rest) = rest.split_at_checked((first & 0x7f) as usize)?;
        if digits.len() > 4 {
            return None;
        }
        (
            digits
                .iter()
                .fold(0, |length, &digit| length << 8 | digit as usize),
            rest,
        )
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}
