//! `server.properties`: the syntax of `java.util.Properties`, with the place of every key.
//!
//! Kafka reads its files with `Properties.load(InputStream)`, so the bytes are ISO 8859-1 and everything else comes as
//! `\uXXXX`. The rules are Java's to the letter, the odd ones too: `a\` before the end of the file loses its backslash,
//! `\q` is `q`, white space separates a key from its value as `=` and `:` do, and of two equal keys the last one counts.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::origin::Origin;

#[cfg(test)]
mod tests;

/// One setting as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// The text after the separator, escapes resolved, white space at its end kept.
    pub value: String,
    /// Where it was written.
    pub origin: Origin,
}

/// A key that was set more than once; the last setting counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeated {
    /// The key.
    pub key: String,
    /// The setting that does not count.
    pub lost: Property,
    /// Where the setting that counts was made.
    pub kept: Origin,
}

/// Settings by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties {
    entries: BTreeMap<String, Property>,
    repeated: Vec<Repeated>,
}

/// What keeps a file from being read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PropertiesError {
    /// `\u` without four hexadecimal digits after it.
    #[error(
        "`\\u` needs four hexadecimal digits after it\n  from: `{file}`, line {line}\n  \
         hint: a backslash itself is written `\\\\`"
    )]
    MalformedUnicodeEscape {
        /// Name of the file.
        file: String,
        /// Line the key begins in.
        line: u32,
    },
}

/// An override that is not `KEY=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not of the form `KEY=VALUE`\n  from: `--override` on the command line\n  \
     hint: for example `--override num.partitions=3`"
)]
pub struct MalformedOverride(pub String);

impl Properties {
    /// No settings.
    pub fn new() -> Self {
        Properties::default()
    }

    /// Reads the bytes of a file; `file_name` is for messages.
    ///
    /// # Errors
    /// When an escape is malformed, the only thing Java refuses.
    pub fn parse(bytes: &[u8], file_name: &str) -> Result<Self, PropertiesError> {
        let file: Arc<str> = Arc::from(file_name);
        let mut properties = Properties::new();
        let mut lines = LogicalLines { bytes, at: 0, line: 1 };
        while let Some((line, text)) = lines.next() {
            let (key, value) = split(&text);
            let malformed = || PropertiesError::MalformedUnicodeEscape {
                file: file_name.to_string(),
                line,
            };
            let key = unescape(key).ok_or_else(malformed)?;
            let value = unescape(value).ok_or_else(malformed)?;
            let origin = Origin::File {
                file: Arc::clone(&file),
                line,
            };
            if let Some(lost) = properties.entries.insert(
                key.clone(),
                Property {
                    value,
                    origin: origin.clone(),
                },
            ) {
                properties.repeated.push(Repeated {
                    key,
                    lost,
                    kept: origin,
                });
            }
        }
        Ok(properties)
    }

    /// Sets `key`, over whatever it was set to before.
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<String>, origin: Origin) {
        self.entries.insert(
            key.into(),
            Property {
                value: value.into(),
                origin,
            },
        );
    }

    /// Sets what `--override` says, as `KEY=VALUE`; the value may hold further `=`.
    ///
    /// # Errors
    /// When there is no `=`, or no key before it.
    pub fn set_override(&mut self, text: &str) -> Result<(), MalformedOverride> {
        match text.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => {
                self.set(key.trim(), value, Origin::Override);
                Ok(())
            }
            _ => Err(MalformedOverride(text.to_string())),
        }
    }

    /// The setting of `key`.
    pub fn get(&self, key: &str) -> Option<&Property> {
        self.entries.get(key)
    }

    /// Forgets `key`.
    pub fn remove(&mut self, key: &str) -> Option<Property> {
        self.entries.remove(key)
    }

    /// All settings, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Property)> {
        self.entries.iter().map(|(key, property)| (key.as_str(), property))
    }

    /// Settings of the file that a later line of it took over.
    pub fn repeated(&self) -> &[Repeated] {
        &self.repeated
    }

    /// Number of keys set.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | 0x0C)
}

