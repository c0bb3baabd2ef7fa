//! The commands that work on a message.

use std::fs;
use std::io;
use std::path::Path;

use base64_simd::STANDARD;
use serde_json::{Value, json};
use wafer_client::{Client, ErrorKind, Form, Options, Output, Verified, WaferError};

use crate::args::{Common, Decrypt, Encrypt, Inspect, Read, Sign, Verify};
use crate::call::{self, attend};
use crate::output::Target;
use crate::report::Report;
use crate::{exit, input, objects, text};

const PEM_START: &str = "-----BEGIN CERTIFICATE-----";
const PEM_END: &str = "-----END CERTIFICATE-----";

pub(crate) async fn sign(
    client: &Client,
    common: &Common,
    sign: Sign,
    report: &Report,
) -> Result<u8, WaferError> {
    let mut options = with_identity(client, call::options(common), sign.identity.as_deref()).await?;
    if sign.opaque {
        options = options.form(Form::Opaque);
    }
    options = sign.digest.into_iter().fold(options, Options::digest);
    options = sign.armor.into_iter().fold(options, Options::armor);
    options = sign.from.iter().fold(options, |options, from| options.from(from));
    let from = input::open(&sign.streams.input)?;
    let (target, to) = Target::open(&sign.streams.output)?;
    let result = match sign.streams.cms {
        true => attend(client, client.sign_cms(from, to, &options)).await,
        false => attend(client, client.sign_mail(from, to, &options)).await,
    };
    let signed = settle(target, result)?;
    let sentence = text::signed(&signed);
    report.say(is_standard(&sign.streams.output), &sentence, &json!(signed));
    Ok(0)
}

pub(crate) async fn encrypt(
    client: &Client,
    common: &Common,
    encrypt: Encrypt,
    report: &Report,
) -> Result<u8, WaferError> {
    let (addresses, certificates) = recipients(&encrypt.to)?;
    let mut options = call::options(common);
    options = encrypt.cipher.into_iter().fold(options, Options::content_cipher);
    options = encrypt.armor.into_iter().fold(options, Options::armor);
    if encrypt.not_to_self {
        options = options.to_self(false);
    }
    if !addresses.is_empty() {
        options = options.recipients(addresses);
    }
    if !certificates.is_empty() {
        options = options.recipient_certificates(certificates);
    }
    let from = input::open(&encrypt.streams.input)?;
    let (target, to) = Target::open(&encrypt.streams.output)?;
    let result = match encrypt.streams.cms {
        true => attend(client, client.encrypt_cms(from, to, &options)).await,
        false => attend(client, client.encrypt_mail(from, to, &options)).await,
    };
    let encrypted = settle(target, result)?;
    let sentence = text::encrypted(&encrypted);
    report.say(is_standard(&encrypt.streams.output), &sentence, &json!(encrypted));
    Ok(0)
}

pub(crate) async fn decrypt(
    client: &Client,
    common: &Common,
    decrypt: Decrypt,
    report: &Report,
) -> Result<u8, WaferError> {
    let options = with_identity(client, call::options(common), decrypt.identity.as_deref()).await?;
    let from = input::open(&decrypt.streams.input)?;
    let (target, to) = Target::open(&decrypt.streams.output)?;
    let result = match decrypt.streams.cms {
        true => attend(client, client.decrypt_cms(from, to, &options)).await,
        false => attend(client, client.decrypt_mail(from, to, &options)).await,
    };
    let decrypted = settle(target, result)?;
    let sentence = text::decrypted(&decrypted);
    report.say(is_standard(&decrypt.streams.output), &sentence, &json!(decrypted));
    Ok(0)
}

/// The signed content is kept whatever the verdict: the exit code and the report say what it is worth.
pub(crate) async fn verify(
    client: &Client,
    common: &Common,
    verify: Verify,
    report: &Report,
) -> Result<u8, WaferError> {
    let options = call::options(common);
    let options = verify.from.iter().fold(options, |options, from| options.from(from));
    let from = input::open(&verify.input)?;
    let content = verify.content.as_deref().map(input::open).transpose()?;
    let (target, to) = match &verify.output {
        Some(name) => Target::open(name).map(|(target, output)| (Some(target), output))?,
        None => (None, Output::None),
    };
    let result = match verify.cms {
        true => attend(client, client.verify_cms(from, content, to, &options)).await,
        false => attend(client, client.verify_mail(from, to, &options)).await,
    };
    let verified = match target {
        Some(target) => settle(target, result)?,
        None => result?,
    };
    let on_stdout = verify.output.as_deref().is_some_and(is_standard);
    report.say(on_stdout, &text::verified(&verified), &with_certificates(&verified));
    Ok(exit::verdict(verified.status))
}

/// The content is kept whatever the verdict, as with [`verify`]; without a signature there is none.
pub(crate) async fn read(
    client: &Client,
    common: &Common,
    read: Read,
    report: &Report,
) -> Result<u8, WaferError> {
    let options = with_identity(client, call::options(common), read.identity.as_deref()).await?;
    let options = read.from.iter().fold(options, |options, from| options.from(from));
    let from = input::open(&read.input)?;
    let (target, to) = Target::open(&read.output)?;
    let result = attend(client, client.read_mail(from, to, &options)).await;
    let found = settle(target, result)?;
    report.say(is_standard(&read.output), &text::read(&found), &json!(found));
    Ok(found.status.map_or(0, exit::verdict))
}

