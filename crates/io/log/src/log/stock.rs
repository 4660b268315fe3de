//! Taking stock of a partition's directory, whatever a crash has left in it.
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::{self, Disk};
use crate::error::{Result, unless_malformed};
use crate::faults::{self, Fault};
use crate::file_cache::with_suffix;
use crate::log_dir::Shared;
use crate::names::{FileKind, PartitionFile};
use crate::recovery::RecoveryEvent;
use crate::segment::{DirPath, Segment};

/// The files of a partition's directory.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// By base offset: which of a segment's files are there.
    pub(super) segments: BTreeMap<i64, Vec<FileKind>>,
    pub(super) snapshots: BTreeSet<i64>,
}

/// Lists the directory, finishes what a crash has interrupted and removes what it has left over.
pub(super) fn take_stock(
    shared: &Arc<Shared>,
    dir_path: &Arc<DirPath>,
    events: &mut Vec<RecoveryEvent>,
) -> Result<Files> {
    let (disk, dir) = (shared.files.disk(), &*dir_path.get());
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
    let (taken_back, swaps): (BTreeMap<_, _>, BTreeMap<_, _>) =
        swaps.into_iter().partition(|(offset, _)| *offset >= unfinished);
    for (base_offset, kinds) in &taken_back {
        remove_swaps(disk, dir, *base_offset, kinds)?;
    }
    if !taken_back.is_empty() {
        // If a power cut kept the swap files and not the cleaned ones, the former would look like all there was to be: a
        // segment without its index of aborted transactions, of which there may still be records below it.
        disk::sync_dir(disk, dir)?;
    }
    for (_, name) in cleaned {
        disk::remove_file(disk, &dir.join(name))?;
    }
    for (base_offset, kinds) in swaps {
        let has_log = kinds.contains(&FileKind::Log);
        let live = files
            .segments
            .get_mut(&base_offset)
            .filter(|live| live.contains(&FileKind::Log));
        match live {
            _ if has_log => {
                let end = swap_end(shared, dir_path, base_offset)?;
                complete_swap(disk, dir, &mut files, base_offset..end, &kinds)?;
                events.push(RecoveryEvent::SwapCompleted { base_offset });
            }
            // The log has its name already and the rest was to follow: it takes the place of whatever is there.
            Some(live) => {
                live.extend(
                    kinds
                        .iter()
                        .filter(|kind| !live.contains(kind))
                        .copied()
                        .collect::<Vec<_>>(),
                );
                rename_swaps(disk, dir, base_offset, &kinds)?;
                events.push(RecoveryEvent::SwapCompleted { base_offset });
            }
            None => remove_swaps(disk, dir, base_offset, &kinds)?,
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

/// Where a cleaned segment ends: behind its last batch.
fn swap_end(shared: &Arc<Shared>, dir: &Arc<DirPath>, base_offset: i64) -> Result<i64> {
    let len = disk::inspect(shared.files.disk(), &swap_path(&dir.get(), FileKind::Log, base_offset))?.len;
    let size = u32::try_from(len).unwrap_or(u32::MAX);
    let segment = Segment::existing_as(dir, base_offset, size, SWAP, &shared.files);
    let mut end = base_offset + 1;
    for located in segment.headers(0) {
        if faults::is_on(Fault::SwapToFailedRead) && located.is_err() {
            break;
        }
        // A disk that can't be read does not say how far the originals go that are to be removed.
        let Some(located) = unless_malformed(located)? else {
            break;
        };
        end = end.max(located.header.next_offset());
    }
    Ok(end)
}

/// Puts a cleaned segment in the place of those that begin where it has offsets. It may have been made from others behind it
/// too, of which nothing was left: each of those is whole and stays, or its log is gone and so is the rest of it soon.
fn complete_swap(
    disk: &dyn Disk,
    dir: &Path,
    files: &mut Files,
    offsets: std::ops::Range<i64>,
    kinds: &[FileKind],
) -> Result<()> {
    let base_offset = offsets.start;
    let replaced: Vec<i64> = files.segments.range(offsets).map(|(at, _)| *at).collect();
    for original in replaced {
        for kind in files.segments.remove(&original).unwrap_or_default() {
            disk::remove_file(disk, &kind.path(dir, original))?;
        }
    }
    // What was removed must not come back beside what takes its place.
    disk::sync_dir(disk, dir)?;
    rename_swaps(disk, dir, base_offset, kinds)?;
    files.segments.insert(base_offset, kinds.to_vec());
    Ok(())
}

/// Gives the files of a cleaned segment their names, the log's first: then the swap files that are left are known to be
/// its.
fn rename_swaps(disk: &dyn Disk, dir: &Path, base_offset: i64, kinds: &[FileKind]) -> Result<()> {
    let rename = |kind: FileKind| disk::rename(disk, &swap_path(dir, kind, base_offset), &kind.path(dir, base_offset));
    let (log, rest): (Vec<_>, Vec<_>) = kinds.iter().partition(|kind| **kind == FileKind::Log);
    if !log.is_empty() {
        rename(FileKind::Log)?;
        disk::sync_dir(disk, dir)?;
    }
    rest.into_iter().try_for_each(rename)?;
    disk::sync_dir(disk, dir)
}

fn remove_swaps(disk: &dyn Disk, dir: &Path, base_offset: i64, kinds: &[FileKind]) -> Result<()> {
    kinds
        .iter()
        .try_for_each(|kind| disk::remove_file(disk, &swap_path(dir, *kind, base_offset)))
}

const SWAP: &str = ".swap";

fn swap_path(dir: &Path, kind: FileKind, base_offset: i64) -> PathBuf {
    with_suffix(kind.path(dir, base_offset), SWAP)
}
