//! A file that appears under its name only when it is complete.

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use crate::error::Error;

/// A file that is being written under a temporary name in the directory of its final name; removed on
/// drop.
pub(super) struct AtomicFile {
    path: PathBuf,
    file: BufWriter<NamedTempFile>,
    hash: Sha256,
    bytes: u64,
}

/// A complete file that is on disk, still under its temporary name; removed on drop.
pub(super) struct CompleteFile {
    path: PathBuf,
    file: NamedTempFile,
    /// SHA-256 of the contents, in hexadecimal digits.
    pub sha256: String,
    pub bytes: u64,
}

impl AtomicFile {
    /// Creates the temporary file.
    ///
    /// # Errors
    ///
    /// [`Error::is_file`]: a file with the name `path` exists, or none can be created in its directory.
    pub fn create(path: &Path) -> Result<Self, Error> {
        if path.symlink_metadata().is_ok() {
            return Err(failed(path, ErrorKind::AlreadyExists.into()));
        }
        let name = path.file_name().map(|name| name.display().to_string()).unwrap_or_default();
        let file = tempfile::Builder::new()
            .prefix(&format!(".{name}."))
            .suffix(".part")
            .tempfile_in(directory_of(path))
            .map_err(|why| failed(path, why))?;
        let (path, hash) = (path.to_owned(), Sha256::new());
        Ok(Self { path, file: BufWriter::new(file), hash, bytes: 0 })
    }

    /// Flushes all contents to disk.
    ///
    /// # Errors
    ///
    /// [`Error::is_file`] if the file can't be written.
    pub fn complete(self) -> Result<CompleteFile, Error> {
        let Self { path, file, hash, bytes } = self;
        let file = file.into_inner().map_err(|why| failed(&path, why.into_error()))?;
        file.as_file().sync_all().map_err(|why| failed(&path, why))?;
        Ok(CompleteFile { file, sha256: hex::encode(hash.finalize()), bytes, path })
    }
}

impl CompleteFile {
    /// Renames the file to its own name and flushes the directory.
    ///
    /// # Errors
    ///
    /// [`Error::is_file`] if a file with that name has been created meanwhile, or the renaming fails.
    pub fn publish(self) -> Result<(), Error> {
        let Self { path, file, .. } = self;
        file.persist_noclobber(&path).map_err(|why| failed(&path, why.error))?;
        File::open(directory_of(&path))
            .and_then(|directory| directory.sync_all())
            .map_err(|why| failed(&path, why))
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn failed(path: &Path, why: io::Error) -> Error {
    match why.kind() {
        ErrorKind::AlreadyExists => {
            let why = "the file exists, and a report never overwrites a file; choose another name";
            Error::file(path.display(), why)
        }
        _ => Error::file(path.display(), why),
    }
}

fn directory_of(path: &Path) -> &Path {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}
