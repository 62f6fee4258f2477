//! The checkpoint file: seals published outside the database, as signed notes one after another.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::checkpoint::Checkpoint;
use super::key::PublicKey;
use super::seal::StoredSeal;
use crate::database::role::Audits;
use crate::database::session::Session;
use crate::error::Error;
use crate::files::sync_directory_of;

/// Mode of a new checkpoint file: it is published, but nobody else writes it.
const MODE: u32 = 0o644;

/// Ends the text of a note, and separates notes.
const EMPTY_LINE: &str = "\n\n";

/// The checkpoints that were in a checkpoint file when it was read.
///
/// The file holds signed notes, in ascending order, with an empty line between two. A witness's cosignature is added by
/// appending the note again with that signature: signatures of the same text are put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointFile {
    path: PathBuf,
    checkpoints: BTreeMap<i64, Checkpoint>,
    defects: Vec<FileDefect>,
    /// Length of the complete notes in bytes.
    complete: usize,
}

/// What is wrong with a checkpoint file itself, at a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileDefect {
    /// The line, from 1, at which the note begins.
    pub line: usize,
    /// What is wrong.
    pub kind: FileDefectKind,
}

/// A kind of defect of a checkpoint file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileDefectKind {
    /// The file ends within a note: its writer was stopped, or the end was cut off.
    Incomplete,
    /// The lines are not a checkpoint of this store; the reason completes "the note …".
    Unreadable(&'static str),
    /// The note repeats the one of this seal without another signature.
    Repeated(i64),
    /// The note has the number of this seal and another content than the first one.
    Fork(i64),
    /// The note of this seal comes after that of a later seal.
    OutOfOrder(i64),
    /// The notes of the seals from the first to the second are missing before it.
    Missing(i64, i64),
}

impl fmt::Display for FileDefect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "checkpoint file, line {}: ", self.line)?;
        match &self.kind {
            FileDefectKind::Incomplete => f.write_str("the last note is incomplete"),
            FileDefectKind::Unreadable(why) => write!(f, "the note {why}"),
            FileDefectKind::Repeated(id) => write!(f, "seal {id} is there a second time"),
            FileDefectKind::Fork(id) => {
                write!(f, "fork; a second seal {id} with another content")
            }
            FileDefectKind::OutOfOrder(id) => write!(f, "seal {id} comes after a later seal"),
            FileDefectKind::Missing(first, last) if first == last => {
                write!(f, "seal {first} is missing before it")
            }
            FileDefectKind::Missing(first, last) => {
                write!(f, "seals {first} to {last} are missing before it")
            }
        }
    }
}

