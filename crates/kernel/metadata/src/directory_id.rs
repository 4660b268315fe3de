//! Ids of log directories (KIP-858).

use klamm_protocol::Uuid;

/// The reserved ids of log directories, which name no directory.
#[derive(Debug)]
pub struct DirectoryId;

impl DirectoryId {
    /// The replica was placed before directories had ids.
    pub const MIGRATING: Uuid = small_id(0);
    /// The broker is still to choose a directory and report it.
    pub const UNASSIGNED: Uuid = small_id(1);
    /// The replica's directory is lost.
    pub const LOST: Uuid = small_id(2);

    /// Whether `id` is set aside, and so can't be a directory's: the first hundred ids.
    ///
    /// Kafka compares the lower half as a signed number, so ids whose upper half is zero and whose lower half is
    /// "negative" count as reserved too.
    pub fn is_reserved(id: Uuid) -> bool {
        let [high, low] =
            [&id.0[..8], &id.0[8..]].map(|half| half.iter().fold(0i64, |value, &byte| (value << 8) | i64::from(byte)));
        high == 0 && low < 100
    }

    /// Whether a replica in `dir` is online on a broker that reports the directories `online`.
    ///
    /// A broker that registered before directories had ids reports none, and everything on it counts as online.
    pub fn is_online(dir: Uuid, online: &[Uuid]) -> bool {
        match dir {
            Self::UNASSIGNED | Self::MIGRATING => true,
            Self::LOST => false,
            _ => online.is_empty() || online.contains(&dir),
        }
    }
}

const fn small_id(low: u8) -> Uuid {
    let mut bytes = [0; 16];
    bytes[15] = low;
    Uuid(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_hundred_ids_are_reserved() {
        assert!(DirectoryId::is_reserved(small_id(0)));
        assert!(DirectoryId::is_reserved(small_id(99)));
        assert!(!DirectoryId::is_reserved(small_id(100)));
        let mut bytes = [0; 16];
        bytes[8] = 0x80;
        assert!(DirectoryId::is_reserved(Uuid(bytes)));
        bytes[7] = 1;
        assert!(!DirectoryId::is_reserved(Uuid(bytes)));
    }

    #[test]
    fn a_replica_is_online_unless_its_directory_is_missing() {
        let (here, elsewhere) = (small_id(120), small_id(121));
        assert!(DirectoryId::is_online(here, &[here]));
        assert!(!DirectoryId::is_online(elsewhere, &[here]));
        assert!(DirectoryId::is_online(elsewhere, &[]));
        assert!(DirectoryId::is_online(DirectoryId::UNASSIGNED, &[here]));
        assert!(DirectoryId::is_online(DirectoryId::MIGRATING, &[here]));
        assert!(!DirectoryId::is_online(DirectoryId::LOST, &[]));
    }
}
