//! The task that takes batches out of the accumulator and brings them to the brokers.
//!
//! It alone knows what is under way. A round: look which partitions have batches that are due and may be sent, seal them,
//! put those of one broker into one request; then wait for a reply, for news from the accumulator or for the next time
//! that something is due.

mod identity;
mod refresh;
mod reply;
mod request;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::task::Poll;

use klamm_records::Scratch;
use tokio::sync::watch;
use tokio::time::Instant;

use self::identity::IdentitySource;
use self::refresh::Refresh;
use self::request::{Flight, Parcel};
use super::Shared;
use super::batch::{Batch, Place};
use super::delivery::Outcome;
use super::sequences::{Identity, Readiness, Sequences};
use super::{DeliveryReport, SendError};
use crate::{ClusterMetadata, Error, ErrorCode};

/// What the task owns.
pub(super) struct Sender {
    shared: Arc<Shared>,
    changes: watch::Receiver<Arc<ClusterMetadata>>,
    begun: Instant,
    partitions: HashMap<Place, Sequences<Batch>>,
    /// Partitions with batches that are not acknowledged.
    busy: BTreeSet<Place>,
    nodes: BTreeMap<i32, Node>,
    flights: Vec<Flight>,
    identity: IdentitySource,
    refresh: Refresh,
    scratch: Scratch,
    /// Where the next look begins, so that each partition has its turn.
    turn: usize,
}

/// A broker, as far as sending to it goes.
#[derive(Debug, Default)]
struct Node {
    under_way: usize,
    /// A request is on its way to its place in the connection's order; none may pass it.
    starting: bool,
    muted_until: Option<Instant>,
}

/// Everything that is dropped with the task is told to whoever waits for it.
impl Drop for Sender {
    fn drop(&mut self) {
        self.shared.accumulator.abandon();
    }
}

impl Sender {
    pub(super) fn new(shared: Arc<Shared>) -> Sender {
        Sender {
            changes: shared.client.core.cluster.changes(),
            identity: IdentitySource::new(),
            refresh: Refresh::new(shared.options.metadata_max_age),
            shared,
            begun: Instant::now(),
            partitions: HashMap::new(),
            busy: BTreeSet::new(),
            nodes: BTreeMap::new(),
            flights: Vec::new(),
            scratch: Scratch::new(),
            turn: 0,
        }
    }

    /// Runs until it is dropped.
    pub(super) async fn run(mut self) {
        let shared = self.shared.clone();
        loop {
            // What was sent may have left room for more.
            while self.look() {
                self.take_steps().await;
            }
            let due = self.due();
            let at = due.unwrap_or_else(Instant::now);
            tokio::select! {
                biased;
                () = next_step(&mut self.flights) => self.take_steps().await,
                identity = self.identity.answer() => self.on_identity(identity),
                refreshed = self.refresh.answer() => self.on_refreshed(refreshed),
                changed = self.changes.changed() => match changed {
                    Ok(()) => self.learn(),
                    // The client lives as long as this task.
                    Err(_) => return,
                },
                () = shared.accumulator.wake.notified() => {}
                () = tokio::time::sleep_until(at), if due.is_some() => {}
            }
        }
    }

    /// Handles every request that has come a step further, without waiting for any.
    async fn take_steps(&mut self) {
        std::future::poll_fn(|cx| Poll::Ready(self.flights.iter_mut().for_each(|flight| _ = flight.poll(cx)))).await;
        let mut ended = Vec::new();
        for flight in &mut self.flights {
            let node = self.nodes.entry(flight.node).or_default();
            if flight.is_starting && !flight.in_start() {
                flight.is_starting = false;
                node.starting = false;
            }
        }
        self.flights.retain_mut(|flight| {
            let result = flight.result.take();
            let goes_on = result.is_none();
            ended.extend(result.map(|result| (flight.node, std::mem::take(&mut flight.parts), result)));
            goes_on
        });
        for (node, parts, result) in ended {
            self.nodes.entry(node).or_default().under_way -= 1;
            self.on_end(node, parts, result);
        }
    }

