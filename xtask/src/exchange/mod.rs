//! `cargo xtask exchange`: Apache Kafka and a node of ours take turns on the same log directories.
//!
//! One begins, fills the directories with everything that they can hold, and stops or is killed. The other opens them in place:
//! clients have to see there what they saw before, Apache Kafka's dump tool and `klamm log verify` have nothing to complain of, and neither broker may find
//! anything to repair after a clean stop. Then it adds its own, and so on. Two such sequences, one begun by each side, run side
//! by side; what clients see, and what both log, stays in the target directory. Beside them each compacts a copy of the same log.
//! `KLAMM_BINARY` names a binary that is there already; without it one is built.

mod cleaned;
mod client;
mod files;
mod home;

use std::path::{Path, PathBuf};

use self::client::Client;
use self::home::{Ending, Turns};
use crate::broker::Side;

/// Who has the directories, one after the other, and how each ends.
const SEQUENCES: [(&str, &[(Side, Ending)]); 2] = [
    (
        "apache-first",
        &[
            (Side::Apache, Ending::Stop),
            (Side::Klamm, Ending::Look),
            (Side::Klamm, Ending::Stop),
            (Side::Apache, Ending::Kill),
            (Side::Klamm, Ending::Kill),
            (Side::Apache, Ending::Stop),
        ],
    ),
    (
        "klamm-first",
        &[
            (Side::Klamm, Ending::Stop),
            (Side::Apache, Ending::Look),
            (Side::Apache, Ending::Stop),
            (Side::Klamm, Ending::Kill),
            (Side::Apache, Ending::Kill),
            (Side::Klamm, Ending::Stop),
        ],
    ),
];

/// Runs both sequences; returns what is wrong.
pub(crate) fn run(root: &Path) -> Result<Vec<String>, String> {
    let klamm = match std::env::var_os("KLAMM_BINARY") {
        Some(binary) => PathBuf::from(binary),
        None => {
            crate::cargo(root, &["build", "--package", "klamm"])?;
            crate::target_dir(root).join("debug/klamm")
        }
    };
    let work = crate::target_dir(root).join("exchange");
    let classes = client::compile(root, &work)?;
    let mut sequences = Vec::new();
    for (name, turns) in SEQUENCES {
        let (root, klamm, dir, classes) = (root.to_owned(), klamm.clone(), work.join(name), classes.clone());
        sequences.push(std::thread::spawn(move || {
            to_the_end(name, || {
                let mut sequence = Turns::begin(&root, &dir, &klamm, turns[0].0)?;
                let mut client = Client::start(&root, &classes, &dir)?;
                for (side, ending) in turns {
                    sequence.take(&mut client, *side, *ending)?;
                }
                Ok(sequence.wrong)
            })
        }));
    }
    let cleaned = || cleaned::compare(root, &work.join("cleaned"), &klamm, &classes);
    let mut wrong: Vec<String> = to_the_end("cleaned", cleaned)
        .unwrap_or_else(|error| vec![error])
        .into_iter()
        .map(|line| format!("cleaned: {line}"))
        .collect();
    for (sequence, (name, _)) in sequences.into_iter().zip(SEQUENCES) {
        match sequence.join().map_err(|_| "a sequence panicked")? {
            Ok(found) => wrong.extend(found.into_iter().map(|line| format!("{name}: {line}"))),
            Err(error) => wrong.push(format!("{name}: {error}")),
        }
    }
    Ok(wrong)
}

/// Once more what broke off, since brokers and clients have clocks, and a busy machine may be slower than their patience. What
/// is found wrong counts the first time.
fn to_the_end(name: &str, run: impl Fn() -> Result<Vec<String>, String>) -> Result<Vec<String>, String> {
    run().or_else(|error| {
        println!("{name}: {error}; once more");
        run()
    })
}
