"""Python cryptography as a peer: pyca.py OPERATION [OPTION...] in a folder with cert.pem, key.pem and content."""

import sys

import cryptography
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

BINARY = [pkcs7.PKCS7Options.Binary]


def read(name):
    with open(name, "rb") as file:
        return file.read()


def certificate():
    return x509.load_pem_x509_certificate(read("cert.pem"))


def key():
    return serialization.load_pem_private_key(read("key.pem"), None)


def sign(options):
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH) if "pss" in options else None
    builder = pkcs7.PKCS7SignatureBuilder().set_data(read("content"))
    builder = builder.add_signer(certificate(), key(), hashes.SHA256(), rsa_padding=pss)
    detached = [pkcs7.PKCS7Options.DetachedSignature] if "clear" in options else []
    return builder.sign(Encoding.DER, BINARY + detached)


def encrypt(_):
    builder = pkcs7.PKCS7EnvelopeBuilder().set_data(read("content")).add_recipient(certificate())
    return builder.set_content_encryption_algorithm(algorithms.AES256).encrypt(Encoding.DER, BINARY)


def decrypt(_):
    return pkcs7.pkcs7_decrypt_der(read("sealed"), certificate(), key(), [])


def version(_):
    return cryptography.__version__.encode()


if __name__ == "__main__":
    try:
        sys.stdout.buffer.write(globals()[sys.argv[1]](sys.argv[2:]))
    except Exception as error:  # the reason is what the matrix wants to know
        sys.exit(f"{type(error).__name__}: {error}")
