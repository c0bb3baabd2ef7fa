//! After every forgetting the token itself refuses C_Sign until a new C_Login. Login state belongs
//! to the process (PKCS#11 section 5.6), so a second session of this process sees what the first left.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::MODULE;
use common::token::{PIN, TestToken};
use cryptoki::context::Pkcs11;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, ObjectClass};
use cryptoki::session::{Session, SessionState};
use tokio::sync::Notify;
use wafer_keeper::card::Source;
use wafer_keeper::card::pkcs11::Module;
use wafer_keeper::pin::cache::Lives;
use wafer_keeper::pin::secret::Secret;
use wafer_keeper::token::{Common, Token};

/// Another look at the same token, past all of the keeper's own flags.
struct Witness(Session);

impl Witness {
    fn new() -> Self {
        let pkcs11 = Pkcs11::new(MODULE).unwrap();
        let slot = pkcs11.get_slots_with_initialized_token().unwrap()[0];
        Self(pkcs11.open_ro_session(slot).unwrap())
    }

    /// Whether the token signs now.
    fn signs(&self) -> bool {
        let state = self.0.get_session_info().unwrap().session_state();
        let found =
            self.0.find_objects(&[Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Id(vec![1])]);
        let signs =
            found.unwrap().first().is_some_and(|key| self.0.sign(&Mechanism::RsaPkcs, *key, b"x").is_ok());
        assert_eq!(signs, matches!(state, SessionState::RoUser), "{state:?}");
        signs
    }
}

/// One process loads a module once: all in one test.
#[tokio::test]
async fn the_token_refuses_after_every_forgetting() {
    let token = TestToken::new();
    wafer_keeper::sys::set_environment(&[("SOFTHSM2_CONF".to_owned(), token.conf().display().to_string())]);
    let mut module = Module::load(MODULE.as_ref(), "soft").unwrap();
    let (identity, reader) = module.present().unwrap().remove(0);
    let changed = Arc::new(Notify::new());
    let open = |module: &mut Module, idle: u64, max: u64| {
        let common = Common {
            lives: Lives { idle: Duration::from_millis(idle), max: Duration::from_millis(max) },
            module_deadline: Duration::from_secs(30),
            dialog_timeout: Duration::from_secs(30),
            confirm_each_use: false,
            turn: None,
            on_hang: Arc::new(|| panic!("the module hangs")),
            changed: Arc::clone(&changed),
        };
        Token::new(identity.clone(), reader.clone(), module.open(&identity).unwrap(), common).unwrap()
    };
    let pin = || Secret::from_bytes(PIN.as_bytes());
    let witness = Witness::new();
    assert!(!witness.signs());

    let unlocked = open(&mut module, 60_000, 60_000);
    unlocked.login(pin().map(Arc::new)).await.unwrap();
    assert!(witness.signs(), "the witness sees the login");
    unlocked.forget().await.unwrap();
    assert!(!witness.signs(), "lock");
    unlocked.login(pin().map(Arc::new)).await.unwrap();
    assert!(witness.signs());
    unlocked.forget().await.unwrap();

    for (idle, max, what) in [(200, 60_000, "idle time-out"), (60_000, 200, "maximum time-out")] {
        let unlocked = open(&mut module, idle, max);
        unlocked.login(pin().map(Arc::new)).await.unwrap();
        assert!(witness.signs());
        while unlocked.is_logged_in() {
            changed.notified().await;
        }
        // The flag goes first, the token follows; a job behind the logout proves it done.
        unlocked.pin_flags().await.unwrap();
        assert!(!witness.signs(), "{what}");
    }

    let wrong = open(&mut module, 60_000, 60_000);
    assert!(wrong.login(Secret::from_bytes(b"999999").map(Arc::new)).await.is_err());
    assert!(!witness.signs(), "a wrong PIN");
    assert!(!wrong.is_logged_in());
}
