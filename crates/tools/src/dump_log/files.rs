//! Files beside a segment: the producers' state and the aborted transactions.

use std::fs::File;
use std::io::{self, BufReader, Read as _};
use std::path::Path;

use bytes::Bytes;
use klamm_protocol::data::{AbortedTxn, ProducerSnapshot};
use klamm_protocol::{Message as _, Reader};
use klamm_records::{crc32c, decrement_sequence};

use super::failures::{base_offset, unopened, unread};
use super::line::{Line, Value};
use crate::call::Outcome;
use crate::output::{Failure, Messages, Out};

/// Largest snapshot that is read: a million producers are 46 MB.
const MAX_SNAPSHOT: u64 = 256 << 20;
/// Version, producer, first, last and last stable offset.
const ABORTED: usize = 2 + 4 * 8;

/// `*.snapshot`. A damaged one is told, and no failure.
pub(super) fn producers(path: &Path, out: &mut Out, err: &mut Messages) -> Outcome {
    let file = File::open(path).map_err(|error| unopened(path, &error))?;
    let mut bytes = Vec::new();
    let read = file.take(MAX_SNAPSHOT).read_to_end(&mut bytes);
    read.map_err(|error| unread(path, &error))?;
    let snapshot = match parse(bytes) {
        Ok(snapshot) => snapshot,
        Err(why) => {
            out.flush()?;
            err.line(why);
            return Ok(());
        }
    };
    for producer in snapshot.producer_entries {
        let first = Some(producer.current_txn_first_offset).filter(|offset| *offset >= 0);
        let mut line = Line::new("producer")
            .int("producerId", producer.producer_id)
            .int("producerEpoch", producer.epoch)
            .int("coordinatorEpoch", producer.coordinator_epoch)
            .with("currentTxnFirstOffset", Value::Optional(first))
            .int("lastTimestamp", producer.timestamp);
        if producer.last_offset >= 0 {
            let first = decrement_sequence(producer.last_sequence, producer.offset_delta);
            line = line
                .int("firstSequence", first)
                .int("lastSequence", producer.last_sequence)
                .int("lastOffset", producer.last_offset)
                .int("offsetDelta", producer.offset_delta)
                .int("timestamp", producer.timestamp);
        }
        line.print("", out)?;
    }
    Ok(())
}

fn parse(bytes: Vec<u8>) -> Result<ProducerSnapshot, String> {
    let bytes = Bytes::from(bytes);
    let mut r = Reader::new(bytes.clone());
    let invalid = |error: &dyn std::fmt::Display| format!("Snapshot failed schema validation: {error}");
    let version = r.i16().map_err(|error| invalid(&error))?;
    if version != ProducerSnapshot::MAX_VERSION {
        return Err(invalid(&format_args!(
            "Snapshot contained an unknown file version {version}"
        )));
    }
    let snapshot = ProducerSnapshot::decode(&mut r, version).map_err(|error| invalid(&error))?;
    let computed = crc32c(&bytes[2 + 4..]);
    match snapshot.crc == computed {
        true => Ok(snapshot),
        false => Err(format!(
            "Snapshot is corrupt (CRC is no longer valid). Stored crc: {}. Computed crc: {computed}",
            snapshot.crc
        )),
    }
}

/// `*.txnindex`. No file is the same as an empty one: most segments have none.
pub(super) fn aborted(path: &Path, out: &mut Out) -> Outcome {
    base_offset(path)?;
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unopened(path, &error)),
    };
    let length = file.metadata().map_err(|error| unread(path, &error))?.len();
    let mut reader = BufReader::new(file);
    for _ in 0..length / ABORTED as u64 {
        let mut entry = vec![0; ABORTED];
        reader.read_exact(&mut entry).map_err(|error| unread(path, &error))?;
        let mut r = Reader::new(entry.into());
        let version = r.i16().unwrap_or_default();
        let known = version.clamp(AbortedTxn::MIN_VERSION, AbortedTxn::MAX_VERSION);
        let entry = AbortedTxn::decode(&mut r, known)
            .map_err(|error| Failure::own(format!("`{}` has an entry that can't be read: {error}", path.display())))?;
        Line::new("aborted-transaction")
            .int("version", version)
            .int("producerId", entry.producer_id)
            .int("firstOffset", entry.first_offset)
            .int("lastOffset", entry.last_offset)
            .int("lastStableOffset", entry.last_stable_offset)
            .print("", out)?;
    }
    Ok(())
}
