//! What came of a stream that can be read only once, kept to be read again: in memory while it is little, then
//! in a file without a name, encrypted if it is plaintext.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::PathBuf;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::sys::LockedKey;

/// Bytes of content in one chunk of the spool.
const CHUNK: usize = 64 * 1024;
/// What the authentication tag adds to a chunk.
const TAG: usize = 16;
/// Chunks kept in memory before a file is made.
const MEMORY_CHUNKS: usize = 4;

/// What an operation's input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contents {
    /// Ciphertext may lie on the disk as it came.
    Ciphertext,
    /// Plaintext is encrypted there, under a key that never leaves locked memory.
    Plaintext,
    /// Read in one pass: only its beginning is kept, for those that look twice at it.
    OnePass,
}

/// What came so far: whole chunks in memory or in the file, and the last, partial one in memory.
#[derive(Default)]
pub(crate) struct Spool {
    /// Bytes that came.
    pub(crate) length: u64,
    chunks: Vec<Zeroizing<Vec<u8>>>,
    last: Zeroizing<Vec<u8>>,
    file: Option<SpoolFile>,
    cached: Option<(u64, Zeroizing<Vec<u8>>)>,
    /// Too much came to be kept in one pass: it cannot be read again.
    pub(crate) forgotten: bool,
}

impl Spool {
    /// Keeps `bytes` after those that came before.
    pub(crate) fn append(&mut self, mut bytes: &[u8], contents: Contents) -> io::Result<()> {
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
    pub(crate) fn read_at(&mut self, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
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
