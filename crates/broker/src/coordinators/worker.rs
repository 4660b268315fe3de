//! One task that drives several shards.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use klamm_coordinator::{CoordinatorError, Outbox, ShardConfig, ShardRuntime, ShardStatus};
use klamm_group_coordinator::GroupShard;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::{debug, error, info};

use super::loader::{self, LoaderError};
use super::settings::Settings;
use super::slot::{Runtime, Slot};
use super::{Ask, Latest, Leadership, Notices};
use crate::clock::Clock;
use crate::entropy;
use crate::partitions::Partition;

/// Most requests that are taken in one step and share an append.
const ASKS_PER_STEP: usize = 128;

/// How long a worker sleeps that waits for nothing but requests.
const IDLE: Duration = Duration::from_secs(3_600);

pub(super) struct Worker {
    settings: Settings,
    clock: Arc<Clock>,
    notices: Arc<Notices>,
    asks: mpsc::Receiver<Ask>,
    slots: BTreeMap<i32, Slot>,
    /// Shards that wait for the loader.
    to_load: VecDeque<i32>,
    /// At most one: a node that starts with many shards does not read all of their logs at once.
    loading: JoinSet<Loaded>,
    /// Each resolves with its shard once more is committed, or nothing more will be for a while; one per shard at most.
    commits: JoinSet<i32>,
    /// Tells loaders that nobody waits for them any more.
    stopped: Arc<AtomicBool>,
}

/// A shard that comes back from the loader.
struct Loaded {
    shard: i32,
    /// What was loaded; the shard may have moved on to another epoch, or to another topic's replica.
    epoch: i32,
    partition: Arc<Partition>,
    runtime: Box<Runtime>,
    result: Result<i64, LoaderError>,
}

impl Worker {
    pub(super) fn new(settings: Settings, clock: Arc<Clock>, notices: Arc<Notices>, asks: mpsc::Receiver<Ask>) -> Self {
        Self {
            settings,
            clock,
            notices,
            asks,
            slots: BTreeMap::new(),
            to_load: VecDeque::new(),
            loading: JoinSet::new(),
            commits: JoinSet::new(),
            stopped: Arc::default(),
        }
    }

    /// Drives the shards until nobody can ask any more.
    pub(super) async fn run(mut self) {
        let notices = Arc::clone(&self.notices);
        let mut asked = Vec::with_capacity(ASKS_PER_STEP);
        loop {
            let pause = self.pause();
            tokio::select! {
                biased;
                () = notices.arrived.notified() => self.on_notices(notices.take()),
                Some(Ok(loaded)) = self.loading.join_next() => self.on_loaded(loaded),
                Some(Ok(shard)) = self.commits.join_next() => self.on_commit(shard),
                () = tokio::time::sleep(pause) => self.on_time(),
                count = self.asks.recv_many(&mut asked, ASKS_PER_STEP) => match count {
                    0 => return,
                    _ => self.on_asks(&mut asked),
                },
            }
            self.load_next();
        }
    }

    fn pause(&self) -> Duration {
        let deadline = self.slots.values().filter_map(Slot::next_deadline).min();
        let now_ms = self.clock.now_ms();
        deadline.map_or(IDLE, |deadline| {
            Duration::from_millis(u64::try_from(deadline - now_ms).unwrap_or(0))
        })
    }

    fn on_notices(&mut self, latest: Latest) {
        let now_ms = self.clock.now_ms();
        for (shard, leadership) in latest.shards {
            match leadership {
                Leadership::Here { epoch, partition } => self.lead(shard, epoch, partition),
                Leadership::Elsewhere { epoch } => self.resign(shard, epoch),
            }
        }
        if latest.deleted.is_empty() {
            return;
        }
        for slot in self.slots.values_mut() {
            slot.deleted.extend(latest.deleted.iter().cloned());
            slot.forget_deleted(now_ms);
        }
    }

    fn lead(&mut self, shard: i32, epoch: i32, partition: Arc<Partition>) {
        match self.slots.get(&shard) {
            // Another replica of that epoch is one of a topic that was deleted and created again.
            Some(slot) if slot.epoch == epoch && Arc::ptr_eq(&slot.partition, &partition) => return,
            Some(_) => self.resign(shard, epoch),
            None => {}
        }
        let max_batch_bytes = partition.log().config().max_message_bytes as usize;
        let config = ShardConfig {
            max_batch_bytes,
            ..self.settings.shard.clone()
        };
        let mut runtime = ShardRuntime::new(config, GroupShard::new(self.settings.group.clone()), entropy::random);
        let is_new = runtime.start_loading(epoch, &mut Outbox::new());
        assert!(is_new, "a new shard was led in no epoch yet");
        let slot = Slot {
            index: shard,
            epoch,
            partition,
            runtime: Some(runtime),
            deleted: Vec::new(),
            awaits_commit: false,
            lost_its_log: false,
            compression: self.settings.compression,
        };
        self.slots.insert(shard, slot);
        self.to_load.push_back(shard);
    }

    fn resign(&mut self, shard: i32, epoch: i32) {
        let now_ms = self.clock.now_ms();
        let Some(mut slot) = self.slots.remove(&shard) else {
            return;
        };
        slot.drive(now_ms, |runtime, out| runtime.close(epoch, out));
        debug!(shard, epoch, "coordinates these groups no longer");
    }

