//! Committed offsets: commit, fetch, delete, and their end by time or with their topic.
mod commit;
mod delete;
mod fetch;
mod retention;

pub(crate) use delete::partitions_deleted;
pub(crate) use fetch::fetch;
