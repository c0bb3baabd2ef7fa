//! Damage that other projects collected; their whole messages are in `tests/tables.rs`. `WAFER_VECTORS` names the folder.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says why it was left out"
)]

use std::path::PathBuf;
use std::{env, fs};

use zeroize::Zeroizing;

use super::enveloped_read::{self, Proved};
use super::outline::outline;
use super::{signed_read, signed_verify};

pub(crate) fn vectors(name: &str) -> Option<PathBuf> {
    let Some(root) = env::var_os("WAFER_VECTORS") else {
        assert!(env::var_os("CI").is_none(), "WAFER_VECTORS must be set where all tests must run");
        println!("left out: WAFER_VECTORS is not set");
        return None;
    };
    Some(PathBuf::from(root).join(name))
}

#[test]
fn openssl_fuzz_inputs_do_no_harm() {
    let Some(folder) = vectors("openssl-fuzz-cms") else { return };
    let mut files = 0;
    for part in ["cms", "smime"] {
        for file in fs::read_dir(folder.join(part)).unwrap() {
            try_everything(&fs::read(file.unwrap().path()).unwrap());
            files += 1;
        }
    }
    assert!(files > 500, "only {files} inputs were found");
}

/// Reads `bytes` in every way; whatever comes out is fine.
pub(super) fn try_everything(bytes: &[u8]) {
    let _ = outline(bytes);
    if let Ok(signed) = signed_read::read(bytes, &mut std::io::sink()) {
        signed_verify::verify(&signed, &signed.digests, &[]);
        signed_verify::digests_needed(&signed);
    }
    let Ok((header, _)) = enveloped_read::open(bytes) else { return };
    for index in 0..header.recipients.len().min(4) {
        for secret in [vec![0; 16], vec![0; 32]] {
            let Ok(key) = header.content_key(index, &Zeroizing::new(secret)) else { continue };
            let (_, body) = enveloped_read::open(bytes).unwrap();
            if let Ok(Proved::Again(hint)) = body.prove(&header, &key, None) {
                let _ = enveloped_read::open(bytes).unwrap().1.prove(&header, &key, Some(&hint));
            }
        }
    }
}
