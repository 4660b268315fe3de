//! The active controller: one module per noun
