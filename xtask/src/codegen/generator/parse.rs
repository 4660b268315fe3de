//! Reads the schema notation.
//!
//! ```text
//! # a comment
//! FetchRequest: request 1, versions 4-18, flexible 12+
//!   cluster_id: string? 12+ tag 0 ignorable = null
//!   topics: [FetchTopic]
//!     topic: string 0-12
//! ```
//!
//! A message starts at the margin with its kind, its key if it has one, its versions and its flexible versions. Fields
//! follow, indented, those of a struct under the field that names it. A struct that several fields share stands under
//! `struct Name`. After its type a field has, in this order and as far as needed: the versions that have it (else all),
//! `null VERSIONS` when only these allow null (a `?` after the type stands for all), `tag N`, `inflexible`, `ignorable`
//! (dropped silently where a version lacks it), and `= default` where that is not zero or empty.

use std::path::Path;

use super::schema::{Field, Kind, Message, Struct, Type, Versions};

/// Adds the messages of one schema file.
pub(crate) fn parse(path: &Path, text: &str, messages: &mut Vec<Message>) -> Result<(), String> {
    let mut open: Vec<Open> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        parse_line(line, messages, &mut open).map_err(|error| format!("{}:{}: {error}", path.display(), number + 1))?;
    }
    messages
        .iter_mut()
        .try_for_each(|message| settle(message).map_err(|error| format!("{}: {error}", message.name)))
}

/// Drops the empty structs that uses of shared structs left, and checks that every struct is there once.
fn settle(message: &mut Message) -> Result<(), String> {
    let top = message.name.clone();
    message
        .structs
        .retain(|candidate| candidate.name == top || !candidate.fields.is_empty());
    for (index, one) in message.structs.iter().enumerate() {
        if message.structs[..index].iter().any(|other| other.name == one.name) {
            return Err(format!("{} is declared twice", one.name));
        }
        for field in &one.fields {
            if let Some(name) = field.ty.struct_name().filter(|name| message.find(name).is_none()) {
                return Err(format!("{name} is not declared"));
            }
            if field.tag.is_some() && field.ty == Type::Records {
                return Err(format!(
                    "{}: records may lie outside the frame, so they cannot be tagged",
                    field.name
                ));
            }
        }
    }
    Ok(())
}

/// A struct whose fields may follow, deeper than `indent`; `None` for a field that is no struct.
struct Open {
    indent: usize,
    index: Option<usize>,
}

fn parse_line(line: &str, messages: &mut Vec<Message>, open: &mut Vec<Open>) -> Result<(), String> {
    let indent = line.len() - line.trim_start().len();
    while open.pop_if(|open| open.indent >= indent).is_some() {}
    if indent == 0 {
        messages.push(message(line)?);
        open.push(Open { indent, index: Some(0) });
        return Ok(());
    }
    let message = messages.last_mut().ok_or("a field before the first message")?;
    if let Some(rest) = line.trim().strip_prefix("struct ") {
        let (name, own) = rest.split_once(' ').unwrap_or((rest, "0+"));
        open.push(Open {
            indent,
            index: Some(message.structs.len()),
        });
        message.structs.push(Struct {
            name: name.into(),
            versions: versions(own)?.intersect(message.versions),
            fields: Vec::new(),
        });
        return Ok(());
    }
    let parent = open
        .last()
        .and_then(|open| open.index)
        .ok_or("fields under something that is no struct")?;
    let field = field(line.trim(), message.structs[parent].versions)?;
    // Fields may follow; where none do, a shared struct is meant and the empty one is dropped by `settle`.
    let index = field.ty.struct_name().map(|name| {
        message.structs.push(Struct {
            name: name.into(),
            versions: field.versions,
            fields: Vec::new(),
        });
        message.structs.len() - 1
    });
    message.structs[parent].fields.push(field);
    open.push(Open { indent, index });
    Ok(())
}

