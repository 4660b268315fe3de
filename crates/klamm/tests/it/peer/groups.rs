//! Groups and their members: found, joined, synchronised, left, described, deleted.

use bytes::Bytes;
use klamm_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use klamm_protocol::messages::leave_group_request::MemberIdentity;
use klamm_protocol::messages::*;

use super::pair::{At, Pair};
use crate::client::*;

pub(super) async fn ask(pair: &mut Pair) {
    find(pair).await;
    strangers(pair).await;
    for version in 0..=9 {
        life(pair, version).await;
    }
    members_with_names(pair).await;
    joins(pair).await;
    empty(pair).await;
}

async fn find(pair: &mut Pair) {
    let finding = |at: &At<'_>, key_type, keys: &[&str]| FindCoordinatorRequest {
        key: if at.version < 4 {
            keys.first().map_or(String::new(), |key| (*key).to_owned())
        } else {
            String::new()
        },
        key_type: if at.version < 1 { 0 } else { key_type },
        coordinator_keys: match at.version {
            ..=3 => vec![],
            _ => keys.iter().map(|key| (*key).to_owned()).collect(),
        },
        ..Default::default()
    };
    // Transactional ids, shares: coordinators that are not there yet.
    for key_type in [0, 3, -1, 77] {
        for (case, keys) in [
            ("a group", &["g"][..]),
            ("no name", &[""]),
            ("two", &["g", "h"]),
            ("none", &[]),
            ("twice", &["g", "g"]),
        ] {
            pair.each(&format!("type {key_type}: {case}"), |at| finding(at, key_type, keys))
                .await;
        }
    }
}

fn instance(name: Option<&str>) -> Option<String> {
    name.map(str::to_owned)
}

async fn strangers(pair: &mut Pair) {
    for (group, member, name) in [
        ("none", "x", None),
        ("", "x", None),
        ("none", "", None),
        ("none", "x", Some("i")),
    ] {
        for generation in [-1, 0, 5] {
            let case = format!("group {group:?}, member {member:?}, instance {name:?}, generation {generation}");
            pair.each(&case, |at| HeartbeatRequest {
                group_id: group.to_owned(),
                member_id: member.to_owned(),
                group_instance_id: if at.version < 3 { None } else { instance(name) },
                generation_id: generation,
                ..Default::default()
            })
            .await;
            pair.each(&case, |at| SyncGroupRequest {
                group_id: group.to_owned(),
                member_id: member.to_owned(),
                group_instance_id: if at.version < 3 { None } else { instance(name) },
                generation_id: generation,
                protocol_type: if at.version < 5 {
                    None
                } else {
                    Some("consumer".to_owned())
                },
                protocol_name: if at.version < 5 { None } else { Some("range".to_owned()) },
                ..Default::default()
            })
            .await;
        }
        pair.each(
            &format!("group {group:?}, member {member:?}, instance {name:?}"),
            |at| {
                let members = vec![MemberIdentity {
                    member_id: member.to_owned(),
                    group_instance_id: instance(name),
                    ..Default::default()
                }];
                LeaveGroupRequest {
                    group_id: group.to_owned(),
                    member_id: if at.version < 3 {
                        member.to_owned()
                    } else {
                        String::new()
                    },
                    members: if at.version < 3 { vec![] } else { members },
                    ..Default::default()
                }
            },
        )
        .await;
    }
    pair.each("nobody leaves", |_| LeaveGroupRequest {
        group_id: "none".to_owned(),
        ..Default::default()
    })
    .await;
}

