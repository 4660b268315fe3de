//! Keys, in a set of bounded size that knows them by a hash alone.
//!
//! An entry takes 16 bytes, two thirds of what Kafka's table takes for a key. A key whose hash is another's would count as
//! the same and its records be lost, so the hash is keyed with random numbers: nobody who does not know them can make two
//! such keys.
//!
//! The set is one array without wrap-around, ordered by hash but for shifts to the right where several want one place. A
//! search ends at the first hash above its own, which also bounds searches for what is not there.

use crate::faults::{self, Fault};

/// Bytes of an entry.
const ENTRY: usize = 16;
/// Which part of the entries is room behind the places, and the least of it.
const SPARE_PART: usize = 64;
const SPARE_MIN: usize = 8;
/// Entries that a set begins with. It doubles as long as it may: the smaller, the more of it the processor's caches hold.
const FIRST_ENTRIES: usize = 1 << 12;

/// How full a set gets that may still grow.
const ROOMY: f64 = 0.6;

/// What stands for a key.
pub(crate) type Hash = [u64; 2];

/// Stands in an empty place, and for no key.
const EMPTY: Hash = [0; 2];

/// What came of noting a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Noted {
    /// It was not in the set and is now.
    New,
    /// It was in the set.
    Known,
    /// It is not in the set, which is full.
    Full,
}

#[derive(Debug)]
pub(crate) struct KeySet {
    key: [u64; 2],
    /// Zeros until written: memory that is never used is never taken.
    entries: Vec<Hash>,
    /// Places that hashes are spread over; behind them is room for what is shifted.
    places: usize,
    /// Most keys at this size.
    limit: usize,
    load_factor: f64,
    /// Most entries, empty ones included, that it may grow to.
    entries_max: usize,
    len: usize,
}

impl KeySet {
    /// A set of at most `bytes`, filled up to `load_factor`, and no larger than what `keys_max` keys have plenty of room in:
    /// if there is memory for them they all fit. `key` is random. While it grows, the half of it is there twice.
    pub(crate) fn new(bytes: usize, load_factor: f64, keys_max: u64, key: [u64; 2]) -> Self {
        let load_factor = load_factor.clamp(0.01, 0.99);
        let needed = (keys_max as f64 / load_factor.min(ROOMY)) as usize;
        let entries_max = (bytes / ENTRY)
            .min(needed.saturating_add(needed / SPARE_PART * 2 + SPARE_MIN))
            .max(SPARE_MIN + 1);
        let mut set = Self {
            key,
            entries: Vec::new(),
            places: 0,
            limit: 0,
            load_factor,
            entries_max,
            len: 0,
        };
        set.resize(FIRST_ENTRIES.min(entries_max));
        set
    }

    /// Spreads the keys over another number of entries. `false`: they do not fit, and nothing has changed.
    fn resize(&mut self, entries: usize) -> bool {
        let spare = (entries / SPARE_PART).max(SPARE_MIN);
        let places = entries - spare;
        let mut larger = vec![EMPTY; entries];
        let mut next = 0;
        // In the order of the hashes, as they are: each goes to its place, or behind the one before it.
        for entry in self.entries.iter().filter(|entry| **entry != EMPTY) {
            next = next.max(place(entry[0], places));
            if next + 1 >= entries {
                return false;
            }
            larger[next] = *entry;
            next += 1;
        }
        self.entries = larger;
        self.places = places;
        // As long as it may grow it stays roomy: in a full set each new key shifts many others.
        let load_factor = if entries < self.entries_max {
            self.load_factor.min(ROOMY)
        } else {
            self.load_factor
        };
        self.limit = ((places as f64 * load_factor) as usize).max(1);
        true
    }

    fn grow(&mut self) -> bool {
        let entries = (self.entries.len() * 2).min(self.entries_max);
        entries > self.entries.len() && self.resize(entries)
    }

