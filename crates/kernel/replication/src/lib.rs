//! Partition state of a leader: epochs, ISR, high watermark
