//! Where the output of Kafka's tools shows that they are written in Java.

/// The order in which a `HashMap` of Java's with these keys gives its values back.
pub fn hash_map_order<T>(items: Vec<T>, key: impl Fn(&T) -> &str) -> Vec<T> {
    // The table begins with 16 places and doubles when three quarters are taken.
    let mut places: u32 = 16;
    while items.len() as u64 * 4 > u64::from(places) * 3 {
        places *= 2;
    }
    let mut items = items;
    items.sort_by_key(|item| {
        let hash = key(item)
            .encode_utf16()
            .fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(unit.into()));
        (hash ^ (hash >> 16)) & (places - 1)
    });
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_in_javas_order() {
        // As `new java.util.HashMap` with these keys prints them on Java 17.
        let keys = vec![
            "retention.ms",
            "min.insync.replicas",
            "cleanup.policy",
            "segment.bytes",
            "compression.type",
        ];
        let ordered = hash_map_order(keys, |key| key);
        assert_eq!(ordered, EXPECTED);
    }

    const EXPECTED: [&str; 5] = [
        "compression.type",
        "cleanup.policy",
        "min.insync.replicas",
        "retention.ms",
        "segment.bytes",
    ];
}
