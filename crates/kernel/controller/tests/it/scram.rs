//! SCRAM credentials: made, replaced, deleted, refused.

use bytes::Bytes;
use klamm_protocol::ErrorCode;
use klamm_protocol::messages::AlterUserScramCredentialsRequest;
use klamm_protocol::messages::alter_user_scram_credentials_request::{
    ScramCredentialDeletion, ScramCredentialUpsertion,
};

use crate::cluster::Cluster;

const SHA_256: i8 = 1;
const SHA_512: i8 = 2;

fn delete(name: &str, mechanism: i8) -> ScramCredentialDeletion {
    ScramCredentialDeletion {
        name: name.to_owned(),
        mechanism,
        ..ScramCredentialDeletion::default()
    }
}

fn upsert(name: &str, mechanism: i8, iterations: i32) -> ScramCredentialUpsertion {
    ScramCredentialUpsertion {
        name: name.to_owned(),
        mechanism,
        iterations,
        salt: Bytes::from_static(b"salt"),
        salted_password: Bytes::from_static(b"salted password"),
        ..ScramCredentialUpsertion::default()
    }
}

/// The error of each user, by name.
fn alter(
    cluster: &mut Cluster,
    deletions: Vec<ScramCredentialDeletion>,
    upsertions: Vec<ScramCredentialUpsertion>,
) -> Vec<(String, ErrorCode)> {
    let request = AlterUserScramCredentialsRequest {
        deletions,
        upsertions,
        ..AlterUserScramCredentialsRequest::default()
    };
    let result = cluster.controller.alter_user_scram_credentials(&request).unwrap();
    let results = cluster.apply(result).results.into_iter();
    results.map(|result| (result.user, result.error_code)).collect()
}

fn mechanisms(cluster: &Cluster, user: &str) -> Vec<(i8, i32)> {
    let all = cluster.image().scram().credentials().iter();
    let of_user = all.filter(|((_, name), _)| name == user);
    of_user
        .map(|((mechanism, _), credential)| (*mechanism, credential.iterations))
        .collect()
}

fn one(user: &str, code: ErrorCode) -> Vec<(String, ErrorCode)> {
    vec![(user.to_owned(), code)]
}

#[test]
fn credentials_come_change_and_go() {
    let mut cluster = Cluster::with_brokers(&[1]);
    let good = one("alice", ErrorCode::NONE);
    assert_eq!(alter(&mut cluster, vec![], vec![upsert("alice", SHA_256, 4096)]), good);
    assert_eq!(
        alter(&mut cluster, vec![], vec![upsert("alice", SHA_512, 16_384)]),
        good
    );
    assert_eq!(alter(&mut cluster, vec![], vec![upsert("alice", SHA_256, 8192)]), good);
    assert_eq!(mechanisms(&cluster, "alice"), [(SHA_256, 8192), (SHA_512, 16_384)]);
    let key = (SHA_256, "alice".to_owned());
    let credential = cluster.image().scram().credentials()[&key].clone();
    assert_eq!(credential.salt, &b"salt"[..]);
    assert_eq!((credential.stored_key.len(), credential.server_key.len()), (32, 32));
    assert_eq!(alter(&mut cluster, vec![delete("alice", SHA_256)], vec![]), good);
    assert_eq!(mechanisms(&cluster, "alice"), [(SHA_512, 16_384)]);
    assert_eq!(
        alter(&mut cluster, vec![delete("alice", SHA_256)], vec![]),
        one("alice", ErrorCode::RESOURCE_NOT_FOUND)
    );
    cluster.check();
}

#[test]
fn bad_credentials_are_refused() {
    let mut cluster = Cluster::with_brokers(&[1]);
    let empty = ScramCredentialUpsertion {
        salted_password: Bytes::new(),
        ..upsert("bob", SHA_256, 4096)
    };
    for (upsertion, code) in [
        (upsert("bob", SHA_256, 4095), ErrorCode::UNACCEPTABLE_CREDENTIAL),
        (upsert("bob", SHA_512, 16_385), ErrorCode::UNACCEPTABLE_CREDENTIAL),
        (upsert("", SHA_256, 4096), ErrorCode::UNACCEPTABLE_CREDENTIAL),
        (upsert("bob", 3, 4096), ErrorCode::UNSUPPORTED_SASL_MECHANISM),
        (empty, ErrorCode::UNACCEPTABLE_CREDENTIAL),
    ] {
        let user = upsertion.name.clone();
        assert_eq!(alter(&mut cluster, vec![], vec![upsertion]), one(&user, code));
    }
    assert_eq!(cluster.image().scram().credentials().len(), 0);
}

#[test]
fn a_user_is_named_once() {
    let mut cluster = Cluster::with_brokers(&[1]);
    let twice = vec![upsert("carol", SHA_256, 4096), upsert("carol", SHA_512, 4096)];
    assert_eq!(
        alter(&mut cluster, vec![], twice),
        one("carol", ErrorCode::DUPLICATE_RESOURCE)
    );
    let first_error_stays = vec![upsert("carol", 9, 4096), upsert("carol", SHA_512, 4096)];
    assert_eq!(
        alter(&mut cluster, vec![], first_error_stays),
        one("carol", ErrorCode::UNSUPPORTED_SASL_MECHANISM)
    );
    assert_eq!(mechanisms(&cluster, "carol"), []);
    let mixed = alter(
        &mut cluster,
        vec![delete("nobody", SHA_256)],
        vec![upsert("dave", SHA_256, 4096)],
    );
    let expected = [
        ("dave".to_owned(), ErrorCode::NONE),
        ("nobody".to_owned(), ErrorCode::RESOURCE_NOT_FOUND),
    ];
    assert_eq!(mixed, expected);
}

#[test]
fn old_metadata_versions_have_none() {
    let mut cluster = Cluster::started("3.4", &[]);
    assert_eq!(
        alter(&mut cluster, vec![], vec![upsert("alice", SHA_256, 4096)]),
        one("alice", ErrorCode::UNSUPPORTED_VERSION)
    );
}
