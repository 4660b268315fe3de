//! A file: its bytes as they are seen, as they are durable, and the way between.
use super::Names;
use super::crash::Judge;

/// What a power cut keeps or loses as one piece.
const SECTOR: u64 = 512;

/// A file or a directory.
#[derive(Clone, Debug)]
pub(super) enum Node {
    File(File),
    Dir(Names),
}

impl Node {
    pub(super) fn sync(&mut self) {
        match self {
            Node::File(file) => file.sync(),
            Node::Dir(names) => names.sync(),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct File {
    now: Vec<u8>,
    durable: Vec<u8>,
    /// What happened since the last sync.
    unsynced: Vec<Edit>,
    pub(super) modified_ms: i64,
}

#[derive(Clone, Debug)]
enum Edit {
    Write { position: u64, bytes: Vec<u8> },
    SetLen(u64),
}

impl Edit {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Edit::Write { position, bytes } => write(to, *position, bytes),
            Edit::SetLen(len) => to.resize(*len as usize, 0),
        }
    }
}

fn write(to: &mut Vec<u8>, position: u64, bytes: &[u8]) {
    let (position, end) = (position as usize, position as usize + bytes.len());
    if to.len() < end {
        to.resize(end, 0);
    }
    to[position..end].copy_from_slice(bytes);
}

impl File {
    pub(super) fn new(now_ms: i64) -> Self {
        Self {
            now: Vec::new(),
            durable: Vec::new(),
            unsynced: Vec::new(),
            modified_ms: now_ms,
        }
    }

    pub(super) fn len(&self) -> u64 {
        self.now.len() as u64
    }

    pub(super) fn read_at(&self, buffer: &mut [u8], position: u64) -> usize {
        let from = (position as usize).min(self.now.len());
        let len = buffer.len().min(self.now.len() - from);
        buffer[..len].copy_from_slice(&self.now[from..from + len]);
        len
    }

    pub(super) fn write_at(&mut self, bytes: &[u8], position: u64, now_ms: i64) {
        self.edit(
            Edit::Write {
                position,
                bytes: bytes.to_vec(),
            },
            now_ms,
        );
    }

    pub(super) fn set_len(&mut self, len: u64, now_ms: i64) {
        self.edit(Edit::SetLen(len), now_ms);
    }

    fn edit(&mut self, edit: Edit, now_ms: i64) {
        edit.apply(&mut self.now);
        self.unsynced.push(edit);
        self.modified_ms = now_ms;
    }

    pub(super) fn sync(&mut self) {
        if !self.unsynced.is_empty() {
            self.durable.clone_from(&self.now);
            self.unsynced.clear();
        }
    }

    /// As Linux does it: the pages count as clean, so what they hold is seen until a power cut and never written.
    pub(super) fn fail_sync(&mut self) {
        self.unsynced.clear();
    }

    pub(super) fn flip_bit(&mut self, bit: u64) {
        for bytes in [&mut self.now, &mut self.durable] {
            if let Some(byte) = bytes.get_mut((bit / 8) as usize) {
                *byte ^= 1 << (bit % 8);
            }
        }
    }

    /// The power goes: everything synced is left, and of the rest what `judge` says.
    pub(super) fn crash(&mut self, judge: &mut Judge<'_>) {
        for edit in std::mem::take(&mut self.unsynced) {
            match (judge.change(), &edit) {
                (Kept::All, edit) => edit.apply(&mut self.durable),
                (Kept::Nothing, _) | (Kept::Sectors, Edit::SetLen(_)) => {}
                (Kept::Sectors, Edit::Write { position, bytes }) => {
                    let mut from = *position;
                    let end = position + bytes.len() as u64;
                    while from < end {
                        let to = ((from / SECTOR + 1) * SECTOR).min(end);
                        if judge.sector() {
                            let sector = (from - position) as usize..(to - position) as usize;
                            write(&mut self.durable, from, &bytes[sector]);
                        }
                        from = to;
                    }
                }
            }
        }
        self.now.clone_from(&self.durable);
    }
}

/// What a power cut leaves of an edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    All,
    Sectors,
    Nothing,
}
