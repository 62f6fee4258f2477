//! Stands between a client and the server's socket, and counts the round trips.

use std::fs;
use std::io::{Read, Result, Write};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// The type of the message with which the server says that it waits for the next query. A client that
/// sends a query at a time has made a round trip for each.
const READY_FOR_QUERY: u8 = b'Z';

/// A socket like the server's, in a directory of its own.
pub struct Relay {
    directory: tempfile::TempDir,
    round_trips: Arc<AtomicUsize>,
}

impl Relay {
    pub fn to(server: &Path) -> Result<Self> {
        const SOCKET: &str = ".s.PGSQL.5432";
        let directory = tempfile::Builder::new().prefix("relay-").tempdir_in("/tmp")?;
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700))?;
        let listener = UnixListener::bind(directory.path().join(SOCKET))?;
        let round_trips = Arc::new(AtomicUsize::new(0));
        let (server, counter) = (server.join(SOCKET), Arc::clone(&round_trips));
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client?, UnixStream::connect(&server)?);
                let (mut up, mut down) = (server.try_clone()?, client.try_clone()?);
                let counter = Arc::clone(&counter);
                thread::spawn(move || pass_on(&client, &mut up, |_| {}));
                thread::spawn(move || {
                    let mut messages = Messages::default();
                    pass_on(&server, &mut down, |bytes| {
                        counter.fetch_add(messages.ready(bytes), Ordering::Relaxed);
                    })
                });
            }
            Result::Ok(())
        });
        Ok(Self { directory, round_trips })
    }

    /// Where the socket is.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// How many there were since the last call.
    pub fn take(&self) -> usize {
        self.round_trips.swap(0, Ordering::Relaxed)
    }
}

/// Copies what comes, shown first to `look`, until one side hangs up.
fn pass_on(mut from: &UnixStream, to: &mut UnixStream, mut look: impl FnMut(&[u8])) -> Result<()> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = from.read(&mut buffer)?;
        if read == 0 {
            return to.shutdown(Shutdown::Write);
        }
        look(&buffer[..read]);
        to.write_all(&buffer[..read])?;
    }
}

/// The server's messages: a type, a length of four bytes that counts itself, and the rest.
#[derive(Default)]
struct Messages {
    head: Vec<u8>,
    rest: usize,
}

impl Messages {
    /// How many of the messages that begin in these bytes say that the server is ready.
    fn ready(&mut self, bytes: &[u8]) -> usize {
        let mut count = 0;
        for &byte in bytes {
            if self.rest > 0 {
                self.rest -= 1;
                continue;
            }
            self.head.push(byte);
            if let [kind, a, b, c, d] = self.head[..] {
                count += usize::from(kind == READY_FOR_QUERY);
                self.rest = (u32::from_be_bytes([a, b, c, d]) as usize).saturating_sub(4);
                self.head.clear();
            }
        }
        count
    }
}
