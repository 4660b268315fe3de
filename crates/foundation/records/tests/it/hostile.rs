//! Truncated, mutated and exploding input: an error, never a panic, never memory beyond the limit.

use klamm_records::compression::{compress, decompress};
use klamm_records::{
    Batch, BatchBuilder, BatchError, BatchHeader, Compression, DecompressError, RecordsError, Scratch, batches, crc32c,
    validate_records,
};
use proptest::prelude::*;

use crate::samples::{BATCHES, LIMIT, T, golden, large_text};

const CODECS: [Compression; 4] = [
    Compression::Gzip,
    Compression::Snappy,
    Compression::Lz4,
    Compression::Zstd,
];
/// What buffers may hold beyond the limit: a codec's first guess.
const SLACK: usize = 64 * 1024;

#[test]
fn every_truncation_of_a_batch_is_reported_as_one() {
    for name in BATCHES {
        let whole = golden(name);
        let mut two = golden("records-none.bin");
        let first = two.len();
        two.extend_from_slice(&whole);
        for cut in 1..whole.len() {
            let mut iterator = batches(&two[..first + cut]);
            iterator.next().unwrap().unwrap();
            let error = iterator.next().unwrap().unwrap_err();
            let BatchError::Truncated { needed, available } = error else {
                panic!("{name} at {cut}: {error}")
            };
            assert_eq!(available, cut);
            assert_eq!(needed, if cut < 12 { 12 } else { whole.len() });
            assert_eq!(iterator.position(), first);
            assert!(iterator.next().is_none());
            assert_eq!(BatchHeader::parse(&whole[..cut]).is_ok(), cut >= 61);
        }
    }
}

#[test]
fn every_truncation_of_compressed_records_is_refused() {
    for name in ["records", "large"] {
        for compression in CODECS {
            let bytes = golden(&format!("{name}-{compression}.bin"));
            for cut in 0..bytes.len() - 61 {
                let cut = &bytes[..61 + cut];
                let mut header = BatchHeader::parse(&bytes).unwrap();
                header.batch_length = cut.len() as i32 - 12;
                let batch = Batch { header, bytes: cut };
                let error = batch.decompressed(&mut Scratch::new(), LIMIT).and_then(|_| {
                    batch
                        .records(&mut Scratch::new(), LIMIT)?
                        .try_for_each(|record| record.map(drop))
                });
                assert!(error.is_err(), "{name} {compression} cut to {}", cut.len());
            }
        }
    }
}

#[test]
fn lengths_and_magics_that_cannot_be() {
    let good = golden("records-none.bin");
    let edited = |at: usize, bytes: &[u8]| {
        let mut batch = good.clone();
        batch[at..at + bytes.len()].copy_from_slice(bytes);
        Batch::parse(&batch).map(drop).unwrap_err()
    };
    for batch_length in [i32::MIN, -1, 0, 13] {
        assert_eq!(
            edited(8, &batch_length.to_be_bytes()),
            BatchError::TooSmall {
                batch_length,
                minimum: 14
            }
        );
    }
    for batch_length in [14i32, 48] {
        assert_eq!(
            edited(8, &batch_length.to_be_bytes()),
            BatchError::TooSmall {
                batch_length,
                minimum: 49
            }
        );
    }
    let huge = edited(8, &i32::MAX.to_be_bytes());
    assert_eq!(
        huge,
        BatchError::Truncated {
            needed: i32::MAX as usize + 12,
            available: good.len()
        }
    );
    for magic in [3i8, 127, -1, -128] {
        assert_eq!(edited(16, &magic.to_be_bytes()), BatchError::InvalidMagic { magic });
    }
    assert!(matches!(
        edited(16, &[1]),
        BatchError::UnsupportedMagic {
            magic: 1,
            offset: 100,
            ..
        }
    ));
}

#[test]
fn every_flipped_bit_under_the_checksum_is_found() {
    let good = golden("records-lz4.bin");
    for at in 17..good.len() {
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << bit;
            let error = Batch::parse(&bytes).unwrap().verify_crc().unwrap_err();
            assert!(
                matches!(error, BatchError::CorruptCrc { base_offset: 100, .. }),
                "byte {at} bit {bit}"
            );
        }
    }
}

