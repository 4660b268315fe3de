//! A broker that does what a test tells it to, also what no broker should do.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use klamm_protocol::messages::api_versions_response::ApiVersion;
use klamm_protocol::messages::metadata_response::MetadataResponseBroker;
use klamm_protocol::messages::{ApiVersionsResponse, MetadataResponse};
use klamm_protocol::{ApiKey, Listener, Reader, Response, frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request as it came.
pub(crate) struct Asked {
    /// Which connection, from 0.
    pub(crate) connection: usize,
    /// How many requests of this API came before it, on any connection.
    pub(crate) before: usize,
    pub(crate) key: ApiKey,
    pub(crate) version: i16,
    pub(crate) id: i32,
    /// Of the fake.
    pub(crate) address: SocketAddr,
}

/// What to do about it.
pub(crate) enum Doing {
    /// Write these bytes.
    Write(Vec<u8>),
    /// Write nothing, now or ever.
    Nothing,
    /// Close the connection, after writing these bytes.
    Close(Vec<u8>),
}

impl Asked {
    /// A reply to it.
    pub(crate) fn reply<R: Response>(&self, response: &R) -> Doing {
        let frame = frame::encode_response(self.id, self.version, response).expect("it can be written");
        Doing::Write(frame.bytes.to_vec())
    }
}

/// The fake: it offers what a broker of ours offers, and says that it is the only broker, with id 1. Everything else
/// is for the test to answer.
pub(crate) struct Fake {
    address: SocketAddr,
    state: Arc<State>,
    task: tokio::task::JoinHandle<()>,
}

/// What a test has the fake do about a request.
type Answer = dyn Fn(&Asked) -> Option<Doing> + Send + Sync;

struct State {
    answer: Box<Answer>,
    connections: AtomicUsize,
    open: AtomicUsize,
    seen: Mutex<Vec<ApiKey>>,
    address: SocketAddr,
}

impl Fake {
    /// A fake that asks `answer` first what to do, and does the usual for what it does not know.
    pub(crate) async fn start(answer: impl Fn(&Asked) -> Option<Doing> + Send + Sync + 'static) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let state = Arc::new(State {
            answer: Box::new(answer),
            connections: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            seen: Mutex::default(),
            address,
        });
        let task = tokio::spawn(accept(listener, state.clone()));
        Fake { address, state, task }
    }

    /// Closes its port and every connection.
    pub(crate) fn stop(&self) {
        self.task.abort();
    }

    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// Connections that were made so far.
    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Requests of an API that came so far.
    pub(crate) fn count(&self, key: ApiKey) -> usize {
        let seen = self.state.seen.lock().expect("nobody panics with it");
        seen.iter().filter(|seen| **seen == key).count()
    }

    /// Waits until so many connections are open.
    pub(crate) async fn open_connections(&self, expected: usize) {
        let waiting = async {
            while self.state.open.load(Ordering::SeqCst) != expected {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        let waiting = tokio::time::timeout(std::time::Duration::from_secs(10), waiting).await;
        let open = self.state.open.load(Ordering::SeqCst);
        waiting.unwrap_or_else(|_| panic!("{open} connections are open, not {expected}"));
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            return;
        };
        let number = state.connections.fetch_add(1, Ordering::SeqCst);
        state.open.fetch_add(1, Ordering::SeqCst);
        let state = state.clone();
        connections.spawn(async move {
            serve(stream, number, &state).await;
            state.open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

async fn serve(mut stream: TcpStream, connection: usize, state: &State) {
    while let Ok(size) = stream.read_i32().await {
        let mut bytes = vec![0; usize::try_from(size).expect("a size")];
        if stream.read_exact(&mut bytes).await.is_err() {
            return;
        }
        let mut reader = Reader::new(bytes.into());
        let (key, header) = frame::decode_request_header(&mut reader).expect("a client of ours writes headers");
        let before = {
            let mut seen = state.seen.lock().expect("nobody panics with it");
            let before = seen.iter().filter(|seen| **seen == key).count();
            seen.push(key);
            before
        };
        let asked = Asked {
            connection,
            before,
            key,
            version: header.request_api_version,
            id: header.correlation_id,
            address: state.address,
        };
        let doing = (state.answer)(&asked).unwrap_or_else(|| usual(&asked));
        match doing {
            Doing::Write(bytes) => {
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Doing::Nothing => {}
            Doing::Close(bytes) => {
                let _ = stream.write_all(&bytes).await;
                return;
            }
        }
    }
}

fn usual(asked: &Asked) -> Doing {
    match asked.key {
        ApiKey::ApiVersions => asked.reply(&offers()),
        ApiKey::Metadata => asked.reply(&metadata(&[(1, asked.address)])),
        key => panic!("the test does not say what to do about {key}"),
    }
}

/// Every API of a broker.
pub(crate) fn offers() -> ApiVersionsResponse {
    let api_keys = ApiKey::all().filter_map(|key| {
        let range = key.advertised(Listener::Broker, false)?;
        Some(ApiVersion {
            api_key: key.id(),
            min_version: range.min,
            max_version: range.max,
            ..Default::default()
        })
    });
    ApiVersionsResponse {
        api_keys: api_keys.collect(),
        ..Default::default()
    }
}

/// A cluster of these brokers, the first one of which is the controller, without topics.
pub(crate) fn metadata(brokers: &[(i32, SocketAddr)]) -> MetadataResponse {
    let brokers = brokers.iter().map(|(node_id, address)| MetadataResponseBroker {
        node_id: *node_id,
        host: address.ip().to_string(),
        port: i32::from(address.port()),
        ..Default::default()
    });
    let brokers: Vec<_> = brokers.collect();
    MetadataResponse {
        controller_id: brokers.first().map_or(-1, |broker| broker.node_id),
        brokers,
        cluster_id: Some("fake".to_owned()),
        ..Default::default()
    }
}
