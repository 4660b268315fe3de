//! What is printed for a batch, a record or an entry: named values, as Kafka's text or as one object of JSON.

use std::io::Write as _;

use crate::output::{Failure, Out};

/// A value of a [`Line`].
pub(super) enum Value {
    Int(i64),
    Bool(bool),
    Text(String),
    List(Vec<String>),
    /// Printed as Java prints an `OptionalLong`; null in JSON when empty.
    Optional(Option<i64>),
    /// What a decoder made: text that already is JSON, or a sentence.
    Decoded(String),
    /// The JSON of a control record, which follows its name without a colon.
    Control(String),
}

/// One line of output.
pub(super) struct Line {
    kind: &'static str,
    fields: Vec<(&'static str, Value)>,
}

impl Line {
    /// `kind` says in JSON what the line is about.
    pub(super) fn new(kind: &'static str) -> Line {
        Line {
            kind,
            fields: Vec::new(),
        }
    }

    pub(super) fn int(self, name: &'static str, value: impl Into<i64>) -> Line {
        self.with(name, Value::Int(value.into()))
    }

    pub(super) fn bool(self, name: &'static str, value: bool) -> Line {
        self.with(name, Value::Bool(value))
    }

    pub(super) fn text(self, name: &'static str, value: impl Into<String>) -> Line {
        self.with(name, Value::Text(value.into()))
    }

    pub(super) fn with(mut self, name: &'static str, value: Value) -> Line {
        self.fields.push((name, value));
        self
    }

    /// Prints it; in text behind `prefix`.
    pub(super) fn print(&self, prefix: &str, out: &mut Out) -> Result<(), Failure> {
        if out.is_json() {
            write!(out, "{{\"type\":\"{}\"", self.kind)?;
            for (name, value) in &self.fields {
                write!(out, ",\"{name}\":")?;
                value.write_json(out)?;
            }
            return Ok(out.write_all(b"}\n")?);
        }
        for (index, (name, value)) in self.fields.iter().enumerate() {
            let before = if index == 0 { prefix } else { " " };
            let colon = if matches!(value, Value::Control(_)) { "" } else { ":" };
            write!(out, "{before}{name}{colon} ")?;
            value.write_text(out)?;
        }
        Ok(out.write_all(b"\n")?)
    }
}

impl Value {
    fn write_text(&self, out: &mut Out) -> Result<(), Failure> {
        match self {
            Value::Int(value) => write!(out, "{value}")?,
            Value::Bool(value) => write!(out, "{value}")?,
            Value::Text(text) | Value::Decoded(text) | Value::Control(text) => out.write_all(text.as_bytes())?,
            Value::List(elements) => write!(out, "[{}]", elements.join(","))?,
            Value::Optional(None) => out.write_all(b"OptionalLong.empty")?,
            Value::Optional(Some(value)) => write!(out, "OptionalLong[{value}]")?,
        }
        Ok(())
    }

    fn write_json(&self, out: &mut Out) -> Result<(), Failure> {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        match self {
            Value::Int(value) => write!(out, "{value}")?,
            Value::Bool(value) => write!(out, "{value}")?,
            Value::Text(text) => out.write_all(quoted(text).as_bytes())?,
            Value::Decoded(text) | Value::Control(text) => {
                let is_json = text.starts_with('{') && serde_json::from_str::<serde_json::Value>(text).is_ok();
                match is_json {
                    true => out.write_all(text.as_bytes())?,
                    false => out.write_all(quoted(text).as_bytes())?,
                }
            }
            Value::List(elements) => {
                let elements: Vec<String> = elements.iter().map(|element| quoted(element)).collect();
                write!(out, "[{}]", elements.join(","))?;
            }
            Value::Optional(None) => out.write_all(b"null")?,
            Value::Optional(Some(value)) => write!(out, "{value}")?,
        }
        Ok(())
    }
}
