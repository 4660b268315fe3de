//! The last offset of each key, in a table of bounded size that knows keys by a hash alone.
//!
//! An entry takes 24 bytes: 16 of hash and 8 of offset, as many as in Kafka's table, so the same `dedupe.buffer.size` holds
//! as many keys. A key whose hash is another's would take its place and be lost, so the hash is keyed with random numbers:
//! nobody who does not know them can make two such keys.
//!
//! The table is one array without wrap-around, ordered by hash but for shifts to the right where several want one place. A
//! search ends at the first hash above its own, which also bounds searches for what is not there.

use std::ops::{Range, RangeInclusive};

use super::superseded::Superseded;
use crate::faults::{self, Fault};

/// Bytes of an entry.
const ENTRY: usize = 24;
/// Which part of the memory may go to what is known of offsets: a bit for each of 16 million in 128 MiB.
const SUPERSEDED_PART: usize = 64;

/// Least room behind the places.
const SPARE_MIN: usize = 8;
/// Entries that a table begins with. It doubles as long as it may: the smaller, the more of it the processor's caches hold.
const FIRST_ENTRIES: usize = 1 << 12;

/// How full a table gets that may still grow.
const ROOMY: f64 = 0.6;

/// A hash in two words and the offset plus one; 0 stands in an empty place.
type Entry = [u64; 3];

/// What stands for a key.
pub(crate) type Hash = [u64; 2];

#[derive(Debug)]
pub(crate) struct OffsetMap {
    key: [u64; 2],
    /// Zeros until written: memory that is never used is never taken.
    entries: Vec<Entry>,
    /// Places that hashes are spread over; behind them is room for what is shifted.
    places: usize,
    /// Most keys at this size.
    limit: usize,
    load_factor: f64,
    /// Most entries, empty ones included, that it may grow to.
    entries_max: usize,
    len: usize,
    latest_offset: i64,
    superseded: Superseded,
}

impl OffsetMap {
    /// A table of at most `bytes`, filled up to `load_factor`, for the keys at `offsets`, and no larger than one key at each
    /// needs. `key` is random.
    pub(crate) fn new(bytes: usize, load_factor: f64, offsets: Range<i64>, key: [u64; 2]) -> Self {
        let load_factor = load_factor.clamp(0.01, 0.99);
        let keys_max = offsets.end.saturating_sub(offsets.start).max(0).unsigned_abs();
        let superseded = Superseded::new(offsets.start, keys_max, bytes / SUPERSEDED_PART);
        let needed = ((keys_max as f64 / load_factor) as usize).saturating_add(1);
        let entries_max = ((bytes - superseded.bytes()) / ENTRY)
            .min(needed.saturating_add(needed / 64 + 8))
            .max(SPARE_MIN + 1);
        let mut map = Self {
            key,
            entries: Vec::new(),
            places: 0,
            limit: 0,
            load_factor,
            entries_max,
            len: 0,
            latest_offset: -1,
            superseded,
        };
        map.resize(FIRST_ENTRIES.min(entries_max));
        map
    }

    /// Spreads the keys over another number of entries. `false`: they do not fit, and nothing has changed.
    fn resize(&mut self, entries: usize) -> bool {
        let spare = (entries / 64).max(SPARE_MIN);
        let places = entries - spare;
        let mut larger: Vec<Entry> = vec![[0; 3]; entries];
        let mut next = 0;
        // In the order of the hashes, as they are: each goes to its place, or behind the one before it.
        for entry in self.entries.iter().filter(|entry| entry[2] != 0) {
            next = next.max(place(entry[0], places));
            if next + 1 >= entries {
                return false;
            }
            larger[next] = *entry;
            next += 1;
        }
        self.entries = larger;
        self.places = places;
        // As long as it may grow it stays roomy: in a full table each new key shifts many others.
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

    /// What stands for `key` in this table.
    #[inline]
    pub(crate) fn hash(&self, key: &[u8]) -> Hash {
        hash(self.key, key)
    }

    /// Has the entries of some keys come from memory together, not each when it is asked for: nothing about one depends on
    /// another, and the processor waits for all of them at once.
    #[inline]
    pub(crate) fn fetch(&self, hashes: &[Hash]) {
        let entry = |hash: &Hash| self.entries[place(hash[0], self.places)][2];
        std::hint::black_box(hashes.iter().map(entry).fold(0, std::ops::BitXor::bitxor));
    }

    /// Notes where keys are, each the highest offset so far. `false`: the table is full, and those from some one on were not
    /// noted.
    pub(crate) fn put_all(&mut self, keys: &[(Hash, i64)]) -> bool {
        let entry = |(hash, _): &(Hash, i64)| self.entries[place(hash[0], self.places)][2];
        std::hint::black_box(keys.iter().map(entry).fold(0, std::ops::BitXor::bitxor)); // see `fetch`
        keys.iter().all(|(hash, offset)| {
            let is_forgotten = faults::is_on(Fault::ForgetKey) && offset % 8 == 0;
            is_forgotten || self.put(*hash, *offset)
        })
    }

    /// Notes that a key is at `offset`, the highest so far. `false`: the table is full, and nothing was noted.
    #[inline]
    fn put(&mut self, hash: Hash, offset: i64) -> bool {
        let at = self.find(hash);
        let found = self.entries[at];
        if found[2] == 0 || [found[0], found[1]] != hash {
            if self.len >= self.limit || !self.make_room(at) {
                return self.grow() && self.put(hash, offset);
            }
            self.len += 1;
        } else if found[2] <= offset as u64 {
            self.superseded.insert(found[2] as i64 - 1);
        }
        self.entries[at] = [hash[0], hash[1], offset as u64 + 1];
        self.latest_offset = offset;
        true
    }

    /// The last offset of a key.
    #[inline]
    pub(crate) fn get(&self, hash: Hash) -> Option<i64> {
        let [first, second, next] = self.entries[self.find(hash)];
        (next != 0 && [first, second] == hash).then(|| next as i64 - 1)
    }

    /// Whether the key of the record at `offset`, which was noted, was noted again later; `None`: only [`Self::get`] can tell.
    #[inline]
    pub(crate) fn is_superseded(&self, offset: i64) -> Option<bool> {
        self.superseded.contains(offset)
    }

    /// How many of the records at these offsets have a key that was noted again later; `None`: that is not known.
    pub(crate) fn count_superseded(&self, offsets: RangeInclusive<i64>) -> Option<usize> {
        self.superseded.count(offsets)
    }

    /// Everything up to and including this offset is in the table, or has no key. -1 if nothing is.
    pub(crate) fn latest_offset(&self) -> i64 {
        self.latest_offset
    }

    /// Notes that nothing else up to `offset` has a key.
    pub(crate) fn advance_to(&mut self, offset: i64) {
        self.latest_offset = self.latest_offset.max(offset);
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
            let [first, second, next] = self.entries[at];
            if next == 0 || [first, second] >= hash {
                return at;
            }
            at += 1;
        }
    }

