//! Object identifiers, by the names their RFCs give them.

use const_oid::ObjectIdentifier;

macro_rules! oids {
    ($($(#[$doc:meta])* $name:ident = $value:literal;)*) => {
        $($(#[$doc])* pub(crate) const $name: ObjectIdentifier = ObjectIdentifier::new_unwrap($value);)*
    };
}

oids! {
    // RFC 5652, RFC 3274, RFC 5083
    ID_DATA = "1.2.840.113549.1.7.1";
    ID_SIGNED_DATA = "1.2.840.113549.1.7.2";
    ID_ENVELOPED_DATA = "1.2.840.113549.1.7.3";
    ID_AUTH_ENVELOPED_DATA = "1.2.840.113549.1.9.16.1.23";
    ID_COMPRESSED_DATA = "1.2.840.113549.1.9.16.1.9";
    ZLIB_COMPRESS = "1.2.840.113549.1.9.16.3.8";
    // RFC 5940
    ID_RI_OCSP_RESPONSE = "1.3.6.1.5.5.7.16.2";
    // Attributes: RFC 5652 section 11, RFC 8551, RFC 5035
    CONTENT_TYPE = "1.2.840.113549.1.9.3";
    MESSAGE_DIGEST = "1.2.840.113549.1.9.4";
    SIGNING_TIME = "1.2.840.113549.1.9.5";
    SMIME_CAPABILITIES = "1.2.840.113549.1.9.15";
    PREFER_BINARY_INSIDE = "1.2.840.113549.1.9.16.11.1";
    ENCRYPTION_KEY_PREFERENCE = "1.2.840.113549.1.9.16.2.11";
    SIGNING_CERTIFICATE = "1.2.840.113549.1.9.16.2.12";
    SIGNING_CERTIFICATE_V2 = "1.2.840.113549.1.9.16.2.47";
    // Digests: RFC 3370, RFC 5754, RFC 9688
    MD5 = "1.2.840.113549.2.5";
    SHA1 = "1.3.14.3.2.26";
    SHA224 = "2.16.840.1.101.3.4.2.4";
    SHA256 = "2.16.840.1.101.3.4.2.1";
    SHA384 = "2.16.840.1.101.3.4.2.2";
    SHA512 = "2.16.840.1.101.3.4.2.3";
    SHA3_224 = "2.16.840.1.101.3.4.2.7";
    SHA3_256 = "2.16.840.1.101.3.4.2.8";
    SHA3_384 = "2.16.840.1.101.3.4.2.9";
    SHA3_512 = "2.16.840.1.101.3.4.2.10";
    // Signatures: RFC 8017, RFC 5754, RFC 5480, RFC 8410, RFC 9688; the OIW's of 1991, which old programs wrote
    MD5_WITH_RSA = "1.2.840.113549.1.1.4";
    OIW_SHA1_WITH_RSA = "1.3.14.3.2.29";
    SHA224_WITH_RSA = "1.2.840.113549.1.1.14";
    SHA3_224_WITH_RSA = "2.16.840.1.101.3.4.3.13";
    SHA3_256_WITH_RSA = "2.16.840.1.101.3.4.3.14";
    SHA3_384_WITH_RSA = "2.16.840.1.101.3.4.3.15";
    SHA3_512_WITH_RSA = "2.16.840.1.101.3.4.3.16";
    ECDSA_WITH_SHA224 = "1.2.840.10045.4.3.1";
    ECDSA_WITH_SHA3_224 = "2.16.840.1.101.3.4.3.9";
    ECDSA_WITH_SHA3_256 = "2.16.840.1.101.3.4.3.10";
    ECDSA_WITH_SHA3_384 = "2.16.840.1.101.3.4.3.11";
    ECDSA_WITH_SHA3_512 = "2.16.840.1.101.3.4.3.12";
    DSA = "1.2.840.10040.4.1";
    DSA_WITH_SHA1 = "1.2.840.10040.4.3";
    DSA_WITH_SHA224 = "2.16.840.1.101.3.4.3.1";
    DSA_WITH_SHA256 = "2.16.840.1.101.3.4.3.2";
    RSA_ENCRYPTION = "1.2.840.113549.1.1.1";
    SHA1_WITH_RSA = "1.2.840.113549.1.1.5";
    SHA256_WITH_RSA = "1.2.840.113549.1.1.11";
    SHA384_WITH_RSA = "1.2.840.113549.1.1.12";
    SHA512_WITH_RSA = "1.2.840.113549.1.1.13";
    RSASSA_PSS = "1.2.840.113549.1.1.10";
    RSAES_OAEP = "1.2.840.113549.1.1.7";
    MGF1 = "1.2.840.113549.1.1.8";
    P_SPECIFIED = "1.2.840.113549.1.1.9";
    EC_PUBLIC_KEY = "1.2.840.10045.2.1";
    ECDSA_WITH_SHA1 = "1.2.840.10045.4.1";
    ECDSA_WITH_SHA256 = "1.2.840.10045.4.3.2";
    ECDSA_WITH_SHA384 = "1.2.840.10045.4.3.3";
    ECDSA_WITH_SHA512 = "1.2.840.10045.4.3.4";
    ED25519 = "1.3.101.112";
    X25519 = "1.3.101.110";
    P256 = "1.2.840.10045.3.1.7";
    P384 = "1.3.132.0.34";
    P521 = "1.3.132.0.35";
    // Key agreement: RFC 5753 section 7.1.4, RFC 8418 section 2.2
    STD_DH_SHA1 = "1.3.133.16.840.63.0.2";
    STD_DH_SHA224 = "1.3.132.1.11.0";
    STD_DH_SHA256 = "1.3.132.1.11.1";
    STD_DH_SHA384 = "1.3.132.1.11.2";
    STD_DH_SHA512 = "1.3.132.1.11.3";
    COFACTOR_DH_SHA1 = "1.3.133.16.840.63.0.3";
    COFACTOR_DH_SHA224 = "1.3.132.1.14.0";
    COFACTOR_DH_SHA256 = "1.3.132.1.14.1";
    COFACTOR_DH_SHA384 = "1.3.132.1.14.2";
    COFACTOR_DH_SHA512 = "1.3.132.1.14.3";
    STD_DH_HKDF_SHA256 = "1.2.840.113549.1.9.16.3.19";
    STD_DH_HKDF_SHA384 = "1.2.840.113549.1.9.16.3.20";
    STD_DH_HKDF_SHA512 = "1.2.840.113549.1.9.16.3.21";
    // Ciphers: RFC 3370, RFC 3565, RFC 5084
    DES_EDE3_CBC = "1.2.840.113549.3.7";
    RC2_CBC = "1.2.840.113549.3.2";
    TRIPLE_DES_WRAP = "1.2.840.113549.1.9.16.3.6";
    AES128_CBC = "2.16.840.1.101.3.4.1.2";
    AES128_WRAP = "2.16.840.1.101.3.4.1.5";
    AES128_GCM = "2.16.840.1.101.3.4.1.6";
    AES192_CBC = "2.16.840.1.101.3.4.1.22";
    AES192_WRAP = "2.16.840.1.101.3.4.1.25";
    AES192_GCM = "2.16.840.1.101.3.4.1.26";
    AES256_CBC = "2.16.840.1.101.3.4.1.42";
    AES256_WRAP = "2.16.840.1.101.3.4.1.45";
    AES256_GCM = "2.16.840.1.101.3.4.1.46";
    // RFC 8103
    CHACHA20_POLY1305 = "1.2.840.113549.1.9.16.3.18";
}

/// What people call some of the algorithms that this engine does not speak, for the errors that say so.
const NAMES: &[(&str, &str)] = &[
    ("1.2.840.113549.2.2", "MD2"),
    ("1.2.840.113549.2.4", "MD4"),
    ("1.2.840.113549.1.1.2", "MD2 with RSA"),
    ("1.2.840.113549.3.4", "RC4"),
    ("1.2.840.113533.7.66.10", "CAST5"),
    ("1.2.840.113549.1.9.16.3.5", "ESDH"),
    ("1.2.840.113549.1.9.16.3.7", "RC2 key wrap"),
    ("1.2.840.113549.1.9.16.3.18", "ChaCha20-Poly1305"),
    ("1.2.156.10197.1.104", "SM4"),
    ("1.2.156.10197.1.401", "SM3"),
    ("1.2.392.200011.61.1.1.1.2", "Camellia-128"),
    ("1.2.392.200011.61.1.1.1.3", "Camellia-192"),
    ("1.2.392.200011.61.1.1.1.4", "Camellia-256"),
    ("1.2.410.200004.1.4", "SEED"),
    ("1.3.14.3.2.7", "DES"),
    ("1.3.36.3.2.1", "RIPEMD-160"),
    ("1.3.36.3.3.2.8.1.1.7", "brainpoolP256r1"),
    ("1.3.36.3.3.2.8.1.1.11", "brainpoolP384r1"),
    ("1.3.36.3.3.2.8.1.1.13", "brainpoolP512r1"),
    ("1.3.101.111", "X448"),
    ("1.3.101.113", "Ed448"),
    ("1.3.132.0.10", "secp256k1"),
    ("1.3.132.0.33", "P-224"),
    ("1.3.133.16.840.63.0.16", "ECMQV"),
    ("2.16.840.1.101.3.4.1.7", "AES-128-CCM"),
    ("2.16.840.1.101.3.4.1.27", "AES-192-CCM"),
    ("2.16.840.1.101.3.4.1.47", "AES-256-CCM"),
];

/// The name people know, or the dotted form.
pub(crate) fn name(id: &ObjectIdentifier) -> String {
    let dotted = id.to_string();
    NAMES.iter().find(|(known, _)| *known == dotted).map_or(dotted, |(_, name)| (*name).to_owned())
}
