#!/usr/bin/env python3
"""Collects what fuzzing starts from: others' messages, and the CMS objects inside their mails.

    fuzz/seed.py VECTORS FOLDER

Copies to FOLDER/seeds (a build folder: vectors never become part of the project). Without vectors it makes none.
"""

import email
import email.policy
import hashlib
import os
import sys

LARGEST = 32 * 1024
NO_MESSAGES = ("wycheproof", "x509-limbo", "pkits", "certval-pkits", "boringssl-pki", "gsa-icam", "pyca-pkcs12")
NO_MESSAGE_SUFFIXES = (".json", ".csv", ".md", ".ors", ".properties", ".crl", ".key", ".p12", ".pfx", ".pdf")


def main():
    vectors, folder = sys.argv[1], f"{sys.argv[2]}/seeds"
    os.makedirs(folder, exist_ok=True)
    if not vectors:
        print("fuzz: WAFER_VECTORS is not set; starting from the kept corpus only")
        return
    count = 0
    for path in files(vectors):
        with open(path, "rb") as file:
            data = file.read()
        for seed in [data, *objects(data)]:
            if 0 < len(seed) <= LARGEST:
                with open(f"{folder}/{hashlib.sha1(seed).hexdigest()}", "wb") as out:
                    out.write(seed)
                count += 1
    print(f"fuzz: {count} seeds from {vectors}")


def files(vectors):
    for root, folders, names in os.walk(vectors):
        folders[:] = [name for name in folders if name not in NO_MESSAGES]
        yield from (f"{root}/{name}" for name in names if not name.endswith(NO_MESSAGE_SUFFIXES))


def objects(data):
    """The decoded bodies of a mail's parts that are CMS."""
    try:
        parts = list(email.message_from_bytes(data, policy=email.policy.compat32).walk())
    except (ValueError, LookupError):
        return []
    return [body for part in parts if "pkcs7" in part.get_content_type()
            for body in [part.get_payload(decode=True)] if body]


if __name__ == "__main__":
    main()