#[test]
fn bombs_stop_at_the_limit() {
    let bomb = vec![0u8; 64 << 20];
    for compression in CODECS {
        let mut bytes = Vec::new();
        let mut scratch = Scratch::new();
        compress(compression, &bomb, &mut scratch, &mut bytes);
        for limit in [0, 1, 1000, LIMIT, 5 * LIMIT, bomb.len() - 1] {
            let mut scratch = Scratch::new();
            let error = decompress(compression, &bytes, &mut scratch, limit).unwrap_err();
            assert_eq!(error, DecompressError::TooLarge { compression, limit });
            assert!(
                scratch.capacity() <= limit + SLACK,
                "{compression}: {} for {limit}",
                scratch.capacity()
            );
        }
        let mut scratch = Scratch::new();
        assert_eq!(
            decompress(compression, &bytes, &mut scratch, bomb.len()).unwrap().len(),
            bomb.len()
        );
        assert!(
            scratch.capacity() <= bomb.len() + SLACK,
            "{compression}: {}",
            scratch.capacity()
        );
        scratch.shrink_to(LIMIT);
        assert_eq!(scratch.capacity(), 0);
    }
    let error = decompress(Compression::None, &[0; 9], &mut Scratch::new(), 8)
        .map(drop)
        .unwrap_err();
    assert_eq!(
        error,
        DecompressError::TooLarge {
            compression: Compression::None,
            limit: 8
        }
    );
}

#[test]
fn the_limit_itself_is_allowed() {
    let text = large_text();
    for compression in CODECS {
        let mut bytes = Vec::new();
        let mut scratch = Scratch::new();
        compress(compression, &text, &mut scratch, &mut bytes);
        assert_eq!(
            decompress(compression, &bytes, &mut scratch, text.len()).unwrap().len(),
            text.len()
        );
        assert!(decompress(compression, &bytes, &mut scratch, text.len() - 1).is_err());
    }
}

#[test]
fn declared_sizes_allocate_nothing() {
    let mut scratch = Scratch::new();
    // A bare snappy block of a few bytes that says it holds 4 GiB less one.
    let snappy = [0xff, 0xff, 0xff, 0xff, 0x0f, 0x00, 0x61];
    let error = decompress(Compression::Snappy, &snappy, &mut scratch, usize::MAX)
        .map(drop)
        .unwrap_err();
    let reason = "a block declares more than it can hold";
    assert_eq!(
        error,
        DecompressError::Corrupt {
            compression: Compression::Snappy,
            reason
        }
    );
    // A zstd frame header that declares a content of 1 TiB in a single segment, and no more.
    let zstd = [0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0];
    assert!(decompress(Compression::Zstd, &zstd, &mut scratch, 1 << 40).is_err());
    // An lz4 frame that declares 4 MiB blocks and a content of 2^62 bytes.
    let mut lz4 = vec![0x04, 0x22, 0x4d, 0x18, 0x68, 0x70, 0, 0, 0, 0, 0, 0, 0, 0x40];
    lz4.push((twox_hash::XxHash32::oneshot(0, &lz4[4..]) >> 8) as u8);
    lz4.extend_from_slice(&[2, 0, 0, 0, 0x10, 0x61, 0, 0, 0, 0]);
    assert_eq!(decompress(Compression::Lz4, &lz4, &mut scratch, 1 << 40).unwrap(), b"a");
    assert!(scratch.capacity() <= SLACK, "{}", scratch.capacity());
}

#[test]
fn a_used_scratch_shows_nothing_of_earlier_batches() {
    let mut scratch = Scratch::new();
    for name in ["large-zstd.bin", "large-lz4.bin", "large-snappy.bin", "large-gzip.bin"] {
        let large = golden(name);
        let batch = Batch::parse(&large).unwrap();
        let expected = batch.decompressed(&mut Scratch::new(), LIMIT).unwrap().to_vec();
        for compression in CODECS {
            assert!(batch.decompressed(&mut scratch, LIMIT).unwrap() == expected);
            let small = golden(&format!("records-{compression}.bin"));
            let plain = golden("records-none.bin");
            assert_eq!(
                Batch::parse(&small).unwrap().decompressed(&mut scratch, LIMIT).unwrap(),
                &plain[61..]
            );
            // A failure in between must not spoil the contexts.
            assert!(decompress(compression, &large[61..200], &mut scratch, LIMIT).is_err());
        }
    }
}

