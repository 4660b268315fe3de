//! The loop around one shard: states, batches, parked replies.

use crate::error::{CoordinatorError, LoadError};
use crate::shard::{Context, EncodedRecord, Shard, Then, Write};
use crate::timers::Timers;
use batches::Batches;
use klamm_timeline::Timeline;
use parked::{Parked, ParkedReplies};

mod batches;
mod parked;
#[cfg(test)]
mod tests;

/// Limits of one shard.
#[derive(Clone, Debug)]
pub struct ShardConfig {
    /// How long a reply waits for its records to be committed, in ms (`offsets.commit.timeout.ms`).
    pub write_timeout_ms: i64,
    /// Largest batch in bytes (the topic's `max.message.bytes`).
    pub max_batch_bytes: usize,
    /// How many replies may wait for commits; requests beyond are refused.
    pub max_parked: usize,
    /// How many timers one [`ShardRuntime::tick`] runs.
    pub timers_per_tick: usize,
}

impl Default for ShardConfig {
    fn default() -> Self {
        Self {
            write_timeout_ms: 5_000,
            max_batch_bytes: 1_048_588,
            max_parked: 10_000,
            timers_per_tick: 64,
        }
    }
}

/// Where a shard is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShardStatus {
    /// Not led here yet.
    Initial,
    /// Replaying its log.
    Loading,
    /// Serving.
    Active,
    /// The log could not be loaded or went its own way; to be loaded again.
    Failed,
    /// Led elsewhere.
    Closed,
}

/// What the driver has to do.
pub enum Effect<S: Shard> {
    /// Append these records to the shard's log, as if `acks=all`, and report the result.
    Append(Append),
    /// Send this answer.
    Reply {
        /// Where to.
        to: S::ReplyTo,
        /// The answer, or why there is none.
        result: Result<S::Reply, CoordinatorError>,
    },
    /// Something to write into the node's log.
    Tell(S::Event),
}

/// Effects in the order they came up.
pub type Outbox<S> = Vec<Effect<S>>;

/// One batch of records to append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// The offset the first record must get: the log's end.
    pub first_offset: i64,
    /// The records' timestamp in ms.
    pub timestamp_ms: i64,
    /// The records, never empty.
    pub records: Vec<EncodedRecord>,
}

/// One shard with everything around it.
pub struct ShardRuntime<S: Shard> {
    config: ShardConfig,
    pub(crate) status: ShardStatus,
    /// Leader epoch of the shard's partition; -1 before the first.
    epoch: i32,
    pub(crate) shard: S,
    pub(crate) timeline: Timeline<S::State>,
    timers: Timers<S::Timer>,
    batches: Batches,
    parked: ParkedReplies<S>,
    random: Box<dyn FnMut() -> u64 + Send>,
}

impl<S: Shard> ShardRuntime<S> {
    /// A shard that is not led here yet. `random` is where unguessable ids come from.
    pub fn new(config: ShardConfig, shard: S, random: impl FnMut() -> u64 + Send + 'static) -> Self {
        let batches = Batches::new(config.max_batch_bytes);
        Self {
            config,
            status: ShardStatus::Initial,
            epoch: -1,
            shard,
            timeline: Timeline::default(),
            timers: Timers::default(),
            batches,
            parked: ParkedReplies::default(),
            random: Box::new(random),
        }
    }

    /// Where the shard is in its life.
    pub fn status(&self) -> ShardStatus {
        self.status
    }

    /// The leader epoch of the shard's partition, -1 before the first.
    pub fn epoch(&self) -> i32 {
        self.epoch
    }

    /// The state after everything written, committed or not.
    pub fn state(&self) -> &S::State {
        self.timeline.current()
    }

    /// The committed state.
    pub fn committed(&self) -> &S::State {
        self.timeline.committed()
    }

    /// The shard's soft state.
    pub fn shard(&self) -> &S {
        &self.shard
    }

    /// This node leads the shard's partition since `epoch`: forgets what was, and waits for the log.
    ///
    /// An older epoch, or the current one unless it failed, changes nothing and returns false.
    pub fn start_loading(&mut self, epoch: i32, out: &mut Outbox<S>) -> bool {
        let again = epoch == self.epoch && self.status == ShardStatus::Failed;
        if epoch <= self.epoch && !again {
            return false;
        }
        self.unload(out);
        self.epoch = epoch;
        self.status = ShardStatus::Loading;
        true
    }