fn joining(group: &str, member: &str, protocols: &[&str]) -> JoinGroupRequest {
    JoinGroupRequest {
        group_id: group.to_owned(),
        session_timeout_ms: 30_000,
        rebalance_timeout_ms: 30_000,
        member_id: member.to_owned(),
        protocol_type: "consumer".to_owned(),
        protocols: protocols
            .iter()
            .map(|name| JoinGroupRequestProtocol {
                name: (*name).to_owned(),
                metadata: Bytes::from_static(b"metadata"),
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    }
}

/// A lone member's life, with what others may ask meanwhile. JoinGroup in the version; the others in theirs.
async fn life(pair: &mut Pair, version: i16) {
    let topic = pair.topic("consumed", 1, &[]).await;
    let group = pair.name("group");
    let first = pair
        .ask("life: join", version, |_| joining(&group, "", &["range", "roundrobin"]))
        .await;
    let mut members = first.map(|reply| reply.map_or(String::new(), |reply| reply.member_id));
    pair.remember_members(members.clone());
    if version >= 4 {
        let again = pair
            .ask("life: join with the id", version, |at| {
                joining(&group, &at.own.member, &["range", "roundrobin"])
            })
            .await;
        members = again.map(|reply| reply.map_or(String::new(), |reply| reply.member_id));
        pair.remember_members(members);
    }
    describe(pair, &group, "while it joins").await;
    let synchronising = |at: &At<'_>, generation_id, name: &str, kind: &str| SyncGroupRequest {
        group_id: group.clone(),
        member_id: at.own.member.clone(),
        generation_id,
        protocol_type: if at.version < 5 { None } else { Some(kind.to_owned()) },
        protocol_name: if at.version < 5 { None } else { Some(name.to_owned()) },
        assignments: vec![sync_group_request::SyncGroupRequestAssignment {
            member_id: at.own.member.clone(),
            assignment: Bytes::from_static(b"assignment"),
            ..Default::default()
        }],
        ..Default::default()
    };
    pair.each("sync: generation 9", |at| synchronising(at, 9, "range", "consumer"))
        .await;
    pair.each("sync: other protocol", |at| {
        let name = if at.version < 5 { "range" } else { "sticky" };
        synchronising(at, if at.version < 5 { 9 } else { 1 }, name, "consumer")
    })
    .await;
    pair.each("sync: other type", |at| {
        synchronising(at, if at.version < 5 { 9 } else { 1 }, "range", "connect")
    })
    .await;
    pair.each("sync", |at| synchronising(at, 1, "range", "consumer")).await;
    describe(pair, &group, "stable").await;
    for (case, generation_id, known) in [
        ("", 1, true),
        (", generation 0", 0, true),
        (", generation 9", 9, true),
        (", stranger", 1, false),
    ] {
        let member = |at: &At<'_>| if known { at.own.member.clone() } else { "x".to_owned() };
        pair.each(&format!("heartbeat{case}"), |at| HeartbeatRequest {
            group_id: group.clone(),
            member_id: member(at),
            generation_id,
            ..Default::default()
        })
        .await;
        pair.each(&format!("commit{case}"), |at| {
            let mut request = commit_request(&group, &topic, 0, 5);
            if at.version > OFFSETS_BY_NAME {
                request.topics[0].topic_id = at.id(&topic);
                request.topics[0].name = String::new();
            }
            request.generation_id_or_member_epoch = generation_id;
            request.member_id = member(at);
            request
        })
        .await;
    }
    pair.each("commit without membership", |_| commit_request(&group, &topic, 0, 5))
        .await;
    pair.each("delete while stable", |_| DeleteGroupsRequest {
        groups_names: vec![group.clone()],
        ..Default::default()
    })
    .await;
    pair.each("delete offsets that are subscribed", |_| OffsetDeleteRequest {
        group_id: group.clone(),
        topics: vec![offset_delete_request::OffsetDeleteRequestTopic {
            name: topic.clone(),
            partitions: vec![offset_delete_request::OffsetDeleteRequestPartition { partition_index: 0 }],
        }],
    })
    .await;
    pair.ask("life: other protocol", version, |at| {
        joining(&group, &at.own.member, &["sticky"])
    })
    .await;
    pair.ask("life: other type", version, |at| JoinGroupRequest {
        protocol_type: "connect".to_owned(),
        ..joining(&group, &at.own.member, &["range"])
    })
    .await;
    let leaving = |at: &At<'_>, member: &str| LeaveGroupRequest {
        group_id: group.clone(),
        member_id: if at.version < 3 {
            member.to_owned()
        } else {
            String::new()
        },
        members: match at.version {
            ..=2 => vec![],
            _ => vec![MemberIdentity {
                member_id: member.to_owned(),
                ..Default::default()
            }],
        },
        ..Default::default()
    };
    pair.each("leave, stranger", |at| leaving(at, "x")).await;
    pair.ask("leave", version.min(5), |at| leaving(at, &at.own.member))
        .await;
    describe(pair, &group, "empty").await;
    pair.each("leave again", |at| leaving(at, &at.own.member)).await;
    pair.ask("delete", 2, |_| DeleteGroupsRequest {
        groups_names: vec![group.clone()],
        ..Default::default()
    })
    .await;
    describe(pair, &group, "deleted").await;
}

