//! GnuTLS reads signatures by Ed25519 (RFC 8419), which OpenSSL cannot before 3.2.

use std::fs;
use std::process::Command;

use crate::openssl::Folder;
use crate::pki::root;
use crate::programs::run;

/// `certtool --p7-verify` of an opaque S/MIME message against the test root.
pub fn verify(signed: &[u8]) {
    let folder = Folder::with("in", signed);
    // OpenSSL takes the MIME off.
    run(&mut folder.cms(&["-cmsout", "-in", "in", "-outform", "DER", "-out", "signature"]));
    fs::copy(root(), folder.path("root")).unwrap();
    let mut command = Command::new("certtool");
    command.args(["--p7-verify", "--inder", "--infile", "signature", "--load-ca-certificate", "root"]);
    run(command.current_dir(folder.path("")));
}
