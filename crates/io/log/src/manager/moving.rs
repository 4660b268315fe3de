//! Moving a log into another log directory (KIP-113): its batches are copied into a directory that ends in `-future`, while the
//! log goes on; when the copy has caught up it takes the log's place.
//!
//! A copy is not looked after otherwise, and one that a stop interrupts is begun anew. What a crash may leave at the change of
//! places: the old directory renamed for its removal and the copy not yet renamed; the next start does that.
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Dir, Inner, LogManager, UNPOISONED};
use crate::disk;
use crate::error::{Result, StorageError};
use crate::log::{AppendError, Isolation, Log, LogStart, ReadError};
use crate::names::{TopicPartition, future_dir_name};
use crate::progress::OpenThread;

/// Why a log does not move.
#[derive(Clone, Debug, thiserror::Error)]
pub enum MoveError {
    /// The node has no such log, or another one by now.
    #[error("there is no log of {partition} to move")]
    Gone {
        /// The partition.
        partition: TopicPartition,
    },
    /// `log.dirs` has no such directory.
    #[error("`{}` is none of the log directories", dir.display())]
    NoSuchDirectory {
        /// What was asked for.
        dir: PathBuf,
    },
    /// The copy does not take what the log gave.
    #[error("cannot copy {partition}: {problem}")]
    Copy {
        /// The partition.
        partition: TopicPartition,
        /// What is wrong.
        problem: String,
    },
    /// The disk.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A disk failed while the copy took the log's place. The partition is out of service, and both are left for the next
    /// start to choose from.
    #[error("the change of places was interrupted: {0}")]
    Interrupted(StorageError),
}

/// A log on its way into another directory.
#[derive(Debug)]
pub struct LogMove {
    source: Arc<Log>,
    future: Arc<Log>,
    /// Below it the log was clean when the copy was begun. A round that was chosen just before may still clean the log, and
    /// tombstones in the copy would go before what they delete.
    clean_below: i64,
}

/// A copy as DescribeLogDirs shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FutureLog {
    /// The partition.
    pub partition: TopicPartition,
    /// The log directory that it is on its way to.
    pub dir: PathBuf,
    /// Bytes copied.
    pub size: u64,
    /// The next offset to copy.
    pub log_end_offset: i64,
}

impl LogMove {
    /// How many offsets the copy is behind.
    pub fn lag(&self) -> i64 {
        self.source.log_end_offset() - self.future.log_end_offset()
    }

    /// Copies up to `max_bytes`, at least a batch if there is one; how much it was. 0: there is nothing left to copy, though
    /// the log may end behind its last batch.
    pub fn copy(&self, max_bytes: u32, now_ms: i64) -> Result<u64, MoveError> {
        let found = loop {
            let start = self.source.local_log_start_offset();
            if self.future.log_end_offset() < start {
                self.begin(start, now_ms)?; // or retention was faster
            }
            // The batch that holds the log start may begin before it, where nothing is read.
            let from = self.future.log_end_offset().max(start);
            if from >= self.source.log_end_offset() {
                return Ok(0);
            }
            match self.source.read(from, max_bytes, Isolation::LogEnd, true) {
                Err(ReadError::OffsetOutOfRange { .. }) => {} // it was deleted just now
                Err(ReadError::Storage(error)) => return Err(error.into()),
                Ok(found) => break found,
            }
        };
        let Some(region) = found.region else { return Ok(0) };
        let bytes = region.read()?;
        let size = bytes.len() as u64;
        match self.future.append_as_follower(&bytes, now_ms) {
            Ok(_) => Ok(size),
            Err(AppendError::Storage(error)) => Err(error.into()),
            Err(error) => Err(MoveError::Copy {
                partition: self.source.topic_partition().clone(),
                problem: error.to_string(),
            }),
        }
    }

    /// Makes durable what was copied, so that little is left to do when the copy takes the log's place.
    pub fn flush(&self) -> Result<(), MoveError> {
        self.future.flush()?;
        Ok(())
    }

    /// Begins with the batch that the log begins with, which may lie before the log start.
    fn begin(&self, start: i64, now_ms: i64) -> Result<(), MoveError> {
        let first = match self.source.first_batch_at(start) {
            Ok(found) => found.map_or(start, |offset| offset.min(start)),
            Err(ReadError::OffsetOutOfRange { .. }) => start,
            Err(ReadError::Storage(error)) => return Err(error.into()),
        };
        if first != self.future.log_end_offset() {
            self.future.truncate_fully_and_start_at(first, now_ms)?;
        }
        Ok(())
    }
}

