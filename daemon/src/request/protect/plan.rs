//! What an order and the settings come to.

use wafer_client::WaferError;
use wafer_smime::algorithm::{CertificateIdentifier, DigestAlgorithm};
use wafer_smime::sign::{Form, Include};

use super::{BccMode, Order, WhenMissing};
use crate::config::Settings;
use crate::text;

/// What an order and the settings come to.
pub(super) struct Plan {
    pub(super) sign: bool,
    pub(super) encrypt: bool,
    pub(super) triple_wrap: bool,
    pub(super) form: Form,
    pub(super) digest: Option<DigestAlgorithm>,
    pub(super) include: Include,
    pub(super) identifier: CertificateIdentifier,
    pub(super) bcc: BccMode,
    pub(super) when_missing: WhenMissing,
}

impl Plan {
    /// # Errors
    /// The administrator wants what the order leaves out.
    pub(super) fn of(order: &Order, settings: &Settings) -> Result<Self, WaferError> {
        let sign = settings.flag("sign.always");
        let signs_reply = |signed: bool| match settings.word("sign.reply").as_str() {
            "never" => false,
            "like-original" => sign || signed,
            _ => sign,
        };
        let always = |given: Option<bool>, name: &str, otherwise: bool| match given {
            // What an administrator has made a rule is none a program can leave out.
            Some(false) if settings.locked.contains(name) && settings.flag(name) => {
                Err(text::administrator_wants(name))
            }
            given => Ok(given.unwrap_or(otherwise)),
        };
        let bcc = match settings.word("encrypt.bcc").as_str() {
            "together" => BccMode::Together,
            "one-copy" => BccMode::OneCopy,
            _ => BccMode::Each,
        };
        let when_missing = match settings.word("encrypt.when-missing").as_str() {
            "able" => WhenMissing::Able,
            "all" => WhenMissing::All,
            _ => WhenMissing::Refuse,
        };
        let digest = match settings.word("sign.digest").as_str() {
            "sha512" => Some(DigestAlgorithm::Sha512),
            "sha384" => Some(DigestAlgorithm::Sha384),
            "sha256" => Some(DigestAlgorithm::Sha256),
            _ => None,
        };
        let include = match settings.word("sign.include").as_str() {
            "signer" => Include::Signer,
            "chain-and-root" => Include::All,
            _ => Include::WithoutRoot,
        };
        let identifier = match settings.flag("encrypt.key-identifier") {
            true => CertificateIdentifier::KeyIdentifier,
            false => CertificateIdentifier::IssuerAndSerial,
        };
        let form = if settings.word("sign.form") == "opaque" { Form::Opaque } else { Form::Clear };
        let wraps = always(order.triple_wrap, "encrypt.triple-wrap", settings.flag("encrypt.triple-wrap"))?;
        let sign = always(order.sign, "sign.always", order.replies_to_signed.map_or(sign, signs_reply))?;
        let encrypt = always(order.encrypt, "encrypt.always", settings.flag("encrypt.always"))?;
        Ok(Self {
            sign,
            encrypt,
            triple_wrap: wraps && sign && encrypt,
            form: order.form.unwrap_or(form),
            digest: order.digest.or(digest),
            include,
            identifier,
            bcc: order.bcc_mode.unwrap_or(bcc),
            when_missing: order.when_missing.unwrap_or(when_missing),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::config::Places;
    use crate::config::value::Value;

    fn settings(values: &[(&'static str, Value)]) -> Settings {
        let mut settings = Settings::defaults(&Places::of_this_process(None));
        settings.values.extend(values.iter().cloned());
        settings
    }

    fn signs(values: &[(&'static str, Value)], order: &Order) -> bool {
        Plan::of(order, &settings(values)).unwrap().sign
    }

    #[test]
    fn a_reply_is_signed_as_the_setting_says() {
        let reply = |signed| Order { replies_to_signed: Some(signed), ..Order::default() };
        let word = |word: &str| ("sign.reply", Value::Word(word.to_owned()));
        let always = ("sign.always", Value::Flag(true));
        assert!(!signs(&[], &Order::default()));
        assert!(signs(&[], &reply(true)), "like the message that is answered");
        assert!(!signs(&[], &reply(false)));
        assert!(signs(std::slice::from_ref(&always), &reply(false)));
        assert!(!signs(&[always.clone(), word("never")], &reply(true)));
        assert!(!signs(&[word("as-always")], &reply(true)));
        assert!(signs(&[always, word("as-always")], &reply(false)));
        assert!(
            !signs(&[], &Order { sign: Some(false), ..reply(true) }),
            "the message's own option counts most"
        );
    }

    #[test]
    fn what_an_administrator_has_locked_cannot_be_left_out() {
        let mut locked = settings(&[("encrypt.always", Value::Flag(true))]);
        let order = Order { encrypt: Some(false), ..Order::default() };
        assert!(!Plan::of(&order, &locked).unwrap().encrypt);
        locked.locked.insert("encrypt.always");
        assert!(Plan::of(&order, &locked).is_err());
        assert!(Plan::of(&Order::default(), &locked).unwrap().encrypt);
    }
}
