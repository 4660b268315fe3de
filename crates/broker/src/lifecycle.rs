//! The broker's standing in its cluster: it registers, is unfenced by its heartbeats, and asks to leave before it stops.

use std::sync::Arc;
use std::time::Duration;

use klamm_config::Listener;
use klamm_controller::{Controller, ControllerError};
use klamm_metadata::supported_features;
use klamm_protocol::messages::broker_registration_request::{Feature, Listener as AdvertisedListener};
use klamm_protocol::messages::controller_registration_request::{
    Feature as ControllerFeature, Listener as ControllerListener,
};
use klamm_protocol::messages::{
    BrokerHeartbeatRequest, BrokerHeartbeatResponse, BrokerRegistrationRequest, BrokerRegistrationResponse,
    ControllerRegistrationRequest,
};
use klamm_protocol::{ErrorCode, Uuid};
use tokio::time::{Instant, sleep};
use tracing::{debug, info, warn};

use crate::node::Node;

/// How soon a call is repeated that a quorum without a leader could not answer.
const RETRY: Duration = Duration::from_millis(20);
/// How long a broker that stops waits for the controller to move what it leads.
const CONTROLLED_SHUTDOWN_PATIENCE: Duration = Duration::from_secs(30);

/// A broker that is registered.
#[derive(Debug)]
pub(crate) struct Registration {
    node: Arc<Node>,
    broker_epoch: i64,
}

/// What a broker registers with.
#[derive(Debug)]
pub(crate) struct Incarnation {
    /// New in each process.
    pub(crate) id: Uuid,
    /// The ids of the directories that are in order.
    pub(crate) log_dirs: Vec<Uuid>,
    /// Where clients reach the broker, with real hosts and ports.
    pub(crate) listeners: Vec<Listener>,
    /// Where others reach the controller.
    pub(crate) controller_listeners: Vec<Listener>,
    /// The epoch of the incarnation before this one if that one stopped cleanly, or -1 (KIP-966).
    pub(crate) previous_broker_epoch: i64,
}

