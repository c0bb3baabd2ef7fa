//! PINs: the memory they live in, how they are asked for, when they are forgotten.

pub mod cache;
pub mod consent;
pub mod dialog;
pub mod insert;
pub mod kept;
pub mod secret;
pub mod unlock;