    /// What stands for `key` in this set.
    #[inline]
    pub(crate) fn hash(&self, key: &[u8]) -> Hash {
        match hash(self.key, key) {
            EMPTY => [0, 1],
            hash => hash,
        }
    }

    /// Has the entries of some keys come from memory together, not each when it is asked for: nothing about one depends on
    /// another, and the processor waits for all of them at once.
    #[inline]
    pub(crate) fn fetch(&self, hashes: impl Iterator<Item = Hash>) {
        let entry = |hash: Hash| self.entries[place(hash[0], self.places)][1];
        std::hint::black_box(hashes.map(entry).fold(0, std::ops::BitXor::bitxor));
    }

    /// Notes a key.
    #[inline]
    pub(crate) fn insert(&mut self, hash: Hash) -> Noted {
        let at = self.find(hash);
        if self.entries[at] == hash {
            return Noted::Known;
        }
        if self.len >= self.limit || !self.make_room(at) {
            return if self.grow() { self.insert(hash) } else { Noted::Full };
        }
        self.len += 1;
        self.entries[at] = hash;
        Noted::New
    }

    /// Whether a key was noted.
    #[inline]
    pub(crate) fn contains(&self, hash: Hash) -> bool {
        self.entries[self.find(hash)] == hash
    }

    /// Which part of its memory is used, 0 to 1.
    pub(crate) fn utilization(&self) -> f64 {
        self.len as f64 / self.entries_max as f64
    }

    /// Where the hash is, or would have to be. The last place is always empty.
    #[inline]
    fn find(&self, hash: Hash) -> usize {
        let mut at = place(hash[0], self.places);
        loop {
            let entry = self.entries[at];
            if entry == EMPTY || entry >= hash {
                return at;
            }
            at += 1;
        }
    }

    /// Shifts what is at `at` and behind it one to the right. `false`: that would take the last empty place.
    fn make_room(&mut self, at: usize) -> bool {
        let Some(free) = self.entries[at..].iter().position(|entry| *entry == EMPTY) else {
            unreachable!("the last place is empty");
        };
        let free = at + free;
        if free + 1 == self.entries.len() {
            return false;
        }
        self.entries.copy_within(at..free, at + 1);
        true
    }
}

/// Where of `places` a hash belongs, in the order of the hashes.
#[inline]
fn place(hash: u64, places: usize) -> usize {
    ((u128::from(hash) * places as u128) >> 64) as usize
}

/// SipHash-1-3 with 128 bits.
fn hash(key: [u64; 2], bytes: &[u8]) -> [u64; 2] {
    if faults::is_on(Fault::ConfuseKeys) {
        return sip_hash::<1, 3>(key, &bytes[..bytes.len().min(4)]);
    }
    sip_hash::<1, 3>(key, bytes)
}

#[inline]
fn sip_hash<const C: usize, const D: usize>(key: [u64; 2], bytes: &[u8]) -> [u64; 2] {
    let mut v = [
        key[0] ^ 0x736f_6d65_7073_6575,
        key[1] ^ 0x646f_7261_6e64_6f6d ^ 0xee,
        key[0] ^ 0x6c79_6765_6e65_7261,
        key[1] ^ 0x7465_6462_7974_6573,
    ];
    let (words, tail) = bytes.as_chunks::<8>();
    let mut absorb = |word: u64| {
        v[3] ^= word;
        (0..C).for_each(|_| round(&mut v));
        v[0] ^= word;
    };
    words.iter().for_each(|word| absorb(u64::from_le_bytes(*word)));
    let mut last = [0; 8];
    last[..tail.len()].copy_from_slice(tail);
    last[7] = bytes.len() as u8;
    absorb(u64::from_le_bytes(last));
    v[2] ^= 0xee;
    (0..D).for_each(|_| round(&mut v));
    let first = v[0] ^ v[1] ^ v[2] ^ v[3];
    v[1] ^= 0xdd;
    (0..D).for_each(|_| round(&mut v));
    [first, v[0] ^ v[1] ^ v[2] ^ v[3]]
}