    /// Replays a chunk of the log: whole batches, in order, compressed or not. `high_watermark` is the first offset not committed.
    ///
    /// # Errors
    /// Bytes that are no batch or no record; the shard has failed then.
    pub fn load(&mut self, chunk: &[u8], high_watermark: i64) -> Result<(), LoadError> {
        assert!(
            self.status == ShardStatus::Loading,
            "a chunk of the log for a shard that is {:?}",
            self.status
        );
        let loaded = crate::loading::replay_batches::<S>(&mut self.timeline, chunk, high_watermark);
        if loaded.is_err() {
            self.status = ShardStatus::Failed;
        }
        loaded
    }

    /// The whole log is replayed; its end is `log_end_offset`. Serves from now on.
    pub fn finish_loading(&mut self, now_ms: i64, log_end_offset: i64, high_watermark: i64, out: &mut Outbox<S>) {
        assert!(
            self.status == ShardStatus::Loading,
            "a shard that is {:?} finished loading",
            self.status
        );
        self.timeline.commit(high_watermark - 1);
        self.batches.start_at(log_end_offset);
        self.parked.committed_to(high_watermark);
        self.status = ShardStatus::Active;
        self.shard.on_loaded(&mut Context {
            now_ms,
            state: self.timeline.current(),
            timers: &mut self.timers,
            random: &mut self.random,
            out,
        });
    }

    /// Loading failed outside the runtime, or the log is lost.
    pub fn fail(&mut self, out: &mut Outbox<S>) {
        self.unload(out);
        self.status = ShardStatus::Failed;
    }

    /// This node leads the shard's partition no longer, as of `epoch`; an older epoch changes nothing.
    pub fn close(&mut self, epoch: i32, out: &mut Outbox<S>) {
        if epoch >= self.epoch {
            self.unload(out);
            self.epoch = epoch;
            self.status = ShardStatus::Closed;
        }
    }

    /// Handles a request that may write. Its answer comes as an effect, now or later.
    pub fn write(&mut self, now_ms: i64, request: S::Request, to: S::ReplyTo, out: &mut Outbox<S>) {
        if let Err(error) = self.check_active() {
            return out.push(Effect::Reply { to, result: Err(error) });
        }
        if self.parked.len() >= self.config.max_parked {
            return out.push(Effect::Reply {
                to,
                result: Err(CoordinatorError::NotAvailable),
            });
        }
        self.run(now_ms, out, |shard, cx| shard.handle(cx, request, to));
        self.release(now_ms, out);
    }

    /// Answers from the committed state, at once.
    pub fn read(&self, query: S::Query) -> Result<S::Reply, CoordinatorError> {
        self.check_active()?;
        Ok(self.shard.query(self.timeline.committed(), query))
    }

    /// Hands the driver the next batch, unless one is on its way. To be called once the driver's step is over.
    pub fn flush(&mut self, now_ms: i64, out: &mut Outbox<S>) {
        if let Some((first_offset, records)) = self.batches.send(|last_offset| self.timeline.snapshot(last_offset)) {
            out.push(Effect::Append(Append {
                first_offset,
                timestamp_ms: now_ms,
                records,
            }));
        }
    }

    /// The batch on its way was appended at these offsets. They differ from those asked for if somebody else wrote to the
    /// log: the state no longer follows from it, the shard fails and has to be loaded again.
    pub fn on_appended(&mut self, first_offset: i64, last_offset: i64, out: &mut Outbox<S>) {
        if self.status == ShardStatus::Active && !self.batches.arrived(first_offset, last_offset) {
            self.fail(out);
        }
    }

    /// The batch on its way was not appended: takes the state back, and fails every reply that rests on it.
    pub fn on_append_failed(&mut self, now_ms: i64, error: CoordinatorError, out: &mut Outbox<S>) {
        if self.status != ShardStatus::Active {
            return;
        }
        let first_offset = self.batches.lost();
        self.timeline.revert_to(first_offset - 1);
        for parked in self.parked.take_from(first_offset) {
            self.settle(now_ms, parked, Err(error), out);
        }
        self.release(now_ms, out);
    }

    /// Everything below `high_watermark` is committed.
    pub fn on_high_watermark(&mut self, now_ms: i64, high_watermark: i64, out: &mut Outbox<S>) {
        if self.status != ShardStatus::Active {
            return;
        }
        self.timeline.commit(high_watermark - 1);
        self.parked.committed_to(high_watermark);
        self.release(now_ms, out);
    }

