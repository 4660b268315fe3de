use std::collections::{BTreeMap, BTreeSet, VecDeque};

use klamm_records::increment_sequence;
use proptest::prelude::*;

use super::*;

const FIRST: Identity = Identity { id: 7, epoch: 0 };

fn acknowledged() -> Verdict<u32> {
    Verdict::Acknowledged
}

fn retry() -> Verdict<u32> {
    Verdict::Retry { not_before_ms: 0 }
}

fn take(p: &mut Sequences<u32>, batch: u32, records: i32) -> (Ticket, Option<Stamp>) {
    let stamp = p.next_stamp();
    (p.take(batch, records, 1), stamp)
}

fn stamp(stamp: Option<Stamp>) -> (i16, i32) {
    let stamp = stamp.expect("idempotent");
    (stamp.identity.epoch, stamp.sequence)
}

#[test]
fn one_at_first_then_up_to_five() {
    let mut p = Sequences::new(Some(FIRST));
    let (first, s) = take(&mut p, 0, 3);
    assert_eq!(stamp(s), (0, 0));
    assert!(!p.takes_new(1, 5), "the broker has not seen the producer yet");
    assert_eq!(p.judge(first, acknowledged()), Some(0));
    for n in 1..=5 {
        assert!(p.takes_new(1, 9));
        assert_eq!(stamp(take(&mut p, n, 1).1), (0, 2 + n as i32));
    }
    assert!(!p.takes_new(1, 9));
    assert!(!p.takes_new(2, 9), "another broker might be faster");
}

#[test]
fn without_identity_no_numbers_and_no_limit_but_the_window() {
    let mut p = Sequences::new(None);
    assert_eq!(take(&mut p, 0, 1).1, None);
    assert!(p.takes_new(1, 2));
    take(&mut p, 1, 1);
    assert!(!p.takes_new(1, 2));
}

#[test]
fn retries_go_alone_and_in_order() {
    let mut p = Sequences::new(Some(FIRST));
    let (a, _) = take(&mut p, 0, 1);
    p.judge(a, acknowledged());
    let (b, _) = take(&mut p, 1, 1);
    let (c, _) = take(&mut p, 2, 1);
    assert!(p.judge(b, Verdict::Retry { not_before_ms: 50 }).is_none());
    assert!(
        p.resend(60, 1, 5, |_| true).is_none(),
        "the next one is still under way"
    );
    assert!(p.judge(c, Verdict::OutOfOrder { not_before_ms: 0 }).is_none());
    assert_eq!(p.readiness(Some(FIRST)), Readiness::Ready);
    assert!(p.resend(49, 1, 5, |_| true).is_none(), "not due yet");
    let (b, s, batch) = p.resend(50, 1, 5, |_| true).expect("due");
    assert_eq!((stamp(s), *batch), ((0, 1), 1));
    assert!(
        p.resend(50, 1, 5, |_| true).is_none(),
        "one at a time until it is acknowledged"
    );
    p.judge(b, acknowledged());
    let (_, s, batch) = p.resend(50, 1, 5, |_| true).expect("the next");
    assert_eq!((stamp(s), *batch), ((0, 2), 2));
}

#[test]
fn a_gap_is_closed_by_the_next_epoch() {
    let mut p = Sequences::new(Some(FIRST));
    let (a, _) = take(&mut p, 0, 10);
    p.judge(a, acknowledged());
    let (b, _) = take(&mut p, 1, 10);
    let (c, _) = take(&mut p, 2, 10);
    let (d, _) = take(&mut p, 3, 10);
    assert_eq!(p.judge(b, Verdict::GivenUp), Some(1));
    p.judge(c, Verdict::OutOfOrder { not_before_ms: 0 });
    assert_eq!(p.readiness(Some(FIRST)), Readiness::Blocked);
    p.judge(d, Verdict::OutOfOrder { not_before_ms: 0 });
    assert_eq!(p.readiness(Some(FIRST)), Readiness::Ready);
    let (c, s, _) = p.resend(0, 1, 5, |_| true).expect("restarted");
    assert_eq!(stamp(s), (1, 0));
    p.judge(c, acknowledged());
    assert_eq!(stamp(p.resend(0, 1, 5, |_| true).expect("next").1), (1, 10));
    assert_eq!(stamp(take(&mut p, 4, 1).1), (1, 20));
}

