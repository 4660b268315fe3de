use super::*;

/// An entry as Kafka writes it.
fn entry(producer_id: i64, first_offset: i64, last_offset: i64, last_stable_offset: i64) -> Vec<u8> {
    let mut bytes = vec![0, 0];
    for field in [producer_id, first_offset, last_offset, last_stable_offset] {
        bytes.extend_from_slice(&field.to_be_bytes());
    }
    bytes
}

#[test]
fn entries_are_read_and_a_torn_one_is_left_out() {
    let mut bytes = entry(7, 10, 20, 15);
    bytes.extend(entry(8, 12, 30, 21));
    let whole = [(7, 10, 20), (8, 12, 30)].map(|(producer_id, first_offset, last_offset)| AbortedTransaction {
        producer_id,
        first_offset,
        last_offset,
    });
    assert_eq!(parse(&bytes).collect::<Vec<_>>(), whole);
    for cut in 1..ENTRY {
        assert_eq!(parse(&bytes[..bytes.len() - cut]).collect::<Vec<_>>(), whole[..1]);
    }
}
