//! What the fuzzer calls: one function for each door through which strangers' bytes come in.
//!
//! Not part of the interface. A function panics where an invariant breaks: the same bytes mean the same however
//! they arrive, nothing is written before an error, and what was normalised stays as it is. `fuzz/` runs them under
//! libFuzzer; the tests beside this file run them over the kept corpus and the vectors of others.

pub(crate) mod slow;
#[cfg(test)]
mod tests;

use std::io::{self, BufReader, Read};

use zeroize::Zeroizing;

use crate::algorithm::{Armor, Container};
use crate::asn1::ber::Reader;
use crate::asn1::der::Cursor;
use crate::asn1::normal;
use crate::cms::enveloped_read::{self, Proved};
use crate::cms::outline::outline;
use crate::cms::{signed_read, signed_verify};
use crate::error::{Error, Result};
use crate::mime::address::senders;
use crate::mime::armor::dearmored;
use crate::mime::base64_read::Base64Reader;
use crate::mime::canonical::Canonical;
use crate::mime::head::Head;
use crate::mime::kind::Kind;
use crate::mime::message::Message;
use crate::mime::multipart::split;
use crate::mime::quoted_printable::QuotedPrintable;
use crate::{decrypt, inspect, read, verify};
use slow::{Slow, SlowSource};

/// Takes any bytes; panics if an invariant breaks.
pub type Target = fn(&[u8]);

/// Every target with the name of its folder in `fuzz/corpus`.
pub const TARGETS: [(&str, Target); 7] = [
    ("ber", ber),
    ("signed", signed),
    ("enveloped", enveloped),
    ("head", head),
    ("mime", mime),
    ("message", message),
    ("read", read),
];

/// Recipients whose keys are tried.
const RECIPIENTS: usize = 4;

/// The BER reader and what makes DER of BER.
pub fn ber(data: &[u8]) {
    let whole = Reader::new(data).raw();
    let piecewise = Reader::new(Slow(data, 1)).raw();
    assert_eq!(whole.as_ref().ok(), piecewise.as_ref().ok());
    if let Ok(raw) = whole {
        assert!(data.starts_with(&raw), "an element is not as it came");
        if let Ok(der) = normal::to_der(&raw) {
            assert_eq!(normal::to_der(&der).ok().as_ref(), Some(&der), "DER was not DER yet");
            cursors(&der, 0);
        }
    }
    let explored = |step| {
        let mut content = Vec::new();
        explore(&mut Reader::new(Slow(data, step)), &mut content).map(|()| content)
    };
    assert_eq!(explored(data.len().max(1)).ok(), explored(3).ok());
    cursors(data, 0);
}

/// SignedData and its signer infos.
pub fn signed(data: &[u8]) {
    let read = |step| {
        let mut content = Vec::new();
        let signed = signed_read::read(armored(data, step)?, &mut content)?;
        Ok::<_, Error>((signed, content))
    };
    let (whole, piecewise) = (read(data.len().max(1)), read(7));
    assert_eq!(whole.is_ok(), piecewise.is_ok(), "{whole:?} {piecewise:?}");
    let (Ok((whole, content)), Ok((again, same))) = (whole, piecewise) else { return };
    assert_eq!((&content, &whole.certificates), (&same, &again.certificates));
    assert_eq!(content.len() as u64, whole.content_length);
    signed_verify::digests_needed(&whole);
    let signers = signed_verify::verify(&whole, &whole.digests, &[]);
    assert_eq!(signers.len(), whole.signers.len());
}

/// EnvelopedData and AuthEnvelopedData, with keys that are wrong.
pub fn enveloped(data: &[u8]) {
    let _ = armored(data, 7).and_then(outline);
    let open = |step| enveloped_read::open(armored(data, step)?);
    let (whole, piecewise) = (open(data.len().max(1)), open(7));
    assert_eq!(whole.is_ok(), piecewise.is_ok());
    let (Ok((header, _)), Ok((same, _))) = (whole, piecewise) else { return };
    assert!(header == same, "the header depends on how it arrives");
    for index in 0..header.recipients.len().min(RECIPIENTS) {
        for length in [16, 32] {
            let secret = Zeroizing::new(vec![0; length]);
            let Ok(key) = header.content_key(index, &secret) else { continue };
            let prove = |hint| open(7).and_then(|(_, body)| body.prove(&header, &key, hint));
            let proved = match prove(None) {
                Ok(Proved::Again(hint)) => prove(Some(&hint)),
                other => other,
            };
            let Ok(Proved::Yes(proof)) = proved else { continue };
            let mut plain = Vec::new();
            let written =
                open(data.len().max(1)).and_then(|(_, body)| body.decrypt(&header, &key, &proof, &mut plain));
            assert_eq!(written.ok(), Some(plain.len() as u64), "what was proved did not decrypt");
        }
    }
}

