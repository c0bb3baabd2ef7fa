//! Revocation over the network: real servers (`openssl ocsp`, Python's), and servers that hang, lie, send without
//! end, redirect in circles, answer for another certificate or out of the past.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    unreachable_pub,
    missing_docs,
    reason = "a test fails by panicking, and is all inside"
)]

mod carried;
mod pki;
mod servers;

use std::io::Write;
use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant, SystemTime};

use pki::{Authority, Person};
use servers::{Odd, files, free_port, responder};
use tokio::runtime::Handle;
use wafer_smime::algorithm::{Armor, Container};
use wafer_smime::verify::{Content, verify};
use waferd::trust::revocation::{Mode, Unchecked};
use waferd::trust::web::{Web, WebSettings};
use waferd::trust::{
    Evidence, Finding, PathValidator, Purpose, Question, Reason, Revocation, Status, Trust, Validator, judge,
};

/// Long enough for a loaded machine, short of every server's own limits.
const PATIENCE: Duration = Duration::from_secs(60);

/// A reader of mail, with a cache.
struct Reader {
    folder: tempfile::TempDir,
    runtime: Handle,
    hosts: Vec<String>,
    offline: bool,
    mode: Mode,
    chase: bool,
}

impl Reader {
    fn new(authority: &Authority) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("root.der"), authority.root()).unwrap();
        let (told, handle) = channel();
        // As in waferd: one thread drives the runtime, others wait for what happens there.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            told.send(runtime.handle().clone()).unwrap();
            runtime.block_on(std::future::pending::<()>());
        });
        let (runtime, hosts) = (handle.recv().unwrap(), vec!["127.0.0.1".to_owned(), "localhost".to_owned()]);
        Self { folder, runtime, hosts, offline: false, mode: Mode::Soft, chase: false }
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join(".cache")
    }

    /// A validator as after a restart: what it knows is in the cache.
    fn validator(&self) -> Validator {
        let (offline, hosts, cache) = (self.offline, self.hosts.clone(), self.cache());
        let settings = WebSettings { offline, hosts, timeout: PATIENCE, cache };
        let web = Web::new(settings, self.runtime.clone());
        Validator::new(vec![self.folder.path().to_owned()])
            .with_revocation(self.mode, Some(web))
            .with_chasing(self.chase)
    }

    fn ask(&self, person: &Person) -> Finding {
        ask(&self.validator(), person, &[], PATIENCE, SystemTime::now())
    }

    fn revocation(&self, person: &Person) -> Revocation {
        self.ask(person).revocation
    }
}

fn ask(
    validator: &Validator,
    person: &Person,
    responses: &[Vec<u8>],
    wait: Duration,
    at: SystemTime,
) -> Finding {
    let evidence = Evidence { crls: &[], responses, deadline: Some(Instant::now() + wait) };
    let (purpose, revocation) = (Purpose::SignMail, Some(evidence));
    validator.examine(&Question { certificate: &person.der, others: &[], at, purpose, revocation })
}

fn list_at(port: u16) -> String {
    format!("crlDistributionPoints = URI:http://127.0.0.1:{port}/list.crl")
}

fn responder_at(port: u16) -> String {
    format!("authorityInfoAccess = OCSP;URI:http://127.0.0.1:{port}")
}

fn unreachable() -> impl Fn(&Revocation) -> bool {
    |revocation| matches!(revocation, Revocation::NotChecked(Unchecked::Unreachable(_)))
}

fn bad_answer(revocation: &Revocation) -> bool {
    matches!(revocation, Revocation::NotChecked(Unchecked::BadAnswer(_)))
}

#[test]
fn a_list_is_fetched_and_outlives_a_restart() {
    let (authority, port) = (Authority::new(), free_port());
    let good = authority.person(1, &list_at(port));
    let revoked = authority.person(2, &list_at(port));
    authority.enter(2, Some("keyCompromise"));
    authority.list("list.crl");
    let mut reader = Reader::new(&authority);
    let server = files(authority.path(), port);
    assert_eq!(reader.revocation(&good), Revocation::Good);
    drop(server);
    assert_eq!(reader.revocation(&good), Revocation::Good);
    reader.offline = true;
    let finding = reader.ask(&revoked);
    let Trust::Untrusted { reason: Reason::Revoked, sentence } = finding.trust else { panic!("{finding:?}") };
    assert!(sentence.contains("a@example.org") && sentence.contains("2025-01-01"), "{sentence}");
    assert_eq!(finding.revocation.reason(), "key-compromise");
    assert_eq!(finding.path.len(), 2);
    std::fs::remove_dir_all(reader.cache()).unwrap();
    assert_eq!(reader.revocation(&good), Revocation::NotChecked(Unchecked::Offline));
    reader.mode = Mode::Hard;
    let trust = reader.ask(&good).trust;
    assert!(matches!(trust, Trust::Untrusted { reason: Reason::RevocationUnknown, .. }), "{trust:?}");
    reader.mode = Mode::Off;
    assert_eq!(reader.revocation(&revoked), Revocation::Off);
}

