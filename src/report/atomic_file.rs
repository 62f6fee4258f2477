//! A file that gets its name when it is whole.

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use crate::error::Error;

/// A file under a temporary name beside its own; removed if it is dropped.
pub(super) struct Draft {
    path: PathBuf,
    file: BufWriter<NamedTempFile>,
    hash: Sha256,
    bytes: u64,
}

/// A file with all that was to be in it.
pub(super) struct Finished {
    path: PathBuf,
    file: NamedTempFile,
    pub sha256: String,
    pub bytes: u64,
}

impl Draft {
    /// # Errors
    ///
    /// [`Error::is_file`]: a file of this name is there already, or none can be made beside it.
    pub fn new(path: &Path) -> Result<Self, Error> {
        if path.symlink_metadata().is_ok() {
            return Err(failed(path, ErrorKind::AlreadyExists.into()));
        }
        let name = path.file_name().map(|name| name.display().to_string()).unwrap_or_default();
        let file = tempfile::Builder::new()
            .prefix(&format!(".{name}."))
            .suffix(".part")
            .tempfile_in(directory(path))
            .map_err(|why| failed(path, why))?;
        let (path, hash) = (path.to_owned(), Sha256::new());
        Ok(Self { path, file: BufWriter::new(file), hash, bytes: 0 })
    }

    /// Sees to it that all of it is on the disk.
    ///
    /// # Errors
    ///
    /// [`Error::is_file`].
    pub fn finish(self) -> Result<Finished, Error> {
        let Self { path, file, hash, bytes } = self;
        let file = file.into_inner().map_err(|why| failed(&path, why.into_error()))?;
        file.as_file().sync_all().map_err(|why| failed(&path, why))?;
        Ok(Finished { file, sha256: hex::encode(hash.finalize()), bytes, path })
    }
}

impl Finished {
    /// Gives the file its name, unless another one has it meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::is_file`].
    pub fn keep(self) -> Result<(), Error> {
        let Self { path, file, .. } = self;
        file.persist_noclobber(&path).map_err(|why| failed(&path, why.error))?;
        File::open(directory(&path))
            .and_then(|directory| directory.sync_all())
            .map_err(|why| failed(&path, why))
    }
}

impl Write for Draft {
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
            let why = "is there already, and a report replaces no file; choose another name";
            Error::file(path.display(), why)
        }
        _ => Error::file(path.display(), why),
    }
}

fn directory(path: &Path) -> &Path {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}
