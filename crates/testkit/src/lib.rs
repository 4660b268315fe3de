//! An embedded Klamm node for tests, ours and our users'