    /// Looks what can be sent and sends it; whether anything was.
    fn look(&mut self) -> bool {
        let now = Instant::now();
        self.expire(now);
        self.ask(now);
        let mut parcels: BTreeMap<i32, Parcel> = BTreeMap::new();
        // One for the whole look, though a partition may find it used up: the others still write under it.
        let current = self.identity.current();
        self.take_again(now, current, &mut parcels);
        let taken = self.take_new(now, current, &parcels);
        for (place, node, mut batch) in taken {
            let sequences = self.partitions.entry(place).or_insert_with(|| Sequences::new(current));
            self.busy.insert(place);
            let records = batch.records() as i32;
            let bytes = batch.sealed(sequences.next_stamp(), &mut self.scratch);
            let ticket = sequences.take(batch, records, node);
            parcels.entry(node).or_default().add(place, ticket, bytes);
        }
        let any = !parcels.is_empty();
        for (node, parcel) in parcels {
            self.send(node, parcel);
        }
        any
    }

    /// Batches that were sent before and are due again.
    fn take_again(&mut self, now: Instant, current: Option<Identity>, parcels: &mut BTreeMap<i32, Parcel>) {
        let now_ms = self.millis(now);
        let window = self.shared.options.max_in_flight;
        let state = self.shared.accumulator.lock();
        for &place in &self.busy {
            let Some(sequences) = self.partitions.get_mut(&place) else {
                continue;
            };
            if sequences.next_retry_ms().is_none_or(|at| at > now_ms) {
                continue;
            }
            match sequences.readiness(current) {
                Readiness::Ready => {}
                Readiness::Blocked => continue,
                Readiness::NeedsIdentity => {
                    self.identity.use_up();
                    continue;
                }
            }
            let topic = &state.topics[place.topic];
            let Some(node) = topic.queues[place.partition as usize].leader else {
                self.refresh.want(&topic.name);
                continue;
            };
            if !may_send(self.nodes.get(&node), now, window) {
                continue;
            }
            let parcel = parcels.get(&node);
            let fits = |batch: &Batch| {
                let size = |parcel: &Parcel| parcel.size() + batch.size();
                parcel.is_none_or(|parcel| size(parcel) <= self.shared.options.max_request_size)
            };
            if let Some((ticket, stamp, batch)) = sequences.resend(now_ms, node, window, fits) {
                let bytes = batch.sealed(stamp, &mut self.scratch);
                parcels.entry(node).or_default().add(place, ticket, bytes);
            }
        }
    }

    /// New batches that are due and whose broker takes a request.
    fn take_new(
        &mut self,
        now: Instant,
        current: Option<Identity>,
        parcels: &BTreeMap<i32, Parcel>,
    ) -> Vec<(Place, i32, Batch)> {
        let shared = self.shared.clone();
        let options = &shared.options;
        let mut room: BTreeMap<i32, usize> = BTreeMap::new();
        let mut taken = Vec::new();
        let mut state = shared.accumulator.lock();
        state.begin_look();
        let pressed = shared.accumulator.is_pressed(&state);
        let count = state.active.len();
        self.turn = self.turn.wrapping_add(1);
        for step in 0..count {
            let place = state.active[(self.turn + step) % count];
            let topic = &mut state.topics[place.topic];
            let queue = &mut topic.queues[place.partition as usize];
            queue.blocked = false;
            let Some(oldest) = queue.batches.front() else {
                continue;
            };
            let full = queue.batches.len() > 1 || oldest.size() >= options.batch_size;
            let due = oldest.created + options.linger;
            if !full && !pressed && due > now {
                state.looks_at = Some(state.looks_at.map_or(due, |at| at.min(due)));
                continue;
            }
            // Whatever it waits for from here on wakes the sender when it comes.
            queue.blocked = true;
            let Some(node) = queue.leader else {
                self.refresh.want(&topic.name);
                continue;
            };
            if options.idempotent && current.is_none() {
                self.identity.want();
                continue;
            }
            if !may_send(self.nodes.get(&node), now, options.max_in_flight) {
                continue;
            }
            if let Some(sequences) = self.partitions.get_mut(&place) {
                match sequences.readiness(current) {
                    Readiness::Ready => {}
                    Readiness::Blocked => continue,
                    Readiness::NeedsIdentity => {
                        self.identity.use_up();
                        continue;
                    }
                }
                if !sequences.takes_new(node, options.max_in_flight) {
                    continue;
                }
            }
            let parcel = parcels.get(&node);
            if parcel.is_some_and(|parcel| parcel.has(place)) {
                continue;
            }
            let size = oldest.size();
            let left = room
                .entry(node)
                .or_insert_with(|| options.max_request_size.saturating_sub(parcel.map_or(0, Parcel::size)));
            let first = *left == options.max_request_size;
            if size > *left && !first {
                continue;
            }
            *left = left.saturating_sub(size);
            if let Some(batch) = state.pop(place) {
                taken.push((place, node, batch));
            }
        }
        state.retain_active();
        taken
    }

