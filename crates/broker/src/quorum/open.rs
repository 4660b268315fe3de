//! From a formatted directory to an active controller, and from there to a running thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI16, AtomicI32, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use klamm_config::ServerConfig;
use klamm_controller::{Controller, ControllerConfig, ControllerError};
use klamm_metadata::{
    BootstrapMetadata, MetadataImage, MetadataLoader, MetadataProvenance, MetadataRecord, MetadataVersion,
    default_levels,
};
use klamm_protocol::Uuid;
use klamm_raft::{ControlRecord, Endpoint, Endpoints, Outbox, Raft, RaftConfig, Recovered, VoterSet};
use tokio::sync::Semaphore;

use super::handle::{ControllerHandle, Event, MAX_QUEUED, MetadataPublisher, Queued, Shared};
use super::log::MetadataLog;
use super::owner::Owner;
use super::upkeep::Upkeep;
use super::{QuorumError, checkpoint, state_file};
use crate::clock::Clock;

/// What the quorum has to know of its node.
#[derive(Clone, Debug)]
pub struct QuorumOptions {
    /// The cluster's id, from `meta.properties`.
    pub cluster_id: String,
    /// `directory.id` of the metadata log directory, from its `meta.properties`.
    pub directory_id: Uuid,
    /// Where this node's controller listeners can be reached, by name, with the ports in use.
    pub listeners: Endpoints,
    /// Randomness: seeds of elections and of topic ids.
    pub seed: u64,
    /// The node's clock.
    pub clock: Arc<Clock>,
}

/// A quorum whose controller is active and whose metadata is loaded, before it runs.
pub struct Quorum {
    owner: Owner,
    events: mpsc::Receiver<Queued>,
    handle: ControllerHandle,
}

/// A quorum at work on its thread. Dropping it stops the thread.
#[derive(Debug)]
pub struct RunningQuorum {
    handle: ControllerHandle,
    image: Arc<ArcSwap<MetadataImage>>,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Quorum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Quorum")
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}

impl Quorum {
    /// Loads snapshot and log, elects this node, and writes what a new cluster begins with. Blocks for as long as the disk takes.
    ///
    /// # Errors
    /// Damaged files, a disk that fails, or a quorum of other or more voters than this node.
    pub fn open(server: &ServerConfig, options: QuorumOptions) -> Result<Quorum, QuorumError> {
        let QuorumOptions {
            cluster_id,
            directory_id,
            listeners,
            seed,
            clock,
        } = options;
        let now_ms = clock.now_ms();
        let log_dir = PathBuf::from(&server.metadata_log_dir);
        let log = MetadataLog::open(&log_dir, &server.config, now_ms)?;
        let raft_config = raft_config(server, cluster_id.clone(), directory_id, listeners);
        let static_voters = static_voters(server, &raft_config.listener);
        let mut loader = MetadataLoader::new(Arc::new(MetadataImage::empty()));
        let own = Arc::new(server.config.clone());
        let quorum_node_ids = vec![server.node_id];
        let controller_config = ControllerConfig {
            node_id: server.node_id,
            quorum_node_ids,
            cluster_id,
            own,
        };
        let mut controller = Controller::new(controller_config, seed);

        let mut control_records = Vec::new();
        let mut bootstrap_records = Vec::new();
        let mut applied = 0;
        if let Some((id, checkpoint)) = log.latest_snapshot()? {
            let last_offset = id.offset - 1;
            control_records.extend(checkpoint.control.into_iter().map(|record| (last_offset, record)));
            if id.offset == 0 {
                // Not the state of a cluster yet: the first controller writes it into the log.
                bootstrap_records = checkpoint.records;
            } else {
                controller.load_snapshot(&checkpoint.records, last_offset)?;
                let provenance = MetadataProvenance {
                    last_contained_offset: last_offset,
                    last_contained_epoch: id.epoch,
                    last_contained_log_time_ms: checkpoint.last_contained_log_timestamp,
                };
                loader.load_snapshot(provenance, checkpoint.records)?;
            }
            applied = id.offset;
        }
        control_records.extend(log.control_records(applied)?);
        let recovered = recovered(&log, static_voters, control_records)?;
        let raft = Raft::new(raft_config, recovered, seed);
        let voters: Vec<i32> = raft.voter_set().ids().collect();
        if voters != [server.node_id] || !raft.is_voter() {
            return Err(QuorumError::NotTheOnlyVoter {
                node_id: server.node_id,
                voters,
            });
        }

        let (sender, events) = mpsc::channel();
        let shared = Arc::new(Shared {
            leader_epoch: AtomicI32::new(-1),
            kraft_version: AtomicI16::new(raft.kraft_version()),
        });
        let places = Arc::new(Semaphore::new(MAX_QUEUED));
        let handle = ControllerHandle {
            events: sender.clone(),
            places,
            shared: shared.clone(),
        };
        let mut owner = Owner {
            raft,
            out: Outbox::new(),
            controller,
            loader,
            image: Arc::new(ArcSwap::from_pointee(MetadataImage::empty())),
            publishers: Vec::new(),
            bootstrap: bootstrap(bootstrap_records, &log_dir)?,
            upkeep: Upkeep::new(&server.config, now_ms, sender),
            log,
            clock,
            shared,
            active_epoch: None,
            applied,
            in_flight: Default::default(),
            waiting: Default::default(),
            unflushed: false,
        };
        owner.start()?;
        Ok(Quorum { owner, events, handle })
    }

