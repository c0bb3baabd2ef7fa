//! The command line: `waferd` writes it, so it is strict and has no abbreviations.

use std::path::PathBuf;
use std::time::Duration;

/// What a keeper is told when it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Hold the tokens of one source.
    Keep(Settings),
    /// Write Mozilla's authorities for mail, which this module holds, to standard output.
    Roots(PathBuf),
    /// The unconfined half that starts pinentry (see [`crate::prompt::helper`]).
    PromptHelper,
}

/// Where a keeper's tokens come from; the first word of its command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `pkcs11`: one PKCS#11 module.
    Pkcs11 {
        /// Its shared library, an absolute path.
        module: PathBuf,
    },
    /// `pcsc`: PIV cards in pcscd's readers.
    Pcsc,
    /// `files`: PKCS#12 files that were imported.
    Files {
        /// Where they lie, an absolute path.
        folder: PathBuf,
    },
}

/// Settings of a keeper. Durations of zero mean "never cache" or "at once".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where its tokens come from.
    pub kind: Kind,
    /// The source's name in waferd's settings; part of every token's id.
    pub name: String,
    /// The module may open internet sockets (network HSMs).
    pub network: bool,
    /// Cards that another keeper uses directly as PIV cards are left alone, as waferd tells.
    pub beside_piv: bool,
    /// A kept PIN and a click may stand for the PIN of a key that wants it at every use.
    pub confirm_each_use: bool,
    /// PINs are kept in memory that not even root can read, where the kernel has it.
    pub secret_memory: bool,
    /// Directories the module may write in.
    pub state: Vec<PathBuf>,
    /// Environment variables the module needs.
    pub environment: Vec<(String, String)>,
    /// The pinentry program, an absolute path.
    pub pinentry: PathBuf,
    /// A PIN unused for so long is forgotten.
    pub idle_timeout: Duration,
    /// A PIN is forgotten after so long, used or not.
    pub max_timeout: Duration,
    /// A dialog closes after so long.
    pub dialog_timeout: Duration,
    /// One call into the module may take so long.
    pub module_deadline: Duration,
}

impl Settings {
    /// The defaults, without a name.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            name: String::new(),
            network: false,
            beside_piv: false,
            confirm_each_use: false,
            secret_memory: false,
            state: Vec::new(),
            environment: Vec::new(),
            pinentry: PathBuf::from("/usr/bin/pinentry"),
            idle_timeout: Duration::from_secs(600),
            max_timeout: Duration::from_secs(7200),
            dialog_timeout: Duration::from_secs(120),
            module_deadline: Duration::from_secs(30),
        }
    }
}

/// Reads the arguments after the program's name; an error is a sentence for the journal.
pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Command, String> {
    let mut arguments = arguments.into_iter();
    match arguments.next().as_deref() {
        Some("pkcs11") => settings(Kind::Pkcs11 { module: PathBuf::new() }, arguments).map(Command::Keep),
        Some("roots") => module_only(arguments).map(Command::Roots),
        Some("pcsc") => settings(Kind::Pcsc, arguments).map(Command::Keep),
        Some("files") => settings(Kind::Files { folder: PathBuf::new() }, arguments).map(Command::Keep),
        Some("prompt-helper") => Ok(Command::PromptHelper),
        Some(other) => Err(format!("unknown kind of keeper: {other}")),
        None => Err("wafer-keeper is started by waferd; there is nothing to do with it by hand".to_owned()),
    }
}

/// `--module PATH` and nothing else.
fn module_only(mut arguments: impl Iterator<Item = String>) -> Result<PathBuf, String> {
    match (arguments.next().as_deref(), arguments.next().map(PathBuf::from), arguments.next()) {
        (Some("--module"), Some(module), None) if module.is_absolute() => Ok(module),
        _ => Err("roots wants --module and an absolute path".to_owned()),
    }
}

