#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{self, Read};

use proptest::prelude::*;

use super::*;

fn content(ber: &[u8]) -> Result<Vec<u8>> {
    let mut reader = Reader::new(ber);
    let content = reader.octets(0x04)?.collect(1 << 20)?;
    reader.finish()?;
    Ok(content)
}

#[test]
fn strings_in_every_form() {
    for ber in [
        &b"\x04\x03abc"[..],
        b"\x04\x83\x00\x00\x03abc",
        b"\x24\x05\x04\x03abc",
        b"\x24\x80\x04\x01a\x04\x00\x04\x02bc\x00\x00",
        b"\x24\x80\x24\x80\x04\x01a\x00\x00\x24\x04\x04\x02bc\x00\x00",
    ] {
        assert_eq!(content(ber).unwrap(), b"abc", "{ber:02x?}");
        for cut in 0..ber.len() {
            assert!(content(&ber[..cut]).is_err(), "{ber:02x?} cut at {cut}");
        }
    }
}

#[test]
fn hostile_ber_is_refused() {
    for ber in [
        &b"\x04\x80abc\x00\x00"[..],                     // primitive, indefinite
        b"\x04\xff",                                     // reserved length
        b"\x04\x89\x01\x00\x00\x00\x00\x00\x00\x00\x00", // more than 64 bits
        b"\x04\x88\xff\xff\xff\xff\xff\xff\xff\xff",     // past the end of the world
        b"\x24\x03\x04\x02ab",                           // inner longer than outer
        b"\x24\x04\x04\x00\x00\x00",                     // end-of-contents in a definite element
        b"\x24\x80\x02\x01\x00\x00\x00",                 // an INTEGER as a piece
    ] {
        assert!(content(ber).is_err(), "{ber:02x?}");
    }
}

#[test]
fn absurd_depth_is_a_limit() {
    let ber = b"\x24\x80".repeat(100_000);
    assert!(matches!(content(&ber), Err(Error::Limit(_))));
    let mut reader = Reader::new(&ber[..]);
    assert!(matches!(reader.skip(), Err(Error::Limit(_))));
}

#[test]
fn absurd_length_holds_no_memory() {
    let mut reader = Reader::new(&b"\x30\x84\x7f\xff\xff\xff\x02"[..]);
    assert!(matches!(reader.raw(), Err(Error::Limit(_))));
}

#[test]
fn many_small_pieces_pass_the_limit_together() {
    let mut ber = b"\x30\x80".to_vec();
    ber.extend(b"\x04\x82\x10\x00".iter().chain(&[7; 4096]).copied().collect::<Vec<u8>>().repeat(1100));
    let mut reader = Reader::new(&ber[..]);
    reader.enter(0x30).unwrap();
    let error = loop {
        if let Err(error) = reader.raw() {
            break error;
        }
    };
    assert!(matches!(error, Error::Limit(_)));
}

#[test]
fn raw_elements_come_as_they_are() {
    let ber = b"\x30\x80\x30\x80\x04\x82\x00\x01a\x00\x00\x31\x00\x00\x00";
    let mut reader = Reader::new(&ber[..]);
    reader.enter(0x30).unwrap();
    assert_eq!(reader.raw().unwrap(), b"\x30\x80\x04\x82\x00\x01a\x00\x00");
    assert_eq!(reader.der(0x31).unwrap(), b"\x31\x00");
    reader.finish().unwrap();
}

/// Found by fuzzing: such an end was taken for `00 00`, so that raw elements were not as they came.
#[test]
fn an_end_has_no_long_form() {
    assert!(matches!(Reader::new(&b"\x30\x80\x00\x81\x00"[..]).raw(), Err(Error::Malformed(_))));
}

#[test]
fn the_readers_own_error_comes_back() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::from(ErrorKind::TimedOut))
        }
    }
    let error = Reader::new(Broken).raw().unwrap_err();
    assert!(matches!(error, Error::Input(inner) if inner.kind() == ErrorKind::TimedOut));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = content(&bytes);
        let _ = Reader::new(&bytes[..]).skip();
        if let Ok(raw) = Reader::new(&bytes[..]).raw() {
            let _ = normal::to_der(&raw);
        }
    }

    #[test]
    fn der_of_der_is_the_same(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(der) = normal::to_der(&bytes) {
            prop_assert_eq!(normal::to_der(&der).unwrap(), der);
        }
    }
}