#[inline(always)]
fn round(v: &mut [u64; 4]) {
    v[0] = v[0].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(13) ^ v[0];
    v[0] = v[0].rotate_left(32);
    v[2] = v[2].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(16) ^ v[2];
    v[0] = v[0].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(21) ^ v[0];
    v[2] = v[2].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(17) ^ v[2];
    v[2] = v[2].rotate_left(32);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn insert(set: &mut KeySet, key: &[u8]) -> Noted {
        let hash = set.hash(key);
        set.insert(hash)
    }

    #[test]
    fn the_hash_is_siphash() {
        // The first lines of the reference's table for 2-4 with 128 bits.
        let key = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];
        let bytes = |hash: [u64; 2]| hash.map(u64::to_le_bytes).concat();
        let empty = [
            0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6, 0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02, 0x93,
        ];
        assert_eq!(bytes(sip_hash::<2, 4>(key, &[])), empty);
        let zero = [
            0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44, 0x34, 0x76, 0x59, 0x11, 0x9b, 0x22, 0xfc, 0x45,
        ];
        assert_eq!(bytes(sip_hash::<2, 4>(key, &[0])), zero);
        assert_ne!(hash(key, b"0123456789abcdef"), hash([1, 2], b"0123456789abcdef"));
    }

    #[test]
    fn it_is_a_set_of_keys_until_it_is_full() {
        for (bytes, load) in [
            (ENTRY * 2_000, 0.9),
            (ENTRY * 500, 0.5),
            (ENTRY * 500, 0.99),
            (ENTRY * 20, 1.0),
            (0, 0.0),
        ] {
            let mut set = KeySet::new(bytes, load, u64::MAX, [bytes as u64, 7]);
            let mut model = BTreeSet::new();
            for i in 0..10_000u64 {
                let key = (i * i % 3_001).to_string();
                let expected = if model.contains(&key) { Noted::Known } else { Noted::New };
                match insert(&mut set, key.as_bytes()) {
                    Noted::Full => {
                        assert_eq!(expected, Noted::New, "a key that is there needs no room");
                        break;
                    }
                    noted => assert_eq!(noted, expected),
                }
                model.insert(key);
                assert_eq!(set.len, model.len());
            }
            assert!(set.len >= set.limit.min(1_400) * 9 / 10, "{} of {}", set.len, set.limit);
            assert!(set.len * ENTRY <= bytes.max(ENTRY));
            for i in 0..3_001 {
                let key = i.to_string();
                assert_eq!(set.contains(set.hash(key.as_bytes())), model.contains(&key));
            }
            assert!(set.utilization() > 0.0);
        }
    }

    #[test]
    fn it_takes_no_more_memory_than_the_keys_that_there_may_be() {
        let set = KeySet::new(128 << 20, 0.9, 1_000, [0, 0]);
        assert!(set.limit >= 1_000 && set.entries.len() < 1_800, "{set:?}");
        for keys in [1, 10, 100, 1_000, 30_000, 200_000] {
            let mut set = KeySet::new(128 << 20, 0.9, keys, [5, 6]);
            assert!(
                (0..keys).all(|i| insert(&mut set, &i.to_be_bytes()) == Noted::New),
                "{keys}"
            );
        }
        let mut set = KeySet::new(1 << 20, 0.9, 1 << 40, [3, 4]);
        let fit = (0..1u64 << 17)
            .take_while(|i| insert(&mut set, &i.to_be_bytes()) == Noted::New)
            .count();
        assert!(
            set.entries.len() * ENTRY <= 1 << 20 && fit * ENTRY > (1 << 20) * 85 / 100,
            "{fit}"
        );
        assert!((0..fit as u64).all(|i| set.contains(set.hash(&i.to_be_bytes()))));
    }
}