impl CheckpointFile {
    /// Reads a checkpoint file. What is wrong with it is not an error: see [`defects`](Self::defects).
    ///
    /// It verifies neither signatures nor the tree: [`Seals::verify`](super::Seals::verify) does.
    ///
    /// # Errors
    ///
    /// [`Error::is_file`]: the file can't be read, or is not text.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read(path).map_err(|why| Error::file(path.display(), why))?;
        Self::parse(path, &text)
    }

    /// Reads the same file as it is now.
    pub(super) fn read_again(&self) -> Result<Self, Error> {
        Self::read(&self.path)
    }

    fn parse(path: &Path, bytes: &[u8]) -> Result<Self, Error> {
        let text = std::str::from_utf8(bytes).map_err(|why| Error::file(path.display(), why))?;
        let mut file = Self {
            path: path.to_owned(),
            checkpoints: BTreeMap::new(),
            defects: Vec::new(),
            complete: 0,
        };
        let (mut rest, mut line) = (text, 1);
        while !rest.is_empty() {
            let (note, length) = match first_note(rest) {
                Some(length) => (&rest[..length], length),
                None => {
                    file.defects.push(FileDefect { line, kind: FileDefectKind::Incomplete });
                    break;
                }
            };
            file.add(note, line);
            file.complete = text.len() - rest.len() + length;
            // The empty line after the note is written before the next note.
            let next = &rest[length..];
            let next = next.strip_prefix('\n').unwrap_or(next);
            line += rest[..rest.len() - next.len()].matches('\n').count();
            rest = next;
        }
        Ok(file)
    }

    /// Adds the note that begins at this line.
    fn add(&mut self, note: &str, line: usize) {
        let mut defect = |kind| self.defects.push(FileDefect { line, kind });
        let checkpoint = match Checkpoint::parse(note) {
            Ok(checkpoint) => checkpoint,
            Err(why) => return defect(FileDefectKind::Unreadable(why)),
        };
        let id = checkpoint.head.seal;
        let last = self.checkpoints.keys().next_back().copied().unwrap_or(0);
        if let Some(known) = self.checkpoints.get_mut(&id) {
            let (known, again) = (&mut known.note, checkpoint.note);
            let count = known.signatures.len();
            let new = |signature: &_| !known.signatures.contains(signature);
            let new: Vec<_> = again.signatures.into_iter().filter(new).collect();
            if known.text != again.text {
                return defect(FileDefectKind::Fork(id));
            }
            known.signatures.extend(new);
            if known.signatures.len() == count {
                defect(FileDefectKind::Repeated(id));
            }
            return;
        }
        if id < last {
            defect(FileDefectKind::OutOfOrder(id));
        } else if id > last + 1 {
            defect(FileDefectKind::Missing(last + 1, id - 1));
        }
        self.checkpoints.insert(id, checkpoint);
    }

    /// Returns the checkpoints in ascending order, each with all signatures of its notes.
    pub fn checkpoints(&self) -> impl Iterator<Item = &Checkpoint> {
        self.checkpoints.values()
    }

    /// Returns what is wrong with the file itself, by line.
    pub fn defects(&self) -> &[FileDefect] {
        &self.defects
    }

    /// Returns the checkpoint of the seal with this number, if the file has it.
    pub fn get(&self, id: i64) -> Option<&Checkpoint> {
        self.checkpoints.get(&id)
    }

    /// Returns the checkpoint with the greatest number; none if the file is empty.
    pub fn last(&self) -> Option<&Checkpoint> {
        self.checkpoints.values().next_back()
    }
}

/// Returns the length of the first note of a text: its text, an empty line and its signatures. None if it is
/// incomplete.
fn first_note(text: &str) -> Option<usize> {
    let signatures = text.find(EMPTY_LINE)? + EMPTY_LINE.len();
    let end = match text[signatures..].find(EMPTY_LINE) {
        Some(end) => signatures + end + 1,
        None => text.len(),
    };
    text[..end].ends_with('\n').then_some(end).filter(|end| *end > signatures)
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
    keys: Vec<PublicKey>,
    last: Option<Checkpoint>,
}

impl CheckpointWriter {
    /// Opens a checkpoint file, or creates it; removes an incomplete note at its end. Appends only seals that are
    /// signed with one of these keys.
    ///
    /// # Errors
    ///
    /// - [`Error::is_file`]: the file can't be read, or another process has it open for appending.
    /// - [`Error::is_unproven`]: the file has another [defect](CheckpointFile::defects).
    pub fn open(path: &Path, keys: Vec<PublicKey>) -> Result<Self, Error> {
        let failed = |why: std::io::Error| Error::file(path.display(), why);
        let existed = path.exists();
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(MODE)
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
        let contents = CheckpointFile::parse(path, &text)?;
        let is_grave = |defect: &&FileDefect| defect.kind != FileDefectKind::Incomplete;
        if let Some(defect) = contents.defects.iter().find(is_grave) {
            return Err(Error::unproven(format!(
                "{}: {defect}; nothing is appended, run blotter verify with this file",
                path.display()
            )));
        }
        file.set_len(contents.complete as u64)
            .and_then(|()| file.seek(SeekFrom::End(0)))
            .map_err(failed)?;
        if !existed {
            sync_directory_of(path).map_err(failed)?;
        }
        Ok(Self { path: path.to_owned(), file, keys, last: contents.last().cloned() })
    }