#[test]
fn pieces_of_a_split_batch_take_its_numbers() {
    let mut p = Sequences::new(Some(FIRST));
    let (a, _) = take(&mut p, 0, 10);
    let whole = p.judge(a, Verdict::Split(vec![(10, 4), (11, 6)]));
    assert_eq!(whole, Some(0));
    let (a, s, _) = p.resend(0, 1, 5, |_| true).expect("first piece");
    assert_eq!(stamp(s), (0, 0));
    p.judge(a, acknowledged());
    let (b, s, _) = p.resend(0, 1, 5, |_| true).expect("second piece");
    assert_eq!(stamp(s), (0, 4));
    p.judge(b, acknowledged());
    assert_eq!(stamp(take(&mut p, 1, 1).1), (0, 10));
}

#[test]
fn used_up_epochs_need_another_id() {
    let last = Identity { id: 7, epoch: i16::MAX };
    let mut p = Sequences::new(Some(last));
    let (a, _) = take(&mut p, 0, 1);
    p.judge(a, Verdict::OutOfOrder { not_before_ms: 0 });
    assert_eq!(p.readiness(Some(last)), Readiness::NeedsIdentity);
    assert!(p.resend(0, 1, 5, |_| true).is_none());
    let other = Identity { id: 8, epoch: 0 };
    assert_eq!(p.readiness(Some(other)), Readiness::Ready);
    let (_, s, _) = p.resend(0, 1, 5, |_| true).expect("restarted");
    assert_eq!(s.map(|s| s.identity), Some(other));
}

#[test]
fn what_is_under_way_is_given_up_only_when_it_comes_back() {
    let mut p = Sequences::new(Some(FIRST));
    let (a, _) = take(&mut p, 0, 1);
    p.expire(|_| true);
    assert_eq!((p.len(), p.oldest()), (1, None));
    assert_eq!(p.judge(a, retry()), Some(0));
    assert_eq!(p.len(), 0);
    let (b, s) = take(&mut p, 1, 1);
    assert_eq!(stamp(s), (0, 1));
    p.judge(b, retry());
    p.expire(|_| true);
    assert_eq!(p.len(), 0);
}

/// A partition as brokers keep it, and the connections to them.
#[derive(Default)]
struct World {
    leader: i32,
    log: Vec<u32>,
    epoch: Option<i16>,
    last_sequence: i32,
    /// First and last sequence numbers of the latest batches.
    remembered: VecDeque<(i32, i32)>,
    /// Requests by broker, oldest first.
    requests: BTreeMap<i32, VecDeque<Request>>,
    replies: BTreeMap<i32, VecDeque<(Ticket, Reply)>>,
}

#[derive(Clone, Debug)]
struct Request {
    ticket: Ticket,
    stamp: Stamp,
    records: Vec<u32>,
}

impl Request {
    fn is_too_large(&self) -> bool {
        self.records.len() > 1 && self.records.iter().any(|record| record % 7 == 3)
    }

