//! Two brokers that are asked the same, and the rows of what they answer differently.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use klamm_protocol::messages::*;
use klamm_protocol::{ApiKey, Listener, Request, Uuid, VersionRange};

use super::allowed::ALLOWED;
use super::broken;
use super::value::{Own, differences, flatten};
use crate::client::*;
use crate::random::Random;

/// A version of an API: whether on the controller's listener, its key, its version.
type Question = (bool, i16, i16);

/// How long an answer may take, on a machine that does other things too.
const LIMIT: Duration = Duration::from_secs(60);

/// A broker, and the two connections to it.
struct Side {
    broker: SocketAddr,
    /// To the broker and to the controller.
    connections: [Option<Connection>; 2],
    own: Own,
}

/// Where a request is asked: its version, and what the broker that gets it calls things.
pub(super) struct At<'a> {
    pub(super) version: i16,
    pub(super) own: &'a Own,
    fresh: &'a str,
}

impl At<'_> {
    /// A name that no other question uses.
    pub(super) fn name(&self, stem: &str) -> String {
        format!("{stem}{}", self.fresh)
    }

    /// The id of a topic, or one that no topic has.
    pub(super) fn id(&self, topic: &str) -> Uuid {
        let found = self.own.ids.iter().find(|(_, name)| *name == topic);
        found.map_or(Uuid([7; 16]), |(id, _)| id.parse().unwrap())
    }
}

/// What answers differ in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Row {
    pub(super) api: &'static str,
    pub(super) case: String,
    pub(super) path: String,
    pub(super) theirs: String,
    pub(super) ours: String,
}

impl Row {
    fn is_allowed(&self) -> bool {
        ALLOWED.iter().any(|allowed| allowed.covers(self))
    }

    /// The row for a reader; random requests are not written down elsewhere.
    fn told(&self, versions: &BTreeSet<i16>, request: &str) -> String {
        let versions: Vec<String> = versions.iter().map(i16::to_string).collect();
        let mut told = format!("{} | {} | {}\n", self.api, self.case, self.path);
        told += &format!("    versions: {}\n", versions.join(","));
        told += &format!("    theirs: {}\n    ours:   {}\n", self.theirs, self.ours);
        if self.case.starts_with("random") {
            told += &format!("    request: {}\n", request.chars().take(1500).collect::<String>());
        }
        told
    }
}

/// What changes nothing, however often it is asked, and shows what other requests have changed.
const READS: &[ApiKey] = &[
    ApiKey::DescribeClientQuotas,
    ApiKey::DescribeCluster,
    ApiKey::DescribeConfigs,
    ApiKey::DescribeGroups,
    ApiKey::DescribeLogDirs,
    ApiKey::DescribeProducers,
    ApiKey::DescribeTopicPartitions,
    ApiKey::DescribeUserScramCredentials,
    ApiKey::ListConfigResources,
    ApiKey::ListGroups,
    ApiKey::ListOffsets,
    ApiKey::OffsetFetch,
    ApiKey::OffsetForLeaderEpoch,
];

