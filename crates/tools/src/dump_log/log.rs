//! Segments of a log, and snapshots of the cluster's metadata, which are files of batches too.

use std::path::Path;

use bytes::Bytes;
use klamm_protocol::data::{
    KRaftVersionRecord, LeaderChangeMessage, SnapshotFooterRecord, SnapshotHeaderRecord, VotersRecord,
};
use klamm_protocol::{Message, Reader, Schema};
use klamm_records::{
    Batch, BatchHeader, ControlRecordType, MAGIC_V2, RecordRef, Scratch, TimestampType, UnknownCompression,
};

use super::Dump;
use super::batches::{Batches, Header, MAX_BATCH, Raw};
use super::decoder::Decoder;
use super::failures::base_offset;
use super::line::{Line, Value};
use crate::call::Outcome;
use crate::output::{Failure, Out};

/// How records are shown.
pub(super) struct Depth {
    pub(super) records: bool,
    pub(super) contents: Option<Decoder>,
    pub(super) skip_metadata: bool,
    pub(super) max_bytes: i32,
}

/// `*.log` and `*.checkpoint`.
pub(super) fn dump(path: &Path, depth: &Depth, dump: &mut Dump, out: &mut Out) -> Outcome {
    heading(path, out)?;
    let max_bytes = u64::try_from(depth.max_bytes)
        .map_err(|_| Failure::own(format!("Invalid size: {} for `--max-bytes`", depth.max_bytes)))?;
    let mut batches = Batches::open(path, max_bytes)?;
    let mut scratch = Scratch::new();
    let mut last_offset = -1_i64;
    while let Some(mut raw) = batches.next()? {
        batches.finish(&mut raw, depth.records)?;
        batch_line(&raw, path)?.print("", out)?;
        if depth.records {
            records(&raw, path, depth, &mut scratch, out, &mut |offset| {
                if last_offset != -1 && offset != last_offset.wrapping_add(1) {
                    dump.non_consecutive(path, last_offset, offset);
                }
                last_offset = offset;
            })?;
        }
    }
    let trailing = batches.end() - batches.position();
    if trailing > 0 && depth.max_bytes == i32::MAX {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        match out.is_json() {
            true => Line::new("trailing")
                .int("invalidBytes", trailing as i64)
                .print("", out)?,
            false => out.line(format_args!("Found {trailing} invalid bytes at the end of {name}"))?,
        }
    }
    Ok(())
}

fn heading(path: &Path, out: &mut Out) -> Outcome {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if !name.ends_with(".checkpoint") {
        let start = base_offset(path)?;
        return match out.is_json() {
            true => Line::new("log").int("startOffset", start).print("", out),
            false => out.line(format_args!("Log starting offset: {start}")),
        };
    }
    if name == "bootstrap.checkpoint" {
        return match out.is_json() {
            true => Line::new("bootstrap").print("", out),
            false => out.line("KRaft bootstrap snapshot"),
        };
    }
    let (end_offset, epoch) = snapshot_id(&name).ok_or_else(|| {
        Failure::own(format!("`{}` is not named as a snapshot is", path.display()))
            .hint("snapshots are called as their end offset in 20 digits, `-` and their epoch in 10")
    })?;
    match out.is_json() {
        true => Line::new("snapshot")
            .int("endOffset", end_offset)
            .int("epoch", epoch)
            .print("", out),
        false => out.line(format_args!("Snapshot end offset: {end_offset}, epoch: {epoch}")),
    }
}

fn snapshot_id(name: &str) -> Option<(i64, i32)> {
    let (offset, epoch) = name.strip_suffix(".checkpoint")?.split_once('-')?;
    (offset.len() == 20 && epoch.len() == 10).then_some(())?;
    Some((offset.parse().ok()?, epoch.parse().ok()?))
}

fn batch_line(raw: &Raw, path: &Path) -> Result<Line, Failure> {
    let (line, crc, compression, timestamp) = match &raw.header {
        Header::V2(header) => {
            let line = v2_fields(header);
            let kind = timestamp_name(header.attributes.timestamp_type());
            (
                line,
                header.crc,
                header.attributes.compression(),
                (kind, header.max_timestamp),
            )
        }
        Header::Legacy(legacy) => {
            let codec = legacy.attributes & 7;
            let codec = klamm_records::Compression::from_id(codec).ok_or(UnknownCompression { id: codec });
            let kind = match (raw.magic, legacy.attributes & 8) {
                (1, 0) => "CreateTime",
                (1, _) => "LogAppendTime",
                _ => "NoTimestampType",
            };
            let line = Line::new("batch").int("offset", legacy.offset);
            (line, legacy.crc, codec, (kind, legacy.timestamp))
        }
    };
    let compression = compression.map_err(|error| {
        let at = raw.position;
        Failure::own(format!("the batch at byte {at} of {}: {error}", path.display()))
    })?;
    Ok(line
        .int("position", raw.position as i64)
        .int(timestamp.0, timestamp.1)
        .int("size", raw.size as i64)
        .int("magic", raw.magic)
        .text("compresscodec", compression.name())
        .int("crc", crc)
        .bool("isvalid", raw.is_valid))
}

