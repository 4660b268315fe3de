//! The index of aborted transactions over power cuts.
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use klamm_log::disk::Disk;
use klamm_log::{AppendOrigin, Isolation, LogConfig, LogManager, ManagerConfig, MetaProperties, TopicPartition};
use klamm_protocol::Uuid;
use klamm_records::{BatchBuilder, Compression, ControlRecordType};
use klamm_simulator::{Crash, Random, SimDisk};

const NOW: i64 = 1_700_000_000_000;

fn formatted() -> SimDisk {
    let disk = SimDisk::default();
    disk.create_dir(Path::new("/data")).unwrap();
    disk.open_dir(Path::new("/")).unwrap().sync().unwrap();
    let meta = MetaProperties {
        cluster_id: "simulated".to_owned(),
        node_id: 1,
        directory_id: Some(Uuid::from_u128(7)),
    };
    meta.write_on(&disk, Path::new("/data")).unwrap();
    disk
}

fn open(disk: &SimDisk) -> LogManager {
    let config = ManagerConfig {
        disk: Arc::new(disk.clone()),
        flush_in_tick: true,
        verifies_transactions: false,
        ..ManagerConfig::new(1, vec![PathBuf::from("/data")], 1)
    };
    LogManager::open(config, |_| LogConfig::default(), NOW).unwrap().0
}

fn builder(sequence: i32) -> BatchBuilder {
    BatchBuilder::new(Compression::None)
        .producer(1, 0, sequence)
        .transactional()
}

fn marker(end: ControlRecordType) -> Bytes {
    let mut marker = builder(-1).control();
    marker.push_control(NOW, end, &[0; 6]).unwrap();
    marker.build()
}

/// The log ends where it was flushed to, so that nothing of it is flushed again. Some of these power cuts keep the next segment
/// and its snapshot, with which a start does not look at this one; they bring back what was cut off, unless that was synced.
#[test]
fn an_abort_that_was_cut_off_does_not_come_back() {
    let name = TopicPartition::new("t", 0);
    for seed in 0..300 {
        let (disk, mut random) = (formatted(), Random::new(seed));
        let manager = open(&disk);
        let log = manager
            .get_or_create(&name, Some(Uuid::from_u128(9)), None, LogConfig::default(), NOW)
            .unwrap();
        let append = |log: &klamm_log::Log, batch: &Bytes, origin| log.append_as_leader(batch, 0, origin, NOW).unwrap();
        let mut data = builder(0);
        data.push(NOW, None, Some(b"value"), &[]).unwrap();
        append(&log, &data.build(), AppendOrigin::Client);
        append(&log, &marker(ControlRecordType::Abort), AppendOrigin::Coordinator);
        log.flush().unwrap();
        manager.truncate_to(&log, 1, NOW).unwrap();
        log.roll(NOW).unwrap();
        drop((log, manager));
        disk.crash(Crash::Power, &mut random);

        let manager = open(&disk);
        let log = manager.get(&name).expect("its directory was synced");
        assert_eq!(log.log_end_offset(), 1);
        append(&log, &marker(ControlRecordType::Commit), AppendOrigin::Coordinator);
        log.update_high_watermark(2);
        let read = log.read(0, 1_000, Isolation::LastStableOffset, true).unwrap();
        assert_eq!(read.aborted, [], "seed {seed}");
    }
}
