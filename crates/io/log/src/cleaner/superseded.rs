//! Which offsets of the dirty part have a later record of the same key: a bit each.
//!
//! The pass that notes the keys meets each key's earlier offset when it notes the later one. What it writes down here the
//! pass that copies need not find out again: it hashes and looks up nothing, and a batch without any record that stays it
//! does not even decompress.

use std::ops::RangeInclusive;

/// Offsets from `from` on, as far as there are bits; nothing is known of others.
#[derive(Debug)]
pub(super) struct Superseded {
    from: i64,
    bits: Vec<u64>,
}

impl Superseded {
    /// For `offsets` of them, or as many as fit into `bytes`.
    pub(super) fn new(from: i64, offsets: u64, bytes: usize) -> Self {
        let words = usize::try_from(offsets.div_ceil(64)).unwrap_or(usize::MAX);
        Self {
            from,
            bits: vec![0; words.min(bytes / 8)],
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bits.len() * 8
    }

    /// Notes that a later record has the key of the one at `offset`.
    #[inline]
    pub(super) fn insert(&mut self, offset: i64) {
        if let Some((word, bit)) = self.place(offset) {
            self.bits[word] |= 1 << bit;
        }
    }

    /// Whether a later record has the key of the one at `offset`; `None`: not known here.
    #[inline]
    pub(super) fn contains(&self, offset: i64) -> Option<bool> {
        let (word, bit) = self.place(offset)?;
        Some(self.bits[word] >> bit & 1 != 0)
    }

    /// How many of these offsets are noted; `None`: not known here.
    pub(super) fn count(&self, offsets: RangeInclusive<i64>) -> Option<usize> {
        let ((first, low), (last, high)) = (self.place(*offsets.start())?, self.place(*offsets.end())?);
        let words = self.bits.get(first..=last)?;
        let ones = words.iter().map(|word| word.count_ones() as usize).sum::<usize>();
        let below = self.bits[first] & !(u64::MAX << low);
        let above = self.bits[last] & !(u64::MAX >> (63 - high));
        Some(ones - (below.count_ones() + above.count_ones()) as usize)
    }

    #[inline]
    fn place(&self, offset: i64) -> Option<(usize, u32)> {
        let at = usize::try_from(offset.checked_sub(self.from)?).ok()?;
        (at / 64 < self.bits.len()).then_some((at / 64, (at % 64) as u32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_set_of_some_offsets() {
        let (from, offsets) = (1_000, 300);
        let mut set = Superseded::new(from, offsets, usize::MAX);
        let is_in = |offset: i64| offset % 3 == 0 || (1_060..1_130).contains(&offset);
        let all = from..from + offsets as i64;
        all.clone()
            .filter(|offset| is_in(*offset))
            .for_each(|offset| set.insert(offset));
        for first in all.clone() {
            assert_eq!(set.contains(first), Some(is_in(first)));
            for last in first..all.end {
                let expected = (first..=last).filter(|offset| is_in(*offset)).count();
                assert_eq!(set.count(first..=last), Some(expected), "{first} to {last}");
            }
        }
    }

    #[test]
    fn nothing_is_known_of_what_has_no_bit() {
        let mut set = Superseded::new(10, 1 << 40, 16);
        assert_eq!(set.bytes(), 16);
        for offset in [i64::MIN, 9, 10 + 128, i64::MAX] {
            set.insert(offset);
            assert_eq!(set.contains(offset), None);
        }
        assert_eq!((set.count(9..=20), set.count(20..=10 + 128)), (None, None));
        assert_eq!((set.count(10..=137), set.contains(137)), (Some(0), Some(false)));
        let set = Superseded::new(0, 100, 0);
        assert_eq!((set.bytes(), set.contains(0)), (0, None));
    }
}
