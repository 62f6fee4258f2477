//! [`Fleet`], the servers of several desks: tells where each desk is, and hands out its store.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tempfile::NamedTempFile;
use toml_edit::{DocumentMut, Item, Table, value};

use crate::database::blotter::Blotter;
use crate::database::desk::Desk;
use crate::error::Error;

/// Where a desk is.
#[derive(Clone, PartialEq, Eq)]
pub struct Place {
    /// The URL of the database that holds the desk: a `postgres://` URL or a libpq keyword string.
    pub writer: String,
    /// The URL of a replica of it for those who only read.
    pub reader: Option<String>,
}

/// Without the URLs, which may hold passwords.
impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").finish_non_exhaustive()
    }
}

/// A fleet file: a TOML file that says where each desk is.
///
/// ```toml
/// [desk_a]
/// writer = "postgres://app@db1/blotter"
/// reader = "postgres://app@db2/blotter"
///
/// [desk_b]
/// writer = "postgres://app@db3/blotter"
/// ```
///
/// Each table is a [`Desk`] by its name, with the URL of the database that holds it, and if there is one that of a replica.
/// Passwords are better kept in `~/.pgpass` than here.
#[derive(Clone, Debug)]
pub struct FleetFile {
    path: PathBuf,
    document: DocumentMut,
    places: BTreeMap<Desk, Place>,
}

impl FleetFile {
    /// Reads a fleet file.
    ///
    /// # Errors
    ///
    /// [`Error::is_file`] if it cannot be read, is not TOML, or has anything but tables of desks: names the line or the desk.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let failed = |why: &dyn fmt::Display| Error::file(path.display(), why);
        let text = fs::read_to_string(path).map_err(|why| failed(&why))?;
        let document: DocumentMut = text.parse().map_err(|why| failed(&why))?;
        let mut places = BTreeMap::new();
        for (name, item) in document.iter() {
            let desk = Desk::new(name).map_err(|why| failed(&why))?;
            let place = place(item).map_err(|why| failed(&format_args!("desk {name}: {why}")))?;
            places.insert(desk, place);
        }
        Ok(Self { path: path.to_owned(), document, places })
    }

    /// Returns the desks, by name.
    pub fn desks(&self) -> impl Iterator<Item = (&Desk, &Place)> {
        self.places.iter()
    }

    /// Returns where a desk is.
    ///
    /// # Errors
    ///
    /// [`Error::is_not_found`] if the file does not have it.
    pub fn place(&self, desk: &Desk) -> Result<&Place, Error> {
        self.places.get(desk).ok_or_else(|| Error::not_found("desk", desk))
    }

    /// Adds a desk or changes where it is, and writes the file; everything else in it stays as it is. The file is replaced
    /// as a whole: whoever reads it finds the one or the other.
    ///
    /// # Errors
    ///
    /// [`Error::is_file`] if it cannot be written. It is as before then.
    pub fn set(&mut self, desk: &Desk, place: &Place) -> Result<(), Error> {
        let failed = |why: &dyn fmt::Display| Error::file(self.path.display(), why);
        let mut document = self.document.clone();
        let entry = document.entry(desk.name()).or_insert_with(|| Item::Table(Table::new()));
        entry["writer"] = value(&place.writer);
        match (&place.reader, entry.as_table_like_mut()) {
            (Some(reader), _) => entry["reader"] = value(reader),
            (None, Some(table)) => drop(table.remove("reader")),
            (None, None) => {}
        }
        let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let mut file = NamedTempFile::new_in(directory.unwrap_or(Path::new(".")))
            .map_err(|why| failed(&why))?;
        file.write_all(document.to_string().as_bytes()).map_err(|why| failed(&why))?;
        let mode = fs::metadata(&self.path).map_err(|why| failed(&why))?.permissions();
        file.as_file().set_permissions(mode).map_err(|why| failed(&why))?;
        file.as_file().sync_all().map_err(|why| failed(&why))?;
        file.persist(&self.path).map_err(|why| failed(&why.error))?;
        self.document = document;
        self.places.insert(desk.clone(), place.clone());
        Ok(())
    }
}

