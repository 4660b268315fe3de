//! What is offered, and what becomes of requests that are not of an offered version, or not whole.

use bytes::BytesMut;
use klamm_protocol::messages::*;
use klamm_protocol::{ApiKey, Listener};

use super::pair::Pair;

pub(super) async fn ask(pair: &mut Pair) {
    for listener in [Listener::Broker, Listener::Controller] {
        pair.listener = listener;
        offered(pair).await;
        raw(pair).await;
    }
    pair.listener = Listener::Broker;
}

async fn offered(pair: &mut Pair) {
    for (case, name, version) in [
        ("normal", "klamm-it", "1.0"),
        ("no software", "", ""),
        ("bad software", "a b", "1"),
        ("bad version", "a", "?"),
        ("dots", "a.b-c", "1.2-3"),
        ("ends with a dot", "a.", "1-"),
    ] {
        pair.each(case, |_| ApiVersionsRequest {
            client_software_name: name.to_owned(),
            client_software_version: version.to_owned(),
            ..Default::default()
        })
        .await;
    }
    for (case, cluster, node_id) in [
        ("other cluster", Some("nix"), 1),
        ("no cluster", None, 1),
        ("other node", None, 7),
    ] {
        pair.each(case, |_| ApiVersionsRequest {
            client_software_name: "a".to_owned(),
            client_software_version: "1".to_owned(),
            cluster_id: cluster.map(str::to_owned),
            node_id,
            ..Default::default()
        })
        .await;
    }
    pair.each("own cluster", |at| ApiVersionsRequest {
        client_software_name: "a".to_owned(),
        client_software_version: "1".to_owned(),
        cluster_id: Some(at.own.cluster_id.clone()),
        node_id: 1,
        ..Default::default()
    })
    .await;
}

/// A header and some bytes after it.
fn frame(key: i16, version: i16, client_id: Option<&str>, rest: &[u8]) -> BytesMut {
    let mut out = BytesMut::new();
    out.extend_from_slice(&key.to_be_bytes());
    out.extend_from_slice(&version.to_be_bytes());
    out.extend_from_slice(&77_i32.to_be_bytes());
    match client_id {
        None => out.extend_from_slice(&(-1_i16).to_be_bytes()),
        Some(text) => {
            out.extend_from_slice(&(text.len() as i16).to_be_bytes());
            out.extend_from_slice(text.as_bytes());
        }
    }
    out.extend_from_slice(rest);
    out
}

async fn raw(pair: &mut Pair) {
    let listener = pair.listener;
    for key in ApiKey::all().collect::<Vec<_>>() {
        // The reply to ApiVersions lists what is offered: compared field by field above.
        if key == ApiKey::ApiVersions {
            continue;
        }
        let Some(range) = key.advertised(listener, false) else {
            pair.raw(key.name(), "not offered", 0, &frame(key.id(), 0, Some("it"), &[0; 40]))
                .await;
            continue;
        };
        let latest_unstable = key.advertised(listener, true).map_or(range.max, |all| all.max);
        for version in [range.min - 1, latest_unstable + 1, i16::MAX, -1] {
            let case = format!("version {version} that is not offered");
            pair.raw(
                key.name(),
                &case,
                version,
                &frame(key.id(), version, Some("it"), &[0; 40]),
            )
            .await;
        }
        if !pair.offers(key) {
            continue;
        }
        for (case, body) in [
            ("no body", &[][..]),
            ("cut off", &[0, 1]),
            ("lengths too large", &[0x7f; 24]),
            ("all ones", &[255; 24]),
        ] {
            pair.raw(
                key.name(),
                case,
                range.max,
                &frame(key.id(), range.max, Some("it"), body),
            )
            .await;
        }
    }
    for key in [-1, 4, 95, i16::MAX] {
        pair.raw("unknown", &format!("key {key}"), 0, &frame(key, 0, None, &[]))
            .await;
    }
    let metadata = ApiKey::Metadata.id();
    pair.raw("header", "cut off", 0, &frame(metadata, 1, None, &[])[..6])
        .await;
    pair.raw("header", "empty", 0, &[]).await;
    pair.raw(
        "header",
        "client id too long",
        0,
        &[&frame(metadata, 1, None, &[])[..8], &[0x7f, 0xff, 1]].concat(),
    )
    .await;
}
