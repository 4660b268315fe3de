//! Taking stock of a partition's directory, whatever a crash has left in it.
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use klamm_records::Batch;

use crate::disk::{self, Disk};
use crate::error::Result;
use crate::names::{FileKind, PartitionFile};
use crate::recovery::RecoveryEvent;

/// The files of a partition's directory.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// By base offset: which of a segment's files are there.
    pub(super) segments: BTreeMap<i64, Vec<FileKind>>,
    pub(super) snapshots: BTreeSet<i64>,
}

/// Lists the directory, finishes what a crash has interrupted and removes what it has left over.
pub(super) fn take_stock(disk: &dyn Disk, dir: &Path, events: &mut Vec<RecoveryEvent>) -> Result<Files> {
    let mut files = Files::default();
    let mut swaps: BTreeMap<i64, Vec<FileKind>> = BTreeMap::new();
    let mut cleaned: Vec<(i64, String)> = Vec::new();
    for entry in disk::list(disk, dir)? {
        match PartitionFile::parse(&entry.name) {
            PartitionFile::Live(FileKind::Snapshot, offset) => {
                files.snapshots.insert(offset);
            }
            PartitionFile::Live(kind, offset) => files.segments.entry(offset).or_default().push(kind),
            PartitionFile::Swap(kind, offset) => swaps.entry(offset).or_default().push(kind),
            PartitionFile::Cleaned(offset) => cleaned.push((offset, entry.name)),
            PartitionFile::Deleted | PartitionFile::Temporary => disk::remove_file(disk, &dir.join(&entry.name))?,
            PartitionFile::Other => {}
        }
    }
    // Swap files at or above a cleaned one belong to a step that did not get to its end; the originals are still there.
    let unfinished = cleaned.iter().map(|(offset, _)| *offset).min().unwrap_or(i64::MAX);
    for (_, name) in cleaned {
        disk::remove_file(disk, &dir.join(name))?;
    }
    for (base_offset, kinds) in swaps {
        if base_offset >= unfinished || !kinds.contains(&FileKind::Log) {
            for kind in kinds {
                disk::remove_file(disk, &swap_path(dir, kind, base_offset))?;
            }
        } else {
            complete_swap(disk, dir, &mut files, base_offset, &kinds)?;
            events.push(RecoveryEvent::SwapCompleted { base_offset });
        }
    }
    let orphans: Vec<i64> = files
        .segments
        .iter()
        .filter(|(_, kinds)| !kinds.contains(&FileKind::Log))
        .map(|(at, _)| *at)
        .collect();
    for base_offset in orphans {
        for kind in files.segments.remove(&base_offset).unwrap_or_default() {
            disk::remove_file(disk, &kind.path(dir, base_offset))?;
        }
    }
    Ok(files)
}

/// Puts a cleaned segment in the place of those that it was made from.
fn complete_swap(disk: &dyn Disk, dir: &Path, files: &mut Files, base_offset: i64, kinds: &[FileKind]) -> Result<()> {
    let swap = swap_path(dir, FileKind::Log, base_offset);
    let bytes = disk::read_file(disk, &swap)?.unwrap_or_default();
    let mut end = base_offset + 1;
    for batch in klamm_records::batches(&bytes) {
        let Ok(Batch { header, .. }) = batch else { break };
        end = end.max(header.next_offset());
    }
    let replaced: Vec<i64> = files.segments.range(base_offset..end).map(|(at, _)| *at).collect();
    for original in replaced {
        for kind in files.segments.remove(&original).unwrap_or_default() {
            disk::remove_file(disk, &kind.path(dir, original))?;
        }
    }
    for kind in kinds {
        disk::rename(disk, &swap_path(dir, *kind, base_offset), &kind.path(dir, base_offset))?;
    }
    files.segments.insert(base_offset, kinds.to_vec());
    disk::sync_dir(disk, dir)
}

fn swap_path(dir: &Path, kind: FileKind, base_offset: i64) -> PathBuf {
    let mut path = kind.path(dir, base_offset).into_os_string();
    path.push(".swap");
    path.into()
}
