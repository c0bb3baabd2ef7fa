//! The first reading of what is signed, and what tells a second one from it.

use std::io::Write;

use super::{Form, Options};
use crate::algorithm::DigestAlgorithm;
use crate::crypto::hash::Hashers;
use crate::error::{Error, Result};
use crate::mime::canonical::Canonical;
use crate::mime::head::Head;
use crate::mime::message::Message;
use crate::mime::seven_bit_scan::{Plan, Scan};
use crate::mime::{input_error, output_error, pump};
use crate::source::Source;

/// What the first reading found.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) digest: Vec<u8>,
    sum: Sum,
}

impl Content {
    /// Its length in bytes.
    pub(super) fn length(&self) -> u64 {
        self.sum.length
    }

    /// Writes what a second reading hands to its sink to `out`, and holds it against the first.
    ///
    /// # Errors
    /// [`Error::Changed`] if it is something else, [`Error::Output`], and those of `read`.
    pub(super) fn pass_on(
        &self,
        out: &mut dyn Write,
        read: impl FnOnce(&mut dyn FnMut(&[u8]) -> Result<()>) -> Result<u64>,
    ) -> Result<()> {
        let mut second = Sum::default();
        read(&mut |bytes| {
            second.update(bytes);
            out.write_all(bytes).map_err(output_error)
        })?;
        if second.length == self.sum.length && second.crc.finalize() == self.sum.crc.clone().finalize() {
            Ok(())
        } else {
            Err(Error::Changed)
        }
    }
}

/// Tells two readings apart: length in bytes, and CRC-32. Whoever wants to deceive here deceives but themselves, with
/// a signature that does not hold; a file that was saved meanwhile is noticed, for a tenth of what a digest costs.
#[derive(Debug, Default)]
struct Sum {
    crc: crc32fast::Hasher,
    length: u64,
}

impl Sum {
    fn update(&mut self, bytes: &[u8]) {
        self.crc.update(bytes);
        self.length += bytes.len() as u64;
    }
}

/// A first reading.
struct Reading {
    algorithm: DigestAlgorithm,
    hashers: Hashers,
    sum: Sum,
}

impl Reading {
    fn new(algorithm: DigestAlgorithm) -> Self {
        Self { algorithm, hashers: Hashers::new(&[algorithm]), sum: Sum::default() }
    }

    fn update(&mut self, bytes: &[u8]) {
        self.hashers.update(bytes);
        self.sum.update(bytes);
    }

    fn finish(self) -> Content {
        let digests = self.hashers.finish();
        let digest = digests.of(self.algorithm).unwrap_or_default().to_vec();
        Content { digest, sum: self.sum }
    }
}

/// Reads and hashes a mail.
///
/// # Errors
/// Those of [`super::prepare`].
pub(super) fn hash_mail(source: &mut dyn Source, options: &Options) -> Result<(Option<Head>, Plan, Content)> {
    let plan = match options.form {
        Form::Clear => {
            let (head, plan, content) = scan(source, options)?;
            if !plan.is_needed() {
                return Ok((Some(head), plan, content));
            }
            plan
        }
        Form::Opaque => Plan::default(),
    };
    let message = Message::open(source)?.protected(options.style.headers);
    let head = message.head.clone();
    let mut reading = Reading::new(options.digest);
    message.recoded_entity(&plan, &mut |bytes| {
        reading.update(bytes);
        Ok(())
    })?;
    Ok((Some(head), plan, reading.finish()))
}

/// What a relay could change, and how to keep it from that (RFC 8551 section 3.1.3). In the same reading the entity
/// is hashed as it is: mostly nothing must be changed.
fn scan(source: &mut dyn Source, options: &Options) -> Result<(Head, Plan, Content)> {
    let message = Message::open(source)?.protected(options.style.headers);
    let head = message.head.clone();
    let (mut scan, mut form) = (Scan::default(), Canonical::default());
    let mut reading = Reading::new(options.digest);
    message.raw_entity(&mut |bytes| {
        scan.feed(bytes)?;
        form.feed(bytes, &mut |bytes| {
            reading.update(bytes);
            Ok(())
        })
    })?;
    Ok((head, scan.finish()?, reading.finish()))
}

/// Reads and hashes exactly the bytes of `source`.
///
/// # Errors
/// [`Error::Input`].
pub(super) fn hash_bytes(source: &mut dyn Source, algorithm: DigestAlgorithm) -> Result<Content> {
    let mut reading = Reading::new(algorithm);
    let mut input = source.open_buffered().map_err(input_error)?;
    pump(&mut input, &mut |bytes| {
        reading.update(bytes);
        Ok(())
    })?;
    Ok(reading.finish())
}
