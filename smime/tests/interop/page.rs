//! The matrix as a page for people.

use std::fmt::Write;

use crate::cell::{Cell, OPERATIONS, Operation, Reading, applies};
use crate::common::Key;
use crate::lacks::Lacks;
use crate::{KEYS, PEERS};

const HEAD: &str = "# Interoperation

Made by `make interop` in one run; do not edit. Bare CMS over bytes that are no text; OpenSSL's own S/MIME form, streaming
and more ciphers are tested beside it in `smime/tests/openssl.rs`. Encryption to EC keys is ECDH (RFC 5753), to RSA keys
RSAES-PKCS1-v1_5 or, in its own column, RSAES-OAEP with SHA-256.

✓ works, – has no meaning for this key, a number is a lack and explained below.
";

/// The whole page.
pub(crate) fn page(cells: &[Cell], lacks: &Lacks, versions: &[(&str, String)]) -> String {
    let mut page = HEAD.to_owned();
    for (reading, title) in
        [(Reading::Peer, "Wafer writes, they read"), (Reading::Ours, "They write, Wafer reads")]
    {
        let columns = OPERATIONS.map(Operation::title).join(" | ");
        let rule = "|---".repeat(OPERATIONS.len() + 2);
        write!(page, "\n## {title}\n\n| | key | {columns} |\n{rule}|\n").unwrap();
        for (peer, ..) in PEERS {
            for key in KEYS {
                let marks = OPERATIONS.map(|operation| {
                    if !applies(key, operation) {
                        return "–".to_owned();
                    }
                    let is = |cell: &&Cell| {
                        (cell.peer, cell.key, cell.operation, cell.reading) == (peer, key, operation, reading)
                    };
                    let cell = cells.iter().find(is).unwrap();
                    lacks.number(cell).map_or("✓".to_owned(), |number| (number + 1).to_string())
                });
                writeln!(page, "| {peer} | {} | {} |", key_title(key), marks.join(" | ")).unwrap();
            }
        }
    }
    page.push_str("\n## Lacks\n\n");
    for (number, lack) in lacks.all().iter().enumerate() {
        let whose = if lack.whose == "peer" { "theirs" } else { "ours" };
        writeln!(page, "{}. ({whose}) {}", number + 1, lack.explanation).unwrap();
    }
    page.push_str("\n## Versions\n\n");
    for (name, version) in versions {
        writeln!(page, "- {name} {version}").unwrap();
    }
    page
}

impl Operation {
    fn title(self) -> &'static str {
        match self.name() {
            "sign-clear" => "sign detached",
            "sign-opaque" => "sign opaque",
            "sign-pss" => "sign PSS",
            "encrypt-cbc" => "AES-256-CBC",
            "encrypt-gcm" => "AES-256-GCM",
            "encrypt-chacha" => "ChaCha20-Poly1305",
            _ => "OAEP",
        }
    }
}

fn key_title(key: Key) -> &'static str {
    match key {
        Key::Rsa => "RSA-2048",
        Key::P256 => "P-256",
        Key::P384 => "P-384",
        _ => "Ed25519",
    }
}
