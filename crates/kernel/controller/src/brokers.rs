//! Brokers: registration, heartbeats, fencing, controlled shutdown, unregistration.

use std::collections::{BTreeMap, BTreeSet};

use klamm_metadata::{BrokerRegistration, DirectoryId, KRAFT_VERSION, MetadataRecord, MetadataVersion, VersionRange};
use klamm_protocol::messages::broker_registration_request::Feature;
use klamm_protocol::messages::{
    BrokerHeartbeatRequest, BrokerHeartbeatResponse, BrokerRegistrationRequest, BrokerRegistrationResponse,
    UnregisterBrokerRequest, UnregisterBrokerResponse,
};
use klamm_protocol::metadata::register_broker_record::{BrokerEndpoint, BrokerFeature};
use klamm_protocol::metadata::{BrokerRegistrationChangeRecord, RegisterBrokerRecord, UnregisterBrokerRecord};
use klamm_protocol::{ErrorCode, Uuid};

use crate::controller::Controller;
use crate::leadership::Leaving;
use crate::result::{BrokerContact, ControllerError, ControllerResult};

/// `fenced` in a `BrokerRegistrationChangeRecord`.
const FENCE: i8 = 1;
const UNFENCE: i8 = -1;
/// `in_controlled_shutdown` in a `BrokerRegistrationChangeRecord`.
const IN_CONTROLLED_SHUTDOWN: i8 = 1;

/// What a broker may do, as seen from the controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BrokerState {
    Fenced,
    Unfenced,
    ControlledShutdown,
    ShutdownNow,
}

impl BrokerState {
    fn of(broker: &BrokerRegistration) -> Self {
        match broker {
            broker if broker.fenced => Self::Fenced,
            broker if broker.in_controlled_shutdown => Self::ControlledShutdown,
            _ => Self::Unfenced,
        }
    }
}

impl Controller {
    /// Registers a broker, or a new incarnation of one. Its epoch is the offset of the first record of that.
    ///
    /// `detects_clean_shutdown`: the request can say what epoch the broker had when it last shut down cleanly (version 3
    /// on, KIP-966). `kraft_version`: the raft layer's finalized level.
    ///
    /// Fails with INCONSISTENT_CLUSTER_ID, DUPLICATE_BROKER_REGISTRATION, BROKER_ID_NOT_REGISTERED, INVALID_REGISTRATION
    /// or UNSUPPORTED_VERSION.
    pub fn register_broker(
        &self,
        request: &BrokerRegistrationRequest,
        detects_clean_shutdown: bool,
        kraft_version: i16,
        now_ms: i64,
    ) -> Result<ControllerResult<BrokerRegistrationResponse>, ControllerError> {
        if request.cluster_id != self.config.cluster_id {
            return Err(ControllerError::new(
                ErrorCode::INCONSISTENT_CLUSTER_ID,
                format!(
                    "Expected cluster ID {}, but got cluster ID {}",
                    self.config.cluster_id, request.cluster_id
                ),
            ));
        }
        let id = request.broker_id;
        let existing = self.image().cluster().broker(id);
        let same_incarnation = existing.filter(|existing| existing.incarnation_id == request.incarnation_id);
        // A fenced broker holds nothing that another incarnation could take from it, and one that shut down is gone.
        if let Some(existing) = existing
            && same_incarnation.is_none()
            && !existing.fenced
            && self
                .heartbeats
                .has_valid_session(id, existing.epoch, self.session_timeout_ms(), now_ms)
        {
            return Err(ControllerError::new(
                ErrorCode::DUPLICATE_BROKER_REGISTRATION,
                "Another broker is registered with that broker id. If the broker was recently restarted this should \
                 self-resolve once the heartbeat manager expires the broker's session.",
            ));
        }
        if request.is_migrating_zk_broker {
            return Err(ControllerError::new(
                ErrorCode::BROKER_ID_NOT_REGISTERED,
                "Controller does not support registering ZK brokers.",
            ));
        }
        self.check_directories(request)?;
        self.check_features(request, kraft_version)?;

        let mut records = Vec::new();
        let mut record = self.registration_record(request);
        match same_incarnation {
            Some(existing) => {
                record.fenced = existing.fenced;
                record.in_controlled_shutdown = existing.in_controlled_shutdown;
                record.broker_epoch = existing.epoch;
            }
            None => {
                let clean = detects_clean_shutdown
                    && existing.is_some_and(|existing| existing.epoch == request.previous_broker_epoch);
                self.clean_up_previous_incarnation(id, clean, &mut records);
                record.broker_epoch = self.next_offset();
            }
        }
        let broker_epoch = record.broker_epoch;
        records.push(record.into());
        let reply = BrokerRegistrationResponse {
            broker_epoch,
            ..BrokerRegistrationResponse::default()
        };
        let contact = BrokerContact {
            broker_id: id,
            broker_epoch,
            metadata_offset: -1,
            now_ms,
        };
        Ok(ControllerResult {
            contact: Some(contact),
            ..ControllerResult::of(records, reply)
        })
    }

