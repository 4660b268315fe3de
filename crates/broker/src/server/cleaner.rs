//! The threads that compact logs (`log.cleaner.*`): as many as are configured now, each with the settings of now, at low
//! priority. What they do is the log manager's.
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use klamm_config::Config;
use klamm_log::{CleanerConfig, RoundEnd};
use tracing::{error, warn};

use crate::node::Node;

/// How often the number of threads is compared with the configuration.
const LOOK: Duration = Duration::from_secs(1);
/// Longest pause, whatever is configured.
const BACKOFF_MAX_MS: u64 = 24 * 60 * 60 * 1000;
/// What the threads' priority is lowered by, of 19: appends and reads come first where processors are short.
const NICE: i32 = 10;

/// The log cleaner of a node. Dropped without [`stop`](Self::stop) its threads end soon.
#[derive(Debug)]
pub(super) struct CleanerThreads {
    node: Arc<Node>,
    stop: Arc<AtomicBool>,
    threads: Mutex<BTreeMap<usize, JoinHandle<()>>>,
}

impl CleanerThreads {
    /// Without threads yet.
    pub(super) fn new(node: Arc<Node>) -> Self {
        Self {
            node,
            stop: Arc::default(),
            threads: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<usize, JoinHandle<()>>> {
        self.threads.lock().expect("no panic while threads are counted")
    }

    /// Starts threads that are missing. One that has panicked stays away, as in Kafka, with what it was cleaning.
    fn adjust(&self) {
        let wanted = threads(&self.node.config.effective());
        let mut threads = self.lock();
        threads.retain(|thread, handle| *thread < wanted || !handle.is_finished());
        for thread in 0..wanted {
            if self.stop.load(Ordering::Relaxed) || threads.contains_key(&thread) {
                continue;
            }
            let (node, stop) = (self.node.clone(), self.stop.clone());
            let started = thread::Builder::new()
                .name(format!("klamm-clean-{thread}"))
                .spawn(move || run(&node, thread, &stop));
            match started {
                Ok(handle) => drop(threads.insert(thread, handle)),
                Err(error) => warn!(%error, "a thread of the log cleaner does not start"),
            }
        }
    }

    /// Ends what is being cleaned and waits for the threads.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        for (thread, handle) in std::mem::take(&mut *self.lock()) {
            handle.thread().unpark();
            if handle.join().is_err() {
                error!(thread, "a thread of the log cleaner had panicked");
            }
        }
    }
}

impl Drop for CleanerThreads {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.lock().values().for_each(|handle| handle.thread().unpark());
    }
}

/// Keeps as many threads running as are configured.
pub(super) async fn keep_running(cleaner: Arc<CleanerThreads>) {
    if !cleaner.node.config.server.config.boolean("log.cleaner.enable") {
        warn!("`log.cleaner.enable` is false: compacted topics grow without end");
        return;
    }
    let mut looks = tokio::time::interval(LOOK);
    loop {
        looks.tick().await;
        cleaner.adjust();
    }
}

/// Cleans one log after another until it is not wanted any more.
fn run(node: &Node, thread: usize, stop: &AtomicBool) {
    // Of this thread alone, on Linux; elsewhere priorities are those of processes.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        warn!(%error, "the log cleaner runs at normal priority");
    }
    while !stop.load(Ordering::Relaxed) {
        let config = node.config.effective();
        if thread >= threads(&config) {
            break;
        }
        let logs = node.partitions.logs();
        let cleaned = logs.clean(thread, &settings(&config), node.clock.now_ms(), stop);
        // After a failure the disk needs time, or room; a log that is wanted for something else is so for a while.
        if cleaned.is_none_or(|cleaned| matches!(cleaned.end, RoundEnd::Failed(_) | RoundEnd::Aborted)) {
            let backoff = u64::try_from(config.long("log.cleaner.backoff.ms")).unwrap_or(0);
            sleep(Duration::from_millis(backoff.clamp(1, BACKOFF_MAX_MS)), stop);
        }
    }
}

fn sleep(time: Duration, stop: &AtomicBool) {
    let until = Instant::now() + time;
    while let Some(left) = until
        .checked_duration_since(Instant::now())
        .filter(|left| !left.is_zero())
    {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        thread::park_timeout(left);
    }
}

fn threads(config: &Config) -> usize {
    usize::try_from(config.int("log.cleaner.threads")).unwrap_or(0)
}

fn settings(config: &Config) -> CleanerConfig {
    CleanerConfig {
        threads: threads(config),
        dedupe_buffer_bytes: u64::try_from(config.long("log.cleaner.dedupe.buffer.size")).unwrap_or(0),
        dedupe_buffer_load_factor: config.double("log.cleaner.io.buffer.load.factor"),
        io_buffer_bytes: config.int("log.cleaner.io.buffer.size").unsigned_abs() as usize,
        io_max_bytes_per_second: config.double("log.cleaner.io.max.bytes.per.second"),
    }
}

#[cfg(test)]
mod tests {
    use klamm_config::broker_keys;

    use super::*;

    #[test]
    fn without_settings_the_defaults_are_those_of_the_log() {
        assert_eq!(settings(&Config::defaults(broker_keys())), CleanerConfig::default());
    }
}