    /// Shifts what is at `at` and behind it one to the right. `false`: that would take the last empty place.
    fn make_room(&mut self, at: usize) -> bool {
        let Some(free) = self.entries[at..].iter().position(|entry| entry[2] == 0) else {
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
    use std::collections::BTreeMap;

    use super::*;

    fn put(map: &mut OffsetMap, key: &[u8], offset: i64) -> bool {
        let hash = map.hash(key);
        map.put_all(&[(hash, offset)])
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
    fn it_is_a_map_of_keys_to_their_last_offsets_until_it_is_full() {
        for (bytes, load) in [
            (24 * 2_000, 0.9),
            (24 * 500, 0.5),
            (24 * 500, 0.99),
            (24 * 20, 1.0),
            (0, 0.0),
        ] {
            let mut map = OffsetMap::new(bytes, load, 0..i64::MAX, [bytes as u64, 7]);
            let mut model = BTreeMap::new();
            for i in 0..10_000u64 {
                let key = (i * i % 3_001).to_string();
                let is_new = !model.contains_key(&key);
                if !put(&mut map, key.as_bytes(), i as i64) {
                    assert!(is_new, "a key that is there needs no room");
                    break;
                }
                model.insert(key, i as i64);
                assert_eq!((map.latest_offset(), map.len), (i as i64, model.len()));
            }
            assert!(map.len >= map.limit.min(1_400) * 9 / 10, "{} of {}", map.len, map.limit);
            assert!(map.len * ENTRY <= bytes.max(ENTRY));
            for i in 0..3_001 {
                let key = i.to_string();
                assert_eq!(map.get(map.hash(key.as_bytes())), model.get(&key).copied());
            }
        }
    }

    #[test]
    fn it_takes_no_more_memory_than_the_keys_that_there_may_be() {
        let map = OffsetMap::new(128 << 20, 0.9, 0..1_000, [0, 0]);
        assert!(map.limit >= 1_000 && map.entries.len() < 1_200, "{map:?}");
        let mut map = OffsetMap::new(1 << 20, 0.9, 0..1 << 40, [3, 4]);
        let fit = (0..1u64 << 16)
            .take_while(|i| put(&mut map, &i.to_be_bytes(), *i as i64))
            .count();
        assert!(
            map.entries.len() * ENTRY <= 1 << 20 && fit * ENTRY > (1 << 20) * 85 / 100,
            "{fit}"
        );
        assert!((0..fit as u64).all(|i| map.get(map.hash(&i.to_be_bytes())) == Some(i as i64)));
    }

    #[test]
    fn it_tells_which_offsets_have_a_later_record_of_their_key() {
        let mut map = OffsetMap::new(64 << 10, 0.9, 5..10_000, [8, 9]);
        let key = |offset: i64| (offset * offset % 1_009).to_be_bytes();
        let mut model = std::collections::BTreeSet::new();
        let mut last = BTreeMap::new();
        for offset in (5..8_000).filter(|offset| offset % 7 != 0) {
            assert!(put(&mut map, &key(offset), offset));
            model.extend(last.insert(key(offset), offset));
        }
        for offset in 5..8_000 {
            assert_eq!(map.is_superseded(offset), Some(model.contains(&offset)), "{offset}");
            if offset % 7 != 0 {
                let latest = map.get(map.hash(&key(offset)));
                assert_eq!(map.is_superseded(offset), Some(latest > Some(offset)));
            }
        }
        assert_eq!(map.count_superseded(5..=7_999), Some(model.len()));
        assert_eq!((map.is_superseded(4), map.is_superseded(20_000)), (None, None));
    }

    #[test]
    fn offsets_without_keys_count_as_seen() {
        let mut map = OffsetMap::new(1_000, 0.9, 0..10, [0, 0]);
        assert_eq!(map.latest_offset(), -1);
        put(&mut map, b"a", 0);
        map.advance_to(9);
        assert_eq!((map.latest_offset(), map.get(map.hash(b"a"))), (9, Some(0)));
        assert!(map.utilization() > 0.0);
    }
}