/// Lines with their continuations, comments and blank lines left out.
struct LogicalLines<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Number of the natural line at `at`, from 1.
    line: u32,
}

impl LogicalLines<'_> {
    /// Takes one byte; the end of a line comes as `\n`, be it `\n`, `\r` or both.
    fn take(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        if byte == b'\r' && self.bytes.get(self.at) == Some(&b'\n') {
            self.at += 1;
        }
        if matches!(byte, b'\r' | b'\n') {
            self.line += 1;
            return Some(b'\n');
        }
        Some(byte)
    }

    fn skip_blanks(&mut self) {
        while self.bytes.get(self.at).is_some_and(|byte| is_blank(*byte)) {
            self.at += 1;
        }
    }

    /// The next line that says something, with the number of the natural line it begins in.
    fn next(&mut self) -> Option<(u32, Vec<u8>)> {
        let mut text = Vec::new();
        let mut began = self.line;
        let mut escaped = false;
        self.skip_blanks();
        loop {
            if text.is_empty() {
                began = self.line;
            }
            let Some(byte) = self.take() else {
                if text.is_empty() {
                    return None;
                }
                if escaped {
                    text.pop();
                }
                return Some((began, text));
            };
            match byte {
                b'#' | b'!' if text.is_empty() => {
                    while self.take().is_some_and(|byte| byte != b'\n') {}
                    self.skip_blanks();
                }
                b'\n' if text.is_empty() => self.skip_blanks(),
                b'\n' if escaped && self.at == self.bytes.len() && !self.bytes.ends_with(b"\r\n") => {
                    text.pop();
                    return Some((began, text));
                }
                b'\n' if escaped => {
                    text.pop();
                    escaped = false;
                    self.skip_blanks();
                }
                b'\n' => return Some((began, text)),
                _ => {
                    escaped = byte == b'\\' && !escaped;
                    text.push(byte);
                }
            }
        }
    }
}

/// Key and value of a logical line, still escaped.
fn split(line: &[u8]) -> (&[u8], &[u8]) {
    let mut escaped = false;
    let ends_key = |byte: &u8| {
        let ends = !escaped && (matches!(byte, b'=' | b':') || is_blank(*byte));
        escaped = *byte == b'\\' && !escaped;
        ends
    };
    let key_end = line.iter().position(ends_key).unwrap_or(line.len());
    let (key, mut rest) = line.split_at(key_end);
    let mut separated = false;
    while let Some((byte, after)) = rest.split_first() {
        if !is_blank(*byte) {
            if separated || !matches!(byte, b'=' | b':') {
                break;
            }
            separated = true;
        }
        rest = after;
    }
    (key, rest)
}

/// Resolves escapes; `None` if a `\u` is malformed. Halves of surrogate pairs without their other half become U+FFFD.
fn unescape(mut bytes: &[u8]) -> Option<String> {
    let mut units: Vec<u16> = Vec::with_capacity(bytes.len());
    loop {
        let (unit, taken) = match *bytes {
            [] | [b'\\'] => break,
            [b'\\', b'u', ..] => (hex_unit(bytes.get(2..6)?)?, 6),
            [b'\\', b't', ..] => (u16::from(b'\t'), 2),
            [b'\\', b'r', ..] => (u16::from(b'\r'), 2),
            [b'\\', b'n', ..] => (u16::from(b'\n'), 2),
            [b'\\', b'f', ..] => (0x0C, 2),
            [b'\\', other, ..] => (u16::from(other), 2),
            [byte, ..] => (u16::from(byte), 1),
        };
        units.push(unit);
        bytes = &bytes[taken..];
    }
    Some(String::from_utf16_lossy(&units))
}

fn hex_unit(digits: &[u8]) -> Option<u16> {
    digits.iter().try_fold(0, |unit, digit| {
        Some(unit << 4 | u16::try_from(char::from(*digit).to_digit(16)?).ok()?)
    })
}