fn message(line: &str) -> Result<Message, String> {
    let (name, rest) = line.split_once(": ").ok_or("a message without a kind")?;
    let mut parts = rest.split(", ");
    let head = parts.next().unwrap_or_default();
    let (kind, key) = head
        .split_once(' ')
        .map_or((head, None), |(kind, key)| (kind, Some(key)));
    let kind = match kind {
        "request" => Kind::Request,
        "response" => Kind::Response,
        "header" => Kind::Header,
        "metadata" => Kind::Metadata,
        "coordinator-key" => Kind::CoordinatorKey,
        "coordinator-value" => Kind::CoordinatorValue,
        "remote-log" => Kind::RemoteLog,
        "data" => Kind::Data,
        other => return Err(format!("unknown kind {other}")),
    };
    let key = key
        .map(|key| key.parse().map_err(|_| format!("{key} is no key")))
        .transpose()?;
    let mut message = Message {
        name: name.into(),
        kind,
        key,
        versions: Versions::NONE,
        flexible: Versions::NONE,
        latest_unstable: false,
        structs: Vec::new(),
    };
    for part in parts {
        match part.split_once(' ') {
            Some(("versions", range)) => message.versions = versions(range)?,
            Some(("flexible", range)) => message.flexible = versions(range)?,
            Some(("latest", "unstable")) => message.latest_unstable = true,
            _ => return Err(format!("unknown part {part}")),
        }
    }
    message.structs.push(Struct {
        name: message.name.clone(),
        versions: message.versions,
        fields: Vec::new(),
    });
    Ok(message)
}

fn field(line: &str, parent: Versions) -> Result<Field, String> {
    let (line, default) = line
        .split_once(" = ")
        .map_or((line, None), |(line, default)| (line, Some(default.to_owned())));
    let (name, rest) = line.split_once(": ").ok_or("a field without a type")?;
    let mut words = rest.split(' ').peekable();
    let ty = words.next().unwrap_or_default();
    let always_null = ty.ends_with('?');
    let ty = ty.trim_end_matches('?');
    let own = match words.next_if(|word| word.starts_with(|c: char| c.is_ascii_digit())) {
        Some(word) => versions(word)?.intersect(parent),
        None => parent,
    };
    let mut field = Field {
        name: name.into(),
        ty: type_named(ty),
        versions: own,
        null: if always_null { own } else { Versions::NONE },
        nullable: always_null,
        tag: None,
        ignorable: false,
        inflexible: false,
        default,
    };
    while let Some(word) = words.next() {
        match word {
            "null" => {
                field.null = versions(words.next().unwrap_or_default())?.intersect(own);
                field.nullable = true;
            }
            "tag" => {
                field.tag = Some(
                    words
                        .next()
                        .and_then(|tag| tag.parse().ok())
                        .ok_or("a tag without a number")?,
                )
            }
            "inflexible" => field.inflexible = true,
            "ignorable" => field.ignorable = true,
            other => return Err(format!("unknown word {other}")),
        }
    }
    Ok(field)
}

fn type_named(name: &str) -> Type {
    match name {
        "bool" => Type::Bool,
        "i8" => Type::I8,
        "i16" => Type::I16,
        "u16" => Type::U16,
        "i32" => Type::I32,
        "u32" => Type::U32,
        "i64" => Type::I64,
        "f64" => Type::F64,
        "uuid" => Type::Uuid,
        "error_code" => Type::ErrorCode,
        "string" => Type::String,
        "bytes" => Type::Bytes,
        "records" => Type::Records,
        name => match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
            Some(element) => Type::Array(Box::new(type_named(element))),
            None => Type::Struct(name.into()),
        },
    }
}

/// `3`, `3+`, `3-5` or `none`.
fn versions(text: &str) -> Result<Versions, String> {
    let number = |text: &str| text.parse::<i16>().map_err(|_| format!("{text} is no version"));
    if text == "none" {
        return Ok(Versions::NONE);
    }
    if let Some(min) = text.strip_suffix('+') {
        return Ok(Versions {
            min: number(min)?,
            max: i16::MAX,
        });
    }
    let (min, max) = text.split_once('-').unwrap_or((text, text));
    Ok(Versions {
        min: number(min)?,
        max: number(max)?,
    })
}
