//! What is written down of the seals where the database can't reach it: a JSON line for each.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::seal::Seal;
use crate::database::role::Audits;
use crate::database::session::Session;
use crate::error::Error;

/// Seals that are asked for at a time.
const PAGE: u16 = 100;

/// The seals of a checkpoint file, as it was when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    path: PathBuf,
    seals: BTreeMap<i64, Seal>,
}

impl Checkpoint {
    /// Reads a checkpoint file. A last line that was not written to its end is passed over. Whether the
    /// lines are true is for [`Seals::verify`](super::Seals::verify) to say.
    ///
    /// # Errors
    ///
    /// - [`Error::is_file`]: the file can't be read.
    /// - [`Error::is_unproven`]: a line is no seal, or a second one of its number.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read(path).map_err(|why| Error::file(path.display(), why))?;
        Ok(Self::parse(path, &text)?.0)
    }

    /// The file as it is now.
    pub(super) fn read_again(&self) -> Result<Self, Error> {
        Self::read(&self.path)
    }

    /// The seals, and how long the text is without a line that has no end.
    fn parse(path: &Path, text: &[u8]) -> Result<(Self, usize), Error> {
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let mut seals = BTreeMap::new();
        for (n, line) in text[..whole].split_inclusive(|byte| *byte == b'\n').enumerate() {
            let at = || format!("line {} of {}", n + 1, path.display());
            let seal: Seal = serde_json::from_slice(line)
                .map_err(|why| Error::unproven(format!("{} is no seal: {why}", at())))?;
            if let Some(other) = seals.insert(seal.id, seal) {
                let why = format!("{} is a second seal {}", at(), other.id);
                return Err(Error::unproven(why));
            }
        }
        Ok((Self { path: path.to_owned(), seals }, whole))
    }

    /// The seals in the order of the chain.
    pub fn seals(&self) -> impl Iterator<Item = &Seal> {
        self.seals.values()
    }

    /// The seal at this place in the chain, if it is written down.
    pub fn get(&self, id: i64) -> Option<&Seal> {
        self.seals.get(&id)
    }

    /// The last one that is written down.
    pub fn last(&self) -> Option<&Seal> {
        self.seals.values().next_back()
    }
}

/// A checkpoint file that is open to be added to, by nobody else at the same time.
///
/// Seals go to the database first and to the file after that. So the file never has one that the database
/// has not, and when a process is stopped in between, the next one finds in the database what is missing.
#[derive(Debug)]
pub struct CheckpointFile {
    path: PathBuf,
    file: File,
    last: Option<Seal>,
}

impl CheckpointFile {
    /// Opens a checkpoint file, or makes it. Takes back a last line that was not written to its end.
    ///
    /// # Errors
    ///
    /// Those of [`Checkpoint::read`]; and [`Error::is_file`] when another process has it open like this.
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
                Error::file(path.display(), "another process seals into this file")
            }
            TryLockError::Error(why) => failed(why),
        })?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(failed)?;
        let (checkpoint, whole) = Checkpoint::parse(path, &text)?;
        file.set_len(whole as u64).and_then(|()| file.seek(SeekFrom::End(0))).map_err(failed)?;
        if !existed {
            keep_name(path).map_err(failed)?;
        }
        Ok(Self { path: path.to_owned(), file, last: checkpoint.last().cloned() })
    }

    /// Writes down every seal that the database has and the file has not; how many. Each is on the disk
    /// before the next one is written.
    ///
    /// # Errors
    ///
    /// - [`Error::is_unproven`]: the database has another seal than the file, or has lost one; nothing is
    ///   written.
    /// - [`Error::is_file`], and those of the session.
    pub fn catch_up<R: Audits>(&mut self, session: &Session<R>) -> Result<u64, Error> {
        if let Some(last) = &self.last {
            let stored = session.snapshot(|tx| tx.seals().get(last.id));
            match stored {
                Ok(seal) if seal == *last => {}
                Err(error) if !error.is_not_found() => return Err(error),
                _ => {
                    let (id, path) = (last.id, self.path.display());
                    return Err(Error::unproven(format!(
                        "seal {id} of {path} is not the one that the database has; run blotter verify \
                         with this file, and don't seal before it is known why"
                    )));
                }
            }
        }
        let mut written = 0;
        loop {
            let after = self.last.as_ref().map_or(0, |last| last.id);
            let seals = session.snapshot(|tx| tx.seals().after(after, PAGE))?;
            let full = seals.len() == usize::from(PAGE);
            for seal in seals {
                self.append(seal)?;
                written += 1;
            }
            if !full {
                return Ok(written);
            }
        }
    }

    fn append(&mut self, seal: Seal) -> Result<(), Error> {
        let before = self.last.as_ref().map_or(Seal::NONE_BEFORE, Seal::hash);
        if seal.previous != before {
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

/// Sees to it that a new file is still there after a crash.
fn keep_name(path: &Path) -> std::io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    match File::open(directory.unwrap_or(Path::new("."))) {
        Ok(directory) => directory.sync_all(),
        Err(why) if why.kind() == ErrorKind::PermissionDenied => Ok(()),
        Err(why) => Err(why),
    }
}
