//! The client: connections, what is known of the cluster, and requests.

mod builder;
mod calls;
mod in_flight;
mod options;
mod retry;
mod target;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use klamm_protocol::messages::ApiVersionsResponse;

use crate::admin::Admin;
use crate::cluster::{Cluster, Coordinators};
use crate::connection::pool::Pool;
use crate::{ClusterMetadata, CoordinatorKind, Error, MetadataTopics, Properties};

pub use builder::ClientBuilder;
pub(crate) use in_flight::InFlight;
pub(crate) use options::{Bootstrap, ClientOptions, Recovery, Timeouts};
pub(crate) use retry::Retry;
pub(crate) use target::{ControllerReply, RequestOptions};
pub use target::{Lane, Target};

/// A client of one cluster. Cheap to clone; clones share connections and what is known of the cluster.
///
/// Nothing runs in the background but the connections: they are made when they are needed, closed when they were idle for
/// `connections.max.idle.ms`, and closed when the last clone is dropped, which doesn't wait for anything.
///
/// Every call can be dropped at any time: its reply is thrown away and the connection goes on. Calls whose connection
/// fails are tried again, on another broker if any will do, until `default.api.timeout.ms` is over.
///
/// ```
/// # klamm_testkit::run(async |cluster| {
/// use klamm_client::{Client, MetadataTopics};
///
/// let client = Client::builder(cluster.bootstrap()).client_id("shop").build()?;
/// let metadata = client.metadata(MetadataTopics::All).await?;
/// assert_eq!(metadata.brokers().len(), 1);
/// # Ok(()) });
/// ```
#[derive(Clone)]
pub struct Client {
    pub(crate) core: Arc<Core>,
    pub(crate) timeouts: Timeouts,
}

/// What the clones of a client share.
pub(crate) struct Core {
    pub(crate) properties: Properties,
    pub(crate) options: ClientOptions,
    pub(crate) pool: Pool,
    pub(crate) cluster: Cluster,
    pub(crate) coordinators: Coordinators,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bootstrap = &self.core.options.addresses;
        f.debug_struct("Client")
            .field("bootstrap", bootstrap)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Starts to describe a client of the brokers at `host:port,host:port`; an IPv6 address stands in brackets. All of
    /// them are tried, with every address that their names have.
    pub fn builder(bootstrap: impl Into<String>) -> ClientBuilder {
        ClientBuilder::bootstrap_servers(bootstrap)
    }

    /// Makes a client with the defaults, and makes sure that the cluster answers.
    ///
    /// # Errors
    /// [`Error::Config`] for a malformed address; [`Error::TimedOut`] when no broker was reached within a minute.
    ///
    /// # Cancel safety
    /// Dropped, it leaves no client behind: its connections are closed.
    pub async fn connect(bootstrap: impl Into<String>) -> Result<Client, Error> {
        let client = Client::builder(bootstrap).build()?;
        client.metadata(MetadataTopics::Brokers).await?;
        Ok(client)
    }

    pub(crate) fn new(properties: Properties, options: ClientOptions) -> Client {
        let core = Core {
            pool: Pool::new(options.connection.clone(), options.reconnect),
            cluster: Cluster::default(),
            coordinators: Coordinators::default(),
            properties,
            options,
        };
        Client {
            timeouts: core.options.timeouts,
            core: Arc::new(core),
        }
    }

    /// The same client with another time for a call and all its attempts, in place of `default.api.timeout.ms`.
    pub fn with_api_timeout(&self, timeout: Duration) -> Client {
        let mut client = self.clone();
        client.timeouts.api = timeout;
        client
    }

    /// The admin calls of this client.
    pub fn admin(&self) -> Admin {
        Admin::new(self.clone())
    }

    /// The settings that this client was made with, from which producers and consumers read theirs.
    pub fn properties(&self) -> &Properties {
        &self.core.properties
    }

    /// How long one request may take: `request.timeout.ms`.
    pub fn request_timeout(&self) -> Duration {
        self.timeouts.request
    }

    /// How long a call may take with all its attempts: `default.api.timeout.ms`.
    pub fn api_timeout(&self) -> Duration {
        self.timeouts.api
    }

    /// What is known of the cluster now, without asking anybody. Empty at first.
    pub fn known_metadata(&self) -> Arc<ClusterMetadata> {
        self.core.cluster.current()
    }

    /// What is known of the cluster with these topics, asking for what is missing or older than `metadata.max.age.ms`.
    ///
    /// A topic that does not exist is in the result with an error instead of partitions. No topic is created by asking.
    ///
    /// # Errors
    /// [`Error::TimedOut`] when no broker answered; [`Error::Unsupported`] when the bootstrap addresses are controllers
    /// and topics were asked for.
    ///
    /// # Cancel safety
    /// Dropped, it stops asking. What an answer has told already stays known to all clones.
    pub async fn metadata(&self, topics: MetadataTopics) -> Result<Arc<ClusterMetadata>, Error> {
        self.core.cached_or_fetched(self, topics).await
    }

    /// Asks the cluster anew. Calls at the same time share one request.
    ///
    /// # Errors
    /// [`Error::TimedOut`] and [`Error::Unsupported`], as [`Client::metadata`].
    ///
    /// # Cancel safety
    /// As [`Client::metadata`]. Calls that wait for its answer ask for themselves.
    pub async fn refresh_metadata(&self, topics: MetadataTopics) -> Result<Arc<ClusterMetadata>, Error> {
        Box::pin(self.core.fetched(self, topics, false)).await
    }

    /// As [`Client::refresh_metadata`], creating topics that don't exist when the broker has `auto.create.topics.enable`.
    ///
    /// # Errors
    /// [`Error::TimedOut`] and [`Error::Unsupported`], as [`Client::metadata`].
    ///
    /// # Cancel safety
    /// As [`Client::refresh_metadata`]; a request that was sent may still create topics.
    pub async fn refresh_metadata_creating(&self, topics: MetadataTopics) -> Result<Arc<ClusterMetadata>, Error> {
        Box::pin(self.core.fetched(self, topics, true)).await
    }

    /// The node that coordinates a group or a transactional id, from the cache or asked for. Brokers whose coordinator
    /// is still loading are asked again until `default.api.timeout.ms` is over.
    ///
    /// # Errors
    /// [`Error::Broker`] with what the broker answered; [`Error::TimedOut`].
    ///
    /// # Cancel safety
    /// Dropped, it stops asking and remembers nothing.
    pub async fn coordinator(&self, kind: CoordinatorKind, key: &str) -> Result<i32, Error> {
        match self.core.coordinators.get(kind, key) {
            Some(node) => Ok(node),
            None => Box::pin(self.find_coordinator(kind, key)).await,
        }
    }

    /// Forgets who coordinates, because they said that they don't.
    pub fn forget_coordinator(&self, kind: CoordinatorKind, key: &str) {
        self.core.coordinators.forget(kind, key);
    }

    /// The versions and features that a node offers, asked for anew.
    ///
    /// # Errors
    /// [`Error::TimedOut`] when it can't be reached.
    ///
    /// # Cancel safety
    /// Dropped, it stops asking.
    pub async fn versions(&self, node: i32) -> Result<ApiVersionsResponse, Error> {
        self.offered(Target::Broker(node)).await
    }
}
