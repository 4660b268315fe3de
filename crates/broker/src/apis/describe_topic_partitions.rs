//! DescribeTopicPartitions (key 75), v0, flexible. KIP-966.
//! Tells partitions with their eligible leader replicas, page by page: at most so many, and where to go on.
//! Errors per topic: UNKNOWN_TOPIC_OR_PARTITION, INVALID_TOPIC_EXCEPTION; INVALID_REQUEST for a cursor that leads nowhere,
//! on every topic asked for, because the response has no other place for it.

use std::collections::BTreeSet;

use klamm_controller::is_valid_topic_name;
use klamm_metadata::{MetadataImage, PartitionRegistration, TopicImage};
use klamm_protocol::ErrorCode;
use klamm_protocol::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use klamm_protocol::messages::{DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse};

use crate::authorized_operations::TOPIC_OPERATIONS;
use crate::request::RequestContext;
use crate::topics::is_internal;

#[cfg(test)]
mod tests;

pub(crate) async fn handle(
    cx: &RequestContext<'_>,
    request: DescribeTopicPartitionsRequest,
) -> DescribeTopicPartitionsResponse {
    let most = cx.node.config.server.config.int("max.request.partition.size.limit");
    let limit = usize::try_from(request.response_partition_limit.min(most))
        .unwrap_or(0)
        .max(1);
    describe(&cx.image, &cx.listener.name, &request, limit)
}

/// What stands for operations that nobody looked up.
const NOT_TOLD: i32 = i32::MIN;

fn describe(
    image: &MetadataImage,
    listener: &str,
    request: &DescribeTopicPartitionsRequest,
    limit: usize,
) -> DescribeTopicPartitionsResponse {
    let cursor = request.cursor.as_ref();
    let first = cursor.map_or("", |cursor| cursor.topic_name.as_str());
    let asked: BTreeSet<&str> = request.topics.iter().map(|topic| topic.name.as_str()).collect();
    let leads_nowhere = |cursor: &&klamm_protocol::messages::describe_topic_partitions_request::Cursor| {
        cursor.partition_index < 0 || (!asked.is_empty() && !asked.contains(cursor.topic_name.as_str()))
    };
    if cursor.filter(leads_nowhere).is_some() {
        let failed = |name: &str| DescribeTopicPartitionsResponseTopic {
            topic_authorized_operations: NOT_TOLD,
            ..failed_topic(name, ErrorCode::INVALID_REQUEST)
        };
        return DescribeTopicPartitionsResponse {
            topics: asked.into_iter().map(failed).collect(),
            ..Default::default()
        };
    }
    let start = |name: &str| match cursor {
        Some(cursor) if cursor.topic_name == name => cursor.partition_index,
        _ => 0,
    };
    let mut page = Page {
        image,
        listener,
        left: limit,
        response: DescribeTopicPartitionsResponse::default(),
    };
    if asked.is_empty() {
        for topic in image.topics().iter_from(first) {
            if !page.add(topic, start(&topic.name)) {
                break;
            }
        }
    } else {
        for name in asked.into_iter().filter(|name| *name >= first) {
            let full = match image.topics().by_name(name) {
                Some(topic) => !page.add(topic, start(name)),
                None => !page.add_unknown(name),
            };
            if full {
                break;
            }
        }
    }
    page.response
}

/// A response as it fills up.
struct Page<'a> {
    image: &'a MetadataImage,
    listener: &'a str,
    /// How many partitions still go in.
    left: usize,
    response: DescribeTopicPartitionsResponse,
}

impl Page<'_> {
    /// Whether there is room for more; otherwise the cursor stands where to go on.
    fn add(&mut self, topic: &TopicImage, start: i32) -> bool {
        if self.is_full(&topic.name) {
            return false;
        }
        let rest = topic.partitions.iter().filter(|(id, _)| *id >= start);
        let partitions: Vec<_> = rest
            .take(self.left)
            .map(|(id, partition)| self.partition(id, partition))
            .collect();
        let next = partitions.last().map_or(start, |last| last.partition_index + 1);
        self.left -= partitions.len();
        self.response.topics.push(DescribeTopicPartitionsResponseTopic {
            name: Some(topic.name.to_string()),
            topic_id: topic.id,
            is_internal: is_internal(&topic.name),
            partitions,
            topic_authorized_operations: TOPIC_OPERATIONS,
            ..Default::default()
        });
        let more = topic.partitions.iter().any(|(id, _)| id >= next);
        if more {
            self.go_on_at(&topic.name, next);
        }
        !more
    }

    fn add_unknown(&mut self, name: &str) -> bool {
        if self.is_full(name) {
            return false;
        }
        let error = match is_valid_topic_name(name) {
            true => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            false => ErrorCode::INVALID_TOPIC_EXCEPTION,
        };
        self.response.topics.push(failed_topic(name, error));
        true
    }

    fn is_full(&mut self, next: &str) -> bool {
        if self.left == 0 {
            self.go_on_at(next, 0);
        }
        self.left == 0
    }

    fn go_on_at(&mut self, topic: &str, partition_index: i32) {
        self.response.next_cursor = Some(Cursor {
            topic_name: topic.to_owned(),
            partition_index,
            ..Default::default()
        });
    }

    fn partition(&self, id: i32, partition: &PartitionRegistration) -> DescribeTopicPartitionsResponsePartition {
        let leader = Some(partition.leader).filter(|leader| self.is_live(*leader));
        let offline = |replica: &i32| !self.is_online(*replica, partition);
        DescribeTopicPartitionsResponsePartition {
            partition_index: id,
            leader_id: leader.unwrap_or(-1),
            leader_epoch: partition.leader_epoch,
            replica_nodes: partition.replicas.to_vec(),
            isr_nodes: partition.isr.to_vec(),
            eligible_leader_replicas: Some(partition.elr.to_vec()),
            last_known_elr: Some(partition.last_known_elr.to_vec()),
            offline_replicas: partition.replicas.iter().copied().filter(offline).collect(),
            ..Default::default()
        }
    }

    fn is_live(&self, id: i32) -> bool {
        let broker = self.image.cluster().broker(id);
        broker.is_some_and(|broker| !broker.fenced && broker.listener(self.listener).is_some())
    }

    fn is_online(&self, id: i32, partition: &PartitionRegistration) -> bool {
        let broker = self.image.cluster().broker(id);
        let directory = partition.directory(id);
        self.is_live(id)
            && broker
                .zip(directory)
                .is_some_and(|(broker, directory)| broker.has_online_dir(directory))
    }
}

fn failed_topic(name: &str, error_code: ErrorCode) -> DescribeTopicPartitionsResponseTopic {
    DescribeTopicPartitionsResponseTopic {
        error_code,
        name: Some(name.to_owned()),
        is_internal: is_internal(name),
        topic_authorized_operations: TOPIC_OPERATIONS,
        ..Default::default()
    }
}