#[test]
fn a_real_responder_is_asked_and_its_answer_kept() {
    let (authority, port) = (Authority::new(), free_port());
    let (good, revoked) =
        (authority.person(1, &responder_at(port)), authority.person(2, &responder_at(port)));
    let stranger = authority.person(3, &responder_at(port));
    authority.enter(1, None);
    authority.enter(2, Some("superseded"));
    authority.responder();
    let reader = Reader::new(&authority);
    for signer in ["root", "responder"] {
        let server = responder(authority.path(), port, signer);
        assert_eq!(reader.revocation(&good), Revocation::Good, "{signer}");
        assert_eq!(reader.revocation(&revoked).reason(), "superseded", "{signer}");
        assert!(bad_answer(&reader.revocation(&stranger)), "a responder that does not know the certificate");
        drop(server);
        assert_eq!(reader.revocation(&good), Revocation::Good, "kept, {signer}");
        std::fs::remove_dir_all(reader.cache()).unwrap();
    }
    assert!(unreachable()(&reader.revocation(&good)));
}

#[test]
fn a_responder_whom_the_authority_did_not_appoint_does_not_count() {
    let (authority, port) = (Authority::new(), free_port());
    let good = authority.person(1, &responder_at(port));
    authority.enter(1, None);
    let reader = Reader::new(&authority);
    // A person's certificate of the same authority, but not for answering.
    let _server = responder(authority.path(), port, "person1");
    assert!(bad_answer(&reader.revocation(&good)));
}

#[test]
fn an_answer_about_another_or_from_the_past_or_played_again_does_not_count() {
    let authority = Authority::new();
    authority.enter(1, None);
    authority.responder();
    let other = authority.person(1, "");
    let answer = authority.answer(&other);
    let server = Odd::serving(&answer);
    let (about_other, same) =
        (authority.person(7, &responder_at(server.port)), authority.person(1, &responder_at(server.port)));
    let reader = Reader::new(&authority);
    assert!(bad_answer(&reader.revocation(&about_other)), "about another certificate");
    // The same answer is right for the certificate that it is about, as long as it is new.
    assert_eq!(reader.revocation(&same), Revocation::Good);
    std::fs::remove_dir_all(reader.cache()).unwrap();
    let later = SystemTime::now() + Duration::from_secs(30 * 86_400);
    assert!(bad_answer(&ask(&reader.validator(), &same, &[], PATIENCE, later).revocation), "out of the past");
    // In the message itself it does as well, and nobody is asked.
    let alone = authority.person(1, &responder_at(free_port()));
    let finding = ask(&reader.validator(), &alone, &[answer], PATIENCE, SystemTime::now());
    assert_eq!(finding.revocation, Revocation::Good);
}

/// The verdict on a message of `person` that brings these along, and what was said of revocation.
fn judged(
    authority: &Authority,
    reader: &Reader,
    person: &Person,
    crls: &[Vec<u8>],
    responses: &[Vec<u8>],
) -> (Status, Revocation) {
    let message = carried::carrying(&authority.signed(person, b"hello"), crls, responses);
    let container = Container::Cms(Armor::Der);
    let verified = verify(&mut &message[..], Content::Attached, container, &[], None).unwrap();
    let verdict = judge(&verified, None, &reader.validator(), SystemTime::now());
    (verdict.status, verdict.signers[0].revocation.clone())
}

