//! How the outcome of a batch reaches those who wait for its records.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::{RecordMetadata, SendError};

/// What became of a batch.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// It was written, or nobody asked (`acks=0`).
    Placed {
        /// Offset of its first record, or -1.
        base_offset: i64,
        /// The broker's time, or -1.
        log_append_time_ms: i64,
    },
    /// None of its records is known to be written.
    Failed(SendError),
    /// It was refused for some of its records (KIP-467): their errors by position, and the error of the others.
    Culprits {
        errors: BTreeMap<u32, SendError>,
        others: SendError,
    },
    /// It was cut into these, each with the position of its first record.
    Split(Vec<(u32, Arc<Completion>)>),
}

/// Shared by a batch and the deliveries of its records, so that a record costs no allocation of its own.
#[derive(Debug)]
pub(super) struct Completion {
    pub(super) topic: Arc<str>,
    pub(super) partition: i32,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    outcome: Option<Outcome>,
    wakers: Vec<Waker>,
}

impl Completion {
    pub(super) fn new(topic: Arc<str>, partition: i32) -> Arc<Completion> {
        Arc::new(Completion {
            topic,
            partition,
            state: Mutex::default(),
        })
    }

    /// Wakes those who wait. The first outcome stays.
    pub(super) fn complete(&self, outcome: Outcome) {
        let wakers = {
            let mut state = self.state();
            if state.outcome.is_some() {
                return;
            }
            state.outcome = Some(outcome);
            std::mem::take(&mut state.wakers)
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    pub(super) fn is_complete(&self) -> bool {
        self.state().outcome.is_some()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code that can panic runs under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The record's own part of the outcome; or where to look further.
    fn poll(&self, index: u32, timestamp: i64, waiting: &mut Option<usize>, context: &Context<'_>) -> Polled {
        let mut state = self.state();
        match &state.outcome {
            None => {
                match waiting.and_then(|slot| state.wakers.get_mut(slot)) {
                    Some(waker) => waker.clone_from(context.waker()),
                    None => {
                        *waiting = Some(state.wakers.len());
                        state.wakers.push(context.waker().clone());
                    }
                }
                Polled::Pending
            }
            Some(Outcome::Placed {
                base_offset,
                log_append_time_ms,
            }) => Polled::Ready(Ok(RecordMetadata {
                topic: self.topic.clone(),
                partition: self.partition,
                offset: if *base_offset < 0 {
                    -1
                } else {
                    base_offset + i64::from(index)
                },
                timestamp: if *log_append_time_ms < 0 {
                    timestamp
                } else {
                    *log_append_time_ms
                },
            })),
            Some(Outcome::Failed(error)) => Polled::Ready(Err(error.clone())),
            Some(Outcome::Culprits { errors, others }) => {
                Polled::Ready(Err(errors.get(&index).unwrap_or(others).clone()))
            }
            Some(Outcome::Split(pieces)) => {
                let after = pieces.partition_point(|(first, _)| *first <= index);
                let (first, piece) = &pieces[after - 1];
                Polled::Moved(piece.clone(), index - first)
            }
        }
    }
}

enum Polled {
    Pending,
    Ready(Result<RecordMetadata, SendError>),
    Moved(Arc<Completion>, u32),
}

/// The acknowledgement of one record, to be awaited whenever it suits.
///
/// Dropping it takes nothing back: the record is delivered all the same, only nobody hears of it.
#[derive(Debug)]
pub struct Delivery {
    completion: Arc<Completion>,
    /// Position in the batch.
    index: u32,
    /// The record's own time, milliseconds.
    timestamp: i64,
    /// Place of the waker in the completion.
    waiting: Option<usize>,
}

impl Delivery {
    pub(super) fn new(completion: Arc<Completion>, index: u32, timestamp: i64) -> Delivery {
        Delivery {
            completion,
            index,
            timestamp,
            waiting: None,
        }
    }

    /// The topic that the record goes to.
    pub fn topic(&self) -> &str {
        &self.completion.topic
    }

    /// The partition that was chosen for it.
    pub fn partition(&self) -> i32 {
        self.completion.partition
    }
}

impl Future for Delivery {
    type Output = Result<RecordMetadata, SendError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        loop {
            match this
                .completion
                .poll(this.index, this.timestamp, &mut this.waiting, context)
            {
                Polled::Pending => return Poll::Pending,
                Polled::Ready(result) => return Poll::Ready(result),
                Polled::Moved(completion, index) => {
                    (this.completion, this.index, this.waiting) = (completion, index, None);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    fn poll(delivery: &mut Delivery) -> Poll<Result<RecordMetadata, SendError>> {
        Pin::new(delivery).poll(&mut Context::from_waker(Waker::noop()))
    }

    fn placed(base_offset: i64) -> Outcome {
        Outcome::Placed {
            base_offset,
            log_append_time_ms: -1,
        }
    }

    #[test]
    fn a_record_counts_from_the_batch() {
        let completion = Completion::new("t".into(), 3);
        let mut delivery = Delivery::new(completion.clone(), 2, 77);
        assert!(poll(&mut delivery).is_pending() && poll(&mut delivery).is_pending());
        assert_eq!(
            completion.state().wakers.len(),
            1,
            "one place however often it is polled"
        );
        completion.complete(placed(40));
        completion.complete(Outcome::Failed(SendError::Closed));
        let Poll::Ready(Ok(metadata)) = poll(&mut delivery) else {
            panic!("complete");
        };
        assert_eq!((metadata.partition, metadata.offset, metadata.timestamp), (3, 42, 77));
    }

    #[test]
    fn records_of_a_split_batch_are_found_in_its_pieces() {
        let whole = Completion::new("t".into(), 0);
        let mut deliveries: Vec<_> = (0..5).map(|index| Delivery::new(whole.clone(), index, 0)).collect();
        assert!(deliveries.iter_mut().all(|delivery| poll(delivery).is_pending()));
        let (a, b) = (Completion::new("t".into(), 0), Completion::new("t".into(), 0));
        whole.complete(Outcome::Split(vec![(0, a.clone()), (3, b.clone())]));
        b.complete(placed(13));
        a.complete(placed(10));
        let offsets: Vec<_> = deliveries
            .iter_mut()
            .map(|delivery| match poll(delivery) {
                Poll::Ready(Ok(metadata)) => metadata.offset,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(offsets, [10, 11, 12, 13, 14]);
    }

    #[test]
    fn only_the_culprit_has_its_own_error() {
        let completion = Completion::new("t".into(), 0);
        let invalid = |reason: &str| SendError::Invalid { reason: reason.into() };
        completion.complete(Outcome::Culprits {
            errors: BTreeMap::from([(1, invalid("mine"))]),
            others: invalid("another's"),
        });
        let text = |index| match poll(&mut Delivery::new(completion.clone(), index, 0)) {
            Poll::Ready(Err(error)) => error.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(text(0), "invalid record: another's");
        assert_eq!(text(1), "invalid record: mine");
    }
}
