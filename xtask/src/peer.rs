//! `cargo xtask peer`: the API differential test (`peer` in klamm's tests) against Apache Kafka.
//!
//! Apache Kafka comes from Maven Central, as `tests/peer/pom.xml` names it, into the target directory. It runs as one
//! node, broker and controller, on free ports and an empty directory, and is killed when the test is over however it ends.

use std::path::Path;

use crate::broker::{Home, Side};

/// The test's random part: enough to reach every kind of request, always the same.
const RANDOM: [(&str, &str); 2] = [("KLAMM_TEST_SEED", "4"), ("KLAMM_PEER_REQUESTS", "400")];

/// Fetches and starts Apache Kafka and runs the test beside it; returns what failed.
pub(crate) fn run(root: &Path) -> Result<Vec<String>, String> {
    let dir = crate::target_dir(root).join("peer");
    let home = Home::create(root, &dir, Path::new("klamm"), 1, "")?;
    home.format(Side::Apache)?;
    let peer = home.start(Side::Apache, "kafka.log")?;
    let mut test = crate::cargo_command(root, &["test", "--package", "klamm", "--test", "it", "--"]);
    test.args(["peer::", "--nocapture"]);
    for (name, value) in RANDOM {
        if std::env::var_os(name).is_none() {
            test.env(name, value);
        }
    }
    test.env("KLAMM_TEST_PEER", format!("127.0.0.1:{}", home.port));
    let result = crate::succeed(&mut test);
    drop(peer);
    Ok(result.err().into_iter().collect())
}
