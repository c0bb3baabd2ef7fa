// A private key in memory with a certificate of its own: what examples use where a program has a token. (No inner
// documentation, since the examples in src/lib.rs include this file.)

use aws_lc_rs::digest::{Digest, SHA256};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize, Pkcs1PrivateDecryptingKey, PrivateDecryptingKey};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use wafer_smime::algorithm::{DigestAlgorithm, SignatureScheme};
use wafer_smime::{KeyError, PrivateKey, Zeroizing, decrypt, sign};

/// An RSA-2048 key: signs with RSASSA-PKCS1-v1_5 over SHA-256, decrypts RSAES-PKCS1-v1_5.
pub(crate) struct SoftwareKey {
    signing: KeyPair,
    decrypting: Pkcs1PrivateDecryptingKey,
    /// Self-signed, DER.
    pub(crate) certificate: Vec<u8>,
}

impl SoftwareKey {
    /// A new key and its certificate for a mail address.
    pub(crate) fn generate(address: &str) -> Result<Self, KeyError> {
        let signing = KeyPair::generate(KeySize::Rsa2048)?;
        let pkcs8 = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&signing)?;
        let decrypting = Pkcs1PrivateDecryptingKey::new(PrivateDecryptingKey::from_pkcs8(pkcs8.as_ref())?)?;
        let issuer = rcgen::KeyPair::try_from(pkcs8.as_ref())?;
        let mut parameters = rcgen::CertificateParams::default();
        parameters.distinguished_name.push(rcgen::DnType::CommonName, address);
        parameters.subject_alt_names = vec![rcgen::SanType::Rfc822Name(address.try_into()?)];
        let certificate = parameters.self_signed(&issuer)?.der().to_vec();
        Ok(Self { signing, decrypting, certificate })
    }
}

impl SoftwareKey {
    /// RSAPublicKey (PKCS #1), DER.
    #[allow(dead_code, reason = "not every example asks for it")]
    pub(crate) fn public_key(&self) -> Vec<u8> {
        self.signing.public_key().as_ref().to_vec()
    }
}

impl PrivateKey for SoftwareKey {
    fn sign(&mut self, request: &sign::Request) -> Result<Vec<u8>, KeyError> {
        if (request.scheme, request.digest_algorithm) != (SignatureScheme::RsaPkcs1, DigestAlgorithm::Sha256)
        {
            return Err("this key signs with RSASSA-PKCS1-v1_5 and SHA-256 only".into());
        }
        let digest = Digest::import_less_safe(&request.digest, &SHA256)?;
        let mut signature = vec![0; self.signing.public_modulus_len()];
        self.signing.sign_digest(&RSA_PKCS1_SHA256, &digest, &mut signature)?;
        Ok(signature)
    }

    fn decrypt(&mut self, request: &decrypt::Request) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let decrypt::Request::RsaPkcs1 { encrypted_key, key_length } = request else {
            return Err("this key decrypts RSAES-PKCS1-v1_5 only".into());
        };
        let mut plain = Zeroizing::new(vec![0; self.decrypting.min_output_size()]);
        let length = match self.decrypting.decrypt(encrypted_key, &mut plain) {
            Ok(key) => key.len(),
            // RFC 3218: a wrong padding must not show, so a random key takes the place of the content key.
            Err(_) => {
                aws_lc_rs::rand::fill(&mut plain[..*key_length])?;
                *key_length
            }
        };
        plain.truncate(length);
        Ok(plain)
    }
}
