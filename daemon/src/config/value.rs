//! One setting's value and what it may be.

use std::fmt;

/// A value of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Yes or no.
    Flag(bool),
    /// A whole number.
    Number(u32),
    /// One word.
    Word(String),
    /// Words, in an order that counts.
    List(Vec<String>),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Word(word) => f.write_str(word),
            Self::List(words) => f.write_str(&words.join(" ")),
        }
    }
}

/// What a setting's value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Flag,
    /// A number from the first to the second.
    Number(u32, u32),
    /// One of these words.
    Word(&'static [&'static str]),
    /// Some of these words, each once, at least one.
    Some(&'static [&'static str]),
    /// Any texts.
    Texts,
}

/// The most texts in a list, and the longest.
const TEXTS_MAX: usize = 1000;
const TEXT_MAX: usize = 1024;

impl Kind {
    /// The value that TOML has here.
    ///
    /// # Errors
    /// What it should be instead, as the rest of a sentence.
    pub fn read(self, value: &toml::Value) -> Result<Value, String> {
        let read = match (self, value) {
            (Self::Flag, toml::Value::Boolean(flag)) => Some(Value::Flag(*flag)),
            (Self::Number(..), toml::Value::Integer(number)) => {
                u32::try_from(*number).ok().map(Value::Number)
            }
            (Self::Word(_), toml::Value::String(word)) => Some(Value::Word(word.clone())),
            (Self::Some(_) | Self::Texts, toml::Value::Array(list)) => {
                let texts = list.iter().map(|text| text.as_str().map(str::to_owned));
                texts.collect::<Option<_>>().map(Value::List)
            }
            _ => None,
        };
        read.filter(|value| self.fits(value)).ok_or_else(|| format!("it must be {self}"))
    }

    /// Whether `value` is one of this kind.
    pub fn fits(self, value: &Value) -> bool {
        match (self, value) {
            (Self::Flag, Value::Flag(_)) => true,
            (Self::Number(least, most), Value::Number(number)) => (least..=most).contains(number),
            (Self::Word(words), Value::Word(word)) => words.contains(&word.as_str()),
            (Self::Some(words), Value::List(list)) => {
                let known = list.iter().all(|word| words.contains(&word.as_str()));
                let once = list.iter().enumerate().all(|(at, word)| !list[..at].contains(word));
                known && once && !list.is_empty()
            }
            (Self::Texts, Value::List(list)) => {
                list.len() <= TEXTS_MAX
                    && list.iter().all(|text| text.len() <= TEXT_MAX && !text.contains('\0'))
            }
            _ => false,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("true or false"),
            Self::Number(least, most) => write!(f, "a number from {least} to {most}"),
            Self::Word(words) => write!(f, "one of {}", words.join(", ")),
            Self::Some(words) => write!(f, "a list of some of {}", words.join(", ")),
            Self::Texts => f.write_str("a list of texts"),
        }
    }
}

impl From<&Value> for toml_edit::Value {
    fn from(value: &Value) -> Self {
        match value {
            Value::Flag(flag) => (*flag).into(),
            Value::Number(number) => i64::from(*number).into(),
            Value::Word(word) => word.as_str().into(),
            Value::List(list) => list.iter().map(String::as_str).collect(),
        }
    }
}
