//! Settings of topics, brokers, groups and client metrics.

mod alter;
mod describe;

use std::fmt;

pub use alter::{AlterConfig, AlterConfigOp};
pub use describe::{ConfigEntry, ConfigSource, ConfigSynonym, ConfigType, DescribeConfigs};

/// What has settings.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConfigResource {
    /// What kind of thing it is.
    pub kind: ConfigResourceKind,
    /// Its name. A broker's name is its id, and the empty one stands for the cluster's default of all brokers.
    pub name: String,
}

/// The kinds of things that have settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ConfigResourceKind {
    /// A topic.
    Topic,
    /// A broker, or all of them.
    Broker,
    /// The levels of a broker's loggers.
    BrokerLogger,
    /// A subscription to clients' metrics (KIP-714).
    ClientMetrics,
    /// A group.
    Group,
    /// A kind that this client does not know, by its number.
    Other(i8),
}

impl ConfigResource {
    /// A thing of some kind.
    pub fn new(kind: ConfigResourceKind, name: impl Into<String>) -> ConfigResource {
        ConfigResource {
            kind,
            name: name.into(),
        }
    }

    /// A topic.
    pub fn topic(name: impl Into<String>) -> ConfigResource {
        ConfigResource::new(ConfigResourceKind::Topic, name)
    }

    /// A broker.
    pub fn broker(id: i32) -> ConfigResource {
        ConfigResource::new(ConfigResourceKind::Broker, id.to_string())
    }

    /// The default of all brokers.
    pub fn default_broker() -> ConfigResource {
        ConfigResource::new(ConfigResourceKind::Broker, "")
    }

    /// A group.
    pub fn group(id: impl Into<String>) -> ConfigResource {
        ConfigResource::new(ConfigResourceKind::Group, id)
    }

    fn from_wire(kind: i8, name: String) -> ConfigResource {
        ConfigResource::new(ConfigResourceKind::from_id(kind), name)
    }

    /// The one broker that knows these settings, where not every broker does.
    fn node(&self) -> Option<i32> {
        match self.kind {
            ConfigResourceKind::Broker | ConfigResourceKind::BrokerLogger => self.name.parse().ok(),
            _ => None,
        }
    }
}

impl fmt::Display for ConfigResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.kind, self.name)
    }
}

impl ConfigResourceKind {
    /// As requests have it.
    pub fn id(self) -> i8 {
        match self {
            ConfigResourceKind::Topic => 2,
            ConfigResourceKind::Broker => 4,
            ConfigResourceKind::BrokerLogger => 8,
            ConfigResourceKind::ClientMetrics => 16,
            ConfigResourceKind::Group => 32,
            ConfigResourceKind::Other(id) => id,
        }
    }

    fn from_id(id: i8) -> ConfigResourceKind {
        match id {
            2 => ConfigResourceKind::Topic,
            4 => ConfigResourceKind::Broker,
            8 => ConfigResourceKind::BrokerLogger,
            16 => ConfigResourceKind::ClientMetrics,
            32 => ConfigResourceKind::Group,
            id => ConfigResourceKind::Other(id),
        }
    }
}