    /// Gives the next shard to the loader. One without records needs none.
    fn load_next(&mut self) {
        while self.loading.is_empty() {
            let Some(shard) = self.to_load.pop_front() else { return };
            let Some(slot) = self.slots.get_mut(&shard) else {
                continue;
            };
            let is_loading = |runtime: &mut Runtime| runtime.status() == ShardStatus::Loading;
            let Some(mut runtime) = slot.runtime.take_if(is_loading).map(Box::new) else {
                continue;
            };
            let partition = Arc::clone(&slot.partition);
            let log = partition.log();
            let (epoch, load_bytes, stopped) = (slot.epoch, self.settings.load_bytes, Arc::clone(&self.stopped));
            if log.log_start_offset() == log.log_end_offset() {
                let result = Ok(log.log_end_offset());
                self.on_loaded(Loaded {
                    shard,
                    epoch,
                    partition,
                    runtime,
                    result,
                });
                continue;
            }
            self.loading.spawn_blocking(move || {
                let result = loader::load(&mut runtime, &log, load_bytes, &stopped);
                Loaded {
                    shard,
                    epoch,
                    partition,
                    runtime,
                    result,
                }
            });
        }
    }

    fn on_loaded(&mut self, loaded: Loaded) {
        let now_ms = self.clock.now_ms();
        let Loaded {
            shard,
            epoch,
            partition,
            mut runtime,
            result,
        } = loaded;
        let is_meant = |slot: &&mut Slot| slot.epoch == epoch && Arc::ptr_eq(&slot.partition, &partition);
        let Some(slot) = self.slots.get_mut(&shard).filter(is_meant) else {
            return;
        };
        let mut out = Outbox::new();
        match result {
            Ok(log_end_offset) => {
                let high_watermark = slot.partition.log().high_watermark();
                runtime.finish_loading(now_ms, log_end_offset, high_watermark, &mut out);
                if log_end_offset > 0 {
                    let skipped_records = runtime.state().skipped_records();
                    info!(
                        shard,
                        epoch, log_end_offset, skipped_records, "coordinates these groups"
                    );
                }
            }
            Err(LoaderError::Stopped) => return,
            Err(error) => {
                error!(shard, epoch, "can't coordinate these groups: {error}");
                runtime.fail(&mut out);
            }
        }
        slot.runtime = Some(*runtime);
        slot.settle(now_ms, out);
        slot.forget_deleted(now_ms);
        self.after_step(shard);
    }

    fn on_commit(&mut self, shard: i32) {
        let now_ms = self.clock.now_ms();
        let Some(slot) = self.slots.get_mut(&shard) else { return };
        slot.awaits_commit = false;
        let high_watermark = slot.partition.log().high_watermark();
        slot.drive(now_ms, |runtime, out| {
            runtime.on_high_watermark(now_ms, high_watermark, out)
        });
        self.after_step(shard);
    }

    fn on_time(&mut self) {
        let now_ms = self.clock.now_ms();
        let is_due = |slot: &Slot| slot.next_deadline().is_some_and(|deadline| deadline <= now_ms);
        let due: Vec<i32> = self
            .slots
            .values()
            .filter(|slot| is_due(slot))
            .map(|slot| slot.index)
            .collect();
        for shard in due {
            if let Some(slot) = self.slots.get_mut(&shard) {
                slot.drive(now_ms, |runtime, out| runtime.tick(now_ms, out));
            }
            self.after_step(shard);
        }
    }

    /// Handles requests that came together; what those of one shard write is appended together.
    fn on_asks(&mut self, asked: &mut Vec<Ask>) {
        let now_ms = self.clock.now_ms();
        let mut written: BTreeMap<i32, Outbox<GroupShard<super::ReplyTo>>> = BTreeMap::new();
        for ask in asked.drain(..) {
            match ask {
                Ask::Write { shard, request, to } => {
                    match self
                        .slots
                        .get_mut(&shard)
                        .ok_or(CoordinatorError::NotCoordinator)
                        .and_then(Slot::runtime_mut)
                    {
                        Ok(runtime) => runtime.write(now_ms, request, to, written.entry(shard).or_default()),
                        Err(error) => {
                            if let Some(to) = to {
                                // Whoever asked may have gone away.
                                drop(to.send(Err(error)));
                            }
                        }
                    }
                }
                Ask::Read { shard, query, to } => {
                    let slot = self.slots.get_mut(&shard).ok_or(CoordinatorError::NotCoordinator);
                    let answer = slot.and_then(Slot::runtime_mut).and_then(|runtime| runtime.read(query));
                    drop(to.send(answer));
                }
                Ask::ReadAll { query, to } => {
                    let read = |slot: &mut Slot| slot.runtime_mut().and_then(|runtime| runtime.read(query.clone()));
                    drop(to.send(self.slots.values_mut().map(read).collect()));
                }
            }
        }
        for (shard, out) in written {
            if let Some(slot) = self.slots.get_mut(&shard) {
                slot.settle(now_ms, out);
            }
            self.after_step(shard);
        }
    }

    /// Has the high watermark watched if something waits for it, and loads the shard again if it has lost its log.
    fn after_step(&mut self, shard: i32) {
        let now_ms = self.clock.now_ms();
        let Some(slot) = self.slots.get_mut(&shard) else { return };
        if slot.lost_its_log {
            slot.lost_its_log = false;
            let epoch = slot.epoch;
            slot.drive(now_ms, |runtime, out| {
                assert!(runtime.start_loading(epoch, out), "a shard that failed is loaded again");
            });
            self.to_load.push_back(shard);
            return;
        }
        if slot.awaits_commit || !slot.has_uncommitted() {
            return;
        }
        slot.awaits_commit = true;
        let partition = Arc::clone(&slot.partition);
        let patience = Duration::from_millis(self.settings.shard.write_timeout_ms.unsigned_abs());
        self.commits.spawn(async move {
            partition
                .committed(partition.log().high_watermark() + 1, patience)
                .await;
            shard
        });
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}
