//! Emits how a struct is read and written: about one line per field and direction.

use super::message::{default, ident, is_option};
use super::schema::{Field, Message, Struct, Type, Versions};

/// `impl Wire` of one struct.
pub(crate) fn emit(message: &Message, one: &Struct) -> String {
    let (read, write) = (read(message, one), write(message, one));
    let min_size = min_size(message, one);
    format!(
        "\nimpl Wire for {} {{\n    const MIN_SIZE: usize = {min_size};\n\n    \
         fn read({}: &mut Reader, {}: bool, {}: i16) -> Result<Self, DecodeError> {{\n{read}    }}\n\n    \
         fn write(&self, {}: &mut Writer, {}: bool, {}: i16) -> Result<(), EncodeError> {{\n{write}    }}\n}}\n",
        one.name,
        if_used("r", &read),
        if_used("f", &read),
        if_used("v", &read),
        if_used("w", &write),
        if_used("f", &write),
        if_used("v", &write),
    )
}

fn if_used(name: &'static str, body: &str) -> &'static str {
    let used = body
        .split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .any(|word| word == name);
    if used { name } else { "_" }
}

/// When a field is there, among the versions that reach the place.
#[derive(Clone, Debug, PartialEq, Eq)]
enum When {
    Always,
    Never,
    If(String),
}

fn when(versions: Versions, among: Versions) -> When {
    let both = versions.intersect(among);
    if both.is_empty() {
        return When::Never;
    }
    match (both.min > among.min, both.max < among.max) {
        (false, false) => When::Always,
        (true, false) => When::If(format!("v >= {}", both.min)),
        (false, true) => When::If(format!("v <= {}", both.max)),
        (true, true) if both.min == both.max => When::If(format!("v == {}", both.min)),
        (true, true) => When::If(format!("({}..={}).contains(&v)", both.min, both.max)),
    }
}

/// The condition as an expression.
fn bool_of(when: When) -> String {
    match when {
        When::Always => "true".into(),
        When::Never => "false".into(),
        When::If(condition) => condition,
    }
}

fn flexible(field: &Field) -> &'static str {
    if field.inflexible { "false" } else { "f" }
}

/// Whether null is allowed, as an expression, among the versions in which the field is there.
fn nullable(field: &Field) -> String {
    bool_of(when(field.null, field.versions))
}

fn read(message: &Message, one: &Struct) -> String {
    let tagged: Vec<&Field> = one.fields.iter().filter(|field| field.tag.is_some()).collect();
    let mut text = String::from(if tagged.is_empty() {
        "        Ok(Self {\n"
    } else {
        "        let mut m = Self {\n"
    });
    for field in &one.fields {
        let value = match (field.tag, when(field.versions, one.versions)) {
            (Some(_), _) | (_, When::Never) => default(field),
            (None, When::Always) => read_value(field),
            (None, When::If(condition)) => format!(
                "if {condition} {{ {} }} else {{ {} }}",
                read_value(field),
                default(field)
            ),
        };
        text += &format!("            {}: {value},\n", ident(field));
    }
    if tagged.is_empty() {
        if message.is_flexible() {
            text += "            unknown_tagged_fields: r.unknown_tags(f)?,\n";
        }
        return text + "        })\n";
    }
    text += "            unknown_tagged_fields: Vec::new(),\n        };\n";
    text += "        m.unknown_tagged_fields = r.tagged_fields(f, |r, tag| {\n            match tag {\n";
    for field in tagged {
        let guard = match when(field.versions, one.versions.intersect(message.flexible)) {
            When::If(condition) => format!(" if {condition}"),
            _ => String::new(),
        };
        text += &format!(
            "                {}{guard} => m.{} = {},\n",
            field.tag.unwrap_or_default(),
            ident(field),
            read_value(field)
        );
    }
    text + "                _ => return Ok(false),\n            }\n            Ok(true)\n        })?;\n        Ok(m)\n"
}

