//! Every sentence a person reads, from the catalogue in `locales/` (Fluent). Nothing is glued.
//!
//! The catalogue is read when a sentence is needed and let go again: a keeper is mostly silent.

use std::borrow::Cow;

use fluent_bundle::{FluentArgs, FluentBundle, FluentResource, FluentValue};

const ENGLISH: &str = include_str!("../../locales/en/keeper.ftl");
/// Longer names are cut: a label must not push the rest of a dialog off the screen.
const LONGEST_PART: usize = 80;
/// What lies behind this many characters of a name is not looked at: no path is longer.
const LONGEST_READ: usize = 4096;

macro_rules! texts {
    ($($name:ident = $id:literal,)*) => {
        /// The name of a sentence.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the catalogue shows what each one says")]
        pub enum Text { $($name,)* }

        impl Text {
            /// The message's name in the catalogue.
            fn id(self) -> &'static str {
                match self { $(Self::$name => $id,)* }
            }

            #[cfg(test)]
            const ALL: &'static [Self] = &[$(Self::$name,)*];
        }
    };
}

texts! {
    Title = "title",
    PromptPin = "prompt-pin",
    PromptOld = "prompt-old",
    PromptPuk = "prompt-puk",
    PromptNew = "prompt-new",
    PromptAgain = "prompt-again",
    PromptPassword = "prompt-password",
    ButtonOk = "button-ok",
    ButtonCancel = "button-cancel",
    ButtonTry = "button-try",
    ButtonAllow = "button-allow",
    DialogPin = "dialog-pin",
    DialogPinOthers = "dialog-pin-others",
    DialogPinEachUse = "dialog-pin-each-use",
    DialogConfirm = "dialog-confirm",
    DialogPinPad = "dialog-pin-pad",
    DialogPinPadAgain = "dialog-pin-pad-again",
    DialogPassword = "dialog-password",
    DialogPasswordOthers = "dialog-password-others",
    DialogImport = "dialog-import",
    DialogLastTry = "dialog-last-try",
    DialogLastPuk = "dialog-last-puk",
    DialogChange = "dialog-change",
    DialogNewPin = "dialog-new-pin",
    DialogInsert = "dialog-insert",
    DialogInsertOthers = "dialog-insert-others",
    DialogConsent = "dialog-consent",
    DialogConsentTime = "dialog-consent-time",
    AnswerAllow = "answer-allow",
    AnswerNever = "answer-never",
    AnswerNotNow = "answer-not-now",
    AnswerAlways = "answer-always",
    AnswerSession = "answer-session",
    AnswerOnce = "answer-once",
    ComplaintIncorrect = "complaint-incorrect",
    ComplaintPassword = "complaint-password",
    ComplaintPuk = "complaint-puk",
    ComplaintRefused = "complaint-refused",
    ComplaintDifferent = "complaint-different",
    ComplaintEmpty = "complaint-empty",
    ComplaintNoPassword = "complaint-no-password",
    ComplaintForm = "complaint-form",
    ErrorCancelled = "error-cancelled",
    ErrorTimedOut = "error-timed-out",
    ErrorNotInserted = "error-not-inserted",
    ErrorInteractionRequired = "error-interaction-required",
    ErrorScreenLocked = "error-screen-locked",
    ErrorNoPrompter = "error-no-prompter",
    ErrorNotGranted = "error-not-granted",
    ErrorTooMany = "error-too-many",
    ErrorNoToken = "error-no-token",
    ErrorArgument = "error-argument",
    ErrorInternal = "error-internal",
    ErrorPinIncorrect = "error-pin-incorrect",
    ErrorPinBlocked = "error-pin-blocked",
    ErrorPukBlocked = "error-puk-blocked",
    ErrorNoKey = "error-no-key",
    ErrorEveryUse = "error-every-use",
    ErrorPinForm = "error-pin-form",
    ErrorBusy = "error-busy",
    ErrorUnsupported = "error-unsupported",
    ErrorDecryption = "error-decryption",
    ErrorFileForm = "error-file-form",
    ErrorFileKeyless = "error-file-keyless",
    ErrorFileCost = "error-file-cost",
    ErrorNotKept = "error-not-kept",
    ErrorHung = "error-hung",
    ErrorTokenFailed = "error-token-failed",
}

/// A sentence with its named parts filled in.
pub fn say(text: Text, parts: &[(&str, &str)]) -> String {
    say_counted(text, parts, 0)
}

/// Like [`say`], with a number for `$others`, which chooses between one and many.
pub fn say_counted(text: Text, parts: &[(&str, &str)], others: usize) -> String {
    say_in(ENGLISH, None, text, parts, others)
}