    fn check_directories(&self, request: &BrokerRegistrationRequest) -> Result<(), ControllerError> {
        if !self.metadata_version().is_directory_assignment_supported() {
            return Ok(());
        }
        let invalid = |message: String| Err(ControllerError::new(ErrorCode::INVALID_REGISTRATION, message));
        if request.log_dirs.is_empty() {
            return invalid("No directories specified in request".to_owned());
        }
        if request.log_dirs.iter().any(|id| DirectoryId::is_reserved(*id)) {
            return invalid("Reserved directory ID in request".to_owned());
        }
        let distinct: BTreeSet<Uuid> = request.log_dirs.iter().copied().collect();
        if distinct.len() != request.log_dirs.len() {
            return invalid("Duplicate directory ID in request".to_owned());
        }
        for broker in self
            .image()
            .cluster()
            .brokers()
            .values()
            .filter(|broker| broker.id != request.broker_id)
        {
            if let Some(directory) = broker.directories.iter().find(|id| distinct.contains(id)) {
                return invalid(format!(
                    "Broker {} is already registered with directory {directory}",
                    broker.id
                ));
            }
        }
        Ok(())
    }

    /// The broker has to support the finalized level of every feature, also of those it doesn't mention.
    fn check_features(&self, request: &BrokerRegistrationRequest, kraft_version: i16) -> Result<(), ControllerError> {
        let finalized = self.finalized_features(kraft_version);
        let level_of = |name: &str| finalized.get(name).copied().unwrap_or(0);
        for feature in &request.features {
            let range = VersionRange {
                min: feature.min_supported_version,
                max: feature.max_supported_version,
            };
            check_feature(&feature.name, level_of(&feature.name), range)?;
        }
        let mentions = |name: &str| request.features.iter().any(|feature: &Feature| feature.name == name);
        if !mentions(MetadataVersion::FEATURE_NAME) {
            return Err(ControllerError::new(
                ErrorCode::INVALID_REGISTRATION,
                "Request features do not contain 'metadata.version'",
            ));
        }
        for (name, &level) in finalized.iter().filter(|(name, _)| !mentions(name)) {
            check_feature(name, level, VersionRange::DISABLED)?;
        }
        Ok(())
    }

    fn registration_record(&self, request: &BrokerRegistrationRequest) -> RegisterBrokerRecord {
        let version = self.metadata_version();
        RegisterBrokerRecord {
            broker_id: request.broker_id,
            incarnation_id: request.incarnation_id,
            end_points: request
                .listeners
                .iter()
                .map(|listener| BrokerEndpoint {
                    name: listener.name.clone(),
                    host: listener.host.clone(),
                    port: listener.port,
                    security_protocol: listener.security_protocol,
                    ..BrokerEndpoint::default()
                })
                .collect(),
            features: request
                .features
                .iter()
                .map(|feature| BrokerFeature {
                    name: feature.name.clone(),
                    min_supported_version: feature.min_supported_version,
                    max_supported_version: feature.max_supported_version,
                    ..BrokerFeature::default()
                })
                .collect(),
            rack: request.rack.clone(),
            log_dirs: if version.is_directory_assignment_supported() {
                request.log_dirs.clone()
            } else {
                Vec::new()
            },
            ..RegisterBrokerRecord::default()
        }
    }