fn read_value(field: &Field) -> String {
    let (f, null) = (flexible(field), nullable(field));
    match &field.ty {
        Type::Bool => "r.bool()?".into(),
        Type::I8 => "r.i8()?".into(),
        Type::I16 => "r.i16()?".into(),
        Type::U16 => "r.u16()?".into(),
        Type::I32 => "r.i32()?".into(),
        Type::U32 => "r.u32()?".into(),
        Type::I64 => "r.i64()?".into(),
        Type::F64 => "r.f64()?".into(),
        Type::Uuid => "r.uuid()?".into(),
        Type::ErrorCode => "r.error_code()?".into(),
        Type::String if is_option(field) => format!("r.opt_string({f}, {null})?"),
        Type::String => format!("r.string({f})?"),
        Type::Bytes if is_option(field) => format!("r.opt_bytes({f}, {null})?"),
        Type::Bytes => format!("r.bytes({f})?"),
        Type::Records => format!("r.opt_records({f}, {null})?"),
        Type::Array(_) if is_option(field) => format!("r.opt_array({f}, v, {null})?"),
        Type::Array(_) => format!("r.array({f}, v)?"),
        Type::Struct(_) if is_option(field) && field.tag.is_some() => format!("r.opt_tagged_struct({f}, v)?"),
        Type::Struct(_) if is_option(field) => format!("r.opt_struct({f}, v, {null})?"),
        Type::Struct(_) => format!("Wire::read(r, {f}, v)?"),
    }
}

fn write(message: &Message, one: &Struct) -> String {
    let mut text = String::new();
    for field in &one.fields {
        let when = when(field.versions, one.versions);
        let checked = !field.ignorable && when != When::Always;
        let require = format!("require_default({}, \"{}\", v)?;", is_default(field), field.name);
        text += &match (field.tag, when) {
            (None, When::Always) => format!("        {};\n", write_value(field, "?")),
            (None, When::If(condition)) => {
                let otherwise = if checked {
                    format!(" else {{ {require} }}")
                } else {
                    String::new()
                };
                format!("        if {condition} {{ {}; }}{otherwise}\n", write_value(field, "?"))
            }
            // Tagged fields never go away again, so only versions before the first lack one.
            (Some(_), When::If(_)) if checked => format!("        if v < {} {{ {require} }}\n", field.versions.min),
            (_, When::Never) if checked => format!("        {require}\n"),
            _ => String::new(),
        };
    }
    let mut tagged: Vec<&Field> = one.fields.iter().filter(|field| field.tag.is_some()).collect();
    tagged.sort_by_key(|field| field.tag);
    if tagged.is_empty() {
        return text
            + if message.is_flexible() {
                "        w.unknown_tags(f, &self.unknown_tagged_fields)\n"
            } else {
                "        Ok(())\n"
            };
    }
    text += "        let mut tags = w.tagged_fields(f, &self.unknown_tagged_fields)?;\n";
    for field in tagged {
        let condition = match when(field.versions, one.versions) {
            When::If(condition) => format!("{condition} && "),
            _ => String::new(),
        };
        let value = write_value(field, "");
        let value = if is_infallible(field) {
            format!("{{ {value}; Ok(()) }}")
        } else {
            value
        };
        let tag = field.tag.unwrap_or_default();
        text += &format!(
            "        if {condition}{} {{ tags.field({tag}, |w| {value})?; }}\n",
            not(&is_default(field))
        );
    }
    text + "        tags.finish()\n"
}

fn is_infallible(field: &Field) -> bool {
    !matches!(
        field.ty,
        Type::String | Type::Bytes | Type::Records | Type::Array(_) | Type::Struct(_)
    )
}

/// The opposite of a condition made by [`is_default`].
fn not(condition: &str) -> String {
    if let Some(rest) = condition.strip_prefix('!') {
        rest.into()
    } else if condition.contains(" == ") {
        condition.replace(" == ", " != ")
    } else if let Some(rest) = condition.strip_suffix(".is_none()") {
        format!("{rest}.is_some()")
    } else {
        format!("!{condition}")
    }
}

