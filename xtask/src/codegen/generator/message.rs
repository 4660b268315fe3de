//! Emits the module of one message: its structs, their defaults, its traits.

use super::schema::{Field, Kind, Message, Struct, Type};
use super::{codec, fields};

/// `FetchRequest` as `fetch_request`.
pub(crate) fn snake(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut out = String::new();
    for (at, c) in chars.iter().enumerate() {
        let after_lower = at > 0 && !chars[at - 1].is_uppercase();
        let before_lower = chars.get(at + 1).is_some_and(|next| next.is_lowercase());
        if c.is_uppercase() && at > 0 && (after_lower || before_lower) {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    out
}

/// The field's name in Rust.
pub(crate) fn ident(field: &Field) -> String {
    match field.name.as_str() {
        "type" | "match" => format!("{}_", field.name),
        name => name.into(),
    }
}

/// Whether the field is an `Option`.
pub(crate) fn is_option(field: &Field) -> bool {
    field.nullable || field.ty == Type::Records
}

/// The text of the message's module.
pub(crate) fn emit(message: &Message) -> String {
    let mut body = String::new();
    for (index, one) in message.structs.iter().enumerate() {
        body += &declaration(message, one, index == 0);
        body += &codec::emit(message, one);
        if index == 0 {
            body += &traits(message);
        }
    }
    body += &fields::structs(message);
    format!("//! {}\n\n{}{body}", summary(message), imports(&body))
}

fn summary(message: &Message) -> String {
    let what = match (message.kind, message.key) {
        (Kind::Request | Kind::Response, Some(key)) => format!("Api {key}, versions"),
        (Kind::Metadata | Kind::RemoteLog | Kind::CoordinatorValue, Some(key)) => {
            format!("Record type {key}, versions")
        }
        (Kind::CoordinatorKey, Some(key)) => format!("Key of record type {key}, versions"),
        _ => "Versions".into(),
    };
    let unstable = if message.latest_unstable {
        " (the latest is unstable)"
    } else {
        ""
    };
    format!(
        "`{}`. {what} {}{unstable}, flexible {}.",
        message.name, message.versions, message.flexible
    )
}

/// `use` of whatever the text names.
fn imports(body: &str) -> String {
    const CRATE: [&str; 14] = [
        "ApiKey",
        "DecodeError",
        "EncodeError",
        "ErrorCode",
        "Message",
        "RawTaggedField",
        "Reader",
        "Records",
        "Request",
        "Response",
        "Uuid",
        "Wire",
        "Writer",
        "require_default",
    ];
    // `type Response` names an associated type, not the trait.
    // So do the types of fields as data.
    let body = body
        .replace("type Response = crate::messages::", "")
        .replace("schema::Type::Bytes", "")
        .replace("schema::Type::Uuid", "");
    let used = |name: &str| {
        body.split(|c: char| !(c.is_alphanumeric() || c == '_'))
            .any(|word| word == name)
    };
    let mut text = String::new();
    if used("Bytes") {
        text += "use bytes::Bytes;\n\n";
    }
    if used("require_default") {
        text += "use crate::message::require_default;\n";
    }
    let names: Vec<&str> = CRATE
        .into_iter()
        .filter(|name| *name != "require_default" && used(name))
        .collect();
    text + &format!("use crate::{{{}, schema}};\n", names.join(", "))
}

fn declaration(message: &Message, one: &Struct, is_top: bool) -> String {
    let doc = if is_top {
        summary(message)
    } else {
        format!("Part of [`{}`].", message.name)
    };
    let plain = one.fields.iter().all(|field| {
        field.default.is_none() && (!field.nullable || field.ty == Type::Records) || default(field) == "None"
    });
    let derived = if plain { ", Default" } else { "" };
    let mut text = format!(
        "\n/// {doc}\n#[derive(Clone, Debug{derived}, PartialEq)]\npub struct {} {{\n",
        one.name
    );
    for field in &one.fields {
        text += &format!(
            "    /// {}\n    pub {}: {},\n",
            field_doc(one, field),
            ident(field),
            field_type(field)
        );
    }
    if message.is_flexible() {
        text += "    /// Tagged fields that the schema does not know.\n    pub unknown_tagged_fields: Vec<RawTaggedField>,\n";
    }
    text += "}\n";
    if !plain {
        text += &format!(
            "\nimpl Default for {} {{\n    fn default() -> Self {{\n        Self {{\n",
            one.name
        );
        for field in &one.fields {
            text += &format!("            {}: {},\n", ident(field), default(field));
        }
        if message.is_flexible() {
            text += "            unknown_tagged_fields: Vec::new(),\n";
        }
        text += "        }\n    }\n}\n";
    }
    text
}

fn field_doc(one: &Struct, field: &Field) -> String {
    let mut parts = Vec::new();
    if field.versions.is_empty() {
        parts.push("In no version any more".into());
    } else if field.versions == one.versions {
        parts.push("In every version".into());
    } else {
        let plural = if field.versions.min == field.versions.max {
            ""
        } else {
            "s"
        };
        parts.push(format!("In version{plural} {}", field.versions));
    }
    if !field.null.is_empty() {
        parts.push(if field.null == field.versions {
            "can be null".into()
        } else {
            format!("can be null in {}", field.null)
        });
    }
    if let Some(tag) = field.tag {
        parts.push(format!("tag {tag}"));
    }
    if let Some(default) = &field.default {
        parts.push(format!("default {default}"));
    }
    format!("{}.", parts.join(", "))
}

fn field_type(field: &Field) -> String {
    let name = type_name(&field.ty);
    if is_option(field) {
        format!("Option<{name}>")
    } else {
        name
    }
}

fn type_name(ty: &Type) -> String {
    match ty {
        Type::Bool => "bool".into(),
        Type::I8 => "i8".into(),
        Type::I16 => "i16".into(),
        Type::U16 => "u16".into(),
        Type::I32 => "i32".into(),
        Type::U32 => "u32".into(),
        Type::I64 => "i64".into(),
        Type::F64 => "f64".into(),
        Type::Uuid => "Uuid".into(),
        Type::ErrorCode => "ErrorCode".into(),
        Type::String => "String".into(),
        Type::Bytes => "Bytes".into(),
        Type::Records => "Records".into(),
        Type::Struct(name) => name.clone(),
        Type::Array(element) => format!("Vec<{}>", type_name(element)),
    }
}

/// The field's default as an expression. A nullable field without a default is empty, not null, as in Kafka.
pub(crate) fn default(field: &Field) -> String {
    if field.ty == Type::Records || field.default.as_deref() == Some("null") {
        return "None".into();
    }
    let value = field.default.clone().unwrap_or_else(|| match &field.ty {
        Type::Bool => "false".into(),
        Type::F64 => "0.0".into(),
        Type::Uuid => "Uuid::ZERO".into(),
        Type::ErrorCode => "ErrorCode::NONE".into(),
        Type::String => "String::new()".into(),
        Type::Bytes => "Bytes::new()".into(),
        Type::Struct(name) => format!("{name}::default()"),
        Type::Array(_) => "Vec::new()".into(),
        _ => "0".into(),
    });
    if is_option(field) {
        format!("Some({value})")
    } else {
        value
    }
}

fn traits(message: &Message) -> String {
    let name = &message.name;
    let flexible = if message.is_flexible() {
        message.flexible.min.to_string()
    } else {
        "i16::MAX".into()
    };
    let mut text = format!(
        "\nimpl Message for {name} {{\n    const NAME: &'static str = \"{name}\";\n    const MIN_VERSION: i16 = {};\n    \
         const MAX_VERSION: i16 = {};\n    const FLEXIBLE_FROM: i16 = {flexible};\n    const FIELDS: &'static [schema::Field] = {};\n}}\n",
        message.versions.min,
        message.versions.max,
        fields::list(&message.structs[0], "    "),
    );
    if let (Kind::Request, Some(api)) = (message.kind, name.strip_suffix("Request")) {
        text += &format!(
            "\nimpl Request for {name} {{\n    const KEY: ApiKey = ApiKey::{api};\n    \
             type Response = crate::messages::{api}Response;\n}}\n"
        );
    }
    if let (Kind::Response, Some(api)) = (message.kind, name.strip_suffix("Response")) {
        text += &format!("\nimpl Response for {name} {{\n    const KEY: ApiKey = ApiKey::{api};\n}}\n");
    }
    text
}
