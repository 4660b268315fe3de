//! The consumer as its user sees it: subscribing, polling, ending.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use klamm_assignors::TopicPartition;
use tokio::time::{Instant, timeout, timeout_at};

use super::builder::{ConsumerBuilder, ConsumerSource};
use super::commits::OffsetAndMetadata;
use super::fetcher::Fetcher;
use super::group::{Member, Membership};
use super::listener::Change;
use super::record::Records;
use super::shared::{Life, Shared};
use super::stream::RecordStream;
use super::subscription::{Subscription, check_exclusive};
use super::{CommitError, ConsumerError};
use crate::MetadataTopics;

/// How long [`Consumer::close`] may take, as in Java.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(30);

/// Reads records from partitions, chosen by its group or by itself. Clones are handles to the same consumer.
///
/// Records come from [`Consumer::poll`] or as a [`Consumer::stream`]. A group's members must come for more within
/// `max.poll.interval.ms`. Every call may be dropped at any time: no record is lost by that. Dropping the last handle waits
/// for nothing; [`Consumer::close`] commits and leaves in good order.
///
/// ```
/// # klamm_testkit::run(async |cluster| {
/// use std::time::Duration;
/// use klamm_client::{Client, Consumer};
///
/// # let client = Client::connect(cluster.bootstrap()).await?;
/// # client.refresh_metadata_creating(klamm_client::MetadataTopics::names(["orders"])).await?;
/// let consumer = Consumer::builder(cluster.bootstrap())
///     .group("payments")
///     .subscribe(["orders"])
///     .property("auto.offset.reset", "earliest")
///     .build()
///     .await?;
/// let records = consumer.poll(Duration::from_millis(100)).await?;
/// for record in &records {
///     println!("{} {:?}", record.offset(), record.value());
/// }
/// consumer.close().await?;
/// # Ok(()) });
/// ```
#[derive(Clone)]
pub struct Consumer {
    pub(super) shared: Arc<Shared>,
    /// Absent in the handles that listeners get.
    _guard: Option<Arc<Guard>>,
}

/// Ends the background tasks with the last handle.
struct Guard {
    shared: Arc<Shared>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.shared.life.send_if_modified(|life| {
            let was_running = *life == Life::Running;
            if was_running {
                *life = Life::Ending { orderly: false };
            }
            was_running
        });
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = self.shared.config.group.as_ref().map(|group| &group.id);
        f.debug_struct("Consumer")
            .field("group", &group)
            .finish_non_exhaustive()
    }
}

/// Who a consumer is in its group, as [`Consumer::group_member`] says it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Joined {
    /// The id that the coordinator gave it.
    pub member_id: String,
    /// The generation of the group that it belongs to.
    pub generation: i32,
}

/// A poll that waits: the member need not leave for want of one.
struct Polling<'a>(&'a Shared);

impl<'a> Polling<'a> {
    fn new(shared: &'a Shared) -> Self {
        shared.state().polling += 1;
        Self(shared)
    }
}

impl Drop for Polling<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.polling -= 1;
        state.polled_at = Instant::now();
    }
}

impl Consumer {
    /// Starts to describe a consumer of the brokers at `host:port,host:port`, or one that shares the connections and the
    /// properties of a [`crate::Client`].
    pub fn builder(source: impl Into<ConsumerSource>) -> ConsumerBuilder {
        ConsumerBuilder::new(source.into())
    }

    pub(super) fn of(shared: Arc<Shared>) -> Self {
        Self { shared, _guard: None }
    }

    pub(super) fn start(shared: Arc<Shared>) -> Self {
        if let Some(group) = shared.config.group.clone() {
            tokio::spawn(Member::new(shared.clone(), group).run());
        }
        tokio::spawn(Fetcher::new(shared.clone()).run());
        tokio::spawn(commit_from_time_to_time(shared.clone()));
        tokio::spawn(keep_metadata_young(shared.clone()));
        Self {
            _guard: Some(Arc::new(Guard { shared: shared.clone() })),
            shared,
        }
    }

    /// Becomes a member of the group, for these topics in place of earlier ones.
    ///
    /// # Errors
    /// [`ConsumerError::NoGroup`] without `group.id`; [`ConsumerError::Exclusive`] after another kind of subscription.
    pub fn subscribe<S: AsRef<str>>(&self, topics: impl IntoIterator<Item = S>) -> Result<(), ConsumerError> {
        self.set_subscription(Subscription::topics(topics)?)
    }

    /// Becomes a member of the group, for all topics whose whole names match the regular expression, also those that are
    /// made later; `metadata.max.age.ms` says how soon they are found. Kafka's own topics need
    /// `exclude.internal.topics=false`.
    ///
    /// # Errors
    /// As [`Consumer::subscribe`].
    pub fn subscribe_pattern(&self, pattern: &str) -> Result<(), ConsumerError> {
        self.set_subscription(Subscription::pattern(pattern)?)
    }