    /// Takes the former incarnation out of every ISR; out of every ELR too when it may have lost records.
    fn clean_up_previous_incarnation(&self, id: i32, clean: bool, records: &mut Vec<MetadataRecord>) {
        let in_isr = self.state().partitions_with_broker_in_isr(id);
        if self.is_elr_enabled() && !clean {
            self.leader_and_isr_updates(Leaving::Uncleanly(id), None, in_isr, records);
            let in_elr = self.state().partitions_with_broker_in_elr(id);
            self.leader_and_isr_updates(Leaving::Uncleanly(id), None, in_elr, records);
        } else {
            self.leader_and_isr_updates(Leaving::Cleanly(id), None, in_isr, records);
        }
    }

    /// Takes in a broker's heartbeat and decides what the broker is to do.
    ///
    /// Fails with STALE_BROKER_EPOCH when the broker isn't registered with that epoch.
    pub fn process_broker_heartbeat(
        &self,
        request: &BrokerHeartbeatRequest,
        now_ms: i64,
    ) -> Result<ControllerResult<BrokerHeartbeatResponse>, ControllerError> {
        let (id, epoch) = (request.broker_id, request.broker_epoch);
        let broker = self.check_broker_epoch(id, epoch)?;
        let registered_at = self
            .state()
            .register_broker_offsets
            .get(&id)
            .copied()
            .unwrap_or(i64::MAX);
        let is_caught_up = request.current_metadata_offset >= registered_at;
        let current = BrokerState::of(broker);
        let next = self.next_broker_state(broker, current, request, is_caught_up);
        let mut records = Vec::new();
        if next != current {
            match next {
                BrokerState::Fenced | BrokerState::ShutdownNow => self.fence(broker, &mut records),
                BrokerState::Unfenced => self.unfence(broker, &mut records),
                BrokerState::ControlledShutdown => self.enter_controlled_shutdown(broker, &mut records),
            }
        }
        self.note_offline_directories(broker, &request.offline_log_dirs, &mut records);
        self.note_cordoned_directories(broker, request.cordoned_log_dirs.as_deref(), &mut records);
        let reply = BrokerHeartbeatResponse {
            is_caught_up,
            is_fenced: matches!(next, BrokerState::Fenced | BrokerState::ShutdownNow),
            should_shut_down: next == BrokerState::ShutdownNow,
            ..BrokerHeartbeatResponse::default()
        };
        let contact = BrokerContact {
            broker_id: id,
            broker_epoch: epoch,
            metadata_offset: request.current_metadata_offset,
            now_ms,
        };
        Ok(ControllerResult {
            contact: Some(contact),
            ..ControllerResult::of(records, reply)
        })
    }

    fn next_broker_state(
        &self,
        broker: &BrokerRegistration,
        current: BrokerState,
        request: &BrokerHeartbeatRequest,
        is_caught_up: bool,
    ) -> BrokerState {
        let leads = || self.state().has_leaderships(broker.id);
        match current {
            BrokerState::Fenced if request.want_shut_down => BrokerState::ShutdownNow,
            BrokerState::Fenced if !request.want_fence && is_caught_up => BrokerState::Unfenced,
            BrokerState::Unfenced if request.want_fence && request.want_shut_down => BrokerState::ShutdownNow,
            BrokerState::Unfenced if request.want_fence => BrokerState::Fenced,
            BrokerState::Unfenced if request.want_shut_down && leads() => BrokerState::ControlledShutdown,
            BrokerState::Unfenced if request.want_shut_down => BrokerState::ShutdownNow,
            BrokerState::ControlledShutdown if !leads() && self.others_know_of_shutdown(broker.id) => {
                BrokerState::ShutdownNow
            }
            _ => current,
        }
    }

    /// Whether every active broker has read of the leaderships that it took over.
    fn others_know_of_shutdown(&self, id: i32) -> bool {
        let shutdown_offset = self.state().controlled_shutdown_offsets.get(&id).copied().unwrap_or(-1);
        let active = self
            .image()
            .cluster()
            .brokers()
            .values()
            .filter(|broker| broker.is_active());
        active
            .map(|broker| self.heartbeats.metadata_offset(broker.id, broker.epoch))
            .all(|offset| shutdown_offset <= offset)
    }