    /// The cluster's metadata, which is complete already.
    pub fn image(&self) -> Arc<ArcSwap<MetadataImage>> {
        self.owner.image.clone()
    }

    /// Runs on a thread of its own. `on_fault` is called from there should the quorum fail; the node has to stop then.
    pub fn run(self, on_fault: impl FnOnce(QuorumError) + Send + 'static) -> RunningQuorum {
        let image = self.image();
        let (owner, events, shared) = (self.owner, self.events, self.handle.shared.clone());
        let run = move || {
            // A panic is a bug of ours, but it must not leave a node behind whose metadata stands still.
            let ended = catch_unwind(AssertUnwindSafe(|| owner.run(&events))).unwrap_or(Err(QuorumError::Panicked));
            shared.leader_epoch.store(-1, Ordering::Release);
            if let Err(fault) = ended {
                tracing::error!(%fault, "the metadata quorum failed");
                on_fault(fault);
            }
        };
        let thread = std::thread::Builder::new().name("klamm-quorum".to_owned()).spawn(run);
        let thread = Some(thread.expect("the system has room for a thread at start"));
        RunningQuorum {
            handle: self.handle,
            image,
            thread,
        }
    }
}

impl RunningQuorum {
    /// The way to ask the controller.
    pub fn handle(&self) -> ControllerHandle {
        self.handle.clone()
    }

    /// The cluster's metadata, replaced whole at every change.
    pub fn image(&self) -> Arc<ArcSwap<MetadataImage>> {
        self.image.clone()
    }

    /// Brings publishers up to date, with one change from nothing to all there is; from then on they hear of every other.
    ///
    /// # Errors
    /// NOT_CONTROLLER when the quorum has stopped.
    pub async fn subscribe(&self, publishers: Vec<Box<dyn MetadataPublisher>>) -> Result<(), ControllerError> {
        self.handle.subscribe(publishers).await
    }

    /// Writes out what is under way, closes the log and ends the thread. Blocks until that is done.
    pub fn shut_down(mut self) {
        self.stop();
    }

    fn stop(&mut self) {
        // An owner that failed is gone already.
        let _ = self.handle.events.send(Queued {
            event: Event::Shutdown,
            place: None,
        });
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for RunningQuorum {
    fn drop(&mut self) {
        self.stop();
    }
}

fn recovered(
    log: &MetadataLog,
    static_voters: VoterSet,
    control_records: Vec<(i64, ControlRecord)>,
) -> Result<Recovered, QuorumError> {
    let election = state_file::read(&log.quorum_state_path())?;
    Ok(Recovered {
        election,
        log: log.view(),
        static_voters,
        control_records,
    })
}

fn raft_config(server: &ServerConfig, cluster_id: String, directory_id: Uuid, listeners: Endpoints) -> RaftConfig {
    let config = &server.config;
    let millis = |key| i64::from(config.int(key));
    let bootstrap_servers = server.quorum_bootstrap_servers.iter();
    RaftConfig {
        cluster_id,
        node_id: server.node_id,
        directory_id,
        listeners,
        listener: server.controller_listener_names.first().cloned().unwrap_or_default(),
        bootstrap_servers: bootstrap_servers
            .map(|at| Endpoint {
                host: at.host.clone(),
                port: at.port,
            })
            .collect(),
        election_timeout_ms: millis("controller.quorum.election.timeout.ms"),
        election_backoff_max_ms: millis("controller.quorum.election.backoff.max.ms"),
        fetch_timeout_ms: millis("controller.quorum.fetch.timeout.ms"),
        request_timeout_ms: millis("controller.quorum.request.timeout.ms"),
        retry_backoff_ms: millis("controller.quorum.retry.backoff.ms"),
        fetch_max_bytes: config.int("controller.quorum.fetch.max.bytes"),
        fetch_snapshot_max_bytes: config.int("controller.quorum.fetch.snapshot.max.bytes"),
        fetch_max_wait_ms: 500,
    }
}

fn static_voters(server: &ServerConfig, listener: &str) -> VoterSet {
    let voters = server.quorum_voters.iter();
    let voters = voters.map(|voter| {
        (
            voter.id,
            Endpoint {
                host: voter.endpoint.host.clone(),
                port: voter.endpoint.port,
            },
        )
    });
    VoterSet::of_static(listener, voters)
}

/// What a new cluster begins with: what formatting has left, or else, as in Kafka, the newest versions.
fn bootstrap(records: Vec<MetadataRecord>, log_dir: &Path) -> Result<BootstrapMetadata, QuorumError> {
    if !records.is_empty() {
        return Ok(BootstrapMetadata::from_records(records)?);
    }
    match checkpoint::read(&log_dir.join(checkpoint::BOOTSTRAP))? {
        Some(checkpoint) => Ok(BootstrapMetadata::from_records(checkpoint.records)?),
        None => {
            let version = MetadataVersion::LATEST_PRODUCTION;
            Ok(BootstrapMetadata::from_levels(version, default_levels(version)))
        }
    }
}