    fn set_subscription(&self, subscription: Subscription) -> Result<(), ConsumerError> {
        self.check_open()?;
        if self.shared.config.group.is_none() {
            return Err(ConsumerError::NoGroup {
                to: "subscribe to topics",
            });
        }
        let mut state = self.shared.state();
        check_exclusive(&state.subscription, &subscription)?;
        state.subscription = subscription;
        state.membership.rejoin("the subscription has changed");
        state.polled_at = Instant::now();
        self.shared.member.notify_one();
        Ok(())
    }

    /// Reads these partitions in place of earlier ones, without being a member of a group. With a `group.id` it begins at
    /// the group's offsets and may commit.
    ///
    /// # Errors
    /// [`ConsumerError::Exclusive`] after a subscription to topics.
    pub fn assign(&self, partitions: impl IntoIterator<Item = TopicPartition>) -> Result<(), ConsumerError> {
        self.check_open()?;
        let mut state = self.shared.state();
        check_exclusive(&state.subscription, &Subscription::Partitions)?;
        let partitions: Vec<TopicPartition> = partitions.into_iter().collect();
        state.subscription = Subscription::Partitions;
        state.retain(|partition| partitions.contains(partition));
        state.add(partitions);
        drop(state);
        self.shared.fetcher.notify_one();
        Ok(())
    }

    /// Gives up everything, after telling the listener, and leaves the group. Commits nothing.
    ///
    /// # Cancel safety
    /// Dropped while the listener is told, it gives nothing up: the subscription stays as it was.
    pub async fn unsubscribe(&self) {
        let (owned, is_of_group) = {
            let state = self.shared.state();
            (state.owned(), state.subscription.is_of_group())
        };
        if is_of_group {
            self.shared.give_up(Change::Revoked, &owned).await;
        }
        let mut state = self.shared.state();
        state.subscription = Subscription::None;
        state.retain(|_| false);
        state.is_outstanding = false;
        drop(state);
        self.shared.acknowledged.notify_waiters();
        self.shared.member.notify_one();
    }

    /// The next records, at most `max.poll.records`, or none when none came within `timeout`. What the poll before
    /// returned counts as done with, and is committed if `enable.auto.commit` is on.
    ///
    /// # Errors
    /// [`ConsumerError::NotSubscribed`]; [`ConsumerError::Closed`]; what keeps records of a partition from coming:
    /// [`ConsumerError::NoOffset`], [`ConsumerError::OutOfRange`], [`ConsumerError::Truncated`], [`ConsumerError::Corrupt`],
    /// [`ConsumerError::Refused`]; of a group: [`ConsumerError::Group`], [`ConsumerError::Fenced`]; of the cluster:
    /// [`ConsumerError::Client`]. Most errors of connections are none, they pass.
    ///
    /// # Cancel safety
    /// Dropped, it loses no record: the next poll returns what this one would have. What the poll before returned counts
    /// as done with all the same.
    pub async fn poll(&self, timeout: Duration) -> Result<Records, ConsumerError> {
        let deadline = Instant::now() + timeout.min(Duration::from_secs(86_400 * 365));
        self.acknowledge()?;
        let _polling = Polling::new(&self.shared);
        loop {
            let arrived = self.shared.arrived.notified();
            tokio::pin!(arrived);
            arrived.as_mut().enable();
            let records = self.take()?;
            if !records.is_empty() || timeout_at(deadline, arrived).await.is_err() {
                return Ok(records);
            }
            self.check_open()?;
        }
    }

    /// The user is done with what it had.
    pub(super) fn acknowledge(&self) -> Result<(), ConsumerError> {
        self.check_open()?;
        let mut state = self.shared.state();
        if matches!(state.subscription, Subscription::None) {
            return Err(ConsumerError::NotSubscribed);
        }
        state.acknowledge(Instant::now());
        let returns = std::mem::take(&mut state.membership.is_away);
        drop(state);
        self.shared.acknowledged.notify_waiters();
        if returns {
            self.shared.member.notify_one();
        }
        Ok(())
    }

    fn take(&self) -> Result<Records, ConsumerError> {
        let (records, runs_low) = self.shared.state().take(self.shared.config.max_poll_records)?;
        if runs_low {
            self.shared.fetcher.notify_one();
        }
        Ok(Records { records })
    }

    /// The records one by one, each done with when the next is asked for.
    pub fn stream(&self) -> RecordStream {
        RecordStream::new(self.clone())
    }

    /// Commits the positions: everything that polls have returned counts as done with. Waits for the answer.
    ///
    /// # Errors
    /// [`CommitError::NoGroup`]; [`CommitError::Rebalancing`] and [`CommitError::KickedOut`] when the partitions may be
    /// another's; [`CommitError::Fenced`]; [`CommitError::Refused`]; [`CommitError::Client`].
    ///
    /// # Cancel safety
    /// Dropped before its turn has come, it commits nothing. Dropped later, the offsets may be committed or not.
    pub async fn commit(&self) -> Result<(), CommitError> {
        if self.shared.config.group.is_none() {
            return Err(CommitError::NoGroup);
        }
        let (turn, offsets) = self.shared.queue_commit();
        let _turn = turn.await;
        self.shared.commit(&offsets).await
    }

