//! Names of topics.

/// Where group coordinators keep groups and offsets.
pub(crate) const GROUP_METADATA_TOPIC: &str = "__consumer_offsets";

/// The topics that coordinators keep their state in.
const INTERNAL: [&str; 3] = [GROUP_METADATA_TOPIC, "__transaction_state", "__share_group_state"];

/// The longest name that a topic may have, in UTF-16 code units as Kafka counts.
const MAX_NAME_LENGTH: usize = 249;

/// Whether the topic holds a coordinator's state and not clients' records.
pub(crate) fn is_internal(name: &str) -> bool {
    INTERNAL.contains(&name)
}

/// Whether a topic may have this name.
pub(crate) fn is_valid_name(name: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !matches!(name, "" | "." | "..") && name.len() <= MAX_NAME_LENGTH && name.bytes().all(is_legal)
}
