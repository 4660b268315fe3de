//! The machine: a disk, a log manager while the process lives, and the model.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;
use klamm_log::{
    AppendError, AppendOrigin, CleanerConfig, CleanupPolicy, Isolation, Log, LogConfig, LogManager, OpenError,
    RoundEnd, StorageError, TopicPartition,
};
use klamm_protocol::Uuid;
use klamm_records::{Batch, BatchBuilder, Compression, ControlRecordType, RecordRef, Scratch, batches};

use super::model::{DELETE_RETENTION_MS, Entry, Found, Partition, Read, Record};
use super::weighted;
use crate::{Crash, Failure, Forgotten, Random, SimDisk, Summary, machine};

const PRODUCERS: u64 = 3;
const KEYS: u64 = 8;

#[derive(Clone, Copy, Debug)]
enum Step {
    Put,
    PutInTransaction,
    EndTransaction,
    Roll,
    Flush,
    Clean,
    CleanAndFail,
    Truncate,
    Tick,
    Restart,
    Kill,
    PowerCut,
    Fail,
    Fill,
    Room,
    Check,
}

const STEPS: [(u64, Step); 16] = [
    (28, Step::Put),
    (14, Step::PutInTransaction),
    (8, Step::EndTransaction),
    (5, Step::Roll),
    (4, Step::Flush),
    (10, Step::Clean),
    (7, Step::CleanAndFail),
    (2, Step::Truncate),
    (4, Step::Tick),
    (2, Step::Restart),
    (3, Step::Kill),
    (5, Step::PowerCut),
    (5, Step::Fail),
    (1, Step::Fill),
    (3, Step::Room),
    (2, Step::Check),
];

pub(super) struct World {
    random: Random,
    disk: SimDisk,
    now_ms: i64,
    /// `None` while the process is down, which it never is between steps.
    manager: Option<LogManager>,
    partition: Partition,
    sequences: BTreeMap<i64, i32>,
    /// Where the last cleaning ended.
    clean_to: i64,
    written: u64,
    summary: Summary,
}

fn name() -> TopicPartition {
    TopicPartition::new("t", 0)
}

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: 700,
        index_interval_bytes: 150,
        file_delete_delay_ms: 10_000,
        min_cleanable_dirty_ratio: 0.0,
        delete_retention_ms: DELETE_RETENTION_MS,
        cleanup_policy: CleanupPolicy {
            compact: true,
            delete: false,
        },
        ..LogConfig::default()
    }
}

impl World {
    pub(super) fn new(seed: u64, forgotten: Option<Forgotten>) -> Self {
        let mut world = Self {
            random: Random::new(seed),
            disk: machine::formatted_disk(),
            now_ms: machine::BEGIN_MS,
            manager: None,
            partition: Partition::default(),
            sequences: BTreeMap::new(),
            clean_to: 0,
            written: 0,
            summary: Summary::default(),
        };
        world.start(false).expect("an empty directory opens");
        if let Some(forgotten) = forgotten {
            world.disk.forget(forgotten);
        }
        world
    }

    pub(super) fn summary(&self) -> Summary {
        self.summary.clone()
    }

    /// Draws a step, takes it and notes what came of it.
    pub(super) fn step(&mut self) -> Result<(), String> {
        let step = weighted(&mut self.random, &STEPS);
        let at = self.summary.trace.len();
        self.summary.trace.push(format!("{step:?}"));
        let outcome = self.take(step);
        let (Ok(told) | Err(told)) = &outcome;
        self.summary.trace[at] = format!("{step:?}: {told}");
        outcome?;
        self.know_flushed();
        Ok(())
    }

    /// What was synced once stays so, also where a start begins to count anew.
    fn know_flushed(&mut self) {
        self.partition.flushed = self.partition.flushed.max(self.log().recovery_point());
    }

    /// Ends all transactions and cleans until there is nothing to do; once more when tombstones may go. Compares.
    pub(super) fn finish(&mut self) -> Result<(), String> {
        self.disk.fail_after(None);
        self.disk.set_capacity(u64::MAX);
        while !self.partition.open().is_empty() {
            self.end_transaction()?;
        }
        self.clean_all()?;
        let all = self.clean_to;
        self.now_ms += DELETE_RETENTION_MS;
        self.disk.set_now_ms(self.now_ms);
        self.clean_all()?;
        let found = found(&self.log())?;
        match found.records.iter().find(|read| read.0 < all && read.2.is_none()) {
            Some(tombstone) => Err(format!("{tombstone:?} should have gone")),
            None => Ok(()),
        }
    }

