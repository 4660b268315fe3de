//! Membership of a classic group: the task that joins, keeps the session alive and carries out rebalances.

mod join;
mod steady;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use klamm_assignors::{Assignor, TopicPartition};
use klamm_protocol::ErrorCode;
use klamm_protocol::messages::leave_group_request::MemberIdentity;
use klamm_protocol::messages::{LeaveGroupRequest, LeaveGroupResponse};
use tokio::time::Instant;

use super::ConsumerError;
use super::config::GroupConfig;
use super::listener::Change;
use super::shared::{Life, Shared};
use super::subscription::Subscription;
use crate::client::RequestOptions;
use crate::{CoordinatorKind, Error, Lane, Target};

/// Who the consumer is in its group.
#[derive(Clone, Debug)]
pub(super) struct Membership {
    /// Empty until the coordinator has given one.
    pub(super) member_id: String,
    /// -1 while it is no member.
    pub(super) generation: i32,
    /// The generation in which it got what it owns, for the assignor.
    pub(super) owned_since: i32,
    /// Why it has to join again, if it has to.
    rejoin: Option<&'static str>,
    /// It stays away until the next poll: there was none for `max.poll.interval.ms`.
    pub(super) is_away: bool,
    /// The coordinator no longer knows it: what it owns is lost.
    is_expelled: bool,
    /// From JoinGroup to the answer to SyncGroup: there is no generation to commit in.
    pub(super) is_joining: bool,
    /// Partitions of which the listener is being told that they go.
    going: BTreeSet<TopicPartition>,
}

impl Default for Membership {
    fn default() -> Self {
        Self {
            member_id: String::new(),
            generation: -1,
            owned_since: -1,
            rejoin: None,
            is_away: false,
            is_expelled: false,
            is_joining: false,
            going: BTreeSet::new(),
        }
    }
}

impl Membership {
    /// Joins again, when there is no reason yet.
    pub(super) fn rejoin(&mut self, reason: &'static str) {
        self.rejoin.get_or_insert(reason);
    }

    /// Whether what it owns is another's by now.
    pub(super) fn is_expelled(&self) -> bool {
        self.is_expelled
    }

    /// Whether an answer of the coordinator to a request of this generation comes too late to matter.
    pub(super) fn has_moved_on(&self, generation: i32) -> bool {
        self.is_joining || self.generation != generation
    }

    /// It is no member any more; with `and_id` the coordinator does not know its id either.
    pub(super) fn expel(&mut self, and_id: bool) {
        if and_id {
            self.member_id.clear();
        }
        self.generation = -1;
        self.is_expelled = true;
        self.rejoin("not a member any more");
    }
}

impl Shared {
    /// Tells the listener that partitions go and lets go of them: of those that are still here, and that nobody else is
    /// telling it of.
    pub(super) async fn give_up(self: &Arc<Self>, change: Change, partitions: &[TopicPartition]) {
        let going = Going::new(self, partitions);
        if !going.partitions.is_empty() {
            self.tell(change, &going.partitions).await;
            self.state().retain(|partition| !going.partitions.contains(partition));
        }
    }
}

/// Partitions of which the listener is being told, until that is over or is dropped.
struct Going<'a> {
    shared: &'a Shared,
    partitions: Vec<TopicPartition>,
}

impl<'a> Going<'a> {
    fn new(shared: &'a Shared, partitions: &[TopicPartition]) -> Self {
        let mut guard = shared.state();
        let state = &mut *guard;
        let (owned, going) = (&state.partitions, &mut state.membership.going);
        let partitions = partitions
            .iter()
            .filter(|partition| owned.contains_key(*partition) && going.insert((*partition).clone()))
            .cloned()
            .collect();
        Self { shared, partitions }
    }
}

impl Drop for Going<'_> {
    fn drop(&mut self) {
        let going = &mut self.shared.state().membership.going;
        for partition in &self.partitions {
            going.remove(partition);
        }
    }
}

