//! The Kafka broker and KRaft controller node
