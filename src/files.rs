//! New files that others rely on: each appears under its name when it is complete and on disk, and not before.
//!
//! A file is written under a temporary name in the same directory, `.NAME.….part`, with mode 600 less the umask,
//! and then given its name. A name that is taken, also by a symbolic link that leads nowhere, is refused: nothing is
//! overwritten, and no link is followed. A process that is killed before the end leaves the temporary file, and no file
//! of the final name.

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use crate::error::Error;

/// Writes a new file with these contents. It has mode 600 and is on disk when this returns.
///
/// # Errors
///
/// [`Error::is_file`]: something has this name, be it a directory, a device or a symbolic link; or the file can't be
/// written. Nothing has changed then.
///
/// ```
/// # let directory = tempfile::tempdir().expect("a directory");
/// # let path = directory.path().join("proof.json");
/// use tradeblotter::files;
///
/// files::write_new(&path, b"{}")?;
/// assert!(files::write_new(&path, b"[]").is_err_and(|error| error.is_file()));
/// assert_eq!(std::fs::read(&path).expect("the file"), b"{}");
/// # Ok::<(), tradeblotter::Error>(())
/// ```
pub fn write_new(path: &Path, contents: &[u8]) -> Result<(), Error> {
    let mut file = NewFile::create(path)?;
    file.write_all(contents).map_err(|why| failed(path, why))?;
    file.complete()?.publish()
}

/// A file that is being written under a temporary name in the directory of its final name; removed on
/// drop.
pub(crate) struct NewFile {
    path: PathBuf,
    file: BufWriter<NamedTempFile>,
    hash: Sha256,
    bytes: u64,
}

/// A complete file that is on disk, still under its temporary name; removed on drop.
#[cfg_attr(not(feature = "report"), allow(dead_code))]
pub(crate) struct CompleteFile {
    path: PathBuf,
    file: NamedTempFile,
    /// SHA-256 of the contents, in hexadecimal digits.
    pub sha256: String,
    pub bytes: u64,
}

impl NewFile {
    /// Creates the temporary file.
    ///
    /// # Errors
    ///
    /// [`Error::is_file`]: something has the name `path`, or no file can be created in its directory.
    pub fn create(path: &Path) -> Result<Self, Error> {
        let Some(name) = path.file_name() else {
            return Err(failed(path, ErrorKind::IsADirectory.into()));
        };
        // Not `exists`, which follows a link. It saves the work; `publish` decides.
        if path.symlink_metadata().is_ok() {
            return Err(failed(path, ErrorKind::AlreadyExists.into()));
        }
        let mut prefix = std::ffi::OsString::from(".");
        prefix.push(name);
        prefix.push(".");
        // With mode 600, less the umask.
        let file = tempfile::Builder::new()
            .prefix(&prefix)
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
    /// Returns the temporary path, where the contents can be read before they are published.
    #[cfg_attr(not(feature = "audit"), allow(dead_code))]
    pub fn temporary_path(&self) -> &Path {
        self.file.path()
    }

    /// Returns the path that the file will have.
    #[cfg(feature = "report")]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Renames the file to its own name, which nothing must have, and flushes the directory.
    ///
    /// # Errors
    ///
    /// [`Error::is_file`] if something with that name has been created meanwhile, or the renaming fails.
    pub fn publish(self) -> Result<(), Error> {
        let Self { path, file, .. } = self;
        file.persist_noclobber(&path).map_err(|why| failed(&path, why.error))?;
        sync_directory_of(&path).map_err(|why| failed(&path, why))
    }
}

impl Write for NewFile {
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
            let why = "a file or a link of this name exists, and nothing is overwritten; choose another name";
            Error::file(path.display(), why)
        }
        ErrorKind::IsADirectory => Error::file(path.display(), "is not the name of a file"),
        _ => Error::file(path.display(), why),
    }
}

/// Flushes the directory entry of a new file to disk, so that the file still exists after a crash. Skipped if
/// the directory may not be read.
pub(crate) fn sync_directory_of(path: &Path) -> io::Result<()> {
    match File::open(directory_of(path)) {
        Ok(directory) => directory.sync_all(),
        Err(why) if why.kind() == ErrorKind::PermissionDenied => Ok(()),
        Err(why) => Err(why),
    }
}

fn directory_of(path: &Path) -> &Path {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new("."))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_name_that_is_taken_is_refused_and_no_link_is_followed() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("file"), "mine").unwrap();
        fs::create_dir(at("directory")).unwrap();
        symlink(at("file"), at("link")).unwrap();
        symlink(at("nowhere"), at("dangling")).unwrap();
        let before = names(directory.path());
        for taken in ["file", "directory", "link", "dangling", "..", "file/x"] {
            let error = write_new(&at(taken), b"other").unwrap_err();
            assert!(error.is_file(), "{taken}: {error}");
            assert_eq!(names(directory.path()), before, "{taken}");
        }
        assert_eq!(fs::read(at("file")).unwrap(), b"mine");
        assert!(
            write_new(&at("dangling"), b"").unwrap_err().to_string().contains("choose another")
        );
    }

    #[test]
    fn a_name_that_is_taken_meanwhile_is_not_overwritten_and_nothing_is_left() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for (name, is_link) in [("file", false), ("dangling", true)] {
            let mut file = NewFile::create(&at(name)).unwrap();
            file.write_all(b"other").unwrap();
            let complete = file.complete().unwrap();
            match is_link {
                true => symlink(at("nowhere"), at(name)).unwrap(),
                false => fs::write(at(name), "mine").unwrap(),
            }
            assert!(complete.publish().unwrap_err().is_file());
        }
        assert_eq!(names(directory.path()), ["dangling", "file"]);
        assert_eq!(fs::read(at("file")).unwrap(), b"mine");
    }

    #[test]
    fn a_file_has_its_name_when_it_is_complete_and_only_its_owner_may_read_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new");
        let mut file = NewFile::create(&path).unwrap();
        file.write_all(b"begun").unwrap();
        file.flush().unwrap();
        let parts = names(directory.path());
        assert!(
            matches!(&parts[..], [part] if part.starts_with(".new.") && part.ends_with(".part"))
        );
        let part = directory.path().join(&parts[0]);
        assert_eq!(fs::metadata(part).unwrap().permissions().mode() & 0o777, 0o600);
        file.complete().unwrap().publish().unwrap();
        assert_eq!(names(directory.path()), ["new"]);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read(&path).unwrap(), b"begun");
    }
}
