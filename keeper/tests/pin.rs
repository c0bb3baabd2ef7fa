//! PINs as a person meets them: one dialog, wrong and right, cancelled, timed out, forgotten.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;

use common::person::Person;
use common::token::{PIN, TestToken};
use common::{Keeper, Options, kind, request};
use wafer_client::ErrorKind;
use wafer_client::keeper::{Certainty, GrantRequest, KeyKind, Operation, PinState, PromptPlace, TriesLeft};

/// A token, a keeper, a person, and a request to sign with the RSA key.
struct Scene {
    _token: TestToken,
    keeper: Arc<Keeper>,
    person: Arc<Person>,
    request: GrantRequest,
}

impl Scene {
    async fn new(options: Options) -> Self {
        let (token, person) = (TestToken::new(), Person::new());
        let keeper = Keeper::start(&token, options).await;
        let request = request(&keeper.key(KeyKind::Rsa).await.id, Operation::Sign, &person);
        Self { _token: token, keeper: Arc::new(keeper), person: Arc::new(person), request }
    }

    /// The request of another program.
    fn from(&self, caller: &str) -> GrantRequest {
        let mut request = self.request.clone();
        request.requester.caller = caller.to_owned();
        request.requester.program = format!("/opt/{caller}");
        request
    }

    /// The request that may not ask: it tells whether a login is alive.
    fn silent(&self) -> GrantRequest {
        GrantRequest { interactive: false, ..self.request.clone() }
    }

    /// Signs in the background.
    fn signs(&self, request: GrantRequest) -> tokio::task::JoinHandle<Result<Vec<u8>, ErrorKind>> {
        let keeper = Arc::clone(&self.keeper);
        tokio::spawn(async move { keeper.sign(&request).await })
    }

    /// Lets the person act while the link goes on.
    fn person<T>(&self, act: impl FnOnce(&Person) -> T) -> T {
        tokio::task::block_in_place(|| act(&self.person))
    }

    async fn events(&self, event: &str) -> Vec<String> {
        let log = self.keeper.link.log().await.unwrap();
        log.into_iter().filter(|entry| entry.event == event).map(|entry| entry.outcome).collect()
    }

