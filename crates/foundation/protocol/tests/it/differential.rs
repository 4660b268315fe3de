//! Random messages, read and written again by the `kafka-protocol` crate (Kafka 4.1's messages).

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey as TheirKey, RequestKind, ResponseKind};
use klamm_protocol::ApiKey;

use crate::generator::schema::{Kind, Message};
use crate::random_wire::{Random, random_message};
use crate::{crate_root, generator};

/// Random messages per message and version.
const ROUNDS: u64 = 8;

#[test]
fn another_implementation_reads_and_writes_the_same() {
    let mut compared = 0;
    for message in generator::messages(crate_root()).expect("the schema is valid") {
        let (Kind::Request | Kind::Response, Some(key)) = (message.kind, message.key) else {
            continue;
        };
        let Ok(theirs) = TheirKey::try_from(key) else { continue };
        let ours = ApiKey::try_from(key).expect("our key");
        for version in message.versions.min..=message.versions.max {
            if version < theirs.valid_versions().min || version > theirs.valid_versions().max {
                continue;
            }
            assert_eq!(
                ours.request_header_version(version),
                theirs.request_header_version(version),
                "{ours} {version}"
            );
            assert_eq!(
                ours.response_header_version(version),
                theirs.response_header_version(version),
                "{ours} {version}"
            );
            for seed in 0..ROUNDS {
                let bytes = Bytes::from(random_message(&message, version, &mut Random(seed)));
                let again = recode(&message, theirs, version, bytes.clone());
                let again = match again {
                    // Its table lists versions that were unstable in 4.1, which its messages lack.
                    Err(error) if error.ends_with("version not supported by this message type") => continue,
                    other => other.unwrap_or_else(|error| panic!("{} {version} seed {seed}: {error}", message.name)),
                };
                assert_eq!(again, bytes, "{} {version} seed {seed}", message.name);
                compared += 1;
            }
        }
    }
    assert!(compared > 3000, "only {compared} messages were compared");
}

fn recode(message: &Message, key: TheirKey, version: i16, mut bytes: Bytes) -> Result<BytesMut, String> {
    let mut out = BytesMut::new();
    let done = match message.kind {
        Kind::Request => {
            RequestKind::decode(key, &mut bytes, version).and_then(|value| value.encode(&mut out, version))
        }
        _ => ResponseKind::decode(key, &mut bytes, version).and_then(|value| value.encode(&mut out, version)),
    };
    done.map(|()| out).map_err(|error| format!("{error:#}"))
}
