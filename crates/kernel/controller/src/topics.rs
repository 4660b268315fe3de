//! Topics: creation and deletion.

use std::collections::{BTreeMap, BTreeSet};

use klamm_config::Overrides;
use klamm_config::alter::AlterOperation;
use klamm_metadata::{ConfigResource, MetadataRecord, TopicImage};
use klamm_protocol::messages::create_topics_request::CreatableTopic;
use klamm_protocol::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use klamm_protocol::messages::delete_topics_response::DeletableTopicResult;
use klamm_protocol::messages::{CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest, DeleteTopicsResponse};
use klamm_protocol::metadata::{RemoveTopicRecord, TopicRecord};
use klamm_protocol::{ErrorCode, Uuid};

use crate::configs::ConfigOps;
use crate::controller::Controller;
use crate::partitions::NewPartition;
use crate::random::Random;
use crate::result::{ControllerError, ControllerResult, MAX_RECORDS_PER_USER_OP};
use crate::topic_name::{has_collision_chars, reason_invalid, unify_collision_chars};

/// The metadata log's own topic, which nobody may create.
const CLUSTER_METADATA_TOPIC_NAME: &str = "__cluster_metadata";

impl Controller {
    /// Creates topics, each on its own: one that can't be created doesn't keep the others from it.
    ///
    /// Fails as a whole with POLICY_VIOLATION when the request asks for more partitions than one batch can hold.
    pub fn create_topics(
        &self,
        request: &CreateTopicsRequest,
    ) -> Result<ControllerResult<CreateTopicsResponse>, ControllerError> {
        let duplicates = repeated(request.topics.iter().map(|topic| topic.name.as_str()));
        let topics: Vec<&CreatableTopic> = request
            .topics
            .iter()
            .filter(|topic| !duplicates.contains(topic.name.as_str()) && topic.name != CLUSTER_METADATA_TOPIC_NAME)
            .collect();
        self.check_partition_total(&topics)?;
        let mut random = self.random();
        let mut records = Vec::new();
        let mut results = Vec::with_capacity(request.topics.len());
        for topic in topics {
            results.push(match self.create_topic(topic, &mut random) {
                Ok((result, created)) if records.len() + created.len() <= MAX_RECORDS_PER_USER_OP => {
                    records.extend(created);
                    result
                }
                Ok(_) => {
                    return Err(too_many_partitions());
                }
                Err(error) => failed(&topic.name, error),
            });
        }
        let duplicate = || ControllerError::new(ErrorCode::INVALID_REQUEST, "Duplicate topic name.");
        results.extend(duplicates.iter().map(|name| failed(name, duplicate())));
        let reserved = |topic: &&CreatableTopic| topic.name == CLUSTER_METADATA_TOPIC_NAME;
        if !duplicates.contains(CLUSTER_METADATA_TOPIC_NAME) && request.topics.iter().any(|topic| reserved(&topic)) {
            let message = format!("Creation of internal topic {CLUSTER_METADATA_TOPIC_NAME} is prohibited.");
            let error = ControllerError::new(ErrorCode::INVALID_REQUEST, message);
            results.push(failed(CLUSTER_METADATA_TOPIC_NAME, error));
        }
        if request.validate_only {
            records.clear();
        }
        let reply = CreateTopicsResponse {
            topics: results,
            ..CreateTopicsResponse::default()
        };
        Ok(ControllerResult::atomic_of(records, reply))
    }

    fn check_partition_total(&self, topics: &[&CreatableTopic]) -> Result<(), ControllerError> {
        let of_topic = |topic: &&CreatableTopic| match topic.num_partitions {
            _ if !topic.assignments.is_empty() => topic.assignments.len(),
            -1 => usize::try_from(self.default_partitions()).unwrap_or(0),
            wanted => usize::try_from(wanted).unwrap_or(0),
        };
        let total = topics.iter().map(of_topic).fold(0, usize::saturating_add);
        if total > MAX_RECORDS_PER_USER_OP {
            Err(too_many_partitions())
        } else {
            Ok(())
        }
    }

