//! Reading a stream more than once that can be read only once: what came is kept, in memory while it is
//! little, then in a file without a name, encrypted if it is plaintext.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::PathBuf;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use wafer_smime::Source;
use zeroize::Zeroizing;

use super::live::LiveStream;
use crate::request::{Call, Supply};
use crate::sys::LockedKey;

/// Bytes of content in one chunk of the spool.
const CHUNK: usize = 64 * 1024;
/// What the authentication tag adds to a chunk.
const TAG: usize = 16;
/// Chunks kept in memory before a file is made.
const MEMORY_CHUNKS: usize = 4;

/// What an operation's input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bus) enum Contents {
    /// Ciphertext may lie on the disk as it came.
    Ciphertext,
    /// Plaintext is encrypted there, under a key that never leaves locked memory.
    Plaintext,
    /// Read in one pass: only its beginning is kept, for those that look twice at it.
    OnePass,
}

/// A live stream as input.
pub(super) struct SpooledSupply {
    stream: LiveStream,
    contents: Contents,
    spool: Spool,
    ended: bool,
    call: Arc<Call>,
}

impl SpooledSupply {
    pub(super) fn new(stream: LiveStream, contents: Contents, call: Arc<Call>) -> Self {
        Self { stream, contents, spool: Spool::default(), ended: false, call }
    }

    /// Reads on from the stream, and keeps what came.
    fn read_on(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ended {
            return Ok(0);
        }
        let read = self.stream.read(buffer, &self.call)?;
        self.ended = read == 0;
        self.spool.append(&buffer[..read], self.contents)?;
        Ok(read)
    }
}

impl Source for SpooledSupply {
    fn open(&mut self) -> io::Result<Box<dyn Read + '_>> {
        if self.spool.forgotten {
            return Err(io::Error::other("the stream cannot be read a second time"));
        }
        Ok(Box::new(SpooledReader { supply: self, position: 0 }))
    }

    fn length(&self) -> Option<u64> {
        self.ended.then_some(self.spool.length)
    }
}

impl Supply for SpooledSupply {}

struct SpooledReader<'a> {
    supply: &'a mut SpooledSupply,
    position: u64,
}

impl Read for SpooledReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.supply.call.cancel.check()?;
        let read = if buffer.is_empty() {
            0
        } else if self.position < self.supply.spool.length {
            self.supply.spool.read_at(self.position, buffer)?
        } else {
            self.supply.read_on(buffer)?
        };
        self.position += read as u64;
        self.supply.call.progressed(read);
        Ok(read)
    }
}

/// What came so far: whole chunks in memory or in the file, and the last, partial one in memory.
#[derive(Default)]
struct Spool {
    length: u64,
    chunks: Vec<Zeroizing<Vec<u8>>>,
    last: Zeroizing<Vec<u8>>,
    file: Option<SpoolFile>,
    cached: Option<(u64, Zeroizing<Vec<u8>>)>,
    forgotten: bool,
}

