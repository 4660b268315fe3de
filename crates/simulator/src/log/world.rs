//! The machine: a disk, a log manager while the process lives, and the models.
use std::sync::Arc;

use bytes::Bytes;
use klamm_log::{
    AppendError, AppendOrigin, CleanupPolicy, Log, LogConfig, LogManager, ManagerConfig, OpenError, ReadError,
    StorageError, TopicPartition,
};
use klamm_protocol::Uuid;
use klamm_records::{BatchBuilder, Compression};

use super::model::{Batch, Kind, Partition, Stopped};
use super::reader::{Reader, Trouble};
use super::steps::Step;
use super::transactions;
use crate::disk::Forgotten;
use crate::{Crash, Random, SimDisk, Summary, machine};

/// Partitions of the node.
pub(super) const PARTITIONS: usize = 4;
/// The one that transactions are written to.
const TRANSACTIONS: usize = 3;
/// Enough for many segments, few enough to be read often.
const SEGMENT_BYTES: u32 = 1_500;
const RETENTION_BYTES: i64 = 6_000;

pub(super) struct World {
    random: Random,
    disk: SimDisk,
    now_ms: i64,
    /// In which what is appended is: of each process another.
    leader_epoch: i32,
    /// `None` while the process is down, which it never is between steps.
    manager: Option<LogManager>,
    partitions: Vec<Partition>,
    /// Which incarnation of the partition it is: goes into its values.
    incarnations: Vec<u64>,
    summary: Summary,
}

fn name(partition: usize) -> TopicPartition {
    TopicPartition::new("t", partition as i32)
}

