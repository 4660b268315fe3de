//! Metadata (key 3), v0-13, flexible from v9. Topic ids in requests from v12 (KIP-516), authorized operations from v8 (KIP-430).
//! Tells the live brokers at the listener that was asked, and the partitions of the topics asked for, or of all.
//! A topic that does not exist is created when client (v4+) and broker allow it; the client is told that it does not exist and
//! asks again, as with Kafka's quorum controllers.
//! Errors per topic: UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_ID, INVALID_TOPIC_EXCEPTION, INVALID_REQUEST; per partition:
//! LEADER_NOT_AVAILABLE, LISTENER_NOT_FOUND (v6+), REPLICA_NOT_AVAILABLE (v0).

mod replies;

use std::collections::BTreeSet;

use klamm_controller::is_valid_topic_name;
use klamm_metadata::{BrokerRegistration, MetadataImage, PartitionRegistration, TopicImage};
use klamm_protocol::messages::metadata_request::MetadataRequestTopic;
use klamm_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use klamm_protocol::messages::{MetadataRequest, MetadataResponse};
use klamm_protocol::{EncodedFrame, ErrorCode, Uuid, frame};
use replies::Kind;
pub(crate) use replies::Replies;

use super::ServeError;
use crate::authorized_operations::{CLUSTER_OPERATIONS, TOPIC_OPERATIONS};
use crate::request::RequestContext;
use crate::topics::is_internal;

/// What differs between versions.
struct Flags {
    /// v0 has no null: no topics means all.
    no_topics_means_all: bool,
    /// Before v12 a topic has a name and no id.
    only_names: bool,
    /// v0 leaves out replicas that are not there and says so with an error.
    only_live_replicas: bool,
    /// From v6 a leader that lacks the listener has an error of its own.
    listener_not_found: bool,
}

impl Flags {
    fn of(version: i16) -> Self {
        Flags {
            no_topics_means_all: version == 0,
            only_names: version < 12,
            only_live_replicas: version == 0,
            listener_not_found: version >= 6,
        }
    }

    fn asks_for_all(&self, request: &MetadataRequest) -> bool {
        match &request.topics {
            None => true,
            Some(asked) => asked.is_empty() && self.no_topics_means_all,
        }
    }
}

/// Handles a request; what is asked about all topics is encoded once per image.
pub(super) async fn reply(
    cx: &RequestContext<'_>,
    request: MetadataRequest,
    correlation_id: i32,
) -> Result<EncodedFrame, ServeError> {
    let replies = &cx.listener.metadata_replies;
    let kind = Flags::of(cx.api_version).asks_for_all(&request).then_some(Kind {
        version: cx.api_version,
        cluster_operations: request.include_cluster_authorized_operations,
        topic_operations: request.include_topic_authorized_operations,
    });
    if let Some(known) = kind.and_then(|kind| replies.get(&cx.image, kind, correlation_id)) {
        return Ok(known);
    }
    let encoded = frame::encode_response(correlation_id, cx.api_version, &handle(cx, request))?;
    if let Some(kind) = kind {
        replies.put(&cx.image, kind, &encoded);
    }
    Ok(encoded)
}

fn handle(cx: &RequestContext<'_>, request: MetadataRequest) -> MetadataResponse {
    let flags = Flags::of(cx.api_version);
    if let Some(refused) = refused(&flags, &request) {
        return refused;
    }
    let view = View {
        image: &cx.image,
        listener: &cx.listener.name,
        flags,
    };
    let mut topics = match view.flags.asks_for_all(&request) {
        true => view.all_topics(),
        false => asked_topics(cx, &view, &request),
    };
    if request.include_topic_authorized_operations {
        for topic in topics.iter_mut().filter(|topic| topic.name.is_some()) {
            topic.topic_authorized_operations = TOPIC_OPERATIONS;
        }
    }
    let mut response = MetadataResponse {
        brokers: view
            .live_brokers()
            .map(|(broker, host, port)| MetadataResponseBroker {
                node_id: broker.id,
                host: host.to_owned(),
                port: i32::from(port),
                rack: broker.rack.clone(),
                ..Default::default()
            })
            .collect(),
        cluster_id: Some(cx.node.cluster_id.clone()),
        // As Kafka with a quorum: any live broker, since each forwards what is meant for the controller.
        controller_id: view.live_brokers().next().map_or(-1, |(broker, ..)| broker.id),
        topics,
        ..Default::default()
    };
    if request.include_cluster_authorized_operations {
        response.cluster_authorized_operations = CLUSTER_OPERATIONS;
    }
    response
}

/// What a request gets that its version can't say: nothing but an error for each topic.
fn refused(flags: &Flags, request: &MetadataRequest) -> Option<MetadataResponse> {
    let asked = request.topics.as_deref().unwrap_or_default();
    let by_id = |topic: &MetadataRequestTopic| topic.name.is_none() || topic.topic_id != Uuid::ZERO;
    let unnamed = |topic: &MetadataRequestTopic| topic.name.is_none() && topic.topic_id == Uuid::ZERO;
    if !(flags.only_names && asked.iter().any(by_id) || asked.iter().any(unnamed)) {
        return None;
    }
    let topic = |topic: &MetadataRequestTopic| MetadataResponseTopic {
        error_code: ErrorCode::INVALID_REQUEST,
        name: Some(topic.name.clone().unwrap_or_default()),
        topic_id: topic.topic_id,
        ..Default::default()
    };
    Some(MetadataResponse {
        error_code: ErrorCode::INVALID_REQUEST,
        topics: asked.iter().map(topic).collect(),
        ..Default::default()
    })
}

