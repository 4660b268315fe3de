//! Which partition a record goes to.

use std::fmt;
use std::sync::Arc;

use super::murmur2::murmur2;

/// How partitions are chosen for records that don't name theirs.
#[derive(Clone, Debug, Default)]
pub enum Partitioner {
    /// Java's: Murmur2 of the key; records without a key stick to one partition for `batch.size` bytes, then to another,
    /// rather to one whose queue is short (KIP-480, KIP-794).
    #[default]
    Default,
    /// One partition after the other, keys aside: Java's `RoundRobinPartitioner`.
    RoundRobin,
    /// librdkafka's default: CRC-32 of the key; records without a key, or with an empty one, as with [`Partitioner::Default`].
    ConsistentRandom,
    /// The application's own.
    Custom(Arc<dyn ChoosePartition>),
}

/// A partitioner of the application's own. Called once for each record, so it should be quick.
///
/// ```
/// use klamm_client::producer::{ChoosePartition, Partitions};
///
/// /// Gold customers have partition 0 for themselves.
/// #[derive(Debug)]
/// struct Gold;
///
/// impl ChoosePartition for Gold {
///     fn choose(&self, _topic: &str, key: Option<&[u8]>, _value: Option<&[u8]>, partitions: &Partitions<'_>) -> Option<i32> {
///         let key = key?;                              // no key: wherever there is room
///         if key.starts_with(b"gold-") || partitions.count == 1 {
///             return Some(0);
///         }
///         let hash = klamm_client::producer::murmur2(key) as u32 & 0x7fff_ffff;
///         Some(1 + (hash % (partitions.count as u32 - 1)) as i32)
///     }
/// }
/// ```
pub trait ChoosePartition: fmt::Debug + Send + Sync {
    /// The partition, from 0 to one less than their count, or `None` to leave it to the sticky choice.
    fn choose(&self, topic: &str, key: Option<&[u8]>, value: Option<&[u8]>, partitions: &Partitions<'_>)
    -> Option<i32>;
}

/// The partitions of a topic.
#[derive(Clone, Copy, Debug)]
pub struct Partitions<'a> {
    /// How many there are, at least 1.
    pub count: i32,
    /// Those that have a leader, rising; empty if none has.
    pub available: &'a [i32],
}

impl Partitioner {
    /// By the name that `partitioner.class` has for it: a class of Java's with or without its package, or `default`,
    /// `round_robin`, `murmur2_random`, `consistent_random`.
    pub fn from_name(name: &str) -> Option<Partitioner> {
        let short = name.strip_prefix("org.apache.kafka.clients.producer.").unwrap_or(name);
        match short.strip_prefix("internals.").unwrap_or(short) {
            "default" | "murmur2_random" | "DefaultPartitioner" | "BuiltInPartitioner" => Some(Partitioner::Default),
            "round_robin" | "roundrobin" | "RoundRobinPartitioner" => Some(Partitioner::RoundRobin),
            "consistent_random" => Some(Partitioner::ConsistentRandom),
            _ => None,
        }
    }

    /// The partition for a record that names none, or `None` for the sticky one.
    pub(super) fn choose(
        &self,
        topic: &str,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        partitions: &Partitions<'_>,
        turn: &mut u32,
    ) -> Option<i32> {
        let spread = |hash: u32| Some((hash % partitions.count as u32) as i32);
        match self {
            Partitioner::Default => spread(murmur2(key?) as u32 & 0x7fff_ffff),
            Partitioner::ConsistentRandom => spread(crc32(key.filter(|key| !key.is_empty())?)),
            Partitioner::RoundRobin => {
                let turn = std::mem::replace(turn, turn.wrapping_add(1)) & 0x7fff_ffff;
                match partitions.available {
                    [] => spread(turn),
                    available => Some(available[turn as usize % available.len()]),
                }
            }
            Partitioner::Custom(custom) => custom.choose(topic, key, value, partitions),
        }
    }
}

impl<C: ChoosePartition + 'static> From<C> for Partitioner {
    fn from(custom: C) -> Self {
        Partitioner::Custom(Arc::new(custom))
    }
}

/// The partition that records without a key stick to for a while.
#[derive(Debug, Default)]
pub(super) struct Sticky {
    current: Option<i32>,
    produced: usize,
}

impl Sticky {
    /// The partition of now; `next` chooses one if there is none.
    pub(super) fn current(&mut self, next: impl FnOnce() -> i32) -> i32 {
        *self.current.get_or_insert_with(next)
    }

    /// Counts bytes that went there. After `batch_size` bytes the next record may choose anew, so that several producers
    /// don't fill one partition in lockstep; but not while a batch would be left half full, unless that has gone on for
    /// two batches.
    pub(super) fn count(&mut self, bytes: usize, batch_size: usize, batch_is_full: bool) {
        self.produced += bytes;
        if (self.produced >= batch_size && batch_is_full) || self.produced >= batch_size.saturating_mul(2) {
            *self = Sticky::default();
        }
    }

    /// The next record chooses anew if the partition is `gone`.
    pub(super) fn forget_if(&mut self, gone: impl FnOnce(i32) -> bool) {
        if self.current.is_some_and(gone) {
            *self = Sticky::default();
        }
    }
}

