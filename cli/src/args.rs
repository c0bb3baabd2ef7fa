//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use wafer_client::{Armor, ContentCipher, Digest};

use crate::text;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(name = "wafer", version, about = text::ABOUT, after_help = text::EXIT_CODES)]
pub struct Arguments {
    /// What holds for every command.
    #[command(flatten)]
    pub common: Common,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Args, Debug)]
pub struct Common {
    /// Results and errors as JSON.
    #[arg(long, global = true)]
    pub json: bool,
    /// Never show a dialog: fail where one would be needed.
    #[arg(long, global = true)]
    pub non_interactive: bool,
    /// Give up after this many seconds.
    #[arg(long, global = true, value_name = "SECONDS")]
    pub deadline: Option<u32>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Sign a message.
    Sign(Sign),
    /// Check a message's signature.
    Verify(Verify),
    /// Encrypt a message.
    Encrypt(Encrypt),
    /// Decrypt a message.
    Decrypt(Decrypt),
    /// Open every layer of a message, say what each is worth, write the content.
    Read(Read),
    /// Say what a message is, without any key.
    Inspect(Inspect),
    /// List the tokens that are present, and the cards that were.
    Tokens(Tokens),
    /// List your certificates with a key on a token.
    Identities(Identities),
    /// Forget PINs: of one token, or of all.
    Lock(TokenName),
    /// Enter a token's PIN now.
    Unlock(TokenName),
    /// Keep a key file (PKCS#12, .p12 or .pfx) as a token; its password is asked for.
    Import {
        /// The file.
        file: PathBuf,
    },
    /// Remove a key file that was imported, or forget a card that is absent.
    Forget {
        /// The token's label, serial number or path.
        token: String,
    },
    /// Decide by hand which certificates to trust.
    #[command(subcommand)]
    Trust(Trust),
    /// Change a token's PIN, or unblock it.
    #[command(subcommand)]
    Pin(Pin),
    /// Say how the service is.
    Status,
    /// Show what was done with your keys.
    Log,
    /// Say who can be encrypted to; import, accept and remove certificates.
    #[command(subcommand)]
    Recipients(Recipients),
    /// Show and revoke what you decided about programs; without a command: list it.
    Permissions {
        /// What to do.
        #[command(subcommand)]
        command: Option<Permissions>,
    },
    /// Show and change settings; without a command: list them.
    Settings {
        /// What to do.
        #[command(subcommand)]
        command: Option<Settings>,
    },
}

/// `wafer recipients`.
#[derive(Debug, Subcommand)]
pub enum Recipients {
    /// Say for each address whether it can be encrypted to, and why not.
    Check {
        /// The addresses.
        #[arg(required = true)]
        addresses: Vec<String>,
        /// Look in all directories and files again.
        #[arg(long)]
        refresh: bool,
    },
    /// Keep certificates: DER, PEM, PKCS#7 (.p7c) or vCard; "-" is standard input.
    Import {
        /// The file.
        #[arg(default_value = "-")]
        file: PathBuf,
    },
    /// List the certificates that are kept.
    List,
    /// Use this certificate from now on, in place of the one known before.
    Accept {
        /// Its fingerprint, as "check" and "list" show it.
        fingerprint: String,
    },
    /// Forget a certificate.
    Remove {
        /// Its fingerprint, as "list" shows it.
        fingerprint: String,
    },
}

/// `wafer permissions`.
#[derive(Debug, Subcommand)]
pub enum Permissions {
    /// List what was decided.
    List,
    /// Forget what was decided of a program: it is asked about again.
    Revoke {
        /// The program, as "list" names it.
        program: String,
        /// One key only, as "list --json" names it.
        key: Option<String>,
    },
}

/// `wafer settings`.
#[derive(Debug, Subcommand)]
pub enum Settings {
    /// List every setting.
    List,
    /// Show one setting.
    Get {
        /// Its name, for example sign.always.
        name: String,
    },
    /// Change one setting.
    Set {
        /// Its name.
        name: String,
        /// Its value; of a list: several, or none for an empty one.
        values: Vec<String>,
    },
    /// Take one setting out of your own file.
    Reset {
        /// Its name.
        name: String,
    },
}

/// `wafer identities`.
#[derive(Args, Debug)]
pub struct Identities {
    /// Say which one would be used for this address.
    #[arg(long = "for", value_name = "ADDRESS")]
    pub address: Option<String>,
    /// With --for: for decrypting, instead of signing.
    #[arg(long, requires = "address")]
    pub decrypt: bool,
    /// With --for: all of them, and what speaks for and against each.
    #[arg(long, requires = "address")]
    pub explain: bool,
}