fn asked_topics(cx: &RequestContext<'_>, view: &View<'_>, request: &MetadataRequest) -> Vec<MetadataResponseTopic> {
    let asked = request.topics.as_deref().unwrap_or_default();
    // One id makes the whole request one by ids.
    let ids: BTreeSet<Uuid> = asked
        .iter()
        .map(|topic| topic.topic_id)
        .filter(|id| *id != Uuid::ZERO)
        .collect();
    if !ids.is_empty() {
        return ids.into_iter().map(|id| view.topic_by_id(id)).collect();
    }
    let names: BTreeSet<&str> = asked.iter().filter_map(|topic| topic.name.as_deref()).collect();
    let (known, unknown): (Vec<&str>, Vec<&str>) = names
        .into_iter()
        .partition(|name| view.image.topics().by_name(name).is_some());
    let mut topics: Vec<_> = known
        .iter()
        .filter_map(|name| view.image.topics().by_name(name))
        .map(|t| view.topic(t))
        .collect();
    let may_create =
        request.allow_auto_topic_creation && cx.node.config.server.config.boolean("auto.create.topics.enable");
    if may_create {
        let names = unknown.iter().copied().filter(|name| is_valid_topic_name(name));
        cx.node.auto_topics.create(cx.node, names);
    }
    for name in unknown {
        let error_code = match is_valid_topic_name(name) {
            true => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            false => ErrorCode::INVALID_TOPIC_EXCEPTION,
        };
        let is_internal = is_internal(name);
        topics.push(MetadataResponseTopic {
            error_code,
            name: Some(name.to_owned()),
            is_internal,
            ..Default::default()
        });
    }
    topics
}

/// The image as the clients of one listener see it.
struct View<'a> {
    image: &'a MetadataImage,
    listener: &'a str,
    flags: Flags,
}

impl View<'_> {
    fn live_brokers(&self) -> impl Iterator<Item = (&BrokerRegistration, &str, u16)> {
        self.image
            .cluster()
            .brokers()
            .values()
            .filter(|broker| !broker.fenced)
            .filter_map(|broker| {
                broker
                    .listener(self.listener)
                    .map(|endpoint| (&**broker, endpoint.host.as_str(), endpoint.port))
            })
    }

    fn all_topics(&self) -> Vec<MetadataResponseTopic> {
        self.image.topics().iter().map(|topic| self.topic(topic)).collect()
    }

    fn topic_by_id(&self, id: Uuid) -> MetadataResponseTopic {
        match self.image.topics().by_id(id) {
            Some(topic) => self.topic(topic),
            None => MetadataResponseTopic {
                error_code: ErrorCode::UNKNOWN_TOPIC_ID,
                name: None,
                topic_id: id,
                ..Default::default()
            },
        }
    }

    fn topic(&self, topic: &TopicImage) -> MetadataResponseTopic {
        MetadataResponseTopic {
            name: Some(topic.name.to_string()),
            topic_id: topic.id,
            is_internal: is_internal(&topic.name),
            partitions: topic
                .partitions
                .iter()
                .map(|(index, partition)| self.partition(index, partition))
                .collect(),
            ..Default::default()
        }
    }

    fn partition(&self, index: i32, partition: &PartitionRegistration) -> MetadataResponsePartition {
        let replica_nodes = self.replicas(&partition.replicas);
        let isr_nodes = self.replicas(&partition.isr);
        let some_left_out = replica_nodes.len() < partition.replicas.len() || isr_nodes.len() < partition.isr.len();
        let (error_code, leader_id) = match self.image.cluster().broker(partition.leader) {
            Some(leader) if !leader.fenced && leader.listener(self.listener).is_some() => {
                let missing = if some_left_out {
                    ErrorCode::REPLICA_NOT_AVAILABLE
                } else {
                    ErrorCode::NONE
                };
                (missing, partition.leader)
            }
            Some(_) if self.flags.listener_not_found => (ErrorCode::LISTENER_NOT_FOUND, -1),
            _ => (ErrorCode::LEADER_NOT_AVAILABLE, -1),
        };
        MetadataResponsePartition {
            error_code,
            partition_index: index,
            leader_id,
            leader_epoch: partition.leader_epoch,
            replica_nodes,
            isr_nodes,
            offline_replicas: partition
                .replicas
                .iter()
                .copied()
                .filter(|id| self.is_offline(*id, partition))
                .collect(),
            ..Default::default()
        }
    }

    fn replicas(&self, ids: &[i32]) -> Vec<i32> {
        ids.iter()
            .copied()
            .filter(|id| !self.flags.only_live_replicas || self.is_live(*id))
            .collect()
    }

    fn is_live(&self, id: i32) -> bool {
        let broker = self.image.cluster().broker(id);
        broker.is_some_and(|broker| !broker.fenced && broker.listener(self.listener).is_some())
    }

    fn is_offline(&self, id: i32, partition: &PartitionRegistration) -> bool {
        let in_online_directory = || {
            let broker = self.image.cluster().broker(id)?;
            Some(broker.has_online_dir(partition.directory(id)?))
        };
        !self.is_live(id) || in_online_directory() == Some(false)
    }
}
