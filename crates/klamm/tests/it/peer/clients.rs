//! What is kept about clients and users: quotas, SCRAM credentials, transactions.

use bytes::Bytes;
use klamm_protocol::Listener;
use klamm_protocol::messages::*;

use super::pair::Pair;

pub(super) async fn ask(pair: &mut Pair) {
    quotas(pair).await;
    quota_filters(pair).await;
    credentials(pair).await;
    transactions(pair).await;
}

/// Types and names of an entity.
type Entity<'a> = &'a [(&'a str, Option<&'a str>)];
/// Keys with values to set, or to take away.
type Ops<'a> = &'a [(&'a str, Option<f64>)];

/// Types of entities, how they are to match, and the names that they are to have.
type Components<'a> = &'a [(&'a str, i8, Option<&'a str>)];

fn altering(entries: &[(Entity<'_>, Ops<'_>)], validate_only: bool) -> AlterClientQuotasRequest {
    use alter_client_quotas_request::{EntityData, EntryData, OpData};
    let entity = |(kind, name): &(&str, Option<&str>)| EntityData {
        entity_type: (*kind).to_owned(),
        entity_name: name.map(str::to_owned),
        ..Default::default()
    };
    let op = |(key, value): &(&str, Option<f64>)| OpData {
        key: (*key).to_owned(),
        value: value.unwrap_or_default(),
        remove: value.is_none(),
        ..Default::default()
    };
    let entry = |(parts, ops): &(Entity<'_>, Ops<'_>)| EntryData {
        entity: parts.iter().map(entity).collect(),
        ops: ops.iter().map(op).collect(),
        ..Default::default()
    };
    AlterClientQuotasRequest {
        entries: entries.iter().map(entry).collect(),
        validate_only,
        ..Default::default()
    }
}

/// Those of the component, whatever else an entity has.
fn describing(components: Components<'_>, strict: bool) -> DescribeClientQuotasRequest {
    let component =
        |(kind, match_type, name): &(&str, i8, Option<&str>)| describe_client_quotas_request::ComponentData {
            entity_type: (*kind).to_owned(),
            match_type: *match_type,
            match_: name.map(str::to_owned),
            ..Default::default()
        };
    DescribeClientQuotasRequest {
        components: components.iter().map(component).collect(),
        strict,
        ..Default::default()
    }
}

async fn quotas(pair: &mut Pair) {
    let entities: &[(&str, Entity<'_>)] = &[
        ("user", &[("user", Some("alice"))]),
        ("default user", &[("user", None)]),
        ("client", &[("client-id", Some("c 1"))]),
        ("user and client", &[("user", Some("alice")), ("client-id", None)]),
        ("address", &[("ip", Some("10.0.0.1"))]),
        ("address of version 6", &[("ip", Some("::1"))]),
        ("host", &[("ip", Some("localhost"))]),
        ("no host", &[("ip", Some("no.such.host.invalid"))]),
        ("default address", &[("ip", None)]),
        ("user and address", &[("user", Some("alice")), ("ip", Some("10.0.0.1"))]),
        ("nobody", &[]),
        ("empty name", &[("user", Some(""))]),
        ("unknown type", &[("group", Some("g"))]),
        ("type without a name", &[("", Some("g"))]),
        ("type twice", &[("user", Some("a")), ("user", Some("b"))]),
    ];
    // Quotas work in Apache Kafka: those that concern the one who asks are high.
    let changes: &[(&str, Ops<'_>)] = &[
        ("nothing", &[]),
        ("bytes", &[("producer_byte_rate", Some(1e12))]),
        ("the same again", &[("producer_byte_rate", Some(1e12))]),
        (
            "more",
            &[
                ("consumer_byte_rate", Some(2e12)),
                ("request_percentage", Some(1e6 + 0.5)),
            ],
        ),
        ("mutations", &[("controller_mutation_rate", Some(1e6 + 0.25))]),
        ("connections", &[("connection_creation_rate", Some(1e6))]),
        ("unknown key", &[("nix", Some(1.0))]),
        ("zero", &[("producer_byte_rate", Some(0.0))]),
        ("negative", &[("request_percentage", Some(-1.0))]),
        ("a fraction of bytes", &[("producer_byte_rate", Some(1e6 + 0.5))]),
        ("nearly whole", &[("producer_byte_rate", Some(1_000_000.000_000_1))]),
        ("more than a long", &[("producer_byte_rate", Some(1e19))]),
        ("more than an int", &[("connection_creation_rate", Some(3e9))]),
        ("infinite", &[("request_percentage", Some(f64::INFINITY))]),
        (
            "key twice",
            &[("producer_byte_rate", Some(1e7)), ("producer_byte_rate", Some(2e7))],
        ),
        ("good and bad", &[("producer_byte_rate", Some(1e7)), ("nix", Some(2.0))]),
        (
            "away",
            &[("producer_byte_rate", None), ("connection_creation_rate", None)],
        ),
        ("away again", &[("producer_byte_rate", None)]),
        ("unknown key away", &[("nix", None)]),
    ];
    for (who, entity) in entities {
        for (what, ops) in [changes[1], changes[5], changes[6]] {
            pair.each(&format!("{who}: {what}"), |_| altering(&[(entity, ops)], false))
                .await;
        }
    }
    for (who, entity) in [entities[0], entities[4]] {
        // Of two bad keys either may be named.
        let both_bad = |what: &str| who == "address" && what == "good and bad";
        for (what, ops) in changes.iter().filter(|(what, _)| !both_bad(what)) {
            for validate_only in [true, false] {
                let only = if validate_only { ", validate only" } else { "" };
                pair.each(&format!("{who}: {what}{only}"), |_| {
                    altering(&[(entity, ops)], validate_only)
                })
                .await;
            }
        }
    }
    let alice: Entity<'_> = &[("user", Some("alice"))];
    let ops: Ops<'_> = &[("producer_byte_rate", Some(7e9))];
    let other: Ops<'_> = &[("consumer_byte_rate", Some(8e9))];
    pair.each("none", |_| altering(&[], false)).await;
    pair.each("entity twice", |_| altering(&[(alice, ops), (alice, other)], false))
        .await;
    pair.each("two entities", |_| {
        altering(&[(alice, ops), (&[("user", None)], &[("nix", Some(1.0))])], false)
    })
    .await;
}

/// After the changes above.
async fn quota_filters(pair: &mut Pair) {
    for strict in [false, true] {
        let filters: &[(&str, Components<'_>)] = &[
            ("all", &[]),
            ("users", &[("user", 2, None)]),
            ("alice", &[("user", 0, Some("alice"))]),
            ("bob", &[("user", 0, Some("bob"))]),
            ("default user", &[("user", 1, None)]),
            ("users' clients", &[("user", 2, None), ("client-id", 2, None)]),
            ("addresses", &[("ip", 2, None)]),
            ("an address", &[("ip", 0, Some("10.0.0.1"))]),
            ("users and addresses", &[("user", 2, None), ("ip", 2, None)]),
            ("type twice", &[("user", 2, None), ("user", 1, None)]),
            ("no type", &[("", 2, None)]),
            ("unknown type", &[("group", 2, None)]),
            ("no name", &[("user", 0, None)]),
            ("empty name", &[("user", 0, Some(""))]),
            ("default with a name", &[("user", 1, Some("x"))]),
            ("any with a name", &[("user", 2, Some("x"))]),
            ("unknown match", &[("user", 3, None)]),
            ("negative match", &[("user", -1, Some("x"))]),
        ];
        for (case, components) in filters {
            let only = if strict { ", strict" } else { "" };
            pair.each(&format!("{case}{only}"), |_| describing(components, strict))
                .await;
        }
    }
}

async fn credentials(pair: &mut Pair) {
    use alter_user_scram_credentials_request::{ScramCredentialDeletion, ScramCredentialUpsertion};
    use describe_user_scram_credentials_request::UserName;
    let delete = |name: &str, mechanism| ScramCredentialDeletion {
        name: name.to_owned(),
        mechanism,
        ..Default::default()
    };
    let upsert = |name: &str, mechanism, iterations| ScramCredentialUpsertion {
        name: name.to_owned(),
        mechanism,
        iterations,
        salt: Bytes::from_static(b"salt"),
        salted_password: Bytes::from_static(b"salted password"),
        ..Default::default()
    };
    let cases = [
        ("none", vec![], vec![]),
        ("delete what is not there", vec![delete("nobody", 1)], vec![]),
        ("delete by an unknown mechanism", vec![delete("nobody", 0)], vec![]),
        ("delete nobody", vec![delete("", 1)], vec![]),
        ("make", vec![], vec![upsert("alice", 1, 4096)]),
        ("make of the other mechanism", vec![], vec![upsert("alice", 2, 16_384)]),
        ("replace", vec![], vec![upsert("alice", 1, 8192)]),
        ("too few iterations", vec![], vec![upsert("bob", 1, 4095)]),
        ("too many iterations", vec![], vec![upsert("bob", 2, 16_385)]),
        ("unknown mechanism", vec![], vec![upsert("bob", 3, 4096)]),
        ("no user", vec![], vec![upsert("", 1, 4096)]),
        (
            "a user twice",
            vec![],
            vec![upsert("carol", 1, 4096), upsert("carol", 2, 4096)],
        ),
        (
            "a user three times",
            vec![delete("alice", 1)],
            vec![upsert("alice", 1, 4096), upsert("alice", 2, 4096)],
        ),
        (
            "bad and twice",
            vec![],
            vec![upsert("carol", 7, 4096), upsert("carol", 2, 4096)],
        ),
        (
            "several",
            vec![delete("alice", 2), delete("nobody", 1)],
            vec![upsert("dave", 1, 4096), upsert("erin", 1, 1)],
        ),
        (
            "no salt",
            vec![],
            vec![ScramCredentialUpsertion {
                salt: Bytes::new(),
                ..upsert("frank", 1, 4096)
            }],
        ),
        (
            "no password",
            vec![],
            vec![ScramCredentialUpsertion {
                salted_password: Bytes::new(),
                ..upsert("grace", 1, 4096)
            }],
        ),
    ];
    let asking = |names: Option<&[&str]>| DescribeUserScramCredentialsRequest {
        users: names.map(|names| {
            let user = |name: &&str| UserName {
                name: (*name).to_owned(),
                ..Default::default()
            };
            names.iter().map(user).collect()
        }),
        ..Default::default()
    };
    for (case, deletions, upsertions) in cases {
        pair.each(case, |_| AlterUserScramCredentialsRequest {
            deletions: deletions.clone(),
            upsertions: upsertions.clone(),
            ..Default::default()
        })
        .await;
        if pair.listener == Listener::Broker {
            pair.each(&format!("after: {case}"), |_| asking(None)).await;
        }
    }
    if pair.listener == Listener::Controller {
        pair.each("a user", |_| asking(Some(&["alice"]))).await;
        return; // Apache Kafka has nobody there who answers
    }
    for (case, names) in [
        ("empty list", &[][..]),
        ("a user", &["alice"]),
        ("unknown user", &["nobody"]),
        ("empty name", &[""]),
        ("known and unknown", &["alice", "nobody"]),
        ("a user twice", &["alice", "alice"]),
        ("unknown user twice", &["nobody", "nobody", "dave"]),
    ] {
        pair.each(case, |_| asking(Some(names))).await;
    }
}

async fn transactions(pair: &mut Pair) {
    for ids in [&[][..], &["x"], &[""], &["x", "x"]] {
        pair.each(&format!("ids {ids:?}"), |_| DescribeTransactionsRequest {
            transactional_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
            ..Default::default()
        })
        .await;
    }
    for states in [
        &[][..],
        &["Empty", "Ongoing", "PrepareCommit", "PrepareAbort"],
        &["CompleteCommit", "CompleteAbort", "PrepareEpochFence", "Dead"],
        &["nix"],
        &["ongoing", ""],
        &["nix", "nix"],
    ] {
        pair.each(&format!("states {states:?}"), |_| ListTransactionsRequest {
            state_filters: states.iter().map(|state| (*state).to_owned()).collect(),
            ..Default::default()
        })
        .await;
    }
    for pattern in [None, Some(""), Some("a.*"), Some("["), Some("(?<n>x)")] {
        pair.each(&format!("pattern {pattern:?}"), |_| ListTransactionsRequest {
            transactional_id_pattern: pattern.map(str::to_owned),
            ..Default::default()
        })
        .await;
    }
    for (duration_filter, producer_id_filters) in [(0, vec![]), (-2, vec![1, 1]), (i64::MAX, vec![-1])] {
        let case = format!("duration {duration_filter}, producers {producer_id_filters:?}");
        pair.each(&case, |at| ListTransactionsRequest {
            duration_filter: if at.version < 1 { -1 } else { duration_filter },
            producer_id_filters: producer_id_filters.clone(),
            ..Default::default()
        })
        .await;
    }
}
