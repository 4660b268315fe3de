//! Names of topics.

/// Where group coordinators keep groups and offsets.
pub(crate) const GROUP_METADATA_TOPIC: &str = "__consumer_offsets";

/// The topics that coordinators keep their state in.
const INTERNAL: [&str; 3] = [GROUP_METADATA_TOPIC, "__transaction_state", "__share_group_state"];

/// Whether the topic holds a coordinator's state and not clients' records.
pub(crate) fn is_internal(name: &str) -> bool {
    INTERNAL.contains(&name)
}
