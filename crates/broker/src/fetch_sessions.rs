//! Incremental fetch sessions (KIP-227): a client names its partitions once and then only what changed, and is answered
//! only with what changed.
//!
//! A session belongs to whoever knows its id and next epoch. All is forgotten with the node; a client that comes with an
//! unknown id begins anew.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use klamm_protocol::messages::fetch_response::PartitionData;
use klamm_protocol::{ErrorCode, Records, Uuid};

#[cfg(test)]
mod tests;

/// The id that stands for no session.
pub(crate) const NO_SESSION: i32 = 0;
/// The epoch that asks for a new session.
const INITIAL_EPOCH: i32 = 0;
/// The epoch that asks for none.
const FINAL_EPOCH: i32 = -1;
/// How long a session lies idle before a new one may take its place whatever their sizes.
const EVICTION_MS: i64 = 120_000;

/// Which partition; a request names its topics by name (until v12) or by id (from v13), never both.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    /// The topic's name; empty when asked by id.
    pub(crate) topic: Arc<str>,
    /// The topic's id; zero when asked by name.
    pub(crate) topic_id: Uuid,
    /// The partition's id.
    pub(crate) partition: i32,
}

/// What a client asks of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) fetch_offset: i64,
    pub(crate) max_bytes: i32,
    pub(crate) current_leader_epoch: i32,
    pub(crate) last_fetched_epoch: i32,
}

/// The part of a request that is about its session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SessionRequest {
    pub(crate) id: i32,
    pub(crate) epoch: i32,
    /// Whether topics are named by id.
    pub(crate) by_topic_id: bool,
}

#[derive(Debug)]
struct Cached {
    key: Key,
    ask: Ask,
    /// What the client was last told.
    high_watermark: i64,
    log_start_offset: i64,
}

impl Cached {
    fn new(key: Key, ask: Ask) -> Self {
        Self {
            key,
            ask,
            high_watermark: -1,
            log_start_offset: -1,
        }
    }

    /// Whether the client has to hear this, and from now on it has.
    fn is_news(&mut self, data: &PartitionData) -> bool {
        let mut news = has_records(data) || data.diverging_epoch != PartitionData::default().diverging_epoch;
        news |= self.high_watermark != data.high_watermark || self.log_start_offset != data.log_start_offset;
        self.high_watermark = data.high_watermark;
        self.log_start_offset = data.log_start_offset;
        if data.error_code != ErrorCode::NONE {
            self.high_watermark = -1; // so that the end of the error is news too
            news = true;
        }
        news
    }
}

fn has_records(data: &PartitionData) -> bool {
    match &data.records {
        Some(Records::Bytes(bytes)) => !bytes.is_empty(),
        Some(Records::External { len, .. }) => *len > 0,
        None => false,
    }
}

/// The partitions of one client, in the order in which they are served next.
#[derive(Debug)]
struct Session {
    id: i32,
    epoch: i32,
    by_topic_id: bool,
    last_used_ms: i64,
    next_turn: u64,
    turns: HashMap<Key, u64>,
    partitions: BTreeMap<u64, Cached>,
}

impl Session {
    fn add(&mut self, cached: Cached) {
        self.turns.insert(cached.key.clone(), self.next_turn);
        self.partitions.insert(self.next_turn, cached);
        self.next_turn += 1;
    }

    fn update(&mut self, asks: Vec<(Key, Ask)>, forgotten: &[Key]) {
        for (key, ask) in asks {
            match self.turns.get(&key).and_then(|turn| self.partitions.get_mut(turn)) {
                Some(cached) => cached.ask = ask,
                None => self.add(Cached::new(key, ask)),
            }
        }
        for key in forgotten {
            if let Some(turn) = self.turns.remove(key) {
                self.partitions.remove(&turn);
            }
        }
    }

    /// Leaves only what is news to the client; partitions that gave records go to the end of the queue.
    fn note_response(&mut self, responses: &mut Vec<(Key, PartitionData)>) {
        responses.retain(|(key, data)| {
            let Some(turn) = self.turns.get(key).copied() else {
                return false;
            };
            let Some(cached) = self.partitions.get_mut(&turn) else {
                return false;
            };
            let news = cached.is_news(data);
            if has_records(data)
                && let Some(served) = self.partitions.remove(&turn)
            {
                self.add(served);
            }
            news
        });
    }
}

/// How a request's response is made.
#[derive(Debug)]
enum Mode {
    Sessionless,
    Full { by_topic_id: bool },
    Incremental { session: Arc<Mutex<Session>>, epoch: i32 },
}

/// A request on its way through: what it asks for, the session's partitions included.
#[derive(Debug)]
pub(crate) struct FetchContext {
    mode: Mode,
    /// All partitions to be looked at, in order.
    pub(crate) asks: Vec<(Key, Ask)>,
}

