//! A disk in memory that keeps only what was synced.
//!
//! Files and directories have two states: what processes see, and what a power cut leaves. [`SimDisk::crash`] ends the life
//! of a machine: of each file's unsynced writes some survive, some only in part; of each directory's unsynced creations,
//! renames and removals any subset does. Calls can be made to fail, those that change something and those that read, and the
//! disk to fill up; whoever must not wait for the device may be told that bytes are not in memory.
mod crash;
mod file;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use klamm_log::disk::{DirEntry, Disk, DiskDir, DiskFile, FileSystem, Inspected, Lock, Space, may_wait};

use crate::Random;
pub use crash::Crash;
use file::{File, Node};

/// Number of a file or directory.
type Inode = u64;
const ROOT: Inode = 0;

/// A disk in memory. Clones are the same disk.
#[derive(Clone, Debug)]
pub struct SimDisk(Arc<Mutex<State>>);

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The device failed the operation; a write may have happened in part, and a failed sync drops what it was to save.
    Io,
    /// No room was left; a write may have happened in part.
    Full,
}

#[derive(Debug)]
struct State {
    nodes: BTreeMap<Inode, Node>,
    next: Inode,
    locked: BTreeSet<PathBuf>,
    now_ms: i64,
    /// Bytes that all files may have together.
    capacity: u64,
    /// Changing calls left until one fails, and how.
    failure: Option<(u64, Failure)>,
    /// Changing calls so far.
    calls: u64,
    /// Reading calls left until one fails.
    read_failure: Option<u64>,
    /// It has failed.
    read_failed: bool,
    /// Draws which bytes are not in memory; `None`: all are.
    cold: Option<Random>,
    /// Reads that were told so.
    waits: u64,
    /// A sync has failed since the last power cut.
    sync_failed: bool,
    /// Calls that do nothing and report success: a deliberate fault.
    forgotten: Option<Forgotten>,
}

/// A kind of call whose effect is left out, to see whether a simulation notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgotten {
    /// Syncs of directories.
    DirectorySyncs,
    /// Syncs of files whose names end so.
    FileSyncs(&'static str),
    /// Syncs of the whole.
    FileSystemSyncs,
}

/// Names in a directory.
#[derive(Clone, Debug, Default)]
struct Names {
    now: BTreeMap<String, Inode>,
    durable: BTreeMap<String, Inode>,
    /// What happened since the last sync.
    unsynced: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Link(String, Inode),
    Unlink(String),
    /// From, to, and what was moved.
    Rename(String, String, Inode),
}

impl Names {
    fn apply(to: &mut BTreeMap<String, Inode>, change: &Change) {
        match change {
            Change::Link(name, inode) => drop(to.insert(name.clone(), *inode)),
            Change::Unlink(name) => drop(to.remove(name)),
            Change::Rename(from, name, inode) => {
                if to.get(from) == Some(inode) {
                    to.remove(from);
                }
                to.insert(name.clone(), *inode);
            }
        }
    }

    fn sync(&mut self) {
        if !self.unsynced.is_empty() {
            self.durable.clone_from(&self.now);
            self.unsynced.clear();
        }
    }

    fn change(&mut self, change: Change) {
        Self::apply(&mut self.now, &change);
        self.unsynced.push(change);
    }
}

impl Default for SimDisk {
    fn default() -> Self {
        let nodes = BTreeMap::from([(ROOT, Node::Dir(Names::default()))]);
        Self(Arc::new(Mutex::new(State {
            nodes,
            next: 1,
            locked: BTreeSet::new(),
            now_ms: 0,
            capacity: u64::MAX,
            failure: None,
            calls: 0,
            read_failure: None,
            read_failed: false,
            cold: None,
            waits: 0,
            sync_failed: false,
            forgotten: None,
        })))
    }
}