/// A head: unfolding, content types, addresses.
pub fn head(data: &[u8]) {
    let read = |step| Head::read(&mut BufReader::with_capacity(step, data));
    let whole = read(data.len().max(1));
    assert_eq!(whole.as_ref().ok(), read(1).ok().as_ref());
    let Ok(head) = whole else { return };
    let _ = Kind::of(&head);
    for address in senders(&head) {
        assert!(!address.contains(char::is_control), "an address of two lines");
    }
    for field in head.fields() {
        assert!(!field.value().contains(['\r', '\n']), "a value that was not unfolded");
    }
    // What stays outside and what is sealed are heads again, and nothing gets lost between them.
    let kept = [head.outer(), head.content()].map(|fields| Head::read(&mut &fields[..]));
    let [Ok(outer), Ok(content)] = kept else { panic_on("what was a head is none any more") };
    let versions = head.fields().filter(|field| field.is("MIME-Version")).count();
    assert_eq!(outer.fields().count() + content.fields().count() + versions, head.fields().count());
}

/// The split of a multipart/signed, line ends and transfer encodings.
pub fn mime(data: &[u8]) {
    let canonical = canonical(&[data]);
    let (first, second) = data.split_at(data.len() / 2);
    assert_eq!(self::canonical(&[first, second]), canonical);
    assert_eq!(self::canonical(&[&canonical]), canonical);
    decoder(data.len(), |step| Box::new(Base64Reader::new(BufReader::with_capacity(step, data))));
    decoder(data.len(), |step| Box::new(QuotedPrintable::new(BufReader::with_capacity(step, data))));
    let Ok(message) = Message::read(Box::new(data)) else { return };
    let Ok(Kind::Clear { boundary, .. }) = Kind::of(&message.head) else { return };
    let parts = |step| {
        let mut content = Vec::new();
        let message = Message::read(Box::new(BufReader::with_capacity(step, data)))?;
        let signature = split(&mut message.into_body(), &boundary, &mut |bytes| {
            content.extend_from_slice(bytes);
            Ok(())
        })?;
        Ok::<_, Error>((content, signature))
    };
    assert_eq!(parts(data.len().max(1)).ok(), parts(1).ok(), "the split depends on how the message arrives");
}

/// A whole message through the public interface: the verdict, the look, the refusal to decrypt.
pub fn message(data: &[u8]) {
    let seen = inspect::inspect(&mut &*data);
    for container in [Container::Mail, Container::Cms(Armor::Der)] {
        let verify = |out| {
            let mut source = data;
            verify::verify(&mut source, verify::Content::Attached, container, &[], out)
        };
        let mut content = Vec::new();
        let (plain, written) = (verify(None), verify(Some(&mut content)));
        match (&plain, &written) {
            (Ok(plain), Ok(written)) => {
                let outcomes = |of: &verify::Verified| {
                    of.signers.iter().map(|signer| signer.outcome.clone()).collect::<Vec<_>>()
                };
                assert_eq!(outcomes(plain), outcomes(written));
                assert_eq!(content.len() as u64, written.content_length);
                assert!(!matches!(seen, Ok(inspect::Inspection { layer: inspect::Layer::Plain, .. })));
            }
            (Err(_), Err(_)) => assert!(content.is_empty(), "something was written before an error"),
            _ => panic_on("the verdict depends on who wants the content"),
        }
        decrypt_in_vain(data, container);
    }
}