    /// Runs due timers and gives up on commits that took too long, a bounded number; more is left if
    /// [`ShardRuntime::next_deadline`] is still not after `now_ms`.
    pub fn tick(&mut self, now_ms: i64, out: &mut Outbox<S>) {
        for _ in 0..self.config.timers_per_tick {
            if let Some(parked) = self.parked.pop_overdue(now_ms) {
                self.settle(now_ms, parked, Err(CoordinatorError::NotAvailable), out);
            } else if let Some(timer) = self.timers.pop_due(now_ms) {
                self.run(now_ms, out, |shard, cx| shard.on_timer(cx, timer));
            } else {
                break;
            }
        }
        self.release(now_ms, out);
    }

    /// When [`ShardRuntime::tick`] has something to do next.
    pub fn next_deadline(&self) -> Option<i64> {
        [self.timers.next_deadline(), self.parked.next_deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    fn check_active(&self) -> Result<(), CoordinatorError> {
        match self.status {
            ShardStatus::Active => Ok(()),
            ShardStatus::Loading => Err(CoordinatorError::LoadInProgress),
            ShardStatus::Initial | ShardStatus::Failed | ShardStatus::Closed => Err(CoordinatorError::NotCoordinator),
        }
    }

    /// One step of the shard, and the write that comes of it.
    fn run(&mut self, now_ms: i64, out: &mut Outbox<S>, step: impl FnOnce(&mut S, &mut Context<'_, S>) -> Write<S>) {
        let mut cx = Context {
            now_ms,
            state: self.timeline.current(),
            timers: &mut self.timers,
            random: &mut self.random,
            out,
        };
        let write = step(&mut self.shard, &mut cx);
        if let Err((error, then)) = self.apply(now_ms, write) {
            self.settle(now_ms, Parked::now(then), Err(error), out);
        }
    }

    /// Lets go what waits for nothing uncommitted.
    fn release(&mut self, now_ms: i64, out: &mut Outbox<S>) {
        while let Some(parked) = self.parked.pop_committed() {
            self.settle(now_ms, parked, Ok(()), out);
        }
    }

    /// Replays the records, adds them to the open batch and parks what follows.
    fn apply(&mut self, now_ms: i64, write: Write<S>) -> Result<(), (CoordinatorError, Then<S>)> {
        let Write { records, then, atomic } = write;
        let encoded: Vec<EncodedRecord> = records.iter().map(S::encode).collect();
        if let Err(error) = self.batches.check_fits(&encoded, atomic) {
            return Err((error, then));
        }
        if atomic {
            self.batches.make_room(encoded.iter().map(EncodedRecord::size).sum());
        }
        for (record, encoded) in records.iter().zip(encoded) {
            self.batches.make_room(encoded.size());
            self.batches
                .close_before_push(|last_offset| self.timeline.snapshot(last_offset));
            let offset = self.batches.push(encoded);
            S::replay(self.timeline.current_mut(), offset, -1, record);
        }
        if !matches!(then, Then::Nothing) {
            let deadline_ms = now_ms + self.config.write_timeout_ms;
            self.parked.park(Parked {
                last_offset: self.batches.next_offset() - 1,
                deadline_ms,
                then,
            });
        }
        Ok(())
    }

    fn settle(&mut self, now_ms: i64, parked: Parked<S>, result: Result<(), CoordinatorError>, out: &mut Outbox<S>) {
        match parked.then {
            Then::Nothing => {}
            Then::Reply(to, reply) => out.push(Effect::Reply {
                to,
                result: result.map(|()| reply),
            }),
            Then::Settle(pending) => self.run(now_ms, out, |shard, cx| shard.on_settled(cx, pending, result)),
        }
    }

    /// Fails everybody who waits and forgets all state.
    fn unload(&mut self, out: &mut Outbox<S>) {
        let owed = self.shard.on_unloaded();
        let parked = self.parked.take_all().filter_map(|parked| match parked.then {
            Then::Reply(to, _) => Some(to),
            Then::Nothing | Then::Settle(_) => None,
        });
        out.extend(parked.chain(owed).map(|to| Effect::Reply {
            to,
            result: Err(CoordinatorError::NotCoordinator),
        }));
        self.timeline = Timeline::default();
        self.timers.clear();
        self.batches = Batches::new(self.config.max_batch_bytes);
        self.parked = ParkedReplies::default();
    }
}
