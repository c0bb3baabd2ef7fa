//! The client against a service of the test's own, peer to peer over a socket pair.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use wafer_client::names::ROOT_PATH;
use wafer_client::{Client, ErrorKind, Input, Options, Output, Status, WaferError};
use zbus::object_server::SignalEmitter;
use zbus::{Connection, Fd, ObjectPath, OwnedVariant, Variant};

type Map = HashMap<String, OwnedVariant>;

/// Reverses what it reads; remembers nothing.
struct FakeMail;

fn value(value: impl Into<Variant<'static>>) -> OwnedVariant {
    value.into().try_into().unwrap()
}

fn file(descriptor: OwnedVariant) -> File {
    let descriptor = Fd::try_from(Variant::from(descriptor)).unwrap();
    File::from(OwnedFd::try_from(descriptor).unwrap())
}

fn refusal() -> WaferError {
    WaferError::new(ErrorKind::PinIncorrect, "The PIN was wrong.").with("tries-left", 2_u32)
}

#[zbus::interface(name = "org.waferd.Wafer1.Mail")]
impl FakeMail {
    async fn sign(&self, input: OwnedVariant, output: OwnedVariant, options: Map) -> Result<Map, WaferError> {
        if options.contains_key("from") {
            return Err(refusal());
        }
        reverse(input, output).await;
        let identity = ObjectPath::from_static_str_unchecked("/org/waferd/Wafer1/identity/0a");
        Ok(HashMap::from([
            ("identity".into(), value(identity)),
            ("digest".into(), value("sha256")),
            ("scheme".into(), value("ecdsa")),
        ]))
    }

    async fn encrypt(
        &self,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
        _input: OwnedVariant,
        _output: OwnedVariant,
        options: Map,
    ) -> Result<Map, WaferError> {
        let id = String::try_from(options["cancellation-id"].try_clone().unwrap()).unwrap();
        Self::progress(&emitter, "another", 1, 1).await.unwrap();
        Self::progress(&emitter, &id, 5, 10).await.unwrap();
        Ok(Map::new())
    }

    async fn verify(&self, input: OwnedVariant, mut options: Map) -> Result<Map, WaferError> {
        reverse(input, options.remove("output").unwrap()).await;
        let signer = HashMap::from([
            ("outcome".to_owned(), Variant::from("good")),
            ("trusted".to_owned(), Variant::from(true)),
            ("addresses".to_owned(), Variant::from(vec!["a@example.org".to_owned()])),
            ("signing-time".to_owned(), Variant::from(7_i64)),
        ]);
        Ok(HashMap::from([
            ("status".into(), value("valid-with-warnings")),
            ("sentence".into(), value("Hm.")),
            ("signers".into(), value(vec![signer])),
        ]))
    }

    #[zbus(signal)]
    async fn progress(emitter: &SignalEmitter<'_>, id: &str, done: u64, total: u64) -> zbus::Result<()>;
}

async fn reverse(input: OwnedVariant, output: OwnedVariant) {
    let copy = move || {
        let mut bytes = Vec::new();
        file(input).read_to_end(&mut bytes).unwrap();
        bytes.reverse();
        file(output).write_all(&bytes).unwrap();
    };
    tokio::task::spawn_blocking(copy).await.unwrap();
}

async fn pair() -> (Connection, Client) {
    let (here, there) = UnixStream::pair().unwrap();
    let guid = zbus::Guid::generate();
    let service = zbus::connection::Builder::unix_stream(there).server(guid).p2p();
    let service = service.serve_at(ROOT_PATH, FakeMail).build();
    let client = zbus::connection::Builder::unix_stream(here).p2p().build();
    let (service, client) = tokio::join!(service, client);
    (service.unwrap(), Client::over(client.unwrap()))
}

#[tokio::test]
async fn bytes_of_any_size_go_and_come_through_pipes() {
    let (_service, client) = pair().await;
    for size in [0, 1, 300_000] {
        let mut message: Vec<u8> = (0..size).map(|number| (number % 251) as u8).collect();
        let signed = client.sign_mail(message.clone(), Output::Bytes, &Options::new()).await.unwrap();
        message.reverse();
        assert_eq!(signed.output, Some(message));
        assert_eq!((signed.scheme.as_str(), signed.identity.len()), ("ecdsa", 30));
    }
}

#[tokio::test]
async fn files_are_handed_over_as_they_are() {
    let (_service, client) = pair().await;
    let mut input = tempfile::tempfile().unwrap();
    input.write_all(b"abc").unwrap();
    std::io::Seek::rewind(&mut input).unwrap();
    let output = tempfile::NamedTempFile::new().unwrap();
    let signed = client.sign_mail(input, output.reopen().unwrap(), &Options::new()).await.unwrap();
    assert_eq!(signed.output, None);
    assert_eq!(std::fs::read(output.path()).unwrap(), b"cba");
}

#[tokio::test]
async fn an_error_keeps_its_kind_sentence_and_details() {
    let (_service, client) = pair().await;
    let options = Options::new().from("a@example.org");
    let error = client.sign_mail(b"x".as_slice(), Output::Bytes, &options).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::PinIncorrect);
    assert_eq!(error.message, "The PIN was wrong.");
    assert_eq!(error.details["tries-left"].downcast_ref::<u32>().unwrap(), 2);
}

#[tokio::test]
async fn a_verdict_is_read_and_the_content_collected() {
    let (_service, client) = pair().await;
    let verified = client.verify_mail(b"ab".as_slice(), Output::Bytes, &Options::new()).await.unwrap();
    assert_eq!(verified.status, Status::ValidWithWarnings);
    assert_eq!(verified.output.as_deref(), Some(b"ba".as_slice()));
    assert_eq!(verified.signers[0].signing_time, Some(7));
    assert!(verified.signers[0].trusted && !verified.signers[0].address_matches);
}

#[tokio::test]
async fn progress_of_the_own_call_is_heard_and_a_poor_answer_is_refused() {
    let (_service, client) = pair().await;
    let mut progress = client.progress("mine").await.unwrap();
    let options = Options::new().cancellation_id("mine");
    let (heard, answer) =
        tokio::join!(progress.next(), client.encrypt_mail(b"".as_slice(), Output::Bytes, &options));
    assert_eq!(heard, Some((5, 10)));
    let error = answer.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Failed);
    assert!(error.message.contains("content-cipher"), "{error}");
}

#[tokio::test]
async fn a_call_that_needs_an_output_says_so() {
    let (_service, client) = pair().await;
    let error = client.sign_mail(Input::Bytes(vec![]), Output::None, &Options::new()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidArgument);
}