pub(crate) async fn inspect(
    client: &Client,
    common: &Common,
    inspect: Inspect,
    report: &Report,
) -> Result<u8, WaferError> {
    let options = call::options(common);
    let inspected = attend(client, client.inspect_mail(input::open(&inspect.input)?, &options)).await?;
    report.say(false, &text::inspected(&inspected), &json!(inspected));
    Ok(0)
}

/// Finishes the output of a call that succeeded; undoes that of one that failed.
fn settle<T>(target: Target, result: Result<T, WaferError>) -> Result<T, WaferError> {
    match result {
        Ok(value) => target.finish().map(|()| value),
        Err(error) => {
            target.abandon();
            Err(error)
        }
    }
}

async fn with_identity(client: &Client, options: Options, name: Option<&str>) -> Result<Options, WaferError> {
    match name {
        Some(name) => Ok(options.identity(objects::identity(client, name).await?)),
        None => Ok(options),
    }
}

/// Tells addresses from certificate files: what exists as a file is one.
fn recipients(names: &[String]) -> Result<(Vec<String>, Vec<Vec<u8>>), WaferError> {
    let (mut addresses, mut certificates) = (Vec::new(), Vec::new());
    for name in names {
        if name.contains('@') && !Path::new(name).exists() {
            addresses.push(name.clone());
            continue;
        }
        certificates.extend(read_certificates(Path::new(name))?);
    }
    Ok((addresses, certificates))
}

/// The certificates (DER) in a file, at least one.
pub(crate) fn read_certificates(file: &Path) -> Result<Vec<Vec<u8>>, WaferError> {
    let cannot_read = |error| WaferError::new(ErrorKind::InputFailed, text::cannot_read(file, &error));
    let found = certificates_in(&fs::read(file).map_err(cannot_read)?).unwrap_or_default();
    if found.is_empty() {
        let sentence = text::no_certificate_in(&file.display().to_string());
        return Err(WaferError::new(ErrorKind::InvalidArgument, sentence));
    }
    Ok(found)
}

/// The certificates (DER) in a PEM or DER file.
fn certificates_in(bytes: &[u8]) -> io::Result<Vec<Vec<u8>>> {
    if bytes.first() == Some(&0x30) {
        return Ok(vec![bytes.to_vec()]);
    }
    let text = String::from_utf8_lossy(bytes);
    let blocks = text.split(PEM_START).skip(1).map(|rest| rest.split(PEM_END).next().unwrap_or_default());
    let decode = |block: &str| {
        let base64: Vec<u8> = block.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        STANDARD.decode_to_vec(&base64).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))
    };
    blocks.map(decode).collect()
}

fn with_certificates(verified: &Verified) -> Value {
    let mut value = json!(verified);
    if let Some(Value::Array(signers)) = value.get_mut("signers") {
        for (shown, signer) in signers.iter_mut().zip(&verified.signers) {
            shown["certificate"] =
                json!(signer.certificate.as_ref().map(|der| STANDARD.encode_to_string(der)));
            let path = signer.path.iter().map(|der| STANDARD.encode_to_string(der));
            shown["path"] = json!(path.collect::<Vec<_>>());
        }
    }
    value
}

fn is_standard(name: &Path) -> bool {
    name == Path::new("-")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn recipients_are_addresses_or_certificate_files() {
        let folder = tempfile::tempdir().unwrap();
        let (pem, der) = (folder.path().join("a.pem"), folder.path().join("b@c.der"));
        fs::write(
            &pem,
            format!("noise\n{PEM_START}\nMAMC\nAQE=\n{PEM_END}\n{PEM_START}\r\nMAA=\r\n{PEM_END}\r\n"),
        )
        .unwrap();
        fs::write(&der, [0x30, 0]).unwrap();
        let names = ["anna@example.org".to_owned(), pem.display().to_string(), der.display().to_string()];
        let (addresses, certificates) = recipients(&names).unwrap();
        assert_eq!(addresses, ["anna@example.org"]);
        assert_eq!(certificates, [vec![0x30, 3, 2, 1, 1], vec![0x30, 0], vec![0x30, 0]]);
    }

    #[test]
    fn a_recipient_that_is_neither_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let odd = folder.path().join("odd");
        fs::write(&odd, "hello").unwrap();
        let refusal = |name: &str| recipients(&[name.to_owned()]).unwrap_err().kind;
        assert_eq!(refusal(odd.to_str().unwrap()), ErrorKind::InvalidArgument);
        assert_eq!(refusal("no-such-file"), ErrorKind::InputFailed);
        fs::write(&odd, format!("{PEM_START}\n***\n{PEM_END}")).unwrap();
        assert_eq!(refusal(odd.to_str().unwrap()), ErrorKind::InvalidArgument);
    }
}
