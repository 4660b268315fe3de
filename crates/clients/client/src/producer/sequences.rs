//! One partition's batches between the accumulator and their acknowledgement: sequence numbers and order (KIP-98, KIP-360).
//!
//! A state machine without clock or connection. The rules:
//! - A batch gets its sequence numbers when it is first sent and keeps them over its retries.
//! - Batches are sent, and sent again, only in order and only behind batches on their way to the same broker.
//! - Until a broker has acknowledged one, and after any failure, only one is under way: a broker that knows nothing of
//!   the producer takes any sequence number, and would take the second batch when it missed the first.
//! - A batch that is given up leaves its numbers unused, if it was not written. The next one then comes back as out of
//!   order, which proves that none after it was written either. So they begin anew from 0 under the next epoch, and
//!   nothing is written twice.

use std::collections::VecDeque;

use klamm_records::increment_sequence;

/// Most batches of a partition under way: the brokers remember as many to tell repeated ones.
pub(super) const MAX_UNACKNOWLEDGED: usize = 5;

/// Who produces, as the brokers know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Identity {
    pub(super) id: i64,
    pub(super) epoch: i16,
}

/// What a batch carries on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) identity: Identity,
    pub(super) sequence: i32,
}

/// Names one sending of one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

/// What came of a sending.
#[derive(Debug)]
pub(super) enum Verdict<B> {
    /// Written, now or by an earlier sending.
    Acknowledged,
    /// Not known, or not yet possible: to be sent again, not before this time.
    Retry { not_before_ms: i64 },
    /// The broker misses batches before this one, or knows nothing of the producer.
    OutOfOrder { not_before_ms: i64 },
    /// Given up: refused for good, or out of retries.
    GivenUp,
    /// To be sent as these instead, which hold as many records.
    Split(Vec<(B, i32)>),
}

/// Whether batches can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readiness {
    /// Yes, as far as `next` offers some.
    Ready,
    /// Not before those under way have come back.
    Blocked,
    /// Not before there is another producer id: the epochs of the latest one are used up.
    NeedsIdentity,
}

#[derive(Debug)]
struct Slot<B> {
    batch: B,
    records: i32,
    sequence: i32,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting {
        not_before_ms: i64,
    },
    UnderWay {
        ticket: Ticket,
        node: i32,
    },
    /// Under way, and already told to be given up.
    Abandoned {
        ticket: Ticket,
        node: i32,
    },
}

impl State {
    fn under_way(self) -> Option<(Ticket, i32)> {
        match self {
            State::Waiting { .. } => None,
            State::UnderWay { ticket, node } | State::Abandoned { ticket, node } => Some((ticket, node)),
        }
    }
}

/// Batches of one partition that have left the accumulator, oldest first.
#[derive(Debug)]
pub(super) struct Sequences<B> {
    /// `None`: not idempotent, batches carry no sequence numbers.
    identity: Option<Identity>,
    next_sequence: i32,
    slots: VecDeque<Slot<B>>,
    next_ticket: u64,
    /// The broker has acknowledged the latest batch, and none has failed since.
    confirmed: bool,
    /// To begin anew under the next epoch when none is under way.
    restart: bool,
}

impl<B> Sequences<B> {
    /// A partition without batches; idempotent if the producer has an identity.
    pub(super) fn new(identity: Option<Identity>) -> Self {
        Self {
            identity,
            next_sequence: 0,
            slots: VecDeque::new(),
            next_ticket: 0,
            confirmed: identity.is_none(),
            restart: false,
        }
    }

    /// Brings the identity up to date; to be asked before batches are sent. `current` is the producer's.
    pub(super) fn readiness(&mut self, current: Option<Identity>) -> Readiness {
        let Some(own) = self.identity else {
            return Readiness::Ready;
        };
        if self.restart && self.under_way() > 0 {
            return Readiness::Blocked;
        }
        let Some(current) = current else {
            return match self.restart {
                true => Readiness::NeedsIdentity,
                false => Readiness::Ready,
            };
        };
        if self.restart {
            if current.id == own.id && own.epoch == i16::MAX {
                return Readiness::NeedsIdentity;
            }
            let next = Identity {
                id: own.id,
                epoch: own.epoch.saturating_add(1),
            };
            self.begin_anew(if current.id == own.id { next } else { current });
        } else if current.id != own.id && self.slots.is_empty() {
            self.begin_anew(current);
        }
        Readiness::Ready
    }

    fn begin_anew(&mut self, identity: Identity) {
        self.identity = Some(identity);
        self.restart = false;
        self.confirmed = false;
        self.next_sequence = 0;
        for slot in &mut self.slots {
            slot.sequence = self.next_sequence;
            self.next_sequence = increment_sequence(self.next_sequence, slot.records);
        }
    }

    /// Whether a new batch may be sent to `node` now, at most `window` being under way.
    pub(super) fn takes_new(&self, node: i32, window: usize) -> bool {
        let room = self.slots.len() < window.min(self.window());
        let all_under_way = self
            .slots
            .iter()
            .all(|slot| slot.state.under_way().is_some_and(|(_, at)| at == node));
        room && all_under_way && !self.restart
    }

    fn window(&self) -> usize {
        match (self.identity, self.confirmed) {
            (None, _) => usize::MAX,
            (Some(_), true) => MAX_UNACKNOWLEDGED,
            (Some(_), false) => 1,
        }
    }

