//! Keys that want their PIN at every use (CKA_ALWAYS_AUTHENTICATE): a dialog for each, enforced by the keeper;
//! OpenSSL judges what came of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::io::Read;
use std::sync::Arc;

use common::person::Person;
use common::token::{PIN, TestToken};
use common::{Keeper, Options, kind, request, secret_pipe};
use serde_bytes::Bytes;
use wafer_client::ErrorKind;
use wafer_client::keeper::{Digest, GrantRequest, KeyKind, KeyTransport, Operation, PinState, SignScheme};

const DIGEST: [u8; 32] = [7; 32];

struct Scene {
    token: TestToken,
    keeper: Arc<Keeper>,
    person: Arc<Person>,
}

impl Scene {
    async fn new(options: Options) -> Self {
        let (token, person) = (TestToken::for_each_use(), Person::new());
        let keeper = Arc::new(Keeper::start(&token, options).await);
        Self { token, keeper, person: Arc::new(person) }
    }

    async fn request(&self, kind: KeyKind, operation: Operation) -> GrantRequest {
        request(&self.keeper.key(kind).await.id, operation, &self.person)
    }

    fn person<T>(&self, act: impl FnOnce(&Person) -> T) -> T {
        tokio::task::block_in_place(|| act(&self.person))
    }

    fn signs(
        &self,
        request: GrantRequest,
        scheme: SignScheme,
    ) -> tokio::task::JoinHandle<Result<Vec<u8>, ErrorKind>> {
        let keeper = Arc::clone(&self.keeper);
        tokio::spawn(async move {
            let grant = keeper.link.grant(&request).await.map_err(kind)?;
            let signature = keeper.link.sign(grant, scheme, Digest::Sha256, Bytes::new(&DIGEST)).await;
            signature.map(|signature| signature.into_vec()).map_err(kind)
        })
    }

    fn verifies(&self, public: &str, options: &[&str], signature: &[u8]) {
        let path = |name: &str| self.token.path(name).display().to_string();
        std::fs::write(path("digest"), DIGEST).unwrap();
        std::fs::write(path("signature"), signature).unwrap();
        let (public, digest, signature) = (path(public), path("digest"), path("signature"));
        let mut arguments = vec!["pkeyutl", "-verify", "-pubin", "-inkey", &public, "-in", &digest];
        arguments.extend(["-sigfile", &signature, "-pkeyopt", "digest:sha256"]);
        for option in options {
            arguments.extend(["-pkeyopt", option]);
        }
        self.token.run("openssl", &arguments);
    }