fn v2_fields(header: &BatchHeader) -> Line {
    let attributes = header.attributes;
    let horizon = attributes.has_delete_horizon().then_some(header.base_timestamp);
    Line::new("batch")
        .int("baseOffset", header.base_offset)
        .int("lastOffset", header.last_offset())
        .int("count", header.records_count)
        .int("baseSequence", header.base_sequence)
        .int("lastSequence", header.last_sequence())
        .int("producerId", header.producer_id)
        .int("producerEpoch", header.producer_epoch)
        .int("partitionLeaderEpoch", header.partition_leader_epoch)
        .bool("isTransactional", attributes.is_transactional())
        .bool("isControl", attributes.is_control())
        .with("deleteHorizonMs", Value::Optional(horizon))
}

fn timestamp_name(kind: TimestampType) -> &'static str {
    match kind {
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    }
}

fn records(
    raw: &Raw,
    path: &Path,
    depth: &Depth,
    scratch: &mut Scratch,
    out: &mut Out,
    seen: &mut dyn FnMut(i64),
) -> Outcome {
    let unreadable = |why: &dyn std::fmt::Display| {
        let at = raw.position;
        Failure::own(format!("the batch at byte {at} of {}: {why}", path.display()))
            .hint("without `--deep-iteration` and `--print-data-log` the batches that follow are shown too")
    };
    if raw.magic != MAGIC_V2 {
        let magic = raw.magic;
        return Err(unreadable(&format_args!(
            "records of message format {magic} are not read"
        )));
    }
    let batch = Batch::parse(&raw.bytes).map_err(|error| unreadable(&error))?;
    for record in batch.records(scratch, MAX_BATCH).map_err(|error| unreadable(&error))? {
        let record = record.map_err(|error| unreadable(&error))?;
        seen(record.offset);
        let line = Line::new("record");
        let line = match depth.skip_metadata {
            true => line,
            false => with_metadata(line, &batch.header, &record)
                .ok_or_else(|| unreadable(&"a control record has no valid key or value"))?,
        };
        let contents = match &depth.contents {
            Some(decoder) if !batch.header.attributes.is_control() => decoder.decode(&record),
            _ => Ok((None, None)),
        };
        // What is known of a record that can't be decoded is shown before the failure is told.
        let (key, payload) = contents.as_ref().map_or((None, None), Clone::clone);
        let line = match key {
            Some(key) => line.with("key", Value::Decoded(key)),
            None => line,
        };
        match payload {
            Some(payload) => line.with("payload", Value::Decoded(payload)),
            None => line,
        }
        .print("| ", out)?;
        contents?;
    }
    Ok(())
}

/// `None` if it is a broken control record.
fn with_metadata(line: Line, header: &BatchHeader, record: &RecordRef<'_>) -> Option<Line> {
    let size = |bytes: Option<&[u8]>| bytes.map_or(-1, |bytes| bytes.len() as i64);
    let keys = record.headers().map(|header| header.key);
    let keys = keys.map(|key| String::from_utf8_lossy(key).into_owned()).collect();
    let line = line
        .int("offset", record.offset)
        .int(timestamp_name(header.attributes.timestamp_type()), record.timestamp)
        .int("keySize", size(record.key))
        .int("valueSize", size(record.value))
        .int("sequence", record.sequence)
        .with("headerKeys", Value::List(keys));
    match header.attributes.is_control() {
        true => with_control(line, record),
        false => Some(line),
    }
}

fn with_control(line: Line, record: &RecordRef<'_>) -> Option<Line> {
    let value = record.value.unwrap_or_default();
    let (name, value) = match ControlRecordType::parse(record.key).ok()? {
        Some(kind @ (ControlRecordType::Abort | ControlRecordType::Commit)) => {
            // A later version has the epoch in the same place.
            let epoch = value.get(2..).and_then(|rest| rest.first_chunk())?;
            let name = match kind {
                ControlRecordType::Commit => "COMMIT",
                _ => "ABORT",
            };
            let line = line.text("endTxnMarker", name);
            return Some(line.int("coordinatorEpoch", i32::from_be_bytes(*epoch)));
        }
        Some(ControlRecordType::LeaderChange) => {
            return Some(line.with("LeaderChange", Value::Decoded(json::<LeaderChangeMessage>(value)?)));
        }
        Some(ControlRecordType::SnapshotHeader) => ("SnapshotHeader", json::<SnapshotHeaderRecord>(value)?),
        Some(ControlRecordType::SnapshotFooter) => ("SnapshotFooter", json::<SnapshotFooterRecord>(value)?),
        Some(ControlRecordType::KRaftVersion) => ("KRaftVersion", json::<KRaftVersionRecord>(value)?),
        Some(ControlRecordType::KRaftVoters) => ("KRaftVoters", json::<VotersRecord>(value)?),
        None => {
            let id = record.key.and_then(|key| key.get(2..4)).and_then(version_in);
            return Some(line.text("controlType", format!("UNKNOWN({})", id.unwrap_or_default())));
        }
    };
    Some(line.with(name, Value::Control(value)))
}

/// The value of a control record, whose first field is its version. A later one is read as the newest that is known.
fn json<M: Message>(value: &[u8]) -> Option<String> {
    let version = version_in(value)?.clamp(M::MIN_VERSION, M::MAX_VERSION);
    let mut r = Reader::new(Bytes::copy_from_slice(value));
    let value = Schema::of::<M>().read(&mut r, version).ok()?;
    Some(value.to_string())
}

fn version_in(bytes: &[u8]) -> Option<i16> {
    bytes.first_chunk().map(|bytes| i16::from_be_bytes(*bytes))
}
