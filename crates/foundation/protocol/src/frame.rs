//! Requests and responses as they travel: a 4-byte size, a header, a body.

use bytes::Bytes;
use thiserror::Error;

use crate::headers::{RequestHeader, ResponseHeader};
use crate::writer::{EncodedFrame, Writer};
use crate::{ApiKey, DecodeError, EncodeError, Message, Reader, Request, Response};

/// Bytes of the size that starts a frame; the size does not count them.
pub const SIZE_PREFIX: usize = 4;

/// Encodes a request with its size. Key and version in the header are taken from `R` and `version`.
pub fn encode_request<R: Request>(
    correlation_id: i32,
    client_id: Option<&str>,
    version: i16,
    request: &R,
) -> Result<EncodedFrame, EncodeError> {
    let header = RequestHeader {
        request_api_key: R::KEY.id(),
        request_api_version: version,
        correlation_id,
        client_id: client_id.map(str::to_owned),
        ..Default::default()
    };
    encode_frame(&header, R::KEY.request_header_version(version), request, version)
}

/// Encodes a response with its size, which counts external records too.
pub fn encode_response<R: Response>(
    correlation_id: i32,
    version: i16,
    response: &R,
) -> Result<EncodedFrame, EncodeError> {
    let header = ResponseHeader {
        correlation_id,
        ..Default::default()
    };
    encode_frame(&header, R::KEY.response_header_version(version), response, version)
}

fn encode_frame<H: Message, B: Message>(
    header: &H,
    header_version: i16,
    body: &B,
    version: i16,
) -> Result<EncodedFrame, EncodeError> {
    let mut writer = Writer::with_capacity(256);
    writer.i32(0);
    header.encode(&mut writer, header_version)?;
    body.encode(&mut writer, version)?;
    writer.into_sized_frame()
}

/// Why a request's header was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RequestHeaderError {
    /// The bytes are no request header.
    #[error("malformed request header: {0}")]
    Malformed(#[from] DecodeError),
    /// There is no such API.
    #[error("unknown api key {key} (version {version})")]
    UnknownApiKey {
        /// The number in the header.
        key: i16,
        /// The version in the header.
        version: i16,
        /// What a reply has to carry.
        correlation_id: i32,
    },
    /// The API has no such version, so the rest of the header and the body are not read. A client that asks for too
    /// new an ApiVersions has to get a version 0 reply.
    #[error("{key} has no version {version}")]
    UnsupportedVersion {
        /// The API.
        key: ApiKey,
        /// The version in the header.
        version: i16,
        /// What a reply has to carry.
        correlation_id: i32,
    },
}

/// Reads a request's header off a frame (without its size), and leaves the reader at the body. The version is checked
/// before the part of the header that depends on it is read.
pub fn decode_request_header(frame: &mut Reader) -> Result<(ApiKey, RequestHeader), RequestHeaderError> {
    let mut start = frame.clone();
    let (key, version, correlation_id) = (start.i16()?, start.i16()?, start.i32()?);
    let key = ApiKey::try_from(key).map_err(|_| RequestHeaderError::UnknownApiKey {
        key,
        version,
        correlation_id,
    })?;
    if !key.is_version_supported(version) {
        return Err(RequestHeaderError::UnsupportedVersion {
            key,
            version,
            correlation_id,
        });
    }
    Ok((key, RequestHeader::decode(frame, key.request_header_version(version))?))
}

/// Reads a response (without its size): the correlation id and the body.
pub fn decode_response<R: Response>(frame: Bytes, version: i16) -> Result<(i32, R), DecodeError> {
    let mut reader = Reader::new(frame);
    let header = ResponseHeader::decode(&mut reader, R::KEY.response_header_version(version))?;
    Ok((header.correlation_id, R::decode(&mut reader, version)?))
}
