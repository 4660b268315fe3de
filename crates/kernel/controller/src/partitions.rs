//! Partitions: more of them, their ISRs as leaders report them, their replicas' log directories.

use klamm_metadata::{
    BrokerRegistration, LeaderRecoveryState, MetadataRecord, NO_LEADER_CHANGE, PartitionRegistration, TopicImage,
};
use klamm_protocol::messages::alter_partition_request::{BrokerState, PartitionData};
use klamm_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use klamm_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use klamm_protocol::messages::{
    AlterPartitionRequest, AlterPartitionResponse, AssignReplicasToDirsRequest, AssignReplicasToDirsResponse,
    CreatePartitionsRequest, CreatePartitionsResponse, alter_partition_response, assign_replicas_to_dirs_response,
};
use klamm_protocol::{ErrorCode, Uuid};

use crate::controller::Controller;
use crate::leadership::Leaving;
use crate::placement::{StripedReplicaPlacer, UsableBroker};
use crate::random::Random;
use crate::result::{ControllerError, ControllerResult, MAX_RECORDS_PER_USER_OP};
use crate::topics::repeated;

/// A partition to be created. The ISR isn't empty, and its first member leads.
pub(crate) struct NewPartition {
    pub(crate) replicas: Vec<i32>,
    isr: Vec<i32>,
}

impl Controller {
    /// Adds partitions to topics, each on its own.
    ///
    /// Fails as a whole with POLICY_VIOLATION when the request asks for more partitions than one batch can hold.
    pub fn create_partitions(
        &self,
        request: &CreatePartitionsRequest,
    ) -> Result<ControllerResult<CreatePartitionsResponse>, ControllerError> {
        let duplicates = repeated(request.topics.iter().map(|topic| topic.name.as_str()));
        let mut results: Vec<_> = duplicates
            .iter()
            .map(|name| {
                let error = ControllerError::new(ErrorCode::INVALID_REQUEST, "Duplicate topic name.");
                partitions_result(name, Err(error))
            })
            .collect();
        let mut random = self.random();
        let mut records = Vec::new();
        for topic in request
            .topics
            .iter()
            .filter(|topic| !duplicates.contains(topic.name.as_str()))
        {
            let added = self.add_partitions(topic, records.len(), &mut random)?;
            results.push(partitions_result(&topic.name, added.map(|added| records.extend(added))));
        }
        if request.validate_only {
            records.clear();
        }
        let reply = CreatePartitionsResponse {
            results,
            ..CreatePartitionsResponse::default()
        };
        Ok(ControllerResult::atomic_of(records, reply))
    }

