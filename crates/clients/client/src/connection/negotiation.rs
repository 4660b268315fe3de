//! Which versions a broker and this client both speak.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use klamm_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use klamm_protocol::{ApiKey, DecodeError, ErrorCode, Message, Request, VersionRange, frame};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::dial::plain;
use super::{ConnectionOptions, Expected, closed};
use crate::Error;

/// A reply to ApiVersions has a few hundred entries of a few bytes.
const LARGEST_REPLY: usize = 1 << 20;

/// What a broker offers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NodeVersions {
    ranges: BTreeMap<i16, VersionRange>,
}

impl NodeVersions {
    fn new(offered: ApiVersionsResponse) -> NodeVersions {
        let ranges = offered.api_keys.iter().map(|api| {
            let (min, max) = (api.min_version, api.max_version);
            (api.api_key, VersionRange { min, max })
        });
        NodeVersions {
            ranges: ranges.collect(),
        }
    }

    /// The highest version of an API that the broker has.
    pub(crate) fn highest(&self, api: ApiKey) -> Option<i16> {
        self.ranges.get(&api.id()).map(|range| range.max)
    }

    /// The highest version, up to `cap`, that both sides know. The reason, when there is none.
    pub(crate) fn pick<R: Request>(&self, cap: i16) -> Result<i16, String> {
        let Some(offered) = self.ranges.get(&R::KEY.id()) else {
            return Err("the broker does not offer it".to_owned());
        };
        // A version that is still being worked on is not one to talk in.
        let stable = R::MAX_VERSION - i16::from(R::KEY.info().latest_version_unstable);
        let highest = stable.min(cap).min(offered.max);
        if highest < R::MIN_VERSION.max(offered.min) {
            let most = stable.min(cap);
            return Err(format!(
                "the broker has versions {offered}, {}-{most} are needed",
                R::MIN_VERSION
            ));
        }
        Ok(highest)
    }
}

/// Asks for the versions in the newest version; a broker that is older answers in version 0, with an error, and is asked
/// again in a version that it has (KIP-511).
pub(super) async fn negotiate<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    label: &str,
    expected: &Expected,
    options: &ConnectionOptions,
) -> Result<NodeVersions, Error> {
    let mut version = ApiVersionsRequest::MAX_VERSION;
    let mut correlation_id = 0;
    loop {
        let request = request(version, expected);
        let encoded = frame::encode_request(correlation_id, Some(&options.client_id), version, &request);
        let encoded = encoded.map_err(|reason| Error::Request {
            api: ApiKey::ApiVersions,
            reason,
        })?;
        let reply = exchange(stream, label, &encoded.bytes).await?;
        let (answered, offered) = read(reply, version).map_err(|error| protocol(label, error.to_string()))?;
        if answered != correlation_id {
            return Err(protocol(
                label,
                format!("correlation id {answered} instead of {correlation_id}"),
            ));
        }
        if offered.error_code == ErrorCode::UNSUPPORTED_VERSION && version > 0 {
            version = older(&offered, version);
            correlation_id += 1;
            continue;
        }
        Error::check(offered.error_code)?;
        return Ok(NodeVersions::new(offered));
    }
}

fn request(version: i16, expected: &Expected) -> ApiVersionsRequest {
    let mut request = ApiVersionsRequest {
        client_software_name: "klamm-client".to_owned(),
        client_software_version: env!("CARGO_PKG_VERSION").to_owned(),
        ..Default::default()
    };
    if version >= 5
        && let Some(node) = expected.node
    {
        request.cluster_id = expected.cluster_id.clone();
        request.node_id = node;
    }
    request
}

/// The highest version below `tried` that the broker names, else 0, which every broker has.
fn older(offered: &ApiVersionsResponse, tried: i16) -> i16 {
    let own = offered
        .api_keys
        .iter()
        .find(|api| api.api_key == ApiKey::ApiVersions.id());
    own.map_or(0, |api| api.max_version).clamp(0, tried - 1)
}

/// An error about the version comes in version 0, whatever was asked.
fn read(reply: Bytes, version: i16) -> Result<(i32, ApiVersionsResponse), DecodeError> {
    // Behind the correlation id stands the error code in every version.
    let code = reply.get(4..6).map(|code| i16::from_be_bytes([code[0], code[1]]));
    let unsupported = code == Some(ErrorCode::UNSUPPORTED_VERSION.0);
    frame::decode_response(reply, if unsupported { 0 } else { version })
}

async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    label: &str,
    request: &[u8],
) -> Result<Bytes, Error> {
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => {
            closed(label, "the connection was closed before the broker said its versions")
        }
        _ => closed(label, plain(&error)),
    };
    stream.write_all(request).await.map_err(failed)?;
    let size = stream.read_i32().await.map_err(failed)?;
    let length = usize::try_from(size).ok().filter(|length| *length <= LARGEST_REPLY);
    let length = length.ok_or_else(|| {
        // What a TLS alert or an HTTP reply looks like from here.
        protocol(
            label,
            format!("a reply of {size} bytes to ApiVersions; is this a Kafka listener without TLS?"),
        )
    })?;
    let mut reply = BytesMut::zeroed(length);
    stream.read_exact(&mut reply).await.map_err(failed)?;
    Ok(reply.freeze())
}

fn protocol(label: &str, reason: String) -> Error {
    Error::Protocol {
        address: label.to_owned(),
        reason,
    }
}

#[cfg(test)]
mod tests;
