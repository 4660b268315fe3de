//! What a schema says: messages, structs, fields, versions.

use std::fmt;

/// Versions from `min` to `max`, both included; empty when `min > max`. `max` is `i16::MAX` when open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Versions {
    pub(crate) min: i16,
    pub(crate) max: i16,
}

impl Versions {
    pub(crate) const NONE: Self = Self { min: 0, max: -1 };

    pub(crate) fn is_empty(self) -> bool {
        self.min > self.max
    }

    pub(crate) fn contains(self, version: i16) -> bool {
        self.min <= version && version <= self.max
    }

    pub(crate) fn intersect(self, other: Self) -> Self {
        let both = Self {
            min: self.min.max(other.min),
            max: self.max.min(other.max),
        };
        if both.is_empty() { Self::NONE } else { both }
    }
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            _ if self.is_empty() => write!(f, "none"),
            Self { min, max: i16::MAX } => write!(f, "{min}+"),
            Self { min, max } if min == max => write!(f, "{min}"),
            Self { min, max } => write!(f, "{min}-{max}"),
        }
    }
}

/// What a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Request,
    Response,
    Header,
    Metadata,
    CoordinatorKey,
    CoordinatorValue,
    RemoteLog,
    Data,
}

/// Messages that share a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    Messages,
    Headers,
    Metadata,
    Coordinator,
    RemoteLog,
    Data,
}

impl Kind {
    pub(crate) fn family(self) -> Family {
        match self {
            Self::Request | Self::Response => Family::Messages,
            Self::Header => Family::Headers,
            Self::Metadata => Family::Metadata,
            Self::CoordinatorKey | Self::CoordinatorValue => Family::Coordinator,
            Self::RemoteLog => Family::RemoteLog,
            Self::Data => Family::Data,
        }
    }
}

impl Family {
    pub(crate) const ALL: [Self; 6] = [
        Self::Messages,
        Self::Headers,
        Self::Metadata,
        Self::Coordinator,
        Self::RemoteLog,
        Self::Data,
    ];

    pub(crate) fn module(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Headers => "headers",
            Self::Metadata => "metadata",
            Self::Coordinator => "coordinator",
            Self::RemoteLog => "remote_log",
            Self::Data => "data",
        }
    }

    pub(crate) fn doc(self) -> &'static str {
        match self {
            Self::Messages => "Requests and responses.",
            Self::Headers => "What comes before every request and response.",
            Self::Metadata => "Records of `__cluster_metadata`.",
            Self::Coordinator => {
                "Records that the coordinators keep: `__consumer_offsets`, `__transaction_state`, `__share_group_state`."
            }
            Self::RemoteLog => "Records of `__remote_log_metadata`.",
            Self::Data => "Control records, embedded protocols, contents of files.",
        }
    }
}

/// A message.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Api key or record type.
    pub(crate) key: Option<i16>,
    pub(crate) versions: Versions,
    pub(crate) flexible: Versions,
    pub(crate) latest_unstable: bool,
    /// The message itself comes first, then the structs in it.
    pub(crate) structs: Vec<Struct>,
}

impl Message {
    pub(crate) fn find(&self, name: &str) -> Option<&Struct> {
        self.structs.iter().find(|candidate| candidate.name == name)
    }

    pub(crate) fn is_flexible(&self) -> bool {
        !self.flexible.is_empty()
    }
}

/// A struct within a message.
#[derive(Debug)]
pub(crate) struct Struct {
    pub(crate) name: String,
    /// The message's versions in which it occurs.
    pub(crate) versions: Versions,
    pub(crate) fields: Vec<Field>,
}

/// A field.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) ty: Type,
    /// The struct's versions that have it; empty when only versions that are gone had it.
    pub(crate) versions: Versions,
    /// Of these, the versions that allow null.
    pub(crate) null: Versions,
    /// Whether the schema marks it as nullable at all.
    pub(crate) nullable: bool,
    pub(crate) tag: Option<u32>,
    pub(crate) ignorable: bool,
    /// Never in compact form, not even in flexible versions.
    pub(crate) inflexible: bool,
    pub(crate) default: Option<String>,
}

/// A type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Bool,
    I8,
    I16,
    U16,
    I32,
    U32,
    I64,
    F64,
    Uuid,
    ErrorCode,
    String,
    Bytes,
    Records,
    Struct(String),
    Array(Box<Type>),
}

impl Type {
    /// The struct that it is or is an array of.
    pub(crate) fn struct_name(&self) -> Option<&str> {
        match self {
            Self::Struct(name) => Some(name),
            Self::Array(element) => element.struct_name(),
            _ => None,
        }
    }
}
