//! PINs: the memory they live in, how they are asked for, when they are forgotten.

mod ask;
pub mod cache;
pub mod change;
pub mod consent;
pub mod dialog;
pub mod each_use;
pub mod import;
pub mod insert;
pub mod kept;
pub mod secret;
mod turn;
pub mod unlock;
pub mod waiting;