async fn describe(pair: &mut Pair, group: &str, when: &str) {
    for include_authorized_operations in [false, true] {
        let all = if include_authorized_operations {
            ", operations"
        } else {
            ""
        };
        pair.each(&format!("{when}{all}"), |_| DescribeGroupsRequest {
            groups: vec![group.to_owned()],
            include_authorized_operations,
            ..Default::default()
        })
        .await;
    }
}

async fn members_with_names(pair: &mut Pair) {
    for version in [5, 7, 9] {
        let group = pair.name("static");
        let joining = |member: &str, name: &str| JoinGroupRequest {
            group_instance_id: Some(name.to_owned()),
            ..joining(&group, member, &["range"])
        };
        let first = pair.ask("static: join", version, |_| joining("", "i")).await;
        pair.remember_members(first.map(|reply| reply.map_or(String::new(), |reply| reply.member_id)));
        describe(pair, &group, "static, while it joins").await;
        for (case, member, name) in [("another's name", "x", "i"), ("unknown member", "x", "j")] {
            pair.ask(&format!("static: {case}"), version, |_| joining(member, name))
                .await;
            pair.each(&format!("static: {case}"), |_| HeartbeatRequest {
                group_id: group.clone(),
                member_id: member.to_owned(),
                group_instance_id: Some(name.to_owned()),
                generation_id: 1,
                ..Default::default()
            })
            .await;
        }
        pair.each("static: heartbeat without the name", |at| HeartbeatRequest {
            group_id: group.clone(),
            member_id: at.own.member.clone(),
            generation_id: 1,
            ..Default::default()
        })
        .await;
        for (case, member, name) in [
            ("another's name", "x", "i"),
            ("unknown name", "", "j"),
            ("by name", "", "i"),
        ] {
            pair.ask(&format!("static: leave, {case}"), 5, |_| LeaveGroupRequest {
                group_id: group.clone(),
                members: vec![MemberIdentity {
                    member_id: member.to_owned(),
                    group_instance_id: Some(name.to_owned()),
                    ..Default::default()
                }],
                ..Default::default()
            })
            .await;
        }
    }
}

async fn joins(pair: &mut Pair) {
    for (session_timeout_ms, rebalance_timeout_ms) in [(5999, -1), (1_800_001, -1), (-1, -1), (i32::MAX, 1), (0, 0)] {
        pair.each(&format!("session {session_timeout_ms}"), |at| JoinGroupRequest {
            session_timeout_ms,
            rebalance_timeout_ms,
            ..joining(&at.name("g"), "", &["range"])
        })
        .await;
    }
    pair.each("no protocols", |at| joining(&at.name("failed"), "", &[]))
        .await;
    pair.each("no type", |at| JoinGroupRequest {
        protocol_type: String::new(),
        ..joining(&at.name("failed"), "", &["range"])
    })
    .await;
    pair.each("unknown member", |at| joining(&at.name("g"), "x", &["range"]))
        .await;
    pair.each("group without a name", |_| joining("", "x", &["range"]))
        .await;
    for name in ["", ".", "a b", &"i".repeat(250)] {
        pair.each(&format!("instance {:.9}", name), |at| JoinGroupRequest {
            group_instance_id: Some(name.to_owned()),
            ..joining(&at.name("g"), "x", &["range"])
        })
        .await;
    }
}

async fn empty(pair: &mut Pair) {
    for groups in [&["none"][..], &[""], &[], &["none", "none"]] {
        let groups: Vec<String> = groups.iter().map(|group| (*group).to_owned()).collect();
        pair.each(&format!("groups {groups:?}"), |_| DescribeGroupsRequest {
            groups: groups.clone(),
            ..Default::default()
        })
        .await;
        pair.each(&format!("groups {groups:?}"), |_| DeleteGroupsRequest {
            groups_names: groups.clone(),
            ..Default::default()
        })
        .await;
    }
    let lists: &[&[&str]] = &[
        &[],
        &["Empty"],
        &["stable", "DEAD"],
        &["nix"],
        &[""],
        &["PreparingRebalance"],
    ];
    for states in lists {
        pair.each(&format!("states {states:?}"), |_| ListGroupsRequest {
            states_filter: states.iter().map(|state| (*state).to_owned()).collect(),
            ..Default::default()
        })
        .await;
    }
    for types in [&["classic"][..], &["Consumer"], &["share", "streams"], &["nix"], &[""]] {
        pair.each(&format!("types {types:?}"), |_| ListGroupsRequest {
            types_filter: types.iter().map(|kind| (*kind).to_owned()).collect(),
            ..Default::default()
        })
        .await;
    }
}
