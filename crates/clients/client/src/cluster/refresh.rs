//! Asking for a newer picture of the cluster.

use std::sync::{Arc, PoisonError};

use klamm_protocol::messages::metadata_request::MetadataRequestTopic;
use klamm_protocol::messages::{DescribeClusterRequest, MetadataRequest};
use klamm_protocol::{ApiKey, ErrorCode, Request};
use tokio::time::{Instant, timeout};

use super::{Broker, ClusterMetadata, Flight, MetadataTopics, NewLeader};
use crate::Error;
use crate::client::{Bootstrap, Client, Core, Lane, RequestOptions};
use crate::connection::Address;

/// What DescribeCluster calls the nodes of the quorum.
const CONTROLLER_ENDPOINTS: i8 = 2;

impl Core {
    /// What is known, if it has all that is asked for and is young enough; else what the cluster says.
    pub(crate) async fn cached_or_fetched(
        &self,
        client: &Client,
        topics: MetadataTopics,
    ) -> Result<Arc<ClusterMetadata>, Error> {
        let known = self.cluster.current();
        let max_age = self.options.metadata_max_age;
        let fresh = |as_of: Option<Instant>| as_of.is_some_and(|as_of| as_of.elapsed() < max_age);
        let missing = match topics {
            MetadataTopics::Brokers if fresh(known.as_of) => return Ok(known),
            MetadataTopics::All if fresh(known.all_as_of) => return Ok(known),
            MetadataTopics::Names(mut names) => {
                let fresh = |name: &str| {
                    let topic = known.topic(name).filter(|topic| topic.error.is_none());
                    topic.is_some_and(|topic| fresh(Some(topic.as_of)))
                };
                names.retain(|name| !fresh(name));
                if names.is_empty() {
                    return Ok(known);
                }
                MetadataTopics::Names(names)
            }
            other => other,
        };
        // Boxed, since it is large and seldom needed.
        Box::pin(self.fetched(client, missing, false)).await
    }

    /// What the cluster says, asked after this call has begun.
    pub(crate) async fn fetched(
        &self,
        client: &Client,
        topics: MetadataTopics,
        create: bool,
    ) -> Result<Arc<ClusterMetadata>, Error> {
        if self.options.bootstrap == Bootstrap::Controllers && topics != MetadataTopics::Brokers {
            return Err(Error::Unsupported {
                api: ApiKey::Metadata,
                address: "the controllers".to_owned(),
                reason: "topics are known to brokers; bootstrap.controllers was set instead of bootstrap.servers"
                    .to_owned(),
            });
        }
        match topics {
            MetadataTopics::Brokers => self.refresh_brokers(client).await,
            MetadataTopics::All => {
                let done = |known: &ClusterMetadata, asked| known.all_as_of >= Some(asked);
                self.share(client, &self.cluster.all, Vec::new(), done, None, false)
                    .await
            }
            MetadataTopics::Names(names) => {
                let flight = if create {
                    &self.cluster.creating
                } else {
                    &self.cluster.named
                };
                let wanted = names.clone();
                let done = move |known: &ClusterMetadata, asked| {
                    wanted
                        .iter()
                        .all(|name| known.topic(name).is_some_and(|topic| topic.as_of >= asked))
                };
                self.share(client, flight, names.clone(), done, Some(names), create)
                    .await
            }
        }
    }

    /// The brokers and the controller.
    pub(crate) async fn refresh_brokers(&self, client: &Client) -> Result<Arc<ClusterMetadata>, Error> {
        let done = |known: &ClusterMetadata, asked| known.as_of >= Some(asked);
        self.share(client, &self.cluster.brokers, Vec::new(), done, Some(Vec::new()), false)
            .await
    }

