//! `wafer-keeper`: keeps tokens, PINs and dialogs, one process per source of tokens.
//!
//! The rooms: [`link`] is spoken with waferd, [`token`] has one thread per token,
//! [`pin`] asks for PINs and forgets them, [`prompt`] shows dialogs through pinentry,
//! [`card`] is what a token can do, [`roots`] reads Mozilla's authorities. See ARCHITECTURE.md.

pub mod args;
pub mod card;
pub mod confine;
pub mod failure;
pub mod link;
pub mod pin;
pub mod prompt;
pub mod roots;
pub mod sys;
pub mod token;
