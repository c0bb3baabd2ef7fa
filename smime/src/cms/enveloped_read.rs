//! Reading EnvelopedData and AuthEnvelopedData as a stream.
//!
//! A use case reads twice: [`open`] and [`Body::prove`] show that the whole message is well-formed
//! and decrypts; [`open`] again, compare [`Header`]s (`==`; else `Error::Changed`), and
//! [`Body::decrypt`] writes the plaintext.

mod plaintext;

use std::io::Read;

use zeroize::Zeroizing;

use crate::algorithm::ContentCipher;
use crate::asn1::ber::{Reader, malformed};
use crate::asn1::der::{self, Cursor};
use crate::asn1::{MAX_MEMBERS, normal, oid};
use crate::cms::identifier::ContentAlgorithm;
use crate::cms::recipient_read::{self, Unwrap};
use crate::cms::signed_read;
use crate::crypto::cipher::{Cipher, Direction, OUTPUT};
use crate::crypto::random;
use crate::decrypt::{Recipient, Request};
use crate::error::{Error, Result};

/// Everything in front of the encrypted content.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    /// AuthEnvelopedData rather than EnvelopedData.
    pub(crate) authenticated: bool,
    /// Name of the content cipher, or its dotted OID if it is not supported.
    pub(crate) cipher_name: String,
    /// The recipients in the message's order (each RecipientEncryptedKey of a key agreement is one).
    pub(crate) recipients: Vec<Recipient>,
    unwraps: Vec<Unwrap>,
    content: ContentAlgorithm,
}

/// Equal if the messages are the same up to the encrypted content.
impl PartialEq for Header {
    fn eq(&self, other: &Self) -> bool {
        self.authenticated == other.authenticated
            && self.content == other.content
            && self.unwraps == other.unwraps
            && self
                .recipients
                .iter()
                .map(|r| (&r.id, &r.request))
                .eq(other.recipients.iter().map(|r| (&r.id, &r.request)))
    }
}

impl Header {
    /// The content cipher.
    ///
    /// # Errors
    /// [`Error::UnsupportedAlgorithm`] with name or OID.
    pub(crate) fn cipher(&self) -> Result<ContentCipher> {
        match self.content.cipher {
            Some(cipher) if cipher.is_authenticated() == self.authenticated => Ok(cipher),
            Some(_) => {
                let kind = if self.authenticated { "AuthEnvelopedData" } else { "EnvelopedData" };
                Err(Error::UnsupportedAlgorithm(format!("{} in {kind}", self.cipher_name)))
            }
            None => Err(Error::UnsupportedAlgorithm(self.cipher_name.clone())),
        }
    }

    /// The content-encryption key out of `secret`, the private key's answer to the request of recipient
    /// `index`. Never fails for a cryptographic reason: a wrong secret makes a key with
    /// which [`Body::prove`] fails (so that all failures take the same course).
    ///
    /// # Errors
    /// [`Error::UnsupportedAlgorithm`]: the cipher, or this recipient's; [`Error::Crypto`].
    pub(crate) fn content_key(&self, index: usize, secret: &Zeroizing<Vec<u8>>) -> Result<ContentKey> {
        let cipher = self.cipher()?;
        let (Some(unwrap), Some(Recipient { request: Some(request), .. })) =
            (self.unwraps.get(index), self.recipients.get(index))
        else {
            let name =
                self.recipients.get(index).map_or_else(|| "none".to_owned(), |one| one.algorithm.clone());
            return Err(Error::UnsupportedAlgorithm(name));
        };
        match unwrap.open(secret) {
            Ok(key) if key.len() == cipher.key_length() => Ok(ContentKey { key, wrong: false }),
            // After RSAES-PKCS1-v1_5 a random key of the right length may mean the same as this one of a
            // wrong length (RFC 3218): both must fare alike. The other schemes check their answer themselves.
            _ => {
                let wrong = !matches!(request, Request::RsaPkcs1 { .. });
                Ok(ContentKey { key: random(cipher.key_length())?, wrong })
            }
        }
    }

