//! A rebalance, from giving up to taking over.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use klamm_assignors::{Assignment, Assignor, Member as Known, Members, Subscription as Wire, TopicPartition, Topics};
use klamm_protocol::ErrorCode;
use klamm_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use klamm_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use klamm_protocol::messages::{JoinGroupRequest, JoinGroupResponse, SyncGroupRequest};
use tokio::time::Instant;

use super::{Member, Setback, chosen, setback};
use crate::consumer::ConsumerError;
use crate::consumer::listener::Change;
use crate::consumer::subscription::Subscription;
use crate::{ClusterMetadata, Lane, MetadataTopics};

/// What coordinators call groups of consumers.
const PROTOCOL_TYPE: &str = "consumer";
/// More time for a JoinGroup than the rebalance may take.
const JOIN_MARGIN: std::time::Duration = std::time::Duration::from_secs(5);

impl Member {
    /// Gives up what must be given up, joins, and takes over what the leader gives.
    pub(super) async fn rebalance(&mut self) -> Result<(), Setback> {
        let mut reason = self.take_reason().unwrap_or_default();
        self.resolve().await?;
        self.prepare().await;
        // The user may have subscribed anew while it was waited for.
        if let Some(newer) = self.take_reason() {
            reason = newer;
            let before = self.topics.clone();
            self.resolve().await?;
            if self.topics != before || self.shared.state().membership.is_expelled {
                self.prepare().await;
            }
        }
        if !self.wants_membership() {
            return Ok(());
        }
        self.shared.state().membership.is_joining = true;
        let outcome = self.join_and_sync(reason).await;
        self.shared.state().membership.is_joining = false;
        let (assigned, generation) = outcome?;
        self.next_heartbeat = Instant::now() + self.config.heartbeat_interval;
        self.take_over(assigned, generation).await;
        Ok(())
    }