fn log_config() -> LogConfig {
    LogConfig {
        segment_bytes: SEGMENT_BYTES,
        index_interval_bytes: 200,
        retention_bytes: RETENTION_BYTES,
        retention_ms: -1,
        file_delete_delay_ms: 60_000,
        cleanup_policy: CleanupPolicy {
            compact: false,
            delete: true,
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
            leader_epoch: 0,
            manager: None,
            partitions: vec![Partition::default(); PARTITIONS],
            incarnations: vec![0; PARTITIONS],
            summary: Summary::default(),
        };
        world.disk.go_cold(Random::new(seed ^ 0xc01d));
        world.start(Stopped::WithAll).expect("an empty directory opens");
        if let Some(forgotten) = forgotten {
            world.disk.forget(forgotten);
        }
        world
    }

    pub(super) fn summary(&self) -> Summary {
        self.summary.clone()
    }

    /// Takes a step and notes what came of it.
    pub(super) fn step(&mut self, step: Step) -> Result<(), String> {
        let at = self.summary.trace.len();
        self.summary.trace.push(format!("{step:?}"));
        let outcome = self.take(&step);
        let told = match &outcome {
            Ok(told) => told,
            Err(problem) => problem,
        };
        self.summary.trace[at] = format!("{step:?}: {told}");
        outcome.map(drop)?;
        if self.disk.read_failed() {
            return Err("a read failed, and the log went on".to_owned());
        }
        for at in 0..PARTITIONS {
            let log = self.log(at);
            // What a background flush has synced counts as flushed too.
            self.partitions[at].flushed(log.recovery_point());
        }
        Ok(())
    }

    fn take(&mut self, step: &Step) -> Result<String, String> {
        match *step {
            Step::Append {
                partition,
                records,
                size,
            } => self.append(partition, records, size),
            Step::Resend { partition } => self.resend(partition),
            Step::Flush { partition } => match self.log(partition).flush() {
                Ok(end) if end == self.partitions[partition].end => Ok(format!("to {end}")),
                Ok(end) => Err(format!("flushed to {end}, not to {}", self.partitions[partition].end)),
                Err(error) => self.survive(error),
            },
            Step::Roll { partition } => match self.log(partition).roll(self.now_ms) {
                Ok(()) => Ok("done".to_owned()),
                Err(error) => self.survive(error),
            },
            Step::Truncate { partition, at } => self.truncate(partition, at),
            Step::DeleteRecords { partition, at } => self.delete_records(partition, at),
            Step::Recreate { partition } => self.recreate(partition),
            Step::Tick { ms } => {
                self.now_ms += ms;
                self.disk.set_now_ms(self.now_ms);
                let report = self.manager().tick(self.now_ms);
                self.follow_retention()?;
                if !self.manager().is_online() {
                    return self.restart_after("the directory is offline");
                }
                Ok(format!("{report:?}"))
            }
            Step::Restart => self.restart(),
            Step::Crash(crash) => {
                self.crash(crash)?;
                Ok(self.ends())
            }
            Step::Fail { after, failure } => {
                self.disk.fail_after(Some((after, failure)));
                Ok(String::new())
            }
            Step::FailRead { after } => {
                self.disk.fail_read_after(Some(after));
                Ok(String::new())
            }
            Step::Fill { bytes } => {
                self.disk.set_capacity(self.disk.used() + bytes);
                Ok(String::new())
            }
            Step::Room => {
                self.disk.set_capacity(u64::MAX);
                Ok(String::new())
            }
            Step::Verify => {
                let compared = (0..PARTITIONS).try_for_each(|at| self.compare(at, 0));
                self.unless_wrong(compared)
            }
            Step::Read { partition, at } => {
                let compared = self.compare(partition, at);
                self.unless_wrong(compared)
            }
            Step::Timestamp { partition, at } => self.timestamp(partition, at),
        }
    }

    fn manager(&self) -> &LogManager {
        self.manager.as_ref().expect("the process lives between steps")
    }

    fn log(&self, partition: usize) -> Arc<Log> {
        self.manager().get(&name(partition)).expect("every partition has a log")
    }

    fn batch(&mut self, partition: usize, records: usize, size: usize) -> Batch {
        let base_offset = self.partitions[partition].end;
        let kind = if partition == TRANSACTIONS {
            transactions::draw(&mut self.random)
        } else {
            Kind::Plain
        };
        if let Kind::End { .. } = kind {
            let records = vec![(self.now_ms, transactions::MARKER.to_vec())];
            return Batch {
                base_offset,
                kind,
                records,
            };
        }
        let records = (0..records as i64)
            .map(|i| {
                let timestamp = self.now_ms + self.random.below(2_000) as i64 - 1_000;
                let mut value = format!(
                    "{}:{}:{}",
                    self.incarnations[partition],
                    base_offset + i,
                    self.random.bits()
                );
                value.extend(std::iter::repeat_n('x', size));
                (timestamp, value.into_bytes())
            })
            .collect();
        Batch {
            base_offset,
            kind,
            records,
        }
    }

    fn append(&mut self, partition: usize, records: usize, size: usize) -> Result<String, String> {
        let batch = self.batch(partition, records, size);
        self.partitions[partition].tries(&batch);
        match self.hand_over(partition, &batch) {
            Ok(info) if info == (batch.base_offset, batch.next_offset() - 1, false) => {
                self.summary.appended += 1;
                self.partitions[partition].appended(batch);
                self.log(partition)
                    .maybe_increment_high_watermark(self.partitions[partition].end);
                Ok(format!("{}..={}", info.0, info.1))
            }
            Ok(info) => Err(format!("appended at {} as {info:?}", batch.base_offset)),
            Err(AppendError::Storage(error)) => self.survive(error),
            Err(error) => Err(error.to_string()),
        }
    }

    fn resend(&mut self, partition: usize) -> Result<String, String> {
        let last = self.partitions[partition].last().cloned();
        let Some(batch) = last.filter(|_| partition != TRANSACTIONS) else {
            return Ok("nothing to send".to_owned());
        };
        match self.hand_over(partition, &batch) {
            Ok(info) if info == (batch.base_offset, batch.next_offset() - 1, true) => Ok("known".to_owned()),
            Ok(info) => Err(format!("the batch at {} again: {info:?}", batch.base_offset)),
            Err(AppendError::Storage(error)) => self.survive(error),
            Err(error) => Err(format!("the batch at {} again: {error}", batch.base_offset)),
        }
    }

    /// First and last offset, and whether the log knew the batch.
    fn hand_over(&self, partition: usize, batch: &Batch) -> Result<(i64, i64, bool), AppendError> {
        let log = self.log(partition);
        let (records, origin) = match partition {
            TRANSACTIONS => (transactions::encode(batch), AppendOrigin::Coordinator),
            _ => (encode(batch), AppendOrigin::Client),
        };
        let info = log.append_as_leader(&records, self.leader_epoch, origin, self.now_ms)?;
        Ok((info.first_offset, info.last_offset, info.is_duplicate))
    }

    /// A place between log start and log end.
    fn place(&self, partition: usize, at: u64) -> i64 {
        let Partition { start, end, .. } = self.partitions[partition];
        start + ((end - start) as u64 * at / 1_000) as i64
    }

    fn truncate(&mut self, partition: usize, at: u64) -> Result<String, String> {
        let target = self.place(partition, at);
        let log = self.log(partition);
        let outcome = self.manager().truncate_to(&log, target, self.now_ms);
        let model = &mut self.partitions[partition];
        match outcome {
            Ok(_) => {
                model.truncated(target, log.log_end_offset(), log.log_start_offset())?;
                Ok(format!("to {target}"))
            }
            Err(error) => {
                model.truncated_in_part(target);
                self.restart_after(&error.to_string())
            }
        }
    }

    fn delete_records(&mut self, partition: usize, at: u64) -> Result<String, String> {
        let target = self.place(partition, at);
        match self.log(partition).delete_records(target) {
            Ok(start) if start == target => {
                self.partitions[partition].started_at(start);
                Ok(format!("below {start}"))
            }
            Ok(start) => Err(format!("starts at {start}, not at {target}")),
            Err(error) => {
                let text = error.to_string();
                let start = self.log(partition).log_start_offset();
                self.partitions[partition].started_at(start);
                if self.manager().is_online() {
                    Ok(text)
                } else {
                    self.restart_after(&text)
                }
            }
        }
    }

    fn recreate(&mut self, partition: usize) -> Result<String, String> {
        match self.manager().delete(&name(partition), self.now_ms) {
            Ok(true) => {}
            Ok(false) => return Err("there was no such partition".to_owned()),
            Err(error) => {
                // Nobody knows whether it is gone: both are right, and the directory is offline.
                let text = error.to_string();
                self.stop();
                self.disk.fail_after(None);
                self.disk.fail_read_after(None);
                self.disk.set_capacity(u64::MAX);
                self.partitions[partition].perhaps_gone();
                self.open(Some(partition), Stopped::WithAll, None)?;
                return Ok(text);
            }
        }
        self.partitions[partition] = Partition::default();
        self.incarnations[partition] += 1;
        match self.create(partition) {
            Ok(()) => Ok("done".to_owned()),
            Err(problem) => self.restart_after(&problem),
        }
    }

    fn create(&self, partition: usize) -> Result<(), String> {
        let id = Uuid::from_u128(u128::from(self.incarnations[partition]) << 8 | partition as u128 | 1 << 100);
        self.manager()
            .get_or_create(&name(partition), Some(id), None, log_config(), self.now_ms)
            .map(drop)
            .map_err(|error| error.to_string())
    }

    /// Retention may have moved log starts, never above what it may remove.
    fn follow_retention(&mut self) -> Result<(), String> {
        for at in 0..PARTITIONS {
            let start = self.log(at).log_start_offset();
            let model = &mut self.partitions[at];
            if start < model.start || start > model.end {
                return Err(format!(
                    "retention moved the start of {at} from {} to {start}",
                    model.start
                ));
            }
            model.started_at(start);
        }
        Ok(())
    }

    /// After an error: the log may go on if the disk was only full, or else its directory is offline.
    fn survive(&mut self, error: StorageError) -> Result<String, String> {
        let text = error.to_string();
        if self.manager().is_online() {
            if !error.is_out_of_space() {
                return Err(format!("goes on after: {text}"));
            }
            return Ok(text);
        }
        self.restart_after(&text)
    }

    fn unless_wrong(&mut self, compared: Result<(), Trouble>) -> Result<String, String> {
        match compared {
            Ok(()) => Ok("as told".to_owned()),
            Err(Trouble::Wrong(problem)) => Err(problem),
            Err(Trouble::Failed(error)) => self.survive(error),
        }
    }

    fn restart_after(&mut self, what: &str) -> Result<String, String> {
        self.crash(Crash::Process)?;
        Ok(format!("{what}; restarted, {}", self.ends()))
    }

    fn restart(&mut self) -> Result<String, String> {
        let outcome = self.manager().shutdown(1);
        if self.disk.read_failed() && outcome.is_ok() {
            return Err("a read failed, and the log was closed all the same".to_owned());
        }
        self.crash(Crash::Process)?;
        Ok(match outcome {
            Ok(()) => format!("clean, {}", self.ends()),
            Err(error) => format!("not clean: {error}, {}", self.ends()),
        })
    }

    fn crash(&mut self, crash: Crash) -> Result<(), String> {
        self.stop();
        // A process that starts again after a failed sync could not know what was dropped: the machine is restarted.
        let crash = if self.disk.sync_failed() { Crash::Power } else { crash };
        self.disk.crash(crash, &mut self.random);
        self.disk.set_capacity(u64::MAX);
        match crash {
            Crash::Process => self.start(Stopped::WithAll),
            Crash::Power => {
                self.summary.power_cuts += 1;
                self.start(Stopped::WithFlushed)
            }
        }
    }

    fn stop(&mut self) {
        self.manager = None;
    }

    /// Starts, perhaps first with a disk that fails a read: then the node does not start, and has not made worse what the next
    /// start finds, or what a power cut leaves of that.
    fn start(&mut self, stopped: Stopped) -> Result<(), String> {
        let failing = self.random.one_in(5).then(|| self.random.one_of_the_first());
        if self.open(None, stopped, failing)? {
            return Ok(());
        }
        let crash = *self.random.pick(&[Crash::Process, Crash::Power]);
        self.summary.trace.push(format!("  a read failed, {crash:?}"));
        self.disk.crash(crash, &mut self.random);
        self.summary.power_cuts += u64::from(crash == Crash::Power);
        let stopped = match crash {
            Crash::Process => stopped,
            Crash::Power => Stopped::WithFlushed,
        };
        self.open(None, stopped, None).map(drop)
    }

    /// Starts, and compares all partitions but one with what they must have. `false`: the read that was to fail did, and so
    /// the start.
    fn open(&mut self, unknown: Option<usize>, stopped: Stopped, failing: Option<u64>) -> Result<bool, String> {
        let config = ManagerConfig {
            initial_task_delay_ms: 1_000,
            ..machine::manager_config(&self.disk, self.random.bits())
        };
        self.disk.fail_read_after(failing);
        let opened = LogManager::open(config, |_| log_config(), self.now_ms);
        let read_failed = self.disk.read_failed();
        self.disk.fail_read_after(None);
        let (manager, report) = match opened {
            Err(OpenError::Storage(StorageError::Io { .. } | StorageError::Offline { .. })) if read_failed => {
                return Ok(false);
            }
            opened => opened.map_err(|error| format!("start: {error}"))?,
        };
        if let Some(failed) = report.failed.first() {
            return Err(format!("{} does not open: {}", failed.partition, failed.error));
        }
        for recovered in &report.recovered {
            let events = format!("  recovered {}: {:?}", recovered.partition, recovered.opened.events);
            self.summary.trace.push(events);
            machine::check_recovered(recovered)?;
        }
        self.manager = Some(manager);
        self.leader_epoch += 1;
        for at in 0..PARTITIONS {
            let is_new = self.manager().get(&name(at)).is_none();
            if is_new && self.partitions[at].flushed > 0 && stopped == Stopped::WithFlushed
                || is_new && self.partitions[at].end > 0 && stopped == Stopped::WithAll
            {
                return Err(format!("partition {at} is gone"));
            }
            self.create(at)?;
            let log = self.log(at);
            log.update_high_watermark(log.log_end_offset());
            let found = self.reader(at, &log).read(log.log_start_offset())?;
            self.summary.compared += found.iter().map(|batch| batch.records.len() as u64).sum::<u64>();
            let (start, end) = (log.log_start_offset(), log.log_end_offset());
            if unknown == Some(at) {
                found.iter().for_each(|batch| self.partitions[at].tries(batch));
            }
            let of_partition = |problem| format!("partition {at}: {problem}");
            self.partitions[at]
                .restarted(stopped, start, found, end)
                .map_err(of_partition)?;
        }
        let log = self.log(TRANSACTIONS);
        transactions::compare(&self.reader(TRANSACTIONS, &log), &self.partitions[TRANSACTIONS])?;
        match read_failed {
            true => Err("a read failed at the start, and nobody was told".to_owned()),
            false => Ok(true),
        }
    }

    fn reader<'a>(&'a self, partition: usize, log: &'a Log) -> Reader<'a> {
        Reader {
            disk: &self.disk,
            log,
            epochs_from: self.partitions[partition].deleted_below,
        }
    }

    fn ends(&self) -> String {
        let ends = self
            .partitions
            .iter()
            .map(|partition| format!("{}..{}", partition.start, partition.end));
        ends.collect::<Vec<_>>().join(" ")
    }

    fn compare(&mut self, partition: usize, at: u64) -> Result<(), Trouble> {
        let log = self.log(partition);
        if partition == TRANSACTIONS {
            transactions::compare(&self.reader(partition, &log), &self.partitions[partition])?;
        }
        let from = self.place(partition, at);
        let found = self.reader(partition, &log).read(from)?;
        let found: Vec<_> = found
            .iter()
            .flat_map(Batch::records)
            .filter(|(offset, ..)| *offset >= from)
            .collect();
        self.summary.compared += found.len() as u64;
        let wrong = |what: String| Err(Trouble::Wrong(format!("partition {partition}: {what}")));
        let mut expected = self.partitions[partition].records(from);
        for record in &found {
            match expected.next() {
                Some(told) if told == *record => {}
                Some(told) => return wrong(format!("offset {} read, {} told", record.0, told.0)),
                None => return wrong(format!("offset {} was never told", record.0)),
            }
        }
        match expected.next() {
            None => Ok(()),
            Some(missing) => wrong(format!("from {from} on, offset {} is missing", missing.0)),
        }
    }

    fn timestamp(&mut self, partition: usize, at: u64) -> Result<String, String> {
        let timestamps = self.partitions[partition].records(0).map(|(_, timestamp, _)| timestamp);
        let (low, high) = timestamps.fold((i64::MAX, i64::MIN), |(low, high), at| (low.min(at), high.max(at)));
        if low > high {
            return Ok("nothing there".to_owned());
        }
        let target = low - 1 + ((high - low + 3) as u64 * at / 1_000) as i64;
        let expected = self.partitions[partition].at_timestamp(target);
        match self.log(partition).offset_for_timestamp(target) {
            Ok(found) if found.as_ref().map(|found| (found.offset, found.timestamp)) == expected => {
                Ok(format!("{target} at {expected:?}"))
            }
            Ok(found) => Err(format!(
                "partition {partition}: {target} at {found:?}, not {expected:?}"
            )),
            Err(ReadError::Storage(error)) => self.survive(error),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// One producer writes everything in a partition, so the sequence of a record is its offset.
fn encode(batch: &Batch) -> Bytes {
    let mut builder = BatchBuilder::new(Compression::None).producer(1, 0, batch.base_offset as i32);
    for (timestamp, value) in &batch.records {
        builder
            .push(*timestamp, None, Some(value), &[])
            .expect("small records fit");
    }
    builder.build()
}