    /// Waits until the token's PIN state is as told; `tokens_changed` says when to look.
    async fn until(&self, state: PinState) {
        let mut changes = self.keeper.link.receive_tokens_changed().await.unwrap();
        while self.keeper.token().await.pin_state != state {
            common::next(&mut changes).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_requests_make_one_dialog_and_one_login() {
    let scene = Scene::new(Options::default()).await;
    let calls: Vec<_> =
        (0..50).map(|number| scene.signs(scene.from(&format!("caller-{}", number % 8)))).collect();
    scene.person(|person| person.enters(PIN));
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap().len(), 256);
    }
    assert_eq!(scene.keeper.turns(), 1);
    assert_eq!(scene.events("login").await, ["ok"]);
    assert_eq!(scene.events("sign").await.len(), 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_pin_is_said_and_asked_again() {
    let scene = Scene::new(Options::default()).await;
    let call = scene.signs(scene.request.clone());
    scene.person(|person| {
        person.enters("999999");
        let second = person.enters(PIN);
        assert!(second.contains("wrong"), "{second}");
        assert!(second.contains("few tries"), "{second}");
    });
    call.await.unwrap().unwrap();
    assert_eq!(scene.events("login").await, ["PinIncorrect", "ok"], "a PIN goes to the card once");
    assert_eq!(scene.keeper.turns(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn few_tries_left_are_told() {
    let scene = Scene::new(Options::default()).await;
    let call = scene.signs(scene.request.clone());
    scene.person(|person| {
        person.enters("999999");
        person.cancels();
    });
    assert_eq!(call.await.unwrap(), Err(ErrorKind::Cancelled));
    assert_eq!(scene.keeper.token().await.tries_left, TriesLeft::Low);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_entry_never_reaches_the_card() {
    let scene = Scene::new(Options::default()).await;
    let call = scene.signs(scene.request.clone());
    scene.person(|person| {
        person.enters("");
        let second = person.enters(PIN);
        assert!(second.contains("enter the PIN"), "{second}");
    });
    call.await.unwrap().unwrap();
    assert_eq!(scene.events("login").await, ["ok"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelling_ends_all_that_wait_and_is_quiet_for_them() {
    let scene = Scene::new(Options::default()).await;
    let calls: Vec<_> = (0..5).map(|_| scene.signs(scene.from("a"))).collect();
    scene.person(Person::cancels);
    for call in calls {
        assert_eq!(call.await.unwrap(), Err(ErrorKind::Cancelled));
    }
    assert_eq!(scene.keeper.turns(), 1);
    assert!(scene.person.has_echo(), "the terminal is as it was");
    // Nagging brings no new dialog, and another program still gets one.
    assert_eq!(scene.keeper.sign(&scene.from("a")).await, Err(ErrorKind::Cancelled));
    assert_eq!(scene.keeper.turns(), 1);
    let other = scene.signs(scene.from("b"));
    scene.person(|person| {
        // Past what the closed dialog left on the screen.
        person.reads("/opt/b");
        person.enters(PIN)
    });
    other.await.unwrap().unwrap();
    // Once unlocked, the first one needs no dialog at all.
    scene.keeper.sign(&scene.from("a")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_wants_no_dialog_gets_none() {
    let scene = Scene::new(Options::default()).await;
    assert_eq!(scene.keeper.sign(&scene.silent()).await, Err(ErrorKind::InteractionRequired));
    assert_eq!(scene.keeper.turns(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_login_is_forgotten() {
    let scene = Scene::new(Options { idle_ms: 300, ..Options::default() }).await;
    let call = scene.signs(scene.request.clone());
    scene.person(|person| person.enters(PIN));
    call.await.unwrap().unwrap();
    scene.until(PinState::Locked).await;
    assert_eq!(scene.keeper.sign(&scene.silent()).await, Err(ErrorKind::InteractionRequired));
    let again = scene.signs(scene.request.clone());
    scene.person(|person| person.enters(PIN));
    again.await.unwrap().unwrap();
    assert_eq!(scene.events("login").await, ["ok", "ok"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn use_does_not_stretch_the_maximum() {
    let scene = Scene::new(Options { max_ms: 600, ..Options::default() }).await;
    let call = scene.signs(scene.request.clone());
    scene.person(|person| person.enters(PIN));
    call.await.unwrap().unwrap();
    let refused = loop {
        if let Err(refused) = scene.keeper.sign(&scene.silent()).await {
            break refused;
        }
    };
    assert_eq!(refused, ErrorKind::InteractionRequired);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_never_cache_every_request_asks() {
    let scene = Scene::new(Options { idle_ms: 0, ..Options::default() }).await;
    for turn in 1..=2 {
        let call = scene.signs(scene.request.clone());
        scene.person(|person| person.enters(PIN));
        call.await.unwrap().unwrap();
        assert_eq!(scene.keeper.turns(), turn);
    }
    assert_eq!(scene.keeper.token().await.pin_state, PinState::Locked);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lock_forgets_at_once() {
    let scene = Scene::new(Options::default()).await;
    for token in [String::new(), scene.keeper.token().await.id] {
        let call = scene.signs(scene.request.clone());
        scene.person(|person| person.enters(PIN));
        call.await.unwrap().unwrap();
        scene.keeper.link.lock(&token).await.unwrap();
        assert_eq!(scene.keeper.sign(&scene.silent()).await, Err(ErrorKind::InteractionRequired));
        assert_eq!(scene.keeper.token().await.pin_state, PinState::Locked);
    }
    assert_eq!(scene.events("lock").await, ["ok", "ok"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dialog_nobody_answers_times_out() {
    let scene = Scene::new(Options { dialog_ms: 1000, ..Options::default() }).await;
    assert_eq!(scene.keeper.sign(&scene.request).await, Err(ErrorKind::TimedOut));
    assert!(scene.person.has_echo());
    assert_eq!(scene.keeper.desk.out.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_place_there_is_no_prompter() {
    let scene = Scene::new(Options::default()).await;
    let nowhere = GrantRequest { place: PromptPlace::default(), ..scene.request.clone() };
    assert_eq!(scene.keeper.sign(&nowhere).await, Err(ErrorKind::NoPrompter));
    let mut no_terminal = scene.request.clone();
    no_terminal.place.tty = "/dev/null".to_owned();
    assert_eq!(scene.keeper.sign(&no_terminal).await, Err(ErrorKind::NoPrompter));
    let mut sandboxed = scene.request.clone();
    sandboxed.requester.certainty = Certainty::Sandbox;
    assert_eq!(scene.keeper.sign(&sandboxed).await, Err(ErrorKind::NoPrompter));
    assert_eq!(scene.person.unread(), "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_dialog_belongs_to_those_who_wait() {
    let scene = Scene::new(Options::default()).await;
    let link = &scene.keeper.link;
    let first = link.grant(&scene.from("first")).await.unwrap();
    let second = link.grant(&scene.from("second")).await.unwrap();
    let keeper = Arc::clone(&scene.keeper);
    let first_call = tokio::spawn(async move { keeper.sign_under(first).await });
    scene.person(|person| person.reads("/opt/first"));
    let keeper = Arc::clone(&scene.keeper);
    let second_call = tokio::spawn(async move { keeper.sign_under(second).await });
    // A call that only the queue's order proves: both wait once this one is answered.
    link.log().await.unwrap();
    link.revoke(first).await.unwrap();
    assert_eq!(first_call.await.unwrap(), Err(ErrorKind::Cancelled));
    scene.person(|person| person.reads("/opt/second"));
    link.revoke(second).await.unwrap();
    assert_eq!(second_call.await.unwrap(), Err(ErrorKind::Cancelled));
    // Nobody waits: the dialog closes, the turn goes back, the terminal is as it was.
    while scene.keeper.desk.out.load(std::sync::atomic::Ordering::SeqCst) != 0 {
        tokio::task::yield_now().await;
    }
    assert!(scene.person.has_echo());
    assert_eq!(scene.events("login").await.len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_covers_its_key_its_operation_and_its_uses() {
    let scene = Scene::new(Options::default()).await;
    let link = &scene.keeper.link;
    let used = link.grant(&scene.request).await.unwrap();
    let keeper = Arc::clone(&scene.keeper);
    let call = tokio::spawn(async move { keeper.sign_under(used).await });
    scene.person(|person| person.enters(PIN));
    call.await.unwrap().unwrap();
    let keeper = &scene.keeper;
    assert_eq!(keeper.sign_under(used).await, Err(ErrorKind::AccessDenied), "used twice");
    assert_eq!(keeper.sign_under(used ^ 1).await, Err(ErrorKind::AccessDenied), "never given");
    let decrypt = GrantRequest { operation: Operation::Decrypt, ..scene.request.clone() };
    assert_eq!(keeper.sign(&decrypt).await, Err(ErrorKind::AccessDenied), "another operation");
    let token = scene.keeper.token().await.id;
    let unlock = GrantRequest { operation: Operation::Unlock, key: token.clone(), ..scene.request.clone() };
    assert_eq!(keeper.sign(&unlock).await, Err(ErrorKind::AccessDenied), "an unlock grant signs nothing");
    let mut other_key = keeper.key(KeyKind::Ec).await.id;
    let ec = GrantRequest { key: other_key.clone(), ..scene.request.clone() };
    assert_eq!(keeper.sign(&ec).await, Err(ErrorKind::InvalidArgument), "RSA under a grant for the EC key");
    other_key = format!("{token}/ff");
    let no_key = GrantRequest { key: other_key, ..scene.request.clone() };
    assert_eq!(keeper.sign(&no_key).await, Err(ErrorKind::NoIdentity));
    let no_token = GrantRequest { key: "0000/01".to_owned(), ..scene.request.clone() };
    assert_eq!(keeper.sign(&no_token).await, Err(ErrorKind::NoToken));
    let twice = GrantRequest { uses: 2, ..scene.request.clone() };
    assert_eq!(link.grant(&twice).await.map_err(kind), Err(ErrorKind::InvalidArgument));
    let revoked = link.grant(&scene.request).await.unwrap();
    link.revoke(revoked).await.unwrap();
    assert_eq!(keeper.sign_under(revoked).await, Err(ErrorKind::AccessDenied));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_ends_the_wait() {
    let scene = Scene::new(Options::default()).await;
    let hurried = GrantRequest { deadline_ms: 6000, ..scene.request.clone() };
    assert_eq!(scene.keeper.sign(&hurried).await, Err(ErrorKind::TimedOut));
}

/// 4096 open grants are the most, whatever the rate.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_grants_meets_the_limit() {
    let scene = Scene::new(Options::default()).await;
    let grants = (0..6000).map(|_| scene.keeper.link.grant(&scene.request));
    let mut refused = 0;
    for grant in grants.map(Box::pin).collect::<Vec<_>>() {
        match grant.await {
            Ok(_) => {}
            Err(error) => {
                assert_eq!(kind(error), ErrorKind::LimitsExceeded);
                refused += 1;
            }
        }
    }
    assert!(refused > 0);
}
