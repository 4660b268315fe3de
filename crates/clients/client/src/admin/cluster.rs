//! The nodes of the cluster.

use std::collections::BTreeMap;

use klamm_protocol::messages::{DescribeClusterRequest, DescribeClusterResponse, UnregisterBrokerRequest};

use super::Admin;
use crate::client::{Lane, Target};
use crate::{Error, MetadataTopics};

/// What kind of nodes DescribeCluster tells of.
const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

/// The cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClusterDescription {
    /// Its id.
    pub cluster_id: String,
    /// The node that takes requests for the controller: a broker that passes them on, or the active controller for a
    /// client of controllers.
    pub controller: Option<i32>,
    /// The brokers by id; for a client of controllers, the controllers.
    pub nodes: BTreeMap<i32, NodeDescription>,
}

/// A node of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeDescription {
    /// Its id.
    pub id: i32,
    /// Where it listens.
    pub host: String,
    /// Where it listens.
    pub port: i32,
    /// Its rack, if it has one.
    pub rack: Option<String>,
    /// Whether it is registered but not in service.
    pub is_fenced: bool,
}

impl Admin {
    /// Describes the cluster; with `include_fenced`, brokers too that are registered and not in service. DescribeCluster
    /// 0-2 (KIP-700; controllers since version 1, KIP-919; fenced brokers since version 2, KIP-1073), from any node.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for fenced brokers where the broker can't tell.
    pub async fn describe_cluster(&self, include_fenced: bool) -> Result<ClusterDescription, Error> {
        let of_controllers = self.client.is_of_controllers();
        if include_fenced {
            self.client
                .require(klamm_protocol::ApiKey::DescribeCluster, 2, "fenced brokers")
                .await?;
        }
        let make = |_| DescribeClusterRequest {
            endpoint_type: if of_controllers { CONTROLLERS } else { BROKERS },
            include_fenced_brokers: include_fenced,
            ..Default::default()
        };
        match self.client.call_with(Target::Any, Lane::General, make).await {
            Err(Error::Unsupported { .. }) if !of_controllers => self.cluster_by_metadata().await,
            described => described.and_then(|(_, response)| ClusterDescription::new(response)),
        }
    }

    async fn cluster_by_metadata(&self) -> Result<ClusterDescription, Error> {
        let known = self.client.refresh_metadata(MetadataTopics::Brokers).await?;
        let nodes = known.brokers().values().map(|broker| NodeDescription {
            id: broker.id,
            host: broker.host.clone(),
            port: i32::from(broker.port),
            rack: broker.rack.clone(),
            is_fenced: false,
        });
        Ok(ClusterDescription {
            cluster_id: known.cluster_id().unwrap_or_default().to_owned(),
            controller: known.controller(),
            nodes: nodes.map(|node| (node.id, node)).collect(),
        })
    }

    /// Takes a broker that has been shut down for good out of the cluster's books. UnregisterBroker 0 (KIP-500), sent to
    /// the controller.
    ///
    /// # Errors
    /// BROKER_ID_NOT_REGISTERED.
    pub async fn unregister_broker(&self, id: i32) -> Result<(), Error> {
        let make = |_| UnregisterBrokerRequest {
            broker_id: id,
            ..Default::default()
        };
        let (_, response) = self.client.call_active_controller(make).await?;
        Error::check_with(response.error_code, response.error_message)
    }
}

impl ClusterDescription {
    fn new(response: DescribeClusterResponse) -> Result<ClusterDescription, Error> {
        Error::check_with(response.error_code, response.error_message)?;
        let nodes = response.brokers.into_iter().map(|node| NodeDescription {
            id: node.broker_id,
            host: node.host,
            port: node.port,
            rack: node.rack,
            is_fenced: node.is_fenced,
        });
        Ok(ClusterDescription {
            cluster_id: response.cluster_id,
            controller: Some(response.controller_id).filter(|id| *id >= 0),
            nodes: nodes.map(|node| (node.id, node)).collect(),
        })
    }
}
