//! Whether a change of configuration is allowed, as AlterConfigs, IncrementalAlterConfigs and CreateTopics ask.
//!
//! The texts are those that clients of Kafka know. Kafka answers a change of a broker's configuration that is not
//! allowed with INVALID_REQUEST, of every other resource with INVALID_CONFIG.

use crate::config::Overrides;
use crate::key::ConfigType;
use crate::keys::Table;
use crate::value::InvalidValue;

mod broker;
mod client_metrics;
mod group;
mod topic;

#[cfg(test)]
mod tests;

pub use broker::validate_broker;
pub use client_metrics::validate_client_metrics;
pub use group::validate_group;
pub use topic::validate_topic;

/// A change that is not allowed, with the text for the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AlterError {
    /// Kafka's INVALID_REQUEST.
    #[error("{0}")]
    InvalidRequest(String),
    /// Kafka's INVALID_CONFIG.
    #[error("{0}")]
    InvalidConfig(String),
}

impl From<InvalidValue> for AlterError {
    fn from(invalid: InvalidValue) -> Self {
        AlterError::InvalidConfig(invalid.to_string())
    }
}

/// What IncrementalAlterConfigs does to a key; the numbers are those of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlterOperation {
    /// Sets the value.
    Set = 0,
    /// Takes the setting away.
    Delete = 1,
    /// Adds elements to a list.
    Append = 2,
    /// Takes elements out of a list.
    Subtract = 3,
}

impl AlterOperation {
    /// The operation of this number.
    pub fn from_id(id: i8) -> Option<Self> {
        use AlterOperation::{Append, Delete, Set, Subtract};
        [Set, Delete, Append, Subtract]
            .into_iter()
            .find(|operation| *operation as i8 == id)
    }

    const fn name(self) -> &'static str {
        match self {
            AlterOperation::Set => "SET",
            AlterOperation::Delete => "DELETE",
            AlterOperation::Append => "APPEND",
            AlterOperation::Subtract => "SUBTRACT",
        }
    }
}

/// What `key` is set to after `operation`; `None` if it is no longer set. Appending to a list that is not set begins
/// with its default.
///
/// # Errors
/// When a list operation meets a key that is no list.
pub fn altered(
    table: &Table,
    current: &Overrides,
    key: &str,
    operation: AlterOperation,
    value: Option<&str>,
) -> Result<Option<String>, AlterError> {
    let known = table.get(key);
    if matches!(operation, AlterOperation::Append | AlterOperation::Subtract)
        && known.is_none_or(|known| known.config_type != ConfigType::List)
    {
        let name = operation.name();
        let text = format!("Can't {name} to key {key} because its type is not LIST.");
        return Err(AlterError::InvalidConfig(text));
    }
    let value = value.unwrap_or_default();
    let before = || {
        let default = known
            .and_then(|known| known.default_value())
            .and_then(|value| value.describe());
        let text = current.get(key).cloned().or(default).unwrap_or_default();
        text.split(',')
            .filter(|item| !item.is_empty())
            .map(str::to_string)
            .collect::<Vec<String>>()
    };
    Ok(match operation {
        AlterOperation::Set => Some(value.to_string()),
        AlterOperation::Delete => None,
        AlterOperation::Append => {
            let mut items = before();
            for item in value.split(',') {
                if !items.iter().any(|other| other == item) {
                    items.push(item.to_string());
                }
            }
            Some(items.join(","))
        }
        AlterOperation::Subtract => {
            let mut items = before();
            for item in value.split(',') {
                if let Some(at) = items.iter().position(|other| other == item) {
                    items.remove(at);
                }
            }
            Some(items.join(","))
        }
    })
}

/// Kafka's list of names in a message.
fn in_brackets<'a>(names: impl Iterator<Item = &'a str>) -> Option<String> {
    let names: Vec<&str> = names.collect();
    (!names.is_empty()).then(|| format!("[{}]", names.join(", ")))
}
