//! What a coordinator brings to the runtime: state, records, requests, timers.

use crate::error::{CoordinatorError, RecordError};
use crate::runtime::{Effect, Outbox};
use crate::timers::Timers;
use bytes::Bytes;

/// One coordinator's logic over one partition of its topic.
///
/// The durable state is [`Shard::State`]: it is changed by [`Shard::replay`] alone, so that the log always holds all of it.
/// `self` holds what may be lost with the process (members that wait, replies to be sent later).
pub trait Shard: Sized {
    /// What the log's records add up to. Cheap to clone: persistent collections.
    type State: Clone + Default;
    /// A record of the coordinator's topic, decoded.
    type Record;
    /// A request that may write.
    type Request;
    /// A request that only reads committed state.
    type Query;
    /// The answer to either.
    type Reply;
    /// Where an answer goes; the driver chooses the type.
    type ReplyTo;
    /// Names a timer.
    type Timer: Ord + Clone;
    /// What the shard wants to do once its records are committed or lost.
    type Pending;
    /// What an operator may want to read about in the node's log.
    type Event;

    /// Applies one record. `producer_id` is -1 unless the record was written in a transaction, which is then still open.
    fn replay(state: &mut Self::State, offset: i64, producer_id: i64, record: &Self::Record);

    /// Applies the end of `producer_id`'s transaction.
    fn replay_end_transaction(state: &mut Self::State, producer_id: i64, outcome: TransactionOutcome);

    /// Decodes a record of the topic. Kinds the shard doesn't know are records of their own, not errors.
    fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Self::Record, RecordError>;

    /// Encodes a record for the topic.
    fn encode(record: &Self::Record) -> EncodedRecord;

    /// Handles a request against the latest state.
    fn handle(&mut self, cx: &mut Context<'_, Self>, request: Self::Request, to: Self::ReplyTo) -> Write<Self>;

    /// Answers from the committed state.
    fn query(&self, committed: &Self::State, query: Self::Query) -> Self::Reply;

    /// A timer fell due.
    fn on_timer(&mut self, cx: &mut Context<'_, Self>, timer: Self::Timer) -> Write<Self>;

    /// The records that `pending` waited for are committed, or will never be.
    fn on_settled(
        &mut self,
        cx: &mut Context<'_, Self>,
        pending: Self::Pending,
        result: Result<(), CoordinatorError>,
    ) -> Write<Self>;

    /// The log is replayed: build the soft state and set timers.
    fn on_loaded(&mut self, cx: &mut Context<'_, Self>);

    /// The shard is no longer led here: forget all soft state, and name the replies still owed.
    fn on_unloaded(&mut self) -> Vec<Self::ReplyTo>;
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionOutcome {
    /// Its records count.
    Commit,
    /// Its records never were.
    Abort,
}

/// A record as it goes to the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedRecord {
    /// The record's key.
    pub key: Bytes,
    /// The record's value; none for a tombstone.
    pub value: Option<Bytes>,
}

impl EncodedRecord {
    /// An upper bound of the bytes this record takes in an uncompressed batch.
    pub fn size(&self) -> usize {
        // length, attributes, timestamp and offset deltas, key and value lengths, header count: varints at their widest
        const OVERHEAD: usize = 5 + 1 + 10 + 5 + 5 + 5 + 1;
        OVERHEAD + self.key.len() + self.value.as_ref().map_or(0, Bytes::len)
    }
}

/// What a handler sees and may touch besides its own soft state.
pub struct Context<'a, S: Shard> {
    /// Milliseconds since the Unix epoch, monotone.
    pub now_ms: i64,
    /// The latest state, committed or not.
    pub state: &'a S::State,
    /// The shard's timers.
    pub timers: &'a mut Timers<S::Timer>,
    pub(crate) random: &'a mut dyn FnMut() -> u64,
    pub(crate) out: &'a mut Outbox<S>,
}

impl<S: Shard> Context<'_, S> {
    /// Answers at once, whatever is still uncommitted.
    pub fn reply(&mut self, to: S::ReplyTo, reply: S::Reply) {
        self.out.push(Effect::Reply { to, result: Ok(reply) });
    }

    /// Gives `to` no answer but an error.
    pub fn fail(&mut self, to: S::ReplyTo, error: CoordinatorError) {
        self.out.push(Effect::Reply { to, result: Err(error) });
    }

    /// Tells the driver what happened, for the node's log.
    pub fn tell(&mut self, event: S::Event) {
        self.out.push(Effect::Tell(event));
    }

    /// Sixteen random bytes.
    pub fn random_bytes(&mut self) -> [u8; 16] {
        let mut bytes = [0; 16];
        for half in bytes.chunks_exact_mut(8) {
            half.copy_from_slice(&(self.random)().to_be_bytes());
        }
        bytes
    }
}

/// What a handler wants written, and what follows once it is committed.
pub struct Write<S: Shard> {
    pub(crate) records: Vec<S::Record>,
    pub(crate) then: Then<S>,
    pub(crate) atomic: bool,
}

/// What follows a write.
pub enum Then<S: Shard> {
    /// Nothing; the reply, if any, went out already or will later.
    Nothing,
    /// This reply goes out, or an error in its place.
    Reply(S::ReplyTo, S::Reply),
    /// The shard is told through [`Shard::on_settled`].
    Settle(S::Pending),
}

impl<S: Shard> Write<S> {
    /// Writes nothing; what had to be said was said.
    pub fn nothing() -> Self {
        Self::of(Vec::new(), Then::Nothing)
    }

    /// Writes nothing and answers, after everything written before.
    pub fn reply(to: S::ReplyTo, reply: S::Reply) -> Self {
        Self::of(Vec::new(), Then::Reply(to, reply))
    }

    /// Writes `records` in one batch: all of them or none.
    pub fn of(records: Vec<S::Record>, then: Then<S>) -> Self {
        Self {
            records,
            then,
            atomic: true,
        }
    }

    /// Writes `records`, in several batches if need be. For clean-up, where each record stands for itself.
    pub fn each_alone(records: Vec<S::Record>, then: Then<S>) -> Self {
        Self {
            records,
            then,
            atomic: false,
        }
    }

    /// Answers once this is committed, where nothing else followed.
    pub fn then_reply(mut self, to: S::ReplyTo, reply: S::Reply) -> Self {
        assert!(matches!(self.then, Then::Nothing), "one thing follows a write");
        self.then = Then::Reply(to, reply);
        self
    }

    /// Whether there is neither a record nor anything that follows.
    pub fn is_nothing(&self) -> bool {
        self.records.is_empty() && matches!(self.then, Then::Nothing)
    }
}
