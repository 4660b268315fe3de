//! The members of one classic group, and where the group stands between two generations.

use super::member::Member;
use crate::error::GroupError;
use crate::records::GroupRecord;
use bytes::Bytes;
use klamm_protocol::coordinator::GroupMetadataValue;
use klamm_protocol::data::ConsumerProtocolSubscription;
use klamm_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use klamm_protocol::{Message, Reader};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The protocol type of consumers.
pub(crate) const CONSUMER_PROTOCOL_TYPE: &str = "consumer";

/// Where a classic group stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClassicGroupState {
    /// No members; offsets may be there.
    Empty,
    /// Members are joining.
    PreparingRebalance,
    /// All have joined; the leader's assignment is awaited.
    CompletingRebalance,
    /// Everyone has, or can get, its assignment.
    Stable,
}

impl ClassicGroupState {
    /// Kafka's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }

    fn may_follow(self, former: Self) -> bool {
        use ClassicGroupState::{CompletingRebalance, Empty, PreparingRebalance, Stable};
        matches!(
            (former, self),
            (PreparingRebalance, Empty | CompletingRebalance)
                | (Empty | CompletingRebalance | Stable, PreparingRebalance)
                | (CompletingRebalance, Stable)
        )
    }
}

/// A group with members, or with some expected. `T` is where a reply goes.
#[derive(Debug)]
pub(crate) struct ClassicGroup<T> {
    pub(crate) group_id: String,
    state: ClassicGroupState,
    previous_state: ClassicGroupState,
    current_state_timestamp_ms: i64,
    pub(crate) protocol_type: Option<String>,
    pub(crate) protocol_name: Option<String>,
    pub(crate) generation_id: i32,
    pub(crate) leader_id: Option<String>,
    members: BTreeMap<String, Member<T>>,
    /// Member ids by instance id.
    static_members: BTreeMap<String, String>,
    /// Ids that were given out and have not joined yet (KIP-394).
    pub(crate) pending_join_members: BTreeSet<String>,
    /// Members of this generation that have not asked for their assignment yet.
    pub(crate) pending_sync_members: BTreeSet<String>,
    awaiting_join: usize,
    /// How many members support each protocol.
    supported_protocols: BTreeMap<String, usize>,
    /// Topics the members subscribe to; none if that isn't known.
    subscribed_topics: Option<BTreeSet<String>>,
    /// Somebody joined while the first rebalance was delayed: delay on.
    pub(crate) new_member_added: bool,
    /// The first rebalance's delay that is running, and what of the rebalance timeout is left after it, ms.
    pub(crate) initial_delay: (i32, i32),
}

impl<T> ClassicGroup<T> {
    /// A group without members, as its last record has it.
    pub(crate) fn empty(group_id: &str, last: Option<&GroupMetadataValue>, now_ms: i64) -> Self {
        let protocol_type = last
            .map(|value| value.protocol_type.clone())
            .filter(|name| !name.is_empty());
        let mut group = Self {
            group_id: group_id.to_owned(),
            state: ClassicGroupState::Empty,
            previous_state: ClassicGroupState::Empty,
            current_state_timestamp_ms: last.map_or(now_ms, |value| value.current_state_timestamp),
            protocol_type,
            protocol_name: None,
            generation_id: last.map_or(0, |value| value.generation),
            leader_id: None,
            members: BTreeMap::new(),
            static_members: BTreeMap::new(),
            pending_join_members: BTreeSet::new(),
            pending_sync_members: BTreeSet::new(),
            awaiting_join: 0,
            supported_protocols: BTreeMap::new(),
            subscribed_topics: None,
            new_member_added: false,
            initial_delay: (0, 0),
        };
        group.update_subscribed_topics();
        group
    }

    /// A stable group with members, as its record has it.
    pub(crate) fn loaded(group_id: &str, value: &GroupMetadataValue, now_ms: i64) -> Self {
        let mut group = Self::empty(group_id, Some(value), now_ms);
        group.state = ClassicGroupState::Stable;
        group.protocol_name = value.protocol.clone();
        group.leader_id = value.leader.clone();
        let protocol = value.protocol.as_deref().unwrap_or_default();
        for member in &value.members {
            let instance_id = member.group_instance_id.as_deref();
            if group.members.contains_key(&member.member_id)
                || instance_id.is_some_and(|instance_id| group.static_members.contains_key(instance_id))
            {
                continue; // Kafka writes no such record; a second claim to an id has no standing
            }
            group.add(Member::from_record(member, protocol));
        }
        group.update_subscribed_topics();
        group
    }

