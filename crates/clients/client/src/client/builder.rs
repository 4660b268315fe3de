//! Settings on their way to a client.

use std::time::Duration;

use super::options::{ClientOptions, MAX_REPLY_BYTES};
use crate::{Client, Error, Properties};

/// Makes a [`Client`].
///
/// Methods set the property of the same name; the last setting of a property counts.
#[derive(Clone, Debug)]
pub struct ClientBuilder {
    properties: Properties,
    max_reply_bytes: usize,
}

impl ClientBuilder {
    /// A client of the brokers at `host:port,host:port`; an IPv6 address stands in brackets.
    pub fn bootstrap_servers(list: impl Into<String>) -> ClientBuilder {
        ClientBuilder::from_properties([("bootstrap.servers", list.into())].into_iter().collect())
    }

    /// A client of the controllers at `host:port,host:port`, for the admin calls that a quorum answers itself (KIP-919):
    /// the cluster's description, the quorum's, configs, features, unregistering.
    pub fn bootstrap_controllers(list: impl Into<String>) -> ClientBuilder {
        ClientBuilder::from_properties([("bootstrap.controllers", list.into())].into_iter().collect())
    }

    /// A client with all these settings; one of `bootstrap.servers` and `bootstrap.controllers` must be among them.
    pub fn from_properties(properties: Properties) -> ClientBuilder {
        ClientBuilder {
            properties,
            max_reply_bytes: MAX_REPLY_BYTES,
        }
    }

    /// Sets one property.
    pub fn property(mut self, key: impl Into<String>, value: impl Into<String>) -> ClientBuilder {
        self.properties.set(key, value);
        self
    }

    /// Sets many properties, over those that are set.
    pub fn properties(mut self, properties: &Properties) -> ClientBuilder {
        self.properties.extend(properties);
        self
    }

    /// How the client calls itself in requests, for the brokers' logs and quotas: `client.id`.
    pub fn client_id(self, id: impl Into<String>) -> ClientBuilder {
        self.property("client.id", id)
    }

    /// How long one request may take: `request.timeout.ms`.
    pub fn request_timeout(self, timeout: Duration) -> ClientBuilder {
        self.property("request.timeout.ms", timeout.as_millis().to_string())
    }

    /// How long a call may take with all its attempts: `default.api.timeout.ms`.
    pub fn api_timeout(self, timeout: Duration) -> ClientBuilder {
        self.property("default.api.timeout.ms", timeout.as_millis().to_string())
    }

    /// The largest reply that is accepted, in bytes (256 MiB): a larger one closes the connection.
    pub fn max_reply_bytes(mut self, bytes: usize) -> ClientBuilder {
        self.max_reply_bytes = bytes;
        self
    }

    /// Makes the client. Connects to nothing yet.
    ///
    /// # Errors
    /// [`Error::Config`] for a value that a property must not have.
    pub fn build(self) -> Result<Client, Error> {
        let options = ClientOptions::read(&self.properties, self.max_reply_bytes)?;
        let unknown: Vec<_> = self.properties.unknown().collect();
        if !unknown.is_empty() {
            tracing::warn!(
                ?unknown,
                "this client does not know these properties, they have no effect"
            );
        }
        Ok(Client::new(self.properties, options))
    }
}
