//! The head of a message or of a MIME entity (RFC 5322 section 2.2).

use std::io::{BufRead, Read};

use crate::error::{Error, Result};
use crate::mime::input_error;

/// Bytes a head may have.
const LIMIT: u64 = 256 * 1024;

/// Fields a head may have; each costs more memory than its bytes.
const FIELDS: usize = 4096;

/// One header field with its folded lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    /// All lines, ends as CRLF.
    raw: Vec<u8>,
    /// Bytes in front of the colon.
    name: usize,
}

/// A head: its fields in their order, without the blank line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    fields: Vec<Field>,
}

impl Field {
    /// Whether the field has this name; case does not matter.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.name().eq_ignore_ascii_case(name.as_bytes())
    }

    /// Whether the field belongs to the MIME entity: its name begins with `Content-`.
    pub(crate) fn is_content(&self) -> bool {
        self.name().get(..8).is_some_and(|start| start.eq_ignore_ascii_case(b"content-"))
    }

    /// All lines, ends as CRLF.
    pub(crate) fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The unfolded value; bytes outside UTF-8 are replaced.
    pub(crate) fn value(&self) -> String {
        let value: Vec<u8> =
            self.raw[self.name..].iter().skip_while(|b| **b != b':').skip(1).copied().collect();
        let unfolded: String =
            String::from_utf8_lossy(&value).chars().filter(|c| *c != '\r' && *c != '\n').collect();
        unfolded.trim().to_owned()
    }

    /// The name as it stands.
    pub(crate) fn name_text(&self) -> String {
        String::from_utf8_lossy(self.name()).into_owned()
    }

    fn name(&self) -> &[u8] {
        &self.raw[..self.name]
    }
}

impl Head {
    /// Reads up to and with the blank line, or to the end. A leading mbox line (`From `) is dropped.
    ///
    /// # Errors
    /// [`Error::Malformed`] names the line that is no header field; [`Error::Limit`].
    pub(crate) fn read(input: &mut dyn BufRead) -> Result<Self> {
        let mut input = input.take(LIMIT);
        let mut fields: Vec<Field> = Vec::new();
        for number in 1.. {
            let Some(line) = next_line(&mut input)? else { break };
            if line.is_empty() {
                break;
            }
            if fields.len() > FIELDS {
                return Err(Error::Limit("4096 header fields"));
            }
            let folded = matches!(line.first(), Some(b' ' | b'\t'));
            match fields.last_mut() {
                Some(field) if folded => push_line(&mut field.raw, &line),
                // `From : a@b` is a field of the obsolete syntax, and no mbox line.
                _ => match field(number, &line) {
                    Err(_) if number == 1 && line.starts_with(b"From ") => {}
                    field => fields.push(field?),
                },
            }
        }
        Ok(Self { fields })
    }

    /// The fields in their order.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter()
    }

    /// The unfolded value of the first field of this name.
    pub(crate) fn value(&self, name: &str) -> Option<String> {
        self.fields().find(|field| field.is(name)).map(Field::value)
    }

    /// The value of the first field of this name with its folded lines.
    pub(crate) fn raw_value(&self, name: &str) -> Option<String> {
        let field = self.fields().find(|field| field.is(name))?;
        let colon = memchr::memchr(b':', &field.raw)?;
        Some(String::from_utf8_lossy(&field.raw[colon + 1..]).trim().to_owned())
    }

    /// Gives the first field of this name the value `value`, or adds the field.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        let field = Field { raw: format!("{name}: {value}\r\n").into_bytes(), name: name.len() };
        match self.fields.iter_mut().find(|known| known.is(name)) {
            Some(known) => *known = field,
            None => self.fields.push(field),
        }
    }

    /// Whether there is a field of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.fields().any(|field| field.is(name))
    }

    /// The fields that stay outside of what is sealed: neither `Content-*` nor `MIME-Version`.
    pub(crate) fn outer(&self) -> Vec<u8> {
        self.joined(|field| !field.is_content() && !field.is("MIME-Version"))
    }

    /// The same, without those that `other` has too.
    pub(crate) fn outer_without(&self, other: &Self) -> Vec<u8> {
        self.joined(|field| {
            !field.is_content() && !field.is("MIME-Version") && !other.has(&field.name_text())
        })
    }

    /// The fields of the MIME entity.
    pub(crate) fn content(&self) -> Vec<u8> {
        self.joined(Field::is_content)
    }

    fn joined(&self, wanted: impl Fn(&Field) -> bool) -> Vec<u8> {
        self.fields().filter(|field| wanted(field)).flat_map(|field| field.raw.iter().copied()).collect()
    }
}

