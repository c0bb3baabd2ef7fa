//! What OpenSC's module is told beside what the person's own settings of it say: readers that it leaves alone
//! (opensc.conf(5), `ignored_readers`). It reads its settings when it is initialised.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{MemfdFlags, memfd_create};

/// Names its settings file.
const VARIABLE: &str = "OPENSC_CONF";
/// Where the file is, unless that variable says so: Debian's place, and Fedora's.
const PLACES: [&str; 3] = ["/etc/opensc/opensc.conf", "/etc/opensc.conf", "/etc/opensc-x86_64.conf"];
/// Larger ones are no settings.
const LARGEST: u64 = 256 * 1024;

/// A settings file that is in memory only, so that a confined keeper can write it and nothing is left behind.
pub struct Configuration {
    file: File,
    /// The file in whose place it is.
    others: String,
}

impl Configuration {
    /// Takes up what the usual file says, or the one that `environment` names.
    ///
    /// # Errors
    /// The system has no memory for it.
    pub fn new(environment: &[(String, String)]) -> io::Result<Self> {
        let named = environment.iter().find(|(name, _)| name == VARIABLE).map(|(_, path)| path.as_str());
        let place = named.or_else(|| PLACES.into_iter().find(|place| Path::new(place).is_file()));
        let others = place.and_then(read).unwrap_or_default();
        let file = memfd_create("opensc.conf", MemfdFlags::CLOEXEC)?.into();
        let configuration = Self { file, others };
        configuration.ignore(&[])?;
        Ok(configuration)
    }

    /// The variable by which the module finds it.
    pub fn variable(&self) -> (String, String) {
        (VARIABLE.to_owned(), format!("/proc/self/fd/{}", self.file.as_raw_fd()))
    }

    /// From the next C_Initialize on, these readers are left alone.
    ///
    /// # Errors
    /// The system has no memory for it.
    pub(super) fn ignore(&self, readers: &[String]) -> io::Result<()> {
        let text = with_ignored(&self.others, readers);
        self.file.set_len(0)?;
        self.file.write_all_at(text.as_bytes(), 0)
    }
}

fn read(place: &str) -> Option<String> {
    let small = std::fs::metadata(place).is_ok_and(|file| file.len() <= LARGEST);
    small.then(|| std::fs::read_to_string(place).ok()).flatten()
}

/// `text` with these readers ignored in each of its blocks for applications: only one for the module's name and one for
/// all count, and which there are is the person's choice. A value that is there twice has both lists.
fn with_ignored(text: &str, readers: &[String]) -> String {
    if readers.is_empty() {
        return text.to_owned();
    }
    let quoted = |reader: &String| format!("\"{}\"", reader.replace(['"', '\n', '\r'], ""));
    let names: Vec<String> = readers.iter().map(quoted).collect();
    let line = format!("\n\tignored_readers = {};", names.join(", "));
    let (text, blocks) = in_each_block(text, &line);
    if blocks == 0 { format!("{text}\napp default {{{line}\n}}\n") } else { text }
}

/// `text` with `line` at the start of each outermost block, and how many there are. Words, quotes and comments end
/// where OpenSC's own reader ends them.
fn in_each_block(text: &str, line: &str) -> (String, usize) {
    let (mut done, mut rest) = (String::with_capacity(text.len() + line.len()), text);
    let (mut depth, mut blocks) = (0_usize, 0);
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '#' => rest.find(['\n', '\r']).unwrap_or(rest.len()),
            '"' => rest[1..].find(['"', '\n', '\r']).map_or(rest.len(), |at| at + 2),
            '{' | '}' | ',' | '=' | ';' => 1,
            first if first.is_ascii_whitespace() => 1,
            _ => rest.find([';', ',', ' ', '\t', '\r', '\n']).unwrap_or(rest.len()),
        };
        let (token, after) = rest.split_at(length);
        done.push_str(token);
        match first {
            '{' if depth == 0 => {
                done.push_str(line);
                (depth, blocks) = (1, blocks + 1);
            }
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        rest = after;
    }
    (done, blocks)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn ignoring(text: &str) -> String {
        with_ignored(text, &["Reader 00 00".to_owned(), "Other \"one\"".to_owned()])
    }

    #[test]
    fn what_the_person_has_set_stays() {
        let own = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(own.path(), "app default {\n\tdebug = 0;\n}\n").unwrap();
        let environment = [(VARIABLE.to_owned(), own.path().display().to_string())];
        let configuration = Configuration::new(&environment).unwrap();
        let (name, path) = configuration.variable();
        assert_eq!(name, VARIABLE);
        configuration.ignore(&["Reader 00 00".to_owned()]).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "app default {\n\tignored_readers = \"Reader 00 00\";\n\tdebug = 0;\n}\n");
        configuration.ignore(&[]).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "app default {\n\tdebug = 0;\n}\n");
    }

    #[test]
    fn each_block_for_an_application_ignores_them() {
        let line = "\n\tignored_readers = \"Reader 00 00\", \"Other one\";";
        assert_eq!(ignoring(""), format!("\napp default {{{line}\n}}\n"));
        assert_eq!(ignoring("# app x { }\n"), format!("# app x {{ }}\n\napp default {{{line}\n}}\n"));
        let text =
            "app default { # {\n framework pkcs15 { a = \"{\"; }\n b = c#{;\n}\napp \"opensc-pkcs11\" {\n}\n";
        let expected = format!(
            "app default {{{line} # {{\n framework pkcs15 {{ a = \"{{\"; }}\n b = c#{{;\n}}\napp \"opensc-pkcs11\" \
             {{{line}\n}}\n"
        );
        assert_eq!(ignoring(text), expected);
        for broken in ["\"", "app {", "}", "#", "app \"x", "\u{e4}{\u{e4}"] {
            assert!(ignoring(broken).contains("ignored_readers"), "{broken}");
        }
    }
}
