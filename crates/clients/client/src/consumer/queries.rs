//! Positions, offsets and what is assigned.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use klamm_assignors::TopicPartition;
use tokio::time::{Instant, timeout_at};

use super::ConsumerError;
use super::commits::OffsetAndMetadata;
use super::handle::Consumer;
use super::offsets::{self, OffsetAndTimestamp};
use super::position::Position;
use super::shared::{EARLIEST, LATEST};
use super::subscription::Subscription;
use crate::Error;

impl Consumer {
    /// The partitions that are the consumer's now.
    pub fn assignment(&self) -> BTreeSet<TopicPartition> {
        self.shared.state().owned().into_iter().collect()
    }

    /// The topics subscribed to by name; those that match a pattern, as far as known.
    pub fn subscription(&self) -> BTreeSet<String> {
        let subscription = self.shared.state().subscription.clone();
        let known = self.shared.client.known_metadata();
        let topics = subscription.resolve(&known, self.shared.config.exclude_internal);
        topics.into_iter().map(|topic| topic.to_string()).collect()
    }

    /// Whether the partitions come from the group rather than from [`Consumer::assign`].
    pub fn is_group_member(&self) -> bool {
        let state = self.shared.state();
        !matches!(state.subscription, Subscription::Partitions) && state.membership.generation >= 0
    }