/// The next line without its end; `None` at the end of the input.
fn next_line(input: &mut std::io::Take<&mut dyn BufRead>) -> Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    input.read_until(b'\n', &mut line).map_err(input_error)?;
    if line.pop_if(|last| *last == b'\n').is_some() {
        line.pop_if(|last| *last == b'\r');
        return Ok(Some(line));
    }
    if input.limit() == 0 {
        return Err(Error::Limit("256 KiB of header fields"));
    }
    Ok((!line.is_empty()).then_some(line))
}

/// A new field from its first line.
fn field(number: usize, line: &[u8]) -> Result<Field> {
    let no_field = || Error::Malformed(format!("line {number} is no header field"));
    let colon = memchr::memchr(b':', line).ok_or_else(no_field)?;
    // RFC 5322 section 4.5.8: white space in front of the colon is obsolete, but to be read.
    let name = line[..colon].trim_ascii_end();
    if name.is_empty() || !name.iter().all(|b| (33..=126).contains(b)) {
        return Err(no_field());
    }
    let mut raw = Vec::with_capacity(line.len() + 2);
    push_line(&mut raw, line);
    Ok(Field { raw, name: name.len() })
}

fn push_line(raw: &mut Vec<u8>, line: &[u8]) {
    raw.extend_from_slice(line);
    raw.extend_from_slice(b"\r\n");
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn read(mut text: &[u8]) -> Result<Head> {
        Head::read(&mut text)
    }

    #[test]
    fn unfolds_and_splits() {
        let head = read(b"Subject: a\n\tb\r\nCONTENT-type :text/plain;\r\n x=y\r\nMime-Version: 1.0\n\nbody")
            .unwrap();
        assert_eq!(head.value("subject").unwrap(), "a\tb");
        assert_eq!(head.value("Content-Type").unwrap(), "text/plain; x=y");
        assert_eq!(head.outer(), b"Subject: a\r\n\tb\r\n");
        assert_eq!(head.content(), b"CONTENT-type :text/plain;\r\n x=y\r\n");
    }

    #[test]
    fn leaves_the_body() {
        let mut text: &[u8] = b"a: b\r\n\r\nc: d\r\n";
        Head::read(&mut text).unwrap();
        assert_eq!(text, b"c: d\r\n");
    }

    #[test]
    fn refuses_what_is_no_head() {
        assert!(matches!(read(b"hello world\n\n"), Err(Error::Malformed(_))));
        assert!(matches!(read(b"a: b\n: c\n"), Err(Error::Malformed(what)) if what.contains("line 2")));
        assert!(matches!(read(b" folded first: x\n"), Err(Error::Malformed(_))));
        assert!(matches!(read(&vec![b'a'; 300_000]), Err(Error::Limit(_))));
        assert!(matches!(read(&b"a: b\n".repeat(5000)), Err(Error::Limit(_))));
        assert!(matches!(
            read(&[b"a: b\n".as_slice(), &b" c\n".repeat(90_000)].concat()),
            Err(Error::Limit(_))
        ));
    }

    #[test]
    fn ends_without_blank_line() {
        assert_eq!(read(b"").unwrap(), Head::default());
        assert_eq!(read(b"From me Mon 1 Jan 10:00\na: b").unwrap().outer(), b"a: b\r\n");
    }

    #[test]
    fn a_first_field_from_is_no_mbox_line() {
        assert_eq!(read(b"From : a@b\nFrom: c@d").unwrap().value("from").unwrap(), "a@b");
    }
}
