//! The end of a machine's life, and what the next one finds.
use super::file::{Kept, Node};
use super::{Names, SimDisk};
use crate::Random;

/// How a machine ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// Only the process dies: everything written is there.
    Process,
    /// The power goes: what was not synced is there in part.
    Power,
}

/// How much of the unsynced a power cut leaves: the extremes are as likely as the middle, because both are common.
#[derive(Clone, Copy, Debug)]
enum Mercy {
    Everything,
    Nothing,
    /// The first ones, and of the next one some sectors.
    Prefix,
    /// Any of them, in whole or in part.
    Some,
}

impl SimDisk {
    /// Ends the life of the machine and gives its disk to the next one. Handles and locks of the old life must be gone.
    pub fn crash(&self, crash: Crash, random: &mut Random) {
        let mut state = self.state();
        assert!(state.locked.is_empty(), "whoever had a lock is dead");
        state.failure = None;
        (state.read_failure, state.read_failed) = (None, false);
        if crash == Crash::Process {
            return;
        }
        state.sync_failed = false;
        for node in state.nodes.values_mut() {
            let mercy = *random.pick(&[Mercy::Everything, Mercy::Nothing, Mercy::Prefix, Mercy::Some]);
            let mut judge = Judge {
                mercy,
                alive: true,
                random,
            };
            match node {
                Node::File(file) => file.crash(&mut judge),
                Node::Dir(names) => crash_names(names, &mut judge),
            }
        }
    }
}

/// Decides about one file or directory.
pub(super) struct Judge<'a> {
    mercy: Mercy,
    /// The prefix that survives goes on.
    alive: bool,
    random: &'a mut Random,
}

impl Judge<'_> {
    /// What is left of the next change.
    pub(super) fn change(&mut self) -> Kept {
        match self.mercy {
            Mercy::Everything => Kept::All,
            Mercy::Nothing => Kept::Nothing,
            Mercy::Prefix if !self.alive => Kept::Nothing,
            Mercy::Prefix if self.random.one_in(4) => {
                self.alive = false;
                Kept::Sectors
            }
            Mercy::Prefix => Kept::All,
            Mercy::Some => *self.random.pick(&[Kept::All, Kept::Sectors, Kept::Nothing]),
        }
    }

    /// Whether the next sector is left of a write that is kept in sectors.
    pub(super) fn sector(&mut self) -> bool {
        self.random.one_in(2)
    }
}

fn crash_names(names: &mut Names, judge: &mut Judge<'_>) {
    for change in std::mem::take(&mut names.unsynced) {
        if judge.change() == Kept::All {
            Names::apply(&mut names.durable, &change);
        }
    }
    names.now = names.durable.clone();
}