/// Whether the field has its default, as an expression.
fn is_default(field: &Field) -> String {
    let this = format!("self.{}", ident(field));
    let default = default(field);
    let empty = match field.ty {
        Type::String => "String::is_empty",
        Type::Bytes => "Bytes::is_empty",
        Type::Array(_) => "Vec::is_empty",
        _ => "",
    };
    match default.as_str() {
        "None" => format!("{this}.is_none()"),
        "true" => this,
        "false" => format!("!{this}"),
        _ if empty.is_empty() => format!("{this} == {default}"),
        _ if is_option(field) => format!("{this}.as_ref().is_some_and({empty})"),
        _ => format!("{this}.is_empty()"),
    }
}

/// A call that writes the field; `?` follows as given where the call can fail.
fn write_value(field: &Field, question: &str) -> String {
    let (f, null) = (flexible(field), nullable(field));
    let (name, this) = (&field.name, format!("self.{}", ident(field)));
    match &field.ty {
        Type::Bool => format!("w.bool({this})"),
        Type::I8 => format!("w.i8({this})"),
        Type::I16 => format!("w.i16({this})"),
        Type::U16 => format!("w.u16({this})"),
        Type::I32 => format!("w.i32({this})"),
        Type::U32 => format!("w.u32({this})"),
        Type::I64 => format!("w.i64({this})"),
        Type::F64 => format!("w.f64({this})"),
        Type::Uuid => format!("w.uuid({this})"),
        Type::ErrorCode => format!("w.error_code({this})"),
        Type::String if is_option(field) => format!("w.opt_string({f}, {null}, \"{name}\", &{this}){question}"),
        Type::String => format!("w.string({f}, &{this}){question}"),
        Type::Bytes if is_option(field) => format!("w.opt_bytes({f}, {null}, \"{name}\", &{this}){question}"),
        Type::Bytes => format!("w.bytes({f}, &{this}){question}"),
        Type::Records => format!("w.opt_records({f}, {null}, \"{name}\", &{this}){question}"),
        Type::Array(_) if is_option(field) => format!("w.opt_array({f}, v, {null}, \"{name}\", &{this}){question}"),
        Type::Array(_) => format!("w.array({f}, v, &{this}){question}"),
        Type::Struct(_) if is_option(field) && field.tag.is_some() => {
            format!("w.opt_tagged_struct({f}, v, &{this}){question}")
        }
        Type::Struct(_) if is_option(field) => format!("w.opt_struct({f}, v, {null}, \"{name}\", &{this}){question}"),
        Type::Struct(_) => format!("{this}.write(w, {f}, v){question}"),
    }
}

/// Fewest bytes of the struct in any of its versions, at least 1.
fn min_size(message: &Message, one: &Struct) -> usize {
    let last = one.versions.max.min(message.versions.max);
    (one.versions.min..=last)
        .map(|version| min_size_in(message, one, version))
        .min()
        .unwrap_or(1)
        .max(1)
}

fn min_size_in(message: &Message, one: &Struct, version: i16) -> usize {
    let flexible = message.flexible.contains(version);
    let fields = one
        .fields
        .iter()
        .filter(|field| field.tag.is_none() && field.versions.contains(version));
    let sizes = fields.map(|field| {
        let compact = flexible && !field.inflexible;
        match &field.ty {
            Type::Bool | Type::I8 => 1,
            Type::I16 | Type::U16 | Type::ErrorCode => 2,
            Type::I32 | Type::U32 => 4,
            Type::I64 | Type::F64 => 8,
            Type::Uuid => 16,
            Type::String => {
                if compact {
                    1
                } else {
                    2
                }
            }
            Type::Bytes | Type::Records | Type::Array(_) => {
                if compact {
                    1
                } else {
                    4
                }
            }
            Type::Struct(_) if field.null.contains(version) => 1,
            Type::Struct(name) => message
                .find(name)
                .map_or(0, |inner| min_size_in(message, inner, version)),
        }
    });
    sizes.sum::<usize>() + usize::from(flexible)
}