/// Reading all layers, and the verdict on them. No private key is there, so what is encrypted stays so.
pub fn read(data: &[u8]) {
    let report = |step| {
        let mut source = SlowSource(data, step);
        let mut reading = read::Reading::new(Vec::new());
        if reading.advance(&mut source)? == read::Next::Sealed {
            return Err(Error::Decryption);
        }
        let report = reading.report().cloned().ok_or(Error::Decryption)?;
        let mut content = Vec::new();
        assert_eq!(reading.write(&mut source, &mut content).ok(), Some(report.length), "it changed under us");
        assert_eq!(content.len() as u64, report.length);
        Ok::<_, Error>((report, content))
    };
    let (whole, piecewise) = (report(data.len().max(1)), report(13));
    assert_eq!(whole.is_ok(), piecewise.is_ok(), "{whole:?} {piecewise:?}");
    let (Ok((report, content)), Ok((again, same))) = (whole, piecewise) else { return };
    assert_eq!(content, same);
    assert_eq!(format!("{report:?}"), format!("{again:?}"), "the verdict depends on how the message arrives");
    let good = |number: &usize| match &report.layers[*number] {
        read::Layer::Signed(layer) => layer.is_good(),
        _ => false,
    };
    if report.protection.is_signed() {
        assert!(report.signatures.iter().any(good), "signed, and nobody signed it");
        assert!(!report.parts.iter().any(|part| part.path.is_empty()), "the whole is a part");
    }
}

fn decrypt_in_vain(data: &[u8], container: Container) {
    let mut source = data;
    let Ok(sealed) = decrypt::open(&mut source, container) else { return };
    for index in 0..sealed.recipients().len().min(RECIPIENTS) {
        let mut plain = Vec::new();
        let secret = Zeroizing::new(vec![7; 32]);
        match sealed.decrypt(index, secret, &mut source, &mut plain) {
            Ok(opened) => assert_eq!(opened.length, plain.len() as u64),
            Err(_) => assert!(plain.is_empty(), "something was written before an error"),
        }
    }
}

fn armored(data: &[u8], step: usize) -> Result<Box<dyn Read + '_>> {
    dearmored(Box::new(BufReader::with_capacity(step, Slow(data, step))))
}

/// Goes through everything that `reader` has, in the ways that CMS does.
fn explore<R: Read>(reader: &mut Reader<R>, content: &mut Vec<u8>) -> Result<()> {
    while let Some(tag) = reader.peek()? {
        content.push(tag);
        match tag {
            0x06 => content.extend(reader.der(tag)?),
            0x24 => content.extend(reader.octets(0x04)?.collect(1 << 20)?),
            _ if tag & 0x20 != 0 => {
                reader.enter(tag)?;
                explore(reader, content)?;
                reader.leave()?;
            }
            _ if content.len().is_multiple_of(2) => reader.skip()?,
            _ => content.extend(reader.octets(tag)?.collect(1 << 20)?),
        }
    }
    Ok(())
}

/// Looks at DER (or what pretends to be) in memory, all the way down.
fn cursors(data: &[u8], depth: usize) {
    let mut cursor = Cursor::new(data);
    while let Ok(Some(element)) = cursor.next() {
        let _ = element.oid();
        if depth < 40 {
            cursors(element.content, depth + 1);
        }
    }
}

fn canonical(pieces: &[&[u8]]) -> Vec<u8> {
    let mut all = Vec::new();
    let mut form = Canonical::default();
    for piece in pieces {
        let fed = form.feed(piece, &mut |bytes| {
            all.extend_from_slice(bytes);
            Ok(())
        });
        assert!(fed.is_ok());
    }
    all
}

/// A decoder gives the same, or fails behind the same bytes, in whatever pieces its text arrives.
fn decoder<'a>(length: usize, open: impl Fn(usize) -> Box<dyn Read + 'a>) {
    let decode = |step| {
        let mut decoded = Vec::new();
        let result: io::Result<usize> = open(step).read_to_end(&mut decoded);
        (result.is_ok(), decoded)
    };
    let (whole, piecewise) = (decode(length.max(1)), decode(3));
    assert_eq!(whole, piecewise, "the decoder depends on how the text arrives");
}

#[expect(clippy::panic, reason = "a broken invariant is what the fuzzer looks for")]
fn panic_on(broken: &str) -> ! {
    panic!("{broken}")
}
