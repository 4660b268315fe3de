//! A disk that is only read, on which a start may do what it wants: what it writes stays in memory.
//!
//! Memory is taken by what is written, which for a start is little: indexes that are made anew, snapshots, checkpoints. The
//! logs themselves are only cut.
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::disk::{DirEntry, Disk, DiskDir, DiskFile, Inspected, Lock, OsDisk, Space};

const PAGE: u64 = 4096;
const UNPOISONED: &str = "no panic while the overlay is changed";

/// What lies over the machine's file system. Clones are the same overlay.
#[derive(Clone, Debug, Default)]
pub(super) struct Overlay {
    /// By path; what is not here is as it is below.
    nodes: Arc<Mutex<BTreeMap<PathBuf, Node>>>,
}

#[derive(Clone, Debug)]
enum Node {
    Removed,
    Dir,
    File(Arc<OverlayFile>),
}

#[derive(Debug)]
struct OverlayFile {
    content: Mutex<Content>,
}

#[derive(Debug)]
struct Content {
    below: Option<File>,
    /// So much of the file below still counts.
    below_len: u64,
    len: u64,
    pages: BTreeMap<u64, Box<[u8; PAGE as usize]>>,
    modified_ms: i64,
    is_changed: bool,
}

/// The lock was looked at by whoever made the overlay.
#[derive(Debug)]
struct NoLock;

impl Lock for NoLock {}

#[derive(Debug)]
struct OverlayDir;

impl DiskDir for OverlayDir {
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Overlay {
    fn nodes(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Node>> {
        self.nodes.lock().expect(UNPOISONED)
    }

    /// The file at a path, as far as it was touched, or a new view of the one below.
    fn file(&self, path: &Path) -> io::Result<Arc<OverlayFile>> {
        let mut nodes = self.nodes();
        match nodes.get(path) {
            Some(Node::File(file)) => return Ok(Arc::clone(file)),
            Some(Node::Removed) => return Err(not_found()),
            Some(Node::Dir) => return Err(io::ErrorKind::IsADirectory.into()),
            None => {}
        }
        let below = File::open(path)?;
        let len = below.metadata()?.len();
        let modified_ms = OsDisk.inspect(path)?.modified_ms;
        let file = Arc::new(OverlayFile {
            content: Mutex::new(Content {
                below: Some(below),
                below_len: len,
                len,
                pages: BTreeMap::new(),
                modified_ms,
                is_changed: false,
            }),
        });
        nodes.insert(path.to_owned(), Node::File(Arc::clone(&file)));
        Ok(file)
    }

    /// Drops the views of files that nothing was written to, and with them their handles.
    pub(super) fn forget_reads(&self) {
        self.nodes().retain(|_, node| match node {
            Node::File(file) => file.content().is_changed,
            Node::Removed | Node::Dir => true,
        });
    }

    /// The paths that a start would write to, and those that it would remove.
    pub(super) fn changes(&self) -> (Vec<PathBuf>, Vec<PathBuf>) {
        let nodes = self.nodes();
        let written = nodes.iter().filter(|(path, node)| match node {
            Node::File(file) => file.content().is_changed || !path.exists(),
            Node::Removed | Node::Dir => false,
        });
        let removed = nodes
            .iter()
            .filter(|(path, node)| matches!(node, Node::Removed) && path.exists());
        let paths = |nodes: &mut dyn Iterator<Item = (&PathBuf, &Node)>| nodes.map(|(path, _)| path.clone()).collect();
        (paths(&mut written.into_iter()), paths(&mut removed.into_iter()))
    }
}

impl Disk for Overlay {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.file(path)?)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = Arc::new(OverlayFile {
            content: Mutex::new(Content {
                below: None,
                below_len: 0,
                len: 0,
                pages: BTreeMap::new(),
                modified_ms: 0,
                is_changed: true,
            }),
        });
        self.nodes().insert(path.to_owned(), Node::File(Arc::clone(&file)));
        Ok(file)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        if !path.is_dir() {
            self.nodes().insert(path.to_owned(), Node::Dir);
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let file = self.file(from)?;
        file.content().is_changed = true; // its name is
        let mut nodes = self.nodes();
        nodes.insert(from.to_owned(), Node::Removed);
        nodes.insert(to.to_owned(), Node::File(file));
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.inspect(path)?;
        self.nodes().insert(path.to_owned(), Node::Removed);
        Ok(())
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.nodes().insert(path.to_owned(), Node::Removed);
        Ok(())
    }

    fn open_dir(&self, _path: &Path) -> io::Result<Box<dyn DiskDir>> {
        Ok(Box::new(OverlayDir))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let nodes = self.nodes();
        let mut entries = match OsDisk.list(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && nodes.contains_key(path) => Vec::new(),
            entries => entries?,
        };
        entries.retain(|entry| !matches!(nodes.get(&path.join(&entry.name)), Some(Node::Removed)));
        let known: BTreeSet<String> = entries.iter().map(|entry| entry.name.clone()).collect();
        for (added, node) in nodes.iter().filter(|(added, _)| added.parent() == Some(path)) {
            let Some(name) = added.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            if !matches!(node, Node::Removed) && !known.contains(name) {
                entries.push(DirEntry {
                    name: name.to_owned(),
                    is_dir: matches!(node, Node::Dir),
                });
            }
        }
        Ok(entries)
    }

    fn inspect(&self, path: &Path) -> io::Result<Inspected> {
        match self.nodes().get(path) {
            Some(Node::File(file)) => {
                let content = file.content();
                Ok(Inspected {
                    len: content.len,
                    modified_ms: content.modified_ms,
                })
            }
            Some(Node::Removed) => Err(not_found()),
            Some(Node::Dir) | None => OsDisk.inspect(path),
        }
    }

    fn lock(&self, _dir: &Path) -> io::Result<Box<dyn Lock>> {
        Ok(Box::new(NoLock))
    }

    fn space(&self, path: &Path) -> Option<Space> {
        OsDisk.space(path)
    }
}

impl OverlayFile {
    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().expect(UNPOISONED)
    }
}