    /// Waits for its turn and asks, unless somebody else has asked for the same meanwhile.
    async fn share(
        &self,
        client: &Client,
        flight: &Flight,
        names: Vec<String>,
        done: impl Fn(&ClusterMetadata, Instant) -> bool,
        topics: Option<Vec<String>>,
        create: bool,
    ) -> Result<Arc<ClusterMetadata>, Error> {
        let asked = Instant::now();
        let mut retry = client.retry(ApiKey::Metadata.name());
        flight.lock_names().extend(names.iter().cloned());
        let turn = timeout(retry.remaining(), flight.turn.lock()).await;
        let _turn = turn.map_err(|_| retry.timed_out())?;
        let known = self.cluster.current();
        if done(&known, asked) {
            return Ok(known);
        }
        let all = topics.is_none();
        let topics = topics.map(|own| {
            let mut together = std::mem::take(&mut *flight.lock_names());
            together.extend(own);
            together.into_iter().collect::<Vec<_>>()
        });
        loop {
            let started = Instant::now();
            let attempt = async {
                match self.options.bootstrap {
                    Bootstrap::Brokers => self.ask_brokers(client, topics.as_deref(), create, all, started).await,
                    Bootstrap::Controllers => self.ask_controllers(client, started).await,
                }
            };
            if retry.step(worth_repeating, attempt).await?.is_some() {
                return Ok(self.cluster.current());
            }
        }
    }

    async fn ask_brokers(
        &self,
        client: &Client,
        topics: Option<&[String]>,
        create: bool,
        all: bool,
        started: Instant,
    ) -> Result<(), Error> {
        let (version, response) = ask(client, |version| metadata_request(version, topics, create)).await?;
        if response.error_code == ErrorCode::REBOOTSTRAP_REQUIRED {
            self.rebootstrap();
        }
        Error::check(response.error_code)?;
        // Version 0 has no way to ask for no topic: an empty list is all of them.
        let all = all || (version == 0 && topics.is_some_and(<[String]>::is_empty));
        self.learn(|known| known.after(response, started, all));
        Ok(())
    }

    async fn ask_controllers(&self, client: &Client, started: Instant) -> Result<(), Error> {
        let request = DescribeClusterRequest {
            endpoint_type: CONTROLLER_ENDPOINTS,
            ..Default::default()
        };
        let (_, response) = ask(client, |_| request.clone()).await?;
        Error::check_with(response.error_code, response.error_message.clone())?;
        self.learn(|known| known.after_description(response, started));
        Ok(())
    }

    fn learn(&self, next: impl FnOnce(&ClusterMetadata) -> ClusterMetadata) {
        self.cluster
            .current
            .send_modify(|current| *current = Arc::new(next(current)));
        let known = self.cluster.current();
        let nodes: Vec<(i32, Address)> = known.nodes().collect();
        self.pool.adopt(nodes.iter().map(|(id, address)| (*id, address)));
    }

    /// Takes over what a reply told of leaders that moved; older news changes nothing.
    pub(crate) fn learn_leaders(&self, leaders: &[NewLeader], nodes: &[Broker]) {
        self.cluster.current.send_if_modified(|current| {
            let next = current.with_leaders(leaders, nodes);
            let changed = next.is_some();
            if let Some(next) = next {
                *current = Arc::new(next);
            }
            changed
        });
    }

    /// Forgets the nodes, so that the bootstrap addresses are asked next. Topics stay for as long as it is the same
    /// cluster that answers.
    pub(crate) fn rebootstrap(&self) {
        self.cluster.current.send_modify(|current| {
            let mut without_nodes = ClusterMetadata::clone(current);
            without_nodes.brokers.clear();
            without_nodes.controller = None;
            without_nodes.as_of = None;
            *current = Arc::new(without_nodes);
        });
    }
}

impl Flight {
    fn lock_names(&self) -> std::sync::MutexGuard<'_, std::collections::BTreeSet<String>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn worth_repeating(error: &Error) -> bool {
    error.is_transport() || error.code() == Some(ErrorCode::REBOOTSTRAP_REQUIRED)
}

/// One attempt, at any node.
async fn ask<R: Request>(client: &Client, make: impl Fn(i16) -> R) -> Result<(i16, R::Response), Error> {
    client
        .start_any(RequestOptions::new(Lane::General), make)
        .await?
        .response()
        .await
}

/// `None` asks for every topic.
fn metadata_request(version: i16, topics: Option<&[String]>, create: bool) -> MetadataRequest {
    let topics = topics.map(|names| {
        let named = names.iter().map(|name| MetadataRequestTopic {
            name: Some(name.clone()),
            ..Default::default()
        });
        named.collect()
    });
    MetadataRequest {
        topics: if version == 0 {
            Some(topics.unwrap_or_default())
        } else {
            topics
        },
        // Before version 4 asking is creating.
        allow_auto_topic_creation: create || version < 4,
        ..Default::default()
    }
}