    fn create_topic(
        &self,
        topic: &CreatableTopic,
        random: &mut Random,
    ) -> Result<(CreatableTopicResult, Vec<MetadataRecord>), ControllerError> {
        self.check_new_name(&topic.name)?;
        let config_records = self.creation_config_records(topic)?;
        let partitions = self.new_topic_partitions(topic, random)?;
        let topic_id = Uuid::random(&mut || random.next());

        let record = TopicRecord {
            name: topic.name.clone(),
            topic_id,
            ..TopicRecord::default()
        };
        let mut records = vec![record.into()];
        records.extend(config_records);
        let ids = 0..;
        records.extend(
            ids.zip(&partitions)
                .map(|(id, partition)| self.partition_record(topic_id, id, partition)),
        );

        let replicas = partitions.first().map_or(0, |partition| partition.replicas.len());
        let result = CreatableTopicResult {
            name: topic.name.clone(),
            topic_id,
            num_partitions: i32::try_from(partitions.len()).unwrap_or(i32::MAX),
            replication_factor: i16::try_from(replicas).unwrap_or(i16::MAX),
            error_message: None,
            configs: Some(self.effective_configs(topic)),
            ..CreatableTopicResult::default()
        };
        Ok((result, records))
    }

    fn check_new_name(&self, name: &str) -> Result<(), ControllerError> {
        let invalid = |message| Err(ControllerError::new(ErrorCode::INVALID_TOPIC_EXCEPTION, message));
        if self.image().topics().by_name(name).is_some() {
            let message = format!("Topic '{name}' already exists.");
            return Err(ControllerError::new(ErrorCode::TOPIC_ALREADY_EXISTS, message));
        }
        if let Some(reason) = reason_invalid(name) {
            return invalid(format!("Topic name is invalid: {reason}"));
        }
        if has_collision_chars(name) {
            let unified = unify_collision_chars(name);
            let first = (unified.clone(), "".into());
            let mut colliding = self.state().colliding_names.range(first..);
            if let Some((_, other)) = colliding.next().filter(|(other, _)| *other == unified) {
                return invalid(format!("Topic '{name}' collides with existing topic: {other}"));
            }
        }
        Ok(())
    }

    fn creation_config_records(&self, topic: &CreatableTopic) -> Result<Vec<MetadataRecord>, ControllerError> {
        let without_value: Vec<_> = topic
            .configs
            .iter()
            .filter(|config| config.value.is_none())
            .map(|config| config.name.as_str())
            .collect();
        if !without_value.is_empty() {
            return Err(ControllerError::new(
                ErrorCode::INVALID_CONFIG,
                format!(
                    "Null value not supported for topic configs: {}",
                    without_value.join(",")
                ),
            ));
        }
        let ops: ConfigOps = topic
            .configs
            .iter()
            .map(|config| (config.name.clone(), (AlterOperation::Set, config.value.clone())))
            .collect();
        self.alter_config(&ConfigResource::topic(&topic.name), &ops, true)
    }

    fn new_topic_partitions(
        &self,
        topic: &CreatableTopic,
        random: &mut Random,
    ) -> Result<Vec<NewPartition>, ControllerError> {
        if topic.assignments.is_empty() {
            return self.placed_topic_partitions(topic, random);
        }
        let request_error = |message| Err(ControllerError::new(ErrorCode::INVALID_REQUEST, message));
        if topic.replication_factor != -1 {
            return request_error(
                "A manual partition assignment was specified, but replication factor was not set to -1.",
            );
        }
        if topic.num_partitions != -1 {
            return request_error("A manual partition assignment was specified, but numPartitions was not set to -1.");
        }
        let invalid = |message| Err(ControllerError::new(ErrorCode::INVALID_REPLICA_ASSIGNMENT, message));
        let mut partitions = BTreeMap::new();
        let mut replication_factor = None;
        for assignment in &topic.assignments {
            let id = assignment.partition_index;
            if partitions.contains_key(&id) {
                return invalid(format!(
                    "Found multiple manual partition assignments for partition {id}"
                ));
            }
            partitions.insert(
                id,
                self.assigned_partition(id, &assignment.broker_ids, replication_factor)?,
            );
            replication_factor = Some(assignment.broker_ids.len());
        }
        if !partitions
            .keys()
            .copied()
            .eq(0..i32::try_from(partitions.len()).unwrap_or(i32::MAX))
        {
            return invalid("partitions should be a consecutive 0-based integer sequence".to_owned());
        }
        Ok(partitions.into_values().collect())
    }

