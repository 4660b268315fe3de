//! What a handler sees of the request beside its body.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use klamm_metadata::MetadataImage;
use klamm_net::{FileRegion, Segment};
use klamm_protocol::{Listener, Records};

use crate::apis::MetadataReplies;
use crate::node::Node;

/// A listener as its requests see it.
#[derive(Debug)]
pub struct ListenerInfo {
    /// Its name, such as `PLAINTEXT`.
    pub name: String,
    /// Which APIs it offers.
    pub kind: Listener,
    pub(crate) metadata_replies: MetadataReplies,
}

impl ListenerInfo {
    pub(crate) fn new(name: String, kind: Listener) -> Self {
        ListenerInfo {
            name,
            kind,
            metadata_replies: MetadataReplies::default(),
        }
    }
}

/// What becomes of the connection when a handler has returned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum After {
    /// The response is sent.
    #[default]
    Reply,
    /// Nothing is sent (Produce with acks=0).
    Silence,
    /// The connection is closed without a reply, the only sign of an error that such a client can get.
    Close,
}

/// One request's surroundings, borrowed by its handler.
///
/// The image is read once: a request sees one state of the cluster from start to end. A handler that has to see what it
/// has changed itself asks [`Node::image`] again.
#[derive(Debug)]
pub struct RequestContext<'a> {
    /// The node.
    pub node: &'a Arc<Node>,
    /// The cluster's metadata when the request came.
    pub image: Arc<MetadataImage>,
    /// Where the request came in.
    pub listener: &'a ListenerInfo,
    /// The request's version. Handlers turn it into named flags before anything else.
    pub api_version: i16,
    /// The client's name for itself; empty when it gave none.
    pub client_id: &'a str,
    /// Where the client is.
    pub client_address: IpAddr,
    outgoing: Mutex<Outgoing>,
}

#[derive(Debug, Default)]
struct Outgoing {
    records: Vec<Vec<FileRegion>>,
    after: After,
}

impl<'a> RequestContext<'a> {
    pub(crate) fn new(
        node: &'a Arc<Node>,
        listener: &'a ListenerInfo,
        api_version: i16,
        client_id: &'a str,
        client_address: IpAddr,
    ) -> Self {
        let image = node.image();
        RequestContext {
            node,
            image,
            listener,
            api_version,
            client_id,
            client_address,
            outgoing: Mutex::default(),
        }
    }

    /// The client's address as Kafka shows it in descriptions of groups: `/127.0.0.1`.
    pub fn client_host(&self) -> String {
        format!("/{}", self.client_address)
    }

    /// Records for the response that lie in files: they are sent from there and never read into memory.
    pub fn file_records(&self, regions: Vec<FileRegion>) -> Records {
        let len = regions.iter().map(|region| region.len).sum();
        let mut outgoing = self.outgoing.lock().unwrap_or_else(PoisonError::into_inner);
        let id = u32::try_from(outgoing.records.len()).expect("a response has far fewer partitions");
        outgoing.records.push(regions);
        Records::External { id, len }
    }

    /// Says what becomes of the connection instead of a reply.
    pub fn set_after(&self, after: After) {
        self.outgoing.lock().unwrap_or_else(PoisonError::into_inner).after = after;
    }

    pub(crate) fn into_outgoing(self) -> (After, impl FnMut(u32) -> Vec<Segment>) {
        let Outgoing { mut records, after } = self.outgoing.into_inner().unwrap_or_else(PoisonError::into_inner);
        (after, move |id| {
            std::mem::take(&mut records[id as usize])
                .into_iter()
                .map(Segment::File)
                .collect()
        })
    }
}
