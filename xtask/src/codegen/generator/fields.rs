//! Emits the fields of messages as data, in the order of the schema.

use super::message::snake;
use super::schema::{Field, Message, Struct, Type};

/// A constant for each struct within the message.
pub(crate) fn structs(message: &Message) -> String {
    let inner = message.structs.iter().skip(1);
    inner
        .map(|one| {
            format!(
                "\nconst {}: &[schema::Field] = {};\n",
                constant(&one.name),
                list(one, "")
            )
        })
        .collect()
}

/// The fields of a struct as an expression, indented by `indent`.
pub(crate) fn list(one: &Struct, indent: &str) -> String {
    // A field that only versions had which are gone has no place in any JSON.
    let fields = one.fields.iter().filter(|field| !field.versions.is_empty());
    let lines: String = fields
        .map(|field| format!("{indent}    {},\n", expression(field)))
        .collect();
    if lines.is_empty() {
        return "&[]".into();
    }
    format!("&[\n{lines}{indent}]")
}

fn expression(field: &Field) -> String {
    let mut text = format!(
        "schema::Field::new(\"{}\", {}, {}, {})",
        camel(&field.name),
        type_of(&field.ty),
        field.versions.min,
        bound(field.versions.max)
    );
    if !field.null.is_empty() || field.ty == Type::Records {
        let null = if field.null.is_empty() {
            field.versions
        } else {
            field.null
        };
        text += &format!(".null({}, {})", null.min, bound(null.max));
    }
    if let Some(tag) = field.tag {
        text += &format!(".tag({tag})");
    }
    if field.inflexible {
        text += ".inflexible()";
    }
    if let Some(default) = &field.default {
        text += &format!(".default(\"{}\")", default.trim_matches('"'));
    }
    text
}

fn bound(version: i16) -> String {
    match version {
        i16::MAX => "i16::MAX".into(),
        version => version.to_string(),
    }
}

fn type_of(ty: &Type) -> String {
    match ty {
        Type::Bool => "schema::Type::Bool".into(),
        Type::I8 => "schema::Type::I8".into(),
        Type::I16 | Type::ErrorCode => "schema::Type::I16".into(),
        Type::U16 => "schema::Type::U16".into(),
        Type::I32 => "schema::Type::I32".into(),
        Type::U32 => "schema::Type::U32".into(),
        Type::I64 => "schema::Type::I64".into(),
        Type::F64 => "schema::Type::F64".into(),
        Type::Uuid => "schema::Type::Uuid".into(),
        Type::String => "schema::Type::String".into(),
        Type::Bytes | Type::Records => "schema::Type::Bytes".into(),
        Type::Struct(name) => format!("schema::Type::Struct({})", constant(name)),
        Type::Array(element) => format!("schema::Type::Array(&{})", type_of(element)),
    }
}

/// `FetchTopic` as `FETCH_TOPIC`.
fn constant(name: &str) -> String {
    snake(name).to_uppercase()
}

/// `topic_id` as `topicId`.
fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let mut text = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut chars = word.chars();
        text.extend(chars.next().map(|first| first.to_ascii_uppercase()));
        text.push_str(chars.as_str());
    }
    text
}
