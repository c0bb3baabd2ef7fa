//! Raw C_Sign: what the token can do with nothing in between. Session and key handle stay open, as in the keeper.

use std::time::{Duration, Instant};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, ObjectClass};
use cryptoki::session::UserType;
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;

use crate::{Fault, figures, nanoseconds};

/// DER of a DigestInfo for SHA-256, up to the digest itself (RFC 8017 section 9.2, note 1).
const SHA256_DIGEST_INFO: [u8; 19] =
    [0x30, 0x31, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0, 4, 0x20];

/// Which key to sign with.
pub(crate) struct Key<'a> {
    pub(crate) module: &'a str,
    pub(crate) token: &'a str,
    pub(crate) pin: &'a str,
    pub(crate) label: &'a str,
    pub(crate) ec: bool,
}

/// Signs on `threads` threads, each with a session of its own, for `time`.
pub(crate) fn sign_rate(key: &Key<'_>, threads: usize, time: Duration) -> Result<serde_json::Value, Fault> {
    let module = Pkcs11::new(key.module)?;
    module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))?;
    let slot = slot_of(&module, key.token)?;
    let login = module.open_ro_session(slot)?; // login is per token: it holds for all sessions while this one is open
    login.login(UserType::User, Some(&AuthPin::new(key.pin.into())))?;

    let start = Instant::now();
    let latencies = std::thread::scope(|scope| {
        let signers: Vec<_> =
            (0..threads).map(|_| scope.spawn(|| sign_until(&module, slot, key, start + time))).collect();
        let joined =
            signers.into_iter().map(|signer| signer.join().map_err(|_| Fault::from("a thread died"))?);
        joined.collect::<Result<Vec<_>, Fault>>()
    })?;
    figures(latencies.concat(), start.elapsed())
}

fn sign_until(module: &Pkcs11, slot: Slot, key: &Key<'_>, end: Instant) -> Result<Vec<u64>, Fault> {
    let session = module.open_ro_session(slot)?;
    let wanted =
        [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Label(key.label.as_bytes().to_vec())];
    let handle = *session.find_objects(&wanted)?.first().ok_or("no key with this label")?;
    let digest = [7; 32];
    let (mechanism, data) = if key.ec {
        (Mechanism::Ecdsa, digest.to_vec())
    } else {
        (Mechanism::RsaPkcs, [SHA256_DIGEST_INFO.as_slice(), &digest].concat())
    };
    let mut latencies = Vec::new();
    while Instant::now() < end {
        let start = Instant::now();
        std::hint::black_box(session.sign(&mechanism, handle, &data)?);
        latencies.push(nanoseconds(start.elapsed()));
    }
    Ok(latencies)
}

fn slot_of(module: &Pkcs11, label: &str) -> Result<Slot, Fault> {
    for slot in module.get_slots_with_initialized_token()? {
        if module.get_token_info(slot)?.label() == label {
            return Ok(slot);
        }
    }
    Err("no token with this label".into())
}
