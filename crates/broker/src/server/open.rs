//! From a configuration to a node whose logs are open and whose controller is active.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use klamm_config::{Overrides, ServerConfig};
use klamm_log::{
    LogManager, ManagerConfig, MetaProperties, OpenDirReport, OpenError, OpenReport, RecoveryProgress, Shutdown,
    StorageError,
};
use klamm_protocol::Uuid;
use klamm_raft::{Endpoint as RaftEndpoint, Endpoints};
use rustix::process::{Resource, getrlimit};
use tokio::sync::watch;
use tracing::{info, warn};

use super::StartError;
use super::format::format_if_new;
use super::listen::Quotas;
use super::log_dirs::offline_reason;
use super::publishers::{ConfigPublisher, GroupsPublisher, PartitionsPublisher};
use crate::auto_topics::AutoTopics;
use crate::clock::Clock;
use crate::config::NodeConfig;
use crate::coordinators::GroupCoordinators;
use crate::endpoints::{self, Endpoint};
use crate::entropy;
use crate::fetch_sessions::FetchSessions;
use crate::lifecycle::Incarnation;
use crate::metrics::Metrics;
use crate::node::Node;
use crate::partitions::{Partitions, TopicSettings};
use crate::producer_ids::ProducerIds;
use crate::quorum::{MetadataPublisher, Quorum, QuorumOptions, RunningQuorum};

/// What to do with directories that have not been formatted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unformatted {
    /// Refuse to start, as Kafka does: a directory that is missing by mistake must not look like a new node.
    Refuse,
    /// Format them for a new cluster of this one node, if they are empty.
    Format,
}

/// What [`open`] has opened.
pub(super) struct Opened {
    pub(super) node: Arc<Node>,
    pub(super) quorum: RunningQuorum,
    /// Who is to hear of the cluster's metadata, once the broker is registered.
    pub(super) publishers: Vec<Box<dyn MetadataPublisher>>,
    pub(super) fault: watch::Receiver<Option<String>>,
    /// Whoever finds that the node can't go on says so here.
    pub(super) faulty: Arc<watch::Sender<Option<String>>>,
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) incarnation: Incarnation,
    pub(super) quotas: Quotas,
}