    fn placed_topic_partitions(
        &self,
        topic: &CreatableTopic,
        random: &mut Random,
    ) -> Result<Vec<NewPartition>, ControllerError> {
        if topic.replication_factor < -1 || topic.replication_factor == 0 {
            return Err(ControllerError::new(
                ErrorCode::INVALID_REPLICATION_FACTOR,
                "Replication factor must be larger than 0, or -1 to use the default value.",
            ));
        }
        if topic.num_partitions < -1 || topic.num_partitions == 0 {
            return Err(ControllerError::new(
                ErrorCode::INVALID_PARTITIONS,
                "Number of partitions was set to an invalid non-positive value.",
            ));
        }
        let count = match topic.num_partitions {
            -1 => self.default_partitions(),
            wanted => wanted,
        };
        let replication_factor = match topic.replication_factor {
            -1 => self.default_replication_factor(),
            wanted => wanted,
        };
        let count = usize::try_from(count).unwrap_or(0);
        self.placed_partitions(count, replication_factor, random)
            .map_err(|error| match error {
                ControllerError {
                    code,
                    message: Some(message),
                } => ControllerError::new(
                    code,
                    format!("Unable to replicate the partition {replication_factor} time(s): {message}"),
                ),
                other => other,
            })
    }

    fn effective_configs(&self, topic: &CreatableTopic) -> Vec<CreatableTopicConfigs> {
        let overrides = topic
            .configs
            .iter()
            .filter_map(|config| Some((config.name.clone(), config.value.clone()?)));
        let overrides: Overrides = overrides.collect();
        self.effective_topic_configs(&overrides)
            .into_iter()
            .map(|entry| CreatableTopicConfigs {
                // What the request set comes back as it was written.
                value: overrides.get(&entry.name).cloned().or(entry.value),
                name: entry.name,
                read_only: entry.read_only,
                config_source: entry.source.id(),
                is_sensitive: entry.is_sensitive,
                ..CreatableTopicConfigs::default()
            })
            .collect()
    }

