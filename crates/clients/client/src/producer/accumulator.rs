//! Records that wait to be sent, by partition, and the room for them.
//!
//! One short lock guards all queues: a record is encoded into its batch under it, a batch is moved out under it, and
//! nothing else. Room is handed out by semaphores, first come, first served.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use klamm_protocol::Uuid;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

use super::batch::{Batch, Place};
use super::delivery::{Completion, Delivery};
use super::options::ProducerOptions;
use super::partitioner::{Partitions, Sticky, draw};
use super::{Record, SendError};
use crate::TopicMetadata;
use crate::connection::backoff::random;

/// Largest number that a semaphore takes at once; the bound by bytes is kept in units of so many.
const UNIT: usize = 16;

/// The producer's queues.
#[derive(Debug)]
pub(super) struct Accumulator {
    state: Mutex<State>,
    bytes: Semaphore,
    records: Option<Semaphore>,
    waiting: AtomicUsize,
    /// Wakes the sender.
    pub(super) wake: Notify,
    /// Tells of finished batches while somebody flushes.
    finished: Notify,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) topics: Vec<Topic>,
    by_name: HashMap<Arc<str>, usize>,
    /// The topic of the latest record, most likely that of the next one.
    latest: usize,
    /// Partitions that have batches, in no order.
    pub(super) active: Vec<Place>,
    /// Topics that are to be looked up for a record that could not wait.
    pub(super) wanted: BTreeSet<String>,
    /// Batches without an outcome: numbers, and how many have each.
    unfinished: BTreeMap<u64, usize>,
    next_number: u64,
    random: u64,
    flushing: usize,
    closed: bool,
    /// The sender has been woken since it last looked.
    woken: bool,
    /// When the sender looks next, unwoken.
    pub(super) looks_at: Option<Instant>,
}

/// A topic that has been produced to.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) name: Arc<str>,
    pub(super) id: Uuid,
    /// Partitions that it has now.
    pub(super) count: usize,
    /// At least one for each partition; more when the topic was made again with fewer, until their batches time out.
    pub(super) queues: Vec<Queue>,
    available: Vec<i32>,
    sticky: Sticky,
    turn: u32,
}

/// A partition's batches, oldest first; only the last one takes records.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) batches: VecDeque<Batch>,
    pub(super) leader: Option<i32>,
    /// Its place is in the list of those that have batches.
    active: bool,
    /// The sender has looked and could not take a batch; what it waits for will wake it.
    pub(super) blocked: bool,
    /// How large its batches get.
    usual_size: usize,
}

/// What became of an attempt to add a record.
pub(super) enum Append {
    Done(Delivery),
    /// The topic or the partition is not known.
    Unknown,
    Closed,
}

impl Accumulator {
    pub(super) fn new(options: &ProducerOptions) -> Accumulator {
        let permits = |n: usize| Semaphore::new(n.min(Semaphore::MAX_PERMITS));
        Accumulator {
            state: Mutex::new(State {
                topics: Vec::new(),
                by_name: HashMap::new(),
                latest: 0,
                active: Vec::new(),
                wanted: BTreeSet::new(),
                unfinished: BTreeMap::new(),
                next_number: 0,
                random: random() | 1,
                flushing: 0,
                closed: false,
                woken: false,
                looks_at: None,
            }),
            bytes: permits(options.buffer_memory.div_ceil(UNIT)),
            records: (options.buffer_records < usize::MAX).then(|| permits(options.buffer_records)),
            waiting: AtomicUsize::new(0),
            wake: Notify::new(),
            finished: Notify::new(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic on a user's data runs under the lock but a partitioner of their own, before any change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes room for a record at once; `None` when there is none.
    pub(super) fn try_reserve(&self, bytes: usize) -> Option<Room<'_>> {
        let units = units(bytes);
        let by_bytes = self.bytes.try_acquire_many(units).ok()?;
        if let Some(records) = &self.records {
            records.try_acquire().ok()?.forget();
        }
        by_bytes.forget();
        Some(Room {
            accumulator: self,
            units,
        })
    }

    /// Waits for room for a record, behind those who wait already.
    pub(super) async fn reserve(&self, bytes: usize, max_block: Duration) -> Result<Room<'_>, SendError> {
        struct Waiting<'a>(&'a AtomicUsize);
        impl Drop for Waiting<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        // Batches that would linger are sent now.
        self.wake.notify_one();
        let units = units(bytes);
        let acquire = async {
            let by_bytes = self.bytes.acquire_many(units).await?;
            if let Some(records) = &self.records {
                records.acquire().await?.forget();
            }
            by_bytes.forget();
            Ok::<_, tokio::sync::AcquireError>(Room {
                accumulator: self,
                units,
            })
        };
        match tokio::time::timeout(max_block, acquire).await {
            Ok(Ok(room)) => Ok(room),
            Ok(Err(_)) => Err(SendError::Closed),
            Err(_) => Err(SendError::Full { after: max_block }),
        }
    }

