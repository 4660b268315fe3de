//! Which partition of `__consumer_offsets` a group belongs to.

/// The absolute value of Java's hash of the group id, modulo the number of partitions.
pub(super) fn partition_of(group: &str, count: i32) -> i32 {
    let hash = group.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    // Kafka's `Utils.abs`: the one value without an absolute becomes 0.
    hash.checked_abs().unwrap_or(0) % count
}

#[cfg(test)]
mod tests {
    use super::partition_of;

    #[test]
    fn groups_lie_where_kafka_puts_them() {
        // "".hashCode() = 0, "a" = 97, "my-group" = -1187231520, "polygenelubricants" = Integer.MIN_VALUE, "grüße" counts UTF-16 units
        assert_eq!(partition_of("", 50), 0);
        assert_eq!(partition_of("a", 50), 47);
        assert_eq!(partition_of("polygenelubricants", 50), 0);
        assert_eq!(partition_of("console-consumer-12345", 50), partition_of("console-consumer-12345", 50));
    }
}
