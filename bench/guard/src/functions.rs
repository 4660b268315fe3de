//! Hot functions by themselves, on one thread.

use std::hint::black_box;
use std::path::Path;

use bytes::Bytes;
use klamm_log::{AppendOrigin, Isolation, LogConfig, LogStart, TopicPartition, open_log};
use klamm_protocol::messages::{FetchRequest, ProduceRequest};
use klamm_protocol::{Message, Reader, Writer};
use klamm_records::{Batch, Scratch};

use crate::samples;

/// A function and what it works on.
pub(crate) struct Function {
    pub(crate) name: &'static str,
    /// Makes ready in a directory of its own; what is returned is done again and again.
    prepare: fn(&Path) -> Box<dyn FnMut()>,
}

/// Any time will do.
const NOW: i64 = 1_700_000_000_000;
const FITS: &str = "a sample is well-formed";

pub(crate) const ALL: &[Function] = &[
    Function {
        name: "build a batch of 100 records",
        prepare: |_| Box::new(|| drop(black_box(samples::batch(100, NOW)))),
    },
    Function {
        name: "check and read a batch of 100 records",
        prepare: |_| {
            let bytes = samples::batch(100, NOW);
            let mut scratch = Scratch::new();
            Box::new(move || {
                let batch = Batch::parse(black_box(&bytes)).expect(FITS);
                batch.verify_crc().expect(FITS);
                let records = batch.records(&mut scratch, usize::MAX).expect(FITS);
                let mut count = 0;
                for record in records {
                    black_box(record.expect(FITS));
                    count += 1;
                }
                assert_eq!(count, 100);
            })
        },
    },
    Function {
        name: "append a batch of one record",
        prepare: |dir| append(dir, samples::batch(1, NOW)),
    },
    Function {
        name: "append a batch of 100 records",
        prepare: |dir| append(dir, samples::batch(100, NOW)),
    },
    Function {
        name: "find an offset in a log of 1,000 batches",
        prepare: |dir| {
            let log = log(dir);
            let batch = samples::batch(10, NOW);
            for _ in 0..1_000 {
                log.append_as_leader(&batch, 1, AppendOrigin::Client, NOW).expect(FITS);
            }
            let mut offset = 0;
            Box::new(move || {
                offset = (offset + 7_919) % 10_000;
                let found = log.read(offset, 1 << 20, Isolation::LogEnd, true);
                drop(black_box(found.expect("it is there")));
            })
        },
    },
    Function {
        name: "decode Produce for 16 partitions",
        prepare: |_| {
            let bytes = encoded(&samples::produce(-1, 16, &samples::batch(1, NOW)), samples::PRODUCE);
            Box::new(move || decode::<ProduceRequest>(&bytes, samples::PRODUCE))
        },
    },
    Function {
        name: "decode Fetch for 100 partitions",
        prepare: |_| {
            let bytes = encoded(&samples::fetch(100), samples::FETCH);
            Box::new(move || decode::<FetchRequest>(&bytes, samples::FETCH))
        },
    },
    Function {
        name: "encode Metadata of 100 partitions",
        prepare: |_| {
            let response = samples::metadata_response(100);
            Box::new(move || drop(black_box(encoded(&response, samples::METADATA))))
        },
    },
];

fn log(dir: &Path) -> std::sync::Arc<klamm_log::Log> {
    let name = TopicPartition::new(samples::TOPIC, 0);
    let path = dir.join(name.to_string());
    let opened = open_log(&path, name, LogConfig::default(), LogStart::default(), NOW);
    opened.expect("an empty directory is a log").0
}

fn append(dir: &Path, batch: Bytes) -> Box<dyn FnMut()> {
    let log = log(dir);
    Box::new(move || {
        let appended = log.append_as_leader(black_box(&batch), 1, AppendOrigin::Client, NOW);
        black_box(appended.expect("it is taken"));
    })
}

fn encoded<M: Message>(message: &M, version: i16) -> Bytes {
    let mut writer = Writer::new();
    message.encode(&mut writer, version).expect(FITS);
    writer.into_bytes()
}

fn decode<M: Message>(bytes: &Bytes, version: i16) {
    drop(black_box(
        M::decode(&mut Reader::new(bytes.clone()), version).expect(FITS),
    ));
}

/// Does it `times` times, after a hundred that do not count.
pub(crate) fn run(name: &str, times: u64) -> Result<(), String> {
    let function = ALL.iter().find(|function| function.name == name);
    let function = function.ok_or_else(|| format!("there is no function `{name}`"))?;
    let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut work = (function.prepare)(dir.path());
    (0..100).for_each(|_| work());
    counted(&mut *work, times);
    Ok(())
}

/// Only what is done in here is counted: callgrind is told by the name.
#[inline(never)]
fn counted(work: &mut dyn FnMut(), times: u64) {
    (0..times).for_each(|_| work());
}
