//! Values: reading them as Kafka's `ConfigDef.parseType` does, writing them as Java prints them.

use std::fmt;

use crate::key::ConfigType;

#[cfg(test)]
mod tests;

/// A value of some [`ConfigType`].
#[derive(Clone, PartialEq)]
pub enum Value {
    /// BOOLEAN
    Boolean(bool),
    /// STRING
    String(String),
    /// INT
    Int(i32),
    /// SHORT
    Short(i16),
    /// LONG
    Long(i64),
    /// DOUBLE
    Double(f64),
    /// LIST
    List(Vec<String>),
    /// CLASS, by name
    Class(String),
    /// PASSWORD
    Password(String),
}

/// A value that a key does not take. The texts are those of Kafka's `ConfigException`, which clients get to see.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidValue {
    /// Not of the type or not among the allowed values.
    #[error("Invalid value {value} for configuration {key}: {reason}")]
    NotAllowed {
        /// Name of the key.
        key: String,
        /// The value, hidden if it is a password.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A list that needs an element has none.
    #[error("Configuration '{key}' must not be empty. Valid values include: {allowed}")]
    EmptyList {
        /// Name of the key.
        key: String,
        /// What elements may be.
        allowed: String,
    },
    /// A list has an element without text, as in `a,,b`.
    #[error("Configuration '{key}' values must not be empty.")]
    EmptyElement {
        /// Name of the key.
        key: String,
    },
}

impl InvalidValue {
    pub(crate) fn new(key: &str, value: impl fmt::Display, reason: impl Into<String>) -> Self {
        InvalidValue::NotAllowed {
            key: key.to_string(),
            value: value.to_string(),
            reason: reason.into(),
        }
    }

    /// What is wrong, without key and value.
    pub fn reason(&self) -> &str {
        match self {
            InvalidValue::NotAllowed { reason, .. } => reason,
            InvalidValue::EmptyList { .. } => "the list must not be empty",
            InvalidValue::EmptyElement { .. } => "the list has an empty element",
        }
    }
}

impl Value {
    /// Reads `text` as a value of `config_type`; `key` is for the message only.
    ///
    /// # Errors
    /// When the text is not of that type.
    pub fn parse(config_type: ConfigType, key: &str, text: &str) -> Result<Value, InvalidValue> {
        let trimmed = java_trim(text);
        let not_a_number = || InvalidValue::new(key, text, format!("Not a number of type {}", config_type.name()));
        match config_type {
            ConfigType::Boolean if trimmed.eq_ignore_ascii_case("true") => Ok(Value::Boolean(true)),
            ConfigType::Boolean if trimmed.eq_ignore_ascii_case("false") => Ok(Value::Boolean(false)),
            ConfigType::Boolean => Err(InvalidValue::new(
                key,
                text,
                "Expected value to be either true or false",
            )),
            ConfigType::String => Ok(Value::String(trimmed.to_string())),
            ConfigType::Password => Ok(Value::Password(trimmed.to_string())),
            ConfigType::Class => Ok(Value::Class(trimmed.to_string())),
            ConfigType::Int => trimmed.parse().map(Value::Int).map_err(|_| not_a_number()),
            ConfigType::Short => trimmed.parse().map(Value::Short).map_err(|_| not_a_number()),
            ConfigType::Long => trimmed.parse().map(Value::Long).map_err(|_| not_a_number()),
            ConfigType::Double => parse_double(trimmed).map(Value::Double).ok_or_else(not_a_number),
            ConfigType::List => Ok(Value::List(split_list(trimmed))),
        }
    }

    /// The value as a number, if it is one.
    pub(crate) fn as_number(&self) -> Option<f64> {
        match *self {
            Value::Int(n) => Some(f64::from(n)),
            Value::Short(n) => Some(f64::from(n)),
            Value::Long(n) => Some(n as f64),
            Value::Double(n) => Some(n),
            _ => None,
        }
    }

    /// The value as a whole number, if it is one.
    pub fn as_integer(&self) -> Option<i64> {
        match *self {
            Value::Int(n) => Some(i64::from(n)),
            Value::Short(n) => Some(i64::from(n)),
            Value::Long(n) => Some(n),
            _ => None,
        }
    }

    /// The value as DescribeConfigs gives it: lists joined by commas, doubles as Java prints them, passwords not at all.
    pub fn describe(&self) -> Option<String> {
        match self {
            Value::Password(_) => None,
            shown => Some(shown.to_string()),
        }
    }

    /// The value as messages show it, lists in brackets as Java prints them.
    pub(crate) fn in_messages(&self) -> String {
        match self {
            Value::List(items) => format!("[{}]", items.join(", ")),
            other => other.to_string(),
        }
    }
}

/// As Kafka's `ConfigDef.convertToString`; a password shows as `[hidden]`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Boolean(value) => write!(f, "{value}"),
            Value::String(value) | Value::Class(value) => f.write_str(value),
            Value::Int(value) => write!(f, "{value}"),
            Value::Short(value) => write!(f, "{value}"),
            Value::Long(value) => write!(f, "{value}"),
            Value::Double(value) => f.write_str(&java_double(*value)),
            Value::List(items) => f.write_str(&items.join(",")),
            Value::Password(_) => f.write_str(HIDDEN),
        }
    }
}

/// Passwords stay hidden in logs of the program too.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.in_messages())
    }
}

/// What stands for a password where values are shown.
pub const HIDDEN: &str = "[hidden]";

/// Java's `String.trim`: drops everything up to the space from both ends.
pub(crate) fn java_trim(text: &str) -> &str {
    text.trim_matches(|c| c <= ' ')
}

/// Elements of a list: split at commas, white space around each dropped, the empty text is the empty list.
fn split_list(trimmed: &str) -> Vec<String> {
    if trimmed.is_empty() {
        return Vec::new();
    }
    let white = |c: char| matches!(c, ' ' | '\t' | '\n' | '\x0B' | '\x0C' | '\r');
    trimmed
        .split(',')
        .map(|item| item.trim_matches(white).to_string())
        .collect()
}

/// Java's `Double.parseDouble` but for hexadecimal notation: a type suffix is allowed, Rust's short names are not.
fn parse_double(trimmed: &str) -> Option<f64> {
    let unsigned = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
    if matches!(unsigned, "NaN" | "Infinity") {
        return trimmed.parse().ok();
    }
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    trimmed
        .strip_suffix(['d', 'D', 'f', 'F'])
        .unwrap_or(trimmed)
        .parse()
        .ok()
}

/// Java's `Double.toString`: the shortest digits that read back, scientific outside 10^-3 to 10^7.
fn java_double(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_string();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_string();
    }
    let size = value.abs();
    if size == 0.0 || (1e-3..1e7).contains(&size) {
        return format!("{value:?}");
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').expect("Rust writes an exponent");
    let point = if digits.contains('.') { "" } else { ".0" };
    format!("{digits}{point}E{exponent}")
}
