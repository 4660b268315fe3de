//! What a message looks like, as data: for whoever shows messages whose type is only known when the program runs.

use crate::error::DecodeErrorKind;
use crate::{DecodeError, MAX_ARRAY_ELEMENTS, Message, Reader, Value};

/// A message: its versions and its fields.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    /// Kafka's name.
    pub name: &'static str,
    /// Lowest and highest version that can be read.
    pub versions: (i16, i16),
    /// First flexible version, or `i16::MAX`.
    pub flexible_from: i16,
    /// In the order in which they are written and shown.
    pub fields: &'static [Field],
}

/// A field of a message or of a struct in it.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// In camel case, as Kafka's JSON has it.
    pub name: &'static str,
    /// What it holds.
    pub ty: Type,
    /// First and last version that has it.
    pub versions: (i16, i16),
    /// First and last version in which it can be null; none when the first is the greater.
    pub null: (i16, i16),
    /// The tag of a tagged field.
    pub tag: Option<u32>,
    /// Never in compact form, not even in flexible versions.
    pub inflexible: bool,
    /// The default that is not the type's own; `null` for null.
    pub default: Option<&'static str>,
}

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub enum Type {
    /// One byte, 0 or 1.
    Bool,
    /// One byte, signed.
    I8,
    /// Two bytes, signed.
    I16,
    /// Two bytes.
    U16,
    /// Four bytes, signed.
    I32,
    /// Four bytes.
    U32,
    /// Eight bytes, signed.
    I64,
    /// Eight bytes, IEEE 754.
    F64,
    /// Sixteen bytes.
    Uuid,
    /// UTF-8 behind its length.
    String,
    /// Bytes behind their length.
    Bytes,
    /// A struct with these fields.
    Struct(&'static [Field]),
    /// Elements behind their count.
    Array(&'static Type),
}

impl Schema {
    /// The schema of a message type.
    pub const fn of<M: Message>() -> Self {
        Self {
            name: M::NAME,
            versions: (M::MIN_VERSION, M::MAX_VERSION),
            flexible_from: M::FLEXIBLE_FROM,
            fields: M::FIELDS,
        }
    }

    /// Reads a message in `version`, as [`Message::decode`] does. What Kafka's JSON leaves out is left out: fields that
    /// the version lacks, tagged fields that have their default, and tags that the schema does not know.
    pub fn read(&self, r: &mut Reader, version: i16) -> Result<Value, DecodeError> {
        if version < self.versions.0 || version > self.versions.1 {
            let kind = DecodeErrorKind::UnsupportedVersion {
                message: self.name,
                version,
            };
            return Err(DecodeError { at: r.position(), kind });
        }
        read_struct(self.fields, r, version >= self.flexible_from, version)
    }
}

impl Field {
    /// A field without tag, null or default.
    pub(crate) const fn new(name: &'static str, ty: Type, first: i16, last: i16) -> Self {
        Self {
            name,
            ty,
            versions: (first, last),
            null: (0, -1),
            tag: None,
            inflexible: false,
            default: None,
        }
    }

    /// Makes it null in these versions.
    pub(crate) const fn null(self, first: i16, last: i16) -> Self {
        Self {
            null: (first, last),
            ..self
        }
    }

    /// Makes it tagged.
    pub(crate) const fn tag(self, tag: u32) -> Self {
        Self { tag: Some(tag), ..self }
    }

    /// Keeps it out of the compact form.
    pub(crate) const fn inflexible(self) -> Self {
        Self {
            inflexible: true,
            ..self
        }
    }

    /// Gives it a default.
    pub(crate) const fn default(self, default: &'static str) -> Self {
        Self {
            default: Some(default),
            ..self
        }
    }

    fn is_in(&self, version: i16) -> bool {
        self.versions.0 <= version && version <= self.versions.1
    }

    fn is_nullable(&self, version: i16) -> bool {
        self.null.0 <= version && version <= self.null.1
    }

    /// Whether a value is what an absent tagged field stands for.
    fn is_default(&self, value: &Value) -> bool {
        match (self.default, value) {
            (Some("null"), value) => *value == Value::Null,
            (Some(text), Value::Bool(value)) => text == value.to_string(),
            (Some(text), Value::Int(value)) => text == value.to_string(),
            (Some(text), Value::Text(value)) => text == value,
            (Some(_), _) => false,
            (None, value) => is_empty(&self.ty, value),
        }
    }
}

/// Whether a value is its type's own default.
fn is_empty(ty: &Type, value: &Value) -> bool {
    match (ty, value) {
        (Type::Uuid, Value::Text(id)) => *id == crate::Uuid::ZERO.to_string(),
        (_, Value::Bool(value)) => !value,
        (_, Value::Int(value)) => *value == 0,
        (_, Value::Float(value)) => *value == 0.0,
        (_, Value::Text(value)) => value.is_empty(),
        (_, Value::Bytes(value)) => value.is_empty(),
        (_, Value::Array(elements)) => elements.is_empty(),
        (Type::Struct(fields), Value::Struct(values)) => values.iter().all(|(name, value)| {
            let field = fields.iter().find(|field| field.name == *name);
            field.is_some_and(|field| field.is_default(value))
        }),
        _ => false,
    }
}

fn read_struct(fields: &'static [Field], r: &mut Reader, flexible: bool, version: i16) -> Result<Value, DecodeError> {
    let mut values = vec![None; fields.len()];
    for (field, value) in fields.iter().zip(&mut values) {
        if field.tag.is_none() && field.is_in(version) {
            *value = Some(read_field(field, r, flexible, version)?);
        }
    }
    r.tagged_fields(flexible, |r, tag| {
        let known = |field: &Field| field.tag == Some(tag) && field.is_in(version);
        let Some(index) = fields.iter().position(known) else {
            return Ok(false);
        };
        let value = read_field(&fields[index], r, flexible, version)?;
        values[index] = Some(value).filter(|value| !fields[index].is_default(value));
        Ok(true)
    })?;
    let named = fields.iter().zip(values);
    Ok(Value::Struct(
        named.filter_map(|(field, value)| Some((field.name, value?))).collect(),
    ))
}

fn read_field(field: &'static Field, r: &mut Reader, flexible: bool, version: i16) -> Result<Value, DecodeError> {
    let nullable = field.is_nullable(version);
    let flexible = flexible && !field.inflexible;
    if let Type::Struct(_) = field.ty {
        let is_null = match field.tag {
            _ if !nullable => false,
            Some(_) => r.unsigned_varint()? == 0,
            None => r.i8()? < 0,
        };
        if is_null {
            return Ok(Value::Null);
        }
    }
    read_value(&field.ty, nullable, r, flexible, version)
}

fn read_value(
    ty: &'static Type,
    nullable: bool,
    r: &mut Reader,
    flexible: bool,
    version: i16,
) -> Result<Value, DecodeError> {
    Ok(match ty {
        Type::Bool => Value::Bool(r.bool()?),
        Type::I8 => Value::Int(r.i8()?.into()),
        Type::I16 => Value::Int(r.i16()?.into()),
        Type::U16 => Value::Int(r.u16()?.into()),
        Type::I32 => Value::Int(r.i32()?.into()),
        Type::U32 => Value::Int(r.u32()?.into()),
        Type::I64 => Value::Int(r.i64()?),
        Type::F64 => Value::Float(r.f64()?),
        Type::Uuid => Value::Text(r.uuid()?.to_string()),
        Type::String => r.opt_string(flexible, nullable)?.map_or(Value::Null, Value::Text),
        Type::Bytes => r.opt_bytes(flexible, nullable)?.map_or(Value::Null, Value::Bytes),
        Type::Struct(fields) => read_struct(fields, r, flexible, version)?,
        Type::Array(element) => {
            let Some(count) = r.array_length(flexible, nullable, 1)? else {
                return Ok(Value::Null);
            };
            debug_assert!(count <= MAX_ARRAY_ELEMENTS);
            // Grows as elements are really there: the count is the sender's word.
            let mut elements = Vec::new();
            for _ in 0..count {
                elements.push(read_value(element, false, r, flexible, version)?);
            }
            Value::Array(elements)
        }
    })
}
