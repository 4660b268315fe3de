//! The controller itself: its configuration, its state over time, and how records change it.

use std::collections::BTreeMap;
use std::sync::Arc;

use klamm_config::Config;
use klamm_metadata::{MetadataImage, MetadataRecord, MetadataVersion, ReplayError, VersionRange, supported_features};
use klamm_timeline::Timeline;

use crate::heartbeats::Heartbeats;
use crate::random::Random;
use crate::result::BrokerContact;
use crate::state::State;

/// What the controller is told about itself and its cluster.
#[derive(Clone, Debug)]
pub struct ControllerConfig {
    /// The id of the node that this controller runs on.
    pub node_id: i32,
    /// The ids of all controllers in the quorum.
    pub quorum_node_ids: Vec<i32>,
    /// The cluster's id.
    pub cluster_id: String,
    /// The node's own configuration: its file, over the defaults of all broker keys.
    pub own: Arc<Config>,
}

/// The active controller's mind, and a standby's memory.
///
/// Handlers take `&self` and answer with records and a reply; [`replay`](Self::replay) alone applies records. The driver
/// appends the records, replays them, and sends the reply when they are committed. A failed append is taken back by
/// [`revert_to`](Self::revert_to).
#[derive(Debug)]
pub struct Controller {
    pub(crate) config: ControllerConfig,
    seed: u64,
    timeline: Timeline<State>,
    pub(crate) heartbeats: Heartbeats,
}

impl Controller {
    /// A controller that has read nothing. Equal seeds give equal topic ids and placements.
    pub fn new(config: ControllerConfig, seed: u64) -> Self {
        Self {
            config,
            seed,
            timeline: Timeline::new(State::default()),
            heartbeats: Heartbeats::default(),
        }
    }

    /// What it was told about itself.
    pub fn config(&self) -> &ControllerConfig {
        &self.config
    }

    /// Applies the record at `offset`; records come in the order of the log.
    ///
    /// An aborted metadata transaction is undone here. An error means that the log contradicts itself, or comes from a
    /// future that this software doesn't know: the controller can't go on.
    pub fn replay(&mut self, record: &MetadataRecord, offset: i64) -> Result<(), ReplayError> {
        match record {
            MetadataRecord::BeginTransaction(_) => {
                let before = offset - 1;
                if before > self.timeline.newest_offset() {
                    self.timeline.snapshot(before);
                }
            }
            MetadataRecord::AbortTransaction(_) => {
                let state = self.timeline.current();
                let start = state.transaction_start.ok_or(ReplayError::NoTransaction)?;
                self.timeline.revert_to(start - 1);
                self.timeline.current_mut().next_offset = offset + 1;
                return Ok(());
            }
            _ => {}
        }
        self.timeline.current_mut().replay(record, offset)
    }

    /// Remembers the state after `offset`, the last of a batch, so that it can be gone back to.
    pub fn snapshot(&mut self, offset: i64) {
        self.timeline.snapshot(offset);
    }

    /// Everything up to `offset` is committed. Inside a metadata transaction nothing becomes visible before its end.
    pub fn commit(&mut self, offset: i64) {
        if offset < self.timeline.committed_offset() {
            return;
        }
        let open = self.timeline.at(offset).transaction_start;
        self.timeline.commit(open.map_or(offset, |start| offset.min(start - 1)));
    }

    /// Forgets everything after `offset`: it was never committed.
    pub fn revert_to(&mut self, offset: i64) {
        self.timeline.revert_to(offset);
        self.timeline.current_mut().next_offset = offset + 1;
    }

    /// Starts over from a snapshot's records, which end at `offset`.
    pub fn load_snapshot(&mut self, records: &[MetadataRecord], offset: i64) -> Result<(), ReplayError> {
        let mut state = State::default();
        for record in records {
            state.replay(record, offset)?;
        }
        state.next_offset = offset + 1;
        self.timeline = Timeline::starting_at(offset, state);
        self.heartbeats = Heartbeats::default();
        Ok(())
    }

    /// Becomes active; the next record that it appends will stand at `next_offset`.
    ///
    /// Every unfenced broker gets a new session, since this controller doesn't know when it was last heard of. The node's
    /// own broker gets none: the process that held that registration is this one's predecessor, and it is gone. So the
    /// node can register its new incarnation at once, instead of waiting out the dead one's session.
    pub fn activate(&mut self, next_offset: i64, now_ms: i64) {
        self.note_log_end(next_offset);
        let image = &self.timeline.current().image;
        let own = self.config.node_id;
        let brokers = image.cluster().brokers().values();
        self.heartbeats = Heartbeats::default();
        for broker in brokers.filter(|broker| !broker.fenced && broker.id != own) {
            self.heartbeats.touch(BrokerContact {
                broker_id: broker.id,
                broker_epoch: broker.epoch,
                metadata_offset: -1,
                now_ms,
            });
        }
    }

    /// The log goes on at `next_offset`: control records, which aren't replayed here, took up offsets.
    pub fn note_log_end(&mut self, next_offset: i64) {
        let state = self.timeline.current_mut();
        state.next_offset = state.next_offset.max(next_offset);
    }

    /// Takes up the sign of life that a request was; see [`ControllerResult::contact`](crate::ControllerResult::contact).
    pub fn note_contact(&mut self, contact: BrokerContact) {
        self.heartbeats.touch(contact);
    }

    /// The state after every record so far, committed or not.
    pub fn image(&self) -> &MetadataImage {
        &self.state().image
    }

    /// The state that is committed; what reads have to answer from.
    pub fn committed_image(&self) -> &MetadataImage {
        &self.timeline.committed().image
    }

    /// The offset that the next record will have.
    pub fn next_offset(&self) -> i64 {
        self.state().next_offset
    }

    pub(crate) fn state(&self) -> &State {
        self.timeline.current()
    }

    pub(crate) fn metadata_version(&self) -> MetadataVersion {
        self.image().features().metadata_version_or_minimum()
    }

    pub(crate) fn is_elr_enabled(&self) -> bool {
        self.image().features().is_elr_enabled()
    }

    /// The levels that this controller supports.
    pub(crate) fn supported_features(&self) -> BTreeMap<&'static str, VersionRange> {
        supported_features(self.config.own.boolean("unstable.feature.versions.enable"))
    }

    /// A broker not heard of for longer is fenced.
    pub(crate) fn session_timeout_ms(&self) -> i64 {
        i64::from(self.config.own.int("broker.session.timeout.ms"))
    }

    /// The metadata version that the log had when the open transaction began; or has, when none is open.
    pub(crate) fn version_outside_transaction(&self) -> Option<MetadataVersion> {
        let state = match self.state().transaction_start {
            Some(start) => self.timeline.at(start - 1),
            None => self.state(),
        };
        state.image.features().metadata_version()
    }

    /// Random numbers for one request. They follow from the seed and the log's end, so a handler needs no `&mut`, and a
    /// replay of the same run gives the same ids; requests that both take effect never share a log end.
    pub(crate) fn random(&self) -> Random {
        let offset = self.next_offset().unsigned_abs();
        Random::new(Random::new(self.seed ^ offset.rotate_left(32)).next())
    }
}