    fn is_invalid(&self) -> bool {
        self.records.iter().any(|record| record % 13 == 5)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reply {
    Placed,
    Retriable,
    OutOfOrder,
    TooLarge,
    Refused,
}

impl World {
    /// As Kafka's leaders check and append.
    fn append(&mut self, request: &Request) -> Reply {
        let Stamp { identity, sequence } = request.stamp;
        let count = request.records.len() as i32;
        let last = increment_sequence(sequence, count - 1);
        match self.epoch {
            Some(epoch) if identity.epoch < epoch => return Reply::OutOfOrder,
            Some(epoch) if identity.epoch > epoch && sequence != 0 => return Reply::OutOfOrder,
            Some(epoch) if identity.epoch == epoch => {
                if self.remembered.contains(&(sequence, last)) {
                    return Reply::Placed;
                }
                if sequence != increment_sequence(self.last_sequence, 1) {
                    return Reply::OutOfOrder;
                }
            }
            Some(_) => self.remembered.clear(),
            None => {}
        }
        self.epoch = Some(identity.epoch);
        self.last_sequence = last;
        self.remembered.push_back((sequence, last));
        if self.remembered.len() > 5 {
            self.remembered.pop_front();
        }
        self.log.extend(&request.records);
        Reply::Placed
    }

    fn answer(&mut self, node: i32, fate: u8) {
        let Some(request) = self.requests.entry(node).or_default().pop_front() else {
            return;
        };
        let reply = match fate % 16 {
            _ if node != self.leader => Reply::Retriable,
            0 | 1 => Reply::Retriable,
            // Brokers look at the records before they look for repetitions, but the same records always fare the same.
            _ if request.is_too_large() => Reply::TooLarge,
            _ if request.is_invalid() => Reply::Refused,
            fate => {
                let reply = self.append(&request);
                // Such as NOT_ENOUGH_REPLICAS_AFTER_APPEND.
                if fate == 4 { Reply::Retriable } else { reply }
            }
        };
        self.replies.entry(node).or_default().push_back((request.ticket, reply));
    }

    /// The connection ends; the broker has still taken up to `taken` requests from it. Answers whose replies are lost.
    fn cut(&mut self, node: i32, taken: usize) -> Vec<Ticket> {
        let requests = std::mem::take(self.requests.entry(node).or_default());
        let replies = std::mem::take(self.replies.entry(node).or_default());
        if node == self.leader {
            for request in requests.iter().take(taken) {
                if !request.is_invalid() && !request.is_too_large() {
                    self.append(request);
                }
            }
        }
        let unanswered = requests.iter().map(|request| request.ticket);
        replies.iter().map(|(ticket, _)| *ticket).chain(unanswered).collect()
    }
}

/// The sender, as far as one partition is concerned.
struct Sender {
    world: World,
    partition: Sequences<Vec<u32>>,
    next_record: u32,
    acknowledged: BTreeSet<u32>,
    given_up: BTreeSet<u32>,
    refused: BTreeSet<u32>,
}

impl Sender {
    fn new() -> Sender {
        Sender {
            world: World::default(),
            partition: Sequences::new(Some(FIRST)),
            next_record: 0,
            acknowledged: BTreeSet::new(),
            given_up: BTreeSet::new(),
            refused: BTreeSet::new(),
        }
    }

    fn send_new(&mut self, records: u32) {
        let leader = self.world.leader;
        let ready = self.partition.readiness(Some(FIRST)) == Readiness::Ready;
        if !ready || !self.partition.takes_new(leader, 5) {
            return;
        }
        let batch: Vec<_> = (self.next_record..self.next_record + records).collect();
        self.next_record += records;
        let stamp = self.partition.next_stamp();
        let ticket = self.partition.take(batch.clone(), records as i32, leader);
        self.put(ticket, stamp, batch);
    }

    fn send_again(&mut self) {
        let leader = self.world.leader;
        if self.partition.readiness(Some(FIRST)) != Readiness::Ready {
            return;
        }
        if let Some((ticket, stamp, batch)) = self.partition.resend(0, leader, 5, |_| true) {
            let batch = batch.clone();
            self.put(ticket, stamp, batch);
        }
    }

    fn put(&mut self, ticket: Ticket, stamp: Option<Stamp>, records: Vec<u32>) {
        let request = Request {
            ticket,
            stamp: stamp.expect("idempotent"),
            records,
        };
        self.world
            .requests
            .entry(self.world.leader)
            .or_default()
            .push_back(request);
    }

    fn hear(&mut self, node: i32) {
        let Some((ticket, reply)) = self.world.replies.entry(node).or_default().pop_front() else {
            return;
        };
        let verdict = match reply {
            Reply::Placed => Verdict::Acknowledged,
            Reply::Retriable => Verdict::Retry { not_before_ms: 0 },
            Reply::OutOfOrder => Verdict::OutOfOrder { not_before_ms: 0 },
            Reply::Refused => Verdict::GivenUp,
            Reply::TooLarge => {
                let batch = self.partition.get_mut(ticket).expect("under way").clone();
                let (a, b) = batch.split_at(batch.len() / 2);
                let piece = |records: &[u32]| (records.to_vec(), records.len() as i32);
                Verdict::Split(vec![piece(a), piece(b)])
            }
        };
        let done = self.partition.judge(ticket, verdict).unwrap_or_default();
        match reply {
            Reply::Placed => self.acknowledged.extend(done),
            Reply::Refused => self.refused.extend(done),
            _ => {}
        }
    }

    fn cut(&mut self, node: i32, taken: usize) {
        for ticket in self.world.cut(node, taken) {
            self.partition.judge(ticket, Verdict::Retry { not_before_ms: 0 });
        }
    }

    fn expire_oldest(&mut self) {
        let Some(oldest) = self.partition.oldest().cloned() else {
            return;
        };
        let given_up = &mut self.given_up;
        self.partition.expire(|batch| {
            let expired = *batch == oldest;
            if expired {
                given_up.extend(batch.iter().copied());
            }
            expired
        });
    }

    fn step(&mut self, kind: u8, detail: u8) {
        let node = i32::from(detail) % 3;
        match kind {
            0..=4 => self.send_new(1 + u32::from(detail) % 4),
            5..=8 => self.send_again(),
            9..=12 => self.world.answer(self.world.leader, detail),
            13 => self.world.answer(node, detail),
            14..=16 => self.hear(self.world.leader),
            17 => self.hear(node),
            18 => self.cut(node, usize::from(detail) / 3 % 4),
            19 => self.world.leader = node,
            _ => self.expire_oldest(),
        }
        self.check();
    }

    fn check(&self) {
        let log = &self.world.log;
        assert!(
            log.windows(2).all(|pair| pair[0] < pair[1]),
            "each at most once and in order: {log:?}"
        );
        assert!(log.iter().all(|record| !self.refused.contains(record)));
    }

    /// The faults end: everything comes through.
    fn settle(&mut self) {
        for _ in 0..200 {
            for node in 0..3 {
                while !self.world.requests.entry(node).or_default().is_empty() {
                    self.world.answer(node, 15);
                }
                while !self.world.replies.entry(node).or_default().is_empty() {
                    self.hear(node);
                }
            }
            self.send_again();
            self.check();
        }
        assert_eq!(self.partition.len(), 0, "nothing is left over");
        let log: BTreeSet<_> = self.world.log.iter().copied().collect();
        assert!(self.acknowledged.is_subset(&log));
        for record in 0..self.next_record {
            let known = [&self.acknowledged, &self.given_up, &self.refused];
            assert!(
                known.iter().any(|set| set.contains(&record)),
                "{record} is delivered or told of"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn at_most_once_and_in_order_whatever_happens(
        steps in proptest::collection::vec((0u8..20, any::<u8>()), 0..200),
    ) {
        let mut sender = Sender::new();
        for (kind, detail) in steps {
            sender.step(kind, detail);
        }
        sender.settle();
        prop_assert_eq!(sender.acknowledged.len() + sender.refused.len(), sender.next_record as usize);
    }

    #[test]
    fn also_when_batches_run_out_of_time(
        steps in proptest::collection::vec((0u8..22, any::<u8>()), 0..200),
    ) {
        let mut sender = Sender::new();
        for (kind, detail) in steps {
            sender.step(kind, detail);
        }
        sender.settle();
    }
}
