//! The settings of a client, under the names that Java's clients have for them.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use crate::Error;

mod known;
mod syntax;

/// A map of settings, as in a `.properties` file of Java.
///
/// Keys are those of the Java clients: `bootstrap.servers`, `client.id`, `linger.ms`, `group.id` and so on. Values are read
/// when a client, producer or consumer is built, each taking those that concern it; a key that none of them knows is
/// a warning in the log, as in Java.
///
/// ```
/// use klamm_client::Properties;
///
/// let mut properties = Properties::parse("bootstrap.servers = localhost:9092\nlinger.ms=5")?;
/// properties.set("client.id", "shop");
/// assert_eq!(properties.get("bootstrap.servers"), Some("localhost:9092"));
/// assert_eq!(properties.unknown().collect::<Vec<_>>(), Vec::<&str>::new());
/// # Ok::<(), klamm_client::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties {
    entries: BTreeMap<String, String>,
}

impl Properties {
    /// No settings: every default.
    pub fn new() -> Properties {
        Properties::default()
    }

    /// Reads a file in the syntax of Java's `.properties`.
    ///
    /// # Errors
    /// [`Error::File`] when it can't be read or is malformed.
    pub fn load(path: impl AsRef<Path>) -> Result<Properties, Error> {
        let path = path.as_ref();
        let file_error = |reason: String| Error::File {
            path: path.display().to_string(),
            reason,
        };
        let bytes = std::fs::read(path).map_err(|error| file_error(error.to_string()))?;
        // Java reads such files as ISO 8859-1 or UTF-8, depending on who opens them; UTF-8 where it is valid.
        let text =
            String::from_utf8(bytes).unwrap_or_else(|e| e.into_bytes().iter().copied().map(char::from).collect());
        syntax::parse(&text)
            .map(|entries| Properties { entries })
            .map_err(|malformed| file_error(malformed.to_string()))
    }

    /// Reads text in the syntax of Java's `.properties`: `key=value`, `key: value` or `key value`, comments by `#` and `!`,
    /// lines continued by a backslash, escapes such as `\u00e9`. Of a key given twice, the last counts.
    ///
    /// # Errors
    /// [`Error::Config`] for an escape that is malformed.
    pub fn parse(text: &str) -> Result<Properties, Error> {
        syntax::parse(text)
            .map(|entries| Properties { entries })
            .map_err(|malformed| Error::Config {
                key: format!("line {}", malformed.line),
                value: Some(malformed.text),
                reason: "malformed \\uxxxx encoding".to_owned(),
            })
    }

    /// Sets a key, in place of its earlier value.
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.entries.insert(key.into(), value.into());
    }

    /// Sets a key that has no value yet.
    pub fn set_default(&mut self, key: &str, value: impl Into<String>) {
        if !self.entries.contains_key(key) {
            self.set(key, value);
        }
    }

    /// Takes a key out, and answers its value.
    pub fn remove(&mut self, key: &str) -> Option<String> {
        self.entries.remove(key)
    }

    /// The settings of `other`, over those that are here.
    pub fn extend(&mut self, other: &Properties) {
        let other = other.entries.iter();
        self.entries
            .extend(other.map(|(key, value)| (key.clone(), value.clone())));
    }

    /// A value as it was given.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.entries.get(key).map(String::as_str)
    }

    /// Every key with its value, by rising key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// A number or other value that has a text form.
    ///
    /// # Errors
    /// [`Error::Config`] when the text is none.
    pub fn parsed<T: FromStr<Err: Display>>(&self, key: &str) -> Result<Option<T>, Error> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        let parsed = value.trim().parse();
        parsed
            .map(Some)
            .map_err(|error: T::Err| invalid(key, value, error.to_string()))
    }

    /// A number within bounds.
    ///
    /// # Errors
    /// [`Error::Config`] when it is no number or outside of them.
    pub fn number<T>(&self, key: &str, least: T, most: T, default: T) -> Result<T, Error>
    where
        T: FromStr<Err: Display> + PartialOrd + Display,
    {
        let Some(number) = self.parsed::<T>(key)? else {
            return Ok(default);
        };
        if number < least {
            return Err(invalid(key, &number.to_string(), format!("must be at least {least}")));
        }
        if number > most {
            return Err(invalid(
                key,
                &number.to_string(),
                format!("must be no more than {most}"),
            ));
        }
        Ok(number)
    }

    /// Milliseconds, 0 or more.
    ///
    /// # Errors
    /// [`Error::Config`] when it is no such number.
    pub fn millis(&self, key: &str, default: u64) -> Result<Duration, Error> {
        let millis = self.number(key, 0, i64::MAX, default as i64)?;
        Ok(Duration::from_millis(millis as u64))
    }

    /// `true` or `false`, in any case.
    ///
    /// # Errors
    /// [`Error::Config`] for anything else.
    pub fn boolean(&self, key: &str, default: bool) -> Result<bool, Error> {
        match self.get(key).map(str::trim) {
            None => Ok(default),
            Some(value) if value.eq_ignore_ascii_case("true") => Ok(true),
            Some(value) if value.eq_ignore_ascii_case("false") => Ok(false),
            Some(value) => Err(invalid(key, value, "must be true or false".to_owned())),
        }
    }

    /// The elements of a list with commas; empty ones are left out.
    pub fn list(&self, key: &str) -> Vec<&str> {
        let elements = self.get(key).into_iter().flat_map(|value| value.split(','));
        elements.map(str::trim).filter(|element| !element.is_empty()).collect()
    }

    /// One of the named values, in any case.
    ///
    /// # Errors
    /// [`Error::Config`] for any other, naming those that are allowed.
    pub fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)], default: T) -> Result<T, Error> {
        let Some(value) = self.get(key).map(str::trim) else {
            return Ok(default);
        };
        let found = choices.iter().find(|(name, _)| name.eq_ignore_ascii_case(value));
        found.map(|(_, choice)| *choice).ok_or_else(|| {
            let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
            invalid(key, value, format!("must be one of {}", names.join(", ")))
        })
    }

    /// Keys that no client of Kafka 4.4 has, or that this one has no use for because it lacks what they tune.
    pub fn unknown(&self) -> impl Iterator<Item = &str> {
        self.entries
            .keys()
            .map(String::as_str)
            .filter(|key| !known::is_known(key))
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Properties {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Properties {
        let entries = entries.into_iter().map(|(key, value)| (key.into(), value.into()));
        Properties {
            entries: entries.collect(),
        }
    }
}

/// The error for a value that a property must not have.
pub(crate) fn invalid(key: &str, value: &str, reason: String) -> Error {
    Error::Config {
        key: key.to_owned(),
        value: Some(value.to_owned()),
        reason,
    }
}

#[cfg(test)]
mod tests;