/// Opens the logs and the quorum; `progress` tells meanwhile how far that has come. Blocks for as long as the disks take.
pub(super) fn open(
    config: Arc<NodeConfig>,
    endpoints: Vec<Endpoint>,
    unformatted: Unformatted,
    progress: Arc<RecoveryProgress>,
) -> Result<Opened, StartError> {
    let server = &config.server;
    check_supported(server)?;
    let clock = Arc::new(Clock::new());
    if unformatted == Unformatted::Format {
        format_if_new(server, &endpoints, clock.now_ms())?;
    }
    // Other directories may be offline; without this one there is no node.
    let metadata_dir = Path::new(&server.metadata_log_dir);
    let meta = MetaProperties::read(metadata_dir).map_err(OpenError::Storage)?;
    let meta = meta.ok_or_else(|| OpenError::NotFormatted {
        dir: metadata_dir.to_owned(),
    })?;
    let (logs, report) = open_logs(&config, &clock, progress)?;
    let logs = Arc::new(logs);
    if let Some(reason) = offline_reason(&logs, &absolute(&server.metadata_log_dir)) {
        return Err(OpenError::Storage(StorageError::Offline {
            dir: metadata_dir.to_owned(),
            reason: reason.into(),
        })
        .into());
    }
    let quorum = Quorum::open(
        server,
        QuorumOptions {
            cluster_id: meta.cluster_id.clone(),
            directory_id: meta.directory_id.unwrap_or(Uuid::ZERO),
            listeners: controller_endpoints(server, &endpoints),
            seed: entropy::random(),
            clock: clock.clone(),
        },
    )?;
    config.update(&quorum.image().load());
    let quotas = Quotas::new(&config);
    let partitions = Arc::new(Partitions::new(server.node_id, config.clone(), logs.clone()));
    partitions.resume_moves(report.unfinished_moves.clone());
    partitions.set_strays_aside(&quorum.image().load());
    let groups = Arc::new(GroupCoordinators::start(
        server.node_id,
        &config,
        partitions.clone(),
        &clock,
    ));
    let (faulty, fault) = watch::channel(None);
    let faulty = Arc::new(faulty);
    let quorum_faulty = faulty.clone();
    let publishers: Vec<Box<dyn MetadataPublisher>> = vec![
        Box::new(ConfigPublisher {
            config: config.clone(),
            quotas: quotas.clone(),
        }),
        Box::new(PartitionsPublisher {
            partitions: partitions.clone(),
            clock: clock.clone(),
        }),
        Box::new(GroupsPublisher { groups: groups.clone() }),
    ];
    let quorum = quorum.run(move |error| {
        quorum_faulty.send_replace(Some(error.to_string()));
    });
    let incarnation = Incarnation {
        id: entropy::random_uuid(),
        log_dirs: logs
            .log_dirs()
            .into_iter()
            .filter(|dir| dir.offline.is_none())
            .filter_map(|dir| dir.directory_id)
            .collect(),
        listeners: endpoints::advertised(&server.advertised_listeners, &endpoints),
        controller_listeners: endpoints::advertised(&server.advertised_controller_listeners, &endpoints),
        previous_broker_epoch: previous_epoch(&report.dirs, server.log_dirs.len()),
    };
    let sessions = usize::try_from(server.config.int("max.incremental.fetch.session.cache.slots")).unwrap_or(0);
    let node = Arc::new(Node {
        id: server.node_id,
        cluster_id: meta.cluster_id,
        clock,
        metrics: Metrics::default(),
        controller: quorum.handle(),
        partitions,
        groups,
        producer_ids: ProducerIds::default(),
        auto_topics: AutoTopics::default(),
        loggers: OnceLock::new(),
        fetch_sessions: FetchSessions::new(sessions, entropy::random()),
        image: quorum.image(),
        config,
    });
    Ok(Opened {
        node,
        quorum,
        publishers,
        fault,
        faulty,
        endpoints,
        incarnation,
        quotas,
    })
}

/// One node is broker and controller; clusters of several nodes do not work yet.
fn check_supported(server: &ServerConfig) -> Result<(), StartError> {
    let not_yet = |what: &str, key| {
        Err(StartError::NotYet {
            what: what.to_owned(),
            key,
        })
    };
    match (server.is_broker(), server.is_controller()) {
        (true, true) => {}
        (true, false) => return not_yet("the node would be a broker without a controller", "process.roles"),
        _ => return not_yet("the node would be a controller without a broker", "process.roles"),
    }
    if server.quorum_voters.iter().any(|voter| voter.id != server.node_id) {
        return not_yet("the quorum has voters beside this node", "controller.quorum.voters");
    }
    Ok(())
}

fn open_logs(
    config: &NodeConfig,
    clock: &Clock,
    progress: Arc<RecoveryProgress>,
) -> Result<(LogManager, OpenReport), OpenError> {
    let server = &config.server;
    let values = &server.config;
    let log_dirs: Vec<PathBuf> = server.log_dirs.iter().map(|dir| absolute(dir)).collect();
    let checkpoints = values.int("log.flush.offset.checkpoint.interval.ms");
    let manager = ManagerConfig {
        recovery_threads_per_data_dir: usize::try_from(values.int("num.recovery.threads.per.data.dir"))
            .unwrap_or(1)
            .max(1),
        initial_task_delay_ms: values.long("log.initial.task.delay.ms"),
        retention_check_interval_ms: values.long("log.retention.check.interval.ms"),
        checkpoint_interval_ms: i64::from(checkpoints.min(values.int("log.flush.start.offset.checkpoint.interval.ms"))),
        producer_id_expiration_ms: i64::from(values.int("producer.id.expiration.ms")),
        verifies_transactions: values.boolean("transaction.partition.verification.enable"),
        max_open_files: share_of_files(4, 1_000),
        max_unsynced_files: share_of_files(2, 100_000),
        progress,
        ..ManagerConfig::new(server.node_id, log_dirs, entropy::random())
    };
    let effective = config.effective();
    // What topics set themselves is known when the metadata has been read, and put over this then.
    let of_topic = |topic: &str| TopicSettings::of(topic, &effective, &Overrides::new()).log;
    let (logs, report) = LogManager::open(manager, of_topic, clock.now_ms())?;
    for failed in &report.failed {
        warn!(partition = %failed.partition, error = %failed.error, "a log does not open");
    }
    info!(logs = report.logs, recovered = report.recovered.len(), took = ?report.duration, "opened the logs");
    let (records, bytes) = logs.recovery_progress().lost();
    if records > 0 {
        warn!(
            records,
            bytes, "records were lost behind damage, or are missing at the ends of logs; the lines above tell where"
        );
    }
    Ok((logs, report))
}

