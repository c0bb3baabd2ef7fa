//! Private keys on Curve25519, with the algorithm identifiers of YubiKey 5.7: E0 is Ed25519, which signs the
//! message itself, E1 is X25519.

use std::fs;
use std::path::Path;

use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey, X25519};
use aws_lc_rs::signature::Ed25519KeyPair;

const ED25519_ID: u8 = 0xe0;
const X25519_ID: u8 = 0xe1;
/// Tags inside the dynamic authentication template (SP 800-73-5 part 2, table 7).
const TEMPLATE: u8 = 0x7c;
const CHALLENGE: u8 = 0x81;
const RESPONSE: u8 = 0x82;
const EXPONENTIATION: u8 = 0x85;

/// A key in its slot.
pub(crate) struct Key {
    pub(crate) slot: u8,
    pub(crate) algorithm: u8,
    secret: [u8; 32],
}

impl Key {
    /// The keys of a card's folder: files `key-SLOT-ALGORITHM`, both in hex, with 32 octets (RFC 8032, RFC 7748).
    pub(crate) fn all_in(folder: &Path) -> Vec<Self> {
        let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        files.filter_map(|file| Self::read(&file)).collect()
    }

    fn read(file: &Path) -> Option<Self> {
        let name = file.file_name()?.to_str()?;
        let (slot, algorithm) = name.strip_prefix("key-")?.split_once('-')?;
        let hex = |text| u8::from_str_radix(text, 16).unwrap();
        let secret = fs::read(file).unwrap().try_into().unwrap();
        Some(Self { slot: hex(slot), algorithm: hex(algorithm), secret })
    }

    /// GENERAL AUTHENTICATE's data, answered; `None` if they are not what this key takes.
    pub(crate) fn operate(&self, data: &[u8]) -> Option<Vec<u8>> {
        let template = find(data, TEMPLATE)?;
        let response = match self.algorithm {
            ED25519_ID => {
                let pair = Ed25519KeyPair::from_seed_unchecked(&self.secret).unwrap();
                pair.sign(find(template, CHALLENGE)?).as_ref().to_vec()
            }
            X25519_ID => self.agree(find(template, EXPONENTIATION)?)?,
            _ => return None,
        };
        let length = |length: usize| u8::try_from(length).unwrap();
        let inner = [&[RESPONSE, length(response.len())], &response[..]].concat();
        Some([&[TEMPLATE, length(inner.len())], &inner[..]].concat())
    }

    fn agree(&self, peer: &[u8]) -> Option<Vec<u8>> {
        let key = PrivateKey::from_private_key(&X25519, &self.secret).unwrap();
        agreement::agree(&key, UnparsedPublicKey::new(&X25519, peer), (), |shared| Ok(shared.to_vec())).ok()
    }
}

/// The value of the first `tag` among BER-TLVs with tags of one octet.
fn find(mut octets: &[u8], tag: u8) -> Option<&[u8]> {
    loop {
        let (length, rest) = match *octets {
            [_, length @ 0..=0x7f, ref rest @ ..] => (usize::from(length), rest),
            [_, 0x81, length, ref rest @ ..] => (usize::from(length), rest),
            [_, 0x82, high, low, ref rest @ ..] => (usize::from(u16::from_be_bytes([high, low])), rest),
            _ => return None,
        };
        let (value, after) = rest.split_at_checked(length)?;
        if octets[0] == tag {
            return Some(value);
        }
        octets = after;
    }
}
