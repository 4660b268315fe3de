//! Changes of client metrics subscriptions (KIP-714).

use super::AlterError;
use crate::config::Overrides;
use crate::keys::client_metrics_keys;
use crate::value::Value;

/// What a client may be chosen by.
const MATCHED: &[&str] = &[
    "client_id",
    "client_instance_id",
    "client_software_name",
    "client_software_version",
    "client_source_address",
    "client_source_port",
];

/// Whether the subscription `name` may have the settings `new`. Of a pattern only its place is checked, not its syntax.
///
/// # Errors
/// The first thing that is wrong.
pub fn validate_client_metrics(name: &str, new: &Overrides) -> Result<(), AlterError> {
    let invalid_request = |text: String| Err(AlterError::InvalidRequest(text));
    if name.is_empty() {
        return invalid_request("Subscription name can't be empty".to_string());
    }
    for (name, text) in new {
        let Some(key) = client_metrics_keys().get(name) else {
            return invalid_request(format!("Unknown client metrics configuration: {name}"));
        };
        match key.parse(text)? {
            Value::Int(interval) if !(100..=3_600_000).contains(&interval) => {
                return invalid_request(format!(
                    "Invalid value {interval} for {name}, interval must be between 100 and 3600000 (1 hour)"
                ));
            }
            Value::List(patterns) if name == "match" => {
                for pattern in patterns {
                    let parts: Vec<&str> = pattern.split('=').collect();
                    if parts.len() != 2 || parts[1].is_empty() || !MATCHED.contains(&parts[0].trim()) {
                        return Err(AlterError::InvalidConfig(format!(
                            "Illegal client matching pattern: {pattern}"
                        )));
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}