/// Everything that reads may see these bytes; what it says does not matter here, only that it comes back.
fn read_everything(bytes: &[u8]) {
    let mut scratch = Scratch::new();
    for batch in batches(bytes).map_while(Result::ok) {
        let _ = batch.verify_crc();
        let _ = (
            batch.header.last_offset(),
            batch.header.next_offset(),
            batch.header.last_sequence(),
        );
        let mut errors = Vec::new();
        let _ = validate_records(
            &batch,
            &mut scratch,
            LIMIT,
            |_, record| record.key.is_none().then_some(()),
            &mut errors,
        );
        assert!(errors.len() <= LIMIT);
        if let Ok(records) = batch.records(&mut scratch, LIMIT) {
            for record in records.map_while(Result::ok) {
                assert_eq!(record.headers().len(), record.headers().count());
            }
        }
        if let Ok(positions) = batch.positions(&mut scratch, LIMIT) {
            positions.for_each(drop);
        }
        assert!(scratch.capacity() <= LIMIT + SLACK);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn mutated_batches(
        name in prop::sample::select(BATCHES.to_vec()),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        resealed: bool,
    ) {
        let mut bytes = golden(name);
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if resealed {
            let crc = crc32c(&bytes[21..]);
            bytes[17..21].copy_from_slice(&crc.to_be_bytes());
        }
        read_everything(&bytes);
    }

    #[test]
    fn records_of_random_bytes(count in -2..40i32, body in prop::collection::vec(any::<u8>(), 0..200), id in 0..8u8) {
        let mut builder = BatchBuilder::new(Compression::None);
        builder.push(T, None, None, &[]).unwrap();
        let mut header = Batch::parse(&builder.build()).unwrap().header;
        header.records_count = count;
        header.last_offset_delta = count - 1;
        header.attributes.0 = i16::from(id);
        header.batch_length = 49 + body.len() as i32;
        let mut bytes = vec![0; 61];
        header.write(&mut bytes);
        bytes.extend_from_slice(&body);
        read_everything(&bytes);
    }

    #[test]
    fn random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        read_everything(&bytes);
        for compression in CODECS {
            let mut scratch = Scratch::new();
            let _ = decompress(compression, &bytes, &mut scratch, LIMIT);
            prop_assert!(scratch.capacity() <= LIMIT + SLACK);
        }
    }

    #[test]
    fn mutated_frames(
        name in prop::sample::select(vec![
            "lz4-all-checksums", "lz4-4-mib-blocks", "lz4-incompressible-block",
            "zstd-two-frames-and-a-skippable", "zstd-window-128-mib", "gzip-two-named-members", "snappy-bare-block",
        ]),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        length in any::<prop::sample::Index>(),
        cut: bool,
    ) {
        let mut bytes = golden(&format!("frames/{name}.bin"));
        for (at, byte) in edits {
            // Most of a frame's meaning is at its front.
            let at = at.index(bytes.len().min(64));
            bytes[at] = byte;
        }
        if cut {
            bytes.truncate(length.index(bytes.len()));
        }
        let compression = CODECS.into_iter().find(|compression| name.starts_with(compression.name())).unwrap();
        let mut scratch = Scratch::new();
        let _ = decompress(compression, &bytes, &mut scratch, LIMIT);
        prop_assert!(scratch.capacity() <= LIMIT + SLACK);
    }
}

#[test]
fn too_large_batches_are_told_from_corrupt_ones() {
    let bytes = golden("large-zstd.bin");
    let error = Batch::parse(&bytes)
        .unwrap()
        .records(&mut Scratch::new(), 1000)
        .map(drop)
        .unwrap_err();
    let expected = DecompressError::TooLarge {
        compression: Compression::Zstd,
        limit: 1000,
    };
    assert_eq!(error, RecordsError::Decompress(expected));
}