fn settings(kind: Kind, mut arguments: impl Iterator<Item = String>) -> Result<Settings, String> {
    let mut settings = Settings::new(kind);
    while let Some(option) = arguments.next() {
        match option.as_str() {
            "--network" => settings.network = true,
            "--beside-piv" => settings.beside_piv = true,
            "--confirm-each-use" => settings.confirm_each_use = true,
            "--secret-memory" => settings.secret_memory = true,
            _ => {
                let value = arguments.next().ok_or_else(|| format!("{option} needs a value"))?;
                set(&mut settings, &option, value)?;
            }
        }
    }
    let needed = match &settings.kind {
        Kind::Pkcs11 { module } => Some((module, "--module")),
        Kind::Files { folder } => Some((folder, "--folder")),
        Kind::Pcsc => None,
    };
    for (path, option) in needed.into_iter().chain([(&settings.pinentry, "--pinentry")]) {
        if !path.is_absolute() {
            return Err(format!("{option} must be an absolute path"));
        }
    }
    if settings.name.is_empty() {
        return Err("--name is missing".to_owned());
    }
    Ok(settings)
}

fn set(settings: &mut Settings, option: &str, value: String) -> Result<(), String> {
    match (option, &mut settings.kind) {
        ("--module", Kind::Pkcs11 { module }) => *module = value.into(),
        ("--folder", Kind::Files { folder }) => {
            *folder = value.into();
            settings.state.push(folder.clone());
        }
        ("--name", _) => settings.name = value,
        ("--state", _) => settings.state.push(value.into()),
        ("--env", _) => {
            let (name, value) = value.split_once('=').ok_or("--env wants NAME=VALUE")?;
            settings.environment.push((name.to_owned(), value.to_owned()));
        }
        ("--pinentry", _) => settings.pinentry = value.into(),
        ("--idle-timeout-ms", _) => settings.idle_timeout = milliseconds(option, &value)?,
        ("--max-timeout-ms", _) => settings.max_timeout = milliseconds(option, &value)?,
        ("--dialog-timeout-ms", _) => settings.dialog_timeout = milliseconds(option, &value)?,
        ("--module-deadline-ms", _) => settings.module_deadline = milliseconds(option, &value)?,
        _ => return Err(format!("unknown option: {option}")),
    }
    Ok(())
}

fn milliseconds(option: &str, value: &str) -> Result<Duration, String> {
    value.parse().map(Duration::from_millis).map_err(|_| format!("{option} wants a number of milliseconds"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn the_whole_command_line_is_understood() {
        let line = "pkcs11 --module /m.so --name soft --network --beside-piv --confirm-each-use --secret-memory --state /a \
                    --state /b --env K=V=W \
                    --pinentry /p --idle-timeout-ms 1 --max-timeout-ms 2 --dialog-timeout-ms 3 --module-deadline-ms 4";
        let Command::Keep(settings) = parse(words(line)).unwrap() else { panic!("no keeper") };
        assert_eq!(settings.kind, Kind::Pkcs11 { module: "/m.so".into() });
        assert_eq!(settings.state, [PathBuf::from("/a"), PathBuf::from("/b")]);
        assert_eq!(settings.environment, [("K".to_owned(), "V=W".to_owned())]);
        assert!(
            settings.network && settings.beside_piv && settings.confirm_each_use && settings.secret_memory
        );
        assert_eq!(settings.module_deadline, Duration::from_millis(4));
    }

    #[test]
    fn the_folder_of_files_may_be_written() {
        let Command::Keep(settings) = parse(words("files --name files --folder /f")).unwrap() else {
            panic!("no keeper")
        };
        assert_eq!(settings.kind, Kind::Files { folder: "/f".into() });
        assert_eq!(settings.state, [PathBuf::from("/f")]);
    }

    #[test]
    fn mistakes_are_named() {
        for (line, word) in [
            ("", "waferd"),
            ("piv", "piv"),
            ("pcsc", "--name"),
            ("pcsc --name piv --module /m.so", "--module"),
            ("files --name x", "--folder"),
            ("files --name x --folder files", "--folder"),
            ("pcsc --name x --folder /f", "--folder"),
            ("pkcs11 --module m.so --name x", "--module"),
            ("pkcs11 --module /m.so", "--name"),
            ("pkcs11 --module /m.so --name x --idle-timeout-ms soon", "--idle-timeout-ms"),
            ("pkcs11 --module /m.so --name x --wrong 1", "--wrong"),
            ("pkcs11 --module", "--module"),
            ("roots", "--module"),
            ("roots --module m.so", "--module"),
            ("roots --module /m.so --name x", "--module"),
        ] {
            assert!(parse(words(line)).unwrap_err().contains(word), "{line}");
        }
    }
}