/// All sessions of a node: at most `max.incremental.fetch.session.cache.slots`.
#[derive(Debug)]
pub(crate) struct FetchSessions {
    slots: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    sessions: HashMap<i32, Arc<Mutex<Session>>>,
    next_id: i32,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FetchSessions {
    /// No session yet; ids begin at a number that a former incarnation is unlikely to have given out.
    pub(crate) fn new(slots: usize, seed: u64) -> Self {
        let next_id = (seed as i32) & i32::MAX;
        Self {
            slots,
            state: Mutex::new(State {
                sessions: HashMap::new(),
                next_id,
            }),
        }
    }

    /// Takes a request in: finds its session, or the error that the whole response carries.
    pub(crate) fn begin(
        &self,
        request: SessionRequest,
        asks: Vec<(Key, Ask)>,
        forgotten: &[Key],
        now_ms: i64,
    ) -> Result<FetchContext, ErrorCode> {
        if request.epoch == INITIAL_EPOCH || request.epoch == FINAL_EPOCH {
            locked(&self.state).sessions.remove(&request.id);
            let mode = match request.epoch {
                FINAL_EPOCH => Mode::Sessionless,
                _ => Mode::Full {
                    by_topic_id: request.by_topic_id,
                },
            };
            return Ok(FetchContext { mode, asks });
        }
        let known = locked(&self.state).sessions.get(&request.id).cloned();
        let shared = known.ok_or(ErrorCode::FETCH_SESSION_ID_NOT_FOUND)?;
        let mut session = locked(&shared);
        if session.by_topic_id != request.by_topic_id {
            return Err(ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR);
        }
        if session.epoch != request.epoch {
            return Err(ErrorCode::INVALID_FETCH_SESSION_EPOCH);
        }
        session.update(asks, forgotten);
        session.last_used_ms = now_ms;
        session.epoch = next_epoch(session.epoch);
        let epoch = session.epoch;
        let asks = session
            .partitions
            .values()
            .map(|cached| (cached.key.clone(), cached.ask.clone()))
            .collect();
        if session.partitions.is_empty() {
            drop(session);
            locked(&self.state).sessions.remove(&request.id);
            return Ok(FetchContext {
                mode: Mode::Sessionless,
                asks,
            });
        }
        drop(session);
        Ok(FetchContext {
            mode: Mode::Incremental { session: shared, epoch },
            asks,
        })
    }

    /// Makes the response: leaves only what has to be said, and gives the session's id for it.
    pub(crate) fn finish(
        &self,
        context: FetchContext,
        responses: &mut Vec<(Key, PartitionData)>,
        now_ms: i64,
    ) -> Result<i32, ErrorCode> {
        match context.mode {
            Mode::Sessionless => Ok(NO_SESSION),
            Mode::Full { by_topic_id } => Ok(self.create(by_topic_id, context.asks, responses, now_ms)),
            Mode::Incremental { session, epoch } => {
                let mut session = locked(&session);
                if session.epoch != epoch {
                    responses.clear();
                    return Err(ErrorCode::INVALID_FETCH_SESSION_EPOCH);
                }
                session.note_response(responses);
                Ok(session.id)
            }
        }
    }

    fn create(&self, by_topic_id: bool, asks: Vec<(Key, Ask)>, responses: &[(Key, PartitionData)], now_ms: i64) -> i32 {
        let mut state = locked(&self.state);
        if state.sessions.len() >= self.slots && !state.evict(asks.len(), now_ms) {
            return NO_SESSION;
        }
        let id = state.unused_id();
        let mut session = Session {
            id,
            epoch: next_epoch(INITIAL_EPOCH),
            by_topic_id,
            last_used_ms: now_ms,
            next_turn: 0,
            turns: HashMap::new(),
            partitions: BTreeMap::new(),
        };
        for ((key, ask), (_, data)) in asks.into_iter().zip(responses) {
            let mut cached = Cached::new(key, ask);
            cached.is_news(data);
            session.add(cached);
        }
        state.sessions.insert(id, Arc::new(Mutex::new(session)));
        id
    }
}

impl State {
    fn unused_id(&mut self) -> i32 {
        loop {
            self.next_id = self.next_id.checked_add(1).unwrap_or(1).max(1);
            if !self.sessions.contains_key(&self.next_id) {
                return self.next_id;
            }
        }
    }

    /// Makes room for a session of `size` partitions: the one longest unused goes if it is stale, else a smaller one.
    fn evict(&mut self, size: usize, now_ms: i64) -> bool {
        let facts = self.sessions.iter().map(|(id, session)| {
            let session = locked(session);
            (*id, session.last_used_ms, session.partitions.len())
        });
        let facts: Vec<_> = facts.collect();
        let stale = facts
            .iter()
            .min_by_key(|fact| fact.1)
            .filter(|fact| now_ms - fact.1 > EVICTION_MS);
        let smaller = || {
            facts
                .iter()
                .min_by_key(|fact| (fact.2, fact.1))
                .filter(|fact| fact.2 < size)
        };
        match stale.or_else(smaller) {
            Some((id, _, _)) => self.sessions.remove(id).is_some(),
            None => false,
        }
    }
}

fn next_epoch(epoch: i32) -> i32 {
    epoch.checked_add(1).unwrap_or(1)
}