    /// Gives up batches that were not acknowledged in time.
    fn expire(&mut self, now: Instant) {
        let shared = self.shared.clone();
        let timeout = shared.options.delivery_timeout;
        let late = |batch: &Batch| batch.created + timeout <= now;
        let mut waiting = Vec::new();
        {
            let mut state = shared.accumulator.lock();
            for index in 0..state.active.len() {
                let place = state.active[index];
                while let Some(oldest) = state.topics[place.topic].queues[place.partition as usize]
                    .batches
                    .front()
                    && late(oldest)
                {
                    let gone = place.partition as usize >= state.topics[place.topic].count;
                    let mut batch = state.pop(place);
                    if let Some(batch) = batch.as_mut().filter(|_| gone) {
                        batch.last = Some(Error::Broker {
                            code: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                            message: None,
                        });
                    }
                    waiting.extend(batch);
                }
            }
            state.retain_active();
        }
        for batch in waiting {
            let error = timed_out(&batch, now);
            finish(&shared, &batch, Outcome::Failed(error));
        }
        let partitions = &mut self.partitions;
        self.busy.retain(|place| {
            let Some(sequences) = partitions.get_mut(place) else {
                return false;
            };
            if sequences.oldest().is_some_and(late) {
                sequences.expire(|batch| {
                    let expired = late(batch);
                    if expired {
                        finish(&shared, batch, Outcome::Failed(timed_out(batch, now)));
                    }
                    expired
                });
            }
            sequences.len() > 0
        });
    }

    /// When there is something to do even if nothing comes.
    fn due(&self) -> Option<Instant> {
        let timeout = self.shared.options.delivery_timeout;
        let state = self.shared.accumulator.lock();
        let lingering = state.looks_at;
        let queues = state.active.iter().filter_map(|place| {
            let queue = &state.topics[place.topic].queues[place.partition as usize];
            Some(queue.batches.front()?.created + timeout)
        });
        let busy = self.busy.iter().filter_map(|place| {
            let sequences = self.partitions.get(place)?;
            let expires = sequences.oldest().map(|batch| batch.created + timeout);
            let again = sequences.next_retry_ms().map(|at| self.instant(at));
            // A retry that is held up by something else is looked at when that comes.
            let again = again.filter(|at| *at > Instant::now());
            [expires, again].into_iter().flatten().min()
        });
        let muted = self.nodes.values().filter_map(|node| node.muted_until);
        let muted = muted.filter(|until| *until > Instant::now());
        let others = [lingering, self.refresh.due(), self.identity.due()];
        queues
            .chain(busy)
            .chain(muted)
            .chain(others.into_iter().flatten())
            .min()
    }

    fn millis(&self, at: Instant) -> i64 {
        at.saturating_duration_since(self.begun).as_millis() as i64
    }

    fn instant(&self, millis: i64) -> Instant {
        self.begun + std::time::Duration::from_millis(millis.max(0) as u64)
    }
}

/// Returns when a request may have come a step further; which one, `take_steps` finds.
async fn next_step(flights: &mut [Flight]) {
    std::future::poll_fn(|cx| match flights.iter_mut().any(|flight| flight.poll(cx)) {
        true => Poll::Ready(()),
        false => Poll::Pending,
    })
    .await;
}

fn may_send(node: Option<&Node>, now: Instant, window: usize) -> bool {
    node.is_none_or(|node| {
        !node.starting && node.under_way < window && node.muted_until.is_none_or(|until| until <= now)
    })
}

fn timed_out(batch: &Batch, now: Instant) -> SendError {
    SendError::TimedOut {
        topic: batch.completion.topic.clone(),
        partition: batch.place.partition,
        after: now - batch.created,
        last: batch.last.clone().map(Box::new),
    }
}

/// Tells the outcome of a batch to all whom it concerns, once.
fn finish(shared: &Shared, batch: &Batch, outcome: Outcome) {
    if batch.is_complete() {
        return;
    }
    shared.metrics.count(batch, &outcome);
    if let Some(hook) = &shared.on_delivery {
        hook(&DeliveryReport::new(batch, &outcome));
    }
    batch.completion.complete(outcome);
    shared.accumulator.release(batch.units, batch.records());
    shared.accumulator.finish(batch.number);
}

#[cfg(test)]
mod tests;