    /// Appends every seal that the database has and the file lacks; returns their count.
    ///
    /// Each is verified first: its signature, and that the tree grew from the last checkpoint to it. Each note is
    /// flushed to disk before the next one is written.
    ///
    /// # Errors
    ///
    /// - [`Error::is_unproven`]: the last seal of the file is not in the database or differs from the
    ///   database's; or a seal of the database does not verify, and the error names the login that inserted it.
    /// - [`Error::is_file`]: the file can't be written.
    /// - Those of the session.
    pub fn append_new<R: Audits>(&mut self, session: &Session<R>) -> Result<u64, Error> {
        if let Some(last) = &self.last {
            let id = last.head.seal;
            match session.snapshot(|tx| tx.seals().get(id)) {
                Ok(seal) if seal.head() == last.head => {}
                Err(error) if !error.is_not_found() => return Err(error),
                _ => {
                    return Err(Error::unproven(format!(
                        "seal {id} of {} is not the one that the database has; find out why before you seal \
                         again: run blotter verify with this file",
                        self.path.display()
                    )));
                }
            }
        }
        let mut appended = 0;
        let mut before: Option<StoredSeal> = None;
        loop {
            let last = self.last.as_ref().map_or(0, |last| last.head.seal);
            let next = session.snapshot(|tx| {
                let mut seals = tx.seals();
                if before.is_none() && last > 0 {
                    before = Some(seals.stored(last)?);
                }
                let next = seals.after(last, 1)?.pop();
                next.map(|next| seals.stored(next.id)).transpose().map_err(Error::from)
            })?;
            let Some(next) = next else { return Ok(appended) };
            if let Some(flaw) = next.flaw(before.as_ref(), &self.keys) {
                return Err(next
                    .seal
                    .refused(&format!("{flaw}, and is not appended to {}", self.path.display())));
            }
            self.append(next.seal.checkpoint())?;
            before = Some(next);
            appended += 1;
        }
    }

    /// Appends cosignatures: the checkpoints of another file, such as witnesses return them, that add a verified
    /// signature of one of these witnesses. Returns their count.
    ///
    /// # Errors
    ///
    /// - [`Error::is_unproven`]: a note can't be read, a checkpoint is not one of this file, or a cosignature does
    ///   not verify. Nothing is appended.
    /// - [`Error::is_file`]: the file can't be written.
    pub fn append_cosigned(
        &mut self,
        cosigned: &CheckpointFile,
        witnesses: &[super::VerifierKey],
    ) -> Result<u64, Error> {
        // Such a file need not have every seal, and may have one more than once.
        let is_grave = |defect: &&FileDefect| {
            use FileDefectKind::{Fork, Incomplete, Unreadable};
            matches!(defect.kind, Incomplete | Unreadable(_) | Fork(_))
        };
        if let Some(defect) = cosigned.defects.iter().find(is_grave) {
            return Err(Error::unproven(format!(
                "{}: {defect}; nothing is appended",
                cosigned.path.display()
            )));
        }
        let known = CheckpointFile::read(&self.path)?;
        let mut new = Vec::new();
        for checkpoint in cosigned.checkpoints() {
            let id = checkpoint.head.seal;
            let refused = |why: &str| {
                Error::unproven(format!("seal {id} of {}: {why}", cosigned.path.display()))
            };
            let own = known.get(id).filter(|own| own.note.text == checkpoint.note.text);
            let Some(own) = own else {
                return Err(refused("it is not in the checkpoint file; nothing is appended"));
            };
            let mut has_new = false;
            for witness in witnesses {
                match checkpoint.is_cosigned_by(witness) {
                    None => {
                        return Err(refused(&format!(
                            "the cosignature of {} does not verify",
                            witness.name()
                        )));
                    }
                    Some(is_cosigned) => {
                        has_new |= is_cosigned && own.is_cosigned_by(witness) != Some(true);
                    }
                }
            }
            if has_new {
                new.push(checkpoint);
            }
        }
        for checkpoint in &new {
            self.write(checkpoint)?;
        }
        Ok(new.len() as u64)
    }

    fn append(&mut self, checkpoint: Checkpoint) -> Result<(), Error> {
        self.write(&checkpoint)?;
        self.last = Some(checkpoint);
        Ok(())
    }

    fn write(&mut self, checkpoint: &Checkpoint) -> Result<(), Error> {
        let mut write = || {
            let is_empty = self.file.stream_position()? == 0;
            let separator = if is_empty { "" } else { "\n" };
            self.file.write_all(format!("{separator}{checkpoint}").as_bytes())?;
            self.file.sync_data()
        };
        write().map_err(|why: std::io::Error| Error::file(self.path.display(), why))
    }
}
