//! What the owner does by the clock: NoOp records, snapshots, and the removal of old ones.

use std::path::PathBuf;
use std::sync::{Arc, mpsc};

use klamm_config::Config;
use klamm_metadata::{MetadataImage, MetadataRecord};
use klamm_protocol::metadata::NoOpRecord;
use klamm_raft::{OffsetAndEpoch, VoterSet, snapshot_header};

use super::QuorumError;
use super::checkpoint;
use super::handle::{Event, Queued};
use super::owner::Owner;

/// How often old snapshots are looked for, as in Kafka.
const CLEAN_INTERVAL_MS: i64 = 60_000;

/// When what is due.
pub(super) struct Upkeep {
    max_idle_interval_ms: i64,
    max_bytes_between_snapshots: u64,
    max_snapshot_interval_ms: i64,
    last_append_ms: i64,
    bytes_since_snapshot: u64,
    last_snapshot_ms: i64,
    is_writing_snapshot: bool,
    next_clean_ms: i64,
    events: mpsc::Sender<Queued>,
}

impl Upkeep {
    pub(super) fn new(config: &Config, now_ms: i64, events: mpsc::Sender<Queued>) -> Self {
        Upkeep {
            max_idle_interval_ms: i64::from(config.int("metadata.max.idle.interval.ms")),
            max_bytes_between_snapshots: config
                .long("metadata.log.max.record.bytes.between.snapshots")
                .unsigned_abs(),
            max_snapshot_interval_ms: config.long("metadata.log.max.snapshot.interval.ms"),
            last_append_ms: now_ms,
            bytes_since_snapshot: 0,
            last_snapshot_ms: now_ms,
            is_writing_snapshot: false,
            next_clean_ms: now_ms + CLEAN_INTERVAL_MS,
            events,
        }
    }

    pub(super) fn on_append(&mut self, now_ms: i64) {
        self.last_append_ms = now_ms;
    }

    pub(super) fn on_load(&mut self, bytes: usize) {
        self.bytes_since_snapshot += bytes as u64;
    }

    pub(super) fn next_deadline(&self, owner: &Owner) -> Option<i64> {
        let writes_noop = self.max_idle_interval_ms > 0 && owner.active_epoch.is_some();
        let noop = writes_noop.then_some(self.last_append_ms + self.max_idle_interval_ms);
        let clean = owner.log.can_be_cleaned().then_some(self.next_clean_ms);
        noop.into_iter().chain(clean).min()
    }

    fn wants_snapshot(&self, now_ms: i64) -> bool {
        let is_due = self.max_snapshot_interval_ms > 0
            && self.bytes_since_snapshot > 0
            && now_ms - self.last_snapshot_ms >= self.max_snapshot_interval_ms;
        !self.is_writing_snapshot && (is_due || self.bytes_since_snapshot >= self.max_bytes_between_snapshots)
    }
}

impl Owner {
    pub(super) fn upkeep(&mut self, now_ms: i64) -> Result<(), QuorumError> {
        self.append_noop(now_ms)?;
        if self.upkeep.wants_snapshot(now_ms) {
            self.begin_snapshot(now_ms);
        }
        if now_ms >= self.upkeep.next_clean_ms {
            self.upkeep.next_clean_ms = now_ms + CLEAN_INTERVAL_MS;
            if let Some(oldest) = self.log.clean(now_ms)? {
                self.raft.on_log_cleaned(oldest);
            }
        }
        Ok(())
    }

    /// A record that says nothing, so that whoever follows the log can tell a quiet leader from a dead one (KIP-835).
    ///
    /// Kafka appends one every `metadata.max.idle.interval.ms`; we do when nothing else was appended for so long.
    fn append_noop(&mut self, now_ms: i64) -> Result<(), QuorumError> {
        let interval_ms = self.upkeep.max_idle_interval_ms;
        let is_due = interval_ms > 0 && now_ms - self.upkeep.last_append_ms >= interval_ms;
        if is_due
            && self.active_epoch.is_some()
            && let Err(error) = self.append(now_ms, vec![MetadataRecord::NoOp(NoOpRecord::default())], true)?
        {
            tracing::error!(%error, "the controller could not write a NoOp record");
            self.upkeep.last_append_ms = now_ms;
        }
        Ok(())
    }

    /// Has the newest image written as a snapshot on a thread of its own: a large one takes longer than others may wait.
    fn begin_snapshot(&mut self, now_ms: i64) {
        let image = self.loader.image().clone();
        let (last_offset, epoch) = image.offset_and_epoch();
        let id = OffsetAndEpoch {
            offset: last_offset + 1,
            epoch,
        };
        self.upkeep.bytes_since_snapshot = 0;
        self.upkeep.last_snapshot_ms = now_ms;
        if id.offset <= self.log.latest_snapshot_offset() {
            return;
        }
        let (kraft_version, voters) = self.raft.quorum_at(last_offset);
        let job = Snapshot {
            id,
            path: self.log.snapshot_path(id),
            image,
            kraft_version,
            voters,
            now_ms,
        };
        let events = self.upkeep.events.clone();
        let work = move || {
            let written = job.write().map(|size| (id, size));
            // The owner may have stopped meanwhile; the file counts all the same.
            let _ = events.send(Queued {
                event: Event::SnapshotWritten(written),
                place: None,
            });
        };
        match std::thread::Builder::new()
            .name("klamm-snapshot".to_owned())
            .spawn(work)
        {
            Ok(_) => self.upkeep.is_writing_snapshot = true,
            Err(error) => tracing::error!(%error, "no thread for a snapshot of the metadata"),
        }
    }

    pub(super) fn on_snapshot_written(&mut self, result: Result<(OffsetAndEpoch, u64), QuorumError>) {
        self.upkeep.is_writing_snapshot = false;
        match result {
            Ok((id, size)) => {
                tracing::info!(
                    offset = id.offset,
                    epoch = id.epoch,
                    size,
                    "wrote a snapshot of the metadata"
                );
                self.log.add_snapshot(id, size);
                self.raft.on_snapshot_written(id, size);
            }
            Err(error) => tracing::error!(%error, "could not write a snapshot of the metadata"),
        }
    }
}

/// A snapshot to be written.
struct Snapshot {
    id: OffsetAndEpoch,
    path: PathBuf,
    image: Arc<MetadataImage>,
    kraft_version: i16,
    voters: Option<VoterSet>,
    now_ms: i64,
}

impl Snapshot {
    fn write(self) -> Result<u64, QuorumError> {
        let header = snapshot_header(
            self.image.provenance().last_contained_log_time_ms,
            self.kraft_version,
            self.voters,
        );
        let version = self.image.features().metadata_version_or_minimum();
        let bytes = checkpoint::encode(self.id.epoch, header, &self.image.to_records(), version, self.now_ms).map_err(
            |problem| QuorumError::Malformed {
                path: self.path.clone(),
                problem,
            },
        )?;
        checkpoint::write(&self.path, &bytes)?;
        Ok(bytes.len() as u64)
    }
}
