//! CompressedData (RFC 3274), read and written as a stream.

use std::io::{self, BufReader, Read, Write};

use flate2::Compression;
use flate2::bufread::ZlibDecoder;
use flate2::write::ZlibEncoder;

use crate::asn1::ber::Reader;
use crate::asn1::der::{self, Around, Cursor};
use crate::asn1::oid;
use crate::cms::content::{self, Content};
use crate::error::{Error, Result};
use crate::mime::{BUFFER, carried, output_error};

/// How many times its own size a compressed content may become. Mail of text and tables stays below 30;
/// zlib's own end is at 1032, where only bombs live.
const EXPANSION: u64 = 200;

/// What any content may become, however little it was.
const ALWAYS: u64 = 1024 * 1024;

/// Longest piece of the content that is written.
const PIECE: usize = 64 * 1024;

/// Opens the content of the CompressedData that `input` is.
///
/// # Errors
/// [`Error::Malformed`], [`Error::UnsupportedAlgorithm`] (another than zlib), [`Error::Limit`],
/// [`Error::Input`].
pub(crate) fn open<R: Read>(input: R) -> Result<Inflated<R>> {
    let mut reader = Reader::new(input);
    content::enter(&mut reader, oid::ID_COMPRESSED_DATA)?;
    open_inner(reader)
}

/// Goes on inside the CompressedData, in front of its version.
pub(super) fn open_inner<R: Read>(mut reader: Reader<R>) -> Result<Inflated<R>> {
    reader.der(der::INTEGER)?;
    let algorithm = reader.der(der::SEQUENCE)?;
    let algorithm = Cursor::new(&algorithm).expect(der::SEQUENCE)?.inside().expect(der::OID)?.oid()?;
    if algorithm != oid::ZLIB_COMPRESS {
        return Err(Error::UnsupportedAlgorithm(algorithm.to_string()));
    }
    let Some(content) = Content::encapsulated(reader)? else {
        return Err(Error::Malformed("a compressed message without content".to_owned()));
    };
    // A buffer of ours: what the decoder leaves in it is looked at.
    let content = BufReader::with_capacity(BUFFER, content);
    Ok(Inflated { decoder: ZlibDecoder::new(content), ended: false })
}

/// Decompresses while it is read, within bounds. At its end it reads the object to the end.
pub(crate) struct Inflated<R> {
    decoder: ZlibDecoder<BufReader<Content<R>>>,
    ended: bool,
}

impl<R: Read> Inflated<R> {
    /// What follows the compressed data must be nothing.
    fn finish(&mut self) -> io::Result<()> {
        self.ended = true;
        match self.decoder.get_mut().read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(carried(Error::Malformed("bytes follow the compressed content".to_owned()))),
            Err(error) => Err(error),
        }
    }
}

impl<R: Read> Read for Inflated<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ended || buffer.is_empty() {
            return Ok(0);
        }
        let n = self.decoder.read(buffer).map_err(|error| match error.kind() {
            // The decoder's own words for a stream that is damaged or cut; an engine error is carried within.
            io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof
                if error.get_ref().is_none_or(|inner| !inner.is::<Error>()) =>
            {
                carried(Error::Malformed("the compressed content is damaged".to_owned()))
            }
            _ => error,
        })?;
        if n == 0 {
            self.finish()?;
        }
        if self.decoder.total_out() > ALWAYS.max(self.decoder.total_in().saturating_mul(EXPANSION)) {
            return Err(carried(Error::Limit("200 times its size for a compressed content")));
        }
        Ok(n)
    }
}

/// Compresses what is written to it; BER, since the length is not known before.
pub(crate) struct Writer<W: Write> {
    encoder: ZlibEncoder<Pieces<W>>,
    after: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Writes ContentInfo up to the content.
    ///
    /// # Errors
    /// [`Error::Output`].
    pub(crate) fn new(mut out: W) -> Result<Self> {
        let head = [der::integer(0), der::algorithm(&oid::ZLIB_COMPRESS, &[])].concat();
        let around = Around::new(None)
            .wrap(der::OCTET_STRING | 0x20, &[], &[])
            .wrap(der::context(0), &[], &[])
            .wrap(der::SEQUENCE, &der::oid(&oid::ID_DATA), &[])
            .wrap(der::SEQUENCE, &head, &[])
            .wrap(der::context(0), &[], &[])
            .wrap(der::SEQUENCE, &der::oid(&oid::ID_COMPRESSED_DATA), &[]);
        out.write_all(&around.before).map_err(output_error)?;
        Ok(Self { encoder: ZlibEncoder::new(Pieces(out), Compression::default()), after: around.after })
    }

    /// Writes the rest; answers `out`.
    ///
    /// # Errors
    /// [`Error::Output`].
    pub(crate) fn finish(self) -> Result<W> {
        let Pieces(mut out) = self.encoder.finish().map_err(output_error)?;
        out.write_all(&self.after).map_err(output_error)?;
        Ok(out)
    }
}

impl<W: Write> Write for Writer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.encoder.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(()) // a flush in the middle would cost compression
    }
}

/// Writes an OCTET STRING in pieces.
struct Pieces<W>(W);

impl<W: Write> Write for Pieces<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let bytes = &bytes[..bytes.len().min(PIECE)];
        if !bytes.is_empty() {
            let mut header = vec![der::OCTET_STRING];
            der::push_length(bytes.len() as u64, &mut header);
            self.0.write_all(&header)?;
            self.0.write_all(bytes)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::mime::input_error;

    fn compressed(content: &[u8]) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new()).unwrap();
        writer.write_all(content).unwrap();
        writer.finish().unwrap()
    }

    fn inflated(object: &[u8]) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        open(object)?.read_to_end(&mut out).map_err(input_error)?;
        Ok(out)
    }

    #[test]
    fn what_is_written_is_read() {
        let text = "Wafer ".repeat(60_000);
        for content in [b"".as_slice(), b"a", text.as_bytes()] {
            assert_eq!(inflated(&compressed(content)).unwrap(), content);
        }
    }

    #[test]
    fn nothing_may_follow_the_compressed_content() {
        // One more octet in the string that the content is in, wherever the reader's buffers end.
        let good = compressed(b"Nothing comes after this.");
        let string = memchr::memmem::find(&good, &[0x78, 0x9c]).unwrap();
        let end = string + usize::from(good[string - 1]);
        let mut bad = good.clone();
        bad.insert(end, b'!');
        bad[string - 1] += 1;
        assert!(inflated(&good).is_ok());
        let refused = inflated(&bad);
        assert!(matches!(&refused, Err(Error::Malformed(why)) if why.contains("follow")), "{refused:?}");
    }

    #[test]
    fn a_bomb_is_refused_and_damage_is_seen() {
        let bomb = compressed(&vec![0; 20 << 20]);
        assert!(matches!(inflated(&bomb), Err(Error::Limit(_))));
        let good = compressed(b"some content that is long enough to be cut");
        let start = memchr::memmem::find(&good, &[0x78, 0x9c]).unwrap();
        for at in start..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x55;
            assert!(inflated(&bad).is_err(), "byte {at}");
            assert!(inflated(&good[..at]).is_err(), "cut at {at}");
        }
    }
}