    /// The outer error is the whole request's, the inner one the topic's.
    fn add_partitions(
        &self,
        topic: &CreatePartitionsTopic,
        records_so_far: usize,
        random: &mut Random,
    ) -> Result<Result<Vec<MetadataRecord>, ControllerError>, ControllerError> {
        let Some(known) = self.image().topics().by_name(&topic.name) else {
            return Ok(Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.into()));
        };
        let have = known.partitions.len();
        let additional = match usize::try_from(topic.count) {
            Ok(count) if count > have => count - have,
            Ok(count) if count == have => {
                let message = format!("Topic already has {have} partition(s).");
                return Ok(Err(ControllerError::new(ErrorCode::INVALID_PARTITIONS, message)));
            }
            _ => {
                let message = format!(
                    "The topic {} currently has {have} partition(s); {} would not be an increase.",
                    topic.name, topic.count
                );
                return Ok(Err(ControllerError::new(ErrorCode::INVALID_PARTITIONS, message)));
            }
        };
        if records_so_far.saturating_add(additional) > MAX_RECORDS_PER_USER_OP {
            return Err(ControllerError::new(
                ErrorCode::POLICY_VIOLATION,
                "Excessively large number of additional partitions per request.",
            ));
        }
        Ok(self
            .additional_partitions(topic, known, additional, random)
            .map(|partitions| {
                let ids = i32::try_from(have).unwrap_or(i32::MAX)..;
                ids.zip(&partitions)
                    .map(|(id, partition)| self.partition_record(known.id, id, partition))
                    .collect()
            }))
    }

    fn additional_partitions(
        &self,
        topic: &CreatePartitionsTopic,
        known: &TopicImage,
        additional: usize,
        random: &mut Random,
    ) -> Result<Vec<NewPartition>, ControllerError> {
        let replication_factor = known
            .partitions
            .iter()
            .next()
            .map_or(0, |(_, first)| first.replicas.len());
        let Some(assignments) = &topic.assignments else {
            let replication_factor = i16::try_from(replication_factor).unwrap_or(i16::MAX);
            return self
                .placed_partitions(additional, replication_factor, random)
                .map_err(|error| match error {
                    ControllerError {
                        code,
                        message: Some(message),
                    } if message == ALL_INACTIVE => ControllerError::new(
                        code,
                        format!("Unable to replicate the partition {replication_factor} time(s): {message}"),
                    ),
                    other => other,
                });
        };
        if assignments.len() != additional {
            return Err(ControllerError::new(
                ErrorCode::INVALID_REPLICA_ASSIGNMENT,
                format!(
                    "Attempted to add {additional} additional partition(s), but only {} assignment(s) were specified.",
                    assignments.len()
                ),
            ));
        }
        let ids = i32::try_from(known.partitions.len()).unwrap_or(i32::MAX)..;
        ids.zip(assignments)
            .map(|(id, assignment)| self.assigned_partition(id, &assignment.broker_ids, Some(replication_factor)))
            .collect()
    }

    /// New partitions on brokers that the placer chooses.
    pub(crate) fn placed_partitions(
        &self,
        count: usize,
        replication_factor: i16,
        random: &mut Random,
    ) -> Result<Vec<NewPartition>, ControllerError> {
        let brokers = self.image().cluster().brokers().values();
        let usable = brokers
            .filter(|broker| (broker.fenced || !broker.in_controlled_shutdown) && broker.has_uncordoned_dirs())
            .map(|broker| UsableBroker {
                id: broker.id,
                rack: broker.rack.clone(),
                fenced: broker.fenced,
            });
        let placer = StripedReplicaPlacer::new(Random::new(random.next()), usable);
        let placed = placer.place(count, replication_factor)?;
        let all_inactive = || ControllerError::new(ErrorCode::INVALID_REPLICATION_FACTOR, ALL_INACTIVE);
        placed
            .into_iter()
            .map(|replicas| self.new_partition(replicas).ok_or_else(all_inactive))
            .collect()
    }

    /// A new partition on brokers that the request chose; `replication_factor` is that of the topic's others.
    pub(crate) fn assigned_partition(
        &self,
        id: i32,
        replicas: &[i32],
        replication_factor: Option<usize>,
    ) -> Result<NewPartition, ControllerError> {
        self.check_assignment(replicas, replication_factor)?;
        self.new_partition(replicas.to_vec()).ok_or_else(|| {
            let message = format!(
                "All brokers specified in the manual partition assignment for partition {id} are fenced or in \
                 controlled shutdown."
            );
            ControllerError::new(ErrorCode::INVALID_REPLICA_ASSIGNMENT, message)
        })
    }

    /// Whether a partition may have those replicas; `replication_factor` is that of the topic's others.
    pub(crate) fn check_assignment(
        &self,
        replicas: &[i32],
        replication_factor: Option<usize>,
    ) -> Result<(), ControllerError> {
        let invalid = |message: String| ControllerError::new(ErrorCode::INVALID_REPLICA_ASSIGNMENT, message);
        let reason = |what: String| Err(invalid(format!("The manual partition assignment includes {what}")));
        if replicas.is_empty() {
            return reason("an empty replica list.".to_owned());
        }
        let mut sorted = replicas.to_vec();
        sorted.sort_unstable();
        for (index, &broker) in sorted.iter().enumerate() {
            match self.image().cluster().broker(broker) {
                None => return reason(format!("broker {broker}, but no such broker is registered.")),
                Some(registered) if !registered.has_uncordoned_dirs() => {
                    return reason(format!("broker {broker}, but all its log directories are cordoned."));
                }
                Some(_) if index > 0 && sorted[index - 1] == broker => {
                    return reason(format!("the broker {broker} more than once."));
                }
                Some(_) => {}
            }
        }
        if let Some(expected) = replication_factor.filter(|expected| *expected != replicas.len()) {
            return reason(format!(
                "a partition with {} replica(s), but this is not consistent with previous partitions, which have \
                 {expected} replica(s).",
                replicas.len()
            ));
        }
        Ok(())
    }

    /// `None` when none of the replicas could lead.
    fn new_partition(&self, replicas: Vec<i32>) -> Option<NewPartition> {
        let isr: Vec<_> = replicas.iter().copied().filter(|id| self.is_active(*id)).collect();
        (!isr.is_empty()).then_some(NewPartition { replicas, isr })
    }

    pub(crate) fn partition_record(&self, topic_id: Uuid, id: i32, partition: &NewPartition) -> MetadataRecord {
        let registration = PartitionRegistration {
            directories: partition
                .replicas
                .iter()
                .map(|replica| self.default_dir(*replica))
                .collect(),
            replicas: partition.replicas.as_slice().into(),
            isr: partition.isr.as_slice().into(),
            removing_replicas: Box::default(),
            adding_replicas: Box::default(),
            elr: Box::default(),
            last_known_elr: Box::default(),
            leader: partition.isr[0],
            leader_epoch: 0,
            partition_epoch: 0,
            leader_recovery_state: LeaderRecoveryState::Recovered,
        };
        registration
            .to_record(topic_id, id, self.metadata_version(), self.is_elr_enabled())
            .into()
    }

    /// Takes in the ISRs that a leader reports, and says what the partitions are then.
    ///
    /// Fails as a whole with STALE_BROKER_EPOCH.
    pub fn alter_partition(
        &self,
        request: &AlterPartitionRequest,
    ) -> Result<ControllerResult<AlterPartitionResponse>, ControllerError> {
        self.check_broker_epoch(request.broker_id, request.broker_epoch)?;
        let mut records = Vec::new();
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in &request.topics {
            let known = self.image().topics().by_id(topic.topic_id);
            let partitions = topic.partitions.iter().map(|data| {
                let altered = match known {
                    Some(known) => self.alter_one(request.broker_id, known, data, &mut records),
                    None => Err(ErrorCode::UNKNOWN_TOPIC_ID),
                };
                altered_partition(data.partition_index, altered)
            });
            topics.push(alter_partition_response::TopicData {
                topic_id: topic.topic_id,
                partitions: partitions.collect(),
                ..alter_partition_response::TopicData::default()
            });
        }
        let reply = AlterPartitionResponse {
            topics,
            ..AlterPartitionResponse::default()
        };
        Ok(ControllerResult::of(records, reply))
    }

    fn alter_one(
        &self,
        broker_id: i32,
        topic: &TopicImage,
        data: &PartitionData,
        records: &mut Vec<MetadataRecord>,
    ) -> Result<PartitionRegistration, ErrorCode> {
        let id = data.partition_index;
        let partition = topic.partitions.get(id).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        let isr = isr_with_epochs(data);
        let recovery_state = self.check_altered(broker_id, partition, data, &isr)?;
        let leader_will_do = |id: i32| self.is_active(id) && self.has_online_replica(partition, id);
        let mut change = self.partition_change(topic, id, partition, &leader_will_do);
        change.target_isr = isr.iter().map(|state| state.broker_id).collect();
        change.target_recovery_state = recovery_state;
        let Some(record) = change.build() else {
            return Ok(partition.clone());
        };
        let altered = partition
            .merge(&record)
            .expect("the change was made for this partition");
        let other_leader = record.leader != broker_id && record.leader != NO_LEADER_CHANGE;
        records.push(record.into());
        if other_leader {
            Err(ErrorCode::NEW_LEADER_ELECTED)
        } else {
            Ok(altered)
        }
    }

    fn check_altered(
        &self,
        broker_id: i32,
        partition: &PartitionRegistration,
        data: &PartitionData,
        isr: &[BrokerState],
    ) -> Result<LeaderRecoveryState, ErrorCode> {
        let recovery_state =
            LeaderRecoveryState::from_id(data.leader_recovery_state).ok_or(ErrorCode::INVALID_REQUEST)?;
        // A leader that knows of a later epoch has heard from a later controller.
        if data.leader_epoch > partition.leader_epoch || data.partition_epoch > partition.partition_epoch {
            return Err(ErrorCode::NOT_CONTROLLER);
        }
        if data.leader_epoch < partition.leader_epoch {
            return Err(ErrorCode::FENCED_LEADER_EPOCH);
        }
        if broker_id != partition.leader {
            return Err(ErrorCode::INVALID_REQUEST);
        }
        if data.partition_epoch < partition.partition_epoch {
            return Err(ErrorCode::INVALID_UPDATE_VERSION);
        }
        let members: Vec<i32> = isr.iter().map(|state| state.broker_id).collect();
        let valid_isr = repeated(members.iter().copied()).is_empty()
            && members.iter().all(|id| partition.replicas.contains(id))
            && members.contains(&partition.leader);
        let grows_in_recovery = recovery_state == LeaderRecoveryState::Recovering && isr.len() > 1;
        if !valid_isr || grows_in_recovery || !Self::may_become(partition.leader_recovery_state, recovery_state) {
            return Err(ErrorCode::INVALID_REQUEST);
        }
        let eligible = |state: &BrokerState| {
            let broker = self
                .image()
                .cluster()
                .broker(state.broker_id)
                .filter(|broker| broker.is_active());
            broker.is_some_and(|broker: &BrokerRegistration| [-1, broker.epoch].contains(&state.broker_epoch))
        };
        if isr.iter().all(eligible) {
            Ok(recovery_state)
        } else {
            Err(ErrorCode::INELIGIBLE_REPLICA)
        }
    }

    /// Takes in which log directories a broker chose for its replicas.
    ///
    /// Fails as a whole with UNSUPPORTED_VERSION or STALE_BROKER_EPOCH.
    pub fn assign_replicas_to_dirs(
        &self,
        request: &AssignReplicasToDirsRequest,
    ) -> Result<ControllerResult<AssignReplicasToDirsResponse>, ControllerError> {
        if !self.metadata_version().is_directory_assignment_supported() {
            return Err(ControllerError::new(
                ErrorCode::UNSUPPORTED_VERSION,
                "Directory assignment is not supported yet.",
            ));
        }
        let broker = self.check_broker_epoch(request.broker_id, request.broker_epoch)?;
        let mut records = Vec::new();
        let mut offline = Vec::new();
        let mut directories = Vec::with_capacity(request.directories.len());
        for directory in &request.directories {
            let mut topics = Vec::with_capacity(directory.topics.len());
            for topic in &directory.topics {
                let partitions = topic.partitions.iter().map(|partition| {
                    let id = partition.partition_index;
                    let assigned = self.assign_replica(broker.id, topic.topic_id, id, directory.id, &mut records);
                    if assigned.is_ok() && !broker.has_online_dir(directory.id) {
                        offline.push((topic.topic_id, id));
                    }
                    assign_replicas_to_dirs_response::PartitionData {
                        partition_index: id,
                        error_code: assigned.err().unwrap_or(ErrorCode::NONE),
                        ..assign_replicas_to_dirs_response::PartitionData::default()
                    }
                });
                topics.push(assign_replicas_to_dirs_response::TopicData {
                    topic_id: topic.topic_id,
                    partitions: partitions.collect(),
                    ..assign_replicas_to_dirs_response::TopicData::default()
                });
            }
            directories.push(assign_replicas_to_dirs_response::DirectoryData {
                id: directory.id,
                topics,
                ..assign_replicas_to_dirs_response::DirectoryData::default()
            });
        }
        self.leader_and_isr_updates(Leaving::Cleanly(broker.id), None, offline, &mut records);
        let reply = AssignReplicasToDirsResponse {
            directories,
            ..AssignReplicasToDirsResponse::default()
        };
        Ok(ControllerResult::of(records, reply))
    }

    fn assign_replica(
        &self,
        broker_id: i32,
        topic_id: Uuid,
        id: i32,
        directory: Uuid,
        records: &mut Vec<MetadataRecord>,
    ) -> Result<(), ErrorCode> {
        let topic = self
            .image()
            .topics()
            .by_id(topic_id)
            .ok_or(ErrorCode::UNKNOWN_TOPIC_ID)?;
        let partition = topic.partitions.get(id).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        let replica = partition.replicas.iter().position(|replica| *replica == broker_id);
        let replica = replica.ok_or(ErrorCode::NOT_LEADER_OR_FOLLOWER)?;
        let leader_will_do = |id: i32| self.is_active(id) && self.has_online_replica(partition, id);
        let mut change = self.partition_change(topic, id, partition, &leader_will_do);
        change.target_directories[replica] = directory;
        records.extend(change.build().map(MetadataRecord::from));
        Ok(())
    }
}

