//! Leaders on demand: ElectLeaders.

use klamm_metadata::{MetadataRecord, TopicImage};
use klamm_protocol::ErrorCode;
use klamm_protocol::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use klamm_protocol::messages::{ElectLeadersRequest, ElectLeadersResponse};

use crate::controller::Controller;
use crate::partition_change::Election;
use crate::result::{ControllerError, ControllerResult, MAX_RECORDS_PER_USER_OP};

/// The types of elections on the wire.
const PREFERRED: i8 = 0;
const UNCLEAN: i8 = 1;

impl Controller {
    /// Elects leaders of partitions, each on its own; of all partitions when the request names none (null).
    ///
    /// Fails as a whole with INVALID_REQUEST for an unknown type of election, and with POLICY_VIOLATION when more leaders
    /// change than one batch can hold.
    pub fn elect_leaders(
        &self,
        request: &ElectLeadersRequest,
    ) -> Result<ControllerResult<ElectLeadersResponse>, ControllerError> {
        let election = match request.election_type {
            PREFERRED => Election::Preferred,
            UNCLEAN => Election::Unclean,
            other => {
                let message = format!("Unknown election type {other}");
                return Err(ControllerError::new(ErrorCode::INVALID_REQUEST, message));
            }
        };
        let mut records = Vec::new();
        let mut results = Vec::new();
        match &request.topic_partitions {
            Some(asked) => {
                for topic in asked {
                    let elect = |id: &i32| partition_result(*id, self.elect(&topic.topic, *id, election, &mut records));
                    results.push(topic_result(&topic.topic, topic.partitions.iter().map(elect).collect()));
                }
            }
            None => {
                for topic in self.image().topics().iter() {
                    let ids: Vec<i32> = topic.partitions.iter().map(|(id, _)| id).collect();
                    let elect = |id| partition_result(id, self.elect(&topic.name, id, election, &mut records));
                    let mut partitions: Vec<_> = ids.into_iter().map(elect).collect();
                    // Of all partitions those that need no election are left out.
                    partitions.retain(|row| row.error_code != ErrorCode::ELECTION_NOT_NEEDED);
                    results.push(topic_result(&topic.name, partitions));
                }
            }
        }
        if records.len() > MAX_RECORDS_PER_USER_OP {
            let message = "Excessively large number of elections per request.";
            return Err(ControllerError::new(ErrorCode::POLICY_VIOLATION, message));
        }
        let reply = ElectLeadersResponse {
            replica_election_results: results,
            ..ElectLeadersResponse::default()
        };
        Ok(ControllerResult::of(records, reply))
    }

    fn elect(
        &self,
        topic: &str,
        id: i32,
        election: Election,
        records: &mut Vec<MetadataRecord>,
    ) -> Result<(), ControllerError> {
        let unknown = |message| ControllerError::new(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, message);
        let known: &TopicImage = self
            .image()
            .topics()
            .by_name(topic)
            .ok_or_else(|| unknown(format!("No such topic as {topic}")))?;
        let partition = known.partitions.get(id);
        let partition = partition.ok_or_else(|| unknown(format!("No such partition as {topic}-{id}")))?;
        let preferred_leads = partition.replicas.first() == Some(&partition.leader);
        if (election == Election::Preferred && preferred_leads)
            || (election == Election::Unclean && partition.has_leader())
        {
            return Err(ErrorCode::ELECTION_NOT_NEEDED.into());
        }
        let acceptable = |replica| self.is_active(replica) && self.has_online_replica(partition, replica);
        let mut change = self.partition_change(known, id, partition, &acceptable);
        change.election = election;
        match change.build() {
            Some(record) => {
                records.push(record.into());
                Ok(())
            }
            None if election == Election::Preferred => Err(ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE.into()),
            None => Err(ErrorCode::ELIGIBLE_LEADERS_NOT_AVAILABLE.into()),
        }
    }
}

fn topic_result(topic: &str, partition_result: Vec<PartitionResult>) -> ReplicaElectionResult {
    ReplicaElectionResult {
        topic: topic.to_owned(),
        partition_result,
        ..ReplicaElectionResult::default()
    }
}

fn partition_result(partition_id: i32, result: Result<(), ControllerError>) -> PartitionResult {
    let (error_code, error_message) = match result {
        Ok(()) => (ErrorCode::NONE, None),
        Err(error) => (
            error.code,
            error.message.or_else(|| Some(error.code.message().to_owned())),
        ),
    };
    PartitionResult {
        partition_id,
        error_code,
        error_message,
        ..PartitionResult::default()
    }
}