impl Spool {
    fn append(&mut self, mut bytes: &[u8], contents: Contents) -> io::Result<()> {
        self.length += bytes.len() as u64;
        while !bytes.is_empty() && !self.forgotten {
            if self.last.capacity() < CHUNK {
                self.last = Zeroizing::new(Vec::with_capacity(CHUNK));
            }
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK - self.last.len()));
            self.last.extend_from_slice(now);
            bytes = later;
            if self.last.len() == CHUNK {
                self.keep_chunk(contents)?;
            }
        }
        Ok(())
    }

    /// Moves the full last chunk to where whole chunks are.
    fn keep_chunk(&mut self, contents: Contents) -> io::Result<()> {
        if self.file.is_none() && self.chunks.len() < MEMORY_CHUNKS {
            self.chunks.push(std::mem::take(&mut self.last));
            return Ok(());
        }
        if contents == Contents::OnePass {
            *self = Self { length: self.length, forgotten: true, ..Self::default() };
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(SpoolFile::new(contents == Contents::Plaintext)?),
        };
        for chunk in self.chunks.drain(..) {
            file.append(&chunk)?;
        }
        file.append(&self.last)?;
        self.last.clear();
        Ok(())
    }

    /// Bytes from `position`, which is before the end; at least one.
    fn read_at(&mut self, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if self.forgotten {
            return Err(io::Error::other("the stream cannot be read a second time"));
        }
        let (number, within) = (position / CHUNK as u64, (position % CHUNK as u64) as usize);
        let chunk = self.chunk(number)?;
        let part = chunk.get(within..).unwrap_or_default();
        let count = part.len().min(buffer.len());
        buffer[..count].copy_from_slice(&part[..count]);
        Ok(count)
    }

    fn chunk(&mut self, number: u64) -> io::Result<&[u8]> {
        let in_file = self.file.as_ref().map_or(0, |file| file.chunks);
        if number < in_file {
            if self.cached.as_ref().is_none_or(|(cached, _)| *cached != number)
                && let Some(file) = &self.file
            {
                self.cached = Some((number, file.read(number)?));
            }
            return Ok(self.cached.as_ref().map_or(&[], |(_, bytes)| bytes));
        }
        let index = usize::try_from(number - in_file).unwrap_or(usize::MAX);
        Ok(self.chunks.get(index).unwrap_or(&self.last))
    }
}

/// Whole chunks in a file without a name.
struct SpoolFile {
    file: File,
    key: Option<LockedKey>,
    chunks: u64,
}

impl SpoolFile {
    fn new(encrypted: bool) -> io::Result<Self> {
        let key = if encrypted { Some(LockedKey::random()?) } else { None };
        Ok(Self { file: tempfile::tempfile_in(folder()?)?, key, chunks: 0 })
    }

    fn append(&mut self, chunk: &[u8]) -> io::Result<()> {
        let offset = self.chunks * self.stride();
        match &self.key {
            None => self.file.write_all_at(chunk, offset)?,
            Some(key) => {
                let mut sealed = Zeroizing::new(Vec::with_capacity(CHUNK + TAG));
                sealed.extend_from_slice(chunk);
                cipher(key)?
                    .seal_in_place_append_tag(nonce(self.chunks), Aad::empty(), &mut *sealed)
                    .map_err(|_| io::Error::other("the spool could not be encrypted"))?;
                self.file.write_all_at(&sealed, offset)?;
            }
        }
        self.chunks += 1;
        Ok(())
    }

    fn read(&self, number: u64) -> io::Result<Zeroizing<Vec<u8>>> {
        let stride = self.stride();
        let mut bytes = Zeroizing::new(vec![0; usize::try_from(stride).unwrap_or(CHUNK)]);
        self.file.read_exact_at(&mut bytes, number * stride)?;
        if let Some(key) = &self.key {
            cipher(key)?
                .open_in_place(nonce(number), Aad::empty(), &mut bytes)
                .map_err(|_| io::Error::other("the spool was altered"))?;
            bytes.truncate(CHUNK);
        }
        Ok(bytes)
    }

    fn stride(&self) -> u64 {
        (if self.key.is_some() { CHUNK + TAG } else { CHUNK }) as u64
    }
}

/// The key's expansion lives only as long as one chunk's work.
fn cipher(key: &LockedKey) -> io::Result<LessSafeKey> {
    let key = UnboundKey::new(&AES_256_GCM, key.bytes()).map_err(|_| io::Error::other("no spool key"))?;
    Ok(LessSafeKey::new(key))
}

/// The chunk's number: each is sealed once under a key of its spool's own.
fn nonce(number: u64) -> Nonce {
    let mut bytes = [0; 12];
    bytes[4..].copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}

/// Where spools lie: on a disk, not in memory as /tmp and $XDG_RUNTIME_DIR often are.
fn folder() -> io::Result<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")));
    if let Some(folder) = cache.map(|cache| cache.join("waferd"))
        && fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).is_ok()
    {
        return Ok(folder);
    }
    Ok(PathBuf::from("/var/tmp"))
}
