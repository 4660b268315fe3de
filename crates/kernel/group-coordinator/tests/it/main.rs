//! Whole scripts against a shard in its runtime. See `script` for the language.
mod failures;
mod generations;
mod loading;
mod members;
mod offsets;
mod random;
mod script;
mod static_members;