impl Registration {
    /// Registers the broker, which is fenced until [`Registration::unfence`].
    ///
    /// # Errors
    /// What the controller says, or the lack of one for `initial.broker.registration.timeout.ms`.
    pub(crate) async fn register(node: &Arc<Node>, incarnation: &Incarnation) -> Result<Self, ControllerError> {
        let config = &node.config.server.config;
        let patience = Duration::from_millis(
            config
                .int("initial.broker.registration.timeout.ms")
                .unsigned_abs()
                .into(),
        );
        let deadline = Instant::now() + patience;
        let request = Arc::new(request(node, incarnation));
        loop {
            match send(node, request.clone()).await {
                Ok(response) => {
                    info!(broker_epoch = response.broker_epoch, "registered as broker {}", node.id);
                    return Ok(Registration {
                        node: node.clone(),
                        broker_epoch: response.broker_epoch,
                    });
                }
                Err(error) if is_passing(&error) && Instant::now() < deadline => {
                    debug!("not registered yet: {error}");
                    sleep(RETRY).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The epoch that the controller gave the registration.
    pub(crate) fn broker_epoch(&self) -> i64 {
        self.broker_epoch
    }

    /// Sends heartbeats until the controller lets the broker serve.
    ///
    /// # Errors
    /// What the controller says when that is final.
    pub(crate) async fn unfence(&self) -> Result<(), ControllerError> {
        loop {
            match self.heartbeat(false).await {
                Ok(response) if !response.is_fenced => return Ok(()),
                Ok(_) => {}
                Err(error) if is_passing(&error) => {}
                Err(error) => return Err(error),
            }
            sleep(RETRY).await;
        }
    }

    /// Keeps the broker's session alive for as long as it is polled.
    pub(crate) async fn keep_alive(&self) {
        let interval = self.node.config.server.config.int("broker.heartbeat.interval.ms");
        let mut beats = tokio::time::interval(Duration::from_millis(interval.max(1).unsigned_abs().into()));
        beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            beats.tick().await;
            match self.heartbeat(false).await {
                Ok(response) if response.is_fenced => warn!("the controller has fenced this broker"),
                Ok(_) => {}
                Err(error) => warn!("a heartbeat failed: {error}"),
            }
        }
    }

    /// Tells the controller at once of log directories that have failed; if it can't hear, the next heartbeat does.
    pub(crate) async fn tell_offline(&self) {
        if let Err(error) = self.heartbeat(false).await {
            warn!("the controller has not heard of failed log directories yet: {error}");
        }
    }

    /// Asks to leave and waits until the controller has moved away what can be moved.
    pub(crate) async fn leave(&self) {
        let leaving = async {
            loop {
                match self.heartbeat(true).await {
                    Ok(response) if response.should_shut_down => return,
                    Ok(_) => {}
                    Err(error) if is_passing(&error) => {}
                    Err(error) => return warn!("could not leave the cluster in good order: {error}"),
                }
                sleep(RETRY).await;
            }
        };
        if tokio::time::timeout(CONTROLLED_SHUTDOWN_PATIENCE, leaving)
            .await
            .is_err()
        {
            warn!("the controller did not let this broker leave in time");
        }
    }

    async fn heartbeat(&self, want_shut_down: bool) -> Result<BrokerHeartbeatResponse, ControllerError> {
        let node = &self.node;
        let request = BrokerHeartbeatRequest {
            broker_id: node.id,
            broker_epoch: self.broker_epoch,
            current_metadata_offset: node.image().offset(),
            offline_log_dirs: node.partitions.logs().offline_directories(),
            want_fence: false,
            want_shut_down,
            ..Default::default()
        };
        let take_in = move |controller: &Controller, now_ms: i64| controller.process_broker_heartbeat(&request, now_ms);
        node.controller
            .write("heartbeat", node.request_deadline_ms(), take_in)
            .await
    }
}

/// Writes into the metadata where this node's controller is reached (KIP-919), if the metadata version has room for it.
/// Tools that ask for the quorum's nodes find them there.
pub(crate) async fn register_controller(node: &Node, incarnation: &Incarnation) -> Result<(), ControllerError> {
    let listeners = incarnation
        .controller_listeners
        .iter()
        .map(|listener| ControllerListener {
            name: listener.name.clone(),
            host: listener.host.clone().unwrap_or_default(),
            port: listener.port,
            security_protocol: listener.protocol.id(),
            ..Default::default()
        });
    let unstable = node.config.server.config.boolean("unstable.feature.versions.enable");
    let features = supported_features(unstable)
        .into_iter()
        .map(|(name, range)| ControllerFeature {
            name: name.to_owned(),
            min_supported_version: range.min,
            max_supported_version: range.max,
            ..Default::default()
        });
    let request = ControllerRegistrationRequest {
        controller_id: node.id,
        incarnation_id: incarnation.id,
        listeners: listeners.collect(),
        features: features.collect(),
        ..Default::default()
    };
    let register = move |controller: &Controller, _: i64| controller.register_controller(&request);
    let written = node
        .controller
        .write("register controller", node.request_deadline_ms(), register)
        .await;
    match written {
        Err(error) if error.code == ErrorCode::UNSUPPORTED_VERSION => Ok(()),
        written => written.map(|_| ()),
    }
}

async fn send(
    node: &Node,
    request: Arc<BrokerRegistrationRequest>,
) -> Result<BrokerRegistrationResponse, ControllerError> {
    let kraft_version = node.controller.kraft_version();
    let register =
        move |controller: &Controller, now_ms: i64| controller.register_broker(&request, true, kraft_version, now_ms);
    node.controller
        .write("register broker", node.request_deadline_ms(), register)
        .await
}

fn request(node: &Node, incarnation: &Incarnation) -> BrokerRegistrationRequest {
    let config = &node.config.server.config;
    let listeners = incarnation.listeners.iter().map(|listener| AdvertisedListener {
        name: listener.name.clone(),
        host: listener.host.clone().unwrap_or_default(),
        port: listener.port,
        security_protocol: listener.protocol.id(),
        ..Default::default()
    });
    let features = supported_features(config.boolean("unstable.feature.versions.enable"));
    let features = features.into_iter().map(|(name, range)| Feature {
        name: name.to_owned(),
        min_supported_version: range.min,
        max_supported_version: range.max,
        ..Default::default()
    });
    BrokerRegistrationRequest {
        broker_id: node.id,
        cluster_id: node.cluster_id.clone(),
        incarnation_id: incarnation.id,
        listeners: listeners.collect(),
        features: features.collect(),
        rack: config.string_or_none("broker.rack").map(str::to_owned),
        log_dirs: incarnation.log_dirs.clone(),
        previous_broker_epoch: incarnation.previous_broker_epoch,
        ..Default::default()
    }
}

/// Whether the same call may succeed when the quorum has a leader again.
fn is_passing(error: &ControllerError) -> bool {
    matches!(error.code, ErrorCode::NOT_CONTROLLER | ErrorCode::REQUEST_TIMED_OUT)
}