    /// Cleans all but a record that is written for it, as there is nothing to clean without.
    fn clean_all(&mut self) -> Result<(), String> {
        self.put(false)?;
        self.take(Step::Roll)?;
        let end = self.partition.end;
        for _ in 0..100 {
            if self.clean_to < end {
                self.take(Step::Clean)?;
            }
        }
        if self.clean_to < end {
            return Err(format!("it is only cleaned to {}, not to {end}", self.clean_to));
        }
        self.partition.check_compact(&found(&self.log())?, end)
    }

    fn take(&mut self, step: Step) -> Result<String, String> {
        match step {
            Step::Put => self.put(false),
            Step::PutInTransaction => self.put(true),
            Step::EndTransaction => self.end_transaction(),
            Step::Roll => self.unless_failed(|world| world.log().roll(world.now_ms)),
            Step::Flush => self.unless_failed(|world| world.log().flush().map(drop)),
            Step::Clean => self.clean(),
            Step::Truncate => self.truncate(),
            Step::Tick => {
                self.now_ms += *self.random.pick(&[10, 6_000, 70_000]);
                self.disk.set_now_ms(self.now_ms);
                self.manager().tick(self.now_ms);
                self.go_on("ticked")
            }
            Step::Restart => {
                let outcome = self.manager().shutdown(1);
                self.crash(Crash::Process)?;
                Ok(format!("{outcome:?}, ends at {}", self.partition.end))
            }
            Step::Kill => self
                .crash(Crash::Process)
                .map(|()| format!("ends at {}", self.partition.end)),
            Step::PowerCut => self
                .crash(Crash::Power)
                .map(|()| format!("ends at {}", self.partition.end)),
            Step::Fail => {
                let failure = *self.random.pick(&[Failure::Io, Failure::Full]);
                let after = self.random.below(60);
                self.disk.fail_after(Some((after, failure)));
                Ok(format!("{failure:?} after {after}"))
            }
            Step::CleanAndFail => {
                self.take(Step::Roll)?;
                let after = self.random.below(100);
                let what = *self.random.pick(&["a change", "a change", "a read"]);
                match what {
                    "a read" => self.disk.fail_read_after(Some(after)),
                    _ => self.disk.fail_after(Some((after, Failure::Io))),
                }
                let told = self.clean()?;
                self.disk.fail_after(None);
                self.disk.fail_read_after(None);
                Ok(format!("{what} fails after {after}: {told}"))
            }
            Step::Fill => {
                let bytes = self.random.below(3_000);
                self.disk.set_capacity(self.disk.used() + bytes);
                Ok(format!("{bytes} left"))
            }
            Step::Room => {
                self.disk.set_capacity(u64::MAX);
                Ok(String::new())
            }
            Step::Check => self.check().map(|()| "as told".to_owned()),
        }
    }

    fn manager(&self) -> &LogManager {
        self.manager.as_ref().expect("the process lives between steps")
    }

    fn log(&self) -> Arc<Log> {
        self.manager().get(&name()).expect("the partition has a log")
    }

    fn put(&mut self, in_transaction: bool) -> Result<String, String> {
        let open = self.partition.open();
        let producer = self.random.below(PRODUCERS) as i64;
        let transaction = in_transaction.then_some(producer);
        if !in_transaction && open.contains(&producer) {
            return Ok("within a transaction".to_owned());
        }
        let records: Vec<_> = (0..1 + self.random.below(4))
            .map(|_| {
                self.written += 1;
                let filler = "x".repeat(self.random.below(120) as usize);
                Record {
                    key: format!("key-{}", self.random.below(KEYS)),
                    value: (!self.random.one_in(5)).then(|| format!("{}{filler}", self.written)),
                    transaction,
                }
            })
            .collect();
        let sequence = self.sequences.entry(producer).or_default();
        let first = *sequence;
        *sequence += records.len() as i32;
        let codec = Compression::from_id(self.random.below(5) as u8).expect("a codec");
        let mut builder = BatchBuilder::new(codec).producer(producer, 0, first);
        if in_transaction {
            builder = builder.transactional();
        }
        for record in &records {
            let value = record.value.as_deref().map(str::as_bytes);
            let pushed = builder.push(self.now_ms, Some(record.key.as_bytes()), value, &[]);
            pushed.expect("small records fit");
        }
        let entry = Entry::Records {
            producer,
            last_sequence: first + records.len() as i32 - 1,
            records,
        };
        self.append(entry, builder.build(), AppendOrigin::Client)
    }

