//! BER in memory becomes DER: definite minimal lengths, strings in one piece.

use crate::asn1::MAX_DEPTH;
use crate::asn1::ber::malformed;
use crate::asn1::der;
use crate::error::{Error, Result};

/// The DER of the one BER element in `bytes`. A SET OF keeps its order, and strings under
/// implicit tags keep their pieces: only their type would tell.
///
/// # Errors
/// [`Error::Malformed`], [`Error::Limit`] (depth).
pub(crate) fn to_der(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    element(&mut rest, 0, &mut out)?;
    if rest.is_empty() { Ok(out) } else { Err(malformed("bytes behind an element")) }
}

/// Tag octets, and content length if definite.
fn header<'a>(rest: &mut &'a [u8]) -> Result<(&'a [u8], Option<usize>)> {
    let all = *rest;
    let mut tag_length = 1;
    if byte(rest)? & 0x1f == 0x1f {
        loop {
            tag_length += 1;
            if byte(rest)? & 0x80 == 0 {
                break;
            }
        }
    }
    let tag = &all[..tag_length];
    let first = byte(rest)?;
    let length = match first {
        0x00..=0x7f => Some(usize::from(first)),
        0x80 if tag[0] & 0x20 != 0 => None,
        0x80 | 0xff => return Err(malformed("a wrong form of length")),
        _ => {
            let mut length = 0usize;
            for _ in 0..first & 0x7f {
                length = length
                    .checked_mul(256)
                    .and_then(|length| length.checked_add(usize::from(byte(rest).ok()?)))
                    .ok_or_else(|| malformed("a length that cannot be"))?;
            }
            Some(length)
        }
    };
    Ok((tag, length))
}

fn element(rest: &mut &[u8], depth: usize, out: &mut Vec<u8>) -> Result<()> {
    if depth > MAX_DEPTH {
        return Err(Error::Limit("nesting depth"));
    }
    let (tag, length) = header(rest)?;
    if tag[0] & 0x20 == 0 {
        let content = length
            .and_then(|length| rest.split_off(..length))
            .ok_or_else(|| malformed("an end too early"))?;
        return emit(tag, content, out);
    }
    let mut content = Vec::new();
    match length {
        Some(length) => {
            let mut inner = rest.split_off(..length).ok_or_else(|| malformed("an end too early"))?;
            while !inner.is_empty() {
                element(&mut inner, depth + 1, &mut content)?;
            }
        }
        None => {
            while !rest.starts_with(&[0, 0]) {
                element(rest, depth + 1, &mut content)?;
            }
            *rest = &rest[2..];
        }
    }
    match tag {
        // Universal strings in pieces. The children are DER by now.
        [0x23] => emit(&[0x03], &join_bits(&content)?, out),
        [0x24 | 0x2c | 0x32..=0x36 | 0x39..=0x3c | 0x3e] => emit(&[tag[0] & !0x20], &join(&content)?, out),
        _ => emit(tag, &content, out),
    }
}

fn join(pieces: &[u8]) -> Result<Vec<u8>> {
    let mut joined = Vec::with_capacity(pieces.len());
    let mut cursor = der::Cursor::new(pieces);
    while let Some(piece) = cursor.next()? {
        joined.extend_from_slice(piece.content);
    }
    Ok(joined)
}

fn join_bits(pieces: &[u8]) -> Result<Vec<u8>> {
    let mut joined = vec![0];
    let mut cursor = der::Cursor::new(pieces);
    while let Some(piece) = cursor.next()? {
        let (&unused, bits) = piece.content.split_first().ok_or_else(|| malformed("an empty bit string"))?;
        joined[0] = unused;
        joined.extend_from_slice(bits);
    }
    Ok(joined)
}

fn emit(tag: &[u8], content: &[u8], out: &mut Vec<u8>) -> Result<()> {
    out.extend_from_slice(tag);
    der::push_length(content.len() as u64, out);
    out.extend_from_slice(content);
    Ok(())
}

fn byte(rest: &mut &[u8]) -> Result<u8> {
    rest.split_off_first().copied().ok_or_else(|| malformed("an end too early"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn pieces_are_joined_and_lengths_made_short() {
        // SEQUENCE indefinite { OCTET STRING in pieces { "a", { "b" } }, INTEGER with a long length }
        let ber = b"\x30\x80\x24\x80\x04\x01a\x24\x03\x04\x01b\x00\x00\x02\x82\x00\x01\x05\x00\x00";
        assert_eq!(to_der(ber).unwrap(), b"\x30\x07\x04\x02ab\x02\x01\x05");
    }

    #[test]
    fn what_is_der_stays() {
        let der = b"\x30\x06\xa0\x04\x03\x02\x00\x01";
        assert_eq!(to_der(der).unwrap(), der);
    }

    #[test]
    fn depth_is_limited() {
        let mut ber = b"\x30\x80".repeat(100);
        ber.extend_from_slice(&[0; 200]);
        assert!(matches!(to_der(&ber), Err(Error::Limit(_))));
    }
}