#[test]
fn what_a_message_brings_along_is_used_and_nobody_is_asked() {
    let authority = Authority::new();
    authority.enter(1, None);
    authority.enter(2, Some("keyCompromise"));
    authority.responder();
    authority.list("list.crl");
    let list = std::fs::read(authority.path().join("list.crl")).unwrap();
    let server = Odd::serving(b"nothing of use");
    let places = format!("{}\n{}", list_at(server.port), responder_at(server.port));
    let (good, revoked) = (authority.person(1, &places), authority.person(2, &places));
    let [good_answer, revoked_answer] = [&good, &revoked].map(|person| authority.answer(person));
    let reader = Reader::new(&authority);
    let judged = |person, crls: &[_], responses: &[_]| judged(&authority, &reader, person, crls, responses);
    let list = [list];
    assert_eq!(judged(&good, &list, &[]), (Status::Valid, Revocation::Good));
    assert_eq!(judged(&good, &[], std::slice::from_ref(&good_answer)), (Status::Valid, Revocation::Good));
    // One of another certificate, and one that is none, are in nobody's way.
    let odd = [b"odd".to_vec(), good_answer, revoked_answer.clone()];
    for (crls, responses) in [(&list[..], &[][..]), (&[], std::slice::from_ref(&revoked_answer)), (&[], &odd)]
    {
        let (status, revocation) = judged(&revoked, crls, responses);
        assert_eq!((status, revocation.reason()), (Status::Invalid, "key-compromise"));
    }
    assert_eq!(server.asked(), 0);
    // An answer about another certificate helps nobody: then the server is asked.
    let (_, revocation) = judged(&good, &[], &[revoked_answer]);
    assert!(matches!(revocation, Revocation::NotChecked(_)), "{revocation:?}");
    assert!(server.asked() > 0);
}

#[test]
fn an_answer_to_another_question_is_an_old_one_played_again() {
    let (authority, port) = (Authority::new(), free_port());
    authority.enter(1, None);
    let person = authority.person(1, &responder_at(port));
    let reader = Reader::new(&authority);
    let server = responder(authority.path(), port, "root");
    assert_eq!(reader.revocation(&person), Revocation::Good);
    drop(server);
    // What the responder said, nonce and all, is in the cache; an attacker has seen it too.
    let kept = std::fs::read_dir(reader.cache()).unwrap().next().unwrap().unwrap().path();
    let bytes = std::fs::read(kept).unwrap();
    let body = bytes.windows(2).position(|pair| pair == b"\n\n").unwrap() + 2;
    std::fs::remove_dir_all(reader.cache()).unwrap();
    let replay = Odd::serving(&bytes[body..]);
    let person = authority.person(1, &responder_at(replay.port));
    assert!(bad_answer(&reader.revocation(&person)));
}

#[test]
fn a_server_that_hangs_delays_nobody_and_is_used_when_it_answers_at_last() {
    let authority = Authority::new();
    authority.list("list.crl");
    let list = std::fs::read(authority.path().join("list.crl")).unwrap();
    let (go, wait) = channel::<()>();
    let server = Odd::new(move |mut stream| {
        let _ = wait.recv();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", list.len());
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&list));
    });
    let person = authority.person(1, &list_at(server.port));
    let reader = Reader::new(&authority);
    let validator = reader.validator();
    let begun = Instant::now();
    let short = ask(&validator, &person, &[], Duration::from_millis(50), SystemTime::now());
    assert!(matches!(short.revocation, Revocation::NotChecked(Unchecked::TooSlow(_))), "{short:?}");
    assert_eq!(short.trust, Trust::Trusted);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    go.send(()).unwrap();
    // The same fetch is still under way: whoever asks next waits for it, and gets it.
    let long = ask(&validator, &person, &[], PATIENCE, SystemTime::now());
    assert_eq!((long.revocation, server.asked()), (Revocation::Good, 1));
}

#[test]
fn odd_servers_are_found_out_at_once() {
    let text = |text: &str| text.as_bytes().to_vec();
    let circle = "HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n";
    let endless = |head: &'static str| {
        Odd::new(move |mut stream| {
            let _ = stream.write_all(head.as_bytes());
            while stream.write_all(&[b'1'; 65_536]).is_ok() {}
        })
    };
    let unreachable_servers = [
        ("circle", Odd::saying(text(circle))),
        ("10 GB announced", Odd::saying(text("HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\nx"))),
        ("no end announced", endless("HTTP/1.1 200 OK\r\n\r\n")),
        ("head without end", endless("HTTP/1.1 200 OK\r\nX: ")),
        (
            "chunk of 10 GB",
            Odd::saying(text("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2540BE400\r\nx")),
        ),
        ("chunk size without end", endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")),
        ("cut off", Odd::saying(text("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"))),
        ("not HTTP", Odd::saying(text("220 mail.example.org ESMTP\r\n"))),
        ("an error", Odd::saying(text("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"))),
        ("nothing", Odd::saying(Vec::new())),
    ];
    let authority = Authority::new();
    let reader = Reader::new(&authority);
    for (what, server) in &unreachable_servers {
        let person = authority.person(1, &list_at(server.port));
        let revocation = reader.revocation(&person);
        assert!(unreachable()(&revocation), "{what}: {revocation:?}");
    }
    let person = authority.person(1, &list_at(Odd::serving(b"<html>Welcome!</html>").port));
    assert!(bad_answer(&reader.revocation(&person)), "a lie");
    assert!(!reader.cache().exists(), "nothing of that was kept");
}

