//! What a test stands on: a node of its own, or the broker that the environment names.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use klamm_client::Client;
use klamm_testkit::Cluster;

/// The broker to test against instead of an embedded node.
const BOOTSTRAP: &str = "KLAMM_TEST_BOOTSTRAP";

/// Its controllers; tests that need them are passed over without.
const CONTROLLERS: &str = "KLAMM_TEST_CONTROLLERS";

/// A cluster that is there for one test.
pub(crate) struct Bed {
    bootstrap: String,
    cluster: Option<Cluster>,
}

impl Bed {
    /// An embedded node, unless the environment names a broker.
    pub(crate) async fn start() -> Bed {
        Bed::with(&[]).await
    }

    /// As [`Bed::start`], with settings of its own for an embedded node.
    pub(crate) async fn with(settings: &[(&str, &str)]) -> Bed {
        log();
        if let Ok(bootstrap) = std::env::var(BOOTSTRAP) {
            return Bed {
                bootstrap,
                cluster: None,
            };
        }
        let builder = settings
            .iter()
            .fold(Cluster::builder(), |builder, (key, value)| builder.set(*key, *value));
        let cluster = builder.start().await.expect("the node starts");
        Bed {
            bootstrap: cluster.bootstrap(),
            cluster: Some(cluster),
        }
    }

    /// `host:port`.
    pub(crate) fn bootstrap(&self) -> String {
        self.bootstrap.clone()
    }

    /// The embedded node; `None` when the broker is another's, which a test must not stop.
    pub(crate) fn embedded(&mut self) -> Option<&mut Cluster> {
        self.cluster.as_mut()
    }

    /// Where the controllers are: those of the node, or those that the environment names.
    pub(crate) fn controllers(&self) -> Option<String> {
        match &self.cluster {
            Some(cluster) => cluster.controller_address().map(|address| address.to_string()),
            None => std::env::var(CONTROLLERS).ok(),
        }
    }

    /// A client with the defaults.
    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.bootstrap()).await.expect("the cluster answers")
    }
}

/// What the client says belongs to what a failed test prints.
fn log() {
    let lines = tracing_subscriber::fmt()
        .with_env_filter("klamm_client=debug")
        .with_ansi(false)
        .with_test_writer();
    // The first test of the process sets it up for all.
    let _ = lines.try_init();
}

/// A name that no other test has, also on a broker that many runs share.
pub(crate) fn fresh(prefix: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set");
    let (millis, process) = (since.as_millis() % 1_000_000_000, std::process::id());
    format!("{prefix}-{millis}-{process}-{count}")
}

/// Longer than anything takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until what a broker does in its own time has happened.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition().await {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