    /// Returns no more records of these partitions until they are resumed. What is fetched of them is kept.
    ///
    /// # Errors
    /// [`ConsumerError::NotAssigned`]; then none is paused.
    pub fn pause<'a>(&self, partitions: impl IntoIterator<Item = &'a TopicPartition>) -> Result<(), ConsumerError> {
        self.set_paused(partitions, true)
    }

    /// Returns records of these partitions again.
    ///
    /// # Errors
    /// [`ConsumerError::NotAssigned`]; then none is resumed.
    pub fn resume<'a>(&self, partitions: impl IntoIterator<Item = &'a TopicPartition>) -> Result<(), ConsumerError> {
        self.set_paused(partitions, false)?;
        self.shared.arrived.notify_waiters();
        Ok(())
    }

    fn set_paused<'a>(
        &self,
        partitions: impl IntoIterator<Item = &'a TopicPartition>,
        paused: bool,
    ) -> Result<(), ConsumerError> {
        let partitions: Vec<&TopicPartition> = partitions.into_iter().collect();
        let mut state = self.shared.state();
        for partition in &partitions {
            state.partition(partition)?;
        }
        for partition in partitions {
            state.partition(partition)?.paused = paused;
        }
        drop(state);
        self.shared.fetcher.notify_one();
        Ok(())
    }

    /// The partitions that are paused.
    pub fn paused(&self) -> BTreeSet<TopicPartition> {
        let state = self.shared.state();
        let paused = state.partitions.iter().filter(|(_, partition)| partition.paused);
        paused.map(|(key, _)| key.clone()).collect()
    }

    /// Reads on at an offset, or at an [`OffsetAndMetadata`] that was committed.
    ///
    /// # Errors
    /// [`ConsumerError::NotAssigned`].
    pub fn seek(&self, partition: &TopicPartition, to: impl Into<OffsetAndMetadata>) -> Result<(), ConsumerError> {
        let to = to.into();
        let position = Position {
            offset: to.offset.max(0),
            leader_epoch: to.leader_epoch.unwrap_or(-1),
        };
        self.shared.state().seek(partition, position)?;
        self.shared.fetcher.notify_one();
        Ok(())
    }

    /// Reads on at the first record there is, looked up at the next poll; of all partitions, if none are given.
    ///
    /// # Errors
    /// [`ConsumerError::NotAssigned`].
    pub fn seek_to_beginning<'a>(
        &self,
        partitions: impl IntoIterator<Item = &'a TopicPartition>,
    ) -> Result<(), ConsumerError> {
        self.seek_all(partitions, EARLIEST)
    }

    /// Reads on with the next record that comes; of all partitions, if none are given.
    ///
    /// # Errors
    /// [`ConsumerError::NotAssigned`].
    pub fn seek_to_end<'a>(
        &self,
        partitions: impl IntoIterator<Item = &'a TopicPartition>,
    ) -> Result<(), ConsumerError> {
        self.seek_all(partitions, LATEST)
    }

    fn seek_all<'a>(
        &self,
        partitions: impl IntoIterator<Item = &'a TopicPartition>,
        timestamp: i64,
    ) -> Result<(), ConsumerError> {
        let mut state = self.shared.state();
        let mut partitions: Vec<TopicPartition> = partitions.into_iter().cloned().collect();
        if partitions.is_empty() {
            partitions = state.owned();
        }
        for partition in &partitions {
            state.seek_to(partition, timestamp)?;
        }
        drop(state);
        self.shared.fetcher.notify_one();
        Ok(())
    }

    /// The offset of the next record, waiting until it is found out for at most `default.api.timeout.ms`.
    ///
    /// # Errors
    /// [`ConsumerError::NotAssigned`]; what finding it out failed of, such as [`ConsumerError::NoOffset`];
    /// [`ConsumerError::Client`] with [`Error::TimedOut`].
    ///
    /// # Cancel safety
    /// Dropped, it stops waiting; the position is found out all the same.
    pub async fn position(&self, partition: &TopicPartition) -> Result<i64, ConsumerError> {
        let limit = self.shared.client.api_timeout();
        let deadline = Instant::now() + limit;
        loop {
            let arrived = self.shared.arrived.notified();
            tokio::pin!(arrived);
            arrived.as_mut().enable();
            {
                let mut state = self.shared.state();
                let known = state.partition(partition)?;
                if known.is_ready() {
                    return Ok(known.position.offset);
                }
                if let Some(error) = state.errors.remove(partition) {
                    return Err(error);
                }
            }
            if timeout_at(deadline, arrived).await.is_err() {
                return Err(timed_out("position", limit).into());
            }
        }
    }

    /// How many records lie between the position and the end of the log as of the last fetch; `None` while that is not
    /// known. With `isolation.level=read_committed` the end is the last stable offset.
    pub fn lag(&self, partition: &TopicPartition) -> Option<i64> {
        let committed_only = self.shared.config.fetch.reading.committed;
        let state = self.shared.state();
        let known = state.partitions.get(partition).filter(|known| known.is_ready())?;
        Some((known.end(committed_only)? - known.position.offset).max(0))
    }

    /// What the group has committed, by partition; partitions without an offset are left out.
    ///
    /// # Errors
    /// [`ConsumerError::NoGroup`]; [`ConsumerError::Client`].
    ///
    /// # Cancel safety
    /// Dropped, it stops asking.
    pub async fn committed(
        &self,
        partitions: impl IntoIterator<Item = &TopicPartition>,
    ) -> Result<BTreeMap<TopicPartition, OffsetAndMetadata>, ConsumerError> {
        if self.shared.config.group.is_none() {
            let to = "ask for committed offsets";
            return Err(ConsumerError::NoGroup { to });
        }
        let partitions: Vec<TopicPartition> = partitions.into_iter().cloned().collect();
        Ok(Box::pin(self.shared.committed_offsets(&partitions)).await?)
    }

    /// The first offsets in the log whose records are not older than these times (milliseconds since the Unix epoch);
    /// `None` where all are.
    ///
    /// # Errors
    /// [`Error::Broker`] with what a leader answered; [`Error::TimedOut`] when `default.api.timeout.ms` is over.
    ///
    /// # Cancel safety
    /// Dropped, it stops asking.
    pub async fn offsets_for_times(
        &self,
        times: BTreeMap<TopicPartition, i64>,
    ) -> Result<BTreeMap<TopicPartition, Option<OffsetAndTimestamp>>, Error> {
        let isolation = self.shared.config.fetch.isolation_level();
        offsets::list(&self.shared.client, isolation, times).await
    }

    /// The first offset in each log.
    ///
    /// # Errors
    /// [`Error::Broker`] and [`Error::TimedOut`], as [`Consumer::offsets_for_times`].
    ///
    /// # Cancel safety
    /// Dropped, it stops asking.
    pub async fn beginning_offsets(
        &self,
        partitions: impl IntoIterator<Item = &TopicPartition>,
    ) -> Result<BTreeMap<TopicPartition, i64>, Error> {
        self.ends(partitions, EARLIEST).await
    }

    /// The offset after the last record that can be read now, for each log.
    ///
    /// # Errors
    /// [`Error::Broker`] and [`Error::TimedOut`], as [`Consumer::offsets_for_times`].
    ///
    /// # Cancel safety
    /// Dropped, it stops asking.
    pub async fn end_offsets(
        &self,
        partitions: impl IntoIterator<Item = &TopicPartition>,
    ) -> Result<BTreeMap<TopicPartition, i64>, Error> {
        self.ends(partitions, LATEST).await
    }

    async fn ends(
        &self,
        partitions: impl IntoIterator<Item = &TopicPartition>,
        timestamp: i64,
    ) -> Result<BTreeMap<TopicPartition, i64>, Error> {
        let wanted = partitions.into_iter().map(|partition| (partition.clone(), timestamp));
        let found = self.offsets_for_times(wanted.collect()).await?;
        Ok(found
            .into_iter()
            .filter_map(|(key, offset)| Some((key, offset?.offset)))
            .collect())
    }
}

fn timed_out(what: &str, after: Duration) -> Error {
    Error::TimedOut {
        what: what.to_owned(),
        after,
        last: None,
    }
}
