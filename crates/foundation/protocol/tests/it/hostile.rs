//! Bytes that no client of good will sends: no panic, and no allocation beyond a small multiple of the frame.

use bytes::Bytes;
use klamm_protocol::messages::{DescribeGroupsRequest, JoinGroupRequest, ProduceRequest};
use klamm_protocol::{DecodeErrorKind, MAX_ARRAY_ELEMENTS, MAX_TAGGED_FIELDS, Message, Reader, Writer};

use crate::allocations::peak_during;
use crate::entry::Entry;
use crate::golden::{Golden, goldens};
use crate::random_wire::Random;

/// Mutations of each golden message.
const MUTATIONS: u64 = 60;

/// Most bytes that reading may hold per byte of the frame. The element that costs most takes 40 times its smallest form
/// on the wire (three bytes of a ListedGroup are 120 in memory), and half of that again while its array grows.
const PER_BYTE: usize = 64;

/// And on top, whatever the frame.
const FIXED: usize = 4096;

/// Reads a frame under watch; whether it is a message does not matter.
fn read(message: &Entry, version: i16, frame: Vec<u8>, what: &str) -> usize {
    let length = frame.len();
    let frame = Bytes::from(frame);
    let (_, peak) = peak_during(|| (message.decode)(frame.clone(), version));
    let bound = length * PER_BYTE + FIXED;
    assert!(
        peak <= bound,
        "{} {version} {what}: {peak} bytes held for a frame of {length}",
        message.name
    );
    peak
}

#[test]
fn mutated_messages_neither_panic_nor_allocate_much() {
    for Golden {
        message,
        version,
        content,
        bytes,
    } in goldens()
    {
        for seed in 0..MUTATIONS {
            let frame = mutate(&bytes, &mut Random(seed));
            read(message, version, frame, &format!("{content} seed {seed}"));
        }
    }
}

/// Flips, overwrites with telling values, cuts, doubles or inserts.
pub(crate) fn mutate(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    const TELLING: [&[u8]; 8] = [
        &[0xff],
        &[0x7f, 0xff, 0xff, 0xff],
        &[0xff, 0xff, 0xff, 0xff],
        &[0x80, 0x00, 0x00, 0x00],
        &[0x00, 0x0f, 0x42, 0x40],
        &[0xff, 0xff, 0xff, 0xff, 0x0f],
        &[0xff, 0xff, 0xff, 0xff, 0x7f],
        &[0xc0, 0x84, 0x3d],
    ];
    let mut frame = bytes.to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(frame.len() + 1);
        match random.below(6) {
            0 => frame.truncate(at),
            1 => drop(frame.splice(at..at, TELLING[random.below(8)].iter().copied())),
            2 => {
                let tail = frame[at..].to_vec();
                frame.extend(tail);
            }
            3 | 4 => {
                let telling = TELLING[random.below(8)];
                let end = (at + telling.len()).min(frame.len());
                frame.splice(at..end, telling.iter().copied());
            }
            _ => {
                if let Some(byte) = frame.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
        }
    }
    frame
}

/// What a random frame of the right kind cannot show: arrays as full of the smallest elements as they can be.
#[test]
fn the_worst_frames_stay_below_the_bound() {
    for message in crate::all_messages::ALL {
        for version in message.versions.min..=message.versions.max {
            // Zeros are empty strings and absent fields; small numbers are counts of them, as varint or as i32.
            for unit in [
                &[0u8][..],
                &[1],
                &[2],
                &[0, 0, 0, 1],
                &[2, 1],
                &[1, 2, 1],
                &[1, 1, 1, 2],
            ] {
                for head in [&[][..], &[0xff, 0x7f], &[0x00, 0x00, 0x20, 0x00], &[0x00, 0xff, 0x3f]] {
                    let frame = [head, &unit.repeat(16_384 / unit.len())].concat();
                    read(message, version, frame, &format!("{head:?} {unit:?}"));
                }
            }
        }
    }
}

