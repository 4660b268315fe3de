//! The way in: what others may ask of the controller.

use std::sync::Arc;
use std::sync::atomic::{AtomicI16, AtomicI32, Ordering};
use std::sync::mpsc;

use klamm_controller::{BrokerContact, Controller, ControllerError, ControllerResult};
use klamm_metadata::{MetadataDelta, MetadataImage, MetadataRecord};
use klamm_protocol::ErrorCode;
use klamm_raft::{OffsetAndEpoch, QuorumDescription};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::QuorumError;

/// Most requests that wait for the owner; those beyond wait to be let into the queue.
pub(super) const MAX_QUEUED: usize = 1_000;

/// Hears of every committed change, on the quorum's thread and in the order of the log. The first call brings all there is.
///
/// Replies of the controller wait until all publishers have returned, so what takes long belongs elsewhere.
pub trait MetadataPublisher: Send {
    /// `image` is the state after `delta`.
    fn on_metadata_update(&self, delta: &MetadataDelta, image: &Arc<MetadataImage>);
}

/// A request before the controller, or the reason why there is none; what it answers is sent later.
pub(super) type Attempt = Box<dyn FnOnce(Result<(&Controller, i64), ControllerError>) -> Option<Attempted> + Send>;

/// Gives the answer, once what was written is committed or will never be.
pub(super) type Answer = Box<dyn FnOnce(Result<(), ControllerError>) + Send>;

/// What a request of the controller came to.
pub(super) struct Attempted {
    pub(super) records: Vec<MetadataRecord>,
    pub(super) atomic: bool,
    pub(super) contact: Option<BrokerContact>,
    pub(super) answer: Answer,
}

/// What the owner is told.
pub(super) enum Event {
    Write { name: &'static str, attempt: Attempt },
    Read(Box<dyn FnOnce(&Controller) + Send>),
    Describe(oneshot::Sender<Option<QuorumDescription>>),
    Subscribe(Vec<Box<dyn MetadataPublisher>>, oneshot::Sender<()>),
    SnapshotWritten(Result<(OffsetAndEpoch, u64), QuorumError>),
    Shutdown,
}

/// An event in the queue, with its place in it.
pub(super) struct Queued {
    pub(super) event: Event,
    pub(super) place: Option<OwnedSemaphorePermit>,
}

/// What everybody may look at without asking.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) leader_epoch: AtomicI32,
    pub(super) kraft_version: AtomicI16,
}

/// Asks the active controller of this node. Clones ask the same one.
#[derive(Clone)]
pub struct ControllerHandle {
    pub(super) events: mpsc::Sender<Queued>,
    pub(super) places: Arc<Semaphore>,
    pub(super) shared: Arc<Shared>,
}

impl std::fmt::Debug for ControllerHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ControllerHandle")
            .field("shared", &self.shared)
            .finish_non_exhaustive()
    }
}

impl ControllerHandle {
    /// Has `op` decide on the newest state, appends what it answers, and returns its reply when that is committed and has
    /// reached the publishers. `op` gets the controller and the time; `name` is for the log.
    ///
    /// # Errors
    /// What `op` answers, at once; REQUEST_TIMED_OUT when `deadline_ms` had passed before its turn came; NOT_CONTROLLER
    /// when this node's controller is not active or ceased to be: then what was asked for may have happened.
    ///
    /// # Cancel safety
    /// Dropping the future does not take back what is in the queue.
    pub async fn write<R, F>(&self, name: &'static str, deadline_ms: i64, op: F) -> Result<R, ControllerError>
    where
        R: Send + 'static,
        F: FnOnce(&Controller, i64) -> Result<ControllerResult<R>, ControllerError> + Send + 'static,
    {
        let (sender, reply) = oneshot::channel();
        let attempt: Attempt = Box::new(move |controller| {
            let result = controller.and_then(|(controller, now_ms)| match now_ms > deadline_ms {
                true => Err(ErrorCode::REQUEST_TIMED_OUT.into()),
                false => op(controller, now_ms),
            });
            match result {
                Ok(ControllerResult {
                    records,
                    reply,
                    atomic,
                    contact,
                }) => {
                    // Whoever asked may have gone away; then nobody hears the answer.
                    let answer = Box::new(move |committed: Result<(), ControllerError>| {
                        let _ = sender.send(committed.map(|()| reply));
                    });
                    Some(Attempted {
                        records,
                        atomic,
                        contact,
                        answer,
                    })
                }
                Err(error) => {
                    let _ = sender.send(Err(error));
                    None
                }
            }
        });
        self.send(Event::Write { name, attempt }).await?;
        reply.await.unwrap_or_else(|_| Err(not_controller()))
    }

    /// Lets `op` look at the controller; [`Controller::committed_image`] is what reads have to answer from.
    ///
    /// # Errors
    /// NOT_CONTROLLER when the quorum has stopped.
    pub async fn read<R, F>(&self, op: F) -> Result<R, ControllerError>
    where
        R: Send + 'static,
        F: FnOnce(&Controller) -> R + Send + 'static,
    {
        let (sender, reply) = oneshot::channel();
        let op = Box::new(move |controller: &Controller| {
            let _ = sender.send(op(controller));
        });
        self.send(Event::Read(op)).await?;
        reply.await.map_err(|_| not_controller())
    }

    /// What DescribeQuorum answers; none while this node does not lead.
    pub async fn describe_quorum(&self) -> Option<QuorumDescription> {
        let (sender, reply) = oneshot::channel();
        self.send(Event::Describe(sender)).await.ok()?;
        reply.await.ok()?
    }

    /// The epoch in which this node's controller is active; none while it is not.
    pub fn active_epoch(&self) -> Option<i32> {
        Some(self.shared.leader_epoch.load(Ordering::Acquire)).filter(|epoch| *epoch >= 0)
    }

    /// The level of kraft.version: 1 when the voters live in the metadata log (KIP-853), 0 when in the configuration.
    pub fn kraft_version(&self) -> i16 {
        self.shared.kraft_version.load(Ordering::Acquire)
    }

    /// See [`RunningQuorum::subscribe`](super::RunningQuorum::subscribe).
    pub(super) async fn subscribe(&self, publishers: Vec<Box<dyn MetadataPublisher>>) -> Result<(), ControllerError> {
        let (sender, done) = oneshot::channel();
        self.send(Event::Subscribe(publishers, sender)).await?;
        done.await.map_err(|_| not_controller())
    }

    async fn send(&self, event: Event) -> Result<(), ControllerError> {
        let place = self
            .places
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| not_controller())?;
        self.events
            .send(Queued {
                event,
                place: Some(place),
            })
            .map_err(|_| not_controller())
    }
}

pub(super) fn not_controller() -> ControllerError {
    ErrorCode::NOT_CONTROLLER.into()
}