/// Ours and the peer.
pub(super) struct Pair {
    sides: [Side; 2],
    /// Which listener is asked.
    pub(super) listener: Listener,
    next: usize,
    /// Which requests are broken, and how: drawn for each question by itself, whatever was asked before it.
    seed: u64,
    /// With the versions in which they were seen, and the first request.
    rows: BTreeMap<Row, (BTreeSet<i16>, String)>,
    asked: usize,
    began: Instant,
    cases: BTreeSet<(&'static str, String)>,
    versions: BTreeSet<Question>,
    /// What ApiVersions of ours says.
    offered: BTreeSet<Question>,
}

impl Pair {
    pub(super) async fn of(ours: SocketAddr, peer: SocketAddr, seed: u64) -> Pair {
        // Of the same length in every run: which byte of a request is broken, and so what that means, depends on it.
        let run = format!("-{:08x}-", now_ms() % 0x1_0000_0000);
        let mut sides = Vec::new();
        for broker in [ours, peer] {
            let mut connection = Connection::open(broker).await;
            let cluster = connection.call(&DescribeClusterRequest::default()).await;
            let dirs = connection.call(&DescribeLogDirsRequest::default()).await;
            let own = Own {
                log_dir: dirs.results[0].log_dir.clone(),
                port: broker.port(),
                cluster_id: cluster.cluster_id,
                run: run.clone(),
                began_ms: now_ms(),
                ..Default::default()
            };
            sides.push(Side {
                broker,
                connections: [None, None],
                own,
            });
        }
        let Ok(sides) = <[Side; 2]>::try_from(sides) else {
            unreachable!("there are two")
        };
        let mut offered = BTreeSet::new();
        for controller in [false, true] {
            let mut connection =
                Connection::open(SocketAddr::new(ours.ip(), ours.port() + u16::from(controller))).await;
            for api in connection.call(&ApiVersionsRequest::default()).await.api_keys {
                offered.extend((api.min_version..=api.max_version).map(|version| (controller, api.api_key, version)));
            }
        }
        Pair {
            sides,
            offered,
            listener: Listener::Broker,
            next: 0,
            seed,
            rows: BTreeMap::new(),
            asked: 0,
            began: Instant::now(),
            cases: BTreeSet::new(),
            versions: BTreeSet::new(),
        }
    }

    /// A name that no other question uses; the same on both sides, and without its ending in the rows.
    pub(super) fn name(&mut self, stem: &str) -> String {
        self.next += 1;
        format!("{stem}{}{}", self.sides[0].own.run, self.next)
    }

