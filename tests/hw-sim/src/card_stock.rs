//! The PIV cards that tests copy, made once: keys generated on the card, certificates from the test CA, put there by
//! `yubico-piv-tool`, and by OpenSC's `piv-tool` where the former knows the algorithm not.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use wafer_test_card::{Card, Diary, Exchange};

use crate::pcscd::Pcscd;
use crate::piv::{HOLDERS, Holder, KARL, LAURA, NINA, STRONG, TWISTED, yubico_piv_tool};
use crate::pki;
use crate::programs::{made_once, run};

/// Part of the folders' names: a change of what is made needs a new one.
const VERSION: u32 = 4;
const GENERATE: u8 = 0x47;
const GET_RESPONSE: u8 = 0xc0;

/// Cards that are made together, since tests need them together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stock {
    /// `first` and `second`: what most cards have.
    Usual,
    /// `strong`: longer keys. It takes half a minute to make.
    Strong,
    /// `twisted`: keys on Curve25519.
    Twisted,
}

impl Stock {
    /// The folder of these cards; made if it is not there yet.
    pub(crate) fn folder(self) -> PathBuf {
        let cards: &[(&str, &[Holder])] = match self {
            Self::Usual => &[("first", &HOLDERS), ("second", &[LAURA, NINA])],
            Self::Strong => &[("strong", &STRONG)],
            Self::Twisted => &[("twisted", &TWISTED)],
        };
        let pki = pki::folder();
        made_once(&format!("cards-{}-{VERSION}", cards[0].0), |folder| make(folder, pki, cards))
    }
}

fn make(folder: &Path, pki: &Path, cards: &[(&str, &[Holder])]) {
    fs::create_dir(folder.join("recipients")).unwrap();
    fs::create_dir(folder.join("trust")).unwrap();
    for file in ["root.pem", "intermediate.pem"] {
        fs::copy(pki.join(file), folder.join("trust").join(file)).unwrap();
    }
    for (name, holders) in cards {
        personalise(folder, name, holders);
    }
}

fn personalise(folder: &Path, name: &str, holders: &[Holder]) {
    let flash = folder.join(name);
    fs::create_dir(&flash).unwrap();
    let (pcscd, card) = (Pcscd::start(), Card::new(&flash));
    pcscd.insert(&card, 0);
    for object in ["set-chuid", "set-ccc"] {
        run(&mut yubico_piv_tool(&pcscd, &["-a", object]));
    }
    for holder in holders {
        let public = folder.join(format!("{}.pub", holder.name));
        match holder.algorithm {
            "RSA3072" => generate(&pcscd, card.diary(), &flash, (holder.slot, "05"), &public),
            "RSA4096" => generate(&pcscd, card.diary(), &flash, (holder.slot, "16"), &public),
            "ED25519" | "X25519" => place(&flash, *holder, &public),
            algorithm => {
                let public = public.display().to_string();
                let arguments = ["-a", "generate", "-s", holder.slot, "-A", algorithm, "-o", &public];
                run(&mut yubico_piv_tool(&pcscd, &arguments));
            }
        }
        certify(folder, &pcscd, *holder);
    }
}

/// A key made on the card with an algorithm that `yubico-piv-tool` does not know yet.
fn generate(pcscd: &Pcscd, diary: &Diary, flash: &Path, (slot, algorithm): (&str, &str), public: &Path) {
    let key = flash.join("management-key");
    fs::write(&key, ["01:02:03:04:05:06:07:08"; 3].join(":")).unwrap();
    diary.take();
    let command = format!("00:47:00:{slot}:05:AC:03:80:01:{algorithm}:00");
    let mut tool = pcscd.client("piv-tool");
    run(tool.args(["-A", "M:9B:03", "-s", &command]).env("PIV_EXT_AUTH_KEY", &key));
    fs::remove_file(key).unwrap();
    let exchanges = diary.take();
    let start = exchanges.iter().position(|one| one.instruction() == GENERATE).unwrap();
    let parts = exchanges[start..]
        .iter()
        .take_while(|one| one.succeeded() && matches!(one.instruction(), GENERATE | GET_RESPONSE));
    let data = |one: &Exchange| one.answer[..one.answer.len() - 2].to_vec();
    write_public_key(&parts.flat_map(data).collect::<Vec<_>>(), flash, public);
}

/// The template 7F49 with modulus (81) and exponent (82), both long forms of length, as a SubjectPublicKeyInfo.
fn write_public_key(template: &[u8], work: &Path, public: &Path) {
    let hex = |octets: &[u8]| octets.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
    let length = usize::from(u16::from_be_bytes([template[7], template[8]]));
    assert_eq!((&template[..3], &template[5..7]), (&[0x7f, 0x49, 0x82][..], &[0x81, 0x82][..]));
    let (modulus, exponent) = template[9..].split_at(length);
    let description = format!(
        "asn1=SEQUENCE:spki\n[spki]\nalgorithm=SEQUENCE:rsa\nkey=BITWRAP,SEQUENCE:key\n[rsa]\n\
         oid=OID:rsaEncryption\nparameters=NULL\n[key]\nn=INTEGER:0x{}\ne=INTEGER:0x{}\n",
        hex(modulus),
        hex(&exponent[2..])
    );
    let (written, der) = (work.join("public.cnf"), work.join("public.der"));
    fs::write(&written, description).unwrap();
    run(Command::new("openssl")
        .args(["asn1parse", "-noout", "-genconf"])
        .arg(&written)
        .arg("-out")
        .arg(&der));
    run(Command::new("openssl")
        .args(["pkey", "-pubin", "-inform", "DER", "-in"])
        .arg(&der)
        .arg("-out")
        .arg(public));
    [written, der].iter().for_each(|file| fs::remove_file(file).unwrap());
}

/// A key that the card's own layer keeps, as a file of its folder: no tool makes such keys on a card.
fn place(flash: &Path, holder: Holder, public: &Path) {
    let identifier = if holder.algorithm == "ED25519" { "e0" } else { "e1" };
    let der = flash.join("private.der");
    let mut make = Command::new("openssl");
    run(make.args(["genpkey", "-algorithm", holder.algorithm, "-outform", "DER", "-out"]).arg(&der));
    let mut show = Command::new("openssl");
    run(show.args(["pkey", "-inform", "DER", "-pubout", "-in"]).arg(&der).arg("-out").arg(public));
    // OneAsymmetricKey (RFC 8410 section 7) has the 32 octets at its end.
    let private = fs::read(&der).unwrap();
    let name = format!("key-{}-{identifier}", holder.slot);
    fs::write(flash.join(name), &private[private.len() - 32..]).unwrap();
    fs::remove_file(der).unwrap();
}

/// The certificate from the CA, and that onto the card.
fn certify(folder: &Path, pcscd: &Pcscd, holder: Holder) {
    let file = |ending: &str| folder.join(format!("{}.{ending}", holder.name)).display().to_string();
    let (public, certificate) = (file("pub"), file("pem"));
    pki::certify(&public, holder.name, holder.section, Path::new(&certificate));
    let mut import = vec!["-a", "import-certificate", "-s", holder.slot];
    let compressed = file("der.gz");
    if holder == KARL {
        let script = format!("openssl x509 -in {certificate} -outform DER | gzip -9 >{compressed}");
        run(Command::new("sh").args(["-c", &script]));
        import.extend(["-K", "GZIP", "-i", &compressed]);
    } else {
        import.extend(["-i", &certificate]);
    }
    run(&mut yubico_piv_tool(pcscd, &import));
    fs::copy(&certificate, folder.join("recipients").join(format!("{}.pem", holder.name))).unwrap();
}
