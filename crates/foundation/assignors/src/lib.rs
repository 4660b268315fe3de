//! Owns the assignors of classic consumer groups: who of a group's members reads which partitions.
//! Knows nothing of groups' coordinators, connections or time.
//! Entry: `assign` of each assignor.
//! Driven by the consumer that leads its group.
//! Tests: beside the code, with cases taken from Java's assignors.
