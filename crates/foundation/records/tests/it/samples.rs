//! Records that the tests write and expect, and golden files.

use klamm_records::{Batch, BatchBuilder, Header, RecordsError, Scratch};

/// 2023-11-14, the timestamp that the golden batches count from.
pub(crate) const T: i64 = 1_700_000_000_000;
/// More than any sample decompresses to.
pub(crate) const LIMIT: usize = 1 << 20;

pub(crate) type OwnedHeader = (Vec<u8>, Option<Vec<u8>>);

/// A record by itself: what goes into a builder and comes out of an iterator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) timestamp: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<OwnedHeader>,
}

pub(crate) fn sample(timestamp: i64, key: Option<&str>, value: Option<&str>) -> Sample {
    let owned = |text: Option<&str>| text.map(|text| text.as_bytes().to_vec());
    Sample {
        timestamp,
        key: owned(key),
        value: owned(value),
        headers: Vec::new(),
    }
}

/// The records called R in the golden files' description.
pub(crate) fn golden_records() -> Vec<Sample> {
    let mut first = sample(T, Some("key-0"), Some("value-0"));
    first.headers = vec![
        (b"h1".to_vec(), Some(b"x".to_vec())),
        (b"h2".to_vec(), None),
        (Vec::new(), Some(Vec::new())),
        ("naïve".into(), Some("ü".into())),
    ];
    let mut last = sample(T + 86_400_000, Some(""), None);
    last.value = Some(vec![0; 300]);
    vec![
        first,
        sample(T - 1000, None, Some("value-1")),
        sample(T + 86_400_000, Some("key-2"), None),
        sample(T + 5, None, None),
        last,
    ]
}

/// The text called L in the golden files' description.
pub(crate) fn large_text() -> Vec<u8> {
    let line = |i: usize| match i % 1000 {
        0 => format!("line {} of the text, {i}\n", i % 97),
        _ => format!("line {}\n", i % 97),
    };
    (0..12_000).map(line).collect::<String>().into_bytes()
}

pub(crate) fn push_all(builder: &mut BatchBuilder, samples: &[Sample]) {
    for sample in samples {
        let headers: Vec<Header<'_>> = sample
            .headers
            .iter()
            .map(|(key, value)| Header {
                key,
                value: value.as_deref(),
            })
            .collect();
        builder
            .push(
                sample.timestamp,
                sample.key.as_deref(),
                sample.value.as_deref(),
                &headers,
            )
            .unwrap();
    }
}

pub(crate) fn read_all(batch: &Batch<'_>) -> Result<Vec<Sample>, RecordsError> {
    let mut scratch = Scratch::new();
    batch
        .records(&mut scratch, LIMIT)?
        .map(|record| {
            record.map(|record| Sample {
                timestamp: record.timestamp,
                key: record.key.map(<[u8]>::to_vec),
                value: record.value.map(<[u8]>::to_vec),
                headers: record
                    .headers()
                    .map(|header| (header.key.to_vec(), header.value.map(<[u8]>::to_vec)))
                    .collect(),
            })
        })
        .collect()
}

/// Bytes of a file in `tests/golden/`.
pub(crate) fn golden(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every golden batch of this format.
pub(crate) const BATCHES: [&str; 22] = [
    "records-none.bin",
    "records-gzip.bin",
    "records-snappy.bin",
    "records-lz4.bin",
    "records-zstd.bin",
    "transactional.bin",
    "create-time.bin",
    "log-append-time.bin",
    "stamped.bin",
    "large-gzip.bin",
    "large-snappy.bin",
    "large-lz4.bin",
    "large-zstd.bin",
    "delete-horizon.bin",
    "empty.bin",
    "control-commit.bin",
    "control-abort.bin",
    "control-leader-change.bin",
    "control-snapshot-header.bin",
    "control-snapshot-footer.bin",
    "control-kraft-version.bin",
    "control-voters.bin",
];