    async fn logins(&self) -> Vec<String> {
        let log = self.keeper.link.log().await.unwrap();
        log.into_iter().filter(|entry| entry.event == "login").map(|entry| entry.outcome).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_signature_has_its_own_dialog_and_one_is_enough_for_the_first() {
    let scene = Scene::new(Options::default()).await;
    let cases = [
        (KeyKind::Rsa, SignScheme::RsaPkcs1, "rsa.pem", &[][..]),
        (KeyKind::Rsa, SignScheme::RsaPss, "rsa.pem", &["rsa_padding_mode:pss"][..]),
        (KeyKind::Ec, SignScheme::Ecdsa, "ec.pem", &[][..]),
    ];
    for (turn, (kind, scheme, public, options)) in (1..).zip(cases) {
        let request = scene.request(kind, Operation::Sign).await;
        let call = scene.signs(request, scheme);
        let shown = scene.person(|person| person.enters(PIN));
        assert_eq!(shown.contains("every use"), turn > 1, "hidden until the first login: {shown}");
        scene.verifies(public, options, &call.await.unwrap().unwrap());
        assert_eq!(scene.keeper.turns(), turn);
    }
    assert_eq!(scene.logins().await, ["ok", "ok", "ok", "ok"], "the first PIN also opened the token");
    assert!(scene.keeper.key(KeyKind::Rsa).await.always_authenticate);
    // The token is unlocked, and still nobody signs without a dialog.
    assert_eq!(scene.keeper.token().await.pin_state, PinState::Unlocked);
    let silent = GrantRequest { interactive: false, ..scene.request(KeyKind::Rsa, Operation::Sign).await };
    assert_eq!(scene.keeper.sign(&silent).await, Err(ErrorKind::InteractionRequired));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn decryption_and_key_agreement_ask_each_time_too() {
    let scene = Scene::new(Options::default()).await;
    std::fs::write(scene.token.path("cek"), [0x42; 32]).unwrap();
    let path = |name: &str| scene.token.path(name).display().to_string();
    let encrypt = ["pkeyutl", "-encrypt", "-pubin", "-inkey", &path("rsa.pem"), "-in", &path("cek")];
    let encrypted = scene.token.run("openssl", &encrypt);
    let transport = KeyTransport {
        oaep: false,
        hash: Digest::Sha1,
        mgf_hash: Digest::Sha1,
        label: Vec::new(),
        key_length: 32,
    };
    for turn in 1..=2 {
        let request = scene.request(KeyKind::Rsa, Operation::Decrypt).await;
        let grant = scene.keeper.link.grant(&request).await.unwrap();
        let (write, mut read) = secret_pipe();
        let unwrap = scene.keeper.link.unwrap_key(grant, &transport, Bytes::new(&encrypted), write);
        let (unwrapped, _) = tokio::join!(unwrap, async { scene.person(|person| person.enters(PIN)) });
        unwrapped.unwrap();
        let mut secret = Vec::new();
        read.read_to_end(&mut secret).unwrap();
        assert_eq!((secret, scene.keeper.turns()), (vec![0x42; 32], turn));
    }
    let public =
        scene.token.run("openssl", &["pkey", "-pubin", "-in", &path("ec.pem"), "-pubout", "-outform", "DER"]);
    let point = &public[public.len() - 65..];
    for turn in 3..=4 {
        let request = scene.request(KeyKind::Ec, Operation::Decrypt).await;
        let grant = scene.keeper.link.grant(&request).await.unwrap();
        let (write, _read) = secret_pipe();
        let derive = scene.keeper.link.derive(grant, Bytes::new(point), write);
        let (derived, _) = tokio::join!(derive, async { scene.person(|person| person.enters(PIN)) });
        derived.unwrap();
        assert_eq!(scene.keeper.turns(), turn);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_pin_is_said_and_asked_again_and_the_token_is_usable_after() {
    let scene = Scene::new(Options::default()).await;
    for wrong_first in [false, true] {
        let call = scene.signs(scene.request(KeyKind::Rsa, Operation::Sign).await, SignScheme::RsaPkcs1);
        scene.person(|person| {
            if wrong_first {
                person.enters("999999");
                let again = person.enters(PIN);
                assert!(again.contains("wrong"), "{again}");
            } else {
                person.enters(PIN);
            }
        });
        scene.verifies("rsa.pem", &[], &call.await.unwrap().unwrap());
    }
    assert_eq!(scene.logins().await, ["ok", "ok", "PinIncorrect", "ok"], "each PIN went to the token once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_requests_have_two_dialogs_one_after_the_other() {
    let scene = Scene::new(Options::default()).await;
    let unlock = request(&scene.keeper.token().await.id, Operation::Unlock, &scene.person);
    let grant = scene.keeper.link.grant(&unlock).await.unwrap();
    let (unlocked, _) =
        tokio::join!(scene.keeper.link.unlock(grant), async { scene.person(|person| person.enters(PIN)) });
    unlocked.unwrap();
    let request = scene.request(KeyKind::Rsa, Operation::Sign).await;
    let calls = [(); 2].map(|()| scene.signs(request.clone(), SignScheme::RsaPkcs1));
    for _ in 0..2 {
        scene.person(|person| person.enters(PIN));
    }
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(scene.keeper.turns(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_no_ends_the_request_and_is_quiet_for_its_program() {
    let scene = Scene::new(Options::default()).await;
    let request = scene.request(KeyKind::Rsa, Operation::Sign).await;
    let first = scene.signs(request.clone(), SignScheme::RsaPkcs1);
    scene.person(|person| person.enters(PIN));
    first.await.unwrap().unwrap();
    let second = scene.signs(request.clone(), SignScheme::RsaPkcs1);
    scene.person(Person::cancels);
    assert_eq!(second.await.unwrap(), Err(ErrorKind::Cancelled));
    assert_eq!(scene.keeper.sign(&request).await, Err(ErrorKind::Cancelled), "no second dialog at once");
    assert_eq!(scene.keeper.turns(), 2);
}

/// The question goes to the person's own session only: that the caller offers a terminal changes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_a_click_may_stand_for_the_pin_it_is_never_asked_for_at_the_caller_s_place() {
    let scene = Scene::new(Options { confirm_each_use: true, ..Options::default() }).await;
    let request = scene.request(KeyKind::Rsa, Operation::Sign).await;
    let first = scene.signs(request.clone(), SignScheme::RsaPkcs1);
    scene.person(|person| person.enters(PIN));
    first.await.unwrap().unwrap();
    assert_eq!(scene.keeper.sign(&request).await, Err(ErrorKind::NoPrompter));
    assert!(!scene.person(Person::unread).contains("Allow"));
}