impl SimDisk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no panic inside of the disk")
    }

    /// Sets the time that changed files get.
    pub fn set_now_ms(&self, now_ms: i64) {
        self.state().now_ms = now_ms;
    }

    /// Limits the room for all files together, in bytes.
    pub fn set_capacity(&self, bytes: u64) {
        self.state().capacity = bytes;
    }

    /// Bytes in all files that have a name.
    pub fn used(&self) -> u64 {
        self.state().used()
    }

    /// Has the changing call after `calls` others fail, once; `None` takes it back.
    pub fn fail_after(&self, failure: Option<(u64, Failure)>) {
        self.state().failure = failure;
    }

    /// Has the reading call after `calls` others fail, once, as a bad sector does: of a file's bytes, its length, its name or
    /// the names in a directory. `None` takes it back.
    pub fn fail_read_after(&self, calls: Option<u64>) {
        let mut state = self.state();
        state.read_failure = calls;
        state.read_failed = false;
    }

    /// Whether the call that [`fail_read_after`](Self::fail_read_after) chose came and failed.
    pub fn read_failed(&self) -> bool {
        self.state().read_failed
    }

    /// Has some reads meet bytes that are not in memory, as `random` draws it: those by threads that may not wait for the
    /// device fail with [`io::ErrorKind::WouldBlock`].
    pub fn go_cold(&self, random: Random) {
        self.state().cold = Some(random);
    }

    /// Reads so far that would have had to wait.
    pub fn waits(&self) -> u64 {
        self.state().waits
    }

    /// Leaves out the effect of some calls.
    pub fn forget(&self, forgotten: Forgotten) {
        self.state().forgotten = Some(forgotten);
    }

    /// Whether a sync has failed since the last power cut: what it dropped is seen and counts as clean until the machine
    /// restarts, and no process can find that out.
    pub fn sync_failed(&self) -> bool {
        self.state().sync_failed
    }

    /// Changing calls so far.
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    fn handle(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state();
        let inode = state.find(path)?;
        state.file_mut(inode)?;
        Ok(Arc::new(OpenFile {
            disk: self.clone(),
            inode,
            name: path.to_string_lossy().into_owned(),
        }))
    }

    /// Changes one bit of a file, as a bad sector does.
    pub fn flip_bit(&self, path: &Path, bit: u64) -> io::Result<()> {
        let mut state = self.state();
        let inode = state.find(path)?;
        state.file_mut(inode)?.flip_bit(bit);
        Ok(())
    }
}

impl State {
    fn used(&self) -> u64 {
        self.nodes
            .values()
            .map(|node| match node {
                Node::File(file) => file.len(),
                Node::Dir(_) => 0,
            })
            .sum()
    }

    /// Counts a changing call; fails it when its time has come.
    fn change(&mut self) -> io::Result<()> {
        self.calls += 1;
        match &mut self.failure {
            None => Ok(()),
            Some((0, failure)) => {
                let error = match failure {
                    Failure::Io => io::Error::from_raw_os_error(5),
                    Failure::Full => io::ErrorKind::StorageFull.into(),
                };
                self.failure = None;
                Err(error)
            }
            Some((left, _)) => {
                *left -= 1;
                Ok(())
            }
        }
    }