    /// Encodes a record into the batch of its partition. If that is done, the record keeps its room until it is released.
    pub(super) fn append(
        &self,
        record: &Record<'_>,
        timestamp: i64,
        room: &Room<'_>,
        options: &ProducerOptions,
    ) -> Append {
        let mut state = self.lock();
        if state.closed {
            return Append::Closed;
        }
        let Some(topic) = state.find(&record.topic) else {
            return Append::Unknown;
        };
        let (key, value) = (record.key_bytes(), record.value_bytes());
        let (partition, sticky) = match record.partition {
            Some(partition) => (partition, false),
            None => state.choose(topic, key, value, options),
        };
        let count = state.topics[topic].count;
        if usize::try_from(partition).map_or(true, |partition| partition >= count) {
            return Append::Unknown;
        }
        let units = room.units as usize;
        let place = Place { topic, partition };
        let appended = record.with_headers(|headers| {
            let bound = record.size_bound();
            state.push(place, bound, options, |batch| {
                batch.push(timestamp, key, value, headers, units)
            })
        });
        if sticky {
            let full = appended.full;
            state.topics[topic]
                .sticky
                .count(appended.bytes, options.batch_size, full);
        }
        let must_wake = !state.woken && state.is_news(place, &appended, options);
        state.woken |= must_wake;
        drop(state);
        if must_wake {
            self.wake.notify_one();
        }
        Append::Done(Delivery::new(appended.completion, appended.position, timestamp))
    }

    /// Gives back the room of a batch's records.
    pub(super) fn release(&self, units: usize, records: u32) {
        self.bytes.add_permits(units);
        if let Some(bound) = &self.records {
            bound.add_permits(records as usize);
        }
    }

    /// Marks a batch as done with.
    pub(super) fn finish(&self, number: u64) {
        let mut state = self.lock();
        if let Some(count) = state.unfinished.get_mut(&number) {
            *count -= 1;
            if *count == 0 {
                state.unfinished.remove(&number);
            }
        }
        if state.flushing > 0 {
            self.finished.notify_waiters();
        }
    }

    /// Counts the pieces of a split batch, whose own end is not counted.
    pub(super) fn split(&self, number: u64, pieces: usize) {
        if let Some(count) = self.lock().unfinished.get_mut(&number) {
            *count = *count + pieces - 1;
        }
    }

