//! Random messages of every version, read and written again.

use crate::entry::named;
use crate::random_wire::{Random, random_message};
use crate::{crate_root, generator};

/// Random messages per message and version.
const ROUNDS: u64 = 24;

#[test]
fn random_messages_survive_reading_and_writing() {
    for message in generator::messages(crate_root()).expect("the schema is valid") {
        let entry = named(&message.name);
        for version in message.versions.min..=message.versions.max {
            for seed in 0..ROUNDS {
                let bytes = random_message(&message, version, &mut Random(seed));
                let again = (entry.recode)(bytes.clone().into(), version);
                let again = again.unwrap_or_else(|error| panic!("{} {version} seed {seed}: {error}", message.name));
                assert_eq!(again, bytes, "{} {version} seed {seed}", message.name);
            }
        }
    }
}
