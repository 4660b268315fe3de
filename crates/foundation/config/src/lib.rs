//! Kafka's configuration keys as tables, and server.properties syntax
