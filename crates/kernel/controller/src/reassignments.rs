//! Moves of partitions between brokers: which are under way, and what may be asked for. Nothing moves yet: a cluster of one
//! node has nowhere to move to, so what is asked is checked, and stays as it is.

use klamm_metadata::PartitionRegistration;
use klamm_protocol::ErrorCode;
use klamm_protocol::messages::alter_partition_reassignments_request::ReassignablePartition;
use klamm_protocol::messages::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use klamm_protocol::messages::list_partition_reassignments_response::{
    OngoingPartitionReassignment, OngoingTopicReassignment,
};
use klamm_protocol::messages::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse,
};

use crate::controller::Controller;
use crate::result::{ControllerError, ControllerResult};

impl Controller {
    /// Checks each move that is asked for: one to where the partition is succeeds, others are refused.
    pub fn alter_partition_reassignments(
        &self,
        request: &AlterPartitionReassignmentsRequest,
    ) -> Result<ControllerResult<AlterPartitionReassignmentsResponse>, ControllerError> {
        let may_change_factor = request.allow_replication_factor_change;
        let topic = |topic: &str, partitions: &[ReassignablePartition]| ReassignableTopicResponse {
            name: topic.to_owned(),
            partitions: partitions
                .iter()
                .map(|target| partition_result(target, self.check_reassignment(topic, target, may_change_factor)))
                .collect(),
            ..ReassignableTopicResponse::default()
        };
        let asked = request.topics.iter();
        let reply = AlterPartitionReassignmentsResponse {
            allow_replication_factor_change: may_change_factor,
            error_message: None,
            responses: asked.map(|asked| topic(&asked.name, &asked.partitions)).collect(),
            ..AlterPartitionReassignmentsResponse::default()
        };
        Ok(ControllerResult::atomic_of(Vec::new(), reply))
    }

    fn check_reassignment(
        &self,
        topic: &str,
        target: &ReassignablePartition,
        may_change_factor: bool,
    ) -> Result<(), ControllerError> {
        let unknown = |message| ControllerError::new(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, message);
        let index = target.partition_index;
        let known = self.image().topics().by_name(topic);
        let known = known.ok_or_else(|| unknown(format!("Unable to find a topic named {topic}.")))?;
        let partition = known.partitions.get(index);
        let partition = partition.ok_or_else(|| unknown(format!("Unable to find partition {topic}:{index}.")))?;
        let immovable = || {
            let message = "Klamm does not move partitions between brokers yet.";
            Err(ControllerError::new(ErrorCode::INVALID_REPLICA_ASSIGNMENT, message))
        };
        match &target.replicas {
            None if partition.is_reassigning() => immovable(),
            None => Err(ErrorCode::NO_REASSIGNMENT_IN_PROGRESS.into()),
            Some(replicas) => {
                self.check_assignment(replicas, None)?;
                let current = partition.replicas.len();
                if !may_change_factor && replicas.len() != current {
                    let message = format!("The replication factor is changed from {current} to {}", replicas.len());
                    return Err(ControllerError::new(ErrorCode::INVALID_REPLICATION_FACTOR, message));
                }
                match **replicas == *partition.replicas && !partition.is_reassigning() {
                    true => Ok(()),
                    false => immovable(),
                }
            }
        }
    }

    /// The moves under way, of the partitions asked for or of all.
    pub fn list_partition_reassignments(
        &self,
        request: &ListPartitionReassignmentsRequest,
    ) -> ListPartitionReassignmentsResponse {
        let topics = self.committed_image().topics().clone();
        let mut found = Vec::new();
        match &request.topics {
            None => {
                for topic in topics.iter() {
                    let rows = topic
                        .partitions
                        .iter()
                        .filter_map(|(id, partition)| ongoing(id, partition));
                    found.push((topic.name.to_string(), rows.collect::<Vec<_>>()));
                }
            }
            Some(asked) => {
                for asked in asked {
                    let rows = asked.partition_indexes.iter();
                    let rows = rows.filter_map(|id| ongoing(*id, topics.partition(&asked.name, *id)?));
                    found.push((asked.name.clone(), rows.collect()));
                }
            }
        }
        let moving = found.into_iter().filter(|(_, partitions)| !partitions.is_empty());
        let topics = moving.map(|(name, partitions)| OngoingTopicReassignment {
            name,
            partitions,
            ..OngoingTopicReassignment::default()
        });
        ListPartitionReassignmentsResponse {
            error_message: None,
            topics: topics.collect(),
            ..ListPartitionReassignmentsResponse::default()
        }
    }
}

fn ongoing(partition_index: i32, partition: &PartitionRegistration) -> Option<OngoingPartitionReassignment> {
    partition.is_reassigning().then(|| OngoingPartitionReassignment {
        partition_index,
        replicas: partition.replicas.to_vec(),
        adding_replicas: partition.adding_replicas.to_vec(),
        removing_replicas: partition.removing_replicas.to_vec(),
        ..OngoingPartitionReassignment::default()
    })
}

fn partition_result(
    target: &ReassignablePartition,
    result: Result<(), ControllerError>,
) -> ReassignablePartitionResponse {
    let (error_code, error_message) = match result {
        Ok(()) => (ErrorCode::NONE, None),
        Err(error) => (error.code, error.message),
    };
    ReassignablePartitionResponse {
        partition_index: target.partition_index,
        error_code,
        error_message,
        ..ReassignablePartitionResponse::default()
    }
}
