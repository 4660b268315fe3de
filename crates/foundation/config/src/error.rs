//! What is wrong with a configuration, and what is only odd.

use std::fmt;

use crate::origin::Origin;
use crate::value::InvalidValue;

/// A setting the node cannot start with: what, where, what is allowed, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The key.
    pub key: String,
    /// Its value, hidden if it is a password; `None` if it is not set.
    pub value: Option<String>,
    /// Where the value was set.
    pub origin: Origin,
    /// What is wrong.
    pub problem: Problem,
    /// The allowed values in words.
    pub allowed: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

/// What can be wrong with a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The value is not one of the key's.
    Invalid(InvalidValue),
    /// The key has no default and is not set.
    Missing,
    /// The setting asks for what is not there yet, named here.
    NotSupportedYet(&'static str),
    /// The value does not go with other settings, or says something impossible; the rule it breaks.
    Rule(String),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        let value = self.value.as_deref().unwrap_or_default();
        match &self.problem {
            Problem::Invalid(invalid) => write!(f, "`{value}` is not a value of `{key}`: {}", invalid.reason())?,
            Problem::Missing => write!(f, "`{key}` is not set and has no default")?,
            Problem::NotSupportedYet(what) => {
                write!(f, "`{key}={value}` asks for {what}, which is not supported yet")?;
            }
            Problem::Rule(rule) => f.write_str(rule)?,
        }
        if self.value.is_some() {
            write!(f, "\n  from: `{key}={value}` in {}", self.origin)?;
        }
        if let Some(allowed) = &self.allowed {
            write!(f, "\n  allowed: {allowed}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// Everything that was found wrong, at least one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    /// `Ok` if there are none.
    pub(crate) fn none_in(errors: Vec<ConfigError>) -> Result<(), ConfigErrors> {
        if errors.is_empty() {
            Ok(())
        } else {
            Err(ConfigErrors(errors))
        }
    }

    /// The errors, in the order of their keys or rules.
    pub fn iter(&self) -> std::slice::Iter<'_, ConfigError> {
        self.0.iter()
    }
}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        ConfigErrors(vec![error])
    }
}

/// One error after the other; those after the first begin with `error: `, as the first does where it is printed.
impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, error) in self.0.iter().enumerate() {
            let before = if number == 0 { "" } else { "\nerror: " };
            write!(f, "{before}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// A setting the node starts with all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// No such key.
    UnknownKey {
        /// The key as written.
        key: String,
        /// Where.
        origin: Origin,
        /// The key that was probably meant.
        nearest: Option<&'static str>,
    },
    /// The key went away before Kafka 4.4.
    RemovedKey {
        /// The key.
        key: String,
        /// Where.
        origin: Origin,
    },
    /// The key is known and does nothing yet.
    NoEffectYet {
        /// The key.
        key: String,
        /// Where.
        origin: Origin,
    },
    /// Kafka means to drop the key.
    Deprecated {
        /// The key.
        key: String,
        /// Where.
        origin: Origin,
    },
    /// The key was set more than once in the file.
    Repeated {
        /// The key.
        key: String,
        /// The setting that does not count.
        lost: Origin,
        /// The setting that counts.
        kept: Origin,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::UnknownKey { key, origin, nearest } => {
                write!(f, "unknown key `{key}`\n  from: {origin}")?;
                nearest.map_or(Ok(()), |nearest| write!(f, "\n  hint: did you mean `{nearest}`?"))
            }
            Warning::RemovedKey { key, origin } => {
                write!(
                    f,
                    "`{key}` is gone since Apache Kafka 4.0 and does nothing\n  from: {origin}"
                )
            }
            Warning::NoEffectYet { key, origin } => write!(f, "`{key}` has no effect yet\n  from: {origin}"),
            Warning::Deprecated { key, origin } => {
                write!(f, "`{key}` is deprecated and will be dropped\n  from: {origin}")
            }
            Warning::Repeated { key, lost, kept } => {
                write!(f, "`{key}` is set twice: {lost} does not count, {kept} does")
            }
        }
    }
}