impl Content {
    /// Reads within one page, or up to the end of what is below.
    fn read(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let len = buffer
            .len()
            .min(usize::try_from(self.len.saturating_sub(position)).unwrap_or(usize::MAX));
        if len == 0 {
            return Ok(0);
        }
        let next = self.pages.range(position / PAGE..).next();
        match next {
            Some((number, page)) if *number == position / PAGE => {
                let from = (position % PAGE) as usize;
                let len = len.min(PAGE as usize - from);
                buffer[..len].copy_from_slice(&page[from..from + len]);
                Ok(len)
            }
            next => {
                let to_page = next.map_or(u64::MAX, |(number, _)| number * PAGE - position);
                let len = len.min(usize::try_from(to_page).unwrap_or(usize::MAX));
                self.read_below(&mut buffer[..len], position)
            }
        }
    }

    fn read_below(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let there = self.below_len.saturating_sub(position);
        match &self.below {
            Some(below) if there > 0 => {
                let len = buffer.len().min(usize::try_from(there).unwrap_or(usize::MAX));
                below.read_at(&mut buffer[..len], position)
            }
            _ => {
                buffer.fill(0);
                Ok(buffer.len())
            }
        }
    }

    fn write(&mut self, bytes: &[u8], mut position: u64) -> io::Result<()> {
        self.is_changed = true;
        let mut rest = bytes;
        while !rest.is_empty() {
            let number = position / PAGE;
            if !self.pages.contains_key(&number) {
                let mut page = Box::new([0; PAGE as usize]);
                let mut filled = 0;
                while filled < PAGE && number * PAGE + filled < self.len {
                    filled += self.read(&mut page[filled as usize..], number * PAGE + filled)? as u64;
                }
                self.pages.insert(number, page);
            }
            let page = self.pages.get_mut(&number).expect("just put there");
            let from = (position % PAGE) as usize;
            let len = rest.len().min(PAGE as usize - from);
            page[from..from + len].copy_from_slice(&rest[..len]);
            rest = &rest[len..];
            position += len as u64;
        }
        self.len = self.len.max(position);
        Ok(())
    }

    fn set_len(&mut self, len: u64) {
        self.is_changed |= len != self.len;
        if len < self.len {
            self.below_len = self.below_len.min(len);
            self.pages.split_off(&len.div_ceil(PAGE));
            if let Some(page) = self.pages.get_mut(&(len / PAGE)) {
                page[(len % PAGE) as usize..].fill(0);
            }
        }
        self.len = len;
    }
}

impl DiskFile for OverlayFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.content().read(buffer, position)
    }

    fn write_at(&self, bytes: &[IoSlice<'_>], position: u64) -> io::Result<usize> {
        let mut content = self.content();
        let mut written = 0;
        for part in bytes {
            content.write(part, position + written as u64)?;
            written += part.len();
        }
        Ok(written)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.content().set_len(len);
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.content().len)
    }

    fn set_modified(&self, modified_ms: i64) -> io::Result<()> {
        self.content().modified_ms = modified_ms;
        Ok(())
    }

    fn os_file(&self) -> Option<Arc<File>> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk;

    #[test]
    fn what_is_written_is_read_back_and_the_file_below_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b, c) = (dir.path().join("a"), dir.path().join("b"), dir.path().join("c"));
        let mut expected: Vec<u8> = (0..20_000u32).map(|i| (i % 251) as u8).collect();
        std::fs::write(&a, &expected).unwrap();
        std::fs::write(&b, b"b").unwrap();
        let overlay = Overlay::default();
        assert_eq!(disk::read_file(&overlay, &a).unwrap().unwrap(), expected);
        assert_eq!(overlay.changes(), (vec![], vec![]));
        let file = overlay.open(&a).unwrap();
        for (at, len) in [(4_090, 20), (0, 1), (12_000, 9_000), (19_999, 5)] {
            let bytes = vec![at as u8 ^ 0xff; len];
            disk::write_at(&*file, &a, &bytes, &[], at as u64).unwrap();
            expected.resize(expected.len().max(at + len), 0);
            expected[at..at + len].copy_from_slice(&bytes);
        }
        assert_eq!(disk::read_file(&overlay, &a).unwrap().unwrap(), expected);
        file.set_len(5_000).unwrap();
        file.set_len(9_000).unwrap();
        expected.truncate(5_000);
        expected.resize(9_000, 0);
        assert_eq!(disk::read_file(&overlay, &a).unwrap().unwrap(), expected);

        overlay.rename(&b, &c).unwrap();
        disk::create(&overlay, &dir.path().join("d")).unwrap();
        let mut names: Vec<_> = overlay
            .list(dir.path())
            .unwrap()
            .into_iter()
            .map(|entry| entry.name)
            .collect();
        names.sort();
        assert_eq!(names, ["a", "c", "d"]);
        assert_eq!(disk::read_file(&overlay, &b).unwrap(), None);
        assert_eq!(disk::read_file(&overlay, &c).unwrap().unwrap(), b"b");
        assert_eq!(
            overlay.changes(),
            (vec![a.clone(), c.clone(), dir.path().join("d")], vec![b.clone()])
        );
        assert_eq!(std::fs::read(&a).unwrap().len(), 20_000);
        assert!(b.exists() && !c.exists());
    }
}
