//! `cargo xtask client`: the integration tests of our client against Apache Kafka. With `cargo test` they run against a
//! node of ours.

use std::path::Path;

use crate::broker::{Home, Side};

/// Fetches and starts Apache Kafka and runs the tests against it; returns what failed.
pub(crate) fn run(root: &Path) -> Result<Vec<String>, String> {
    let dir = crate::target_dir(root).join("client");
    let home = Home::create(root, &dir, Path::new("klamm"), 1, "")?;
    home.format(Side::Apache)?;
    let kafka = home.start(Side::Apache, "kafka.log")?;
    let mut test = crate::cargo_command(root, &["test", "--package", "klamm-client", "--test", "it"]);
    test.env("KLAMM_TEST_BOOTSTRAP", format!("127.0.0.1:{}", home.port));
    test.env("KLAMM_TEST_CONTROLLERS", format!("127.0.0.1:{}", home.port + 1));
    let result = crate::succeed(&mut test);
    drop(kafka);
    Ok(result.err().into_iter().collect())
}
