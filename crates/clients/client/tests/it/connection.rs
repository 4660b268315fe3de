//! Connections that go wrong, against a broker that does what the test says.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use klamm_client::{Client, ClientBuilder, Error, ErrorCode, Lane, MetadataTopics, NewTopic, Target};
use klamm_protocol::messages::create_topics_response::CreatableTopicResult;
use klamm_protocol::messages::delete_groups_response::DeletableGroupResult;
use klamm_protocol::messages::find_coordinator_response::Coordinator;
use klamm_protocol::messages::{
    CreateTopicsResponse, DeleteGroupsResponse, FindCoordinatorResponse, ListGroupsRequest, ListGroupsResponse,
    MetadataRequest,
};
use klamm_protocol::{ApiKey, frame};

use crate::fake::{Asked, Doing, Fake, metadata, offers};

fn builder(fake: &Fake) -> ClientBuilder {
    Client::builder(fake.address()).api_timeout(Duration::from_secs(10))
}

fn client(fake: &Fake) -> Client {
    builder(fake).build().expect("well formed")
}

/// A fake that answers ListGroups as told, and then as it should.
async fn first_list_groups(doing: impl Fn(&Asked) -> Doing + Send + Sync + 'static) -> Fake {
    Fake::start(move |asked| match (asked.key, asked.before) {
        (ApiKey::ListGroups, 0) => Some(doing(asked)),
        (ApiKey::ListGroups, _) => Some(asked.reply(&ListGroupsResponse::default())),
        _ => None,
    })
    .await
}

async fn list_groups(client: &Client) -> Result<ListGroupsResponse, Error> {
    client.call_any(&ListGroupsRequest::default()).await
}

fn good(asked: &Asked) -> Vec<u8> {
    let frame = frame::encode_response(asked.id, asked.version, &ListGroupsResponse::default());
    frame.expect("it can be written").bytes.to_vec()
}

#[tokio::test]
async fn a_truncated_reply_is_an_error_and_the_connection_goes_on() {
    let fake = first_list_groups(|asked| {
        let mut bytes = good(asked);
        bytes.truncate(bytes.len() - 3);
        let size = (bytes.len() - 4) as i32;
        bytes[..4].copy_from_slice(&size.to_be_bytes());
        Doing::Write(bytes)
    })
    .await;
    let client = client(&fake);
    let error = list_groups(&client).await.expect_err("it ends too early");
    assert!(matches!(error, Error::Protocol { .. }), "{error}");
    assert!(error.to_string().contains("ListGroupsResponse version 5"), "{error}");
    list_groups(&client).await.expect("the next one is whole");
    assert_eq!(fake.connections(), 1);
}

#[tokio::test]
async fn sizes_that_no_reply_has_close_the_connection() {
    for size in [i32::MAX, -1, i32::MIN, 3] {
        let fake = first_list_groups(move |_| {
            let mut bytes = size.to_be_bytes().to_vec();
            bytes.extend([0; 100]);
            Doing::Write(bytes)
        })
        .await;
        let client = client(&fake);
        let error = list_groups(&client).await.expect_err("no such reply");
        assert!(matches!(error, Error::Protocol { .. }), "{size}: {error}");
        list_groups(&client).await.expect("a new connection works");
        assert_eq!(fake.connections(), 2);
    }
}

#[tokio::test]
async fn a_reply_to_somebody_else_closes_the_connection() {
    let fake = first_list_groups(|asked| {
        let mut bytes = good(asked);
        bytes[4..8].copy_from_slice(&(asked.id + 1).to_be_bytes());
        Doing::Write(bytes)
    })
    .await;
    let client = client(&fake);
    let error = list_groups(&client).await.expect_err("not ours");
    assert!(error.to_string().contains("correlation id"), "{error}");
    list_groups(&client).await.expect("a new connection works");
}