const ALL_INACTIVE: &str = "All brokers are currently fenced or in controlled shutdown.";

fn partitions_result(name: &str, result: Result<(), ControllerError>) -> CreatePartitionsTopicResult {
    let error = result.err();
    CreatePartitionsTopicResult {
        name: name.to_owned(),
        error_code: error.as_ref().map_or(ErrorCode::NONE, |error| error.code),
        error_message: error.and_then(|error| error.message),
        ..CreatePartitionsTopicResult::default()
    }
}

/// Version 2 has ids only, version 3 on has ids with epochs; -1 stands for "any epoch".
fn isr_with_epochs(data: &PartitionData) -> Vec<BrokerState> {
    if data.new_isr_with_epochs.is_empty() {
        let any_epoch = |broker_id: &i32| BrokerState {
            broker_id: *broker_id,
            broker_epoch: -1,
            ..BrokerState::default()
        };
        data.new_isr.iter().map(any_epoch).collect()
    } else {
        data.new_isr_with_epochs.clone()
    }
}

fn altered_partition(
    partition_index: i32,
    altered: Result<PartitionRegistration, ErrorCode>,
) -> alter_partition_response::PartitionData {
    match altered {
        Ok(partition) => alter_partition_response::PartitionData {
            partition_index,
            error_code: ErrorCode::NONE,
            leader_id: partition.leader,
            leader_epoch: partition.leader_epoch,
            isr: partition.isr.to_vec(),
            leader_recovery_state: partition.leader_recovery_state.id(),
            partition_epoch: partition.partition_epoch,
            ..alter_partition_response::PartitionData::default()
        },
        Err(error_code) => alter_partition_response::PartitionData {
            partition_index,
            error_code,
            ..alter_partition_response::PartitionData::default()
        },
    }
}