    fn fence(&self, broker: &BrokerRegistration, records: &mut Vec<MetadataRecord>) {
        let in_isr = self.state().partitions_with_broker_in_isr(broker.id);
        self.leader_and_isr_updates(Leaving::Cleanly(broker.id), None, in_isr, records);
        records.push(
            BrokerRegistrationChangeRecord {
                fenced: FENCE,
                ..change_of(broker)
            }
            .into(),
        );
    }

    fn unfence(&self, broker: &BrokerRegistration, records: &mut Vec<MetadataRecord>) {
        records.push(
            BrokerRegistrationChangeRecord {
                fenced: UNFENCE,
                ..change_of(broker)
            }
            .into(),
        );
        let leaderless = self.state().partitions_with_no_leader();
        self.leader_and_isr_updates(Leaving::Nobody, Some(broker.id), leaderless, records);
    }

    fn enter_controlled_shutdown(&self, broker: &BrokerRegistration, records: &mut Vec<MetadataRecord>) {
        let change = BrokerRegistrationChangeRecord {
            in_controlled_shutdown: IN_CONTROLLED_SHUTDOWN,
            ..change_of(broker)
        };
        records.push(change.into());
        let in_isr = self.state().partitions_with_broker_in_isr(broker.id);
        self.leader_and_isr_updates(Leaving::Cleanly(broker.id), None, in_isr, records);
    }

    fn note_offline_directories(
        &self,
        broker: &BrokerRegistration,
        offline: &[Uuid],
        records: &mut Vec<MetadataRecord>,
    ) {
        if !self.metadata_version().is_directory_assignment_supported() {
            return;
        }
        let (newly_offline, online): (Vec<Uuid>, Vec<Uuid>) = broker
            .directories
            .iter()
            .copied()
            .partition(|directory| offline.contains(directory));
        if newly_offline.is_empty() {
            return;
        }
        let topics = self.image().topics();
        let lost = self
            .state()
            .partitions_with_broker_in_isr(broker.id)
            .into_iter()
            .filter(|&(topic, partition)| {
                let registration = topics.by_id(topic).and_then(|topic| topic.partitions.get(partition));
                registration
                    .and_then(|registration| registration.directory(broker.id))
                    .is_some_and(|directory| newly_offline.contains(&directory))
            });
        let lost = lost.collect();
        self.leader_and_isr_updates(Leaving::Cleanly(broker.id), None, lost, records);
        records.push(
            BrokerRegistrationChangeRecord {
                log_dirs: online,
                ..change_of(broker)
            }
            .into(),
        );
    }

    fn note_cordoned_directories(
        &self,
        broker: &BrokerRegistration,
        cordoned: Option<&[Uuid]>,
        records: &mut Vec<MetadataRecord>,
    ) {
        let Some(cordoned) = cordoned.filter(|_| self.metadata_version().is_cordoned_log_dirs_supported()) else {
            return;
        };
        let set = |ids: &[Uuid]| ids.iter().copied().collect::<BTreeSet<_>>();
        if broker.cordoned_directories.as_deref().map(set) != Some(set(cordoned)) {
            let cordoned_log_dirs = Some(cordoned.to_vec());
            records.push(
                BrokerRegistrationChangeRecord {
                    cordoned_log_dirs,
                    ..change_of(broker)
                }
                .into(),
            );
        }
    }

    /// Takes a broker out of the registry.
    ///
    /// Fails with BROKER_ID_NOT_REGISTERED.
    pub fn unregister_broker(
        &self,
        request: &UnregisterBrokerRequest,
    ) -> Result<ControllerResult<UnregisterBrokerResponse>, ControllerError> {
        let id = request.broker_id;
        let broker = self.image().cluster().broker(id).ok_or_else(|| {
            ControllerError::new(
                ErrorCode::BROKER_ID_NOT_REGISTERED,
                format!("Broker ID {id} is not currently registered"),
            )
        })?;
        let mut records = Vec::new();
        for partitions in [
            self.state().partitions_with_broker_in_isr(id),
            self.state().partitions_with_broker_in_elr(id),
        ] {
            self.leader_and_isr_updates(Leaving::Cleanly(id), None, partitions, &mut records);
        }
        let record = UnregisterBrokerRecord {
            broker_id: id,
            broker_epoch: broker.epoch,
            ..UnregisterBrokerRecord::default()
        };
        records.push(record.into());
        Ok(ControllerResult::of(records, UnregisterBrokerResponse::default()))
    }

