//! One client's connection: its requests to the broker, the replies back, and what the rules say in between.

use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use klamm_protocol::messages::{MetadataRequest, ProduceRequest};
use klamm_protocol::{ApiKey, ErrorCode, frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

use super::rule::Record;
use super::seen::Seen;
use super::state::{Instead, State};
use super::{alter, errors};

/// Requests of one client that are read before the first is answered.
const READ_AHEAD: usize = 16;

/// Where clients find the broker at `host:port`; opens a port for it the first time.
pub(super) fn door(state: &Arc<State>, host: &str, port: u16) -> io::Result<SocketAddr> {
    let broker = (host.to_owned(), port);
    let mut table = state.lock();
    if let Some(door) = table.doors.get(&broker) {
        return Ok(*door);
    }
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let door = listener.local_addr()?;
    table.doors.insert(broker.clone(), door);
    table.listeners.spawn(accept(Arc::downgrade(state), listener, broker));
    Ok(door)
}

async fn accept(state: std::sync::Weak<State>, listener: TcpListener, broker: (String, u16)) {
    while let Ok((client, _)) = listener.accept().await {
        let Some(state) = state.upgrade() else { return };
        let number = state.next_connection();
        let serving = serve(Arc::clone(&state), number, client, broker.clone());
        let mut table = state.lock();
        while table.clients.try_join_next().is_some() {}
        // Whatever ends it, a client's or a broker's closed connection, is the other's to notice.
        table.clients.spawn(async { drop(serving.await) });
    }
}

async fn serve(state: Arc<State>, number: u64, client: TcpStream, broker: (String, u16)) -> io::Result<()> {
    client.set_nodelay(true)?;
    let broker = TcpStream::connect(broker).await?;
    broker.set_nodelay(true)?;
    let (mut from_client, to_client) = client.into_split();
    let (from_broker, to_broker) = broker.into_split();
    let (sender, requests) = mpsc::channel(READ_AHEAD);
    let (leave, gone) = watch::channel(false);
    let reading = async {
        while let Ok(Some(frame)) = read_frame(&mut from_client).await
            && sender.send(frame).await.is_ok()
        {}
        leave.send_replace(true);
        drop(sender);
        pending().await
    };
    let pump = Pump {
        state,
        number,
        gone,
        to_client,
        from_broker,
        to_broker,
    };
    tokio::select! {
        served = pump.run(requests) => served,
        never = reading => never,
    }
}

/// One frame without its size; `None` when the peer has closed.
async fn read_frame(from: &mut OwnedReadHalf) -> io::Result<Option<Bytes>> {
    let size = match from.read_i32().await {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        size => u64::try_from(size?).map_err(io::Error::other)?,
    };
    let mut bytes = BytesMut::new();
    let mut rest = from.take(size);
    // Grows with what arrives: a length alone is no reason to hold memory.
    while rest.limit() > 0 {
        if rest.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(Some(bytes.freeze()))
}

async fn write_frame(to: &mut OwnedWriteHalf, frame: &[u8]) -> io::Result<()> {
    let size = i32::try_from(frame.len()).map_err(io::Error::other)?;
    to.write_all(&size.to_be_bytes()).await?;
    to.write_all(frame).await
}

fn closed(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, why)
}

struct Pump {
    state: Arc<State>,
    number: u64,
    /// Whether the client has closed its end.
    gone: watch::Receiver<bool>,
    to_client: OwnedWriteHalf,
    from_broker: OwnedReadHalf,
    to_broker: OwnedWriteHalf,
}

impl Pump {
    /// Serves one request after the other; returns when the connection is to be closed.
    async fn run(mut self, mut requests: mpsc::Receiver<Bytes>) -> io::Result<()> {
        let mut more = [0];
        loop {
            let request = tokio::select! {
                request = requests.recv() => request,
                _ = self.from_broker.peek(&mut more) => return Err(closed("the broker has closed the connection")),
            };
            match request {
                Some(request) => self.request(request).await?,
                None => return Ok(()),
            }
        }
    }

    async fn request(&mut self, frame: Bytes) -> io::Result<()> {
        let Some(seen) = Seen::of(&frame, self.number) else {
            // No request that is known here: the broker will know what to say.
            let reply = self.ask(&frame).await?;
            return write_frame(&mut self.to_client, &reply).await;
        };
        let verdict = self.state.judge(&seen);
        self.sleep(verdict.delay).await;
        self.hold(verdict.hold).await;
        let reply = match verdict.instead {
            Some(Instead::Disconnect) => return Err(closed("by a fault")),
            Some(Instead::Fail(code)) => self.fail(&seen, code).await?,
            Some(Instead::Answer { answer, rule }) => match answer(&seen) {
                Ok(reply) => Some(reply.bytes.slice(frame::SIZE_PREFIX..)),
                Err(error) => return Err(self.broken(rule, &seen, &error.to_string())),
            },
            None => self.pass(frame, &seen).await?,
        };
        self.sleep(verdict.delay_reply).await;
        self.hold(verdict.hold_reply).await;
        match reply {
            _ if verdict.lose_reply => Err(closed("by a fault")),
            Some(reply) => write_frame(&mut self.to_client, &reply).await,
            None => Ok(()),
        }
    }

    /// Has the broker answer a request; `None` when there is no answer to it.
    async fn pass(&mut self, frame: Bytes, seen: &Seen) -> io::Result<Option<Bytes>> {
        let passage = alter::request(&self.state, seen, frame).map_err(closed)?;
        let silent = is_silent(seen);
        let reply = match &passage.forward {
            Some(frame) if silent => return write_frame(&mut self.to_broker, frame).await.map(|()| None),
            Some(frame) => self.ask(frame).await?,
            None if silent => return Err(closed("a broker has no other way to say that it is not the leader")),
            None => passage.nothing_left(seen).map_err(closed)?,
        };
        alter::reply(&self.state, seen, reply, passage)
            .map(Some)
            .map_err(closed)
    }

    /// The error reply to a request; Metadata's has to be the broker's own but for the errors.
    async fn fail(&mut self, seen: &Seen, code: ErrorCode) -> io::Result<Option<Bytes>> {
        if is_silent(seen) {
            return Err(closed("by a fault"));
        }
        if let Some(mut request) = seen.decode::<MetadataRequest>() {
            request.allow_auto_topic_creation = seen.version < 4; // older versions can't say no
            let client_id = seen.client_id.as_deref();
            let request =
                frame::encode_request(seen.correlation_id, client_id, seen.version, &request).map_err(closed)?;
            let reply = self.ask(&request.bytes[frame::SIZE_PREFIX..]).await?;
            return alter::spoiled_metadata(&self.state, seen, reply, code)
                .map(Some)
                .map_err(closed);
        }
        let reply =
            errors::reply(seen.key, seen.version, seen.correlation_id, seen.body.clone(), code).map_err(closed)?;
        Ok(Some(reply.bytes.slice(frame::SIZE_PREFIX..)))
    }

    /// Sends a request to the broker and waits for its reply, unless the client goes meanwhile.
    async fn ask(&mut self, frame: &[u8]) -> io::Result<Bytes> {
        write_frame(&mut self.to_broker, frame).await?;
        tokio::select! {
            reply = read_frame(&mut self.from_broker) => reply?.ok_or_else(|| closed("by the broker")),
            _ = self.gone.wait_for(|gone| *gone) => Err(closed("by the client")),
        }
    }

    async fn sleep(&mut self, time: std::time::Duration) {
        if !time.is_zero() {
            tokio::select! {
                () = tokio::time::sleep(time) => {}
                _ = self.gone.wait_for(|gone| *gone) => {}
            }
        }
    }

    /// Waits until all these rules are lifted.
    async fn hold(&mut self, rules: Vec<watch::Receiver<Record>>) {
        for mut rule in rules {
            // The sender goes when the rule does.
            let lifted = async { while rule.changed().await.is_ok() {} };
            tokio::select! {
                () = lifted => {}
                _ = self.gone.wait_for(|gone| *gone) => {}
            }
        }
    }

    fn broken(&self, rule: u64, seen: &Seen, error: &str) -> io::Error {
        let reason = format!("the answer to {} version {}: {error}", seen.key, seen.version);
        eprintln!("klamm-testkit: {reason}");
        self.state.broken(rule, &reason);
        closed(reason)
    }
}

/// Whether a request has no reply: a Produce with acks=0.
fn is_silent(seen: &Seen) -> bool {
    seen.key == ApiKey::Produce && seen.decode::<ProduceRequest>().is_some_and(|request| request.acks == 0)
}