#[tokio::test]
async fn a_reply_that_nobody_asked_for_closes_the_connection() {
    let fake = first_list_groups(|asked| {
        let mut bytes = good(asked);
        bytes.extend(good(asked));
        Doing::Write(bytes)
    })
    .await;
    let client = client(&fake);
    list_groups(&client).await.expect("the first one is ours");
    fake.open_connections(0).await;
    list_groups(&client).await.expect("a new connection works");
}

#[tokio::test]
async fn a_connection_that_closes_is_made_again() {
    for partial in [0, 1, 6, 9] {
        let fake = first_list_groups(move |asked| {
            let mut bytes = good(asked);
            bytes.truncate(partial);
            Doing::Close(bytes)
        })
        .await;
        let client = client(&fake);
        list_groups(&client).await.expect("the second attempt succeeds");
        assert_eq!((fake.connections(), fake.count(ApiKey::ListGroups)), (2, 2));
    }
}

#[tokio::test]
async fn a_reply_in_single_bytes_is_put_together() {
    let fake =
        Fake::start(|asked| (asked.key == ApiKey::ListGroups).then(|| asked.reply(&ListGroupsResponse::default())))
            .await;
    // A proxy in between hands on one byte at a time.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it is bound");
    let target = fake.address();
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut near, _) = listener.accept().await.expect("a client");
        let mut far = tokio::net::TcpStream::connect(target).await.expect("the fake");
        far.set_nodelay(true).expect("a socket");
        near.set_nodelay(true).expect("a socket");
        let (mut near_read, mut near_write) = near.split();
        let (mut far_read, mut far_write) = far.split();
        let there = async {
            while let Ok(byte) = near_read.read_u8().await {
                far_write.write_u8(byte).await.expect("the fake listens");
            }
        };
        let back = async {
            while let Ok(byte) = far_read.read_u8().await {
                if near_write.write_u8(byte).await.is_err() {
                    return;
                }
            }
        };
        tokio::join!(there, back);
    });
    let client = Client::builder(address.to_string()).build().expect("well formed");
    list_groups(&client).await.expect("put together");
}

#[tokio::test]
async fn a_request_without_a_reply_closes_the_connection_after_its_time() {
    let fake = first_list_groups(|_| Doing::Nothing).await;
    let client = builder(&fake)
        .request_timeout(Duration::from_secs(2))
        .build()
        .expect("well formed");
    let begun = Instant::now();
    list_groups(&client).await.expect("the second attempt succeeds");
    assert!(begun.elapsed() >= Duration::from_secs(2));
    assert_eq!(fake.connections(), 2);
}

#[tokio::test]
async fn requests_behind_one_without_a_reply_are_repeated() {
    let fake = Fake::start(|asked| match (asked.key, asked.connection) {
        (ApiKey::ListGroups, 0) => Some(Doing::Nothing),
        (ApiKey::ListGroups, _) => Some(asked.reply(&ListGroupsResponse::default())),
        _ => None,
    })
    .await;
    let client = builder(&fake)
        .request_timeout(Duration::from_secs(2))
        .build()
        .expect("well formed");
    let calls: Vec<_> = (0..5)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { list_groups(&client).await })
        })
        .collect();
    for call in calls {
        call.await.expect("it does not panic").expect("repeated");
    }
}