    pub(crate) fn state(&self) -> ClassicGroupState {
        self.state
    }

    pub(crate) fn previous_state(&self) -> ClassicGroupState {
        self.previous_state
    }

    pub(crate) fn is(&self, state: ClassicGroupState) -> bool {
        self.state == state
    }

    pub(crate) fn transition_to(&mut self, state: ClassicGroupState, now_ms: i64) {
        assert!(
            state.may_follow(self.state),
            "group {} goes from {:?} to {state:?}",
            self.group_id,
            self.state
        );
        self.previous_state = self.state;
        self.state = state;
        self.current_state_timestamp_ms = now_ms;
    }

    /// Whether nothing would be lost without this entry.
    pub(crate) fn is_forgettable(&self) -> bool {
        self.is(ClassicGroupState::Empty) && self.members.is_empty() && self.pending_join_members.is_empty()
    }

    pub(crate) fn uses_consumer_protocol(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER_PROTOCOL_TYPE)
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn has_members(&self) -> bool {
        !self.members.is_empty()
    }

    pub(crate) fn member(&self, member_id: &str) -> Option<&Member<T>> {
        self.members.get(member_id)
    }

    pub(crate) fn member_mut(&mut self, member_id: &str) -> Option<&mut Member<T>> {
        self.members.get_mut(member_id)
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = &Member<T>> {
        self.members.values()
    }

    pub(crate) fn members_mut(&mut self) -> impl Iterator<Item = &mut Member<T>> {
        self.members.values_mut()
    }

    pub(crate) fn member_ids(&self) -> Vec<String> {
        self.members.keys().cloned().collect()
    }

    pub(crate) fn is_leader(&self, member_id: &str) -> bool {
        self.leader_id.as_deref() == Some(member_id)
    }

    pub(crate) fn static_member_id(&self, instance_id: &str) -> Option<&String> {
        self.static_members.get(instance_id)
    }

    pub(crate) fn awaiting_join(&self) -> usize {
        self.awaiting_join
    }

    pub(crate) fn has_all_members_joined(&self) -> bool {
        self.members.len() == self.awaiting_join && self.pending_join_members.is_empty()
    }

    /// The longest rebalance timeout of all members, ms.
    pub(crate) fn rebalance_timeout_ms(&self) -> i32 {
        self.members
            .values()
            .map(|member| member.rebalance_timeout_ms)
            .fold(0, i32::max)
    }

    /// Adds a member whose protocols fit the group's. The first one makes the group its own.
    pub(crate) fn add(&mut self, member: Member<T>) {
        if let Some(instance_id) = &member.group_instance_id {
            let former = self
                .static_members
                .insert(instance_id.clone(), member.member_id.clone());
            assert!(
                former.is_none(),
                "instance {instance_id} of group {} is there already",
                self.group_id
            );
        }
        self.leader_id.get_or_insert_with(|| member.member_id.clone());
        self.pending_join_members.remove(&member.member_id);
        self.count_protocols(&member.protocols, 1);
        self.awaiting_join += usize::from(member.is_awaiting_join());
        self.members.insert(member.member_id.clone(), member);
    }

    /// Removes a member, joined or pending. The replies it waits for are the caller's.
    pub(crate) fn remove(&mut self, member_id: &str) -> Option<Member<T>> {
        self.pending_join_members.remove(member_id);
        self.pending_sync_members.remove(member_id);
        let removed = self.members.remove(member_id);
        if let Some(member) = &removed {
            self.count_protocols(&member.protocols, -1);
            self.awaiting_join -= usize::from(member.is_awaiting_join());
            if let Some(instance_id) = &member.group_instance_id {
                self.static_members.remove(instance_id);
            }
        }
        if self.is_leader(member_id) {
            self.leader_id = self.members.keys().next().cloned();
        }
        removed
    }

    /// Gives a static member's place to `new_member_id`. Returns the replies the former one waited for: join, then sync.
    pub(crate) fn replace_static_member(&mut self, old_member_id: &str, new_member_id: &str) -> (Option<T>, Option<T>) {
        let mut member = self
            .members
            .remove(old_member_id)
            .expect("a static member's id is a member's");
        let parked = (member.awaiting_join.take(), member.awaiting_sync.take());
        self.awaiting_join -= usize::from(parked.0.is_some());
        member.member_id = new_member_id.to_owned();
        member.is_new = false;
        if let Some(instance_id) = &member.group_instance_id {
            self.static_members
                .insert(instance_id.clone(), new_member_id.to_owned());
        }
        if self.is_leader(old_member_id) {
            self.leader_id = Some(new_member_id.to_owned());
        }
        if self.pending_sync_members.remove(old_member_id) {
            self.pending_sync_members.insert(new_member_id.to_owned());
        }
        self.members.insert(new_member_id.to_owned(), member);
        parked
    }

    /// What the member supports from now on, and how patient it is.
    pub(crate) fn update_member(
        &mut self,
        member_id: &str,
        protocols: Vec<JoinGroupRequestProtocol>,
        rebalance_timeout_ms: i32,
        session_timeout_ms: i32,
    ) {
        let member = self.members.get_mut(member_id).expect("only members are updated");
        member.rebalance_timeout_ms = rebalance_timeout_ms;
        member.session_timeout_ms = session_timeout_ms;
        let former = std::mem::replace(&mut member.protocols, protocols);
        let current = member.protocols.clone();
        self.count_protocols(&former, -1);
        self.count_protocols(&current, 1);
    }

    /// Parks the reply to a member's JoinGroup; returns that of an earlier one.
    pub(crate) fn park_join(&mut self, member_id: &str, to: T) -> Option<T> {
        let member = self.members.get_mut(member_id).expect("only members wait");
        let former = member.awaiting_join.replace(to);
        self.awaiting_join += usize::from(former.is_none());
        former
    }

    /// Takes the reply that a member's JoinGroup waits for.
    pub(crate) fn take_join(&mut self, member_id: &str) -> Option<T> {
        let to = self.members.get_mut(member_id)?.awaiting_join.take();
        self.awaiting_join -= usize::from(to.is_some());
        to
    }

    /// All replies that are parked.
    pub(crate) fn into_parked(self) -> impl Iterator<Item = T> {
        self.members
            .into_values()
            .flat_map(|member| [member.awaiting_join, member.awaiting_sync])
            .flatten()
    }

    /// Whether the member is who it says: known, and not fenced off its instance id.
    pub(crate) fn validate_member(&self, member_id: &str, instance_id: Option<&str>) -> Result<(), GroupError> {
        if let Some(instance_id) = instance_id {
            match self.static_members.get(instance_id) {
                None => return Err(GroupError::UnknownMemberId),
                Some(existing) if existing != member_id => return Err(GroupError::FencedInstanceId),
                Some(_) => {}
            }
        }
        if self.members.contains_key(member_id) {
            Ok(())
        } else {
            Err(GroupError::UnknownMemberId)
        }
    }

    /// Whether a member with these protocols can be in one group with the others.
    pub(crate) fn supports_protocols(&self, protocol_type: &str, protocols: &[JoinGroupRequestProtocol]) -> bool {
        if self.is(ClassicGroupState::Empty) {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        let supported_by_all = |name: &str| {
            let count = self.supported_protocols.get(name).copied().unwrap_or(0);
            count == self.members.len()
        };
        self.protocol_type.as_deref() == Some(protocol_type)
            && protocols.iter().any(|protocol| supported_by_all(&protocol.name))
    }

    /// The protocol that all support and most like best; of equals the first by name.
    pub(crate) fn select_protocol(&self) -> String {
        let everyone = self.members.len();
        let is_candidate = |name: &str| self.supported_protocols.get(name) == Some(&everyone);
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for member in self.members.values() {
            let vote = member.protocols.iter().find(|protocol| is_candidate(&protocol.name));
            let vote = vote.expect("members that share no protocol with the others are not let in");
            *votes.entry(&vote.name).or_default() += 1;
        }
        let most = votes.values().max().copied();
        let chosen = votes.iter().find(|(_, count)| Some(**count) == most);
        chosen
            .map(|(name, _)| (*name).to_owned())
            .expect("a protocol is selected for members")
    }

    fn count_protocols(&mut self, protocols: &[JoinGroupRequestProtocol], by: isize) {
        let names: BTreeSet<&str> = protocols.iter().map(|protocol| protocol.name.as_str()).collect();
        for name in names {
            let count = self.supported_protocols.entry(name.to_owned()).or_default();
            *count = count
                .checked_add_signed(by)
                .expect("protocols are counted out as they were counted in");
            if *count == 0 {
                self.supported_protocols.remove(name);
            }
        }
    }

    /// Keeps the leader if it has joined, else makes one that has joined leader. False if nobody has.
    pub(crate) fn maybe_elect_new_joined_leader(&mut self) -> bool {
        let leader = self.leader_id.as_ref().and_then(|id| self.members.get(id));
        if leader.is_some_and(Member::is_awaiting_join) {
            return true;
        }
        let joined = self.members.values().find(|member| member.is_awaiting_join());
        let Some(joined) = joined else { return false };
        self.leader_id = Some(joined.member_id.clone());
        true
    }

    /// Begins the next generation with the members there are.
    pub(crate) fn init_next_generation(&mut self, now_ms: i64) {
        self.generation_id = self.generation_id.wrapping_add(1).max(1);
        self.pending_sync_members.clear();
        if self.members.is_empty() {
            self.protocol_name = None;
            self.update_subscribed_topics();
            self.transition_to(ClassicGroupState::Empty, now_ms);
        } else {
            self.protocol_name = Some(self.select_protocol());
            self.update_subscribed_topics();
            self.transition_to(ClassicGroupState::CompletingRebalance, now_ms);
        }
    }

    fn update_subscribed_topics(&mut self) {
        self.subscribed_topics = self.compute_subscribed_topics();
    }

    /// The topics of all members; none if the protocol isn't the consumers' or a member's words are not understood.
    fn compute_subscribed_topics(&self) -> Option<BTreeSet<String>> {
        if !self.uses_consumer_protocol() {
            return None;
        }
        let protocol = self.protocol_name.as_deref().unwrap_or_default();
        let mut topics = BTreeSet::new();
        for member in self.members.values() {
            topics.extend(subscription_topics(member.metadata(protocol))?);
        }
        Some(topics)
    }

    /// Whether the topics that members subscribe to are known.
    pub(crate) fn knows_subscribed_topics(&self) -> bool {
        self.subscribed_topics.is_some()
    }

    /// Whether members subscribe to the topic. Consumers whose words are not understood may subscribe to any.
    pub(crate) fn is_subscribed_to(&self, topic: &str) -> bool {
        match &self.subscribed_topics {
            Some(topics) => topics.contains(topic),
            None => self.uses_consumer_protocol(),
        }
    }

    /// The group's record with these assignments.
    pub(crate) fn record(&self, assignment: impl Fn(&Member<T>) -> Bytes) -> GroupRecord {
        let protocol = self.protocol_name.as_deref().unwrap_or_default();
        let value = GroupMetadataValue {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            generation: self.generation_id,
            protocol: self.protocol_name.clone(),
            leader: self.leader_id.clone(),
            current_state_timestamp: self.current_state_timestamp_ms,
            members: self
                .members
                .values()
                .map(|member| member.to_record(protocol, assignment(member)))
                .collect(),
            ..GroupMetadataValue::default()
        };
        GroupRecord::GroupMetadata {
            group: self.group_id.clone(),
            value: Some(Arc::new(value)),
        }
    }
}

/// The topics of a consumer's subscription. Read as version 0, which all versions begin with.
fn subscription_topics(metadata: Bytes) -> Option<Vec<String>> {
    let mut reader = Reader::new(metadata);
    let version = reader.i16().ok()?;
    if version < 0 {
        return None;
    }
    ConsumerProtocolSubscription::decode(&mut reader, 0)
        .ok()
        .map(|subscription| subscription.topics)
}
