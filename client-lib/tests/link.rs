//! The messages of the link, as a captured side might send them: whatever the bytes, the other side reads a value or an
//! error. What is read is what is written.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Debug;

use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use wafer_client::keeper::{
    Certainty, Consent, ConsentRequest, Digest, GrantRequest, KeyInfo, KeyKind, KeyTransport, LogEntry,
    Operation, PinState, PromptPlace, Question, Requester, SignScheme, TokenInfo, TriesLeft,
};
use zbus::Type;
use zbus::wire::serialized::{Context, Data};
use zbus::wire::{LE, to_bytes};

/// How a message was damaged.
#[derive(Clone, Debug)]
enum Damage {
    /// All of it is made up.
    Nonsense(Vec<u8>),
    /// Bytes of a good one are others.
    Flips(Vec<(prop::sample::Index, u8)>),
    /// It ends early.
    Cut(prop::sample::Index),
    /// Four bytes, a length or a number, are these.
    Number(prop::sample::Index, u32),
}

fn damage() -> impl Strategy<Value = Damage> {
    let numbers = prop::sample::select(vec![0, 1, 7, 0xffff, 0x400_0000, 0x7fff_ffff, u32::MAX]);
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Damage::Nonsense),
        prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8).prop_map(Damage::Flips),
        any::<prop::sample::Index>().prop_map(Damage::Cut),
        (any::<prop::sample::Index>(), numbers).prop_map(|(at, number)| Damage::Number(at, number)),
    ]
}

impl Damage {
    fn done_to(&self, good: &[u8]) -> Vec<u8> {
        let mut bytes = good.to_vec();
        match self {
            Self::Nonsense(nonsense) => return nonsense.clone(),
            Self::Flips(flips) => flips.iter().for_each(|(at, byte)| bytes[at.index(good.len())] = *byte),
            Self::Cut(at) => bytes.truncate(at.index(good.len())),
            Self::Number(at, number) => {
                let at = at.index(good.len().div_ceil(4)) * 4;
                let room = bytes.len().saturating_sub(at).min(4);
                bytes[at..at + room].copy_from_slice(&number.to_le_bytes()[..room]);
            }
        }
        bytes
    }
}

/// Reads what became of `good`, which must come back if it was read.
fn read<T>(good: &T, damage: &Damage)
where
    T: Serialize + DeserializeOwned + Type + PartialEq + Debug,
{
    let context = Context::new(LE, 0);
    let written = to_bytes(context, good).unwrap();
    assert_eq!(written.deserialize::<T>().unwrap().0, *good);
    let damaged = Data::new(damage.done_to(written.bytes()), context);
    if let Ok((value, _)) = damaged.deserialize::<T>() {
        let again = to_bytes(context, &value).unwrap();
        assert_eq!(again.deserialize::<T>().unwrap().0, value);
    }
}

fn requester() -> Requester {
    Requester {
        caller: ":1.7".to_owned(),
        program: "/usr/bin/mail".to_owned(),
        pid: 7,
        certainty: Certainty::Executable,
    }
}

fn grant() -> GrantRequest {
    GrantRequest {
        key: "card/01".to_owned(),
        operation: Operation::Decrypt,
        uses: 2,
        requester: requester(),
        interactive: true,
        deadline_ms: 1000,
        place: PromptPlace { display: ":0".to_owned(), ..PromptPlace::default() },
        token_label: "card".to_owned(),
    }
}

fn token() -> TokenInfo {
    let key = KeyInfo {
        id: "card/01".to_owned(),
        label: "key".to_owned(),
        kind: KeyKind::Ec,
        certificate: vec![0x30, 0x80],
        always_authenticate: true,
    };
    TokenInfo {
        id: "card".to_owned(),
        label: "a card".to_owned(),
        serial: "1".to_owned(),
        model: "m".to_owned(),
        manufacturer: String::new(),
        reader: "reader 0".to_owned(),
        pin_state: PinState::Unlocked,
        tries_left: TriesLeft::exactly(3),
        keys: vec![key.clone(), key],
        other_certificates: 1,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    /// What waferd sends.
    #[test]
    fn the_keeper_reads_anything(damage in damage()) {
        read(&grant(), &damage);
        let transport = KeyTransport {
            oaep: true,
            hash: Digest::Sha224,
            mgf_hash: Digest::Sha1,
            label: b"label".to_vec(),
            key_length: 32,
        };
        read(&(1_u64, transport, vec![7_u8; 64]), &damage);
        read(&(1_u64, SignScheme::RsaPss, Digest::Sha256, vec![7_u8; 32]), &damage);
        read(&ConsentRequest {
            requester: requester(),
            question: Question::Sign,
            object: "key".to_owned(),
            token: "card".to_owned(),
            lasting: true,
            place: PromptPlace::default(),
        }, &damage);
    }

    /// What a keeper answers.
    #[test]
    fn waferd_reads_anything(damage in damage()) {
        read(&vec![token(), token()], &damage);
        read(&Consent::Session, &damage);
        read(&vec![vec![0x30_u8; 20], vec![]], &damage);
        read(&vec![LogEntry {
            time_ms: 1,
            token: "card".to_owned(),
            key: "key".to_owned(),
            event: "sign".to_owned(),
            program: "/usr/bin/mail".to_owned(),
            outcome: "ok".to_owned(),
        }], &damage);
    }
}