#[tokio::test]
async fn the_call_ends_with_its_time_and_tells_why() {
    let fake = Fake::start(|asked| (asked.key == ApiKey::ListGroups).then(|| Doing::Close(Vec::new()))).await;
    let client = builder(&fake)
        .api_timeout(Duration::from_millis(300))
        .build()
        .expect("well formed");
    let error = list_groups(&client).await.expect_err("it always closes");
    let expected = format!(
        "ListGroups timed out after 300 ms: {}: closed by the broker before it replied",
        fake.address()
    );
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn a_dropped_call_does_not_disturb_the_connection() {
    let held = Arc::new(Mutex::new(None));
    let keep = held.clone();
    // The first reply is held back and sent together with the second.
    let fake = Fake::start(move |asked| {
        (asked.key == ApiKey::ListGroups).then(|| {
            let mut held = keep.lock().expect("nobody panics with it");
            match held.take() {
                None if asked.before == 0 => {
                    *held = Some(good(asked));
                    Doing::Nothing
                }
                before => Doing::Write(before.into_iter().flatten().chain(good(asked)).collect()),
            }
        })
    })
    .await;
    let client = client(&fake);
    let dropped = tokio::time::timeout(Duration::from_millis(100), list_groups(&client)).await;
    assert!(dropped.is_err());
    list_groups(&client).await.expect("its own reply");
    list_groups(&client).await.expect("its own reply");
    assert_eq!(fake.connections(), 1);
}

#[tokio::test]
async fn many_requests_are_under_way_on_one_connection() {
    const TOGETHER: usize = 50;
    let held = Mutex::new(Vec::new());
    // Nothing is answered before all are there.
    let fake = Fake::start(move |asked| {
        (asked.key == ApiKey::ListGroups).then(|| {
            let mut held = held.lock().expect("nobody panics with it");
            held.extend(good(asked));
            match asked.before + 1 {
                TOGETHER => Doing::Write(std::mem::take(&mut *held)),
                _ => Doing::Nothing,
            }
        })
    })
    .await;
    let client = client(&fake);
    let calls: Vec<_> = (0..TOGETHER)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { list_groups(&client).await })
        })
        .collect();
    for call in calls {
        call.await.expect("it does not panic").expect("answered");
    }
    assert_eq!(fake.connections(), 1);
}

#[tokio::test]
async fn each_lane_has_its_own_connection() {
    let fake = Fake::start(|asked| match (asked.key, asked.connection) {
        // A long poll on the first connection.
        (ApiKey::ListGroups, 0) => Some(Doing::Nothing),
        (ApiKey::ListGroups, _) => Some(asked.reply(&ListGroupsResponse::default())),
        _ => None,
    })
    .await;
    let client = client(&fake);
    let polling = client.clone();
    let polling = tokio::spawn(async move { list_groups(&polling).await });
    while fake.count(ApiKey::ListGroups) == 0 {
        tokio::task::yield_now().await;
    }
    let other = client.call_with(Target::Any, Lane::Coordinator, |_| ListGroupsRequest::default());
    other.await.expect("not behind the long poll");
    assert_eq!(fake.connections(), 2);
    polling.abort();
}

#[tokio::test]
async fn dropping_the_client_closes_its_connections() {
    let fake = Fake::start(|asked| (asked.key == ApiKey::ListGroups).then_some(Doing::Nothing)).await;
    let client = client(&fake);
    client.metadata(MetadataTopics::Brokers).await.expect("told");
    // A call that is under way when it is dropped does not keep the connection either.
    let calling = client.clone();
    let calling = tokio::spawn(async move { list_groups(&calling).await });
    while fake.count(ApiKey::ListGroups) == 0 {
        tokio::task::yield_now().await;
    }
    fake.open_connections(1).await;
    calling.abort();
    drop(client);
    fake.open_connections(0).await;
}

#[tokio::test]
async fn idle_connections_are_closed_and_made_again() {
    let fake = first_list_groups(|asked| asked.reply(&ListGroupsResponse::default())).await;
    let client = builder(&fake)
        .property("connections.max.idle.ms", "50")
        .build()
        .expect("well formed");
    list_groups(&client).await.expect("answered");
    fake.open_connections(0).await;
    list_groups(&client).await.expect("answered");
    assert_eq!(fake.connections(), 2);
}

#[tokio::test]
async fn every_bootstrap_address_is_tried() {
    let fake = first_list_groups(|asked| asked.reply(&ListGroupsResponse::default())).await;
    let bootstrap = format!("127.0.0.1:1,no-such-host.invalid:9092,[::1]:1,{}", fake.address());
    let client = Client::builder(bootstrap).build().expect("well formed");
    list_groups(&client).await.expect("one of them answers");
}

#[tokio::test]
async fn a_bootstrap_connection_is_kept_for_the_broker_that_is_there() {
    let fake = first_list_groups(|asked| asked.reply(&ListGroupsResponse::default())).await;
    let client = client(&fake);
    client.metadata(MetadataTopics::Brokers).await.expect("told");
    client
        .call_broker(1, &ListGroupsRequest::default())
        .await
        .expect("answered");
    assert_eq!(fake.connections(), 1);
}

