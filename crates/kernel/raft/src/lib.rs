//! KRaft quorum as a synchronous state machine
