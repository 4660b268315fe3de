//! Between rebalances: heartbeats, and watching for a reason to join again.

use std::time::Duration;

use klamm_protocol::ErrorCode;
use klamm_protocol::messages::{HeartbeatRequest, HeartbeatResponse};
use tokio::time::Instant;

use super::{Member, Setback};
use crate::ClusterMetadata;
use crate::consumer::subscription::Subscription;

/// How a heartbeat went.
enum Beat {
    Alive,
    Rebalancing,
    /// No answer, or none that says anything of the member.
    Unknown,
}

impl Member {
    /// Stays a member until it has to join again.
    pub(super) async fn steady(&mut self) -> Result<(), Setback> {
        let mut cluster = self.shared.client.core.cluster.changes();
        loop {
            let known = cluster.borrow_and_update().clone();
            self.look_for_new_topics(&known);
            if self.must_join() || !self.wants_membership() {
                return Ok(());
            }
            if let Some(overdue) = self.overdue() {
                return self.go_away(overdue).await;
            }
            let shared = self.shared.clone();
            tokio::select! {
                () = tokio::time::sleep_until(self.next_heartbeat()) => {
                    if let Beat::Rebalancing = self.heartbeat().await? {
                        self.shared.state().membership.rejoin("the group is rebalancing");
                    }
                }
                () = tokio::time::sleep_until(self.poll_deadline()) => {}
                () = shared.member.notified() => {}
                _ = cluster.changed() => {}
            }
        }
    }

    fn next_heartbeat(&self) -> Instant {
        self.last_heartbeat + self.config.heartbeat_interval
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
        self.last_heartbeat = Instant::now();
        let timeout = self.config.session_timeout;
        let response: HeartbeatResponse = match tokio::time::timeout(timeout, self.ask(Some(timeout), make)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                tracing::debug!(%error, "heartbeat");
                // Soon again: the session does not wait for the interval.
                self.last_heartbeat =
                    Instant::now() - self.config.heartbeat_interval + super::RETRY.min(self.config.heartbeat_interval);
                return Ok(Beat::Unknown);
            }
            Err(_) => {
                self.forget_coordinator();
                return Ok(Beat::Unknown);
            }
        };
        match response.error_code {
            ErrorCode::NONE => {
                self.session_alive = Instant::now();
                Ok(Beat::Alive)
            }
            ErrorCode::REBALANCE_IN_PROGRESS => {
                self.session_alive = Instant::now();
                Ok(Beat::Rebalancing)
            }
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
            let next = self.next_heartbeat();
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
