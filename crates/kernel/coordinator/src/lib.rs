//! Coordinator shards: the Shard trait and its runtime loop