/// Reads the table of one desk.
fn place(item: &Item) -> Result<Place, String> {
    let table = item.as_table_like().ok_or("is not a table")?;
    let text = |key: &str| match table.get(key) {
        None => Ok(None),
        Some(url) => match url.as_str() {
            Some(url) => Ok(Some(url.to_owned())),
            None => Err(format!("{key} is not a string")),
        },
    };
    if let Some((key, _)) = table.iter().find(|(key, _)| !matches!(*key, "writer" | "reader")) {
        return Err(format!("{key} is not known; a desk has a writer, and may have a reader"));
    }
    let writer = text("writer")?.ok_or("has no writer, the URL of its database")?;
    Ok(Place { writer, reader: text("reader")? })
}

/// What a store is used for.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Use {
    Write,
    Read,
}

/// Says where a desk is.
type Find = dyn Fn(&Desk) -> Result<Place, Error> + Send + Sync;

/// The stores of writers and of readers, each with its URL.
type Stores = HashMap<(Desk, Use), (String, Blotter)>;

/// The servers of several desks. A clone shares its pools of connections.
///
/// ```no_run
/// use tradeblotter::{Fleet, Place};
///
/// # fn main() -> Result<(), tradeblotter::Error> {
/// let fleet = Fleet::of_file("fleet.toml".as_ref())?;
/// let engine = fleet.writer("desk_a")?.engine();
///
/// // Or wherever the application keeps its servers.
/// let fleet = Fleet::new(|desk| match desk {
///     "desk_a" => Some(Place { writer: "postgres://app@db1/blotter".to_owned(), reader: None }),
///     _ => None,
/// });
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Fleet {
    find: Arc<Find>,
    stores: Arc<Mutex<Stores>>,
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fleet").finish_non_exhaustive()
    }
}

impl Fleet {
    /// Makes a fleet of a function that says where the desk of a name is; none if there is no such desk. It is asked each
    /// time that a store is asked for.
    pub fn new(find: impl Fn(&str) -> Option<Place> + Send + Sync + 'static) -> Self {
        Self::with(move |desk| find(desk.name()).ok_or_else(|| Error::not_found("desk", desk)))
    }

    /// Makes a fleet of a [fleet file](FleetFile). It is read again when it has changed, so that a backend that asks for its
    /// store at each piece of work follows a desk that moves.
    ///
    /// # Errors
    ///
    /// Those of [`FleetFile::read`].
    pub fn of_file(path: &Path) -> Result<Self, Error> {
        let path = path.to_owned();
        let read = Mutex::new((changed(&path), FleetFile::read(&path)?));
        Ok(Self::with(move |desk| {
            let mut read = read.lock().unwrap_or_else(PoisonError::into_inner);
            let now = changed(&path);
            if now != read.0 {
                *read = (now, FleetFile::read(&path)?);
            }
            read.1.place(desk).cloned()
        }))
    }

    fn with(find: impl Fn(&Desk) -> Result<Place, Error> + Send + Sync + 'static) -> Self {
        Self { find: Arc::new(find), stores: Arc::default() }
    }

    /// Returns the store of a desk, on the server that takes its writes.
    ///
    /// # Errors
    ///
    /// [`Error::is_not_found`] for a desk that is not in the fleet; [`Error::is_file`] for a fleet file that cannot be read;
    /// and those of [`BlotterBuilder::connect`](crate::BlotterBuilder::connect).
    pub fn writer(&self, desk: &str) -> Result<Blotter, Error> {
        let desk = Desk::new(desk)?;
        let place = (self.find)(&desk)?;
        self.store(desk, Use::Write, place.writer)
    }

    /// Returns the store of a desk for those who only read: on its replica if it has one, or else where it is written.
    ///
    /// # Errors
    ///
    /// Those of [`Fleet::writer`].
    pub fn reader(&self, desk: &str) -> Result<Blotter, Error> {
        let desk = Desk::new(desk)?;
        let Place { writer, reader } = (self.find)(&desk)?;
        self.store(desk, Use::Read, reader.unwrap_or(writer))
    }

    fn store(&self, desk: Desk, used: Use, url: String) -> Result<Blotter, Error> {
        let key = (desk, used);
        let stores = || self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, store)) = stores().get(&key)
            && *known == url
        {
            return Ok(store.clone());
        }
        // Not while the stores are locked: a server that does not answer must not hold up the other desks.
        let store = Blotter::builder(&url).desk(key.0.name()).connect()?;
        stores().insert(key, (url, store.clone()));
        Ok(store)
    }
}

/// Returns what tells that a file is another one than before.
fn changed(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}