impl LogManager {
    /// Begins to move a log into the log directory `dir`; `None` if it is there already.
    pub fn begin_move(
        &self,
        partition: &TopicPartition,
        dir: &Path,
        now_ms: i64,
    ) -> Result<Option<LogMove>, MoveError> {
        let inner = &self.inner;
        let target = inner.dirs.iter().find(|known| known.dir.path == dir);
        let target = target.ok_or_else(|| MoveError::NoSuchDirectory { dir: dir.to_owned() })?;
        target.dir.check()?;
        let source = self.get(partition).ok_or_else(|| gone(partition))?;
        if source.log_dir() == dir {
            return Ok(None);
        }
        // The checkpoints of that directory may have lines of a log of this name that was there once.
        if target.gone.lock().expect(UNPOISONED).contains(partition) {
            inner.write_checkpoints(target)?;
        }
        let path = dir.join(future_dir_name(partition, inner.unique()));
        let created = disk::create_dir(target.dir.disk(), &path).and_then(|()| {
            Log::open(
                Arc::clone(&target.dir),
                path,
                partition.clone(),
                (*source.config()).clone(),
                LogStart::default(),
                now_ms,
                &OpenThread::default(),
            )
        });
        let (future, _) = target.dir.watch(created)?;
        if let Some(topic_id) = source.topic_id() {
            future.assign_topic_id(topic_id)?;
        }
        let mut moving = inner.moving.lock().expect(UNPOISONED);
        moving.insert(partition.clone(), Arc::clone(&future));
        drop(moving);
        source.end_cleaning(); // and from here on none is chosen
        Ok(Some(LogMove {
            clean_below: source.cleaned_offset().unwrap_or(0),
            source,
            future,
        }))
    }

    /// Copies what is left and puts the copy in the log's place. The caller sees to it that nothing is appended meanwhile, and
    /// that [`note_moved`](Self::note_moved) follows. The old files stay readable for `file.delete.delay.ms`. After any error
    /// but [`MoveError::Interrupted`] the log is in service as before.
    pub fn finish_move(&self, moved: &LogMove, now_ms: i64) -> Result<Arc<Log>, MoveError> {
        let inner = &self.inner;
        let LogMove {
            source,
            future,
            clean_below,
        } = moved;
        let partition = source.topic_partition();
        let _changing = inner.changing.lock().expect(UNPOISONED);
        if !self.get(partition).is_some_and(|log| Arc::ptr_eq(&log, source)) {
            return Err(gone(partition));
        }
        while moved.copy(1 << 20, now_ms)? > 0 {}
        future.take_over(source, *clean_below, now_ms)?;
        future.flush()?;
        let target = inner.dir_of(future).expect("a log of this manager");
        if let Err(error) = inner
            .announce(future, target)
            .and_then(|()| source.make_room(inner.unique()))
            .and_then(|()| future.settle())
        {
            target.arriving.lock().expect(UNPOISONED).clear();
            inner.note_gone(future);
            if source.return_to_service().is_ok() {
                return Err(error.into());
            }
            inner.moving.lock().expect(UNPOISONED).remove(partition);
            inner.take(partition);
            return Err(MoveError::Interrupted(error));
        }
        source.doom(now_ms);
        inner.note_gone(source);
        inner.moving.lock().expect(UNPOISONED).remove(partition);
        inner
            .logs
            .write()
            .expect(UNPOISONED)
            .insert(partition.clone(), Arc::clone(future));
        target.arriving.lock().expect(UNPOISONED).clear();
        tracing::info!(%partition, to = %future.log_dir().display(), "the log has moved");
        Ok(Arc::clone(future))
    }

    /// Puts on disk what the checkpoints of both directories say since a log has moved.
    pub fn note_moved(&self, moved: &LogMove) {
        for dir in [&moved.future, &moved.source]
            .into_iter()
            .filter_map(|log| self.inner.dir_of(log))
        {
            dir.cleaned_stale.store(true, Ordering::Release);
            if let Err(error) = self.inner.write_checkpoints(dir) {
                tracing::warn!(dir = %dir.dir.path.display(), %error, "checkpoints not written after a move");
            }
        }
    }

    /// Gives a move up, and removes what was copied.
    pub fn abandon_move(&self, moved: &LogMove, now_ms: i64) {
        let partition = moved.source.topic_partition();
        let mut moving = self.inner.moving.lock().expect(UNPOISONED);
        if moving
            .get(partition)
            .is_some_and(|future| Arc::ptr_eq(future, &moved.future))
        {
            moving.remove(partition);
        }
        drop(moving);
        if let Err(error) = moved.future.delete(self.inner.unique(), now_ms) {
            tracing::warn!(%partition, %error, "the copy of a log that did not move is not removed");
        }
    }

    /// The copies of logs that are on their way.
    pub fn future_logs(&self) -> Vec<FutureLog> {
        let moving = self.inner.moving.lock().expect(UNPOISONED);
        let future = |(partition, log): (&TopicPartition, &Arc<Log>)| FutureLog {
            partition: partition.clone(),
            dir: log.log_dir().to_owned(),
            size: log.size(),
            log_end_offset: log.log_end_offset(),
        };
        moving.iter().map(future).collect()
    }
}

impl Inner {
    /// Has the checkpoints of a directory tell of a copy that is about to take a log's place there. If the node dies behind
    /// that, the next start knows what of it is durable and that compaction has left gaps in it.
    fn announce(&self, future: &Arc<Log>, target: &Dir) -> Result<()> {
        target.arriving.lock().expect(UNPOISONED).push(Arc::clone(future));
        self.write_checkpoints(target)?;
        self.write_cleaned_offsets(target)
    }
}

fn gone(partition: &TopicPartition) -> MoveError {
    MoveError::Gone {
        partition: partition.clone(),
    }
}