fn say_in(
    catalogue: &str,
    transform: Option<fn(&str) -> Cow<'_, str>>,
    text: Text,
    parts: &[(&str, &str)],
    others: usize,
) -> String {
    // A mistake in the catalogue loses one message, not the program; a test reads them all.
    let resource = FluentResource::try_new(catalogue.to_owned()).unwrap_or_else(|(resource, _)| resource);
    let mut bundle = FluentBundle::new(vec![unic_langid::LanguageIdentifier::default()]);
    bundle.set_use_isolating(false);
    bundle.set_transform(transform);
    bundle.add_resource_overriding(resource);
    let mut arguments = FluentArgs::new();
    for (name, value) in parts {
        arguments.set(*name, FluentValue::from(presentable(value)));
    }
    arguments.set("others", FluentValue::from(others));
    let Some(pattern) = bundle.get_message(text.id()).and_then(|message| message.value()) else {
        return text.id().to_owned();
    };
    bundle.format_pattern(pattern, Some(&arguments), &mut Vec::new()).into_owned()
}

/// Names come from strangers (labels on cards, paths): no control characters, no direction marks, not endless.
/// A long one loses its middle: of a path the end says most, and the rest of the sentence stays.
fn presentable(part: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let visible: Vec<char> = part.chars().filter(|c| !hidden(*c)).take(LONGEST_READ).collect();
    if visible.len() <= LONGEST_PART {
        return visible.into_iter().collect();
    }
    let end = &visible[visible.len() - LONGEST_PART / 2..];
    visible[..LONGEST_PART / 2].iter().chain(&['…']).chain(end).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
    use super::*;

    /// Parts made of digits: a letter in the result can only come from the catalogue.
    const PARTS: &[(&str, &str)] = &[
        ("program", "11"),
        ("token", "22"),
        ("key", "33"),
        ("serial", "44"),
        ("pid", "55"),
        ("certainty", "66"),
        ("tries", "77"),
        ("purpose", "88"),
        ("count", "99"),
        ("shortest", "111"),
        ("longest", "222"),
        ("alphabet", "333"),
        ("object", "444"),
    ];

    #[test]
    fn the_catalogue_is_sound_and_whole() {
        assert!(FluentResource::try_new(ENGLISH.to_owned()).is_ok());
        let ids: Vec<_> = ENGLISH
            .lines()
            .filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()))
            .filter_map(|line| line.split(' ').next())
            .filter(|id| !["who", "card", "tries"].contains(id)) // only ever a part of others
            .collect();
        let known: Vec<_> = Text::ALL.iter().map(|text| text.id()).collect();
        assert_eq!(ids, known, "catalogue and program name the same messages in the same order");
    }

    #[test]
    fn in_a_pseudo_locale_no_plain_letter_is_left() {
        // Every letter of the catalogue becomes its neighbour in another alphabet.
        fn pseudo(text: &str) -> Cow<'_, str> {
            text.chars().map(|c| if c.is_ascii_alphabetic() { 'ж' } else { c }).collect::<String>().into()
        }
        for text in Text::ALL {
            for others in [0, 1, 7] {
                let shown = say_in(ENGLISH, Some(pseudo), *text, PARTS, others);
                assert!(!shown.chars().any(|c| c.is_ascii_alphabetic()), "{text:?}: {shown}");
                assert!(shown.contains('ж'), "{text:?}: {shown}");
            }
        }
    }

    #[test]
    fn no_message_lacks_a_part() {
        for text in Text::ALL {
            assert!(!say(*text, PARTS).contains("{$"), "{text:?}");
        }
    }

    #[test]
    fn one_and_many_are_told_apart() {
        let one = say_counted(Text::DialogPinOthers, PARTS, 1);
        let many = say_counted(Text::DialogPinOthers, PARTS, 49);
        assert!(one.contains("One more request waits"), "{one}");
        assert!(many.contains("49 more requests wait"), "{many}");
    }

    #[test]
    fn a_stranger_s_name_cannot_reshape_the_dialog() {
        let shown = say(Text::ErrorNoToken, &[("token", "a\nb\u{202e}c")]);
        assert!(shown.contains("abc"), "{shown}");
        assert!(say(Text::ErrorNoToken, &[("token", &"x".repeat(500))]).len() < 200);
    }

    #[test]
    fn of_a_long_name_both_ends_stay() {
        let path = format!("/opt/{}/bin/mailer", "very-long-".repeat(50));
        let parts =
            [("program", path.as_str()), ("pid", "4711"), ("certainty", "executable"), ("purpose", "sign")];
        let shown = say(Text::DialogPin, &parts);
        assert!(shown.contains("The program /opt/very"), "{shown}");
        assert!(shown.contains("/bin/mailer (process 4711) wants to sign"), "{shown}");
    }
}