    /// Deletes topics, each named by name or by id.
    pub fn delete_topics(
        &self,
        request: &DeleteTopicsRequest,
    ) -> Result<ControllerResult<DeleteTopicsResponse>, ControllerError> {
        let mut responses = Vec::new();
        let mut respond = |name: Option<&str>, topic_id: Uuid, error: ControllerError| {
            responses.push(DeletableTopicResult {
                name: name.map(str::to_owned),
                topic_id,
                error_code: error.code,
                error_message: error.message,
                ..DeletableTopicResult::default()
            });
        };
        let invalid = |message: &str| ControllerError::new(ErrorCode::INVALID_REQUEST, message);
        // Said in full: tools print the message that stands in the reply.
        let unknown = |code: ErrorCode| ControllerError::new(code, code.message());
        let mut names: Vec<&str> = request.topic_names.iter().map(String::as_str).collect();
        let mut ids = Vec::new();
        for topic in &request.topics {
            match (topic.name.as_deref(), topic.topic_id) {
                (None, Uuid::ZERO) => {
                    respond(None, Uuid::ZERO, invalid("Neither topic name nor id were specified."));
                }
                (None, id) => ids.push(id),
                (Some(name), Uuid::ZERO) => names.push(name),
                (Some(name), id) => {
                    respond(
                        Some(name),
                        id,
                        invalid("You may not specify both topic name and topic id."),
                    );
                }
            }
        }
        let duplicate_names = repeated(names.iter().copied());
        for name in &duplicate_names {
            respond(Some(name), Uuid::ZERO, invalid("Duplicate topic name."));
        }
        let mut duplicate_ids = repeated(ids.iter().copied());
        for id in &duplicate_ids {
            respond(None, *id, invalid("Duplicate topic id."));
        }
        let topics = self.image().topics();
        let mut to_delete = BTreeMap::new();
        for id in ids
            .into_iter()
            .filter(|id| !duplicate_ids.contains(id))
            .collect::<Vec<_>>()
        {
            match topics.by_id(id) {
                Some(topic) => {
                    to_delete.insert(id, topic);
                }
                None => respond(None, id, unknown(ErrorCode::UNKNOWN_TOPIC_ID)),
            }
        }
        for name in names.into_iter().filter(|name| !duplicate_names.contains(name)) {
            let Some(topic) = topics.by_name(name) else {
                respond(Some(name), Uuid::ZERO, unknown(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
                continue;
            };
            if duplicate_ids.contains(&topic.id) || to_delete.insert(topic.id, topic).is_some() {
                // Named twice over, by name and by id: which was meant isn't clear, so neither is done.
                duplicate_ids.insert(topic.id);
                to_delete.remove(&topic.id);
                let message = "The provided topic name maps to an ID that was already supplied.";
                respond(Some(name), topic.id, invalid(message));
            }
        }
        let mut records = Vec::new();
        for (topic_id, topic) in to_delete {
            records.push(
                RemoveTopicRecord {
                    topic_id,
                    ..RemoveTopicRecord::default()
                }
                .into(),
            );
            respond(Some(&topic.name), topic_id, ErrorCode::NONE.into());
        }
        let reply = DeleteTopicsResponse {
            responses,
            ..DeleteTopicsResponse::default()
        };
        Ok(ControllerResult::atomic_of(records, reply))
    }

    /// The size of topics created without one.
    fn default_partitions(&self) -> i32 {
        self.config.own.int("num.partitions")
    }

    /// The replication factor of topics created without one.
    fn default_replication_factor(&self) -> i16 {
        i16::try_from(self.config.own.int("default.replication.factor")).unwrap_or(i16::MAX)
    }

    /// The topic's smallest ISR that acknowledges records: `min.insync.replicas`, at most its replication factor.
    pub(crate) fn effective_min_isr(&self, topic: &TopicImage) -> usize {
        let configured = self.topic_config_value(&topic.name, "min.insync.replicas");
        let configured = configured.and_then(|value| value.trim().parse().ok()).unwrap_or(1);
        let replicas = topic.partitions.get(0).map_or(1, |partition| partition.replicas.len());
        replicas.min(configured)
    }

    /// Whether the topic would rather lose records than be without a leader.
    pub(crate) fn unclean_leader_election_enabled(&self, topic: &str) -> bool {
        self.topic_config_value(topic, "unclean.leader.election.enable")
            .is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
    }
}

fn too_many_partitions() -> ControllerError {
    ControllerError::new(
        ErrorCode::POLICY_VIOLATION,
        "Excessively large number of partitions per request.",
    )
}

fn failed(name: &str, error: ControllerError) -> CreatableTopicResult {
    CreatableTopicResult {
        name: name.to_owned(),
        error_code: error.code,
        error_message: error.message,
        ..CreatableTopicResult::default()
    }
}

/// What occurs more than once.
pub(crate) fn repeated<T: Ord + Copy>(items: impl Iterator<Item = T>) -> BTreeSet<T> {
    let mut seen = BTreeSet::new();
    items.filter(|item| !seen.insert(*item)).collect()
}
