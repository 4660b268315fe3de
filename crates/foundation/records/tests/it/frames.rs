//! Frames of other writers, and compression by itself.

use klamm_records::compression::{compress, decompress};
use klamm_records::{Codec, Compression, DecompressError, LevelOutOfRange, Scratch};
use proptest::prelude::*;

use crate::samples::{LIMIT, golden, large_text};

fn decompressed(compression: Compression, input: &[u8]) -> Result<Vec<u8>, DecompressError> {
    decompress(compression, input, &mut Scratch::new(), LIMIT).map(<[u8]>::to_vec)
}

fn compressed(codec: impl Into<Codec>, input: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    compress(codec, input, &mut Scratch::new(), &mut out);
    out
}

#[test]
fn frames_of_other_writers() {
    for (name, compression) in [
        ("lz4-all-checksums.bin", Compression::Lz4),
        ("lz4-4-mib-blocks.bin", Compression::Lz4),
        ("zstd-two-frames-and-a-skippable.bin", Compression::Zstd),
        ("zstd-window-128-mib.bin", Compression::Zstd),
        ("gzip-two-named-members.bin", Compression::Gzip),
        ("snappy-bare-block.bin", Compression::Snappy),
    ] {
        let bytes = golden(&format!("frames/{name}"));
        assert!(decompressed(compression, &bytes).unwrap() == large_text(), "{name}");
    }
    let bytes = golden("frames/lz4-incompressible-block.bin");
    assert_eq!(decompressed(Compression::Lz4, &bytes).unwrap().len(), 512);
}

#[test]
fn lz4_blocks_that_depend_on_each_other_are_refused_as_by_kafka() {
    assert_eq!(
        decompressed(
            Compression::Lz4,
            &golden("frames/lz4-dependent-blocks-all-checksums.bin")
        ),
        Err(DecompressError::Corrupt {
            compression: Compression::Lz4,
            reason: "blocks that depend on each other",
        })
    );
}

#[test]
fn checksums_of_frames_are_verified() {
    let corrupt = |compression, reason| Err(DecompressError::Corrupt { compression, reason });
    let mut bytes = golden("frames/lz4-all-checksums.bin");
    *bytes.last_mut().unwrap() ^= 1;
    assert_eq!(
        decompressed(Compression::Lz4, &bytes),
        corrupt(Compression::Lz4, "content checksum mismatch")
    );
    let mut bytes = golden("frames/lz4-all-checksums.bin");
    bytes[14] ^= 1;
    assert_eq!(
        decompressed(Compression::Lz4, &bytes),
        corrupt(Compression::Lz4, "descriptor checksum mismatch")
    );
    let mut bytes = golden("frames/lz4-all-checksums.bin");
    bytes[30] ^= 1;
    assert_eq!(
        decompressed(Compression::Lz4, &bytes),
        corrupt(Compression::Lz4, "block checksum mismatch")
    );

    let mut bytes = compressed(Compression::Gzip, b"text");
    let crc_at = bytes.len() - 8;
    bytes[crc_at] ^= 1;
    assert_eq!(
        decompressed(Compression::Gzip, &bytes),
        corrupt(Compression::Gzip, "checksum mismatch")
    );
    bytes[crc_at] ^= 1;
    bytes[crc_at + 4] ^= 1;
    assert_eq!(
        decompressed(Compression::Gzip, &bytes),
        corrupt(Compression::Gzip, "length mismatch")
    );
}

#[test]
fn streams_one_after_another() {
    for (compression, both) in [
        (Compression::Gzip, true),
        (Compression::Snappy, true),
        (Compression::Zstd, true),
        // Kafka's lz4 reader stops at the end of the first frame.
        (Compression::Lz4, false),
    ] {
        let mut bytes = compressed(compression, b"first ");
        bytes.extend(compressed(compression, b"second"));
        let expected: &[u8] = if both { b"first second" } else { b"first " };
        assert_eq!(decompressed(compression, &bytes).unwrap(), expected, "{compression}");
    }
    let mut bytes = compressed(Compression::Gzip, b"text");
    bytes.extend_from_slice(b"not a member");
    assert_eq!(
        decompressed(Compression::Gzip, &bytes).unwrap(),
        b"text",
        "Java ignores what is no member"
    );
}

#[test]
fn gzip_lengths_are_found_out_where_the_end_does_not_tell() {
    let text = large_text();
    let member = compressed(Compression::Gzip, &text);
    // Each but the first says at the end what is not the length of all.
    for (members, behind) in [
        (1, &b""[..]),
        (2, b""),
        (3, b""),
        (1, &[0; 4]),
        (1, &[0xff; 4]),
        (2, &[1, 0, 0, 0]),
    ] {
        let bytes = [&member.repeat(members), behind].concat();
        let expected = text.repeat(members);
        let mut scratch = Scratch::new();
        let limit = expected.len();
        assert_eq!(
            decompress(Compression::Gzip, &bytes, &mut scratch, limit).unwrap(),
            expected
        );
        let error = decompress(Compression::Gzip, &bytes, &mut scratch, limit - 1).unwrap_err();
        let compression = Compression::Gzip;
        assert_eq!(
            error,
            DecompressError::TooLarge {
                compression,
                limit: limit - 1
            }
        );
    }
    // A stream that is as dense as one can be, and says nothing of its length.
    let mut bytes = compressed(Compression::Gzip, &vec![0; 1 << 20]);
    assert!(bytes.len() < 1_200);
    bytes.extend_from_slice(&[0xff; 4]);
    assert_eq!(decompressed(Compression::Gzip, &bytes).unwrap(), vec![0; 1 << 20]);
}

