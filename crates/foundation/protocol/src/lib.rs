//! Kafka's wire protocol: messages, primitive codecs, error codes, API table