/// One of `available`, or of all `count` if that is empty: each equally likely, or, by how long the queues are, those with
/// short ones more likely than those with long ones.
pub(super) fn draw(random: u64, partitions: &Partitions<'_>, queue_len: Option<&dyn Fn(i32) -> usize>) -> i32 {
    let available = partitions.available;
    if available.is_empty() {
        return (random % partitions.count as u64) as i32;
    }
    let uniform = || available[(random % available.len() as u64) as usize];
    let Some(queue_len) = queue_len.filter(|_| available.len() > 1) else {
        return uniform();
    };
    let longest = available
        .iter()
        .map(|&partition| queue_len(partition))
        .max()
        .unwrap_or(0) as u64;
    let weight = |partition: i32| longest + 1 - queue_len(partition) as u64;
    let total: u64 = available.iter().map(|&partition| weight(partition)).sum();
    let mut at = random % total;
    for &partition in available {
        match at.checked_sub(weight(partition)) {
            Some(rest) => at = rest,
            None => return partition,
        }
    }
    uniform()
}

const CRC32_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = (crc >> 1) ^ (0xedb8_8320 * (crc & 1));
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

/// The CRC-32 of zip and Ethernet, as librdkafka hashes keys.
fn crc32(data: &[u8]) -> u32 {
    !data.iter().fold(!0, |crc, &byte| {
        (crc >> 8) ^ CRC32_TABLE[((crc ^ u32::from(byte)) & 0xff) as usize]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(partitioner: &Partitioner, key: Option<&str>, turn: &mut u32) -> Option<i32> {
        let partitions = Partitions {
            count: 10,
            available: &[2, 5, 7],
        };
        partitioner.choose("t", key.map(str::as_bytes), None, &partitions, turn)
    }

    #[test]
    fn keys_go_where_java_puts_them() {
        let mut turn = 0;
        let mut at = |key| choose(&Partitioner::Default, key, &mut turn);
        assert_eq!(at(Some("abc")), Some(479_470_107 % 10));
        assert_eq!(at(Some("21")), Some((-973_932_308 & 0x7fff_ffff) % 10));
        assert_eq!(at(Some("")), Some((murmur2(b"") & 0x7fff_ffff) % 10));
        assert_eq!(at(None), None);
    }

    #[test]
    fn keys_go_where_librdkafka_puts_them() {
        let mut turn = 0;
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        let mut at = |key| choose(&Partitioner::ConsistentRandom, key, &mut turn);
        assert_eq!(at(Some("123456789")), Some((0xcbf4_3926u32 % 10) as i32));
        assert_eq!(at(Some("")), None);
        assert_eq!(at(None), None);
    }

    #[test]
    fn round_robin_takes_turns_among_those_with_a_leader() {
        let mut turn = u32::MAX;
        let taken: Vec<_> = (0..5)
            .map(|_| choose(&Partitioner::RoundRobin, Some("k"), &mut turn).unwrap())
            .collect();
        assert_eq!(taken[1..], [2, 5, 7, 2]);
        let none = Partitions {
            count: 2,
            available: &[],
        };
        let chosen = Partitioner::RoundRobin.choose("t", None, None, &none, &mut 3);
        assert_eq!(chosen, Some(1));
    }

    #[test]
    fn names_of_java_and_of_librdkafka() {
        let is = |name| Partitioner::from_name(name).map(|partitioner| format!("{partitioner:?}"));
        assert_eq!(
            is("org.apache.kafka.clients.producer.RoundRobinPartitioner").as_deref(),
            Some("RoundRobin")
        );
        assert_eq!(is("RoundRobinPartitioner").as_deref(), Some("RoundRobin"));
        assert_eq!(is("consistent_random").as_deref(), Some("ConsistentRandom"));
        assert_eq!(is("com.example.Mine"), None);
    }

    #[test]
    fn sticks_for_a_batch_and_never_for_more_than_two() {
        let mut sticky = Sticky::default();
        assert_eq!(sticky.current(|| 4), 4);
        sticky.count(90, 100, true);
        assert_eq!(sticky.current(|| 5), 4);
        sticky.count(20, 100, false);
        assert_eq!(sticky.current(|| 5), 4, "the batch is not full");
        sticky.count(20, 100, true);
        assert_eq!(sticky.current(|| 5), 5);
        sticky.count(200, 100, false);
        assert_eq!(sticky.current(|| 6), 6);
    }

    #[test]
    fn short_queues_are_drawn_more_often() {
        // Queues of 0, 3 and 1 batches weigh 4, 1 and 3.
        let partitions = Partitions {
            count: 3,
            available: &[0, 1, 2],
        };
        let queues = [0, 3, 1];
        let queue_len = |partition: i32| queues[partition as usize];
        let drawn: Vec<_> = (0..8)
            .map(|random| draw(random, &partitions, Some(&queue_len)))
            .collect();
        assert_eq!(drawn, [0, 0, 0, 0, 1, 2, 2, 2]);
        assert_eq!(draw(4, &partitions, None), 1);
        let without = Partitions {
            count: 3,
            available: &[],
        };
        assert_eq!(draw(5, &without, Some(&queue_len)), 2);
    }
}
