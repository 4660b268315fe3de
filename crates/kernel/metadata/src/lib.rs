//! Metadata records, the immutable MetadataImage and its deltas