#[tokio::test]
async fn bootstrap_addresses_are_asked_again_when_no_known_broker_is_left() {
    let gone = Fake::start(|_| None).await;
    let moved = Arc::new(AtomicBool::new(false));
    let (old, away) = (gone.address().parse().expect("an address"), moved.clone());
    let bootstrap = Fake::start(move |asked| match asked.key {
        // At first the cluster is elsewhere, then here.
        ApiKey::Metadata if !away.load(Ordering::SeqCst) => Some(asked.reply(&metadata(&[(7, old)]))),
        ApiKey::ListGroups => Some(asked.reply(&ListGroupsResponse::default())),
        _ => None,
    })
    .await;
    for (strategy, recovers) in [("rebootstrap", true), ("none", false)] {
        let builder = builder(&bootstrap).property("metadata.recovery.strategy", strategy);
        let client = builder
            .api_timeout(Duration::from_secs(1))
            .build()
            .expect("well formed");
        moved.store(false, Ordering::SeqCst);
        let known = client.metadata(MetadataTopics::Brokers).await.expect("told");
        assert_eq!(known.brokers().keys().collect::<Vec<_>>(), [&7]);
        moved.store(true, Ordering::SeqCst);
        if recovers {
            // The broker that is known goes down.
            gone.stop();
        }
        let known = client.refresh_metadata(MetadataTopics::Brokers).await;
        match recovers {
            true => assert_eq!(known.expect("told").brokers().keys().collect::<Vec<_>>(), [&1]),
            false => assert!(matches!(known, Err(Error::TimedOut { .. }))),
        }
    }
}

#[tokio::test]
async fn metadata_is_asked_for_once_by_many() {
    let fake = Fake::start(|_| None).await;
    let client = client(&fake);
    let calls: Vec<_> = (0..100)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.refresh_metadata(MetadataTopics::All).await })
        })
        .collect();
    for call in calls {
        call.await.expect("it does not panic").expect("told");
    }
    // Those who came while the first request was under way share the second.
    assert!(fake.count(ApiKey::Metadata) <= 2, "{}", fake.count(ApiKey::Metadata));
    client.metadata(MetadataTopics::All).await.expect("known");
    assert!(fake.count(ApiKey::Metadata) <= 2);
}

#[tokio::test]
async fn what_the_broker_does_not_offer_is_unsupported() {
    let fake = Fake::start(|asked| {
        let mut offers = offers();
        offers.api_keys.retain(|api| [3, 18].contains(&api.api_key));
        (asked.key == ApiKey::ApiVersions).then(|| asked.reply(&offers))
    })
    .await;
    let client = client(&fake);
    let error = list_groups(&client).await.expect_err("not offered");
    let expected = format!(
        "{} does not support ListGroups: the broker does not offer it",
        fake.address()
    );
    assert_eq!(error.to_string(), expected);
    client.call_any(&MetadataRequest::default()).await.expect("offered");
}

#[tokio::test]
async fn a_new_controller_is_found() {
    let fake = Fake::start(|asked| {
        (asked.key == ApiKey::CreateTopics).then(|| {
            let moved = asked.before == 0;
            let topic = CreatableTopicResult {
                name: "orders".to_owned(),
                error_code: if moved {
                    ErrorCode::NOT_CONTROLLER
                } else {
                    ErrorCode::NONE
                },
                ..Default::default()
            };
            let topics = vec![topic];
            asked.reply(&CreateTopicsResponse {
                topics,
                ..Default::default()
            })
        })
    })
    .await;
    let answers = client(&fake)
        .admin()
        .create_topics(&[NewTopic::new("orders")], false)
        .await
        .expect("answered");
    assert!(answers[0].1.is_ok());
    assert_eq!((fake.count(ApiKey::CreateTopics), fake.count(ApiKey::Metadata)), (2, 2));
}

