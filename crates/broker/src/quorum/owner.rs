//! The one owner of log, quorum, controller and loader: takes events, carries out effects, publishes, answers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use arc_swap::ArcSwap;
use klamm_controller::{Controller, ControllerError};
use klamm_metadata::{BootstrapMetadata, MetadataDelta, MetadataImage, MetadataLoader, MetadataRecord, Published};
use klamm_protocol::ErrorCode;
use klamm_raft::messages::LeaderAndEpoch;
use klamm_raft::{Effect, ElectionState, Outbox, Raft};

use super::batches::{self, DecodedBatch, Position};
use super::handle::{Answer, Attempted, Event, MAX_QUEUED, MetadataPublisher, Queued, Shared, not_controller};
use super::log::MetadataLog;
use super::upkeep::Upkeep;
use super::{QuorumError, state_file};
use crate::clock::Clock;

/// An answer that waits for the log to be committed up to an offset (exclusive).
pub(super) struct Waiting {
    end_offset: i64,
    answer: Answer,
}

/// See the module's page.
///
/// `applied <= high watermark <= log end`: what lies below `applied` has reached controller, loader and publishers. While the
/// controller is active it is ahead of that, by the batches in flight; they carry their records so that nothing is read again.
pub(super) struct Owner {
    pub(super) raft: Raft,
    pub(super) out: Outbox,
    pub(super) log: MetadataLog,
    pub(super) controller: Controller,
    pub(super) loader: MetadataLoader,
    pub(super) image: Arc<ArcSwap<MetadataImage>>,
    pub(super) publishers: Vec<Box<dyn MetadataPublisher>>,
    pub(super) bootstrap: BootstrapMetadata,
    pub(super) upkeep: Upkeep,
    pub(super) clock: Arc<Clock>,
    pub(super) shared: Arc<Shared>,
    pub(super) active_epoch: Option<i32>,
    pub(super) applied: i64,
    pub(super) in_flight: VecDeque<DecodedBatch>,
    pub(super) waiting: VecDeque<Waiting>,
    pub(super) unflushed: bool,
}

impl Owner {
    /// Until the controller is active: for a lone voter all of that happens here and now.
    pub(super) fn start(&mut self) -> Result<(), QuorumError> {
        self.raft.on_start(self.clock.now_ms(), &mut self.out);
        self.settle()?;
        assert!(
            self.active_epoch.is_some(),
            "a lone voter leads as soon as it has started"
        );
        Ok(())
    }

    /// Brings publishers up to date; from now on they hear of every change.
    fn subscribe(&mut self, publishers: Vec<Box<dyn MetadataPublisher>>) {
        let image = self.image.load_full();
        let mut delta = MetadataDelta::for_snapshot(&MetadataImage::empty());
        for record in image.to_records() {
            delta.replay(&record).expect("an image's own records make that image");
        }
        for publisher in &publishers {
            publisher.on_metadata_update(&delta, &image);
        }
        self.publishers.extend(publishers);
    }

    /// Works until it is told to shut down, or until it can't go on.
    pub(super) fn run(mut self, events: &Receiver<Queued>) -> Result<(), QuorumError> {
        loop {
            let mut next = self.wait(events);
            for _ in 0..MAX_QUEUED {
                match next {
                    Ok(Queued {
                        event: Event::Shutdown, ..
                    }) => return self.shut_down(),
                    Ok(queued) => self.handle(queued)?,
                    Err(()) => break,
                }
                next = events.try_recv().map_err(|_| ());
            }
            self.tick()?;
            self.settle()?;
        }
    }

    fn wait(&self, events: &Receiver<Queued>) -> Result<Queued, ()> {
        let controller = self.active_epoch.and_then(|_| self.controller.next_deadline());
        let deadlines = [self.raft.next_deadline(), controller, self.upkeep.next_deadline(self)];
        let Some(deadline_ms) = deadlines.into_iter().flatten().min() else {
            return events.recv().map_err(|_| ());
        };
        let wait_ms = u64::try_from(deadline_ms - self.clock.now_ms()).unwrap_or(0);
        match events.recv_timeout(Duration::from_millis(wait_ms)) {
            Ok(queued) => Ok(queued),
            Err(RecvTimeoutError::Timeout) => Err(()),
            // Cannot be: upkeep holds a sender.
            Err(RecvTimeoutError::Disconnected) => Err(()),
        }
    }

    fn handle(&mut self, queued: Queued) -> Result<(), QuorumError> {
        // The place is given back when the event is done with, so that the queue is a bound on what is under way.
        let Queued { event, place } = queued;
        match event {
            Event::Write { name, attempt } => {
                let now_ms = self.clock.now_ms();
                let controller = self
                    .active_epoch
                    .map(|_| (&self.controller, now_ms))
                    .ok_or_else(not_controller);
                if let Some(attempted) = attempt(controller) {
                    self.write(name, now_ms, attempted)?;
                }
            }
            Event::Read(op) => op(&self.controller),
            Event::Describe(sender) => {
                let _ = sender.send(self.raft.describe(self.clock.now_ms()));
            }
            Event::Subscribe(publishers, done) => {
                self.subscribe(publishers);
                let _ = done.send(());
            }
            Event::SnapshotWritten(result) => self.on_snapshot_written(result),
            Event::Shutdown => unreachable!("handled by the loop"),
        }
        drop(place);
        Ok(())
    }