    /// Returns when every record that was added before has its outcome.
    pub(super) async fn flush(&self) {
        struct Flushing<'a>(&'a Accumulator);
        impl Drop for Flushing<'_> {
            fn drop(&mut self) {
                self.0.lock().flushing -= 1;
            }
        }
        let until = {
            let mut state = self.lock();
            state.flushing += 1;
            state.next_number
        };
        let _flushing = Flushing(self);
        self.wake.notify_one();
        loop {
            let finished = self.finished.notified();
            tokio::pin!(finished);
            finished.as_mut().enable();
            let oldest = self.lock().unfinished.first_key_value().map(|(number, _)| *number);
            if oldest.is_none_or(|oldest| oldest >= until) {
                return;
            }
            finished.await;
        }
    }

    /// Takes no more records.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.bytes.close();
        if let Some(records) = &self.records {
            records.close();
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Closes and lets go of everything: whoever waits for a record that was not sent hears so.
    pub(super) fn abandon(&self) {
        self.close();
        let dropped: Vec<Topic> = {
            let mut state = self.lock();
            state.by_name.clear();
            state.active.clear();
            state.unfinished.clear();
            std::mem::take(&mut state.topics)
        };
        drop(dropped);
        self.finished.notify_waiters();
    }

    /// Whether batches are sent as they are, however young.
    pub(super) fn is_pressed(&self, state: &State) -> bool {
        state.flushing > 0 || state.closed || self.waiting.load(Ordering::Relaxed) > 0
    }
}

struct Appended {
    completion: Arc<Completion>,
    position: u32,
    bytes: usize,
    /// The record began its batch, and the batch its queue.
    first: bool,
    /// There is a batch in the queue that takes no more records.
    full: bool,
}

impl State {
    fn find(&mut self, name: &str) -> Option<usize> {
        if self.topics.get(self.latest).is_some_and(|topic| *topic.name == *name) {
            return Some(self.latest);
        }
        self.latest = *self.by_name.get(name)?;
        Some(self.latest)
    }

    /// The partition for a record that names none, and whether it is the sticky one.
    fn choose(
        &mut self,
        topic: usize,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        options: &ProducerOptions,
    ) -> (i32, bool) {
        let Topic {
            name,
            count,
            queues,
            available,
            sticky,
            turn,
            ..
        } = &mut self.topics[topic];
        let partitions = Partitions {
            count: *count as i32,
            available,
        };
        let key = key.filter(|_| !options.ignore_keys);
        if let Some(partition) = options.partitioner.choose(name, key, value, &partitions, turn) {
            return (partition, false);
        }
        let random = &mut self.random;
        let partition = sticky.current(|| {
            *random ^= *random << 13;
            *random ^= *random >> 7;
            *random ^= *random << 17;
            let queue_len = |partition: i32| queues.get(partition as usize).map_or(0, |queue| queue.batches.len());
            draw(*random >> 1, &partitions, options.adaptive.then_some(&queue_len))
        });
        (partition, true)
    }

    fn push(
        &mut self,
        place: Place,
        bound: usize,
        options: &ProducerOptions,
        push: impl Fn(&mut Batch) -> Option<u32>,
    ) -> Appended {
        let topic = &mut self.topics[place.topic];
        let queue = &mut topic.queues[place.partition as usize];
        let had_batches = !queue.batches.is_empty();
        if let Some(last) = queue.batches.back_mut() {
            let before = last.size();
            if let Some(position) = push(last) {
                let size = last.size();
                return Appended {
                    completion: last.completion.clone(),
                    position,
                    bytes: size - before,
                    first: false,
                    full: size >= options.batch_size || queue.batches.len() > 1,
                };
            }
            queue.usual_size = queue.usual_size.max(before);
        }
        let limit = options.batch_size.max(bound + klamm_records::BATCH_OVERHEAD);
        let capacity = limit.min(queue.usual_size.max(bound + klamm_records::BATCH_OVERHEAD));
        let completion = Completion::new(topic.name.clone(), place.partition);
        let mut batch = Batch::open(
            place,
            self.next_number,
            options.codec,
            limit,
            capacity,
            completion.clone(),
        );
        let position = push(&mut batch).expect("a batch has room for its first record");
        let bytes = batch.size();
        queue.batches.push_back(batch);
        *self.unfinished.entry(self.next_number).or_default() += 1;
        self.next_number += 1;
        if !queue.active {
            queue.active = true;
            self.active.push(place);
        }
        Appended {
            completion,
            position,
            bytes,
            first: !had_batches,
            full: had_batches || bytes >= options.batch_size,
        }
    }