    /// Asks a question in every version that is advertised and can say it.
    pub(super) async fn each<R: Request>(&mut self, case: &str, build: impl Fn(&At<'_>) -> R) {
        let advertised = R::KEY.advertised(self.listener, false);
        let Some(VersionRange { min, max }) = advertised else {
            return;
        };
        for version in min..=max {
            self.ask(case, version, &build).await;
        }
    }

    /// Asks a question in one version, and returns the replies: ours, theirs.
    pub(super) async fn ask<R: Request>(
        &mut self,
        case: &str,
        version: i16,
        build: impl Fn(&At<'_>) -> R,
    ) -> [Option<R::Response>; 2] {
        let fresh = self.name("");
        let requests = [0, 1].map(|side| {
            build(&At {
                version,
                own: &self.sides[side].own,
                fresh: &fresh,
            })
        });
        if klamm_protocol::frame::encode_request(1, None, version, &requests[0]).is_err() {
            return [None, None];
        }
        self.asked += 1;
        self.versions
            .insert((self.listener == Listener::Controller, R::KEY.id(), version));
        let name = R::NAME.trim_end_matches("Request");
        // What only reads is asked until the answers are the same: a broker answers a change before all of it is visible.
        let mut left = if READS.contains(&R::KEY) { 40 } else { 0 };
        let (answers, texts) = loop {
            let answers = self.ask_both(&requests, version).await;
            let texts = [0, 1].map(|side| match &answers[side] {
                Ok(reply) => flatten(&format!("{reply:?}"), &self.sides[side].own),
                Err(what) => [(String::new(), what.clone())].into(),
            });
            if left == 0 || self.rows_of(name, case, &texts).iter().all(Row::is_allowed) {
                break (answers, texts);
            }
            left -= 1;
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        self.compare(name, case, version, texts, &requests[0]);
        // Not what goes on behind the reply: a topic that is made meanwhile is there or not.
        let question = format!("{name} {version} {case}");
        let mut random = Random::new(self.seed << 32 | u64::from(klamm_records::crc32c(question.as_bytes())));
        if !case.starts_with("made by asking")
            && let Some((what, frames)) = broken::broken(&mut random, &requests, version)
        {
            self.send_broken::<R>(&format!("{case}, {what}"), version, &frames)
                .await;
        }
        answers.map(Result::ok)
    }

    /// Waits until both brokers say that the group is in a state.
    pub(super) async fn until_group_is(&mut self, group: &str, state: &str) {
        let request = DescribeGroupsRequest {
            groups: vec![group.to_owned()],
            ..Default::default()
        };
        for side in &mut self.sides {
            let deadline = Instant::now() + LIMIT;
            loop {
                let told = side.answer(Listener::Broker, &request, 5).await;
                let told = told.expect("it describes groups");
                if told.groups[0].group_state == state {
                    break;
                }
                assert!(Instant::now() < deadline, "{group} is {}", told.groups[0].group_state);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }

    /// Sends a request whose answer waits for others.
    pub(super) async fn begin<R: Request>(
        &mut self,
        case: &str,
        version: i16,
        build: impl Fn(&At<'_>) -> R,
    ) -> Begun<R> {
        let fresh = self.name("");
        let mut connections = Vec::new();
        for side in &self.sides {
            let request = build(&At {
                version,
                own: &side.own,
                fresh: &fresh,
            });
            let mut connection = Connection::open(side.address(self.listener)).await;
            connection.client.send(&request, version).await.expect("it is sent");
            connections.push((connection, request));
        }
        Begun {
            case: case.to_owned(),
            version,
            connections,
        }
    }

    /// The ids of members that are remembered: ours, theirs.
    pub(super) fn members(&self) -> [String; 2] {
        self.sides.each_ref().map(|side| side.own.member.clone())
    }

    /// Sends a request that gets no answer, and one after it that gets one if the connection is still there.
    pub(super) async fn ask_after<R: Request>(&mut self, case: &str, version: i16, build: impl Fn(&At<'_>) -> R) {
        let fresh = self.name("");
        let mut texts = Vec::new();
        for side in &self.sides {
            let request = build(&At {
                version,
                own: &side.own,
                fresh: &fresh,
            });
            let mut connection = Connection::open(side.address(self.listener)).await;
            connection.client.send(&request, version).await.expect("it is sent");
            let then = connection.client.call(&DescribeClusterRequest::default(), 0).await;
            let text = match then {
                Ok(_) => "answered".to_owned(),
                Err(error) if is_closed(&error) => "closed".to_owned(),
                Err(error) => error.to_string(),
            };
            texts.push(BTreeMap::from([(String::new(), text)]));
        }
        self.asked += 1;
        let texts = <[_; 2]>::try_from(texts).expect("there are two");
        self.compare(R::NAME.trim_end_matches("Request"), case, version, texts, &fresh);
    }

    /// Each frame on a connection of its own: it may be closed.
    async fn send_broken<R: Request>(&mut self, case: &str, version: i16, frames: &[BytesMut; 2]) {
        let mut texts = Vec::new();
        for (side, frame) in self.sides.iter().zip(frames) {
            let reply = match side.answer_to_bytes(self.listener, frame).await {
                Ok(reply) => broken::read::<R>(reply, version),
                Err(what) => Err(what),
            };
            texts.push(match reply {
                Ok(reply) => flatten(&format!("{reply:?}"), &side.own),
                Err(what) => [(String::new(), what)].into(),
            });
        }
        self.asked += 1;
        let texts = <[_; 2]>::try_from(texts).expect("there are two");
        self.compare(R::NAME.trim_end_matches("Request"), case, version, texts, &frames[0]);
    }

    async fn ask_both<R: Request>(&mut self, requests: &[R; 2], version: i16) -> [Result<R::Response, String>; 2] {
        let listener = self.listener;
        let [ours, peer] = &mut self.sides;
        let (our, their) = tokio::join!(
            ours.answer(listener, &requests[0], version),
            peer.answer(listener, &requests[1], version)
        );
        [our, their]
    }

    fn case_name(&self, case: &str) -> String {
        match self.listener {
            Listener::Broker => case.to_owned(),
            Listener::Controller => format!("{case} (controller)"),
        }
    }

    fn rows_of(&self, api: &'static str, case: &str, [ours, theirs]: &[BTreeMap<String, String>; 2]) -> Vec<Row> {
        let case = self.case_name(case);
        let row = |(path, theirs, ours)| Row {
            api,
            case: case.clone(),
            path,
            theirs,
            ours,
        };
        differences(theirs, ours).into_iter().map(row).collect()
    }

    /// Compares two answers that were had elsewhere.
    pub(super) fn compare(
        &mut self,
        api: &'static str,
        case: &str,
        version: i16,
        texts: [BTreeMap<String, String>; 2],
        request: &impl std::fmt::Debug,
    ) {
        self.cases.insert((api, self.case_name(case)));
        for row in self.rows_of(api, case, &texts) {
            let entry = self.rows.entry(row);
            let entry = entry.or_insert_with(|| (BTreeSet::new(), format!("{request:?}")));
            entry.0.insert(version);
        }
    }

    /// Makes a topic on both sides.
    pub(super) async fn topic(&mut self, stem: &str, partitions: i32, configs: &[(&str, &str)]) -> String {
        let name = self.name(stem);
        for side in &mut self.sides {
            let mut connection = Connection::open(side.broker).await;
            let id = connection.create_with(&name, partitions, configs).await;
            side.own.ids.insert(id.to_string(), name.clone());
        }
        name
    }

    /// Waits until both brokers have applied all metadata that is committed: a controller answers before that.
    pub(super) async fn settle(&mut self) {
        for side in &mut self.sides {
            side.settle().await;
        }
        // The offset is told before partitions follow it.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    /// Prints how far it is.
    pub(super) fn tell_time(&self, what: &str) {
        println!("{what} asked after {:.1} s", self.began.elapsed().as_secs_f32());
    }

    /// Does something on both sides that is no question.
    pub(super) async fn both<F: AsyncFnMut(Connection)>(&mut self, mut each: F) {
        for side in &self.sides {
            each(Connection::open(side.broker).await).await;
        }
    }

    /// Sends bytes as one frame, on a connection of their own, and compares what comes back: bytes, or a closed connection.
    pub(super) async fn raw(&mut self, api: &'static str, case: &str, version: i16, frame: &[u8]) {
        let mut texts = Vec::new();
        for side in &self.sides {
            let text = match side.answer_to_bytes(self.listener, frame).await {
                Ok(reply) => format!("{reply:?}"),
                Err(what) => what,
            };
            texts.push(BTreeMap::from([(String::new(), text)]));
        }
        self.asked += 1;
        let [ours, theirs] = <[_; 2]>::try_from(texts).unwrap();
        self.compare(api, case, version, [ours, theirs], &frame);
    }

    /// What was asked, in numbers, and the rows that are not allowed; against Apache Kafka also the allowances that nothing
    /// needs. Panics when there are any, after writing them to the file that `KLAMM_PEER_REPORT` names: each with what it is
    /// in its first line, and an empty line behind it.
    pub(super) fn done(self, against_kafka: bool) {
        let mut used = vec![false; ALLOWED.len()];
        let mut wrong = Vec::new();
        for (row, (versions, request)) in &self.rows {
            let allowing: Vec<usize> = (0..ALLOWED.len()).filter(|n| ALLOWED[*n].covers(row)).collect();
            allowing.iter().for_each(|n| used[*n] = true);
            if allowing.is_empty() || !against_kafka {
                wrong.push(row.told(versions, request));
            }
        }
        let apis: BTreeSet<_> = self.versions.iter().map(|(listener, key, _)| (listener, key)).collect();
        println!(
            "{} requests, {} cases, {} versions of {} APIs; {} rows differ, {} of them are not allowed",
            self.asked,
            self.cases.len(),
            self.versions.len(),
            apis.len(),
            self.rows.len(),
            wrong.len()
        );
        if against_kafka {
            let unused = ALLOWED.iter().zip(&used).filter(|(_, used)| !**used);
            wrong.extend(unused.map(|(row, _)| format!("not seen any more: {row:?}\n")));
        }
        let report = wrong.join("\n");
        if let Some(path) = std::env::var_os("KLAMM_PEER_REPORT") {
            std::fs::write(path, &report).unwrap();
        }
        assert!(wrong.is_empty(), "{} answers differ:\n{report}", wrong.len());
        self.everything_was_asked();
    }

    /// Each version of each API that we offer has been asked at least once.
    fn everything_was_asked(&self) {
        // Of Produce 0-2 are offered, to be refused: nobody can say them.
        let readable = |(_, key, version): &&Question| *key != ApiKey::Produce.id() || *version >= 3;
        let missing: Vec<_> = self.offered.difference(&self.versions).filter(readable).collect();
        assert!(
            missing.is_empty(),
            "never asked (controller's listener, key, version): {missing:?}"
        );
    }

    /// Whether we offer an API on the listener that is asked.
    pub(super) fn offers(&self, key: ApiKey) -> bool {
        let controller = self.listener == Listener::Controller;
        self.offered
            .iter()
            .any(|(listener, offered, _)| *listener == controller && *offered == key.id())
    }

    /// Keeps the ids of fetch sessions: ours, theirs.
    pub(super) fn remember_sessions(&mut self, [ours, theirs]: [i32; 2]) {
        self.sides[0].own.session = ours;
        self.sides[1].own.session = theirs;
    }

    /// Keeps the ids of members: ours, theirs.
    pub(super) fn remember_members(&mut self, [ours, theirs]: [String; 2]) {
        self.sides[0].own.member = ours;
        self.sides[1].own.member = theirs;
    }
}

/// Requests on their way.
#[must_use]
pub(super) struct Begun<R> {
    case: String,
    version: i16,
    connections: Vec<(Connection, R)>,
}

impl<R: Request> Begun<R> {
    /// Compares the answers.
    pub(super) async fn end(self, pair: &mut Pair) {
        let mut texts = Vec::new();
        let mut requests = Vec::new();
        for (n, (mut connection, request)) in self.connections.into_iter().enumerate() {
            let reply = tokio::time::timeout(LIMIT, connection.client.receive::<R>(self.version)).await;
            texts.push(match reply {
                Ok(Ok(reply)) => flatten(&format!("{reply:?}"), &pair.sides[n].own),
                Ok(Err(error)) => [(String::new(), error.to_string())].into(),
                Err(_) => [(String::new(), "no answer".to_owned())].into(),
            });
            requests.push(request);
        }
        pair.asked += 1;
        let texts = <[_; 2]>::try_from(texts).expect("there are two");
        let name = R::NAME.trim_end_matches("Request");
        pair.compare(name, &self.case, self.version, texts, &requests[0]);
    }
}

impl Side {
    async fn settle(&mut self) {
        let topic = describe_quorum_request::TopicData {
            topic_name: "__cluster_metadata".to_owned(),
            partitions: vec![describe_quorum_request::PartitionData::default()],
            ..Default::default()
        };
        let quorum = DescribeQuorumRequest {
            topics: vec![topic],
            ..Default::default()
        };
        let quorum = self
            .answer(Listener::Broker, &quorum, 0)
            .await
            .expect("it has a quorum");
        let committed = quorum.topics[0].partitions[0].high_watermark - 1;
        let versions = ApiVersionsRequest {
            client_software_name: "klamm".to_owned(),
            client_software_version: "1".to_owned(),
            ..Default::default()
        };
        let deadline = Instant::now() + LIMIT;
        loop {
            let told = self.answer(Listener::Broker, &versions, 3).await;
            if told.expect("it tells its features").finalized_features_epoch >= committed {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "the broker never learns of offset {committed}"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn address(&self, listener: Listener) -> SocketAddr {
        let port = self.broker.port() + u16::from(listener == Listener::Controller);
        SocketAddr::new(self.broker.ip(), port)
    }

    /// What comes back on a new connection, or what becomes of that.
    async fn answer_to_bytes(&self, to: Listener, frame: &[u8]) -> Result<Bytes, String> {
        let mut connection = Connection::open(self.address(to)).await;
        connection.client.send_frame(frame).await.unwrap();
        match tokio::time::timeout(LIMIT, connection.client.receive_frame()).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(error)) if is_closed(&error) => Err("closed".to_owned()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("no answer".to_owned()),
        }
    }

    async fn answer<R: Request>(&mut self, to: Listener, request: &R, version: i16) -> Result<R::Response, String> {
        let place = usize::from(to == Listener::Controller);
        let mut connection = match self.connections[place].take() {
            Some(connection) => connection,
            None => Connection::open(self.address(to)).await,
        };
        let answered = tokio::time::timeout(LIMIT, connection.client.call(request, version)).await;
        let Ok(answered) = answered else {
            return Err("no answer".to_owned());
        };
        match answered {
            Ok(reply) => {
                self.connections[place] = Some(connection);
                Ok(reply)
            }
            Err(error) if is_closed(&error) => Err("closed".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}
