//! A disk that fills up under a node, and what is there when there is room again.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use klamm_protocol::ErrorCode;

use crate::client::*;
use crate::node::Node;

/// A small file system of its own, which nobody sees but by [`SmallDisk::path`]. It is gone with the value.
struct SmallDisk {
    /// Keeps the mount's namespace alive until its input ends.
    holder: Child,
    directory: tempfile::TempDir,
}

impl SmallDisk {
    /// A tmpfs of `mebibytes`; `None` where this user may not mount anything.
    fn new(mebibytes: u32) -> Option<SmallDisk> {
        let directory = tempfile::tempdir().unwrap();
        let script = format!(
            "mount -t tmpfs -o size={mebibytes}m none '{}' && echo mounted && cat",
            directory.path().display()
        );
        let mut holder = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut line = String::new();
        BufReader::new(holder.stdout.take()?).read_line(&mut line).ok()?;
        if line != "mounted\n" {
            holder.wait().ok()?;
            return None;
        }
        Some(SmallDisk { holder, directory })
    }

    /// The mount as it is seen from here.
    fn path(&self) -> PathBuf {
        let root = format!("/proc/{}/root", self.holder.id());
        PathBuf::from(root).join(self.directory.path().strip_prefix("/").unwrap())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let _ended = self.holder.wait();
    }
}

#[tokio::test]
async fn a_full_disk_refuses_records_and_loses_none_that_it_took() {
    let Some(disk) = SmallDisk::new(24) else {
        eprintln!("not tested: this machine lets nobody mount a file system");
        return;
    };
    let overrides = ["log.segment.bytes=1048576"];
    let mut node = Node::start_in(tempfile::tempdir_in(disk.path()).unwrap(), &overrides).await;
    let mut connection = node.connect().await;
    connection.create("t", 1).await;
    // Room that the test gives back later.
    let ballast = disk.path().join("ballast");
    fs::write(&ballast, vec![1; 8 << 20]).unwrap();

    let mut taken = 0;
    let value = |i: i64| format!("{i:08}").repeat(8_000).into_bytes();
    let refused = loop {
        let reply = connection.produce("t", 0, batch(&[value(taken)])).await;
        if reply.error_code != ErrorCode::NONE {
            break reply.error_code;
        }
        assert_eq!(reply.base_offset, taken);
        taken += 1;
        assert!(taken < 1_000, "the disk is full long before");
    };
    assert_eq!(refused, ErrorCode::KAFKA_STORAGE_ERROR);
    assert!(taken > 100, "{taken}");
    assert_eq!(
        connection.fetch_all("t", 0).await.len() as i64,
        taken,
        "a full disk is read from"
    );

    let stderr = node.process().stderr();
    assert!(stderr.contains("log directory is full"), "{stderr}");

    // With room again it goes on where it was, whether or not it is started anew.
    fs::remove_file(&ballast).unwrap();
    for end in ["none", "clean", "kill"] {
        match end {
            "clean" => assert_eq!(node.terminate().code(), Some(0), "{}", node.process().stderr()),
            "kill" => node.kill(),
            _ => {}
        }
        if end != "none" {
            node.start_again().await;
            connection = node.connect().await;
        }
        let offset = connection.append("t", 0, &[value(taken)]).await;
        assert_eq!(offset, taken, "{end}");
        taken += 1;
        let all = connection.fetch_all("t", 0).await;
        assert_eq!(all.len() as i64, taken, "{end}");
        for (offset, found) in all {
            assert!(found == value(offset), "{end}: the record at {offset}");
        }
    }
}