    /// Takes in a new batch on its way to `node`; only when [`takes_new`](Self::takes_new) says so.
    pub(super) fn take(&mut self, batch: B, records: i32, node: i32) -> Ticket {
        let sequence = self.next_sequence;
        self.next_sequence = increment_sequence(sequence, records);
        let ticket = self.ticket();
        self.slots.push_back(Slot {
            batch,
            records,
            sequence,
            state: State::UnderWay { ticket, node },
        });
        ticket
    }

    /// What the next new batch is to carry.
    pub(super) fn next_stamp(&self) -> Option<Stamp> {
        self.stamp(self.next_sequence)
    }

    /// The batch that is to be sent again to `node` now, if there is one and it `fits`: it counts as under way.
    pub(super) fn resend(
        &mut self,
        now_ms: i64,
        node: i32,
        window: usize,
        fits: impl FnOnce(&B) -> bool,
    ) -> Option<(Ticket, Option<Stamp>, &mut B)> {
        if self.restart {
            return None;
        }
        let index = self.slots.iter().position(|slot| slot.state.under_way().is_none())?;
        let before = self.slots.iter().take(index);
        let follows = before
            .into_iter()
            .all(|slot| slot.state.under_way().is_some_and(|(_, at)| at == node));
        let overtaken = self
            .slots
            .iter()
            .skip(index)
            .any(|slot| slot.state.under_way().is_some());
        let due = matches!(self.slots[index].state, State::Waiting { not_before_ms } if not_before_ms <= now_ms);
        let has_turn = due && follows && !overtaken && index < window.min(self.window());
        if !has_turn || !fits(&self.slots[index].batch) {
            return None;
        }
        let ticket = self.ticket();
        let stamp = self.stamp(self.slots[index].sequence);
        let slot = &mut self.slots[index];
        slot.state = State::UnderWay { ticket, node };
        Some((ticket, stamp, &mut slot.batch))
    }

    fn stamp(&self, sequence: i32) -> Option<Stamp> {
        self.identity.map(|identity| Stamp { identity, sequence })
    }

    fn ticket(&mut self) -> Ticket {
        self.next_ticket += 1;
        Ticket(self.next_ticket)
    }

    /// The batch of a sending that has not been judged yet.
    pub(super) fn get_mut(&mut self, ticket: Ticket) -> Option<&mut B> {
        let index = self.index_of(ticket)?;
        Some(&mut self.slots[index].batch)
    }

    /// Judges a sending. Answers the batch if it is done with.
    pub(super) fn judge(&mut self, ticket: Ticket, verdict: Verdict<B>) -> Option<B> {
        let index = self.index_of(ticket).expect("each sending is judged once");
        let abandoned = matches!(self.slots[index].state, State::Abandoned { .. });
        self.confirmed = matches!(verdict, Verdict::Acknowledged) && !self.restart || self.identity.is_none();
        let not_before_ms = match verdict {
            Verdict::Acknowledged | Verdict::GivenUp => return self.remove(index),
            Verdict::Split(_) if abandoned => return self.remove(index),
            Verdict::Split(pieces) => return self.replace(index, pieces),
            Verdict::OutOfOrder { not_before_ms } => {
                // Behind others it may only have come before them.
                self.restart |= index == 0 && self.identity.is_some();
                not_before_ms
            }
            Verdict::Retry { not_before_ms } => not_before_ms,
        };
        if abandoned {
            return self.remove(index);
        }
        self.slots[index].state = State::Waiting { not_before_ms };
        None
    }

    fn replace(&mut self, index: usize, pieces: Vec<(B, i32)>) -> Option<B> {
        let whole = self.slots.remove(index)?;
        let mut sequence = whole.sequence;
        for (offset, (batch, records)) in pieces.into_iter().enumerate() {
            let slot = Slot {
                batch,
                records,
                sequence,
                state: State::Waiting {
                    not_before_ms: i64::MIN,
                },
            };
            sequence = increment_sequence(sequence, records);
            self.slots.insert(index + offset, slot);
        }
        debug_assert_eq!(sequence, increment_sequence(whole.sequence, whole.records));
        Some(whole.batch)
    }

    fn remove(&mut self, index: usize) -> Option<B> {
        self.slots.remove(index).map(|slot| slot.batch)
    }

    /// Gives up batches whose time is over. `expired` says whether it is, and tells whoever waits. Those under way stay
    /// until they come back, so that it is known whether they were written.
    pub(super) fn expire(&mut self, mut expired: impl FnMut(&mut B) -> bool) {
        self.slots.retain_mut(|slot| match slot.state {
            State::Waiting { .. } => !expired(&mut slot.batch),
            State::UnderWay { ticket, node } => {
                if expired(&mut slot.batch) {
                    slot.state = State::Abandoned { ticket, node };
                }
                true
            }
            State::Abandoned { .. } => true,
        });
    }

    /// When the next batch is due to be sent again.
    pub(super) fn next_retry_ms(&self) -> Option<i64> {
        self.slots.iter().find_map(|slot| match slot.state {
            State::Waiting { not_before_ms } => Some(not_before_ms),
            _ => None,
        })
    }

    /// The oldest batch that has not been given up.
    pub(super) fn oldest(&self) -> Option<&B> {
        let live = |slot: &&Slot<B>| !matches!(slot.state, State::Abandoned { .. });
        self.slots.iter().find(live).map(|slot| &slot.batch)
    }

    /// Batches that are not acknowledged.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    fn under_way(&self) -> usize {
        self.slots
            .iter()
            .filter(|slot| slot.state.under_way().is_some())
            .count()
    }

    fn index_of(&self, ticket: Ticket) -> Option<usize> {
        self.slots
            .iter()
            .position(|slot| slot.state.under_way().is_some_and(|(other, _)| other == ticket))
    }
}

#[cfg(test)]
mod tests;
