//! State with snapshots by offset: uncommitted against committed