    /// Counts a reading call; fails it when its time has come.
    fn look(&mut self) -> io::Result<()> {
        match &mut self.read_failure {
            None => Ok(()),
            Some(0) => {
                self.read_failure = None;
                self.read_failed = true;
                Err(io::Error::from_raw_os_error(5))
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }

    /// Fails where bytes would have to come from the device and the thread may not wait for it.
    fn fetch(&mut self) -> io::Result<()> {
        let is_cold = !may_wait() && self.cold.as_mut().is_some_and(|random| random.one_in(8));
        self.waits += u64::from(is_cold);
        match is_cold {
            true => Err(io::ErrorKind::WouldBlock.into()),
            false => Ok(()),
        }
    }

    fn find(&self, path: &Path) -> io::Result<Inode> {
        let mut at = ROOT;
        for part in path.iter().filter(|part| *part != "/") {
            let part = part.to_str().ok_or(io::ErrorKind::InvalidInput)?;
            at = *self.names(at)?.now.get(part).ok_or(io::ErrorKind::NotFound)?;
        }
        Ok(at)
    }

    /// The directory that `path` is in, and its name there.
    fn place(&self, path: &Path) -> io::Result<(Inode, String)> {
        let name = path.file_name().and_then(|name| name.to_str());
        let parent = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
        Ok((self.find(parent)?, name.ok_or(io::ErrorKind::InvalidInput)?.to_owned()))
    }

    fn names(&self, inode: Inode) -> io::Result<&Names> {
        match self.nodes.get(&inode) {
            Some(Node::Dir(names)) => Ok(names),
            Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn names_mut(&mut self, inode: Inode) -> io::Result<&mut Names> {
        match self.nodes.get_mut(&inode) {
            Some(Node::Dir(names)) => Ok(names),
            Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn file_mut(&mut self, inode: Inode) -> io::Result<&mut File> {
        match self.nodes.get_mut(&inode) {
            Some(Node::File(file)) => Ok(file),
            Some(Node::Dir(_)) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn files_mut(&mut self) -> impl Iterator<Item = &mut File> {
        self.nodes.values_mut().filter_map(|node| match node {
            Node::File(file) => Some(file),
            Node::Dir(_) => None,
        })
    }

    /// What has a name that ends so.
    fn named(&self, ending: &str) -> BTreeSet<Inode> {
        let dirs = self.nodes.values().filter_map(|node| match node {
            Node::File(_) => None,
            Node::Dir(names) => Some(names),
        });
        let names = dirs.flat_map(|names| &names.now);
        names
            .filter(|(name, _)| name.ends_with(ending))
            .map(|(_, inode)| *inode)
            .collect()
    }

    fn add(&mut self, dir: Inode, name: String, node: Node) -> io::Result<Inode> {
        let inode = self.next;
        self.next += 1;
        self.nodes.insert(inode, node);
        self.names_mut(dir)?.change(Change::Link(name, inode));
        Ok(inode)
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.state().look()?;
        self.handle(path)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        {
            let mut state = self.state();
            state.change()?;
            let (dir, name) = state.place(path)?;
            let now_ms = state.now_ms;
            match state.names(dir)?.now.get(&name).copied() {
                Some(inode) => state.file_mut(inode)?.set_len(0, now_ms),
                None => drop(state.add(dir, name, Node::File(File::new(now_ms)))?),
            }
        }
        self.handle(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.change()?;
        let mut at = ROOT;
        for part in path.iter().filter(|part| *part != "/") {
            let part = part.to_str().ok_or(io::ErrorKind::InvalidInput)?;
            at = match state.names(at)?.now.get(part) {
                Some(inode) => *inode,
                None => state.add(at, part.to_owned(), Node::Dir(Names::default()))?,
            };
        }
        state.names(at).map(drop)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.change()?;
        let inode = state.find(from)?;
        let (from_dir, from) = state.place(from)?;
        let (to_dir, to) = state.place(to)?;
        assert_eq!(from_dir, to_dir, "the log renames within a directory only");
        state.names_mut(to_dir)?.change(Change::Rename(from, to, inode));
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        let inode = state.find(path)?;
        state.change()?;
        state.file_mut(inode)?;
        let (dir, name) = state.place(path)?;
        state.names_mut(dir)?.change(Change::Unlink(name));
        Ok(())
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        let inode = state.find(path)?;
        state.change()?;
        if !state.names(inode)?.now.is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        let (dir, name) = state.place(path)?;
        state.names_mut(dir)?.change(Change::Unlink(name));
        Ok(())
    }

    fn open_dir(&self, path: &Path) -> io::Result<Box<dyn DiskDir>> {
        let state = self.state();
        let inode = state.find(path)?;
        state.names(inode)?;
        Ok(Box::new(OpenDir {
            disk: self.clone(),
            inode,
        }))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let mut state = self.state();
        state.look()?;
        let names = state.names(state.find(path)?)?;
        let entry = |(name, inode): (&String, &Inode)| DirEntry {
            name: name.clone(),
            is_dir: matches!(state.nodes[inode], Node::Dir(_)),
        };
        Ok(names.now.iter().map(entry).collect())
    }

    fn inspect(&self, path: &Path) -> io::Result<Inspected> {
        let mut state = self.state();
        state.look()?;
        let inode = state.find(path)?;
        let file = state.file_mut(inode)?;
        Ok(Inspected {
            len: file.len(),
            modified_ms: file.modified_ms,
        })
    }

    fn lock(&self, dir: &Path) -> io::Result<Box<dyn Lock>> {
        if !self.state().locked.insert(dir.to_owned()) {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        Ok(Box::new(DirLock {
            disk: self.clone(),
            dir: dir.to_owned(),
        }))
    }

    fn space(&self, _path: &Path) -> Option<Space> {
        let state = self.state();
        Some(Space {
            total_bytes: state.capacity,
            usable_bytes: state.capacity.saturating_sub(state.used()),
        })
    }

    fn file_system(&self, _path: &Path) -> Option<Box<dyn FileSystem>> {
        Some(Box::new(Whole(self.clone())))
    }
}

/// All of it, as a file system.
#[derive(Debug)]
struct Whole(SimDisk);

impl FileSystem for Whole {
    fn sync(&self) -> io::Result<()> {
        let mut state = self.0.state();
        if let Err(error) = state.change() {
            state.sync_failed = true;
            state.files_mut().for_each(File::fail_sync);
            return Err(error);
        }
        let forgotten = state.forgotten;
        if forgotten == Some(Forgotten::FileSystemSyncs) {
            return Ok(());
        }
        if let Some(Forgotten::FileSyncs(ending)) = forgotten {
            let left_out = state.named(ending);
            let nodes = state.nodes.iter_mut().filter(|(inode, _)| !left_out.contains(inode));
            nodes.for_each(|(_, node)| node.sync());
        } else {
            let is_forgotten = |node: &Node| forgotten.is_some() && matches!(node, Node::Dir(_));
            let nodes = state.nodes.values_mut().filter(|node| !is_forgotten(node));
            nodes.for_each(Node::sync);
        }
        Ok(())
    }
}

#[derive(Debug)]
struct DirLock {
    disk: SimDisk,
    dir: PathBuf,
}

impl Lock for DirLock {}

impl Drop for DirLock {
    fn drop(&mut self) {
        self.disk.state().locked.remove(&self.dir);
    }
}

#[derive(Debug)]
struct OpenDir {
    disk: SimDisk,
    inode: Inode,
}

impl DiskDir for OpenDir {
    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        state.change()?;
        if state.forgotten != Some(Forgotten::DirectorySyncs) {
            state.names_mut(self.inode)?.sync();
        }
        Ok(())
    }
}

/// A handle, which goes on working when the name is gone.
#[derive(Debug)]
struct OpenFile {
    disk: SimDisk,
    inode: Inode,
    name: String,
}

impl DiskFile for OpenFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let mut state = self.disk.state();
        state.fetch()?;
        state.look()?;
        Ok(state.file_mut(self.inode)?.read_at(buffer, position))
    }

    fn write_at(&self, bytes: &[io::IoSlice<'_>], position: u64) -> io::Result<usize> {
        let mut state = self.disk.state();
        let bytes = bytes
            .iter()
            .flat_map(|slice| slice.iter().copied())
            .collect::<Vec<u8>>();
        let now_ms = state.now_ms;
        if let Err(error) = state.change() {
            // Half of it is there nevertheless.
            state
                .file_mut(self.inode)?
                .write_at(&bytes[..bytes.len() / 2], position, now_ms);
            return Err(error);
        }
        let used = state.used();
        let room = state.capacity.saturating_sub(used);
        let file = state.file_mut(self.inode)?;
        let fits = (file.len() + room).saturating_sub(position).min(bytes.len() as u64) as usize;
        if fits == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        file.write_at(&bytes[..fits], position, now_ms);
        Ok(fits)
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        if let Err(error) = state.change() {
            state.sync_failed = true;
            state.file_mut(self.inode)?.fail_sync();
            return Err(error);
        }
        if let Some(Forgotten::FileSyncs(ending)) = state.forgotten
            && self.name.ends_with(ending)
        {
            return Ok(());
        }
        state.file_mut(self.inode)?.sync();
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.change()?;
        let now_ms = state.now_ms;
        state.file_mut(self.inode)?.set_len(len, now_ms);
        Ok(())
    }

    fn set_modified(&self, modified_ms: i64) -> io::Result<()> {
        self.disk.state().file_mut(self.inode)?.modified_ms = modified_ms;
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        let mut state = self.disk.state();
        state.look()?;
        Ok(state.file_mut(self.inode)?.len())
    }

    fn os_file(&self) -> Option<Arc<std::fs::File>> {
        None
    }
}

#[cfg(test)]
mod tests;
