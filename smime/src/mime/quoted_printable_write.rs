//! Quoted-printable written as a stream (RFC 2045 section 6.7), so that no relay has a reason to touch it.

use crate::error::Result;

/// Characters of a line, without the `=` of a soft line break.
const COLUMNS: usize = 75;

/// Encodes text, whose line ends may be CRLF or LF.
#[derive(Debug, Default)]
pub(crate) struct QuotedPrintableWriter {
    column: usize,
    after_cr: bool,
    /// A space or tab whose successor is not known yet.
    blank: Option<u8>,
    encoded: Vec<u8>,
}

impl QuotedPrintableWriter {
    /// Encodes `bytes` into `sink`.
    ///
    /// # Errors
    /// Those of `sink`.
    pub(crate) fn feed(&mut self, bytes: &[u8], sink: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        self.encoded.clear();
        for &byte in bytes {
            self.byte(byte);
        }
        sink(&self.encoded)
    }

    /// The text has ended.
    ///
    /// # Errors
    /// Those of `sink`.
    pub(crate) fn finish(mut self, sink: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        self.encoded.clear();
        self.end_blank(true);
        if self.after_cr {
            self.escape(b'\r');
        }
        sink(&self.encoded)
    }

    fn byte(&mut self, byte: u8) {
        if std::mem::take(&mut self.after_cr) && byte != b'\n' {
            // A CR that ends no line.
            self.end_blank(false);
            self.escape(b'\r');
        }
        match byte {
            b'\r' => self.after_cr = true,
            b'\n' => {
                self.end_blank(true);
                self.encoded.extend_from_slice(b"\r\n");
                self.column = 0;
            }
            b' ' | b'\t' => {
                self.end_blank(false);
                self.blank = Some(byte);
            }
            _ => {
                self.end_blank(false);
                // "From " at the start of a line is mended by mailboxes, a dot by SMTP.
                let risky = self.column == 0 && matches!(byte, b'F' | b'.');
                match byte {
                    33..=126 if byte != b'=' && !risky => self.put(&[byte]),
                    _ => self.escape(byte),
                }
            }
        }
    }

    /// Writes the blank that waits; at the end of a line it must be escaped, or a relay may drop it.
    fn end_blank(&mut self, line_ends: bool) {
        match self.blank.take() {
            Some(blank) if line_ends => self.escape(blank),
            Some(blank) => self.put(&[blank]),
            None => {}
        }
    }

    fn escape(&mut self, byte: u8) {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        self.put(&[b'=', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }

    fn put(&mut self, token: &[u8]) {
        if self.column + token.len() > COLUMNS {
            self.encoded.extend_from_slice(b"=\r\n");
            self.column = 0;
            if let [letter @ (b'F' | b'.')] = token {
                return self.escape(*letter);
            }
        }
        self.encoded.extend_from_slice(token);
        self.column += token.len();
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::io::Read;

    use proptest::prelude::*;

    use super::*;
    use crate::mime::quoted_printable::QuotedPrintable;

    fn encoded(pieces: &[&[u8]]) -> Vec<u8> {
        let (mut writer, mut out) = (QuotedPrintableWriter::default(), Vec::new());
        let mut sink = |bytes: &[u8]| {
            out.extend_from_slice(bytes);
            Ok(())
        };
        for piece in pieces {
            writer.feed(piece, &mut sink).unwrap();
        }
        writer.finish(&mut sink).unwrap();
        out
    }

    #[test]
    fn what_relays_touch_is_escaped() {
        assert_eq!(
            encoded(&["a=\u{e4} \t\nFrom x\n.\r\nb\rc \r".as_bytes()]),
            b"a=3D=C3=A4 =09\r\n=46rom x\r\n=2E\r\nb=0Dc=20=0D"
        );
        let long = encoded(&[&b"F".repeat(200)]);
        assert!(long.split(|byte| *byte == b'\n').all(|line| line.len() <= 77 && !line.starts_with(b"F")));
    }

    proptest! {
        #[test]
        fn it_decodes_to_what_it_was(text in "[aF. \t=\u{e4}]{0,100}(\r\n[a \tF.\u{0}]{0,90}){0,5}", cut in 0_usize..100) {
            let bytes = text.as_bytes();
            let cut = cut.min(bytes.len());
            let whole = encoded(&[bytes]);
            prop_assert_eq!(&encoded(&[&bytes[..cut], &bytes[cut..]]), &whole);
            prop_assert!(whole.iter().all(|byte| byte.is_ascii() && *byte != 0));
            prop_assert!(whole.split(|byte| *byte == b'\n').all(|line| line.len() <= 77));
            let mut decoded = Vec::new();
            QuotedPrintable::new(&whole[..]).read_to_end(&mut decoded).unwrap();
            prop_assert_eq!(decoded, bytes);
        }
    }
}
