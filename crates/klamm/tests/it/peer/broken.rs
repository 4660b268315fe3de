//! Requests that are not whole: those of the systematic cases with bytes cut off, added and changed.

use bytes::{Bytes, BytesMut};
use klamm_protocol::{ApiKey, Request, frame};

use crate::random::Random;

/// What may be broken and sent without harm: whatever it turns into changes nothing, or the same on both sides.
const HARMLESS: &[ApiKey] = &[
    ApiKey::CreatePartitions,
    ApiKey::CreateTopics,
    ApiKey::DeleteGroups,
    ApiKey::DeleteRecords,
    ApiKey::DescribeClientQuotas,
    ApiKey::DescribeCluster,
    ApiKey::DescribeConfigs,
    ApiKey::DescribeGroups,
    ApiKey::DescribeLogDirs,
    ApiKey::DescribeProducers,
    ApiKey::DescribeQuorum,
    ApiKey::DescribeTopicPartitions,
    ApiKey::DescribeTransactions,
    ApiKey::DescribeUserScramCredentials,
    ApiKey::ElectLeaders,
    ApiKey::Heartbeat,
    ApiKey::InitProducerId,
    ApiKey::LeaveGroup,
    ApiKey::ListConfigResources,
    ApiKey::ListGroups,
    ApiKey::ListOffsets,
    ApiKey::ListPartitionReassignments,
    ApiKey::ListTransactions,
    ApiKey::Metadata,
    ApiKey::OffsetDelete,
    ApiKey::OffsetFetch,
    ApiKey::OffsetForLeaderEpoch,
    ApiKey::SyncGroup,
];

/// What is done to a frame.
type Change = Box<dyn Fn(&mut BytesMut)>;

/// One of so many requests is broken.
const ONE_IN: usize = 6;

/// The frame of a request, broken, with what was done to it; or `None`: not this one. Both sides' frames are broken alike.
pub(super) fn broken<R: Request>(
    random: &mut Random,
    requests: &[R; 2],
    version: i16,
) -> Option<(String, [BytesMut; 2])> {
    if !HARMLESS.contains(&R::KEY) || !random.one_in(ONE_IN) {
        return None;
    }
    let frames = requests.each_ref().map(|request| {
        let encoded = frame::encode_request(1, None, version, request).expect("it was sent before");
        let length = size_of::<i32>();
        BytesMut::from(&encoded.bytes[length..])
    });
    let is_flexible = R::KEY.request_header_version(version) == 2;
    // Key, version, correlation id, no client id, perhaps no tagged fields.
    let header = 10 + usize::from(is_flexible);
    let length = frames[0].len();
    if frames[1].len() != length || length <= header {
        return None; // what they call their own is not of the same length
    }
    let at = header + random.below(length - header);
    // Not in the middle of what each side calls by a name of its own.
    let around = at.saturating_sub(40)..(at + 40).min(length);
    if frames[0][around.clone()] != frames[1][around] {
        return None;
    }
    let (what, change): (String, Change) = match random.below(6) {
        0 => ("cut off".to_owned(), Box::new(move |frame| frame.truncate(at))),
        1 => (
            "bytes after the end".to_owned(),
            Box::new(|frame| frame.extend_from_slice(&[0, 1, 2])),
        ),
        2 if is_flexible => (
            "unknown tag".to_owned(),
            Box::new(|frame| {
                frame.truncate(frame.len() - 1);
                frame.extend_from_slice(&[1, 99, 3, 7, 7, 7]);
            }),
        ),
        _ => {
            let byte = [0, 1, 0x7f, 0x80, 0xff][random.below(5)];
            (
                format!("byte {} is {byte}", at - header),
                Box::new(move |frame| frame[at] = byte),
            )
        }
    };
    let [mut ours, mut theirs] = frames;
    change(&mut ours);
    change(&mut theirs);
    Some((what, [ours, theirs]))
}

/// What came back, for people and for comparing.
pub(super) fn read<R: Request>(reply: Bytes, version: i16) -> Result<R::Response, String> {
    match frame::decode_response::<R::Response>(reply.clone(), version) {
        Ok((_, response)) => Ok(response),
        Err(error) => Err(format!("{error}: {reply:?}")),
    }
}
