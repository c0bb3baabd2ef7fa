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
    // Attributes: RFC 5652 section 11, RFC 8551, RFC 5035
    CONTENT_TYPE = "1.2.840.113549.1.9.3";
    MESSAGE_DIGEST = "1.2.840.113549.1.9.4";
    SIGNING_TIME = "1.2.840.113549.1.9.5";
    SMIME_CAPABILITIES = "1.2.840.113549.1.9.15";
    SIGNING_CERTIFICATE_V2 = "1.2.840.113549.1.9.16.2.47";
    // Digests: RFC 5754
    SHA1 = "1.3.14.3.2.26";
    SHA256 = "2.16.840.1.101.3.4.2.1";
    SHA384 = "2.16.840.1.101.3.4.2.2";
    SHA512 = "2.16.840.1.101.3.4.2.3";
    // Signatures: RFC 8017, RFC 5754, RFC 5480, RFC 8410
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
    // Ciphers: RFC 3565, RFC 5084
    AES128_CBC = "2.16.840.1.101.3.4.1.2";
    AES128_WRAP = "2.16.840.1.101.3.4.1.5";
    AES128_GCM = "2.16.840.1.101.3.4.1.6";
    AES192_CBC = "2.16.840.1.101.3.4.1.22";
    AES192_WRAP = "2.16.840.1.101.3.4.1.25";
    AES192_GCM = "2.16.840.1.101.3.4.1.26";
    AES256_CBC = "2.16.840.1.101.3.4.1.42";
    AES256_WRAP = "2.16.840.1.101.3.4.1.45";
    AES256_GCM = "2.16.840.1.101.3.4.1.46";
}
