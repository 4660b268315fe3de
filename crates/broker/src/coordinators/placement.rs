//! Which partition of `__consumer_offsets` a group belongs to.

/// The absolute value of Java's hash of the group id, modulo the number of partitions.
pub(super) fn partition_of(group: &str, count: i32) -> i32 {
    let hash = group
        .encode_utf16()
        .fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    // Kafka's `Utils.abs`: the one value without an absolute becomes 0.
    hash.checked_abs().unwrap_or(0) % count
}

#[cfg(test)]
mod tests {
    use super::partition_of;

    #[test]
    fn groups_lie_where_kafka_puts_them() {
        // What Java's String.hashCode says: "" 0, "hello" 99162322, "Aa" and "BB" both 2112, and one that has no absolute value.
        assert_eq!(partition_of("", 50), 0);
        assert_eq!(partition_of("hello", 50), 22);
        assert_eq!((partition_of("Aa", 1_000), partition_of("BB", 1_000)), (112, 112));
        assert_eq!(partition_of("polygenelubricants", 50), 0);
    }
}
