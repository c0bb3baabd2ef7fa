//! What a type does not say of a setting, and where in the file it is wrong.

use std::path::PathBuf;
use std::time::Duration;

use toml::Spanned;

/// A fault found after parsing: at which byte of the file, and what.
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) problem: String,
}

/// A time that is no less than 1 `unit`.
///
/// # Errors
/// It is 0.
pub(super) fn at_least_one(
    value: Option<Spanned<u32>>,
    unit: fn(u64) -> Duration,
) -> Result<Option<Duration>, Fault> {
    match value {
        Some(value) if *value.as_ref() == 0 => {
            Err(Fault { at: value.span().start, problem: "this time must be at least 1".into() })
        }
        value => Ok(value.map(|value| unit(value.into_inner().into()))),
    }
}

/// A path that does not depend on where waferd was started.
///
/// # Errors
/// It does.
pub(super) fn absolute(path: Spanned<PathBuf>) -> Result<PathBuf, Fault> {
    if path.as_ref().is_absolute() {
        return Ok(path.into_inner());
    }
    let problem = format!("the path \"{}\" must be absolute", path.as_ref().display());
    Err(Fault { at: path.span().start, problem })
}