    fn end_transaction(&mut self) -> Result<String, String> {
        let open: Vec<i64> = self.partition.open().into_iter().collect();
        if open.is_empty() {
            return Ok("none is open".to_owned());
        }
        let producer = *self.random.pick(&open);
        let committed = self.random.one_in(2);
        let end = if committed {
            ControlRecordType::Commit
        } else {
            ControlRecordType::Abort
        };
        let mut builder = BatchBuilder::new(Compression::None)
            .producer(producer, 0, -1)
            .transactional()
            .control();
        builder.push_control(self.now_ms, end, &[0; 6]).expect("a marker fits");
        self.append(
            Entry::End { producer, committed },
            builder.build(),
            AppendOrigin::Coordinator,
        )
    }

    fn append(&mut self, entry: Entry, batch: Bytes, origin: AppendOrigin) -> Result<String, String> {
        self.partition.tries(&entry);
        let log = self.log();
        match log.append_as_leader(&batch, 0, origin, self.now_ms) {
            Ok(info) if info.first_offset == self.partition.end && !info.is_duplicate => {
                self.summary.appended += 1;
                self.partition.appended(entry);
                log.maybe_increment_high_watermark(self.partition.end);
                Ok(format!("{}..={}", info.first_offset, info.last_offset))
            }
            Ok(info) => Err(format!("appended at {} as {info:?}", self.partition.end)),
            Err(AppendError::Storage(error)) => {
                // The sequence numbers begin anew where the log knows better.
                self.know_sequences();
                self.go_on(&error.to_string())
            }
            Err(error) => Err(error.to_string()),
        }
    }

    fn clean(&mut self) -> Result<String, String> {
        let small = CleanerConfig {
            dedupe_buffer_bytes: *self.random.pick(&[16 * 12, 1 << 20]),
            io_buffer_bytes: 1,
            ..CleanerConfig::default()
        };
        let mut told = Vec::new();
        self.partition.cleaning(self.now_ms);
        // With little memory it takes several rounds, each of which gets on.
        let mut dirty_to = i64::MAX;
        for _ in 0..20 {
            let Some(cleaned) = self.manager().clean(0, &small, self.now_ms, &AtomicBool::new(false)) else {
                break;
            };
            self.know_flushed();
            told.push(format!("{:?}", cleaned.end));
            match cleaned.end {
                RoundEnd::Cleaned { next_dirty_offset } if next_dirty_offset > cleaned.first_dirty_offset => {
                    self.clean_to = next_dirty_offset;
                    dirty_to = i64::MAX;
                }
                RoundEnd::Partly { clean_from } if (cleaned.first_dirty_offset + 1..dirty_to).contains(&clean_from) => {
                    dirty_to = clean_from;
                }
                RoundEnd::Failed(error) => return self.go_on(&error.to_string()),
                other => return Err(format!("cleaning ends with {other:?}")),
            }
        }
        let told = self.go_on(&told.join(", "))?;
        self.disk.fail_read_after(None);
        self.check()?;
        Ok(told)
    }

    fn truncate(&mut self) -> Result<String, String> {
        let log = self.log();
        // What is compacted is on all replicas and decided: no leader asks to have it cut.
        let from = log.segment_base_offsets()[0].max(self.partition.untouched_from());
        let from = from.min(self.partition.end);
        let target = from + self.random.below((self.partition.end - from) as u64 + 1) as i64;
        match self.manager().truncate_to(&log, target, self.now_ms) {
            Ok(_) => {
                self.partition.truncated(target, log.log_end_offset())?;
                self.know_sequences();
                Ok(format!("to {target}, ends at {}", self.partition.end))
            }
            Err(error) => {
                self.partition.truncated_in_part(target);
                self.crash_within_a_call()?;
                Ok(format!("{error}; restarted"))
            }
        }
    }