/// Why an attempt to be a member ended.
#[derive(Debug)]
enum Setback {
    /// Start over with a join, after a short wait.
    Again,
    /// For good.
    Fatal(ConsumerError),
}

/// The task's own state.
pub(super) struct Member {
    shared: Arc<Shared>,
    config: GroupConfig,
    /// What the last subscription amounted to.
    topics: BTreeSet<Arc<str>>,
    /// Partitions of the group's topics when this member, as leader, shared them out; 0 of those that did not exist.
    counted: Option<BTreeMap<Arc<str>, usize>>,
    /// What it got last, for the sticky assignor.
    assigned: Option<Vec<TopicPartition>>,
    next_heartbeat: Instant,
}

/// Before a failed attempt is repeated.
const RETRY: Duration = Duration::from_millis(100);

impl Member {
    pub(super) fn new(shared: Arc<Shared>, config: GroupConfig) -> Self {
        Self {
            next_heartbeat: Instant::now() + config.heartbeat_interval,
            shared,
            config,
            topics: BTreeSet::new(),
            counted: None,
            assigned: None,
        }
    }

    pub(super) async fn run(mut self) {
        let shared = self.shared.clone();
        let _until_the_end = shared.life.subscribe();
        loop {
            let fatal = tokio::select! {
                biased;
                () = shared.ending() => break,
                error = self.live() => error,
            };
            self.shared.ungate();
            self.shared.report(fatal);
            // Another subscription may be a way out.
            tokio::select! {
                () = shared.ending() => break,
                () = shared.member.notified() => {}
            }
        }
        let life = *self.shared.life.borrow();
        self.part(life == (Life::Ending { orderly: true })).await;
    }

    /// Joins and stays until something ends that for good.
    async fn live(&mut self) -> ConsumerError {
        loop {
            let outcome = if !self.wants_membership() {
                self.stay_out().await;
                Ok(())
            } else if self.must_join() {
                self.rebalance().await
            } else {
                self.steady().await
            };
            match outcome {
                Ok(()) => {}
                Err(Setback::Again) => {
                    self.shared.state().membership.rejoin("a failed attempt");
                    tokio::time::sleep(RETRY).await;
                }
                Err(Setback::Fatal(error)) => return error,
            }
        }
    }

    fn wants_membership(&self) -> bool {
        let state = self.shared.state();
        state.subscription.is_of_group() && !state.membership.is_away
    }

    fn must_join(&self) -> bool {
        let state = self.shared.state();
        state.membership.generation < 0 || state.membership.rejoin.is_some()
    }

    /// Leaves, if it was a member, and waits for a reason to come back.
    async fn stay_out(&mut self) {
        let left_over = {
            let state = self.shared.state();
            let wants_nothing = matches!(state.subscription, Subscription::None);
            if wants_nothing { state.owned() } else { Vec::new() }
        };
        self.shared.give_up(Change::Revoked, &left_over).await;
        let was_member = !self.shared.state().membership.member_id.is_empty();
        if was_member {
            let is_away = self.shared.state().membership.is_away;
            if !is_away {
                self.leave("the consumer unsubscribed from all topics").await;
                self.shared.state().membership = Membership::default();
            }
        }
        loop {
            let notified = self.shared.member.notified();
            if self.wants_membership() {
                return;
            }
            notified.await;
        }
    }

    /// Gives everything up and leaves the group.
    async fn part(&mut self, orderly: bool) {
        let owned = self.shared.state().owned();
        let (is_member, is_known) = {
            let membership = &self.shared.state().membership;
            (membership.generation >= 0, !membership.member_id.is_empty())
        };
        if orderly && !owned.is_empty() && self.shared.state().subscription.is_of_group() {
            let change = if is_member { Change::Revoked } else { Change::Lost };
            self.shared.give_up(change, &owned).await;
        }
        // The coordinator may wait for a member that was about to join for the first time.
        if is_known {
            self.leave("the consumer is being closed").await;
        }
    }

