//! Content-Type and Content-Disposition values (RFC 2045 section 5.1, RFC 2231).

/// Parameters that are read; S/MIME needs a handful.
const MAX_PARAMETERS: usize = 256;

/// A value with its parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ContentType {
    /// `type/subtype` (or the disposition), lower case.
    pub(crate) kind: String,
    parameters: Vec<(String, String)>,
}

impl ContentType {
    /// Reads an unfolded field value. What cannot be read is left out: a strange parameter
    /// does not hide the others.
    pub(crate) fn parse(value: &str) -> Self {
        let mut rest = Scanner(value);
        let kind = rest.until(&[';']).trim().to_ascii_lowercase();
        let mut pieces = Vec::new();
        while rest.skip(';') && pieces.len() < MAX_PARAMETERS {
            let name = rest.until(&['=', ';']).trim().to_ascii_lowercase();
            if rest.skip('=') {
                pieces.push((name, rest.parameter_value()));
            }
        }
        Self { kind, parameters: joined(&pieces) }
    }

    /// The parameter of this (lower-case) name.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// `value`, folded or not, without the parameter `name`, in any of the forms of RFC 2231.
pub(crate) fn without_parameter(value: &str, name: &str) -> String {
    let mut rest = Scanner(value);
    let mut pieces = Vec::new();
    loop {
        let start = rest.0;
        let named = rest.until(&['=', ';']).trim().to_ascii_lowercase();
        if rest.skip('=') {
            rest.parameter_value();
        }
        let piece = start[..start.len() - rest.0.len()].trim_end();
        let is_it = named.split('*').next() == Some(name) && !pieces.is_empty();
        if !is_it && !piece.trim().is_empty() {
            pieces.push(piece);
        }
        if !rest.skip(';') {
            return pieces.join(";");
        }
    }
}

/// `value` with the parameter `name` at its end, on a line of its own.
pub(crate) fn with_parameter(value: &str, name: &str, parameter: &str) -> String {
    format!("{value};\r\n {name}=\"{parameter}\"")
}

/// A cursor over the value that passes over comments (RFC 5322 section 3.2.2).
struct Scanner<'a>(&'a str);

impl Scanner<'_> {
    /// Text up to one of `ends`, which stays; comments are left out.
    fn until(&mut self, ends: &[char]) -> String {
        let mut text = String::new();
        while let Some(next) = self.0.chars().next() {
            if ends.contains(&next) {
                break;
            }
            if next == '(' {
                self.comment();
            } else {
                text.push(next);
                self.bump(next);
            }
        }
        text
    }

    fn skip(&mut self, wanted: char) -> bool {
        let rest = self.0.strip_prefix(wanted);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// A token or quoted string, and whatever stands between it and the next semicolon is dropped.
    fn parameter_value(&mut self) -> String {
        loop {
            self.0 = self.0.trim_start();
            if !self.0.starts_with('(') {
                break;
            }
            self.comment();
        }
        if !self.skip('"') {
            return self.until(&[';']).trim().to_owned();
        }
        let value = self.quoted();
        self.until(&[';']);
        value
    }

    fn quoted(&mut self) -> String {
        let mut value = String::new();
        while let Some(next) = self.0.chars().next() {
            self.bump(next);
            match next {
                '"' => break,
                '\\' => {
                    if let Some(escaped) = self.0.chars().next() {
                        self.bump(escaped);
                        value.push(escaped);
                    }
                }
                other => value.push(other),
            }
        }
        value
    }

    fn comment(&mut self) {
        let mut depth = 0_usize;
        while let Some(next) = self.0.chars().next() {
            self.bump(next);
            match next {
                '(' => depth += 1,
                ')' if depth <= 1 => return,
                ')' => depth -= 1,
                '\\' => {
                    if let Some(escaped) = self.0.chars().next() {
                        self.bump(escaped);
                    }
                }
                _ => {}
            }
        }
    }

    fn bump(&mut self, passed: char) {
        self.0 = &self.0[passed.len_utf8()..];
    }
}

/// Joins RFC 2231 continuations (`name*0*=`, `name*1=`) and takes off character set and escapes.
fn joined(pieces: &[(String, String)]) -> Vec<(String, String)> {
    let mut parameters: Vec<(String, String)> =
        pieces.iter().filter(|(name, _)| !name.contains('*')).cloned().collect();
    for (name, value) in pieces {
        let Some((base, section)) = name.split_once('*') else { continue };
        if !matches!(section, "" | "0" | "0*") || parameters.iter().any(|(known, _)| known == base) {
            continue;
        }
        let mut whole = if section == "0" { value.clone() } else { decoded(after_charset(value)) };
        if !section.is_empty() {
            whole.push_str(&continuation(pieces, base));
        }
        parameters.push((base.to_owned(), whole));
    }
    parameters
}

/// Sections 1, 2, ... of parameter `base`.
fn continuation(pieces: &[(String, String)], base: &str) -> String {
    let mut text = String::new();
    for number in 1.. {
        let (plain, encoded) = (format!("{base}*{number}"), format!("{base}*{number}*"));
        match pieces.iter().find(|(name, _)| *name == plain || *name == encoded) {
            Some((name, value)) if *name == encoded => text.push_str(&decoded(value)),
            Some((_, value)) => text.push_str(value),
            None => break,
        }
    }
    text
}

/// What follows `charset'language'`.
fn after_charset(value: &str) -> &str {
    value.splitn(3, '\'').nth(2).unwrap_or(value)
}

/// Takes off percent escapes.
fn decoded(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escape = (first == b'%').then(|| hexadecimal(after)).flatten();
        bytes.push(escape.unwrap_or(first));
        rest = if escape.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The byte that two hexadecimal digits name.
pub(crate) fn hexadecimal(digits: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*digits.get(at)?).to_digit(16);
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

#[cfg(test)]
mod tests {
    use super::ContentType;

    #[test]
    fn reads_tokens_quotes_and_comments() {
        let value = ContentType::parse(
            "Multipart/Signed (c;c); boundary=\"a;\\\"b\" (x); MICALG = sha-256 ; protocol=(p)\"q\"; broken",
        );
        assert_eq!(value.kind, "multipart/signed");
        assert_eq!(value.parameter("boundary"), Some("a;\"b"));
        assert_eq!(value.parameter("micalg"), Some("sha-256"));
        assert_eq!(value.parameter("protocol"), Some("q"));
        assert_eq!(value.parameter("broken"), None);
    }

    #[test]
    fn joins_rfc_2231() {
        let value =
            ContentType::parse("a/b; name*0*=utf-8''smi%6D; name*1=\"e.p\"; name*2*=7%6d; boundary*=''%2D");
        assert_eq!(value.parameter("name"), Some("smime.p7m"));
        assert_eq!(value.parameter("boundary"), Some("-"));
    }

    #[test]
    fn survives_nonsense() {
        for text in ["", ";", ";;=", "\"", "a/b; x=\"\\", "((((", "a; é*=%", "a; x*=%zz"] {
            ContentType::parse(text);
        }
    }
}
