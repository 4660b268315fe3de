//! The order in which Java's hash tables yield their entries.
//!
//! The sticky assignors of Kafka settle some ties by it: to come to the same assignment is to walk in the same order.

/// `String.hashCode`.
pub(crate) fn string_hash(text: &str) -> i32 {
    text.encode_utf16()
        .fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

/// `TopicPartition.hashCode`.
pub(crate) fn partition_hash(topic: &str, partition: i32) -> i32 {
    31i32
        .wrapping_add(partition)
        .wrapping_mul(31)
        .wrapping_add(string_hash(topic))
}

/// What a table with `capacity` slots makes of a hash code.
fn slot(hash: i32, capacity: usize) -> usize {
    let hash = hash as u32;
    (hash ^ (hash >> 16)) as usize & (capacity - 1)
}

/// The slots of a table that grew, from the 16 it begins with, until `entries` fit.
fn capacity_for(entries: usize, from: usize) -> usize {
    let mut capacity = from;
    while entries > capacity / 4 * 3 {
        capacity *= 2;
    }
    capacity
}

const FIRST_CAPACITY: usize = 16;

/// The indices of `keys` in the order in which a `HashMap` filled with them in their order yields them.
pub(crate) fn map_order<'a>(keys: impl Iterator<Item = &'a str>) -> Vec<usize> {
    let hashes: Vec<i32> = keys.map(string_hash).collect();
    let capacity = capacity_for(hashes.len(), FIRST_CAPACITY);
    let mut order: Vec<usize> = (0..hashes.len()).collect();
    order.sort_by_key(|&index| slot(hashes[index], capacity));
    order
}

/// A `HashSet` as far as its order goes: entries of one slot stay in the order of insertion, and the table never shrinks.
#[derive(Debug, Clone)]
pub(crate) struct HashOrderedSet<T> {
    entries: Vec<(i32, T)>,
    capacity: usize,
}

impl<T> Default for HashOrderedSet<T> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            capacity: FIRST_CAPACITY,
        }
    }
}

impl<T: Copy + PartialEq> HashOrderedSet<T> {
    pub(crate) fn insert(&mut self, hash: i32, value: T) {
        self.entries.push((hash, value));
        self.capacity = capacity_for(self.entries.len(), self.capacity);
    }

    pub(crate) fn remove(&mut self, value: T) {
        self.entries.retain(|(_, entry)| *entry != value);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What its iterator yields first.
    pub(crate) fn first(&self) -> Option<T> {
        self.entries
            .iter()
            .min_by_key(|(hash, _)| slot(*hash, self.capacity))
            .map(|(_, value)| *value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_javas() {
        assert_eq!(string_hash(""), 0);
        assert_eq!(string_hash("consumer"), -567_770_122);
        assert_eq!(string_hash("ä€"), 228 * 31 + 8364);
        assert_eq!(partition_hash("t", 3), (31 + 3) * 31 + 116);
    }

    #[test]
    fn a_map_yields_slot_by_slot() {
        // One-letter strings hash to their code: 'p' (112) falls into slot 0 of 16, 'a' (97) into 1.
        let keys = ["a", "b", "p", "q"];
        let order: Vec<&str> = map_order(keys.into_iter()).into_iter().map(|at| keys[at]).collect();
        assert_eq!(order, ["p", "a", "q", "b"]);
    }

    #[test]
    fn a_set_keeps_its_table() {
        let mut set = HashOrderedSet::default();
        for value in 0..13 {
            set.insert(16 + value, value);
        }
        // Thirteen entries have 32 slots: the one with hash 16 is in slot 16, not 0.
        assert_eq!(set.first(), Some(0));
        set.insert(1, 99);
        assert_eq!(set.first(), Some(99));
        set.remove(99);
        assert_eq!(set.first(), Some(0));
        assert!(!set.is_empty());
    }
}