    /// Static members keep their place: whoever comes back with their id takes it.
    async fn leave(&mut self, reason: &str) {
        if self.config.instance_id.is_some() {
            return;
        }
        let member_id = self.shared.state().membership.member_id.clone();
        let make = |version: i16| {
            let member = MemberIdentity {
                member_id: member_id.clone(),
                reason: (version >= 5).then(|| reason.to_owned()),
                ..MemberIdentity::default()
            };
            LeaveGroupRequest {
                group_id: self.config.id.to_string(),
                member_id: if version < 3 { member_id.clone() } else { String::new() },
                members: if version < 3 { Vec::new() } else { vec![member] },
                ..LeaveGroupRequest::default()
            }
        };
        // Not behind a JoinGroup that was given up and waits for the others.
        let left: Result<LeaveGroupResponse, Error> = self.ask(Lane::General, None, make).await;
        match left {
            Ok(response) => tracing::info!(code = %response.error_code, reason, "left the group"),
            Err(error) => tracing::debug!(%error, "LeaveGroup"),
        }
    }

    /// One request to the coordinator; without an answer it is looked up again next time.
    async fn ask<R: klamm_protocol::Request>(
        &self,
        lane: Lane,
        timeout: Option<Duration>,
        make: impl Fn(i16) -> R,
    ) -> Result<R::Response, Error> {
        let client = &self.shared.client;
        let node = client.coordinator(CoordinatorKind::Group, &self.config.id).await?;
        let options = RequestOptions {
            timeout,
            ..RequestOptions::new(lane)
        };
        let reply = async {
            client
                .start(&Target::Broker(node), options, make)
                .await?
                .response()
                .await
        };
        match reply.await {
            Ok((_, response)) => Ok(response),
            Err(error) => {
                self.forget_coordinator();
                // The coordinator may have moved with its broker.
                if error.is_retriable() {
                    let _ = client
                        .core
                        .refresh_brokers(&client.with_api_timeout(Duration::from_secs(1)))
                        .await;
                }
                Err(error)
            }
        }
    }

    fn forget_coordinator(&self) {
        self.shared
            .client
            .forget_coordinator(CoordinatorKind::Group, &self.config.id);
    }

    /// What an error code of the group's APIs means for the member.
    fn judge(&self, code: ErrorCode) -> Setback {
        match code {
            ErrorCode::NOT_COORDINATOR | ErrorCode::COORDINATOR_NOT_AVAILABLE => {
                self.forget_coordinator();
                Setback::Again
            }
            ErrorCode::UNKNOWN_MEMBER_ID => {
                self.shared.state().membership.expel(true);
                Setback::Again
            }
            ErrorCode::ILLEGAL_GENERATION => {
                self.shared.state().membership.expel(false);
                Setback::Again
            }
            ErrorCode::COORDINATOR_LOAD_IN_PROGRESS | ErrorCode::REBALANCE_IN_PROGRESS => Setback::Again,
            ErrorCode::FENCED_INSTANCE_ID => {
                self.shared.state().membership.expel(true);
                Setback::Fatal(ConsumerError::Fenced {
                    instance_id: self.config.instance_id.clone().unwrap_or_default(),
                })
            }
            code if code.is_retriable() => Setback::Again,
            code => Setback::Fatal(ConsumerError::Group {
                group: self.config.id.to_string(),
                code,
            }),
        }
    }
}

fn setback(error: Error) -> Setback {
    match error.is_retriable() {
        true => Setback::Again,
        false => Setback::Fatal(error.into()),
    }
}

/// The assignor that the group chose.
fn chosen(config: &GroupConfig, name: &str) -> Result<Assignor, Setback> {
    let assignor = Assignor::from_name(name)
        .ok()
        .filter(|assignor| config.assignors.contains(assignor));
    assignor.ok_or_else(|| {
        Setback::Fatal(ConsumerError::Group {
            group: config.id.to_string(),
            code: ErrorCode::INCONSISTENT_GROUP_PROTOCOL,
        })
    })
}
