//! Listeners, frames and correlation for both ends of a connection
