//! Sequence numbers of idempotent producers (KIP-98): 0 to `i32::MAX`, then 0 again.

const MODULUS: i64 = 1 << 31;

/// The sequence number `increment` records after `sequence`.
#[inline]
pub fn increment_sequence(sequence: i32, increment: i32) -> i32 {
    ((i64::from(sequence) + i64::from(increment)).rem_euclid(MODULUS)) as i32
}

/// The sequence number `decrement` records before `sequence`.
#[inline]
pub fn decrement_sequence(sequence: i32, decrement: i32) -> i32 {
    ((i64::from(sequence) - i64::from(decrement)).rem_euclid(MODULUS)) as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn zero_follows_the_largest() {
        assert_eq!(increment_sequence(i32::MAX, 1), 0);
        assert_eq!(increment_sequence(i32::MAX - 2, 5), 2);
        assert_eq!(increment_sequence(i32::MAX, i32::MAX), i32::MAX - 1);
        assert_eq!(decrement_sequence(0, 1), i32::MAX);
        assert_eq!(decrement_sequence(2, 5), i32::MAX - 2);
        assert_eq!(increment_sequence(7, 0), 7);
    }

    proptest! {
        #[test]
        fn decrement_undoes_increment(sequence in 0..=i32::MAX, by in 0..=i32::MAX) {
            let after = increment_sequence(sequence, by);
            prop_assert!(after >= 0);
            prop_assert_eq!(decrement_sequence(after, by), sequence);
        }
    }
}
