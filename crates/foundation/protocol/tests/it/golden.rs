//! Kafka's own bytes, read and written again.

use bytes::Bytes;
use klamm_protocol::DecodeErrorKind;

use crate::all_messages::ALL;
use crate::entry::{Entry, named};

/// A message as Kafka wrote it.
pub(crate) struct Golden {
    pub(crate) message: &'static Entry,
    pub(crate) version: i16,
    pub(crate) content: &'static str,
    pub(crate) bytes: Bytes,
}

/// Everything in `tests/golden/`.
pub(crate) fn goldens() -> Vec<Golden> {
    let lines = include_str!("../golden/kafka-4.4.hex")
        .lines()
        .filter(|line| !line.starts_with('#'));
    let golden = |line: &'static str| {
        let mut words = line.split(' ');
        let mut word = || words.next().expect("four words");
        Golden {
            message: named(word()),
            version: word().parse().expect("a version"),
            content: word(),
            bytes: unhex(word()),
        }
    };
    lines.map(golden).collect()
}

/// The bytes of one golden message.
pub(crate) fn golden(name: &str, version: i16, content: &str) -> Bytes {
    let matches =
        |golden: &Golden| golden.message.name == name && golden.version == version && golden.content == content;
    goldens()
        .into_iter()
        .find(matches)
        .expect("there is such a golden")
        .bytes
}

fn unhex(text: &str) -> Bytes {
    let digit = |c: u8| (c as char).to_digit(16).expect("a hex digit") as u8;
    text.trim_matches('-')
        .as_bytes()
        .chunks(2)
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect()
}

#[test]
fn every_version_of_every_message_has_a_golden() {
    let goldens = goldens();
    for message in ALL {
        for version in message.versions.min..=message.versions.max {
            let contents = goldens
                .iter()
                .filter(|golden| golden.message.name == message.name && golden.version == version);
            assert!(contents.count() > 0, "{} {version}", message.name);
        }
    }
    for golden in &goldens {
        assert!(
            golden.message.versions.contains(golden.version),
            "{} has no version {}",
            golden.message.name,
            golden.version
        );
    }
}

#[test]
fn kafkas_bytes_survive_reading_and_writing() {
    for Golden {
        message,
        version,
        content,
        bytes,
    } in goldens()
    {
        let again = (message.recode)(bytes.clone(), version)
            .unwrap_or_else(|error| panic!("{} {version} {content}: {error}", message.name));
        assert_eq!(again, bytes, "{} {version} {content}", message.name);
    }
}

#[test]
fn defaults_are_kafkas() {
    for Golden {
        message,
        version,
        bytes,
        ..
    } in goldens().into_iter().filter(|golden| golden.content == "default")
    {
        assert_eq!(
            (message.encode_default)(version),
            Ok(bytes),
            "{} {version}",
            message.name
        );
    }
}

#[test]
fn every_truncation_is_refused() {
    for Golden {
        message,
        version,
        content,
        bytes,
    } in goldens()
    {
        for end in 0..bytes.len() {
            let result = (message.decode)(bytes.slice(..end), version);
            let error = result.expect_err(&format!("{} {version} {content} cut at {end} was read", message.name));
            let cut = matches!(
                error.kind,
                DecodeErrorKind::Truncated { .. } | DecodeErrorKind::ArrayTooLong { .. }
            );
            assert!(cut, "{} {version} {content} cut at {end}: {error}", message.name);
        }
    }
}