    /// Producers go on with the sequence that the log expects.
    fn know_sequences(&mut self) {
        let known = self.log().active_producers();
        self.sequences = known
            .iter()
            .map(|known| (known.producer_id, known.last_sequence + 1))
            .collect();
    }

    fn unless_failed(&mut self, act: impl FnOnce(&Self) -> Result<(), StorageError>) -> Result<String, String> {
        match act(self) {
            Ok(()) => Ok("done".to_owned()),
            Err(error) => self.go_on(&error.to_string()),
        }
    }

    /// After a failure: with a full disk the log goes on, otherwise its directory is offline, and the process starts again.
    fn go_on(&mut self, what: &str) -> Result<String, String> {
        if self.manager().is_online() {
            return match self.disk.read_failed() {
                true => Err(format!("a read failed, and the log went on: {what}")),
                false => Ok(what.to_owned()),
            };
        }
        self.crash_within_a_call()?;
        Ok(format!("{what}; restarted, ends at {}", self.partition.end))
    }

    /// A call that failed stands for the moment at which the process died as well as for one at which the power went.
    fn crash_within_a_call(&mut self) -> Result<(), String> {
        let crash = *self.random.pick(&[Crash::Process, Crash::Power, Crash::Power]);
        self.crash(crash)
    }

    fn crash(&mut self, crash: Crash) -> Result<(), String> {
        self.manager = None;
        let crash = if self.disk.sync_failed() { Crash::Power } else { crash };
        self.disk.crash(crash, &mut self.random);
        self.disk.set_capacity(u64::MAX);
        self.summary.power_cuts += u64::from(crash == Crash::Power);
        self.start(crash == Crash::Power)?;
        self.check()
    }

    /// Starts, perhaps first with a disk that fails a read: then the node does not start, and has not made worse what the next
    /// start finds.
    fn start(&mut self, power_cut: bool) -> Result<(), String> {
        // Behind the checkpoints, where it comes to cleaned segments that were not swapped in to the end.
        let failing = self.random.one_in(2).then(|| 12 + self.random.below(24));
        if self.open(power_cut, failing)? {
            return Ok(());
        }
        self.summary.trace.push("  a read failed".to_owned());
        self.open(power_cut, None).map(drop)
    }

    /// `false`: the read that was to fail did, and so the start.
    fn open(&mut self, power_cut: bool, failing: Option<u64>) -> Result<bool, String> {
        let manager = machine::manager_config(&self.disk, self.random.bits());
        self.disk.fail_read_after(failing);
        // What topics set themselves is not known yet when logs are opened.
        let opened = LogManager::open(manager, |_| LogConfig::default(), self.now_ms);
        let read_failed = self.disk.read_failed();
        self.disk.fail_read_after(None);
        let (manager, report) = match opened {
            Err(OpenError::Storage(StorageError::Io { .. } | StorageError::Offline { .. })) if read_failed => {
                return Ok(false);
            }
            opened => opened.map_err(|error| format!("start: {error}"))?,
        };
        if let Some(failed) = report.failed.first() {
            return Err(format!("it does not open: {}", failed.error));
        }
        for recovered in &report.recovered {
            self.summary
                .trace
                .push(format!("  recovered: {:?}", recovered.opened.events));
            machine::check_recovered(recovered)?;
        }
        self.manager = Some(manager);
        let log = self
            .manager()
            .get_or_create(&name(), Some(Uuid::from_u128(1 << 100)), None, config(), self.now_ms)
            .map_err(|error| error.to_string())?;
        log.update_config(config());
        let found = found(&log)?;
        self.partition
            .restarted(log.log_end_offset(), power_cut, &found.whole)?;
        log.update_high_watermark(log.log_end_offset());
        self.know_sequences();
        match read_failed {
            true => Err("a read failed at the start, and nobody was told".to_owned()),
            false => Ok(true),
        }
    }