#[test]
fn gzip_headers_with_every_field() {
    let plain = compressed(Compression::Gzip, b"text");
    let mut bytes = vec![0x1f, 0x8b, 8, 0x1f, 1, 2, 3, 4, 0, 3];
    bytes.extend_from_slice(&[3, 0, b'a', b'b', b'c']);
    bytes.extend_from_slice(b"name\0comment\0");
    let header_crc = crc_fast::crc32_iso_hdlc(&bytes) as u16;
    bytes.extend_from_slice(&header_crc.to_le_bytes());
    bytes.extend_from_slice(&plain[10..]);
    assert_eq!(decompressed(Compression::Gzip, &bytes).unwrap(), b"text");
    let broken = bytes.len() - plain[10..].len() - 1;
    bytes[broken] ^= 1;
    assert!(decompressed(Compression::Gzip, &bytes).is_err());
}

#[test]
fn levels() {
    let text = large_text();
    for (compression, levels) in [
        (Compression::Gzip, &[-1, 1, 6, 9][..]),
        (Compression::Lz4, &[1, 3, 9, 12, 17]),
        (Compression::Zstd, &[-131_072, -5, 0, 1, 3, 12, 19, 22]),
    ] {
        for &level in levels {
            let codec = Codec::with_level(compression, level).unwrap();
            let bytes = compressed(codec, &text);
            // The fastest level of zstd finds nothing to compress.
            assert!(bytes.len() < text.len() + 100, "{compression} {level}: {}", bytes.len());
            assert!(
                decompressed(compression, &bytes).unwrap() == text,
                "{compression} {level}"
            );
        }
    }
    for (compression, level) in [
        (Compression::Gzip, 0),
        (Compression::Gzip, 10),
        (Compression::Gzip, -2),
        (Compression::Lz4, 0),
        (Compression::Lz4, 18),
        (Compression::Zstd, 23),
        (Compression::Zstd, -131_073),
        (Compression::Snappy, 1),
    ] {
        assert_eq!(
            Codec::with_level(compression, level),
            Err(LevelOutOfRange { compression, level })
        );
    }
    assert_eq!(Codec::from(Compression::Lz4).level(), 9);
}

#[test]
fn a_change_of_level_takes_effect_in_a_used_scratch() {
    let text = include_bytes!("../../src/record.rs");
    let mut scratch = Scratch::new();
    for compression in [Compression::Gzip, Compression::Zstd, Compression::Lz4] {
        // Level 9 of lz4 is the fast one that Java's client has there.
        let (low, high) = match compression {
            Compression::Zstd => (-100, 19),
            Compression::Lz4 => (9, 12),
            _ => (1, 9),
        };
        let sizes: Vec<_> = [low, high, low]
            .map(|level| {
                let mut out = Vec::new();
                compress(
                    Codec::with_level(compression, level).unwrap(),
                    text,
                    &mut scratch,
                    &mut out,
                );
                out.len()
            })
            .into();
        assert_eq!(sizes[0], sizes[2], "{compression}");
        assert!(sizes[1] < sizes[0], "{compression} {sizes:?}");
    }
}

#[test]
fn names() {
    for compression in Compression::ALL {
        assert_eq!(Compression::from_name(compression.name()), Some(compression));
        assert_eq!(Compression::from_id(compression.id()), Some(compression));
    }
    assert_eq!(Compression::from_name("producer"), None);
    assert_eq!(Compression::from_id(5), None);
}

/// Bytes between random and repetitive, so that codecs meet literals, short and long matches, and block borders.
fn texture() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        (any::<u8>(), 0..5000usize).prop_map(|(byte, length)| vec![byte; length]),
        (prop::collection::vec(any::<u8>(), 1..40), 1..400usize).prop_map(|(unit, times)| unit.repeat(times)),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_codec_round_trips(input in texture(), more in texture(), lz4_level in 1..=17) {
        let mut scratch = Scratch::new();
        let lz4 = Codec::with_level(Compression::Lz4, lz4_level).unwrap();
        for codec in Compression::ALL.map(Codec::from).into_iter().chain([lz4]) {
            let compression = codec.compression();
            let mut bytes = b"before".to_vec();
            compress(codec, &input, &mut scratch, &mut bytes);
            prop_assert_eq!(&bytes[..6], b"before");
            let mut second = Vec::new();
            compress(codec, &more, &mut scratch, &mut second);
            prop_assert!(decompress(compression, &bytes[6..], &mut scratch, input.len()).unwrap() == input);
            prop_assert!(decompress(compression, &second, &mut scratch, more.len()).unwrap() == more);
        }
    }
}
