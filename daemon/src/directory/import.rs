//! Certificates out of what a person hands over: DER, PEM, PKCS#7 (`.p7c`, `.p7b`, a signed mail's `.p7s`), vCard.

use wafer_smime::algorithm::{Armor, Container};
use wafer_smime::certificates::certificates;

use crate::trust::certificate::Certificate;
use crate::trust::files::certificates_in;

/// The most bytes taken.
pub const IMPORT_MAX: usize = 8 * 1024 * 1024;

/// Every certificate (DER) in `bytes`, whatever form they have; none if there is none.
pub fn certificates_of(bytes: &[u8]) -> Vec<Vec<u8>> {
    if is_vcard(bytes) {
        return keys_of_vcards(&String::from_utf8_lossy(bytes));
    }
    if Certificate::read(bytes).is_ok() {
        return vec![bytes.to_vec()];
    }
    let pem = certificates_in(bytes);
    if !pem.is_empty() && bytes.first() != Some(&0x30) {
        return pem;
    }
    pkcs7(bytes)
}

/// The certificates in a bare PKCS#7 object (DER, base64 or PEM), or in a mail that carries one.
fn pkcs7(bytes: &[u8]) -> Vec<Vec<u8>> {
    let forms = [Container::Cms(Armor::default()), Container::Mail];
    let mut found = forms.iter().map(|form| certificates(&mut &*bytes, *form).unwrap_or_default());
    found.find(|found| !found.is_empty()).unwrap_or_default()
}

fn is_vcard(bytes: &[u8]) -> bool {
    let start = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    start.get(..11).is_some_and(|start| start.eq_ignore_ascii_case(b"BEGIN:VCARD"))
}

/// The certificates in the KEY properties of vCards: version 3 (RFC 2426 section 3.7.2: base64 under `ENCODING=b`)
/// and 4 (RFC 6350 section 6.8.1: a `data:` URI).
fn keys_of_vcards(text: &str) -> Vec<Vec<u8>> {
    // RFC 6350 section 3.2: a line that begins with white space goes on with the one before.
    let unfolded = text.replace("\r\n", "\n").replace("\n ", "").replace("\n\t", "");
    let keys = unfolded.lines().filter_map(key_of);
    keys.flat_map(|der| if Certificate::read(&der).is_ok() { vec![der] } else { pkcs7(&der) }).collect()
}

fn key_of(line: &str) -> Option<Vec<u8>> {
    let (name, value) = line.split_once(':')?;
    // A group may stand before the name ("item1.KEY"), parameters after it.
    let property = name.split(';').next()?.rsplit('.').next()?;
    if !property.eq_ignore_ascii_case("KEY") {
        return None;
    }
    let base64 = match value.split_once(',') {
        Some((before, data)) if value.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("data:")) => {
            before.to_ascii_lowercase().ends_with(";base64").then_some(data)?
        }
        _ => value,
    };
    let base64: Vec<u8> = base64.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    base64_simd::STANDARD.decode_to_vec(&base64).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::trust::testing::self_signed;

    fn base64(der: &[u8]) -> String {
        base64_simd::STANDARD.encode_to_string(der)
    }

    /// A degenerate SignedData (RFC 5652 section 5.1) with these certificates.
    fn p7c(certificates: &[&[u8]]) -> Vec<u8> {
        let tlv = |tag: u8, content: &[u8]| {
            let length = content.len();
            let head = if length < 128 {
                vec![tag, u8::try_from(length).unwrap()]
            } else {
                vec![tag, 0x82, u8::try_from(length >> 8).unwrap(), u8::try_from(length & 255).unwrap()]
            };
            [head, content.to_vec()].concat()
        };
        let signed_data = [0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2];
        let data = [0x30, 11, 0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1];
        let inner = [&[2, 1, 1, 0x31, 0][..], &data, &tlv(0xa0, &certificates.concat()), &[0x31, 0]].concat();
        tlv(0x30, &[&signed_data[..], &tlv(0xa0, &tlv(0x30, &inner))].concat())
    }

    #[test]
    fn every_form_gives_its_certificates() {
        let (one, two) = (self_signed("a@example.org"), self_signed("b@example.org"));
        let wrapped = |der: &[u8], columns: usize, end: &str| {
            let lines: Vec<String> = base64(der)
                .as_bytes()
                .chunks(columns)
                .map(|line| String::from_utf8_lossy(line).into_owned())
                .collect();
            lines.join(end)
        };
        let pem = |der: &[u8]| {
            let lines = wrapped(der, 64, "\n");
            format!("-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n")
        };
        let bundle = p7c(&[&one, &two]);
        let mail = format!(
            "Content-Type: application/pkcs7-mime; smime-type=certs-only\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n",
            base64(&bundle)
        );
        let vcard3 = format!(
            "BEGIN:VCARD\r\nVERSION:3.0\r\nitem1.KEY;TYPE=X509;ENCODING=b:{}\r\nEND:VCARD\r\n",
            wrapped(&one, 60, "\r\n ")
        );
        let vcard4 = format!(
            "BEGIN:VCARD\nVERSION:4.0\nFN:K\nKEY:data:application/pkcs7-mime;base64,{}\nKEY:https://x.example/k\nEND:VCARD\n",
            base64(&bundle)
        );
        assert_eq!(certificates_of(&one), std::slice::from_ref(&one));
        assert_eq!(certificates_of((pem(&one) + &pem(&two)).as_bytes()), [one.clone(), two.clone()]);
        assert_eq!(certificates_of(&bundle), [one.clone(), two.clone()]);
        assert_eq!(certificates_of(base64(&bundle).as_bytes()), [one.clone(), two.clone()]);
        assert_eq!(certificates_of(mail.as_bytes()), [one.clone(), two.clone()]);
        assert_eq!(certificates_of(vcard3.as_bytes()), std::slice::from_ref(&one));
        assert_eq!(certificates_of(vcard4.as_bytes()), [one, two]);
    }

    #[test]
    fn what_holds_none_gives_none() {
        let cut = &self_signed("a@example.org")[..200];
        for bytes in
            [&b""[..], b"hello", b"BEGIN:VCARD\nKEY:data:text/plain,x\nKEY:***\n", cut, b"\x30\x80\x06"]
        {
            assert!(certificates_of(bytes).is_empty(), "{bytes:?}");
        }
    }
}
