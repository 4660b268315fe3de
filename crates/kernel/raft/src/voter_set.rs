//! Who may vote, now and at every offset of the log.

use std::collections::BTreeMap;

use crate::{ControlRecord, Endpoint, Endpoints, ReplicaKey};

/// A voter as VotersRecord keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoterNode {
    /// Node id and, in a dynamic quorum, directory id.
    pub key: ReplicaKey,
    /// Its endpoints by listener name.
    pub listeners: Endpoints,
    /// Lowest kraft.version it supports.
    pub min_kraft_version: i16,
    /// Highest kraft.version it supports.
    pub max_kraft_version: i16,
}

/// The voters of one quorum.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VoterSet {
    voters: BTreeMap<i32, VoterNode>,
}

impl VoterSet {
    /// A set of these voters; the last one of an id counts.
    pub fn new(voters: impl IntoIterator<Item = VoterNode>) -> Self {
        VoterSet {
            voters: voters.into_iter().map(|voter| (voter.key.id, voter)).collect(),
        }
    }

    /// A static set (`controller.quorum.voters`, kraft.version 0): ids only, one listener.
    pub fn of_static(listener: &str, voters: impl IntoIterator<Item = (i32, Endpoint)>) -> Self {
        VoterSet::new(voters.into_iter().map(|(id, endpoint)| VoterNode {
            key: ReplicaKey { id, directory_id: None },
            listeners: Endpoints::from([(listener.to_owned(), endpoint)]),
            min_kraft_version: 0,
            max_kraft_version: 0,
        }))
    }

    /// All voters by id.
    pub fn voters(&self) -> impl Iterator<Item = &VoterNode> {
        self.voters.values()
    }

    /// Ids of all voters, ascending.
    pub fn ids(&self) -> impl Iterator<Item = i32> {
        self.voters.keys().copied()
    }

    /// Number of voters.
    pub fn len(&self) -> usize {
        self.voters.len()
    }

    /// Whether nobody may vote (a node that was formatted with `--no-initial-controllers` and knows no quorum yet).
    pub fn is_empty(&self) -> bool {
        self.voters.is_empty()
    }

    /// Whether this replica is a voter. A static voter matches by id alone.
    pub fn is_voter(&self, key: &ReplicaKey) -> bool {
        self.voters.get(&key.id).is_some_and(|voter| voter.key.names(key))
    }

    /// Whether this replica is the one and only voter.
    pub fn is_only_voter(&self, key: &ReplicaKey) -> bool {
        self.len() == 1 && self.is_voter(key)
    }

    /// Endpoints of a voter; empty when it is none.
    pub fn listeners(&self, id: i32) -> Endpoints {
        self.voters
            .get(&id)
            .map(|voter| voter.listeners.clone())
            .unwrap_or_default()
    }

    /// Endpoint of a voter on one listener.
    pub fn endpoint(&self, id: i32, listener: &str) -> Option<&Endpoint> {
        self.voters.get(&id)?.listeners.get(listener)
    }

    /// Whether `node` is a voter whose endpoints or versions differ from those recorded.
    pub fn needs_update(&self, node: &VoterNode) -> bool {
        self.voters
            .get(&node.key.id)
            .is_some_and(|voter| voter.key.names(&node.key) && voter != node)
    }

    /// The same set with the entry of this voter replaced.
    pub fn updated(&self, node: VoterNode) -> VoterSet {
        let mut voters = self.voters.clone();
        voters.insert(node.key.id, node);
        VoterSet { voters }
    }
}

/// The voter set and kraft.version as the log (with its snapshot) says, at every offset it still covers.
///
/// Entries count as soon as they are appended, not when they are committed, as the protocol demands.
#[derive(Clone, Debug, Default)]
pub(crate) struct VoterSetHistory {
    static_voters: VoterSet,
    voters: BTreeMap<i64, VoterSet>,
    kraft_versions: BTreeMap<i64, i16>,
}

impl VoterSetHistory {
    pub(crate) fn new(static_voters: VoterSet) -> Self {
        VoterSetHistory {
            static_voters,
            ..VoterSetHistory::default()
        }
    }

    /// Takes note of a control record at `offset`; those that say nothing of voters are ignored.
    pub(crate) fn add(&mut self, offset: i64, record: &ControlRecord) {
        match record {
            ControlRecord::Voters(voters) => {
                self.voters.insert(offset, voters.clone());
            }
            ControlRecord::KRaftVersion(version) => {
                self.kraft_versions.insert(offset, *version);
            }
            ControlRecord::LeaderChange(_)
            | ControlRecord::SnapshotHeader { .. }
            | ControlRecord::SnapshotFooter
            | ControlRecord::Unknown => {}
        }
    }

    pub(crate) fn last(&self) -> &VoterSet {
        self.voters.values().next_back().unwrap_or(&self.static_voters)
    }

    /// Where the last voter set stands: none for the static one, -1 for the bootstrap checkpoint.
    pub(crate) fn last_offset(&self) -> Option<i64> {
        self.voters.keys().next_back().copied()
    }

    pub(crate) fn kraft_version(&self) -> i16 {
        self.kraft_versions.values().next_back().copied().unwrap_or(0)
    }

    /// What a snapshot whose last record is at `offset` has to contain.
    pub(crate) fn at(&self, offset: i64) -> (i16, Option<VoterSet>) {
        let version = self
            .kraft_versions
            .range(..=offset)
            .next_back()
            .map_or(0, |(_, version)| *version);
        (
            version,
            self.voters
                .range(..=offset)
                .next_back()
                .map(|(_, voters)| voters.clone()),
        )
    }

    pub(crate) fn truncate_new(&mut self, end_offset: i64) {
        self.voters.retain(|offset, _| *offset < end_offset);
        self.kraft_versions.retain(|offset, _| *offset < end_offset);
    }

    /// Forgets what is older than the newest entry at or before `start_offset`.
    pub(crate) fn truncate_old(&mut self, start_offset: i64) {
        let keep = self
            .voters
            .range(..=start_offset)
            .next_back()
            .map_or(i64::MIN, |(offset, _)| *offset);
        self.voters.retain(|offset, _| *offset >= keep);
        let keep = self
            .kraft_versions
            .range(..=start_offset)
            .next_back()
            .map_or(i64::MIN, |(offset, _)| *offset);
        self.kraft_versions.retain(|offset, _| *offset >= keep);
    }

    pub(crate) fn clear(&mut self) {
        self.voters.clear();
        self.kraft_versions.clear();
    }
}
