//! One connection: a frame is read, its header decides who handles it, the reply is written, and so on in order.
//!
//! As in Kafka one request of a connection is in work at a time, which keeps replies in order and bounds what a client can queue.

mod listeners;

use std::pin::{Pin, pin};
use std::sync::Arc;

use klamm_net::{Connection, Frame, ReadError, Segment, assemble};
use klamm_protocol::frame::{self, RequestHeaderError, decode_request_header};
use klamm_protocol::{ApiKey, Reader};
use tokio::sync::watch;
use tracing::{debug, error, info, warn};

pub(crate) use listeners::Listeners;
use listeners::{Stopping, reached};

use crate::apis::{self, ServeError};
use crate::node::Node;
use crate::request::{After, ListenerInfo, RequestContext};

/// What a connection does with a request that it has read.
enum Answer {
    Send(Vec<Segment>),
    Silence,
    Close,
}

/// Serves a connection until its peer leaves, it breaks the protocol, or the node stops.
pub(crate) async fn serve(
    node: Arc<Node>,
    listener: Arc<ListenerInfo>,
    mut connection: Connection,
    mut stopping: watch::Receiver<Stopping>,
) {
    let unstable = node.unstable_api_versions();
    let has_begun = stopping.clone();
    // One for all requests: to wait anew for each would cost more than to wait.
    let mut draining = pin!(reached(&mut stopping, Stopping::Draining));
    loop {
        if *has_begun.borrow() >= Stopping::Draining {
            return;
        }
        let read = tokio::select! {
            biased;
            read = connection.read_frame() => read,
            () = &mut draining => return,
        };
        let frame = match read {
            Ok(Some(frame)) => frame,
            Ok(None) => return,
            Err(error) => return log_read_error(&node, &listener, &connection, &error),
        };
        node.metrics.requests.add(1);
        node.metrics.bytes_in.add(frame.bytes.len() as u64);
        let answered = answer(&node, unstable, &listener, &mut connection, draining.as_mut(), frame).await;
        match answered {
            Answer::Send(segments) => {
                node.metrics
                    .bytes_out
                    .add(segments.iter().map(Segment::len).sum::<usize>() as u64);
                if let Err(error) = connection.write(segments).await {
                    return debug!(peer = %connection.peer(), %error, "could not send a response");
                }
            }
            Answer::Silence => {}
            Answer::Close => return,
        }
    }
}

/// Handles one request. The frame's share of the memory pool is given back when its response is ready.
async fn answer(
    node: &Arc<Node>,
    unstable: bool,
    listener: &ListenerInfo,
    connection: &mut Connection,
    draining: Pin<&mut impl Future<Output = ()>>,
    frame: Frame,
) -> Answer {
    let mut body = Reader::new(frame.bytes);
    let (key, header) = match decode_request_header(&mut body) {
        Ok(decoded) => decoded,
        Err(RequestHeaderError::UnsupportedVersion {
            key: ApiKey::ApiVersions,
            correlation_id,
            ..
        }) => {
            let response = apis::unsupported_api_versions(listener.kind, unstable);
            return encoded(frame::encode_response(correlation_id, 0, &response).map_err(ServeError::Encode));
        }
        Err(error) => return refuse(node, connection, &error),
    };
    let version = header.request_api_version;
    let Some(api) = apis::find(listener.kind, key) else {
        debug!(peer = %connection.peer(), "{key} v{version} is not offered here");
        if key.advertised(listener.kind, true).is_none() {
            return Answer::Close; // nor is it Kafka's here
        }
        return match apis::not_offered(key, version, &mut body, header.correlation_id) {
            Some(reply) => encoded(reply),
            None => Answer::Close,
        };
    };
    if !key
        .advertised(listener.kind, unstable)
        .is_some_and(|range| range.contains(version))
    {
        return refuse(node, connection, &format_args!("{key} v{version} is not enabled"));
    }
    let client_id = header.client_id.as_deref().unwrap_or_default();
    let cx = RequestContext::new(node, listener, version, client_id, connection.peer().ip());
    let serving = (api.serve)(&cx, body, header.correlation_id);
    let served = if api.parks {
        tokio::select! {
            // The handler comes first: what a client asks for and doesn't wait for is still begun.
            biased;
            served = serving => served,
            () = connection.closed() => return Answer::Close,
            () = draining => return Answer::Close,
        }
    } else {
        serving.await
    };
    let (after, external) = cx.into_outgoing();
    match (served, after) {
        (Ok(frame), After::Reply) => Answer::Send(assemble(frame, external)),
        (Ok(_), After::Silence) => Answer::Silence,
        (Ok(_), After::Close) => Answer::Close,
        (Err(error @ ServeError::Decode(_)), _) => refuse(node, connection, &format_args!("{key} v{version}: {error}")),
        (Err(error @ ServeError::Encode(_)), _) => {
            error!("{key} v{version}: {error}");
            Answer::Close
        }
    }
}

fn encoded(reply: Result<klamm_protocol::EncodedFrame, ServeError>) -> Answer {
    match reply {
        Ok(frame) => Answer::Send(assemble(frame, |_| Vec::new())),
        Err(error) => {
            error!("{error}");
            Answer::Close
        }
    }
}

/// Closes the connection of a client that sends what can't be answered, as Kafka does.
fn refuse(node: &Node, connection: &Connection, error: &dyn std::fmt::Display) -> Answer {
    node.metrics.protocol_errors.add(1);
    info!(peer = %connection.peer(), "closing a connection: {error}");
    Answer::Close
}

fn log_read_error(node: &Node, listener: &ListenerInfo, connection: &Connection, error: &ReadError) {
    let (listener, peer) = (&listener.name, connection.peer());
    match error {
        ReadError::InvalidSize { .. } => {
            node.metrics.protocol_errors.add(1);
            warn!(%listener, %peer, "closing a connection: {error}");
        }
        ReadError::Idle => debug!(%listener, %peer, "closing an idle connection"),
        ReadError::Io(_) | ReadError::Truncated { .. } => debug!(%listener, %peer, "connection lost: {error}"),
    }
}