    fn write(&mut self, name: &'static str, now_ms: i64, attempted: Attempted) -> Result<(), QuorumError> {
        let Attempted {
            records,
            atomic,
            contact,
            answer,
        } = attempted;
        if let Some(contact) = contact {
            self.controller.note_contact(contact);
        }
        let appended = match records.is_empty() {
            true => Ok(()),
            false => self.append(now_ms, records, atomic)?,
        };
        match appended {
            // Also without records the answer may rest on what others have written and is not committed yet.
            Ok(()) => self.waiting.push_back(Waiting {
                end_offset: self.raft.log().end_offset(),
                answer,
            }),
            Err(error) => {
                tracing::error!(name, %error, "the controller could not write");
                answer(Err(error));
            }
        }
        Ok(())
    }

    /// Replays records into the controller and hands them to the quorum, to be committed later.
    ///
    /// The outer error is the end of the node. The inner one leaves everything as it was.
    pub(super) fn append(
        &mut self,
        now_ms: i64,
        records: Vec<MetadataRecord>,
        atomic: bool,
    ) -> Result<Result<(), ControllerError>, QuorumError> {
        let Some(epoch) = self.active_epoch else {
            return Ok(Err(not_controller()));
        };
        let base_offset = self.raft.log().end_offset();
        let version = self.controller.image().features().metadata_version();
        let version = version.unwrap_or(self.bootstrap.metadata_version());
        let batches = match batches::encode(
            &records,
            version,
            Position {
                base_offset,
                epoch,
                now_ms,
            },
            atomic,
        ) {
            Ok(batches) => batches,
            Err(error) => {
                return Ok(Err(ControllerError::new(
                    ErrorCode::UNKNOWN_SERVER_ERROR,
                    error.to_string(),
                )));
            }
        };
        self.controller.note_log_end(base_offset);
        for (record, offset) in records.iter().zip(base_offset..) {
            if let Err(error) = self.controller.replay(record, offset) {
                self.controller.revert_to(base_offset - 1);
                return Ok(Err(ControllerError::new(
                    ErrorCode::UNKNOWN_SERVER_ERROR,
                    error.to_string(),
                )));
            }
        }
        let last_offset = base_offset - 1 + i64::try_from(records.len()).expect("a request has few records");
        self.controller.snapshot(last_offset);
        let mut records = records.into_iter();
        for batch in &batches {
            let count = usize::try_from(batch.last_offset + 1 - batch.base_offset).expect("a batch is small");
            self.in_flight.push_back(DecodedBatch {
                base_offset: batch.base_offset,
                last_offset: batch.last_offset,
                epoch,
                timestamp_ms: now_ms,
                bytes: batch.bytes.len(),
                records: records.by_ref().take(count).collect(),
            });
        }
        if self.raft.on_append(now_ms, epoch, batches, &mut self.out).is_err() {
            self.renounce();
            return Ok(Err(not_controller()));
        }
        self.upkeep.on_append(now_ms);
        Ok(Ok(()))
    }

    /// Does what time has made due.
    fn tick(&mut self) -> Result<(), QuorumError> {
        let now_ms = self.clock.now_ms();
        self.raft.tick(now_ms, &mut self.out);
        while self.active_epoch.is_some() {
            let due = self.controller.tick(now_ms);
            if due.records.is_empty() {
                break;
            }
            if let Err(error) = self.append(now_ms, due.records, due.atomic)? {
                tracing::error!(%error, "the controller could not write what was due");
                break;
            }
        }
        self.upkeep(now_ms)
    }

    /// Carries out effects until there are none, syncing the log once for all that was appended.
    pub(super) fn settle(&mut self) -> Result<(), QuorumError> {
        loop {
            for effect in self.out.drain() {
                self.carry_out(effect)?;
            }
            if std::mem::take(&mut self.unflushed) {
                let end_offset = self.log.flush()?;
                self.raft.on_log_flushed(self.clock.now_ms(), end_offset, &mut self.out);
            } else if self.out.is_empty() {
                self.answer_committed();
                return Ok(());
            }
        }
    }

