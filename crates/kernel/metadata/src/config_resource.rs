//! What a configuration belongs to.

use std::fmt;

/// The kind of thing that a configuration belongs to, by its id in records and requests.
///
/// A newtype and not an enum: a record of a kind that is not known here must survive a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConfigResourceType(pub i8);

impl ConfigResourceType {
    /// A topic, by name.
    pub const TOPIC: Self = Self(2);
    /// A broker, by id; the empty name stands for all brokers.
    pub const BROKER: Self = Self(4);
    /// A broker's log levels, by the broker's id. Never in records.
    pub const BROKER_LOGGER: Self = Self(8);
    /// A client metrics subscription, by name (KIP-714).
    pub const CLIENT_METRICS: Self = Self(16);
    /// A group, by id (KIP-848).
    pub const GROUP: Self = Self(32);

    /// Whether this is one of the kinds above.
    pub fn is_known(self) -> bool {
        matches!(
            self,
            Self::TOPIC | Self::BROKER | Self::BROKER_LOGGER | Self::CLIENT_METRICS | Self::GROUP
        )
    }
}

/// As Kafka's messages name it.
impl fmt::Display for ConfigResourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Self::TOPIC => "TOPIC",
            Self::BROKER => "BROKER",
            Self::BROKER_LOGGER => "BROKER_LOGGER",
            Self::CLIENT_METRICS => "CLIENT_METRICS",
            Self::GROUP => "GROUP",
            _ => "UNKNOWN",
        })
    }
}

/// A thing with configuration of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConfigResource {
    /// The kind.
    pub resource_type: ConfigResourceType,
    /// The name within the kind.
    pub name: String,
}

impl ConfigResource {
    /// The resource of that kind and name.
    pub fn new(resource_type: ConfigResourceType, name: impl Into<String>) -> Self {
        Self {
            resource_type,
            name: name.into(),
        }
    }

    /// A topic.
    pub fn topic(name: impl Into<String>) -> Self {
        Self::new(ConfigResourceType::TOPIC, name)
    }

    /// One broker.
    pub fn broker(id: i32) -> Self {
        Self::new(ConfigResourceType::BROKER, id.to_string())
    }

    /// All brokers: the dynamic defaults of the cluster.
    pub fn default_broker() -> Self {
        Self::new(ConfigResourceType::BROKER, "")
    }
}
