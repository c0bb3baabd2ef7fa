//! The crypto provider (AWS-LC) as CMS needs it.

pub(crate) mod hash;
