//! Between rebalances: heartbeats, and watching for a reason to join again.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::time::Duration;

use klamm_protocol::ErrorCode;
use klamm_protocol::messages::{HeartbeatRequest, HeartbeatResponse};
use tokio::time::Instant;

use super::{Member, Setback};
use crate::consumer::subscription::Subscription;
use crate::{ClusterMetadata, Lane, MetadataTopics};

/// How a heartbeat went.
enum Beat {
    Alive,
    Rebalancing,
    /// No answer, or none that says anything of the member.
    Unknown,
}

/// For topics that do not exist.
#[derive(Default)]
struct Search {
    failures: u32,
    asking: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Search {
    /// Ends with the attempt under way, never without one.
    async fn attempt(&mut self) {
        match &mut self.asking {
            Some(asking) => {
                asking.await;
                self.asking = None;
            }
            None => std::future::pending().await,
        }
    }
}

impl Member {
    /// Stays a member until it has to join again.
    pub(super) async fn steady(&mut self) -> Result<(), Setback> {
        let mut cluster = self.shared.client.core.cluster.changes();
        let mut search = Search::default();
        loop {
            let known = cluster.borrow_and_update().clone();
            self.look_for_new_topics(&known);
            self.go_on_with(&mut search, &known);
            if self.must_join() || !self.wants_membership() {
                return Ok(());
            }
            if let Some(overdue) = self.overdue() {
                return self.go_away(overdue).await;
            }
            let shared = self.shared.clone();
            tokio::select! {
                () = tokio::time::sleep_until(self.next_heartbeat) => {
                    if let Beat::Rebalancing = self.heartbeat().await? {
                        self.shared.state().membership.rejoin("the group is rebalancing");
                    }
                }
                () = tokio::time::sleep_until(self.poll_deadline()) => {}
                () = shared.member.notified() => {}
                _ = cluster.changed() => {}
                () = search.attempt() => {}
            }
        }
    }

    /// Topics that are not there yet are asked for again and again: they may be about to be made.
    fn go_on_with(&self, search: &mut Search, known: &ClusterMetadata) {
        let missing = self.missing(known);
        if missing.is_empty() {
            *search = Search::default();
        } else if search.asking.is_none() {
            let client = self.shared.client.clone();
            let wait = client.core.options.retry.after(search.failures);
            // Who asks for a pattern wants what there is.
            let is_pattern = matches!(self.shared.state().subscription, Subscription::Pattern(_));
            let create = self.shared.config.create_topics && !is_pattern;
            search.failures = search.failures.saturating_add(1);
            search.asking = Some(Box::pin(async move {
                tokio::time::sleep(wait).await;
                let names = MetadataTopics::Names(missing.into_iter().collect());
                let asked = match create {
                    true => client.refresh_metadata_creating(names).await,
                    false => client.refresh_metadata(names).await,
                };
                if let Err(error) = asked {
                    tracing::debug!(%error, "metadata of missing topics");
                }
            }));
        }
    }

    /// Topics of the group, as far as this member knows them, that nothing is known of yet.
    fn missing(&self, cluster: &ClusterMetadata) -> BTreeSet<String> {
        let of_group = self.counted.iter().flat_map(|counted| counted.keys());
        let names = self.topics.iter().chain(of_group);
        let missing = names.filter(|name| cluster.topic(name).is_none_or(|topic| topic.error.is_retriable()));
        missing.map(|name| name.to_string()).collect()
    }

    fn poll_deadline(&self) -> Instant {
        let state = self.shared.state();
        let from = if state.polling > 0 {
            Instant::now()
        } else {
            state.polled_at
        };
        from + self.config.max_poll_interval
    }

    /// Since when the user should have polled.
    fn overdue(&self) -> Option<Duration> {
        Instant::now().checked_duration_since(self.poll_deadline())
    }

    /// The user does not poll: others shall have its partitions.
    async fn go_away(&mut self, overdue: Duration) -> Result<(), Setback> {
        tracing::warn!(
            ?overdue,
            "no poll within max.poll.interval.ms: leaving the group until the next one"
        );
        self.leave("consumer poll timeout has expired.").await;
        let mut state = self.shared.state();
        state.membership.expel(self.config.instance_id.is_none());
        state.membership.is_away = true;
        Ok(())
    }

    /// Regular expressions find topics that were made since; a leader sees partitions that were added.
    fn look_for_new_topics(&self, cluster: &ClusterMetadata) {
        let mut state = self.shared.state();
        if let Subscription::Pattern(_) = &state.subscription {
            let topics = state.subscription.resolve(cluster, self.shared.config.exclude_internal);
            if topics != self.topics {
                state.membership.rejoin("the topics that match have changed");
            }
        }
        let Some(counted) = &self.counted else { return };
        let grew = |name: &str| {
            let topic = cluster.topic(name).filter(|topic| topic.error.is_none());
            topic.is_some_and(|topic| counted.get(name).is_none_or(|count| *count != topic.partitions.len()))
        };
        if counted.keys().any(|name| grew(name)) || self.topics.iter().any(|name| grew(name)) {
            state.membership.rejoin("the topics' partitions have changed");
        }
    }

    async fn heartbeat(&mut self) -> Result<Beat, Setback> {
        let membership = self.shared.state().membership.clone();
        let make = |_: i16| HeartbeatRequest {
            group_id: self.config.id.to_string(),
            generation_id: membership.generation,
            member_id: membership.member_id.clone(),
            group_instance_id: self.config.instance_id.clone(),
            ..HeartbeatRequest::default()
        };
        self.next_heartbeat = Instant::now() + self.config.heartbeat_interval;
        let timeout = self.config.session_timeout;
        let response: HeartbeatResponse =
            match tokio::time::timeout(timeout, self.ask(Lane::Coordinator, Some(timeout), make)).await {
                Ok(Ok(response)) => response,
                Ok(Err(error)) => {
                    tracing::debug!(%error, "heartbeat");
                    // Soon again: the session does not wait for the interval.
                    self.next_heartbeat = Instant::now() + super::RETRY.min(self.config.heartbeat_interval);
                    return Ok(Beat::Unknown);
                }
                Err(_) => {
                    self.forget_coordinator();
                    return Ok(Beat::Unknown);
                }
            };
        match response.error_code {
            ErrorCode::NONE => Ok(Beat::Alive),
            ErrorCode::REBALANCE_IN_PROGRESS => Ok(Beat::Rebalancing),
            ErrorCode::NOT_COORDINATOR | ErrorCode::COORDINATOR_NOT_AVAILABLE => {
                self.forget_coordinator();
                Ok(Beat::Unknown)
            }
            ErrorCode::COORDINATOR_LOAD_IN_PROGRESS => Ok(Beat::Unknown),
            code => Err(self.judge(code)),
        }
    }

    /// Keeps the session alive while `work` goes on, whatever the heartbeats say: that is found out afterwards.
    pub(super) async fn with_heartbeats<T>(&mut self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        loop {
            let next = self.next_heartbeat;
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = tokio::time::sleep_until(next) => {}
            }
            if self.shared.state().membership.generation < 0 {
                return work.await;
            }
            let outcome = tokio::select! {
                biased;
                done = &mut work => return done,
                outcome = self.heartbeat() => outcome,
            };
            if let Ok(Beat::Rebalancing) = outcome {
                self.shared.state().membership.rejoin("the group is rebalancing");
            }
        }
    }
}