    fn check(&mut self) -> Result<(), String> {
        let log = self.log();
        let limit = log.last_stable_offset();
        let committed = committed(&log)?;
        self.summary.compared += committed.len() as u64;
        self.partition.check(&committed, limit, self.now_ms)?;
        self.partition.check_found(&found(&log)?, self.now_ms)?;
        let known = log.active_producers().into_iter();
        let known: BTreeMap<_, _> = known.map(|known| (known.producer_id, known.last_sequence)).collect();
        let last_sequences = self.partition.last_sequences();
        match last_sequences.iter().all(|(id, last)| known.get(id) == Some(last)) {
            true => Ok(()),
            false => Err(format!("producers' sequences are {known:?}, to be {last_sequences:?}")),
        }
    }
}

/// Hands every whole batch to `see`, from the log start on, as one read after the other finds them.
fn read(
    log: &Log,
    isolation: Isolation,
    mut see: impl FnMut(&Batch<'_>, &klamm_log::FetchData) -> Result<(), String>,
) -> Result<(), String> {
    let mut offset = log.log_start_offset();
    loop {
        let wrong = |what: &dyn std::fmt::Display| format!("read at {offset}: {what}");
        let data = log.read(offset, 600, isolation, true).map_err(|error| wrong(&error))?;
        let Some(region) = &data.region else { return Ok(()) };
        let bytes = region.read().map_err(|error| wrong(&error))?;
        let mut next = offset;
        for batch in batches(&bytes) {
            let Ok(batch) = batch else { break };
            batch.verify_crc().map_err(|error| wrong(&error))?;
            see(&batch, &data)?;
            next = batch.header.next_offset();
        }
        if next == offset {
            return Err(wrong(&"no whole batch"));
        }
        offset = next;
    }
}

/// What lies in the log.
fn found(log: &Log) -> Result<Found, String> {
    let mut found = Found::default();
    let mut scratch = Scratch::new();
    read(log, Isolation::LogEnd, |batch, _| {
        let header = &batch.header;
        let records = batch
            .records(&mut scratch, usize::MAX)
            .map_err(|error| error.to_string())?;
        let records = records
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| error.to_string())?;
        let is_whole = header.records_count == header.last_offset_delta + 1;
        if header.attributes.is_control() {
            if is_whole {
                let end = ControlRecordType::parse(records[0].key).map_err(|error| error.to_string())?;
                let (producer, committed) = (header.producer_id, end == Some(ControlRecordType::Commit));
                found
                    .whole
                    .insert(header.base_offset, Entry::End { producer, committed });
            }
            return Ok(());
        }
        found.last_sequences.insert(header.producer_id, header.last_sequence());
        found.records.extend(records.iter().map(as_read));
        if is_whole {
            let transaction = header.attributes.is_transactional().then_some(header.producer_id);
            let plain = records.iter().map(as_read).map(|(_, key, value)| Record {
                key,
                value,
                transaction,
            });
            let entry = Entry::Records {
                producer: header.producer_id,
                last_sequence: header.last_sequence(),
                records: plain.collect(),
            };
            found.whole.insert(header.base_offset, entry);
        }
        Ok(())
    })?;
    Ok(found)
}

fn as_read(record: &RecordRef<'_>) -> Read {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        record.offset,
        record.key.map(text).unwrap_or_default(),
        record.value.map(text),
    )
}

/// What a consumer with `read_committed` gets, as Kafka's does it: by the log's words on what was aborted, read by read.
fn committed(log: &Log) -> Result<Vec<Read>, String> {
    let mut found = Vec::new();
    let mut scratch = Scratch::new();
    let mut of_read = None;
    let mut aborted = BTreeSet::new();
    read(log, Isolation::LastStableOffset, |batch, data| {
        let header = &batch.header;
        let this_read = data
            .region
            .as_ref()
            .map(|region| (region.position, data.offsets.log_end_offset, region.len));
        if of_read != this_read {
            of_read = this_read;
            aborted.clear();
        }
        for entry in &data.aborted {
            if entry.first_offset <= header.last_offset() && header.base_offset <= entry.last_offset {
                aborted.insert(entry.producer_id);
            }
        }
        if header.attributes.is_control() {
            aborted.remove(&header.producer_id);
            return Ok(());
        }
        if header.attributes.is_transactional() && aborted.contains(&header.producer_id) {
            return Ok(());
        }
        for record in batch
            .records(&mut scratch, usize::MAX)
            .map_err(|error| error.to_string())?
        {
            found.push(as_read(&record.map_err(|error| error.to_string())?));
        }
        Ok(())
    })?;
    Ok(found)
}