    /// Whether the sender would do something about a record that has just come.
    fn is_news(&self, place: Place, appended: &Appended, options: &ProducerOptions) -> bool {
        let queue = &self.topics[place.topic].queues[place.partition as usize];
        if queue.blocked || !(appended.first || appended.full) {
            return false;
        }
        let looks_in_time = || {
            let looks_at = self.looks_at?;
            let due = queue.batches.front()?.created + options.linger;
            Some(looks_at <= due)
        };
        appended.full || looks_in_time() != Some(true)
    }

    /// To be called by the sender before it looks at the queues.
    pub(super) fn begin_look(&mut self) {
        self.woken = false;
        self.looks_at = None;
    }

    /// Takes the oldest batch of a partition.
    pub(super) fn pop(&mut self, place: Place) -> Option<Batch> {
        let queue = &mut self.topics[place.topic].queues[place.partition as usize];
        let batch = queue.batches.pop_front()?;
        // Nothing is left that would wake the sender for the next record.
        queue.blocked = false;
        // A quiet partition does not go on asking for the memory of its busy times.
        queue.usual_size = (queue.usual_size.max(batch.size()) + batch.size()) / 2;
        Some(batch)
    }

    /// Leaves partitions without batches out of the list.
    pub(super) fn retain_active(&mut self) {
        let topics = &mut self.topics;
        self.active.retain(|place| {
            let queue = &mut topics[place.topic].queues[place.partition as usize];
            queue.active = !queue.batches.is_empty();
            queue.active
        });
    }

    /// Takes over what is known now of a topic that is produced to, or that somebody wants to produce to.
    pub(super) fn learn(&mut self, known: &TopicMetadata) {
        let usable = known.error.is_none() && !known.partitions.is_empty();
        match self.by_name.get(&*known.name) {
            Some(_) if usable => self.add(known),
            Some(&topic) => {
                let queues = &mut self.topics[topic].queues;
                queues.iter_mut().for_each(|queue| queue.leader = None);
            }
            None if usable && self.wanted.contains(&*known.name) => self.add(known),
            None => {}
        }
    }

    /// Takes over what is known of a topic with partitions.
    pub(super) fn add(&mut self, known: &TopicMetadata) {
        let topic = *self.by_name.entry(known.name.clone()).or_insert_with(|| {
            self.topics.push(Topic {
                name: known.name.clone(),
                id: known.id,
                count: 0,
                queues: Vec::new(),
                available: Vec::new(),
                sticky: Sticky::default(),
                turn: (self.random >> 33) as u32,
            });
            self.topics.len() - 1
        });
        let topic = &mut self.topics[topic];
        topic.id = known.id;
        // Partitions are numbered without gaps.
        topic.count = known.partitions.len();
        if topic.count > topic.queues.len() {
            topic.queues.resize_with(topic.count, Queue::default);
        }
        topic.queues.iter_mut().for_each(|queue| queue.leader = None);
        topic.available.clear();
        for partition in &known.partitions {
            let there = usize::try_from(partition.index)
                .ok()
                .filter(|index| *index < topic.count);
            let Some(queue) = there.and_then(|index| topic.queues.get_mut(index)) else {
                continue;
            };
            queue.leader = partition.leader;
            if queue.leader.is_some() {
                topic.available.push(partition.index);
            }
        }
        let (available, count) = (&topic.available, topic.count);
        let gone =
            |partition: i32| partition as usize >= count || !available.is_empty() && !available.contains(&partition);
        topic.sticky.forget_if(gone);
    }
}

/// Room for one record, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Room<'a> {
    accumulator: &'a Accumulator,
    units: u32,
}

impl Room<'_> {
    /// The record has moved in.
    pub(super) fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.accumulator.release(self.units as usize, 1);
    }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