/// A log directory as requests name it, wherever the node was started from.
pub(super) fn absolute(dir: &str) -> PathBuf {
    std::path::absolute(dir).unwrap_or_else(|_| PathBuf::from(dir))
}

/// A part of the files that the process may have open, and no more than `most`.
fn share_of_files(part: u64, most: u64) -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from((limit / part).min(most)).unwrap_or(usize::MAX)
}

/// The broker's epoch when it last stopped, if it stopped cleanly in all of so many directories (KIP-966).
fn previous_epoch(dirs: &[OpenDirReport], count: usize) -> i64 {
    // What one says that can't be read nobody knows.
    if dirs.len() < count {
        return -1;
    }
    let epochs: Option<Vec<i64>> = dirs
        .iter()
        .map(|dir| match dir.shutdown {
            Shutdown::Clean(epoch) => epoch,
            Shutdown::Unclean => None,
        })
        .collect();
    match epochs.as_deref() {
        Some([first, rest @ ..]) if rest.iter().all(|epoch| epoch == first) => *first,
        _ => -1,
    }
}

fn controller_endpoints(server: &ServerConfig, endpoints: &[Endpoint]) -> Endpoints {
    endpoints::advertised(&server.advertised_controller_listeners, endpoints)
        .into_iter()
        .map(|listener| {
            (
                listener.name,
                RaftEndpoint {
                    host: listener.host.unwrap_or_default(),
                    port: listener.port,
                },
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dirs(shutdowns: &[Shutdown]) -> Vec<OpenDirReport> {
        let report = |shutdown: &Shutdown| OpenDirReport {
            path: PathBuf::new(),
            shutdown: *shutdown,
            foreign: Vec::new(),
        };
        shutdowns.iter().map(report).collect()
    }

    #[test]
    fn the_previous_epoch_counts_if_all_directories_were_left_cleanly_in_it() {
        use Shutdown::{Clean, Unclean};
        assert_eq!(previous_epoch(&dirs(&[Clean(Some(7)), Clean(Some(7))]), 2), 7);
        assert_eq!(previous_epoch(&dirs(&[Clean(Some(7)), Clean(Some(8))]), 2), -1);
        assert_eq!(previous_epoch(&dirs(&[Clean(Some(7)), Clean(None)]), 2), -1);
        assert_eq!(previous_epoch(&dirs(&[Clean(Some(7)), Unclean]), 2), -1);
        assert_eq!(previous_epoch(&dirs(&[Clean(Some(7))]), 2), -1, "one can't be read");
        assert_eq!(previous_epoch(&[], 0), -1);
    }

    #[test]
    fn log_directories_are_named_from_the_root() {
        let here = std::env::current_dir().expect("a directory");
        assert_eq!(absolute("data/a"), here.join("data/a"));
        assert_eq!(absolute("/data/a"), Path::new("/data/a"));
    }

    #[test]
    fn few_files_are_kept_open_where_few_are_allowed() {
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        assert_eq!(share_of_files(4, u64::MAX) as u64, limit / 4);
        assert_eq!(share_of_files(1, 7), 7);
    }
}
