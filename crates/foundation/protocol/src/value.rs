//! A message as a tree of values, and the JSON that Kafka's tools make of it.

use std::fmt::{self, Write};

use bytes::Bytes;

/// What [`Schema::read`](crate::Schema::read) yields. Shown (`Display`) as the JSON of Kafka's converters, on one line.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Null.
    Null,
    /// A boolean.
    Bool(bool),
    /// A whole number of any width.
    Int(i64),
    /// A number of type float64.
    Float(f64),
    /// A string; ids too.
    Text(String),
    /// Bytes, shown in base64.
    Bytes(Bytes),
    /// The elements of an array.
    Array(Vec<Value>),
    /// The fields of a struct, by name, in the schema's order.
    Struct(Vec<(&'static str, Value)>),
}

impl Value {
    /// The field of a struct.
    pub fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Self::Struct(fields) => fields.iter().find(|field| field.0 == name).map(|field| &field.1),
            _ => None,
        }
    }

    /// As [`Value::get`], to change it.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Value> {
        match self {
            Self::Struct(fields) => fields
                .iter_mut()
                .find(|field| field.0 == name)
                .map(|field| &mut field.1),
            _ => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) => write_double(f, *value),
            Self::Text(text) => write_string(f, text),
            Self::Bytes(bytes) => write_base64(f, bytes),
            Self::Array(elements) => {
                f.write_char('[')?;
                for (index, element) in elements.iter().enumerate() {
                    write!(f, "{}{element}", if index > 0 { "," } else { "" })?;
                }
                f.write_char(']')
            }
            Self::Struct(fields) => {
                f.write_char('{')?;
                for (index, (name, value)) in fields.iter().enumerate() {
                    write!(f, "{}\"{name}\":{value}", if index > 0 { "," } else { "" })?;
                }
                f.write_char('}')
            }
        }
    }
}

/// A string in quotes, escaped as Jackson escapes it: `"`, `\` and what comes before the space.
fn write_string(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            '\u{8}' => f.write_str("\\b")?,
            '\u{c}' => f.write_str("\\f")?,
            c if c < ' ' => write!(f, "\\u{:04X}", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

/// Standard base64 with padding, in quotes.
fn write_base64(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    f.write_char('"')?;
    for chunk in bytes.chunks(3) {
        let mut three = [0; 3];
        three[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
        for place in 0..4 {
            let index = (bits >> (18 - 6 * place)) as usize & 63;
            f.write_char(if place <= chunk.len() {
                char::from(ALPHABET[index])
            } else {
                '='
            })?;
        }
    }
    f.write_char('"')
}

/// As Java's `Double.toString`; what is no number in quotes, as Jackson has it.
fn write_double(f: &mut fmt::Formatter<'_>, value: f64) -> fmt::Result {
    if value.is_nan() {
        return f.write_str("\"NaN\"");
    }
    if value.is_infinite() {
        return f.write_str(if value > 0.0 { "\"Infinity\"" } else { "\"-Infinity\"" });
    }
    if value == 0.0 || (1e-3..1e7).contains(&value.abs()) {
        return write!(f, "{value:?}");
    }
    let text = format!("{value:e}");
    match text.split_once('e') {
        Some((digits, exponent)) if !digits.contains('.') => write!(f, "{digits}.0E{exponent}"),
        Some((digits, exponent)) => write!(f, "{digits}E{exponent}"),
        None => f.write_str(&text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_as_kafka_shows_them() {
        let text = |value: Value| value.to_string();
        assert_eq!(text(Value::Text("a\"\\\n\u{1}é/".into())), "\"a\\\"\\\\\\n\\u0001é/\"");
        assert_eq!(text(Value::Bytes(Bytes::from_static(b""))), "\"\"");
        assert_eq!(text(Value::Bytes(Bytes::from_static(b"a"))), "\"YQ==\"");
        assert_eq!(text(Value::Bytes(Bytes::from_static(&[255, 254]))), "\"//4=\"");
        assert_eq!(text(Value::Bytes(Bytes::from_static(b"abc"))), "\"YWJj\"");
        let fields = vec![
            ("a", Value::Null),
            ("b", Value::Array(vec![Value::Int(-1), Value::Bool(true)])),
        ];
        assert_eq!(text(Value::Struct(fields)), "{\"a\":null,\"b\":[-1,true]}");
    }

    #[test]
    fn doubles_are_shown_as_java_shows_them() {
        for (value, expected) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1000.0, "1000.0"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (1.25e10, "1.25E10"),
            (0.001, "0.001"),
            (0.0005, "5.0E-4"),
            (f64::NAN, "\"NaN\""),
            (f64::NEG_INFINITY, "\"-Infinity\""),
        ] {
            assert_eq!(Value::Float(value).to_string(), expected);
        }
    }
}
