//! (see ARCHITECTURE.md)

pub mod config;
pub mod directory;
pub mod trust;