    fn cipher_run(&self, key: &ContentKey, iv: &[u8]) -> Result<Cipher> {
        // A nonce of absurd length is the message's fault, and no secret.
        Cipher::new(self.cipher()?, Direction::Decrypt, &key.key, iv)
            .map_err(|_| malformed("a nonce of wrong length"))
    }
}

/// A content-encryption key; wiped on drop.
pub(crate) struct ContentKey {
    key: Zeroizing<Vec<u8>>,
    /// It is known not to be the one: decryption fails whatever the padding says.
    wrong: bool,
}

/// The part of the stream from the encrypted content on.
pub(crate) struct Body<R> {
    reader: Reader<R>,
}

/// Reads ContentInfo up to the encrypted content. An unknown content cipher is not yet an error here.
///
/// # Errors
/// [`Error::Malformed`] (also: neither EnvelopedData nor AuthEnvelopedData), [`Error::Limit`],
/// [`Error::Input`].
pub(crate) fn open<R: Read>(input: R) -> Result<(Header, Body<R>)> {
    let mut reader = Reader::new(input);
    reader.enter(der::SEQUENCE)?;
    let content_type = reader.der(der::OID)?;
    let authenticated = match Cursor::new(&content_type).expect(der::OID)?.oid()? {
        oid::ID_ENVELOPED_DATA => false,
        oid::ID_AUTH_ENVELOPED_DATA => true,
        other => return Err(Error::Malformed(format!("content type {other} is not an encrypted one"))),
    };
    reader.enter(der::context(0))?;
    open_inner(reader, authenticated)
}

/// Goes on where the content type has been read, in front of the EnvelopedData.
pub(super) fn open_inner<R: Read>(mut reader: Reader<R>, authenticated: bool) -> Result<(Header, Body<R>)> {
    reader.enter(der::SEQUENCE)?;
    reader.der(der::INTEGER)?;
    let originators = originator_certificates(&mut reader)?;
    let mut infos = Vec::new();
    reader.enter(der::SET)?;
    while reader.peek()?.is_some() {
        if infos.len() == MAX_MEMBERS {
            return Err(Error::Limit("10000 recipients"));
        }
        infos.push(normal::to_der(&reader.raw()?)?);
    }
    reader.leave()?;
    reader.enter(der::SEQUENCE)?;
    reader.der(der::OID)?;
    let content = ContentAlgorithm::parse(&reader.der(der::SEQUENCE)?)?;
    let key_length = content.cipher.map_or(0, ContentCipher::key_length);
    let all = infos.iter().flat_map(|info| recipient_read::read(info, key_length, &originators));
    let (recipients, unwraps): (Vec<_>, Vec<_>) = all.take(MAX_MEMBERS + 1).unzip();
    if recipients.len() > MAX_MEMBERS {
        return Err(Error::Limit("10000 recipients"));
    }
    let header = Header { authenticated, cipher_name: content.name.clone(), recipients, unwraps, content };
    Ok((header, Body { reader }))
}

/// OriginatorInfo (RFC 5652 section 6.1): its certificates, which a static-static key agreement names.
fn originator_certificates<R: Read>(reader: &mut Reader<R>) -> Result<Vec<Vec<u8>>> {
    let mut found = Vec::new();
    if reader.peek()? == Some(der::context(0)) {
        reader.enter(der::context(0))?;
        found = signed_read::certificates(reader)?;
        if reader.peek()? == Some(der::context(1)) {
            reader.skip()?;
        }
        reader.leave()?;
    }
    Ok(found)
}

/// What the proving pass found, which the writing pass needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proof {
    /// Bytes of encrypted content.
    length: u64,
    trailer: Trailer,
}

/// What stands behind the encrypted content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Trailer {
    /// The SET OF authenticated attributes, as it is hashed.
    attributes: Vec<u8>,
    mac: Vec<u8>,
}

