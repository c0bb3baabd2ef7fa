//! What a MIME entity is to S/MIME (RFC 8551 section 3.2 and 3.9).

use crate::algorithm::DigestAlgorithm;
use crate::error::{Error, Result};
use crate::mime::content_type::ContentType;
use crate::mime::head::Head;

/// Longest boundary that is read; RFC 2046 allows 70.
const BOUNDARY_LIMIT: usize = 256;

/// What a MIME entity is to S/MIME.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing of S/MIME.
    Plain,
    /// `multipart/signed` with a CMS signature.
    Clear {
        /// The boundary between the parts.
        boundary: String,
        /// The digest algorithms that `micalg` announces, as far as they are known.
        micalg: Vec<DigestAlgorithm>,
    },
    /// A CMS object.
    Cms(Transfer),
}

/// How a CMS body is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transfer {
    /// 7bit, 8bit, binary, none or unknown: its first bytes tell.
    Unsaid,
    /// base64.
    Base64,
    /// quoted-printable.
    QuotedPrintable,
}

impl Kind {
    /// Judges by the head alone.
    ///
    /// # Errors
    /// [`Error::Malformed`] for a `multipart/signed` without a boundary; [`Error::Limit`].
    pub(crate) fn of(head: &Head) -> Result<Self> {
        let content_type = ContentType::parse(&head.value("Content-Type").unwrap_or_default());
        match content_type.kind.as_str() {
            "multipart/signed" if is_cms_protocol(content_type.parameter("protocol")) => clear(&content_type),
            "application/pkcs7-mime"
            | "application/x-pkcs7-mime"
            | "application/pkcs7-signature"
            | "application/x-pkcs7-signature" => Ok(Self::Cms(Transfer::of(head))),
            "application/octet-stream" if has_cms_name(head, &content_type) => {
                Ok(Self::Cms(Transfer::of(head)))
            }
            _ => Ok(Self::Plain),
        }
    }
}

impl Transfer {
    fn of(head: &Head) -> Self {
        let value = ContentType::parse(&head.value("Content-Transfer-Encoding").unwrap_or_default());
        match value.kind.as_str() {
            "base64" => Self::Base64,
            "quoted-printable" => Self::QuotedPrintable,
            _ => Self::Unsaid,
        }
    }
}

fn clear(content_type: &ContentType) -> Result<Kind> {
    let boundary = content_type.parameter("boundary").unwrap_or_default().trim_end();
    if boundary.is_empty() {
        return Err(Error::Malformed("a multipart/signed without a boundary".to_owned()));
    }
    if boundary.len() > BOUNDARY_LIMIT {
        return Err(Error::Limit("256 bytes of boundary"));
    }
    let micalg = content_type.parameter("micalg").unwrap_or_default();
    Ok(Kind::Clear { boundary: boundary.to_owned(), micalg: micalg.split(',').filter_map(digest).collect() })
}

/// RFC 8551 section 3.5.3.2, and the spellings of older programs.
fn digest(name: &str) -> Option<DigestAlgorithm> {
    // Only old programs leave the hyphen out.
    let name = name.trim().to_ascii_lowercase().replace('-', "");
    DigestAlgorithm::ALL.into_iter().find(|known| micalg(*known).replace('-', "") == name)
}

/// The `micalg` name of a digest algorithm.
pub(crate) fn micalg(digest: DigestAlgorithm) -> &'static str {
    match digest {
        DigestAlgorithm::Md5 => "md5",
        DigestAlgorithm::Sha1 => "sha-1",
        DigestAlgorithm::Sha224 => "sha-224",
        DigestAlgorithm::Sha256 => "sha-256",
        DigestAlgorithm::Sha384 => "sha-384",
        DigestAlgorithm::Sha512 => "sha-512",
        DigestAlgorithm::Sha3_224 => "sha3-224",
        DigestAlgorithm::Sha3_256 => "sha3-256",
        DigestAlgorithm::Sha3_384 => "sha3-384",
        DigestAlgorithm::Sha3_512 => "sha3-512",
    }
}

/// A `multipart/signed` without protocol is taken for ours: its signature part decides.
fn is_cms_protocol(protocol: Option<&str>) -> bool {
    protocol.is_none_or(|name| {
        name.eq_ignore_ascii_case("application/pkcs7-signature")
            || name.eq_ignore_ascii_case("application/x-pkcs7-signature")
    })
}

fn has_cms_name(head: &Head, content_type: &ContentType) -> bool {
    let disposition = ContentType::parse(&head.value("Content-Disposition").unwrap_or_default());
    let names = [content_type.parameter("name"), disposition.parameter("filename")];
    let mut extensions = names.into_iter().flatten().filter_map(|name| name.trim().rsplit_once('.'));
    extensions.any(|(_, extension)| {
        ["p7m", "p7s", "p7c", "p7z"].iter().any(|known| known.eq_ignore_ascii_case(extension))
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn kind(head: &str) -> Result<Kind> {
        Kind::of(&Head::read(&mut head.as_bytes()).unwrap())
    }

    #[test]
    fn knows_its_own() {
        let clear = "Content-Type: multipart/signed; micalg=\"sha1, SHA-512,what\"; boundary=b;\n protocol=";
        let ours = kind(&format!("{clear}application/X-pkcs7-signature")).unwrap();
        let micalg = vec![DigestAlgorithm::Sha1, DigestAlgorithm::Sha512];
        assert_eq!(ours, Kind::Clear { boundary: "b".to_owned(), micalg });
        assert_eq!(kind(&format!("{clear}\"application/pgp-signature\"")).unwrap(), Kind::Plain);
        assert_eq!(kind("Content-Type: application/x-pkcs7-mime").unwrap(), Kind::Cms(Transfer::Unsaid));
        let named = "Content-Transfer-Encoding: BASE64 (x)\nContent-Type: application/octet-stream";
        assert_eq!(kind(&format!("{named}; name=SMIME.P7M")).unwrap(), Kind::Cms(Transfer::Base64));
        let disposed = format!("{named}\nContent-Disposition: attachment; filename*=utf-8''a.p7s");
        assert_eq!(kind(&disposed).unwrap(), Kind::Cms(Transfer::Base64));
        assert_eq!(kind(named).unwrap(), Kind::Plain);
        assert_eq!(kind("").unwrap(), Kind::Plain);
        assert!(kind("Content-Type: multipart/signed; boundary=\"  \"").is_err());
    }
}
