//! What we write NSS reads, and what it writes we read.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::*;
use wafer_smime::algorithm::ContentCipher;
use wafer_smime::sign::Form;
use wafer_smime::verify::Outcome;

/// A person with an NSS database beside the keys.
fn person(key: Key) -> Person {
    let person = Person::new(key);
    let at = person.dir.path();
    person.write("pw", b"nsspw\n");
    must("certutil", at, &words("-N -d sql:. -f pw"));
    must("certutil", at, &words("-A -d sql:. -n root -t C,C,C -a -i ca.pem -f pw"));
    person.openssl(
        "pkcs12 -export -legacy -inkey key.pem -in cert.pem -name anna -passout pass:pw -out user.p12",
    );
    must("pk12util", at, &words("-i user.p12 -d sql:. -k pw -W pw"));
    person
}

#[test]
fn nss_verifies_us() {
    if !has("cmsutil") {
        return;
    }
    for key in [Key::Rsa, Key::P256] {
        let anna = person(key);
        anna.write("content", b"bare\nbytes\r\n");
        anna.write("detached", &anna.sign(b"bare\nbytes\r\n", DER, Form::Clear));
        must("cmsutil", anna.dir.path(), &words("-D -c content -i detached -d sql:. -f pw -u 4 -o out"));
        anna.write("attached", &anna.sign(b"bare\nbytes\r\n", DER, Form::Opaque));
        must("cmsutil", anna.dir.path(), &words("-D -i attached -d sql:. -f pw -u 4 -o out"));
        assert_eq!(anna.read("out"), b"bare\nbytes\r\n");
    }
}

#[test]
fn nss_decrypts_us() {
    if !has("cmsutil") {
        return;
    }
    // Debian 12's cmsutil can read no key agreement (OpenSSL's neither), and no AuthEnvelopedData.
    let anna = person(Key::Rsa);
    for cipher in [ContentCipher::Aes128Cbc, ContentCipher::Aes256Cbc] {
        anna.write("sealed", &encrypt(b"for nss", DER, cipher, &[&anna]));
        must("cmsutil", anna.dir.path(), &words("-D -i sealed -d sql:. -f pw -o out"));
        assert_eq!(anna.read("out"), b"for nss", "{cipher:?}");
    }
}

#[test]
fn we_read_nss() {
    if !has("cmsutil") {
        return;
    }
    for key in [Key::Rsa, Key::P256] {
        let anna = person(key);
        let at = anna.dir.path();
        anna.write("content", b"bare\nbytes\r\n");
        must("cmsutil", at, &words("-S -G -P -N anna -H SHA256 -d sql:. -f pw -i content -o attached"));
        let (verified, content) = verify(&anna.read("attached"), DER).unwrap();
        assert_eq!(outcomes(&verified), [Outcome::Good], "{key:?}");
        assert_eq!(content, b"bare\nbytes\r\n");
        must("cmsutil", at, &words("-S -T -G -P -N anna -H SHA256 -d sql:. -f pw -i content -o detached"));
        let verified = verify_detached(&anna.read("detached"), b"bare\nbytes\r\n").unwrap();
        assert_eq!(outcomes(&verified), [Outcome::Good], "{key:?}");
        if key == Key::Rsa {
            must("cmsutil", at, &words("-E -r anna@example.test -d sql:. -f pw -i content -o sealed"));
            match anna.decrypt(&anna.read("sealed"), DER) {
                Ok((_, opened)) => assert_eq!(opened, b"bare\nbytes\r\n"),
                // Old NSS encrypts with 3DES to those of whom it knows no better.
                Err(wafer_smime::Error::UnsupportedAlgorithm(name)) => assert!(name.contains("3"), "{name}"),
                Err(error) => panic!("{error}"),
            }
        }
    }
}
