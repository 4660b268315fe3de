//! `metadata.version`: which records and record versions the metadata log may hold.

use std::fmt;

use crate::features::VersionRange;

#[cfg(test)]
mod tests;

/// A level of the `metadata.version` feature.
///
/// Levels only ever grow, and each one includes everything that the levels below it switched on, so "is X supported"
/// is a comparison. Levels below [`MetadataVersion::MINIMUM`] can't be represented: Kafka 4 refuses their logs too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MetadataVersion(i16);

/// What is known of one level.
struct Level {
    level: i16,
    name: &'static str,
    release: &'static str,
    /// Whether this level added to what metadata can say, so that going back below it loses something.
    changed_metadata: bool,
}

const fn level(level: i16, name: &'static str, release: &'static str, changed_metadata: bool) -> Level {
    Level {
        level,
        name,
        release,
        changed_metadata,
    }
}

/// All levels, ascending without gaps.
const LEVELS: [Level; 28] = [
    level(7, "3.3-IV3", "3.3", true),
    level(8, "3.4-IV0", "3.4", true),
    level(9, "3.5-IV0", "3.5", false),
    level(10, "3.5-IV1", "3.5", false),
    level(11, "3.5-IV2", "3.5", true),
    level(12, "3.6-IV0", "3.6", false),
    level(13, "3.6-IV1", "3.6", true),
    level(14, "3.6-IV2", "3.6", true),
    level(15, "3.7-IV0", "3.7", true),
    level(16, "3.7-IV1", "3.7", false),
    level(17, "3.7-IV2", "3.7", true),
    level(18, "3.7-IV3", "3.7", false),
    level(19, "3.7-IV4", "3.7", false),
    level(20, "3.8-IV0", "3.8", false),
    level(21, "3.9-IV0", "3.9", false),
    level(22, "4.0-IV0", "4.0", false),
    level(23, "4.0-IV1", "4.0", true),
    level(24, "4.0-IV2", "4.0", false),
    level(25, "4.0-IV3", "4.0", false),
    level(26, "4.1-IV0", "4.1", false),
    level(27, "4.1-IV1", "4.1", false),
    level(28, "4.2-IV0", "4.2", false),
    level(29, "4.2-IV1", "4.2", false),
    level(30, "4.3-IV0", "4.3", true),
    level(31, "4.4-IV0", "4.4", false),
    level(32, "4.4-IV1", "4.4", true),
    level(33, "4.4-IV2", "4.4", true),
    level(34, "4.5-IV0", "4.5", false),
];

impl MetadataVersion {
    /// The feature's name in records and requests.
    pub const FEATURE_NAME: &'static str = "metadata.version";
    /// The lowest level that can be read.
    pub const MINIMUM: Self = Self(7);
    /// The highest level that a cluster may run in production: the default when formatting.
    pub const LATEST_PRODUCTION: Self = Self(33);
    /// The highest level known; only with `unstable.feature.versions.enable`.
    pub const LATEST_TESTING: Self = Self(34);

    /// 3.4-IV0: the ZooKeeper migration's state is recorded.
    pub const V3_4_IV0: Self = Self(8);
    /// 3.9-IV0: the level that `kraft.version` 1 comes with.
    pub const V3_9_IV0: Self = Self(21);
    /// 4.0-IV0: the level that `group.version` 1 comes with.
    pub const V4_0_IV0: Self = Self(22);
    /// 4.0-IV1: eligible leader replicas (KIP-966).
    pub const V4_0_IV1: Self = Self(23);
    /// 4.0-IV2: the level that `transaction.version` 2 comes with.
    pub const V4_0_IV2: Self = Self(24);
    /// 4.1-IV0: the level that `eligible.leader.replicas.version` 1 comes with.
    pub const V4_1_IV0: Self = Self(26);
    /// 4.2-IV0: the level that `share.version` 1 comes with.
    pub const V4_2_IV0: Self = Self(28);
    /// 4.2-IV1: the level that `streams.version` 1 comes with.
    pub const V4_2_IV1: Self = Self(29);
    /// 4.4-IV0: the level that `share.version` 2 comes with.
    pub const V4_4_IV0: Self = Self(31);

    /// The version of that feature level, if it is known.
    pub fn from_level(level: i16) -> Option<Self> {
        LEVELS.iter().any(|known| known.level == level).then_some(Self(level))
    }

    /// The version of that name: a level's full name (`4.4-IV1`), or a release (`4.4`, `4.4.0`), which means the
    /// release's highest production level.
    pub fn from_name(name: &str) -> Option<Self> {
        if let Some(exact) = LEVELS.iter().find(|known| known.name == name) {
            return Some(Self(exact.level));
        }
        let release = match name.match_indices('.').nth(1) {
            Some((second_dot, _)) => &name[..second_dot],
            None => name,
        };
        LEVELS
            .iter()
            .rev()
            .find(|known| known.release == release && known.level <= Self::LATEST_PRODUCTION.level())
            .map(|known| Self(known.level))
    }

