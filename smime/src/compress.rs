//! Compressing (RFC 3274, RFC 8551 section 3.6): best before signing or encrypting, since neither output gets
//! smaller any more.

use std::io::Write;

use crate::algorithm::Container;
use crate::cms::compressed::Writer;
use crate::error::{Error, Result};
use crate::mime::armor::Encoder;
use crate::mime::base64_write::Base64Writer;
use crate::mime::message::Message;
use crate::mime::{input_error, output, output_error, pump, unwrapped};
use crate::source::Source;

/// Writes `source` compressed, in one pass: mail as `application/pkcs7-mime; smime-type=compressed-data`.
///
/// # Errors
/// [`Error::Malformed`] (not MIME), [`Error::Input`], [`Error::Output`].
pub fn compress(source: &mut dyn Source, container: Container, out: &mut dyn Write) -> Result<()> {
    let written = match container {
        Container::Mail => compress_mail(source, out),
        Container::Cms(armor) => {
            let mut input = source.open_buffered().map_err(input_error)?;
            let mut writer = Writer::new(Encoder::new(armor, &mut *out)?)?;
            pump(&mut input, &mut |bytes| writer.write_all(bytes).map_err(output_error))?;
            writer.finish()?.finish()
        }
    };
    written.and_then(|()| out.flush().map_err(Error::Output)).map_err(unwrapped)
}

fn compress_mail(source: &mut dyn Source, out: &mut dyn Write) -> Result<()> {
    let message = Message::open(source)?;
    out.write_all(&output::cms_head(message.outer(), "compressed-data")).map_err(output_error)?;
    let mut writer = Writer::new(Base64Writer::new(out, output::COLUMNS))?;
    message.entity(&mut |bytes| writer.write_all(bytes).map_err(output_error))?;
    writer.finish()?.finish().map(drop)
}
