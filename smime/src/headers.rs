//! Header protection (RFC 9788): a message's header fields travel within what is signed or encrypted, too.

/// Whether the header fields go within what is sealed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeaderProtection {
    /// As the message says by the parameter `hp` of its Content-Type, with [`HeaderConfidentiality::Baseline`]; without
    /// it they stay outside.
    #[default]
    AsWritten,
    /// They stay outside, whatever the message says.
    Outside,
    /// They go within (`hp="clear"`), and the same stand outside: for a message that is only signed.
    Clear,
    /// They go within (`hp="cipher"`), and what stands outside is hidden: for a message that is encrypted, now or, where
    /// it is signed first, afterwards.
    Cipher(HeaderConfidentiality),
}

/// What of the header fields stands outside of an encrypted message: the Header Confidentiality Policy (RFC 9788
/// section 3.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeaderConfidentiality {
    /// `hcp_no_confidentiality`: all, as they are.
    Nothing,
    /// `hcp_baseline`: all, but Subject as `[...]`, and neither Keywords nor Comments.
    #[default]
    Baseline,
    /// `hcp_shy`: as the baseline; From, To and Cc without the names of people, and Date without their time zone.
    Shy,
}