    /// Every known version, ascending.
    pub fn all() -> impl DoubleEndedIterator<Item = Self> {
        LEVELS.iter().map(|known| Self(known.level))
    }

    /// The levels that a node can take part at: up to production, or all known ones.
    pub fn supported_range(unstable: bool) -> VersionRange {
        let max = if unstable {
            Self::LATEST_TESTING
        } else {
            Self::LATEST_PRODUCTION
        };
        VersionRange {
            min: Self::MINIMUM.0,
            max: max.0,
        }
    }

    /// The feature level.
    pub fn level(self) -> i16 {
        self.0
    }

    /// The full name, for example `4.4-IV2`.
    pub fn name(self) -> &'static str {
        self.entry().name
    }

    /// The release this level belongs to, for example `4.4`.
    pub fn release(self) -> &'static str {
        self.entry().release
    }

    /// Whether clusters may run this level in production.
    pub fn is_production(self) -> bool {
        self <= Self::LATEST_PRODUCTION
    }

    /// Whether moving between the two versions crosses a level that changed what metadata can say.
    pub fn metadata_changed_between(one: Self, other: Self) -> bool {
        let (low, high) = (one.min(other), one.max(other));
        LEVELS
            .iter()
            .any(|known| known.level > low.0 && known.level <= high.0 && known.changed_metadata)
    }

    fn entry(self) -> &'static Level {
        let index = usize::try_from(self.0 - Self::MINIMUM.0).expect("levels start at the minimum");
        &LEVELS[index]
    }

    /// Brokers that come from ZooKeeper may be told apart in registrations (KIP-866).
    pub fn is_migration_supported(self) -> bool {
        self.0 >= 8
    }

    /// SCRAM credentials are kept in metadata (KIP-900).
    pub fn is_scram_supported(self) -> bool {
        self.0 >= 11
    }

    /// The leader epoch rises when the ISR shrinks (KAFKA-15021; needed by brokers before 3.6).
    pub fn is_leader_epoch_bump_required_on_isr_shrink(self) -> bool {
        self.0 < 12
    }

    /// Metadata transactions (KIP-868).
    pub fn is_metadata_transaction_supported(self) -> bool {
        self.0 >= 13
    }

    /// Delegation tokens are kept in metadata.
    pub fn is_delegation_token_supported(self) -> bool {
        self.0 >= 14
    }

    /// Controllers register their listeners and features (KIP-919).
    pub fn is_controller_registration_supported(self) -> bool {
        self.0 >= 15
    }

    /// Replicas are assigned to log directories (KIP-858).
    pub fn is_directory_assignment_supported(self) -> bool {
        self.0 >= 17
    }

    /// Partition records can hold eligible leader replicas (KIP-966).
    pub fn is_elr_supported(self) -> bool {
        self.0 >= 23
    }

    /// Log directories can be cordoned (KIP-1066).
    pub fn is_cordoned_log_dirs_supported(self) -> bool {
        self.0 >= 30
    }

    /// ACLs may name hosts by CIDR range (KIP-1276).
    pub fn is_cidr_acl_supported(self) -> bool {
        self.0 >= 32
    }

    /// Controllers can be taken out of the registry.
    pub fn is_controller_unregistration_supported(self) -> bool {
        self.0 >= 33
    }

    /// The version to write `RegisterBrokerRecord` in.
    pub fn register_broker_record_version(self) -> i16 {
        match self.0 {
            ..=7 => 1,
            8..=16 => 2,
            17..=29 => 3,
            _ => 4,
        }
    }

    /// The version to write `PartitionRecord` in.
    pub fn partition_record_version(self) -> i16 {
        match self.0 {
            ..=16 => 0,
            17..=22 => 1,
            _ => 2,
        }
    }

    /// The version to write `PartitionChangeRecord` in.
    pub fn partition_change_record_version(self) -> i16 {
        self.partition_record_version()
    }

    /// The highest Fetch version that brokers use among themselves.
    pub fn fetch_request_version(self) -> i16 {
        match self.0 {
            ..=8 => 13,
            9 => 14,
            10..=18 => 15,
            19..=20 => 16,
            21..=26 => 17,
            _ => 18,
        }
    }

    /// The highest ListOffsets version that brokers use among themselves.
    pub fn list_offsets_request_version(self) -> i16 {
        match self.0 {
            ..=8 => 7,
            9..=20 => 8,
            21..=24 => 9,
            25..=28 => 10,
            _ => 11,
        }
    }
}

impl fmt::Display for MetadataVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
