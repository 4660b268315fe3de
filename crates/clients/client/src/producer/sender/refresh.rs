//! When the sender asks for news of its topics.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::Instant;

use super::Sender;
use crate::{Error, MetadataTopics};

type Asking = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// Topics whose leaders may have moved, and the request that asks where to.
pub(super) struct Refresh {
    wanted: BTreeSet<String>,
    asking: Option<Asking>,
    not_before: Instant,
    failures: u32,
    max_age: Duration,
    /// When all topics are asked for, though nothing seems to have changed.
    next_round: Instant,
}

impl Refresh {
    pub(super) fn new(max_age: Duration) -> Refresh {
        let now = Instant::now();
        Refresh {
            wanted: BTreeSet::new(),
            asking: None,
            not_before: now,
            failures: 0,
            max_age,
            next_round: far(now, max_age),
        }
    }

    /// Asks for a topic soon.
    pub(super) fn want(&mut self, topic: &str) {
        if !self.wanted.contains(topic) {
            self.wanted.insert(topic.to_owned());
        }
    }

    pub(super) fn due(&self) -> Option<Instant> {
        match (self.asking.is_some(), self.wanted.is_empty()) {
            (true, _) => None,
            (false, true) => Some(self.next_round),
            (false, false) => Some(self.not_before),
        }
    }

    /// The end of a request, when there is one.
    pub(super) async fn answer(&mut self) -> Result<(), Error> {
        let Some(asking) = &mut self.asking else {
            return std::future::pending().await;
        };
        let answer = asking.await;
        self.asking = None;
        answer
    }
}

/// Max ages may be as long as nobody lives.
fn far(now: Instant, after: Duration) -> Instant {
    now + after.min(Duration::from_secs(86_400 * 365))
}

impl Sender {
    /// Asks for what is wanted and due: the producer id, and news of topics.
    pub(super) fn ask(&mut self, now: Instant) {
        self.identity.ask(now, &self.shared.client);
        let unknown = self.shared.accumulator.lock().wanted.clone();
        let create = !unknown.is_empty();
        let refresh = &mut self.refresh;
        refresh.wanted.extend(unknown);
        if refresh.asking.is_some() {
            return;
        }
        if now >= refresh.next_round {
            let state = self.shared.accumulator.lock();
            refresh
                .wanted
                .extend(state.topics.iter().map(|topic| topic.name.to_string()));
            refresh.next_round = far(now, refresh.max_age);
        }
        if refresh.wanted.is_empty() || (now < refresh.not_before && !create) {
            return;
        }
        let topics = MetadataTopics::Names(std::mem::take(&mut refresh.wanted).into_iter().collect());
        let client = self.shared.client.clone();
        refresh.asking = Some(Box::pin(async move {
            let asked = match create {
                true => client.refresh_metadata_creating(topics).await,
                false => client.refresh_metadata(topics).await,
            };
            asked.map(drop)
        }));
    }

    pub(super) fn on_refreshed(&mut self, answer: Result<(), Error>) {
        if let Err(error) = &answer {
            tracing::debug!(%error, "no news of topics");
        }
        self.refresh.not_before = Instant::now() + self.shared.options.retry.after(self.refresh.failures);
        self.refresh.failures = match answer {
            Ok(()) => 0,
            Err(_) => self.refresh.failures.saturating_add(1),
        };
        self.learn();
        // Who still wants an unknown topic asks again.
        self.shared.accumulator.lock().wanted.clear();
    }

    /// Takes over the newest picture of the cluster.
    pub(super) fn learn(&mut self) {
        let known = self.changes.borrow_and_update().clone();
        let mut state = self.shared.accumulator.lock();
        for topic in known.topics() {
            state.learn(topic);
        }
    }
}