#[tokio::test]
async fn a_new_coordinator_is_found() {
    let fake = Fake::start(|asked| match asked.key {
        ApiKey::FindCoordinator => {
            let coordinator = Coordinator {
                key: "payments".to_owned(),
                node_id: 1,
                // At first it is not there, then it is.
                error_code: if asked.before == 0 {
                    ErrorCode::COORDINATOR_NOT_AVAILABLE
                } else {
                    ErrorCode::NONE
                },
                ..Default::default()
            };
            let coordinators = vec![coordinator];
            Some(asked.reply(&FindCoordinatorResponse {
                coordinators,
                ..Default::default()
            }))
        }
        ApiKey::DeleteGroups => {
            let result = DeletableGroupResult {
                group_id: "payments".to_owned(),
                error_code: match asked.before {
                    0 => ErrorCode::NOT_COORDINATOR,
                    1 => ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
                    _ => ErrorCode::NONE,
                },
                ..Default::default()
            };
            let results = vec![result];
            Some(asked.reply(&DeleteGroupsResponse {
                results,
                ..Default::default()
            }))
        }
        _ => None,
    })
    .await;
    let answers = client(&fake)
        .admin()
        .delete_groups(&["payments".to_owned()])
        .await
        .expect("answered");
    assert!(answers[0].1.is_ok(), "{answers:?}");
    assert_eq!(
        (fake.count(ApiKey::FindCoordinator), fake.count(ApiKey::DeleteGroups)),
        (4, 3)
    );
}

#[tokio::test]
async fn another_node_at_a_known_address_leads_back_to_bootstrap() {
    let fake = Fake::start(|asked| {
        // The second connection expects node 1 of this cluster.
        (asked.key == ApiKey::ApiVersions && asked.connection == 1)
            .then(|| {
                let mut refused = offers();
                refused.error_code = ErrorCode::REBOOTSTRAP_REQUIRED;
                asked.reply(&refused)
            })
            .or_else(|| (asked.key == ApiKey::ListGroups).then(|| asked.reply(&ListGroupsResponse::default())))
    })
    .await;
    let client = client(&fake);
    client.metadata(MetadataTopics::Brokers).await.expect("told");
    let asking = client.call_with(Target::Broker(1), Lane::Coordinator, |_| ListGroupsRequest::default());
    asking.await.expect("found again");
    assert!(fake.connections() >= 3);
    assert_eq!(fake.count(ApiKey::ListGroups), 1);
}

#[tokio::test]
async fn many_callers_share_the_attempts_at_a_broker_that_refuses() {
    let fake = Fake::start(|asked| (asked.key == ApiKey::ApiVersions).then(|| Doing::Close(Vec::new()))).await;
    let builder = builder(&fake).property("reconnect.backoff.ms", "100");
    let client = builder
        .api_timeout(Duration::from_millis(1000))
        .build()
        .expect("well formed");
    let calls: Vec<_> = (0..200)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { list_groups(&client).await })
        })
        .collect();
    for call in calls {
        let error = call.await.expect("it does not panic").expect_err("it always closes");
        assert!(matches!(error, Error::TimedOut { last: Some(_), .. }), "{error}");
    }
    // 100, 200, 400, 800 ms between them, each give or take a fifth.
    assert!((2..=6).contains(&fake.connections()), "{}", fake.connections());
}

#[tokio::test]
async fn a_request_that_cannot_be_said_is_refused_before_it_is_sent() {
    let fake = Fake::start(|_| None).await;
    let client = client(&fake);
    let new = NewTopic::new("x".repeat(40_000));
    let error = client.admin().create_topics(&[new], false).await.expect_err("too long");
    assert!(matches!(error, Error::Request { .. }), "{error}");
    assert!(error.to_string().contains("string of 40000 bytes"), "{error}");
    client
        .call_any(&MetadataRequest::default())
        .await
        .expect("the connection goes on");
    assert_eq!((fake.connections(), fake.count(ApiKey::CreateTopics)), (1, 0));
}
