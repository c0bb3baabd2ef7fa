//! Private-key operations through the real binary, a real token and a real dialog; OpenSSL judges.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::io::Read;

use common::person::Person;
use common::token::{PIN, TestToken};
use common::{Keeper, Options, kind, request, secret_pipe};
use serde_bytes::Bytes;
use wafer_client::ErrorKind;
use wafer_client::keeper::{Digest, KeyKind, KeyTransport, Operation, PinState, SignScheme};

/// Starts everything and unlocks with one dialog.
async fn unlocked(token: &TestToken, person: &Person) -> Keeper {
    let keeper = Keeper::start(token, Options::default()).await;
    let id = keeper.token().await.id;
    let grant = keeper.link.grant(&request(&id, Operation::Unlock, person)).await.unwrap();
    let (unlocked, shown) =
        tokio::join!(keeper.link.unlock(grant), at_terminal(person, |person| person.enters(PIN)));
    unlocked.unwrap();
    assert!(shown.contains("/usr/bin/mailer") && shown.contains("4242") && shown.contains("test"), "{shown}");
    assert_eq!(keeper.token().await.pin_state, PinState::Unlocked);
    keeper
}

async fn at_terminal<T: Send>(person: &Person, act: impl FnOnce(&Person) -> T + Send) -> T {
    // The person blocks; the link goes on in other threads of the runtime.
    tokio::task::block_in_place(|| act(person))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signatures_verify_in_openssl() {
    let (token, person) = (TestToken::new(), Person::new());
    let keeper = unlocked(&token, &person).await;
    let message = b"a message to sign";
    std::fs::write(token.path("message"), message).unwrap();
    let cases = [
        (KeyKind::Rsa, SignScheme::RsaPkcs1, Digest::Sha256, "sha256", "rsa.pem", None),
        (KeyKind::Rsa, SignScheme::RsaPkcs1, Digest::Sha512, "sha512", "rsa.pem", None),
        (KeyKind::Rsa, SignScheme::RsaPss, Digest::Sha384, "sha384", "rsa.pem", Some("rsa_padding_mode:pss")),
        (KeyKind::Ec, SignScheme::Ecdsa, Digest::Sha256, "sha256", "ec.pem", None),
        (KeyKind::Ec, SignScheme::Ecdsa, Digest::Sha512, "sha512", "ec.pem", None),
    ];
    for (kind, scheme, algorithm, name, public, option) in cases {
        let flag = format!("-{name}");
        let digest =
            token.run("openssl", &["dgst", &flag, "-binary", token.path("message").to_str().unwrap()]);
        let key = keeper.key(kind).await;
        let grant = keeper.link.grant(&request(&key.id, Operation::Sign, &person)).await.unwrap();
        let signature = keeper.link.sign(grant, scheme, algorithm, Bytes::new(&digest)).await.unwrap();
        std::fs::write(token.path("signature"), &signature).unwrap();
        let (public, signature, message) =
            (token.path(public), token.path("signature"), token.path("message"));
        let mut arguments = vec!["dgst", &flag, "-verify", public.to_str().unwrap()];
        if let Some(option) = option {
            arguments.extend(["-sigopt", option]);
        }
        arguments.extend(["-signature", signature.to_str().unwrap(), message.to_str().unwrap()]);
        token.run("openssl", &arguments);
    }
    assert_eq!(keeper.turns(), 1, "one dialog for all of it");
}

fn transport(oaep: bool, hash: Digest, key_length: u32) -> KeyTransport {
    KeyTransport { oaep, hash, mgf_hash: hash, label: Vec::new(), key_length }
}

async fn unwrap(
    keeper: &Keeper,
    person: &Person,
    transport: &KeyTransport,
    encrypted: &[u8],
) -> Result<Vec<u8>, ErrorKind> {
    let key = keeper.key(KeyKind::Rsa).await;
    let grant = keeper.link.grant(&request(&key.id, Operation::Decrypt, person)).await.unwrap();
    let (write, mut read) = secret_pipe();
    keeper.link.unwrap_key(grant, transport, Bytes::new(encrypted), write).await.map_err(kind)?;
    let mut secret = Vec::new();
    read.read_to_end(&mut secret).unwrap();
    Ok(secret)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_keys_come_back_by_pipe() {
    let (token, person) = (TestToken::new(), Person::new());
    let keeper = unlocked(&token, &person).await;
    std::fs::write(token.path("cek"), [0x42; 32]).unwrap();
    let encrypt = |options: &[&str]| {
        let (public, cek) = (token.path("rsa.pem"), token.path("cek"));
        let mut arguments = vec![
            "pkeyutl",
            "-encrypt",
            "-pubin",
            "-inkey",
            public.to_str().unwrap(),
            "-in",
            cek.to_str().unwrap(),
        ];
        for option in options {
            arguments.extend(["-pkeyopt", option]);
        }
        token.run("openssl", &arguments)
    };
    let v15 = encrypt(&[]);
    assert_eq!(
        unwrap(&keeper, &person, &transport(false, Digest::Sha1, 32), &v15).await.unwrap(),
        [0x42; 32]
    );
    let hashes = [
        (Digest::Sha1, "sha1"),
        (Digest::Sha224, "sha224"),
        (Digest::Sha256, "sha256"),
        (Digest::Sha512, "sha512"),
    ];
    for (hash, name) in hashes {
        let name = format!("rsa_oaep_md:{name}");
        let oaep = encrypt(&["rsa_padding_mode:oaep", &name]);
        assert_eq!(unwrap(&keeper, &person, &transport(true, hash, 32), &oaep).await.unwrap(), [0x42; 32]);
        let mut flipped = oaep;
        flipped[100] ^= 1;
        let refused = unwrap(&keeper, &person, &transport(true, hash, 32), &flipped).await;
        assert_eq!(refused, Err(ErrorKind::DecryptionFailed));
    }
    // v1.5 never tells: a broken block and a key of another length become random keys.
    let mut flipped = v15.clone();
    flipped[100] ^= 1;
    for (encrypted, length) in [(&flipped[..], 32), (&v15[..], 16), (&v15[..100], 32), (&[0; 256][..], 32)] {
        let once =
            unwrap(&keeper, &person, &transport(false, Digest::Sha1, length), encrypted).await.unwrap();
        let twice =
            unwrap(&keeper, &person, &transport(false, Digest::Sha1, length), encrypted).await.unwrap();
        assert_eq!((once.len(), twice.len()), (length as usize, length as usize));
        assert_ne!(once, twice);
    }
    // And the key still works after all that.
    assert_eq!(
        unwrap(&keeper, &person, &transport(false, Digest::Sha1, 32), &v15).await.unwrap(),
        [0x42; 32]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shared_secret_is_openssl_s() {
    let (token, person) = (TestToken::new(), Person::new());
    let keeper = unlocked(&token, &person).await;
    let (peer, peer_pub) = (token.path("peer.key"), token.path("peer.pem"));
    let (peer, peer_pub) = (peer.to_str().unwrap(), peer_pub.to_str().unwrap());
    token.run(
        "openssl",
        &["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", peer],
    );
    token.run("openssl", &["pkey", "-in", peer, "-pubout", "-out", peer_pub]);
    let spki = token.run("openssl", &["pkey", "-in", peer, "-pubout", "-outform", "DER"]);
    let point = &spki[spki.len() - 65..];
    let ours = token.path("ec.pem");
    let expected =
        token.run("openssl", &["pkeyutl", "-derive", "-inkey", peer, "-peerkey", ours.to_str().unwrap()]);

    let key = keeper.key(KeyKind::Ec).await;
    let derive = async |point: &[u8]| {
        let grant = keeper.link.grant(&request(&key.id, Operation::Decrypt, &person)).await.unwrap();
        let (write, mut read) = secret_pipe();
        keeper.link.derive(grant, Bytes::new(point), write).await.map_err(kind)?;
        let mut secret = Vec::new();
        read.read_to_end(&mut secret).unwrap();
        Ok(secret)
    };
    assert_eq!(derive(point).await, Ok(expected));
    assert_eq!(derive(&point[..64]).await, Err(ErrorKind::DecryptionFailed));
    let mut off_curve = point.to_vec();
    off_curve[64] ^= 1;
    assert_eq!(derive(&off_curve).await, Err(ErrorKind::DecryptionFailed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_go_into_pipes_only() {
    let (token, person) = (TestToken::new(), Person::new());
    let keeper = unlocked(&token, &person).await;
    let key = keeper.key(KeyKind::Rsa).await;
    let grant = keeper.link.grant(&request(&key.id, Operation::Decrypt, &person)).await.unwrap();
    let file = std::fs::File::create(token.path("file")).unwrap();
    let file = zbus::OwnedFd::from(std::os::fd::OwnedFd::from(file));
    let transport = transport(false, Digest::Sha1, 32);
    let refused = keeper.link.unwrap_key(grant, &transport, Bytes::new(&[1; 256]), file).await.map_err(kind);
    assert_eq!(refused, Err(ErrorKind::InvalidArgument));
    assert_eq!(std::fs::read(token.path("file")).unwrap(), b"");
}