    fn carry_out(&mut self, effect: Effect) -> Result<(), QuorumError> {
        match effect {
            Effect::PersistQuorumState(state) => self.persist(&state),
            Effect::Append(batches) => {
                self.log.append(&batches, self.clock.now_ms())?;
                self.unflushed = true;
                let has_voters = batches.iter().any(|batch| !batch.control.is_empty());
                if has_voters {
                    self.shared
                        .kraft_version
                        .store(self.raft.kraft_version(), Ordering::Release);
                }
                Ok(())
            }
            Effect::CommittedUpTo(offset) => self.commit(offset),
            Effect::LeaderChange(leader) => self.on_leader_change(leader),
            Effect::Fault(fault) => Err(fault.into()),
            Effect::TruncateTo(_)
            | Effect::WriteSnapshot { .. }
            | Effect::InstallSnapshot(_)
            | Effect::Send { .. }
            | Effect::Reply { .. } => unreachable!("a lone voter follows nobody, asks nobody and is asked by nobody"),
        }
    }

    fn persist(&mut self, state: &ElectionState) -> Result<(), QuorumError> {
        let voters: Vec<i32> = self.raft.voter_set().ids().collect();
        state_file::write(&self.log.quorum_state_path(), state, self.raft.kraft_version(), &voters)?;
        self.raft.on_state_persisted(self.clock.now_ms(), &mut self.out);
        Ok(())
    }

    /// Applies what is committed now, and publishes it.
    fn commit(&mut self, offset: i64) -> Result<(), QuorumError> {
        self.log.committed(offset);
        while self.applied < offset {
            match self.in_flight.pop_front() {
                Some(batch) => {
                    assert_eq!(
                        batch.base_offset, self.applied,
                        "what is in flight follows what is applied"
                    );
                    self.load(&batch)?;
                    self.controller.commit(batch.last_offset);
                }
                None => self.read_and_load(offset)?,
            }
        }
        if let Some(published) = self.loader.flush() {
            self.publish(&published);
        }
        Ok(())
    }

    /// Applies the next piece of the log, which this controller has not written itself.
    fn read_and_load(&mut self, offset: i64) -> Result<(), QuorumError> {
        let batches = self.log.read(self.applied)?;
        assert!(
            !batches.is_empty(),
            "the log ends at {} but is committed up to {offset}",
            self.applied
        );
        for batch in batches.into_iter().take_while(|batch| batch.last_offset < offset) {
            for (record, offset) in batch.records.iter().zip(batch.base_offset..) {
                self.controller.replay(record, offset)?;
            }
            self.load(&batch)?;
        }
        let last_offset = self.applied - 1;
        self.controller.note_log_end(self.applied);
        self.controller.snapshot(last_offset);
        self.controller.commit(last_offset);
        Ok(())
    }

    fn load(&mut self, batch: &DecodedBatch) -> Result<(), QuorumError> {
        let DecodedBatch {
            base_offset,
            last_offset,
            epoch,
            timestamp_ms,
            ..
        } = *batch;
        let published = self
            .loader
            .load_batch(base_offset, last_offset, epoch, timestamp_ms, &batch.records)?;
        self.applied = last_offset + 1;
        self.upkeep.on_load(batch.bytes);
        if let Some(published) = published {
            self.publish(&published);
        }
        Ok(())
    }

    /// Publishers first: by the time that a client can see a change, the node acts on it.
    fn publish(&mut self, published: &Published) {
        for publisher in &self.publishers {
            publisher.on_metadata_update(&published.delta, &published.image);
        }
        self.image.store(published.image.clone());
    }

    fn answer_committed(&mut self) {
        while let Some(waiting) = self.waiting.pop_front_if(|waiting| waiting.end_offset <= self.applied) {
            (waiting.answer)(Ok(()));
        }
    }

    fn on_leader_change(&mut self, leader: LeaderAndEpoch) -> Result<(), QuorumError> {
        if leader.leader_id != Some(self.controller.config().node_id) {
            self.renounce();
            return Ok(());
        }
        let now_ms = self.clock.now_ms();
        tracing::info!(epoch = leader.epoch, "the controller becomes active");
        self.active_epoch = Some(leader.epoch);
        self.shared.leader_epoch.store(leader.epoch, Ordering::Release);
        self.controller.activate(self.raft.log().end_offset(), now_ms);
        let first: Vec<MetadataRecord> = self.controller.activation_records(&self.bootstrap).records;
        if !first.is_empty() {
            // Kafka wraps them in a transaction or writes one batch; either takes effect as a whole.
            self.append(now_ms, first, true)?
                .map_err(|error| QuorumError::Activation(error.to_string()))?;
        }
        Ok(())
    }

    /// Ceases to be the controller: what is not committed may be lost, so nobody may build on it.
    fn renounce(&mut self) {
        self.active_epoch = None;
        self.shared.leader_epoch.store(-1, Ordering::Release);
        self.in_flight.clear();
        self.controller.revert_to(self.applied - 1);
        for waiting in self.waiting.drain(..) {
            (waiting.answer)(Err(not_controller()));
        }
    }

    fn shut_down(mut self) -> Result<(), QuorumError> {
        self.settle()?;
        self.renounce();
        self.raft.on_shutdown(self.clock.now_ms(), &mut self.out);
        self.log.close()
    }
}
