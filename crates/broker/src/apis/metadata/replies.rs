//! Metadata replies about all topics, encoded once per image of the cluster: with thousands of partitions they are large, and
//! clients that follow a pattern of names ask for them again and again.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::{Bytes, BytesMut};
use klamm_metadata::MetadataImage;
use klamm_protocol::EncodedFrame;
use klamm_protocol::frame::SIZE_PREFIX;

/// Kinds of requests whose replies are kept; a cluster's clients are of few versions.
const KINDS: usize = 8;

/// Which requests get the same reply from the same image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(super) version: i16,
    pub(super) cluster_operations: bool,
    pub(super) topic_operations: bool,
}

/// The replies of one listener.
#[derive(Debug, Default)]
pub(crate) struct Replies(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// Not kept alive by its replies.
    image: Weak<MetadataImage>,
    frames: Vec<(Kind, Bytes)>,
}

impl Replies {
    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The reply of that kind as of this image, with another request's correlation id.
    pub(super) fn get(&self, image: &Arc<MetadataImage>, kind: Kind, correlation_id: i32) -> Option<EncodedFrame> {
        let frame = {
            let kept = self.lock();
            if !std::ptr::eq(kept.image.as_ptr(), Arc::as_ptr(image)) {
                return None;
            }
            let (_, frame) = kept.frames.iter().find(|(known, _)| *known == kind)?;
            frame.clone()
        };
        let mut bytes = BytesMut::from(&*frame);
        bytes[SIZE_PREFIX..][..size_of::<i32>()].copy_from_slice(&correlation_id.to_be_bytes());
        Some(EncodedFrame {
            bytes: bytes.freeze(),
            external: Vec::new(),
        })
    }

    /// Keeps a reply, and those of this image only.
    pub(super) fn put(&self, image: &Arc<MetadataImage>, kind: Kind, frame: &EncodedFrame) {
        let mut kept = self.lock();
        if !std::ptr::eq(kept.image.as_ptr(), Arc::as_ptr(image)) {
            kept.image = Arc::downgrade(image);
            kept.frames.clear();
        }
        if kept.frames.len() < KINDS && kept.frames.iter().all(|(known, _)| *known != kind) {
            kept.frames.push((kind, frame.bytes.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use klamm_protocol::frame::encode_response;
    use klamm_protocol::messages::MetadataResponse;

    use super::*;

    fn kind(version: i16) -> Kind {
        Kind {
            version,
            cluster_operations: false,
            topic_operations: false,
        }
    }

    fn reply(correlation_id: i32, controller_id: i32) -> EncodedFrame {
        let response = MetadataResponse {
            controller_id,
            ..Default::default()
        };
        encode_response(correlation_id, 12, &response).unwrap()
    }

    #[test]
    fn a_reply_is_the_same_but_for_its_correlation_id_until_the_image_changes() {
        let replies = Replies::default();
        let (old, new) = (Arc::new(MetadataImage::empty()), Arc::new(MetadataImage::empty()));
        assert_eq!(replies.get(&old, kind(12), 1), None);
        replies.put(&old, kind(12), &reply(1, 5));
        assert_eq!(replies.get(&old, kind(12), -2).unwrap(), reply(-2, 5));
        assert_eq!(replies.get(&old, kind(11), 1), None);
        assert_eq!(replies.get(&new, kind(12), 1), None);
        replies.put(&new, kind(12), &reply(1, 6));
        assert_eq!(replies.get(&new, kind(12), 3).unwrap(), reply(3, 6));
        assert_eq!(replies.get(&old, kind(12), 1), None);
        assert_eq!(Arc::weak_count(&old), 0, "an old image is not held");
    }

    #[test]
    fn replies_of_so_many_kinds_are_kept_and_no_more() {
        let replies = Replies::default();
        let image = Arc::new(MetadataImage::empty());
        (0..20).for_each(|version| replies.put(&image, kind(version), &reply(1, 5)));
        let kept = (0..20).filter(|version| replies.get(&image, kind(*version), 1).is_some());
        assert_eq!(kept.count(), KINDS);
    }
}
