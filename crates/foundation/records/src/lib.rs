//! Record batches v2, control records and compression codecs