/// A message's way in and out.
#[derive(Args, Debug)]
pub struct Streams {
    /// The message; "-" is standard input.
    #[arg(default_value = "-")]
    pub input: PathBuf,
    /// Where the result goes; "-" is standard output. A file appears, or changes, only on success.
    #[arg(short, long, default_value = "-", value_name = "FILE")]
    pub output: PathBuf,
    /// Bare CMS over exactly these bytes, instead of mail.
    #[arg(long)]
    pub cms: bool,
}

/// `wafer sign`.
#[derive(Args, Debug)]
pub struct Sign {
    /// The streams.
    #[command(flatten)]
    pub streams: Streams,
    /// Put the content inside the signature.
    #[arg(long)]
    pub opaque: bool,
    /// Digest: sha256, sha384, sha512; by default as strong as the key.
    #[arg(long)]
    pub digest: Option<Digest>,
    /// Sign as this address.
    #[arg(long, value_name = "ADDRESS")]
    pub from: Option<String>,
    /// Sign with this identity: its path, or the beginning of its fingerprint.
    #[arg(long)]
    pub identity: Option<String>,
    /// With --cms, write: der (default), base64, pem.
    #[arg(long, requires = "cms")]
    pub armor: Option<Armor>,
}

/// `wafer verify`.
#[derive(Args, Debug)]
pub struct Verify {
    /// The message, or with --cms the signature; "-" is standard input.
    #[arg(default_value = "-")]
    pub input: PathBuf,
    /// Write the signed content here; "-" is standard output.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Bare CMS instead of mail.
    #[arg(long)]
    pub cms: bool,
    /// With --cms: what a detached signature is over.
    #[arg(long, requires = "cms", value_name = "FILE")]
    pub content: Option<PathBuf>,
    /// Compare with this sender instead of the message's.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "cms")]
    pub from: Option<String>,
}

/// `wafer encrypt`.
#[derive(Args, Debug)]
pub struct Encrypt {
    /// The streams.
    #[command(flatten)]
    pub streams: Streams,
    /// A recipient's address, or a file with certificates (PEM or DER); repeat for more.
    #[arg(long, required = true, value_name = "ADDRESS|CERTFILE")]
    pub to: Vec<String>,
    /// Cipher: aes256-gcm, aes128-gcm, chacha20-poly1305, aes256-cbc, aes128-cbc; by default the best that all
    /// recipients understand.
    #[arg(long)]
    pub cipher: Option<ContentCipher>,
    /// Not to your own certificate: you will not be able to read it.
    #[arg(long)]
    pub not_to_self: bool,
    /// With --cms, write: der (default), base64, pem.
    #[arg(long, requires = "cms")]
    pub armor: Option<Armor>,
}

/// `wafer decrypt`.
#[derive(Args, Debug)]
pub struct Decrypt {
    /// The streams.
    #[command(flatten)]
    pub streams: Streams,
    /// Decrypt with this identity only: its path, or the beginning of its fingerprint.
    #[arg(long)]
    pub identity: Option<String>,
}

/// `wafer read`.
#[derive(Args, Debug)]
pub struct Read {
    /// The message; "-" is standard input.
    #[arg(default_value = "-")]
    pub input: PathBuf,
    /// Where the content goes; "-" is standard output.
    #[arg(short, long, default_value = "-", value_name = "FILE")]
    pub output: PathBuf,
    /// Decrypt with this identity only: its path, or the beginning of its fingerprint.
    #[arg(long)]
    pub identity: Option<String>,
    /// Compare with this sender instead of the message's.
    #[arg(long, value_name = "ADDRESS")]
    pub from: Option<String>,
}

/// `wafer inspect`.
#[derive(Args, Debug)]
pub struct Inspect {
    /// The message; "-" is standard input.
    #[arg(default_value = "-")]
    pub input: PathBuf,
}

/// `wafer trust`.
#[derive(Debug, Subcommand)]
pub enum Trust {
    /// List every decision ever made, oldest first.
    List,
    /// Trust an authority, or one person's certificate.
    Add {
        /// A file with certificates (PEM or DER).
        file: PathBuf,
    },
    /// Distrust a certificate, and all that was issued with it.
    Distrust {
        /// A file with certificates (PEM or DER).
        file: PathBuf,
    },
    /// Take a decision back.
    Revoke {
        /// The certificate's fingerprint, or the beginning of it.
        fingerprint: String,
    },
}

/// `wafer tokens`.
#[derive(Args, Debug)]
pub struct Tokens {
    /// Go on: list them anew each time that something about them changes.
    #[arg(long)]
    pub watch: bool,
}

/// `wafer pin`.
#[derive(Debug, Subcommand)]
pub enum Pin {
    /// Enter the PIN and a new one.
    Change(TokenName),
    /// Enter the PUK (or the security officer's PIN) and a new PIN.
    Unblock(TokenName),
}

/// A token by name.
#[derive(Args, Debug)]
pub struct TokenName {
    /// The token's label, serial number or path.
    pub token: Option<String>,
}