    /// Commits these offsets: of each partition that of the next record to read. Waits for the answer.
    ///
    /// # Errors
    /// Those of [`Consumer::commit`], such as [`CommitError::Rebalancing`].
    ///
    /// # Cancel safety
    /// As [`Consumer::commit`].
    pub async fn commit_offsets(
        &self,
        offsets: BTreeMap<TopicPartition, OffsetAndMetadata>,
    ) -> Result<(), CommitError> {
        let _turn = self.shared.committing.lock().await;
        self.shared.commit(&offsets).await
    }

    /// Commits the positions as they are now, in the background; a failure is a warning in the log.
    pub fn commit_async(&self) {
        let shared = self.shared.clone();
        let (turn, offsets) = shared.queue_commit();
        tokio::spawn(async move {
            let _turn = turn.await;
            if let Err(error) = shared.commit(&offsets).await {
                tracing::warn!(%error, "commit");
            }
        });
    }

    /// Joins the group anew, so that its leader shares out the partitions again.
    pub fn enforce_rebalance(&self) {
        self.shared.state().membership.rejoin("rebalance enforced by user");
        self.shared.member.notify_one();
    }

    /// Who it is in its group; `None` while it is no member.
    pub fn group_member(&self) -> Option<Joined> {
        let Membership {
            member_id, generation, ..
        } = self.shared.state().membership.clone();
        (generation >= 0).then_some(Joined { member_id, generation })
    }

    /// Commits if `enable.auto.commit` is on, tells the listener, leaves the group and ends, within half a minute.
    ///
    /// # Errors
    /// What the last commit failed of, such as [`CommitError::Rebalancing`] or [`CommitError::Client`]. The consumer is
    /// closed all the same.
    ///
    /// # Cancel safety
    /// Dropped before the commit is through, it may be committed or not, and it is as if this clone had been dropped:
    /// with the last one, the consumer leaves the group in the background, without telling the listener. Dropped later, the
    /// consumer ends in the background.
    pub async fn close(self) -> Result<(), CommitError> {
        self.close_within(CLOSE_TIMEOUT).await
    }

    /// As [`Consumer::close`], within another time: what is not done by then goes on in the background or is left out.
    ///
    /// # Errors
    /// What the last commit failed of; [`CommitError::Client`] with [`crate::Error::TimedOut`] when it took too long.
    ///
    /// # Cancel safety
    /// As [`Consumer::close`].
    pub async fn close_within(self, limit: Duration) -> Result<(), CommitError> {
        let deadline = Instant::now() + limit;
        if !self.shared.is_running() {
            return Ok(());
        }
        self.shared.state().acknowledge(Instant::now());
        let committed = match timeout_at(deadline, self.shared.auto_commit(|_| true)).await {
            Ok(committed) => committed,
            Err(_) => Err(CommitError::Client(crate::Error::TimedOut {
                what: "OffsetCommit".to_owned(),
                after: limit,
                last: None,
            })),
        };
        self.shared.life.send_replace(Life::Ending { orderly: true });
        self.shared.arrived.notify_waiters();
        // The tasks hold the other ends of the channel until they are through.
        let _ = timeout_at(deadline, self.shared.life.closed()).await;
        committed
    }

    pub(super) fn check_open(&self) -> Result<(), ConsumerError> {
        match self.shared.is_running() {
            true => Ok(()),
            false => Err(ConsumerError::Closed),
        }
    }
}

async fn commit_from_time_to_time(shared: Arc<Shared>) {
    let Some(interval) = shared.config.auto_commit else {
        return;
    };
    let ending = shared.ending();
    tokio::pin!(ending);
    while timeout(interval, &mut ending).await.is_err() {
        let may = {
            let state = shared.state();
            let membership = &state.membership;
            !state.subscription.is_of_group() || (membership.generation >= 0 && !membership.is_joining)
        };
        if may && let Err(error) = shared.auto_commit(|_| true).await {
            tracing::warn!(%error, "auto-commit");
        }
    }
}

/// So that leaders that move, topics that match and partitions that are added are found without an error.
async fn keep_metadata_young(shared: Arc<Shared>) {
    let max_age = shared
        .client
        .core
        .options
        .metadata_max_age
        .max(Duration::from_millis(10));
    let ending = shared.ending();
    tokio::pin!(ending);
    while timeout(max_age, &mut ending).await.is_err() {
        let is_pattern = matches!(shared.state().subscription, Subscription::Pattern(_));
        let topics = match is_pattern {
            true => MetadataTopics::All,
            false => {
                let known = shared.client.known_metadata();
                MetadataTopics::Names(known.topics().map(|topic| topic.name.to_string()).collect())
            }
        };
        if let Err(error) = shared.client.refresh_metadata(topics).await {
            tracing::debug!(%error, "metadata");
        }
    }
}