#[test]
fn only_allowed_addresses_are_called_also_after_a_redirection() {
    let authority = Authority::new();
    authority.list("list.crl");
    let list = std::fs::read(authority.path().join("list.crl")).unwrap();
    let not_allowed =
        |revocation: &Revocation| matches!(revocation, Revocation::NotChecked(Unchecked::NotAllowed(_)));
    let mut reader = Reader::new(&authority);
    let direct = Odd::serving(&list);
    for location in
        ["https://127.0.0.1/", "http://169.254.169.254/latest", "file:///etc/passwd", "http://[::1]:1/"]
    {
        let head = format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
        let person = authority.person(1, &list_at(Odd::saying(head.into_bytes()).port));
        let revocation = reader.revocation(&person);
        assert!(not_allowed(&revocation), "{location}: {revocation:?}");
    }
    // Under a name of this machine that is not in the settings.
    reader.hosts = vec!["localhost".to_owned()];
    assert!(not_allowed(&reader.revocation(&authority.person(1, &list_at(direct.port)))));
    assert_eq!(direct.asked(), 0);
    let named = format!("crlDistributionPoints = URI:http://localhost:{}/x", direct.port);
    assert_eq!(reader.revocation(&authority.person(1, &named)), Revocation::Good);
    let person = authority.person(1, "crlDistributionPoints = URI:ldap://127.0.0.1/x");
    assert_eq!(reader.revocation(&person), Revocation::NotChecked(Unchecked::NoAddress));
}

#[test]
fn nobody_is_asked_for_a_certificate_without_a_path() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = Odd::serving(b"x");
    let (list, port) = (list_at(server.port), server.port);
    let everything = format!(
        "{list}\nauthorityInfoAccess = OCSP;URI:http://127.0.0.1:{port},caIssuers;URI:http://127.0.0.1:{port}/ca"
    );
    let mut reader = Reader::new(&authority);
    let finding = reader.ask(&other.person(1, &everything));
    assert!(matches!(finding.trust, Trust::Untrusted { reason: Reason::BadSignature, .. }), "{finding:?}");
    assert_eq!((finding.revocation, server.asked()), (Revocation::NotAsked, 0));
    // Fetching issuers is another setting, and asks for issuers only.
    reader.chase = true;
    reader.ask(&other.person(1, &everything));
    assert_eq!(server.asked(), 0, "there is a root of that name: nothing is missing");
}

#[test]
fn an_issuer_that_a_message_leaves_out_is_fetched_if_the_settings_say_so() {
    let authority = Authority::new();
    let middle = authority.middle();
    // Alone, or with others in a bundle.
    for (body, file) in [(middle, "middle.cer"), (authority.bundle(), "bundle.p7c")] {
        let server = Odd::serving(&body);
        let issuers = format!("authorityInfoAccess = caIssuers;URI:http://127.0.0.1:{}/{file}", server.port);
        let person = authority.person_of("middle", 1, &issuers);
        let mut reader = Reader::new(&authority);
        let trust = reader.ask(&person).trust;
        assert!(matches!(trust, Trust::Untrusted { reason: Reason::UnknownIssuer, .. }), "{trust:?}");
        assert_eq!(server.asked(), 0);
        reader.chase = true;
        let finding = reader.ask(&person);
        assert_eq!((finding.trust, finding.path.len(), server.asked()), (Trust::Trusted, 3, 1), "{file}");
        // Nothing vouches for the address: not even for a root of one's own into a private network.
        reader.hosts.clear();
        std::fs::remove_dir_all(reader.cache()).unwrap();
        assert_ne!(reader.ask(&person).trust, Trust::Trusted);
        assert_eq!(server.asked(), 1);
    }
}
