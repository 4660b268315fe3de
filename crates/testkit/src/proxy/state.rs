//! What the connections of a proxy share: the rules, who looks on, and what is known of the cluster.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use klamm_protocol::messages::MetadataResponse;
use klamm_protocol::{ErrorCode, Uuid};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::rule::{Action, Answer, Fault, Record, Rule};
use super::seen::Seen;

/// What becomes of one request.
#[derive(Default)]
pub(super) struct Verdict {
    pub(super) delay: Duration,
    pub(super) hold: Vec<watch::Receiver<Record>>,
    pub(super) instead: Option<Instead>,
    pub(super) delay_reply: Duration,
    pub(super) hold_reply: Vec<watch::Receiver<Record>>,
    pub(super) lose_reply: bool,
}

/// What happens instead of passing a request on.
pub(super) enum Instead {
    Fail(ErrorCode),
    Answer { answer: Answer, rule: u64 },
    Disconnect,
}

/// A partition of which no broker is the leader.
pub(super) struct Leaderless {
    pub(super) id: u64,
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) record: watch::Sender<Record>,
}

#[derive(Default)]
pub(super) struct Table {
    pub(super) rules: Vec<Rule>,
    pub(super) leaderless: Vec<Leaderless>,
    pub(super) observers: Vec<mpsc::UnboundedSender<Seen>>,
    /// The brokers' own addresses, and where clients find them.
    pub(super) doors: BTreeMap<(String, u16), SocketAddr>,
    pub(super) listeners: JoinSet<()>,
    pub(super) clients: JoinSet<()>,
    topic_names: HashMap<Uuid, String>,
    last_id: u64,
    connections: u64,
}

#[derive(Default)]
pub(super) struct State(Mutex<Table>);

impl State {
    pub(super) fn lock(&self) -> MutexGuard<'_, Table> {
        // A test that panicked in a condition of its own leaves the table as it was.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts something in force that ends with the guard.
    pub(super) fn add(this: &Arc<Self>, put: impl FnOnce(&mut Table, u64, watch::Sender<Record>)) -> Fault {
        let (sender, record) = watch::channel(Record::default());
        let mut table = this.lock();
        table.last_id += 1;
        let id = table.last_id;
        put(&mut table, id, sender);
        drop(table);
        Fault::new(Arc::clone(this), id, record)
    }

    pub(super) fn lift(&self, id: u64) {
        let mut table = self.lock();
        table.rules.retain(|rule| rule.id != id);
        table.leaderless.retain(|partition| partition.id != id);
    }

    pub(super) fn next_connection(&self) -> u64 {
        let mut table = self.lock();
        table.connections += 1;
        table.connections - 1
    }

    /// Shows a request to those who look on, and asks the rules in the order in which they were made. Delays and holds add
    /// up; the first rule that says what becomes of the request is the last to be asked.
    pub(super) fn judge(&self, seen: &Seen) -> Verdict {
        let mut table = self.lock();
        table.observers.retain(|observer| observer.send(seen.clone()).is_ok());
        let mut verdict = Verdict::default();
        for rule in &mut table.rules {
            if !rule.is_for(seen) {
                continue;
            }
            match &rule.action {
                Action::Delay(time) => verdict.delay += *time,
                Action::DelayReply(time) => verdict.delay_reply += *time,
                Action::Hold => verdict.hold.push(rule.record.subscribe()),
                Action::HoldReply => verdict.hold_reply.push(rule.record.subscribe()),
                Action::Fail(code) => verdict.instead = Some(Instead::Fail(*code)),
                Action::Answer(answer) => {
                    let (answer, rule) = (Arc::clone(answer), rule.id);
                    verdict.instead = Some(Instead::Answer { answer, rule });
                }
                Action::Disconnect => verdict.instead = Some(Instead::Disconnect),
                Action::LoseReply => verdict.lose_reply = true,
            }
            rule.record.send_modify(|record| record.hits += 1);
            if verdict.instead.is_some() || verdict.lose_reply {
                break;
            }
        }
        verdict
    }

    /// Notes that a rule's hand-made reply could not be sent.
    pub(super) fn broken(&self, rule: u64, reason: &str) {
        if let Some(rule) = self.lock().rules.iter().find(|other| other.id == rule) {
            rule.record
                .send_modify(|record| record.broken = Some(reason.to_owned()));
        }
    }

    /// Counts a request that wanted this partition's leader, and says whether there is none.
    pub(super) fn misses_leader(&self, topic: &str, topic_id: Uuid, partition: i32) -> bool {
        let table = self.lock();
        let loss = table.loss(topic, topic_id, partition);
        loss.inspect(|loss| loss.record.send_modify(|record| record.hits += 1))
            .is_some()
    }

    /// Whether a partition has no leader.
    pub(super) fn is_leaderless(&self, topic: &str, topic_id: Uuid, partition: i32) -> bool {
        self.lock().loss(topic, topic_id, partition).is_some()
    }

    /// Learns the topics' names, for requests that only name ids.
    pub(super) fn learn(&self, metadata: &MetadataResponse) {
        let mut table = self.lock();
        for topic in &metadata.topics {
            if let Some(name) = topic.name.as_ref().filter(|_| topic.topic_id != Uuid::ZERO) {
                table.topic_names.insert(topic.topic_id, name.clone());
            }
        }
    }
}

impl Table {
    /// The loss of a partition's leader, if it is lost; the topic goes by its name, or by its id where the name is empty.
    fn loss(&self, topic: &str, topic_id: Uuid, partition: i32) -> Option<&Leaderless> {
        let name = match topic {
            "" => self.topic_names.get(&topic_id)?,
            named => named,
        };
        let mut lost = self.leaderless.iter();
        lost.find(|lost| lost.topic == name && lost.partition == partition)
    }
}

impl Rule {
    /// Whether a request is for this rule, which counts it.
    fn is_for(&mut self, seen: &Seen) -> bool {
        if self.left == Some(0) || !self.conditions.iter().all(|condition| condition(seen)) {
            return false;
        }
        if let Some(skip) = self.skip.checked_sub(1) {
            self.skip = skip;
            return false;
        }
        self.left = self.left.map(|left| left - 1);
        true
    }
}
