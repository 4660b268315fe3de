//! One shard and its partition: carries out what the shard's runtime asks for.

use std::sync::Arc;

use bytes::Bytes;
use klamm_coordinator::{Append, CoordinatorError, Effect, Outbox, ShardRuntime, ShardStatus};
use klamm_group_coordinator::{GroupRequest, GroupShard};
use klamm_log::{AppendError, AppendOrigin};
use klamm_records::{BatchBuilder, Compression};
use tokio::runtime::{Handle, RuntimeFlavor};
use tracing::{error, info, warn};

use super::ReplyTo;
use crate::partitions::{Partition, ProduceError};

pub(super) type Runtime = ShardRuntime<GroupShard<ReplyTo>>;

/// A shard that is led here.
pub(super) struct Slot {
    pub(super) index: i32,
    pub(super) epoch: i32,
    pub(super) partition: Arc<Partition>,
    /// None while it is being loaded.
    pub(super) runtime: Option<Runtime>,
    /// Partitions that were deleted while the shard could not hear of it.
    pub(super) deleted: Vec<(String, i32)>,
    /// Somebody waits for the partition's high watermark on the shard's behalf.
    pub(super) awaits_commit: bool,
    /// Somebody else wrote to the log: the shard has to be loaded again.
    pub(super) lost_its_log: bool,
    pub(super) compression: Compression,
}

impl Slot {
    /// The runtime, if it is not being loaded.
    pub(super) fn runtime_mut(&mut self) -> Result<&mut Runtime, CoordinatorError> {
        self.runtime.as_mut().ok_or(CoordinatorError::LoadInProgress)
    }

    /// Whether the shard's log is longer than what is committed: then its high watermark has to be watched.
    pub(super) fn has_uncommitted(&self) -> bool {
        self.runtime.is_some() && !self.partition.is_committed(self.partition.log().log_end_offset())
    }

    /// When the shard wants to be ticked.
    pub(super) fn next_deadline(&self) -> Option<i64> {
        self.runtime.as_ref().and_then(Runtime::next_deadline)
    }

    /// Takes a step of the runtime, if it is not being loaded, and carries out what comes of it.
    pub(super) fn drive(&mut self, now_ms: i64, step: impl FnOnce(&mut Runtime, &mut Outbox<GroupShard<ReplyTo>>)) {
        if let Some(runtime) = &mut self.runtime {
            let mut out = Outbox::new();
            step(runtime, &mut out);
            self.settle(now_ms, out);
        }
    }

    /// Tells the shard which partitions are gone, as soon as it can hear.
    pub(super) fn forget_deleted(&mut self, now_ms: i64) {
        let is_active = |runtime: &Runtime| runtime.status() == ShardStatus::Active;
        if !self.runtime.as_ref().is_some_and(is_active) {
            return;
        }
        let deleted = std::mem::take(&mut self.deleted);
        if !deleted.is_empty() {
            self.drive(now_ms, |runtime, out| {
                runtime.write(now_ms, GroupRequest::PartitionsDeleted(deleted), None, out)
            });
        }
    }

    /// Sends the answers, and appends until nothing is left to be appended.
    pub(super) fn settle(&mut self, now_ms: i64, mut out: Outbox<GroupShard<ReplyTo>>) {
        loop {
            let Some(runtime) = self.runtime.as_mut() else { return };
            runtime.flush(now_ms, &mut out);
            let mut append = None;
            for effect in out.drain(..) {
                match effect {
                    Effect::Append(records) => append = Some(records),
                    // Whoever asked may have gone away.
                    Effect::Reply { to: Some(to), result } => drop(to.send(result)),
                    Effect::Reply {
                        to: None,
                        result: Err(error),
                    } => {
                        warn!(shard = self.index, "offsets of deleted topics stay: {error}");
                    }
                    Effect::Reply {
                        to: None,
                        result: Ok(_),
                    } => {}
                    Effect::Tell(event) => info!(shard = self.index, "{event}"),
                }
            }
            let Some(append) = append else { return };
            match self.append(now_ms, &append) {
                Ok((first_offset, last_offset)) => {
                    let high_watermark = self.partition.log().high_watermark();
                    let Some(runtime) = self.runtime.as_mut() else { return };
                    runtime.on_appended(first_offset, last_offset, &mut out);
                    runtime.on_high_watermark(now_ms, high_watermark, &mut out);
                    if runtime.status() == ShardStatus::Failed {
                        self.lost_its_log = true;
                        let expected = append.first_offset;
                        error!(
                            shard = self.index,
                            first_offset, expected, "somebody else wrote to the shard's log: loading it again"
                        );
                    }
                }
                Err(error) => {
                    let Some(runtime) = self.runtime.as_mut() else { return };
                    runtime.on_append_failed(now_ms, error, &mut out);
                }
            }
        }
    }

    fn append(&self, now_ms: i64, append: &Append) -> Result<(i64, i64), CoordinatorError> {
        let batch = batch(append, self.compression);
        let (partition, origin) = (&self.partition, AppendOrigin::Coordinator);
        let appended = partition.append_at_once(&batch, true, origin, now_ms);
        match appended.unwrap_or_else(|| waiting(|| partition.append(&batch, true, origin, now_ms))) {
            Ok(info) => Ok((info.first_offset, info.last_offset)),
            Err(error) => {
                warn!(shard = self.index, "could not append: {error}");
                Err(match error {
                    ProduceError::NotLeader(_) | ProduceError::Append(AppendError::Storage(_)) => {
                        CoordinatorError::NotCoordinator
                    }
                    ProduceError::NotEnoughReplicas(_) => CoordinatorError::NotAvailable,
                    ProduceError::Append(_) => {
                        let limit = self.partition.log().config().max_message_bytes as usize;
                        CoordinatorError::RecordsTooLarge {
                            size: batch.len(),
                            limit,
                        }
                    }
                })
            }
        }
    }
}

/// Does what may wait, while other threads see to the runtime's other tasks if it has several.
fn waiting<T>(work: impl FnOnce() -> T) -> T {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::CurrentThread => work(),
        _ => tokio::task::block_in_place(work),
    }
}

fn batch(append: &Append, compression: Compression) -> Bytes {
    let mut batch = BatchBuilder::new(compression);
    for record in &append.records {
        batch
            .push(append.timestamp_ms, Some(&record.key), record.value.as_deref(), &[])
            .expect("the runtime keeps batches far below what the format holds");
    }
    batch.build()
}
