//! The machine that logs are simulated on: one formatted log directory, and settings under which one seed gives one run.
use std::path::{Path, PathBuf};
use std::sync::Arc;

use klamm_log::disk::Disk;
use klamm_log::{ManagerConfig, MetaProperties, OpenedLog, RecoveryEvent};
use klamm_protocol::Uuid;

use crate::SimDisk;

/// When each run begins, milliseconds since the epoch.
pub(crate) const BEGIN_MS: i64 = 1_700_000_000_000;

/// The log directory.
pub(crate) fn dir() -> PathBuf {
    PathBuf::from("/data")
}

/// A disk with nothing on it but the formatted directory.
pub(crate) fn formatted_disk() -> SimDisk {
    let disk = SimDisk::default();
    disk.set_now_ms(BEGIN_MS);
    disk.create_dir(&dir()).expect("an empty disk");
    let root = disk.open_dir(Path::new("/")).expect("an empty disk");
    root.sync().expect("an empty disk");
    let meta = MetaProperties {
        cluster_id: "simulated".to_owned(),
        node_id: 1,
        directory_id: Some(Uuid::from_u128(7)),
    };
    meta.write_on(&disk, &dir()).expect("an empty disk");
    disk
}

/// A log manager without threads, which opens and closes files all the time. `seed` is what it draws from.
pub(crate) fn manager_config(disk: &SimDisk, seed: u64) -> ManagerConfig {
    ManagerConfig {
        disk: Arc::new(disk.clone()),
        flush_in_tick: true,
        recovery_threads_per_data_dir: 1,
        max_open_files: 4,
        snapshot_bytes: 300,
        sync_together_from: 2,
        verifies_transactions: false,
        ..ManagerConfig::new(1, vec![dir()], seed)
    }
}

/// This disk loses nothing that was synced: no log may say that it has.
pub(crate) fn check_recovered(log: &OpenedLog) -> Result<(), String> {
    let ends_too_early = |event: &&RecoveryEvent| matches!(event, RecoveryEvent::EndsTooEarly { .. });
    match log.opened.events.iter().find(ends_too_early) {
        None => Ok(()),
        Some(event) => Err(format!("{}: {event:?}", log.partition)),
    }
}
