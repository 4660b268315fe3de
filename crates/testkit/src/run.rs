//! A whole test in one call, for examples in documentation.

use std::error::Error;

use crate::Cluster;

/// Starts a cluster, runs `test` with it, and ends it.
///
/// For tests that are functions, and for examples in documentation, which so need one line around them:
///
/// ```
/// klamm_testkit::run(async |cluster| {
///     let mut client = cluster.client().await?;
///     client.call_newest(&klamm_protocol::messages::MetadataRequest::default()).await?;
///     Ok(())
/// });
/// ```
///
/// # Panics
/// When the cluster does not start or the test fails: a test's way to say so.
pub fn run(test: impl AsyncFnOnce(&mut Cluster) -> Result<(), Box<dyn Error>>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("the system has threads");
    let result = runtime.block_on(async {
        let mut cluster = Cluster::start().await?;
        test(&mut cluster).await
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}
