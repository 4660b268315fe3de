//! Owns Kafka's configuration: every key of brokers, controllers, topics and groups, and the syntax of `server.properties`.
//! Knows no files, sockets or metadata records: texts and maps come in, values, errors and descriptions go out.
//! Entry: [`ServerConfig::load`] for a node's own configuration, [`describe`] and [`alter`] for the cluster's.
//! Driven by the command line at start, by the broker and the controller afterwards.
//! Tests stand beside the modules; `tests/it` holds tables and documents together.

pub mod alter;
mod config;
pub mod describe;
mod dynamic;
mod error;
mod key;
mod keys;
mod listener;
mod nearest;
pub mod no_effect_yet;
mod origin;
mod properties;
pub mod reference;
mod server;
mod topic;
mod validator;
mod value;

pub use config::{Config, Overrides};
pub use dynamic::BrokerLayers;
pub use error::{ConfigError, ConfigErrors, Problem, Warning};
pub use key::{ConfigKey, ConfigType, DefaultValue, Effect, Importance, Scope, ServerSynonym};
pub use keys::{Area, Table, broker_keys, client_metrics_keys, dynamic_only_broker_keys, group_keys, topic_keys};
pub use listener::{AddressError, Endpoint, Listener, QuorumVoter, SecurityProtocol, is_valid_host};
pub use origin::Origin;
pub use properties::{MalformedOverride, Properties, PropertiesError, Property, Repeated};
pub use server::{ProcessRole, ServerConfig};
pub use topic::topic_config;
pub use validator::Validator;
pub use value::{HIDDEN, InvalidValue, Value};
