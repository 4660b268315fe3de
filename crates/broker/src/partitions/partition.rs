//! A partition that this broker holds a replica of: its log, and what replication knows of it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, TryLockError};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use klamm_log::{AppendError, AppendInfo, AppendOrigin, DeleteRecordsError, FetchData, Isolation, Log, ReadError};
use klamm_metadata::{LocalPartition, PartitionRegistration};
use klamm_protocol::Uuid;
use klamm_replication::{Assignment, LeaderEpochError, NotEnoughReplicas, NotLeader, PartitionState};

use super::topic_settings::TopicSettings;
use super::waiters::{FetchWaiter, Waiters, Waiting};

/// Why a partition did not take records.
#[derive(Debug, thiserror::Error)]
pub enum ProduceError {
    /// Another broker leads.
    #[error(transparent)]
    NotLeader(#[from] NotLeader),
    /// acks=all, and too few replicas are in sync.
    #[error(transparent)]
    NotEnoughReplicas(#[from] NotEnoughReplicas),
    /// The log refused the batch or failed.
    #[error(transparent)]
    Append(#[from] AppendError),
}

/// Why a partition can't be asked: another broker leads, or the client's epoch is not this leader's.
#[derive(Debug, thiserror::Error)]
pub enum LeaderError {
    /// Another broker leads.
    #[error(transparent)]
    NotLeader(#[from] NotLeader),
    /// The client's leader epoch is wrong (KIP-320).
    #[error(transparent)]
    Epoch(#[from] LeaderEpochError),
}

/// Why a partition gave no records.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// This broker is not the one to ask.
    #[error(transparent)]
    Leader(#[from] LeaderError),
    /// The log has no such offset, or failed.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// How waiting for the high watermark ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committed {
    /// All replicas in sync have the records.
    Yes,
    /// The time was up.
    TimedOut,
    /// The partition has another leader now, or went away.
    LeaderChanged,
}

/// One partition at this broker.
///
/// `state` is only ever held for a look or a small change, so that readers never wait for a writer's disk.
#[derive(Debug)]
pub struct Partition {
    topic: Arc<str>,
    topic_id: Uuid,
    index: i32,
    /// Another one when it has moved to another log directory.
    log: ArcSwap<Log>,
    state: Mutex<PartitionState>,
    /// Shared by appends, exclusive to whoever changes who leads: no append begins under one leader and ends under another.
    /// Taken before `state`. It may be held for long while the log's disk is waited for, so threads of the runtime only try.
    office: RwLock<()>,
    /// The topic has appends synced (`flush.messages`).
    syncs: AtomicBool,
    /// It left this broker; whoever still has hold of it finds no leader.
    closed: AtomicBool,
    replicas: AtomicUsize,
    min_insync_replicas: AtomicUsize,
    waiters: Arc<Waiters>,
}

fn assignment(registration: &PartitionRegistration) -> Assignment {
    Assignment {
        leader: registration.leader,
        leader_epoch: registration.leader_epoch,
        partition_epoch: registration.partition_epoch,
        isr: registration.isr.clone(),
    }
}

impl Partition {
    pub(super) fn new(
        broker: i32,
        topic: Arc<str>,
        index: i32,
        local: &LocalPartition,
        settings: &TopicSettings,
        log: Arc<Log>,
    ) -> Self {
        let state = PartitionState::new(broker, assignment(&local.registration), log.high_watermark());
        let partition = Self {
            topic,
            topic_id: local.topic_id,
            index,
            log: ArcSwap::new(log),
            state: Mutex::new(state),
            office: RwLock::default(),
            syncs: AtomicBool::new(settings.syncs_appends()),
            closed: AtomicBool::new(false),
            replicas: AtomicUsize::new(local.registration.replicas.len()),
            min_insync_replicas: AtomicUsize::new(settings.min_insync_replicas),
            waiters: Arc::default(),
        };
        if partition.state().is_leader() {
            partition.take_office();
        }
        partition
    }

    fn state(&self) -> MutexGuard<'_, PartitionState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The topic's name.
    pub fn topic(&self) -> &Arc<str> {
        &self.topic
    }

    /// The topic's id.
    pub fn topic_id(&self) -> Uuid {
        self.topic_id
    }

    /// The partition's id within its topic.
    pub fn index(&self) -> i32 {
        self.index
    }

    /// The records.
    pub fn log(&self) -> Arc<Log> {
        self.log.load_full()
    }

    /// Puts another log, with the same records, in the place of the one that is there. Nothing is appended while `exchange`
    /// runs, which makes it.
    pub(crate) fn exchange_log<E>(&self, exchange: impl FnOnce() -> Result<Arc<Log>, E>) -> Result<(), E> {
        let _office = self.office.write().unwrap_or_else(PoisonError::into_inner);
        self.log.store(exchange()?);
        Ok(())
    }

    /// Puts the topic's settings in force.
    pub(super) fn update_settings(&self, settings: &TopicSettings) {
        self.min_insync_replicas
            .store(settings.min_insync_replicas, Ordering::Relaxed);
        self.syncs.store(settings.syncs_appends(), Ordering::Relaxed);
        // Not while another log takes this one's place, which would take over what was before.
        let _office = self.enter();
        self.log().update_config(settings.log.clone());
    }

    /// Takes over what the metadata says now.
    pub(super) fn on_registration(&self, registration: &PartitionRegistration) {
        let office = self.office.write().unwrap_or_else(PoisonError::into_inner);
        self.replicas.store(registration.replicas.len(), Ordering::Relaxed);
        let became_leader = self.state().on_assignment(assignment(registration));
        if became_leader {
            self.take_office();
        }
        drop(office);
        self.waiters.on_change();
    }

    /// A new leader notes where its epoch begins. What it holds is committed as soon as the whole ISR is known to hold it,
    /// which for a lone replica is now.
    fn take_office(&self) {
        let mut state = self.state();
        let end = self.log().log_end_offset();
        self.log()
            .maybe_assign_epoch_start_offset(state.assignment().leader_epoch, end);
        if let Some(high_watermark) = state.on_local_end(end) {
            self.log().maybe_increment_high_watermark(high_watermark);
        }
    }

    /// The partition leaves this broker: appends that have begun end first, later ones find no leader, and whoever waits on
    /// it is told.
    pub(super) fn close(&self) {
        let office = self.office.write().unwrap_or_else(PoisonError::into_inner);
        self.closed.store(true, Ordering::Release);
        drop(office);
        self.waiters.on_change();
    }

    /// The epoch in which this broker leads.
    fn leader_epoch(&self, state: &PartitionState) -> Result<i32, NotLeader> {
        let leader_epoch = state.leader_epoch()?;
        match self.closed.load(Ordering::Acquire) {
            false => Ok(leader_epoch),
            true => Err(NotLeader {
                broker: state.assignment().leader,
                leader: -1,
                leader_epoch,
            }),
        }
    }

    /// Whether this broker leads, and in which epoch; a client that names an epoch has to name that one.
    pub fn check_leader(&self, current_leader_epoch: Option<i32>) -> Result<i32, LeaderError> {
        let state = self.state();
        state.check_leader_epoch(current_leader_epoch)?;
        Ok(self.leader_epoch(&state)?)
    }

    /// The leader as far as known here, negative if there is none, and its epoch.
    pub fn leader(&self) -> (i32, i32) {
        let state = self.state();
        let leader = match self.closed.load(Ordering::Acquire) {
            false => state.assignment().leader,
            true => -1,
        };
        (leader, state.assignment().leader_epoch)
    }

    fn enter(&self) -> RwLockReadGuard<'_, ()> {
        self.office.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_enter(&self) -> Option<RwLockReadGuard<'_, ()>> {
        match self.office.try_read() {
            Ok(office) => Some(office),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Appends one batch as the leader. With `acks_all` only if `min.insync.replicas` are in sync; a partition with fewer
    /// replicas than that asks for all it has. For threads that may wait.
    pub fn append(
        &self,
        records: &Bytes,
        acks_all: bool,
        origin: AppendOrigin,
        now_ms: i64,
    ) -> Result<AppendInfo, ProduceError> {
        self.append_in_office(self.enter(), records, acks_all, origin, now_ms)
    }

    /// As [`Self::append`], for threads that must not wait. `None`: it would have to be waited, until the partition's leader or
    /// log has changed, or for the disk because the topic has appends synced.
    pub fn append_at_once(
        &self,
        records: &Bytes,
        acks_all: bool,
        origin: AppendOrigin,
        now_ms: i64,
    ) -> Option<Result<AppendInfo, ProduceError>> {
        if self.syncs.load(Ordering::Relaxed) {
            return None;
        }
        Some(self.append_in_office(self.try_enter()?, records, acks_all, origin, now_ms))
    }

    fn append_in_office(
        &self,
        office: RwLockReadGuard<'_, ()>,
        records: &Bytes,
        acks_all: bool,
        origin: AppendOrigin,
        now_ms: i64,
    ) -> Result<AppendInfo, ProduceError> {
        let leader_epoch = {
            let state = self.state();
            let leader_epoch = self.leader_epoch(&state)?;
            if acks_all {
                let required = self.min_insync_replicas.load(Ordering::Relaxed);
                state.check_in_sync(required.min(self.replicas.load(Ordering::Relaxed)))?;
            }
            leader_epoch
        };
        let log = self.log.load();
        let info = log.append_as_leader(records, leader_epoch, origin, now_ms)?;
        let is_visible = {
            let mut state = self.state();
            if let Some(high_watermark) = state.on_local_end(log.log_end_offset()) {
                log.maybe_increment_high_watermark(high_watermark);
            }
            // Another append may have raised it past these records already; they are told of here all the same.
            state.high_watermark() > info.last_offset
        };
        drop(office);
        if is_visible && !info.is_duplicate {
            self.waiters
                .on_visible(i64::try_from(records.len()).unwrap_or(i64::MAX / 2));
        }
        Ok(info)
    }

    /// Moves the log start forward to `offset`; where it is then. For threads that may wait.
    pub fn delete_records(&self, offset: i64) -> Result<i64, DeleteRecordsError> {
        let _office = self.enter();
        self.log.load().delete_records(offset)
    }

    /// As [`Self::delete_records`], for threads that must not wait. `None`: it would have to be waited.
    pub fn delete_records_at_once(&self, offset: i64) -> Option<Result<i64, DeleteRecordsError>> {
        let _office = self.try_enter()?;
        Some(self.log.load().delete_records(offset))
    }

    /// Waits until everything below `offset` is committed, while this broker leads in the epoch in which it was called.
    pub async fn committed(&self, offset: i64, timeout: Duration) -> Committed {
        let Ok(epoch) = self.leader_epoch(&self.state()) else {
            return Committed::LeaderChanged;
        };
        let wait = async {
            loop {
                let mut next = Box::pin(self.waiters.next_commit());
                next.as_mut().enable();
                {
                    let state = self.state();
                    if self.leader_epoch(&state) != Ok(epoch) {
                        return Committed::LeaderChanged;
                    }
                    if state.high_watermark() >= offset {
                        return Committed::Yes;
                    }
                }
                next.await;
            }
        };
        tokio::time::timeout(timeout, wait).await.unwrap_or(Committed::TimedOut)
    }

    /// Whether everything below `offset` is committed, without waiting.
    pub fn is_committed(&self, offset: i64) -> bool {
        self.state().high_watermark() >= offset
    }

    /// Finds records for a consumer.
    pub fn fetch(
        &self,
        offset: i64,
        max_bytes: u32,
        current_leader_epoch: Option<i32>,
        isolation: Isolation,
        min_one_message: bool,
    ) -> Result<FetchData, FetchError> {
        self.check_leader(current_leader_epoch)?;
        Ok(self.log.load().read(offset, max_bytes, isolation, min_one_message)?)
    }

    /// As [`Self::fetch`], for threads that must not wait for the disk. `None`: it would have to be waited for.
    pub fn fetch_from_memory(
        &self,
        offset: i64,
        max_bytes: u32,
        current_leader_epoch: Option<i32>,
        isolation: Isolation,
        min_one_message: bool,
    ) -> Option<Result<FetchData, FetchError>> {
        if let Err(error) = self.check_leader(current_leader_epoch) {
            return Some(Err(error.into()));
        }
        let log = self.log.load();
        let found = log.read_from_memory(offset, max_bytes, isolation, min_one_message)?;
        Some(found.map_err(FetchError::from))
    }

    /// Has a fetch told when records come.
    pub(crate) fn add_waiter(&self, waiter: &Arc<FetchWaiter>) -> Waiting {
        self.waiters.add(waiter)
    }
}