    /// Does what is due by now: fences a broker whose session has lapsed. One at a time, so that each fencing sees what the
    /// one before it did; call again until there are no records.
    pub fn tick(&self, now_ms: i64) -> ControllerResult<()> {
        let mut records = Vec::new();
        let cluster = self.image().cluster();
        if let Some(id) = self.heartbeats.stale_broker(cluster, self.session_timeout_ms(), now_ms)
            && let Some(broker) = cluster.broker(id)
        {
            self.fence(broker, &mut records);
        }
        ControllerResult::of(records, ())
    }

    /// When [`tick`](Self::tick) next has something to do, if nothing comes in between.
    pub fn next_deadline(&self) -> Option<i64> {
        self.heartbeats
            .next_deadline(self.image().cluster(), self.session_timeout_ms())
    }

    /// The broker, if it is registered with that epoch; otherwise STALE_BROKER_EPOCH.
    pub(crate) fn check_broker_epoch(&self, id: i32, epoch: i64) -> Result<&BrokerRegistration, ControllerError> {
        let stale = |message| ControllerError::new(ErrorCode::STALE_BROKER_EPOCH, message);
        let broker = self
            .image()
            .cluster()
            .broker(id)
            .ok_or_else(|| stale(format!("No broker registration found for broker id {id}")))?;
        if broker.epoch != epoch {
            return Err(stale(format!(
                "Expected broker epoch {}, but got broker epoch {epoch}",
                broker.epoch
            )));
        }
        Ok(broker)
    }

    /// Whether the broker may lead partitions.
    pub(crate) fn is_active(&self, id: i32) -> bool {
        self.image()
            .cluster()
            .broker(id)
            .is_some_and(BrokerRegistration::is_active)
    }

    /// The log directory for a new replica on that broker, as far as it can be told.
    pub(crate) fn default_dir(&self, id: i32) -> Uuid {
        if !self.metadata_version().is_directory_assignment_supported() {
            return DirectoryId::MIGRATING;
        }
        match self
            .image()
            .cluster()
            .broker(id)
            .map(|broker| broker.directories.as_slice())
        {
            Some([]) => DirectoryId::MIGRATING,
            Some([only]) => *only,
            // The broker chooses; a broker that isn't registered is dealt with elsewhere.
            _ => DirectoryId::UNASSIGNED,
        }
    }

    /// Levels by feature, with `metadata.version` and `kraft.version`.
    fn finalized_features(&self, kraft_version: i16) -> BTreeMap<String, i16> {
        let features = self.image().features();
        let mut levels: BTreeMap<_, _> = features
            .finalized()
            .iter()
            .map(|(name, level)| (name.clone(), *level))
            .collect();
        levels.insert(
            MetadataVersion::FEATURE_NAME.to_owned(),
            self.metadata_version().level(),
        );
        levels.insert(KRAFT_VERSION.to_owned(), kraft_version);
        levels
    }
}

fn change_of(broker: &BrokerRegistration) -> BrokerRegistrationChangeRecord {
    BrokerRegistrationChangeRecord {
        broker_id: broker.id,
        broker_epoch: broker.epoch,
        ..BrokerRegistrationChangeRecord::default()
    }
}

fn check_feature(name: &str, level: i16, range: VersionRange) -> Result<(), ControllerError> {
    if range.contains(level) {
        return Ok(());
    }
    Err(ControllerError::new(
        ErrorCode::UNSUPPORTED_VERSION,
        format!(
            "Unable to register because the broker does not support finalized version {level} of {name}. The broker \
             wants a version between {} and {}, inclusive.",
            range.min, range.max
        ),
    ))
}
