//! The command line of `klamm`: what it prints, which code it ends with, and what it leaves alone.
mod errors;
mod interrupted;
mod log;
mod process;
mod start;
mod storage;
mod tools;
