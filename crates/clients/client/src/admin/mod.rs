//! Calls that look after a cluster.

use std::time::Duration;

use crate::Client;

/// The admin calls of a [`Client`].
#[derive(Clone, Debug)]
pub struct Admin {
    client: Client,
}

impl Admin {
    pub(crate) fn new(client: Client) -> Admin {
        Admin { client }
    }

    /// The same calls with another time for each, in place of `default.api.timeout.ms`.
    pub fn with_timeout(&self, timeout: Duration) -> Admin {
        Admin::new(self.client.with_api_timeout(timeout))
    }
}
