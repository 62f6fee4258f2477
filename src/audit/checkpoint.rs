//! The checkpoint file: seals published outside the database, as one JSON line each.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::seal::Seal;
use crate::database::role::Audits;
use crate::database::session::Session;
use crate::error::Error;

/// Seals that are read from the database at a time.
const PAGE: u16 = 100;

/// A published seal: one line of a checkpoint file, as JSON.
pub type Checkpoint = Seal;

/// The checkpoints that were in a checkpoint file when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointFile {
    path: PathBuf,
    checkpoints: BTreeMap<i64, Checkpoint>,
}

impl CheckpointFile {
    /// Reads a checkpoint file; ignores an incomplete last line.
    ///
    /// It verifies neither signatures nor links: [`Seals::verify`](super::Seals::verify) does.
    ///
    /// # Errors
    ///
    /// - [`Error::is_file`]: the file can't be read.
    /// - [`Error::is_unproven`]: a line is not a seal, or a second seal with the same number.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read(path).map_err(|why| Error::file(path.display(), why))?;
        Ok(Self::parse(path, &text)?.0)
    }

    /// Reads the same file as it is now.
    pub(super) fn read_again(&self) -> Result<Self, Error> {
        Self::read(&self.path)
    }

    /// Parses the complete lines of a file; also returns their length in bytes.
    fn parse(path: &Path, text: &[u8]) -> Result<(Self, usize), Error> {
        let complete = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let mut checkpoints = BTreeMap::new();
        for (index, line) in text[..complete].split_inclusive(|byte| *byte == b'\n').enumerate() {
            let at = || format!("line {} of {}", index + 1, path.display());
            let seal: Seal = serde_json::from_slice(line)
                .map_err(|why| Error::unproven(format!("{} is not a seal: {why}", at())))?;
            if let Some(first) = checkpoints.insert(seal.id, seal) {
                let why = format!("{} is a second seal with the number {}", at(), first.id);
                return Err(Error::unproven(why));
            }
        }
        Ok((Self { path: path.to_owned(), checkpoints }, complete))
    }

    /// Returns the checkpoints in the order of the chain.
    pub fn checkpoints(&self) -> impl Iterator<Item = &Checkpoint> {
        self.checkpoints.values()
    }

    /// Returns the checkpoint with this number, if the file has it.
    pub fn get(&self, id: i64) -> Option<&Checkpoint> {
        self.checkpoints.get(&id)
    }

    /// Returns the checkpoint with the greatest number; none if the file is empty.
    pub fn last(&self) -> Option<&Checkpoint> {
        self.checkpoints.values().next_back()
    }
}

/// A checkpoint file that is open for appending, locked against other processes.
///
/// A seal is committed to the database first and appended to the file afterwards, so the file never has a
/// seal that the database lacks. If the process stops in between, the next [`append_new`](Self::append_new)
/// appends what is missing.
#[derive(Debug)]
pub struct CheckpointWriter {
    path: PathBuf,
    file: File,
    last: Option<Checkpoint>,
}

impl CheckpointWriter {
    /// Opens a checkpoint file, or creates it; removes an incomplete last line.
    ///
    /// # Errors
    ///
    /// Those of [`CheckpointFile::read`]; and [`Error::is_file`] if another process has it open for appending.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let failed = |why: std::io::Error| Error::file(path.display(), why);
        let existed = path.exists();
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(failed)?;
        file.try_lock().map_err(|why| match why {
            TryLockError::WouldBlock => {
                Error::file(path.display(), "another process seals into this file; stop it first")
            }
            TryLockError::Error(why) => failed(why),
        })?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(failed)?;
        let (contents, complete) = CheckpointFile::parse(path, &text)?;
        file.set_len(complete as u64).and_then(|()| file.seek(SeekFrom::End(0))).map_err(failed)?;
        if !existed {
            sync_directory_of(path).map_err(failed)?;
        }
        Ok(Self { path: path.to_owned(), file, last: contents.last().cloned() })
    }

    /// Appends every seal that the database has and the file lacks; returns their count.
    ///
    /// Each line is flushed to disk before the next one is written.
    ///
    /// # Errors
    ///
    /// - [`Error::is_unproven`]: the last seal of the file is not in the database or differs from the
    ///   database's, so nothing is appended; or the seals of the database do not follow each other.
    /// - [`Error::is_file`]: the file can't be written.
    /// - Those of the session.
    pub fn append_new<R: Audits>(&mut self, session: &Session<R>) -> Result<u64, Error> {
        if let Some(last) = &self.last {
            match session.snapshot(|tx| tx.seals().get(last.id)) {
                Ok(seal) if seal == *last => {}
                Err(error) if !error.is_not_found() => return Err(error),
                _ => {
                    return Err(Error::unproven(format!(
                        "seal {} of {} is not the one that the database has; find out why before you seal \
                         again: run blotter verify with this file",
                        last.id,
                        self.path.display()
                    )));
                }
            }
        }
        let mut appended = 0;
        loop {
            let after = self.last.as_ref().map_or(0, |last| last.id);
            let seals = session.snapshot(|tx| tx.seals().after(after, PAGE))?;
            let is_last_page = seals.len() < usize::from(PAGE);
            for seal in seals {
                self.append(seal)?;
                appended += 1;
            }
            if is_last_page {
                return Ok(appended);
            }
        }
    }

    fn append(&mut self, seal: Seal) -> Result<(), Error> {
        let previous = self.last.as_ref().map_or(Seal::HASH_BEFORE_FIRST, Seal::hash);
        if seal.previous != previous {
            return Err(Error::unproven(format!(
                "seal {} of the database does not follow the last one of {}; run blotter verify with \
                 this file",
                seal.id,
                self.path.display()
            )));
        }
        let mut write = || {
            let mut line = serde_json::to_vec(&seal)?;
            line.push(b'\n');
            self.file.write_all(&line)?;
            self.file.sync_data()
        };
        write().map_err(|why: std::io::Error| Error::file(self.path.display(), why))?;
        self.last = Some(seal);
        Ok(())
    }
}

/// Flushes the directory entry of a new file to disk, so that the file still exists after a crash. Skipped if
/// the directory may not be read.
fn sync_directory_of(path: &Path) -> std::io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    match File::open(directory.unwrap_or(Path::new("."))) {
        Ok(directory) => directory.sync_all(),
        Err(why) if why.kind() == ErrorKind::PermissionDenied => Ok(()),
        Err(why) => Err(why),
    }
}