/// Result of [`Body::prove`].
#[derive(Clone, Debug)]
pub(crate) enum Proved {
    /// All is well.
    Yes(Proof),
    /// Authenticated attributes stand behind the content but must be hashed before it (RFC 5083): open
    /// again and call [`Body::prove`] with this.
    Again(Proof),
}

impl<R: Read> Body<R> {
    /// Reads to the end and checks tag (authenticated ciphers) or padding (CBC), and the structure. Nothing is written.
    /// `hint` is `None` at first, see [`Proved::Again`].
    ///
    /// # Errors
    /// [`Error::Decryption`] for every cryptographic reason, [`Error::Malformed`],
    /// [`Error::Input`].
    pub(crate) fn prove(self, header: &Header, key: &ContentKey, hint: Option<&Proof>) -> Result<Proved> {
        if header.authenticated { self.prove_tag(header, key, hint) } else { self.prove_cbc(header, key) }
    }

    fn prove_tag(mut self, header: &Header, key: &ContentKey, hint: Option<&Proof>) -> Result<Proved> {
        let mut cipher = header.cipher_run(key, &header.content.iv)?;
        let attributes = hint.map_or(&[][..], |hint| &hint.trailer.attributes);
        if !attributes.is_empty() {
            cipher.authenticate(attributes)?;
        }
        let mut plain = Zeroizing::new(vec![[0; OUTPUT]]);
        let mut length = 0;
        let mut octets = self.reader.octets(0x80)?;
        while let Some(chunk) = octets.chunk()? {
            cipher.update(chunk, &mut plain[0])?;
            length += chunk.len() as u64;
        }
        let proof = Proof { length, trailer: self.trailer(header)? };
        if proof.trailer.attributes != attributes {
            return if hint.is_none() { Ok(Proved::Again(proof)) } else { Err(Error::Changed) };
        }
        cipher.expect_tag(&proof.trailer.mac)?;
        cipher.finish(&mut plain[0])?;
        if key.wrong || proof.trailer.mac.len() != header.content.tag_length {
            return Err(Error::Decryption);
        }
        Ok(Proved::Yes(proof))
    }

    /// All that can fail in CBC is in the last block, so only that is decrypted.
    fn prove_cbc(mut self, header: &Header, key: &ContentKey) -> Result<Proved> {
        header.cipher_run(key, &header.content.iv)?;
        let block = header.cipher()?.block_length();
        let mut tail = Vec::with_capacity(64);
        let mut length = 0;
        let mut octets = self.reader.octets(0x80)?;
        while let Some(chunk) = octets.chunk()? {
            length += chunk.len() as u64;
            tail.extend_from_slice(&chunk[chunk.len().saturating_sub(2 * block)..]);
            tail.drain(..tail.len().saturating_sub(2 * block));
        }
        let proof = Proof { length, trailer: self.trailer(header)? };
        if length == 0 || length % block as u64 != 0 {
            return Err(Error::Decryption);
        }
        let (before, last) = tail.split_at(tail.len() - block);
        let iv = if before.is_empty() { &header.content.iv } else { before };
        let mut cipher = header.cipher_run(key, iv)?;
        let mut plain = Zeroizing::new(vec![[0; OUTPUT]]);
        cipher.update(last, &mut plain[0])?;
        cipher.finish(&mut plain[0])?;
        if key.wrong { Err(Error::Decryption) } else { Ok(Proved::Yes(proof)) }
    }

    /// Reads from behind the encrypted content to the end.
    fn trailer(&mut self, header: &Header) -> Result<Trailer> {
        let reader = &mut self.reader;
        reader.leave()?;
        let mut trailer = Trailer::default();
        if header.authenticated {
            if reader.peek()? == Some(der::context(1)) {
                trailer.attributes = reader.der(der::context(1))?;
                trailer.attributes[0] = der::SET;
            }
            trailer.mac = reader.octets(der::OCTET_STRING)?.collect(64)?;
            if reader.peek()? == Some(der::context(2)) {
                reader.skip()?;
            }
        } else if reader.peek()? == Some(der::context(1)) {
            reader.skip()?;
        }
        reader.finish()?;
        Ok(trailer)
    }
}