/// The 18-byte frame that made another implementation allocate 206 GB.
#[test]
fn a_count_without_elements_is_refused_before_anything_is_allocated() {
    let mut writer = Writer::new();
    writer.i16(-1); // transactional_id
    writer.i16(-1); // acks
    writer.i32(1000); // timeout_ms
    writer.i32(i32::MAX); // topic_data
    let frame = writer.into_bytes();
    let (result, peak) = peak_during(|| ProduceRequest::decode(&mut Reader::new(frame), 8));
    let error = result.expect_err("no such array fits");
    assert_eq!(error.at, 12);
    assert!(matches!(error.kind, DecodeErrorKind::TooManyElements { count } if count == i32::MAX as usize));
    assert!(peak < 100, "{peak} bytes for 12");
}

#[test]
fn more_than_a_million_elements_are_refused_even_when_they_are_there() {
    let frame = |count: usize| {
        let mut writer = Writer::new();
        writer.unsigned_varint(count as u32 + 1);
        writer.raw(&vec![1; count]); // empty strings
        writer.raw(&[0, 0]); // include_authorized_operations, no tags
        writer.into_bytes()
    };
    let full =
        DescribeGroupsRequest::decode(&mut Reader::new(frame(MAX_ARRAY_ELEMENTS)), 6).expect("a million are allowed");
    assert_eq!(full.groups.len(), MAX_ARRAY_ELEMENTS);
    let error =
        DescribeGroupsRequest::decode(&mut Reader::new(frame(MAX_ARRAY_ELEMENTS + 1)), 6).expect_err("one too many");
    assert_eq!(
        error.kind,
        DecodeErrorKind::TooManyElements {
            count: MAX_ARRAY_ELEMENTS + 1
        }
    );
}

#[test]
fn too_many_tagged_fields_are_refused() {
    let frame = |count: usize| {
        let mut writer = Writer::new();
        writer.raw(&[1, 0]); // no groups, include_authorized_operations
        writer.unsigned_varint(count as u32);
        for tag in 0..count {
            writer.unsigned_varint(tag as u32);
            writer.unsigned_varint(0);
        }
        writer.into_bytes()
    };
    let full =
        DescribeGroupsRequest::decode(&mut Reader::new(frame(MAX_TAGGED_FIELDS)), 6).expect("ten thousand are allowed");
    assert_eq!(full.unknown_tagged_fields.len(), MAX_TAGGED_FIELDS);
    let error =
        DescribeGroupsRequest::decode(&mut Reader::new(frame(MAX_TAGGED_FIELDS + 1)), 6).expect_err("one too many");
    assert_eq!(
        error.kind,
        DecodeErrorKind::TooManyTaggedFields {
            count: MAX_TAGGED_FIELDS + 1
        }
    );
}

#[test]
fn tags_have_to_rise() {
    for tags in [[7, 7], [8, 7]] {
        let frame = Bytes::from(vec![1, 0, 2, tags[0], 0, tags[1], 0]);
        let error = DescribeGroupsRequest::decode(&mut Reader::new(frame), 6).expect_err("out of order");
        assert_eq!(
            error.kind,
            DecodeErrorKind::TagOrder {
                tag: tags[1].into(),
                previous: tags[0].into()
            }
        );
    }
}

#[test]
fn null_where_none_is_allowed_is_refused() {
    let error = DescribeGroupsRequest::decode(&mut Reader::new(Bytes::from_static(&[0, 0, 0])), 6).expect_err("groups");
    assert_eq!(error.kind, DecodeErrorKind::UnexpectedNull);
    let error = JoinGroupRequest::decode(&mut Reader::new(Bytes::from_static(&[0xff, 0xff])), 0).expect_err("group_id");
    assert_eq!(error.kind, DecodeErrorKind::UnexpectedNull);
    // Any negative length is null, as in Kafka.
    let error = JoinGroupRequest::decode(&mut Reader::new(Bytes::from_static(&[0x80, 0])), 0).expect_err("group_id");
    assert_eq!(error.kind, DecodeErrorKind::UnexpectedNull);
}

#[test]
fn compact_strings_are_as_short_as_others() {
    let mut writer = Writer::new();
    writer.unsigned_varint(2);
    writer.unsigned_varint(0x8000 + 1);
    writer.raw(&vec![b'a'; 0x8000]);
    writer.raw(&[0, 0]);
    let error = DescribeGroupsRequest::decode(&mut Reader::new(writer.into_bytes()), 6).expect_err("32,768 bytes");
    assert_eq!(error.kind, DecodeErrorKind::StringTooLong { length: 0x8000 });
}