    fn take_reason(&self) -> Option<&'static str> {
        self.shared.state().membership.rejoin.take()
    }

    /// What the leader gives, and the generation in which it does.
    async fn join_and_sync(&mut self, reason: &str) -> Result<(Vec<TopicPartition>, i32), Setback> {
        let joined = self.join(reason).await?;
        let assignor = chosen(&self.config, joined.protocol_name.as_deref().unwrap_or_default())?;
        let assignments = match joined.leader == joined.member_id && !joined.members.is_empty() {
            true => self.lead(assignor, &joined).await?,
            false => {
                self.counted = None;
                BTreeMap::new()
            }
        };
        let assigned = self.sync(&joined, assignments).await?;
        Ok((assigned, joined.generation_id))
    }

    /// The topics that the subscription amounts to now.
    async fn resolve(&mut self) -> Result<(), Setback> {
        let subscription = self.shared.state().subscription.clone();
        let client = &self.shared.client;
        let cluster = match &subscription {
            Subscription::Pattern(_) => client.refresh_metadata(MetadataTopics::All).await,
            _ => Ok(client.known_metadata()),
        };
        let cluster = cluster.map_err(setback)?;
        self.topics = subscription.resolve(&cluster, self.shared.config.exclude_internal);
        Ok(())
    }

    /// An eager member gives up everything before it joins, a cooperative one only what it no longer wants.
    async fn prepare(&mut self) {
        let (owned, is_expelled) = {
            let mut state = self.shared.state();
            let is_expelled = std::mem::take(&mut state.membership.is_expelled);
            let owned = state.owned();
            if is_expelled && !owned.is_empty() {
                state.is_gated = true;
                state.retain(|_| false);
            }
            (owned, is_expelled)
        };
        if is_expelled && !owned.is_empty() {
            self.shared.tell(Change::Lost, &owned).await;
            self.shared.ungate();
            return;
        }
        let unwanted: Vec<TopicPartition> = match self.config.is_cooperative() {
            true => owned
                .into_iter()
                .filter(|partition| !self.topics.contains(&partition.topic))
                .collect(),
            false => owned,
        };
        if unwanted.is_empty() {
            self.commit_quietly().await;
        } else {
            self.give_up(unwanted).await;
        }
    }

    /// Waits until the user is done with its records, commits, and lets go; the session stays alive meanwhile.
    async fn give_up(&mut self, partitions: Vec<TopicPartition>) {
        let shared = self.shared.clone();
        let given: BTreeSet<TopicPartition> = partitions.iter().cloned().collect();
        let patience = self.config.max_poll_interval;
        let work = async {
            // A user that does not come back in time loses what it did since the last commit.
            let _ = tokio::time::timeout(patience, shared.gate()).await;
            if let Err(error) = shared.auto_commit(|partition| given.contains(partition)).await {
                tracing::warn!(%error, "auto-commit before giving up partitions");
            }
            shared.give_up(Change::Revoked, &partitions).await;
        };
        self.with_heartbeats(work).await;
        self.shared.ungate();
    }

    async fn commit_quietly(&self) {
        let is_member = self.shared.state().membership.generation >= 0;
        if !is_member {
            return;
        }
        if let Err(error) = self.shared.auto_commit(|_| true).await {
            tracing::debug!(%error, "auto-commit before a rebalance");
        }
    }

    async fn join(&mut self, reason: &str) -> Result<JoinGroupResponse, Setback> {
        let owned_since = self.shared.state().membership.owned_since;
        let (member_id, owned) = {
            let state = self.shared.state();
            (state.membership.member_id.clone(), state.owned())
        };
        let protocols: Vec<JoinGroupRequestProtocol> = self
            .config
            .assignors
            .iter()
            .map(|assignor| JoinGroupRequestProtocol {
                name: assignor.name().to_owned(),
                metadata: self.subscription(*assignor, &owned, owned_since),
                ..JoinGroupRequestProtocol::default()
            })
            .collect();
        let millis = |duration: std::time::Duration| i32::try_from(duration.as_millis()).unwrap_or(i32::MAX);
        let config = &self.config;
        let protocols = &protocols;
        let make = |member_id: String| {
            move |version: i16| JoinGroupRequest {
                group_id: config.id.to_string(),
                session_timeout_ms: millis(config.session_timeout),
                rebalance_timeout_ms: millis(config.max_poll_interval),
                member_id: member_id.clone(),
                group_instance_id: config.instance_id.clone(),
                protocol_type: PROTOCOL_TYPE.to_owned(),
                protocols: protocols.clone(),
                reason: (version >= 8).then(|| reason.to_owned()),
                ..JoinGroupRequest::default()
            }
        };
        let timeout = self
            .shared
            .client
            .request_timeout()
            .max(self.config.max_poll_interval + JOIN_MARGIN);
        let mut response: JoinGroupResponse = self
            .ask(Lane::Coordinator, Some(timeout), make(member_id))
            .await
            .map_err(setback)?;
        // The coordinator wants to see the id again before it waits for a member that may be gone (KIP-394).
        if response.error_code == ErrorCode::MEMBER_ID_REQUIRED {
            let member_id = response.member_id;
            self.shared.state().membership.member_id.clone_from(&member_id);
            response = self
                .ask(Lane::Coordinator, Some(timeout), make(member_id))
                .await
                .map_err(setback)?;
        }
        if response.error_code.is_err() {
            return Err(self.judge(response.error_code));
        }
        tracing::info!(group = %self.config.id, generation = response.generation_id, "joined");
        let mut state = self.shared.state();
        state.membership.member_id.clone_from(&response.member_id);
        state.membership.generation = response.generation_id;
        drop(state);
        Ok(response)
    }

    fn subscription(&self, assignor: Assignor, owned: &[TopicPartition], owned_since: i32) -> Bytes {
        let assigned = self.assigned.as_deref().filter(|_| owned_since >= 0);
        Wire::write(&Known {
            topics: self.topics.clone(),
            owned: if self.config.is_cooperative() {
                owned.to_vec()
            } else {
                Vec::new()
            },
            generation: (owned_since >= 0).then_some(owned_since),
            rack: self.shared.config.rack.clone(),
            instance_id: None,
            user_data: assignor.user_data(assigned, owned_since),
        })
    }

    /// Shares out the partitions among all members.
    async fn lead(
        &mut self,
        assignor: Assignor,
        joined: &JoinGroupResponse,
    ) -> Result<BTreeMap<String, Bytes>, Setback> {
        let mut members = Members::new();
        for member in &joined.members {
            let known = Wire::read(member.metadata.clone()).map_err(|error| {
                tracing::error!(member = member.member_id, %error, "a member's subscription can't be read");
                self.judge(ErrorCode::INCONSISTENT_GROUP_PROTOCOL)
            })?;
            let known = Known {
                instance_id: member.group_instance_id.clone(),
                ..known
            };
            members.insert(member.member_id.clone(), known);
        }
        let names: BTreeSet<String> = members
            .values()
            .flat_map(|member| member.topics.iter().map(|topic| topic.to_string()))
            .collect();
        let wanted = MetadataTopics::Names(names.iter().cloned().collect());
        let client = &self.shared.client;
        let cluster = match self.shared.config.create_topics {
            true => client.refresh_metadata_creating(wanted).await,
            false => client.refresh_metadata(wanted).await,
        };
        let cluster = cluster.map_err(setback)?;
        let topics = topics(&cluster, &names);
        self.counted = Some(
            names
                .iter()
                .map(|name| {
                    let count = topics.get(name.as_str()).map_or(0, Vec::len);
                    (Arc::from(name.as_str()), count)
                })
                .collect(),
        );
        // A static leader that came back: the members keep what they have.
        if joined.skip_assignment {
            return Ok(BTreeMap::new());
        }
        let assigned = assignor.assign(&members, &topics);
        tracing::debug!(?assigned, assignor = assignor.name(), "shared out");
        Ok(assigned
            .into_iter()
            .map(|(id, partitions)| (id, Assignment::write(&partitions)))
            .collect())
    }

    async fn sync(
        &mut self,
        joined: &JoinGroupResponse,
        assignments: BTreeMap<String, Bytes>,
    ) -> Result<Vec<TopicPartition>, Setback> {
        let assignments: Vec<SyncGroupRequestAssignment> = assignments
            .into_iter()
            .map(|(member_id, assignment)| SyncGroupRequestAssignment {
                member_id,
                assignment,
                ..SyncGroupRequestAssignment::default()
            })
            .collect();
        let make = |version: i16| SyncGroupRequest {
            group_id: self.config.id.to_string(),
            generation_id: joined.generation_id,
            member_id: joined.member_id.clone(),
            group_instance_id: self.config.instance_id.clone(),
            protocol_type: (version >= 5).then(|| PROTOCOL_TYPE.to_owned()),
            protocol_name: joined.protocol_name.clone().filter(|_| version >= 5),
            assignments: assignments.clone(),
            ..SyncGroupRequest::default()
        };
        let timeout = self
            .shared
            .client
            .request_timeout()
            .max(self.config.max_poll_interval + JOIN_MARGIN);
        let asking = self.ask(Lane::Coordinator, Some(timeout), make);
        let response = asking.await.map_err(setback)?;
        if response.error_code.is_err() {
            return Err(self.judge(response.error_code));
        }
        Assignment::read(response.assignment).map_err(|error| {
            tracing::error!(%error, "the leader's assignment can't be read");
            Setback::Fatal(ConsumerError::Group {
                group: self.config.id.to_string(),
                code: ErrorCode::INCONSISTENT_GROUP_PROTOCOL,
            })
        })
    }

    /// Lets go of what another is to have, takes what is new, and joins again if something was let go.
    async fn take_over(&mut self, assigned: Vec<TopicPartition>, generation: i32) {
        if !self.shared.state().subscription.is_of_group() {
            return;
        }
        let new: BTreeSet<TopicPartition> = assigned.iter().cloned().collect();
        let owned = self.shared.state().owned();
        let revoked: Vec<TopicPartition> = owned
            .iter()
            .filter(|partition| !new.contains(*partition))
            .cloned()
            .collect();
        self.assigned = Some(assigned);
        if !revoked.is_empty() {
            self.give_up(revoked).await;
            self.shared.state().membership.rejoin("partitions were given up");
        }
        self.shared.state().membership.owned_since = generation;
        let added: Vec<TopicPartition> = new.into_iter().filter(|partition| !owned.contains(partition)).collect();
        let shared = self.shared.clone();
        {
            let mut state = shared.state();
            // The user may have unsubscribed while it was waited for.
            if !state.subscription.is_of_group() {
                return;
            }
            state.is_gated = true;
            state.add(added.iter().cloned());
        }
        let work = async { shared.tell(Change::Assigned, &added).await };
        self.with_heartbeats(work).await;
        self.shared.ungate();
    }
}

/// The topics of these names that exist, with the racks of their replicas.
fn topics(cluster: &ClusterMetadata, names: &BTreeSet<String>) -> Topics {
    let existing = names
        .iter()
        .filter_map(|name| cluster.topic(name))
        .filter(|topic| topic.error.is_none());
    existing
        .map(|topic| {
            let partitions = topic.partitions.iter().map(|partition| {
                let racks = partition
                    .replicas
                    .iter()
                    .filter_map(|id| cluster.brokers().get(id)?.rack.clone());
                racks.collect()
            });
            (Arc::clone(&topic.name), partitions.collect())
        })
        .collect()
}
